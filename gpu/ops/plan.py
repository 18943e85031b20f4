"""Which realisation of a multiplication is fastest, and why? The plan is what runs.

All realisations are exact, so only speed decides. Times are estimates, in units of a native FP32
product of the same shape: medians at 512 x 1024 x 512 on one thread of a Zen 4 for the CPU
(`axdse bench` measures them again), at 4096^3 for a GPU.
"""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from axdse.gpu import reference
from axdse.gpu.cpu import ops as cpu_ops
from axdse.gpu.cpu.compile import cpu_flags
from axdse.gpu.cpu.kernels import (
    BLOCK_SUMS,
    CAREFUL_SUMS,
    INLINED,
    INLINED_SUMS,
    KERNELS,
    SUMS,
    Kernel,
    forced_kernel,
)
from axdse.gpu.cuda import ops as cuda_ops
from axdse.gpu.factors import ops as factors_ops
from axdse.gpu.factors.maps import rounds_sums
from axdse.gpu.factors.ops import MAX_SLICES, by_bf16, int8_factors, sums_are_plain
from axdse.gpu.multiplication.handles import Design, Form, Multiplication, handle, resolve
from axdse.gpu.operands.convolution import Convolution
from axdse.gpu.operands.shapes import Operation
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.tables.factors import MAX_RANK, Factors, factorise

DeviceType = Literal["cpu", "cuda"]
Compute = Callable[..., Tensor | None]  # of first, second, handle, swap and any Convolution


@dataclass(frozen=True)
class Times:
    """Times of a kernel of look-ups, by the kind of table."""

    narrow: float
    wide: float
    int8: float

    def of(self, number_format: Format) -> float:
        """The time for tables of a format."""
        if isinstance(number_format, IntFormat):
            return self.int8
        return self.narrow if number_format.product_fraction_bits <= 7 else self.wide


REFERENCE_TIME = 250.0
MODEL_TIME = 10_000.0  # of the reference without a table: each block of products is a process
KERNEL_TIMES = {
    "vbmi": Times(1.5, 2.9, 1.8),
    "avx2": Times(5.5, 5.5, 4.5),
    "neon": Times(6.0, 10.0, 8.0),
    "portable": Times(25.0, 20.0, 25.0),
}
SUMS_TIME, PLAIN_SUMS_TIME, CAREFUL_TIME = 8.0, 30.0, 500.0  # with AVX-512 BW, without; by sum.h
CUDA_TIMES = Times(4.5, 6.0, 6.0)
BLOCKS_TIME = 100.0
INLINED_SUMS_TIME, EXACT_SUMS_TIME = 110.0, 400.0  # where terms are aligned, and not
CUDA_SUMS_TIME = 30.0  # by counting instructions
# By model 4 (Mitchell) to 120 (compressor trees) on a Zen 1, half of them below this; less with
# AVX-512, where tables are faster than any. So what can be looked up in registers is.
INLINED_TIME = 12.0
BF16_TIMES = {1: 0.75, 2: 1.2, 3: 2.1, 4: 2.1}  # by rank
BF16_RANK, FP32_RANK, FP64_RANK, INT8_RANK, MAPPING = 0.62, 1.1, 2.4, 0.23, 0.12
INT8_RANK_CUDA, FP64_RANK_CUDA = 0.1, 1.2
_PLACES = {"cpu": torch.device("cpu"), "cuda": torch.device("cuda")}
FP32_SUMS = "it adds in FP32, in an order of its own; the format rounds after each addition"


def _compute(name: str, operation: Operation) -> Compute:
    """What computes an operation by the realisation of that name."""
    if name == "reference":
        return reference.OPERATORS[operation]
    if name == "factors":
        return factors_ops.OPERATORS[operation]
    if name in ("cuda table", "cuda inlined", "cuda sums"):
        return partial(cuda_ops.OPERATORS[operation], inlined=name == "cuda inlined")
    kernels = (*KERNELS, INLINED, SUMS, INLINED_SUMS, CAREFUL_SUMS, BLOCK_SUMS)
    kernel = next(kernel for kernel in kernels if kernel.name == name)
    return partial(cpu_ops.OPERATORS[operation], kernel)


@dataclass(frozen=True)
class Realisation:
    """One way to compute a multiplication.

    Attributes:
        name: such as "vbmi", "factors" or "inlined".
        possible: whether it can compute it here.
        why: what it does, or what it lacks.
        time: estimated, in units of a native FP32 product; None if not possible.
        declines: it does not take operands whose products might leave the normal numbers.
    """

    name: str
    possible: bool
    why: str
    time: float | None = None
    declines: bool = False


