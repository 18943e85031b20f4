"""What can a hardware team use alone? A folder, written whole or not at all."""

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from axdse.dse.report.export_design import part_names, write_design
from axdse.dse.report.export_folder import staged, write_sums
from axdse.dse.report.page import finalists_of, front_png, render
from axdse.dse.report.summary import Finalist, names_of
from axdse.dse.run.config import dump_config
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.run_dir import CATALOG, WORKLOAD, Results, RunDir
from axdse.flows.evidence.report import RtlReport
from axdse.multipliers.cache import digest

FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        folder: of the export.
        designs: one folder per design of the front, the best by the first cost first.
        files: all files, relative to `folder`, sorted.
    """

    folder: Path
    designs: tuple[Path, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class TrialRow:
    """A line of trials.csv; a higher score is better, empty where there is none.

    Attributes:
        multiplier: spec of the core; of several MACs the text of the design point.
        format: short; of several MACs empty.
        energy_fj: dynamic, of the unit per multiplication of recorded operands.
        uniform_fj: likewise of uniform operands.
    """

    number: int
    multiplier: str
    format: str
    status: str
    reason: str
    validation_score: float | None
    epochs: int
    area_um2: float | None
    gate_equivalents: float | None
    delay_ns: float | None
    energy_fj: float | None
    uniform_fj: float | None
    cells: int | None
    rtl_verdict: str
    rtl_vectors: int


@dataclass(frozen=True)
class FrontRow:
    """A line of front.csv: a finalist. Accuracies 0..1, `_ci95` is the interval's half width.

    Attributes:
        multiplier: spec of the core; of several MACs the text of the design point.
        format: short; of several MACs empty, as are metrics of a core's error.
        on_front: not dominated by another finalist; these have a `folder`.
        exact: a reference design.
        unit_fj: dynamic energy of the unit per multiplication of recorded operands.
        mac_training_fj: energy per multiply-accumulate, mean over training.
        mac_inference_fj: likewise over its forward products.
        mac_uniform_fj: likewise with uniform operands.
        training_step_uj: of a training step on a 16 x 16 array.
        inference_uj: of an image on it.
        core_verdict: of the core's RTL check; `unit_` is of the whole unit's.
    """

    folder: str
    trial: int
    multiplier: str
    format: str
    on_front: bool
    exact: bool
    area_um2: float
    gate_equivalents: float
    delay_ns: float
    unit_fj: float | None
    mac_training_fj: float | None
    mac_inference_fj: float | None
    mac_uniform_fj: float | None
    training_step_uj: float | None
    inference_uj: float | None
    cells: int
    validation_mean: float
    validation_ci95: float
    test_mean: float
    test_ci95: float
    seeds: int
    core_verdict: str
    core_vectors: int
    unit_verdict: str
    unit_vectors: int
    error_rate: float | None
    nmed: float | None
    mred: float | None
    wce: float | None
    bias: float | None


def export_run(run: RunDir, destination: Path, *, overwrite: bool = False) -> Export:
    """Write the front of a finished run: designs, tables, picture and report.

    Everything is built beside `destination` and renamed at the end. Two exports of one run hold
    the same bytes.

    Args:
        run: a search that has its front.
        destination: folder to make.
        overwrite: replace an earlier export; what others added to it stays.

    Raises:
        AxdseError: the run has no front yet; `destination` exists (without `overwrite`), is no
            export of axdse, or has a file changed by others that this one would replace; a file
            cannot be written. Nothing is left half-written.
    """
    results = run.results()
    finalists = finalists_of(run, results)
    with staged(destination, run.path, overwrite=overwrite) as folder:
        designs = _write(run, results, finalists, folder)
        files = write_sums(folder)
    return Export(destination, tuple(destination / name for name in designs), files)


def _write(
    run: RunDir, results: Results, finalists: Sequence[Finalist], folder: Path
) -> tuple[str, ...]:
    names = _folder_names(finalists)
    for finalist, name in zip(finalists, names, strict=True):
        if name:
            write_design(run, finalist, folder / name)
    trials = results.evaluations
    rows = tuple(_front_row(f, name) for f, name in zip(finalists, names, strict=True))
    picture = front_png(run, results, finalists)
    (folder / "config.yaml").write_text(dump_config(run.config))
    if run.operands.exists():
        shutil.copyfile(run.operands, folder / run.operands.name, follow_symlinks=False)
    if run.info.catalog:
        shutil.copytree(run.path / CATALOG, folder / CATALOG)
    if (run.path / WORKLOAD).exists():
        shutil.copytree(run.path / WORKLOAD, folder / WORKLOAD)
    (folder / "trials.csv").write_text(csv_text(TrialRow, [_trial_row(e) for e in trials]))
    (folder / "trials.json").write_bytes(_json(tuple[Evaluation, ...], trials))
    (folder / "front.csv").write_text(csv_text(FrontRow, rows))
    (folder / "front.json").write_bytes(_json(tuple[FrontRow, ...], rows))
    (folder / "front.png").write_bytes(picture)
    (folder / "report.html").write_text(render(run, results, finalists, picture))
    return tuple(filter(None, names))


def _folder_names(finalists: Sequence[Finalist]) -> list[str]:
    """`1_drum_n8_k4_int8`, ... by rank; empty for finalists off the front.

    One of several MACs is `2_assignment_0123abcd`, by the digest of its text.
    """
    ranked = [f for f in finalists if f.point.on_front]
    digits = len(str(len(ranked)))
    names = {id(f): f"{rank:0{digits}}_{_stem(f)}" for rank, f in enumerate(ranked, 1)}
    return [names.get(id(f), "") for f in finalists]


def _stem(finalist: Finalist) -> str:
    if finalist.uniform:
        return part_names(finalist.parts)[0]
    return f"assignment_{digest(finalist.design.name)[:8]}"


def _trial_row(e: Evaluation) -> TrialRow:
    cost, names = e.cost, names_of(e.point)
    mac = e.point.uniform_mac
    return TrialRow(
        number=e.number,
        multiplier=names.spec,
        format=mac.candidate.format.name if mac else "",
        status=e.status,
        reason=e.reason,
        validation_score=e.validation_score,
        epochs=len(e.history.epochs) if e.history else 0,
        area_um2=cost.area_um2 if cost else None,
        gate_equivalents=cost.gate_equivalents if cost else None,
        delay_ns=cost.delay_ns if cost else None,
        energy_fj=cost.recorded_fj if cost else None,
        uniform_fj=cost.uniform_fj if cost else None,
        cells=cost.cells if cost else None,
        rtl_verdict=_verdicts(e.certificates),
        rtl_vectors=sum(certificate.vectors for certificate in e.certificates),
    )


def _verdicts(certificates: Sequence[RtlReport]) -> str:
    return "; ".join(dict.fromkeys(certificate.verdict for certificate in certificates))


def _front_row(finalist: Finalist, folder: str) -> FrontRow:
    point, cost, mac = finalist.point, finalist.cost, finalist.mac
    error = finalist.parts[0].error if len(finalist.parts) == 1 else None
    cores = [part.certificate for part in finalist.parts]
    network = point.on_array.network if point.on_array else None
    return FrontRow(
        folder=folder,
        trial=point.evaluation.number,
        multiplier=finalist.spec,
        format=finalist.format,
        on_front=point.on_front,
        exact=finalist.exact,
        area_um2=cost.area_um2,
        gate_equivalents=cost.gate_equivalents,
        delay_ns=cost.delay_ns,
        unit_fj=cost.recorded_fj,
        mac_training_fj=mac.training_fj if mac else None,
        mac_inference_fj=mac.inference_fj if mac else None,
        mac_uniform_fj=mac.uniform_fj if mac else None,
        training_step_uj=network.training_step_uj if network else None,
        inference_uj=network.inference_uj if network else None,
        cells=cost.cells,
        validation_mean=finalist.validation.mean,
        validation_ci95=finalist.validation.half,
        test_mean=finalist.test.mean,
        test_ci95=finalist.test.half,
        seeds=len(point.seeds),
        core_verdict=_verdicts(cores),
        core_vectors=sum(certificate.vectors for certificate in cores),
        unit_verdict=_verdicts(point.unit_certificates),
        unit_vectors=sum(certificate.vectors for certificate in point.unit_certificates),
        error_rate=error.error_rate if error else None,
        nmed=error.nmed if error else None,
        mred=error.mred if error else None,
        wce=error.wce if error else None,
        bias=error.bias if error else None,
    )


def csv_text(kind: type, rows: Sequence[Any]) -> str:
    """RFC 4180 text with a header; None is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(kind))
    writer.writerows(map(_cell, astuple(row)) for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A spreadsheet would compute a text that begins so."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _json(kind: Any, value: Any) -> bytes:
    return TypeAdapter(kind).dump_json(value, indent=1) + b"\n"
