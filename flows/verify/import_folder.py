"""How does a folder of C and Verilog files become a catalogue of verified designs?"""

import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.bring_your_own import Design, as_c_model, design_of
from axdse.flows.verify.certificate import write_certificate
from axdse.flows.verify.check import check_designs, read_as
from axdse.flows.verify.controls import control_text
from axdse.flows.verify.module_ports import Module, read_modules
from axdse.flows.verify.netlist_files import as_verilog
from axdse.flows.verify.pins import Pins, pins_beside
from axdse.flows.verilog.sources import Library, Source, gather, tops_of
from axdse.multipliers.cache import digest, temporary_folder, write_output
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Family, Kind, Multiplier
from axdse.multipliers.errors import AxdseError, printable
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, without_comments
from axdse.multipliers.model.cmodel import MAX_TABLE_BITS, tabulate
from axdse.multipliers.model.compile import source_content
from axdse.multipliers.names import check_name
from axdse.multipliers.sandbox.compiler import CPP_ENDS
from axdse.multipliers.tables.error_metrics import error_metrics
from axdse.multipliers.tables.product_files import TABLES, is_table, plain_name

MODELS, VERILOG = (".c", ".inl", *CPP_ENDS), (".v", ".sv")
# mul8u_1JFF_pdk45.v maps mul8u_1JFF.c to cells of a library: a second RTL of one model.
VARIANT = re.compile(r"_pdk\d+$")
# EvoApproxLib prints two significant digits.
PRINTED = 0.05


@dataclass(frozen=True)
class Pair:
    """A Verilog file, and the C file or the table that belongs to it; None: there is none.

    A table alone has no Verilog.
    """

    name: str
    model: Path | None
    rtl: Path | None

    def __str__(self) -> str:
        return str(self.rtl or self.model)


@dataclass(frozen=True)
class Imported:
    """What came of one pair.

    Attributes:
        report: the verdict; None: there is none, of a table alone.
        reason: why it is no candidate; empty: it is one.
        figures: (name, published, measured) of the error figures that differ.
        texts: its C model and its Verilog, of a candidate.
        assumed: what was taken for granted of it.
    """

    pair: Pair
    multiplier: Multiplier | None
    report: RtlReport | None
    reason: str
    figures: tuple[tuple[str, float, float], ...] = ()
    texts: tuple[bytes, bytes] = (b"", b"")
    assumed: str = ""


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        pairs: Verilog with C or a table, designs of Verilog alone, and tables alone.
        parts: files that are no design by themselves: other files use them, or benches.
        library: all Verilog files, of which designs take what they name.
    """

    pairs: tuple[Pair, ...]
    parts: tuple[Path, ...]
    library: Library


def find_pairs(folder: Path, cells: Sequence[Path] = ()) -> Found:
    """Find the designs of a folder, at any depth; `cells` are Verilog of a library's.

    A C file, or a table of products, is that of the Verilog file of the same stem, in the same
    folder or, if it is the only one, in another. Copies of a pair count once: EvoApproxLib has a
    design in the folder of each front that it is on, and a comment names the front.

    Raises:
        AxdseError: it is no folder, or has no Verilog and no table; or a file cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    verilog = [path for path in files if path.suffix in VERILOG]
    tables = [path for path in files if is_table(path)]
    if not tables and not any(path.suffix in (*VERILOG, ".blif") for path in files):
        raise AxdseError(
            "a folder to import has designs X.v, pairs X.c and X.v, or tables of products",
            folder,
            "name the folder that holds them",
        )
    library = Library(dict.fromkeys([*verilog, *cells]))
    netlists = [path for path in files if path.suffix == ".blif"]
    tops = {*tops_of(Library(verilog)), *netlists}
    models = _Models([path for path in files if path.suffix in MODELS])
    products = _Models(tables)
    pairs: dict[tuple[str, str, str], Pair] = {}
    parts = []
    for rtl in (*verilog, *netlists):
        model = models.of(rtl) or products.of(rtl)
        if model is None and rtl not in tops:
            parts.append(rtl)
            continue
        content = _content(model) if model else ""
        pairs.setdefault((rtl.stem, content, _content(rtl)), Pair(rtl.stem, model, rtl))
    used = {pair.model for pair in pairs.values()}
    beside = {rtl.stem for rtl in (*verilog, *netlists)}
    for table in tables:
        if table.stem in beside and table not in used:
            parts.append(table)
        elif table not in used:
            pairs[(table.stem, str(table), "")] = Pair(table.stem, table, None)
    found = tuple(sorted(pairs.values(), key=lambda pair: pair.name))
    return Found(found, tuple(parts), library)


