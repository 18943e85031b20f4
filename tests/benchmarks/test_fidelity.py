"""The record of benchmarks/fidelity.py says what its trainings say."""

import dataclasses
import json
from pathlib import Path

import fidelity
import pytest
from fidelity import NATIVE, Study, Training
from pydantic import TypeAdapter

from axdse.multipliers.errors import AxdseError

STUDY = Study("lenet-300-100", "fashion-mnist-14k", epochs=1, seeds=2)
RECORD = json.loads(fidelity.RESULTS.read_text())
ROWS = TypeAdapter(list[Training]).validate_python(RECORD["trainings"])


@pytest.mark.parametrize("recorded", RECORD["tables"], ids=lambda table: table["study"])
def test_tables_are_those_of_the_trainings(recorded: dict[str, object]) -> None:
    rows = [row for row in ROWS if row.key == f"{recorded['study']}, {recorded['settings']}"]
    assert fidelity.compared_designs(rows) == recorded["designs"]


def training(design: str, seed: int, accuracy: float, loss: float | None = 0.5) -> Training:
    return Training(STUDY.key, design, seed, accuracy, loss, "finished", 1.0)


def test_designs_are_compared_with_fp32_seed_by_seed() -> None:
    rows = [training(NATIVE, seed, 0.90 + 0.01 * seed) for seed in range(3)]
    rows += [training("exact(n=8) in bf16", seed, 0.89 + 0.01 * seed) for seed in range(2)]
    native, ours = fidelity.compared_designs(rows)
    assert native["accuracy_percent"] == 91.0
    # 1 % by Student's t for two degrees of freedom, over the root of three seeds.
    assert native["accuracy_percent_interval"] == pytest.approx(4.3027 / 3**0.5, abs=1e-3)
    assert ours["seeds"] == 2
    assert ours["accuracy_percent_above_fp32"] == -1.0
    assert ours["accuracy_percent_above_fp32_interval"] == pytest.approx(0, abs=1e-9)


def test_one_seed_has_no_interval_and_divergence_no_loss() -> None:
    rows = [training(NATIVE, 0, 0.9), training("exact(n=8) in bf16", 0, 0.1, None)]
    rows[1] = dataclasses.replace(rows[1], status="nan")
    _, ours = fidelity.compared_designs(rows)
    assert ours["accuracy_percent_above_fp32"] == -80.0
    assert ours["accuracy_percent_above_fp32_interval"] is None
    assert (ours["loss_nats"], ours["diverged"]) == (None, 1)


def test_the_command_goes_on_where_it_was_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def once(study: Study, design: str, seed: int) -> Training:
        calls.append((design, seed))
        return training(design, seed, 0.9)

    monkeypatch.setattr(fidelity, "trained", once)
    monkeypatch.setattr(fidelity, "STUDIES", (STUDY,))
    monkeypatch.setattr(fidelity, "RESULTS", tmp_path / "fidelity.json")
    for seeds in ("1", "2"):
        monkeypatch.setattr("sys.argv", ["fidelity.py", "--seeds", seeds])
        fidelity.main()
    assert len(calls) == len(set(calls)) == 2 * len(fidelity.DESIGNS)
    assert "fashion-mnist-14k" in capsys.readouterr().out


def test_data_that_are_missing_are_named_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise AxdseError("images are installed", name, "apt-get install it")

    monkeypatch.setattr(fidelity, "load", missing)
    monkeypatch.setattr(fidelity, "RESULTS", tmp_path / "fidelity.json")
    monkeypatch.setattr("sys.argv", ["fidelity.py"])
    with pytest.raises(SystemExit) as ended:
        fidelity.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "fidelity: images are installed: fashion-mnist; apt-get install it\n"
    )
    assert not (tmp_path / "fidelity.json").exists()
