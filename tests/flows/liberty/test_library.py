"""Liberty: every way to write the same library, units, conditions, errors that name the line."""

from pathlib import Path

import numpy as np
import pytest

from axdse.flows.liberty.library import Library, read_library
from axdse.flows.liberty.syntax import read_groups
from axdse.flows.liberty.tables import Table
from axdse.multipliers.errors import AxdseError

HEAD = """/* a comment */
library (tiny) {
  time_unit : "1ps"; voltage_unit : "1V"; leakage_power_unit : "1uW";
  capacitive_load_unit (10, ff);
  nom_voltage : 1.1
  lu_table_template (t22) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("10, 20"); index_2 ("1, 3");
  }
  power_lut_template (t12) { variable_1 : total_output_net_capacitance; index_1 ("1,3"); }
"""
CELL = """  cell (NAND2) {
    area : 2.5; cell_leakage_power : 7;
    leakage_power () { when : "A & B"; value : 3; }
    pin (A, B) { direction : input; capacitance : 0.5; }
    pin (Y) {
      direction : output; function : "(A B)'";
      timing () {
        related_pin : "A B"; timing_sense : negative_unate;
        cell_rise (t22) { values ("100, 300", "200, 400"); }
        cell_fall (t22) { values ("100, 300", \\
          "200, 400"); }
      }
      internal_power () {
        related_pin : "A"; when : "B";
        rise_power (t12) { values ("4, 8"); } fall_power (scalar) { values ("2"); }
      }
    }
  }
"""
QUOTED = CELL.replace("cell (NAND2)", 'cell ("NAND2")').replace("pin (A, B)", 'pin ("A", "B")')
SPREAD = CELL.replace(" {", "\n{").replace("; ", ";\n").replace('"(A B)\'"', '"!A + !B"')


def tiny(tmp_path: Path, text: str) -> Library:
    path = tmp_path / "tiny.lib"
    path.write_text(text)
    return read_library(path)


def test_a_cell_whose_names_tools_misread_is_left_out(tmp_path: Path) -> None:
    hostile = (
        CELL.replace("cell (NAND2)", 'cell ("X ; exec -- touch CANARY")')
        + CELL.replace("cell (NAND2)", "cell ()")
        + CELL.replace("(A, B)", '("A[exec touch CANARY]", B)').replace("NAND2", "N2")
    )
    library = tiny(tmp_path, HEAD + hostile + CELL + "}\n")
    assert [cell.name for cell in library.cells] == ["NAND2"]
    assert "CANARY" not in library.plain_path.read_text()


@pytest.mark.parametrize("cell", [CELL, QUOTED, SPREAD], ids=["plain", "quoted", "spread"])
def test_a_cell_is_read_whole(cell: str, tmp_path: Path) -> None:
    library = tiny(tmp_path, HEAD + cell + "}\n")
    (nand,) = library.cells
    assert (nand.name, nand.area_um2, nand.is_nand2) == ("NAND2", 2.5, True)
    assert library.voltage_v == 1.1
    assert nand.capacitances == ((0.005, 0.005, 0.005),) * 2  # pF
    assert [arc.input for arc in nand.timing] == ["A", "B"]
    assert {entry.when: entry.nw for entry in nand.leakage} == {"A & B": 3000, "": 7000}
    (energy,) = nand.power
    assert (energy.pin, energy.input, energy.when) == ("Y", "A", "B")
    assert energy.rise == Table((0.0,), (0.01, 0.03), ((40.0, 80.0),))  # 10 fF V^2 = 10 fJ
    assert energy.fall == Table((0.0,), (0.0,), ((20.0,),))
    assert nand.timing[0].rise == Table((0.01, 0.02), (0.01, 0.03), ((0.1, 0.3), (0.2, 0.4)))


def test_an_included_file_stands_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "cells.lib").write_text(CELL)
    text = f'{HEAD} include_file ("cells.lib"); }}'
    first = tiny(tmp_path, text)
    assert [cell.name for cell in first.cells] == ["NAND2"]
    (tmp_path / "cells.lib").write_text(CELL.replace("2.5", "3.5"))
    (tmp_path / "tiny.lib").write_text(text + "\n")
    second = read_library(tmp_path / "tiny.lib")
    assert second.cells[0].area_um2 == 3.5
    assert second.digest != first.digest


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("include_file (tiny.lib); " * 9, "nest at most 8 deep"),
        ("include_file (cells.lib); " * 65, "includes at most 64 files"),
        ("include_file (/dev/zero);", "/dev/zero is no regular file"),
        ('include_file ("a\0b");', "no name of a file"),
        ("cell (x) { pin (y) { " + "timing () { " * 100_000, "timing, 32 groups deep"),
    ],
    ids=["itself", "often", "device", "nul", "deep"],
)
def test_what_would_have_no_end_is_one_line(body: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "cells.lib").write_text("")
    with pytest.raises(AxdseError, match=message):
        tiny(tmp_path, f"{HEAD} {body} }}")


