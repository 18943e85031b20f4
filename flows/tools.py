"""Where is a hardware tool, which version is it, and how is it run? Log, limit, exit code."""

import contextlib
import errno
import functools
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from axdse.flows.scripts import script_word
from axdse.multipliers.errors import AxdseError, MachineError, did_you_mean
from axdse.multipliers.machine import (
    REMEDIES,
    check_end,
    check_room,
    file_limit,
    unwritable,
)
from axdse.multipliers.sandbox.bounded import ends_within, fenced, limited

VERSION_LIMIT_S = 20
MEMORY_BYTES = 8 << 30
FILE_BYTES = 2 << 30
LOG_BYTES = 64 << 20
_running: set[int] = set()
_found: dict[tuple[str, str | None], Path] = {}


@dataclass(frozen=True)
class KnownTool:
    """A program that axdse may run.

    Attributes:
        name: the command.
        package: the Debian and Ubuntu package that ships it.
        version_arguments: arguments that make it print its version.
        scratch: where it writes whatever TMPDIR says; empty: nowhere.
    """

    name: str
    package: str
    version_arguments: tuple[str, ...]
    scratch: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that names another executable, such as AXDSE_YOSYS_ABC."""
        return f"AXDSE_{self.name.upper().replace('-', '_')}"

    @property
    def remedy(self) -> str:
        """The command that installs it."""
        return f"apt-get install {self.package}"


TOOLS = (
    KnownTool("iverilog", "iverilog", ("-V",)),
    KnownTool("vvp", "iverilog", ("-V",)),
    KnownTool("yosys", "yosys", ("-V",), scratch="/tmp"),
    KnownTool("yosys-abc", "yosys", ("-q", "version")),
    KnownTool("sta", "opensta", ("-version",)),
)

OPTIONAL = (KnownTool("ghdl", "ghdl", ("--version",)),)  # who has no VHDL needs none


@dataclass(frozen=True)
class Run:
    """What came of running a tool.

    Attributes:
        exit_code: negative: the number of the signal that ended it.
        seconds: wall time.
        log: standard output and error, in the order of writing.
        log_file: the file in the run's folder that holds `log`.
    """

    exit_code: int
    seconds: float
    log: str
    log_file: Path


@dataclass(frozen=True)
class Tool:
    """A tool found on this machine."""

    name: str
    path: Path

    @property
    def version(self) -> str:
        """Name and version as the tool prints them, such as `Yosys 0.23 (git sha1 7ce5011c24b)`.

        Raises:
            AxdseError: the tool does not start or does not tell.
        """
        return _version(self.name, self.path, self.path.stat().st_mtime_ns)

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        limit_s: float,
        environment: Mapping[str, str] | None = None,
        memory_bytes: int | None = None,
        cpu_s: float | None = None,
    ) -> Run:
        """Run in `folder`, which also gets the log, `NAME.log`; see `run_process`."""
        command = [str(self.path), *arguments]
        log_file = folder / f"{self.name}.log"
        scratch = (Path(known),) if (known := _known(self.name).scratch) else ()
        return run_process(
            *(self.name, command, folder, log_file, limit_s),
            *(environment, scratch, memory_bytes, cpu_s),
        )


def find_tool(name: str) -> Tool:
    """Find a tool: `$AXDSE_<NAME>` where set, else on PATH.

    Raises:
        AxdseError: it is missing; the remedy is the command that installs it.
    """
    tool = _known(name)
    wanted = os.environ.get(tool.variable)
    found = _on_path(wanted or name)
    if found is None and wanted:
        raise AxdseError(f"{tool.variable} must name an executable", wanted, "correct or unset it")
    if found is None:
        raise MachineError("a tool is missing", name, tool.remedy)
    return Tool(name, found)


def _on_path(command: str) -> Path | None:
    """As `shutil.which`, whose walk over PATH would be a third of the look-up of a known cost."""
    key = command, os.environ.get("PATH")
    known = _found.get(key)
    if known is None or not os.access(known, os.X_OK):
        place = shutil.which(command)
        if place is None:
            return None
        known = _found[key] = Path(place).absolute()
    return known


def run_process(
    subject: str,
    command: Sequence[str],
    folder: Path,
    log_file: Path,
    limit_s: float,
    environment: Mapping[str, str] | None = None,
    scratch: Sequence[Path] = (),
    memory_bytes: int | None = None,
    cpu_s: float | None = None,
) -> Run:
    """Run a command without input; nothing that it started outlives this call.

    What it reads may be hostile: memory and file sizes are limited; where the kernel has Landlock,
    it can write in `folder` and `scratch` alone and open no TCP connection.

    Args:
        subject: what errors call it.
        command: program and arguments.
        folder: working directory.
        log_file: gets standard output and error.
        limit_s: wall time after which the whole process group is killed, in seconds.
        environment: all variables of the process but TMPDIR and HOME, which are `folder`; default:
            those of this one.
        scratch: other folders that it may write in.
        memory_bytes: address space of each process; default: 8 GiB, or all that there is.
        cpu_s: CPU time of each process, in seconds; default: no less than the wall time.

    Raises:
        AxdseError: it does not end in time, or writes too much; or the path of the folder
            is none that every tool takes for one word.
        MachineError: it does not start, or the machine ended it or had no room for its files.
    """
    script_word(folder)  # tools put it into commands of their own
    start = time.monotonic()
    with (
        log_file.open("wb") as output,
        _process_group(
            *(subject, command, folder, output, cpu_s or limit_s),
            *(environment, scratch, memory_bytes),
        ) as process,
    ):
        ended = ends_within(process, limit_s)
        exit_code = process.wait() if ended else 0
        if not ended or (cpu_s and exit_code == -signal.SIGXCPU):
            _check_sizes(subject, folder, log_file)
            rule = f"{subject} must end within {cpu_s or limit_s:g} s"
            raise AxdseError(rule, "killed", "look for a loop, or a far smaller design")
    seconds = time.monotonic() - start
    _check_sizes(subject, folder, log_file)
    log = log_file.read_text(errors="replace")
    check_end(subject, exit_code, log)
    check_room(folder, subject, "set TMPDIR to another folder")
    return Run(exit_code, seconds, log, log_file)


@contextlib.contextmanager
def _process_group(
    subject: str,
    command: Sequence[str],
    folder: Path,
    log: IO[bytes],
    cpu_s: float,
    environment: Mapping[str, str] | None,
    scratch: Sequence[Path],
    memory_bytes: int | None,
) -> Iterator[subprocess.Popen[bytes]]:
    def start() -> subprocess.Popen[bytes]:
        # A loop ends even when this process is killed and can no longer look after it.
        seconds = math.ceil(cpu_s) + 1
        return subprocess.Popen(
            limited(command, seconds, memory_bytes or _memory_bytes(), FILE_BYTES),
            cwd=folder,
            # Yosys leaves a history at home, whatever it is asked.
            env={**(os.environ if environment is None else environment), **_own(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )

    try:
        process = fenced(start, [folder, *scratch])
    except OSError as error:
        raise unwritable(
            f"{subject} must start", Path(command[0]), error, "install it again"
        ) from error
    _running.add(process.pid)
    try:
        yield process
    finally:
        _kill(process.pid)
        process.wait()
        _running.discard(process.pid)


def _own(folder: Path) -> dict[str, str]:
    return {"TMPDIR": str(folder), "HOME": str(folder)}


def kill_running() -> None:
    """Kill all that `run_process` runs, in any thread; the terminal's Ctrl-C does not reach it."""
    for group in tuple(_running):
        _kill(group)


