"""What stands in trials.csv and front.csv?"""

from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.report.summary import Finalist, names_of
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.run_dir import Results
from axdse.flows.evidence.report import RtlReport


@dataclass(frozen=True)
class TrialRow:
    """A line of trials.csv; a higher score is better, empty where there is none.

    Attributes:
        multiplier: spec of the core; of several MACs the text of the design point.
        format: short; of several MACs empty.
        seeds: fresh ones that it was retrained with; `reason` says why no more, if it is not on
            the front.
        energy_fj: dynamic, of the unit per multiplication of recorded operands.
        uniform_fj: likewise of uniform operands.
        mac_um2: of all MACs with their sums and registers, if an objective asks for them.
        mac_ns: delay of the slowest, likewise.
        mac_fj: energy of one product in them, likewise.
    """

    number: int
    multiplier: str
    format: str
    status: str
    reason: str
    validation_score: float | None
    epochs: int
    seeds: int
    area_um2: float | None
    gate_equivalents: float | None
    delay_ns: float | None
    energy_fj: float | None
    uniform_fj: float | None
    mac_um2: float | None
    mac_ns: float | None
    mac_fj: float | None
    cells: int | None
    rtl_verdict: str
    rtl_vectors: int


@dataclass(frozen=True)
class FrontRow:
    """A line of front.csv: a finalist. Accuracies 0..1, `_ci95` is the interval's half width.

    Attributes:
        multiplier: spec of the core; of several MACs the text of the design point.
        format: short; of several MACs empty, as are metrics of a core's error.
        on_front: not dominated by another finalist; these, and the answer, have a `folder`.
        exact: a reference design.
        unit_fj: dynamic energy of the unit per multiplication of recorded operands.
        mac_um2: of all MACs with their sums and registers, if an objective asks for them.
        mac_ns: delay of the slowest, likewise.
        mac_fj: energy of one product in them, likewise.
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
    mac_um2: float | None
    mac_ns: float | None
    mac_fj: float | None
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


def trial_rows(results: Results) -> tuple[TrialRow, ...]:
    """Those of all trials."""
    stopped = {each.number: each for each in results.stopped}
    finalists = {each.evaluation.number: each for each in results.front}

    def row(e: Evaluation) -> TrialRow:
        retrained = finalists.get(e.number) or stopped.get(e.number)
        reason = e.reason or (stopped[e.number].reason if e.number in stopped else "")
        return _trial_row(e, len(retrained.seeds) if retrained else 0, reason)

    return tuple(map(row, results.evaluations))


def _trial_row(e: Evaluation, seeds: int, reason: str) -> TrialRow:
    cost, names = e.cost, names_of(e.point)
    whole = cost.whole if cost else None
    mac = e.point.uniform_mac
    return TrialRow(
        number=e.number,
        multiplier=names.spec,
        format=mac.candidate.format.name if mac else "",
        status=e.status,
        reason=reason,
        validation_score=e.validation_score,
        epochs=len(e.history.epochs) if e.history else 0,
        seeds=seeds,
        area_um2=cost.area_um2 if cost else None,
        gate_equivalents=cost.gate_equivalents if cost else None,
        delay_ns=cost.delay_ns if cost else None,
        energy_fj=cost.recorded_fj if cost else None,
        uniform_fj=cost.uniform_fj if cost else None,
        mac_um2=whole.area_um2 if whole else None,
        mac_ns=whole.delay_ns if whole else None,
        mac_fj=whole.energy_fj if whole else None,
        cells=cost.cells if cost else None,
        rtl_verdict=_verdicts(e.certificates),
        rtl_vectors=sum(certificate.vectors for certificate in e.certificates),
    )


def _verdicts(certificates: Sequence[RtlReport]) -> str:
    return "; ".join(dict.fromkeys(certificate.verdict for certificate in certificates))


def front_row(finalist: Finalist, folder: str) -> FrontRow:
    """The line of a finalist."""
    point, cost, mac = finalist.point, finalist.cost, finalist.mac
    whole = cost.whole
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
        mac_um2=whole.area_um2 if whole else None,
        mac_ns=whole.delay_ns if whole else None,
        mac_fj=whole.energy_fj if whole else None,
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
