"""Do numpy and C compute the sums that rational numbers state, and those of real tensor cores?"""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from recorded_dots import CASES, recorded_dots
from stated_sums import stated, stated_blocks
from sum_words import SUMS, words

from axdse.multipliers.formats import IntFormat
from axdse.multipliers.model.sum_model import integer_sum_model, sum_model
from axdse.multipliers.sums.recipe import FloatRegister, Sum
from axdse.multipliers.sums.reference import (
    add_up,
    add_up_integers,
    block_terms,
    exact_terms,
)
from axdse.multipliers.sums.text import parse_sum, presets

# (spread of exponents, K, share of infinities and NaN)
KINDS = [(2, 33, 0.0), (20, 19, 0.0), (126, 40, 0.0), (127, 8, 0.05), (10, 7, 0.02), (5, 0, 0.0)]
BY = {"reference": add_up, "c": sum_model}
Add = Callable[..., np.ndarray]


@pytest.mark.parametrize("add", BY.values(), ids=BY)
@pytest.mark.parametrize("text", SUMS)
def test_sum_is_the_one_stated(text: str, add: Add) -> None:
    total = parse_sum(text)
    for seed, (spread, depth, specials) in enumerate(KINDS):
        a, b = (words(seed + x, (25, depth), spread, specials=specials) for x in (10, 20))
        c = words(seed, (25,), spread, specials=specials).view(np.float32)
        states = np.random.default_rng(seed).integers(1, 1 << 16, 25, np.uint16)
        found = add(total, exact_terms(a, b), c, states)
        with np.errstate(all="ignore"):
            rows = zip(a.view(np.float32), b.view(np.float32), c, states.tolist(), strict=True)
            expected = np.array([stated(total, *row) for row in rows], np.float32)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("add", BY.values(), ids=BY)
def test_chance_rounds_up_what_lies_far_below_the_smallest_number(add: Add) -> None:
    """Both products are below half of it, 2^-63, and exactly added have more than 128 bits."""
    total = parse_sum("dot(terms=2,align=exact,acc=float(7,1),round=stochastic)")
    a = np.array([[2.0**-33, 2.0**-33]], np.float32).repeat(200, 0)
    b = np.array([[2.0**-33, 2.0**-120]], np.float32).repeat(200, 0)
    c, states = np.zeros(200, np.float32), np.arange(200, dtype=np.uint16) * 327 + 1
    found = add(total, exact_terms(a.view(np.uint32), b.view(np.uint32)), c, states)
    rows = zip(a, b, c, states.tolist(), strict=True)
    np.testing.assert_array_equal(found, np.array([stated(total, *row) for row in rows]))
    assert 0 < (found == 2.0**-63).sum() < 100


@pytest.mark.parametrize(
    "text", [*SUMS, *(n for n, p in presets().items() if not p.sum.is_integer)]
)
def test_c_model_has_bits_of_reference(text: str) -> None:
    total = parse_sum(text)
    for seed, (spread, depth, specials) in enumerate(KINDS):
        a, b = (words(seed + x, (400, depth), spread, specials=specials) for x in (30, 40))
        terms = exact_terms(a, b)
        states = np.random.default_rng(seed).integers(0, 1 << 16, 400, np.uint16)
        found, expected = (
            add(total, terms, states=states).view(np.uint32) for add in (sum_model, add_up)
        )
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "text", ["int(24)", "int(16,overflow=saturate)", "dot(terms=5,acc=int(17),overflow=saturate)"]
)
def test_integers(text: str) -> None:
    total = parse_sum(text)
    products = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (200, 333))
    expected = np.zeros(200, np.int64)
    half = 1 << (total.register.width - 1)  # type: ignore[union-attr]
    for k in range(0, 333, total.terms):
        expected += products[:, k : k + total.terms].sum(1)
        if "saturate" in text:
            expected = np.clip(expected, -half, half - 1)
        else:
            expected = (expected + half) % (2 * half) - half
    np.testing.assert_array_equal(add_up_integers(total, products), expected)
    np.testing.assert_array_equal(integer_sum_model(total, products), expected)


BLOCK_SUMS = (
    "float(8,23)",
    "float(8,7,round=rz)",
    "float(5,10,chunk=8)",
    "dot(terms=8,align=13)",
    "dot(terms=4,align=9,acc=float(4,6),cut=down,round=rne)",
    "dot(terms=16,align=exact,acc=float(8,23),round=rne)",
    "dot(terms=32,align=48,acc=float(8,23),chunk=64)",
    "dot(terms=2,align=6,acc=float(5,5),carry=late)",
)


@pytest.mark.parametrize("add", BY.values(), ids=BY)
@pytest.mark.parametrize("text", BLOCK_SUMS)
def test_steps_of_blocks_are_the_ones_stated(text: str, add: Add) -> None:
    """Products of any 16 bits; scales near and far, and those at the ends of their range."""
    total, form = parse_sum(text), IntFormat(8, "block32")
    rng = np.random.default_rng(0)
    size, blocks = (40, 128), (40, 4)
    products = rng.integers(-(1 << 15), 1 << 15, size) >> rng.integers(0, 16, size)
    spread = rng.choice([1, 4, 127], (40, 1))
    codes = (127 + rng.integers(-spread, spread + 1, blocks) for _ in "ab")
    scales = tuple(np.repeat(np.clip(code, 0, 254), 32, 1) for code in codes)
    start = np.zeros(40, np.float32) if total.chunk else rng.integers(-3, 4, 40).astype("float32")
    found = add(total.of_steps, block_terms(scales, products, form, total.terms), start)
    exponents = scales[0] + scales[1] - 254
    rows = zip(products.tolist(), exponents.tolist(), start.tolist(), strict=True)
    expected = [stated_blocks(total, p, e, 12, c) for p, e, c in rows]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


