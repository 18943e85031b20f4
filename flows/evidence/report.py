"""What did a device answer, and what does a check say of it? As JSON that is the certificate."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Order = Literal["straight", "swapped"]
Simulator = Literal["icarus", "verilator"]
Verdict = Literal["proved", "exhaustive", "sampled", "mismatch"]


@dataclass(frozen=True)
class Mismatch:
    """One counter-example.

    Attributes:
        a: bit pattern of the RTL's first operand.
        b: of the second one.
        expected: what the model says, a bit pattern.
        got: what the RTL says, in hex; may hold x or z, and X where bits of a digit are mixed.
    """

    a: int
    b: int
    expected: int
    got: str


@dataclass(frozen=True)
class Covered:
    """How much of one class of vectors was tried, such as the corner pairs."""

    name: str
    covered: int
    total: int


@dataclass(frozen=True)
class Proof:
    """Whether RTL computes what its C model does, on every operand pair.

    Attributes:
        design: spec of the multiplier.
        verdict: "unknown": the time limit left pairs that were not compared.
        method: "exhaustion": gates, as Yosys reads the RTL, against the model on every pair.
        pairs: operand pairs compared, all distinct.
        total: operand pairs that exist.
        gates: two-input ands that were compared.
        examples: the first pairs that differ, if any.
        model_digest: SHA-256 (hex) of the C source, its function and parameters.
        rtl_digest: SHA-256 (hex) of the RTL.
        tools: names and versions.
        seconds: wall time.
    """

    design: str
    verdict: Literal["proved", "different", "unknown"]
    method: Literal["exhaustion"]
    pairs: int
    total: int
    gates: int
    examples: tuple[Mismatch, ...]
    model_digest: str
    rtl_digest: str
    tools: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Reading:
    """What a synthesiser reads in RTL, compared with what the simulator answered.

    Attributes:
        tool: the synthesiser.
        registers: there are flip-flops; the comparison went through cycles of the clock.
        vectors: operand pairs compared, all distinct.
        mismatches: how many of them differ.
        examples: the first of those: `expected` is the simulator's answer, `got` what the
            synthesiser's reading gives, x where that depends on an unknown.
    """

    tool: str
    registers: bool
    vectors: int
    mismatches: int
    examples: tuple[Mismatch, ...]


@dataclass(frozen=True)
class Tried:
    """One way to read a C model that leaves open how, and how many products differ in it.

    Attributes:
        reading: what its operands are taken for.
        mismatches: in the order of operands that fits best; None: its products do not fit.
    """

    reading: str
    mismatches: int | None


@dataclass(frozen=True)
class RtlReport:
    """The verdict on one design.

    Attributes:
        design: spec of the core, name of the candidate whose unit it is, or function's name.
        verdict: all but "mismatch" are passes; "exhaustive": every pair was simulated, and the
            simulation has no past; "proved": sampled, and proved by `proof`.
        call: the C call, of the RTL's ports, that was compared with its product.
        a_bits: width of the RTL's first operand.
        b_bits: of the second one.
        product_bits: of the product.
        signed: operands and product are two's complement.
        latency: clock edges from operands to product; 0: combinational.
        vectors: operand pairs tried, all distinct.
        coverage: how many of what they met.
        mismatches: how many of them differ.
        examples: the first of those.
        order: "swapped": the C function takes the RTL's second operand first.
        other_order_mismatches: how many pairs differ with the operands exchanged: 0 and a
            mismatch: only the order is wrong; 0 and a pass: the design is symmetric.
        model_digest: SHA-256 (hex) of the C source, its function and parameters.
        rtl_digest: SHA-256 (hex) of the RTL.
        table_digest: SHA-256 (hex) of all products, if all were compared.
        tools: names and versions.
        seed: of the random vectors.
        seconds: wall time of the simulation, shared by the designs in it.
        date: ISO 8601, UTC.
        proof: beyond simulation, if there is one.
        reading: what a synthesiser reads; None: not asked, for RTL of the built-in catalogue of
            which every pair was simulated.
        past: why answers may depend on more than the operands; empty: they do not.
        unsigned_operand: of the RTL, the one that is no two's complement though the others are.
        unsigned_char: the model's plain `char` was compiled without a sign.
        levels: of reset and enable, if they are not those that their names suggest.
        rtl_only: the model was made of the RTL's gates: a pass says that simulator and
            synthesiser read the RTL alike.
        tried: all ways to read the model that were compared, if its files leave several open.
    """

    design: str
    verdict: Verdict
    call: str
    a_bits: int
    b_bits: int
    product_bits: int
    signed: bool
    latency: int
    vectors: int
    coverage: tuple[Covered, ...]
    mismatches: int
    examples: tuple[Mismatch, ...]
    order: Order
    other_order_mismatches: int | None
    model_digest: str
    rtl_digest: str
    table_digest: str
    tools: tuple[str, ...]
    seed: int
    seconds: float
    date: str
    proof: Proof | None = None
    reading: Reading | None = None
    past: str = ""
    unsigned_operand: Literal["", "a", "b"] = ""
    unsigned_char: bool = False
    rtl_only: bool = False
    levels: str = ""
    tried: tuple[Tried, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether RTL and model agree on every vector, and so do simulator and synthesiser."""
        return self.verdict != "mismatch"

    @property
    def whole(self) -> bool:
        """Whether every pair was simulated, and no other answer can come from another past."""
        every = self.vectors == 1 << (self.a_bits + self.b_bits)
        registers = self.latency > 0 or (self.reading is not None and self.reading.registers)
        return every and not registers and not self.past

    @property
    def only_order_is_wrong(self) -> bool:
        """Whether the RTL equals the model with its operands exchanged, and only so."""
        return self.mismatches > 0 and self.other_order_mismatches == 0


@dataclass(frozen=True, eq=False)
class Response:
    """Products in four states, as Verilog's VPI encodes them.

    A bit on which the way back of `walk` disagrees is not a function of the operands: x.

    Attributes:
        value: uint64 of shape [vectors]; where a bit is unknown, 1 means x and 0 means z.
        unknown: uint64 likewise, 1 where the bit is x or z.
    """

    value: np.ndarray
    unknown: np.ndarray

    def text(self, index: int, bits: int) -> str:
        """One product in hex; a digit that is not known is x, z, or X where bits are mixed."""
        value, unknown = int(self.value[index]), int(self.unknown[index])
        digits = range((bits - 1) // 4 * 4, -1, -4)
        return "".join(_digit(value >> at & 15, unknown >> at & 15, bits - at) for at in digits)


def _digit(value: int, unknown: int, bits: int) -> str:
    every = (1 << min(bits, 4)) - 1
    if not unknown:
        return f"{value:x}"
    if unknown != every or value not in (0, every):
        return "X"
    return "x" if value else "z"
