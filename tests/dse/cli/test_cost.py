"""The command cost: what it prints, what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mac_recordings import recording, rows, trace

from axdse.dse.cli import run
from axdse.multipliers.operands.recording_file import save_recording

Out = pytest.CaptureFixture[str]


def test_power_is_shown_with_its_activity(capsys: Out) -> None:
    assert run(["cost", "exact(n=3)", "--core"]) == 0
    out = capsys.readouterr().out
    assert "fJ per product" in out
    assert "activity: uniform, 4096 independent pairs, seed 0; 1.8 V" in out


def test_a_trace_is_shown_beside_uniform_operands(tmp_path: Path, capsys: Out) -> None:
    np.savez(tmp_path / "t.npz", a=np.arange(8), b=np.full(8, 1))
    options = ["--core", "--activity", str(tmp_path / "t.npz")]
    assert run(["cost", "exact(n=3)", *options]) == 0
    out = capsys.readouterr().out
    assert "recorded fJ" in out
    assert "t.npz: 8 pairs in order" in out
    assert run(["cost", "exact(n=3)", *options, "--json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    assert 0 < cost["recorded"]["energy_fj"] < cost["uniform"]["energy_fj"]


def test_fast_and_clock(capsys: Out) -> None:
    assert run(["cost", "exact(n=3)", "--core", "--fast", "--json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    assert cost["area_um2"] > 0
    assert run(["cost", "exact(n=3)", "--core", "--clock", "0.1"]) == 0
    assert "infeasible" in capsys.readouterr().out


def test_the_whole_grid_of_a_width_is_costed(capsys: Out) -> None:
    assert run(["cost", "--all", "--bits", "2", "--fast", "--json"]) == 0
    captured = capsys.readouterr()
    costs = json.loads(captured.out)
    assert len(costs) > 5
    assert f"{len(costs)} of {len(costs)} designs costed" in captured.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["exact(n=3)", "--all"], "--all takes no SPEC"),
        (["--all", "--bits", "60"], "width of some core"),
        (["exact(n=3)", "--core", "--fast", "--clock", "1"], "--fast knows neither"),
        (["exact(n=3)", "--core", "--fast", "--aim", "area"], "and no full adders"),
        (["exact(n=3)", "--activity", "absent.npz"], "absent.npz"),
        (["exact(n=3)", "--core", "--clock", "0"], "above 0 ns"),
        (["exact(n=3)", "--against", "published"], "published figures"),
        (["exact(n=3)", "--library", "absent.lib"], "absent.lib"),
    ],
)
def test_bad_input_is_one_line(options: list[str], message: str, capsys: Out) -> None:
    assert run(["cost", *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_full_adders_are_there_by_what_they_are_to_save(capsys: Out) -> None:
    for aim in ("energy", "area"):
        assert run(["cost", "exact(n=4)", "--core", "--aim", aim, "--json"]) == 0
        (cost,) = json.loads(capsys.readouterr().out)
        assert (cost["aim"], cost["adders"]) == (aim, "found" if aim == "energy" else "none")


def test_operands_that_stand_still_take_no_energy(tmp_path: Path, capsys: Out) -> None:
    still = np.full(64, 9, dtype=np.uint8)
    np.savez(tmp_path / "still.npz", a=still, b=still)
    assert run(["cost", "exact(n=4)", "--core", "--activity", str(tmp_path / "still.npz")]) == 0
    assert "0 (uniform -)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["exact(n=8)", "--bits", "8"], "--bits goes with --all"),
        (["exact(n=8)", "--core", "--format", "bf16"], "--format is of units"),
        (["exact(n=8)", "--against", "published", "--json"], "--json has no place"),
    ],
)
def test_options_are_never_ignored(options: list[str], message: str, capsys: Out) -> None:
    assert run(["cost", *options]) == 2
    assert message in capsys.readouterr().err


SMALL = ["mitchell(m=1)", "--format", "float(2,1)", "--mac"]
DOT = ["--sum", "dot(terms=2,align=4,acc=float(3,3))"]


def test_a_whole_mac_is_shown(tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "run.npz"
    save_recording(replace(recording([trace()]), rows=(rows(),)), path)
    assert run(["cost", *SMALL, *DOT, "--activity", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("recorded") == 2
    assert out.count("uniform") == 2
    assert "a register before the normaliser, " in out
    assert "a unit of 2 products has" in out
    assert run(["cost", *SMALL, *DOT, "--activity", str(path), "--stages", "0", "--json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    assert (cost["terms"], cost["stage_bits"], cost["conversion"]) == (2, 0, None)
    assert cost["recorded"]["timed"]["sum"] > cost["recorded"]["still"]["sum"] > 0


def test_a_lazy_sum_is_shown_with_its_conversion(capsys: Out) -> None:
    mac = "mitchell(m=1) in float(2,1) sum dot(terms=2,acc=lazy(3,9))"
    assert run(["cost", mac, "--mac", "--aim", "area"]) == 0
    out = capsys.readouterr().out
    assert "FP32 of the register once per output, " in out
    assert "no register inside" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["exact(n=8)", *DOT], "--sum is of the whole MAC"),
        (["exact(n=8)", "--stages", "0"], "--stages is of the whole MAC"),
        ([*SMALL, "--core"], "--core has no place beside --mac"),
        ([*SMALL, "--fast"], "--fast has no place beside --mac"),
        (["--mac"], "at least one SPEC"),
        (["fc=exact(n=8) in bf16; *=fp32", "--mac"], "costs one MAC"),
        ([*SMALL, "--sum", "lazy(3,9,stages=1)"], "leave stages out"),
        (["exact(n=8)", "--format", "bf16", "--mac", "--sum", "fp16"], "5 exponent bits"),
        (["exact(n=8) in bf16 sum hopper"], "'axdse cost --mac'"),
    ],
)
def test_what_has_no_place_beside_a_mac_is_one_line(
    options: list[str], message: str, capsys: Out
) -> None:
    assert run(["cost", *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
