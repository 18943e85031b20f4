"""Which integers does C have, and how is a function of them called with the operands of RTL?"""

import re
from dataclasses import dataclass

from axdse.multipliers.errors import AxdseError

# Bits of the integer types, plus 100 if signed; a plain `char` is what the compiler is told.
INTEGERS = {
    "_Bool": 1,
    "unsigned char": 8,
    "unsigned short": 16,
    "unsigned int": 32,
    "unsigned long": 64,
    "unsigned long long": 64,
    "signed char": 108,
    "short": 116,
    "int": 132,
    "long": 164,
    "long long": 164,
    "char": 108,
}
OPERANDS = ("a", "b")
_CONSTANT = re.compile(rf"(?P<type>{'|'.join(INTEGERS)}) (?P<value>-?\d{{1,19}})", re.ASCII)


@dataclass(frozen=True)
class IntegerCall:
    """How a function of integers is called.

    Attributes:
        arguments: in the order of the function: `a` and `b`, the RTL's operands, and constants
            such as `int 3`.
        signs: whether a and b are two's complement.
        unsigned_char: a plain `char` of the file has no sign.
        extends: products of two's complement operands are numbers as wide as both of them, which
            a wider unsigned result may hold as two's complement of its own width.

    Raises:
        AxdseError: see `check_arguments`.
    """

    arguments: tuple[str, ...] = OPERANDS
    signs: tuple[bool, bool] = (False, False)
    unsigned_char: bool = False
    extends: bool = False

    def __post_init__(self) -> None:
        check_arguments(self.arguments)

    def text(self, a: str, b: str) -> str:
        """The arguments in C, with these texts for the operands."""
        operands = {"a": a, "b": b}
        return ", ".join(operands.get(each) or _cast(each) for each in self.arguments)


def check_arguments(arguments: tuple[str, ...]) -> None:
    """Refuse what is no list of arguments, see `IntegerCall`.

    Raises:
        AxdseError: an operand is missing or comes twice, or a constant is none.
    """
    constants = [each for each in arguments if each not in OPERANDS]
    wrong = next((each for each in constants if not _CONSTANT.fullmatch(each)), None)
    operands = sorted(each for each in arguments if each in OPERANDS)
    if wrong is not None or operands != [*OPERANDS]:
        rule = "arguments of a C model are a and b, each once, and constants such as 'int 3'"
        raise AxdseError(rule, wrong or ", ".join(arguments), "correct them")


def _cast(constant: str) -> str:
    kind, _, value = constant.rpartition(" ")
    return f"({kind}){value}"


PLAIN = IntegerCall()
