"""Is this checkout as fast as another commit? Both run in turn on this machine.

usage: python benchmarks/beside.py COMMIT [--runs N] [--only PATTERN]
       writes benchmarks/results/beside.json

COMMIT is checked out beside this one, as it was, with its own package and cache. In turn each
runs `axdse bench --quick`, whose ratios to native FP32 are of one process, and
`benchmarks/cost_speed.py`, whose rates are of processor time. What is committed here counts, not
what was changed since.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results") / "beside.json"
PACKAGES = ("multipliers", "flows", "gpu", "dse")
RATES = ("fast_per_s", "full_per_s", "warm_per_s", "fast_warm_per_s")


@dataclass(frozen=True)
class Side:
    """One commit, checked out.

    Attributes:
        commit: its full name.
        folder: where it lies.
    """

    commit: str
    folder: Path

    def run(self, *arguments: str) -> None:
        """Run its Python with its package and a cache of its own."""
        links, cache = self.folder / "build" / "beside", self.folder / "build" / "cache"
        environment = {**os.environ, "PYTHONPATH": str(links), "AXDSE_CACHE": str(cache)}
        subprocess.run([sys.executable, *arguments], cwd=self.folder, env=environment, check=False)

    def bench(self, only: str) -> dict[str, float]:
        """Ratios to native of the rows of `axdse bench` that were measured, on one thread."""
        record = self.folder / "build" / "bench.json"
        main = "from axdse.dse.cli import main; main()"
        options = ["--quick", "--threads", "1", "--only", only, "--json", str(record)]
        self.run("-c", main, "bench", *options)
        rows = [row for row in json.loads(record.read_text())["rows"] if row["rate"]]
        return {f"{row['work']}, {row['realisation']}": row["ratio"] for row in rows}

    def cost(self) -> dict[str, float]:
        """Designs a second, by `benchmarks/cost_speed.py`."""
        self.run("benchmarks/cost_speed.py")
        record = self.folder / "benchmarks" / "results" / "cost_speed.json"
        rates = json.loads(record.read_text())
        return {rate: rates[rate] for rate in RATES}


def checked_out(commit: str, folder: Path) -> Side:
    """Check a commit out and link its packages as its set-up does."""
    full = _git("rev-parse", commit)
    _git("worktree", "add", "--quiet", "--detach", str(folder), full)
    links = folder / "build" / "beside" / "axdse"
    links.mkdir(parents=True)
    for name in PACKAGES:
        (links / name).symlink_to(folder / name)
    face = folder / "package" / "__init__.py"
    (links / "__init__.py").write_text(face.read_text() if face.exists() else "")
    return Side(full, folder)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="*")
    options = parser.parse_args()
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="axdse-beside-") as folder:
        sides = {
            "before": checked_out(options.commit, Path(folder) / "before"),
            "now": checked_out("HEAD", Path(folder) / "now"),
        }
        try:
            for number in range(options.runs):
                order = list(sides) if number % 2 == 0 else list(sides)[::-1]
                for name in order:
                    figures = sides[name].bench(options.only) | sides[name].cost()
                    for row, value in figures.items():
                        seen[row][name].append(value)
        finally:
            for side in sides.values():
                _git("worktree", "remove", "--force", str(side.folder))
    rows = {
        row: {**runs, "now / before": _ratio(runs["now"], runs["before"])}
        for row, runs in seen.items()
        if set(runs) == set(sides)
    }
    result = {
        "before": sides["before"].commit,
        "now": sides["now"].commit,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_after": round(os.getloadavg()[0], 1),
        "units": "rows of bench: time / native FP32, less is better; rates: designs/s",
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    for row, runs in rows.items():
        print(f"{runs['now / before']:6.2f}  {row}")


def _ratio(now: list[float], before: list[float]) -> float:
    return round(statistics.median(now) / statistics.median(before), 3)


if __name__ == "__main__":
    main()
