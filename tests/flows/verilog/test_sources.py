from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.verilog.assertions import without_assertions
from axdse.flows.verilog.reduced import plain_names, settled
from axdse.flows.verilog.safety import refuse_unsafe
from axdse.flows.verilog.sources import Library, Source, gather, tops_of
from axdse.multipliers.errors import AxdseError

Put = Callable[..., list[Path]]
MUL = "module mul(input a, b, output p);\n  gate g(a, b, p);\nendmodule\n"
GATE = "module gate(input a, b, output p);\n  assign p = a & b;\nendmodule\n"
BENCH = "module mul_tb;\n  reg a; wire p;\n  mul u(a, a, p);\n  initial $display(p);\nendmodule\n"


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(**texts: str) -> list[Path]:
        paths = []
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            paths.append(path)
        return paths

    return write


def _names(source: Source) -> list[str]:
    return [path.name for path in source.files]


def test_files_stand_one_after_the_other(put: Put) -> None:
    source = gather(put(mul_dot_v=MUL, gate_dot_v=GATE))
    assert (source.name, source.stem, source.text) == ("mul.v", "mul", f"{MUL}\n{GATE}")


def test_of_a_folder_what_the_design_names_is_taken(put: Put, tmp_path: Path) -> None:
    other = "// not of mul\nmodule other(input mul, output p); assign p = $random; endmodule\n"
    put(mul_dot_v=MUL, lib__gate_dot_v=GATE, mul_tb_dot_v=BENCH, other_dot_v=other)
    source = gather([tmp_path], top="mul")
    assert _names(source) == ["gate.v", "mul.v"]
    with pytest.raises(AxdseError, match=r"one module that no other uses: mul, other; .*--top"):
        gather([tmp_path])
    with pytest.raises(AxdseError, match=r"no file has such a module: nul; did you mean 'mul'"):
        gather([tmp_path], top="nul")


def test_a_list_of_files(put: Put, tmp_path: Path) -> None:
    put(rtl__mul_dot_v=MUL, lib__gate_dot_v=GATE)
    (listed,) = put(all_dot_f="// the design\nrtl/mul.v\n-y lib +incdir+include\n")
    assert _names(gather([listed])) == ["gate.v", "mul.v"]
    (tmp_path / "bad.f").write_text("rtl/mul.v -f other.f")
    with pytest.raises(AxdseError, match=r"a list of files names .*: bad\.f: -f; leave it out"):
        gather([tmp_path / "bad.f"])


def test_what_is_included_stands_in_its_place(put: Put, tmp_path: Path) -> None:
    text = 'module mul(input a, b, output p);\n`include "body.vh"\nendmodule\n'
    mul, _ = put(mul_dot_v=text, inc__body_dot_vh="  assign p = a & b;\n")
    assert "assign p = a & b;" in gather([mul]).text
    assert gather([mul, tmp_path / "inc"]).text == gather([mul]).text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('`include "absent.vh"', r"what mul\.v includes .*: absent\.vh; name its folder"),
        ('`include "/etc/passwd"', r"what mul\.v includes .*: /etc/passwd"),
        ('`include "../../secret.vh"', r"what mul\.v includes .*secret"),
        ('`include "mul.v"', r"an include has an end: mul\.v: mul\.v"),
        ("`include `NAME", r"an include names a file in quotes"),
    ],
)
def test_an_include_that_leads_nowhere_is_one_line(text: str, message: str, put: Put) -> None:
    (path,) = put(deep__er__mul_dot_v=f"{text}\n{MUL}")
    (path.parents[2] / "secret.vh").write_text("wire x;")
    with pytest.raises(AxdseError, match=message):
        gather([path])


def test_vhdl_is_no_verilog(tmp_path: Path) -> None:
    (tmp_path / "mul.vhd").write_text("entity mul is end;")
    with pytest.raises(AxdseError, match=r"VHDL is read by GHDL, .*: mul\.vhd; name its files"):
        gather([tmp_path / "mul.vhd"])


def test_a_bench_beside_the_design_is_left_out(put: Put) -> None:
    for text in (GATE + MUL + BENCH, BENCH + MUL + GATE):
        source = gather(put(any_dot_v=text))
        refuse_unsafe(source.text, "mul")
        assert "$display" not in source.text
        assert "gate g(a, b, p);" in source.text


def test_a_module_with_an_escaped_name_is_no_bench(put: Put) -> None:
    (path,) = put(
        any_dot_v="module \\a.b (input a, b, output p);\n  assign p = a & b;\nendmodule\n"
    )
    assert tops_of(Library([path])) == [path]


