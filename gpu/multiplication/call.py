"""What does an operator need to know of a multiplication?"""

from typing import NamedTuple

from axdse.multipliers.formats import Format


class Call(NamedTuple):
    """A product as operators take it: constants only, for graphs that torch compiles.

    Attributes:
        handle: of the multiplication; empty for native FP32.
        swap: exchange the operands.
        format: of the operands; None for native FP32.
        largest: magnitude of the first operand, a calibrated activation, that the scale of its
            format is made for; None: each tensor's own.
    """

    handle: str = ""
    swap: bool = False
    format: Format | None = None
    largest: float | None = None
