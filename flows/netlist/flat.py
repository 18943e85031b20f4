"""What is a netlist in arrays? In C it then has values, loads and delays in a moment."""

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.flows.liberty.cells import Cell
from axdse.flows.liberty.tables import Table
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.compiler import native

SOURCE = Path(__file__).with_name("flat.c")
BLOCK = 2  # words of 64 bits in one of `flat.c`
RISE, FALL = 0, 1
EDGES = {
    "positive_unate": ((RISE, RISE), (FALL, FALL)),
    "negative_unate": ((FALL, RISE), (RISE, FALL)),
}
ANY_EDGES = (*EDGES["positive_unate"], *EDGES["negative_unate"])
NONE = -1


@dataclass(frozen=True)
class Instance:
    """One cell in a netlist; `pins` are (pin, net) pairs, nets are numbers."""

    cell: Cell
    pins: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Step:
    """One look-up: an arc by the places of its pins, and the edges at both ends."""

    input: int
    output: int
    input_edge: int
    output_edge: int
    delay: Table
    slew: Table | None


@dataclass(frozen=True, eq=False)
class Kind:
    """A cell of which a netlist has instances.

    Attributes:
        cell: from the library.
        steps: how late its outputs are.
        number: int [outputs, inputs, states]: the step that gives the delay of an output when
            that input has just changed and brought the cell into that state; `len(steps)`: none.
    """

    cell: Cell
    steps: tuple[Step, ...]
    number: np.ndarray

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of pins."""
        return tuple(pin for pin, _ in self.cell.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of pins."""
        return tuple(pin for pin, _ in self.cell.outputs)


