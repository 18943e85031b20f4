"""Which sum does a text name? Read into a recipe, by parameters or by the name of a preset.

float(8,7)                             an accumulator, rounded after each addition
dot(terms=16,align=13)                 16 products aligned, added as integers, rounded once
dot(terms=16,align=13,acc=float(8,10),round=rne,carry=late,chunk=128)
lazy(10,24), fixed(44,-20)             sums that are normalised once per output
int(24), int(16,overflow=saturate)     for integer formats
hopper_fp8, hopper_fp8(chunk=128)      a preset of `catalog.yaml`
fp32(order=k)                          FP32, one product after another: float(8,23)
float(6,5,round=stochastic,random=13)  rounded up by chance, as 13 bits say
"""

import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from axdse.multipliers import strict_yaml
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import InputFile
from axdse.multipliers.sums.random_bits import STATE_BITS
from axdse.multipliers.sums.recipe import (
    IN_ORDER,
    Carry,
    Cut,
    FixedRegister,
    FloatRegister,
    IntRegister,
    LazyRegister,
    Overflow,
    Register,
    Rounding,
    Sum,
    usual_rounding,
)

CATALOG = Path(__file__).with_name("catalog.yaml")
LONGEST = 200  # characters of a sum
_TEXT = re.compile(r"(\w+)(?:\((.*)\))?", re.ASCII)
_PARTS = re.compile(r"(?:[^,()]|\([^()]*\))+", re.ASCII)
_OPTION = re.compile(r"(\w+)=(-?\w+(?:\([^()]*\))?)", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,7}", re.ASCII)
_REMEDY = "write for example 'dot(terms=16,align=13)'; docs/sums.md has all"


@dataclass(frozen=True)
class Preset:
    """A sum that somebody has built.

    Attributes:
        sum: what it computes.
        what: the machine, and the operands that it takes.
        source: how that is known.
    """

    sum: Sum
    what: str
    source: str


@dataclass(frozen=True)
class _Entry:
    sum: str
    what: str
    source: str


@dataclass(frozen=True)
class _Options:
    """What a text says by name, as it is written; empty: nothing."""

    terms: str = ""
    align: str = ""
    acc: str = ""
    cut: str = ""
    carry: str = ""
    round: str = ""
    random: str = ""
    overflow: str = ""
    chunk: str = ""
    stages: str = ""
    order: str = ""


@functools.cache
def presets() -> Mapping[str, Preset]:
    """The sums of `catalog.yaml` by name.

    Raises:
        AxdseError: it is damaged.
    """
    text = InputFile(CATALOG, "sums are a readable catalog.yaml", strict_yaml.LARGEST).text()
    entries = strict_yaml.build(dict[str, _Entry], strict_yaml.load(text, str(CATALOG)), "sums")
    return {name: Preset(_read(e.sum), e.what, e.source) for name, e in entries.items()}


def parse_sum(text: str) -> Sum:
    """Read a sum's text, or the name of a preset; both take options, as `hopper(chunk=128)`.

    Raises:
        AxdseError: it is none, or its parameters are out of range.
    """
    head = "".join(text.split()).partition("(")[0]
    return _read(text, presets().get(head))


def _read(text: str, preset: Preset | None = None) -> Sum:
    match = _TEXT.fullmatch("".join(text.split()))
    if match is None or len(text) > LONGEST:
        raise AxdseError("a sum is written name(...)", repr(text), _REMEDY)
    head, inner = match[1], match[2] or ""
    parts = _PARTS.findall(inner)
    named = [m for m in map(_OPTION.fullmatch, parts) if m]
    plain = [part for part in parts if not _OPTION.fullmatch(part)]
    options = _options(named, text)
    if ",".join(parts) != inner or (plain and (preset or head == "dot")):
        raise AxdseError("a sum is written name(option=value,...)", repr(text), _REMEDY)
    if options.order or head == "fp32":
        return _completed(_ordered(head, options.order, text), options)
    if preset:
        return _completed(preset.sum, options)
    if head == "dot":
        if not options.terms:
            raise AxdseError("a dot has terms=N", repr(text), _REMEDY)
        kept = _align(options.align) if options.align else None
        return _completed(Sum(FloatRegister(8, min(23, kept or 23)), 1, kept), options)
    if head in _OF_FORMATS:
        rule = f"{head} is the sum of a format, which is no recipe"
        raise AxdseError(rule, repr(text), f"write '{_OF_FORMATS[head]}'")
    if head not in _WIDTHS:
        choices = ("fp32", *_OF_FORMATS, "dot", *_WIDTHS, *presets())
        raise AxdseError("unknown sum", repr(text), did_you_mean(head, choices))
    register, align = _register(f"{head}({','.join(plain)})", None)
    return _completed(Sum(register, 1, align, rounding=usual_rounding(head)), options)


