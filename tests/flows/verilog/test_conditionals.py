import pytest

from axdse.flows.verilog.conditionals import ICARUS, YOSYS, hidden_conditional, left_for

TEXT = """\
a
`ifdef FOO
 b // `endif
`elsif SYNTHESIS // why
 c
 `ifndef X
  d
  `define X `endif
 `else
  e
 `endif
`else
 f "`endif"
`endif
`ifdef /* a comment */ X
g
`undef X
`ifndef X
h
`endif
`endif
i
"""


@pytest.mark.parametrize(
    ("defined", "left"),
    [
        (YOSYS, "a // why c d `define X `endif g `undef X h i"),
        (ICARUS, 'a f "`endif" i'),
        (frozenset({"FOO"}), "a b // `endif i"),
        (frozenset({"FOO", "X"}), "a b // `endif g `undef X h i"),
    ],
)
def test_a_text_is_what_its_reader_is_left(defined: frozenset[str], left: str) -> None:
    found = left_for(TEXT, defined)
    assert found.split() == left.split()
    assert len(found) == len(TEXT)
    assert found.index("\ni\n") == TEXT.index("\ni\n")


def test_a_text_without_conditions_stays_as_it_is() -> None:
    text = "`define A b\nwire `A; // `ifdef\n"
    assert left_for(text, ICARUS) == text


def test_what_no_condition_opened_is_left_to_the_tools() -> None:
    assert left_for("a `endif b `else c", ICARUS).split() == ["a", "b", "c"]


def test_a_macro_that_asks_for_macros_is_found() -> None:
    assert hidden_conditional("`define A \\\n `ifdef B\n") == 0
    assert hidden_conditional("`ifdef B\n`define A b // ifdef\n`endif\n") is None
