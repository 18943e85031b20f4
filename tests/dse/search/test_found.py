"""What a search shows while it runs: its front, what that is worth, the best, what failed."""

import dataclasses
import math

import pytest

from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.objectives import AREA, ENERGY, Measured, losses, non_dominated
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.found import Found
from axdse.dse.search.progress import View

EXACT = ("exact(n=4) in float(8,3)", "exact(n=8) in int8")


@pytest.fixture
def trials(finished_run: RunDir) -> tuple[Evaluation, ...]:
    return finished_run.results().evaluations


@pytest.fixture
def found(finished_run: RunDir) -> Found:
    return Found(finished_run.config, 0.88, EXACT)


def test_the_front_is_of_those_that_none_dominates(
    found: Found, trials: tuple[Evaluation, ...], finished_run: RunDir
) -> None:
    complete = [e for e in trials if e.status == "complete"]
    for order in (trials, trials[::-1]):
        shown = Found(finished_run.config, 0.88, EXACT)
        for each in order:
            shown.add(each)
        measured = [Measured(e.validation_score or 0.0, e.cost) for e in complete if e.cost]
        best = non_dominated([losses(finished_run.config.objectives, m) for m in measured])
        view = shown.view(3)
        assert (view.front, view.failed, view.running) == (sum(best), 1, 3)
        assert 0 < view.share < 1


def test_the_best_is_the_cheapest_at_equal_score(
    found: Found, trials: tuple[Evaluation, ...]
) -> None:
    found.add(trials[0])  # mitchell, 1.9 points below
    assert not found.view(0).best
    found.add(trials[2])
    assert found.view(0).best.startswith("exact(n=4) in float(8,3): ")
    found.add(trials[1])
    assert found.view(0).best.startswith("drum(n=4,k=3) in float(8,3): ")


def test_a_front_is_worth_nothing_before_there_is_an_exact_core(
    found: Found, trials: tuple[Evaluation, ...]
) -> None:
    found.add(trials[0])
    assert math.isnan(found.view(0).share)
    found.add(trials[2])
    first = found.view(0).share
    found.add(trials[1])
    assert first < found.view(0).share


def test_a_cost_that_is_not_known_is_left_out(
    finished_run: RunDir, trials: tuple[Evaluation, ...]
) -> None:
    config = dataclasses.replace(
        finished_run.config, objectives=(*finished_run.config.objectives[:1], AREA, ENERGY)
    )
    assert trials[0].cost
    blind = dataclasses.replace(trials[0].cost.units[0], recorded=None, uniform=None)
    cost = dataclasses.replace(trials[0].cost, units=(blind,))
    found = Found(config, 0.88, EXACT)
    found.add(dataclasses.replace(trials[0], cost=cost))
    assert found.view(0).front == 0


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (View(0, math.nan, "", 0, 2), "front 0, none at equal score; 2 running"),
        (
            View(3, 0.414, "drum(n=4,k=3) in int8: 9 um2", 1, 0),
            "front 3 (hypervolume 41%), at equal score drum(n=4,k=3) in int8: 9 um2; "
            "1 failed, 0 running",
        ),
    ],
)
def test_a_view_is_one_line(view: View, text: str) -> None:
    assert view.text == text
