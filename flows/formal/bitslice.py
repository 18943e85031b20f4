"""Do gates compute what the C model does, on all operand pairs? A proof by exhaustion.

`gate_harness.c` evaluates 512 pairs at a time and calls the model in the same confined process.
"""

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.flows.evidence.report import Mismatch
from axdse.flows.formal.aig import Aig
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import table_of
from axdse.multipliers.model.compile import compiled
from axdse.multipliers.sandbox.confined import RefusedError, run

HARNESS = Path(__file__).with_name("gate_harness.c")
TIME_LIMIT_S = 60.0
SHARE, ALIGNED = 1 << 19, 4096
EXAMPLES = 8
RESULT = struct.Struct(f"=4Q2q{4 * EXAMPLES}Q")


@dataclass(frozen=True)
class Sweep:
    """What came of comparing gates with a model.

    Attributes:
        pairs: operand pairs compared, all distinct.
        mismatches: how many differ.
        examples: the first of those.
    """

    pairs: int
    mismatches: int
    examples: tuple[Mismatch, ...]


def sweep(
    multiplier: Multiplier,
    gates: Aig,
    *,
    first: int = 0,
    count: int | None = None,
    limit_s: float = 60.0,
) -> Sweep:
    """Compare gates with the C model on a run of operand pairs, a outermost.

    Args:
        multiplier: the model.
        gates: without unknowns, see `Aig.bounds`; of the model's widths.
        first: number of the first pair, (a << b_bits) | b; a multiple of 64.
        count: of pairs; default: all that follow.
        limit_s: wall time, in seconds.

    Raises:
        AxdseError: the model does not compile, crashes, does not end, is not a pure function, or
            gives a product wider than declared.
    """
    _check_widths(multiplier, gates)
    count = multiplier.pairs - first if count is None else count
    if multiplier.family.takes_floats:
        return _compare_table(multiplier, gates, first, count)
    results = _run(multiplier, gates, first, count, limit_s)
    _check_fits(multiplier, results)
    found = [example for result in results for example in result.examples]
    return Sweep(
        sum(result.pairs for result in results),
        sum(result.mismatches for result in results),
        tuple(found[:EXAMPLES]),
    )


@dataclass(frozen=True)
class _Result:
    """What one process says; see `axdse_result`."""

    pairs: int
    mismatches: int
    unsigned: tuple[int, int]
    signed: tuple[int, int]
    examples: tuple[Mismatch, ...]


def _run(
    multiplier: Multiplier, gates: Aig, first: int, count: int, limit_s: float
) -> list[_Result]:
    program = _program(multiplier)
    words = [len(gates.ands), *(pin for pins in gates.ands for pin in pins), *gates.outputs]
    circuit = np.array(words, dtype=np.uint32).tobytes()
    widths = [str(n) for n in (gates.a_bits, gates.b_bits, len(gates.outputs))]

    def part(begin: int, end: int) -> _Result:
        arguments = [*widths, str(begin), str(end - begin)]
        return _read(_confined(program, arguments, multiplier.spec, limit_s, circuit))

    starts = _shares(first, first + count)
    with ThreadPoolExecutor(len(starts)) as pool:
        return list(pool.map(part, starts, [*starts[1:], first + count]))


def _shares(first: int, end: int) -> list[int]:
    """Where each process starts; a share is worth the start of a process."""
    parts = max(1, min(cores(), (end - first) // SHARE))
    return [first + (end - first) * part // parts // ALIGNED * ALIGNED for part in range(parts)]


def _program(multiplier: Multiplier) -> Path:
    family = multiplier.family
    macros = tuple(f"{name}={value}" for name, value in multiplier.bindings.items())
    function = family.function or family.name
    return compiled(family.model, function, HARNESS, macros, call=family.call)


def _confined(
    program: Path, arguments: list[str], spec: str, limit_s: float, circuit: bytes
) -> bytes:
    try:
        output = run(program, arguments, spec, limit_s, circuit)
    except RefusedError as refusal:
        raise AxdseError(
            f"a C model is a pure function; {spec} is not",
            refusal,
            "remove its static state or undefined behaviour",
        ) from refusal
    if len(output) != RESULT.size:
        raise AxdseError("a C model must return", spec, "do not call exit() in it")
    return output


def _read(output: bytes) -> _Result:
    pairs, mismatches, *rest = RESULT.unpack(output)
    examples = [rest[at : at + 4] for at in range(4, len(rest), 4)][:mismatches]
    return _Result(
        pairs,
        mismatches,
        (rest[0], rest[1]),
        (rest[2], rest[3]),
        tuple(Mismatch(a, b, expected, f"{got:x}") for a, b, expected, got in examples),
    )


def _check_fits(multiplier: Multiplier, results: list[_Result]) -> None:
    """As `tabulate` does: a signed model may return values or their bit patterns."""
    bits, half = multiplier.product_bits, 1 << (multiplier.product_bits - 1)
    largest = max(result.unsigned[1] for result in results)
    low = min(result.signed[0] for result in results)
    high = max(result.signed[1] for result in results)
    if largest >> bits and not (multiplier.family.signed and -half <= low <= high < half):
        kind = "signed bits" if multiplier.family.signed else "bits"
        raise AxdseError(
            f"products of {multiplier.spec} must fit {bits} {kind}",
            f"its model gives {low if multiplier.family.signed and low < -half else largest}",
            "mask the result or correct the model",
        )


def _check_widths(multiplier: Multiplier, gates: Aig) -> None:
    wanted = (multiplier.a_bits, multiplier.b_bits, multiplier.product_bits)
    found = (gates.a_bits, gates.b_bits, len(gates.outputs))
    if wanted != found or gates.unknowns:
        rule = f"gates of {multiplier.spec} have operands and product of {wanted} bits"
        raise AxdseError(rule, f"{found} bits, {gates.unknowns} unknown", "correct the RTL")


def _compare_table(multiplier: Multiplier, gates: Aig, first: int, count: int) -> Sweep:
    """A model of floats is not called here: its table is proven, and small."""
    pairs = np.arange(first, first + count, dtype=np.uint64)
    a, b = pairs >> np.uint64(gates.b_bits), pairs & np.uint64((1 << gates.b_bits) - 1)
    expected, got = table_of(multiplier)[a, b], gates.simulate(a, b)
    differs = np.flatnonzero(got != expected)
    examples = tuple(
        Mismatch(int(a[i]), int(b[i]), int(expected[i]), f"{int(got[i]):x}")
        for i in differs[:EXAMPLES]
    )
    return Sweep(count, int(differs.size), examples)
