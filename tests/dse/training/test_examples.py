"""Splits in all their forms: each example once, in a seeded order, few of a stream in memory."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from axdse.dse.training import examples as module
from axdse.dse.training.examples import Arrays, Examples, Indexed, Stream, as_examples
from axdse.multipliers.errors import AxdseError

COUNT = 23


class Numbers(Dataset[tuple[torch.Tensor, int]]):
    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.tensor([float(index)]), index


class Coming:
    def __len__(self) -> int:
        return COUNT

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        return ((np.array([i], "f4"), i) for i in range(COUNT))


NUMBERS = torch.arange(COUNT)
FORMS = {
    "tensors": (NUMBERS[:, None].float(), NUMBERS),
    "arrays": (NUMBERS[:, None].float().numpy(), NUMBERS.numpy().astype("u1")),
    "TensorDataset": TensorDataset(NUMBERS[:, None].float(), NUMBERS),
    "dataset": Numbers(),
    "list": [(np.array([i], "f4"), i) for i in range(COUNT)],
    "stream": Coming(),
    "several workers": Indexed(Numbers(), 3),
    "small buffer": Stream(Coming(), COUNT, shuffled=5),
}


def numbers(examples: Examples, size: int = 4, **options: object) -> list[int]:
    found = []
    for inputs, targets in examples.batches(size, **options):  # type: ignore[arg-type]
        assert isinstance(inputs, torch.Tensor)
        assert inputs.dtype == torch.float32
        assert targets.dtype == torch.int64
        assert inputs[:, 0].tolist() == targets.tolist()
        assert len(targets) <= size
        found += targets.tolist()
    return found


@pytest.mark.parametrize("form", FORMS)
def test_each_example_comes_once(form: str) -> None:
    examples = as_examples(FORMS[form], "train")
    assert len(examples) == COUNT
    assert numbers(examples) == list(range(COUNT))
    drawn = [numbers(examples, order=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert sorted(drawn[0]) == list(range(COUNT))
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] != list(range(COUNT))
    assert sorted(numbers(examples, order=np.random.default_rng(0), most=9)) == list(range(9))


def test_some_of_many_are_drawn_anew() -> None:
    examples = Arrays(NUMBERS[:, None].float(), NUMBERS, drawn=6)
    order = np.random.default_rng(0)
    passes = [numbers(examples, order=order) for _ in range(20)]
    assert {len(each) for each in passes} == {len(examples)} == {6}
    assert {each for one in passes for each in one} == set(range(COUNT))


@pytest.mark.parametrize(("gathered", "together"), [(1, 64), (100, 64), (1 << 20, 64), (100, 2)])
def test_however_many_batches_are_gathered_they_are_the_same(
    gathered: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GATHERED", gathered)
    monkeypatch.setattr(module, "TOGETHER", together)
    order = np.random.default_rng(5).permutation(COUNT)
    arrays = Arrays((NUMBERS, 2 * NUMBERS), 3 * NUMBERS)
    batches = list(arrays.batches(4, np.random.default_rng(5)))
    assert [len(targets) for _, targets in batches] == [4, 4, 4, 4, 4, 3]
    for i, part in enumerate((0, 1)):
        assert torch.cat([inputs[part] for inputs, _ in batches]).tolist() == [
            (i + 1) * n for n in order
        ]
    assert torch.cat([targets for _, targets in batches]).tolist() == (3 * order).tolist()
    assert (
        torch.cat([targets for _, targets in arrays.batches(4)]).tolist() == (3 * NUMBERS).tolist()
    )


def test_several_inputs() -> None:
    pairs = [((torch.ones(2) * i, torch.tensor(i)), i) for i in range(5)]
    (first, second), targets = next(iter(as_examples(pairs, "train").batches(5)))
    assert first.shape == (5, 2)
    assert second.tolist() == targets.tolist() == [0, 1, 2, 3, 4]
    arrays = ((torch.ones(5, 2), torch.arange(5)), torch.arange(5))
    assert next(iter(as_examples(arrays, "train").batches(2)))[0][1].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (3, "a split is .*int"),
        ((1, 2), "arrays of a split"),
        ((torch.ones(0, 2), torch.ones(0)), "train is empty"),
        ([], "train is empty"),
        ((torch.ones(2, 2), torch.tensor(1.0)), "an example a row"),
        (iter([(1, 2)]), "that has a length"),
    ],
)
def test_what_is_no_split_is_refused(split: object, expected: str) -> None:
    with pytest.raises(AxdseError, match=expected):
        as_examples(split, "train")


def test_an_example_is_a_pair() -> None:
    with pytest.raises(AxdseError, match="an example is a pair"):
        list(as_examples([torch.ones(2)] * 3, "train").batches(2))


def test_a_stream_keeps_few_in_memory() -> None:
    taken = []

    class Watched:
        def __iter__(self) -> Iterator[tuple[int, int]]:
            for i in range(1_000):
                taken.append(i)
                yield i, i

    batches = Stream(Watched(), 1_000, shuffled=10).batches(5, np.random.default_rng(0))
    next(batches)
    assert len(taken) <= 10 + 5 + 1