def _ordered(head: str, order: str, text: str) -> Sum:
    """The sum in FP32 whose order is fixed; without a recipe kernels choose theirs."""
    if head != "fp32":
        rule = "order is of fp32, as all other sums have that of k"
        raise AxdseError(rule, repr(text), "leave order out")
    if order != "k":
        raise AxdseError("fp32 has any order, or order=k", repr(text), "write 'fp32(order=k)'")
    return IN_ORDER


def _options(named: list[re.Match[str]], text: str) -> _Options:
    known = {field.name for field in dataclasses.fields(_Options)}
    given = {match[1]: match[2] for match in named}
    for name in given:
        if name not in known:
            raise AxdseError("unknown option of a sum", name, did_you_mean(name, known))
    if len(given) < len(named):
        raise AxdseError("each option of a sum is given once", repr(text), "leave one out")
    return _Options(**given)


def _completed(start: Sum, options: _Options) -> Sum:
    """The sum with what the options say otherwise."""
    register, align = start.register, start.align
    if options.align:
        align = _align(options.align)
    if options.acc:
        register, align = _register(options.acc, align)
    if options.overflow:
        if not isinstance(register, FixedRegister | IntRegister):
            rule = "overflow is of fixed(W,L) and int(W)"
            raise AxdseError(rule, f"overflow={options.overflow}", "leave it out")
        overflow = _choice("overflow", options.overflow, Overflow)
        register = dataclasses.replace(register, overflow=overflow)
    rounding = _choice("round", options.round, Rounding) if options.round else start.rounding
    return Sum(
        register=register,
        terms=_number("terms", options.terms, start.terms),
        align=align,
        cut=_choice("cut", options.cut, Cut) if options.cut else start.cut,
        carry=_choice("carry", options.carry, Carry) if options.carry else start.carry,
        rounding=rounding,
        random=_number("random", options.random, STATE_BITS if rounding == "stochastic" else 0),
        chunk=_number("chunk", options.chunk, start.chunk),
        stages=_number("stages", options.stages, start.stages),
    )


# Sums that formats bring along, and the recipe next to each.
_OF_FORMATS = {"bf16": "float(8,7)", "fp16": "float(5,10)", "int32": "int(32)"}
# Of each register that a text may name, what its plain numbers are.
_WIDTHS = {"float": "float(E,R)", "lazy": "lazy(F,V)", "fixed": "fixed(W,L)", "int": "int(W)"}


def _register(text: str, align: int | None) -> tuple[Register, int | None]:
    """A register and the fraction bits that terms keep in front of it."""
    head, _, inner = text.rstrip(")").partition("(")
    if head not in _WIDTHS:
        rule = "an accumulator is float(E,R), lazy(F,V), fixed(W,L) or int(W)"
        raise AxdseError(rule, repr(text), did_you_mean(head, _WIDTHS))
    form = _WIDTHS[head]
    numbers = [_number(form, part) for part in inner.split(",") if part]
    if len(numbers) != form.count(",") + 1:
        raise AxdseError(f"an accumulator is written {form}", repr(text), _REMEDY)
    if head == "float":
        return FloatRegister(*numbers), align
    if head == "fixed":
        return FixedRegister(numbers[0], numbers[1]), align
    if head == "int":
        return IntRegister(numbers[0]), align
    if align not in (None, numbers[0]):
        rule = "lazy(F,V) says how terms are aligned"
        raise AxdseError(rule, f"align={align}", f"choose align={numbers[0]}, or leave it out")
    return LazyRegister(numbers[1]), numbers[0]


def _align(text: str) -> int | None:
    return None if text == "exact" else _number("align", text)


def _number(name: str, text: str, otherwise: int = 0) -> int:
    if text and not _NUMBER.fullmatch(text):
        raise AxdseError(f"{name} is an integer", repr(text), _REMEDY)
    return int(text) if text else otherwise


def _choice(name: str, text: str, choices: Any) -> Any:
    if text not in get_args(choices):
        rule = f"{name} of a sum is {' or '.join(get_args(choices))}"
        raise AxdseError(rule, repr(text), did_you_mean(text, get_args(choices)))
    return text
