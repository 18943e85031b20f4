"""Dominance: by hand on small sets, and by its definition on random ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axdse.dse.run.objectives import dominates, non_dominated

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
