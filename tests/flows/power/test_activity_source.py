"""Sources of activity: the operands that a core and a unit meet."""

from pathlib import Path

import numpy as np
import pytest

from axdse.flows.power.activity_file import read_source
from axdse.flows.power.activity_source import Trace, Uniform
from axdse.flows.power.histogram_source import Independent
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.operands.recording import OperandHistogram, Recording
from axdse.multipliers.operands.recording_file import save_recording


def core(spec: str) -> Multiplier:
    return builtin_catalog().multiplier(spec)


def unit(spec: str, text: str) -> Candidate:
    return Candidate(core(spec), parse_format(text))


def recording(text: str, zero: int = 0) -> Recording:
    """Pairs (3, 5) and (2, 7) alone, three to one."""
    known = parse_format(text)
    size = 1 << (8 if text == "int8" else known.operand_bits - 1)
    counts = np.zeros((size, size), dtype=np.int64)
    counts[3, 5], counts[2, 7] = 30, 10
    histograms = (OperandHistogram("fc", "forward", known, counts, zero),)
    return Recording(histograms, "net on digits", "exact(n=8)", 0)


def test_uniform_pairs_fill_the_domain_and_repeat_by_seed() -> None:
    first, again = (Uniform(4096, seed=3).transitions(core("exact(n=8)")) for _ in range(2))
    np.testing.assert_array_equal(first.a, again.a)
    np.testing.assert_array_equal(first.next_a[:-1], first.a[1:])
    assert set(first.a.tolist()) == set(first.next_b.tolist()) == set(range(256))
    assert Uniform(4096, 3).digest != Uniform(4096, 4).digest


@pytest.mark.parametrize("text", ["bf16", "fp16", "fp8_e5m2"])
def test_uniform_products_of_a_float_unit_are_normal(text: str) -> None:
    known = parse_format(text)
    candidate = unit(f"exact(n={known.operand_bits})", text)
    pairs = Uniform(2000).transitions(candidate)
    f = known.product_fraction_bits  # type: ignore[union-attr]
    top = (1 << known.exponent_bits) - 1  # type: ignore[union-attr]
    exponents = unit_products(candidate, pairs.a, pairs.b) >> np.uint64(f) & np.uint64(top)
    assert exponents.min() > 0
    assert exponents.max() < top


@pytest.mark.parametrize(
    ("spec", "text", "a"),
    [
        ("exact(n=8)", "bf16", {0x83, 0x82}),
        ("mitchell(m=7)", "bf16", {0x03, 0x02}),
        ("exact(n=8)", "int8", {0x03, 0x02}),
    ],
)
def test_a_core_meets_what_was_recorded(spec: str, text: str, a: set[int]) -> None:
    pairs = Independent(recording(text), "r.npz").transitions(core(spec))
    assert set(pairs.a.tolist()) == set(pairs.next_a.tolist()) == a
    assert np.mean(pairs.a == max(a)) == pytest.approx(0.75, abs=0.03)


def test_a_float_unit_meets_recorded_fractions_and_zeros() -> None:
    pairs = Independent(recording("bf16", zero=40), "r.npz").transitions(
        unit("exact(n=8)", "bf16")
    )
    zero = (pairs.a == 0) | (pairs.b == 0)
    assert np.mean(zero) == pytest.approx(0.5, abs=0.03)
    assert set((pairs.a[~zero] & np.uint64(127)).tolist()) == {2, 3}


def test_a_trace_keeps_its_order() -> None:
    a, b = np.array([0x80, 0xFF, 3], dtype=np.uint64), np.array([1, 2, 3], dtype=np.uint64)
    trace = Trace(a, b, parse_format("int8"), "t.npz")
    assert trace.transitions(unit("exact(n=8)", "int8")).a.tolist() == [0x80, 0xFF]
    magnitudes = trace.transitions(core("exact(n=8)"))
    assert magnitudes.a.tolist() == [0x80, 1]
    assert magnitudes.next_a.tolist() == [1, 3]


def test_files_are_told_apart(tmp_path: Path) -> None:
    save_recording(recording("int8"), tmp_path / "r.npz")
    np.savez(tmp_path / "t.npz", a=np.arange(4), b=np.arange(4), format="int8")
    assert isinstance(read_source(str(tmp_path / "r.npz"), "independent"), Independent)
    assert isinstance(read_source(str(tmp_path / "r.npz"), "weight-stationary"), Recorded)
    assert isinstance(read_source(str(tmp_path / "t.npz")), Trace)
    assert read_source("uniform") == Uniform()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.arange(3)}, "b.npy"),
        ({"a": np.arange(3), "b": np.arange(4)}, "3 and 4"),
        ({"a": np.arange(1), "b": np.arange(1)}, "at least 2"),
        ({"a": np.ones(3), "b": np.arange(3)}, "float64"),
        ({"a": -np.ones(3, int), "b": np.arange(3)}, "bit patterns"),
        ({"a": np.arange(3), "b": np.arange(3), "format": np.array("bf17")}, "bf16"),
    ],
)
def test_other_files_are_refused(
    arrays: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(AxdseError, match=message):
        read_source(str(tmp_path / "t.npz"))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(AxdseError, match=r"absent.npz.*axdse train --record"):
        read_source("absent.npz")


def test_another_format_is_refused() -> None:
    with pytest.raises(AxdseError, match="int8 in fc forward"):
        Independent(recording("int8"), "fc forward").transitions(unit("exact(n=8)", "bf16"))
    with pytest.raises(AxdseError, match="needs an integer core of 8 bits"):
        Independent(recording("int8"), "r.npz").transitions(core("exact(n=4)"))
    with pytest.raises(AxdseError, match="record a longer run"):
        Independent(Recording((), "net", "exact(n=8)", 0), "r.npz").transitions(core("exact(n=8)"))
