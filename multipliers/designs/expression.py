"""How do bounds of the catalogue depend on earlier parameters? Integer expressions."""

import ast
import functools
import operator
import re
from collections.abc import Mapping

from axdse.multipliers.errors import AxdseError

Expression = int | str

LARGEST = 10**9 - 1  # of any number; specs have up to nine digits
LONGEST = 200
_WORDS = re.compile(r"(?:\d+(?!\w)|[A-Za-z_]\w*|//|[-+*() \t])*", re.ASCII)
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def evaluate(expression: Expression, values: Mapping[str, int]) -> int:
    """Evaluate an integer expression of + - * // over the named values.

    Raises:
        AxdseError: it is anything else, too long, divides by zero, or a number on the way has
            more than nine digits.
    """
    if isinstance(expression, int):
        return _bounded(expression)
    # Python parses by recursion, and warns of what it may refuse one day.
    if len(expression) > LONGEST or not _WORDS.fullmatch(expression):
        raise _bad_bound(expression)
    try:
        return _evaluate(_parsed(expression), values)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise _bad_bound(expression) from error


def _bounded(number: int) -> int:
    if abs(number) > LARGEST:
        rule = "numbers of a catalogue have up to nine digits"
        raise AxdseError(rule, f"{number:.3e}", "correct catalog.yaml")
    return number


@functools.cache
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _evaluate(node: ast.AST, values: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)) if number is not True and number is not False:
            return _bounded(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            return _bounded(
                _OPERATORS[type(op)](_evaluate(left, values), _evaluate(right, values))
            )
    raise _bad_bound(ast.unparse(node))


def _bad_bound(expression: str) -> AxdseError:
    return AxdseError(
        "bounds are + - * // over integers and earlier parameters",
        repr(expression),
        "correct catalog.yaml",
    )
