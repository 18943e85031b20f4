"""What does the arithmetic of today take? Designs that any new one is measured against.

Their cost needs no training: a recording of the run and the library tell it. Their scores are
known where the run has trained them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from axdse.dse.report.summary import Finalist
from axdse.dse.run.on_array import cost_on_array
from axdse.dse.run.run_dir import Results, RunDir
from axdse.flows.accelerator.network import AcceleratorCost
from axdse.multipliers.designs.design_point import DesignPoint, parse_design_point
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording_file import load_recording

PRACTICES = {
    "bf16 + FP32": "exact(n=8) in bf16",
    "fp8 + tensor-core sum": "exact(n=4) in fp8_e4m3 sum ada_fp8",
    "int8": "exact(n=8) in int8",
}


@dataclass(frozen=True)
class Practice:
    """A design of today.

    Attributes:
        name: for people.
        point: the same MAC everywhere.
        cost: of the run's network on an array of it; None: not known.
        why: why it is not; empty: it is.
        test: its test scores, one a seed, as the finalists'; empty: this run did not train it.
        validation: likewise.
    """

    name: str
    point: DesignPoint
    cost: AcceleratorCost | None
    why: str = ""
    test: tuple[float, ...] = ()
    validation: tuple[float, ...] = ()


def practices_of(
    run: RunDir,
    results: Results,
    finalists: Sequence[Finalist],
    *,
    costed: bool = True,
    told: Callable[[str], object] = lambda _: None,
) -> tuple[Practice, ...]:
    """Today's designs, with what a run knows of them.

    Args:
        run: that they are compared with.
        results: of it.
        finalists: of it.
        costed: whether to cost those that the run has not, which takes minutes each the first
            time; else they are without.
        told: the name of each when it is known.
    """
    found = []
    for practice in _practices(run, results, finalists, costed):
        told(practice.name)
        found.append(practice)
    return tuple(found)


def _practices(
    run: RunDir, results: Results, finalists: Sequence[Finalist], costed: bool
) -> Iterator[Practice]:
    for name, text in PRACTICES.items():
        point = parse_design_point(text)
        same = next((f for f in finalists if f.design == point), None)
        baseline = next((b for b in results.baselines if b.point == point), None)
        cost, why = (same.point.on_array, "") if same else (None, "")
        if cost is None:
            cost, why = _cost(run, point) if costed else (None, "not costed")
        trained = same.point if same else baseline
        test, validation = (trained.test, trained.validation) if trained else ((), ())
        yield Practice(name, point, cost, why, test, validation)


def _cost(run: RunDir, point: DesignPoint) -> tuple[AcceleratorCost | None, str]:
    """The cost of the run's network, or why there is none."""
    try:
        return cost_on_array(point, run.config, load_recording(run.operands)), ""
    except AxdseError as error:
        return None, f"not costed: {error.rule}: {error.value}"
