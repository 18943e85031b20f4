"""Report: self-contained, escaped, honest about noise; pictures in which nothing overlaps."""

import dataclasses
import itertools
import math
import struct
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from axdse.dse.report.error_maps import unit_map
from axdse.dse.report.front_plot import front_figure
from axdse.dse.report.page import finalists_of, front_picture, front_png, render
from axdse.dse.report.plot_labels import Box, Label, place
from axdse.dse.report.plot_points import Mark, marks
from axdse.dse.report.recommendation import find_answer
from axdse.dse.report.summary import Finalist, Interval, interval95
from axdse.dse.run.config import dump_config, parse_config
from axdse.dse.run.evaluation import Estimate, FrontPoint
from axdse.dse.run.objectives import AREA, OBJECTIVES, Measured, Objective
from axdse.dse.run.run_dir import Results, RunDir
from axdse.dse.training.records import Goal
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate, parse_design_point
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.tables.error_metrics import error_metrics

COSTS = (OBJECTIVES["area"],)


class Page(HTMLParser):
    """Collects text, tags, what attributes refer to, and whether every tag is closed."""

    VOID = {"meta", "img", "br"}  # noqa: RUF012

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.references, self.open = "", set(), [], []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.references += [v for k, v in attrs if k in ("src", "href", "srcset", "data") and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in ("td", "th", "dd", "p") else ""

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def results(finished_run: RunDir) -> Results:
    return finished_run.results()


@pytest.fixture(scope="module")
def finalists(finished_run: RunDir, results: Results) -> tuple[Finalist, ...]:
    return finalists_of(finished_run, results)


@pytest.fixture(scope="module")
def picture(finished_run: RunDir, results: Results, finalists: tuple[Finalist, ...]) -> bytes:
    return front_png(finished_run, results, finalists)


@pytest.fixture(scope="module")
def html(
    finished_run: RunDir, results: Results, finalists: tuple[Finalist, ...], picture: bytes
) -> str:
    return render(finished_run, results, finalists, picture)


# The page.


def test_the_page_refers_to_nothing_outside(html: str) -> None:
    page = Page(html)
    assert len(page.references) == 3  # the front, and two maps of approximate designs
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_is_well_formed(html: str) -> None:
    assert Page(html).open == []
    assert html.startswith("<!doctype html>")


def test_hostile_text_is_shown_as_text(html: str) -> None:
    assert "<script" not in html
    assert "<script src='https://example.org/x.js'></script> & a \"quoted\"" in Page(html).text


def test_the_answer_comes_first(html: str) -> None:
    text = " ".join(Page(html).text.split())
    answer = text.index("drum(n=4,k=3) float(8,3) needs")
    assert answer < text.index("less area than the smallest exact design of equal accuracy")
    assert answer < text.index("The front")


def test_every_finalist_baseline_and_status_is_shown(html: str) -> None:
    text = " ".join(Page(html).text.split())
    designs = ("mitchell(m=3) float(8,3)", "exact(n=8) int8", "FP32 baseline", "bf16 baseline")
    statuses = ("complete 4", "dominated 2", "diverged 1", "failed 1")
    assert [shown for shown in designs + statuses if shown not in text] == []


def test_accuracies_carry_their_interval(html: str, finalists: tuple[Finalist, ...]) -> None:
    assert all(f.test.text() in html and "±" in f.test.text() for f in finalists)


def test_energy_is_shown_with_the_uniform_one_beside(
    html: str, finalists: tuple[Finalist, ...]
) -> None:
    text = " ".join(Page(html).text.split())
    for finalist in finalists:
        mac = finalist.mac
        assert mac is not None
        uniform = f"{mac.uniform_fj:,.0f} ({100 * mac.uniform_error:+.0f} %)"
        unit = f"{finalist.cost.recorded_fj:,.0f}"
        assert f"{finalist.cost.delay_ns:.2f} {unit} {mac.training_fj:,.0f} {uniform}" in text
    assert "operands.npz (net on digits, exact(n=8)): 4096 in order, output-stationary" in text


def test_provenance_is_shown(html: str, finished_run: RunDir, results: Results) -> None:
    text = Page(html).text
    info, found = finished_run.info, results.evaluations[0].cost
    assert found is not None
    (cost,) = found.units
    shown = (info.axdse, info.date, info.machine, *info.tools, *cost.tools, cost.library)
    assert [entry for entry in shown if entry not in text] == []


# The answer.


def with_validation(finalist: Finalist, *validation: float) -> Finalist:
    return dataclasses.replace(
        finalist, point=dataclasses.replace(finalist.point, validation=validation)
    )


def named(finalists: tuple[Finalist, ...], start: str) -> Finalist:
    return next(f for f in finalists if f.spec.startswith(start))


def test_the_smallest_equally_accurate_design_wins(finalists: tuple[Finalist, ...]) -> None:
    answer = find_answer(finalists, 0.01)
    assert answer.wins
    assert answer.best is named(finalists, "drum")
    assert answer.rival is answer.reference is answer.twin is named(finalists, "exact(n=4)")


@pytest.mark.parametrize(
    ("objective", "best"), [("area", "drum"), ("delay", "drum"), ("energy", "drum")]
)
def test_the_answer_is_measured_by_the_objective(
    objective: str, best: str, finalists: tuple[Finalist, ...]
) -> None:
    answer = find_answer(finalists, 0.01, OBJECTIVES[objective])
    assert answer.best is named(finalists, best)
    assert answer.best is not None
    cost = answer.best.cost
    expected = {"area": cost.area_um2, "delay": cost.delay_ns, "energy": cost.recorded_fj}
    assert answer.best.measured(answer.objective) == expected[objective]


def test_a_noisy_design_is_not_equal(finalists: tuple[Finalist, ...]) -> None:
    exact = with_validation(named(finalists, "exact(n=4)"), 0.88, 0.88, 0.88)
    noisy = with_validation(named(finalists, "drum"), 0.88, 0.80, 0.90)
    assert find_answer([noisy, exact], 0.01).best is None


@pytest.mark.parametrize(
    ("loss", "spread", "equal"),
    [(0.005, 0.0, True), (0.005, 0.0019, True), (0.005, 0.0021, False), (0.011, 0.0, False)],
)
def test_equal_is_what_is_proved_to_lose_less_than_the_resolution(
    loss: float, spread: float, equal: bool, finalists: tuple[Finalist, ...]
) -> None:
    """Student's interval of three seeds is 2.48 deviations wide."""
    scores = (0.88, 0.87, 0.89)
    exact = with_validation(named(finalists, "exact(n=4)"), *scores)
    apart = (loss - spread, loss, loss + spread)
    worse = with_validation(
        named(finalists, "drum"), *(a - b for a, b in zip(scores, apart, strict=True))
    )
    assert (find_answer([worse, exact], 0.01).best is not None) is equal


def test_a_design_whose_unit_is_wrong_is_no_answer(finalists: tuple[Finalist, ...]) -> None:
    drum, exact = named(finalists, "drum"), named(finalists, "exact(n=4)")
    (certificate,) = drum.point.unit_certificates
    wrong = dataclasses.replace(certificate, verdict="mismatch", mismatches=1)
    broken = dataclasses.replace(
        drum, point=dataclasses.replace(drum.point, unit_certificates=(wrong,))
    )
    assert find_answer([broken, exact], 0.01).best is None


@pytest.mark.parametrize(
    ("keep", "headline"),
    [
        ("exact", "no approximate design of this run is as accurate as"),
        ("drum", "retrained no certified exact design"),
    ],
)
def test_a_front_of_one_kind_is_reported_as_such(
    keep: str,
    headline: str,
    finished_run: RunDir,
    results: Results,
    finalists: tuple[Finalist, ...],
    picture: bytes,
) -> None:
    kept = tuple(f for f in finalists if f.spec.startswith(keep))
    text = " ".join(Page(render(finished_run, results, kept, picture)).text.split())
    assert headline in text


# The objectives.


def asked(run: RunDir, *names: str) -> RunDir:
    """The run as if those had been its objectives."""
    again = RunDir(run.path)
    objectives = tuple(OBJECTIVES[name] for name in names)
    again.config = dataclasses.replace(run.config, objectives=objectives)
    return again


def with_energy_against_area(results: Results) -> Results:
    """Make the largest design the most frugal one."""

    def turned(point: FrontPoint) -> FrontPoint:
        cost = point.evaluation.cost
        assert cost is not None
        (unit,) = cost.units
        assert unit.recorded is not None
        recorded = dataclasses.replace(unit.recorded, energy_fj=1e7 / unit.area_um2)
        turned = dataclasses.replace(cost, units=(dataclasses.replace(unit, recorded=recorded),))
        return dataclasses.replace(
            point, evaluation=dataclasses.replace(point.evaluation, cost=turned)
        )

    front = tuple(map(turned, results.front))
    return Results(tuple(p.evaluation for p in front), results.baselines, front)


@pytest.mark.parametrize(
    ("objectives", "axes"),
    [
        (["accuracy", "energy"], ["unit energy per multiplication (fJ)"]),
        (["accuracy", "area"], ["unit area (µm²)"]),
        (["delay", "accuracy", "area"], ["unit delay (ns)", "unit area (µm²)"]),
    ],
)
def test_the_picture_draws_what_was_asked(
    objectives: list[str],
    axes: list[str],
    finished_run: RunDir,
    results: Results,
    finalists: tuple[Finalist, ...],
) -> None:
    figure = front_picture(asked(finished_run, *objectives), results, finalists)
    assert [each.get_xlabel() for each in figure.axes] == axes


def test_energy_ranks_where_energy_was_asked(finished_run: RunDir, results: Results) -> None:
    run, turned = asked(finished_run, "accuracy", "energy"), with_energy_against_area(results)
    ranked = finalists_of(run, turned)
    energies = [f.cost.recorded_fj for f in ranked]
    assert energies == sorted(energies, key=lambda fj: fj or 0.0)
    areas = [f.cost.area_um2 for f in ranked]
    assert areas == sorted(areas, reverse=True)
    drawn = marks(turned.evaluations, ranked, run.config.costs)
    assert [mark.costs for mark in drawn] == [(fj,) for fj in energies]
    page = Page(render(run, turned, ranked, b""))
    text = " ".join(page.text.split())
    answer = text[: text.index("The front")]
    assert "the most frugal design of its accuracy" in answer or "less energy" in answer
    assert "less area" not in text
    assert "Ranked by unit energy per multiplication; ● on the front of accuracy, energy" in text


def _cells(measured: Measured) -> float:
    return float(measured.cost.cells)


def test_another_objective_is_one_entry(
    finished_run: RunDir, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = Objective(
        *("cells", "unit cells", "cells", "unit", "minimise", _cells),
        *("least", "fewer cells", "more"),
    )
    monkeypatch.setitem(OBJECTIVES, "cells", cells)
    text = dump_config(finished_run.config).replace("[accuracy, area]", "[accuracy, cells]")
    run = RunDir(finished_run.path)
    run.config = parse_config(text, Path("config.yaml"))
    assert run.config.costs == (cells,)
    assert parse_config(dump_config(run.config), Path("config.yaml")) == run.config
    ranked = finalists_of(run, results)
    assert [f.cost.cells for f in ranked] == sorted(f.cost.cells for f in ranked)
    figure = front_picture(run, results, ranked)
    assert [axes.get_xlabel() for axes in figure.axes] == ["unit cells (cells)"]
    shown = Page(render(run, results, ranked, b"")).text
    assert "fewer cells" in shown
    assert "Ranked by unit cells" in shown
    with pytest.raises(AxdseError, match=r"mac\.delay, mac\.energy and cells"):
        parse_config(text.replace("[accuracy, cells]", "[accuracy]"), Path("config.yaml"))


# The numbers.


@pytest.mark.parametrize(
    ("seeds", "t"),
    [(2, 12.7062), (3, 4.30265), (11, 2.22814), (12, 2.20099), (31, 2.04227), (101, 1.98397)],
)
def test_intervals_are_students(seeds: int, t: float) -> None:
    assert interval95(Estimate(0.9, 0.01, seeds)).half == pytest.approx(0.01 * t, rel=5e-6)


def test_a_single_seed_has_no_interval() -> None:
    interval = interval95(Estimate(0.9, math.nan, 1))
    assert math.isnan(interval.half)
    assert interval.text() == "90.0"


@pytest.mark.parametrize(
    ("mean", "text"),
    [(-0.004, "\N{MINUS SIGN}0.4 ± 0.2"), (0.004, "+0.4 ± 0.2"), (-0.0001, "0.0 ± 0.2")],
)
def test_differences_have_a_sign(mean: float, text: str) -> None:
    assert Interval(mean, 0.002).signed() == text


LOSS = Goal("cross entropy", "nats", "lower", 0.01)


@pytest.mark.parametrize(
    ("mean", "text"),
    [(-0.04, "+0.040 ± 0.002"), (0.04, "\N{MINUS SIGN}0.040 ± 0.002"), (0.0001, "0.000 ± 0.002")],
)
def test_a_score_that_falls_is_a_loss_that_rises(mean: float, text: str) -> None:
    assert Interval(mean, 0.002).signed(LOSS) == text
    assert Interval(-2.5, 0.002).text(LOSS) == "2.500 ± 0.002"
    assert LOSS.text(-2.5) == "2.500 nats"
    assert Goal().text(0.843) == "84.3 %"


# The pictures.


def test_the_picture_fits_a_page_and_is_reproducible(
    picture: bytes, finished_run: RunDir, results: Results, finalists: tuple[Finalist, ...]
) -> None:
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (1800, 1120)
    assert front_png(finished_run, results, finalists) == picture


def test_every_trained_design_is_drawn_once(
    results: Results, finalists: tuple[Finalist, ...]
) -> None:
    drawn = marks(results.evaluations, finalists, COSTS)
    assert sorted(mark.role for mark in drawn) == ["exact", "exact", "front", "front"]
    assert len({(mark.label, mark.format) for mark in drawn}) == len(drawn)


def test_a_collapsed_trial_does_not_flatten_the_picture(
    results: Results, finalists: tuple[Finalist, ...]
) -> None:
    trial = results.evaluations[0]
    assert trial.history is not None
    epoch = dataclasses.replace(trial.history.epochs[-1], validation_score=0.1)
    history = dataclasses.replace(trial.history, epochs=(epoch,))
    collapsed = dataclasses.replace(
        trial, point=parse_design_point("drum(n=4,k=2) in float(8,3)"), history=history
    )
    (mark,) = (m for m in marks([collapsed], finalists, COSTS) if m.role == "trial")
    assert mark.score == 0.1


@pytest.mark.parametrize(
    ("direction", "score", "interval", "bottom"),
    [
        ("higher", 0.15, 0.01, 0.0),
        ("lower", -0.15, 0.01, -0.2),
        ("lower", -0.15, 5.0, -0.3),  # an interval as wide as few seeds may have
    ],
)
def test_marks_are_within_the_picture(
    direction: Literal["higher", "lower"], score: float, interval: float, bottom: float
) -> None:
    goal = Goal("a fraction", direction=direction)
    mark = Mark("m", "f", "front", (1.0,), score, interval, on_front=True)
    figure = front_figure("title", "subtitle", [mark], [], [AREA], 1.0, goal, 0.1)
    low = goal.score(figure.axes[0].get_ylim()[0] / 100)
    assert bottom <= low < score


def test_labels_of_crowded_points_do_not_overlap() -> None:
    labels = [Label(60 + 30 * i, 100 + 16 * (i % 3), 60, 12) for i in range(8)]
    within = Box(0, 0, 400, 300)
    points = [Box(lb.x - 4, lb.y - 4, lb.x + 4, lb.y + 4) for lb in labels]
    boxes = place(labels, points, within, gap=9)
    assert all(a.overlap(b) == 0 for a, b in itertools.combinations(boxes, 2))
    assert all(box.overlap(within) == pytest.approx(box.area) for box in boxes)
    assert sum(box.overlap(point) for box in boxes for point in points) == 0


@pytest.mark.parametrize(
    ("spec", "form"),
    [("exact(n=8)", "bf16"), ("exact(n=8)", "int8"), ("mitchell(m=7)", "float(8,7)")],
)
def test_error_surfaces_have_the_sign_of_the_design(spec: str, form: str) -> None:
    multiplier = builtin_catalog().multiplier(spec)
    percent = unit_map(Candidate(multiplier, parse_format(form))).values
    assert percent.shape == ((129, 129) if form == "int8" else (128, 128))
    assert np.nanmax(percent) <= 0
    assert np.nanmin(percent) == pytest.approx(-100 * error_metrics(multiplier).wcre)
