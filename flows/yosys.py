"""How is one Yosys script run, and what does its JSON say? In a folder of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axdse.flows.tools import find_tool
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError, MachineError

TIME_LIMIT_S = 300
Bit = int | str  # as in the JSON: the number of a net, or "0", "1", "x", "z"


def run_yosys(
    script: str,
    folder: Path,
    subject: str,
    limit_s: float | None = None,
    environment: Mapping[str, str] | None = None,
    memory_bytes: int | None = None,
) -> str:
    """Run the commands in `folder` and return the log; the rest as in `run_process`.

    Raises:
        AxdseError: Yosys refuses, crashes or hangs; `subject` is what it was working on.
    """
    (folder / "script.ys").write_text(script)
    command = ["-Q", "-T", "-s", "script.ys"]
    result = find_tool("yosys").run(
        command,
        folder=folder,
        limit_s=limit_s or TIME_LIMIT_S,
        environment=environment,
        memory_bytes=memory_bytes,
    )
    if result.exit_code:
        raise AxdseError(
            f"Yosys must accept {subject}",
            _reason(result.log, result.exit_code),
            "correct what it names",
        )
    return result.log


def read_modules(path: Path, subject: str) -> dict[str, Any]:
    """Return the modules that a script left with `write_json`.

    Raises:
        AxdseError: the file is missing or cut short although Yosys reported no error.
    """
    try:
        modules: dict[str, Any] = json.loads(path.read_bytes())["modules"]
    except (OSError, ValueError, KeyError) as error:
        raise MachineError(
            f"Yosys must write {path.name} for {subject}",
            f"it did not ({type(error).__name__})",
            "check its installation and the space in the temporary folder",
        ) from error
    return modules


def _reason(log: str, exit_code: int) -> str:
    """The error, or the warning that `check -assert` turned into one."""
    lines = [line.strip() for line in log.splitlines()]
    errors = [line for line in lines if "ERROR: " in line]
    if errors and "check -assert" not in errors[0]:
        # ABC tells Yosys that something failed, and the log what.
        told = [line.removeprefix("ABC: ") for line in lines if line.startswith("ABC: Error")]
        return (told or [errors[0].replace("ERROR: ", "")])[0]
    warnings = [line for line in lines if line.startswith("Warning: ")]
    return warnings[-1].removeprefix("Warning: ") if warnings else f"exit code {exit_code}"


def port_bits(ports: dict[str, Any], name: str, width: int, rtl: Rtl) -> list[Bit]:
    """The bits of a port of a module in Yosys' JSON, the lowest first.

    Args:
        ports: of the module.
        name: of the port.
        width: that it has.
        rtl: that the module was read from, whose ports are all that there may be.

    Raises:
        AxdseError: it has other ports, or this one is of another width.
    """
    known = (*rtl.ports, *(rtl.pipeline.ports if rtl.pipeline else ()))
    bits: list[Bit] = ports[name]["bits"] if name in ports else []
    if len(bits) != width or len(ports) != len(known):
        found = ", ".join(f"{port}[{len(entry['bits'])}]" for port, entry in ports.items())
        raise AxdseError(
            f"{rtl.top} has ports {', '.join(known)} and no others, {name} of {width} bits",
            found,
            "correct the port list",
        )
    return bits
