"""Which multiplications does this process know, by the handle that operators take?

A graph that torch compiles holds tensors, integers and this one string: tables, plans and
compiled kernels stay outside.
"""

from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.tables.lut import Lut

Multiplication = Lut | Inlined
_KNOWN: dict[str, Multiplication] = {}


def handle(multiplication: Multiplication) -> str:
    """Make a multiplication known to the operators and return its handle, the digest."""
    _KNOWN.setdefault(multiplication.digest, multiplication)
    return multiplication.digest


def resolve(name: str) -> Multiplication:
    """Return the multiplication of a handle.

    Raises:
        AxdseError: this process knows none of that handle.
    """
    if name not in _KNOWN:
        raise AxdseError(
            "an operator takes the handle of a multiplication of this process",
            repr(name),
            "call handle(multiplication) first",
        )
    return _KNOWN[name]
