import dataclasses
import math

import numpy as np
import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import tabulate
from axdse.multipliers.tables import error_metrics as error
from axdse.multipliers.tables.error_metrics import ErrorMetrics, error_metrics


def test_metrics_of_a_design_small_enough_to_count_by_hand(make_multiplier):
    """2 x 2 bits without the lowest product bit: 1, 3, 3 and 9 of 16 products lose 1."""
    design = make_multiplier("uint64_t core(uint64_t a, uint64_t b) { return a * b & ~1; }", n=2)

    assert error_metrics(design) == ErrorMetrics(
        error_rate=4 / 16,
        med=4 / 16,
        nmed=4 / 16 / 9,
        mred=pytest.approx((1 + 1 / 3 + 1 / 3 + 1 / 9) / 16),
        wce=1,
        wcre=1,
        bias=-4 / 16,
        relative_bias=pytest.approx(-(1 + 1 / 3 + 1 / 3 + 1 / 9) / 16),
        variance=4 / 16 - (4 / 16) ** 2,
    )


def test_an_error_at_a_zero_operand_counts_against_one(make_multiplier):
    design = make_multiplier("uint64_t core(uint64_t a, uint64_t b) { return a * b + 3; }", n=2)
    nonzero = 3 / 1 + 3 / 2 + 3 / 2 + 3 / 3 + 3 / 3 + 3 / 4 + 3 / 6 + 3 / 6 + 3 / 9

    metrics = error_metrics(design)

    assert metrics.mred == pytest.approx((7 * 3 + nonzero) / 16)
    assert metrics.wcre == 3


def test_significands_are_measured_in_units_of_the_exact_product():
    """Mitchell at m = 2: 1.5 x 1.5 gives 2.0, which is 32/16 instead of 36/16."""
    metrics = error_metrics(builtin_catalog().multiplier("mitchell(m=2)"))

    assert metrics.wce == 36 - 32
    assert metrics.wcre == 4 / 36
    assert metrics.bias == -(math.comb(5, 4) + math.comb(6, 4)) / 16
    assert metrics.nmed == metrics.med / 7**2


def test_a_significand_carry_doubles_the_fraction(make_multiplier):
    """Carry and no fraction is 2.0: for 1 x 1 an error of one whole unit, 2^2m."""
    source = "uint64_t core(uint64_t x, uint64_t y) { return x + y ? x + y : 4; }"
    design = make_multiplier(source, n=2, kind="significand")

    assert error_metrics(design).wce == 16


@pytest.mark.parametrize("spec", ["exact(n=3)", "exact(n=8)"])
def test_the_exact_design_has_no_error(spec):
    metrics = error_metrics(builtin_catalog().multiplier(spec))

    assert set(dataclasses.astuple(metrics)) == {0.0}


def test_moments_are_those_of_the_table():
    design = builtin_catalog().multiplier("drum(n=7,k=3)")
    operands = np.arange(128)

    errors = tabulate(design).astype(float) - np.outer(operands, operands)
    metrics = error_metrics(design)

    assert metrics.bias == errors.mean()
    assert metrics.med == np.abs(errors).mean()
    assert metrics.variance == pytest.approx(errors.var())


@pytest.mark.parametrize("spec", ["drum(n=7,k=3)", "mbm(m=7)"])
def test_metrics_do_not_depend_on_how_the_domain_is_cut(spec, monkeypatch):
    design = builtin_catalog().multiplier(spec)
    whole = dataclasses.astuple(error_metrics(design))

    monkeypatch.setattr(error, "BLOCK_PAIRS", 300)

    assert dataclasses.astuple(error_metrics(design)) == pytest.approx(whole, rel=1e-12)


def test_a_domain_too_large_to_tabulate_is_refused():
    design = Multiplier(builtin_catalog().family("exact"), (("n", 13),))

    with pytest.raises(AxdseError, match="at most 2"):
        error_metrics(design)


def test_weights_of_one_pair_leave_its_error():
    """DRUM keeps the three leading bits of 127 and sets the lowest of them: 112 x 112."""
    weights = np.zeros((128, 128), dtype=np.int64)
    weights[127, 127] = 10**15

    metrics = error_metrics(builtin_catalog().multiplier("drum(n=7,k=3)"), weights)

    error = 112 * 112 - 127 * 127
    assert metrics == ErrorMetrics(
        error_rate=1,
        med=-error,
        nmed=-error / 127**2,
        mred=-error / 127**2,
        wce=-error,
        wcre=-error / 127**2,
        bias=error,
        relative_bias=error / 127**2,
        variance=0,
    )


