"""Hostile Verilog: refused by the scan, and harmless where a scan lets it pass."""

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest

from axdse.flows import tools
from axdse.flows.evidence.stimulus import core_stimulus
from axdse.flows.simulation import icarus as rtl_simulation
from axdse.flows.simulation.icarus import simulate
from axdse.flows.verilog.macro_growth import ENDLESS, expanded_words
from axdse.flows.verilog.safety import DIRECTIVES, FUNCTIONS, refuse_unsafe
from axdse.multipliers.designs.rtl_text import RTL_FOLDER, Rtl
from axdse.multipliers.errors import AxdseError

HEAD = "module top(input [1:0] a, input [1:0] b, output [3:0] p);\n"
GOOD = HEAD + "assign p = a * b;\n"
MACROS = "`define BENIGN 1\n"
TASKS = [
    "$finish", "$stop", "$exit", "$fatal", "$system", "$fopen", "$fread", "$fwrite", "$fdisplay",
    "$readmemh", "$writememh", "$dumpfile", "$dumpvars", "$value$plusargs", "$test$plusargs",
    "$random", "$urandom", "$time", "$realtime", "$display", "$monitor", "$error", "$root",
    "$unit", "$sdf_annotate", "$signed_", "$SIGNED", "$",
]  # fmt: skip


def refused(text: str) -> str:
    with pytest.raises(AxdseError) as error:
        refuse_unsafe(text, "top.v")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("path", sorted(RTL_FOLDER.rglob("*.v")), ids=lambda path: path.stem)
def test_our_own_designs_pass(path: Path) -> None:
    refuse_unsafe(path.read_text(), path.name)


@pytest.mark.parametrize(
    "text",
    [
        "// $finish and `include are only words here\n/* $system */" + GOOD + "endmodule",
        HEAD + "parameter [8*8-1:0] NAME = \"$finish\"; assign p = 0; endmodule",
        HEAD + "wire signed [2:0] x = $signed({1'b0, a}); assign p = $unsigned(x); endmodule",
        HEAD + "localparam N = $clog2(5) + $bits(a) + $rtoi($ceil(1.5)); endmodule",
        HEAD + "genvar i; generate for (i = 0; i < 2; i = i + 1) begin : row\n"
        " wire [3:0] x; assign x = i ? row[i - 1].x : 4'b0; end endgenerate\n"
        " assign p = row[1].x; endmodule",
        HEAD + "part u1 (.x(a), .y(p)); defparam u1.N = 3; endmodule",
        HEAD + "wire \\odd.name[3] ; assign \\odd.name[3] = a[0]; endmodule",
        "`timescale 1ns / 1ps\n`default_nettype none\n" + GOOD + "endmodule\n`resetall",
        "`define WIDTH 4\n`define MASK(x, y) ((x) & (y))\n" + HEAD
        + "assign p = `MASK(a * b, {`WIDTH{1'b1}}) | 4'd`WIDTH; endmodule",
        "`ifdef SYNTHESIS\n`define FAST\n`endif\n" + GOOD + "endmodule",
        "`define LONG(x) \\\n  ((x) + \\\n  1)\n" + HEAD + "assign p = `LONG(a); endmodule",
        HEAD + "always @(*) begin : sum reg [3:0] t; t = a; end // don't mind\nendmodule",
    ],
    ids=[
        "comments", "string", "signs", "constants", "generate", "defparam", "escaped",
        "directives", "macros", "conditions", "long_macro", "apostrophe",
    ],
)  # fmt: skip
def test_designs_that_only_compute_pass(text: str) -> None:
    refuse_unsafe(text, "top.v")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("before", ["", MACROS], ids=["plain", "macros"])
def test_system_tasks_are_refused_with_their_line(task: str, before: str) -> None:
    message = refused(f"{before}{GOOD}initial {task};\nendmodule")
    line = 3 + before.count("\n")

    assert message.startswith(
        f"the RTL top.v computes and does nothing else: line {line}: {task} "
    )


