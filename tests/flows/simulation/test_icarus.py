import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from axdse.flows.simulation import icarus as rtl_simulation
from axdse.flows.tools import Run
from axdse.flows.verify.check import check
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError

MakeTool = Callable[[str, str], Path]
WithRtl = Callable[..., Multiplier]
pytestmark = pytest.mark.usefixtures("fresh_cache")


def _exact(bits: int = 4) -> Multiplier:
    return builtin_catalog().family("exact").bind({"n": bits})


def test_rtl_that_does_not_elaborate_shows_the_line_of_icarus(with_rtl: WithRtl) -> None:
    with pytest.raises(AxdseError, match=r"Icarus: exact_n4\.v:\d+: syntax error"):
        check(with_rtl("assign p = a * ;"))


def test_a_missing_model_is_one_line(tmp_path: Path) -> None:
    family = dataclasses.replace(_exact(12).family, model=tmp_path / "none.c")
    with pytest.raises(AxdseError, match="C model is a readable file"):
        check(family.bind({"n": 12}))


def test_a_hanging_simulation_is_killed(
    with_rtl: WithRtl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtl_simulation, "TIME_LIMIT_S", 3)
    monkeypatch.setattr(rtl_simulation, "CROWDED", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    start = time.monotonic()
    body = "reg ring = 0; always @(ring or a) ring <= ~ring; assign p = a * b + ring;"
    with pytest.raises(AxdseError, match="simulation of exact_n4 must end within 3 s"):
        check(with_rtl(body))
    assert time.monotonic() - start < 20
    assert not list(tmp_path.glob("axdse-*"))


def test_variables_of_cocotb_steer_no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COCOTB_TOPLEVEL", "GPI_USERS", "PYGPI_USERS"):
        monkeypatch.setenv(name, "nonsense")
    assert check(_exact()).passed


def test_cocotb_starts_without_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    run_process = rtl_simulation.run_process

    def noted(
        subject: str, command: list[str], folder: Path, log: Path, *rest: Any, **limit: Any
    ) -> Run:
        ended = run_process(subject, command, folder, log, *rest, **limit)
        shown.append(log.read_text())
        return ended

    monkeypatch.setattr(rtl_simulation, "run_process", noted)
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    assert check(_exact()).passed
    assert "cocotb.triggers" in shown[-1]
    assert "pytest" not in shown[-1]


@pytest.mark.parametrize("task", ["$finish", "$stop", "$fatal", '$system("id")'])
def test_rtl_that_does_more_than_compute_is_refused(task: str, with_rtl: WithRtl) -> None:
    with pytest.raises(AxdseError, match=r"computes and does nothing else: line \d+: \$"):
        check(with_rtl(f"assign p = a * b; initial #5000 {task};"))


@pytest.mark.parametrize(
    "script",
    [
        "kill -SEGV $$",
        "exit 0",
        "echo '<testsuites/>' > $COCOTB_RESULTS_FILE",
        "echo '<testsuites><testcase><skipped/></testcase></testsuites>' > $COCOTB_RESULTS_FILE",
        "echo '<testsuites><testcase><failure/></testcase></testsuites>' > $COCOTB_RESULTS_FILE",
        "echo '<testsuites><testcase>' > $COCOTB_RESULTS_FILE",
    ],
    ids=["crash", "silence", "no test", "skipped test", "failed test", "broken results"],
)
def test_a_simulator_without_a_passed_test_is_no_verdict(
    script: str, fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = 'if [ "$1" = -V ]; then echo vvp 0; exit; fi; head -c 4096 /dev/zero > results.bin'
    monkeypatch.setenv("AXDSE_VVP", str(fake_tool("vvp", f"{version}\n{script}")))
    with pytest.raises(AxdseError, match="must run to its end"):
        check(_exact())


@pytest.mark.parametrize("records", [0, 256, 511, 513])
def test_every_vector_must_be_answered(
    records: int, fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        'if [ "$1" = -V ]; then echo vvp 0; exit; fi\n'
        f"head -c {16 * records} /dev/zero > results.bin\n"
        "echo '<testsuites><testcase/></testsuites>' > $COCOTB_RESULTS_FILE"
    )
    monkeypatch.setenv("AXDSE_VVP", str(fake_tool("vvp", script)))
    with pytest.raises(AxdseError, match=rf"must answer at every step: {records} answers"):
        check(_exact())


@pytest.mark.usefixtures("bare_path")
def test_a_missing_simulator_is_one_line() -> None:
    with pytest.raises(AxdseError, match="a tool is missing: iverilog; apt-get install iverilog"):
        check(_exact())
