import numpy as np
import pytest

from axdse.flows.evidence.stimulus import Stimulus, core_stimulus, corners


def _pairs(stimulus: Stimulus) -> set[tuple[int, int]]:
    return set(zip(stimulus.a.tolist(), stimulus.b.tolist(), strict=True))


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_narrow_operands_meet_in_every_pair_once(bits: int) -> None:
    stimulus = core_stimulus(bits, bits, seed=0)
    assert stimulus.exhaustive
    assert stimulus.vectors == 4**bits == len(_pairs(stimulus))
    assert int(stimulus.a.max()) == int(stimulus.b.max()) == 2**bits - 1


@pytest.mark.parametrize("bits", [9, 12, 16, 32])
def test_wide_operands_meet_in_all_corners_and_20000_distinct_pairs(bits: int) -> None:
    stimulus = core_stimulus(bits, bits, seed=0)
    pairs = _pairs(stimulus)
    assert not stimulus.exhaustive
    assert len(pairs) == stimulus.vectors >= 20_000
    top = 2**bits - 1
    assert {(0, 0), (0, top), (top, 0), (top, top), (1, 2 ** (bits - 1)), (top - 1, 3)} <= pairs
    assert int(max(stimulus.a.max(), stimulus.b.max())) == top


@pytest.mark.parametrize(("a_bits", "b_bits"), [(8, 4), (2, 7), (10, 6)])
def test_unequal_operands_meet_in_every_pair_once(a_bits: int, b_bits: int) -> None:
    stimulus = core_stimulus(a_bits, b_bits, seed=0)
    assert stimulus.exhaustive
    assert stimulus.vectors == 2 ** (a_bits + b_bits) == len(_pairs(stimulus))
    assert (int(stimulus.a.max()), int(stimulus.b.max())) == (2**a_bits - 1, 2**b_bits - 1)


def test_unequal_wide_operands_stay_within_their_widths() -> None:
    stimulus = core_stimulus(20, 5, seed=0)
    assert not stimulus.exhaustive
    assert (int(stimulus.a.max()), int(stimulus.b.max())) == (2**20 - 1, 31)


def test_corners_hold_the_ends_powers_of_two_neighbours_and_alternating_bits() -> None:
    near = [(1 << k) + step for k in range(8) for step in (-1, 0, 1)]
    negative = [256 - power for power in near]
    assert set(corners(8).tolist()) == {x for x in (*near, *negative, 0x55, 0xAA) if x < 256}


def test_the_seed_alone_decides() -> None:
    first, again, other = (core_stimulus(12, 12, seed) for seed in (1, 1, 2))
    assert _pairs(first) == _pairs(again)
    assert _pairs(first) != _pairs(other)


def test_vectors_come_in_counting_order() -> None:
    stimulus = core_stimulus(12, 12, seed=0)
    codes = (stimulus.a << np.uint64(12)) | stimulus.b
    assert np.all(np.diff(codes.astype(np.int64)) > 0)
