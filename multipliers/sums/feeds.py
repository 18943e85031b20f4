"""Which sums add the products of a format?"""

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import BLOCK, FloatFormat, Format, IntFormat
from axdse.multipliers.sums.recipe import IN_ORDER, FloatRegister, IntRegister, Sum


def brought_along(number_format: Format) -> Sum | None:
    """The recipe of a format whose own sum is one, as that of integers in blocks; else None."""
    return IN_ORDER if isinstance(number_format, IntFormat) and number_format.is_mx else None


def check_feeds(number_format: Format, total: Sum) -> None:
    """Look whether products of a format can be added by a sum.

    Raises:
        AxdseError: one is of integers and the other is not, the register is too narrow for the
            products of a step, a step leaves a block, or the format names a sum of its own.
    """
    if isinstance(number_format, IntFormat):
        _check_feeds_integers(number_format, total)
    elif total.is_integer:
        rule = f"{number_format.name} is summed in float(E,R), lazy or fixed"
        raise AxdseError(rule, f"sum {total.name}", "choose such a sum, or another format")
    if number_format.is_mx and BLOCK % total.terms:
        rule = f"a step of MX operands lies within a block of {BLOCK}, so terms is a power of two"
        raise AxdseError(rule, f"terms={total.terms}", f"choose 1, 2, 4, 8, 16 or {BLOCK}")
    if isinstance(number_format, FloatFormat) and number_format.sum != "fp32":
        raise AxdseError("a MAC has one sum", f"{number_format.name} sum {total.name}", "drop one")


def _check_feeds_integers(number_format: IntFormat, total: Sum) -> None:
    held = total.register
    if number_format.is_mx:
        if not isinstance(held, FloatRegister):
            raise AxdseError(of_blocks(number_format), f"sum {total.name}", "choose such a sum")
        if total.is_random:
            rule = "round=stochastic is of sums of float products"
            raise AxdseError(rule, f"{number_format.name} sum {total.name}", "choose rz or rne")
        return
    if number_format.has_zero_points:
        rule = "operators take zero points out of int32, not out of a register that ended before"
        what = f"{number_format.name} sum {total.name}"
        raise AxdseError(rule, what, "leave the sum out, or choose signed operands")
    if not isinstance(held, IntRegister):
        rule = f"{number_format.name} is summed in int(W)"
        raise AxdseError(rule, f"sum {total.name}", "choose such a sum, or another format")
    least = number_format.product_bits + (total.terms - 1).bit_length()
    if held.width < least:
        rule = f"{total.terms} products of {number_format.name} carry into {least} bits"
        raise AxdseError(rule, held.name, f"choose int({least}) or wider")


def of_blocks(number_format: Format) -> str:
    """What adds integers in blocks, for people."""
    return f"{number_format.name} is summed in dot(...) or float(E,R)"
