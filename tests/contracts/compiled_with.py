"""Kernels as a CPU with fewer instructions has them."""

import contextlib
from collections.abc import Iterator

import pytest

from axdse.gpu.cpu import compile as cpu_compile
from axdse.gpu.cpu import kernels
from axdse.gpu.cpu.kernels import engine_for

AVX2, PORTABLE = "-mno-avx512f", "-march=x86-64"  # flags of x86


@contextlib.contextmanager
def compiled_with(*flags: str) -> Iterator[None]:
    """Compile and load kernels anew with such flags, and again without them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_compile, "FLAGS", (*cpu_compile.FLAGS, *flags))
        patch.setattr(kernels, "cpu_flags", lambda: frozenset[str]())
        for cached in (cpu_compile.load_kernel, engine_for):
            cached.cache_clear()
        try:
            yield
        finally:
            for cached in (cpu_compile.load_kernel, engine_for):
                cached.cache_clear()
