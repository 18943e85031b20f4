"""Which families are there? The catalogue as frozen families and multipliers."""

import copy
import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from axdse.multipliers import strict_yaml
from axdse.multipliers.cache import digest, write_output
from axdse.multipliers.designs.c_call import check_arguments
from axdse.multipliers.designs.family import (
    Family,
    Multiplier,
    evaluate,
)
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import LARGEST_SOURCE, InputFile
from axdse.multipliers.names import check_name
from axdse.multipliers.sandbox.compiler import CPP_ENDS

HERE = Path(__file__).parents[1]
LONGEST_SPEC = 160
# What models may include.
_C = frozenset((".c", ".h", ".inc", ".inl", ".def", ".hh", ".hpp", ".hxx", *CPP_ENDS))
_HAS_FILES = "a family has its C model and its Verilog"
_SPEC = re.compile(r"\s*([^\W\d]\w*)\s*(?:\((.*)\)\s*)?", re.ASCII | re.DOTALL)
# What people have of a design; a spec is none of them.
OWN_FILES = frozenset((".c", ".v", ".sv", ".npy", ".bin", ".h", ".txt", ".csv", ".tsv"))
_VALUE = re.compile(r"\s*([^\W\d]\w*)\s*=\s*(-?\d{1,9})\s*", re.ASCII)


