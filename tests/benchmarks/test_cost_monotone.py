"""The check that less hardware costs less: lines of designs, and what counts as a violation."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "cost_monotone.py"


@pytest.fixture(scope="module")
def monotone() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cost_monotone", BENCHMARK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["cost_monotone"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def designs(*specs: str) -> list[Multiplier]:
    return [builtin_catalog().multiplier(spec) for spec in specs]


DRUMS = ("drum(n=8,k=5)", "drum(n=8,k=4)", "drum(n=8,k=3)", "drum(n=8,k=2)")


def test_every_parameter_that_orders_is_one_of_its_family(monotone: ModuleType) -> None:
    known = {(f, p) for f, order in monotone.ORDER.items() for p in order}
    assert known <= {
        (f.name, p) for f in builtin_catalog().families.values() for p in f.parameters
    }


def test_lines_differ_in_one_parameter_and_lose_hardware(monotone: ModuleType) -> None:
    some = designs(*DRUMS[::-1], "truncated(n=8,t=3,c=0)", "truncated(n=8,t=1,c=0)")
    some += designs("truncated(n=8,t=1,c=1)", "exact(n=8)")
    found = [(p, [d.spec for d in line]) for p, line in monotone.lines(some, monotone.ORDER)]
    assert found == [
        ("k", list(DRUMS)),
        ("t", ["truncated(n=8,t=1,c=0)", "truncated(n=8,t=3,c=0)"]),
        ("t", ["truncated(n=8,t=1,c=1)"]),
    ]


@pytest.mark.parametrize(
    ("areas", "excess"),
    [
        ((100, 90, 80, 70), {}),
        ((100, 102, 100, 100), {}),
        ((100, 103, 90, 90), {1: (0, 0.03)}),
        ((100, 90, 91.5, 92.7), {3: (1, 0.03)}),
        ((100, 0, 1, 0), {2: (1, float("inf"))}),
    ],
)
def test_more_than_two_percent_above_any_larger_design(
    areas: tuple[float, ...], excess: dict[int, tuple[int, float]], monotone: ModuleType
) -> None:
    line = designs(*DRUMS)
    found = monotone.violations(line, "k", dict(zip(DRUMS, areas, strict=True)))
    expected = {DRUMS[less]: (DRUMS[more], by) for less, (more, by) in excess.items()}
    assert {v.less: (v.more, v.excess) for v in found} == expected