def test_a_module_that_a_macro_names_stays(put: Put) -> None:
    text = f"`define CELL gate\n{MUL.replace('gate', '`CELL')}{GATE}"
    assert "assign p = a & b;" in gather(put(mul_dot_v=text)).text


def test_a_module_that_is_there_twice_is_one_line(put: Put) -> None:
    with pytest.raises(AxdseError, match="a module is defined once: gate"):
        gather(put(mul_dot_v=MUL + GATE, gate_dot_v=GATE))


def test_marks_of_an_editor_are_no_verilog(put: Put, tmp_path: Path) -> None:
    (path,) = put(mul_dot_v="")
    path.write_bytes(b"\xef\xbb\xbf" + (MUL + GATE).replace("\n", "\r\n").encode())
    refuse_unsafe(gather([path]).text, "mul")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("`ifdef FORMAL\nassert(x);\n`endif\nwire y;", "wire y;"),
        ("`ifndef FORMAL\nwire y;\n`else\n$anyconst\n`endif", "wire y;"),
        ("`ifdef A\n$a\n`elsif B\n$b\n`else\nwire y;\n`endif", "wire y;"),
        ("`define A\n`ifdef A\nwire y;\n`else\n$a\n`endif", "wire y;"),
        ("`ifndef R\n`define R $random\n`endif\nwire y;", "wire y;"),
        ("`ifdef SYNTHESIS\nwire y;\n`endif", "`ifdef SYNTHESIS wire y; `endif"),
        (
            "`ifndef SYNTHESIS\n`ifdef LATER\n$random\n`endif\nwire z;\n`endif\nwire y;",
            "`ifndef SYNTHESIS wire z; `endif wire y;",
        ),
        ("`ifdef A\n`ifdef B\n$b\n`endif\n`else\nwire y;\n`endif", "wire y;"),
        ("wire y; // `ifdef A\nwire z;", "wire y; // `ifdef A wire z;"),
        ('wire y = "`ifdef A";', 'wire y = "`ifdef A";'),
    ],
)
def test_what_no_tool_reads_is_left_out(text: str, left: str) -> None:
    assert " ".join(settled(text).split()) == left
    assert settled(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"wire \u1/n2 ; assign \u1/n2 = a;", "wire u1_n2_ ; assign u1_n2_ = a;"),
        (r"wire \a[3] , \a_3_ ;", r"wire a_3_1_ , \a_3_ ;"),
        (r"wire \x//y , z;", "wire x_y_ , z;"),
        (r"wire \\x[0] , z;", "wire x_0_ , z;"),
        ("input [3:0] bit, do; assign p = bit & do;", None),
        ("gate g(.int(x), .p(y));", "gate g(.int_(x), .p(y));"),
        ("always_comb for (int i = 0; i < 4; i++) x = i;", "same"),
        ("input logic [3:0] a; bit [1:0] b; byte c;", "same"),
        (r"wire \plain ;", "same"),
    ],
)
def test_names_that_tools_read_in_different_ways_are_plain(text: str, plain: str | None) -> None:
    wanted = "input [3:0] bit_, do_; assign p = bit_ & do_;" if plain is None else plain
    assert plain_names(text, new_keywords=False) == (text if plain == "same" else wanted)


def test_keywords_of_system_verilog_are_none_in_it() -> None:
    text = "module m #(parameter type T = logic) (input T a);"
    assert plain_names(text, new_keywords=True) == text


def test_which_of_two_files_is_meant_is_not_guessed(put: Put, tmp_path: Path) -> None:
    other = GATE.replace("&", "|")
    put(mul_dot_v=MUL, one__gate_dot_v=GATE, two__gate_dot_v=other)
    assert _names(gather([tmp_path / "mul.v", tmp_path / "one", tmp_path / "two"])) == ["mul.v"]
    put(two__gate_dot_v=GATE)  # a copy
    found = gather([tmp_path / "mul.v", tmp_path / "one", tmp_path / "two"])
    assert _names(found) == ["gate.v", "mul.v"]
    put(mul_dot_v='`include "x.vh"\n', a__x_dot_vh="wire a;", b__x_dot_vh="wire b;")
    with pytest.raises(AxdseError, match=r"x\.vh, which mul\.v includes, is one file: .*a/x"):
        gather([tmp_path / "mul.v"])