@dataclass(frozen=True)
class Plan:
    """What computes an operation of a multiplication, and what else could; call it to compute.

    Attributes:
        multiplication: spec of the core.
        format: its name.
        device: "cpu" or "cuda".
        operation: of `axdse.gpu.ops`.
        choice: name of the fastest realisation.
        fallback: name of the fastest that takes every operand: floats near either end of the
            range must not go through factors.
        why: in words.
        alternatives: realisations, fastest first, those that are not possible last.
    """

    multiplication: str
    format: str
    device: DeviceType
    operation: Operation
    choice: str
    fallback: str
    why: str
    alternatives: tuple[Realisation, ...]

    def __call__(
        self,
        first: Tensor,
        second: Tensor,
        name: str,
        swap: bool,
        *shape: Convolution,
        seed: int | None = None,
    ) -> Tensor:
        """Compute the operation.

        Args:
            first: operand, as the operator of `axdse.gpu.ops` takes it.
            second: likewise.
            name: handle of the multiplication that this is the plan of.
            swap: exchange the operands.
            *shape: of a convolution.
            seed: of a sum that is rounded by chance; None of others.
        """
        choice, fallback = self._computes
        if seed is not None:  # what adds by a recipe takes every operand
            result = choice(first, second, name, swap, *shape, seed=seed)
            assert result is not None
            return result
        result = choice(first, second, name, swap, *shape)
        if result is None:
            result = fallback(first, second, name, swap, *shape)
        assert result is not None  # a fallback takes every operand
        return result

    @functools.cached_property
    def _computes(self) -> tuple[Compute, Compute]:
        return _compute(self.choice, self.operation), _compute(self.fallback, self.operation)


def plan(design: str | Design, device: DeviceType = "cpu", operation: Operation = "gemm") -> Plan:
    """Plan a design, or that of a handle, as operators will compute it now; made once for each.

    What cannot be the fastest is not looked into.

    Raises:
        AxdseError: this process knows no multiplication of that handle, or the design can be
            neither tabulated nor inlined.
    """
    name = design if isinstance(design, str) else handle(design)
    # Any of these may change at any time: torch may be told to be less precise, and a caller to
    # compare kernels.
    place = _PLACES[device]
    state = sums_are_plain(place), by_bf16(name, place), forced_kernel()
    return _planned(name, device, operation, *state)


@functools.lru_cache(maxsize=4096)
def _planned(
    name: str,
    device: DeviceType,
    operation: Operation,
    plain: bool,
    bf16: bool,
    forced: Kernel | None,
) -> Plan:
    known = resolve(name)
    if known.sum is not None:
        return _plan(known, device, operation, _summing(known, device, forced))
    if forced and device == "cpu":
        one = _looked_up_by(forced.name, forced.needs, known)
        if one.possible:
            return _plan(known, device, operation, (one,))
    found = (_factors(known, device, operation), *_looked_up(known, device), _reference(known))
    if min(r.time for r in found if r.time and not r.declines) > INLINED_TIME:
        found += (_inlined(known, device),)
    return _plan(known, device, operation, found)


def explain(
    design: str | Design, device: DeviceType = "cpu", operation: Operation = "gemm"
) -> Plan:
    """The plan of a design with every alternative in it.

    Raises:
        AxdseError: the design can be neither tabulated nor inlined.
    """
    known = resolve(design if isinstance(design, str) else handle(design))
    if known.sum is not None:
        return _plan(known, device, operation, _summing(known, device, None))
    found = (_factors(known, device, operation), *_looked_up(known, device))
    found += (_inlined(known, device), _reference(known))
    return _plan(known, device, operation, found)


def _summing(
    known: Multiplication, device: DeviceType, forced: Kernel | None
) -> tuple[Realisation, ...]:
    """What adds by a recipe: none of the others does."""
    if device == "cuda":
        form = known.table if isinstance(known.inlined, str) else known.form
        return _on_gpu("cuda sums", form, CUDA_SUMS_TIME), _reference(known)
    if isinstance(known.format, IntFormat) and known.format.is_mx:
        if isinstance(known.table, str):
            return (_reference(known),)
        why = "looks up and adds the steps of blocks"
        return Realisation(BLOCK_SUMS.name, True, why, BLOCKS_TIME), _reference(known)
    if isinstance(known.table, str):
        why = "the kernels of sums look up"
        lacking = tuple(Realisation(k.name, False, why) for k in (SUMS, CAREFUL_SUMS))
        return (_inlined_sums(known), *lacking, _reference(known))
    time = SUMS_TIME if "avx512bw" in cpu_flags() else PLAIN_SUMS_TIME
    fast = Realisation(SUMS.name, True, "looks up and adds by the recipe", time)
    slow = Realisation(CAREFUL_SUMS.name, True, "the model of the sum, one by one", CAREFUL_TIME)
    if forced is CAREFUL_SUMS:
        return (slow,)
    return fast, slow, _reference(known)


def _inlined_sums(known: Multiplication) -> Realisation:
    if isinstance(known.inlined, str):
        return Realisation(INLINED_SUMS.name, False, known.inlined)
    why = "its C model within the kernel, added by the recipe"
    time = INLINED_SUMS_TIME if known.sum and known.sum.align is not None else EXACT_SUMS_TIME
    return Realisation(INLINED_SUMS.name, True, why, time)


