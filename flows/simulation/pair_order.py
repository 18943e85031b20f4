"""In which order are the pairs of a stimulus tried?"""

import numpy as np

from axdse.flows.evidence.stimulus import Stimulus

RETURN_VECTORS = 4096
SEED = 0


def walk(stimulus: Stimulus, leaps: int) -> np.ndarray:
    """Return indices into the stimulus, int64: each of them first, then some of them again.

    All pairs are tried in Gray order: one bit changes at a time, and simulators are event-driven.
    The way back meets a sample of the pairs from elsewhere, with a moving while b rests. So a
    device with memory, such as a latch or an incomplete sensitivity list, betrays itself: it
    answers to where it comes from. Last come some pairs at random, so that all bits change at
    once; simulators are slow on these.

    Args:
        stimulus: the pairs.
        leaps: how many are met at random, some perhaps more than once.
    """
    there = np.arange(stimulus.vectors)
    if stimulus.exhaustive:
        there ^= there >> 1
    # Odd, so that the sample meets every value of both operands.
    step = max(1, stimulus.vectors // RETURN_VECTORS) | 1
    sample = np.arange(0, stimulus.vectors, step)
    back = sample[np.lexsort((stimulus.a[sample], stimulus.b[sample]))][::-1]
    drawn = np.random.default_rng(SEED).integers(0, stimulus.vectors, leaps)
    return np.concatenate([there, back, drawn])


def fold(answers: np.ndarray, order: np.ndarray, vectors: int) -> np.ndarray:
    """Undo a walk: the first answer to each pair, uint64 [vectors]."""
    folded = np.empty(vectors, dtype=np.uint64)
    folded[order[:vectors]] = answers[:vectors]
    return folded


def disputed(answers: np.ndarray, order: np.ndarray, vectors: int) -> np.ndarray:
    """The bits of each pair on which a later answer differs, uint64 [vectors]."""
    bits = np.zeros(vectors, dtype=np.uint64)
    again = order[vectors:]
    np.bitwise_or.at(bits, again, answers[vectors:] ^ fold(answers, order, vectors)[again])
    return bits
