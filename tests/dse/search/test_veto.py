"""A veto: who does not serve a second workload is not on the front."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from axdse.dse.jobs.workers import Outcome
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Replicate
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.progress import Unwatched
from axdse.dse.search.replicates import EXACT, Result, Training, train_vetoes
from axdse.dse.training.records import Epoch, History
from axdse.multipliers.designs.design_point import parse_design_point
from axdse.multipliers.errors import AxdseError

BASE = parse_design_point(EXACT).name
VETO = "veto: {workload: g2p, within: 0.5}"
GOOD, BAD, LOST = (
    parse_design_point(f"{core} in {form}")
    for core, form in (
        ("exact(n=4)", "float(8,3)"),
        ("exact(n=4)", "float(3,3)"),
        ("drum(n=4,k=2)", "float(3,3)"),
    )
)
SCORES = {BASE: -0.9, GOOD.name: -0.95, BAD.name: -1.45, LOST.name: float("nan")}


class Pool:
    """Plays workers that train in no time."""

    def __init__(self) -> None:
        self.trained: list[Training] = []

    def results(
        self, jobs: Iterable[Training], rule: str, name: Callable[[Training], str]
    ) -> Iterator[Outcome[Any]]:
        for job in jobs:
            self.trained.append(job)
            score = SCORES[job.point.name]
            history = History((Epoch(1, 1.0, score, score, 0.1),), "finished", job.seed)
            result = Result(Replicate(job.point, job.seed, score, score, history), None)
            yield Outcome(job, result, "", 0.1)


def test_finalists_are_trained_once_for_the_veto(
    tiny_config: Callable[..., SearchConfig], tmp_path: Path
) -> None:
    run, pool = RunDir.create(tmp_path / "run", tiny_config(VETO)), Pool()
    points = (GOOD, BAD, LOST)
    found = train_vetoes(run, points, pool, Unwatched())  # type: ignore[arg-type]
    assert [job.point.name for job in pool.trained] == [BASE, *(each.name for each in points)]
    assert all(job.vetoes and not job.records for job in pool.trained)
    assert [found[each].worse_by for each in points] == pytest.approx(
        [0.05, 0.55, float("nan")], nan_ok=True
    )
    assert [found[each].passed for each in points] == [True, False, False]
    again = train_vetoes(RunDir(run.path), points, pool, Unwatched())  # type: ignore[arg-type]
    assert len(pool.trained) == 4
    assert again[BAD] == found[BAD]
    assert run.replicate(GOOD, 0) is None  # a training of the search itself is another


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("veto: {workload: g3p, within: 0.5}",), "unknown workload: g3p; did you mean 'g2p'"),
        (("veto: {workload: g2p}",), "missing|within"),
        (("veto: {workload: g2p, within: 0}",), "within is 0"),
        ((VETO, "places: [fc1, '*']"), "a veto is of points that fit any network: place fc1"),
    ],
)
def test_what_can_veto_nothing_is_refused(
    tiny_config: Callable[..., SearchConfig], lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(AxdseError, match=message):
        tiny_config(*lines)
