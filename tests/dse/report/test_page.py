"""Report: self-contained, escaped, honest about noise; pictures in which nothing overlaps."""

import dataclasses
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest

from axdse.dse.report.export.rows import trial_rows
from axdse.dse.report.figures import AREA as MAC_AREA
from axdse.dse.report.figures import FIGURES, PERIOD, STEP, Figure
from axdse.dse.report.material import Material, finalists_of, material_of
from axdse.dse.report.page import front_panels, render
from axdse.dse.report.practice import Practice, practices_of
from axdse.dse.report.recommendation import find_answer, saving, trades, versus
from axdse.dse.report.summary import Finalist
from axdse.dse.run.config import dump_config, parse_config
from axdse.dse.run.evaluation import FrontPoint, Stopped, Vetoed
from axdse.dse.run.intervals import Estimate, Interval, interval95
from axdse.dse.run.objectives import AREA, OBJECTIVES, Measured, Objective
from axdse.dse.run.run_dir import Results, RunDir
from axdse.dse.training.records import Goal
from axdse.multipliers.errors import AxdseError

COSTS = (OBJECTIVES["area"],)


class Page(HTMLParser):
    """Collects text, tags, what attributes refer to, and whether every tag is closed."""

    VOID = {"meta", "img", "br", "input"}  # noqa: RUF012

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.references, self.open = "", set(), [], []
        self.scripts, self.ids = 0, set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.scripts += tag == "script"
        self.ids |= {value for key, value in attrs if key == "id"}
        self.references += [v for k, v in attrs if k in ("src", "href", "srcset", "data") and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " if tag in ("td", "th", "dd", "p", "title", "text") else ""

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def results(finished_run: RunDir) -> Results:
    return finished_run.results()


@pytest.fixture(scope="module")
def finalists(finished_run: RunDir, results: Results) -> tuple[Finalist, ...]:
    return finalists_of(finished_run, results)


@pytest.fixture(scope="module")
def practices(
    finished_run: RunDir, results: Results, finalists: tuple[Finalist, ...]
) -> tuple[Practice, ...]:
    return practices_of(finished_run, results, finalists, costed=False)


@pytest.fixture(scope="module")
def material(
    finished_run: RunDir,
    results: Results,
    finalists: tuple[Finalist, ...],
    practices: tuple[Practice, ...],
) -> Material:
    return material_of(finished_run, results, finalists, practices)


@pytest.fixture(scope="module")
def html(material: Material) -> str:
    return render(material)


@pytest.fixture(scope="module")
def floats(finalists: tuple[Finalist, ...]) -> tuple[Finalist, ...]:
    """Without int8, whose MAC is smaller than any float one here: an approximate design wins."""
    return tuple(f for f in finalists if f.format != "int8")


# The page.


def test_the_page_refers_to_nothing_outside(html: str) -> None:
    page = Page(html)
    images = [each for each in page.references if each.startswith("data:image/png;base64,")]
    assert len(images) == 2  # maps of approximate designs
    assert {each[:1] for each in page.references if each not in images} == {"#"}
    assert {each[1:] for each in page.references if each not in images} <= page.ids
    assert not page.tags & {"link", "iframe", "object"}
    assert "url(" not in html
    assert "@import" not in html


def test_who_was_retrained_and_is_not_on_the_front_says_why(
    material: Material, results: Results
) -> None:
    number, loser = 2, results.evaluations[2].point
    reason = "mitchell(m=3) in float(8,3) costs no more, and is better by 2.1 ± 0.4 points"
    stop = Stopped(number, loser, (1, 2), (0.84, 0.85), reason)
    known = dataclasses.replace(results, front=results.front[:2], stopped=(stop,))
    page = Page(render(dataclasses.replace(material, results=known)))
    assert (
        f"{loser.macs[0].multiplier.spec} {loser.macs[0].format.name} 2 84.5 {reason}" in page.text
    )
    rows = trial_rows(known)
    assert [row.seeds for row in rows] == [3, 3, 2] + [0] * (len(rows) - 3)
    assert rows[number].reason == reason
    assert page.text.count(reason) == 2  # in the table of all trials, too


def test_the_page_is_well_formed(html: str) -> None:
    assert Page(html).open == []
    assert html.startswith("<!doctype html>")


def test_hostile_text_is_shown_as_text(html: str) -> None:
    assert Page(html).scripts == html.count("<script") == 1  # that of the page
    assert "<script src='https://example.org/x.js'></script> & a \"quoted\"" in Page(html).text


def test_the_answer_comes_first(html: str) -> None:
    text = " ".join(Page(html).text.split())
    answer = text.index("An exact MAC: exact(n=8) int8 is the smallest of its accuracy.")
    assert answer < text.index("that keeps up is drum(n=4,k=3) float(8,3), with")
    assert answer < text.index("paired over 3 seeds") < text.index("The front")


def test_an_approximate_design_is_the_headline_where_it_wins(
    finished_run: RunDir, results: Results, floats: tuple[Finalist, ...]
) -> None:
    text = " ".join(Page(render(material_of(finished_run, results, floats, ()))).text.split())
    assert "drum(n=4,k=3) float(8,3) takes" in text
    assert "less area of MACs than the smallest exact MAC of equal accuracy" in text


def test_every_finalist_baseline_and_status_is_shown(html: str) -> None:
    text = " ".join(Page(html).text.split())
    designs = ("mitchell(m=3) float(8,3)", "exact(n=8) int8", "FP32 baseline", "bf16 baseline")
    statuses = ("complete 4", "dominated 2", "diverged 1", "failed 1")
    assert [shown for shown in designs + statuses if shown not in text] == []
    assert "Netlists are those of least area" in text


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
        array = finalist.point.on_array
        assert array is not None
        assert " ".join(f"{f.of(array):,.{f.digits}f}" for f in FIGURES) in text
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


def test_the_smallest_equally_accurate_design_wins(
    finalists: tuple[Finalist, ...], floats: tuple[Finalist, ...]
) -> None:
    assert not find_answer(finalists, 0.01, AREA).wins  # int8 is smaller
    answer = find_answer(floats, 0.01, AREA)
    assert answer.wins
    assert answer.best is named(finalists, "drum")
    assert answer.rival is answer.reference is named(finalists, "exact(n=4)")


@pytest.mark.parametrize(
    ("objective", "figure"),
    [("area", MAC_AREA), ("mac.area", MAC_AREA), ("delay", PERIOD), ("energy", STEP)],
)
def test_the_answer_is_a_figure_of_network_or_mac(
    objective: str, figure: Figure, finalists: tuple[Finalist, ...]
) -> None:
    answer = find_answer(finalists, 0.01, OBJECTIVES[objective])
    assert answer.figure is figure
    ours, theirs = answer.best, answer.rival
    assert ours is named(finalists, "drum")
    assert theirs is not None
    assert ours.point.on_array is not None
    assert theirs.point.on_array is not None
    values = figure.of(ours.point.on_array), figure.of(theirs.point.on_array)
    assert answer.saving == saving(*values)


def test_without_power_tables_designs_are_compared_by_the_objective(
    finished_run: RunDir, results: Results, finalists: tuple[Finalist, ...]
) -> None:
    bare = tuple(
        dataclasses.replace(f, point=dataclasses.replace(f.point, on_array=None))
        for f in finalists
    )
    material = material_of(finished_run, results, bare, ())
    assert material.answer.figure is None
    text = " ".join(Page(render(material)).text.split())
    assert "less area than the smallest exact MAC" in text
    assert "is not known: the library has no power tables" in text
    assert [panel.title for panel in front_panels(material)] == ["unit area"]


def test_the_answer_is_compared_with_the_practice_of_today(
    floats: tuple[Finalist, ...], practices: tuple[Practice, ...]
) -> None:
    known = {practice.name: practice for practice in practices}
    assert known["int8"].cost is not None  # a finalist
    assert known["int8"].test == (0.874, 0.870, 0.877)
    assert known["bf16 + FP32"].test == (0.88, 0.878, 0.883)  # a baseline: its score, no cost
    assert (known["bf16 + FP32"].cost, known["fp8 + tensor-core sum"].test) == (None, ())
    answer = find_answer(floats, 0.01, AREA)
    rows = {row.name: row for row in versus(answer, floats, practices)}
    exact = rows["exact, least of equal score: exact(n=4) in float(8,3)"]
    assert exact.difference == answer.loss
    assert answer.saving in exact.savings
    assert rows["bf16 + FP32"].why == "not costed"
    assert rows["bf16 + FP32"].savings == (None,) * len(FIGURES)
    loss = rows["bf16 + FP32"].difference
    assert loss is not None
    assert loss.mean == pytest.approx((0.873 + 0.872 + 0.879 - 0.88 - 0.878 - 0.883) / 3)
    assert rows["fp8 + tensor-core sum"].difference is None
    int8 = rows["int8"]
    assert int8.why == ""
    assert None not in int8.savings


def test_cheaper_designs_that_none_beats_are_offered(floats: tuple[Finalist, ...]) -> None:
    answer = find_answer(floats, 0.01, AREA)
    exact = dataclasses.replace(answer, best=None)  # the exact one is the answer
    offered = trades(exact, floats)
    drum = offered[0]
    assert (drum.design.spec, drum.saving, drum.loss) == (
        "drum(n=4,k=3)",
        answer.saving,
        answer.loss,
    )
    savings = [trade.saving for trade in offered]
    assert savings == sorted(savings)
    assert all(trade.design is not answer.best for trade in trades(answer, floats))


@pytest.mark.parametrize(("share", "offers"), [(0.99, 1), (0.9, 2)])
def test_neighbours_on_a_front_are_one_offer(
    share: float, offers: int, floats: tuple[Finalist, ...]
) -> None:
    exact = dataclasses.replace(find_answer(floats, 0.01, AREA), best=None)
    drum = named(floats, "drum")
    assert drum.point.on_array
    array = drum.point.on_array.array
    smaller = dataclasses.replace(
        drum.point.on_array,
        array=dataclasses.replace(array, element_area_um2=share * array.element_area_um2),
    )
    worse = with_validation(drum, 0.86, 0.86, 0.86)
    point = dataclasses.replace(worse.point, on_array=smaller, test=(0.86, 0.86, 0.86))
    near = dataclasses.replace(worse, point=point)
    exact_one = named(floats, "exact(n=4)")
    assert len(trades(exact, [exact_one, drum, near])) == offers


def test_a_noisy_design_is_not_equal(finalists: tuple[Finalist, ...]) -> None:
    exact = with_validation(named(finalists, "exact(n=4)"), 0.88, 0.88, 0.88)
    noisy = with_validation(named(finalists, "drum"), 0.88, 0.80, 0.90)
    assert find_answer([noisy, exact], 0.01, AREA).best is None


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
    assert (find_answer([worse, exact], 0.01, AREA).best is not None) is equal


def test_a_design_whose_unit_is_wrong_is_no_answer(finalists: tuple[Finalist, ...]) -> None:
    drum, exact = named(finalists, "drum"), named(finalists, "exact(n=4)")
    (certificate,) = drum.point.unit_certificates
    wrong = dataclasses.replace(certificate, verdict="mismatch", mismatches=1)
    broken = dataclasses.replace(
        drum, point=dataclasses.replace(drum.point, unit_certificates=(wrong,))
    )
    assert find_answer([broken, exact], 0.01, AREA).best is None


def test_a_design_that_another_workload_refused_is_no_answer(
    finished_run: RunDir, results: Results, floats: tuple[Finalist, ...]
) -> None:
    drum = named(floats, "drum")
    for worse_by, passed in ((0.4, True), (0.6, False), (math.nan, False)):
        veto = Vetoed("g2p", worse_by, 0.5)
        refused = dataclasses.replace(drum, point=dataclasses.replace(drum.point, veto=veto))
        others = tuple(refused if f is drum else f for f in floats)
        answer = find_answer(others, 0.01, AREA)
        assert (answer.best is refused) is passed
        text = " ".join(Page(render(material_of(finished_run, results, others, ()))).text.split())
        assert ("refused: g2p" in text) is not passed
        assert "g2p: worse by" in text


def test_what_was_expected_is_on_the_page(material: Material, html: str) -> None:
    assert "What was expected" not in html
    trials = tuple(
        dataclasses.replace(e, expected=e.validation_score) for e in material.results.evaluations
    )
    results = dataclasses.replace(material.results, evaluations=trials)
    text = Page(render(dataclasses.replace(material, results=results))).text
    assert "Spearman's rank correlation: 1.00" in text


@pytest.mark.parametrize(
    ("keep", "headline"),
    [
        ("exact", "no approximate or mixed design of this run is as good in accuracy as"),
        ("drum", "retrained no certified exact design"),
    ],
)
def test_a_front_of_one_kind_is_reported_as_such(
    keep: str,
    headline: str,
    finished_run: RunDir,
    results: Results,
    finalists: tuple[Finalist, ...],
) -> None:
    kept = tuple(f for f in finalists if f.spec.startswith(keep))
    text = " ".join(Page(render(material_of(finished_run, results, kept, ()))).text.split())
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
        (
            ["accuracy", "energy"],
            ["energy per training step (µJ)", "unit energy per multiplication (fJ)"],
        ),
        (["accuracy", "area"], ["MAC area per product (µm²)", "unit area (µm²)"]),
        (["accuracy", "mac.area"], ["MAC area per product (µm²)"]),
        (
            ["delay", "accuracy", "area"],
            ["MAC period (ns)", "unit delay (ns)", "unit area (µm²)"],
        ),
    ],
)
def test_the_page_draws_what_was_asked(
    objectives: list[str],
    axes: list[str],
    finished_run: RunDir,
    results: Results,
    finalists: tuple[Finalist, ...],
) -> None:
    material = material_of(asked(finished_run, *objectives), results, finalists, ())
    assert [panel.wide.labels[0] for panel in front_panels(material)] == axes


def test_energy_ranks_where_energy_was_asked(finished_run: RunDir, results: Results) -> None:
    run, turned = asked(finished_run, "accuracy", "energy"), with_energy_against_area(results)
    ranked = finalists_of(run, turned)
    energies = [f.cost.recorded_fj for f in ranked]
    assert energies == sorted(energies, key=lambda fj: fj or 0.0)
    areas = [f.cost.area_um2 for f in ranked]
    assert areas == sorted(areas, reverse=True)
    page = Page(render(material_of(run, turned, ranked, ())))
    text = " ".join(page.text.split())
    answer = text[: text.index("The front")]
    assert "is the most frugal of its accuracy" in answer
    assert "less area" not in text
    assert "Netlists are those of least area" not in text
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
    material = material_of(run, results, ranked, ())
    assert front_panels(material)[1].wide.labels[0] == "unit cells (cells)"
    assert "Ranked by unit cells" in Page(render(material)).text
    with pytest.raises(AxdseError, match=r"or with costs: .* and cells"):
        parse_config(text.replace("[accuracy, cells]", "[cells]"), Path("config.yaml"))


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
