import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows import tools
from axdse.flows.tools import TOOLS, KnownTool, find_tool, run_process
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox import bounded
from axdse.multipliers.sandbox.bounded import fence_version

MakeTool = Callable[[str, str], Path]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_is_installed_and_tells_its_version(tool: KnownTool) -> None:
    version = find_tool(tool.name).version
    assert any(map(str.isdigit, version))
    assert "\n" not in version


@pytest.mark.usefixtures("bare_path")
@pytest.mark.parametrize(
    ("name", "package"),
    [("iverilog", "iverilog"), ("yosys-abc", "yosys"), ("sta", "opensta")],
)
def test_a_missing_tool_is_one_line_with_its_package(name: str, package: str) -> None:
    with pytest.raises(AxdseError, match=f"{name}; apt-get install {package}$"):
        find_tool(name)


def test_an_unknown_tool_is_answered_with_the_nearest() -> None:
    with pytest.raises(AxdseError, match="did you mean 'yosys'"):
        find_tool("yosis")


def test_a_variable_names_another_executable(
    fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake_tool("my-abc", "echo ABC 9.9")
    monkeypatch.setenv("AXDSE_YOSYS_ABC", str(path))
    tool = find_tool("yosys-abc")
    assert (tool.path, tool.version) == (path, "ABC 9.9")


def test_a_variable_that_names_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXDSE_YOSYS", "/nowhere/yosys")
    with pytest.raises(AxdseError, match="AXDSE_YOSYS must name an executable: /nowhere/yosys"):
        find_tool("yosys")


@pytest.mark.parametrize("script", ["exit 1", "true", "echo no number here", "echo 1.0; exit 3"])
def test_a_tool_without_a_version_is_refused(
    script: str, fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AXDSE_STA", str(fake_tool("sta", script)))
    with pytest.raises(AxdseError, match="sta must tell its version"):
        _ = find_tool("sta").version


def test_an_upgrade_changes_the_version(
    fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AXDSE_STA", str(fake_tool("sta", "echo 1.0")))
    assert find_tool("sta").version == "sta 1.0"
    time.sleep(0.01)
    fake_tool("sta", "echo 2.0")
    assert find_tool("sta").version == "sta 2.0"


def test_a_run_keeps_its_log_exit_code_and_time(
    fake_tool: MakeTool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake_tool("yosys", 'echo "args: $@"; echo problem >&2; pwd; sleep 0.2; exit 3')
    monkeypatch.setenv("AXDSE_YOSYS", str(path))
    run = find_tool("yosys").run(["-p", "x y"], folder=tmp_path, limit_s=10)
    assert run.exit_code == 3
    assert run.log == f"args: -p x y\nproblem\n{tmp_path}\n"
    assert run.log_file == tmp_path / "yosys.log"
    assert run.log_file.read_text() == run.log
    assert 0.2 <= run.seconds < 5


def test_a_crash_is_a_negative_exit_code(
    fake_tool: MakeTool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AXDSE_STA", str(fake_tool("sta", "kill -SEGV $$")))
    run = find_tool("sta").run([], folder=tmp_path, limit_s=10)
    assert run.exit_code == -signal.SIGSEGV


def test_a_tool_gets_no_input(tmp_path: Path) -> None:
    run = run_process("cat", ["cat"], tmp_path, tmp_path / "cat.log", 10)
    assert (run.exit_code, run.log) == (0, "")


def test_a_tool_sees_the_given_environment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Y", "2")
    command = [sys.executable, "-c", "import os; print(os.environ.get('Y'), os.environ['X'])"]
    run = run_process("env", command, tmp_path, tmp_path / "env.log", 10, {"X": "1"})
    assert run.log == "None 1\n"


def test_a_program_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match="ghost must start: /nowhere"):
        run_process("ghost", ["/nowhere"], tmp_path, tmp_path / "log", 10)


@pytest.mark.parametrize("ending", ["wait", "exit 0"], ids=["hangs", "leaves a child behind"])
def test_nothing_outlives_a_run(ending: str, fake_tool: MakeTool, tmp_path: Path) -> None:
    tool = fake_tool("hang", f"sleep 60 & echo $! > {tmp_path}/child; {ending}")
    start = time.monotonic()
    if ending == "wait":
        with pytest.raises(AxdseError, match=r"hang must end within 0\.5 s: killed"):
            run_process("hang", [str(tool)], tmp_path, tmp_path / "log", 0.5)
    else:
        run_process("hang", [str(tool)], tmp_path, tmp_path / "log", 30)
    assert time.monotonic() - start < 10
    assert _ended(int((tmp_path / "child").read_text()))


def test_a_loop_ends_even_when_nobody_looks_after_it(tmp_path: Path) -> None:
    """SIGKILL to us must not leave a process that spins for ever."""
    run = run_process("sh", ["sh", "-c", "sleep 0.2; ulimit -t"], tmp_path, tmp_path / "log", 7)
    assert run.log == "8\n"


def test_cpu_time_may_be_limited_apart_from_wall_time(tmp_path: Path) -> None:
    loop, log = ["sh", "-c", "while :; do :; done"], tmp_path / "log"
    with pytest.raises(AxdseError, match="loop must end within 1 s: killed"):
        run_process("loop", loop, tmp_path, log, 120, cpu_s=1)
    assert run_process("sleep", ["sleep", "2.5"], tmp_path, log, 120, cpu_s=1).exit_code == 0


def test_a_tool_writes_in_its_folder_and_its_scratch_alone(tmp_path: Path) -> None:
    """All but the folder is closed, by Landlock; a kernel without it fails this test."""
    assert fence_version() > 0
    for name in ("folder", "scratch", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").touch()
    attacks = [
        f"echo x > {place}/new; rm -f {place}/kept; ln kept {place}/link"
        for place in (tmp_path / "closed", tmp_path / "scratch")
    ]
    command = [
        "sh",
        "-c",
        f"{'; '.join(attacks)}; mktemp; echo $HOME $TMPDIR; echo > /dev/null; echo end",
    ]
    folder = tmp_path / "folder"
    run = run_process("sh", command, folder, folder / "log", 10, None, [tmp_path / "scratch"])
    assert run.log.endswith(f"{folder} {folder}\nend\n")
    assert len([*folder.glob("tmp.*")]) == 1
    assert [path.name for path in (tmp_path / "closed").iterdir()] == ["kept"]
    assert [path.name for path in (tmp_path / "scratch").glob("[!l]*")] == ["new"]


def test_a_tool_opens_no_connection(tmp_path: Path) -> None:
    if fence_version() < 4:
        pytest.skip("Landlock closes TCP from version 4 on")
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        run = run_process("py", [sys.executable, "-c", code], tmp_path, tmp_path / "log", 20)
    assert "PermissionError" in run.log


def test_a_tool_signals_nobody(tmp_path: Path) -> None:
    if fence_version() < 6:
        pytest.skip("Landlock holds signals back from version 6 on")
    command = ["sh", "-c", f"kill -USR1 {os.getpid()}"]
    run = run_process("sh", command, tmp_path, tmp_path / "log", 10)
    assert run.exit_code
    assert "not permitted" in run.log


def test_without_landlock_tools_run_unfenced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "fence_version", lambda: 0)
    (folder := tmp_path / "folder").mkdir()
    run_process("sh", ["sh", "-c", "echo > ../free"], folder, folder / "log", 10)
    assert (tmp_path / "free").exists()


def test_memory_and_files_of_a_tool_are_limited(tmp_path: Path) -> None:
    run = run_process("sh", ["sh", "-c", "ulimit -v; ulimit -f"], tmp_path, tmp_path / "log", 10)
    memory, blocks = map(int, run.log.split())
    assert memory * 1024 <= tools.MEMORY_BYTES
    assert blocks * 512 == tools.FILE_BYTES


def test_a_memory_bomb_is_contained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "MEMORY_BYTES", 1 << 28)
    command = [sys.executable, "-c", "x = bytes(1 << 30)"]
    run = run_process("py", command, tmp_path, tmp_path / "log", 20)
    assert "MemoryError" in run.log


@pytest.mark.parametrize("script", ["yes", "yes > big", "echo > run.log; yes >> run.log; exit 0"])
def test_a_tool_that_writes_too_much_is_one_line(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "FILE_BYTES", 1 << 20)
    with pytest.raises(AxdseError, match=r"yes must write less than 1 MiB.*loop") as error:
        run_process("yes", ["sh", "-c", script], tmp_path, tmp_path / "log", 20)
    assert "\n" not in str(error.value)


def _ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie that its new parent has yet to bury."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
