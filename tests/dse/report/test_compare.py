"""Two runs: fronts over each other where the task is one, side by side where it is not."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import WIDTHS, seen

from axdse.dse.cli import run
from axdse.dse.report.compare import Comparison, compare_runs, render_comparison
from axdse.dse.run.evaluation import FrontPoint
from axdse.dse.run.run_dir import RunDir

Change = Callable[[Path], None]


def said(old: str, new: str) -> Change:
    """Another configuration."""

    def change(folder: Path) -> None:
        place = folder / "config.yaml"
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new))

    return change


@pytest.fixture
def other(finished_run: RunDir, tmp_path: Path) -> Path:
    """The same run, but that the exact core got better and drum worse."""
    folder = Path(shutil.copytree(finished_run.path, tmp_path / "other"))

    def moved(point: FrontPoint) -> FrontPoint:
        spec = point.evaluation.design
        by = 0.01 if spec.startswith("exact(n=4)") else -0.01 if spec.startswith("drum") else 0.0
        return dataclasses.replace(point, validation=tuple(v + by for v in point.validation))

    again = RunDir(folder)
    again.save_front(tuple(map(moved, again.results().front)))
    return folder


@pytest.fixture
def comparison(finished_run: RunDir, other: Path) -> Comparison:
    return compare_runs(finished_run.path, other)


def test_who_dominates_whom(comparison: Comparison) -> None:
    ours, theirs = comparison.sides
    assert comparison.apart == ""
    assert [axis.label for axis in comparison.axes] == ["unit area"]
    beaten = [
        {f.spec: better and better.spec for f, better in zip(s.front, s.beaten, strict=True)}
        for s in comparison.sides
    ]
    drum, mitchell, exact = "drum(n=4,k=3)", "mitchell(m=3)", "exact(n=4)"
    # Drum and the exact core are better in one of the runs; a design does not dominate itself.
    assert beaten == [{drum: None, mitchell: drum, exact: None}] * 2
    assert ours.volume != theirs.volume
    assert comparison.keys == ()


def test_a_run_is_no_better_than_itself(finished_run: RunDir) -> None:
    ours, theirs = compare_runs(finished_run.path, finished_run.path).sides
    assert ours.volume == theirs.volume > 0
    assert ours.beaten == theirs.beaten


def test_scores_are_paired_over_the_seeds_of_both_runs(finished_run: RunDir, other: Path) -> None:
    again = RunDir(other)
    front = again.results().front
    again.save_front(tuple(dataclasses.replace(p, seeds=(3, 4, 5)) for p in front))
    comparison = compare_runs(finished_run.path, other)
    assert comparison.seeds == (3,)
    ours, theirs = (
        {f.spec: s for f, s in zip(x.front, x.losses, strict=True)} for x in comparison.sides
    )
    assert ours["drum(n=4,k=3)"][0] == -0.883  # of seed 3
    assert theirs["drum(n=4,k=3)"][0] == -0.869  # the first of the other run


def test_searches_without_a_common_cost_are_compared_by_what_networks_take(
    finished_run: RunDir, other: Path
) -> None:
    said("[accuracy, area]", "[accuracy, delay]")(other)
    comparison = compare_runs(finished_run.path, other)
    assert [axis.label for axis in comparison.axes] == ["energy per training step"]
    assert comparison.keys == (("objectives", "['accuracy', 'area']", "['accuracy', 'delay']"),)


def test_other_tasks_stand_side_by_side(
    finished_run: RunDir, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said("workload: lenet-300-100", "workload: lenet-5")(other)
    assert run(["compare", str(finished_run.path), str(other)]) == 0
    out = capsys.readouterr().out
    assert "side by side, not over each other: the tasks differ: lenet-300-100" in out
    assert "hypervolume" not in out
    comparison = compare_runs(finished_run.path, other)
    assert comparison.axes == ()
    page = render_comparison(comparison)
    assert page.count('<svg viewBox="0 0 920 480"') == 2


def test_the_command_prints_and_writes_a_page(
    finished_run: RunDir, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert run(["compare", str(finished_run.path), str(other), "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert "hypervolume at one reference" in out
    assert "dominated by" in out
    text = page.read_text()
    assert "<script" not in text
    for at in seen(text, tmp_path):
        assert (at["scroll"] <= at["width"], at["out"]) == (True, [])
        assert at["charts"] == 1
    assert len(WIDTHS) == 2


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: shutil.rmtree(folder), "a run folder of axdse has a run.json"),
        (lambda folder: (folder / "front.json").unlink(), "has no front yet; run 'axdse search"),
        (lambda folder: (folder / "front.json").write_text("{}"), "readable as written"),
    ],
    ids=["no run", "no front", "damaged"],
)
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_no_finished_run_is_one_line(
    make: Change,
    told: str,
    place: int,
    finished_run: RunDir,
    other: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(other)
    runs = [str(finished_run.path), str(finished_run.path)]
    runs[place] = str(other)
    assert run(["compare", *runs]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
