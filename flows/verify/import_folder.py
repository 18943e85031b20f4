"""How does a folder of C and Verilog files become a catalogue of verified designs?"""

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.bring_your_own import Design, Pins, design_of
from axdse.flows.verify.certificate import write_certificate
from axdse.flows.verify.check import check_designs, swapped
from axdse.flows.verify.module_ports import Module, read_modules
from axdse.multipliers.cache import write_output
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, without_comments
from axdse.multipliers.model.cmodel import MAX_TABLE_BITS
from axdse.multipliers.model.compile import source_content
from axdse.multipliers.names import check_name
from axdse.multipliers.tables.error_metrics import error_metrics

MODELS, VERILOG = (".c", ".inl"), (".v", ".sv")
# mul8u_1JFF_pdk45.v maps mul8u_1JFF.c to cells of a library: a second RTL of one model.
VARIANT = re.compile(r"_pdk\d+$")
# EvoApproxLib prints two significant digits.
PRINTED = 0.05


@dataclass(frozen=True)
class Pair:
    """Two files that belong together."""

    name: str
    model: Path
    rtl: Path


@dataclass(frozen=True)
class Imported:
    """What came of one pair.

    Attributes:
        report: the verdict; None: there is none.
        reason: why it is no candidate; empty: it is one.
        figures: (name, published, measured) of the error figures that differ.
    """

    pair: Pair
    multiplier: Multiplier | None
    report: RtlReport | None
    reason: str
    figures: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class Found:
    """The pairs of a folder, and the Verilog files that have no C file."""

    pairs: tuple[Pair, ...]
    alone: tuple[Path, ...]


def find_pairs(folder: Path) -> Found:
    """Find C files with Verilog files of the same stem in the same folder, at any depth.

    Copies of a pair count once: EvoApproxLib has a design in the folder of each front that it is
    on, and a comment names the front.

    Raises:
        AxdseError: it is no folder, or has no such pair.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    models = {(path.parent, path.stem): path for path in files if path.suffix in MODELS}
    pairs: dict[tuple[str, str, str], Pair] = {}
    alone = []
    for rtl in (path for path in files if path.suffix in VERILOG):
        stems = (rtl.stem, VARIANT.sub("", rtl.stem))
        model = next((m for stem in stems if (m := models.get((rtl.parent, stem)))), None)
        if model is None:
            alone.append(rtl)
            continue
        pair = Pair(rtl.stem, model, rtl)
        pairs.setdefault((rtl.stem, _content(model), _content(rtl)), pair)
    if not pairs:
        raise AxdseError(
            "a folder to import has pairs X.c and X.v", folder, "name the folder that holds them"
        )
    return Found(tuple(sorted(pairs.values(), key=lambda pair: pair.name)), tuple(alone))


def _content(path: Path) -> str:
    """What tells a design's file from another: its lines without comments and blank ones.

    One that cannot be read, which its verdict says, is told by its name.
    """
    try:
        source = InputFile(path, "a source is a readable file", LARGEST_SOURCE).read()
    except AxdseError:
        return str(path)
    # Comments may be in any encoding; this one tells all bytes apart.
    code = without_comments(source.decode("latin-1"), literals=path.suffix in MODELS)
    lines = (line.strip() for line in code.split("\n"))
    return "\n".join(filter(None, lines))


def import_pairs(
    pairs: tuple[Pair, ...], *, seed: int = 0, jobs: int | None = None
) -> Generator[Imported]:
    """Read and verify each pair; yields in order. Verdicts are cached, a simulation's at once."""
    modules = read_modules([pair.rtl for pair in pairs])
    designs: list[Design | AxdseError] = []
    names: set[str] = set()
    for pair, found in zip(pairs, modules, strict=True):
        designs.append(_design(pair, found, pair.name in names))
        names.add(pair.name)
    readable = [design for design in designs if isinstance(design, Design)]
    with closing(check_designs(readable, seed=seed, jobs=jobs)) as verdicts:
        for pair, design in zip(pairs, designs, strict=True):
            if isinstance(design, AxdseError):
                yield Imported(pair, None, None, str(design))
            else:
                yield _imported(pair, design, next(verdicts))


def _design(
    pair: Pair, modules: tuple[Module, ...] | AxdseError, named_before: bool
) -> Design | AxdseError:
    if isinstance(modules, AxdseError):
        return modules
    try:
        if named_before:
            raise AxdseError("two designs have two names", pair.rtl, "rename one")
        if source_content(pair.model) != pair.model.read_bytes():
            raise AxdseError(
                "a C model to import is one file", pair.model, "paste in what it reads"
            )
        design = design_of(pair.model, pair.rtl, modules, Pins())
        return replace(design, multiplier=_named(design.multiplier, pair.name))
    except AxdseError as error:
        return error


def _named(multiplier: Multiplier, name: str) -> Multiplier:
    """Files tell designs apart, functions need not."""
    check_name(name, "families, and so of their files,")
    return replace(multiplier, family=replace(multiplier.family, name=name))


def _imported(pair: Pair, design: Design, verdict: RtlReport | AxdseError) -> Imported:
    if isinstance(verdict, AxdseError):
        return Imported(pair, design.multiplier, None, str(verdict))
    if not verdict.passed:
        read = verdict.reading is not None and verdict.reading.mismatches > 0
        differ = "simulator and synthesiser" if read else "RTL and C model"
        return Imported(
            pair,
            design.multiplier,
            verdict,
            f"{differ} differ; 'axdse verify --model {pair.model} --rtl {pair.rtl}' shows where",
        )
    multiplier = swapped(design.multiplier) if verdict.order == "swapped" else design.multiplier
    return Imported(pair, multiplier, verdict, "", _misprints(multiplier))


def _misprints(multiplier: Multiplier) -> tuple[tuple[str, float, float], ...]:
    """Published error figures that the table does not bear out."""
    published = {figure.name: figure.value for figure in multiplier.family.published}
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
        if item.reason or not item.multiplier or not item.report:
            continue
        write_output(folder / "models" / f"{item.pair.name}.c", item.pair.model.read_bytes())
        write_output(folder / "rtl" / f"{item.pair.name}.v", item.pair.rtl.read_bytes())
        write_certificate(item.report, folder / "certificates" / f"{item.pair.name}.json")
        entries[item.pair.name] = _entry(item.multiplier)
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
        "function": family.function or family.name,
        "swapped": family.swapped,
        "takes_floats": family.takes_floats,
        "module": family.module,
        "ports": list(family.port_names),
        "published": [
            {"name": figure.name, "value": figure.value, "unit": figure.unit}
            for figure in family.published
        ],
    }
    if family.pipeline:
        entry["pipeline"] = {
            key: value for key, value in vars(family.pipeline).items() if value is not None
        }
    return entry