class _Models:
    """The C files of a folder, by the stems of their Verilog."""

    def __init__(self, files: list[Path]) -> None:
        self._beside = {(path.parent, path.stem): path for path in files}
        self._stems: dict[str, list[Path]] = {}
        for path in files:
            self._stems.setdefault(path.stem, []).append(path)

    def of(self, rtl: Path) -> Path | None:
        """The C file of a Verilog file."""
        for stem in (rtl.stem, VARIANT.sub("", rtl.stem)):
            if beside := self._beside.get((rtl.parent, stem)):
                return beside
            others = self._stems.get(stem, [])
            if len(others) == 1 and not _has_own(others[0]):
                return others[0]
        return None


def _has_own(model: Path) -> bool:
    """Whether Verilog of its name stands beside a C file."""
    return any(model.with_suffix(end).is_file() for end in VERILOG)


def _content(path: Path) -> str:
    """What tells a design's file from another: its lines without comments and blank ones.

    One that cannot be read, which its verdict says, is told by its name.
    """
    try:
        source = InputFile(path, "a source is a readable file", LARGEST_SOURCE).read()
    except AxdseError:
        return str(path)
    # Comments may be in any encoding; this one tells all bytes apart.
    if path.suffix in TABLES:
        return digest(source)
    code = without_comments(source.decode("latin-1"), literals=path.suffix in MODELS)
    lines = (line.strip() for line in code.split("\n"))
    return "\n".join(filter(None, lines))


def import_pairs(
    found: Found, *, kind: Kind | Literal[""] = "", seed: int = 0, jobs: int | None = None
) -> Generator[Imported]:
    """Read and verify each design; yields in order. Verdicts are cached, a simulation's at once.

    Args:
        found: the designs.
        kind: what they are; empty: as their widths tell.
        seed: of random pairs.
        jobs: simulations at once; None: all cores.
    """
    with temporary_folder() as folder:
        yield from _imports(found, Pins(kind=kind), seed, jobs, folder)


def _imports(
    found: Found, pins: Pins, seed: int, jobs: int | None, folder: Path
) -> Generator[Imported]:
    pairs = [pair for pair in found.pairs if pair.rtl]
    names = {pair.name for pair in pairs}
    for number, pair in enumerate(each for each in found.pairs if not each.rtl):
        place = folder / f"table{number}"
        place.mkdir()
        yield _table_alone(pair, pins, place, pair.name in names)
        names.add(pair.name)
    attempts = [_attempt(pair, found.library, pins, folder) for pair in pairs]
    pairs = [pair for attempt in attempts for pair, _ in attempt]
    sources = [source for attempt in attempts for _, source in attempt]
    modules = iter(read_modules([one[0] for one in sources if not isinstance(one, AxdseError)]))
    designs: list[Design | AxdseError] = []
    names = set()
    for number, (pair, source) in enumerate(zip(pairs, sources, strict=True)):
        if isinstance(source, AxdseError):
            designs.append(source)
        else:
            place = folder / str(number)
            place.mkdir()
            designs.append(_design(pair, *source, next(modules), place, pair.name in names))
        names.add(pair.name)
    readable = [design for design in designs if isinstance(design, Design)]
    with closing(check_designs(readable, seed=seed, jobs=jobs)) as verdicts:
        for pair, design in zip(pairs, designs, strict=True):
            if isinstance(design, AxdseError):
                yield Imported(pair, None, None, str(design))
            else:
                yield _imported(pair, design, next(verdicts))


