"""A race: seeds where it is open who is on the front, none for who is beaten, luck forgiven."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from axdse.dse.jobs.workers import Outcome
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation, FrontPoint, Replicate, Vetoed
from axdse.dse.run.run_dir import Results, RunDir
from axdse.dse.search.finalists import Certification, contenders, finish
from axdse.dse.search.on_array import OnArray
from axdse.dse.search.progress import Unwatched
from axdse.dse.search.race import Raced, race
from axdse.dse.search.replicates import Result, Training
from axdse.dse.training.records import Epoch, History
from axdse.flows.evidence.report import RtlReport

Scores = dict[str, tuple[float, ...]]
COSTS = {"cheap": (1.0,), "middle": (2.0,), "dear": (3.0,)}
# Paired: each seed moves all by the same, but for a little of their own.
PLAIN = {
    "cheap": (0.700, 0.712, 0.693, 0.705, 0.699),
    "middle": (0.799, 0.812, 0.795, 0.804, 0.801),
    "dear": (0.751, 0.761, 0.742, 0.755, 0.748),
}


def raced(scores: Scores, costs: dict[str, tuple[float, ...]] = COSTS) -> tuple[Raced, list[int]]:
    """The outcome, and how many seeds were asked for in each round."""
    asked = []

    def train(names: Sequence[str], count: int) -> list[tuple[float, ...]]:
        asked.append(len(names))
        return [scores[name][:count] for name in names]

    return race(costs, 5, train, 0.5), asked


def test_who_is_beaten_by_an_interval_stops_at_once() -> None:
    found, asked = raced(PLAIN)
    assert found.front == ("cheap", "middle")
    (stop,) = found.stops
    assert (stop.name, stop.scores) == ("dear", PLAIN["dear"][:2])
    assert stop.defeat
    assert stop.defeat.winner == "middle"
    assert stop.defeat.lead.mean == pytest.approx(0.0495)
    assert 0 < stop.defeat.lead.half < 0.0495
    assert asked == [3, 2, 2, 2]


def test_a_lucky_first_seed_rules_out_nobody() -> None:
    """By its first seed `cheap` is better than all; so it is by the mean of two."""
    lucky = {**PLAIN, "cheap": (0.930, 0.712, 0.693, 0.705, 0.699)}
    assert sum(lucky["cheap"][:2]) > sum(lucky["middle"][:2])
    found, asked = raced(lucky)
    assert found.front == ("cheap", "middle")
    assert asked[1] == 3


def test_scatter_that_is_small_by_chance_beats_nobody() -> None:
    """The two are apart by the same with both seeds: alone that would be sure."""
    alike = {
        "cheap": (0.71, 0.72, 0.70, 0.70, 0.70),
        "middle": (0.70, 0.71, 0.75, 0.73, 0.74),
        "dear": (0.80, 0.90, 0.85, 0.84, 0.86),
    }
    assert raced(alike)[0].front == ("cheap", "middle", "dear")


def test_in_the_end_the_means_decide() -> None:
    near = {**PLAIN, "dear": (0.815, 0.795, 0.806, 0.793, 0.800)}
    found, asked = raced(near)
    (stop,) = found.stops
    assert asked == [3, 3, 3, 3]
    assert (stop.name, len(stop.scores)) == ("dear", 5)
    assert stop.defeat
    assert stop.defeat.lead.half > stop.defeat.lead.mean > 0


def test_equal_points_stand_together_and_dearer_ones_do_not() -> None:
    same = dict.fromkeys(("cheap", "middle", "dear"), PLAIN["cheap"])
    assert raced(same)[0].front == ("cheap",)
    assert raced(same, dict.fromkeys(COSTS, (1.0,)))[0].front == ("cheap", "middle", "dear")


def test_what_diverges_or_is_of_no_use_is_beaten_by_nobody_and_beats_nobody() -> None:
    bad = {
        "cheap": (0.9, math.nan, 0.9, 0.9, 0.9),
        "middle": (0.48, 0.51, 0.49, 0.48, 0.50),
        "dear": PLAIN["dear"],
    }
    found, asked = raced(bad)
    assert found.front == ("dear",)
    assert [(stop.name, len(stop.scores), stop.defeat) for stop in found.stops] == [
        ("cheap", 2, None),
        ("middle", 5, None),
    ]
    assert asked == [3, 2, 2, 2]


class Pool:
    """Plays workers whose trainings are known; certificates and arrays are those of a run."""

    def __init__(self, results: Results, scores: Scores, failing: str = "") -> None:
        self.trained: list[tuple[str, int]] = []
        self._scores, self._failing = scores, failing
        self._points = {point.evaluation.design: point for point in results.front}

    def results(self, jobs: Iterable[Any], *_: object) -> Iterator[Outcome[Any]]:
        for job in jobs:
            yield Outcome(job, self._result(job), "", 0.1)

    def _result(self, job: Any) -> object:
        if isinstance(job, Certification):
            (certificate,) = self._points[job.mac.name].unit_certificates
            return self._judged(job.mac.name, certificate)
        if isinstance(job, OnArray):
            return self._points[job.point.name].on_array
        assert isinstance(job, Training)
        self.trained.append((job.point.name, job.seed))
        score = self._scores[job.point.name][job.seed - 1]
        history = History((Epoch(1, 1.0, score, score, 0.1),), "finished", job.seed)
        return Result(Replicate(job.point, job.seed, score, score, history), None)

    def _judged(self, name: str, certificate: RtlReport) -> RtlReport:
        return replace(certificate, verdict="mismatch") if name == self._failing else certificate


LOW, HIGH, EXACT, INT8 = (
    "mitchell(m=3) in float(8,3)",
    "drum(n=4,k=3) in float(8,3)",
    "exact(n=4) in float(8,3)",
    "exact(n=8) in int8",
)
SCORES = {
    LOW: (0.840, 0.852, 0.845),
    HIGH: (0.820, 0.831, 0.824),
    EXACT: (0.880, 0.893, 0.884),
    INT8: (0.876, 0.888, 0.881),
}


@pytest.fixture
def found(finished_run: RunDir) -> Results:
    return finished_run.results()


def finished(
    found: Results, folder: Path, config: SearchConfig, pool: Pool
) -> tuple[tuple[FrontPoint, ...], RunDir]:
    run = RunDir(folder) if folder.exists() else RunDir.create(folder, config)
    reached = dict.fromkeys(SCORES, 0.86)
    trials = tuple(_trial(point.evaluation, reached) for point in found.front)
    return finish(run, trials, found.baselines, pool, Unwatched()), run  # type: ignore[arg-type]


def dearer(found: Results) -> str:
    """Of the two approximate designs, that which costs more."""
    costs = {p.evaluation.design: p.evaluation.cost for p in found.front}
    areas = {name: cost.area_um2 for name, cost in costs.items() if cost}
    return max((LOW, HIGH), key=lambda name: areas[name])


def test_finalists_have_the_seeds_that_a_race_gave_them(
    found: Results, finished_run: RunDir, tmp_path: Path
) -> None:
    cheap, dear = sorted((LOW, HIGH), key=lambda name: name == dearer(found))
    scores = {**SCORES, cheap: SCORES[LOW], dear: SCORES[HIGH]}
    config, pool = replace(finished_run.config, largest_loss=0.2), Pool(found, scores)
    front, run = finished(found, tmp_path / "run", config, pool)
    assert {p.evaluation.design for p in front} == {cheap, EXACT, INT8}
    assert all(p.seeds == (1, 2, 3) and len(p.validation) == 3 for p in front)
    (stopped,) = run.results().stopped
    assert (stopped.point.name, stopped.seeds, stopped.validation) == (
        dear,
        (1, 2),
        scores[dear][:2],
    )
    assert stopped.reason.startswith(f"{cheap} costs no more, and is better by 2.")
    assert stopped.reason.endswith(" points")
    assert len(pool.trained) == len({*pool.trained}) == 2 + 3 * 3

    again = Pool(found, scores)
    repeated, _ = finished(found, run.path, config, again)
    assert repeated == front
    assert again.trained == []

    failing = Pool(found, scores, failing=cheap)
    others, other = finished(found, tmp_path / "other", config, failing)
    on_front = {p.evaluation.design: p.on_front for p in others}
    assert not on_front[cheap]
    assert on_front[dear]  # whom an unsound design had beaten
    assert other.results().stopped == ()


def test_a_trial_is_not_ruled_out_by_less_than_its_seed_resolves(
    found: Results, finished_run: RunDir
) -> None:
    """The trial of the cheaper of the two is lucky by less than half a resolution."""
    cheap, dear = sorted((LOW, HIGH), key=lambda name: name == dearer(found))

    def entered(lead: float) -> set[str]:
        reached = {cheap: 0.85 + lead, dear: 0.85, EXACT: 0.9, INT8: 0.9}
        trials = [_trial(point.evaluation, reached) for point in found.front]
        return {e.design for e in contenders(finished_run.config, trials, 0.0)}

    assert finished_run.config.resolution == 0.01
    assert dear in entered(0.004)
    assert dear not in entered(0.006)


def test_what_trains_alike_and_costs_more_does_not_race(
    found: Results, finished_run: RunDir
) -> None:
    cheap, dear = sorted((LOW, HIGH), key=lambda name: name == dearer(found))
    reached = dict.fromkeys((cheap, dear, EXACT, INT8), 0.85)
    trials = [_trial(point.evaluation, reached) for point in found.front]
    first = next(e.number for e in trials if e.design == cheap)
    twins = [replace(e, equal=first) if e.design == dear else e for e in trials]
    assert dear in {e.design for e in contenders(finished_run.config, trials, 0.0)}
    assert dear not in {e.design for e in contenders(finished_run.config, twins, 0.0)}


def _trial(evaluation: Evaluation, reached: dict[str, float]) -> Evaluation:
    score = reached[evaluation.design]
    return replace(evaluation, history=History((Epoch(1, 1.0, score, score, 0.1),), "finished", 0))


def test_a_veto_takes_a_point_out_of_the_race(
    found: Results,
    tiny_config: Callable[..., SearchConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cheap, dear = sorted((LOW, HIGH), key=lambda name: name == dearer(found))
    scores = {**SCORES, cheap: SCORES[LOW], dear: SCORES[HIGH]}
    asked = []

    def vetoes(_: object, points: Sequence[Any], *__: object) -> dict[Any, Vetoed]:
        asked.extend(point.name for point in points)
        return {p: Vetoed("g2p", 1.0 if p.name == cheap else 0.0, 0.5) for p in points}

    monkeypatch.setattr("axdse.dse.search.finalists.train_vetoes", vetoes)
    pool = Pool(found, scores)
    front, run = finished(found, tmp_path / "run", tiny_config(), pool)
    judged = {p.evaluation.design: p.on_front for p in front}
    assert (judged[cheap], judged[dear]) == (False, True)
    assert len(asked) == len({*asked}) == 4
    assert run.results().stopped == ()
