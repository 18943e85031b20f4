"""What is the unit of a MAC? Its datapath, and what its register holds step after step."""

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from axdse.flows.accelerator.accumulator import Accumulator, accumulator_of, sums_beside
from axdse.flows.evidence.stimulus import core_stimulus, unit_stimulus
from axdse.flows.evidence.sum_stimulus import sum_stimulus
from axdse.multipliers.designs.datapath import Block, Datapath, Slice, whole
from axdse.multipliers.designs.design_point import Mac
from axdse.multipliers.designs.rtl_text import identifier
from axdse.multipliers.designs.sum_rtl import sum_datapath, unit_module
from axdse.multipliers.designs.sum_shape import SumShape
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.sum_unit import sum_steps
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.sums.random_bits import first_states
from axdse.multipliers.sums.recipe import Sum

SEED = 0
MOST_STEPS = 1 << 17  # with which a unit is compared with its model


@dataclass(frozen=True)
class MacUnit:
    """The combinational part of a MAC, with or without a register before its normaliser.

    With the register a sum takes two clocks from `c` to `d`: two outputs take turns, of which one
    is in the stage register while the other is in the accumulator.

    Attributes:
        mac: what multiplies and adds.
        stages: 1 with that register; no matter where there is no normaliser in the loop.
    """

    mac: Mac
    stages: int = 1

    @property
    def recipe(self) -> Sum | None:
        """The sum with its stages, if it is one."""
        recipe = self.mac.recipe
        if recipe is None:
            return None
        stages = recipe.stages
        if self._shape.is_rounded:
            stages = max(stages, self.stages)
        return dataclasses.replace(recipe, stages=stages)

    @property
    def terms(self) -> int:
        """N, the products of a step."""
        return self.mac.recipe.terms if self.mac.recipe else 1

    @property
    def operand_bits(self) -> float:
        """Width of one operand, with its share of a scale that a step has once."""
        if self.mac.recipe:
            return self._shape.port_bits / (2 * self.terms)
        return self._own_bits

    @property
    def _own_bits(self) -> int:
        first, second = self.mac.format.operands
        if first.bits != second.bits:
            rule = "the operands of a MAC are of one width"
            raise AxdseError(rule, self.mac.name, "cost its multiplier alone")
        return first.bits

    def held(self, codes: np.ndarray) -> np.ndarray:
        """What of operand codes, uint64 [..., N], registers hold: of blocks one scale a step."""
        blocks = self.shape.blocks if self.shape else None
        if blocks is None:
            return codes
        scaled = np.arange(self.terms) == 0
        elements = codes & np.uint64((1 << blocks.bits) - 1)
        return np.asarray(np.where(scaled, codes, elements))

    @functools.cached_property
    def path(self) -> Datapath:
        """Its Verilog.

        Raises:
            AxdseError: there is none, or the sum does not fit the format.
        """
        candidate, recipe = self.mac.candidate, self.recipe
        if recipe:
            return sum_datapath(candidate, recipe)
        unit, accumulator = unit_module(candidate), accumulator_of(candidate.format)
        n, stage = self._own_bits, accumulator.stage if self.stages else ()
        pins = (("a", Slice("ab", 0, n)), ("b", Slice("ab", n, n)))
        product = whole("p", unit.outputs[0][1])
        blocks = [Block("multiplier", unit, (*pins, ("p", product))), *accumulator.blocks]
        if stage:
            blocks[-1] = blocks[-1].behind_stage
        family = candidate.multiplier.family
        name = f"mac_{identifier(candidate.name)}{'_stages1' if stage else ''}"
        core = family.module or family.name
        return Datapath(name, tuple(blocks), 2 * n, accumulator.bits, stage, core, family.verilog)

    def packed(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Port `ab` of operand codes [rows, N]: uint64 [rows], or [rows, words] if it is wide."""
        bits = np.hstack([_bits(value, width) for value, width in self._port(a, b)])
        lanes = np.packbits(bits, axis=1, bitorder="little")
        lanes = np.pad(lanes, ((0, 0), (0, -lanes.shape[1] % 8)))
        words = np.ascontiguousarray(lanes).view(np.uint64)
        return words if self.path.operands > 64 else words[:, 0]

    def _port(self, a: np.ndarray, b: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """The parts of port `ab`, [rows] with their widths, lowest first."""
        shape = self.shape
        if shape is None:
            codes = np.concatenate([a, b], axis=1).T
            return ((code, self._own_bits) for code in codes)
        return zip(shape.port_values(a, b), (pin.width for pin in shape.port), strict=True)

    def steps(
        self, a: np.ndarray, b: np.ndarray, start: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the register holds before and after each step, uint64 [rows, steps].

        Where a chunk ends it is cleared; the outer sum is elsewhere.

        Args:
            a: codes of first operands, uint64 [rows, steps x N].
            b: of second ones, likewise.
            start: the register before the first step, uint64 [rows]; default: cleared, and
                generators as in the first outputs of a tensor.

        Raises:
            AxdseError: the core's model fails, or there is no C compiler.
        """
        cleared, shape = np.zeros(len(a), np.uint64), self.shape
        first = cleared if start is None else start
        if shape and start is None:
            first = shape.joined(first_states(0, np.arange(len(a))), cleared)
        chunk = (self.mac.recipe.chunk if self.mac.recipe else 0) or max(a.shape[1], 1)
        parts = []
        for k in range(0, a.shape[1], chunk):
            here = np.s_[:, k : k + chunk]
            after = self._after(a[here], b[here], first)
            before = np.concatenate([first[:, None], after[:, :-1]], axis=1)
            parts.append((before, after))
            if shape:  # a generator outlasts a chunk
                first = shape.joined(shape.parted(after[:, -1])[0], cleared)
        before, after = (np.concatenate(side, axis=1) for side in zip(*parts, strict=True))
        return before, after

    def _after(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        candidate, recipe = self.mac.candidate, self.recipe
        if recipe:
            return sum_steps(candidate, recipe, a, b, c)
        products, accumulator = unit_products(candidate, a, b), accumulator_of(candidate.format)
        states = [c]
        for column in range(a.shape[1]):
            states.append(accumulator.added(states[-1], products[:, column]))
        return np.stack(states[1:], axis=1)

    def stimulus(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Directed and random steps: operand codes a, b [rows, N] and registers [rows]."""
        if self.mac.recipe:
            steps = sum_stimulus(self._shape, SEED)
            return steps.a, steps.b, steps.c
        candidate, form = self.mac.candidate, self.mac.format
        if isinstance(form, FloatFormat):
            pairs = unit_stimulus(form, SEED)
        else:
            pairs = core_stimulus(self._own_bits, self._own_bits, SEED)
        step = -(-pairs.vectors // MOST_STEPS)
        a, b = pairs.a[::step], pairs.b[::step]
        products = unit_products(candidate, a, b)
        sums = sums_beside(accumulator_of(candidate.format), products, SEED)
        return a[:, None], b[:, None], sums

    @property
    def accumulator(self) -> Accumulator | None:
        """That of a format's own sum."""
        return None if self.mac.recipe else accumulator_of(self.mac.candidate.format)

    @property
    def _shape(self) -> SumShape:
        assert self.mac.recipe
        return SumShape(
            self.mac.candidate, dataclasses.replace(self.mac.recipe, chunk=0, stages=0)
        )

    @property
    def shape(self) -> SumShape | None:
        """Widths of a recipe's unit."""
        return self._shape if self.mac.recipe else None


def _bits(values: np.ndarray, width: int) -> np.ndarray:
    """Uint8 [rows, width] of them, lowest first."""
    return (values[:, None] >> np.arange(width, dtype=np.uint64) & np.uint64(1)).astype(np.uint8)
