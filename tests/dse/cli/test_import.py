"""A long import: Ctrl-C ends it with one line, and nothing that was verified is lost."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WIDTHS = (2, 3, 4, 5, 6)  # a simulation each
LIMIT_S = 120
IMPORT = """
import signal
from axdse.dse.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # not that of a shell's background
main()
"""


@pytest.fixture
def start(
    tmp_path: Path, tools_only: Callable[[Path], Path]
) -> Callable[[], subprocess.Popen[str]]:
    """Start the import of a design a width, with its own cache of verdicts."""
    designs = tmp_path / "designs"
    designs.mkdir()
    for n in WIDTHS:
        (designs / f"m{n}.c").write_text(
            f"unsigned m{n}(unsigned a, unsigned b) {{ return a * b; }}"
        )
        ports = f"input [{n - 1}:0] a, b, output [{2 * n - 1}:0] p"
        (designs / f"m{n}.v").write_text(f"module m{n}({ports}); assign p = a * b; endmodule")
    environment = {**os.environ, "AXDSE_CACHE": str(tools_only(tmp_path / "cache"))}
    call = ["import", "designs", "-o", "mine", "--jobs", "1"]

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", IMPORT, *call], cwd=tmp_path, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    return begin


def verdicts(folder: Path) -> dict[Path, bytes]:
    """How long a simulation took is in its verdict, so a second one's differs."""
    return {path: path.read_bytes() for path in (folder / "cache" / "rtl_check").iterdir()}


def test_an_interrupted_import_goes_on(
    start: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = start()
    assert first.stderr is not None
    assert re.fullmatch(r"import 1/5.*: m2: equal, exhaustive\n", first.stderr.readline())
    os.killpg(first.pid, signal.SIGINT)
    _, messages = first.communicate(timeout=LIMIT_S)
    assert first.returncode == 128 + signal.SIGINT
    said = "interrupted; verdicts reached are in the cache: the same command goes on from there"
    assert messages.splitlines()[-1] == f"axdse: {said}"
    kept = verdicts(tmp_path)
    assert 1 <= len(kept) < len(WIDTHS)
    assert not (tmp_path / "mine").exists()

    again = start()
    output, messages = again.communicate(timeout=LIMIT_S)
    assert again.returncode == 0, messages
    assert output.splitlines()[-1] == f"mine: {len(WIDTHS)} of {len(WIDTHS)} designs"
    after = verdicts(tmp_path)
    assert len(after) == len(WIDTHS)
    assert {path: after[path] for path in kept} == kept
