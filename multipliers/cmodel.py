"""Stage 2, C model: the products of a multiplier, all of them or those asked for."""

from pathlib import Path

import numpy as np

from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.compiled import RefusedError, compiled, run
from axdse.multipliers.compiled import compiler as compiler
from axdse.multipliers.errors import AxdseError

TIME_LIMIT_S = 60.0
MAX_TABLE_BITS = 24


def tabulate(multiplier: Multiplier) -> np.ndarray:
    """Return all products, uint64 of shape (2^w, 2^w); the row is the first operand.

    Raises:
        AxdseError: the model cannot be compiled, crashes, does not end, is not a pure
            function, gives a product wider than declared, or the domain is too large.
    """
    width = multiplier.operand_bits
    if 2 * width > MAX_TABLE_BITS:
        raise AxdseError(
            f"a table has at most 2^{MAX_TABLE_BITS} entries",
            f"{multiplier.spec} needs 2^{2 * width}",
            "choose a narrower design",
        )
    return _run(multiplier, multiplier.pairs).reshape(1 << width, 1 << width)


def products(multiplier: Multiplier, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return f(a[i], b[i]) as uint64 of the shape of `a`; for domains too large to tabulate.

    Raises:
        AxdseError: as `tabulate`.
    """
    pairs = np.stack([a.ravel(), b.ravel()], axis=1).astype(np.uint64)
    return _run(multiplier, a.size, pairs.tobytes()).reshape(a.shape)


def executable(multiplier: Multiplier) -> Path:
    """Compile the model with its harness, or return the cached program.

    Raises:
        AxdseError: the file is missing or does not compile; the compiler's line is shown.
    """
    family = multiplier.family
    macros = tuple(f"{name}={value}" for name, value in multiplier.bindings.items())
    return compiled(family.model, family.name, "harness.c", macros)


def _run(multiplier: Multiplier, count: int, operands: bytes | None = None) -> np.ndarray:
    arguments = [str(multiplier.operand_bits)] + ([str(count)] if operands is not None else [])
    try:
        output = run(
            executable(multiplier), arguments, multiplier.spec, TIME_LIMIT_S, operands or b""
        )
    except RefusedError as refusal:
        raise AxdseError(
            f"a C model is a pure function; {multiplier.spec} is not",
            refusal,
            "remove its static state or undefined behaviour",
        ) from refusal
    if len(output) != 8 * count:
        raise AxdseError("a C model must return", multiplier.spec, "do not call exit() in it")
    return _fitting(multiplier, np.frombuffer(output, dtype=np.uint64))


def _fitting(multiplier: Multiplier, table: np.ndarray) -> np.ndarray:
    bits = multiplier.product_bits
    if table.size and int(table.max()) >> bits:
        raise AxdseError(
            f"products of {multiplier.spec} must fit {bits} bits",
            f"its model gives {int(table.max())}",
            "mask the result or correct the model",
        )
    return table
