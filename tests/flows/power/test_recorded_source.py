"""Recorded traces: what cores and units meet, in order and in proportion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from axdse.flows.cost.cost import core_cost
from axdse.flows.power.activity_file import read_source
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.operands.recording import (
    Dataflow,
    OperandHistogram,
    OperandTrace,
    Recording,
)
from axdse.multipliers.operands.recording_file import save_recording


def core(spec: str) -> Multiplier:
    return builtin_catalog().multiplier(spec)


def trace(
    values: np.ndarray,
    product: str = "forward",
    multiplications: int = 1000,
    dataflow: Dataflow = "output-stationary",
) -> OperandTrace:
    """First operands are `values` [segments, length], second ones their negative."""
    peaks = np.full(len(values), np.abs(values).max(), dtype=np.float32)
    lengths = np.full(len(values), values.shape[1])
    a = values.astype(np.float32)
    return OperandTrace(
        *("fc", product, dataflow, a, -a, 0 * a, peaks, peaks, lengths, multiplications)  # type: ignore[arg-type]
    )


def source(*traces: OperandTrace, integers: bool = False) -> Recorded:
    counts = np.zeros((256, 256), dtype=np.int64)
    histograms = (OperandHistogram("fc", "forward", parse_format("int8"), counts),)
    recording = Recording(histograms if integers else (), "net", "exact(n=8)", 0, traces=traces)
    return Recorded(recording, "r.npz")


RAMP = np.array([[1.0, 1.5, 2.0], [3.0, -1.75, 1.25]])


@pytest.mark.parametrize(
    ("spec", "text", "integers", "a"),
    [
        ("exact(n=8)", "bf16", False, [0x3F80, 0x3FC0, 0x4000, 0x4040, 0xBFE0, 0x3FA0]),
        ("exact(n=8)", "int8", False, [42, 64, 85, 127, 182, 53]),
        ("exact(n=8)", None, False, [0x80, 0xC0, 0x80, 0xC0, 0xE0, 0xA0]),
        ("exact(n=8)", None, True, [42, 64, 85, 127, 74, 53]),
        ("roba_signed(n=8)", None, False, [42, 64, 85, 127, 182, 53]),
        ("mitchell(m=7)", None, True, [0x00, 0x40, 0x00, 0x40, 0x60, 0x20]),
    ],
)
def test_a_design_meets_operands_in_its_format(
    spec: str, text: str | None, integers: bool, a: list[int]
) -> None:
    design = Candidate(core(spec), parse_format(text)) if text else core(spec)
    (part,) = source(trace(RAMP), integers=integers).parts(design)
    assert part.a.ravel().tolist() == a


def test_rows_do_not_follow_one_another() -> None:
    (part,) = source(trace(RAMP)).parts(core("exact(n=8)"))
    made = part.transitions()
    assert made.a.tolist() == [0x80, 0xC0, 0xC0, 0xE0]
    assert made.next_a.tolist() == [0xC0, 0xE0, 0x80, 0xA0]


def test_a_row_ends_where_it_says() -> None:
    short = replace(trace(RAMP), lengths=np.array([3, 1]))
    (part,) = source(short).parts(core("exact(n=8)"))
    assert part.transitions().a.tolist() == [0x80, 0xC0]


def test_products_have_their_share() -> None:
    ones, twos = np.ones((128, 33)), np.full((128, 33), 1.5)
    both = source(trace(ones), trace(twos, "weight_gradient", multiplications=3000))
    made = both.transitions(core("exact(n=8)"))
    assert made.count == 4096
    assert (made.a == 0x80).mean() == 0.25


def test_shares_stay_when_a_trace_is_short() -> None:
    short = source(trace(np.ones((128, 33))), trace(np.full((2, 33), 1.5), "weight_gradient"))
    made = short.transitions(core("exact(n=8)"))
    assert made.count == 2 * 64
    assert (made.a == 0x80).mean() == 0.5


def test_a_dataflow_that_was_not_recorded_is_refused() -> None:
    other = source(trace(RAMP, dataflow="weight-stationary"))
    with pytest.raises(AxdseError, match="in output-stationary order"):
        other.transitions(core("exact(n=8)"))


def test_what_stands_still_takes_no_energy(tmp_path: Path) -> None:
    still = trace(np.ones((4, 33)))
    recording = Recording((), "net", "exact(n=4)", 0, traces=(still,))
    save_recording(recording, tmp_path / "r.npz")
    cost = core_cost(core("exact(n=4)"), activity=read_source(str(tmp_path / "r.npz")))
    assert cost.recorded is not None
    assert cost.recorded.energy_fj == 0
    assert cost.recorded.activity == "r.npz (net, exact(n=4)): 4096 in order, output-stationary"


def test_digests_tell_dataflows_and_recordings_apart() -> None:
    one = source(trace(RAMP))
    others = (replace(one, dataflow="weight-stationary"), source(trace(2 * RAMP)))
    assert len({one.digest, *(other.digest for other in others)}) == 3
