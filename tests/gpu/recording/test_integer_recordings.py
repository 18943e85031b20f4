"""What a network in integers met is what its units are costed under, whatever the integers."""

import numpy as np
import pytest
import torch
from torch import nn

from axdse.flows.accelerator.network import accelerator_cost
from axdse.flows.power.histogram_source import Independent
from axdse.flows.power.recorded_source import Part, Recorded
from axdse.gpu.layers.convert import convert
from axdse.gpu.operands.encode import encode
from axdse.gpu.recording.recorder import Recorder
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import DesignPoint, parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording import Recording, core_weights

KINDS = {"int4": 4, "int8": 8, "uint8": 8, "uint5": 5, "uint8xint8": 8, "int6xuint6": 6}


def recorded(kind: str) -> tuple[Recording, torch.Tensor, torch.Tensor]:
    """The forward product of one row of 40 numbers with one of weights."""
    torch.manual_seed(0)
    native = nn.Linear(40, 1, bias=False)
    layer = convert(nn.Sequential(native), f"exact(n={KINDS[kind]}) in {kind}").model
    x = torch.randn(1, 40).relu() - 0.1
    with Recorder(layer) as recorder, torch.no_grad():
        layer(x)
    found = Recording(recorder.histograms, "net", "exact", 0, 1, recorder.traces, 1, 1,
                      recorder.rows)  # fmt: skip
    return found, x[0], native.weight.detach()[0]


def pairs_of(part: Part) -> set[tuple[int, int]]:
    there = np.arange(part.a.shape[1]) < part.trace.lengths[:, None]
    return set(zip(part.a[there].tolist(), part.b[there].tolist(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_meets_the_codes_of_its_network(kind: str) -> None:
    recording, x, w = recorded(kind)
    mac = parse_mac(f"exact(n={KINDS[kind]}) in {kind}")
    expected = []
    for numbers, form in zip((x, w), mac.format.operands, strict=True):
        codes = encode(numbers, form).codes.numpy().astype(int) + form.middle
        expected.append((codes & ((1 << form.bits) - 1)).astype(np.uint64))
    (part,) = Recorded(recording, "r.npz").parts(mac.candidate)
    assert pairs_of(part) == set(zip(*(each.tolist() for each in expected), strict=True))

    (histogram,) = recording.histograms
    assert histogram.format == mac.format
    pairs = np.zeros_like(histogram.counts)
    np.add.at(pairs, tuple(each.astype(int) for each in expected), 1)
    assert np.array_equal(histogram.counts, pairs)
    assert Independent(recording, "r.npz").transitions(mac.candidate).a.max() == expected[0].max()

    # An unsigned core in front of signed operands meets magnitudes, of unsigned ones the codes.
    (core,) = Recorded(recording, "r.npz").parts(mac.multiplier)
    weights = core_weights(histogram, mac.multiplier)
    assert all(weights[pair] for pair in pairs_of(core))
    assert weights.sum() == 40


@pytest.mark.parametrize(
    ("run", "other"), [("uint8", "int8"), ("int8", "uint8"), ("uint8", "uint8xint8")]
)
def test_zero_points_are_in_no_recording(run: str, other: str) -> None:
    recording, _, _ = recorded(run)
    mac = parse_mac(f"exact(n=8) in {other}")
    rule = rf"keep no zero points.*{other} with one of exact; record a run in {other}"
    with pytest.raises(AxdseError, match=rule):
        Recorded(recording, "r.npz").transitions(mac.candidate)
    with pytest.raises(AxdseError, match=rule):
        accelerator_cost(recording, DesignPoint.uniform(mac))


def test_numbers_below_zero_have_no_unsigned_codes() -> None:
    recording, _, _ = recorded("int8")
    bare = Recording((), "net", "exact", 0, traces=recording.traces)
    core = builtin_catalog().multiplier("exact(n=8)")
    assert bare.signs == (True, True)
    assert Recorded(bare, "r.npz").parts(core)[0].a.min() >= 128  # significands


def test_layers_with_and_without_zero_points_make_no_recording_to_cost_with() -> None:
    (first, _, _), (second, _, _) = recorded("int8"), recorded("uint8")
    both = Recording(first.histograms + second.histograms, "net", "two", 0, traces=first.traces)
    with pytest.raises(AxdseError, match="zero points alike"):
        Recorded(both, "r.npz").parts(builtin_catalog().multiplier("exact(n=8)"))
