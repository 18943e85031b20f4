"""What a trial has to beat is kept short, and says what all that was told would say."""

import dataclasses
import random

import pytest

from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.evaluate import Rival, Standing, Standings, costs_of, score_of
from axdse.dse.training.records import History


def trial(number: int, first: Evaluation, chance: random.Random) -> Evaluation:
    """One of a few areas and scores, so that many are alike."""
    assert first.cost
    assert first.history
    unit = dataclasses.replace(first.cost.units[0], area_um2=100.0 * chance.randint(1, 9))
    cost = dataclasses.replace(first.cost, units=(unit,))
    *early, last = first.history.epochs
    last = dataclasses.replace(last, validation_score=chance.randint(70, 90) / 100)
    history = History((*early, last), "finished", 0)
    return dataclasses.replace(first, number=number, cost=cost, history=history)


@pytest.mark.parametrize("seed", range(4))
def test_hurdles_are_those_of_all_that_was_told(seed: int, finished_run: RunDir) -> None:
    results, chance = finished_run.results(), random.Random(seed)
    trials = [trial(number, results.evaluations[0], chance) for number in range(60)]
    standings = Standings(finished_run.config, results.baselines)
    objectives = finished_run.config.objectives
    whole: list[Rival] = []
    for number, each in enumerate(trials):
        now = standings.now()
        gains = [h for b in results.baselines for h in b.histories]
        gains += [e.history for e in trials[:number] if e.history]
        assert now.remaining_gains == tuple(
            max(h.validation_score - h.epochs[epoch].validation_score for h in gains)
            for epoch in range(2)
        )
        assert each.cost
        all_told: Standing = dataclasses.replace(now, rivals=tuple(whole))
        assert now.hurdle_at(each.cost) == all_told.hurdle_at(each.cost)
        standings.add(each)
        name = f"trial {each.number} ({each.design})"
        whole.append(Rival(name, score_of(each), costs_of(objectives, each.cost)))
    assert len(standings.now().rivals) < 10
