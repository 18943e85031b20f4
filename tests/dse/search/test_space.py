"""The space: every draw is a candidate of it, and every candidate can be drawn."""

from collections.abc import Callable

import optuna
import pytest
from optuna.distributions import BaseDistribution

from axdse.dse.run.config import SearchConfig
from axdse.dse.search.space import Space, space_of
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat

Make = Callable[..., SearchConfig]
FORMATS = 'formats: [bf16, "float(8,5)", "float(8,3)", int8]'
DRAWS = 400


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def everything(tiny_config: Make) -> Space:
    return space_of(tiny_config("families: all", FORMATS))


def test_every_draw_is_in_the_space_and_distributions_are_static(everything: Space) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    known = {candidate.name for candidate in everything.candidates()}
    distributions: dict[str, BaseDistribution] = {}
    for _ in range(DRAWS):
        trial = study.ask()
        assert everything.suggest(trial).name in known
        for name, distribution in trial.distributions.items():
            assert distributions.setdefault(name, distribution) == distribution


def test_every_candidate_can_be_enqueued(everything: Space) -> None:
    for candidate in everything.candidates():
        trial = optuna.trial.FixedTrial(everything.parameters(candidate))
        assert everything.suggest(trial) == candidate  # type: ignore[arg-type]


def test_significand_families_serve_narrow_floats_only(everything: Space) -> None:
    significand = [c for c in everything.candidates() if c.multiplier.family.kind == "significand"]
    assert significand
    assert all(
        isinstance(c.format, FloatFormat) and c.format.product == "narrow" for c in significand
    )


def test_references_are_the_exact_cores(everything: Space) -> None:
    names = [candidate.multiplier.spec for candidate in everything.references()]
    assert names == ["exact(n=8)", "exact(n=6)", "exact(n=4)", "exact(n=8)"]


def test_ranges_narrow_the_space(tiny_config: Make) -> None:
    space = space_of(tiny_config("ranges: {truncated: {t: [1, 2], c: 0}, perforated: {k: 1}}"))
    values = [
        dict(candidate.multiplier.values)
        for candidate in space.candidates()
        if candidate.multiplier.family.name == "truncated"
    ]
    assert {(v["t"], v["c"]) for v in values} == {(1, 0), (2, 0)}


def test_a_named_family_must_serve_a_format(tiny_config: Make) -> None:
    with pytest.raises(AxdseError, match="serve one of the formats: mitchell in int8"):
        space_of(tiny_config("families: [mitchell]", "formats: [int8]"))
