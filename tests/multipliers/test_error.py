import dataclasses
import math

import numpy as np
import pytest

from axdse.multipliers import error
from axdse.multipliers.catalog import Multiplier, builtin_catalog
from axdse.multipliers.cmodel import tabulate
from axdse.multipliers.error import ErrorMetrics, error_metrics
from axdse.multipliers.errors import AxdseError


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
