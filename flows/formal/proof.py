"""Is RTL proved equal to its C model, or to other RTL?"""

import importlib.metadata
import itertools
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from axdse.flows.evidence.report import Mismatch, Proof, Response
from axdse.flows.evidence.stimulus import MAX_OPERAND_BITS, Stimulus, core_stimulus
from axdse.flows.formal.aig import Aig, codes_of, lanes_of, miter, words_of
from axdse.flows.formal.bitslice import sweep
from axdse.flows.formal.gates import BEYOND, SCRIPT, read_gates
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import digest, load, store, temporary_folder
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import model_digest
from axdse.multipliers.provenance import code_digest
from axdse.multipliers.sandbox.compiler import compiler

ALWAYS_BITS = 24
FIRST_SLICES, SLICE = (1 << 20, 1 << 24), 1 << 26
CROWDED = 20  # a machine with other work may be slower by that; what is proved must not change
CONFLICTS = 100_000  # of ABC, at each node; its default leaves more undecided
SEED = 0


@dataclass(frozen=True)
class Equivalence:
    """Whether two designs compute the same.

    Attributes:
        verdict: "unknown": the time limit was too short.
        method: "structure": both have the same gates; "exhaustion": both were evaluated on every
            operand pair; "cec": ABC's equivalence checker; "simulation": a sample shows the
            difference.
        counter_example: operands on which they differ.
    """

    verdict: Literal["equal", "different", "unknown"]
    method: Literal["structure", "exhaustion", "cec", "simulation"]
    counter_example: tuple[int, int] | None = None


def prove(multiplier: Multiplier, rtl: Rtl, limit_s: float = 300.0) -> Proof:
    """Compare RTL with its C model on all pairs; 2^24 take about a second, 2^32 minutes.

    An x or z in the RTL is whatever harms most: it must not reach the product. Beyond 2^24 pairs
    nothing is begun that, by the time of those before, would not end within the limit.

    Args:
        multiplier: the model.
        rtl: combinational, of the model's widths.
        limit_s: wall time, in seconds. Up to 2^24 pairs it only ends a model that hangs.

    Raises:
        AxdseError: Yosys refuses the RTL, it is not combinational, or the model does not compile,
            crashes, hangs or is not pure.
    """
    key = _key(multiplier, rtl)
    known = load("formal", key, Proof)
    if known is None:
        known = _exhaust(multiplier, rtl, limit_s)
        if known.verdict != "unknown":
            store("formal", key, known)
    return known


def equivalent(first: Rtl, second: Rtl, limit_s: float) -> Equivalence:
    """Compare two combinational designs, their operands and products by position.

    An x or z in either makes them different, unless it cannot reach the product.

    Args:
        first: one design.
        second: another of the same widths.
        limit_s: CPU time for ABC, which gets designs of more than 2^16 pairs, in seconds.

    Raises:
        AxdseError: Yosys refuses one, it is not combinational, or the widths differ.
    """
    graph = read_gates(first)
    return same_function(graph, read_gates(second), limit_s)


def same_function(first: Aig, second: Aig, limit_s: float) -> Equivalence:
    """As `equivalent`, of designs that are read."""
    if _widths(first) != _widths(second):
        raise AxdseError(
            "designs of the same widths can be equivalent",
            f"{_widths(first)} and {_widths(second)} bits",
            "compare others",
        )
    sure, *others = dict.fromkeys([*first.bounds(), *second.bounds()])
    answer = Equivalence("equal", "structure")
    for other in others:
        answer = _compare(sure, other, limit_s)
        if answer.verdict != "equal":
            break
    return answer


def _exhaust(multiplier: Multiplier, rtl: Rtl, limit_s: float) -> Proof:
    start = time.monotonic()
    gates = read_gates(rtl)
    bounds = gates.bounds()
    total, pairs, examples = multiplier.pairs, 0, tuple[Mismatch, ...]()
    rate = math.inf
    for size in itertools.chain(FIRST_SLICES, itertools.repeat(SLICE)):
        count = min(size, total - pairs)
        left_s = limit_s - (time.monotonic() - start)
        # The first slice also compiles the model: its rate tells nothing of all the others.
        ahead = count if size in FIRST_SLICES else total - pairs
        late = total > 1 << ALWAYS_BITS and ahead / rate > left_s
        if not count or examples or late:
            break
        begun = time.monotonic()
        for graph in dict.fromkeys(bounds):
            found = sweep(multiplier, graph, first=pairs, count=count, limit_s=max(left_s, 1))
            examples = examples or found.examples
        pairs += count
        rate = count / (time.monotonic() - begun)
    complete: Literal["proved", "unknown"] = "proved" if pairs == total else "unknown"
    return Proof(
        design=multiplier.spec,
        verdict="different" if examples else complete,
        method="exhaustion",
        pairs=pairs,
        total=total,
        gates=len(gates.ands),
        examples=tuple(_with_unknowns(example, bounds) for example in examples),
        model_digest=model_digest(multiplier),
        rtl_digest=rtl.digest,
        tools=_tools(),
        seconds=time.monotonic() - start,
    )


