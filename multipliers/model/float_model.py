"""Is an ApproxTrain-style `float f(float, float)` a table? With proof.

A float model has a table only if it is separable: sign = xor, exponent = ea + eb - 127 + carry,
carry and fraction functions of the two fractions alone. `float_harness.c` checks that on every
product that is normal whatever its carry: all fraction pairs, all signs, all exponents with
1 <= ea + eb - 127 <= 253 (3.2e9 products for m = 7). Outside, the rules of the unit hold (zero
below, infinity above) in place of the model's own.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from axdse.multipliers.cache import cached_bytes, digest
from axdse.multipliers.cores import cores
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import LARGEST_SOURCE, InputFile
from axdse.multipliers.model.compile import compiled
from axdse.multipliers.provenance import code_digest
from axdse.multipliers.sandbox.confined import RefusedError, run

HARNESS = Path(__file__).with_name("float_harness.c")
TIME_LIMIT_S = 300.0
_FUNCTION = re.compile(r"\bfloat\s+(\w+)\s*\(\s*(?:const\s+)?float\b")


def float_table(path: Path, function: str, m: int) -> np.ndarray:
    """Tabulate a float model as a significand core of m fraction bits; cached by content.

    Product bits below the m-bit fraction are cut off, as ApproxTrain does.

    Args:
        path: C source; `__device__` and the like may stay in it.
        function: its name.
        m: fraction bits, 1..7.

    Returns:
        (carry << m) | fraction, uint64 of shape (2^m, 2^m); the row is the first operand.

    Raises:
        AxdseError: the model does not compile, crashes, does not end, or is not separable; the
            operands are shown.
    """
    _check_function(path, function)
    program = compiled(path, function, HARNESS, floats=True)
    key = digest(program.name, path.name, str(m), code_digest(__name__))
    table = cached_bytes(
        "float_model", key, lambda: _prove(program, path, m).astype(np.uint8).tobytes()
    )
    return np.frombuffer(table, dtype=np.uint8).astype(np.uint64).reshape(1 << m, 1 << m)


def _check_function(path: Path, function: str) -> None:
    data = InputFile(path, "a C model is a readable file", LARGEST_SOURCE).read()
    names = _FUNCTION.findall(data.decode(errors="replace"))
    if names and function not in names:
        raise AxdseError(
            f"{path.name} has no such function", function, did_you_mean(function, names)
        )


def _prove(program: Path, path: Path, m: int) -> np.ndarray:
    """Run the proof, first operands shared by as many processes as there are cores."""
    workers = cores()

    def part(first: int) -> bytes:
        arguments = [str(m), str(first), str(workers)]
        return run(program, arguments, path.name, TIME_LIMIT_S)

    with ThreadPoolExecutor(workers) as pool:
        try:
            tables = set(pool.map(part, range(workers)))
        except RefusedError as refusal:
            raise AxdseError(
                f"a float model must be separable (sign xor, exponent ea + eb - 127 + carry, "
                f"carry and fraction of the fractions alone); {path.name} is not",
                refusal,
                "it has no table; correct the model or its m",
            ) from refusal
    if len(tables) != 1 or len(table := tables.pop()) != 4 << (2 * m):
        raise AxdseError("a C model must return, and be pure", path.name, "correct the model")
    return np.frombuffer(table, dtype=np.uint32)
