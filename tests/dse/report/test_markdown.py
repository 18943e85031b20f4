"""An export's README.md shows titles and names, and obeys nothing in them."""

import dataclasses
import html
import re
from pathlib import Path

import pytest
from hostile import MARKS, TEXTS
from markdown_it import MarkdownIt  # rich brings it

from axdse.dse.report.export.mac import write_mac
from axdse.dse.report.export.rows import TrialRow
from axdse.dse.report.export.texts import csv_text
from axdse.dse.report.markdown import markdown
from axdse.dse.report.material import finalists_of
from axdse.dse.run.run_dir import RunDir
from axdse.multipliers.designs.family import Paper
from axdse.multipliers.errors import printable

LINES = (
    *MARKS.values(),
    "- a",
    "+ a",
    "2) a",
    "===",
    "---",
    "# a",
    "###### a",
    "-",
    "1.",
    "a\\*b",
    "&amp;",
    "drum(n=8,k=4)",
)


def rendered(text: str) -> str:
    """HTML of GitHub's dialect."""
    dialect = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return dialect.render(text)


@pytest.mark.parametrize("text", [*LINES, *TEXTS.values()])
def test_a_text_is_a_paragraph_of_itself(text: str) -> None:
    (shown,) = re.findall(r"\A<p>([^<]*)</p>\n\Z", rendered(markdown(text)))
    assert html.unescape(shown) == printable(" ".join(text.split()))


@pytest.mark.parametrize("text", LINES)
def test_a_text_stays_in_its_cell(text: str) -> None:
    table = rendered(f"| | |\n|---|---|\n| a | {markdown(text)} |\n| b | c |\n")
    cells = re.findall(r"<td>([^<]*)</td>", table)
    assert [html.unescape(cell) for cell in cells] == ["a", text, "b", "c"]


@pytest.mark.parametrize("text", ["http://x.example", "www.x.example", "WWW.x.example", "a@b.cd"])
def test_nothing_becomes_a_link_unasked(text: str) -> None:
    assert not re.search(r"://|www\.|@", markdown(text), re.IGNORECASE)


@pytest.mark.parametrize("text", ["broken_array(n=8,h=2) 12.5 %", "0.1.0", "-2.561", "#1", "1.5"])
def test_names_and_numbers_stay_readable(text: str) -> None:
    assert markdown(text) == text


def test_the_readme_of_a_design_quotes_its_catalogue(finished_run: RunDir, tmp_path: Path) -> None:
    finalist, run = finalists_of(finished_run, finished_run.results())[0], finished_run
    (part,) = finalist.parts
    multiplier = part.mac.multiplier
    hostile = " ".join(MARKS.values())
    family = dataclasses.replace(
        multiplier.family, title=f"# {hostile}", paper=Paper(hostile, hostile, hostile, 2000, "*")
    )
    mac = dataclasses.replace(part.mac, multiplier=dataclasses.replace(multiplier, family=family))
    cost = dataclasses.replace(part.cost, library=hostile)
    hostile_part = dataclasses.replace(part, mac=mac, cost=cost)
    write_mac(run, hostile_part, tmp_path / "d")
    text = (tmp_path / "d" / "README.md").read_text()
    page = html.unescape(rendered(text))
    assert page.count(hostile) == 5
    assert not re.search("<(script|img|a|del) ", rendered(text))
    assert text.count("\n# ") == 0


def test_a_spreadsheet_computes_nothing() -> None:
    numbers = (None, 1, 0, -2.5, *[None] * 8)
    row = TrialRow(0, "m", "f", "failed", '=HYPERLINK("x")', *numbers, "-", 0)
    assert csv_text(TrialRow, [row]).splitlines()[1] == (
        '0,m,f,failed,"\'=HYPERLINK(""x"")",,1,0,-2.5,,,,,,,,,\'-,0'
    )
