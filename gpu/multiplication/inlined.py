"""When can a C model be compiled into the kernel, so that no table is needed?

For float(8, m), m = 1..23: on the CPU by the compiler's vectoriser (`kernel_inlined.c`), on a GPU
as device code (`axdse.gpu.cuda.model_text`). Tables end at m = 7. For m = 8..11 one could be
gathered from; but every core that a table takes can be inlined too, so there is no such kernel.

Elsewhere a model runs confined in a process of its own. Compiled into a kernel it runs in this
one, with all that this one may do. So only the models of the built-in catalogue are taken, unless
the caller vouches for the file with `trusted`: read an imported design, and verify it, before.
A trusted model, too, has to pass the confined run below, which traps undefined shifts and indices.
"""

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from axdse.multipliers.cache import cached, digest, temporary_folder
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.cmodel import model_digest, products
from axdse.multipliers.model.unit_oracle import normalised
from axdse.multipliers.provenance import code_digest

EXHAUSTIVE_BITS = 11
SAMPLES = 1 << 18
_SEED = 20
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Proof:
    """What a confined run showed of a core over the significands of a format.

    Attributes:
        pairs: how many pairs of operands were run; all of them for m <= 11, else corners and
            random ones.
        lane_bits: 32 if the model computes the same with 32-bit integers in place of its 64-bit
            ones, on all pairs. 64 if not, or if not all were run: then the compiler alone
            decides, from what it can prove about the ranges of values.
    """

    pairs: int
    lane_bits: int


@dataclass(frozen=True)
class Inlined:
    """A candidate whose products are computed by its C model within the kernel.

    Attributes:
        candidate: the core and a format float(8, m); a product has at most FP32's 23 bits of
            fraction, so wide products end at m = 11.
        trusted: the caller vouches for a C file that is not of the built-in catalogue.

    Raises:
        AxdseError: another format, a model of floats, a file that nobody vouches for, a product
            of significands below 1, or as `axdse.multipliers.model.cmodel.products`.
    """

    candidate: Candidate
    trusted: bool = False

    def __post_init__(self) -> None:
        _check_format(self.candidate)
        _check_model(self.candidate.multiplier, self.trusted)
        _ = self.proof

    @property
    def format(self) -> FloatFormat:
        """Operands and product."""
        number_format = self.candidate.format
        assert isinstance(number_format, FloatFormat)
        return number_format

    @property
    def multiplier(self) -> str:
        """The spec of the core."""
        return self.candidate.multiplier.spec

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the model's source, its parameters and the format."""
        multiplier = self.candidate.multiplier
        swapped = str(multiplier.family.swapped)
        return digest("inlined", model_digest(multiplier), swapped, self.format.name)

    @functools.cached_property
    def proof(self) -> Proof:
        """What a confined run showed of the core; computed once, then read from the cache."""
        key = digest(self.digest, code_digest(__name__))
        return cached("inlined", key, Proof, lambda: _proof(self.candidate))


def _check_format(candidate: Candidate) -> None:
    if not isinstance(candidate.format, FloatFormat):
        raise AxdseError(
            "C models are inlined for float formats", candidate.name, "use a table for integers"
        )
    if candidate.format.product_fraction_bits > 23:
        raise AxdseError(
            "products are FP32 numbers of 23 fraction bits, so wide ones end at m = 11",
            candidate.format.name,
            "choose product=narrow",
        )


def _check_model(multiplier: Multiplier, trusted: bool) -> None:
    family = multiplier.family
    if family.takes_floats:
        raise AxdseError(
            "inlined models multiply integers or fractions",
            f"{multiplier.spec} multiplies floats",
            "use a table, m <= 7",
        )
    if not trusted and builtin_catalog().families.get(family.name) != family:
        raise AxdseError(
            "an inlined C model runs in this process, so it is of the built-in catalogue",
            family.model,
            "use a table, m <= 7, or vouch for the file with Inlined(candidate, trusted=True)",
        )


def _proof(candidate: Candidate) -> Proof:
    number_format = candidate.format
    assert isinstance(number_format, FloatFormat)
    m, multiplier = number_format.fraction_bits, candidate.multiplier
    exhaustive = m <= EXHAUSTIVE_BITS
    a, b = _all_fractions(m) if exhaustive else _sampled_fractions(m)
    if multiplier.family.kind == "integer":
        a, b = a | np.uint64(1 << m), b | np.uint64(1 << m)
    with temporary_folder() as folder:
        narrowed = _narrowed(multiplier, folder) if exhaustive else None
        for first in range(0, a.size, _BLOCK):
            part = slice(first, first + _BLOCK)
            product = products(multiplier, a[part], b[part])
            if multiplier.family.kind == "integer":
                normalised(multiplier, number_format, a[part], b[part], product)
            if narrowed and not _agrees(narrowed, a[part], b[part], product):
                narrowed = None
    return Proof(a.size, 32 if narrowed else 64)


def _all_fractions(m: int) -> tuple[np.ndarray, np.ndarray]:
    every = np.arange(1 << m, dtype=np.uint64)
    return np.repeat(every, 1 << m), np.tile(every, 1 << m)


def _sampled_fractions(m: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of powers of two and their neighbours, and random fractions."""
    powers = 1 << np.arange(m + 1)
    corners = np.unique((powers[:, None] + np.array([-1, 0, 1])) % (1 << m)).astype(np.uint64)
    random = np.random.default_rng(_SEED).integers(0, 1 << m, (2, SAMPLES), dtype=np.uint64)
    a = np.concatenate([np.repeat(corners, corners.size), random[0]])
    return a, np.concatenate([np.tile(corners, corners.size), random[1]])


def _narrowed(multiplier: Multiplier, folder: Path) -> Multiplier | None:
    """The same model with 32-bit integers in place of 64-bit ones; None if it cannot be."""
    family = multiplier.family
    if '#include "' in (text := family.model.read_text(errors="replace")):
        return None
    model = folder / family.model.name
    model.write_text(f"#include <stdint.h>\n#define uint64_t uint32_t\n{text}\n#undef uint64_t\n")
    function = family.function or family.name
    return replace(multiplier, family=replace(family, model=model, function=function))


def _agrees(narrowed: Multiplier, a: np.ndarray, b: np.ndarray, product: np.ndarray) -> bool:
    """Whether the narrowed model gives these products; one that does not run gives none."""
    try:
        return bool((products(narrowed, a, b) == product).all())
    except AxdseError:
        return False
