"""What does a mapped netlist compute, and how late is it? In C, in half a millisecond.

Delays are those of `delays.py`, without what only a simulation needs; see `flat_netlist.c`.
"""

import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.flows.formal.aig import lanes_of
from axdse.flows.liberty.cells import Cell, TimingArc
from axdse.flows.liberty.library import Library
from axdse.flows.liberty.tables import Table
from axdse.flows.netlist.delays import net_count
from axdse.flows.netlist.netlist import Netlist
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.compiler import native

SOURCE = Path(__file__).with_name("flat_netlist.c")
BLOCK = 2  # words of 64 bits in one of `flat_netlist.c`
RISE, FALL = 0, 1
EDGES = {
    "positive_unate": ((RISE, RISE), (FALL, FALL)),
    "negative_unate": ((FALL, RISE), (RISE, FALL)),
}
ANY_EDGES = (*EDGES["positive_unate"], *EDGES["negative_unate"])
NONE = -1


class _Library(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("kinds", "truths", "capacitances", "steps", "tables", "numbers")
    )


class _Netlist(ctypes.Structure):
    _fields_ = (
        ("cell_count", ctypes.c_int32),
        ("net_count", ctypes.c_int32),
        ("cells", ctypes.c_void_p),
        ("pins", ctypes.c_void_p),
    )


class FlatLibrary:
    """The cells of a library in arrays, made once for many netlists."""

    def __init__(self, library: Library) -> None:
        self.number = {cell.name: at for at, cell in enumerate(library.cells)}
        self.pins = [
            (tuple(p for p, _ in cell.inputs), tuple(p for p, _ in cell.outputs))
            for cell in library.cells
        ]
        self._tables: dict[int, tuple[int, Table]] = {}
        self._numbers: list[float] = []
        kinds: list[tuple[int, ...]] = []
        steps: list[tuple[int, ...]] = []
        shapes: list[tuple[int, int, int]] = []
        truths, capacitances = [np.zeros(0, dtype=bool)], [0.0]
        for cell in library.cells:
            own = [step for arc in cell.timing for step in self._steps(cell, arc, shapes)]
            at = sum(map(len, truths)), len(capacitances), len(steps)
            kinds.append((len(cell.inputs), len(cell.outputs), *at, len(own)))
            truths.append(cell.truth.ravel())
            capacitances += [x for rise, fall, _ in cell.capacitances for x in (rise, fall)]
            steps += own
        arrays = (
            np.array(kinds, dtype=np.int32),
            np.concatenate(truths).astype(np.uint8),
            np.array(capacitances),
            np.array(steps, dtype=np.int32),
            np.array(shapes, dtype=np.int32),
            np.array(self._numbers),
        )
        self._arrays = arrays  # C only borrows them
        self.struct = _Library(*(array.ctypes.data for array in arrays))

    def _steps(
        self, cell: Cell, arc: TimingArc, shapes: list[tuple[int, int, int]]
    ) -> list[tuple[int, ...]]:
        inputs, outputs = self.pins[self.number[cell.name]]
        if arc.input not in inputs or arc.output not in outputs:
            return []
        pins = inputs.index(arc.input), outputs.index(arc.output)
        found = []
        for edges in EDGES.get(arc.sense, ANY_EDGES):
            falls = edges[1] == FALL
            delay, slew = (arc.fall, arc.fall_slew) if falls else (arc.rise, arc.rise_slew)
            if delay is not None:
                numbers = (self._table(table, shapes) for table in (delay, slew))
                found.append((*pins, *edges, *numbers))
        return found

    def _table(self, table: Table | None, shapes: list[tuple[int, int, int]]) -> int:
        if table is None:
            return NONE
        if id(table) not in self._tables:
            self._tables[id(table)] = len(shapes), table
            shapes.append((len(table.slews), len(table.loads), len(self._numbers)))
            self._numbers += [*table.slews, *table.loads]
            self._numbers += [value for row in table.values for value in row]
        return self._tables[id(table)][0]