def _memory_bytes() -> int:
    """A tool must not push the machine itself out of memory."""
    return min(MEMORY_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _check_sizes(subject: str, folder: Path, log_file: Path) -> None:
    """A file that was cut off must not be taken for a whole one, nor be read into memory."""
    sizes = {
        path: path.stat().st_size
        for path in {*folder.rglob("*"), log_file}
        if path.is_file() and not path.is_symlink()
    }
    full = [
        path.name
        for path, size in sizes.items()
        if size >= FILE_BYTES or (path.suffix == ".log" and size > LOG_BYTES)
    ]
    if full:
        rule = (
            f"{subject} must write less than {FILE_BYTES >> 20} MiB, and {LOG_BYTES >> 20} of log"
        )
        raise AxdseError(rule, full[0], "look for a loop that prints")
    cut = [path.name for path, size in sizes.items() if size >= file_limit()]
    if cut:
        rule, value = f"{subject} needs longer files", f"{cut[0]} was cut at {file_limit()} bytes"
        raise MachineError(rule, value, REMEDIES[errno.EFBIG])


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _known(name: str) -> KnownTool:
    known = {tool.name: tool for tool in (*TOOLS, *OPTIONAL)}
    if name not in known:
        raise AxdseError("unknown tool", name, did_you_mean(name, known))
    return known[name]


@functools.cache
def _version(name: str, path: Path, modified_ns: int) -> str:
    """`modified_ns` is a part of the key: an upgrade changes it."""
    tool = _known(name)
    try:
        result = subprocess.run(
            [path, *tool.version_arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{name} must tell its version", error, tool.remedy) from error
    lines = result.stdout.decode(errors="replace").splitlines()
    line = next((line.strip() for line in lines if any(map(str.isdigit, line))), "")
    if result.returncode or not line:
        code = f"{path} ended with exit code {result.returncode}"
        raise MachineError(f"{name} must tell its version", code, tool.remedy)
    return f"{name} {line}" if line[0].isdigit() else line