def _attempt(
    pair: Pair, library: Library, pins: Pins, folder: Path
) -> list[tuple[Pair, tuple[Source, Pins] | AxdseError]]:
    """The Verilog of a design, and what is said of it; of one with a range, for each value."""
    try:
        assert pair.rtl
        path, found = as_verilog(pair.rtl, folder), pins_beside(pair.rtl, pins)
        top = next(iter(found.values())).top
        source = gather([path], top, library=library)
    except AxdseError as error:
        return [(pair, error)]
    return [(replace(pair, name=f"{pair.name}{end}"), (source, own)) for end, own in found.items()]


def _design(
    pair: Pair,
    source: Source,
    pins: Pins,
    modules: tuple[Module, ...] | AxdseError,
    folder: Path,
    named_before: bool,
) -> Design | AxdseError:
    if isinstance(modules, AxdseError):
        return modules
    try:
        if named_before:
            raise AxdseError("two designs have two names", pair, "rename one")
        model, told = pair.model, ""
        if model and model.suffix in TABLES:
            model, table = as_c_model(model, pins, folder)
            pins, told = replace(pins, signed=(table.signed, table.signed)), table.told
        if (
            pair.model
            and model == pair.model
            and source_content(pair.model) != pair.model.read_bytes()
        ):
            raise AxdseError(
                "a C model to import is one file", pair.model, "paste in what it reads"
            )
        design = design_of(model or folder, source, modules, pins)
        name = own_name(pair.name)
        readings = tuple(_named(reading, name) for reading in design.readings)
        assumed = "; ".join(filter(None, (told, design.assumed)))
        return replace(design, readings=readings, assumed=assumed)
    except AxdseError as error:
        return error


def _table_alone(pair: Pair, pins: Pins, folder: Path, named_before: bool) -> Imported:
    """A table of products without Verilog: a design to train with, of which nothing is proved."""
    assert pair.model
    try:
        if named_before:
            raise AxdseError("two designs have two names", pair, "rename one")
        own = next(iter(pins_beside(pair.model, pins).values()))
        model, table = as_c_model(pair.model, own, folder)
        if own.kind not in ("", table.kind):
            rule, remedy = f"a table of this file is of kind {table.kind}", "leave --kind out"
            raise AxdseError(rule, f"{pair}, kind {own.kind}", remedy)
        name = own_name(plain_name(pair.name))
        check_name(name, "families, and so of their files,")
        swapped = own.order == "swapped"
        widths = (table.a_bits, table.b_bits)[:: -1 if swapped else 1]
        family = Family(
            name=name,
            title=printable(pair.model.name),
            kind=table.kind,
            width=widths[0],
            width_b=widths[1],
            signed=table.signed,
            swapped=swapped,
            function=model.stem,
            model=model,
            rtl=model.with_suffix(".v"),
            parameters={},
            table_only=True,
        )
        multiplier = family.bind()
        tabulate(multiplier)
    except AxdseError as error:
        return Imported(pair, None, None, str(error))
    return Imported(pair, multiplier, None, "", (), (model.read_bytes(), b""), table.told)


def own_name(name: str) -> str:
    """What a design is called in a catalogue beside the built-in one, whose names are taken."""
    return f"own_{name}" if name in builtin_catalog().families else name


def _named(multiplier: Multiplier, name: str) -> Multiplier:
    """Files tell designs apart, functions need not."""
    check_name(name, "families, and so of their files,")
    return replace(multiplier, family=replace(multiplier.family, name=name))


