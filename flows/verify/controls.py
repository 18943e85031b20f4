"""What drives a clocked design? Clock, reset, enable and handshake, by their usual names."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from axdse.flows.verify.module_ports import Module
from axdse.flows.verify.pins import Pins
from axdse.multipliers.designs.family import Pipeline
from axdse.multipliers.errors import AxdseError, did_you_mean

CLOCK = re.compile(
    r"(i_)?([amph]|sys_?|core_?)?(clk|clock|ck)(_?(n|ni|p|b))?(_i|_in)?", re.IGNORECASE
)
RESET = re.compile(
    r"(i_)?(?P<not>n_?)?[as]?(rst|reset|clr|clear)(_?(?P<low>n|ni|b|l))?(_i|_in)?", re.IGNORECASE
)
ENABLE = re.compile(
    r"(i_)?(?P<not>n_)?(clk_?)?(c?en|ena|enable|ce)(_?(?P<low>n|ni|b|l))?(_i|_in)?", re.IGNORECASE
)
START = re.compile(
    r"(i_)?(start|go|(in|a|s|s_axis|op|operands?|data_in|din)_?t?valid|valid_?(in|i|a)|valid)(_i|_in)?",
    re.IGNORECASE,
)
DONE = re.compile(
    r"(o_)?(done|finish(ed)?|(out|p|m|m_axis|y|z|result|product|data_out|dout)_?t?valid"
    r"|valid_?(out|o|p)|valid)(_o|_out)?",
    re.IGNORECASE,
)
READY = re.compile(
    r"(o_)?((in|a|s|s_axis|op|operands?)_?t?ready|ready_?(out|o)|ready)(_o|_out)?", re.IGNORECASE
)


def control_text(pipeline: Pipeline) -> str:
    """How reset and enable of a pipeline are driven."""
    reset = f"{pipeline.reset} (resets at {pipeline.reset_level})" if pipeline.reset else "none"
    level = pipeline.enable_level
    enable = f"{pipeline.enable} (enables at {level})" if pipeline.enable else "none"
    handed = f", operands with {pipeline.start}, product with {pipeline.done}"
    return f"reset {reset}, enable {enable}{handed if pipeline.start else ''}"


def pipeline_of(top: Module, used: tuple[Module, ...], pins: Pins) -> Pipeline | None:
    """Clock, reset and enable by their usual names; refuses what remembers without a clock."""
    inputs = [port.name for port in top.ports if port.direction == "input" and port.bits == 1]
    clock = _control(pins.clock, inputs, CLOCK.fullmatch)
    latches = [cell for module in used for cell in module.latches]
    memory = latches or [cell for module in used for cell in module.registers]
    if memory and (latches or not clock):
        raise AxdseError(
            f"{top.name} must be combinational, or a pipeline with a clock",
            f"{memory[0]} (it remembers)",
            "assign every output in every branch, or name the clock with --clock",
        )
    reset = _control(pins.reset, inputs, RESET.fullmatch) if clock else ""
    _refuse_idle(top, clock, reset, pins)
    if not clock:
        return None
    enable = _control(pins.enable, inputs, ENABLE.fullmatch)
    outputs = [port.name for port in top.ports if port.direction == "output" and port.bits == 1]
    start = _control(pins.start, inputs, START.fullmatch)
    done = _control(pins.done, outputs, DONE.fullmatch)
    ready = _control(pins.ready, outputs, READY.fullmatch)
    if not (start and done):
        start = done = ready = ""
    return Pipeline(
        start=start,
        done=done,
        ready=ready,
        clock=clock,
        latency=pins.latency,
        reset=reset,
        reset_level=_level(pins.reset_level, RESET.fullmatch(reset)),
        enable=enable,
        enable_level=_level(pins.enable_level, ENABLE.fullmatch(enable)),
    )


def _refuse_idle(top: Module, clock: str, reset: str, pins: Pins) -> None:
    """Refuse what is said of a clock or a reset that is not there: nothing would come of it."""
    said = {
        "--latency": pins.latency and not clock,
        "--reset": pins.reset and not clock,
        "--enable": pins.enable and not clock,
        "--reset-level": pins.reset_level is not None and not reset,
        "--enable-level": pins.enable_level is not None and not clock,
        "--start": pins.start and not clock,
        "--done": pins.done and not clock,
        "--ready": pins.ready and not clock,
    }
    for option in filter(said.get, said):
        lacks = "reset" if clock else "clock"
        raise AxdseError(
            f"a design with {option} has a {lacks}",
            f"{top.name} has none that is known",
            f"leave it out, or name one with --{lacks}",
        )


def _level(pinned: int | None, named: re.Match[str] | None) -> Literal[0, 1]:
    """The level at which a control acts: low if its name ends so."""
    if pinned is not None:
        return 1 if pinned else 0
    return 0 if named and (named["not"] or named["low"]) else 1


def _control(pinned: str, inputs: list[str], named: Callable[[str], object]) -> str:
    if pinned and pinned not in inputs:
        raise AxdseError("no such 1-bit port", pinned, did_you_mean(pinned, inputs))
    return pinned or next(filter(named, inputs), "")


def other_levels(pipeline: Pipeline | None, pins: Pins) -> tuple[Pipeline, ...]:
    """The pipeline with reset or enable at the other level, where nobody pinned it."""
    if pipeline is None:
        return ()
    others: list[Pipeline] = []
    resets = [pipeline.reset_level]
    if pipeline.reset and pins.reset_level is None:
        resets.append(0 if pipeline.reset_level else 1)
    enables = [pipeline.enable_level]
    if pipeline.enable and pins.enable_level is None:
        enables.append(0 if pipeline.enable_level else 1)
    others = [
        replace(pipeline, reset_level=reset, enable_level=enable)
        for enable in enables
        for reset in resets
    ]
    return tuple(others[1:])
