"""Which realisation of a multiplication is fastest, and why? The plan is what runs.

All realisations are exact, so only speed decides. Times are estimates, in units of a native FP32
product of the same shape: medians at 512 x 1024 x 512 on one thread of a Zen 4 for the CPU
(`axdse bench` measures them again), at 4096^3 for a GPU.
"""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from axdse.gpu.cpu import ops as cpu_ops
from axdse.gpu.cpu.compile import cpu_flags
from axdse.gpu.cpu.kernels import KERNELS, kernel_is_forced
from axdse.gpu.cuda import ops as cuda_ops
from axdse.gpu.factors import ops as factors_ops
from axdse.gpu.factors.maps import rounds_sums
from axdse.gpu.factors.ops import by_bf16, int8_factors
from axdse.gpu.factors.sums import MAX_SLICES, sums_are_plain
from axdse.gpu.multiplication.handles import handle, resolve
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.convolution import Convolution
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat
from axdse.multipliers.tables.factors import MAX_RANK, Factors, factorise
from axdse.multipliers.tables.lut import Lut, build_lut

DeviceType = Literal["cpu", "cuda"]
Operation = Literal["gemm", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"]


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
KERNEL_TIMES = {
    "vbmi": Times(1.5, 2.9, 1.8),
    "avx2": Times(6.0, 10.0, 8.0),
    "neon": Times(6.0, 10.0, 8.0),
    "portable": Times(25.0, 20.0, 25.0),
}
CUDA_TIMES = Times(4.5, 6.0, 6.0)
INLINED_TIMES = {"cpu": 3.0, "cuda": 3.0}
BF16_TIMES = {1: 0.75, 2: 1.2, 3: 2.1, 4: 2.1}  # by rank
BF16_RANK, FP32_RANK, FP64_RANK, INT8_RANK, MAPPING = 0.62, 1.1, 2.4, 0.23, 0.12
INT8_RANK_CUDA, FP64_RANK_CUDA = 0.1, 1.2


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
    """What computes a multiplication, and what else could.

    Attributes:
        multiplication: spec of the core.
        format: its name.
        device: "cpu" or "cuda".
        operation: of `axdse.gpu.ops`.
        choice: name of the fastest realisation.
        fallback: name of the fastest that takes every operand: floats near either end of the
            range must not go through factors.
        why: in words.
        alternatives: all realisations, fastest first, those that are not possible last.
    """

    multiplication: str
    format: str
    device: DeviceType
    operation: Operation
    choice: str
    fallback: str
    why: str
    alternatives: tuple[Realisation, ...]


@dataclass(frozen=True)
class _Subject:
    """A multiplication as a table, inlined, or why not."""

    lut: Lut | str
    inlined: Inlined | str
    format: Format


def choose(
    multiplication: str | Lut | Inlined, device: DeviceType = "cpu", operation: Operation = "gemm"
) -> Plan:
    """Plan a multiplication, or that of a handle; computed once for each.

    Raises:
        AxdseError: this process knows no multiplication of that handle.
    """
    known = resolve(multiplication) if isinstance(multiplication, str) else multiplication
    precise = sums_are_plain(torch.device(device))
    key = known.digest, device, operation, precise
    if key not in _PLANS:
        subject = _Subject(
            known if isinstance(known, Lut) else "its C model is compiled in, without a table",
            known if isinstance(known, Inlined) else "the table is given, without its C model",
            known.format,
        )
        _PLANS[key] = _plan(known.multiplier, subject, device, operation)
    return _PLANS[key]


_PLANS: dict[tuple[str, DeviceType, Operation, bool], Plan] = {}


def plan_candidate(
    candidate: Candidate, device: DeviceType = "cpu", operation: Operation = "gemm"
) -> Plan:
    """Plan a candidate that may be tabulated as well as inlined.

    Raises:
        AxdseError: it can be neither.
    """
    lut, inlined = _attempt_table(candidate), _attempt_inlined(candidate)
    if isinstance(lut, str) and isinstance(inlined, str):
        raise AxdseError(f"{candidate.name} has no table: {lut}", inlined, "choose another format")
    subject = _Subject(lut, inlined, candidate.format)
    return _plan(candidate.multiplier.spec, subject, device, operation)


def _attempt_table(candidate: Candidate) -> Lut | str:
    try:
        return build_lut(candidate)
    except AxdseError as error:
        return error.rule


def _attempt_inlined(candidate: Candidate) -> Inlined | str:
    try:
        return Inlined(candidate)
    except AxdseError as error:
        return error.rule


def _plan(spec: str, subject: _Subject, device: DeviceType, operation: Operation) -> Plan:
    found = (_factors(subject, device, operation), *_looked_up(subject, device))
    found += (_inlined(subject, device), _reference(subject))
    possible = sorted((r for r in found if r.possible), key=lambda r: r.time or 0.0)
    if not possible:
        raise AxdseError(
            f"a multiplication needs a realisation on {device}",
            f"{spec} in {subject.format.name}",
            "; ".join(f"{r.name}: {r.why}" for r in found),
        )
    alternatives = (*possible, *(r for r in found if not r.possible))
    fallback = possible[0]
    if fallback.name == "factors" and fallback.declines:
        fallback = possible[1]  # the reference at least
    names = subject.format.name, device, operation, possible[0].name, fallback.name
    return Plan(spec, *names, _reason(possible, fallback), alternatives)


def _reason(possible: list[Realisation], fallback: Realisation) -> str:
    best, others = possible[0], possible[1:]
    text = f"{best.name}, about {best.time:.2g}x the time of native FP32: {best.why}"
    if best is not fallback and isinstance(fallback.time, float):
        text += f"; {fallback.name} ({fallback.time:.2g}x) where operands may over- or underflow"
    elif others:
        text += f"; next is {others[0].name} ({others[0].time:.2g}x)"
    return text


def _factors(subject: _Subject, device: DeviceType, operation: Operation) -> Realisation:
    name = "factors"
    if isinstance(subject.lut, str):
        return Realisation(name, False, subject.lut)
    if not sums_are_plain(torch.device(device)):
        return Realisation(name, False, "torch is set to multiply FP32 in lower precision")
    if device == "cuda" and not torch.cuda.is_available():
        return Realisation(name, False, "torch finds no GPU")
    if rounds_sums(subject.format):
        return Realisation(name, False, "the format rounds sums after each addition")
    factors = factorise(subject.lut)
    if factors is None or not factors.rank:
        return Realisation(name, False, f"the rank of the table is not within 1..{MAX_RANK}")
    is_float = isinstance(subject.format, FloatFormat)
    arithmetic, time = _factor_time(factors, subject.lut, device, operation)
    products = f"{factors.rank} {arithmetic} product{'s' if factors.rank > 1 else ''}"
    why = f"{products} of factors of {factors.bits} bits"
    return Realisation(name, True, why, time, declines=arithmetic in ("FP32", "FP64") and is_float)


def _factor_time(
    factors: Factors, lut: Lut, device: DeviceType, operation: Operation
) -> tuple[str, float]:
    """The arithmetic of native products and their time in all."""
    on_gpu, place = device == "cuda", torch.device(device)
    if by_bf16(handle(lut), place):
        return "bf16", BF16_TIMES.get(factors.rank, MAPPING + BF16_RANK * factors.rank)
    per_rank, arithmetic = FP32_RANK, "FP32"
    if operation == "gemm" and int8_factors(handle(lut), False, place) is not None:
        per_rank, arithmetic = INT8_RANK_CUDA if on_gpu else INT8_RANK, "int8"
    elif isinstance(lut.format, FloatFormat) and factors.cancellation > MAX_SLICES:
        per_rank, arithmetic = FP64_RANK_CUDA if on_gpu else FP64_RANK, "FP64"
    return arithmetic, MAPPING + per_rank * factors.rank


def _looked_up(subject: _Subject, device: DeviceType) -> tuple[Realisation, ...]:
    if device == "cuda":
        return (_on_gpu("cuda table", subject.lut, CUDA_TIMES.of(subject.format)),)
    return tuple(_looked_up_by(kernel.name, kernel.needs, subject) for kernel in KERNELS)


def _looked_up_by(name: str, needs: frozenset[str], subject: _Subject) -> Realisation:
    if isinstance(subject.lut, str):
        return Realisation(name, False, subject.lut)
    if missing := sorted(needs - cpu_flags()):
        return Realisation(name, False, f"this CPU lacks {', '.join(missing)}")
    time = KERNEL_TIMES.get(name, KERNEL_TIMES["portable"]).of(subject.format)
    return Realisation(name, True, "looks every product up", time)


def _inlined(subject: _Subject, device: DeviceType) -> Realisation:
    if device == "cuda":
        return _on_gpu("cuda inlined", subject.inlined, INLINED_TIMES[device])
    if isinstance(subject.inlined, str):
        return Realisation("inlined", False, subject.inlined)
    return Realisation("inlined", True, "its C model within the kernel", INLINED_TIMES[device])


def _on_gpu(name: str, multiplication: Lut | Inlined | str, time: float) -> Realisation:
    if isinstance(multiplication, str):
        return Realisation(name, False, multiplication)
    if not torch.cuda.is_available():
        return Realisation(name, False, "torch finds no GPU")
    if importlib.util.find_spec("cupy") is None:
        return Realisation(name, False, "CuPy is not installed")
    return Realisation(name, True, "a kernel compiled for this GPU", time)


def _reference(subject: _Subject) -> Realisation:
    if isinstance(subject.lut, str):
        return Realisation("reference", False, subject.lut)
    return Realisation("reference", True, "one torch operator after another", REFERENCE_TIME)


@dataclass(frozen=True)
class Dispatch:
    """The realisations of one operator, which take a `Convolution` in the place of settings.

    Attributes:
        operation: its name.
        by_factors: gives None if it declines.
        on_cpu: looks up, or runs the C model.
        on_gpu: likewise.
    """

    operation: Operation
    by_factors: Callable[..., Tensor | None]
    on_cpu: Callable[..., Tensor]
    on_gpu: Callable[..., Tensor]

    def __call__(
        self, first: Tensor, second: Tensor, multiplication: str, swap: bool, *shape: Convolution
    ) -> Tensor:
        """Compute the operator on the device of its operands."""
        if _plans_factors(first, multiplication, self.operation):
            result = self.by_factors(first, second, multiplication, swap, *shape)
            if result is not None:
                return result
        compute = self.on_gpu if first.is_cuda else self.on_cpu
        return compute(first, second, multiplication, swap, *shape)


gemm = Dispatch("gemm", factors_ops.gemm, cpu_ops.gemm_cpu, cuda_ops.gemm_cuda)
conv2d = Dispatch("conv2d", factors_ops.conv2d, cpu_ops.conv2d_cpu, cuda_ops.conv2d_cuda)
conv2d_input_gradient = Dispatch(
    "conv2d_input_gradient",
    factors_ops.conv2d_input_gradient,
    cpu_ops.conv2d_input_gradient_cpu,
    cuda_ops.conv2d_input_gradient_cuda,
)
conv2d_weight_gradient = Dispatch(
    "conv2d_weight_gradient",
    factors_ops.conv2d_weight_gradient,
    cpu_ops.conv2d_weight_gradient_cpu,
    cuda_ops.conv2d_weight_gradient_cuda,
)


def _plans_factors(x: Tensor, multiplication: str, operation: Operation) -> bool:
    if kernel_is_forced():
        return False
    device: DeviceType = "cuda" if x.is_cuda else "cpu"
    return _choice(multiplication, device, operation, sums_are_plain(x.device)) == "factors"


@functools.lru_cache(maxsize=4096)
def _choice(multiplication: str, device: DeviceType, operation: Operation, plain: bool) -> str:
    # A plan depends on `plain`, that torch may be told to change at any time.
    return choose(multiplication, device, operation).choice
