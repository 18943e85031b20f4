import dataclasses

import numpy as np
import pytest

from axdse.flows.evidence.stimulus import core_stimulus
from axdse.flows.formal import gates as gates_module
from axdse.flows.formal.aig import FALSE, TRUE, Aig, Builder
from axdse.flows.formal.gates import AND, NOT, read_gates
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import tabulate


def device(body: str, kind: str = "", a_bits: int = 2, b_bits: int = 3) -> Rtl:
    text = (
        f"module device (input [{a_bits - 1}:0] a, input [{b_bits - 1}:0] b,\n"
        f"    output {kind} [{a_bits + b_bits - 1}:0] p);\n{body}\nendmodule\n"
    )
    return Rtl("device", text, ("a", "b", "p"), a_bits, b_bits, a_bits + b_bits, "device")


def answers(gates: Aig) -> np.ndarray:
    every = core_stimulus(gates.a_bits, gates.b_bits, 0)
    return gates.simulate(every.a, every.b)


@pytest.mark.parametrize("name", sorted(builtin_catalog().families))
def test_the_gates_of_a_family_compute_its_table(name: str) -> None:
    multiplier = builtin_catalog().family(name).bind()
    gates = read_gates(core_rtl(multiplier))
    for bound in gates.bounds():
        assert np.array_equal(answers(bound), tabulate(multiplier).ravel())


def test_operands_of_unequal_widths_keep_their_places() -> None:
    every = core_stimulus(2, 3, 0)
    assert np.array_equal(
        answers(read_gates(device("assign p = {a, b};"))), every.a << 3 | every.b
    )


def test_ands_come_after_what_they_read() -> None:
    gates = read_gates(device("assign p = a * b;"))
    for variable, pins in enumerate(gates.ands, gates.first_and):
        assert max(pins) < 2 * variable


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        ("always @* if (a[0]) p = b;", "reg", "DLATCH"),
        ("always @(posedge a[0]) p <= b;", "reg", "DFF"),
        ("wire x = ~(x & a[0]) ^ x; assign p = x;", "", "loop"),
        ("wire x; assign p = {a, x, b[1:0]};", "", "no driver"),
        ("assign p = a *;", "", "syntax error"),
        ("absent unit (a, b, p);", "", "absent"),
    ],
)
def test_what_is_not_combinational_is_refused(body: str, kind: str, value: str) -> None:
    rtl = device(body, kind)
    with pytest.raises(AxdseError, match=value):
        read_gates(rtl)


def cell(kind: str, output: int, **inputs: int) -> dict[str, object]:
    pins = {**inputs, "Y": output}
    return {"type": kind, "connections": {name: [bit] for name, bit in pins.items()}}


@pytest.mark.parametrize(
    ("cells", "product", "value"),
    [
        ([cell(AND, 9, A=2, B=8), cell(NOT, 8, A=9)], 9, "combinational logic: a loop of 2 gates"),
        ([cell(AND, 9, A=2, B=7)], 9, "needs a driver: net 7"),
        ([], 6, "needs a driver: net 6"),
    ],
    ids=["loop", "input", "output"],
)
def test_what_yosys_should_have_refused_is(
    cells: list[dict[str, object]], product: int, value: str
) -> None:
    bits = {"a": [2], "b": [3], "p": [product, product]}
    module = {
        "ports": {name: {"bits": found} for name, found in bits.items()},
        "cells": dict(enumerate(cells)),
    }
    with pytest.raises(AxdseError, match=value):
        gates_module._graph(module, device("", a_bits=1, b_bits=1))


def test_ports_of_other_widths_are_refused() -> None:
    rtl = dataclasses.replace(device("assign p = a * b;"), product_bits=6)
    with pytest.raises(AxdseError, match="p of 6 bits"):
        read_gates(rtl)


@pytest.mark.parametrize(
    ("body", "sure", "maybe"),
    [
        ("assign p = a == 1 ? 5'b1x0x1 : 5'd4;", 0b10001, 0b11011),
        ("wire x = 1'bx; assign p = {4'b0, x & a[1]};", 0, 0),
        ("wire x = 1'bx; assign p = {4'b0, x | a[0]};", 1, 1),
        ("wire x = 1'bx; assign p = {4'b0, x ^ x};", 0, 1),
        ("assign p = b == 2 ? 5'b1000z : 5'd4;", 0b10000, 0b10001),
        ("wire [3:0] t = 4'b1010; assign p = {4'b0, t[3'd4 + a]};", 0, 1),
    ],
)
def test_an_x_is_either_value(body: str, sure: int, maybe: int) -> None:
    graphs = read_gates(device(body)).bounds()
    a, b = np.array([1], dtype=np.uint64), np.array([2], dtype=np.uint64)
    assert [int(graph.simulate(a, b)[0]) for graph in graphs] == [sure, maybe]
    assert all(graph.unknowns == 0 for graph in graphs)


@pytest.mark.parametrize(
    ("x", "y", "literal"),
    [(FALSE, 2, FALSE), (TRUE, 2, 2), (2, 2, 2), (2, 3, FALSE), (3, TRUE, 3), (4, 2, 6)],
)
def test_a_builder_folds_constants_and_repeats(x: int, y: int, literal: int) -> None:
    graph = Builder(2)
    assert graph.both(x, y) == literal
    assert graph.both(y, x) == literal


def test_what_no_output_needs_is_dropped() -> None:
    graph = Builder(3)
    graph.both(2, 4)
    needed = graph.both(4, 6)
    assert graph.finish(1, 2, [needed ^ 1]) == Aig(1, 2, 0, ((4, 6),), (9,))


def test_aiger_is_binary_with_deltas() -> None:
    assert Aig(1, 1, 0, ((2, 5),), (7,)).aiger() == b"aig 3 2 0 1 1\n7\n\x01\x03"
