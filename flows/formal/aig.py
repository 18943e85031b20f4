"""What is an and-inverter graph? Built, simulated 64 codes a word, written for other tools.

The binary AIGER format is Biere's, "The AIGER and-inverter graph (AIG) format", 2007.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


def lanes_of(codes: np.ndarray, width: int) -> np.ndarray:
    """Transpose codes into bit planes, uint64 of shape (width, vectors / 64).

    Args:
        codes: uint64 [vectors]; of more than 64 bits [vectors, words], the lowest word first.
        width: in bits.
    """
    if codes.ndim > 1:
        parts = (lanes_of(codes[:, at // 64], min(64, width - at)) for at in range(0, width, 64))
        return np.concatenate([*parts, np.zeros((0, -(-len(codes) // 64)), np.uint64)])
    octets = np.ascontiguousarray(codes, dtype="<u8").view(np.uint8).reshape(-1, 8)
    rows = np.unpackbits(octets[:, : -(-width // 8)], axis=1, bitorder="little")
    packed = np.packbits(np.ascontiguousarray(rows.T[:width]), axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def codes_of(lanes: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Undo `lanes_of`."""
    codes = np.zeros(count, dtype=np.uint64)
    for bit, lane in enumerate(lanes):
        bits = np.unpackbits(lane.view(np.uint8), count=count, bitorder="little")
        codes |= bits.astype(np.uint64) << np.uint64(bit)
    return codes


def words_of(number: int, width: int) -> np.ndarray:
    """One code as `lanes_of` takes it."""
    if width <= 64:
        return np.array([number], dtype=np.uint64)
    words = [number >> at & (1 << 64) - 1 for at in range(0, width, 64)]
    return np.array([words], dtype=np.uint64)


FALSE, TRUE = 0, 1


@dataclass(frozen=True)
class Aig:
    """A combinational function of two operands, in two-input ands and inverters.

    A literal is twice the number of a variable, plus one if inverted. Variable 0 is constant 0;
    the bits of a, those of b (least significant first), the unknown inputs and the ands follow.

    Attributes:
        a_bits: width of the first operand.
        b_bits: width of the second operand.
        unknowns: inputs that stand for x and z in the RTL.
        ands: both literals of each and, all of earlier variables.
        outputs: literals of the product, least significant first.
    """

    a_bits: int
    b_bits: int
    unknowns: int
    ands: tuple[tuple[int, int], ...]
    outputs: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """Number of operand bits."""
        return self.a_bits + self.b_bits

    @property
    def first_and(self) -> int:
        """Variable of the first and."""
        return 1 + self.inputs + self.unknowns

    def simulate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the products of operand patterns, uint64 of the shape of `a`; unknowns are 0."""
        operands = (*lanes_of(a.ravel(), self.a_bits), *lanes_of(b.ravel(), self.b_bits))
        return codes_of(self.planes(operands), a.size).reshape(a.shape)

    def planes(self, operands: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the bit planes of products of those of operands, for operands of any width.

        Args:
            operands: uint64 arrays of one shape, a bit of a each, then of b.
        """
        zero = np.zeros_like(operands[0])
        values = [zero, *operands, *[zero] * self.unknowns]
        inverted = [~value for value in values]
        for left, right in self.ands:
            value = _literal(values, inverted, left) & _literal(values, inverted, right)
            values.append(value)
            inverted.append(~value)
        return [_literal(values, inverted, literal) for literal in self.outputs]

    def bounds(self) -> tuple["Aig", "Aig"]:
        """Return what is 1 for sure, and what may be 1, as functions of the operands alone.

        If both equal a function, then so does this one, whatever the unknowns are. The reverse
        does not hold: as in a simulator, x is not told from another x.
        """
        if not self.unknowns:
            return self, self
        graph = Builder(self.inputs)
        known = [(2 * variable, 2 * variable) for variable in range(1 + self.inputs)]
        rails = known + [(FALSE, TRUE)] * self.unknowns
        for pins in self.ands:
            (x, maybe_x), (y, maybe_y) = (_rail(rails, pin) for pin in pins)
            rails.append((graph.both(x, y), graph.both(maybe_x, maybe_y)))
        outputs = [_rail(rails, literal) for literal in self.outputs]
        sure, maybe = (
            graph.finish(self.a_bits, self.b_bits, [output[rail] for output in outputs])
            for rail in (0, 1)
        )
        return sure, maybe

    def aiger(self) -> bytes:
        """Binary AIGER; inputs stand in the order of the variables and have no names."""
        first, ands = self.first_and, len(self.ands)
        header = (first - 1 + ands, first - 1, 0, len(self.outputs), ands)
        text = f"aig {' '.join(map(str, header))}\n"
        text += "".join(f"{literal}\n" for literal in self.outputs)
        deltas = bytearray()
        for number, pins in enumerate(self.ands):
            low, high = sorted(pins)
            deltas += _varint(2 * (first + number) - high) + _varint(high - low)
        return text.encode() + bytes(deltas)