class Catalog:
    """The families of one folder, by name: `models/`, `rtl/`, and `catalog.yaml` or `catalog/`.

    Attributes:
        families: of that folder, and of those added.
        added: folders beside the first, in order.
    """

    def __init__(self, folder: Path = HERE) -> None:
        self.added: tuple[Path, ...] = ()
        self.families: dict[str, Family] = {}
        for path in _yaml_files(folder):
            for name, entry in _entries(path).items():
                if name in self.families:
                    rule = "a family stands in one file of a catalogue"
                    raise AxdseError(rule, f"{path}: {name}", "remove one")
                self.families[name] = _family(folder, path.name, name, entry)
        if not self.families:
            rule, remedy = "a catalogue has a family at least", "add one, or name another folder"
            raise AxdseError(rule, f"{folder} has none", remedy)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all files of the folders added; empty if there is none."""
        files = (part for name, data in self._files() for part in (name, data))
        return digest(*files) if self.added else ""

    def copy_added(self, folder: Path) -> None:
        """Write the folders added, by number, into a new folder, if there are any.

        Raises:
            AxdseError: a file cannot be read or written.
        """
        for name, data in self._files():
            write_output(folder / name, data)

    def _files(self) -> Iterator[tuple[str, bytes]]:
        """Names such as `1/models/mine.c`, and contents."""
        for i, source in enumerate(self.added, 1):
            for path in _yaml_files(source):
                yield f"{i}/{path.relative_to(source)}", _yaml_file(path).read()
            own = {f for family in self.families.values() for f in family.files}
            included = {f for f in source.glob("models/**/*") if f.suffix in _C and f.is_file()}
            for file in sorted(own | included):
                if file.is_relative_to(source):
                    _check_place(source, file)
                    content = InputFile(file, _HAS_FILES, LARGEST_SOURCE).read()
                    yield f"{i}/{file.relative_to(source)}", content

    def family(self, name: str) -> Family:
        """Return a family by name.

        Raises:
            AxdseError: there is none of that name.
        """
        if name not in self.families:
            raise AxdseError("unknown family", name, did_you_mean(name, self.families))
        return self.families[name]

    def multiplier(self, spec: str) -> Multiplier:
        """Read a spec such as `drum(n=8,k=4)` or `drum` (all defaults).

        Raises:
            AxdseError: the text is no spec, or names an unknown family or value.
        """
        name, values = parse_spec(spec)
        return self.family(name).bind(values)

    def grid(self, **fixed: int) -> Iterator[Multiplier]:
        """Yield every multiplier of every family that has all the `fixed` parameters."""
        fitting = (f for f in self.families.values() if set(fixed) <= set(f.parameters))
        return itertools.chain.from_iterable(family.grid(**fixed) for family in fitting)


@functools.cache
def builtin_catalog() -> Catalog:
    """The catalogue that ships with axdse."""
    return Catalog()


def full_catalog(folders: Iterable[Path] = ()) -> Catalog:
    """The built-in catalogue with the families of these folders.

    Raises:
        AxdseError: one of them is no catalogue, or a family is there twice.
    """
    merged = copy.copy(builtin_catalog())
    merged.families = dict(merged.families)
    for folder in map(Path.absolute, folders):
        for name, family in Catalog(folder).families.items():
            if name in merged.families:
                rule = "a family stands in one catalogue"
                raise AxdseError(rule, name, f"rename it in {folder}")
            merged.families[name] = family
        merged.added += (folder,)
    return merged


def parse_spec(spec: str) -> tuple[str, dict[str, int]]:
    """Split `name(parameter=integer, ...)` into the name and its values.

    Raises:
        AxdseError: the text is written otherwise, or gives a parameter twice.
    """
    match = _SPEC.fullmatch(spec)
    inner = (match[2] or "").strip() if match else ""
    items = [_VALUE.fullmatch(item) for item in inner.split(",")] if inner else []
    values = {item[1]: int(item[2]) for item in items if item}
    if match is None or len(values) < len(items):
        raise AxdseError(
            "a multiplier is written name(parameter=integer,...), each parameter once",
            repr(spec),
            "make a catalogue of files with 'axdse import'"
            if Path(spec).suffix in OWN_FILES
            else "write for example 'drum(n=8,k=4)'",
        )
    return match[1], values


def _yaml_files(folder: Path) -> list[Path]:
    """`catalog.yaml`, or all YAML files of `catalog/`, by name."""
    one, several = folder / "catalog.yaml", sorted(folder.glob("catalog/*.yaml"))
    if several and one.exists():
        rule = "a catalogue is a file catalog.yaml or a folder catalog/"
        raise AxdseError(rule, f"{folder} has both", "move the file into the folder")
    return several or [one]


def _yaml_file(path: Path) -> InputFile:
    rule = "a catalogue is a readable catalog.yaml"
    return InputFile(path, rule, strict_yaml.LARGEST, "name its folder")


def _entries(path: Path) -> dict[str, dict[str, object]]:
    entries = strict_yaml.load(_yaml_file(path).text(), str(path)) or {}
    if not isinstance(entries, dict):
        raise AxdseError("a catalogue maps names to families", path, "see the built-in one")
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            rule, remedy = "a catalogue maps names to families", "give it title, kind and width"
            raise AxdseError(rule, f"{path}: {name} is {entry!r}", remedy)
    return entries


def _family(folder: Path, place: str, name: str, entry: dict[str, object]) -> Family:
    where = f"{place}, {name}"
    own = sorted({"name", "model", "rtl"} & entry.keys())
    if own:
        rule = "a family is its key: models/KEY.c and rtl/KEY.v"
        raise AxdseError(rule, f"{where}: {own[0]}", "leave it out and name the files so")
    check_name(name, "families")  # before it names files
    ends = (".c", *CPP_ENDS)
    models = [folder / "models" / f"{name}{end}" for end in ends]
    model = next((path for path in models if path.exists()), models[0])
    files = {"model": model, "rtl": folder / "rtl" / f"{name}.v"}
    entry = {"parameters": {}} | entry
    family = strict_yaml.build(Family, {"name": name, **files, **entry}, where)
    _check_names(family, where)
    if folder != HERE:
        for file in family.files:
            _check_place(folder, file)
    _check_expressions(family, where)
    family.bind()
    return family


def _check_expressions(family: Family, where: str) -> None:
    """Evaluate bounds, defaults and widths in their order: a wrong one is named by its key."""

    def value(key: str, text: int | str) -> int:
        try:
            return evaluate(text, values)
        except AxdseError as error:
            raise AxdseError(error.rule, f"{where}: {key} is {text!r}", error.remedy) from error

    values: dict[str, int] = {}
    for name, each in family.parameters.items():
        key = f"parameters.{name}"
        low, high = value(f"{key}.min", each.min), value(f"{key}.max", each.max)
        if low > high:
            raise AxdseError(
                "a range is min..max", f"{where}: {key} is {low}..{high}", "swap them"
            )
        values[name] = min(max(value(f"{key}.default", each.default), low), high)
    value("width", family.width)
    if family.width_b is not None:
        value("width_b", family.width_b)


def _check_names(family: Family, where: str) -> None:
    """What names cannot tell one by one."""
    check_name(family.function or family.name, f"functions in {where}", "C")
    check_name(family.module or family.name, f"modules in {where}", "Verilog")
    check_arguments(family.arguments)
    control = family.pipeline.ports if family.pipeline else ()
    # Parameters become macros in capitals.
    for names in ((*family.port_names, *control), [name.upper() for name in family.parameters]):
        twice = next((name for name in names if list(names).count(name) > 1), None)
        if twice:
            rule = f"ports and parameters of {where} have names of their own"
            raise AxdseError(rule, f"{twice} stands twice", "rename one")
    # With values of nine digits it names modules and, in an export, files.
    spec = len(family.name) + sum(len(name) + 10 for name in family.parameters)
    if spec > LONGEST_SPEC:
        rule = f"a design of {where} is written in up to {LONGEST_SPEC} characters"
        raise AxdseError(rule, f"{len(family.parameters)} parameters", "choose shorter names")


def _check_place(folder: Path, file: Path) -> None:
    """A link may lead to any file of the machine, and a pipe has no end."""
    place = file.resolve()
    if not place.is_relative_to(folder.resolve()):
        raise AxdseError("files of a catalogue are in its folder", file, "put a copy there")
    if place.exists() and not place.is_file():
        raise AxdseError("files of a catalogue are regular files", file, "put a copy there")
