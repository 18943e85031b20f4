import numpy as np
import pytest

from axdse.flows.evidence.report import Covered
from axdse.flows.evidence.stimulus import Stimulus, unit_stimulus
from axdse.flows.verify.coverage import unit_coverage
from axdse.multipliers.formats import FloatFormat, parse_format

E5M2 = FloatFormat(5, 2)
ZERO, SUBNORMAL, ONE, LARGEST, INFINITY, NAN = 0x00, 0x03, 0x3C, 0x7B, 0x7C, 0x7D
TINY, MINUS = 0x04, 0x80


def _covered(*pairs: tuple[int, int]) -> dict[str, int]:
    a, b = np.array(pairs, dtype=np.uint64).T
    return {each.name: each.covered for each in unit_coverage(E5M2, Stimulus(a, b, False))}


@pytest.mark.parametrize("name", ["fp8_e4m3", "fp8_e5m2", "float(2,1)", "float(5,3)"])
def test_an_exhaustive_stimulus_covers_everything(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    classes = unit_coverage(number_format, unit_stimulus(number_format, seed=0))
    assert [each.covered for each in classes] == [each.total for each in classes]


def test_bf16_is_covered_but_for_the_pairs_themselves() -> None:
    number_format = FloatFormat(8, 7)
    classes = unit_coverage(number_format, unit_stimulus(number_format, seed=0))
    assert [each for each in classes if each.covered < each.total] == [
        Covered("operand pairs", 543_849, 1 << 32)
    ]
    assert [each.name for each in classes] == [
        "operand pairs", "pairs of signs", "pairs of exponents", "pairs of fractions",
        "exponents, corner fractions", "fractions, corner exponents",
        "zeros", "subnormals", "infinities", "NaNs",
        "underflowing exponents", "overflowing exponents", "exponents with a carry",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "met"),
    [
        (ZERO, ONE, "zeros"),
        (ONE, MINUS | ZERO, "zeros"),
        (SUBNORMAL, ONE, "subnormals"),
        (ONE, INFINITY, "infinities"),
        (MINUS | NAN, ONE, "NaNs"),
        (TINY, TINY, "underflowing exponents"),
        (LARGEST, LARGEST, "overflowing exponents"),
        (ONE | 3, ONE | 3, "exponents with a carry"),
    ],
)
def test_each_class_is_met_by_its_own_pair_alone(a: int, b: int, met: str) -> None:
    special = {"zeros", "subnormals", "infinities", "NaNs", "underflowing exponents",
               "overflowing exponents", "exponents with a carry"}  # fmt: skip
    covered, plain = _covered((a, b)), _covered((ONE, ONE))
    more = {name for name in special if covered[name] > plain[name]}
    assert more - {"exponents with a carry"} == {met} - {"exponents with a carry"}
    assert met in more


@pytest.mark.parametrize(
    ("a", "b", "met"),
    [(0x1C, 0x20, True), (0x1D, 0x22, True), (0x1D, 0x23, False)],
    ids=["no carry", "just no carry", "carry"],
)
def test_the_carry_decides_at_the_border_of_underflow(a: int, b: int, met: bool) -> None:
    """Exponents 7 and 8: their sum is the bias."""
    assert _covered((a, b))["underflowing exponents"] == int(met)


def test_pairs_that_come_again_count_once() -> None:
    once, twice = _covered((ONE, NAN)), _covered((ONE, NAN), (MINUS | ONE, NAN))
    changed = {name for name in once if once[name] != twice[name]}
    assert changed == {"operand pairs", "pairs of signs"}


def test_what_cannot_be_is_left_out() -> None:
    number_format = FloatFormat(2, 1)
    classes = unit_coverage(number_format, unit_stimulus(number_format, seed=0))
    assert "underflowing exponents" not in {each.name for each in classes}