def _imported(pair: Pair, design: Design, verdict: RtlReport | AxdseError) -> Imported:
    if isinstance(verdict, AxdseError):
        return Imported(pair, design.multiplier, None, str(verdict))
    if not verdict.passed:
        read = verdict.reading is not None and verdict.reading.mismatches > 0
        differ = "simulator and synthesiser" if read or not pair.model else "RTL and C model"
        model = f"--model {pair.model} " if pair.model else ""
        return Imported(
            pair,
            design.multiplier,
            verdict,
            f"{differ} differ; 'axdse verify {model}--rtl {pair.rtl}' shows where",
        )
    multiplier = read_as(design.readings, verdict)
    for pipeline in design.levels:
        if control_text(pipeline) == verdict.levels:
            family = replace(multiplier.family, pipeline=pipeline)
            multiplier = replace(multiplier, family=family)
    item = Imported(pair, multiplier, verdict, "", _misprints(multiplier))
    texts = multiplier.family.model.read_bytes(), design.rtl.text.encode()
    return replace(item, texts=texts, assumed=design.assumed)


def _misprints(multiplier: Multiplier) -> tuple[tuple[str, float, float], ...]:
    """Published error figures that the table does not bear out."""
    published = {figure.name: figure.value for figure in multiplier.family.published}
    if multiplier.family.kind == "bits":
        return ()
    if not published or multiplier.a_bits + multiplier.b_bits > MAX_TABLE_BITS:
        return ()
    measured = _in_their_words(multiplier)
    return tuple(
        (name, published[name], value)
        for name, value in measured.items()
        if name in published and abs(published[name] - value) > PRINTED * abs(value) + 1e-9
    )


def _in_their_words(multiplier: Multiplier) -> dict[str, float]:
    """Their relative errors are over the pairs whose exact product is not zero."""
    nonzero = np.ones((1 << multiplier.a_bits, 1 << multiplier.b_bits))
    nonzero[0] = nonzero[:, 0] = 0
    error, relative = error_metrics(multiplier), error_metrics(multiplier, nonzero)
    return {
        "MAE": error.med,
        "WCE": error.wce,
        "MSE": error.variance + error.bias**2,
        "EP%": 100 * error.error_rate,
        "MRE%": 100 * relative.mred,
        "WCRE%": 100 * relative.wcre,
    }


def write_catalog(imported: list[Imported], folder: Path) -> int:
    """Write those that passed as a catalogue, with their certificates; return how many.

    Raises:
        AxdseError: the folder holds a catalogue already, or cannot be written.
    """
    if (folder / "catalog.yaml").exists():
        raise AxdseError("a catalogue is not overwritten", folder, "choose a new folder")
    entries = {}
    for item in imported:
        if item.reason or not item.multiplier:
            continue
        name, suffix = item.multiplier.family.name, item.multiplier.family.model.suffix
        model, rtl = item.texts
        end = suffix if suffix in CPP_ENDS else ".c"
        write_output(folder / "models" / f"{name}{end}", model)
        if item.report:
            write_output(folder / "rtl" / f"{name}.v", rtl)
            write_certificate(item.report, folder / "certificates" / f"{name}.json")
        entries[name] = _entry(item.multiplier)
    text = yaml.safe_dump(entries, sort_keys=False, width=99)
    write_output(folder / "catalog.yaml", text.encode())
    return len(entries)


def _entry(multiplier: Multiplier) -> dict[str, Any]:
    family = multiplier.family
    entry: dict[str, Any] = {
        "title": family.title,
        "kind": family.kind,
        "width": multiplier.a_bits,
        "width_b": multiplier.b_bits,
        "signed": family.signed,
        "unsigned_operand": family.unsigned_operand,
        "unsigned_char": family.unsigned_char,
        "arguments": list(family.arguments),
        "function": family.function or family.name,
        "swapped": family.swapped,
        "rtl_only": family.rtl_only,
        "table_only": family.table_only,
        "takes_floats": family.takes_floats,
        "module": family.module,
        "ports": list(family.port_names),
        "published": [
            {"name": figure.name, "value": figure.value, "unit": figure.unit}
            for figure in family.published
        ],
    }
    if family.product is not None:
        entry["product"] = family.product
    if family.pipeline:
        entry["pipeline"] = {
            key: value for key, value in vars(family.pipeline).items() if value is not None
        }
    return entry
