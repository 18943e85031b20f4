"""Figures as EvoApproxLib prints them: two significant digits, or decimals."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from axdse.flows.verify.figures import is_adder, misprints
from axdse.multipliers.designs.family import Family, Kind, Multiplier, Published


def bound(
    tmp_path: Path,
    body: str,
    figures: Mapping[str, tuple[float, float]],
    bits: int = 4,
    signed: bool = False,
    kind: Kind = "integer",
    product: int | None = None,
) -> Multiplier:
    """A core of that body whose author prints figures: value and unit of the last digit."""
    model = tmp_path / "f.c"
    kinds = "int64_t" if signed else "uint64_t"
    model.write_text(
        f"#include <stdint.h>\n{kinds} f({kinds} a, {kinds} b) {{ return {body}; }}\n"
    )
    return Family(
        name="f",
        title="",
        kind=kind,
        width=bits,
        product=product,
        signed=signed,
        model=model,
        rtl=model.with_suffix(".v"),
        parameters={},
        published=tuple(Published(name, v, "", step) for name, (v, step) in figures.items()),
    ).bind()


# b without its lowest bit: |e| = a where b is odd, and 1 / b of the product.
HALF_LESS = "a * (b & ~1ull)"
TRUE = {
    "MAE": (3.8, 0.1),  # 3.75
    "WCE": (15, 1),
    "MSE": (38.8, 0.1),  # 1240 / 32 = 38.75
    "EP%": (46.88, 0.01),  # 46.875
    "MRE%": (13.48, 0.01),
    "WCRE%": (100.00, 0.01),
    "MAE%": (1.5, 0.1),  # 3.75 / 256 = 1.465
    "WCE%": (5.86, 0.01),
    "PDK45_AREA": (1.0, 0.1),
}


def test_figures_that_are_rounded_come_true(tmp_path: Path) -> None:
    assert misprints(bound(tmp_path, HALF_LESS, TRUE)) == ()


@pytest.mark.parametrize("name", [name for name in TRUE if name != "PDK45_AREA"])
def test_a_figure_a_digit_off_is_told(name: str, tmp_path: Path) -> None:
    value, step = TRUE[name]
    for off in (value + 1.01 * step, value - 1.01 * step):
        (found,) = misprints(bound(tmp_path, HALF_LESS, {name: (off, step)}))
        assert (found.name, found.published) == (name, off)
        assert abs(found.measured - value) <= step / 2 + 1e-9


def test_a_share_of_what_was_rounded_before_comes_true(tmp_path: Path) -> None:
    rounded = {"MAE": (3.8, 0.1), "MAE%": (1.4844, 0.0001)}  # 3.8 / 256
    assert misprints(bound(tmp_path, HALF_LESS, rounded)) == ()
    alone = {"MAE%": rounded["MAE%"]}
    assert [each.name for each in misprints(bound(tmp_path, HALF_LESS, alone))] == ["MAE%"]


def test_of_wide_operands_a_sample_tells(tmp_path: Path) -> None:
    """32767.5 / 2 on average, 65535 at worst, which a sample hardly meets."""
    sound = {"MAE": (16384, 1.0), "EP%": (50.0, 0.01), "WCE": (65535, 1.0)}
    assert misprints(bound(tmp_path, HALF_LESS, sound, bits=16)) == ()
    wrong = {"MAE": (17000, 1.0), "EP%": (51.0, 0.01), "WCE": (65000, 1.0), "WCRE%": (200, 0.01)}
    found = {each.name for each in misprints(bound(tmp_path, HALF_LESS, wrong, bits=16))}
    assert found == {"MAE", "EP%", "WCE"}


@pytest.mark.parametrize(
    ("signed", "mean"),
    [(False, 0.00091324), (True, 0.00324992)],  # of all 2^26 pairs
)
def test_relative_errors_of_small_operands_are_met(
    signed: bool, mean: float, tmp_path: Path
) -> None:
    """Those of products below 16 are 100 %: a sample of pairs alike would find a lower mean."""
    body, step = "(a * b) & ~15", 0.00001
    sound = bound(tmp_path, body, {"MRE%": (mean, step)}, bits=13, signed=signed)
    assert misprints(sound) == ()
    for wrong in (0.9 * mean, 1.1 * mean):
        told = bound(tmp_path, body, {"MRE%": (wrong, step)}, bits=13, signed=signed)
        assert [each.name for each in misprints(told)] == ["MRE%"]


def test_a_sample_without_errors_says_nothing_of_means(tmp_path: Path) -> None:
    rare = "a * b + (a == 77 && b == 78)"
    figures = {"MAE": (2.3e-10, 1e-11), "EP%": (2.3e-8, 1e-9), "WCE": (1, 1.0)}
    assert misprints(bound(tmp_path, rare, figures, bits=16)) == ()


@pytest.mark.parametrize("signed", [False, True])
def test_an_adder_is_measured_where_its_sum_fits(signed: bool, tmp_path: Path) -> None:
    """The lowest bit is lost in half of the pairs, and nothing else: 4 bits, no carry out."""
    figures = {"MAE": (0.5, 0.1), "WCE": (1, 1.0), "MAE%": (99, 0.01)}
    body = "(a + b) & 14" if not signed else "((a + b) & 14) << 60 >> 60"
    adder = bound(tmp_path, body, figures, signed=signed, kind="bits", product=4)
    assert is_adder(adder)
    assert misprints(adder) == ()
    wrong = bound(tmp_path, body, {"WCE": (16, 1.0)}, signed=signed, kind="bits", product=4)
    assert misprints(wrong) == (("WCE", 16, 1.0),)


# s eeee mmm: subnormal numbers are zero, and what is too large is infinite.
FLOATS = (
    "({ uint64_t s = (a ^ b) & 128, x = a >> 3 & 15, y = b >> 3 & 15, "
    "m = (a % 8 + 8) * (b % 8 + 8), c = m >> 7, e = x + y + c; "
    "!x || !y || e < 8 ? s : e > 21 ? s | 120 : s | (e - 7) << 3 | (m >> (3 + c) & 7); })"
)


def test_a_product_of_floats_is_no_adder(tmp_path: Path) -> None:
    """Patterns of floats are nearly logarithms, whose sum is that of the product."""
    assert not is_adder(bound(tmp_path, FLOATS, {}, bits=8, kind="bits", product=8))


def test_what_is_too_wide_to_compute_is_left(tmp_path: Path) -> None:
    wide = bound(tmp_path, "a + b", {"MAE": (1, 1.0)}, bits=2, kind="bits", product=64)
    assert not is_adder(wide)
    assert misprints(wide) == ()
