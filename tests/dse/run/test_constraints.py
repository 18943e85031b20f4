"""Constraints: what is read is written, and what breaks one is told."""

import pytest

from axdse.dse.run.constraints import broken, parse_constraint
from axdse.dse.run.objectives import Measured
from axdse.flows.cost.point import PointCost, WholeMacs
from axdse.multipliers.errors import AxdseError

WHOLE = WholeMacs(area_um2=21_000, energy_fj=700.5, delay_ns=8.25, basis="")
MEASURED = Measured(0.9, PointCost((), (), WHOLE))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("mac.area<=2e4", "mac.area <= 20000"),
        ("mac.energy <= 700.5", "mac.energy <= 700.5"),
        ("score >= exact", "accuracy >= exact - 0"),
        (" accuracy >= exact-0.5 ", "accuracy >= exact - 0.5"),
        ("score >= -2.5", "accuracy >= -2.5"),
    ],
)
def test_what_is_read_is_written(text: str, canonical: str) -> None:
    assert parse_constraint(text).text == canonical
    assert parse_constraint(canonical) == parse_constraint(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mac.area", "a constraint is COST <= NUMBER"),
        ("mac.area < 3", "a constraint is COST <= NUMBER"),
        ("mac.aria <= 3", "did you mean 'mac.area'"),
        ("mac.area >= 3", "scores have a least value, costs a largest"),
        ("score <= 3", "scores have a least value, costs a largest"),
        ("area <= exact", "a constraint is COST <= NUMBER|costs a largest"),
        ("area <= 0", "a cost is bounded by a number above 0"),
        ("area <= 1e999", "a cost is bounded by a number above 0"),
        ("score >= exact - x", "a constraint is COST <= NUMBER"),
    ],
)
def test_what_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        parse_constraint(text)


@pytest.mark.parametrize(
    ("texts", "refusal"),
    [
        (("mac.area <= 21000", "mac.energy <= 700.5", "score >= 1.0"), ""),
        (("mac.energy <= 900", "mac.area <= 20999"), "21,000 um2 is more than 20,999 um2"),
        (("mac.delay <= 8.2",), "8.25 ns is more than 8.20 ns"),
        (("mac.energy <= 700",), " fJ is more than 700 fJ"),
    ],
)
def test_costs_are_bounded_and_scores_left_to_the_search(
    texts: tuple[str, ...], refusal: str
) -> None:
    found = broken([parse_constraint(text) for text in texts], MEASURED)
    assert (found.refusal(MEASURED) if found else "")[-len(refusal) :] == refusal


def test_a_score_may_lose_so_much() -> None:
    assert parse_constraint("score >= exact - 0.5").least(2.75) == 2.25
    assert parse_constraint("score >= 2.5").least(9.0) == 2.5
