"""What is known of the silicon of one design?"""

from dataclasses import dataclass

from axdse.flows.netlist.adders import Adders, Aim
from axdse.flows.netlist.check import NetlistProof


@dataclass(frozen=True)
class Energy:
    """Power of one design under one activity, at the library's nominal voltage.

    Attributes:
        activity: which operands followed one another, for people.
        activity_digest: SHA-256 (hex) of that.
        multiplications: how many were simulated.
        energy_fj: dynamic energy per multiplication, glitches included, fJ.
        switching_fj: its part that charges pins, the clock's aside; but for `clock_fj` the rest
            is spent inside cells.
        zero_delay_fj: dynamic energy per multiplication without glitches, fJ.
        toggles: of all nets per multiplication, glitches included.
        zero_delay_toggles: of all nets per multiplication without glitches.
        leakage_nw: leakage power, nW.
        voltage_v: supply.
        clock_fj: the part of the energy that the clock of a pipeline takes in each cycle even if
            no data moves: charge of its pins, and inside registers.
    """

    activity: str
    activity_digest: str
    multiplications: int
    energy_fj: float
    switching_fj: float
    zero_delay_fj: float
    toggles: float
    zero_delay_toggles: float
    leakage_nw: float
    voltage_v: float
    clock_fj: float = 0.0


@dataclass(frozen=True)
class MappedCost:
    """Area and delay of the mapped netlist of a design, before layout.

    Attributes:
        design: spec of the core, or name of the candidate whose unit it is.
        area_um2: sum of cell areas.
        gate_equivalents: area over that of the library's smallest 2-input NAND.
        delay_ns: critical path from inputs to outputs, typical corner, no wires; the least clock
            period of a pipeline.
        cells: number of library cells, registers included.
        library: name of the Liberty library.
        library_digest: SHA-256 (hex) of its file.
        tools: names and versions.
        recipe: the commands of the tools that give these numbers again.
        rtl_digest: SHA-256 (hex) of the RTL.
        date: when it was computed, ISO 8601, UTC.
        basis: SHA-256 (hex) of what it depends on beside the design; only costs of one compare.
        proof: how the netlist was compared with C model and RTL.
    """

    design: str
    area_um2: float
    gate_equivalents: float
    delay_ns: float
    cells: int
    library: str
    library_digest: str
    tools: tuple[str, ...]
    recipe: str
    rtl_digest: str
    date: str
    basis: str
    proof: NetlistProof


@dataclass(frozen=True)
class FastCost(MappedCost):
    """What the fast road tells: no power, no clock, no registers."""


@dataclass(frozen=True)
class Cost(MappedCost):
    """What a design costs in silicon.

    Attributes:
        uniform: power under uniform operands; None: the library has no power tables.
        recorded: power under the activity asked for; None: none, or it is the uniform one.
        no_power: why there is no power; empty: there is.
        clock_ns: delay target of the synthesis; None: none, the smallest area.
        registers: number of flip-flops; 0: combinational.
        aim: what full adders were chosen by.
        adders: where those that it has come from.
    """

    uniform: Energy | None = None
    recorded: Energy | None = None
    no_power: str = ""
    clock_ns: float | None = None
    registers: int = 0
    aim: Aim = "energy"
    adders: Adders = "none"

    @property
    def slack_ns(self) -> float | None:
        """What the clock leaves; below 0: the design is infeasible. None: there is no clock."""
        return None if self.clock_ns is None else self.clock_ns - self.delay_ns

    @property
    def feasible(self) -> bool:
        """Whether the design meets its clock; always if there is none."""
        return self.clock_ns is None or self.delay_ns <= self.clock_ns
