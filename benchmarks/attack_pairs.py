"""Do pairs of C and Verilog that try to get a wrong verdict get the right one?

usage: python benchmarks/attack_pairs.py [FOLDER...]   writes benchmarks/results/attack_pairs.json

A folder holds `equal`, `different` and `refused`; in these lies a folder a pair, with m.c and m.v.
tests/devious is always one of them. Every pair is verified with an empty cache; exit code 1 if one
gets another verdict than its folder says.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from axdse.dse.cli import run
from axdse.flows.tools import find_tool

DEVIOUS = Path(__file__).parents[1] / "tests" / "devious"
RESULTS = Path(__file__).with_name("results") / "attack_pairs.json"
VERDICTS = ("equal", "different", "refused")  # in the order of their exit codes


@dataclass(frozen=True)
class Attack:
    """What came of one pair.

    Attributes:
        wanted: the verdict that it must get.
        got: the one that it got.
        seconds: wall time.
        said: the last line of its output.
    """

    name: str
    wanted: str
    got: str
    seconds: float
    said: str


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    load, attacks = round(os.getloadavg()[0], 1), list[Attack]()
    for wanted, pair in _pairs([DEVIOUS, *parser.parse_args().folders]):
        attacks.append(_attack(wanted, pair))
        last = attacks[-1]
        sign = "ok   " if last.got == wanted else "WRONG"
        print(f"{sign} {wanted:9} {last.got:9} {last.seconds:5.1f} s  {last.name}: {last.said}")
    wrong = [asdict(attack) for attack in attacks if attack.got != attack.wanted]
    counts = Counter(attack.wanted for attack in attacks)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": load,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": [
            f"axdse {version('axdse')}",
            f"Python {platform.python_version()}",
            *(find_tool(name).version for name in ("iverilog", "yosys", "cc")),
        ],
        "pairs": {verdict: counts[verdict] for verdict in VERDICTS},
        "wrong": wrong,
        "seconds": round(sum(attack.seconds for attack in attacks), 1),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{len(attacks) - len(wrong)} of {len(attacks)} pairs get their verdict")
    return 1 if wrong else 0


def _pairs(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for verdict in VERDICTS:
            for file in sorted(folder.glob(f"{verdict}/*/m.v")):
                yield verdict, file.parent


def _attack(wanted: str, pair: Path) -> Attack:
    output = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="axdse-") as cache:
        os.environ["AXDSE_CACHE"] = cache
        start = time.perf_counter()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = run(["verify", "--model", str(pair / "m.c"), "--rtl", str(pair / "m.v")])
        seconds = time.perf_counter() - start
    said = output.getvalue().splitlines()[-1:]
    got = VERDICTS[code] if code < len(VERDICTS) else f"exit code {code}"
    return Attack(pair.name, wanted, got, round(seconds, 1), said[0].strip() if said else "")


if __name__ == "__main__":
    sys.exit(main())
