"""Registers: the figures of a flip-flop as a hand computes them, and which cells are one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axdse.flows.liberty.library import Library, read_library
from axdse.flows.liberty.register_power import Loaded, register_power
from axdse.flows.netlist.registers import flip_flop, setup_ns
from axdse.multipliers.errors import AxdseError

Write = Callable[[str, str], Path]
LIBRARY = """library (tiny) {
  time_unit : "1ps"; voltage_unit : "1V"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, pf); nom_voltage : 2.0;
  lu_table_template (later) {
    variable_1 : constrained_pin_transition; variable_2 : related_pin_transition;
    index_1 ("0, 100"); index_2 ("0, 1000, 2000");
  }
  cell (NAND2) {
    area : 2; pin (A, B) { direction : input; capacitance : 0.5; }
    pin (Y) { direction : output; function : "!(A B)"; }
  }
"""
FLOP = """  cell (DFF) {
    area : 10;
    leakage_power () { when : "Q"; value : 3; }
    leakage_power () { when : "!Q & D"; value : 5; }
    leakage_power () { value : 1; }
    ff (IQ, IQN) { next_state : "D"; clocked_on : "(CK)"; }
    pin (D) {
      direction : input; capacitance : 0.004;
      timing () {
        related_pin : CK; timing_type : setup_rising;
        rise_constraint (later) { values ("50, 1, 2", "150, 4, 5"); }
        fall_constraint (later) { values ("80, 1, 2", "90, 4, 5"); }
      }
      internal_power () {
        when : "Q"; rise_power (scalar) { values ("0.100"); }
        fall_power (scalar) { values ("0.020"); }
      }
      internal_power () {
        when : "!Q"; rise_power (scalar) { values ("0.010"); }
        fall_power (scalar) { values ("0.200"); }
      }
    }
    pin (CK) {
      direction : input; capacitance : 0.003; clock : true;
      internal_power () {
        when : "!(D ^ Q)"; rise_power (scalar) { values ("0.001"); }
        fall_power (scalar) { values ("0.002"); }
      }
      internal_power () {
        when : "D ^ Q"; rise_power (scalar) { values ("0.004"); }
        fall_power (scalar) { values ("0.008"); }
      }
    }
    pin (Q) {
      direction : output; function : "IQ";
      timing () {
        related_pin : CK; timing_type : rising_edge; timing_sense : non_unate;
        cell_rise (scalar) { values ("70"); } cell_fall (scalar) { values ("60"); }
      }
      internal_power () {
        related_pin : CK; rise_power (scalar) { values ("0.040"); }
        fall_power (scalar) { values ("0.060"); }
      }
    }
  }
