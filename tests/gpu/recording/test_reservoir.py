"""Sampled operands against the loops of a systolic array, written out."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from axdse.gpu.layers.assignment import Assignment, LayerProducts, Product
from axdse.gpu.layers.convert import convert
from axdse.gpu.operands.encode import encode
from axdse.gpu.recording.probes import Operands
from axdse.gpu.recording.recorder import Recorder
from axdse.gpu.recording.reservoir import (
    COLUMNS,
    LENGTH,
    ROWS,
    SEGMENTS,
    WHOLE_ROWS,
    Reservoir,
    RowReservoir,
)
from axdse.gpu.testing.gemm import table
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.operands.encoding import row_codes
from axdse.multipliers.operands.recording import (
    DATAFLOWS,
    LONGEST_ROW,
    Dataflow,
    OperandTrace,
)

SHAPES = [(2, 20, 18, 5), (1, 3, 40, 37), (3, 1, 1, 1), (1, 33, 2, 50)]  # G, M, N, K


def operands(shape: tuple[int, int, int, int], swap: bool = False) -> Operands:
    """Every element of a matrix is another number, so that a pair tells its place."""
    groups, m, n, k = shape
    a = torch.arange(groups * m * k, dtype=torch.float32).view(groups, m, k)
    b = -torch.arange(1, groups * k * n + 1, dtype=torch.float32).view(groups, k, n)
    exact = table("exact", "float(8,7,product=narrow)")
    return Operands(a, b, exact, swap, a.abs().max(), b.abs().max())


def trace(given: Operands, dataflow: Dataflow, calls: int = 1) -> OperandTrace:
    reservoir = Reservoir()
    for _ in range(calls):
        reservoir.add(given, dataflow)
    return reservoir.trace("fc", "forward", dataflow)


def loops(given: Operands, dataflow: Dataflow, r: int, s: int) -> Iterator[tuple[int, ...]]:
    """(group, i, n, k) of one multiplier of the array, one after the other."""
    groups, m, depth = given.a.shape
    width = given.b.shape[2]
    for group in range(groups):
        if dataflow == "output-stationary":
            for i in range(r, m, ROWS):
                for n in range(s, width, COLUMNS):
                    yield from ((group, i, n, k) for k in range(depth))
        else:
            for n in range(s, width, COLUMNS):
                for k in range(r, depth, ROWS):
                    yield from ((group, i, n, k) for i in range(m))


def walks(given: Operands, dataflow: Dataflow) -> list[list[tuple[float, float, float]]]:
    """(a, b, sum before) of each multiplier, in its order."""
    products = given.a[..., None] * given.b[:, None]  # [G, M, K, N]
    before = torch.cumsum(products, 2) - products
    return [
        [
            (float(given.a[g, i, k]), float(given.b[g, k, n]), float(before[g, i, k, n]))
            for g, i, n, k in loops(given, dataflow, r, s)
        ]
        for r in range(ROWS)
        for s in range(COLUMNS)
    ]


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rows_are_runs_of_one_multiplier(shape: tuple[int, ...], dataflow: Dataflow) -> None:
    given = operands(shape)
    made = trace(given, dataflow)
    walk_of = {
        pair[:2]: (walk, at) for walk in walks(given, dataflow) for at, pair in enumerate(walk)
    }
    assert made.multiplications == np.prod(shape)
    assert len(made.lengths) == min(SEGMENTS, made.multiplications)
    for a, b, sums, length in zip(made.a, made.b, made.sums, made.lengths, strict=True):
        walk, at = walk_of[float(a[0]), float(b[0])]
        expected = np.array(walk[at : at + LENGTH])
        assert length == len(expected)
        np.testing.assert_array_equal(a[:length], expected[:, 0])
        np.testing.assert_array_equal(b[:length], expected[:, 1])
        np.testing.assert_allclose(sums[:length], expected[:, 2], rtol=1e-5)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_exchanged_operands_are_exchanged(dataflow: Dataflow) -> None:
    plain, swapped = (trace(operands((1, 5, 6, 7), swap), dataflow) for swap in (False, True))
    np.testing.assert_array_equal(plain.a, swapped.b)
    np.testing.assert_array_equal(plain.b_peak, swapped.a_peak)
    np.testing.assert_array_equal(plain.sums, swapped.sums)


def test_every_call_and_every_multiplication_is_as_likely() -> None:
    """Starts in 200 reservoirs after 20 calls spread as those of a uniform draw do."""
    seen = []
    for seed in range(200):
        reservoir = Reservoir(seed)
        for call in range(20):
            given = operands((1, 4, 5, 50))
            marked = Operands(
                given.a + 1000 * call,
                given.b,
                given.multiplication,
                False,
                given.a_peak,
                given.b_peak,
            )
            reservoir.add(marked, "output-stationary")
        seen.append(reservoir.trace("fc", "forward", "output-stationary").a[:, 0])
    calls, places = np.divmod(np.concatenate(seen), 1000)
    assert len(calls) == 200 * SEGMENTS
    for drawn, count in ((calls, 20), (places, 200)):
        shares = np.bincount(drawn.astype(int), minlength=count) / len(drawn) * count
        expected = np.sqrt(count / len(drawn))
        assert abs(shares.std() / expected - 1) < 0.5


@pytest.mark.parametrize("depth", [8, 100])
def test_early_places_are_no_likelier(depth: int) -> None:
    """Shares of the starts in each tenth of a call, after 20 calls, in 100 reservoirs."""
    given = operands((1, 4, 5, depth))
    starts = []
    for seed in range(100):
        reservoir = Reservoir(seed)
        for _ in range(20):
            reservoir.add(given, "output-stationary")
        made = reservoir.trace("fc", "forward", "output-stationary")
        starts += list(zip(made.a[:, 0], made.b[:, 0], strict=True))
    rows, columns = (np.array(side) for side in zip(*starts, strict=True))
    i, k = np.divmod(rows, depth)
    n = (-columns - 1) % 5
    place = (i * 5 + n) * depth + k
    shares = np.histogram(place, bins=10, range=(0, 20 * depth))[0] / len(place) * 10
    assert np.abs(shares - 1).max() < 0.12


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_the_second_operand_is_the_weight(dataflow: Dataflow) -> None:
    layer = nn.Conv2d(3, 20, 3, padding=1, bias=False)
    exact = Product(table("exact", "bf16"))
    converted = convert(layer, Assignment(LayerProducts(exact, exact, exact))).model
    image = torch.rand(4, 3, 8, 8) + 10
    with Recorder(converted) as recorder:
        converted(image).sum().backward()
    made = {t.product: t for t in recorder.traces if t.dataflow == dataflow}
    assert set(made) == {"forward", "weight_gradient"}
    weights = set(layer.weight.detach().flatten().tolist())
    forward = made["forward"]
    assert set(forward.b.flatten().tolist()) <= weights | {0.0}
    still = (forward.b[:, 1:] == forward.b[:, :-1]).mean()
    assert still > 0.9 if dataflow == "weight-stationary" else still < 0.1
    assert forward.multiplications == 4 * 8 * 8 * 3 * 9 * 20
    np.testing.assert_array_equal(forward.a_peak, np.float32(image.detach().abs().max()))


def test_integers_are_recorded_as_codes() -> None:
    converted = convert(nn.Linear(5, 4), Assignment.uniform(table("exact", "int8"))).model
    with Recorder(converted) as recorder, torch.no_grad():
        converted(torch.randn(3, 5))
    (made, _) = recorder.traces
    assert set(made.a_peak) == {127.0}
    assert np.abs(made.a).max() == 127


@pytest.mark.parametrize("swap", [False, True])
def test_whole_sums_are_rows_and_columns_of_the_matrices(swap: bool) -> None:
    given = operands(SHAPES[0], swap)
    reservoir = RowReservoir()
    reservoir.add(given)
    rows = reservoir.rows("fc", "forward")
    assert rows is not None
    assert rows.a.shape == (WHOLE_ROWS, 5)
    assert rows.depths.tolist() == [5] * WHOLE_ROWS
    assert rows.multiplications == 2 * 20 * 18 * 5
    first, second = (rows.b, rows.a) if swap else (rows.a, rows.b)
    outputs = set()
    for a, b in zip(first, second, strict=True):
        # Every number tells its place.
        (group, i), (group_b, n) = divmod(int(a[0]) // 5, 20), divmod(int(-b[0]) - 1, 90)
        np.testing.assert_array_equal(a, given.a[group, i])
        np.testing.assert_array_equal(b, given.b[group_b, :, n])
        assert group == group_b
        outputs.add((group, i, n))
    assert len(outputs) == WHOLE_ROWS


def test_of_a_long_sum_the_first_products_are_kept_beside_short_ones() -> None:
    reservoir = RowReservoir()
    reservoir.add(operands((1, 1, 2, LONGEST_ROW + 7)))
    reservoir.add(operands((1, 2, 1, 3)))
    rows = reservoir.rows("fc", "forward")
    assert rows is not None
    assert sorted(rows.depths.tolist()) == [3, 3, LONGEST_ROW + 7, LONGEST_ROW + 7]
    assert rows.a.shape == (4, LONGEST_ROW)
    assert sorted(rows.lengths.tolist()) == [3, 3, LONGEST_ROW, LONGEST_ROW]
    assert not rows.a[rows.depths == 3, 3:].any()
    assert RowReservoir().rows("fc", "forward") is None


def test_a_recorder_keeps_whole_sums_of_every_product() -> None:
    exact = Product(table("exact", "bf16"))
    layer = convert(nn.Linear(6, 4), Assignment(LayerProducts(exact, exact, exact))).model
    model = nn.Sequential(nn.Tanh(), layer)
    with Recorder(model) as recorder:
        model(torch.randn(3, 6, requires_grad=True)).sum().backward()
    kept = {rows.product: (rows.a.shape, rows.multiplications) for rows in recorder.rows}
    assert kept == {
        "forward": ((12, 6), 72),
        "input_gradient": ((16, 4), 72),
        "weight_gradient": ((16, 3), 72),
    }


def test_whole_sums_in_blocks_are_kept_as_numbers_that_have_their_codes() -> None:
    """Of MXINT8 the kernels take {scale, element}; what is recorded becomes the same again."""
    generator = torch.Generator().manual_seed(0)
    mac = parse_mac("drum(n=8,k=4) in mxint8 sum dot(terms=4,align=13)")
    converted = convert(nn.Sequential(nn.Linear(64, 32)), mac.name).model
    x = torch.randn(32, 64, generator=generator)
    with Recorder(converted) as recorder:
        converted(x).sum().backward()
    forward = next(rows for rows in recorder.rows if rows.product == "forward")
    expected = encode(x, mac.format, along=1).codes.numpy().view(np.uint16).tolist()
    for row in row_codes(forward.a, forward.a_peak[:, None], mac.format).tolist():
        assert row in expected
    assert forward.a_peak.max() == pytest.approx(float(x.abs().max()), rel=2.0**-6)
    counted = {histogram.product: histogram.total for histogram in recorder.histograms}
    assert counted["forward"] == 32 * 64 * 32
