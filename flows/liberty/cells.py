"""What is a combinational cell? Its function, area, timing and power as data."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from axdse.flows.liberty.function import Gate, Gates, evaluate
from axdse.flows.liberty.tables import Table

Capacitance = tuple[float, float, float]  # to a rise, to a fall, and either, pF


@dataclass(frozen=True)
class TimingArc:
    """How an input drives an output.

    Attributes:
        input: pin.
        output: pin.
        sense: positive_unate, negative_unate or non_unate.
        when: condition on the other inputs; empty: always.
        rise: delay of the output's rise, ns; None: there is none.
        fall: likewise.
        rise_slew: transition time of the output's rise, ns.
        fall_slew: likewise.
    """

    input: str
    output: str
    sense: str
    when: str
    rise: Table | None
    fall: Table | None
    rise_slew: Table | None
    fall_slew: Table | None


@dataclass(frozen=True)
class PowerArc:
    """Energy inside the cell, beyond that of the load, when a pin switches.

    Attributes:
        pin: whose rise and fall it is.
        input: pin that caused it; empty: whatever the cause.
        when: condition on the inputs; empty: always.
        rise: energy, fJ; None: none.
        fall: likewise.
    """

    pin: str
    input: str
    when: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Leakage:
    """Leakage power, nW, in the states that meet `when`; empty: in all others."""

    when: str
    nw: float


@dataclass(frozen=True)
class Cell:
    """A combinational library cell.

    Attributes:
        area_um2: area, in the unit of the library (um2 in every library known to us).
        inputs: (pin, net) pairs.
        outputs: (pin, net) pairs.
        gates: the function, in an order that can be evaluated; net 0 is 0 and net 1 is 1.
        capacitances: (rise, fall, either) of each input, pF.
        timing: arcs from inputs to outputs.
        power: arcs with internal energy; empty: the library does not tell.
        leakage: by state; empty: the library does not tell.
    """

    name: str
    area_um2: float
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    gates: tuple[Gate, ...]
    capacitances: tuple[Capacitance, ...] = ()
    timing: tuple[TimingArc, ...] = ()
    power: tuple[PowerArc, ...] = ()
    leakage: tuple[Leakage, ...] = ()

    def evaluate(self, operands: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the value of each output pin; every bit of the (uint) arrays is one vector."""
        some = next(iter(operands.values()), np.zeros(1, dtype=np.uint64))
        nets = {0: np.zeros_like(some), 1: ~np.zeros_like(some)}
        nets.update((net, operands[pin]) for pin, net in self.inputs)
        evaluate(self.gates, nets)
        return {pin: nets[net] for pin, net in self.outputs}

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """Bool [outputs, 2^inputs]; bit i of a state is the value of input i."""
        states = np.arange(1 << len(self.inputs))
        operands = {pin: states >> i & 1 for i, (pin, _) in enumerate(self.inputs)}
        values = self.evaluate(operands).values() if self.inputs else []
        rows = [np.broadcast_to(value & 1, states.shape) for value in values]
        return np.array(rows, dtype=bool).reshape(-1, states.size)

    def holds(self, condition: str) -> np.ndarray:
        """Bool [2^inputs]: the states that meet an expression of the pins; all meet an empty one.

        Raises:
            AxdseError: it does not parse, or names another pin.
        """
        states = np.arange(1 << len(self.inputs))
        if not condition:
            return np.ones(states.size, dtype=bool)
        pins = [pin for pin, _ in (*self.inputs, *self.outputs)]
        nets = {0: np.zeros(states.size, dtype=bool), 1: np.ones(states.size, dtype=bool)}
        for number, _ in enumerate(self.inputs):
            nets[2 + number] = (states >> number & 1).astype(bool)
        nets.update(enumerate(self.truth, 2 + len(self.inputs)))
        builder = Gates({pin: number for number, pin in enumerate(pins, 2)})
        net = builder.add(condition)
        evaluate(builder.gates, nets)
        return nets[net]

    @property
    def is_nand2(self) -> bool:
        """Whether the function is a 2-input NAND."""
        if len(self.inputs) != 2 or len(self.outputs) != 1:
            return False
        return bool(self.truth.tolist() == [[True, True, True, False]])
