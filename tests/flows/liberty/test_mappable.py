"""Libraries that lack a cell are refused before ABC crashes on them."""

from dataclasses import replace

import pytest

from axdse.flows.liberty.library import Library, mappable, read_library
from axdse.multipliers.errors import AxdseError


def with_cells(*names: str) -> Library:
    library = read_library()
    return replace(library, cells=tuple(c for c in library.cells if c.name in names))


def without_cells(*starts: str) -> Library:
    library = read_library()
    return replace(library, cells=tuple(c for c in library.cells if not c.name.startswith(starts)))


def test_a_complete_library_is_returned() -> None:
    library = read_library()
    assert mappable(library, timed=True) is library
    least = with_cells("NAND2X1", "INVX1", "NOR2X1")
    assert mappable(least) is least


@pytest.mark.parametrize(
    ("library", "timed", "message"),
    [
        (without_cells("INV"), False, "lacks an inverter;"),
        (without_cells("NAND2"), False, "lacks a 2-input NAND;"),
        (with_cells("NAND2X1", "INVX1"), False, "lacks 3 combinational cells;"),
        (with_cells("NAND2X1"), False, "lacks an inverter, 3 combinational cells;"),
        (without_cells("BUF", "CLKBUF"), True, "lacks a buffer;"),
    ],
)
def test_what_is_missing_is_named(library: Library, timed: bool, message: str) -> None:
    with pytest.raises(AxdseError, match=message) as caught:
        mappable(library, timed=timed)
    assert "\n" not in str(caught.value)
