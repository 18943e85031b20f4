"""Which taps reach a pixel? One axis of an input gradient, as sums over them.

With stride s, output gradient y reaches image row s y - padding + dilation t by tap t. The rows of
one residue modulo s are reached by the same taps, an arithmetic progression, and step through the
output gradient by one: a convolution of stride 1, without zeros put in between.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """One residue of one axis.

    Attributes:
        pixel: the first pixel; the next ones are a stride apart.
        pixels: how many there are.
        tap: the first tap that reaches them.
        tap_step: from one such tap to the next.
        taps: how many there are; may be none.
        step: index in the output gradient of the first pixel and tap; may be outside of it.
        back: how far the next tap lies before.
    """

    pixel: int
    pixels: int
    tap: int
    tap_step: int
    taps: int
    step: int
    back: int

    @property
    def first(self) -> int:
        """The smallest index in the output gradient."""
        return self.step - self.back * max(self.taps - 1, 0)

    @property
    def last(self) -> int:
        """The largest."""
        return self.step + self.pixels - 1


def phases(pixels: int, taps: int, stride: int, padding: int, dilation: int) -> tuple[Phase, ...]:
    """Split an axis of so many pixels by residues; every pixel is in one phase."""
    return tuple(
        _phase(pixel, pixels, taps, stride, pixel + padding, dilation)
        for pixel in range(min(stride, pixels))
    )


def _phase(pixel: int, pixels: int, taps: int, stride: int, place: int, dilation: int) -> Phase:
    period = stride // math.gcd(stride, dilation)
    tap = next((t for t in range(min(period, taps)) if (place - t * dilation) % stride == 0), taps)
    return Phase(
        pixel=pixel,
        pixels=-(-(pixels - pixel) // stride),
        tap=tap,
        tap_step=period,
        taps=-(-(taps - tap) // period),
        step=(place - tap * dilation) // stride,
        back=period * dilation // stride,
    )


def border(axis: tuple[Phase, ...], steps: int) -> tuple[int, int]:
    """How many steps the output gradient lacks before and after those that it has."""
    used = [phase for phase in axis if phase.taps]
    before = max([0, *(-phase.first for phase in used)])
    return before, max([0, *(phase.last - steps + 1 for phase in used)])