@pytest.mark.parametrize(
    "construct",
    [
        '`include "/etc/passwd"',
        "`include <x>",
        '`line 1 "x" 0',
        "`pragma protect",
        "`UNDEFINED",
        "`ifdef AXDSE_WAVES\n`endif",
        "initial rtl_bench.done = 1;",
        "initial \\rtl_bench .done = 1;",
        "initial rtl_bench_done = 1;",
        "assign device1.p = 0;",
        "assign p = device1[0].p;",
        "initial force p = 0;",
        "bind other top x();",
        'import "DPI-C" function void system(string s);',
        "/* never closed",
        'parameter S = "never closed;',
        "\x00",
        "wire x; // \r $finish;",
        "wire \\a\u00a0/* ; initial $finish; // */",
        "wire \\a// ; \n",
        "endmodule module rtl_bench;",
        "endmodule module RTL_BENCH;",
        "wire x = 65537'b1;",
        "wire x = 0_99_999_999 'hff;",
    ],
)
def test_other_ways_out_are_refused(construct: str) -> None:
    assert "computes and does nothing else: line " in refused(f"{GOOD}{construct}\nendmodule")


@pytest.mark.parametrize(
    ("macros", "use"),
    [
        ("`define F(signed) $signed", "initial `F(finish);"),
        ("`define F(x) $x", "initial `F(finish);"),
        ("`define F(a=(1), signed) $signed", "initial `F(1, finish);"),
        ("`define signed finish", "initial $`signed;"),
        ("`define END _finish", "initial $signed`END;"),
        ("`define E(x) $``x", "initial `E(finish);"),
        ("`define BENCH bench", "initial rtl_`BENCH.done = 1;"),
        ("`define RTL() rtl_", "initial `RTL()bench.done = 1;"),
        ("`define A rtl_\n`define B bench", "initial `A`B.done = 1;"),
        ("`define J(x, y) x/**/y", "initial `J(rtl_, bench).done = 1;"),
        ("`define SLASH /", "`SLASH/ /* \n initial $finish; */"),
        ('`define QUOTE(x) `"x`"', "parameter S = `QUOTE(x);"),
        ('`define Q "', "`Q initial $finish; `Q"),
        ("`define D(x) `x", '`D(include) "/etc/passwd"'),
        ("`define/**/F(signed) $signed", "initial `F(finish);"),
        ("`define \\\nF(signed) $signed", "initial `F(finish);"),
        ("`define include(x) x", ""),
        ("`define timescale $finish", "`timescale"),
        ("`define X bench", "initial \\rtl_`X .done = 1;"),
    ],
)
def test_names_that_macros_build_are_refused(macros: str, use: str) -> None:
    assert "computes and does nothing else: line " in refused(f"{macros}\n{GOOD}{use}\nendmodule")


def test_no_function_or_directive_reaches_out() -> None:
    assert not FUNCTIONS & {"finish", "stop", "system", "fopen", "random", "time", "root"}
    assert not DIRECTIVES & {"include", "pragma", "line"}


DOUBLES = "`define F(x) x + x\n"
LAUGHS = "`define L0 a\n" + "".join(f"`define L{n} {f'`L{n - 1} ' * 10}\n" for n in range(1, 8))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wire a;", 3),
        ("`define A 1 + 1\nx = `A;", 6),
        ("`define A `B `B\n`define B 1 \\\n 2\n`A", 6),
        ("`define F(x) x\n`F(1)", 4),
        (DOUBLES + "`F(`F(1))", 22),
        ("`define X `X\n`X", ENDLESS),
        ("`define X `Y\n`define Y `X\n", ENDLESS),
        (DOUBLES + "`F(" * 80 + ")" * 80, ENDLESS),
    ],
)
def test_what_macros_become_is_bounded(text: str, words: int) -> None:
    assert expanded_words(text) == words


@pytest.mark.parametrize(
    "text",
    [f"{LAUGHS}`L7", "`define X `X\n`X", f"{DOUBLES}{'`F(' * 30}1{')' * 30}"],
    ids=["laughs", "endless", "nested"],
)
def test_macro_bombs_are_refused(text: str) -> None:
    assert "line 1: `define makes the text longer" in refused(f"{text}\n" + GOOD + "endmodule")