@dataclass(frozen=True, eq=False)
class Mapped:
    """A netlist in arrays.

    Attributes:
        netlist: what it was made of.
        library: the library of its cells.
        cells: int32, the kind of each cell.
        pins: int32, nets of its inputs, then of its outputs.
        nets: highest net number + 1.
    """

    netlist: Netlist
    library: FlatLibrary
    cells: np.ndarray
    pins: np.ndarray
    nets: int

    def first_difference(self, expected: np.ndarray) -> int | None:
        """Compare with the products of all operand pairs.

        Args:
            expected: uint64 [2^a_bits, 2^b_bits].

        Returns:
            The first pair that differs, as an index into `expected.ravel()`.

        Raises:
            AxdseError: a cell has too many inputs.
        """
        operands = _operands(len(self.netlist.a.nets), len(self.netlist.b.nets))
        planes = np.empty((self.nets, operands.shape[1]), dtype=np.uint64)
        planes[0], planes[1] = 0, ~np.uint64(0)
        planes[[*self.netlist.a.nets, *self.netlist.b.nets]] = operands
        code, words = native(SOURCE), operands.shape[1]
        if code.mapped_values(*self._structs(), _at(planes), ctypes.c_int64(words // BLOCK)):
            raise AxdseError("a cell has at most 10 inputs", "one has more", "check the library")
        product = np.array(self.netlist.product.nets, dtype=np.int32)
        expected = np.ascontiguousarray(expected, dtype=np.uint64)
        code.mapped_difference.restype = ctypes.c_int64
        sizes = ctypes.c_int32(product.size), _at(expected), ctypes.c_int64(expected.size)
        found = code.mapped_difference(_at(planes), ctypes.c_int64(words), _at(product), *sizes)
        return None if found < 0 else int(found)

    def critical_path_ns(self) -> float:
        """Latest edge at an output after the inputs switch."""
        load, slew = np.zeros((2, self.nets, 2))
        arrival = np.full((self.nets, 2), -np.inf)
        arrival[[*self.netlist.a.nets, *self.netlist.b.nets]] = 0.0
        native(SOURCE).mapped_timing(*self._structs(), *map(_at, (load, slew, arrival)))
        latest = arrival[list(self.netlist.product.nets)].max(initial=0.0)
        return float(max(0.0, latest))

    def _structs(self) -> tuple[object, object]:
        own = _Netlist(self.cells.size, self.nets, self.cells.ctypes.data, self.pins.ctypes.data)
        return ctypes.byref(self.library.struct), ctypes.byref(own)


def mapped(netlist: Netlist, library: FlatLibrary) -> Mapped:
    """Put a combinational netlist of a library's cells in arrays."""
    cells: list[int] = []
    pins: list[int] = []
    for instance in netlist.instances:
        kind, nets = library.number[instance.cell.name], dict(instance.pins)
        inputs, outputs = library.pins[kind]
        cells.append(kind)
        pins += [nets[pin] for pin in inputs]
        pins += [nets.get(pin, NONE) for pin in outputs]
    kinds, flat = (np.array(numbers, dtype=np.int32) for numbers in (cells, pins))
    return Mapped(netlist, library, kinds, flat, net_count(netlist))


@functools.lru_cache(4)
def _operands(a_bits: int, b_bits: int) -> np.ndarray:
    """The planes of all pairs, uint64 [bits, words]; the first operand changes last."""
    pairs = np.arange(1 << a_bits + b_bits, dtype=np.uint64)
    planes = lanes_of(pairs, a_bits + b_bits)
    planes = np.concatenate([planes[b_bits:], planes[:b_bits]])
    padded = np.pad(planes, ((0, 0), (0, -planes.shape[1] % BLOCK)))
    padded.setflags(write=False)
    return padded


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
