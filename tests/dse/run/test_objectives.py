"""Dominance by hand and by its definition; objectives by name, value and process."""

import math
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axdse.dse.run.objectives import (
    OBJECTIVES,
    Measured,
    dominates,
    find_objective,
    losses,
    non_dominated,
)
from axdse.flows.cost.cost import unit_cost
from axdse.flows.cost.point import PointCost
from axdse.multipliers.designs.design_point import parse_mac

VECTORS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=12)


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(1.0, 1.0)], [True]),
        ([(1.0, 2.0), (2.0, 1.0)], [True, True]),
        ([(1.0, 2.0), (1.0, 3.0)], [True, False]),
        ([(1.0, 1.0), (1.0, 1.0)], [True, True]),
        ([(0.0, 3.0), (1.0, 1.0), (2.0, 2.0), (3.0, 0.0)], [True, True, False, True]),
    ],
)
def test_front_by_hand(points: list[tuple[float, ...]], front: list[bool]) -> None:
    assert non_dominated(points) == front


@given(VECTORS)
def test_front_holds_nothing_dominated_and_misses_nothing(
    points: list[tuple[float, ...]],
) -> None:
    front = [point for point, keep in zip(points, non_dominated(points), strict=True) if keep]
    assert not any(dominates(a, b) for a in points for b in front)
    assert all(point in front or any(dominates(a, point) for a in front) for point in points)


@pytest.fixture(scope="module")
def measured() -> Measured:
    cost = unit_cost(parse_mac("exact(n=4) in float(8,3)").candidate)
    return Measured(0.75, PointCost((cost,), (1.0,)))


def test_losses_are_in_the_order_asked_and_smaller_is_better(measured: Measured) -> None:
    asked = [OBJECTIVES[name] for name in ("delay", "accuracy", "energy", "area")]
    (unit,) = measured.cost.units
    assert unit.uniform is not None
    expected = (unit.delay_ns, -0.75, unit.uniform.energy_fj, unit.area_um2)
    assert losses(asked, measured) == expected


def test_an_unknown_energy_dominates_nothing(measured: Measured) -> None:
    (unit,) = measured.cost.units
    still = Measured(0.75, PointCost((replace(unit, uniform=None),), (1.0,)))
    (loss,) = losses([OBJECTIVES["energy"]], still)
    assert math.isnan(loss)
    assert not dominates((loss, -1.0), (9e9, 0.0))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_cross_processes(name: str) -> None:
    assert pickle.loads(pickle.dumps(find_objective(name))) == OBJECTIVES[name]
    assert str(OBJECTIVES[name]) == name


def test_values_have_their_unit() -> None:
    assert OBJECTIVES["area"].text(1780.4) == "1,780 um2"
    assert OBJECTIVES["delay"].text(1.946) == "1.95 ns"
