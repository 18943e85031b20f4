"""From Verilog of several files, and nothing else, to a trained network and a cost."""

import re
import sys
from pathlib import Path

import pytest

from axdse.dse.cli import run

CELLS = """module ha(input x, z, output s, c);
  assign s = x ^ z, c = x & z;
endmodule
"""
ROW = """`include "widths.vh"
// One row of the array; its two lowest columns drop their carries.
module row(input [`WIDTH-1:0] a, input b, input [`WIDTH-1:0] above, output [`WIDTH:0] sum);
  wire [`WIDTH-1:0] part = a & {`WIDTH{b}};
  wire low, dropped;
  ha h(.x(part[0]), .z(above[0]), .s(low), .c(dropped));
  assign sum = {above[`WIDTH-1:1] + {1'b0, part[`WIDTH-1:1]}, low};
endmodule
"""
TOP = """module array(input [7:0] a, b, output [15:0] y);
  wire [8:0] s [0:7];
  assign s[0] = {1'b0, a & {8{b[0]}}};
  genvar i;
  generate for (i = 1; i < 8; i = i + 1) begin : rows
    row r(.a(a), .b(b[i]), .above(s[i-1][8:1]), .sum(s[i]));
  end endgenerate
  generate for (i = 0; i < 7; i = i + 1) begin : lows
    assign y[i] = s[i][0];
  end endgenerate
  assign y[15:7] = s[7];
endmodule
"""
BENCH = """`timescale 1ns/1ps
module array_tb;
  reg [7:0] a, b; wire [15:0] y;
  array dut(a, b, y);
  initial begin a = 3; b = 5; #10 $display("%d", y); $finish; end
endmodule
"""
TASK = """
import torch
from torch import nn
from axdse.dse import Splits, Task, TrainSettings
from axdse.dse.training.networks import NETWORKS
from axdse.dse.training.task import ACCURACY


def digits():
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 10
    images = torch.randn(96, 1, 28, 28, generator=draw) * 0.1
    images[torch.arange(96), 0, 2 * labels, 5:20] += 1
    data = torch.utils.data.TensorDataset(images, labels)
    return Task(
        lambda seed: nn.Sequential(NETWORKS["lenet-5"](1, 28, 10)),
        lambda: Splits(data, data, data),
        nn.functional.cross_entropy,
        ACCURACY,
        TrainSettings(epochs=1, batch_size=32, optimiser="adam", learning_rate=1e-3),
        classes=10,
    )
"""


@pytest.fixture
def rtl(tmp_path: Path) -> Path:
    folder = tmp_path / "rtl"
    for name, text in (
        ("array.v", TOP),
        ("row.v", ROW),
        ("cells/ha.v", CELLS),
        ("widths.vh", "`ifndef WIDTHS\n`define WIDTHS\n`define WIDTH 8\n`endif\n"),
        ("tb/array_tb.v", BENCH),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_folder_of_verilog_is_trained_and_costed(
    rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "field_task.py").write_text(TASK)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    catalog = ["--catalog", str(tmp_path / "mine")]
    assert run(["import", str(rtl), "-o", str(tmp_path / "mine")]) == 0
    assert "RTL only, exhaustive" in capsys.readouterr().out
    assert run([*catalog, "show", "array"]) == 0
    assert "made of the gates of its Verilog" in capsys.readouterr().out
    assert run([*catalog, "lut", "array", "--format", "int8", "-o", str(tmp_path / "a.npz")]) == 0
    assert run([*catalog, "train", "field_task:digits", "array in int8"]) == 0
    assert run([*catalog, "cost", "array", "--core"]) == 0
    assert "array" in capsys.readouterr().out


def test_a_model_of_verilog_is_equal_to_it(
    rtl: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = str(tmp_path / "array.c")
    assert run(["model", str(rtl), "-o", made]) == 0
    certificate = str(tmp_path / "alone.json")
    assert run(["verify", "--rtl", str(rtl), "--certificate", certificate]) == 0
    assert run(["verify", "--check", certificate, "--rtl", str(rtl)]) == 0
    capsys.readouterr()
    assert run(["verify", "--model", made, "--rtl", str(rtl)]) == 0
    assert "equal, exhaustive" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "x.v", "-o", "x.txt"], "a model is written as .c"),
        (["verify", "--rtl", "x.v", "--function", "f"], "--function is of a C model"),
        (["verify", "--rtl", "x.v", "--tie", "mode"], "--tie is written NAME=INTEGER"),
        (["verify", "--rtl", "x.v", "--tie", "m=1", "--tie", "m=2"], "each name once"),
        (["verify", "--rtl", "x.vhd"], "VHDL is a readable file"),
        (["verify", "--rtl", "x.vhd", "--rtl", "y.v"], "a design is in one language: x.vhd, y.v"),
        (["verify", "--rtl", "absent.v"], "RTL is a readable Verilog file"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_netlists_are_imported_with_the_library_of_their_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "netlists").mkdir()
    body = "AND2 u(.A(a), .B(b), .Y(p[0])); assign p[1] = 1'b0;"
    text = f"module mul(input a, b, output [1:0] p);\n{body}\nendmodule\n"
    (tmp_path / "netlists" / "mapped.v").write_text(text)
    (tmp_path / "cells.v").write_text(
        "module AND2(input A, B, output Y);\n  assign Y = A & B;\nendmodule\n"
        "module LATCH(input D, CLK, output reg Q);\n  always @* if (CLK) Q = D;\nendmodule\n"
    )
    command = ["import", str(tmp_path / "netlists"), "-o", str(tmp_path / "mine")]
    assert run(command) == 1
    assert "AND2 is not there; give its file" in capsys.readouterr().out
    command[-1] = str(tmp_path / "again")
    assert run([*command, "--cells", str(tmp_path / "cells.v")]) == 0
    assert "RTL only, exhaustive" in capsys.readouterr().out
    written = (tmp_path / "again" / "rtl" / "mapped.v").read_text()
    assert re.findall(r"module (\w+)", written) == ["AND2", "mul"]
