"""What does the Verilog answer, by Verilator? Slow to build, fast to run.

Worth it from some million vectors on; see `simulation` for the simulator of every day, which also
shows x and z.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from axdse.flows.evidence.stimulus import MAX_OPERAND_BITS, Stimulus, walk
from axdse.flows.scripts import RTL_FILE
from axdse.flows.simulation.cocotb_run import FOREIGN_VARIABLES
from axdse.flows.simulation.icarus import (
    LEAPS,
    Trace,
    bench_macros,
    last_words,
    log_lines,
    passed,
)
from axdse.flows.simulation.verilator_tool import Verilator, find_verilator, need_verilator
from axdse.flows.tools import run_process
from axdse.flows.verilog.devices import Layout, instances, sources
from axdse.flows.verilog.safety import refuse_unsafe
from axdse.flows.verilog.tokens import tokens
from axdse.multipliers.cache import cached_bytes, digest, temporary_folder
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.compiler import compiler

__all__ = ["find_verilator", "need_verilator", "simulate_verilator"]

TIME_LIMIT_S = 600
# They would change what is built.
BUILD_VARIABLES = ("VERILATOR_", "MAKE", "OBJCACHE", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS")
STARTS = (0, 1)
RUN_TIME = "runtime.a"
NOTHING = Rtl(
    "nothing",
    "module nothing(input a, b, output [1:0] p); assign p = a & b; endmodule\n",
    ("a", "b", "p"),
    1,
    1,
    2,
    "nothing",
)


def simulate_verilator(
    designs: Sequence[Rtl], stimulus: Stimulus, leaps: int = LEAPS
) -> list[Trace]:
    """Run all vectors through Verilator, driven by cocotb, on all designs at once.

    As `simulation.simulate`, but Verilator has two states and cannot see x and z:

    - What is read before it is written starts as zeros in one simulation and as ones in a second;
      the bits of a product that differ between them are unknown: x.
    - Everything else that is x or z in Icarus, such as the z of a switched-off driver or what a
      select out of range yields, is an ordinary 0 or 1 here: its bit in `Trace.unknown` is zero,
      and where the model says the same, there is no mismatch. Where that matters, ask Icarus.

    Args:
        designs: of the same widths, see `axdse.flows.verilog.devices.batches`; none is a pipeline.
        stimulus: at least one vector.
        leaps: as `simulation.simulate`.

    Raises:
        AxdseError: Verilator is missing or too old; a design is a pipeline; the RTL could do more
            than compute; or it does not build, crashes, hangs or ends before its last vector.
    """
    _refuse(designs, stimulus)
    tool = need_verilator()
    order = walk(stimulus, leaps)
    with temporary_folder() as folder:
        _run(tool, designs, stimulus, order, folder)
        zeros, ones = (_words(folder, start, designs, len(order)) for start in STARTS)
    layout = Layout(len(designs), designs[0].product_bits)
    mask = np.uint64((1 << layout.product_bits) - 1)
    traces = []
    for word, low in map(layout.place, range(layout.count)):
        first, second = (words[:, word] >> np.uint64(low) & mask for words in (zeros, ones))
        traces.append(Trace(first | second, first ^ second, order, stimulus.vectors))
    return traces


def _refuse(designs: Sequence[Rtl], stimulus: Stimulus) -> None:
    if not stimulus.vectors:
        raise AxdseError("a check tries at least one vector", "0 vectors", "choose a wider design")
    for design in designs:
        if design.pipeline:
            rule, value = "Verilator checks combinational designs", f"{design.top} is a pipeline"
            raise AxdseError(rule, value, "check it with Icarus")
        refuse_unsafe(design.text, design.top)


def _run(
    tool: Verilator, designs: Sequence[Rtl], stimulus: Stimulus, order: np.ndarray, folder: Path
) -> None:
    rtl = designs[0]
    pairs = ((stimulus.a << np.uint64(MAX_OPERAND_BITS)) | stimulus.b)[order]
    pairs.astype(">u8").tofile(folder / "vectors.bin")
    (folder / RUN_TIME).write_bytes(_library(tool))
    output = _drive(tool, designs, len(order), folder)
    if not (folder / "rtl_bench").exists():
        rule = f"the RTL {rtl.top} must build in Verilator"
        said = _complaint(folder / "build.log", output).replace(RTL_FILE, f"{rtl.top}.v")
        raise AxdseError(rule, said, "correct that line, or check it with Icarus")
    for number, design in enumerate(designs):
        _check_widths(design, number, folder / "build.log")
    for start in STARTS:
        if not passed(folder / f"results{start}.xml"):
            rule = f"the simulation of {rtl.top} must run to its end"
            said = _complaint(folder / f"simulation{start}.log", output)
            raise AxdseError(rule, said, "look for a combinational loop")


def _drive(tool: Verilator, designs: Sequence[Rtl], steps: int, folder: Path) -> str:
    """Run `cocotb_verilator` in `folder`; returns what it prints."""
    rtl = designs[0]
    (folder / RTL_FILE).write_text(_without_orders(sources(designs)))
    (folder / "rtl_bench_devices.v").write_text(instances(designs).replace("%z", "%u"))
    module = [sys.executable, "-P", "-m", "axdse.flows.simulation.cocotb_verilator"]
    result = run_process(
        f"the simulation of {rtl.top} in Verilator",
        [*module, RTL_FILE, RUN_TIME, *bench_macros(rtl, steps, waves=False)],
        folder,
        folder / "run.log",
        TIME_LIMIT_S,
        _environment(tool, folder),
    )
    return result.log


def _library(tool: Verilator) -> bytes:
    """Verilator's run-time library, built once: it takes longer than all the rest."""
    script = Path(__file__).with_name("cocotb_verilator.py").read_bytes()
    built_by = (tool.text, str(tool.path), os.environ.get("CXX", ""), compiler()[1])

    def build() -> bytes:
        with temporary_folder() as folder:
            output = _drive(tool, [NOTHING], 1, folder)
            made = folder / "libverilated.a"
            if not made.exists():
                said = _complaint(folder / "build.log", output)
                remedy = "install make and g++ 10 or newer, or Verilator again"
                raise AxdseError("Verilator must build its run-time library", said, remedy)
            return made.read_bytes()

    return cached_bytes("verilator", f"{digest(*built_by, script)}.a", build)


