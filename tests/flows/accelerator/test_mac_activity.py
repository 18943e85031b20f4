"""What a MAC meets: rows that do not follow one another, sums of products that it really makes."""

from dataclasses import replace

import numpy as np
import pytest
from mac_recordings import rows, trace

from axdse.flows.accelerator.accumulator import accumulator_of
from axdse.flows.accelerator.mac_activity import (
    LENGTH,
    RUN,
    STEPS,
    Stream,
    joined,
    traced_stream,
    uniform_stream,
    whole_rows,
)
from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.model.sum_unit import sum_unit
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.operands.recording import DATAFLOWS, Dataflow


def unit(text: str) -> MacUnit:
    return MacUnit(parse_mac(text))


BF16 = unit("exact(n=8) in bf16")
DOT = unit("exact(n=4) in float(8,3) sum dot(terms=4,align=13)")


def decoded(codes: np.ndarray) -> np.ndarray:
    return codes.astype(np.uint32).view(np.float32)


def products(stream: Stream) -> np.ndarray:
    return unit_products(stream.unit.mac.candidate, stream.a, stream.b)


def test_recorded_operands_and_sums_are_those_of_the_trace() -> None:
    recorded = trace()
    stream = traced_stream(BF16, recorded)
    np.testing.assert_allclose(decoded(stream.a << np.uint64(16)), recorded.a, rtol=2.0**-8)
    np.testing.assert_allclose(decoded(stream.before), recorded.sums, rtol=2.0**-6, atol=2.0**-6)
    made = decoded(products(stream) << np.uint64(8))
    np.testing.assert_allclose(made, recorded.a * recorded.b, rtol=2.0**-7)
    np.testing.assert_array_equal(decoded(stream.after), decoded(stream.before) + made)


def test_a_multiplier_that_sums_up_adds_its_own_products() -> None:
    recorded = trace()
    stream = traced_stream(unit("drum(n=8,k=3) in bf16"), recorded)
    goes_on = recorded.sums[:, 1:] != 0
    np.testing.assert_array_equal(stream.before[:, 1:][goes_on], stream.after[:, :-1][goes_on])
    assert (stream.before[:, 0] == 0).all()


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_sums_have_no_bits_below_those_of_their_products(dataflow: Dataflow) -> None:
    """Products of float(8,3) in [1, 4) have 3 bits of fraction below 2^0."""
    values = np.random.default_rng(0).uniform(1, 2, (4, 17)).astype(np.float32)
    sums = np.random.default_rng(1).uniform(50, 60, (4, 17)).astype(np.float32)
    recorded = replace(trace(dataflow=dataflow, rows=4, length=17), a=values, b=values, sums=sums)
    stream = traced_stream(unit("exact(n=4) in float(8,3)"), recorded)
    np.testing.assert_array_equal(decoded(stream.before) * 8 % 1, 0)
    first = slice(None) if dataflow == "weight-stationary" else slice(0, 1)
    assert np.abs(decoded(stream.before) - sums)[:, first].max() <= 2.0**-4


def test_int8_sums_are_counted_in_products_of_codes() -> None:
    recorded = trace()
    stream = traced_stream(unit("exact(n=8) in int8"), recorded)
    scale = (recorded.a_peak * recorded.b_peak / 127**2)[:, None]
    sums = stream.before.astype(np.uint32).view(np.int32)
    exact = np.cumsum(products(stream).astype(np.uint16).view(np.int16).astype(int), axis=1)
    goes_on = recorded.sums[:, 1:] != 0
    np.testing.assert_array_equal(sums[:, 1:][goes_on], exact[:, :-1][goes_on])
    # Sums of rounded operands: half a step of each of the operands for each product.
    assert np.abs(sums - recorded.sums / scale).max() < 127 * 8


def test_sums_of_scaled_formats_have_the_scale_of_their_products() -> None:
    recorded = trace()
    stream = traced_stream(unit("exact(n=4) in fp8_e4m3"), recorded)
    sums = recorded.sums[:, 1]
    got = decoded(stream.before)[:, 1]
    seen = (sums != 0) & np.isfinite(got)  # some overflow: docs/formats.md
    ratio = got[seen] / sums[seen]
    assert ratio.size
    # But for the rounding of the operands to 4 bits, a power of two.
    assert np.abs(np.log2(ratio) - np.rint(np.log2(ratio))).max() < 0.2
    assert (ratio > 1).all()


def test_only_rows_of_a_stream_are_followed() -> None:
    recorded = replace(trace(rows=3, length=5), lengths=np.array([5, 1, 3]))
    stream = traced_stream(BF16, recorded)
    given = stream.transitions
    assert given.count == 4 + 2
    codes, low = stream.a.tolist(), np.uint64(0xFFFF)
    assert (given.a & low).tolist() == [*codes[0][:4], *codes[1][:2]]
    assert (given.next_a & low).tolist() == [*codes[0][1:], *codes[1][1:3]]
    np.testing.assert_array_equal(given.next_b[:4], stream.before[0, 1:])


def test_toggles_are_bits_that_change() -> None:
    zeros = np.zeros((2, 3), dtype=np.uint64)
    codes = np.array([[0, 3, 3], [1, 6, 255]], dtype=np.uint64)
    stream = Stream(BF16, codes, zeros, zeros, zeros, np.array([3, 2]), zeros[0])
    assert stream.operand_toggles(codes) == (2 + 0 + 3) / 3
    assert stream.operand_toggles(zeros) == stream.register_toggles == 0


@pytest.mark.parametrize("tested", [BF16, DOT], ids=["FP32", "dot"])
def test_uniform_sums_are_those_of_the_products_themselves(tested: MacUnit) -> None:
    stream = uniform_stream(tested)
    assert stream.a.shape[1] == RUN == STEPS * 4
    assert not stream.before[:, 0].any()
    np.testing.assert_array_equal(stream.before[:, 1:], stream.after[:, :-1])
    assert stream.transitions.count > 900
    assert stream.overflow == 0