@pytest.mark.parametrize(
    "text",
    [
        "`define M `undef A\n`define A\n`M\n`ifdef A\nwire x;\n`else\n$y\n`endif\n",
        "`define B `ifdef A\n`B\n$x\n`endif\n",
    ],
)
def test_macros_that_change_macros_leave_a_text_as_it_is(text: str) -> None:
    assert settled(text) == text


@pytest.mark.parametrize(
    "text",
    [
        f"`define END endmodule\nmodule x(input a); `END\n{MUL}{GATE}",
        f"`define TWO(a) a``2\nmodule x(input a); wire `TWO(w); endmodule\n{MUL}{GATE}",
        f"module x(input a); defparam mul.g.K = 1; endmodule\n{MUL}{GATE}",
        f"module x(input a); bind mul y z(a); endmodule\n{MUL}{GATE}",
    ],
    ids=["macro", "paste", "defparam", "bind"],
)
def test_modules_that_may_matter_stay(text: str, put: Put) -> None:
    assert gather(put(mul_dot_v=text)).text == text


ROM = (
    "module mul(input [1:0] a, b, output [3:0] p);\n  reg [3:0] rom [0:15];\n  {call}\nendmodule\n"
)


@pytest.mark.parametrize(
    ("call", "data", "filled"),
    [
        ('initial $readmemh("r.hex", rom);', "0 // one\n@a\n1_0", {0: "4'h0", 10: "8'h10"}),
        ('initial $readmemb( "r.hex" , rom , 3 );', "01x /* 1 */ 1", {3: "3'b01x", 4: "1'b1"}),
        ('initial $readmemh("r.hex", rom, 5, 4);', "a b c", {5: "4'ha", 4: "4'hb"}),
        ('parameter F = "r.hex"; initial $readmemh(F, rom);', "7", {0: "4'h7"}),
    ],
    ids=["addresses", "binary", "downwards", "parameter"],
)  # fmt: skip
def test_a_memory_that_a_file_fills_is_assigned(
    call: str, data: str, filled: dict[int, str], put: Put
) -> None:
    path, _ = put(mul_dot_v=ROM.format(call=call), r_dot_hex=data)
    words = " ".join(f"rom[{at}] = {word};" for at, word in filled.items())
    text = gather([path]).text
    assert f"initial begin {words} end" in text
    refuse_unsafe(text, "mul")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('initial $readmemh("no.hex", rom);', r"what mul\.v reads is in its folder.*: no\.hex"),
        ('initial $readmemh("/etc/hostname", rom);', r"what mul\.v reads is in its folder"),
        ("initial $readmemh(name, rom);", r"filled by \$readmemh.*: mul\.v: name; write the name"),
        ('initial $readmemh("r.hex", rom, N);', r"filled by \$readmemh\("),
        ('initial $readmemb("r.hex", rom);', r"words are binary: r\.hex: 0g"),
        ('reg s [1:4]; initial $readmemh("r.hex", s);', r"begins at 0: s \[1:4\];; give"),
    ],
)
def test_a_memory_that_no_file_fills_is_one_line(call: str, message: str, put: Put) -> None:
    path, _ = put(mul_dot_v=ROM.format(call=call), r_dot_hex="0g")
    with pytest.raises(AxdseError, match=message):
        gather([path])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("p = a; assert (p == a); q = p;", "p = a; q = p;"),
        ('ok: assert (p == a) else $error("no %d", p);', ""),
        ("if (a) assert (p); else p = 0;", "if (a) ; else p = 0;"),
        ("always_comb assume (a < 3) $info; else begin $error; $finish; end", "always_comb ;"),
        ("assert property (@(posedge c) p |-> q); wire x;", "wire x;"),
        ("property x; @(posedge c) p; endproperty cover property (x);", ""),
        ("assert (p) else q = 1;", "same"),  # it computes
        ("`define A assert(\n`A (p == a));", "same"),
        ("assert `P;", "same"),
        ("initial covered = 1; // assert (x);", "same"),
    ],
)
def test_assertions_are_left_out_if_they_compute_nothing(text: str, left: str) -> None:
    found = without_assertions(text)
    assert " ".join(found.split()) == (" ".join(text.split()) if left == "same" else left)
    assert found.count("\n") == text.count("\n")


def test_words_of_system_verilog_are_names_in_verilog(put: Put) -> None:
    text = "module mul(input a, b, output p);\n  assert (p);\nendmodule\n"
    (old,), (new,) = put(old_dot_v=text), put(new_dot_sv=text)
    assert "assert" in gather([old]).text
    assert "assert" not in gather([new]).text
