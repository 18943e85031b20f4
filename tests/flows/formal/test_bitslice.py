import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.evidence.report import Mismatch
from axdse.flows.formal.aig import Aig
from axdse.flows.formal.bitslice import EXAMPLES, sweep
from axdse.flows.formal.gates import read_gates
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import core_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import tabulate

Write = Callable[[str, str], Path]
WithModel = Callable[..., Multiplier]


@pytest.fixture
def with_model(write: Write) -> WithModel:
    """Another C model beside the exact Verilog."""

    def make(text: str, n: int = 4, signed: bool = False) -> Multiplier:
        family = builtin_catalog().family("exact")
        model = write("exact.c", f"#include <stdint.h>\n{text}\n")
        return dataclasses.replace(family, model=model, signed=signed).bind({"n": n})

    return make


def gates_of(multiplier: Multiplier) -> Aig:
    return read_gates(core_rtl(multiplier))


@pytest.mark.parametrize(
    "spec",
    [
        "exact(n=3)",
        "udm(n=6)",
        "drum(n=7)",
        "ssm(n=9)",
        "mitchell(m=2)",
        "mbm(m=11)",
        "baugh_wooley(n=5)",
        "broken_array(n=12)",
    ],
)
def test_every_pair_is_compared(spec: str) -> None:
    multiplier = builtin_catalog().multiplier(spec)
    found = sweep(multiplier, gates_of(multiplier))
    assert (found.pairs, found.mismatches, found.examples) == (multiplier.pairs, 0, ())


@pytest.mark.parametrize("n", [3, 6, 8, 10])
def test_mismatches_are_those_of_the_tables(n: int) -> None:
    catalog = builtin_catalog()
    model, other = (catalog.multiplier(f"{name}(n={n})") for name in ("exact", "udm"))
    expected, got = tabulate(model).ravel(), tabulate(other).ravel()
    where = (expected != got).nonzero()[0]
    found = sweep(model, gates_of(other))
    assert found.mismatches == where.size
    assert found.examples == tuple(
        Mismatch(int(i) >> n, int(i) & (1 << n) - 1, int(expected[i]), f"{int(got[i]):x}")
        for i in where[:EXAMPLES]
    )


def test_a_part_of_the_pairs_can_be_compared() -> None:
    catalog = builtin_catalog()
    gates = gates_of(catalog.multiplier("udm(n=8)"))
    first = sweep(catalog.multiplier("exact(n=8)"), gates, first=0, count=64 * 100)
    rest = sweep(catalog.multiplier("exact(n=8)"), gates, first=64 * 100)
    whole = sweep(catalog.multiplier("exact(n=8)"), gates)
    assert (first.pairs, rest.pairs) == (64 * 100, (1 << 16) - 64 * 100)
    assert first.mismatches + rest.mismatches == whole.mismatches > 0


@pytest.mark.parametrize(
    ("number", "a", "b"), [(1 << 22, 0x400, 0), ((1 << 24) - 1, 0xFFF, 0xFFF), (12345, 3, 57)]
)
def test_one_wrong_pair_in_sixteen_million_is_found(
    with_model: WithModel, number: int, a: int, b: int
) -> None:
    text = f"uint64_t exact(uint64_t a, uint64_t b) {{ return a * b ^ (a == {a} && b == {b}); }}"
    found = sweep(with_model(text, n=12), gates_of(with_model(text, n=12)))
    assert found.pairs == 1 << 24
    assert found.examples == (Mismatch(a, b, a * b ^ 1, f"{a * b:x}"),)
    assert number == a << 12 | b


@pytest.mark.parametrize("result", ["a * b", "(a * b) & 0xff"])
def test_a_signed_model_may_return_values_or_patterns(with_model: WithModel, result: str) -> None:
    text = f"int64_t exact(int64_t a, int64_t b) {{ return {result}; }}"
    signed = builtin_catalog().multiplier("baugh_wooley(n=4)")
    assert sweep(with_model(text, signed=True), gates_of(signed)).mismatches == 0


def test_a_swapped_model_is_called_with_its_operands_exchanged(with_model: WithModel) -> None:
    text = "uint64_t exact(uint64_t b, uint64_t a) { return (a & ~3u) * b; }"
    multiplier = with_model(text)
    swapped = dataclasses.replace(
        multiplier, family=dataclasses.replace(multiplier.family, swapped=True)
    )
    gates = gates_of(builtin_catalog().multiplier("broken_array(n=4,h=0,v=0)"))
    assert sweep(multiplier, gates).examples[0].b == 1
    assert sweep(swapped, gates).examples[0].a == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uint64_t exact(uint64_t a, uint64_t b) { return a * b + 256; }", "must fit 8 bits"),
        ("uint64_t exact(uint64_t a, uint64_t b) { for (;;) b++; }", "answer within 1 s"),
        (
            "uint64_t exact(uint64_t a, uint64_t b) { static int n; return a * b ^ (n++ == 9); }",
            "pure function",
        ),
        (
            "#include <stdlib.h>\nuint64_t exact(uint64_t a, uint64_t b) { exit(0); }",
            "must return",
        ),
        ("uint64_t exact(uint64_t a, uint64_t b) { return *(int *)0; }", "must not crash"),
        (
            '#include <stdio.h>\nuint64_t exact(uint64_t a, uint64_t b) { fopen("x", "w"); '
            "return a * b; }",
            "computes and does nothing else",
        ),
        ("uint8_t exact(uint8_t a, uint8_t b) { return a * b }", "must compile"),
    ],
)
def test_a_bad_model_is_an_error(with_model: WithModel, text: str, message: str) -> None:
    multiplier = with_model(text)
    with pytest.raises(AxdseError, match=message):
        sweep(multiplier, gates_of(multiplier), limit_s=1)


def test_gates_of_other_widths_are_refused() -> None:
    catalog = builtin_catalog()
    with pytest.raises(AxdseError, match="have operands and product of"):
        sweep(catalog.multiplier("exact(n=4)"), gates_of(catalog.multiplier("exact(n=5)")))


def test_a_model_of_floats_is_compared_by_its_table(write: Write) -> None:
    mitchell = builtin_catalog().family("mitchell")
    model = write("exact_float.inl", "float exact_float(float a, float b) { return a * b; }")
    family = dataclasses.replace(
        mitchell, name="exact_float", model=model, takes_floats=True, module="mitchell"
    )
    found = sweep(family.bind({"m": 3}), gates_of(mitchell.bind({"m": 3})))
    assert found.pairs == 64
    assert found.examples[0] == Mismatch(2, 4, 7, "6")
