"""What does the float unit compute, in C? The model of `rtl/unit/fp_multiply.v` around any core.

`fp_multiply.c` is what an export ships beside the core's model. `unit_oracle` is its oracle: two
texts by two roads, one in numpy, that must agree on every code.
"""

from pathlib import Path

import numpy as np

from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Family
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.model.compile import HARNESS, compiled, included
from axdse.multipliers.sandbox.compiler import language_of
from axdse.multipliers.sandbox.confined import RefusedError, run

UNIT_MODEL = Path(__file__).with_name("fp_multiply.c")
TIME_LIMIT_S = 60.0


def unit_model_products(candidate: Candidate, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply operand codes with the C unit; codes as in `unit_products`.

    Args:
        candidate: a core with a C model of integers or fractions, in a float format.
        a: first operands, any integer dtype and shape.
        b: second operands, of the same shape.

    Returns:
        Product codes, uint64, of the operands' shape.

    Raises:
        AxdseError: no float format, a core that is a model of floats itself, or one that does
            not compile, crashes, does not end, or is not a pure function.
    """
    number_format = _float_format(candidate)
    core = candidate.multiplier.family.model
    macros = unit_macros(candidate)
    program = compiled(UNIT_MODEL, "fp_multiply", HARNESS, macros, core=core)
    pairs = np.stack([a.ravel(), b.ravel()], axis=1).astype(np.uint64)
    width = str(number_format.bits)
    arguments = [width, width, str(a.size)]
    try:
        output = run(program, arguments, candidate.name, TIME_LIMIT_S, pairs.tobytes())
    except RefusedError as refusal:
        rule = f"a C model is a pure function; {candidate.name} is not"
        raise AxdseError(rule, refusal, "remove its static state") from refusal
    if len(output) != 8 * a.size:
        raise AxdseError("a C model must return", candidate.name, "do not call exit() in it")
    return np.frombuffer(output, dtype=np.uint64).reshape(a.shape)


def unit_macros(candidate: Candidate) -> tuple[str, ...]:
    """The definitions, `NAME=VALUE`, that make `fp_multiply.c` the unit of a candidate.

    Raises:
        AxdseError: no float format, or a core that is a model of floats itself.
    """
    number_format, family = _float_format(candidate), candidate.multiplier.family
    parameters = (f"{name}={value}" for name, value in candidate.multiplier.bindings.items())
    if language_of(family.model).is_cpp:
        rule = "the C of a unit includes its core, which is a C file"
        raise AxdseError(rule, family.model.name, "write it in C, or use a table, m <= 7")
    return (
        *parameters,
        f"FP_E={number_format.exponent_bits}",
        f"FP_M={number_format.fraction_bits}",
        f"FP_F={number_format.product_fraction_bits}",
        f"FP_SIGNIFICAND={int(family.kind == 'significand')}",
        f"FP_CORE(x,y)={_call(family)}",
        f"FP_CORE_FILE={included(family.model)}",
    )


def _float_format(candidate: Candidate) -> FloatFormat:
    if not isinstance(candidate.format, FloatFormat) or candidate.multiplier.family.takes_floats:
        raise AxdseError(
            "the C of a unit wraps integers or fractions in a float format",
            candidate.name,
            "use its own model",
        )
    return candidate.format


def _call(family: Family) -> str:
    function = family.function or family.name
    return f"{function}({family.call.text('x', 'y')})"
