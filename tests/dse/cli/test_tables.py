"""From a table of products, and nothing else, to a trained network; and beside Verilog."""

import sys
from pathlib import Path

import numpy as np
import pytest

from axdse.dse.cli import run

from .test_field import TASK

VERILOG = "module mul(input [3:0] a, b, output [7:0] p); assign p = a * b; endmodule\n"
EXACT = np.multiply.outer(np.arange(16), np.arange(16))


def wrote(path: Path, table: np.ndarray = EXACT) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.savetxt(path, table, fmt="%d", delimiter="\t")
    return path


def test_a_table_alone_is_trained_and_has_no_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table_task.py").write_text(TASK)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    catalog = ["--catalog", str(tmp_path / "mine")]
    (tmp_path / "tables").mkdir()
    given, again = tmp_path / "tables" / "8_drum+x.txt", tmp_path / "again.txt"
    assert run(["lut", "drum(n=8,k=3)", "--to", "approxtorch", "-o", str(given)]) == 0
    assert run(["import", str(given.parent), "-o", str(tmp_path / "mine")]) == 0
    said = capsys.readouterr().out
    assert "table alone" in said
    assert "operands -2^(n-1) first, two's complement, the row is the first" in said
    assert "is called mul_8_drum_x, as that is a plain name" in said
    assert run([*catalog, "show", "mul_8_drum_x"]) == 0
    assert "a table alone" in capsys.readouterr().out
    name = "mul_8_drum_x"
    assert run([*catalog, "lut", name, "--to", "approxtorch", "-o", str(again)]) == 0
    assert again.read_bytes() == given.read_bytes()
    assert run([*catalog, "train", "table_task:digits", f"{name} in int8"]) == 0
    for refused in (
        ["cost", name, "--core"],
        ["cost", name, "--mac", "--format", "int8"],
        ["verify", name],
    ):
        capsys.readouterr()
        assert run([*catalog, *refused]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert f"{name} is a table alone; put {name}.v beside the table" in said


@pytest.mark.parametrize("wrong", [0, 3])
def test_a_table_beside_verilog_is_compared_as_a_model_is(
    wrong: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = EXACT.copy()
    table[5, 9 : 9 + wrong] += 1
    model, rtl = wrote(tmp_path / "d" / "mul.txt", table), tmp_path / "d" / "mul.v"
    rtl.write_text(VERILOG)
    assert run(["verify", "--model", str(model), "--rtl", str(rtl)]) == (1 if wrong else 0)
    said = capsys.readouterr().out
    assert "operands 0 first, unsigned" in said
    assert ("MISMATCH" if wrong else "equal, exhaustive") in said
    assert f" {wrong} " in said
    imported = run(["import", str(tmp_path / "d"), "-o", str(tmp_path / "mine")])
    assert imported == (1 if wrong else 0)
    assert (tmp_path / "mine" / "certificates" / "mul.json").exists() == (not wrong)


def test_what_is_the_same_of_many_designs_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abcde":
        wrote(tmp_path / "d" / f"{name}.v").write_text(
            f"module {name}(input [1:0] x, y, output [2:0] z); assign z = ~(x | 4); endmodule\n"
        )
    (tmp_path / "d" / "mul.c").write_text("int mul(int a, int b) { return a * b; }\n")
    (tmp_path / "d" / "mul.v").write_text(VERILOG)
    wrote(tmp_path / "d" / "mul_lut.txt", EXACT + np.eye(16, dtype=int))
    (tmp_path / "d" / "copy").mkdir()
    (tmp_path / "d" / "copy" / "a.v").write_text((tmp_path / "d" / "a.v").read_text())
    other = (tmp_path / "d" / "b.v").read_text().replace("4", "5")
    (tmp_path / "d" / "copy" / "b.v").write_text(other)
    assert run(["import", str(tmp_path / "d"), "-o", str(tmp_path / "mine")]) == 1
    said = capsys.readouterr().out
    assert "b_copy: called after its folder too, as another one has the name of its file" in said
    assert "a, b, b_copy and 3 others: 2 x 2 -> 3: taken as patterns of bits" in said
    assert "mul: mul_lut.txt: 16 of 256 products differ from the design" in said
    assert "copies of designs that count once: 1" in said
    assert (tmp_path / "mine" / "certificates" / "mul.json").exists()


def test_an_order_that_is_pinned_beside_a_table_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = wrote(tmp_path / "d" / "low.txt", EXACT % 16)
    assert run(["import", str(given.parent), "-o", str(tmp_path / "no")]) == 1
    assert "pin the order" in capsys.readouterr().out
    (given.parent / "low.yaml").write_text("index: unsigned\n")
    assert run(["import", str(given.parent), "-o", str(tmp_path / "mine")]) == 0
    assert "pinned, correlation" in capsys.readouterr().out


def test_other_files_of_a_folder_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrote(tmp_path / "d" / "mul.txt")
    wrote(tmp_path / "d" / "short.txt", EXACT[:-1])
    (tmp_path / "d" / "notes.txt").write_text("Tables of 2 designs.\n")
    assert run(["import", str(tmp_path / "d"), "-o", str(tmp_path / "mine")]) == 1
    said = capsys.readouterr().out
    assert (
        "short: a table of products is 2^n x 2^k, a row an operand: short.txt is 15 x 16" in said
    )
    assert "notes" not in said
    assert "1 of 2 designs" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lut", "exact", "--to", "npy", "--format", "int8", "-o", "x.npy"], "--to writes the"),
        (["lut", "--model", "x.c", "--to", "npy", "-o", "x.npy"], "--to writes the core"),
        (["show", "mul.npy"], "make a catalogue of files with 'axdse import'"),
        (["verify", "--rtl", "x.v", "--index", "offset"], "--index is of a C model"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
