"""Whole MACs of a design point: sums that a hand can check."""

from dataclasses import replace
from typing import get_args

import pytest
from mac_recordings import recording, rows, trace

from axdse.flows.accelerator.mac import mac_cost
from axdse.flows.accelerator.network import accelerator_cost
from axdse.flows.accelerator.point_macs import whole_macs
from axdse.flows.accelerator.systolic_array import Array, array_cost
from axdse.flows.cost.point import Demand
from axdse.flows.netlist.adders import Aim
from axdse.multipliers.designs.design_point import parse_design_point, parse_mac

EXACT, ROUGH = "exact(n=8) in int8", "truncated(n=8,t=6) in int8"


def test_of_one_mac_they_are_the_element() -> None:
    alone = mac_cost(parse_mac(EXACT))
    got = whole_macs(parse_design_point(EXACT), Demand())
    assert alone.uniform
    assert got.energy_fj == alone.uniform.timed.element_fj
    assert got.area_um2 == pytest.approx(alone.element_um2)
    assert got.delay_ns == alone.delay_ns
    assert got.basis == alone.basis


def test_several_share_an_element_and_weigh_with_their_products() -> None:
    traces = [trace(product="forward"), trace(product="input_gradient", multiplications=16_000)]
    sums = (rows(), rows(product="input_gradient"))
    made = replace(recording(traces), rows=sums)
    point = parse_design_point(f"fc:forward={ROUGH}; *={EXACT}")
    got = whole_macs(point, Demand(made, "run.npz"))
    costs = [
        mac_cost(parse_mac(text), recorded=[met])
        for text, met in zip((ROUGH, EXACT), sums, strict=True)
    ]
    shares = (64_000 / 80_000, 16_000 / 80_000)
    energies = [cost.recorded.timed.element_fj for cost in costs if cost.recorded]
    expected = sum(share * fj for share, fj in zip(shares, energies, strict=True))
    assert got.energy_fj == pytest.approx(expected)
    assert got.area_um2 == pytest.approx(array_cost(costs, Array(1, 1)).area_um2)
    assert got.area_um2 < sum(cost.element_um2 for cost in costs)


@pytest.mark.parametrize("aim", get_args(Aim))
def test_an_array_takes_what_a_training_step_has(aim: Aim) -> None:
    traces = [trace(product="forward"), trace(product="input_gradient", multiplications=16_000)]
    made = recording(traces)
    point = parse_design_point(f"fc:forward={ROUGH}; *={EXACT}")
    array = Array(4, 4)
    got = whole_macs(point, Demand(made, "run.npz"), array=array, aim=aim)
    network = accelerator_cost(made, point, array, aim=aim)
    assert got.step_uj == network.network.training_step_uj
    assert got.area_um2 == network.array.element_area_um2
    assert {mac.aim for mac in network.macs} == {aim}
    assert whole_macs(point, Demand(made, "run.npz")).step_uj is None


def test_nothing_recorded_has_no_training_step() -> None:
    assert whole_macs(parse_design_point(EXACT), Demand(), array=Array()).step_uj is None