@pytest.mark.parametrize(("peak", "overflows"), [(1.0, True), (2.0**16, False)])
def test_products_that_overflow_in_the_unit_are_told(peak: float, overflows: bool) -> None:
    """A scale that brings operands to the top of fp16 leaves no room for products."""
    ones = np.ones((2, 4), dtype=np.float32)
    peaks = np.full(2, peak, dtype=np.float32)
    recorded = replace(trace(rows=2, length=4), a=ones, b=ones, a_peak=peaks, b_peak=peaks)
    assert traced_stream(unit("exact(n=11) in fp16"), recorded).overflow == overflows


def test_every_row_of_a_trace_gives_its_first_pairs() -> None:
    recorded = trace(rows=20, length=33)
    stream = traced_stream(BF16, recorded)
    assert stream.transitions.count == 20 * (LENGTH - 1)
    taken = recorded.sums[:, :LENGTH]
    np.testing.assert_allclose(decoded(stream.before), taken, rtol=2.0**-6, atol=2.0**-6)


def test_whole_sums_are_added_from_their_first_products_on() -> None:
    recorded = replace(rows(), depths=np.array([10, 3, 12, 12]))
    stream = whole_rows(DOT, recorded)
    # 3 + 1 + 3 + 3 steps of four products, and one sum follows the other.
    assert stream.before.shape == stream.after.shape == (1, 10)
    assert stream.transitions.count == 9
    starts = [0, 3, 4, 7]
    assert not stream.before[0, starts].any()
    goes_on = np.setdiff1d(np.arange(10), starts)
    np.testing.assert_array_equal(stream.before[0, goes_on], stream.after[0, goes_on - 1])
    np.testing.assert_array_equal(stream.ends, stream.after[0, [2, 3, 6, 9]])
    a, b = (side.reshape(10, 4) for side in (stream.a, stream.b))
    assert not a[2, 2:].any()  # padded
    candidate, recipe = DOT.mac.candidate, DOT.mac.recipe
    assert recipe
    again = sum_unit(candidate, recipe, a, b, stream.before[0])
    np.testing.assert_array_equal(stream.after[0], again)


def test_a_chunk_ends_in_a_cleared_register() -> None:
    chunked = unit("exact(n=4) in float(8,3) sum dot(terms=2,align=13,chunk=4)")
    stream = whole_rows(chunked, rows(depth=12))
    assert not stream.before[0, ::2].any()
    np.testing.assert_array_equal(stream.before[0, 1::2], stream.after[0, ::2])
    np.testing.assert_array_equal(stream.ends, stream.after[0, 1::2])


@pytest.mark.parametrize("form", ["exact(n=4) in mxfp8_e4m3", "exact(n=8) in mxint8"])
def test_uniform_operands_in_blocks_have_middle_scales(form: str) -> None:
    """One a block, so that registers leave zero and products do not underflow."""
    stream = uniform_stream(unit(f"{form} sum dot(terms=4,align=13)"))
    for side in (stream.a, stream.b):
        scales = (side >> np.uint64(8)).reshape(-1, 32)
        assert (scales == scales[:, :1]).all()
        assert 64 <= scales.min() < 80 < 176 < scales.max() < 192
    assert (stream.after != 0).mean() > 0.99


@pytest.mark.parametrize("form", ["exact(n=4) in mxfp8_e4m3", "exact(n=8) in mxint8"])
def test_recorded_sums_of_mx_operands_have_the_scales_of_their_blocks(form: str) -> None:
    recorded = rows(depth=64, length=64)
    stream = whole_rows(unit(f"{form} sum dot(terms=16,align=25,acc=float(8,23))"), recorded)
    products = recorded.a.astype(np.float64) * recorded.b
    error = np.abs(decoded(stream.ends) - products.sum(1))
    assert (error < 2.0**-5 * np.abs(products).sum(1)).all()


def test_registers_of_a_step_of_integers_in_blocks_have_one_scale() -> None:
    mac = unit("exact(n=8) in mxint8 sum dot(terms=4,align=13)")
    assert mac.operand_bits == 8 + 8 / 4
    codes = np.arange(4, dtype=np.uint64)[None] | np.uint64(0x7F00)
    assert mac.held(codes).tolist() == [[0x7F00, 1, 2, 3]]
    assert mac.packed(codes, codes).tolist() == [[0x0201_007F_0302_0100, 0x7F03]]


def test_wide_ports_are_packed_in_words() -> None:
    a, b = (np.arange(1, 9, dtype=np.uint64).reshape(2, 4) << np.uint64(k) for k in (0, 4))
    words = DOT.packed(a, b)
    assert words.shape == (2, 2)
    for row in range(2):
        number = sum(int(word) << 64 * at for at, word in enumerate(words[row]))
        codes = [*a[row].tolist(), *b[row].tolist()]
        assert number == sum(code << 12 * at for at, code in enumerate(codes))


def test_joined_streams_do_not_follow_one_another() -> None:
    first, second = whole_rows(DOT, rows()), whole_rows(DOT, rows(depth=4))
    both = joined([first, second])
    counts = [each.transitions.count for each in (first, second, both)]
    assert counts[2] == counts[0] + counts[1]
    np.testing.assert_array_equal(both.ends, np.concatenate([first.ends, second.ends]))


def test_sums_of_a_format_are_its_accumulators() -> None:
    stream = whole_rows(BF16, rows())
    accumulator = accumulator_of(BF16.mac.candidate.format)
    again = accumulator.added(stream.before, products(stream))
    np.testing.assert_array_equal(stream.after, again)
