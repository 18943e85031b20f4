"""The attack on the readers in small: mutants are refused in one line, or mean what they say.

The campaign of 10,000 is in benchmarks/attack_readers.py.
"""

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
COUNT = 108


@pytest.fixture(scope="module")
def campaign() -> ModuleType:
    sys.path.insert(0, str(FOLDER))  # the samples are beside it
    try:
        spec = importlib.util.spec_from_file_location(
            "attack_readers", FOLDER / "attack_readers.py"
        )
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["attack_readers"] = module  # dataclasses look there
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def test_no_reader_fails_on_a_mutant(campaign: ModuleType, tmp_path: Path) -> None:
    faults: list[object] = []
    counts = campaign.attack(7, COUNT, tmp_path, lambda *fault: faults.append(fault))

    assert faults == []
    assert sum(sum(outcomes.values()) for outcomes in counts.values()) == COUNT
    assert all("refused" in outcomes for outcomes in counts.values())


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda path: path.read_bytes(), "lie"),
        (lambda path: b"sample", "same"),
        (lambda path: bytearray(1 << 34), "memory"),
        (lambda path: 1 // 0, "traceback"),
        (lambda path: sys.setrecursionlimit(-1), "traceback"),
    ],
)
def test_faults_are_seen(
    read, outcome: str, campaign: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = campaign.Reader("text", True, lambda folder: folder, read)
    monkeypatch.setitem(campaign.READERS, "faulty", reader)
    with campaign.working() as worker:
        assert worker.judge("faulty", tmp_path / "x", b"mutant", b"sample").outcome == outcome


def test_a_hang_is_seen_and_survived(
    campaign: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "LIMIT_S", 0.3)
    broken = campaign.Reader("text", False, lambda folder: folder, lambda path: path.absent)
    stuck = campaign.Reader("text", False, lambda folder: folder, lambda path: sum(iter(int, 1)))
    monkeypatch.setitem(campaign.READERS, "stuck", stuck)
    monkeypatch.setitem(campaign.READERS, "broken", broken)
    with campaign.working() as worker:
        assert worker.judge("stuck", tmp_path / "x", b"x", None).outcome == "hang"
        assert worker.judge("broken", tmp_path / "x", b"x", None).outcome == "traceback"


def test_mutants_depend_on_the_seed_alone(campaign: ModuleType) -> None:
    sample = b"a: {b: 1, c: [2, 3]}\n"
    made = [
        [campaign.mutant(sample, "yaml", random.Random(f"{seed} {i}")) for i in range(50)]
        for seed in (1, 1, 2)
    ]
    assert made[0] == made[1] != made[2]
    assert sum(mutant != sample for mutant in made[0]) > 40