@pytest.mark.parametrize("power", range(-124, 130, 3))
def test_exact_sum_of_few_bits_at_any_place(power: int) -> None:
    """The wide integer of the C model begins anew every 64 bits."""
    total = parse_sum("dot(terms=2,align=exact,acc=float(8,1),round=rne)")
    half = np.full((1, 2), 2.0 ** (power // 2), np.float32)
    other = half * np.float32(2.0 ** (power % 2)) * np.array([[1, -0.75]], np.float32)
    terms = exact_terms(half.view(np.uint32), other.view(np.uint32))
    expected = np.array([2.0**power / 4], np.float32)
    for add in BY.values():
        np.testing.assert_array_equal(add(total, terms), expected)


def test_nothing_cut_is_the_exact_sum_rounded_once() -> None:
    """The lemma of docs/sums.md: gaps of at most F - f lose nothing."""
    total = Sum(FloatRegister(8, 10), 8, 40)
    a, b = (words(seed, (2000, 8), 6) & np.uint32(0xFFFF_0000) for seed in (1, 2))
    terms = exact_terms(a, b)
    there = terms.significand != 0
    top = np.where(there, terms.exponent, -999).max(1)
    gap = np.where(there, top[:, None] - terms.exponent, 0).max(1)
    # bf16 products have 14 fraction bits.
    assert gap.max() <= 40 - 14
    for rounding in ("rz", "rne"):
        one = dataclasses.replace(total, rounding=rounding)
        exact = dataclasses.replace(one, align=None)
        np.testing.assert_array_equal(add_up(one, terms), add_up(exact, terms))
        narrow = dataclasses.replace(one, align=22)
        fits = gap <= 22 - 14
        assert 100 < fits.sum() < 2000
        np.testing.assert_array_equal(add_up(narrow, terms)[fits], add_up(exact, terms)[fits])


@pytest.mark.parametrize("add", BY.values(), ids=BY)
@pytest.mark.parametrize(
    ("text", "a", "b", "c", "result"),
    [  # the worked examples of docs/sums.md
        ("dot(terms=4,align=4)", [1.5, 1.0, 0.0, -1.0], [1.5, 0.0625, 8.0, 1 / 64], 1.0, 3.25),
        ("dot(terms=4,align=4)", [1.5, 1.0, 0.0, -1.0], [1.5, 0.03125, 8.0, 1 / 64], 1.0, 3.25),
        ("dot(terms=4,align=4,cut=down)", [1.5, -1.0], [1.5, 1 / 64], 1.0, 3.125),
        ("dot(terms=2,align=4)", [1.0, -1.0, 0.015625], [1.0, 1.0, 1.0], 0.0, 0.015625),
        ("dot(terms=4,align=4)", [1.0, -1.0, 0.015625], [1.0, 1.0, 1.0], 0.0, 0.0),
        ("dot(terms=2,align=4,carry=late)", [1.0], [1 / 64], 1.0, 1.0),
        ("lazy(4,9)", [1.0, -1.0, 0.015625], [1.0, 1.0, 1.0], 0.0, 0.0),
        ("float(8,3)", [1.0, 1.0], [1.0, 0.0625], 0.0, 1.0),
        ("float(8,3)", [1.0, 1.0], [1.125, 0.0625], 0.0, 1.25),
        ("float(8,3,round=rz)", [1.0, 1.0], [1.125, 0.0625], 0.0, 1.125),
        ("float(8,3,round=rz,chunk=1)", [1.0, 1.0], [1.125, 0.0625], 0.0, 1.1875),
        ("float(2,1)", [2.0, 1.5], [1.0, 1.0], 0.0, np.inf),
        ("fixed(4,0)", [3.0, 1.0], [2.0, 2.5], 0.0, -8.0),
        ("fixed(4,0,overflow=saturate)", [3.0, 1.0], [2.0, 2.5], 0.0, 7.0),
        ("dot(terms=2,align=4)", [np.inf, 1.0], [1.0, 2.0], 1.0, np.inf),
        ("dot(terms=2,align=4)", [np.inf, 1.0], [0.0, 2.0], 1.0, np.nan),
        ("dot(terms=1,align=4)", [np.inf, -np.inf], [1.0, 2.0], 1.0, np.nan),
    ],
)
def test_worked_example(
    text: str, a: list[float], b: list[float], c: float, result: float, add: Add
) -> None:
    x, y = (np.array([side], np.float32).view(np.uint32) for side in (a, b))
    found = add(parse_sum(text), exact_terms(x, y), np.array([c], np.float32))
    expected = np.array([result], np.float32)
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("add", BY.values(), ids=BY)
@pytest.mark.parametrize("case", CASES)
def test_recorded_dot_products_of_tensor_cores(case: str, add: Add) -> None:
    dots = recorded_dots(case)
    found = add(dots.sum, exact_terms(dots.a, dots.b), dots.c.view(np.float32))
    np.testing.assert_array_equal(found.view(np.uint32), dots.d)
