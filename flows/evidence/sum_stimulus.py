"""With which operands and running sums is the unit of a sum tried?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from axdse.flows.evidence.report import Covered
from axdse.flows.evidence.sum_edges import StepMaker, Steps
from axdse.flows.evidence.sum_edges_blocks import BlockMaker
from axdse.multipliers.designs.sum_shape import SumShape
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.mx_codes import mx_codes
from axdse.multipliers.sums.random_bits import STATE_BITS
from axdse.multipliers.sums.recipe import FloatRegister

RANDOM_ROWS = 24_000


@dataclass(frozen=True, eq=False)
class SumStimulus:
    """Steps of a sum.

    Attributes:
        a: codes of first operands, uint64 [rows, N].
        b: of second operands, likewise.
        c: running sums as the unit's port has them, uint64 [rows].
        exhaustive: these are all steps that exist.
        coverage: which classes they are of.
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    exhaustive: bool
    coverage: tuple[Covered, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return int(self.c.size)

    def spread(self, rows: int) -> "SumStimulus":
        """About so many of them, of each class some."""
        return self if self.rows <= rows else self.of(np.s_[:: -(-self.rows // rows)])

    def of(self, rows: np.ndarray | slice) -> "SumStimulus":
        """These of them."""
        return SumStimulus(self.a[rows], self.b[rows], self.c[rows], False, ())


def every_step(shape: SumShape, first: int, count: int) -> SumStimulus:
    """Steps from number `first`: (b, a, c) as one integer, c lowest."""
    number = np.arange(first, first + count, dtype=np.uint64)
    n, c_bits = shape.sum.terms, shape.register_bits
    codes, place = np.zeros((count, 2 * n), np.uint64), c_bits
    for pin in shape.port:
        value = number >> np.uint64(place) & np.uint64((1 << pin.width) - 1)
        codes[:, pin.operand] |= value << np.uint64(pin.low)
        place += pin.width
    c = number & np.uint64((1 << c_bits) - 1)
    return SumStimulus(codes[:, :n], codes[:, n:], c, False, ())


def sum_stimulus(shape: SumShape, seed: int) -> SumStimulus:
    """Directed steps, then random ones.

    Every gap between exponents up to where nothing is left, every pattern of signs of the first
    terms, cancellation down to every leading zero, both ends of the operands' range, special
    values in each lane and in c, random codes of near and of any exponents, and both ends of the
    register.
    """
    make = (BlockMaker if shape.blocks else StepMaker)(shape, np.random.default_rng(seed))
    if shape.is_mx:
        return _of_blocks(make, sum_stimulus(shape.decoded, seed))
    if shape.sum.is_integer:
        return _collected(
            {"extremes": make.extremes(), "random codes": [make.random(RANDOM_ROWS)]}
        )
    parts: dict[str, Iterable[Steps]] = {
        "exponent gaps": make.gaps(),
        "sign patterns": make.signs(),
        "cancellations": make.cancellations(),
        "special values": make.specials(),
        "near exponents": [make.near(RANDOM_ROWS // 2)],
        "random codes": [make.random(RANDOM_ROWS // 2)],
    }
    if isinstance(shape.sum.register, FloatRegister):
        parts["ends of the register"] = make.borders()
    steps = _collected(parts)
    return _with_states(make, steps) if shape.sum.is_random else steps


def _with_states(make: StepMaker, steps: SumStimulus) -> SumStimulus:
    """The same from generators in any state, a quarter in those that round up least or most."""
    shape, rows = make.shape, steps.rows
    states = make.rng.integers(0, 1 << STATE_BITS, rows, np.uint64)
    ends = make.rng.choice(np.array([0, (1 << STATE_BITS) - 1], np.uint64), rows)
    states = np.where(make.rng.random(rows) < 0.25, ends, states)
    sums = shape.parted(steps.c)[1]
    met = len(np.unique(states))
    covered = Covered("states of the generator", met, 1 << STATE_BITS)
    return replace(steps, c=shape.joined(states, sums), coverage=(*steps.coverage, covered))


def _of_blocks(make: StepMaker, steps: SumStimulus) -> SumStimulus:
    """The same numbers as elements and scales, and any codes of both."""
    form = make.shape.candidate.format
    assert isinstance(form, FloatFormat)
    own = *(mx_codes(side, form, make.rng) for side in (steps.a, steps.b)), steps.c
    drawn = make.random(RANDOM_ROWS // 2)
    a, b, c = (np.concatenate(both) for both in zip(own, drawn, strict=True))
    covered = Covered("random elements and scales", len(drawn[2]), len(drawn[2]))
    return SumStimulus(a, b, c, False, (*steps.coverage, covered))


def _collected(parts: Mapping[str, Iterable[Steps]]) -> SumStimulus:
    rows, coverage = [], []
    for name, given in parts.items():
        made = list(given)
        rows += made
        met = sum(len(part[2]) for part in made)
        coverage.append(Covered(name, met, met))
    a, b, c = (np.concatenate(arrays) for arrays in zip(*rows, strict=True))
    return SumStimulus(a, b, c, False, tuple(coverage))
