"""Pairs that try to get a wrong verdict: the folder of a pair is the verdict that it must get.

`equal`, `different` or `refused`, then a name, then m.c, m.v and `why`: what the pair tries.
"""

from pathlib import Path

import pytest

from axdse.dse.cli import run

HERE = Path(__file__).parent
EXIT_CODES = {"equal": 0, "different": 1, "refused": 2}
PAIRS = sorted(path.parent for verdict in EXIT_CODES for path in HERE.glob(f"{verdict}/*/why"))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.parent.name}/{pair.name}")
def test_a_devious_pair_gets_its_verdict(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["verify", "--model", str(pair / "m.c"), "--rtl", str(pair / "m.v")])
    said = capsys.readouterr()
    assert code == EXIT_CODES[pair.parent.name], said
    if pair.parent.name == "refused":
        assert len(said.err.splitlines()) == 1, said.err


def test_every_pair_is_whole() -> None:
    folders = {path for verdict in EXIT_CODES for path in HERE.glob(f"{verdict}/*")}
    assert folders == set(PAIRS)
    assert all((pair / name).is_file() for pair in PAIRS for name in ("m.c", "m.v"))
