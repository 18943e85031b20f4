"""How does a folder of C and Verilog files become a catalogue of verified designs?"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.bring_your_own import Design, as_c_model, design_of, design_with_table
from axdse.flows.verify.certificate import write_certificate
from axdse.flows.verify.check import check_design, check_designs, read_as
from axdse.flows.verify.controls import control_text
from axdse.flows.verify.figures import Misprint, is_adder, misprints
from axdse.flows.verify.module_ports import Module, missing_modules, no_module, read_modules
from axdse.flows.verify.netlist_files import READERS, as_verilog
from axdse.flows.verify.pairs import Found, Pair
from axdse.flows.verify.pins import Pins, pins_beside
from axdse.flows.verilog.sources import Library, Source, gather
from axdse.multipliers.cache import temporary_folder, write_output
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Family, Kind, Multiplier
from axdse.multipliers.errors import AxdseError, printable
from axdse.multipliers.model.cmodel import table_of
from axdse.multipliers.model.object_check import ImpureError
from axdse.multipliers.model.own_includes import as_one_file
from axdse.multipliers.names import check_name
from axdse.multipliers.sandbox.compiler import CPP_ENDS
from axdse.multipliers.tables.product_files import TABLES, plain_name, read_table

AT_ONCE = 32  # designs read before the first is verified, for each core


@dataclass(frozen=True)
class Imported:
    """What came of one pair.

    Attributes:
        report: the verdict; None: there is none, of a table alone.
        reason: why it is no candidate; empty: it is one, or `needs` something.
        figures: published error figures that differ.
        texts: its C model and its Verilog, of a candidate.
        assumed: what was taken for granted of it.
        needs: what it lacks, so that nothing can be said of it.
        tables: tables of a candidate that do not have its products, and what they have.
    """

    pair: Pair
    multiplier: Multiplier | None
    report: RtlReport | None
    reason: str
    figures: tuple[Misprint, ...] = ()
    texts: tuple[bytes, bytes] = (b"", b"")
    assumed: str = ""
    needs: str = ""
    tables: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in a catalogue; of what could not be read, what its file is called."""
        return self.multiplier.family.name if self.multiplier else self.pair.name

    @property
    def is_sound(self) -> bool:
        """Whether nothing of it differs or is refused."""
        return not (self.reason or self.tables)


def count_designs(found: Found) -> int:
    """How many designs there are: of a parameter with a range, one for each value."""
    return sum(map(_count, found.pairs))


def _count(pair: Pair) -> int:
    try:
        return len(pins_beside(pair.rtl, Pins())) if pair.rtl else 1
    except AxdseError:  # told when it is read
        return 1


def import_pairs(
    found: Found, *, kind: Kind | Literal[""] = "", seed: int = 0, jobs: int | None = None
) -> Generator[Imported]:
    """Read and verify each design, tables alone last. Verdicts are cached as they come.

    Args:
        found: the designs.
        kind: what they are; empty: as their widths tell.
        seed: of random pairs.
        jobs: simulations at once; None: all cores.
    """
    pins, names = Pins(kind=kind), set[str]()
    designs = [pair for pair in found.pairs if pair.rtl]
    some = AT_ONCE * (jobs or cores())
    for start in range(0, len(designs), some):
        with temporary_folder() as folder:
            prepared = list(
                _prepared(designs[start : start + some], found.library, pins, names, folder)
            )
            yield from _verified(prepared, seed, jobs)
    for pair in found.pairs:
        if not pair.rtl:
            with temporary_folder() as folder:
                yield _table_alone(pair, pins, folder, names)


@dataclass(frozen=True)
class _Prepared:
    """A design to be verified.

    Attributes:
        alone: its Verilog with a model that is made of it.
    """

    pair: Pair
    design: Design
    alone: Callable[[], Design]


def _verified(
    prepared: list[_Prepared | Imported], seed: int, jobs: int | None
) -> Generator[Imported]:
    readable = [each.design for each in prepared if isinstance(each, _Prepared)]
    with closing(check_designs(readable, seed=seed, jobs=jobs)) as verdicts:
        for each in prepared:
            if isinstance(each, Imported):
                yield each
                continue
            verdict = next(verdicts)
            if isinstance(verdict, ImpureError):
                yield _without_model(each, verdict, seed)
            else:
                yield _imported(each.pair, each.design, verdict)


def _without_model(prepared: _Prepared, why: ImpureError, seed: int) -> Imported:
    """What comes of a design whose C model says nothing for sure, such as one with a cache."""
    try:
        design = prepared.alone()
        verdict = check_design(design, seed=seed)
    except AxdseError as error:
        return Imported(prepared.pair, None, None, str(error))
    published = prepared.design.multiplier.family.published
    told = "; ".join(filter(None, (f"its C model is left out: {why}", design.assumed)))
    readings = tuple(
        replace(reading, family=replace(reading.family, published=published))
        for reading in design.readings
    )
    design = replace(design, readings=readings, assumed=told)
    return _imported(replace(prepared.pair, model=None), design, verdict)


def _prepared(
    pairs: Sequence[Pair], library: Library, pins: Pins, names: set[str], folder: Path
) -> Generator[_Prepared | Imported]:
    """Designs to be verified, or why there is nothing to verify."""
    attempts = [attempt for pair in pairs for attempt in _attempt(pair, library, pins, folder)]
    sources = [source[0] for _, source in attempts if not isinstance(source, AxdseError)]
    modules = iter(read_modules(sources))
    for number, (pair, source) in enumerate(attempts):
        if isinstance(source, AxdseError):
            yield Imported(pair, None, None, str(source))
            continue
        place = folder / str(number)
        place.mkdir()
        yield _design(pair, *source, next(modules), place, names)


