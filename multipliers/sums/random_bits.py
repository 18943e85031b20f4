"""Which random bits round a sum? Those of a generator that each output has beside its register.

A generator is an xorshift of 16 bits (Marsaglia, "Xorshift RNGs", 2003; shifts 7, 9, 8), which
meets all 65,535 states but 0. Each step takes the lowest bits of the state, then the next state.
Where an output begins, its state follows from a seed and the place of the output alone, by
SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): so bits
are the same on every machine, kernel and number of threads, whatever computes an output, and when.
"""

import numpy as np

STATE_BITS = 16
_GOLDEN, _FIRST, _SECOND = (
    np.uint64(x) for x in (0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB)
)


def first_states(seed: int, places: np.ndarray) -> np.ndarray:
    """The states with which outputs begin, uint16; never 0.

    Args:
        seed: of a product of tensors, 0..2^64 - 1.
        places: int64 of any shape: where in the contiguous result each output lies.
    """
    with np.errstate(over="ignore"):
        mixed = np.uint64(seed) + (places.astype(np.uint64) + np.uint64(1)) * _GOLDEN
        mixed = (mixed ^ mixed >> np.uint64(30)) * _FIRST
        mixed = (mixed ^ mixed >> np.uint64(27)) * _SECOND
    state = (mixed ^ mixed >> np.uint64(31)) >> np.uint64(64 - STATE_BITS)
    return np.asarray(np.maximum(state, 1).astype(np.uint16))


def next_states(states: np.ndarray) -> np.ndarray:
    """The states after these, uint16 of the same shape; of 0 it is 0."""
    states = states ^ states << np.uint16(7)
    states = states ^ states >> np.uint16(9)
    return np.asarray(states ^ states << np.uint16(8))
