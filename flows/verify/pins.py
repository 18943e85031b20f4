"""What does somebody say of a design that its files leave open? Options, or X.yaml beside it."""

import itertools
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal

import pydantic.dataclasses
from pydantic import ConfigDict, Field

from axdse.flows.evidence.report import Order
from axdse.flows.verify.module_ports import Parameters
from axdse.multipliers import strict_yaml
from axdse.multipliers.designs.family import Kind
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import InputFile
from axdse.multipliers.tables.product_tables import Index

MOST_DESIGNS = 256  # of ranges in one file
Level = Literal[0, 1]
Latency = Annotated[int, Field(ge=0, le=64)]


@dataclass(frozen=True)
class Pins:
    """What the user says of two files instead of leaving it to them; empty: left to them.

    Attributes:
        function: the C function.
        top: the Verilog module.
        order: which operand the C function takes first, see `RtlReport.order`.
        signed: whether each operand, and so the product, is two's complement.
        index: the order of a table's operands; None: found, see `product_table`.
        arguments: values of the function's parameters that are no operands, by name.
        parameters: values of the top module's parameters.
        ties: values of inputs that are no operands.
        ignored: outputs that are no product.
        clock, reset, enable, start, done, ready: ports, see `Pipeline`.
        latency: clock edges from operands to product.
        reset_level: the level that resets.
        enable_level: the level that enables.
        kind: what operands and product are, see `Family.kind`; empty: an integer product if it
            is as wide as both operands, else patterns of bits.
    """

    function: str = ""
    top: str = ""
    order: Order | None = None
    signed: tuple[bool, bool] | None = None
    index: Index | None = None
    arguments: tuple[tuple[str, int], ...] = ()
    parameters: Parameters = ()
    ties: tuple[tuple[str, int], ...] = ()
    ignored: tuple[str, ...] = ()
    clock: str = ""
    latency: int | None = None
    reset: str = ""
    reset_level: int | None = None
    enable: str = ""
    enable_level: int | None = None
    start: str = ""
    done: str = ""
    ready: str = ""
    kind: Kind | Literal[""] = ""


UNPINNED = Pins()
# The options of fields that are several values.
_SEVERAL = {
    "arguments": "argument",
    "parameters": "parameter",
    "ties": "tie",
    "ignored": "ignore",
}


def options_of(pins: Pins) -> str:
    """Pins as options of `axdse verify`, each with a blank before."""
    found = list[str]()
    for field in fields(Pins):
        value = getattr(pins, field.name)
        if value == getattr(UNPINNED, field.name):
            continue
        if field.name == "signed":
            found.append("--signed" if value[0] else "--unsigned")
        elif field.name in _SEVERAL:
            words = (each if isinstance(each, str) else "{}={}".format(*each) for each in value)
            found += (f"--{_SEVERAL[field.name]} {word}" for word in words)
        else:
            found.append(f"--{field.name.replace('_', '-')} {value}")
    return "".join(f" {each}" for each in found)


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Sidecar:
    """The options of `axdse verify` for two files of one's own; those left out are found.

    Attributes:
        arguments: values, or names of parameters, whose values they get.
        parameters: values, or the first and the last of a range: a design each.
    """

    function: str = ""
    top: str = ""
    order: Order | None = None
    signed: bool | None = None
    index: Index | None = None
    arguments: dict[str, int | str] = Field(default_factory=dict)
    parameters: dict[str, int | tuple[int, int]] = Field(default_factory=dict)
    ties: dict[str, int] = Field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    clock: str = ""
    latency: Latency | None = None
    reset: str = ""
    reset_level: Level | None = None
    enable: str = ""
    enable_level: Level | None = None
    start: str = ""
    done: str = ""
    ready: str = ""
    kind: Kind | None = None


def pins_beside(rtl: Path, pins: Pins) -> dict[str, Pins]:
    """The pins of a design: those of the YAML file beside it, if there is one, before `pins`.

    Returns:
        by what its name ends in: nothing, or the values of parameters that have a range, such as
        `_k3`.

    Raises:
        AxdseError: it is no such file, a range is empty, or there are too many designs.
    """
    path = rtl.with_suffix(".yaml")
    if not path.exists():
        return {"": pins}
    file = InputFile(path, "what is said of a design is a readable YAML", strict_yaml.LARGEST)
    said = strict_yaml.build(Sidecar, strict_yaml.load(file.text(), path.name) or {}, path.name)
    ranges = {name: _range(name, value, path) for name, value in said.parameters.items()}
    counts = [each.stop - each.start for each in ranges.values()]
    if math.prod(counts) > MOST_DESIGNS:
        rule = f"ranges of {path.name} make up to {MOST_DESIGNS} designs"
        raise AxdseError(rule, " x ".join(map(str, counts)), "narrow them")
    varied = [name for name, each in ranges.items() if each.stop - each.start > 1]
    found = {}
    for values in itertools.product(*ranges.values()):
        bound = dict(zip(ranges, values, strict=True))
        end = "".join(f"_{name.lower()}{bound[name]}" for name in varied).replace("-", "m")
        found[end] = _pins(said, bound, pins, path)
    return found


def _range(name: str, value: int | tuple[int, int], path: Path) -> range:
    low, high = (value, value) if isinstance(value, int) else value
    if low > high:
        rule = f"a range of {path.name} goes from its smallest value to its largest"
        raise AxdseError(rule, f"{name}: [{low}, {high}]", "exchange them")
    return range(low, high + 1)


def _pins(said: Sidecar, parameters: dict[str, int], pins: Pins, path: Path) -> Pins:
    arguments = {}
    for name, value in said.arguments.items():
        if isinstance(value, str) and value not in parameters:
            rule = f"an argument of {path.name} is a value, or one of its parameters"
            raise AxdseError(rule, f"{name}: {value}", did_you_mean(value, parameters))
        arguments[name] = parameters[value] if isinstance(value, str) else value
    return replace(
        pins,
        function=said.function,
        top=said.top,
        order=said.order,
        signed=None if said.signed is None else (said.signed, said.signed),
        index=said.index,
        arguments=tuple(arguments.items()),
        parameters=tuple(parameters.items()),
        ties=tuple(said.ties.items()),
        ignored=said.ignored,
        clock=said.clock,
        latency=said.latency,
        reset=said.reset,
        reset_level=said.reset_level,
        enable=said.enable,
        enable_level=said.enable_level,
        start=said.start,
        done=said.done,
        ready=said.ready,
        kind=said.kind or pins.kind,
    )
