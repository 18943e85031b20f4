"""A MAC: what its parts cost, under which operands."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mac_recordings import rows, trace

from axdse.flows.accelerator import mac_netlists
from axdse.flows.accelerator.conversion import conversion_of
from axdse.flows.accelerator.mac import mac_cost
from axdse.flows.accelerator.mac_activity import uniform_stream
from axdse.flows.accelerator.mac_netlists import mapped_unit
from axdse.flows.accelerator.mac_unit import MacUnit
from axdse.flows.accelerator.record import MacCost
from axdse.flows.liberty.library import OSU018, read_library
from axdse.flows.netlist.mapped import mapped_ways
from axdse.flows.netlist.netlist import Port
from axdse.flows.netlist.registers import flip_flop
from axdse.flows.power.choice import alone_fj
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.errors import AxdseError

INT8 = parse_mac("truncated(n=8,t=6) in int8")
BF16 = parse_mac("exact(n=8) in bf16")
FP4 = "mitchell(m=1) in float(2,1)"
SMALL = f"{FP4} sum dot(terms=2,align=4,acc=float(3,3))"
# A sum of every kind, each of two modules of which what adds has full adders.
SUMS = (
    FP4,
    SMALL,
    f"{FP4} sum dot(terms=2,align=4,acc=float(3,3),carry=late)",
    f"{FP4} sum dot(terms=2,acc=lazy(3,9))",
    f"{FP4} sum dot(terms=2,acc=fixed(8,-3),overflow=saturate)",
    f"{FP4} sum dot(terms=2,acc=lazy(3,9),chunk=4)",
    pytest.param(f"{FP4} sum float(3,3,chunk=2)", marks=pytest.mark.slow),
    f"{FP4} sum float(3,3,round=stochastic,random=4)",
    pytest.param(
        f"{FP4} sum float(3,3,chunk=2,round=stochastic,random=4)", marks=pytest.mark.slow
    ),
    "exact(n=8) in int8 sum dot(terms=2,acc=int(20),overflow=saturate)",
    "exact(n=4) in int4(scale=block32) sum dot(terms=2,align=4,acc=float(3,3))",
)


def test_parts_add_up_to_the_whole() -> None:
    got = mac_cost(parse_mac(SMALL))
    flop = flip_flop(read_library())
    assert got.terms == 2
    counts = {module.name.split("_")[1]: module.count for module in got.modules}
    assert counts == {"mitchell": 2, "operands": 2, "align": 2, "largest": 1, "add": 1, "round": 1}
    logic = sum(module.count * module.area_um2 for module in got.modules)
    bits = 2 * 2 * 4 + got.stage_bits + 7  # operands of float(2,1), stage, float(3,3)
    assert got.element_um2 * 2 == pytest.approx(logic + bits * flop.area_um2)
    assert got.area_um2 == pytest.approx(logic + (got.stage_bits + 7) * flop.area_um2)
    assert got.uniform
    timed, still = got.uniform.timed, got.uniform.still
    parts = timed.core + timed.multiplier + timed.sum + timed.stage + timed.accumulator
    assert timed.mac_fj == pytest.approx(parts)
    assert timed.element_fj == pytest.approx(parts + timed.operands)
    assert still.element_fj < timed.element_fj
    assert 0 < timed.multiplier_share < 1


@pytest.mark.parametrize("text", SUMS)
def test_every_kind_of_sum_is_its_model_and_has_a_cost(text: str) -> None:
    got = mac_cost(parse_mac(text), recorded=[rows()])
    assert got.proof.method == "cec"
    assert got.proof.vectors >= 256
    assert got.uniform
    assert got.recorded
    assert got.uniform.timed.sum > 0
    assert got.recorded.still.element_fj <= got.recorded.timed.element_fj
    assert (got.conversion is not None) == ("lazy" in text or "fixed" in text or "chunk" in text)
    if got.conversion:
        assert got.uniform.timed.conversion > 0


def test_the_stage_register_is_counted_and_shortens_the_period() -> None:
    with_, without = (mac_cost(parse_mac(SMALL), stages=stages) for stages in (1, 0))
    assert without.stage_bits == 0
    assert with_.stage_bits > 7
    assert with_.uniform
    assert without.uniform
    assert without.uniform.timed.stage == 0
    clock = with_.stage_bits * with_.flip_flop.clock_fj / 2
    assert with_.uniform.timed.stage > 0.9 * clock
    assert with_.delay_ns < without.delay_ns
    assert with_.uniform.timed.sum < without.uniform.timed.sum


def test_a_recipe_may_ask_for_its_stage() -> None:
    text = SMALL.replace("float(3,3)", "float(3,3),stages=1")
    assert mac_cost(parse_mac(text), stages=0).stage_bits > 0


def test_the_adder_is_to_the_unit_as_it_should() -> None:
    """FP32 adder with its stage to a bf16 unit, each between settled inputs: at most 2.1."""
    unit, library = MacUnit(BF16), read_library()
    stream = uniform_stream(unit)
    netlist = mapped_unit(unit, library, None, stream, "energy")
    met = mac_netlists._settled(unit, netlist.composed, stream)
    energies = {
        name.split("_")[0]: alone_fj(way.netlist, library, met[name])
        for name, way in netlist.ways.items()
    }
    stage = unit.path.stage_bits * flip_flop(library).clock_fj
    adder = energies["accumulate"] + energies["round"] + stage
    assert 1 < adder / energies["unit"] <= 2.1


def test_full_adders_are_taken_where_they_save() -> None:
    frugal, small = (mac_cost(BF16, aim=aim) for aim in ("energy", "area"))
    assert frugal.modules[0].adders == "found"
    assert small.modules[0].adders == "none"
    assert small.modules[0].area_um2 < frugal.modules[0].area_um2
    assert frugal.uniform
    assert small.uniform
    assert frugal.uniform.timed.multiplier < 0.8 * small.uniform.timed.multiplier


def test_ways_to_map_are_proved_equal_to_their_rtl() -> None:
    module = MacUnit(BF16).path.blocks[0].module
    ways = mapped_ways(module, read_library(), None)
    assert {way.adders for way in ways} >= {"none", "found"}
    assert all(way.proven for way in ways)
    kinds = {each.cell.name for way in ways[1:] for each in way.netlist.instances}
    assert "FAX1" in kinds
    assert not any(each.cell.name == "FAX1" for each in ways[0].netlist.instances)


def test_provenance_is_complete() -> None:
    got = mac_cost(INT8)
    assert got.library == OSU018.stem
    assert len(got.tools) == 3
    assert got.uniform is not None
    assert got.uniform.activity.startswith("uniform, 4096")


def test_zeros_take_the_clock_alone() -> None:
    zeros = np.zeros((4, 9), dtype=np.float32)
    still = replace(trace(rows=4), a=zeros, sums=zeros, b=np.ones_like(zeros))
    (part,) = mac_cost(INT8, recorded=[still], apart=True).parts
    flop = flip_flop(read_library())
    shares = part.energy.timed
    assert (shares.core, shares.multiplier, shares.sum, shares.stage) == (0, 0, 0, 0)
    assert shares.accumulator == pytest.approx(32 * flop.clock_fj)


def test_recorded_operands_differ_from_uniform_ones() -> None:
    met = [trace(product="forward"), trace("longer", "input_gradient")]
    got = mac_cost(INT8, recorded=met, apart=True)
    assert [(p.layer, p.product) for p in got.parts] == [
        ("fc", "forward"),
        ("longer", "input_gradient"),
    ]
    assert got.uniform is not None
    for part in got.parts:
        assert 0 < part.energy.timed.multiplier < got.uniform.timed.multiplier
        assert part.energy.multiplications == 8 * 8
    together = mac_cost(INT8, recorded=met).recorded
    assert together is not None
    assert together.multiplications == 2 * 8 * 8
    mean = sum(part.energy.timed.multiplier for part in got.parts) / 2
    assert together.timed.multiplier == pytest.approx(mean)


def test_a_still_weight_does_not_toggle() -> None:
    kept = trace(dataflow="weight-stationary")
    (part,) = mac_cost(INT8, recorded=[kept], apart=True).parts
    assert part.energy.b_toggles == 0
    assert part.energy.a_toggles > 0


def test_a_recipe_is_costed_under_whole_sums_alone() -> None:
    with pytest.raises(AxdseError, match="under whole rows, in output-stationary order"):
        mac_cost(parse_mac(SMALL), recorded=[trace()])


def test_a_narrow_accumulator_costs_less() -> None:
    wide, narrow = (mac_cost(parse_mac(f"exact(n=8) in {text}")) for text in ("bf16", NARROW))
    assert narrow.role_um2("sum") < wide.role_um2("sum")
    assert narrow.accumulator_bits == 16
    assert wide.accumulator_bits == 32
    assert narrow.role_um2("multiplier") == wide.role_um2("multiplier")


NARROW = "bf16 sum bf16"


def test_longer_sums_share_their_conversion() -> None:
    lazy = parse_mac(f"{FP4} sum dot(terms=2,acc=lazy(3,9))")
    short, long = (mac_cost(lazy, recorded=[rows(depth=depth, length=8)]) for depth in (8, 800))
    assert short.recorded
    assert long.recorded
    assert short.recorded.timed.conversion == pytest.approx(100 * long.recorded.timed.conversion)
    assert short.conversion
    assert short.conversion.elements == 16
    assert short.conversion_um2 == pytest.approx(short.conversion.area_um2 / 16 / 2)


def test_a_wrong_netlist_is_caught() -> None:
    unit, library = MacUnit(parse_mac(FP4)), read_library()
    right = mapped_unit(unit, library, None, uniform_stream(unit), "area").composed.netlist
    nets = right.product.nets
    wrong = replace(right, product=Port("d", (nets[1], nets[0], *nets[2:])))
    with pytest.raises(AxdseError, match="must add as its model does"):
        mac_netlists._compared(unit, wrong, proven=True)


def test_a_wrong_converter_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = MacUnit(parse_mac(f"{FP4} sum lazy(3,9)"))
    from_model = "axdse.flows.accelerator.conversion.converted"
    monkeypatch.setattr(from_model, lambda shape, codes: codes & np.uint64(1))
    with pytest.raises(AxdseError, match="must compute what its model does"):
        conversion_of(unit, read_library(), None)


def test_a_hit_is_equal_and_other_operands_are_another_entry(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mac_cost(INT8, recorded=[trace()])
    other = mac_cost(INT8, recorded=[trace("longer")])
    assert other.recorded != first.recorded
    assert len(list(fresh_cache.glob("mac/*.json"))) == 2
    monkeypatch.delattr(mac_netlists, "mapped_ways")
    assert mac_cost(INT8, recorded=[trace()]) == first


def test_a_library_without_power_gives_area_and_delay(tmp_path: Path) -> None:
    plain = tmp_path / "plain.lib"
    plain.write_text(OSU018.read_text().replace("internal_power", "unknown_group"))
    got: MacCost = mac_cost(INT8, plain, [trace()])
    assert got.uniform is None
    assert got.recorded is None
    assert got.no_power == "plain lacks internal_power tables"
    assert got.area_um2 > 0


def test_a_sum_that_does_not_fit_the_products_is_refused() -> None:
    with pytest.raises(AxdseError, match="up to 5 exponent bits"):
        mac_cost(parse_mac("exact(n=8) in bf16 sum fp16"))