def _kind(cell: Cell) -> Kind:
    inputs = tuple(pin for pin, _ in cell.inputs)
    outputs = [pin for pin, _ in cell.outputs]
    states = np.arange(1 << len(inputs))
    steps: list[Step] = []
    number = np.full((len(outputs), len(inputs), states.size), NONE)
    for arc in sorted(cell.timing, key=lambda arc: not arc.when):
        if arc.input not in inputs or arc.output not in outputs:
            continue
        i, o = inputs.index(arc.input), outputs.index(arc.output)
        # Bit i of the state that it came into tells the input's edge.
        input_edges = np.where(states >> i & 1, RISE, FALL)
        output_edges = np.where(cell.truth[o], RISE, FALL)
        holds = cell.holds(arc.when)
        for input_edge, output_edge in EDGES.get(arc.sense, ANY_EDGES):
            delay, slew = (arc.fall, arc.fall_slew) if output_edge else (arc.rise, arc.rise_slew)
            if delay is None:
                continue
            free = (number[o, i] == NONE) & holds
            here = free & (input_edges == input_edge) & (output_edges == output_edge)
            number[o, i][here] = len(steps)
            steps.append(Step(i, o, input_edge, output_edge, delay, slew))
    number[number == NONE] = len(steps)
    return Kind(cell, tuple(steps), number)


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
    """Cells in arrays, made once for many netlists.

    Attributes:
        kinds: of the cells, in their order.
        number: where each is, by its identity: their tables are long to compare.
        sizes: int64 [kinds, 3]: of what there is for each output, input and state; for each input
            and state; and for each state.
        truth_at: int32 [kinds], where the truth table of each is in `truths`.
        truths: uint8: of each cell [outputs, states].
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.kinds = tuple(map(_kind, cells))
        self.number = {id(cell): at for at, cell in enumerate(cells)}
        sizes = [(*kind.number.shape, len(kind.steps)) for kind in self.kinds]
        self.sizes = np.array([(o * i * s, i * s, s) for o, i, s, _ in sizes], np.int64)
        self.sizes = self.sizes.reshape(-1, 3)
        self._tables: dict[int, tuple[int, Table]] = {}
        self._shapes: list[tuple[int, int, int]] = []
        self._numbers: list[float] = []
        kinds: list[tuple[int, ...]] = []
        steps: list[tuple[int, ...]] = []
        truths: list[np.ndarray] = [np.zeros(0, dtype=bool)]
        capacitances: list[float] = []
        for kind in self.kinds:
            at = sum(map(len, truths)), len(capacitances), len(steps)
            kinds.append((len(kind.inputs), len(kind.outputs), *at, len(kind.steps)))
            truths.append(kind.cell.truth.ravel())
            capacitances += [each for three in kind.cell.capacitances for each in three]
            steps += map(self._step, kind.steps)
        table = np.array(kinds, dtype=np.int32).reshape(-1, 6)
        self.truth_at, self.truths = table[:, 2], np.concatenate(truths).astype(np.uint8)
        arrays = (
            table,
            self.truths,
            np.array(capacitances),
            np.array(steps, dtype=np.int32),
            np.array(self._shapes, dtype=np.int32),
            np.array(self._numbers),
        )
        self._arrays = arrays  # C only borrows them
        self.struct = _Library(*(array.ctypes.data for array in arrays))

    def _step(self, step: Step) -> tuple[int, ...]:
        edges = step.input, step.output, step.input_edge, step.output_edge
        return *edges, self._table(step.delay), self._table(step.slew)

    def _table(self, table: Table | None) -> int:
        if table is None:
            return NONE
        if id(table) not in self._tables:
            self._tables[id(table)] = len(self._shapes), table
            self._shapes.append((len(table.slews), len(table.loads), len(self._numbers)))
            self._numbers += [*table.slews, *table.loads]
            self._numbers += [value for row in table.values for value in row]
        return self._tables[id(table)][0]


class Flat:
    """The combinational cells of a netlist in arrays.

    Attributes:
        library: of its cells.
        nets: highest net number + 1.
        kinds: int32 [instances], numbers in the library.
        pins: int32: of each instance the nets of its inputs, then of its outputs; -1: none.
        pins_at: int64 [instances + 1], where those of each begin.
        at: int64 [instances + 1, 3], where what there is of each begins; see `FlatLibrary.sizes`.
    """

    def __init__(
        self, instances: Sequence[Instance], nets: int, library: FlatLibrary | None = None
    ) -> None:
        self.library = library or _library_of(instances)
        self.nets = nets
        names = [(kind.inputs, kind.outputs) for kind in self.library.kinds]
        kinds: list[int] = []
        pins: list[int] = []
        for instance in instances:
            kind, own = self.library.number[id(instance.cell)], dict(instance.pins)
            inputs, outputs = names[kind]
            kinds.append(kind)
            pins += [own[pin] for pin in inputs]
            pins += [own.get(pin, NONE) for pin in outputs]
        self.kinds, self.pins = np.array(kinds, np.int32), np.array(pins, np.int32)
        widths = np.array([len(i) + len(o) for i, o in names], np.int64)
        self.pins_at = _ends(widths[self.kinds]) if kinds else np.zeros(1, np.int64)
        sizes = self.library.sizes[self.kinds] if kinds else np.zeros((0, 3), np.int64)
        self.at = np.stack([_ends(column) for column in sizes.T], axis=1)

    def by_kind(self, chosen: np.ndarray) -> list[tuple[Kind, np.ndarray]]:
        """Group numbers of instances by their kind, in the order in which kinds appear."""
        own = self.kinds[chosen]
        kinds, first = np.unique(own, return_index=True)
        return [(self.library.kinds[k], chosen[own == k]) for k in kinds[np.argsort(first)]]

    def pins_of(self, kind: Kind, numbers: np.ndarray) -> np.ndarray:
        """The nets of instances of one kind: int32 [instances, inputs and outputs]."""
        width = len(kind.inputs) + len(kind.outputs)
        return np.asarray(self.pins[self.pins_at[numbers][:, None] + np.arange(width)])

    def of(self, flat: np.ndarray, numbers: np.ndarray, size: int) -> np.ndarray:
        """What an array tells of instances of one kind: [instances, values].

        Args:
            flat: all values of all instances.
            numbers: of the instances.
            size: 0, 1 or 2, see `FlatLibrary.sizes`.
        """
        count = int(self.library.sizes[self.kinds[numbers[0]], size])
        return np.asarray(flat[self.at[numbers, size][:, None] + np.arange(count)])

    def loads_pf(self, chosen: np.ndarray | None = None) -> np.ndarray:
        """Float [nets, 3]: capacitance of the pins on each net, to a rise, to a fall, and either.

        Args:
            chosen: numbers of the instances whose pins count; None: all.
        """
        load = np.zeros((self.nets, 3))
        every = np.arange(self.kinds.size, dtype=np.int32)
        numbers = every if chosen is None else np.sort(chosen).astype(np.int32)
        native(SOURCE).mapped_loads(
            *self._structs(), _at(numbers), ctypes.c_int32(numbers.size), _at(load)
        )
        return load

    def values(self, planes: np.ndarray) -> None:
        """Compute all nets that cells drive.

        Args:
            planes: uint64 [nets, words], an even number of words; constants and operands are set.

        Raises:
            AxdseError: a cell has too many inputs.
        """
        blocks = ctypes.c_int64(planes.shape[1] // BLOCK)
        if native(SOURCE).mapped_values(*self._structs(), _at(planes), blocks):
            raise AxdseError("a cell has at most 10 inputs", "one has more", "check the library")

    def timing(self, load: np.ndarray, slew: np.ndarray, arrival: np.ndarray) -> np.ndarray:
        """Fill in transition times and latest edges, float [nets, 2], from loads [nets, 3].

        Returns:
            The delays of all steps of all instances; inf where an output is not connected.
        """
        counts = np.array([len(kind.steps) for kind in self.library.kinds], np.int64)
        delays = np.full(int(counts[self.kinds].sum()) if self.kinds.size else 0, np.inf)
        arrays = map(_at, (load, slew, arrival, delays))
        native(SOURCE).mapped_timing(*self._structs(), *arrays)
        return delays

    def arcs_ns(self, delays: np.ndarray) -> np.ndarray:
        """Spread the delays of steps over outputs, inputs and states; see `FlatLibrary.sizes`."""
        arcs = np.full(int(self.at[-1, 0]), np.inf)
        if not self.kinds.size:
            return arcs
        counts = np.array([len(kind.steps) for kind in self.library.kinds], np.int64)
        first = _ends(counts[self.kinds])
        for kind, numbers in self.by_kind(np.arange(self.kinds.size)):
            own = delays[first[numbers][:, None] + np.arange(len(kind.steps))]
            own = np.concatenate([own, np.full((len(numbers), 1), np.inf)], axis=1)
            places = self.at[numbers, 0][:, None] + np.arange(kind.number.size)
            arcs[places] = own[:, kind.number.ravel()]
        return arcs

    def first_difference(
        self, planes: np.ndarray, product: Sequence[int], expected: np.ndarray
    ) -> int | None:
        """The first vector whose product is not `expected`, uint64 [vectors]; None: there is none.

        Args:
            planes: uint64 [nets, words], computed.
            product: nets of its bits.
            expected: uint64 [vectors].
        """
        code, nets = native(SOURCE), np.array(product, dtype=np.int32)
        expected = np.ascontiguousarray(expected, dtype=np.uint64)
        code.mapped_difference.restype = ctypes.c_int64
        sizes = ctypes.c_int32(nets.size), _at(expected), ctypes.c_int64(expected.size)
        words = ctypes.c_int64(planes.shape[1])
        found = code.mapped_difference(_at(planes), words, _at(nets), *sizes)
        return None if found < 0 else int(found)

    def _structs(self) -> tuple[object, object]:
        own = _Netlist(self.kinds.size, self.nets, self.kinds.ctypes.data, self.pins.ctypes.data)
        return ctypes.byref(self.library.struct), ctypes.byref(own)


class _ByIdentity:
    """A key that spares hashing all tables of a cell."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    def __hash__(self) -> int:
        return id(self.cell)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.cell is self.cell


def _library_of(instances: Sequence[Instance]) -> FlatLibrary:
    cells = {id(instance.cell): instance.cell for instance in instances}
    return _flat_library(*map(_ByIdentity, sorted(cells.values(), key=lambda cell: cell.name)))


@functools.lru_cache(256)
def _flat_library(*cells: _ByIdentity) -> FlatLibrary:
    return FlatLibrary([each.cell for each in cells])


def _ends(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
