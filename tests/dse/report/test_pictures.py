"""Charts: all that was trained is drawn once, within the picture, nothing over another."""

import dataclasses
import itertools
import math
from typing import Literal

import numpy as np
import pytest

from axdse.dse.report.material import Material, finalists_of, material_of
from axdse.dse.report.pictures.chart import LogScale, Scale, frame_of
from axdse.dse.report.pictures.curves import (
    Series,
    course_chart,
    course_of,
    expected_trials,
    prediction_chart,
    training_chart,
)
from axdse.dse.report.pictures.error_maps import unit_map
from axdse.dse.report.pictures.front import Front, Mark, cost_axis, front, front_chart
from axdse.dse.report.pictures.labels import Box, Label, place
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.objectives import AREA
from axdse.dse.run.run_dir import RunDir
from axdse.dse.training.records import Epoch, Goal, History
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate, parse_design_point
from axdse.multipliers.formats import parse_format
from axdse.multipliers.tables.error_metrics import error_metrics


@pytest.fixture(scope="module")
def material(finished_run: RunDir) -> Material:
    results = finished_run.results()
    return material_of(finished_run, results, finalists_of(finished_run, results), ())


def drawn(material: Material, *trials: Evaluation) -> Front:
    return front(
        cost_axis(AREA),
        *(material.goal, material.finalists, trials or material.results.evaluations),
        *(material.results.baselines, (), 0.1),
    )


def test_every_trained_design_is_drawn_once(material: Material) -> None:
    shown = drawn(material).marks
    assert sorted(mark.kind for mark in shown) == ["exact", "exact", "front", "front", "trial"]
    assert len({mark.title[0] for mark in shown}) == len(shown)
    finalists = {f"#design-{i}" for i in range(1, 5)}
    assert {mark.href for mark in shown} == {*finalists, "#trial-8"}  # failed, yet trained


def test_a_collapsed_trial_does_not_flatten_the_picture(material: Material) -> None:
    trial = material.results.evaluations[0]
    assert trial.history is not None
    epoch = dataclasses.replace(trial.history.epochs[-1], validation_score=0.1)
    history = dataclasses.replace(trial.history, epochs=(epoch,))
    collapsed = dataclasses.replace(
        trial, point=parse_design_point("drum(n=4,k=2) in float(8,3)"), history=history
    )
    shown = drawn(material, collapsed)
    (mark,) = (m for m in shown.marks if m.kind == "trial")
    assert mark.score == 0.1
    chart = front_chart(shown, "wide")
    (spot,) = (s for s in chart.spots if s.kind == "trial")
    assert spot.title[-1] == "below the scale"
    assert spot.y == chart.frame[3]


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_spots_and_names_are_within_the_plane(
    size: Literal["wide", "narrow"], material: Material
) -> None:
    chart = front_chart(drawn(material), size)
    left, top, right, bottom = frame_of(size)[2]
    assert chart.spots
    for spot in chart.spots:
        assert left <= spot.x <= right
        assert top <= spot.top <= spot.y <= spot.bottom <= bottom
    for tag in chart.tags:
        assert left <= tag.x <= right
        assert top <= tag.y <= bottom


@pytest.mark.parametrize(
    ("direction", "score", "interval", "bottom"),
    [
        ("higher", 0.15, 0.01, 0.0),
        ("lower", -0.15, 0.01, -0.2),
        ("lower", -0.15, 5.0, -0.3),  # an interval as wide as few seeds may have
    ],
)
def test_marks_are_above_the_lower_end_of_the_scale(
    direction: Literal["higher", "lower"], score: float, interval: float, bottom: float
) -> None:
    goal = Goal("a fraction", direction=direction)
    mark = Mark("m", "1", "f", "front", 1.0, score, interval, on_front=True, title=("m",))
    chart = front_chart(Front(cost_axis(AREA), goal, (mark,), (), (), 0.12), "wide")
    (spot,) = chart.spots
    assert spot.y < chart.frame[3]
    ticks = [float(tick.text) / 100 for tick in chart.up]
    assert all(bottom <= goal.score(tick) for tick in ticks)


