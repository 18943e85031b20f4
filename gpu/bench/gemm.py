"""Which matrix products are measured, and by which realisations of this machine?"""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import axdse.gpu.ops.schema  # noqa: F401  defines the operators
from axdse.gpu import reference
from axdse.gpu.bench.contest import Contest, Entry, clock_of
from axdse.gpu.bench.sums import Sums, exact_sums
from axdse.gpu.cpu.compile import cpu_flags
from axdse.gpu.cpu.kernels import KERNELS, Kernel, use_kernel
from axdse.gpu.factors import ops as factors_ops
from axdse.gpu.multiplication.handles import Form, handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import IntFormat, parse_format
from axdse.multipliers.tables.lut import build_lut

Compute = Callable[[Tensor, Tensor, Form], Tensor]  # [1, M, K], [1, K, N]
Shape = tuple[int, int, int]  # M, K, N
SHAPES: tuple[Shape, ...] = ((512, 1024, 512), (256, 1152, 256), (128, 576, 1024))
GPU_SHAPE: Shape = (4096, 4096, 4096)
SAMPLE = 8  # rows whose sums are compared where all would take minutes
SEED = 4


@dataclass(frozen=True)
class Subject:
    """A multiplication to measure.

    Attributes:
        name: what it stands for.
        design: its spec.
        format: its name.
        targets: (realisation, times native that it may take at most).
        inlined: as a C model, without a table.
        is_factorised: its table has a small exact rank.
    """

    name: str
    design: str
    format: str
    targets: tuple[tuple[str, float], ...]
    inlined: bool = False
    is_factorised: bool = False

    @functools.cached_property
    def multiplication(self) -> Form:
        """Its table, or the model to inline."""
        multiplier = builtin_catalog().multiplier(self.design)
        unit = Candidate(multiplier, parse_format(self.format))
        return Inlined(unit) if self.inlined else build_lut(unit)


_NARROW, _WIDE = "float(8,7,product=narrow)", "float(8,7,product=wide)"
_DENSE, _RANK_1, _RANK_4 = "dadda42(n=8,c=13)", "drum(n=8,k=4)", "or_rows(n=8,d=3)"
_FIRST = Subject("float(8,7) narrow", "mbm(m=7)", _NARROW, (("vbmi", 1.3), ("cuda table", 4.5)))
_AT_RANK_1, _AT_RANK_4 = (
    (("factors", 1.2), ("cuda factors", 1.0)),
    (("factors", 2.5), ("cuda factors", 1.0)),
)
# The tables that are looked up have no small rank, and kernels do not care what is in them.
SUBJECTS = (
    _FIRST,
    Subject("float(8,6) narrow", "mbm(m=6)", "float(8,6,product=narrow)", (("vbmi", 1.2),)),
    Subject("float(8,7) wide", _DENSE, _WIDE, (("vbmi", 2.5),)),
    Subject("int8", _DENSE, "int8", (("vbmi", 3.0), ("cuda table", 6.0))),
    Subject("float(8,7) of rank 1", _RANK_1, _NARROW, _AT_RANK_1, is_factorised=True),
    Subject("int8 of rank 1", _RANK_1, "int8", _AT_RANK_1, is_factorised=True),
    Subject("float(8,7) of rank 4", _RANK_4, _WIDE, _AT_RANK_4, is_factorised=True),
    Subject("int8 of rank 4", _RANK_4, "int8", _AT_RANK_4, is_factorised=True),
    Subject(
        "Mitchell float(8,23)",
        "mitchell(m=23)",
        "float(8,23,product=narrow)",
        (("inlined", 3.0), ("cuda inlined", 3.0)),
        inlined=True,
    ),
)


def gemm_entries() -> tuple[Entry, ...]:
    """Every subject, at every shape, by every realisation."""
    host = (entry for subject in SUBJECTS for entry in _on_host(subject))
    return (*host, *(_on_gpu(subject) for subject in SUBJECTS))


def _on_host(subject: Subject) -> list[Entry]:
    found = [
        gemm_entry(subject, shape, name, compute, missing)
        for shape in SHAPES
        for name, compute, missing in _host_realisations(subject)
    ]
    if subject is _FIRST:
        found.insert(0, gemm_entry(subject, SHAPES[-1], "reference", _by_reference))
    return found