def bit_probabilities(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that bits 0..3 are set, independently, and those of the numbers 0..15."""
    bits = np.random.default_rng(seed).uniform(0, 1, 4)
    is_set = (np.arange(16)[:, None] >> np.arange(4)) & 1
    return bits, np.where(is_set, bits, 1 - bits).prod(axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_bias_of_truncation_over_independent_bits(seed):
    """Columns 0 and 1 are not formed: e = -(a0 b0 + 2 a1 b0 + 2 a0 b1), bit by bit independent."""
    (p, of_a), (q, of_b) = bit_probabilities(seed), bit_probabilities(seed + 10)
    mean = p[0] * q[0] + 2 * p[1] * q[0] + 2 * p[0] * q[1]
    square = (
        p[0] * q[0]
        + 4 * (p[1] * q[0] + p[0] * q[1])
        + 4 * (p[0] * p[1] * q[0] + p[0] * q[0] * q[1])
        + 8 * p[0] * p[1] * q[0] * q[1]
    )
    wrong = 1 - (1 - p[0]) * (1 - p[1] * q[0]) - p[0] * (1 - q[0]) * (1 - q[1])

    design = builtin_catalog().multiplier("truncated(n=4,t=2,c=0)")
    metrics = error_metrics(design, np.outer(of_a, of_b))

    assert metrics.bias == pytest.approx(-mean)
    assert metrics.med == pytest.approx(mean)
    assert metrics.nmed == pytest.approx(mean / 15**2)
    assert metrics.variance == pytest.approx(square - mean**2)
    assert metrics.error_rate == pytest.approx(wrong)
    assert metrics.wce == 5


def test_worst_cases_are_those_that_occur():
    """Mitchell errs most at 1.5 x 1.5; with b = 1 it never errs."""
    weights = np.zeros((16, 16))
    weights[:, 0] = 1 / 16

    metrics = error_metrics(builtin_catalog().multiplier("mitchell(m=4)"), weights)

    assert set(dataclasses.astuple(metrics)) == {0.0}


@pytest.mark.parametrize("spec", ["drum(n=7,k=3)", "mbm(m=7)", "exact(n=8)"])
@pytest.mark.parametrize("weight", [1, 0.25, 1 << 40])
def test_equal_weights_are_none(spec, weight, monkeypatch):
    design = builtin_catalog().multiplier(spec)
    weights = np.full((1 << design.operand_bits,) * 2, weight)
    monkeypatch.setattr(error, "BLOCK_PAIRS", 5000)

    weighted = dataclasses.astuple(error_metrics(design, weights))

    assert weighted == pytest.approx(dataclasses.astuple(error_metrics(design)), rel=1e-9)


def test_rows_of_weights_are_first_operands(make_multiplier):
    """The design errs where a = 1 only."""
    source = "uint64_t core(uint64_t a, uint64_t b) { return a * b + (a == 1); }"
    weights = np.array([[0, 0, 0, 0], [0, 1, 2, 3], [0, 4, 0, 0], [0, 0, 0, 0]])

    assert error_metrics(make_multiplier(source, n=2), weights).error_rate == pytest.approx(0.6)


def test_weights_follow_the_rows_however_the_domain_is_cut(monkeypatch):
    design = builtin_catalog().multiplier("drum(n=7,k=3)")
    weights = np.arange(128)[:, None] ** 2 + np.arange(128)
    whole = dataclasses.astuple(error_metrics(design, weights))

    monkeypatch.setattr(error, "BLOCK_PAIRS", 300)

    assert dataclasses.astuple(error_metrics(design, weights)) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize(
    ("weights", "rule"),
    [
        (np.ones((8, 7)), "8 x 8"),
        (np.ones(64), "8 x 8"),
        (np.zeros((8, 8)), "not all zero"),
        (np.full((8, 8), np.nan), "finite"),
        (np.full((8, 8), np.inf), "finite"),
        (np.diag([-1, 2, 2, 2, 2, 2, 2, 2]), "never negative"),
    ],
)
def test_bad_weights_are_refused(weights, rule):
    with pytest.raises(AxdseError, match=rule):
        error_metrics(builtin_catalog().multiplier("exact(n=3)"), weights)
