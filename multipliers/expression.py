"""Integer expressions of the catalogue: bounds that depend on earlier parameters."""

import ast
import functools
import operator
from collections.abc import Mapping

from axdse.multipliers.errors import AxdseError

Expression = int | str

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def evaluate(expression: Expression, values: Mapping[str, int]) -> int:
    """Evaluate an integer expression of + - * // over the named values.

    Raises:
        AxdseError: it is anything else, or divides by zero.
    """
    if isinstance(expression, int):
        return expression
    try:
        return _evaluate(_parsed(expression), values)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise _bad_bound(expression) from error


@functools.cache
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _evaluate(node: ast.AST, values: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            return int(_OPERATORS[type(op)](_evaluate(left, values), _evaluate(right, values)))
    raise _bad_bound(ast.unparse(node))


def _bad_bound(expression: str) -> AxdseError:
    return AxdseError(
        "bounds are + - * // over integers and earlier parameters",
        repr(expression),
        "correct catalog.yaml",
    )
