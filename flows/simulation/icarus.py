"""What does the Verilog answer to a stimulus, by Icarus?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from axdse.flows.evidence.report import Response
from axdse.flows.evidence.stimulus import MAX_OPERAND_BITS, Stimulus, disputed, fold, walk
from axdse.flows.scripts import RTL_FILE
from axdse.flows.simulation.cocotb_run import RESULTS, cocotb_environment, cocotb_library
from axdse.flows.tools import find_tool, run_process
from axdse.flows.verilog.devices import Layout, instances, sources
from axdse.flows.verilog.safety import refuse_unsafe
from axdse.multipliers.cache import temporary_folder, write_output
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.machine import check_end, check_room

# What runs in processes of their own, so that no import leads to it.
BENCHES = tuple(
    f"axdse.flows.simulation.{name}" for name in ("testbench", "cocotb_run", "cocotb_verilator")
)
BENCH = Path(__file__).with_name("rtl_bench.v")
# Of CPU time; beside other work it may take longer, and what is verified must not change.
TIME_LIMIT_S, CROWDED = 300, 6
# They take up to a tenth of a second on an 8 x 8 design.
LEAPS = 4096
MAX_LATENCY = 64
LONGEST_ANSWER = 1024  # clock edges from operands to product, of a handshake
RECORD_WORDS = 4


@dataclass(frozen=True, eq=False)
class Trace:
    """The raw answers of one device along a walk.

    Attributes:
        value: as in `Response`, but of shape [steps]; a pipeline goes on for MAX_LATENCY more.
        unknown: likewise.
        order: the index into the stimulus at each step of the walk.
        vectors: distinct pairs of the stimulus.
    """

    value: np.ndarray
    unknown: np.ndarray
    order: np.ndarray
    vectors: int

    def response(self, latency: int = 0) -> Response:
        """The answers by pair; those of a pipeline come `latency` steps late."""
        steps = slice(latency, latency + len(self.order))
        value, unknown = self.value[steps], self.unknown[steps]
        doubt = disputed(value, self.order, self.vectors)
        doubt |= disputed(unknown, self.order, self.vectors)
        first = (fold(answers, self.order, self.vectors) | doubt for answers in (value, unknown))
        return Response(*first)


def simulate(designs: Sequence[Rtl], stimulus: Stimulus, leaps: int = LEAPS) -> list[Trace]:
    """Run all vectors through Icarus, driven by cocotb, on all designs in one simulation.

    Args:
        designs: of the same widths, see `devices.batches`; a pipeline comes alone.
        stimulus: at least one vector.
        leaps: how many pairs are met again in random order.

    Raises:
        AxdseError: the RTL could do more than compute; a tool is missing; or the RTL does not
            elaborate, crashes, hangs or ends the simulation before its last vector.
    """
    order = walk(stimulus, leaps)
    pipeline = designs[0].pipeline
    tail = np.resize(order, MAX_LATENCY if pipeline and not pipeline.start else 0)
    with temporary_folder() as folder:
        _run(designs, stimulus, np.concatenate([order, tail]), folder)
        words = _words(folder / "results.bin", designs, len(order) + len(tail))
    layout = Layout(len(designs), designs[0].product_bits)
    mask = np.uint64((1 << layout.product_bits) - 1)
    traces = []
    for word, low in map(layout.place, range(layout.count)):
        value, unknown = (words[:, word, :] >> np.uint64(low) & mask).T
        traces.append(Trace(value, unknown, order, stimulus.vectors))
    return traces


def record_waves(rtl: Rtl, stimulus: Stimulus, expected: np.ndarray, path: Path) -> None:
    """Simulate and leave a VCD of operands, product, expected product and the whole device.

    Raises:
        AxdseError: as `simulate`, or `path` cannot be written.
    """
    with temporary_folder() as folder:
        order = np.arange(stimulus.vectors)
        expected[order].astype(">u8").tofile(folder / "answers.bin")
        _run([rtl], stimulus, order, folder, waves=True)
        write_output(path, (folder / "waves.vcd").read_bytes())


def _run(
    designs: Sequence[Rtl],
    stimulus: Stimulus,
    order: np.ndarray,
    folder: Path,
    waves: bool = False,
) -> None:
    rtl = designs[0]
    if not stimulus.vectors:
        raise AxdseError("a check tries at least one vector", "0 vectors", "choose a wider design")
    for design in designs:
        refuse_unsafe(design.text, design.top)
    (folder / RTL_FILE).write_text(sources(designs))
    (folder / "rtl_bench_devices.v").write_text(instances(designs))
    pairs = ((stimulus.a << np.uint64(MAX_OPERAND_BITS)) | stimulus.b)[order]
    pairs.astype(">u8").tofile(folder / "vectors.bin")
    _build(rtl, folder, bench_macros(rtl, len(order), waves))
    for design in designs:
        _check_widths(design, folder / "build.log")
    vvp = [str(find_tool("vvp").path), "-m", cocotb_library("icarus"), "-n", "sim.vvp"]
    result = run_process(
        _subject(rtl),
        # The format of the waves.
        [*vvp, "-vcd" if waves else "-none"],
        folder,
        folder / "simulation.log",
        CROWDED * TIME_LIMIT_S,
        cocotb_environment(folder),
        cpu_s=TIME_LIMIT_S,
    )
    if not passed(folder / RESULTS):
        # vvp may end with exit code 0 all the same, which `run_process` believes.
        check_end(_subject(rtl), result.exit_code or 1, result.log)
        rule = f"{_subject(rtl)} must run to its end"
        line = last_words(log_lines(folder / "simulation.log"), "")
        raise AxdseError(rule, line, "remove system tasks from the RTL")


def _build(rtl: Rtl, folder: Path, macros: Sequence[str]) -> None:
    """Leave sim.vvp and build.log in the folder."""
    (folder / "time_scale.f").write_text("+timescale+1ns/1ps\n")
    command = [str(find_tool("iverilog").path), "-o", "sim.vvp", "-s", "rtl_bench", "-g2012"]
    command += [f"-D{macro}" for macro in macros]
    # The bench comes first: directives of the device must not reach it.
    command += [f"-I{folder}", "-f", "time_scale.f", str(BENCH), RTL_FILE]
    log = folder / "build.log"
    result = run_process(_subject(rtl), command, folder, log, TIME_LIMIT_S)
    if result.exit_code or not (folder / "sim.vvp").exists():
        raise _not_built(rtl, log)


def _subject(rtl: Rtl) -> str:
    return f"the simulation of {rtl.top}"


def _check_widths(rtl: Rtl, log: Path) -> None:
    """Icarus would pad or cut at the ports, and the cut bits would never be seen."""
    name = rf"({re.escape(rtl.top)}|{re.escape(rtl.core)})"
    misfit = re.search(rf"Port .* of {name} expects .*", "\n".join(log_lines(log)))
    if misfit:
        raise AxdseError(
            f"the ports of {rtl.top} have {rtl.a_bits}, {rtl.b_bits} and {rtl.product_bits} bits",
            misfit[0],
            "correct their widths",
        )


def bench_macros(rtl: Rtl, steps: int, waves: bool) -> list[str]:
    """The definitions that a bench takes."""
    pipeline = rtl.pipeline
    macros = [
        f"AXDSE_A_BITS={rtl.a_bits}",
        f"AXDSE_B_BITS={rtl.b_bits}",
        f"AXDSE_PRODUCT_BITS={rtl.product_bits}",
        f"AXDSE_VECTORS={steps}",
        f"AXDSE_RESET={pipeline.reset_level if pipeline else 0}",
        f"AXDSE_STALLS={7 if pipeline and pipeline.enable else 0}",
    ]
    macros += ["AXDSE_CLOCKED=1"] if pipeline else []
    if pipeline and pipeline.start:
        takes = [] if pipeline.ready else ["AXDSE_TAKES=1"]
        macros += [f"AXDSE_HANDSHAKE={LONGEST_ANSWER}", *takes]
    return [*macros, "AXDSE_WAVES=1"] if waves else macros


def passed(results: Path) -> bool:
    """Exactly one test ran and passed; cocotb counts a skipped one as passed."""
    try:
        cases = ElementTree.parse(results).findall(".//testcase")
    except (OSError, ElementTree.ParseError):
        return False
    bad = ("failure", "error", "skipped")
    return len(cases) == 1 and not any(cases[0].find(word) is not None for word in bad)


def _words(path: Path, designs: Sequence[Rtl], steps: int) -> np.ndarray:
    """The record of each step: uint64 of shape [steps, words, (value, unknown)]."""
    try:
        data = np.fromfile(path, dtype=np.uint32)
    except OSError:
        data = np.empty(0, dtype=np.uint32)
    layout = Layout(len(designs), designs[0].product_bits)
    size = layout.words * RECORD_WORDS
    if data.size != steps * size:
        check_room(path.parent, "a simulation", "set TMPDIR to another folder")
        raise AxdseError(
            f"the simulation of {designs[0].top} must answer at every step",
            f"{data.size // size} answers at {steps} steps",
            "remove $finish and $fclose from the RTL",
        )
    # %z writes the low halves of value and unknown, then the high halves.
    records = data.reshape(steps, layout.words, 2, 2).astype(np.uint64)
    return np.asarray(records[:, :, 0] | records[:, :, 1] << np.uint64(32))


def _not_built(rtl: Rtl, log: Path) -> AxdseError:
    lines = log_lines(log)
    line = next((line for line in lines if "error" in line), None) or last_words(lines, "")
    line = line.replace(f"{log.parent}/", "").replace(RTL_FILE, f"{rtl.top}.v")
    return AxdseError(f"the RTL {rtl.top} must elaborate in Icarus", line, "correct that line")


def log_lines(log: Path) -> list[str]:
    """What a log says; nothing if there is none."""
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def last_words(lines: list[str], output: str) -> str:
    """The last line that says anything."""
    said = [line.strip() for line in (*lines, *output.splitlines()) if line.strip()]
    return said[-1] if said else "no message"
