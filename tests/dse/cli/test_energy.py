"""The command energy: what it prints, what it refuses."""

import json
from pathlib import Path

import pytest
from mac_recordings import recording, trace

from axdse.dse.cli import run
from axdse.multipliers.designs.design_point import PRODUCTS
from axdse.multipliers.operands.recording_file import save_recording

Out = pytest.CaptureFixture[str]
INT8 = ["--format", "int8"]


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    path = tmp_path / "run.npz"
    traces = [trace(layer, product) for layer in ("conv1", "fc") for product in PRODUCTS]
    traces.append(trace("fc", dataflow="weight-stationary"))
    save_recording(recording(traces), path)
    return str(path)


def test_layers_and_totals_are_shown(recorded: str, capsys: Out) -> None:
    assert run(["energy", recorded, "exact(n=8)", "truncated(n=8,t=6)", *INT8]) == 0
    out = capsys.readouterr().out
    assert out.count("weight gradient") == 4
    assert "6,400" in out
    assert "16 x 16, output-stationary; 32 images per step" in out
    assert "MAC of truncated" in out


def test_json_has_every_layer(recorded: str, capsys: Out) -> None:
    options = ["--array", "4x2", "--dataflow", "weight-stationary", "--json", *INT8]
    assert run(["energy", recorded, "exact(n=8)", *options]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    (layer,) = cost["layers"]
    assert (layer["layer"], layer["product"], layer["macs_per_step"]) == ("fc", "forward", 6400)
    assert cost["array"]["area_um2"] == pytest.approx(8 * cost["array"]["element_area_um2"])
    assert cost["array"]["array"]["dataflow"] == "weight-stationary"
    assert cost["network"]["training_step_uj"] == pytest.approx(6400 * layer["element_fj"] * 1e-9)


def test_layers_may_have_other_designs(recorded: str, capsys: Out) -> None:
    rough = "truncated(n=8,t=6)"
    options = ["--assign", f"fc:forward={rough}", "--assign", f"conv*={rough}", "--json", *INT8]
    assert run(["energy", recorded, "exact(n=8)", *options]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    designs = [layer["design"].startswith("truncated") for layer in cost["layers"]]
    assert designs == [True, True, True, True, False, False]
    assert len(cost["macs"]) == 2


def test_a_design_point_says_the_same(recorded: str, tmp_path: Path, capsys: Out) -> None:
    rough, exact = "truncated(n=8,t=6)", "exact(n=8)"
    (tmp_path / "point.yaml").write_text(
        f"fc: {{forward: '{rough} in int8'}}\nconv*: {rough} in int8\n'*': {exact} in int8\n"
    )
    point = f"fc:forward={rough} in int8; conv*={rough} in int8; *={exact} in int8"
    options = ["--assign", f"fc:forward={rough}", "--assign", f"conv*={rough}", *INT8]
    costs = []
    for words in ([exact, *options], [point], [str(tmp_path / "point.yaml")]):
        assert run(["energy", recorded, *words, "--json"]) == 0
        costs.append(json.loads(capsys.readouterr().out))
    assert costs[0] == costs[1] == costs[2]


def test_a_design_point_has_the_cost_of_its_units(recorded: str, capsys: Out) -> None:
    point = "fc=truncated(n=8,t=6) in int8; *=exact(n=8) in int8"
    assert run(["cost", point, "--activity", recorded]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("\u2502")[1:-1] for line in lines if "%" in line]
    names = [row[0].strip() for row in rows]
    assert names == ["truncated(n=8,t=6,c=1) in int8", "exact(n=8) in int8", "all"]
    assert [row[5].strip() for row in rows] == ["50.0%", "50.0%", "100.0%"]
    areas = [float(row[1].replace(",", "")) for row in rows]
    assert areas[2] == pytest.approx(areas[0] + areas[1], abs=0.2)


def test_a_unit_that_overflows_is_told(recorded: str, capsys: Out) -> None:
    assert run(["energy", recorded, "exact(n=4)", "--format", "fp8_e4m3"]) == 0
    assert "infinite: its energy is that of a saturated MAC" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "at least one SPEC"),
        (["exact(n=8)", "--array", "16"], "ROWSxCOLUMNS"),
        (["exact(n=8)", "--assign", "fc"], "LAYER=SPEC"),
        (["fc=fp32; *=exact(n=8) in int8"], "every product of a network has a MAC: fc:forward"),
        (["exact(n=8) in int8", "--format", "int8"], "a design point names its own"),
        (["exact(n=8)", "--assign", "fcc=exact(n=8)"], "did you mean 'fc'"),
        (["exact(n=8)", "--assign", "fc:forwards=exact(n=8)"], "did you mean 'forward'"),
        (["exact(n=8)", "--format", "bf16(sum=fp16)"], "sum=fp32"),
        (["exact(n=8)", "--dataflow", "row-stationary"], "row-stationary"),
        (["exact(n=8)", "--library", "absent.lib"], "absent.lib"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str], message: str, recorded: str, capsys: Out
) -> None:
    assert run(["energy", recorded, *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_recording_that_is_none_is_one_line(tmp_path: Path, capsys: Out) -> None:
    assert run(["energy", str(tmp_path / "absent.npz"), "exact(n=8)"]) == 2
    assert "absent.npz" in capsys.readouterr().err


@pytest.mark.parametrize("clock", ["0", "-1", "nan", "inf"])
def test_a_clock_out_of_range_is_one_line(clock: str, recorded: str, capsys: Out) -> None:
    assert run(["energy", recorded, "exact(n=8)", *INT8, "--clock", clock]) == 2
    assert "a clock period is above 0 ns" in capsys.readouterr().err