def _with_unknowns(example: Mismatch, bounds: tuple[Aig, Aig]) -> Mismatch:
    """Show as x what is neither 0 nor 1 for sure."""
    a, b = (np.array([value], dtype=np.uint64) for value in (example.a, example.b))
    sure, maybe = (graph.simulate(a, b) for graph in bounds)
    got = Response(maybe, sure ^ maybe).text(0, len(bounds[0].outputs))
    return Mismatch(example.a, example.b, example.expected, got)


def _compare(first: Aig, second: Aig, limit_s: float) -> Equivalence:
    """Neither has unknowns."""
    if max(first.a_bits, first.b_bits) > MAX_OPERAND_BITS:
        return check_with_abc(first, second, limit_s)
    stimulus = core_stimulus(first.a_bits, first.b_bits, SEED)
    method: Literal["exhaustion", "simulation"] = (
        "exhaustion" if stimulus.exhaustive else "simulation"
    )
    difference = _difference(first, second, stimulus)
    if difference:
        return Equivalence("different", method, difference)
    if stimulus.exhaustive:
        return Equivalence("equal", method)
    return check_with_abc(first, second, limit_s)


def check_with_abc(first: Aig, second: Aig, limit_s: float) -> Equivalence:
    """Ask ABC whether two designs without unknowns can differ.

    It gets one graph of both, so that there are no inputs to pair.

    Raises:
        AxdseError: ABC is missing or crashes, or its counter-example is none.
    """
    with temporary_folder() as folder:
        (folder / "miter.aig").write_bytes(miter(first, second).aiger())
        check = f"&cec -m -C {CONFLICTS} -T {CROWDED * (int(limit_s) + 1)}"
        log = _abc(folder, f"read miter.aig; &get; {check}; write_cex example.txt", limit_s)
        if "Networks are equivalent" in log:
            return Equivalence("equal", "cec")
        if "NOT EQUIVALENT" not in log:
            return Equivalence("unknown", "cec")
        pair = _operands(folder / "example.txt", first)
    a, b = map(words_of, pair, (first.a_bits, first.b_bits))
    if not _difference(first, second, Stimulus(a, b, exhaustive=False)):
        rule = "ABC must show operands on which the designs differ"
        raise AxdseError(rule, f"a={pair[0]:#x}, b={pair[1]:#x}", "install another version of it")
    return Equivalence("different", "cec", pair)


def _operands(path: Path, graph: Aig) -> tuple[int, int]:
    """Read what `write_cex` wrote: a digit for each input, in order, and a comment."""
    bits = path.read_text().partition("#")[0].strip() if path.exists() else ""
    word = int("0" + bits[::-1], 2)
    return word & ((1 << graph.a_bits) - 1), word >> graph.a_bits


def _abc(folder: Path, script: str, limit_s: float) -> str:
    """ABC's log; empty if it had to be killed: `limit_s` is of CPU time, its own limit is not."""
    cpu_s = max(limit_s, 1.0)
    try:
        result = find_tool("yosys-abc").run(
            ["-q", script], folder=folder, limit_s=CROWDED * cpu_s, cpu_s=cpu_s
        )
    except AxdseError as error:
        if error.value == "killed":
            return ""
        raise
    if result.exit_code:
        raise AxdseError("yosys-abc must not crash", result.exit_code, "install another version")
    return result.log


def _difference(first: Aig, second: Aig, stimulus: Stimulus) -> tuple[int, int] | None:
    sides = (stimulus.a, stimulus.b)
    codes = [
        plane
        for side, bits in zip(sides, (first.a_bits, first.b_bits), strict=True)
        for plane in lanes_of(side, bits)
    ]
    others = second.planes(codes)
    wrong = [x ^ y for x, y in zip(first.planes(codes), others, strict=True)]
    differs = np.flatnonzero(codes_of([np.bitwise_or.reduce(wrong)], len(sides[0])))
    if not differs.size:
        return None
    a, b = (sum(int(w) << 64 * i for i, w in enumerate(np.ravel(s[differs[0]]))) for s in sides)
    return a, b


def _widths(graph: Aig) -> tuple[int, int, int]:
    return graph.a_bits, graph.b_bits, len(graph.outputs)


def _key(multiplier: Multiplier, rtl: Rtl) -> str:
    """Digest of everything that a verdict depends on."""
    return digest(
        multiplier.spec,
        repr((multiplier.family.call, multiplier.family.signed, multiplier.a_bits)),
        model_digest(multiplier),
        repr((rtl.ports, rtl.a_bits, rtl.b_bits, rtl.product_bits)),
        rtl.digest,
        SCRIPT,
        BEYOND,
        code_digest(__name__),
        *_tools(),
    )


def _tools() -> tuple[str, ...]:
    axdse = f"axdse {importlib.metadata.version('axdse')}"
    return (axdse, find_tool("yosys").version, compiler()[1])
