"""What is an array of multiply-accumulate units? Its area, clock and leakage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from axdse.flows.accelerator.record import MacCost, MacEnergy, ModuleCost
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording import Dataflow

LARGEST_SIDE = 1 << 16
_SIZE = re.compile(r"(\d+)x(\d+)", re.ASCII)


@dataclass(frozen=True)
class Array:
    """A systolic array.

    Output-stationary: both operands pass through a register of each processing element, and its
    accumulator keeps the sum. Weight-stationary: the second operand stays in its register, whose
    clock stands still meanwhile; the first one and the partial sum pass on.

    Attributes:
        rows: processing elements down.
        columns: and across.
        dataflow: "output-stationary" or "weight-stationary".

    Raises:
        AxdseError: a side is not within 1..65536.
    """

    rows: int = 16
    columns: int = 16
    dataflow: Dataflow = "output-stationary"

    def __post_init__(self) -> None:
        if not all(1 <= side <= LARGEST_SIDE for side in (self.rows, self.columns)):
            rule = f"an array has 1..{LARGEST_SIDE} rows and columns"
            raise AxdseError(rule, f"{self.rows}x{self.columns}", "write for example 16x16")

    @property
    def elements(self) -> int:
        """How many processing elements it has."""
        return self.rows * self.columns

    @property
    def moving(self) -> int:
        """How many operands a processing element takes in each cycle."""
        return 2 if self.dataflow == "output-stationary" else 1


def parse_array(size: str, dataflow: Dataflow) -> Array:
    """Read `16x16`.

    Raises:
        AxdseError: it is something else.
    """
    match = _SIZE.fullmatch(size)
    if match is None:
        raise AxdseError("an array is ROWSxCOLUMNS", repr(size), "write for example 16x16")
    return Array(int(match[1]), int(match[2]), dataflow)


@dataclass(frozen=True)
class ArrayCost:
    """What an array costs in silicon, before layout; its leakage is at rest.

    Attributes:
        array: the array.
        area_um2: of all processing elements.
        element_area_um2: of one.
        clock_fj: energy of the clock pins of all elements, per cycle, with the widest registers.
        leakage_nw: of all elements; 0: the library has no power tables.
        delay_ns: the shortest clock period.
    """

    array: Array
    area_um2: float
    element_area_um2: float
    clock_fj: float
    leakage_nw: float
    delay_ns: float


def array_cost(macs: Sequence[MacCost], array: Array) -> ArrayCost:
    """Area, clock and leakage of an array whose every element holds all these MACs.

    An element has each distinct module as often as the MAC that has most of it, and registers for
    the widest: layers run one after another, so arrays of their own would stand still, and would
    double what can be shared. The modules not in use are still; what selects one is not counted.
    """
    flop = macs[0].flip_flop
    modules: dict[str, ModuleCost] = {}
    for each in (module for mac in macs for module in mac.modules):
        known = modules.get(each.name)
        modules[each.name] = known if known and known.count >= each.count else each
    operand = max(mac.terms * mac.operand_bits for mac in macs)
    accumulator = max(mac.accumulator_bits for mac in macs)
    stage = max(mac.stage_bits for mac in macs)
    registers = 2 * operand + stage + accumulator
    element = sum(each.count * each.area_um2 for each in modules.values())
    element += registers * flop.area_um2
    element += max(mac.terms * mac.conversion_um2 for mac in macs)
    clocked = accumulator + stage + array.moving * operand
    leakage = sum(each.count * each.leakage_nw for each in modules.values())
    leakage += registers * flop.leakage_nw
    return ArrayCost(
        array=array,
        area_um2=element * array.elements,
        element_area_um2=element,
        clock_fj=clocked * flop.clock_fj * array.elements,
        leakage_nw=leakage * array.elements,
        delay_ns=max(mac.delay_ns for mac in macs),
    )


def element_fj(mac: MacCost, energy: MacEnergy, array: Array) -> float:
    """Energy of a processing element per product: the MAC, and the registers of its operands."""
    still = (2 - array.moving) * mac.operand_bits * mac.flip_flop.clock_fj
    return energy.timed.element_fj - still
