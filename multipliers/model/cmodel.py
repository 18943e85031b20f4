"""What are the products of a multiplier? All of them, or those asked for."""

import contextlib
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from axdse.multipliers.cache import digest
from axdse.multipliers.designs.c_call import OPERANDS
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.compile import HARNESS, compiled, source_content
from axdse.multipliers.model.float_model import float_table
from axdse.multipliers.sandbox.compiler import compiler
from axdse.multipliers.sandbox.confined import RefusedError, run

TIME_LIMIT_S = 60.0
# Of processor time; each pair is computed three times. What takes longer has a loop without end.
LEAST_S, PAIR_S = 10.0, 150e-6
_PREPROCESSED = re.compile(
    rb"^[ \t]*(?:#|%:)[ \t]*(?:if|elif)\b|##|%:%:|include[ \t]*\"", re.MULTILINE
)
MAX_TABLE_BITS = 24
_KEPT_TABLES, _KEPT_BITS = 64, 16  # 32 MiB at most


def tabulate(multiplier: Multiplier) -> np.ndarray:
    """Return all products, uint64 of shape (2^a_bits, 2^b_bits); the row is the first operand.

    Rows, columns and products of a signed design are two's complement bit patterns.

    Raises:
        AxdseError: the model cannot be compiled, crashes, does not end, is not a pure
            function, gives a product wider than declared, or the domain is too large.
    """
    a_bits, b_bits = multiplier.a_bits, multiplier.b_bits
    if a_bits + b_bits > MAX_TABLE_BITS:
        raise AxdseError(
            f"a table has at most 2^{MAX_TABLE_BITS} entries",
            f"{multiplier.spec} needs 2^{a_bits + b_bits}",
            "choose a narrower design",
        )
    if multiplier.family.takes_floats:
        return _float_model_table(multiplier)
    return _run(multiplier, multiplier.pairs).reshape(1 << a_bits, 1 << b_bits)


def table_of(multiplier: Multiplier) -> np.ndarray:
    """As `tabulate`, read-only, and made once: a process keeps the last small tables.

    Raises:
        AxdseError: as `tabulate`.
    """
    if multiplier.a_bits + multiplier.b_bits > _KEPT_BITS:
        return tabulate(multiplier)
    return _kept_table(multiplier, model_digest(multiplier), compiler())


@functools.lru_cache(_KEPT_TABLES)
def _kept_table(multiplier: Multiplier, _model: str, _compiler: tuple[str, str]) -> np.ndarray:
    """What the model holds and who compiles it are a part of the key: both may change."""
    table = tabulate(multiplier)
    table.setflags(write=False)
    return table


def products(multiplier: Multiplier, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return f(a[i], b[i]) as uint64 of the shape of `a`; a small table is made and looked up.

    Raises:
        AxdseError: as `tabulate`.
    """
    if multiplier.family.takes_floats:
        return np.asarray(_float_model_table(multiplier)[a, b])
    if multiplier.a_bits + multiplier.b_bits <= _KEPT_BITS:
        return np.asarray(table_of(multiplier)[a, b])
    if not a.size:
        return np.zeros(a.shape, dtype=np.uint64)
    pairs = np.stack([a.ravel(), b.ravel()], axis=1).astype(np.uint64)
    return _run(multiplier, a.size, pairs.tobytes()).reshape(a.shape)


def twos_complement(patterns: np.ndarray, bits: int) -> np.ndarray:
    """Return the values, int64, of two's complement bit patterns."""
    sign = np.int64(1 << (bits - 1))
    return np.asarray((patterns.astype(np.int64) ^ sign) - sign)


def model_digest(multiplier: Multiplier) -> str:
    """SHA-256 (hex) of the model's source, its function, its parameters and its constants.

    Raises:
        AxdseError: the file cannot be read.
    """
    family = multiplier.family
    parameters = (f"{name}={value}" for name, value in multiplier.bindings.items())
    constants = () if family.arguments == OPERANDS else family.arguments
    char = ("unsigned char",) if family.unsigned_char else ()
    function = family.function or family.name
    return digest(source_content(family.model), function, *parameters, *constants, *char)


@dataclass(frozen=True)
class Program:
    """A compiled model and the values of its parameters, if it takes them when it runs."""

    path: Path
    values: tuple[int, ...]


def program(multiplier: Multiplier) -> Program:
    """Compile the model with its harness, or return what is cached.

    One program serves a whole family, unless its source needs the parameters when it is compiled.

    Raises:
        AxdseError: the file is missing or does not compile; the compiler's line is shown.
    """
    family, bindings = multiplier.family, multiplier.bindings
    function = family.function or family.name
    build = functools.partial(
        compiled,
        *(family.model, function, HARNESS),
        call=family.call,
    )
    if bindings and _takes_variables(family.model):
        names = (f"{name}=axdse_parameter[{i}]" for i, name in enumerate(bindings))
        with contextlib.suppress(AxdseError):
            return Program(build(tuple(names)), tuple(bindings.values()))
    return Program(build(tuple(f"{name}={value}" for name, value in bindings.items())), ())


def _takes_variables(model: Path) -> bool:
    """The preprocessor would take a variable in a condition for 0, and cannot paste it."""
    try:
        return not _PREPROCESSED.search(model.read_bytes())
    except OSError as error:
        raise AxdseError("a C model is a readable file", model, "check the path") from error


def _float_model_table(multiplier: Multiplier) -> np.ndarray:
    family = multiplier.family
    table = float_table(family.model, family.function or family.name, multiplier.operand_bits)
    return table.T if family.swapped else table


def _run(multiplier: Multiplier, count: int, operands: bytes | None = None) -> np.ndarray:
    model = program(multiplier)
    pairs = 0 if operands is None else count
    numbers = (multiplier.a_bits, multiplier.b_bits, pairs, *model.values)
    arguments, cpu_s = [*map(str, numbers)], min(LEAST_S + round(PAIR_S * count), TIME_LIMIT_S)
    try:
        output = run(model.path, arguments, multiplier.spec, TIME_LIMIT_S, operands or b"", cpu_s)
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
    if multiplier.family.signed:
        return _pattern(multiplier, table.view(np.int64))
    if table.size and int(table.max()) >> bits:
        raise _too_wide(multiplier, int(table.max()))
    return table


def _pattern(multiplier: Multiplier, values: np.ndarray) -> np.ndarray:
    """Signed products as bit patterns; a model may also return the patterns themselves."""
    bits = multiplier.product_bits
    half = 1 << (bits - 1)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    is_pattern = low >= 0 and high < 2 * half
    if not is_pattern and not -half <= low <= high < half:
        raise _too_wide(multiplier, high if high >= half else low)
    return values.view(np.uint64) & np.uint64(2 * half - 1)


def _too_wide(multiplier: Multiplier, value: int) -> AxdseError:
    kind = "signed bits" if multiplier.family.signed else "bits"
    return AxdseError(
        f"products of {multiplier.spec} must fit {multiplier.product_bits} {kind}",
        f"its model gives {value}",
        "mask the result or correct the model",
    )
