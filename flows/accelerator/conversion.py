"""What does it take to make FP32 of a sum, once per output, or to add it to the sum of chunks?"""

from dataclasses import dataclass

import numpy as np

from axdse.flows.accelerator.accumulator import FloatAccumulator, addends
from axdse.flows.accelerator.mac_netlists import module_netlist
from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.flows.liberty.library import Library
from axdse.flows.netlist.check import first_difference
from axdse.flows.netlist.delays import delays_of
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.power.activity import Transitions, timed_and_still
from axdse.flows.power.power import power_of
from axdse.multipliers.designs.datapath import Module
from axdse.multipliers.designs.rtl_text import UNIT_FOLDER, identifier
from axdse.multipliers.designs.sum_shape import SumShape
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.sum_unit import converted
from axdse.multipliers.sums.recipe import FixedRegister, FloatRegister, LazyRegister

DEPTH = 256  # products of a sum for which a converter is shared
COLUMN = 16  # elements that share one at most
SAMPLE = 1 << 14  # sums with which an adder is compared with its model
SEED = 0
FP32_FRACTION = 23


@dataclass(frozen=True)
class Conversion:
    """What happens to a register after its last step.

    Attributes:
        what: for people.
        chunk: after so many products; 0: once per output.
        elements: that share one: as many as there are steps between two of one element, of a
            sum of 256 products, at most 16.
        area_um2: of one.
    """

    what: str
    chunk: int
    elements: int
    area_um2: float


