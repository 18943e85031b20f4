"""What does a D flip-flop load when, and what are its timing and power?"""

from dataclasses import dataclass

import numpy as np

from axdse.flows.liberty.cells import (
    INVERTER,
    Capacitance,
    Gates,
    Leakage,
    PowerArc,
    TimingArc,
    evaluate,
)
from axdse.flows.liberty.reader import (
    Head,
    capacitance_of,
    leakage_of,
    power_arcs,
    setup_tables,
    timing_arcs,
)
from axdse.flows.liberty.syntax import Group
from axdse.flows.liberty.tables import Table, size_of
from axdse.multipliers.errors import AxdseError

MOST_PINS = 8
STATE = ("ff", "latch", "ff_bank", "latch_bank", "statetable")


@dataclass(frozen=True)
class Flop:
    """A flip-flop that loads one pin, as it is, at the rising edge of another.

    Attributes:
        area_um2: area.
        inputs: pins; `data` and `clock` are among them.
        data: the pin that is loaded.
        clock: the pin at whose rising edge it is.
        outputs: (pin, whether it shows the inverse) pairs.
        clear: expression of the pins that forces 0; empty: none.
        preset: expression of the pins that forces 1; empty: none.
        capacitances: (rise, fall, either) of each input, pF.
        timing: arcs from the clock to the outputs.
        setup: of each check: of a rise and of a fall of the data, over the transition times of
            clock and data, ns.
        power: arcs with internal energy; empty: the library does not tell.
        leakage: by state; empty: the library does not tell.
    """

    name: str
    area_um2: float
    inputs: tuple[str, ...]
    data: str
    clock: str
    outputs: tuple[tuple[str, bool], ...]
    clear: str
    preset: str
    capacitances: tuple[Capacitance, ...] = ()
    timing: tuple[TimingArc, ...] = ()
    setup: tuple[tuple[Table | None, Table | None], ...] = ()
    power: tuple[PowerArc, ...] = ()
    leakage: tuple[Leakage, ...] = ()

    @property
    def pins(self) -> tuple[str, ...]:
        """Inputs, then outputs: bit i of a state is the value of pin i."""
        return (*self.inputs, *(pin for pin, _ in self.outputs))

    def capacitance_pf(self, pin: str) -> float:
        """Of an input, to either edge."""
        return self.capacitances[self.inputs.index(pin)][2]

    def holds(self, condition: str) -> np.ndarray:
        """Bool [2^pins]: the states that meet an expression of the pins; all meet an empty one.

        Raises:
            AxdseError: it does not parse, or names another pin.
        """
        states = np.arange(1 << len(self.pins))
        nets = {0: np.zeros(states.size, dtype=bool), 1: np.ones(states.size, dtype=bool)}
        nets.update((2 + i, (states >> i & 1).astype(bool)) for i in range(len(self.pins)))
        builder = Gates({pin: net for net, pin in enumerate(self.pins, 2)})
        net = builder.add(condition) if condition else 1
        evaluate(builder.gates, nets)
        return nets[net]


def is_simple(group: Group) -> bool:
    """Whether a cell may be a `Flop`: it has one `ff`, which loads a single pin."""
    kinds = [inner for inner in group.groups if inner.name in STATE]
    return [kind.name for kind in kinds] == ["ff"] and kinds[0].attribute("next_state").strip(
        " ()"
    ).isidentifier()


def read_flop(group: Group, head: Head) -> Flop | None:
    """Read a flip-flop; None: it is none that loads a pin at a rising edge, or does not parse.

    One that does not parse is left out, as no combinational design needs it.
    """
    try:
        return _flop(group, head)
    except AxdseError:
        return None


def _flop(group: Group, head: Head) -> Flop | None:
    state = next(inner for inner in group.groups if inner.name == "ff")
    pins = {name: pin for pin in group.all("pin") for name in pin.arguments}
    inputs = tuple(name for name, pin in pins.items() if pin.attribute("direction") == "input")
    drawn = [name for name, pin in pins.items() if pin.attribute("direction") == "output"]
    if len(inputs) + len(drawn) < len(pins) or not 2 < len(pins) <= MOST_PINS:
        return None
    data = _literal(state.attribute("next_state"), inputs)
    clock = _literal(state.attribute("clocked_on"), inputs)
    shown = [_literal(pins[name].attribute("function"), state.arguments) for name in drawn]
    if data is None or clock is None or data[1] or clock[1] or state.attribute("clocked_on_also"):
        return None
    if None in shown or any(pins[name].attribute("three_state") for name in drawn):
        return None
    flop = Flop(
        group.arguments[0],
        size_of(group, "area"),
        inputs,
        data[0],
        clock[0],
        tuple(
            (name, inverted != (variable in state.arguments[1:]))
            for name, (variable, inverted) in zip(drawn, filter(None, shown), strict=True)
        ),
        state.attribute("clear"),
        state.attribute("preset"),
        tuple(capacitance_of(pins[name], head) for name in inputs),
        tuple(a for name in drawn for a in timing_arcs(name, pins[name], head, "rising_edge")),
        tuple(setup_tables(pins[data[0]], head)),
        tuple(arc for name, pin in pins.items() for arc in power_arcs(name, pin, head)),
        leakage_of(group, head),
    )
    conditions = {flop.clear, flop.preset, *(entry.when for entry in flop.leakage)}
    for condition in conditions | {arc.when for arc in flop.power}:
        flop.holds(condition)
    return flop if flop.timing and {arc.input for arc in flop.timing} == {flop.clock} else None


def _literal(expression: str, names: tuple[str, ...]) -> tuple[str, bool] | None:
    """The name that an expression is, and whether inverted; None: it is more than that."""
    builder = Gates({name: net for net, name in enumerate(names, 2)})
    net = builder.add(expression)
    kinds = [gate.kind for gate in builder.gates]
    if kinds not in ([], [INVERTER]):
        return None
    source = builder.gates[0].inputs[0] if kinds else net
    return (names[source - 2], bool(kinds)) if source > 1 else None
