"""What did a device answer, bit by bit: 0, 1, x or z?"""

from dataclasses import dataclass

import numpy as np


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