def _plan(
    known: Multiplication,
    device: DeviceType,
    operation: Operation,
    found: tuple[Realisation, ...],
) -> Plan:
    possible = sorted((r for r in found if r.possible), key=lambda r: r.time or 0.0)
    alternatives = (*possible, *(r for r in found if not r.possible))
    fallback = next(r for r in possible if not r.declines)  # the reference at least
    names = known.format.name, device, operation, possible[0].name, fallback.name
    return Plan(known.multiplier, *names, _reason(possible, fallback), alternatives)


def _reason(possible: list[Realisation], fallback: Realisation) -> str:
    best, others = possible[0], possible[1:]
    text = f"{best.name}, about {best.time:.2g}x the time of native FP32: {best.why}"
    if best is not fallback and isinstance(fallback.time, float):
        text += f"; {fallback.name} ({fallback.time:.2g}x) where operands may over- or underflow"
    elif others:
        text += f"; next is {others[0].name} ({others[0].time:.2g}x)"
    return text


def _factors(known: Multiplication, device: DeviceType, operation: Operation) -> Realisation:
    name = "factors"
    if isinstance(known.table, str):
        return Realisation(name, False, known.table)
    if not sums_are_plain(_PLACES[device]):
        return Realisation(name, False, "torch is set to multiply FP32 in lower precision")
    if device == "cuda" and not torch.cuda.is_available():
        return Realisation(name, False, "torch finds no GPU")
    if rounds_sums(known.format):
        return Realisation(name, False, "the format rounds sums after each addition")
    factors = factorise(known.table)
    if factors is None or not factors.rank:
        return Realisation(name, False, f"the rank of the table is not within 1..{MAX_RANK}")
    is_float = isinstance(known.format, FloatFormat)
    arithmetic, time = _factor_time(factors, known, device, operation)
    products = f"{factors.rank} {arithmetic} product{'s' if factors.rank > 1 else ''}"
    why = f"{products} of factors of {factors.bits} bits"
    return Realisation(name, True, why, time, declines=arithmetic in ("FP32", "FP64") and is_float)


def _factor_time(
    factors: Factors, known: Multiplication, device: DeviceType, operation: Operation
) -> tuple[str, float]:
    """The arithmetic of native products and their time in all."""
    on_gpu, place = device == "cuda", _PLACES[device]
    if by_bf16(known.digest, place):
        return "bf16", BF16_TIMES.get(factors.rank, MAPPING + BF16_RANK * factors.rank)
    per_rank, arithmetic = FP32_RANK, "FP32"
    if operation == "gemm" and int8_factors(known.digest, False, place) is not None:
        per_rank, arithmetic = INT8_RANK_CUDA if on_gpu else INT8_RANK, "int8"
    elif isinstance(known.format, FloatFormat) and factors.cancellation > MAX_SLICES:
        per_rank, arithmetic = FP64_RANK_CUDA if on_gpu else FP64_RANK, "FP64"
    return arithmetic, MAPPING + per_rank * factors.rank


def _looked_up(known: Multiplication, device: DeviceType) -> tuple[Realisation, ...]:
    if device == "cuda":
        return (_on_gpu("cuda table", known.table, CUDA_TIMES.of(known.format)),)
    return tuple(_looked_up_by(kernel.name, kernel.needs, known) for kernel in KERNELS)


def _looked_up_by(name: str, needs: frozenset[str], known: Multiplication) -> Realisation:
    if isinstance(known.table, str):
        return Realisation(name, False, known.table)
    if rounds_sums(known.format):
        return Realisation(name, False, FP32_SUMS)
    if missing := sorted(needs - cpu_flags()):
        return Realisation(name, False, f"this CPU lacks {', '.join(missing)}")
    time = KERNEL_TIMES.get(name, KERNEL_TIMES["portable"]).of(known.format)
    return Realisation(name, True, "looks every product up", time)


def _inlined(known: Multiplication, device: DeviceType) -> Realisation:
    if device == "cuda":
        return _on_gpu("cuda inlined", known.inlined, INLINED_TIME)
    if isinstance(known.inlined, str):
        return Realisation("inlined", False, known.inlined)
    if rounds_sums(known.format):
        return Realisation("inlined", False, FP32_SUMS)
    return Realisation("inlined", True, "its C model within the kernel", INLINED_TIME)


def _on_gpu(name: str, form: Form | str, time: float) -> Realisation:
    if isinstance(form, str):
        return Realisation(name, False, form)
    if not torch.cuda.is_available():
        return Realisation(name, False, "torch finds no GPU")
    if importlib.util.find_spec("cupy") is None:
        return Realisation(name, False, "CuPy is not installed")
    return Realisation(name, True, "a kernel compiled for this GPU", time)


def _reference(known: Multiplication) -> Realisation:
    if isinstance(known.table, str):
        return Realisation("reference", True, "its C model, run confined", MODEL_TIME)
    return Realisation("reference", True, "one torch operator after another", REFERENCE_TIME)
