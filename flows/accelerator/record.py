"""What is known of a MAC's cost? Areas, delays and energies, and what they came from."""

from dataclasses import dataclass

from axdse.flows.accelerator.conversion import Conversion
from axdse.flows.netlist.adders import Adders, Aim
from axdse.flows.netlist.check import NetlistProof
from axdse.flows.netlist.registers import FlipFlop
from axdse.multipliers.designs.datapath import Role
from axdse.multipliers.designs.design_point import ProductName


@dataclass(frozen=True)
class Shares:
    """Dynamic energy of one product by what takes it, fJ.

    Attributes:
        core: of a recipe's cores; of a format's sum they are in `multiplier`.
        multiplier: what else multiplies: sign, exponent, special values.
        sum: alignment, addition, normaliser.
        stage: the register before the normaliser.
        accumulator: the register of the running sum, clock and toggles.
        operands: the registers of both operands likewise, both clocked.
        conversion: what is done once per output or chunk, its share of a product.
    """

    core: float
    multiplier: float
    sum: float
    stage: float
    accumulator: float
    operands: float
    conversion: float

    @property
    def mac_fj(self) -> float:
        """All but the registers of the operands."""
        return self.element_fj - self.operands

    @property
    def element_fj(self) -> float:
        """All: of an output-stationary processing element."""
        registers = self.stage + self.accumulator + self.operands
        return self.core + self.multiplier + self.sum + registers + self.conversion

    @property
    def multiplier_share(self) -> float:
        """That of cores and what else multiplies in the whole."""
        return (self.core + self.multiplier) / self.element_fj


@dataclass(frozen=True)
class MacEnergy:
    """What one product takes under one activity.

    Attributes:
        activity: which operands followed one another, for people.
        multiplications: how many were simulated.
        timed: glitches included.
        still: without glitches.
        a_toggles: bits that change from one first operand of a multiplier to the next.
        b_toggles: likewise of second operands.
        overflow: share of products, of a recipe of sums, that are infinite or NaN.
    """

    activity: str
    multiplications: int
    timed: Shares
    still: Shares
    a_toggles: float
    b_toggles: float
    overflow: float

    @property
    def energy_fj(self) -> float:
        """Of the MAC, glitches included, without the registers of the operands."""
        return self.timed.mac_fj


@dataclass(frozen=True)
class PartEnergy:
    """What a MAC takes in one product of one layer."""

    layer: str
    product: ProductName
    multiplications: int
    energy: MacEnergy


@dataclass(frozen=True)
class ModuleCost:
    """One kind of module of a unit.

    Attributes:
        name: of its RTL; equal names are equal modules.
        role: whose figure it is.
        count: in one unit.
        area_um2: of one.
        leakage_nw: of one under uniform operands; 0: the library has no power tables.
        adders: where its full adders come from.
    """

    name: str
    role: Role
    count: int
    area_um2: float
    leakage_nw: float
    adders: Adders


@dataclass(frozen=True)
class MacCost:
    """What a MAC costs in silicon, before layout. A unit of N terms makes N products at a time.

    Attributes:
        design: name of the MAC.
        terms: N.
        modules: of the unit.
        stage_bits: width of the register before the normaliser; 0: there is none.
        accumulator_bits: width of the running sum's.
        operand_bits: width of each of the 2 N operands, with its share of a step's scale.
        flip_flop: the cell that all registers are made of.
        delay_ns: the shortest clock period, between registers.
        conversion: what is done once per output, or chunk; None: nothing.
        aim: what full adders were chosen by, module for module.
        library: name of the Liberty library.
        library_digest: SHA-256 (hex) of its file.
        tools: names and versions.
        date: when it was computed, ISO 8601, UTC.
        basis: SHA-256 (hex) of what it depends on beside the MAC and what was recorded.
        proof: how the netlist was compared with model and RTL.
        uniform: energy under uniform operands; None: the library has no power tables.
        recorded: energy under all that was recorded; None: it was asked for part by part.
        parts: energy under each recorded product of a layer.
        no_power: why there is no energy; empty: there is.
    """

    design: str
    terms: int
    modules: tuple[ModuleCost, ...]
    stage_bits: int
    accumulator_bits: int
    operand_bits: float
    flip_flop: FlipFlop
    delay_ns: float
    conversion: Conversion | None
    aim: Aim
    library: str
    library_digest: str
    tools: tuple[str, ...]
    date: str
    basis: str
    proof: NetlistProof
    uniform: MacEnergy | None
    recorded: MacEnergy | None
    parts: tuple[PartEnergy, ...]
    no_power: str = ""

    def role_um2(self, *roles: Role) -> float:
        """Area of the modules of these roles, for each product."""
        of_role = (each for each in self.modules if each.role in roles)
        return sum(each.count * each.area_um2 for each in of_role) / self.terms

    @property
    def registers_um2(self) -> float:
        """Area of all registers for each product: operands, stage, accumulator."""
        bits = 2 * self.terms * self.operand_bits + self.stage_bits + self.accumulator_bits
        return bits * self.flip_flop.area_um2 / self.terms

    @property
    def conversion_um2(self) -> float:
        """Area, for each product, of an element's share of a converter."""
        if self.conversion is None:
            return 0.0
        return self.conversion.area_um2 / self.conversion.elements / self.terms

    @property
    def element_um2(self) -> float:
        """Area of a processing element for each product."""
        logic = self.role_um2("core", "multiplier", "sum")
        return logic + self.registers_um2 + self.conversion_um2

    @property
    def area_um2(self) -> float:
        """Area of one unit with its accumulator and stage, without the registers of operands."""
        operands = 2 * self.terms * self.operand_bits * self.flip_flop.area_um2
        return self.element_um2 * self.terms - operands
