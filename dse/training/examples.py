"""What does a training take its batches from? Arrays, datasets or streams, in a seeded order.

A batch is a pair: inputs, a tensor or a tuple of tensors that the network takes as its arguments,
and targets, a tensor. Whatever a task hands over as a split becomes `Examples`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from axdse.multipliers.errors import AxdseError

Inputs: TypeAlias = Tensor | tuple[Tensor, ...]
Batch: TypeAlias = tuple[Inputs, Tensor]
SHUFFLED = 4_096  # examples of a stream that are in memory, from which the next one is drawn
MOST_CLASSES = 1 << 24  # of labels: a network has an output for each
GATHERED = 1 << 20  # bytes of the batches of arrays that are gathered at once
TOGETHER = 64  # batches of arrays that are made at once, at most
AHEAD = 2  # batches of a dataset that are made before they are asked for


class Examples(Protocol):
    """Inputs and targets, in memory or not."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def batches(
        self, size: int, order: np.random.Generator | None = None, most: int | None = None
    ) -> Iterator[Batch]:
        """Each example once, `size` at a time.

        Args:
            size: of a batch; the last one may be smaller.
            order: draws the order; None: as they are.
            most: only the first so many; None: all.
        """
        ...


@dataclass(frozen=True, eq=False)
class Arrays:
    """Examples in memory.

    Attributes:
        inputs: [n, ...], or several of them.
        targets: [n, ...].
        drawn: an ordered pass is over so many of them, drawn anew each time; None: over all.
    """

    inputs: Inputs
    targets: Tensor
    drawn: int | None = None

    def __len__(self) -> int:
        return min(len(self.targets), self.drawn or len(self.targets))

    def batches(
        self, size: int, order: np.random.Generator | None = None, most: int | None = None
    ) -> Iterator[Batch]:
        """As `Examples.batches`."""
        count = min(len(self), most or len(self))
        if order is None:
            yield from self._in_order(size, count)
            return
        # With fewer than all asked for, it is the first so many that are trained on.
        among = count if self.drawn is None else len(self.targets)
        drawn = torch.from_numpy(order.permutation(among)[:count])
        # Small batches are gathered several at once: a call for each of them would find its code
        # out of the caches.
        several = size * min(TOGETHER, max(1, GATHERED // (size * self._example_bytes)))
        for indices in torch.split(drawn, several):
            yield from self._taken(indices)._in_order(size, len(indices))

    def _in_order(self, size: int, count: int) -> Iterator[Batch]:
        for start in range(0, count, TOGETHER * size):
            part = slice(start, min(start + TOGETHER * size, count))
            tensors = (torch.split(x[part], size) for x in (*self._inputs, self.targets))
            for *inputs, targets in zip(*tensors, strict=True):
                yield inputs[0] if isinstance(self.inputs, Tensor) else tuple(inputs), targets

    def _taken(self, indices: Tensor) -> "Arrays":
        # A fifth of the time that indexing takes.
        inputs, targets = (
            tuple(x.index_select(0, indices.to(x.device)) for x in tensors)
            for tensors in (self._inputs, (self.targets,))
        )
        return Arrays(inputs[0] if isinstance(self.inputs, Tensor) else inputs, targets[0])

    @property
    def _inputs(self) -> tuple[Tensor, ...]:
        return (self.inputs,) if isinstance(self.inputs, Tensor) else self.inputs

    @property
    def _example_bytes(self) -> int:
        return max(1, sum(x[:1].nbytes for x in (*self._inputs, self.targets)))


class Sized(Protocol):
    """What has a length and gives an example for each index below it, as torch's `Dataset`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


@dataclass(frozen=True, eq=False)
class Indexed:
    """Examples that a dataset makes when asked for one, in threads of its own.

    Attributes:
        dataset: gives (input, target) for an index.
        workers: threads that make examples, ahead of the training.
    """

    dataset: Sized
    workers: int = 1

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(
        self, size: int, order: np.random.Generator | None = None, most: int | None = None
    ) -> Iterator[Batch]:
        """As `Examples.batches`."""
        count = min(len(self), most or len(self))
        indices = np.arange(count) if order is None else order.permutation(count)
        parts = [indices[start : start + size].tolist() for start in range(0, count, size)]
        with ThreadPoolExecutor(self.workers) as pool:
            coming = [
                [pool.submit(self.dataset.__getitem__, i) for i in part] for part in parts[:AHEAD]
            ]
            try:
                for number in range(len(parts)):
                    examples = [each.result() for each in coming.pop(0)]
                    for part in parts[number + AHEAD : number + AHEAD + 1]:
                        coming.append([pool.submit(self.dataset.__getitem__, i) for i in part])
                    yield collate(examples)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, eq=False)
class Stream:
    """Examples that come one after the other, of which few are in memory.

    Attributes:
        examples: starts anew each time it is iterated; gives (input, target).
        count: of them; what it gives beyond is left out.
        shuffled: examples in memory, from which a seeded order draws the next one.
    """

    examples: Iterable[Any]
    count: int
    shuffled: int = SHUFFLED

    def __len__(self) -> int:
        return self.count

    def batches(
        self, size: int, order: np.random.Generator | None = None, most: int | None = None
    ) -> Iterator[Batch]:
        """As `Examples.batches`; the order is that of a buffer."""
        coming = itertools.islice(self.examples, min(self.count, most or self.count))
        examples = coming if order is None else self._drawn(coming, order)
        while part := list(itertools.islice(examples, size)):
            yield collate(part)

    def _drawn(self, coming: Iterator[Any], order: np.random.Generator) -> Iterator[Any]:
        held = list(itertools.islice(coming, self.shuffled))
        for example in coming:
            at = int(order.integers(len(held)))
            yield held[at]
            held[at] = example
        yield from (held[at] for at in order.permutation(len(held)))


def collate(examples: Sequence[Any]) -> Batch:
    """Make a batch of (input, target) pairs; an input may be a tuple.

    Raises:
        AxdseError: one is no pair, or its arrays are not of one shape.
    """
    rule = "an example is a pair: input, target"
    for example in examples:
        if not isinstance(example, tuple | list) or len(example) != 2:
            raise AxdseError(rule, type(example).__name__, "return (input, target)")
    inputs, targets = zip(*examples, strict=True)
    if isinstance(inputs[0], tuple | list):
        parts = zip(*inputs, strict=True)
        return tuple(_stacked("inputs", part) for part in parts), _stacked("targets", targets)
    return _stacked("inputs", inputs), _stacked("targets", targets)


def _stacked(what: str, arrays: Sequence[Any]) -> Tensor:
    tensors = [_tensor(each) for each in arrays]
    shapes = list(dict.fromkeys(tuple(each.shape) for each in tensors))
    if len(shapes) > 1:
        rule = f"{what} of a batch have one shape"
        raise AxdseError(rule, f"{shapes[0]} and {shapes[1]}", "bring them to one size")
    return torch.stack(tensors)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))


def as_examples(split: object, name: str) -> Examples:
    """Take a split in any of its forms.

    Args:
        split: a pair of arrays or tensors (inputs may be a tuple of them), a dataset with
            `__len__` and `__getitem__`, or an iterable with `__len__`; or `Examples`.
        name: of the split, for errors.

    Raises:
        AxdseError: it is none of these, or empty, or its arrays differ in length.
    """
    examples = _examples(split, name)
    if not len(examples):
        raise AxdseError("each split has examples", f"{name} is empty", "split otherwise")
    return examples


def _examples(split: object, name: str) -> Examples:
    if isinstance(split, Arrays | Indexed | Stream):
        return split
    if isinstance(split, TensorDataset) and len(split.tensors) == 2:
        split = split.tensors
    if isinstance(split, tuple) and len(split) == 2:
        return _arrays(*split, name)
    if hasattr(split, "batches") and hasattr(split, "__len__"):
        return split
    if hasattr(split, "__getitem__") and hasattr(split, "__len__"):
        return Indexed(split)
    if hasattr(split, "__iter__") and hasattr(split, "__len__"):
        return Stream(split, len(split))
    rule = "a split is (inputs, targets), a dataset, or an iterable that has a length"
    raise AxdseError(rule, f"{name}: {type(split).__name__}", "see 'axdse init workload'")


def _arrays(inputs: Any, targets: Any, name: str) -> Arrays:
    several = inputs if isinstance(inputs, tuple | list) else (inputs,)
    arrays = []
    for each in (*several, targets):
        if not isinstance(each, Tensor | np.ndarray) or not each.ndim:
            rule = "arrays of a split are tensors or NumPy arrays, an example a row"
            raise AxdseError(rule, f"{name}: {type(each).__name__}", "convert them")
        arrays.append(_tensor(each))
    if len({len(each) for each in arrays}) > 1:
        lengths = ", ".join(str(len(each)) for each in arrays)
        raise AxdseError("a split has a target for each input", f"{name}: {lengths}", "count them")
    *made, target = arrays
    return Arrays(tuple(made) if isinstance(inputs, tuple | list) else made[0], _labels(target))


def _labels(targets: Tensor) -> Tensor:
    """Integers as int64, which losses take."""
    plain = targets.is_floating_point() or targets.is_complex()
    return targets if plain else targets.long()


def check_count(found: int, examples: Examples, most: int | None = None) -> None:
    """Look whether a pass gave all examples.

    Raises:
        AxdseError: it did not: a stream ended early, or can be read once only.
    """
    said = min(len(examples), most or len(examples))
    if found != said:
        rule = "a stream gives as many examples as its length says, each time"
        raise AxdseError(rule, f"{found} of {said}", "count them, and start anew in __iter__")


def check_numbers(batch: Batch) -> None:
    """Look for NaN in a batch whose loss is none: it is no design that diverged.

    Raises:
        AxdseError: there is one.
    """
    inputs, targets = batch
    several = (inputs,) if isinstance(inputs, Tensor) else inputs
    if any(each.isnan().any() for each in (*several, targets)):
        raise AxdseError("examples are numbers", "NaN", "clean the data, or leave them out")


def check_labels(targets: Tensor, classes: int, where: str) -> None:
    """Look for labels that are none of 0..classes-1.

    Raises:
        AxdseError: there is one.
    """
    rule = f"labels of {classes} classes are 0..{classes - 1}"
    if targets.is_complex():
        raise AxdseError(rule, f"{where}: {targets.dtype}", "make them integers")
    low, high = targets.min().item(), targets.max().item()
    if not (low >= 0 and high < classes):  # NaN is neither
        raise AxdseError(rule, f"{where}: {high if low >= 0 else low}", "count classes from 0")
