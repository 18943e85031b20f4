"""The pipeline for one candidate: what stops it, and where."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.objectives import Measured, losses
from axdse.dse.search.evaluate import Hurdle, evaluate
from axdse.dse.search.replicates import Training
from axdse.dse.training.examples import Examples
from axdse.dse.training.records import Epoch
from axdse.dse.training.task import Made
from axdse.dse.training.train import Score, Trained, measure, train
from axdse.flows.accelerator.systolic_array import Array
from axdse.flows.cost.point import Demand, PointCost, WholeMacs
from axdse.flows.netlist.adders import Aim
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import DesignPoint, Mac, parse_design_point
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

Make = Callable[..., SearchConfig]
OPEN = Hurdle("", 0.0, 1.0, 0.0, 0.01, (1.0, 1.0))
CLOSED = Hurdle("trial 3 (udm)", 0.95, 0.9, 0.8, 0.01, (1.0, 1.0))
FORMAT = parse_format("float(8,3)")


def uniform(spec: str) -> DesignPoint:
    return parse_design_point(f"{spec} in float(8,3)")


def test_a_good_candidate_is_complete(tiny_config: Make) -> None:
    asked: list[PointCost] = []

    def hurdle_at(cost: PointCost) -> Hurdle:
        asked.append(cost)
        return OPEN

    result = evaluate(4, uniform("truncated(n=4,t=2)"), tiny_config(), Demand(), hurdle_at)
    assert (result.number, result.status, result.reason) == (4, "complete", "")
    assert [certificate.verdict for certificate in result.certificates] == ["exhaustive"]
    assert [result.cost] == asked
    assert result.validation_score is not None
    assert result.validation_score > 0.3


def test_a_dominated_candidate_is_not_trained(tiny_config: Make) -> None:
    result = evaluate(0, uniform("exact(n=4)"), tiny_config(), Demand(), lambda cost: CLOSED)
    assert result.status == "dominated"
    assert result.reason == "trial 3 (udm) costs no more and reaches 0.9500"
    assert result.cost is not None
    assert result.history is None


def test_whole_macs_are_costed_if_an_objective_is_of_them(tiny_config: Make) -> None:
    point = uniform("exact(n=4)")
    config = tiny_config("objectives: [accuracy, mac.energy, mac.area]", "activity: uniform")
    with_, without = (
        evaluate(0, point, each, Demand(), lambda cost: CLOSED).cost
        for each in (config, tiny_config("objectives: [accuracy, energy]", "activity: uniform"))
    )
    assert with_ is not None
    assert without is not None
    assert without.whole is None
    assert with_.whole is not None
    assert with_.whole.area_um2 > with_.area_um2
    assert with_.bases == (*without.bases, with_.whole.basis)
    accuracy, energy, area = losses(config.objectives, Measured(0.5, with_))
    assert (accuracy, energy, area) == (-0.5, with_.whole.energy_fj, with_.whole.area_um2)
    assert math.isnan(losses(config.objectives, Measured(0.5, without))[1])


def test_an_array_is_asked_for_if_an_objective_is_of_it(
    tiny_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def whole(*_: object, array: Array | None = None, aim: Aim) -> WholeMacs:
        assert aim == "energy"
        asked.append(array)
        return WholeMacs(1.0, 2.0, 3.0, "basis", 4.0 if array else None)

    monkeypatch.setattr("axdse.dse.search.evaluate.whole_macs", whole)
    point = uniform("exact(n=4)")
    for text in ("mac.energy", "array.energy"):
        config = tiny_config(f"objectives: [accuracy, {text}]")
        cost = evaluate(0, point, config, Demand(), lambda cost: CLOSED).cost
        assert cost
        (loss,) = losses(config.costs, Measured(0.5, cost))
        assert loss == (4.0 if text == "array.energy" else 2.0)
    assert asked == [None, Array(dataflow="output-stationary")]


@pytest.mark.parametrize(("clock", "status"), [(1.7, "infeasible"), (4.0, "complete")])
def test_what_misses_the_clock_is_not_trained(
    clock: float, status: str, tiny_config: Make
) -> None:
    config = tiny_config(f"clock_ns: {clock}", "activity: uniform")
    result = evaluate(0, uniform("exact(n=4)"), config, Demand(), lambda cost: OPEN)
    assert result.status == status
    assert (result.history is None) == (status == "infeasible")
    assert ("misses the clock of 1.7 ns" in result.reason) == (status == "infeasible")
    assert result.cost is not None
    assert (result.cost.delay_ns <= clock) == (status == "complete")


def test_training_stops_once_the_rival_is_out_of_reach(tiny_config: Make) -> None:
    rival = Hurdle("trial 3 (udm)", 0.99, 1.01, 0.9, 0.01, (0.0, 0.0))
    config = tiny_config("training: {epochs: 2, train_images: 500}")
    result = evaluate(0, uniform("exact(n=4)"), config, Demand(), lambda cost: rival)
    assert result.status == "dominated"
    assert result.reason.startswith("stopped after epoch 1: trial 3 (udm)")
    assert result.history is not None
    assert result.history.status == "stopped"


def test_unverified_candidates_are_not_taken(tiny_config: Make, tmp_path: Path) -> None:
    exact = builtin_catalog().family("exact")
    wrong = tmp_path / "exact.c"
    wrong.write_text(exact.model.read_text().replace("a * b", "a * b + (a == 9)"))
    multiplier = Multiplier(dataclasses.replace(exact, model=wrong), (("n", 4),))
    point = DesignPoint.uniform(Mac(multiplier, FORMAT))
    result = evaluate(0, point, tiny_config(), Demand(), lambda cost: OPEN)
    assert result.status == "failed"
    assert result.reason.startswith("RTL is not the C model: a=9 b=0 expected 1, got 0x00 (16 of")
    assert result.cost is None


def test_a_design_that_cannot_serve_its_format_says_so(tiny_config: Make) -> None:
    overshooting = parse_design_point("drum(n=8,k=2) in int8")
    with pytest.raises(AxdseError, match="int8 products must fit 16 signed bits"):
        evaluate(0, overshooting, tiny_config(), Demand(), lambda cost: OPEN)


@pytest.mark.parametrize(
    ("accuracy", "goes_on"), [(0.79, True), (0.70, True), (0.68, False), (0.1, False)]
)
def test_stopping_is_conservative(accuracy: float, goes_on: bool) -> None:
    hurdle = Hurdle("trial 1 (x)", 0.8, 0.9, 0.7, 0.01, (0.1, 0.05))
    assert hurdle.in_sight(Epoch(1, 1.0, 0.5, accuracy, 1.0)) is goes_on


def test_what_is_of_no_use_is_stopped_without_a_rival() -> None:
    hurdle = Hurdle("", 0.0, 0.9, 0.8, 0.01, (0.1, 0.0))
    assert hurdle.in_sight(Epoch(1, 1.0, 0.5, 0.7, 1.0))
    assert not hurdle.in_sight(Epoch(1, 1.0, 0.5, 0.6, 1.0))
    assert hurdle.reason == "less than 0.8000 is of no use"


def test_what_ends_beyond_the_limit_has_failed(tiny_config: Make) -> None:
    """Alone, and as what computes alike with another that was trained."""
    point, config = uniform("truncated(n=4,t=2)"), tiny_config()
    limit = Hurdle("", 0.0, 1.0, 0.99, 0.01, (1.0,))
    alone = evaluate(0, point, config, Demand(), lambda cost: limit)
    assert alone.status == "useless"
    assert alone.history is not None
    assert alone.trained
    assert alone.reason == f"{alone.validation_score:.4f}: less than 0.9900 is of no use"
    twin = evaluate(1, point, config, Demand(), lambda cost: limit, alone)
    assert (twin.status, twin.reason, twin.equal) == ("useless", alone.reason, 0)


def test_what_could_not_end_within_the_limit_has_failed(tiny_config: Make) -> None:
    hopeless = Hurdle("", 0.0, 1.0, 0.99, 0.01, (0.0, 0.0))
    config = tiny_config("training: {epochs: 2, train_images: 500}")
    result = evaluate(0, uniform("exact(n=4)"), config, Demand(), lambda cost: hopeless)
    assert result.status == "useless"
    assert result.reason == "stopped after epoch 1: less than 0.9900 is of no use"
    assert not result.trained


@pytest.mark.parametrize(
    ("rival", "accuracy", "unreachable"),
    [("", 0.0, False), ("x", 0.885, False), ("x", 0.895, True), ("x", 0.95, True)],
)
def test_the_ceiling_less_the_resolution_is_unreachable(
    rival: str, accuracy: float, unreachable: bool
) -> None:
    assert Hurdle(rival, accuracy, 0.9, 0.8, 0.01, ()).unreachable is unreachable


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_everything_trains_on_the_device_of_the_search(
    device: str, tiny_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a GPU: what the trainings of a trial and of a finalist are told."""
    config, asked = tiny_config(f"device: {device}", "activity: uniform"), list[torch.device]()

    def on_cpu(*arguments: Any, device: torch.device, **options: Any) -> Trained:
        asked.append(device)
        return train(*arguments, **options)

    def measured(
        made: Made, model: nn.Module, examples: Examples, batch: int, device: torch.device
    ) -> Score:
        asked.append(device)
        return measure(made, model, examples, batch)

    monkeypatch.setattr("axdse.dse.search.evaluate.train", on_cpu)
    monkeypatch.setattr("axdse.dse.search.replicates.train", on_cpu)
    monkeypatch.setattr("axdse.dse.search.replicates.measure", measured)
    evaluate(0, uniform("exact(n=4)"), config, Demand(), lambda cost: OPEN)
    Training(uniform("exact(n=4)"), 1, config).run()
    assert asked == 3 * [torch.device(device)]
