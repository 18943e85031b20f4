"""Benchmarks: what is compared, what is timed, and that a wrong realisation never is."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from axdse.gpu.bench import timing as bench_timing
from axdse.gpu.bench.contest import Entry, measure, verdict_on
from axdse.gpu.bench.gemm import SHAPES, SUBJECTS, Subject, by_kernel, gemm_entries, gemm_entry
from axdse.gpu.bench.sums import Sums, exact_sums
from axdse.gpu.bench.timing import Patience, side_by_side
from axdse.gpu.cpu.kernels import KERNELS, Kernel, available_kernels, torch_threads
from axdse.gpu.multiplication.handles import Form
from axdse.gpu.testing.gemm import all_products, candidate, operands, table
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

QUICK = Patience(least=2, most=3, seconds=0.0)
SHAPE = (3, 50, 70)
SMALL = Subject("small", "mbm(m=7)", "float(8,7,product=narrow)", (("exact", math.inf),))
INT8 = Subject("small", "exact(n=8)", "int8", ())
FORMATS = ("float(8,7,product=narrow)", "float(8,4,round=nearest,product=wide)", "int8")


def draw(name: str) -> tuple[Tensor, Tensor]:
    rows, depth, columns = SHAPE
    number_format = parse_format(name)
    a = operands(rows * depth, number_format, 1).reshape(rows, depth)
    return a, operands(depth * columns, number_format, 2).reshape(depth, columns)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_sums_are_those_of_the_oracle(name: str, swap: bool) -> None:
    a, b = draw(name)
    sums = exact_sums(a[None], b[None], table("scramble", name), swap)
    products = all_products(a, b, candidate("scramble", name), swap).double()
    assert torch.allclose(sums.exact[0], products.sum(1), rtol=1e-14)
    assert torch.allclose(sums.magnitude[0], products.abs().sum(1), rtol=1e-14)
    assert (sums.depth, sums.is_int) == (SHAPE[1], name == "int8")


def sums_of(exact: list[float], is_int: bool) -> Sums:
    values = torch.tensor(exact, dtype=torch.float64)
    return Sums(values, values.abs(), 1, is_int)


@pytest.mark.parametrize(
    ("exact", "result"),
    [
        ([1.0], torch.tensor([1.0 + 2**-23])),
        ([1.0], torch.tensor([math.nan])),
        ([math.nan], torch.tensor([1.0])),
        ([math.inf], torch.tensor([-math.inf])),
        ([0.0], torch.tensor([1e-45])),
        ([1.0], torch.tensor([1.0]).double()),
        ([1.0], torch.tensor([[1.0]])),
        ([7.0], torch.tensor([8], dtype=torch.int32)),
    ],
)
def test_a_fault_is_named(exact: list[float], result: Tensor) -> None:
    assert sums_of(exact, result.dtype == torch.int32).fault(result)


@pytest.mark.parametrize("value", [0.0, -1.5, math.inf, -math.inf, math.nan])
def test_no_fault_where_sums_are_equal(value: float) -> None:
    assert sums_of([value], is_int=False).fault(torch.tensor([value])) == ""


def wrong(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
    """One of the sums is 1% off."""
    result = by_kernel(available_kernels()[0])(a, b, multiplication)
    result[0, -1, -1] += 0.01 * result.abs().max()
    return result


def test_a_wrong_realisation_is_not_timed() -> None:
    calls = []

    def compute(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
        calls.append(a.shape)
        return wrong(a, b, multiplication)

    row = measure(gemm_entry(SMALL, SHAPE, "wrong", compute), 1, QUICK)
    assert (row.verdict, row.why) == ("wrong", "1 of 210 sums are out of bounds")
    assert (len(calls), row.rate, row.ratio, row.rounds) == (1, None, None, 0)


def test_an_integer_sum_that_is_off_by_one_is_wrong() -> None:
    def compute(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
        return by_kernel(available_kernels()[0])(a, b, multiplication) + 1

    assert measure(gemm_entry(INT8, SHAPE, "wrong", compute), 1, QUICK).verdict == "wrong"


@pytest.mark.parametrize("kernel", available_kernels(), ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("subject", [SMALL, INT8], ids=lambda subject: subject.format)
def test_a_right_realisation_is_timed(kernel: Kernel, subject: Subject) -> None:
    row = measure(gemm_entry(subject, SHAPE, "exact", by_kernel(kernel)), 1, QUICK)
    assert row.verdict == ("ok" if subject is SMALL else "measured")
    assert row.rate > 0
    assert row.low <= row.ratio <= row.high


def test_a_realisation_says_why_it_is_missing() -> None:
    def compute(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
        raise AxdseError("a compiler is needed", "none", "install gcc")

    row = measure(gemm_entry(SMALL, SHAPE, "exact", compute), 1, QUICK)
    assert row.verdict == "missing"
    assert "install gcc" in row.why
    entry = gemm_entry(SMALL, SHAPE, "exact", compute, missing="this CPU lacks avx1024")
    assert measure(entry, 1, QUICK).why == "this CPU lacks avx1024"


@pytest.mark.parametrize(
    ("ratio", "target", "verdict"), [(1.3, 1.3, "ok"), (1.31, 1.3, "over"), (9, None, "measured")]
)
def test_verdict(ratio: float, target: float | None, verdict: str) -> None:
    assert verdict_on(ratio, target) == verdict


def test_threads_are_set_and_put_back() -> None:
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_timing, "preemptions", lambda: 0)


@pytest.mark.usefixtures("calm")
def test_ratios_are_those_of_each_round() -> None:
    """A machine that is ten times slower in one round moves no ratio."""
    ours, native = object, list
    slowness = itertools.chain([1, 1, 1, 1], [1, 1, 10, 10, 2, 2, 1, 1, 1, 1])
    seen = []

    def clock(call: object, repeats: int) -> float:
        seen.append("ours" if call is ours else "native")
        return (3.0 if call is ours else 1.0) * next(slowness)

    timing = side_by_side(ours, native, Patience(2, 5, math.inf), clock)
    assert (timing.rounds, timing.seconds, timing.native_seconds) == (5, 3.0, 1.0)
    assert (timing.low, timing.ratio, timing.high) == (3.0, 3.0, 3.0)
    assert seen[4:8] == ["native", "ours", "ours", "native"]


@pytest.mark.usefixtures("calm")
def test_quartiles_of_the_ratios() -> None:
    times = iter([1.0] * 4 + [1.0, 1.0, 2.0, 1.0, 1.0, 3.0, 4.0, 1.0, 1.0, 5.0])
    timing = side_by_side(
        object, list, Patience(2, 5, math.inf), lambda call, repeats: next(times)
    )
    assert (timing.low, timing.ratio, timing.high) == (2.0, 3.0, 4.0)


def test_patience_ends() -> None:
    timing = side_by_side(object, list, Patience(3, 1000, 0.0), lambda call, repeats: 1.0)
    assert timing.rounds == 3


@pytest.mark.parametrize(
    ("patience", "ratio", "rounds", "disturbed"),
    [(Patience(3, 3, math.inf), 2.0, 3, 0), (Patience(4, 9, 0.0), 2.5, 4, 2)],
)
def test_disturbed_rounds_count_only_where_others_are_few(
    patience: Patience,
    ratio: float,
    rounds: int,
    disturbed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every other round is disturbed, and ours takes 3 in it, not 2."""
    ours = itertools.chain([2.0, 2.0], itertools.cycle([2.0, 3.0]))
    counter = itertools.chain.from_iterable((i, i + i % 2) for i in itertools.count())
    monkeypatch.setattr(bench_timing, "preemptions", lambda: next(counter))
    timing = side_by_side(object, list, patience, lambda c, _: 1.0 if c is list else next(ours))
    assert (timing.ratio, timing.rounds, timing.disturbed) == (ratio, rounds, disturbed)


def entries_of(subject: Subject) -> list[Entry]:
    return [entry for entry in gemm_entries() if entry.work.endswith(f", {subject.name}")]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_every_target_is_that_of_a_realisation(subject: Subject) -> None:
    found = {entry.realisation: entry.target for entry in entries_of(subject) if entry.target}
    assert found.items() >= dict(subject.targets).items()


def test_every_kernel_meets_every_shape_and_table() -> None:
    named = {(entry.work, entry.realisation) for entry in gemm_entries()}
    tables = [s for s in SUBJECTS if not s.is_factorised and not s.inlined]
    assert named >= {
        (f"GEMM {m}x{k}x{n}, {subject.name}", kernel.name)
        for (m, k, n), subject, kernel in itertools.product(SHAPES, tables, KERNELS)
    }


def test_entries_of_the_gpu_say_when_there_is_none() -> None:
    on_gpu = [entry for entry in gemm_entries() if entry.on_gpu]
    assert len(on_gpu) == len(SUBJECTS)
    assert {bool(entry.missing) for entry in on_gpu} == {not torch.cuda.is_available()}