@dataclass(frozen=True, eq=False)
class Converter:
    """The netlists of a conversion.

    Attributes:
        cost: what is known of it without operands.
        to_fp32: of a register that is no float.
        adder: of chunks.
        shape: widths of the unit.
        accumulator: what the adder computes.
        library: the cells.
    """

    cost: Conversion
    to_fp32: Netlist | None
    adder: Netlist | None
    shape: SumShape
    accumulator: FloatAccumulator
    library: Library

    def energy_fj(self, registers: np.ndarray) -> tuple[float, float]:
        """Of one, with and without glitches, as one register follows another: uint64 codes."""
        codes = np.concatenate([np.zeros(1, np.uint64), self.shape.parted(registers)[1]])
        timed = still = 0.0
        values = codes
        if self.to_fp32:
            ones = np.ones_like(codes)
            timed, still = self._energy(self.to_fp32, codes, ones)
            values = converted(self.shape, codes)
        if self.adder:
            sums = np.zeros_like(values)
            for number in range(1, len(values)):
                sums[number] = self.accumulator.added(sums[number - 1], values[number - 1])
            more = self._energy(self.adder, sums, values)
            timed, still = timed + more[0], still + more[1]
        return timed, still

    def _energy(self, netlist: Netlist, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        delays, given = delays_of(netlist), Transitions(a[:-1], b[:-1], a[1:], b[1:])
        timed, still = (
            power_of(netlist, delays, activity, self.library).energy_fj
            for activity in timed_and_still(netlist, delays, given)
        )
        return timed, still


def conversion_of(unit: MacUnit, library: Library, clock_ns: float | None) -> Converter | None:
    """What makes FP32 of a MAC's register; None: it is FP32, or its exponent and fraction are.

    Raises:
        AxdseError: a tool fails, or a netlist differs from its model.
    """
    shape, recipe = unit.shape, unit.mac.recipe
    if shape is None or recipe is None or recipe.is_integer:
        return None
    held = recipe.register
    if isinstance(held, FloatRegister) and not recipe.chunk:
        return None
    to_fp32 = adder = None
    accumulator = FloatAccumulator(8, 23, 8, 23)
    if isinstance(held, FloatRegister):
        accumulator = FloatAccumulator(8, 23, held.exponent_bits, held.fraction_bits)
    else:
        to_fp32 = module_netlist(conversion_module(shape), library, clock_ns).netlist
        _check_conversion(unit, shape, to_fp32)
    if recipe.chunk:
        adder = module_netlist(accumulator.module, library, clock_ns).netlist
        _check_adder(accumulator, adder)
    steps = max(1, (recipe.chunk or DEPTH) // recipe.terms)
    area = sum(netlist.area_um2 for netlist in (to_fp32, adder) if netlist)
    parts = ("FP32 of the register",) * bool(to_fp32) + ("FP32 addition",) * bool(adder)
    cost = Conversion(" and ".join(parts), recipe.chunk, min(COLUMN, steps), area)
    return Converter(cost, to_fp32, adder, shape, accumulator, library)


def _check_conversion(unit: MacUnit, shape: SumShape, netlist: Netlist) -> None:
    _, _, codes = unit.stimulus()
    held = shape.sum.register
    if isinstance(held, LazyRegister):
        # A register has the exponent of a product, of which 2 is the smallest, or is cleared.
        exponent = codes >> np.uint64(held.width) & np.uint64((1 << shape.exponent_bits) - 1)
        codes = codes[(exponent >= 2) | (codes == 0)]
    ones = np.ones_like(codes)
    _refuse(netlist, first_difference(netlist, codes, ones, converted(shape, codes)))


def _check_adder(accumulator: FloatAccumulator, netlist: Netlist) -> None:
    sums, values = addends(accumulator, SAMPLE, SEED)
    _refuse(netlist, first_difference(netlist, sums, values, accumulator.added(sums, values)))


def _refuse(netlist: Netlist, found: tuple[int, int, int, int] | None) -> None:
    if found:
        a, b, got, expected = found
        raise AxdseError(
            f"the mapped netlist of {netlist.top} must compute what its model does",
            f"{a:#x}, {b:#x} gives {got:#x}, not {expected:#x}",
            "report it: the synthesis is at fault",
        )


def conversion_module(shape: SumShape) -> Module:
    """What makes FP32 of a register that is not a float, once per output: ports `c`, `on` and `d`.

    `on` has no effect: a module has two inputs.

    Raises:
        AxdseError: the register needs none.
    """
    held = shape.sum.register
    if not isinstance(held, LazyRegister | FixedRegister):
        rule = "lazy and fixed-point sums are converted once per output"
        raise AxdseError(rule, shape.sum.name, "there is nothing to convert")
    v, x, top = held.width, shape.exponent_bits, shape.register_bits - 1
    if isinstance(held, LazyRegister):
        keep, offset, exponent = shape.keep, shape.bias - 127, f"c[{v + x - 1}:{v}]"
        is_deep = v - shape.keep - offset < 0  # a term's smallest exponent is 2
    else:
        keep, offset, exponent = 0, -held.lowest - 127, f"{x}'d0"
        is_deep = v - 1 - offset < 1
    nearest = int(shape.sum.rounding == "rne")
    # The smallest number takes a bit more as a magnitude; the normaliser gives the bits of FP32.
    below = max(0, FP32_FRACTION + 2 - v)
    zeros = f", {below}'d0" if below else ""
    total = f"{{c[{v - 1}], c[{v - 1}:0]{zeros}}}"
    body = (
        f"  wire [1:0] special = c[{top}:{top - 1}];\n"
        f"  sum_round #(.W({v + 1 + below}), .KEEP({keep + below}), .X({x}), .OFFSET({offset}),\n"
        f"      .E(8), .R(23), .NEAREST({nearest}), .DEEP({int(is_deep)})) normalise (\n"
        f"      .total({total}),\n"
        f"      .largest({exponent}), .nan(&special), .plus(special[0]), .minus(special[1]),\n"
        "      .chance(1'b0), .d(d));\n"
    )
    name = f"convert_{shape.format_word}_{identifier(shape.sum.name)}"
    inputs = (("c", shape.register_bits), ("on", 1))
    files = (UNIT_FOLDER / "sum_round.v",)
    return Module(name, inputs, (("d", 32),), body, files, adds=False)
