"""What Yosys reads, beside what a simulator answered: gates, registers, unknowns."""

import dataclasses

import numpy as np
import pytest

from axdse.flows.evidence.report import Mismatch
from axdse.flows.evidence.stimulus import every_pair
from axdse.flows.formal.aig import Aig
from axdse.flows.formal.gates import read_gates, read_synthesised
from axdse.flows.verify import readings
from axdse.flows.verify.readings import EXAMPLES, compare_readings
from axdse.multipliers.designs.family import Pipeline
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

EVERY = every_pair(2, 2)
PRODUCTS = EVERY.a * EVERY.b
CLOCKED = Pipeline(clock="clk")
QUOTIENTS = EVERY.a // np.maximum(EVERY.b, 1)


def rtl(body: str, pipeline: Pipeline | None = None) -> Rtl:
    control = "".join(f"input {port}, " for port in (pipeline.ports if pipeline else ()))
    head = f"module m({control}input [1:0] a, b, output reg [3:0] p);\n"
    text = f"{head}{body}\nendmodule\n"
    return Rtl("m", text, ("a", "b", "p"), 2, 2, 4, "m", pipeline)


def test_gates_that_agree_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    design = rtl("always @* p = a * b;")
    first = compare_readings(design, EVERY, PRODUCTS)
    assert (first.registers, first.vectors, first.mismatches, first.examples) == (False, 16, 0, ())
    assert "Yosys" in first.tool
    monkeypatch.setattr(readings, "_compare", None)
    assert compare_readings(design, EVERY, PRODUCTS) == first
    for changed in (
        (rtl("always @* p = b * a;"), EVERY, PRODUCTS),
        (design, EVERY, PRODUCTS + 1),
        (design, EVERY.some(3), PRODUCTS[:3]),
        (dataclasses.replace(design, ports=("b", "a", "p")), EVERY, PRODUCTS),
    ):
        with pytest.raises(TypeError):  # it would be computed anew
            compare_readings(*changed)


@pytest.mark.parametrize(
    ("body", "answers", "differing", "example"),
    [
        ("always @* p = a + b;", PRODUCTS, 14, Mismatch(0, 1, 0, "1")),
        ("always @* p = a / b;", QUOTIENTS, 4, Mismatch(0, 0, 0, "x")),
        ("always @* p = a % b;", EVERY.a % np.maximum(EVERY.b, 1), 4, Mismatch(0, 0, 0, "x")),
        ("always @* p = {2'b0, 1'bx, 1'b0};", PRODUCTS * 0, 16, Mismatch(0, 0, 0, "X")),
        ("always @* p = a[b];", EVERY.a >> EVERY.b & 1, 8, Mismatch(0, 2, 0, "X")),
    ],
    ids=["values", "quotient by zero", "remainder by zero", "a literal x", "beyond the end"],
)
def test_gates_that_differ_or_do_not_know(
    body: str, answers: np.ndarray, differing: int, example: Mismatch
) -> None:
    found = compare_readings(rtl(body), EVERY, answers)
    assert (found.mismatches, found.examples[0]) == (differing, example)
    assert len(found.examples) == min(EXAMPLES, differing)


PIPELINE = "always @(posedge clk) p <= a * b;"


def test_a_pipeline_goes_through_its_cycles() -> None:
    found = compare_readings(rtl(PIPELINE, CLOCKED), EVERY, PRODUCTS, 1)
    assert (found.registers, found.mismatches) == (True, 0)


@pytest.mark.parametrize(
    "body",
    [
        "always @(posedge clk) p <= a + b;",
        "always @(posedge clk) p <= b == 0 ? 4'bx : a * b;",
        "reg [3:0] n; initial n = 0; always @(posedge clk) begin n <= n; p <= a * b + n; end",
        f"`ifdef YOSYS\nalways @(posedge clk) p <= a;\n`else\n{PIPELINE}\n`endif",
    ],
    ids=["values", "a literal x", "an initial value", "another text"],
)
def test_a_pipeline_that_is_read_otherwise(body: str) -> None:
    found = compare_readings(rtl(body, CLOCKED), EVERY, PRODUCTS, 1)
    assert found.registers
    assert found.mismatches


def test_a_register_that_holds_is_no_constant() -> None:
    body = "reg n; initial n = 0; always @(posedge clk) n <= n; always @* p = a * b + (n & a[0]);"
    found = compare_readings(rtl(body, CLOCKED), EVERY, PRODUCTS)
    assert (found.registers, found.mismatches) == (True, 8)
    assert {example.got for example in found.examples} == {"X"}


def test_a_clock_that_nothing_uses_leaves_gates() -> None:
    synthesised = read_synthesised(rtl("always @* p = a * b;", CLOCKED))
    assert isinstance(synthesised, Aig)
    assert np.array_equal(synthesised.simulate(EVERY.a, EVERY.b), PRODUCTS)


def test_registers_become_a_text_without_names_or_initial_values() -> None:
    body = "reg [3:0] secret = 5; always @(posedge clk) begin secret <= a * b; p <= secret; end"
    read = read_synthesised(rtl(body, CLOCKED))
    assert isinstance(read, Rtl)
    assert "posedge clk" in read.text
    assert "secret" not in read.text
    assert "initial" not in read.text
    assert "'h5" not in read.text


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("always @* if (clk) p = a * b;", "DLATCH"),
        ("reg [3:0] q; always @(posedge clk) q <= a; always @* if (clk) p = q;", "DLATCH"),
    ],
    ids=["a latch", "a latch behind registers"],
)
def test_a_pipeline_has_no_latch(body: str, value: str) -> None:
    with pytest.raises(AxdseError, match=value):
        read_synthesised(rtl(body, CLOCKED))


def test_registers_without_a_pipeline_are_refused() -> None:
    with pytest.raises(AxdseError, match=r"must be combinational logic: it has a cell .*DFF"):
        read_synthesised(rtl("always @(posedge a[0]) p <= b;"))


@pytest.mark.parametrize("level", [0, 1])
def test_reset_and_enable_have_the_level_that_lets_it_run(level: int) -> None:
    controlled = Pipeline(clock="clk", reset="rst", reset_level=level, enable="en")
    gates = read_gates(rtl(f"always @* p = rst == {level} ? 0 : en ? a * b : 7;", controlled))
    assert np.array_equal(gates.simulate(EVERY.a, EVERY.b), PRODUCTS)


def test_initial_values_count_where_there_are_no_registers() -> None:
    """A constant table is hardware; unset, its elements would be unknown."""
    body = "reg [1:0] t; initial t = 2; always @* p = t * b;"
    gates = read_gates(rtl(body))
    assert all(np.array_equal(g.simulate(EVERY.a, EVERY.b), EVERY.b * 2) for g in gates.bounds())
