"""Adders, comparators and shifters of ands, against Python's integers on all operands."""

import operator
from collections.abc import Callable

import numpy as np
import pytest

from axdse.flows.cost.fast.arithmetic import Term, Word, less, shift, total
from axdse.flows.formal.aig import FALSE, TRUE, Builder

BITS = 4
A, B = (codes.ravel().astype(np.uint64) for codes in np.meshgrid(*[np.arange(1 << BITS)] * 2))


def of_operands(make: Callable[[Builder, Word, Word], Word]) -> np.ndarray:
    """What a graph of two 4-bit words gives for all pairs of them."""
    graph = Builder(2 * BITS)
    a, b = ([2 * at for at in range(first, first + BITS)] for first in (1, 1 + BITS))
    return graph.finish(BITS, BITS, make(graph, a, b)).simulate(A, B).astype(np.int64)


def value(codes: np.ndarray, signed: bool) -> np.ndarray:
    half = 1 << (BITS - 1)
    return (codes.astype(np.int64) ^ half) - half if signed else codes.astype(np.int64)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("width", [3, 4, 5, 9])
@pytest.mark.parametrize(
    "signs", ["+a", "-a", "+a+b", "+a-b", "-a+b", "-a-b", "+a+b+a", "+a-b+p", "-p", "+p+p-a"]
)
def test_sums_and_products(signs: str, width: int, signed: bool) -> None:
    x, y = value(A, signed), value(B, signed)
    known = {"a": x, "b": y, "p": x * y}
    chosen = list(zip(signs[::2], signs[1::2], strict=True))

    def make(graph: Builder, a: Word, b: Word) -> Word:
        words = {"a": (a, None), "b": (b, None), "p": (a, b)}
        return total(graph, [Term(*words[k], signed, sign == "-") for sign, k in chosen], width)

    expected = sum(known[kind] if sign == "+" else -known[kind] for sign, kind in chosen)
    np.testing.assert_array_equal(of_operands(make), expected % (1 << width))


def test_a_single_bit_is_carried_in() -> None:
    def make(graph: Builder, a: Word, b: Word) -> Word:
        terms = [Term(word, None, False, False) for word in (a, b[:1], b)]
        return total(graph, terms, 6)

    np.testing.assert_array_equal(of_operands(make), A + B + B % 2)


@pytest.mark.parametrize("words", [0, 1, 5])
def test_constants_are_terms_too(words: int) -> None:
    one = Term([TRUE, FALSE], None, signed=False, negative=False)
    expected = np.full(A.size, words)
    got = of_operands(lambda graph, a, b: total(graph, [one] * words, 4))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("signed", [False, True])
def test_less(signed: bool) -> None:
    got = of_operands(lambda graph, a, b: [less(graph, a, b, signed)])
    np.testing.assert_array_equal(got, value(A, signed) < value(B, signed))


@pytest.mark.parametrize(
    ("left", "move"), [(True, operator.lshift), (False, operator.rshift)], ids=["left", "right"]
)
def test_shifts(left: bool, move: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    got = of_operands(lambda graph, a, b: shift(graph, a, b, left=left, fill=FALSE))
    np.testing.assert_array_equal(got, move(A, B) & 15)


def test_shifts_fill_with_the_sign() -> None:
    got = of_operands(lambda graph, a, b: shift(graph, a, b, left=False, fill=a[-1]))
    np.testing.assert_array_equal(got, (value(A, signed=True) >> B.astype(np.int64)) & 15)