def test_groups_that_nobody_asks_for_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "tiny.lib"
    path.write_text(HEAD + 'junk (x) { a : "}"; b () { /* } */ } }' + CELL + "}")
    assert [group.name for group in read_groups(path, frozenset({"cell"}))] == ["cell", "library"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("area : 2.5;", "area : ;"), r"line 12: unexpected ';'"),
        (("area : 2.5;", "area 2.5;"), r"line 12: unexpected '2.5'"),
        (('"A & B"', '"A & Q"'), "'A & Q' at 'Q'"),
        (('"(A B)\'"', '"(A B"'), "at 'its end'"),
        (('"1ps"', '"1 parsec"'), "time_unit .* '1 parsec'"),
        (("(10, ff)", "(10, farthing)"), "capacitive_load_unit"),
        (('"100, 300", "200, 400"', '"100, 300"'), r"one value for each point.*cell_rise \(t22\)"),
        (('"100, 300", "200, 400"', '"100, x", "200, 400"'), "holds numbers"),
        (("cell_leakage_power : 7", "cell_leakage_power : seven"), "must be a number: seven"),
        (('"10, 20"', '"20, 10"'), "increasing axes"),
    ],
)
def test_what_does_not_parse_is_named(
    change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(AxdseError, match=message) as caught:
        tiny(tmp_path, (HEAD + CELL).replace(*change) + "}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match=r"tiny.lib, line \d+: unexpected 'end of file'"):
        tiny(tmp_path, HEAD + CELL)


@pytest.mark.parametrize(
    ("expression", "states"),
    [("A*B", 0b1000), ("A B'", 0b0010), ("!(A^B)", 0b1001), ("A+!A&B", 0b1110), ("1", 0b1111)],
)
def test_operators_bind_as_liberty_says(expression: str, states: int) -> None:
    nand = next(cell for cell in read_library().cells if cell.name == "NAND2X1")
    assert sum(1 << i for i in np.flatnonzero(nand.holds(expression))) == states


def test_tables_interpolate_and_end_where_told() -> None:
    table = Table((0.0, 1.0), (0.0, 2.0), ((0.0, 2.0), (1.0, 3.0)))
    slews, loads = np.array([0.5, 1.0, -1.0, 3.0]), np.array([1.0, 2.0, 0.0, 4.0])
    assert table.at(slews, loads).tolist() == [1.5, 3.0, -1.0, 7.0]
    assert table.at(slews, loads, beyond=False).tolist() == [1.5, 3.0, 0.0, 3.0]
    assert [table.point(*at) for at in zip(slews, loads, strict=True)] == [1.5, 3.0, -1.0, 7.0]


def test_the_default_library_tells_power() -> None:
    assert read_library().lacks == ""
    assert read_library().voltage_v == 1.8


def test_a_cleared_cache_is_filled_again(fresh_cache: Path, tmp_path: Path) -> None:
    library = tiny(tmp_path, HEAD + CELL + "}")
    library.plain_path.unlink()
    text = library.plain_path.read_text()
    assert "cell (NAND2)" in text
    assert "internal_power" not in text


def test_tools_are_given_combinational_cells_alone() -> None:
    text = read_library().plain_path.read_text()
    assert "cell (NAND2X1)" in text
    assert "DFF" not in text
    assert len(text) < read_library().path.stat().st_size


def test_a_library_that_changes_while_it_is_used_is_refused(
    tmp_path: Path, fresh_cache: Path
) -> None:
    library = tiny(tmp_path, HEAD + CELL + "}\n")
    plain = library.plain_path.read_bytes()
    (tmp_path / "tiny.lib").write_text(HEAD + CELL.replace("2.5", "3.5") + "}\n")
    assert library.plain_path.read_bytes() == plain
    library.plain_path.unlink()
    with pytest.raises(AxdseError, match=r"tiny.lib has changed; run the command again"):
        _ = library.plain_path


@pytest.mark.parametrize("content", ["plain_path", "registered_path"])
def test_a_plain_library_is_made_again(content: str, tmp_path: Path, fresh_cache: Path) -> None:
    library = tiny(tmp_path, HEAD + CELL + "}\n")
    path = getattr(library, content)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert getattr(library, content).read_bytes() == whole
