"""The command replay: does a sum give the dot products that somebody recorded?"""

from dataclasses import dataclass
from pathlib import Path

import click

from axdse.dse.cli.options import PATH, json_option, print_json, say
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sums.recipe import Sum
from axdse.multipliers.sums.text import parse_sum
from axdse.multipliers.sums.vectors import Fit, Vectors, equal_rows, identify, read_vectors

FEW = 8  # sums that are listed one by one


@dataclass(frozen=True)
class _Replayed:
    """What is printed as JSON."""

    sum: str
    equal: int
    rows: int


@dataclass(frozen=True)
class _Fitting:
    sum: str
    has_c: bool


@click.command(short_help="Hold a sum against recorded dot products.")
@click.argument("path", type=PATH, metavar="VECTORS.npz")
@click.option("--sum", "sum_text", metavar="SUM", help="Such as hopper or dot(terms=16,align=25).")
@click.option("--identify", "unknown", is_flag=True, help="Find the sums that give all of them.")
@click.option("--no-c", is_flag=True, help="d is a . b: c is not in it (with --sum).")
@json_option
def replay(path: Path, sum_text: str | None, unknown: bool, no_c: bool, as_json: bool) -> int:
    """Compare d = c + a . b of an accelerator with a sum, bit for bit.

    VECTORS.npz has uint32 arrays of FP32 words: a, b [rows, K] and c, d [rows]. Exit code 1: some
    row differs, or no sum gives them all.
    """
    if bool(sum_text) == unknown or (unknown and no_c):
        given = " ".join(filter(None, (sum_text, "--identify" * unknown, "--no-c" * no_c)))
        raise AxdseError(
            "vectors are held against --sum SUM, perhaps with --no-c, or --identify finds it",
            given or "neither is given",
            "choose one",
        )
    vectors = read_vectors(path)
    if sum_text:
        total = parse_sum(sum_text)
        return _compare(total, vectors.without_c if no_c else vectors, as_json)
    return _identify(vectors, as_json)


def _compare(total: Sum, vectors: Vectors, as_json: bool) -> int:
    equal = equal_rows(total, vectors)
    if as_json:
        print_json(_Replayed(total.name, equal, vectors.rows), _Replayed)
    else:
        say(f"{total.name}: {equal:,} of {vectors.rows:,} equal")
    return 0 if equal == vectors.rows else 1


def _identify(vectors: Vectors, as_json: bool) -> int:
    fits = identify(vectors)
    if as_json:
        listed = tuple(_Fitting(fit.sum.name, fit.has_c) for fit in fits)
        print_json(listed, tuple[_Fitting, ...])
    elif not fits:
        say(f"no dot(terms, align, cut, carry, acc=float(8,R), round) gives all {vectors.rows:,}")
    else:
        for line in _lines(fits, vectors):
            say(line)
    return 0 if fits else 1


def _lines(fits: tuple[Fit, ...], vectors: Vectors) -> list[str]:
    """The sums that fit, few of them one by one, and what they differ in."""
    what = "one sum gives" if len(fits) == 1 else f"{len(fits)} sums give"
    lines = [f"{what} all {vectors.rows:,} rows of {vectors.depth} products"]
    lines += [f"  {fit.sum.name}{'' if fit.has_c else ', c not in it'}" for fit in fits[:FEW]]
    if len(fits) > FEW:
        lines.append(f"  and {len(fits) - FEW} more")
    values: dict[str, list[str]] = {
        "terms": [str(fit.sum.terms) for fit in fits],
        "align": ["exact" if fit.sum.align is None else str(fit.sum.align) for fit in fits],
        "cut": [str(fit.sum.cut) for fit in fits],
        "carry": [str(fit.sum.carry) for fit in fits],
        "round": [str(fit.sum.rounding) for fit in fits],
        "c": ["in it" if fit.has_c else "not in it" for fit in fits],
    }
    open_ones = {name: tuple(dict.fromkeys(each)) for name, each in values.items()}
    told = [f"{n} ({', '.join(each)})" for n, each in open_ones.items() if len(each) > 1]
    if told:
        lines.append(f"these vectors do not tell apart: {'; '.join(told)}")
    if max(fit.sum.terms for fit in fits) == vectors.depth:
        lines.append(f"terms may be more than {vectors.depth}: no row has as many products")
    if not vectors.c.any():
        lines.append("c is zero everywhere: how it is carried is not told")
    return lines
