"""Published figures: correlations that a hand can check."""

from dataclasses import replace

import pytest

from axdse.flows.cost.cost import core_cost
from axdse.flows.cost.published import compare_published
from axdse.flows.cost.record import Cost
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier, Published
from axdse.multipliers.errors import AxdseError


def designs(areas: list[float]) -> list[Multiplier]:
    exact = builtin_catalog().multiplier("exact(n=3)")
    figures = [(Published("PDK45_AREA", area, "um2"),) for area in areas]
    return [replace(exact, family=replace(exact.family, published=f)) for f in figures]


def costs(areas: list[float]) -> list[Cost]:
    cost = core_cost(builtin_catalog().multiplier("exact(n=3)"))
    return [replace(cost, area_um2=area) for area in areas]


def test_one_scale_fits_what_is_proportional() -> None:
    (area,) = compare_published(designs([2.0, 4.0, 8.0, 0.0]), costs([1.0, 2.0, 4.0, 0.0]))
    assert (area.designs, area.scale, area.median_error) == (4, 2.0, 0.0)
    assert (area.spearman, area.pearson) == (pytest.approx(1), pytest.approx(1))


def test_ranks_see_order_alone_and_share_ties() -> None:
    published = [1.0, 2.0, 2.0, 50.0]
    (same,) = compare_published(designs(published), costs([1.0, 3.0, 3.0, 4.0]))
    assert same.spearman == pytest.approx(1)
    assert same.pearson < 0.9
    (reverse,) = compare_published(designs(published), costs([4.0, 3.0, 3.0, 1.0]))
    assert reverse.spearman == pytest.approx(-1)


@pytest.mark.parametrize("published", [[], [1.0, 2.0]])
def test_too_few_figures_are_an_error(published: list[float]) -> None:
    with pytest.raises(AxdseError, match="axdse import"):
        compare_published(designs(published), costs(published))
