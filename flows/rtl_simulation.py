"""Stage 5, RTL check: the device: what the Verilog answers to a stimulus."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from axdse.flows.stimulus import MAX_OPERAND_BITS, Stimulus
from axdse.flows.tools import find_tool, run_process
from axdse.multipliers.cache import temporary_folder, write_atomically
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.verilog import Rtl

# What a verdict depends on beside the design and the vectors.
BENCH_FILES = tuple(
    Path(__file__).with_name(name)
    for name in ("rtl_bench.v", "rtl_simulation.py", "rtl_testbench.py", "cocotb_run.py")
)
TIME_LIMIT_S = 300
RECORD_WORDS = 4
WALKS = 2
FOREIGN_VARIABLES = ("COCOTB_", "GPI_", "PYTEST_", "SIM_CMD_", "WAVES", "GUI")


@dataclass(frozen=True, eq=False)
class Response:
    """Products in four states, as Verilog's VPI encodes them.

    A bit on which the two walks of `rtl_bench.v` disagree is not a function of the operands: x.

    Attributes:
        value: uint64 of shape [vectors]; where a bit is unknown, 1 means x and 0 means z.
        unknown: uint64 likewise, 1 where the bit is x or z.
    """

    value: np.ndarray
    unknown: np.ndarray

    def text(self, index: int, bits: int) -> str:
        """One product in hex; a digit that is not known is x, z, or X where bits are mixed."""
        value, unknown = int(self.value[index]), int(self.unknown[index])
        digits = range((bits - 1) // 4 * 4, -1, -4)
        return "".join(_digit(value >> at & 15, unknown >> at & 15, bits - at) for at in digits)


def _digit(value: int, unknown: int, bits: int) -> str:
    every = (1 << min(bits, 4)) - 1
    if not unknown:
        return f"{value:x}"
    if unknown != every or value not in (0, every):
        return "X"
    return "x" if value else "z"


def simulate(rtl: Rtl, stimulus: Stimulus) -> Response:
    """Run all vectors through Icarus, driven by cocotb.

    Raises:
        AxdseError: a tool is missing, or the RTL does not elaborate, crashes, hangs or ends the
            simulation before its last vector.
    """
    with temporary_folder() as folder:
        _run(rtl, stimulus, folder)
        return _response(folder / "results.bin", rtl, stimulus.vectors)


def record_waves(rtl: Rtl, stimulus: Stimulus, expected: np.ndarray, path: Path) -> None:
    """Simulate and leave a VCD of operands, product, expected product and the whole device.

    Raises:
        AxdseError: as `simulate`, or `path` cannot be written.
    """
    with temporary_folder() as folder:
        expected.astype(">u8").tofile(folder / "answers.bin")
        _run(rtl, stimulus, folder, waves=True)
        write_atomically(path, (folder / "waves.vcd").read_bytes())


def _run(rtl: Rtl, stimulus: Stimulus, folder: Path, waves: bool = False) -> None:
    if not stimulus.vectors:
        raise AxdseError("a check tries at least one vector", "0 vectors", "choose a wider design")
    (folder / f"{rtl.top}.v").write_text(rtl.text)
    pairs = (stimulus.a << np.uint64(MAX_OPERAND_BITS)) | stimulus.b
    pairs.astype(">u8").tofile(folder / "vectors.bin")
    command = [sys.executable, "-P", "-m", "axdse.flows.cocotb_run", f"{rtl.top}.v"]
    result = run_process(
        f"the simulation of {rtl.top}",
        [*command, *_macros(rtl, stimulus, waves)],
        folder,
        folder / "run.log",
        TIME_LIMIT_S,
        _environment(folder, waves),
    )
    if not (folder / "sim.vvp").exists():
        raise _not_built(rtl, folder / "build.log", result.log)
    _check_widths(rtl, folder / "build.log")
    if not _passed(folder / "results.xml"):
        raise _not_finished(rtl, folder / "simulation.log", result.log)


def _check_widths(rtl: Rtl, log: Path) -> None:
    """Icarus would pad or cut at the ports, and the cut bits would never be seen."""
    name = rf"({re.escape(rtl.top)}|{re.escape(rtl.core)})"
    misfit = re.search(rf"Port .* of {name} expects .*", "\n".join(_lines(log)))
    if misfit:
        raise AxdseError(
            f"the ports of {rtl.top} have {rtl.operand_bits}, {rtl.operand_bits} and "
            f"{rtl.product_bits} bits",
            misfit[0],
            "correct their widths",
        )


def _macros(rtl: Rtl, stimulus: Stimulus, waves: bool) -> list[str]:
    a, b, p = rtl.ports
    macros = [
        f"AXDSE_TOP={rtl.top}",
        f"AXDSE_A={a}",
        f"AXDSE_B={b}",
        f"AXDSE_P={p}",
        f"AXDSE_OPERAND_BITS={rtl.operand_bits}",
        f"AXDSE_PRODUCT_BITS={rtl.product_bits}",
        f"AXDSE_VECTORS={stimulus.vectors}",
    ]
    return [*macros, "AXDSE_WAVES=1"] if waves else macros


def _environment(folder: Path, waves: bool) -> dict[str, str]:
    """Icarus first on PATH under its plain names, and nothing that would steer cocotb."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("iverilog", "vvp"):
        (tools / name).symlink_to(find_tool(name).path)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_VARIABLES)}
    return kept | {
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "TMPDIR": str(folder),
        "COCOTB_LOG_LEVEL": "WARNING",
        # Saves 0.1 s: the test asserts nothing.
        "COCOTB_REWRITE_ASSERTION_FILES": "",
        # The last word on the format of the waves, before which cocotb says none.
        "SIM_CMD_SUFFIX": "-vcd" if waves else "-none",
    }