def _host_realisations(subject: Subject) -> list[tuple[str, Compute, str]]:
    if subject.inlined:
        return [("inlined", _by_operator, "")]
    if subject.is_factorised:
        return [("factors", _by_factors, "")]
    return [(kernel.name, by_kernel(kernel), lacks(kernel)) for kernel in KERNELS]


def lacks(kernel: Kernel) -> str:
    """Say which features a kernel misses on this CPU; empty if none."""
    missing = sorted(kernel.needs - cpu_flags())
    return f"this CPU lacks {', '.join(missing)}" if missing else ""


def gemm_entry(
    subject: Subject,
    shape: Shape,
    realisation: str,
    compute: Compute,
    missing: str = "",
    device: str = "cpu",
) -> Entry:
    """A realisation of one subject at one shape.

    Args:
        subject: what multiplies.
        shape: M, K, N.
        realisation: its name.
        compute: takes [1, M, K], [1, K, N] and the multiplication, and gives [1, M, N].
        missing: why it cannot run here.
        device: that the operands are on.
    """
    rows, depth, columns = shape
    return Entry(
        work=f"GEMM {rows}x{depth}x{columns}, {subject.name}",
        realisation=realisation,
        target=dict(subject.targets).get(realisation),
        prepare=lambda: _contest(subject, shape, compute, torch.device(device)),
        missing=missing,
        on_gpu=device == "cuda",
    )


def _contest(subject: Subject, shape: Shape, compute: Compute, device: torch.device) -> Contest:
    multiplication = subject.multiplication
    a, b, native_a, native_b = (x.to(device) for x in _operands(subject, shape))
    left, right = a[None], b[None]

    def fault() -> str:
        sums = _sums(subject, shape)
        return sums.fault(compute(left, right, multiplication)[:, : sums.exact.shape[1]])

    return Contest(
        ours=lambda: compute(left, right, multiplication),
        native=lambda: native_a @ native_b,
        fault=fault,
        products=shape[0] * shape[1] * shape[2],
        clock=clock_of(device),
    )


@functools.lru_cache(maxsize=2)
def _operands(subject: Subject, shape: Shape) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Operands of ours, and native ones."""
    rows, depth, columns = shape
    draw = torch.Generator().manual_seed(SEED)
    a, b = (torch.randn(size, generator=draw) for size in ((rows, depth), (depth, columns)))
    if not isinstance(subject.multiplication.format, IntFormat):
        return a, b, a, b
    left, right = ((x * 40).round().clamp(-127, 127).to(torch.int8) for x in (a, b))
    return left, right, a, b


@functools.lru_cache(maxsize=2)
def _sums(subject: Subject, shape: Shape) -> Sums:
    """The sums of all rows, or of the first few where products take long."""
    a, b, _, _ = _operands(subject, shape)
    few = subject.inlined or shape == GPU_SHAPE
    return exact_sums(a[None, : SAMPLE if few else None], b[None], subject.multiplication, False)


def by_kernel(kernel: Kernel) -> Compute:
    """Look up with one kernel."""

    def compute(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
        with use_kernel(kernel):
            return _by_operator(a, b, multiplication)

    return compute


def _by_operator(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
    result: Tensor = torch.ops.axdse.gemm(a, b, handle(multiplication), False)
    return result


def _by_reference(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
    return reference.gemm_reference(a, b, handle(multiplication), False)


def _by_factors(a: Tensor, b: Tensor, multiplication: Form) -> Tensor:
    result = factors_ops.gemm(a, b, handle(multiplication), False)
    if result is None:
        raise AxdseError(
            "factors take operands in the middle of the range of exponents",
            f"{tuple(a.shape)} and {tuple(b.shape)}",
            "look products up",
        )
    return result


def _on_gpu(subject: Subject) -> Entry:
    compute, name = _by_operator, "cuda inlined" if subject.inlined else "cuda table"
    if subject.is_factorised:
        compute, name = _by_factors, "cuda factors"
    return gemm_entry(subject, GPU_SHAPE, name, compute, gpu_missing(), "cuda")


def gpu_missing() -> str:
    """Why nothing can be measured on a GPU; empty if it can."""
    if not torch.cuda.is_available():
        return "torch finds no GPU"
    return "" if importlib.util.find_spec("cupy") else "CuPy is not installed"