"""


@pytest.fixture
def tiny(write: Write) -> Callable[[str], Library]:
    """The library with these flip-flops."""
    return lambda flops: read_library(write("tiny.lib", f"{LIBRARY}{flops}}}\n"))


Tiny = Callable[[str], Library]


def test_the_figures_of_a_flip_flop(tiny: Tiny) -> None:
    got = flip_flop(tiny(FLOP))
    assert (got.name, got.area_um2) == ("DFF", 10.0)
    # C V^2 of the clock pin, and one rise and one fall with D = Q; a unit of energy is 1 pJ.
    assert got.clock_fj == pytest.approx(3 * 4 + 1 + 2)
    # Half of C V^2 of D; D rises while Q is 0 or falls while it is 1; the clock falls, then rises,
    # with D apart from Q; Q follows.
    moving = 2 * 4 + (10 + 20) / 2 + (8 - 2) + (4 - 1) + (40 + 60) / 2
    assert got.toggle_fj == pytest.approx(moving)
    assert got.leakage_nw == pytest.approx((3 + 1) / 2)
    assert got.setup_ns == pytest.approx(0.08)
    assert got.clock_to_q_ns == pytest.approx(0.07)


def test_setup_goes_by_the_transition_time_of_the_data(tiny: Tiny) -> None:
    (flop,) = tiny(FLOP).flops
    assert setup_ns(flop, (0.1, 0.0)) == pytest.approx(0.15)
    assert setup_ns(flop, (0.05, 0.0), (1.0, 1.1)) == pytest.approx(1.1 + 0.08)
    assert setup_ns(flop, (0.05, 0.0), (float("-inf"), float("-inf"))) == float("-inf")


def loaded(cycles: dict[tuple[int, int, int], int], toggles: int) -> Loaded:
    counts = np.zeros((1, 2, 2, 2), dtype=np.int64)
    for key, value in cycles.items():
        counts[(0, *key)] = value
    return Loaded(counts, np.array([toggles]), (0, 0), np.zeros((1, 2)), np.zeros((1, 1, 2)))


def test_still_data_takes_the_clock_alone(tiny: Tiny) -> None:
    got = register_power(tiny(FLOP).flops[0], loaded({(0, 0, 0): 5, (1, 1, 1): 3}, 0))
    assert (got.clock_fj, got.data_fj) == (pytest.approx(1 + 2), pytest.approx(0.0))
    assert got.leakage_nw == pytest.approx(5 * 1 + 3 * 3)


def test_a_glitch_at_the_data_pin_goes_by_what_the_register_holds(tiny: Tiny) -> None:
    got = register_power(tiny(FLOP).flops[0], loaded({(1, 1, 1): 4}, 2))
    assert got.data_fj == pytest.approx(100 + 20)


@pytest.mark.parametrize(
    "change",
    [
        ('clocked_on : "(CK)"', 'clocked_on : "!CK"'),
        ('next_state : "D"', 'next_state : "D CK"'),
        ('next_state : "D"', 'next_state : "!D"'),
        ("ff (IQ, IQN)", "latch (IQ, IQN)"),
        ('when : "Q"; value', 'when : "R"; value'),
        ("direction : output;", 'direction : output; three_state : "D";'),
    ],
    ids=lambda change: change[1],
)
def test_other_cells_with_state_are_left_out(change: tuple[str, str], tiny: Tiny) -> None:
    library = tiny(FLOP.replace(*change))
    assert library.flops == ()
    assert "DFF" not in library.registered_path.read_text()
    with pytest.raises(AxdseError, match=r"registers take a D flip-flop.*tiny\.lib has none"):
        flip_flop(library)


def test_the_smallest_plain_flip_flop_is_chosen(tiny: Tiny) -> None:
    reset = FLOP.replace("(DFF)", "(DFFR)").replace("area : 10", "area : 1")
    reset = reset.replace("pin (CK)", "pin (R) { direction : input; } pin (CK)")
    reset = reset.replace('"(CK)";', '"(CK)"; clear : "R";')
    small = FLOP.replace("(DFF)", "(DFFS)").replace("area : 10", "area : 9")
    library = tiny(FLOP + reset + small)
    assert [(flop.name, flop.clear) for flop in library.flops] == [
        ("DFF", ""),
        ("DFFR", "R"),
        ("DFFS", ""),
    ]
    assert flip_flop(library).name == "DFFS"


def test_an_inverting_output_is_known(tiny: Tiny) -> None:
    inverting = FLOP.replace('function : "IQ"', 'function : "IQN"')
    assert tiny(inverting).flops[0].outputs == (("Q", True),)
    assert tiny(inverting.replace('"IQN"', '"!IQN"')).flops[0].outputs == (("Q", False),)


def test_abc_never_meets_a_flip_flop() -> None:
    library = read_library()
    assert "DFF" not in library.plain_path.read_text()
    assert "cell (DFFPOSX1)" in library.registered_path.read_text()
    assert {flop.name for flop in library.flops} == {"DFFPOSX1", "DFFSR"}


def test_the_flip_flop_of_the_default_library() -> None:
    got = flip_flop(read_library())
    assert (got.name, got.area_um2) == ("DFFPOSX1", 96.0)
    # C V^2 of the clock pin, and the tables of its rise and fall at their first points.
    assert got.clock_fj == pytest.approx(27.9235 * 1.8**2 + 6.865 + 110.34)
    assert got.leakage_nw == pytest.approx(0.160725)
