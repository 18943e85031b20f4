"""What does a search evaluate? A multiplier in a number format."""

from dataclasses import dataclass

from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat


@dataclass(frozen=True)
class Candidate:
    """One core serving one format.

    Raises:
        AxdseError: the core's width or kind does not fit the format.
    """

    multiplier: Multiplier
    format: Format

    def __post_init__(self) -> None:
        family = self.multiplier.family
        if family.signed and not isinstance(self.format, IntFormat):
            raise AxdseError(
                "a signed core multiplies two's complement integers: int8",
                self.name,
                "choose int8 or an unsigned family",
            )
        if family.kind == "significand":
            self._check_significand()
        elif self.multiplier.operand_bits != self.format.operand_bits:
            raise AxdseError(
                f"{self.format.name} needs an integer core of {self.format.operand_bits} bits",
                self.multiplier.spec,
                "choose n to fit: m + 1 for float(e,m), 8 for int8",
            )

    def _check_significand(self) -> None:
        if not isinstance(self.format, FloatFormat) or self.format.product == "wide":
            raise AxdseError(
                "a significand core gives m fraction bits: float formats, product=narrow only",
                f"{self.multiplier.spec} in {self.format.name}",
                "choose float(e,m,product=narrow) or an integer family",
            )
        if self.multiplier.operand_bits != self.format.fraction_bits:
            raise AxdseError(
                f"{self.format.name} needs a significand core of m={self.format.fraction_bits}",
                self.multiplier.spec,
                "choose m to fit",
            )

    @property
    def name(self) -> str:
        """Canonical text such as `drum(n=8,k=4) in int8`."""
        return f"{self.multiplier.spec} in {self.format.name}"
