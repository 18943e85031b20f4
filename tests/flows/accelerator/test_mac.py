"""A MAC: what its parts cost, under which operands."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mac_recordings import trace, unit

from axdse.flows.accelerator import mac, mac_netlists
from axdse.flows.accelerator.mac import mac_cost
from axdse.flows.cost.cost import unit_cost
from axdse.flows.liberty.library import OSU018, read_library
from axdse.flows.netlist.registers import flip_flop
from axdse.multipliers.errors import AxdseError

INT8 = unit("truncated(n=8,t=6)", "int8")


def test_area_and_delay_are_those_of_unit_adder_and_register() -> None:
    got, alone = mac_cost(INT8), unit_cost(INT8)
    flop = flip_flop(read_library())
    assert got.unit_area_um2 == pytest.approx(alone.area_um2)
    assert got.unit_delay_ns == pytest.approx(alone.delay_ns)
    register = 32 * flop.area_um2
    assert got.area_um2 == pytest.approx(alone.area_um2 + got.adder_area_um2 + register)
    between = flop.clock_to_q_ns + flop.setup_ns
    assert got.delay_ns == pytest.approx(alone.delay_ns + got.adder_delay_ns + between)
    assert got.adder_delay_ns > 0


def test_provenance_is_complete() -> None:
    got = mac_cost(INT8)
    assert got.library == OSU018.stem
    assert got.recipe.count("amap") == 2
    assert "accumulate_int32_product_int16" in got.recipe
    assert len(got.tools) == 3
    assert got.uniform is not None
    assert got.uniform.activity.startswith("uniform, 4096")


def test_zeros_take_the_clock_alone() -> None:
    zeros = np.zeros((4, 9), dtype=np.float32)
    still = replace(trace(rows=4), a=zeros, sums=zeros, b=np.ones_like(zeros))
    (part,) = mac_cost(INT8, traces=[still]).parts
    flop = flip_flop(read_library())
    assert (part.energy.unit_fj, part.energy.adder_fj) == (0, 0)
    assert part.energy.register_fj == pytest.approx(32 * flop.clock_fj)
    assert part.energy.unit_leakage_nw > 0


def test_recorded_operands_differ_from_uniform_ones() -> None:
    got = mac_cost(INT8, traces=[trace(product="forward"), trace("longer", "input_gradient")])
    assert [(p.layer, p.product) for p in got.parts] == [
        ("fc", "forward"),
        ("longer", "input_gradient"),
    ]
    assert got.uniform is not None
    for part in got.parts:
        assert 0 < part.energy.unit_fj < got.uniform.unit_fj
        assert part.energy.energy_fj > part.energy.unit_fj + part.energy.adder_fj
        assert part.energy.multiplications == 8 * 8


def test_a_still_weight_does_not_toggle() -> None:
    kept = trace(dataflow="weight-stationary")
    (part,) = mac_cost(INT8, traces=[kept]).parts
    assert part.energy.b_toggles == 0
    assert part.energy.a_toggles > 0


def test_a_narrow_accumulator_costs_less() -> None:
    wide, narrow = (mac_cost(unit("exact(n=8)", text)) for text in ("bf16", "bf16(sum=bf16)"))
    assert narrow.adder_area_um2 < wide.adder_area_um2
    assert narrow.accumulator_bits == 16
    assert wide.accumulator_bits == 32
    assert narrow.unit_area_um2 == wide.unit_area_um2


def test_a_hit_is_equal_and_other_operands_are_another_entry(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mac_cost(INT8, traces=[trace()])
    other = mac_cost(INT8, traces=[trace("longer")])
    assert other.parts != first.parts
    assert len(list(fresh_cache.glob("mac/*.json"))) == 2
    monkeypatch.delattr(mac_netlists, "synthesise_for")
    assert mac_cost(INT8, traces=[trace()]) == first


def test_a_changed_adder_is_another_entry(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac_cost(INT8)
    original = mac.accumulator_of
    monkeypatch.setattr(
        mac, "accumulator_of", lambda known: replace(original(known), product_bits=15)
    )
    mac_cost(INT8)
    assert len(list(fresh_cache.glob("mac/*.json"))) == 2


def test_a_library_without_power_gives_area_and_delay(tmp_path: Path) -> None:
    plain = tmp_path / "plain.lib"
    plain.write_text(OSU018.read_text().replace("internal_power", "unknown_group"))
    got = mac_cost(INT8, plain, [trace()])
    assert got.uniform is None
    assert got.parts == ()
    assert got.no_power == "plain lacks internal_power tables"
    assert got.area_um2 > 0


def test_a_sum_that_does_not_fit_the_products_is_refused() -> None:
    with pytest.raises(AxdseError, match="up to 5 exponent bits"):
        mac_cost(unit("exact(n=8)", "bf16(sum=fp16)"))
