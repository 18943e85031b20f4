"""The volume that a front dominates, against counting cells, and by hand."""

import itertools

import numpy as np
import pytest

from axdse.dse.run.hypervolume import hypervolume


@pytest.mark.parametrize(
    ("points", "volume"),
    [
        ([], 0),
        ([(1, 1)], 4),
        ([(1, 2), (2, 1)], 3),
        ([(1, 2), (2, 1), (2, 2)], 3),
        ([(1, 2), (1, 2)], 2),
        ([(0, 3), (5, 0)], 0),
        ([(2, float("inf"))], 0),
    ],
)
def test_by_hand(points: list[tuple[float, float]], volume: float) -> None:
    assert hypervolume(points, (3, 3)) == volume


@pytest.mark.parametrize("losses", [1, 2, 3, 4])
def test_it_is_the_count_of_cells(losses: int) -> None:
    points = [
        tuple(p) for p in np.random.default_rng(losses).integers(0, 7, (12, losses)).tolist()
    ]
    cells = itertools.product(range(6), repeat=losses)
    counted = sum(any(np.less_equal(point, cell).all() for point in points) for cell in cells)
    assert hypervolume(points, (6,) * losses) == counted
