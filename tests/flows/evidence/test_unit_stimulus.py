import numpy as np
import pytest

from axdse.flows.evidence.stimulus import (
    Stimulus,
    corner_exponents,
    corner_fractions,
    unit_stimulus,
)
from axdse.multipliers.formats import FloatFormat, parse_format
from axdse.multipliers.model.unit_oracle import corner_operands

SAMPLED = ["bf16", "fp16", "float(8,1)", "float(8,23)", "float(2,7)"]


def _codes(stimulus: Stimulus) -> np.ndarray:
    return (stimulus.a << np.uint64(32)) | stimulus.b


def _pairs(stimulus: Stimulus) -> set[tuple[int, int]]:
    return set(zip(stimulus.a.tolist(), stimulus.b.tolist(), strict=True))


def _fields(stimulus: Stimulus, number_format: FloatFormat) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of exponents and the pairs of fractions, the second below the first."""
    e, m = np.uint64(number_format.exponent_bits), np.uint64(number_format.fraction_bits)
    top, ones = np.uint64((1 << int(e)) - 1), np.uint64((1 << int(m)) - 1)
    exponents = (stimulus.a >> m & top) << e | stimulus.b >> m & top
    return exponents, (stimulus.a & ones) << m | stimulus.b & ones


@pytest.mark.parametrize(
    ("name", "vectors"),
    [("fp8_e4m3", 1 << 16), ("fp8_e5m2", 1 << 16), ("float(5,3)", 1 << 18), ("float(2,1)", 256)],
)
def test_narrow_units_meet_every_pair_once_in_counting_order(name: str, vectors: int) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    stimulus = unit_stimulus(number_format, seed=0)
    width = np.uint64(1 + number_format.exponent_bits + number_format.fraction_bits)
    assert stimulus.exhaustive
    np.testing.assert_array_equal((stimulus.a << width) | stimulus.b, np.arange(vectors))


@pytest.mark.parametrize("name", SAMPLED)
def test_wide_units_meet_distinct_pairs_within_their_width(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    stimulus = unit_stimulus(number_format, seed=0)
    width = 1 + number_format.exponent_bits + number_format.fraction_bits
    assert not stimulus.exhaustive
    assert np.unique(_codes(stimulus)).size == stimulus.vectors > 24_000
    assert int(max(stimulus.a.max(), stimulus.b.max())) == (1 << width) - 1


@pytest.mark.parametrize("name", SAMPLED)
def test_wide_units_meet_every_pair_of_corners_with_all_signs(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    corner = corner_operands(number_format)
    wanted = (corner[:, None] << np.uint64(32) | corner).ravel()
    assert np.isin(wanted, _codes(unit_stimulus(number_format, seed=0))).all()


@pytest.mark.parametrize("name", SAMPLED)
def test_wide_units_meet_every_pair_of_exponents_with_each_pair_of_corner_fractions(
    name: str,
) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    e, m = number_format.exponent_bits, number_format.fraction_bits
    exponents, fractions = _fields(unit_stimulus(number_format, seed=0), number_format)
    for x, y in corner_fractions(number_format):
        assert np.unique(exponents[fractions == (x << m | y)]).size == 4**e


@pytest.mark.parametrize("name", ["bf16", "float(8,1)", "float(2,7)"])
def test_units_up_to_7_bits_meet_every_pair_of_fractions_at_each_corner(name: str) -> None:
    number_format = parse_format(name)
    assert isinstance(number_format, FloatFormat)
    e, m = number_format.exponent_bits, number_format.fraction_bits
    exponents, fractions = _fields(unit_stimulus(number_format, seed=0), number_format)
    for first, second in corner_exponents(number_format):
        assert np.unique(fractions[exponents == (first << e | second)]).size == 4**m


@pytest.mark.parametrize(("e", "bias"), [(8, 127), (5, 15), (3, 3), (2, 1)])
def test_corner_exponents_lie_on_either_side_of_every_border(e: int, bias: int) -> None:
    pairs = corner_exponents(FloatFormat(e, 7))
    top = 2**e - 1
    possible = range(2, 2 * top - 1)  # sums of normal exponents
    borders = {bias - 1, bias, bias + 1, bias + top - 2, bias + top - 1, bias + top}
    normal = {a + b for a, b in pairs if min(a, b) > 0 and max(a, b) < top}
    assert normal == {total for total in {2 * bias, *borders} if total in possible}
    assert {(0, bias), (bias, 0), (top, bias), (bias, top)} <= set(pairs)


@pytest.mark.parametrize("m", [1, 2, 7, 23])
def test_corner_fractions_carry_and_just_do_not(m: int) -> None:
    one, two = 1 << m, 2 << 2 * m
    pairs = corner_fractions(FloatFormat(8, m))
    products = [(one + x) * (one + y) for x, y in pairs]
    assert min(products) == one * one
    assert max(products) == (2 * one - 1) ** 2
    assert max(product for product in products if product < two) == two - 2
    assert {(x > 0, y > 0) for x, y in pairs} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }


def test_signs_vary_with_every_exponent() -> None:
    stimulus = unit_stimulus(FloatFormat(8, 7), seed=0)
    signs = (stimulus.a >> np.uint64(15)) << np.uint64(1) | stimulus.b >> np.uint64(15)
    exponents = stimulus.a >> np.uint64(7) & np.uint64(255)
    counts = np.zeros((256, 4), dtype=int)
    np.add.at(counts, (exponents, signs), 1)
    assert counts.min() > 200


def test_the_core_rests_while_the_exponents_count() -> None:
    """Simulators are event-driven: most steps leave both fractions as they are."""
    stimulus = unit_stimulus(FloatFormat(8, 7), seed=0)
    low = np.uint64(127)
    changes = (np.diff(stimulus.a & low) != 0) | (np.diff(stimulus.b & low) != 0)
    assert np.count_nonzero(changes) == (1 << 14) - 1


def test_the_seed_of_a_unit_alone_decides() -> None:
    first, again, other = (unit_stimulus(FloatFormat(5, 10), seed) for seed in (1, 1, 2))
    assert _pairs(first) == _pairs(again)
    assert _pairs(first) != _pairs(other)
