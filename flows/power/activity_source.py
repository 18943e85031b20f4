"""Which operands follow one another? Uniform ones, or a trace in order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from axdse.flows.power.activity import Transitions
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format
from axdse.multipliers.operands.recording import code_bits, magnitudes

COUNT = 4096
SEED = 0
Pair = tuple[np.ndarray, np.ndarray]
Design = Multiplier | Candidate


@dataclass(frozen=True)
class Uniform:
    """Independent pairs. A core meets all its codes alike, and so does an integer unit.

    Operands of a float unit have uniform signs and fractions, and uniform exponents among those
    in the middle whose products are all normal numbers, 64..190 for 8 bits.

    Attributes:
        count: multiplications.
        seed: of the pairs.
    """

    count: int = COUNT
    seed: int = SEED

    @property
    def text(self) -> str:
        """Provenance for people."""
        return f"uniform, {self.count} independent pairs, seed {self.seed}"

    @property
    def digest(self) -> str:
        """What a cost depends on."""
        return digest("uniform", str(self.count), str(self.seed))

    def transitions(self, design: Design) -> Transitions:
        """Draw the pairs."""
        random = np.random.default_rng(self.seed)
        if isinstance(design, Candidate) and isinstance(design.format, FloatFormat):
            a, b = (float_unit_codes(design.format, self.count + 1, random) for _ in range(2))
            return in_order(a, b)
        core = design.multiplier if isinstance(design, Candidate) else design
        a, b = (
            random.integers(0, 1 << bits, self.count + 1, dtype=np.uint64)
            for bits in (core.a_bits, core.b_bits)
        )
        return in_order(a, b)


@dataclass(frozen=True, eq=False)
class Trace:
    """Pairs in the order in which a multiplier meets them.

    Attributes:
        a: uint64 codes of first operands.
        b: likewise of second ones.
        format: that the codes are in, those of a unit; None: codes of the design itself.
        name: for people.
    """

    a: np.ndarray
    b: np.ndarray
    format: Format | None
    name: str

    @property
    def text(self) -> str:
        """Provenance for people."""
        return f"{self.name}: {self.a.size} pairs in order"

    @property
    def digest(self) -> str:
        """What a cost depends on."""
        known = self.format.name if self.format else "codes"
        return digest("trace", known, self.a.tobytes(), self.b.tobytes())

    def transitions(self, design: Design) -> Transitions:
        """As recorded.

        Raises:
            AxdseError: the design is of another format.
        """
        if self.format is None:
            return in_order(self.a, self.b)
        if isinstance(design, Candidate):
            check_format(design.format, self.format, self.name)
            return in_order(self.a, self.b)
        return in_order(*core_codes(design, self.format, self.a, self.b))


def in_order(a: np.ndarray, b: np.ndarray) -> Transitions:
    """Each pair is followed by the next."""
    return Transitions(a[:-1], b[:-1], a[1:], b[1:])


def joined(parts: Sequence[Transitions]) -> Transitions:
    """One after the other; from part to part nothing follows."""
    sides = ("a", "b", "next_a", "next_b")
    return Transitions(*(np.concatenate([getattr(p, side) for p in parts]) for side in sides))


def float_unit_codes(
    number_format: FloatFormat,
    count: int,
    random: np.random.Generator,
    fraction: np.ndarray | None = None,
) -> np.ndarray:
    """Codes of uniform sign and middle exponent."""
    e, m, bias = number_format.exponent_bits, number_format.fraction_bits, number_format.bias
    sign = random.integers(0, 2, count, dtype=np.uint64)
    exponent = random.integers((bias + 1) // 2, (3 * bias + 1) // 2, count, dtype=np.uint64)
    if fraction is None:
        fraction = random.integers(0, 1 << m, count, dtype=np.uint64)
    return np.asarray(sign << np.uint64(e + m) | exponent << np.uint64(m) | fraction)


def check_format(wanted: Format, found: Format, name: str) -> None:
    """Refuse codes of another format.

    Raises:
        AxdseError: codes of the two differ.
    """

    def shape(number_format: Format) -> tuple[object, ...]:
        if isinstance(number_format, FloatFormat):
            return number_format.exponent_bits, number_format.fraction_bits
        return (number_format.unit.name,)

    if shape(wanted) != shape(found):
        rule = f"activity of a unit in {wanted.name} is of that format"
        raise AxdseError(rule, f"{found.name} in {name}", "record a run in that format")


def core_codes(core: Multiplier, number_format: Format, a: np.ndarray, b: np.ndarray) -> Pair:
    """What the core sees of a unit's operands: significands, or integers.

    Args:
        core: of the unit.
        number_format: of the operands.
        a: uint64 codes of first operands, of which the lowest bits count: those of a fraction.
        b: likewise of second ones.

    Raises:
        AxdseError: the core does not serve that format.
    """
    low = [np.uint64((1 << bits) - 1) for bits in code_bits(number_format)]
    a, b = a & low[0], b & low[1]
    if isinstance(number_format, FloatFormat):
        Candidate(core, replace(number_format, product="narrow"))
        hidden = np.uint64((core.family.kind == "integer") << number_format.fraction_bits)
        return a | hidden, b | hidden
    Candidate(core, number_format)
    if core.family.signed:
        return a, b
    first, second = number_format.operands
    return magnitudes(a, first), magnitudes(b, second)
