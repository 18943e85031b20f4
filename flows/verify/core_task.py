"""What is a core asked, and what must it answer? Its C model, in one way to read that."""

import functools
from dataclasses import replace

from axdse.flows.evidence.stimulus import core_coverage, core_stimulus
from axdse.flows.verify.verdict import Oracle, Task
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.model.cmodel import model_digest, products, table_of


def swapped(multiplier: Multiplier) -> Multiplier:
    """The same model, called with its operands exchanged."""
    family = replace(multiplier.family, swapped=not multiplier.family.swapped)
    return replace(multiplier, family=family)


def core_task(multiplier: Multiplier, rtl: Rtl, seed: int, free: bool = False) -> Task:
    """What a core meets, and what its C model answers.

    Args:
        multiplier: the model.
        rtl: the design.
        seed: of the random vectors, where not all pairs are met.
        free: whichever order of the operands agrees is taken.
    """
    family = multiplier.family
    stimulus = core_stimulus(multiplier.a_bits, multiplier.b_bits, seed)
    oracle = _oracle(multiplier, stimulus.exhaustive)
    return Task(
        design=multiplier.spec,
        function=family.function or family.name,
        arguments=family.arguments,
        reading=_reading(multiplier, rtl),
        unsigned_operand=family.unsigned_operand,
        unsigned_char=family.unsigned_char,
        rtl_only=family.rtl_only,
        model_digest=model_digest(multiplier),
        rtl=rtl,
        signed=family.signed,
        oracle=oracle,
        other=_other_oracle(multiplier, oracle, stimulus.exhaustive, free),
        order="swapped" if family.swapped else "straight",
        free=free,
        stimulus=stimulus,
        coverage=core_coverage(multiplier.a_bits, multiplier.b_bits, stimulus),
        seed=seed,
    )


def _reading(multiplier: Multiplier, rtl: Rtl) -> str:
    """What the operands of a model are taken for."""
    a, b = multiplier.family.operand_signs
    text = "two's complement" if a else "unsigned"
    if a != b:
        names = rtl.ports[:2] if a else rtl.ports[1::-1]
        text = f"two's complement {names[0]}, unsigned {names[1]}"
    return f"{text}, with a char that has no sign" if multiplier.family.unsigned_char else text


def _oracle(multiplier: Multiplier, exhaustive: bool) -> Oracle:
    if not exhaustive:
        return functools.partial(products, multiplier)
    table = functools.cache(lambda: table_of(multiplier))
    return lambda a, b: table()[a, b]


def _other_oracle(
    multiplier: Multiplier, straight: Oracle, exhaustive: bool, free: bool
) -> Oracle | None:
    """Unequal widths have one only if the order is to be found out."""
    if multiplier.a_bits == multiplier.b_bits:
        return lambda a, b: straight(b, a)
    return _oracle(swapped(multiplier), exhaustive) if free else None
