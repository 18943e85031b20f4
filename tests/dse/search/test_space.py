"""The space: every draw is a point of it, and every point can be drawn."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution

from axdse.dse.run.config import SearchConfig
from axdse.dse.search.space import Space, space_of
from axdse.multipliers.designs.catalog import full_catalog
from axdse.multipliers.designs.design_point import Mac
from axdse.multipliers.designs.family import Family
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat

Make = Callable[..., SearchConfig]
FORMATS = 'formats: [bf16, "float(8,5)", "float(8,3)", int8]'
DRAWS = 400


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def macs(space: Space) -> list[Mac]:
    return [mac for point in space.points() for mac in point.macs]


@pytest.fixture
def everything(tiny_config: Make) -> Space:
    return space_of(tiny_config("families: all", FORMATS))


def test_every_draw_is_in_the_space_and_distributions_are_static(everything: Space) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    known = {point.name for point in everything.points()}
    distributions: dict[str, BaseDistribution] = {}
    for _ in range(DRAWS):
        trial = study.ask()
        assert everything.suggest(trial).name in known
        for name, distribution in trial.distributions.items():
            assert distributions.setdefault(name, distribution) == distribution


def test_every_point_can_be_enqueued(everything: Space) -> None:
    for point in everything.points():
        trial = optuna.trial.FixedTrial(everything.parameters(point))
        assert everything.suggest(trial) == point  # type: ignore[arg-type]


def test_significand_families_serve_narrow_floats_only(everything: Space) -> None:
    significand = [m for m in macs(everything) if m.multiplier.family.kind == "significand"]
    assert significand
    assert all(
        isinstance(m.format, FloatFormat) and m.format.product == "narrow" for m in significand
    )


@pytest.mark.parametrize(
    "kind", [{"width": 8, "width_b": 4}, {"width": 8, "signed": True, "unsigned_operand": "a"}]
)
def test_cores_of_two_kinds_of_operands_serve_no_format_of_a_search(
    kind: dict[str, object], everything: Space
) -> None:
    file = Path("none")
    two = Family("two", "own", "integer", model=file, rtl=file, parameters={}, **kind)
    space = replace(everything, families=(two, *everything.families))
    assert list(space.macs()) == list(everything.macs())


def test_a_table_alone_has_no_cost_to_trade_for(tiny_config: Make) -> None:
    catalog = full_catalog()
    catalog.families["drum"] = replace(catalog.families["drum"], table_only=True)
    every = space_of(tiny_config("families: all", FORMATS), catalog)
    assert "drum" not in {family.name for family in every.families}
    with pytest.raises(AxdseError, match="needs Verilog: tables alone: drum; write"):
        space_of(tiny_config("families: [exact, drum]", FORMATS), catalog)


def test_references_are_the_exact_cores(everything: Space) -> None:
    names = [mac.multiplier.spec for point in everything.references() for mac in point.macs]
    assert names == ["exact(n=8)", "exact(n=6)", "exact(n=4)", "exact(n=8)"]


def test_ranges_narrow_the_space(tiny_config: Make) -> None:
    space = space_of(tiny_config("ranges: {truncated: {t: [1, 2], c: 0}, perforated: {k: 1}}"))
    values = [
        dict(mac.multiplier.values)
        for mac in macs(space)
        if mac.multiplier.family.name == "truncated"
    ]
    assert {(v["t"], v["c"]) for v in values} == {(1, 0), (2, 0)}


def test_a_named_family_must_serve_a_format(tiny_config: Make) -> None:
    with pytest.raises(AxdseError, match="serve one of the formats: mitchell in int8"):
        space_of(tiny_config("families: [mitchell]", "formats: [int8]"))


SUMS = ("families: [mitchell]", "objectives: [score, mac.area]")


def test_each_format_is_taken_with_each_sum_that_adds_its_products(tiny_config: Make) -> None:
    formats = 'formats: ["float(8,3)", int8]'
    space = space_of(tiny_config(*SUMS, formats, 'sums: [fp32, bf16, hopper_fp8, "int(24)"]'))
    assert [each.name for each in space.formats] == [
        "float(8,3)",
        "float(8,3) sum bf16",
        "float(8,3) sum dot(terms=32,align=13,acc=float(8,13))",
        "int8",
        "int8 sum int(24)",
    ]
    assert [point.name for point in space.references()] == [
        f"exact(n={8 if each.name.startswith('int8') else 4}) in {each.name}"
        for each in space.formats
    ]
    points = list(space.points())
    assert len(points) == 3 * 2 + 2
    for point in points:
        trial = optuna.trial.FixedTrial(space.parameters(point))
        assert space.suggest(trial) == point  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            (*SUMS, 'sums: [fp32, "int(24)"]'),
            r"each sum must add the products .*: int\(24\) behind",
        ),
        ((*SUMS, "formats: [int8]", "sums: hopper"), "int8 is summed in int"),
        (
            ("families: exact", 'formats: ["float(8,2)"]', "places: per-pass", "distinct: 3"),
            "no more different MACs than the space: distinct: 3 of 1; write distinct: 1",
        ),
    ],
)
def test_what_has_no_sum_or_too_few_macs_is_refused(
    tiny_config: Make, lines: tuple[str, ...], message: str
) -> None:
    with pytest.raises(AxdseError, match=message):
        space_of(tiny_config(*lines))


@pytest.fixture
def by_pass(tiny_config: Make) -> Space:
    return space_of(
        tiny_config(
            "families: [truncated]",
            "ranges: {truncated: {c: 0}}",
            'formats: ["float(8,2)"]',
            "places: per-pass",
        )
    )


def test_places_share_no_more_than_two_macs(by_pass: Space) -> None:
    points, macs = list(by_pass.points()), list(by_pass.macs())
    names = [point.name for point in points]
    assert len({*names}) == len(names)
    # One MAC; or two, and three ways in which three products share them.
    assert len(points) == len(macs) + 3 * len(macs) * (len(macs) - 1)
    assert max(len(point.macs) for point in points) == 2
    # Three passes of two MACs: the one that differs is named.
    assert all(name.count("=exact") + name.count("=truncated") == 2 for name in names[len(macs) :])


def test_places_of_layers_are_named_as_they_are(tiny_config: Make) -> None:
    lines = ("families: [truncated]", 'formats: ["float(8,2)"]', "places: [fc1, '*:forward', '*']")
    space = space_of(tiny_config(*lines, "distinct: 3"))
    point = next(point for point in space.points() if len(point.macs) == 3)
    assert [place.name for place, _ in point.places] == ["fc1", "*:forward", "*"]
    trial = optuna.trial.FixedTrial(space.parameters(point))
    assert space.suggest(trial) == point  # type: ignore[arg-type]


def test_every_point_of_places_can_be_drawn(by_pass: Space) -> None:
    for point in by_pass.points():
        trial = optuna.trial.FixedTrial(by_pass.parameters(point))
        assert by_pass.suggest(trial) == point  # type: ignore[arg-type]


def test_every_draw_of_places_is_in_the_space(by_pass: Space) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    known = {point.name for point in by_pass.points()}
    drawn = {by_pass.suggest(study.ask()).name for _ in range(DRAWS)}
    assert drawn <= known
    assert any(";" in name for name in drawn)
