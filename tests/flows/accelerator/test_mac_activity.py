"""What a MAC meets: rows that do not follow one another, products that the unit really gives."""

from dataclasses import replace

import numpy as np
import pytest
from mac_recordings import trace, unit

from axdse.flows.accelerator.mac_activity import (
    LENGTH,
    RUN,
    Stream,
    recorded_stream,
    uniform_stream,
)
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.operands.recording import DATAFLOWS, Dataflow

BF16 = unit("exact(n=8)", "bf16")


def decoded(codes: np.ndarray) -> np.ndarray:
    return codes.astype(np.uint32).view(np.float32)


def test_recorded_operands_and_sums_are_those_of_the_trace() -> None:
    recorded = trace()
    stream = recorded_stream(BF16, recorded)
    np.testing.assert_allclose(decoded(stream.a << np.uint64(16)), recorded.a, rtol=2.0**-8)
    np.testing.assert_allclose(decoded(stream.sums), recorded.sums, rtol=2.0**-6, atol=2.0**-6)
    products = decoded(stream.products << np.uint64(8))
    np.testing.assert_allclose(products, recorded.a * recorded.b, rtol=2.0**-7)
    np.testing.assert_array_equal(decoded(stream.results), decoded(stream.sums) + products)


def test_a_multiplier_that_sums_up_adds_its_own_products() -> None:
    recorded = trace()
    stream = recorded_stream(unit("drum(n=8,k=3)", "bf16"), recorded)
    goes_on = recorded.sums[:, 1:] != 0
    np.testing.assert_array_equal(stream.sums[:, 1:][goes_on], stream.results[:, :-1][goes_on])
    assert (stream.sums[:, 0] == 0).all()


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_sums_have_no_bits_below_those_of_their_products(dataflow: Dataflow) -> None:
    """Products of float(8,3) in [1, 4) have 3 bits of fraction below 2^0."""
    values = np.random.default_rng(0).uniform(1, 2, (4, 17)).astype(np.float32)
    sums = np.random.default_rng(1).uniform(50, 60, (4, 17)).astype(np.float32)
    recorded = replace(trace(dataflow=dataflow, rows=4, length=17), a=values, b=values, sums=sums)
    stream = recorded_stream(unit("exact(n=4)", "float(8,3)"), recorded)
    np.testing.assert_array_equal(decoded(stream.sums) * 8 % 1, 0)
    first = slice(None) if dataflow == "weight-stationary" else slice(0, 1)
    assert np.abs(decoded(stream.sums) - sums)[:, first].max() <= 2.0**-4


def test_products_are_those_of_an_approximate_unit() -> None:
    candidate = unit("drum(n=8,k=3)", "bf16")
    stream = recorded_stream(candidate, trace())
    np.testing.assert_array_equal(stream.products, unit_products(candidate, stream.a, stream.b))
    assert (stream.products != recorded_stream(BF16, trace()).products).any()


def test_int8_sums_are_counted_in_products_of_codes() -> None:
    recorded = trace()
    stream = recorded_stream(unit("exact(n=8)", "int8"), recorded)
    scale = (recorded.a_peak * recorded.b_peak / 127**2)[:, None]
    sums = stream.sums.astype(np.uint32).view(np.int32)
    exact = np.cumsum(stream.products.astype(np.uint16).view(np.int16).astype(int), axis=1)
    goes_on = recorded.sums[:, 1:] != 0
    np.testing.assert_array_equal(sums[:, 1:][goes_on], exact[:, :-1][goes_on])
    # Sums of rounded operands: half a step of each of the operands for each product.
    assert np.abs(sums - recorded.sums / scale).max() < 127 * 8


def test_sums_of_scaled_formats_have_the_scale_of_their_products() -> None:
    recorded = trace()
    stream = recorded_stream(unit("exact(n=4)", "fp8_e4m3"), recorded)
    sums = recorded.sums[:, 1]
    got = decoded(stream.sums)[:, 1]
    seen = (sums != 0) & np.isfinite(got)  # some overflow: docs/formats.md
    ratio = got[seen] / sums[seen]
    assert ratio.size
    # But for the rounding of the operands to 4 bits, a power of two.
    assert np.abs(np.log2(ratio) - np.rint(np.log2(ratio))).max() < 0.2
    assert (ratio > 1).all()


def test_only_rows_of_a_stream_are_followed() -> None:
    recorded = replace(trace(rows=3, length=5), lengths=np.array([5, 1, 3]))
    stream = recorded_stream(BF16, recorded)
    assert stream.unit.count == stream.adder.count == 4 + 2
    codes = stream.a.tolist()
    assert stream.unit.a.tolist() == [*codes[0][:4], *codes[1][:2]]
    assert stream.unit.next_a.tolist() == [*codes[0][1:], *codes[1][1:3]]
    np.testing.assert_array_equal(stream.adder.next_b[:4], stream.products[0, 1:])


def test_toggles_are_bits_that_change() -> None:
    zeros = np.zeros((2, 3), dtype=np.uint64)
    codes = np.array([[0, 3, 3], [1, 6, 255]], dtype=np.uint64)
    stream = Stream(BF16, codes, zeros, zeros, zeros, zeros, np.array([3, 2]))
    assert stream.toggles(codes) == (2 + 0 + 3) / 3
    assert stream.toggles(zeros) == 0


def test_uniform_sums_are_those_of_the_products_themselves() -> None:
    stream = uniform_stream(BF16)
    assert stream.a.shape[1] == RUN
    assert not stream.sums[:, 0].any()
    np.testing.assert_array_equal(stream.sums[:, 1:], stream.results[:, :-1])
    assert stream.unit.count > 4000
    assert stream.overflow == 0


@pytest.mark.parametrize(("peak", "overflows"), [(1.0, True), (2.0**16, False)])
def test_products_that_overflow_in_the_unit_are_told(peak: float, overflows: bool) -> None:
    """A scale that brings operands to the top of fp16 leaves no room for products."""
    ones = np.ones((2, 4), dtype=np.float32)
    peaks = np.full(2, peak, dtype=np.float32)
    recorded = replace(trace(rows=2, length=4), a=ones, b=ones, a_peak=peaks, b_peak=peaks)
    assert recorded_stream(unit("exact(n=11)", "fp16"), recorded).overflow == overflows


def test_every_row_gives_its_first_pairs() -> None:
    recorded = trace(rows=20, length=33)
    stream = recorded_stream(BF16, recorded)
    assert stream.unit.count == 20 * (LENGTH - 1)
    taken = recorded.sums[:, :LENGTH]
    np.testing.assert_allclose(decoded(stream.sums), taken, rtol=2.0**-6, atol=2.0**-6)
