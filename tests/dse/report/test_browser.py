"""The report in a browser: nothing sticks out, text can be read, scripts only add."""

from pathlib import Path

import pytest
from browser import WIDTHS, seen

from axdse.dse.report.material import finalists_of, material_of
from axdse.dse.report.page import render
from axdse.dse.report.practice import practices_of
from axdse.dse.run.run_dir import RunDir


@pytest.fixture(scope="module")
def page(finished_run: RunDir) -> str:
    results = finished_run.results()
    finalists = finalists_of(finished_run, results)
    practices = practices_of(finished_run, results, finalists, costed=False)
    return render(material_of(finished_run, results, finalists, practices))


def test_the_report_in_a_browser(page: str, tmp_path: Path) -> None:
    found = seen(page, tmp_path)
    assert [each["width"] for each in found] == [width for width in WIDTHS for _ in range(2)]
    for each in found:
        assert each["scroll"] <= each["width"]
        assert each["out"] == []
        assert each["charts"] >= 3  # front, course, trainings: one of each pair
        assert each["smallest"] >= 9  # pixels of the text of a chart
    for scripted, plain in zip(found[::2], found[1::2], strict=True):
        assert scripted["said"] == scripted["title"].replace("\n", " · ") != ""
        assert scripted["rows"] == sorted(scripted["rows"]) != plain["rows"]
        assert (plain["said"], plain["sorts"], scripted["sorts"]) == ("", False, True)
        assert plain["title"] == scripted["title"]
        assert sorted(plain["rows"]) == scripted["rows"]
