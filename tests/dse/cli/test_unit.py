"""Units of any float format on the command line."""

import json

import pytest

from axdse.dse.cli import run


@pytest.mark.parametrize("text", ["float(4,3)", "fp8_e4m3"])
def test_verify_tries_all_of_fp8(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "exact(n=4)", "--unit", "--format", text, "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["vectors"]) == ("exhaustive", 65_536)
    assert (report["a_bits"], report["b_bits"], report["product_bits"]) == (8, 8, 8)


def test_cost_of_an_fp8_unit_is_above_that_of_its_core(
    capsys: pytest.CaptureFixture[str],
) -> None:
    areas = []
    for option in (["--core"], ["--format", "float(5,2)"]):
        assert run(["cost", "exact(n=3)", *option, "--json"]) == 0
        (cost,) = json.loads(capsys.readouterr().out)
        areas.append(cost["area_um2"])
    assert 0 < areas[0] < areas[1]


def test_a_format_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "exact(n=4)", "--unit", "--format", "float(9,3)"]) == 2
    assert "e in 2..8, m in 1..23: 'float(9,3)'" in capsys.readouterr().err
