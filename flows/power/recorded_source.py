"""In which order did a multiplier of an array meet its operands in a network?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from axdse.flows.power.activity import Transitions
from axdse.flows.power.activity_source import COUNT, Design, core_codes, joined
from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.operands.encoding import operand_codes
from axdse.multipliers.operands.recording import Dataflow, OperandTrace, Recording


@dataclass(frozen=True, eq=False)
class Part:
    """What a design meets in one product of one layer.

    Attributes:
        trace: what was recorded.
        a: uint64 [segments, length], first operands as codes of the design.
        b: likewise second ones.
    """

    trace: OperandTrace
    a: np.ndarray
    b: np.ndarray

    @property
    def multiplications(self) -> int:
        """That the layer made in this product while it was recorded."""
        return self.trace.multiplications

    @property
    def available(self) -> int:
        """Transitions in the trace."""
        return int((self.trace.lengths - 1).sum())

    def transitions(self, count: int = COUNT) -> Transitions:
        """So many, as evenly from all rows as can be, or all if there are fewer."""
        valid = np.arange(self.a.shape[1] - 1)[:, None] < self.trace.lengths - 1
        sides = (self.a[:, :-1], self.b[:, :-1], self.a[:, 1:], self.b[:, 1:])
        return Transitions(*(side.T[valid][:count] for side in sides))


@dataclass(frozen=True, eq=False)
class Recorded:
    """The traces of a network; each layer and product has its share of the multiplications.

    Operands are rounded to the format of the design, whichever format the network ran in. A core
    has no format: it meets what a unit would show it: fractions of float(8, m), or integers if
    it is signed or the network ran in them.

    Attributes:
        recording: the traces.
        name: for people.
        dataflow: of the array.
        count: multiplications, about.
    """

    recording: Recording
    name: str
    dataflow: Dataflow = "output-stationary"
    count: int = COUNT

    @property
    def text(self) -> str:
        """Provenance for people."""
        ran = f"{self.recording.workload}, {self.recording.multiplier}"
        return f"{self.name} ({ran}): {self.count} in order, {self.dataflow}"

    @property
    def digest(self) -> str:
        """What a cost depends on."""
        return digest("recorded", self.recording.digest, self.dataflow, str(self.count))

    def parts(self, design: Design) -> tuple[Part, ...]:
        """What the design meets, layer by layer and product by product.

        Raises:
            AxdseError: nothing was recorded.
        """
        known = self._format_of(design)
        self.recording.check_serves(known)
        parts = tuple(_part(trace, design, known) for trace in self._traces())
        if not parts:
            rule = f"activity in {self.dataflow} order takes recorded traces"
            raise AxdseError(rule, f"none in {self.name}", "record a run of at least one step")
        return parts

    def transitions(self, design: Design) -> Transitions:
        """Those of all parts, in proportion to their multiplications.

        Raises:
            AxdseError: nothing was recorded.
        """
        return joined(list(self._chosen(self.parts(design))))

    def _chosen(self, parts: tuple[Part, ...]) -> Iterator[Transitions]:
        total = sum(part.multiplications for part in parts)
        # A short trace bounds all: shares count more than their number.
        scale = min(1.0, *(p.available * total / (p.multiplications * self.count) for p in parts))
        for part in parts:
            yield part.transitions(round(scale * self.count * part.multiplications / total))

    def _format_of(self, design: Design) -> Format:
        if isinstance(design, Candidate):
            return design.format
        family, bits = design.family, (design.a_bits, design.b_bits)
        if family.signed or (self.recording.of_integers and family.kind == "integer"):
            signs = family.operand_signs if family.signed else self.recording.signs
            first, second = (IntFormat(n, signed=s) for n, s in zip(bits, signs, strict=True))
            return first if first == second else replace(first, second=second)
        return FloatFormat(8, design.operand_bits - (family.kind == "integer"))

    def _traces(self) -> Iterator[OperandTrace]:
        for trace in self.recording.traces:
            if trace.dataflow == self.dataflow and (trace.lengths > 1).any():
                yield trace


def _part(trace: OperandTrace, design: Design, known: Format) -> Part:
    first, second = known.operands
    a = operand_codes(trace.a, trace.a_peak[:, None], first)
    b = operand_codes(trace.b, trace.b_peak[:, None], second)
    if not isinstance(design, Candidate):
        a, b = core_codes(design, known, a, b)
    return Part(trace, a, b)
