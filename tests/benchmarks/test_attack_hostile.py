"""The hostile C and Verilog in small: a dozen files; benchmarks/attack_hostile.py has all.

The campaign itself is tried on attacks that succeed: each fault must be seen.
"""

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses, and its neighbour, look there
    spec.loader.exec_module(module)
    return module


FILES = load("hostile_files")
CAMPAIGN = load("attack_hostile")
SHORT = [hostile for hostile in FILES.ATTACKS if hostile.short]


@pytest.mark.parametrize("hostile", SHORT, ids=lambda hostile: hostile.name)
def test_hostile_files_are_refused_in_one_line(hostile, tmp_path: Path) -> None:
    assert CAMPAIGN.attack(hostile, tmp_path / "run").faults == ()


def test_there_are_enough_and_each_once() -> None:
    names = [hostile.name for hostile in FILES.ATTACKS]
    assert len(names) >= 60
    assert len(set(names)) == len(names)
    assert len(SHORT) >= 10


def test_faults_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is one that does all that an attack wants."""
    (tmp_path / "axdse" / "dse").mkdir(parents=True)
    (tmp_path / "axdse" / "dse" / "cli.py").write_text(
        "import os, pathlib, subprocess, sys\n"
        "out = pathlib.Path('../out')\n"
        "print((out / 'secret').read_text(), '\\x1b[2J')\n"
        "print('Traceback')\n"
        "(out / 'new').touch()\n"
        "for name in ('HOME', 'TMPDIR', 'AXDSE_CACHE'):\n"
        "    os.makedirs(os.environ[name], exist_ok=True)\n"
        "    pathlib.Path(os.environ[name], 'x').write_text(os.environ['OWLS'])\n"
        "subprocess.Popen(['sleep', '15'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "bytearray(2 << 30)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    hostile = dataclasses.replace(SHORT[0], says="refused", limit_s=0.0)
    text = "\n".join(CAMPAIGN.attack(hostile, tmp_path / "run").faults)
    for fault in (
        "exit code 0, not 2",
        "a traceback",
        "the secret is told",
        "control characters",
        "lines, ",
        "it does not say",
        "MiB",
        "something outside changed",
        "scratch/x is left",
        "home/x is left",
        "is left",
        "x keeps the secret",
    ):
        assert fault in text, fault
    assert re.search(r"process \d+ is left", text)
    assert re.search(r"took \d+ s$", text, re.MULTILINE)
