"""How do templates become a page, and texts of an export?"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from axdse.dse.report.markdown import markdown
from axdse.dse.report.recommendation import Answer
from axdse.dse.report.summary import names_of
from axdse.dse.run.run_dir import RunDir
from axdse.multipliers.errors import printable_lines

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: of its template and its anchor.
        title: above it; empty: none.
        view: what it shows of the page's material; None: nothing, and it is left out.
    """

    name: str
    title: str
    view: Callable[[Any], Any | None]


def assembled(
    run: RunDir, shown: Sequence[tuple[Section, Any | None]], answer: Answer | None = None
) -> str:
    """The page of these sections, with what each shows; those that show None are left out."""
    goal = run.info.goal
    script = (TEMPLATES / "report.js").read_text()
    return (
        environment()
        .get_template("report.html")
        .render(
            sections=[(section, view) for section, view in shown if view is not None],
            config=run.config,
            info=run.info,
            answer=answer,
            goal=goal,
            resolution=f"{abs(goal.shown(run.config.resolution)):.{goal.digits}f} {goal.points}",
            script=script,
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


@cache
def environment() -> Environment:
    """Templates of this package; HTML is escaped, an unknown name is an error.

    In Markdown `| markdown` escapes what may be anything; names and code have no marks.
    """
    result = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(("html", "svg")),
        finalize=lambda value: printable_lines(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    result.filters["fixed"] = lambda value, digits: f"{value:,.{digits}f}"
    result.filters["percent"] = _change
    result.filters["markdown"] = markdown
    result.filters["names"] = names_of
    return result


def _change(saved: float | None) -> str:
    """A saving in percent as the change that it is: `-23 %` of what was."""
    return "" if saved is None else f"{-saved:+,.0f} %".replace("-", "\N{MINUS SIGN}")