def _without_orders(text: str) -> str:
    """Comments such as `verilator translate_off` steer Verilator; no other tool heeds them."""
    parts, end = [], 0
    for token in tokens(text):
        if token.kind == "comment":
            parts += [text[end : token.start], re.sub("[A-Za-z]", "x", token.text)]
            end = token.end
    return "".join([*parts, text[end:]])


def _environment(tool: Verilator, folder: Path) -> dict[str, str]:
    """This Verilator first on PATH, and nothing that would steer it, make or cocotb."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "verilator").symlink_to(tool.path)
    foreign = (*FOREIGN_VARIABLES, *BUILD_VARIABLES)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    root = {"VERILATOR_ROOT": str(tool.root)} if tool.root else {}
    own = {
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "COCOTB_LOG_LEVEL": "WARNING",
        "COCOTB_REWRITE_ASSERTION_FILES": "",
    }
    return kept | root | own


def _words(folder: Path, start: int, designs: Sequence[Rtl], steps: int) -> np.ndarray:
    """The record of each step: uint64 of shape [steps, words]."""
    path = folder / f"results{start}.bin"
    data = np.fromfile(path, dtype="<u8") if path.exists() else np.empty(0, dtype="<u8")
    words = Layout(len(designs), designs[0].product_bits).words
    if data.size != steps * words:
        rule = f"the simulation of {designs[0].top} must answer at every step"
        value = f"{data.size // words} answers at {steps} steps"
        raise AxdseError(rule, value, "look for what ends it in the RTL")
    return data.reshape(steps, words)


def _check_widths(rtl: Rtl, number: int, log: Path) -> None:
    """Verilator would pad or cut at the ports, and the cut bits would never be seen."""
    inside = f".rtl_bench_device{number}" if rtl.top != rtl.core else ""
    ports = "|".join(map(re.escape, rtl.ports))
    misfit = re.search(
        rf"((?:In|Out)put port connection '(?:{ports})' expects .*)\n"
        rf".*In instance 'rtl_bench(?:{re.escape(inside)})?'",
        "\n".join(log_lines(log)),
    )
    if misfit:
        raise AxdseError(
            f"the ports of {rtl.top} have {rtl.a_bits}, {rtl.b_bits} and {rtl.product_bits} bits",
            misfit[1],
            "correct their widths",
        )


def _complaint(log: Path, output: str) -> str:
    """What Verilator has against the RTL, else the compiler, else the last word of anyone."""
    lines = log_lines(log)
    errors = (line for sign in ("%Error", "error:") for line in lines if sign in line)
    line = next(errors, None) or last_words(lines, output)
    return line.replace(f"{log.parent}/", "").replace(f"{Path(__file__).parent}/", "")
