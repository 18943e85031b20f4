"""Arrays and networks: sums that a hand can check."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from mac_recordings import IMAGES, MULTIPLICATIONS, STEPS, recording, rows, trace

from axdse.flows.accelerator.mac import mac_cost
from axdse.flows.accelerator.network import (
    LayerEnergy,
    NetworkEnergy,
    accelerator_cost,
    sum_of_layers,
)
from axdse.flows.accelerator.systolic_array import Array, array_cost, element_fj, parse_array
from axdse.multipliers.designs.design_point import PRODUCTS, parse_design_point, parse_mac
from axdse.multipliers.errors import AxdseError

EXACT, ROUGH = parse_mac("exact(n=8) in int8"), parse_mac("truncated(n=8,t=6) in int8")


ALL_EXACT, ALL_ROUGH = (parse_design_point(mac.name) for mac in (EXACT, ROUGH))


def test_an_array_is_its_elements() -> None:
    mac = mac_cost(EXACT)
    got = array_cost([mac], Array(4, 8))
    operands = 2 * 8 * mac.flip_flop.area_um2
    assert got.element_area_um2 == pytest.approx(mac.area_um2 + operands)
    assert got.area_um2 == pytest.approx(32 * got.element_area_um2)
    assert got.clock_fj == pytest.approx(32 * (32 + 16) * mac.flip_flop.clock_fj)
    assert got.delay_ns == mac.delay_ns
    assert got.leakage_nw > 32 * sum(module.leakage_nw for module in mac.modules) > 0


def test_the_clock_of_a_still_weight_stands_still() -> None:
    mac = mac_cost(EXACT)
    moving, still = (array_cost([mac], Array(1, 1, flow)) for flow in FLOWS)
    assert moving.clock_fj - still.clock_fj == pytest.approx(8 * mac.flip_flop.clock_fj)
    assert moving.area_um2 == still.area_um2
    assert mac.uniform is not None
    saved = element_fj(mac, mac.uniform, Array(dataflow=FLOWS[0]))
    saved -= element_fj(mac, mac.uniform, Array(dataflow=FLOWS[1]))
    assert saved == pytest.approx(8 * mac.flip_flop.clock_fj)


FLOWS = ("output-stationary", "weight-stationary")


def test_an_element_holds_each_unit_once_and_shares_the_adder() -> None:
    exact, rough = mac_cost(EXACT), mac_cost(ROUGH)
    one, both = array_cost([exact], Array()), array_cost([exact, rough, exact], Array())
    unit = rough.role_um2("multiplier")
    assert both.element_area_um2 == pytest.approx(one.element_area_um2 + unit)
    assert both.clock_fj == one.clock_fj
    wide = mac_cost(parse_mac("exact(n=8) in bf16"))
    mixed = array_cost([exact, wide], Array())
    alone = array_cost([wide], Array())
    added = exact.role_um2("multiplier", "sum")
    assert mixed.element_area_um2 == pytest.approx(alone.element_area_um2 + added)


def test_a_network_is_the_sum_of_its_macs() -> None:
    got = accelerator_cost(recording(), ALL_EXACT)
    assert [layer.product for layer in got.layers] == list(PRODUCTS)
    mac = mac_cost(EXACT, recorded=recording().traces, apart=True)
    energies = [element_fj(mac, part.energy, Array()) for part in mac.parts]
    assert [layer.element_fj for layer in got.layers] == pytest.approx(energies)
    assert got.layers[0].macs_per_step == MULTIPLICATIONS / STEPS
    step = sum(energies) * MULTIPLICATIONS / STEPS * 1e-9
    assert got.network.training_step_uj == pytest.approx(step)
    assert got.network.image_uj == pytest.approx(step * STEPS / IMAGES)
    forward = energies[0] * MULTIPLICATIONS / IMAGES * 1e-9
    assert got.network.inference_uj == pytest.approx(forward)
    assert got.images_per_step == IMAGES / STEPS
    assert mac.uniform is not None
    uniform = 3 * element_fj(mac, mac.uniform, Array()) * MULTIPLICATIONS / STEPS * 1e-9
    assert got.network.uniform_step_uj == pytest.approx(uniform)


def test_a_recipe_is_costed_under_whole_sums() -> None:
    """And an element that makes two products at a time has the registers for them."""
    dot = "exact(n=8) in int8 sum dot(terms=2,acc=int(20))"
    made = replace(recording([trace()]), rows=(rows(),))
    got = accelerator_cost(made, parse_design_point(dot))
    (mac,) = got.macs
    assert got.layers[0].element_fj == mac.parts[0].energy.timed.element_fj
    assert mac.parts[0].energy.activity == "fc forward, whole sums"
    assert got.array.element_area_um2 == pytest.approx(2 * mac.element_um2)
    with pytest.raises(AxdseError, match="a sum that is a recipe"):
        accelerator_cost(recording([trace()]), parse_design_point(dot))


def test_products_have_their_own_designs() -> None:
    point = parse_design_point(f"fc:forward={ROUGH.name}; *={EXACT.name}")
    got = accelerator_cost(recording(), point)
    assert [layer.design for layer in got.layers] == [ROUGH.name, EXACT.name, EXACT.name]
    exact, rough = (accelerator_cost(recording(), point) for point in (ALL_EXACT, ALL_ROUGH))
    expected = [rough.layers[0].element_fj, *(layer.element_fj for layer in exact.layers[1:])]
    assert [layer.element_fj for layer in got.layers] == pytest.approx(expected)
    assert rough.network.training_step_uj < got.network.training_step_uj
    assert got.network.training_step_uj < exact.network.training_step_uj
    assert exact.array.area_um2 < got.array.area_um2
    assert len(got.macs) == 2


def test_the_user_may_add_otherwise() -> None:
    def with_memory(layers: Sequence[LayerEnergy]) -> NetworkEnergy:
        return replace(sum_of_layers(layers), inference_uj=float(len(layers)))

    got = accelerator_cost(recording(), ALL_EXACT, network_energy=with_memory)
    assert got.network.inference_uj == 3


def test_traces_of_the_other_dataflow_are_left_out() -> None:
    both = recording([trace(), trace(dataflow="weight-stationary", multiplications=10)])
    forward = parse_design_point(f"fc:forward={EXACT.name}")
    got = accelerator_cost(both, forward, Array(dataflow="weight-stationary"))
    assert [layer.macs_per_step for layer in got.layers] == [10 / STEPS]
    assert [layer.macs_per_step for layer in accelerator_cost(both, forward).layers] == [6400]


def test_a_layer_without_a_design_is_refused() -> None:
    point = parse_design_point(f"*:forward={EXACT.name}; *:input_gradient={EXACT.name}")
    with pytest.raises(AxdseError, match="fc:weight_gradient stays native FP32; give it one"):
        accelerator_cost(recording(), point)


@pytest.mark.parametrize(
    "made",
    [
        recording([]),
        recording([trace(dataflow="weight-stationary")]),
        recording([replace(trace(), lengths=np.ones(8, dtype=np.int64))]),
        replace(recording(), steps=0),
    ],
    ids=["empty", "other dataflow", "single pairs", "no steps"],
)
def test_a_recording_without_traces_is_refused(made: object) -> None:
    with pytest.raises(AxdseError, match="output-stationary traces"):
        accelerator_cost(made, ALL_EXACT)  # type: ignore[arg-type]


def test_sizes_are_read() -> None:
    assert parse_array("8x32", "weight-stationary") == Array(8, 32, "weight-stationary")


@pytest.mark.parametrize("text", ["16", "0x4", "4x", "-1x2", "4x99999999", "a x b"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(AxdseError, match="16x16"):
        parse_array(text, "output-stationary")
