"""Which design trains best, where no objective is a cost? A page of scores, without silicon."""

from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.report.assemble import Section, assembled
from axdse.dse.report.page import (
    MOST_SERIES,
    SIZES,
    LimitsView,
    PredictionView,
    ProvenanceView,
    TrainingView,
    TrialsView,
    prediction_of,
    trials_of,
)
from axdse.dse.report.pictures.curves import Series, training_chart
from axdse.dse.report.summary import Names, names_of, title_of
from axdse.dse.run.config import REFERENCE, dump_config
from axdse.dse.run.evaluation import FrontPoint, Stopped
from axdse.dse.run.intervals import Interval, interval95, paired_difference
from axdse.dse.run.run_dir import Results, RunDir
from axdse.multipliers.designs.design_point import DesignPoint, Mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.tables.error_metrics import ErrorMetrics, error_metrics


@dataclass(frozen=True, eq=False)
class Entrant:
    """A design point that was retrained with several seeds, and is known by its scores alone."""

    point: FrontPoint

    @property
    def design(self) -> DesignPoint:
        """Which MACs multiply where."""
        return self.point.evaluation.point

    @property
    def names(self) -> Names:
        """What it is called."""
        return names_of(self.design)

    @property
    def spec(self) -> str:
        """As in `Names`."""
        return self.names.spec

    @property
    def format(self) -> str:
        """As in `Names`."""
        return self.names.format

    @property
    def is_reference(self) -> bool:
        """Whether it is one exact core everywhere."""
        mac = self.design.uniform_mac
        return mac is not None and mac.multiplier.family.name == REFERENCE

    @property
    def validation(self) -> Interval:
        """Validation score over seeds."""
        return interval95(self.point.validation_estimate)

    @property
    def test(self) -> Interval:
        """Test score over seeds."""
        return interval95(self.point.test_estimate)


@dataclass(frozen=True)
class Ranking:
    """Who is retrained, by score.

    Attributes:
        run: that trained them.
        results: of it.
        entrants: the best mean validation score first.
    """

    run: RunDir
    results: Results
    entrants: tuple[Entrant, ...]

    @property
    def best(self) -> Entrant | None:
        """The first on the front; None: no design is of use but exact ones."""
        return next((e for e in self.entrants if e.point.on_front), None)

    @property
    def reference(self) -> Entrant | None:
        """The exact core that scores best."""
        return next((e for e in self.entrants if e.is_reference), None)


def ranking_of(run: RunDir, results: Results) -> Ranking:
    """Rank the finalists of a finished run without costs.

    Raises:
        AxdseError: the run has no finalists yet.
    """
    if not results.front:
        rule, what = "an export needs a finished search", f"{run.path} has no finalists yet"
        raise AxdseError(rule, what, f"run 'axdse search CONFIG.yaml --run {run.path} --resume'")
    entrants = sorted(map(Entrant, results.front), key=lambda e: (-e.validation.mean, e.spec))
    return Ranking(run, results, tuple(entrants))


def render_ranking(ranking: Ranking) -> str:
    """The report: HTML with inlined charts, style and script, no reference to outside."""
    shown = tuple((section, section.view(ranking)) for section in SECTIONS)
    return assembled(ranking.run, shown)


@dataclass(frozen=True)
class RankingView:
    """The answer, and all finalists.

    Attributes:
        best: as in `Ranking`.
        reference: likewise.
        rows: each finalist, with its test score beside that of the reference.
        baselines: title, validation and test score.
        errors: of each core of a finalist.
        stopped: who was retrained, and is behind.
    """

    best: Entrant | None
    reference: Entrant | None
    rows: tuple[tuple[Entrant, Interval | None], ...]
    baselines: tuple[tuple[str, Interval, Interval], ...]
    errors: tuple[tuple[Mac, ErrorMetrics], ...]
    stopped: tuple[Stopped, ...]


def _ranking(ranking: Ranking) -> RankingView:
    baselines = ranking.results.baselines
    return RankingView(
        ranking.best,
        ranking.reference,
        tuple((each, _beside(each, ranking.reference)) for each in ranking.entrants),
        tuple(
            (title_of(b), interval95(b.validation_estimate), interval95(b.test_estimate))
            for b in baselines
        ),
        tuple((mac, error_metrics(mac.multiplier)) for mac in macs_of(ranking.entrants)),
        ranking.results.stopped,
    )


def macs_of(entrants: Sequence[Entrant]) -> tuple[Mac, ...]:
    """Each once."""
    return tuple(dict.fromkeys(mac for entrant in entrants for mac in entrant.design.macs))


def _beside(entrant: Entrant, reference: Entrant | None) -> Interval | None:
    if reference is None or entrant is reference:
        return None
    return interval95(paired_difference(entrant.point.test, reference.point.test))


def _training(ranking: Ranking) -> TrainingView | None:
    baselines = ranking.results.baselines
    shown = ranking.entrants[: MOST_SERIES - len(baselines)]
    series = [Series(f"{e.names.label}, {e.names.formats}", e.point.histories) for e in shown]
    series += [Series(f"{title_of(b)} baseline", b.histories) for b in baselines]
    known = [each for each in series if each.band]
    if not known:
        return None
    charts = (training_chart(known, ranking.run.info.goal, size) for size in SIZES)
    return TrainingView(len(ranking.entrants[0].point.seeds), *charts)


def _prediction(ranking: Ranking) -> PredictionView | None:
    return prediction_of(ranking.results, ranking.run.info.goal)


def _trials(ranking: Ranking) -> TrialsView:
    return trials_of(ranking.results)


def _limits(ranking: Ranking) -> LimitsView:
    return LimitsView(len(ranking.results.evaluations))


def _provenance(ranking: Ranking) -> ProvenanceView:
    seeds, config = ranking.entrants[0].point.seeds, ranking.run.config
    return ProvenanceView(seeds, None, "", dump_config(config))


SECTIONS = (
    Section("ranking", "", _ranking),
    Section("training", "How the networks learned", _training),
    Section("prediction", "What was expected, and what came", _prediction),
    Section("trials", "What was tried, and what came of it", _trials),
    Section("limits", "What these numbers do not say", _limits),
    Section("provenance", "Provenance", _provenance),
)