def _passed(results: Path) -> bool:
    """Exactly one test ran and passed; cocotb counts a skipped one as passed."""
    try:
        cases = ElementTree.parse(results).findall(".//testcase")
    except (OSError, ElementTree.ParseError):
        return False
    bad = ("failure", "error", "skipped")
    return len(cases) == 1 and not any(cases[0].find(word) is not None for word in bad)


def _response(path: Path, rtl: Rtl, vectors: int) -> Response:
    try:
        words = np.fromfile(path, dtype=np.uint32)
    except OSError:
        words = np.empty(0, dtype=np.uint32)
    if words.size != WALKS * vectors * RECORD_WORDS:
        raise AxdseError(
            f"the simulation of {rtl.top} must answer every vector, twice",
            f"{words.size // RECORD_WORDS} answers to {vectors} vectors",
            "remove $finish and $fclose from the RTL",
        )
    records = words.reshape(WALKS, vectors, RECORD_WORDS).astype(np.uint64)
    low, high = records[..., :2], records[..., 2:] << np.uint64(32)
    there, back = (low | high)[0], (low | high)[1, ::-1]
    disputed = np.bitwise_or.reduce(there ^ back, axis=1)
    return Response(there[:, 0] | disputed, there[:, 1] | disputed)


def _not_built(rtl: Rtl, log: Path, output: str) -> AxdseError:
    lines = _lines(log)
    line = next((line for line in lines if "error" in line), None) or _last(lines, output)
    line = line.replace(f"{log.parent}/", "")
    return AxdseError(f"the RTL {rtl.top} must elaborate in Icarus", line, "correct that line")


def _not_finished(rtl: Rtl, log: Path, output: str) -> AxdseError:
    rule = f"the simulation of {rtl.top} must run to its end"
    return AxdseError(rule, _last(_lines(log), output), "remove system tasks from the RTL")


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def _last(lines: list[str], output: str) -> str:
    said = [line.strip() for line in (*lines, *output.splitlines()) if line.strip()]
    return said[-1] if said else "no message"