def _attempt(
    pair: Pair, library: Library, pins: Pins, folder: Path
) -> list[tuple[Pair, tuple[Source, Pins] | AxdseError]]:
    """The Verilog of a design, and what is said of it; of one with a range, for each value."""
    try:
        assert pair.rtl
        path, found = as_verilog(pair.rtl, folder), pins_beside(pair.rtl, pins)
        modules = library.names(path) if path in library.files else ()
        top = next(iter(found.values())).top or (modules[0] if len(modules) == 1 else "")
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
    names: set[str],
) -> _Prepared | Imported:
    try:
        name = _new_name(pair, names)
        if isinstance(modules, AxdseError):
            raise modules
        if missing := missing_modules(modules):
            if pair.is_mapped:
                needs = f"mapped to cells that are not there, such as {missing[0]}; --cells"
                return Imported(pair, None, None, "", needs=f"{needs} takes their library")
            raise no_module(source.name, missing[0])
        if pair.model and pair.model.suffix in TABLES:
            design = design_with_table(pair.model, source, modules, pins, folder)
        else:
            model = as_one_file(pair.model, folder) if pair.model else folder
            design = design_of(model, source, modules, pins)
    except AxdseError as error:
        return Imported(pair, None, None, str(error))
    return _Prepared(
        pair, _named(design, name), lambda: _named(design_of(folder, source, modules, pins), name)
    )


def _named(design: Design, name: str) -> Design:
    """Files tell designs apart, functions need not."""
    readings = tuple(
        replace(reading, family=replace(reading.family, name=name)) for reading in design.readings
    )
    return replace(design, readings=readings)


def _new_name(pair: Pair, names: set[str]) -> str:
    """What a design is called: as its file, as far as that is a plain name.

    Where another one has that name, that of a folder is added, of the innermost if that will do.

    Raises:
        AxdseError: it is too long or reserved; or all such names are taken.
    """
    path = pair.rtl or pair.model
    assert path
    ends = [path.suffix[1:]] if path.suffix in READERS else []
    ends += [folder.name for folder in path.parents if folder.name]
    name = plain_name(pair.name)
    for end in ("", *ends):
        found = own_name(plain_name(f"{name}_{end}") if end else name)
        check_name(found, "families, and so of their files,")
        if found not in names:
            names.add(found)
            return found
    raise AxdseError("two designs have two names", pair, "rename one")


def _table_alone(pair: Pair, pins: Pins, folder: Path, names: set[str]) -> Imported:
    """A table of products without Verilog: a design to train with, of which nothing is proved."""
    assert pair.model
    try:
        name = _new_name(pair, names)
        own = next(iter(pins_beside(pair.model, pins).values()))
        model, table = as_c_model(pair.model, own, folder)
        if own.kind not in ("", table.kind):
            rule, remedy = f"a table of this file is of kind {table.kind}", "leave --kind out"
            raise AxdseError(rule, f"{pair}, kind {own.kind}", remedy)
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
        differing = _differing(pair.tables, multiplier)
    except AxdseError as error:
        return Imported(pair, None, None, str(error))
    texts = model.read_bytes(), b""
    return Imported(pair, multiplier, None, "", (), texts, table.told, tables=differing)


def own_name(name: str) -> str:
    """What a design is called in a catalogue beside the built-in one, whose names are taken."""
    return f"own_{name}" if name in builtin_catalog().families else name


def _imported(pair: Pair, design: Design, verdict: RtlReport | AxdseError) -> Imported:
    if isinstance(verdict, AxdseError):
        return Imported(pair, design.multiplier, None, str(verdict))
    if not verdict.passed:
        read = verdict.reading is not None and verdict.reading.mismatches > 0
        other = "table" if pair.model and pair.model.suffix in TABLES else "C model"
        differ = "simulator and synthesiser" if read or not pair.model else f"RTL and {other}"
        model = f"--model {pair.model} " if pair.model else ""
        return Imported(
            pair,
            design.multiplier,
            verdict,
            f"{differ} differ; 'axdse verify {model}--rtl {pair.rtl}{design.options}' shows where",
        )
    multiplier = read_as(design.readings, verdict)
    for pipeline in design.levels:
        if control_text(pipeline) == verdict.levels:
            family = replace(multiplier.family, pipeline=pipeline)
            multiplier = replace(multiplier, family=family)
    return Imported(
        pair,
        multiplier,
        verdict,
        "",
        misprints(multiplier),
        (multiplier.family.model.read_bytes(), design.rtl.text.encode()),
        f"an adder; {design.assumed}" if is_adder(multiplier) else design.assumed,
        tables=_differing(pair.tables, multiplier),
    )


def _differing(tables: Sequence[Path], multiplier: Multiplier) -> tuple[str, ...]:
    """Which tables have other products than a design, in either order of its operands."""
    found = []
    for path in tables:
        try:
            own = table_of(multiplier)
            table = read_table(path, signed=multiplier.family.signed).patterns
        except AxdseError as error:
            found.append(f"{path.name}: {error}")
            continue
        orders = [each for each in (table, table.T) if each.shape == own.shape]
        if not orders:
            shapes = (" x ".join(map(str, each.shape)) for each in (table, own))
            found.append("{} is {}, its design {}".format(path.name, *shapes))
        elif wrong := min(int(np.count_nonzero(each != own)) for each in orders):
            found.append(f"{path.name}: {wrong:,} of {own.size:,} products differ from the design")
    return tuple(found)


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