class Builder:
    """Collects ands, each once; constants and repeated literals fold."""

    def __init__(self, inputs: int, unknowns: int = 0) -> None:
        self._inputs, self._unknowns = inputs, unknowns
        self._ands: dict[tuple[int, int], int] = {}

    def both(self, x: int, y: int) -> int:
        """Return the literal of x and y."""
        low, high = min(x, y), max(x, y)
        if low == FALSE or high == low ^ 1:
            return FALSE
        if low in (TRUE, high):
            return high
        variable = 1 + self._inputs + self._unknowns + len(self._ands)
        return 2 * self._ands.setdefault((low, high), variable)

    def differ(self, x: int, y: int) -> int:
        """Return the literal of x xor y."""
        return self.both(self.both(x, y ^ 1) ^ 1, self.both(x ^ 1, y) ^ 1) ^ 1

    def copy(self, graph: Aig) -> list[int]:
        """Add a graph of the same inputs; return the literals of its outputs."""
        literals = list(range(0, 2 * graph.first_and, 2))
        for x, y in graph.ands:
            pins = (literals[pin >> 1] ^ (pin & 1) for pin in (x, y))
            literals.append(self.both(*pins))
        return [literals[output >> 1] ^ (output & 1) for output in graph.outputs]

    def finish(self, a_bits: int, b_bits: int, outputs: list[int]) -> Aig:
        """Return the graph of what the outputs need."""
        ands = list(self._ands)
        first = 1 + self._inputs + self._unknowns
        needed = [False] * (first + len(ands))
        for literal in outputs:
            needed[literal >> 1] = True
        for number in reversed(range(len(ands))):
            if needed[first + number]:
                for pin in ands[number]:
                    needed[pin >> 1] = True
        kept = [number for number in range(len(ands)) if needed[first + number]]
        name = list(range(first)) + [0] * len(ands)
        for new, number in enumerate(kept):
            name[first + number] = first + new
        moved = [2 * name[v >> 1] + (v & 1) for number in kept for v in ands[number]]
        return Aig(
            a_bits,
            b_bits,
            self._unknowns,
            tuple(zip(moved[::2], moved[1::2], strict=True)),
            tuple(2 * name[literal >> 1] + (literal & 1) for literal in outputs),
        )


def miter(first: Aig, second: Aig) -> Aig:
    """Return the graph of one output, 1 where two graphs without unknowns differ."""
    graph = Builder(first.inputs)
    same = TRUE
    for x, y in zip(graph.copy(first), graph.copy(second), strict=True):
        same = graph.both(same, graph.differ(x, y) ^ 1)
    return graph.finish(first.a_bits, first.b_bits, [same ^ 1])


def _literal(values: list[np.ndarray], inverted: list[np.ndarray], literal: int) -> np.ndarray:
    return (inverted if literal & 1 else values)[literal >> 1]


def _rail(rails: list[tuple[int, int]], literal: int) -> tuple[int, int]:
    sure, maybe = rails[literal >> 1]
    return (maybe ^ 1, sure ^ 1) if literal & 1 else (sure, maybe)


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; the top bit says that more follow."""
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])
