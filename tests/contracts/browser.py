"""What does a browser make of a page? Headless Chromium, with and without scripts."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

WIDTHS = (1280, 390)
NAMES = ("chromium", "chromium-browser", "google-chrome")
# In the page around the frames: sizes, what sticks out, and what hovering and sorting do.
MEASURE = """
const told = [...document.querySelectorAll("iframe")].map((frame) => {
  const page = frame.contentDocument, width = frame.clientWidth, view = frame.contentWindow;
  page.querySelectorAll("details").forEach((each) => { each.open = true; });
  const out = [...page.body.querySelectorAll("*")].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width > 0 && (box.right > width + 0.5 || box.left < -0.5);
  }).map((each) => `${each.tagName} ${each.className.baseVal ?? each.className}`);
  const shown = [...page.querySelectorAll("svg.chart")].filter((each) => each.clientWidth > 0);
  const spot = shown.flatMap((each) => [...each.querySelectorAll(".spot")])[0];
  (spot.closest("a") ?? spot).dispatchEvent(new view.Event("pointerenter"));
  const head = page.querySelector("#front thead th:nth-child(2)");
  head?.dispatchEvent(new view.Event("click"));
  const names = page.querySelector("#front table.cards")?.tBodies[0].rows ?? [];
  return {
    width, scroll: page.documentElement.scrollWidth, out, charts: shown.length,
    smallest: Math.min(...shown.map((it) => 12 * it.clientWidth / it.viewBox.baseVal.width)),
    said: page.querySelector(".said")?.textContent,
    title: spot.querySelector("title").textContent,
    rows: [...names].map((row) => row.cells[1].textContent),
    sorts: head?.classList.contains("sorts"),
  };
});
document.getElementById("told").textContent = JSON.stringify(told);
"""


def browser() -> str:
    """The browser of this machine; without one the test is skipped, and says so."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("NO BROWSER: pages are not looked at; 'apt-get install chromium'")
    return found


def seen(page: str, folder: Path) -> list[dict[str, Any]]:
    """What is seen of a page at each width, with scripts, then without."""
    frames = [
        f'<iframe width="{width}" height="3000" style="border:0" '
        f'sandbox="allow-same-origin{scripts}" srcdoc="{html.escape(page)}"></iframe>'
        for width in WIDTHS
        for scripts in (" allow-scripts", "")
    ]
    around = folder / "around.html"
    around.write_text(
        f"<!doctype html><meta charset=utf-8>{''.join(frames)}<pre id=told></pre>"
        f"<script>addEventListener('load', () => {{{MEASURE}}})</script>"
    )
    command = [
        *(browser(), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"),
        *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"),
        around.as_uri(),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    (told,) = re.findall(r'<pre id="told">(.*?)</pre>', ended.stdout, re.DOTALL)
    found: list[dict[str, Any]] = json.loads(html.unescape(told))
    return found
