"""Operands with a zero point, of two widths, signed and unsigned: from files to a cost."""

import json
import sys
from pathlib import Path

import pytest

from axdse.dse.cli import run

from .test_field import TASK

DESIGNS = {
    "int8xint4": ("input [7:0] a, input [3:0] b, output [11:0] p", "a * b"),
    "uint4xint4": ("input [3:0] a, input signed [3:0] b, output signed [7:0] p",
                   "$signed({1'b0, a}) * b"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DESIGNS)
def test_a_design_of_two_kinds_of_operands_is_trained_and_costed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kinds_task.py").write_text(TASK)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    ports, product = DESIGNS[kind]
    (tmp_path / "rtl").mkdir()
    text = f"module two({ports});\n  assign p = {product};\nendmodule\n"
    (tmp_path / "rtl" / "two.v").write_text(text)
    catalog, record = ["--catalog", str(tmp_path / "mine")], str(tmp_path / "r.npz")
    assert run(["import", str(tmp_path / "rtl"), "-o", str(tmp_path / "mine")]) == 0
    trained = ["train", "kinds_task:digits", f"two in {kind}", "--record", record]
    capsys.readouterr()
    assert run([*catalog, *trained, "--json"]) == 0
    (course,) = json.loads(capsys.readouterr().out)
    assert course["design"] == f"two in {kind}"
    assert run([*catalog, "show", "two", "--operands", record]) == 0
    assert run([*catalog, "cost", "two", "--format", kind, "--activity", record]) == 0
    assert "netlist: equal" in capsys.readouterr().out
    if kind == "int8xint4":
        assert run([*catalog, "cost", "two", "--mac", "--format", kind]) == 2
        assert "operands of a MAC are of one width" in capsys.readouterr().err
        summed = ["two", "--format", kind, "--sum", "int(16)"]
        for refused in (["verify", *summed], ["cost", "--mac", *summed]):
            assert run([*catalog, *refused]) == 2
            assert "takes operands of one width: two in int8xint4" in capsys.readouterr().err
        assert run([*catalog, "cost", "--all", "--bits", "2", "--fast"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cost", "exact(n=8)", "--format", "int8xint4"], "core of 8 x 4 bits: exact(n=8)"),
        (["cost", "booth(n=8)", "--format", "uint8"], "two's complement integers"),
        (["cost", "exact(n=8)", "--mac", "--format", "uint8", "--sum", "int(32)"], "out of int32"),
        (["train", "exact(n=8) in uint8(scale=channel)"], "zero point a tensor"),
        (["train", "exact(n=16) in int16"], "have a table, of up to 8 bits"),
    ],
)
def test_what_does_not_fit_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr().err.splitlines()
    assert words in said[-1]
