import numpy as np
import pytest

from axdse.flows.evidence.stimulus import (
    RETURN_VECTORS,
    Stimulus,
    core_stimulus,
    disputed,
    fold,
    walk,
)


@pytest.mark.parametrize("bits", [(3, 3), (8, 8), (8, 4), (12, 12)])
def test_every_pair_is_tried_and_some_again(bits: tuple[int, int]) -> None:
    stimulus = core_stimulus(*bits, seed=0)
    order = walk(stimulus, leaps=0)
    assert sorted(order[: stimulus.vectors].tolist()) == list(range(stimulus.vectors))
    again = len(order) - stimulus.vectors
    assert min(stimulus.vectors, RETURN_VECTORS) // 2 <= again <= RETURN_VECTORS


def test_all_pairs_come_in_gray_order() -> None:
    order = walk(core_stimulus(8, 8, seed=0), leaps=0)[:65536]
    steps = order[1:] ^ order[:-1]
    assert np.all(steps & (steps - 1) == 0)


def test_the_way_back_moves_a_while_b_rests_and_meets_all_values() -> None:
    stimulus = core_stimulus(8, 8, seed=0)
    back = walk(stimulus, leaps=0)[stimulus.vectors :]
    a, b = stimulus.a[back], stimulus.b[back]
    assert set(a.tolist()) == set(b.tolist()) == set(range(256))
    assert np.count_nonzero(b[1:] != b[:-1]) == 255
    assert np.count_nonzero(a[1:] != a[:-1]) > 0.9 * len(back)


def test_the_last_pairs_come_in_random_order() -> None:
    stimulus = core_stimulus(8, 8, seed=0)
    leaps = walk(stimulus, leaps=1000)[-1000:]
    assert len(set(leaps.tolist())) > 950
    changed = np.bitwise_count(leaps[1:] ^ leaps[:-1])
    assert 7.5 < changed.mean() < 8.5


def test_answers_are_sorted_and_contradictions_kept() -> None:
    stimulus = Stimulus(np.arange(4, dtype=np.uint64), np.zeros(4, dtype=np.uint64), False)
    order = np.array([2, 0, 3, 1, 1, 2, 2])
    answers = np.array([20, 0, 30, 10, 10, 21, 20], dtype=np.uint64)
    assert fold(answers, order, stimulus.vectors).tolist() == [0, 10, 20, 30]
    assert disputed(answers, order, stimulus.vectors).tolist() == [0, 0, 1, 0]
