"""Progress: bars and a line beneath them in a terminal, plain lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from axdse.dse.cli import options
from axdse.dse.cli.options import ProgressBars
from axdse.dse.search.progress import View

VIEW = View(3, 0.41, "drum(n=4,k=3) in int8: 9 um2", 1, 2)


def search(bars: ProgressBars) -> None:
    with bars:
        bars.begin("trainings", 7, 2)
        bars.advance("drum(n=4,k=3) in int8: 84.3 %, 9 um2")
        bars.show(VIEW)
        bars.advance("mitchell(m=3) in float(8,3): dominated", 0)
        bars.show(VIEW)


def test_plain_lines_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    search(ProgressBars())
    lines = capsys.readouterr().err.splitlines()
    begin = r"trainings 3/7, 0:00:00 left: "
    assert len(lines) == 3
    assert re.fullmatch(begin + r"drum.*: 84\.3 %, 9 um2", lines[0])
    assert re.fullmatch(begin + r"front 3 \(hypervolume 41%\), at equal.*2 running", lines[1])
    assert re.fullmatch(begin + "mitchell.*dominated", lines[2])


def test_bars_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160)
    monkeypatch.setattr(options, "Console", lambda stderr: console)
    search(ProgressBars())
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    *_, bar, beneath = [line for line in shown.splitlines() if line.strip()]
    assert "trainings" in bar
    assert "3/7" in bar
    assert beneath.startswith("front 3 (hypervolume 41%), at equal score drum")