def test_many_nested_calls_are_scanned_in_linear_time() -> None:
    def seconds(depth: int) -> float:
        start = time.process_time()
        refuse_unsafe("`define F(x) x\n" + "`F(" * depth + ")" * depth, "top.v")
        return time.process_time() - start

    seconds(100)
    least = [min(seconds(depth) for _ in range(3)) for depth in (10_000, 40_000)]
    assert least[1] < 10 * least[0]  # not 16 times


# Where a scan lets something pass, the process that simulates holds it.


def device(body: str) -> Rtl:
    return Rtl("top", f"{GOOD}{body}\nendmodule\n", ("a", "b", "p"), 2, 2, 4, "top")


def test_a_design_that_computes_is_simulated() -> None:
    (trace,) = simulate([device("")], core_stimulus(2, 2, seed=0))

    np.testing.assert_array_equal(
        trace.response().value.reshape(4, 4), np.multiply.outer(np.arange(4), np.arange(4))
    )


@pytest.mark.parametrize(
    "body",
    [
        "reg x = 0; always @(x) x <= #0 ~x; initial x = 1;",
        "reg y = 0; always @(a) while (1) y = ~y;",
        "initial forever begin end",
    ],
    ids=["delta", "while", "forever"],
)
def test_a_simulation_that_hangs_is_killed(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unsafe(device(body).text, "top.v")
    monkeypatch.setattr(rtl_simulation, "TIME_LIMIT_S", 2)
    monkeypatch.setattr(rtl_simulation, "CROWDED", 1)
    start = time.monotonic()

    with pytest.raises(AxdseError, match="the simulation of top must end within 2 s: killed"):
        simulate([device(body)], core_stimulus(2, 2, seed=0))
    assert time.monotonic() - start < 8


@pytest.mark.parametrize(
    "attack",
    [
        '$dumpfile("{prey}/new"); $dumpvars;',
        '$writememh("{prey}/new", m);',
        '$writememh("{prey}/kept", m);',
        '$system("touch {prey}/new; rm {prey}/kept");',
    ],
    ids=["dump", "new", "overwrite", "system"],
)
def test_a_simulation_writes_in_its_folder_alone(attack: str, tmp_path: Path) -> None:
    (prey := tmp_path / "prey").mkdir()
    (prey / "kept").write_text("kept")
    hostile = device(f"reg [7:0] m[0:3]; initial begin m[0] = 1; {attack.format(prey=prey)} end")

    with contextlib.suppress(AxdseError):
        simulate([hostile], core_stimulus(2, 2, seed=0))
    assert [path.name for path in prey.iterdir()] == ["kept"]
    assert (prey / "kept").read_text() == "kept"


def test_a_flood_of_messages_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "FILE_BYTES", 1 << 20)
    monkeypatch.setattr(rtl_simulation, "TIME_LIMIT_S", 3)
    monkeypatch.setattr(rtl_simulation, "CROWDED", 1)
    monkeypatch.setattr(rtl_simulation, "refuse_unsafe", lambda *_: None)
    flood = device('initial forever $display("again and again and again");')

    with pytest.raises(AxdseError, match=r"must write less than 1 MiB") as error:
        simulate([flood], core_stimulus(2, 2, seed=0))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        "reg [63:0] m [0:(1 << 27)]; initial m[0] = 1;",
        "wire [(1 << 24):0] w = {(1 << 24){a}};",
        "top again (.a(a), .b(b), .p());",
    ],
    ids=["array", "replication", "recursion"],
)
def test_a_huge_design_is_one_line(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "MEMORY_BYTES", 1 << 30)
    monkeypatch.setattr(rtl_simulation, "TIME_LIMIT_S", 10)
    monkeypatch.setattr(rtl_simulation, "CROWDED", 1)

    with pytest.raises(AxdseError) as error:
        simulate([device(body)], core_stimulus(2, 2, seed=0))
    assert "\n" not in str(error.value)