def test_a_design_of_today_without_a_score_is_a_line(material: Material) -> None:
    shown = dataclasses.replace(drawn(material), untrained=(("int8", 5000.0),))
    chart = front_chart(shown, "narrow")
    (line,) = (line for line in chart.lines if line.kind == "practice")
    assert line.title == "int8: not trained in this run"
    assert {x for x, _ in line.points} == {line.points[0][0]}
    assert [tag.text for tag in chart.tags if tag.kind == "practice"] == ["int8"]


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0, 100, 5, ["0", "20", "40", "60", "80", "100"]),
        (-2.95, -2.41, 3, ["-2.8", "-2.6"]),
        (1000, 3400, 4, ["1,000", "2,000", "3,000"]),
        (0.0, 0.003, 3, ["0.000", "0.001", "0.002", "0.003"]),
    ],
)
def test_ticks_are_round(low: float, high: float, most: int, texts: list[str]) -> None:
    assert [tick.text for tick in Scale(low, high, 0, 100).ticks(most)] == texts


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (11_000, 53_000, 4, ["20,000", "30,000", "50,000"]),
        (11_000, 53_000, 8, [f"{k},000" for k in range(15, 51, 5)]),
        (0.08, 1.3, 8, ["0.1", "0.15", "0.2", "0.3", "0.4", "0.5", "0.7", "1"]),
        (1, 1e9, 4, ["1", "1,000", "1,000,000", "1,000,000,000"]),
    ],
)
def test_ticks_of_ratios_are_round(low: float, high: float, most: int, texts: list[str]) -> None:
    scale = LogScale(low, high, 0, 100)
    assert [tick.text for tick in scale.ticks(most)] == texts
    assert (scale.at(low), scale.at(high)) == (0, 100)
    assert scale.at((low * high) ** 0.5) == pytest.approx(50)


def test_the_hypervolume_never_falls_and_ends_at_all_of_it(material: Material) -> None:
    course = course_of(material.run.config, material.results.evaluations)
    assert course is not None
    assert list(course.shares) == sorted(course.shares)
    assert course.shares[-1] == 1
    trained = [e for e in material.results.evaluations if e.history]
    assert course.trainings == tuple(range(1, len(trained) + 1))
    assert course.reached(1.0) <= 4  # trials that were dominated add nothing
    assert course_chart([("this run", course)], "narrow").lines
    assert course_of(material.run.config, trained[4:]) is None


def test_what_was_expected_is_drawn_against_what_came(material: Material) -> None:
    trials = material.results.evaluations
    assert expected_trials(trials) == ()
    known = [dataclasses.replace(t, expected=0.8 + t.number / 100) for t in trials]
    shared = dataclasses.replace(known[0], equal=1)
    drawn_ones = expected_trials([*known[1:], shared])
    # The others were not finished; what is of no use was.
    assert [trial.number for trial in drawn_ones] == [1, 2, 3, 8]
    chart = prediction_chart(drawn_ones, material.goal, "narrow")
    assert chart.spots[0].title[1] == "expected 81.0 %"
    assert [spot.href for spot in chart.spots] == [f"#trial-{number}" for number in (1, 2, 3, 8)]
    course = course_of(material.run.config, [*trials[:4], dataclasses.replace(trials[1], equal=1)])
    assert course is not None
    assert [str(spent) for spent in course.trainings] == ["1", "2", "3", "4", "4"]


def test_a_band_of_trainings_is_their_interval() -> None:
    def course(seed: int, *scores: float) -> History:
        epochs = tuple(Epoch(i, 1.0, s, s, 1.0) for i, s in enumerate(scores, 1))
        return History(epochs, "finished", seed)

    one = Series("m", (course(1, 0.5, 0.7), course(2, 0.6, 0.7, 0.8)))
    (first, second) = one.band  # as long as the shortest
    assert first[:2] == (1, 0.55)
    assert first[2] == pytest.approx(0.55 - 12.7062 * 0.05, rel=1e-4)
    assert second == (2, 0.7, 0.7, 0.7)
    nan = Series("n", (course(1, math.nan),))
    assert nan.band == ()
    chart = training_chart([one], Goal(), "narrow")
    assert len(chart.areas) == len(chart.lines) == 1


def overlap(a: Box, b: Box) -> float:
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    return max(width, 0.0) * max(height, 0.0)


def test_labels_of_crowded_points_do_not_overlap() -> None:
    labels = [Label(60 + 30 * i, 100 + 16 * (i % 3), 60, 12) for i in range(8)]
    within = Box(0, 0, 400, 300)
    points = [Box(lb.x - 4, lb.y - 4, lb.x + 4, lb.y + 4) for lb in labels]
    boxes = place(labels, points, within, gap=9)
    assert all(overlap(a, b) == 0 for a, b in itertools.combinations(boxes, 2))
    assert all(overlap(box, within) == pytest.approx(60 * 12) for box in boxes)
    assert sum(overlap(box, point) for box in boxes for point in points) == 0


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
