"""Pipelines: registers in area, delay and energy; what is no pipeline is refused in one line."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axdse.flows.cost.cost import core_cost
from axdse.flows.cost.record import Cost
from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.delays import critical_path_ns, delays_of
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.registers import flip_flop
from axdse.flows.netlist.synthesis import synthesise
from axdse.flows.power.activity import Transitions, simulate
from axdse.flows.power.activity_source import Trace
from axdse.flows.power.gate_simulation import gate_toggles
from axdse.flows.power.power import power_of
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier, Pipeline
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl
from axdse.multipliers.errors import AxdseError

Write = Callable[[str, str], Path]
MODEL = "#include <stdint.h>\nuint64_t stages(uint64_t a, uint64_t b) { return a * b; }\n"
PLAIN = Pipeline("clk")
CONTROLLED = Pipeline("clk", reset="rst_n", reset_level=0, enable="en")
TWO_STAGES = """
reg [3:0] x, y; reg [7:0] p;
always @(posedge clk) begin x <= a; y <= b; p <= x * y; end
"""
ONE_STAGE = "reg [7:0] p; always @(posedge clk) p <= a * b;"
WITH_CONTROLS = """
reg [3:0] x, y; reg [7:0] p;
always @(posedge clk or negedge rst_n)
  if (!rst_n) begin x <= 0; y <= 0; end else if (en) begin x <= a; y <= b; end
always @(posedge clk) if (en) p <= x * y;
"""
# The partial products and the sum in two stages of their own.
BALANCED = """
reg [3:0] x, y; reg [7:0] p; reg [5:0] low, high;
always @(posedge clk) begin
  x <= a; y <= b; low <= x * y[1:0]; high <= x * y[3:2]; p <= low + {high, 2'b0};
end
"""


def source(body: str, pipeline: Pipeline) -> str:
    ports = "".join(f"input {port}, " for port in pipeline.ports)
    return f"module stages({ports}input [3:0] a, b, output [7:0] p);\n{body}\nendmodule\n"


def mapped(body: str, pipeline: Pipeline = PLAIN) -> Netlist:
    text = source(body, pipeline)
    rtl = Rtl("stages", text, ("a", "b", "p"), 4, 4, 8, "stages", pipeline)
    return synthesise(rtl, read_library())


@pytest.fixture
def stages(write: Write) -> Callable[..., Multiplier]:
    """An exact 4x4 of a user, with these registers."""

    def make(body: str, pipeline: Pipeline = PLAIN) -> Multiplier:
        files = write("stages.c", MODEL), write("stages.v", source(body, pipeline))
        family = dataclasses.replace(
            builtin_catalog().family("exact"),
            name="stages",
            model=files[0],
            rtl=files[1],
            width=4,
            parameters={},
            pipeline=pipeline,
        )
        return family.bind()

    return make


Stages = Callable[..., Multiplier]


def random_trace(count: int) -> Trace:
    a, b = np.random.default_rng(1).integers(0, 16, (2, count), dtype=np.uint64)
    return Trace(a, b, None, "random")


def in_order(a: np.ndarray, b: np.ndarray) -> Transitions:
    return Transitions(a[:-1], b[:-1], a[1:], b[1:])


def combinational() -> Netlist:
    return synthesise(core_rtl(builtin_catalog().multiplier("exact(n=4)")), read_library())


@pytest.mark.parametrize(
    ("body", "pipeline", "latency", "registers"),
    [
        (ONE_STAGE, PLAIN, 1, 8),
        (TWO_STAGES, PLAIN, 2, 16),
        (BALANCED, PLAIN, 3, 28),
        (WITH_CONTROLS, CONTROLLED, 2, 16),
    ],
    ids=["one", "two", "balanced", "controls"],
)
def test_a_pipeline_is_mapped_timed_and_simulated(
    body: str, pipeline: Pipeline, latency: int, registers: int
) -> None:
    netlist, library = mapped(body, pipeline), read_library()
    assert (netlist.latency, len(netlist.registers)) == (latency, registers)
    a, b = np.meshgrid(*(np.arange(16, dtype=np.uint64),) * 2)
    np.testing.assert_array_equal(netlist.simulate(a, b), a * b)
    delays = delays_of(netlist)
    period = critical_path_ns(netlist, library)
    assert delays.critical_path_ns(netlist) == pytest.approx(period, abs=2e-6)


def test_registers_count_in_area_and_cells() -> None:
    one, plain = mapped(ONE_STAGE), combinational()
    assert one.area_um2 == plain.area_um2 + 8 * flip_flop(read_library()).area_um2
    assert one.cells == plain.cells + 8


def test_more_stages_allow_a_shorter_period() -> None:
    two, three = (
        critical_path_ns(mapped(each), read_library()) for each in (TWO_STAGES, BALANCED)
    )
    assert three < 0.8 * two


@pytest.mark.parametrize(
    ("body", "pipeline"),
    [(TWO_STAGES, PLAIN), (BALANCED, PLAIN), (WITH_CONTROLS, CONTROLLED)],
    ids=["two", "balanced", "controls"],
)
def test_toggles_are_those_of_icarus(body: str, pipeline: Pipeline) -> None:
    netlist, library = mapped(body, pipeline), read_library()
    delays = delays_of(netlist)
    trace = random_trace(500)
    transitions = in_order(trace.a, trace.b)
    period = 2 * delays.critical_path_ns(netlist) + 1
    theirs = gate_toggles(netlist, library, transitions, period)
    ours = simulate(netlist, delays, transitions).toggles[list(theirs.nets)]
    assert ours.sum() == pytest.approx(sum(theirs.toggles), rel=0.01)
    assert np.corrcoef(ours, theirs.toggles)[0, 1] > 0.999
    counted = dict(zip(theirs.nets, theirs.toggles, strict=True))
    shown = [net for register in netlist.registers for net, _ in register.outputs]
    everything = simulate(netlist, delays, transitions).toggles
    np.testing.assert_allclose(everything[shown], [counted[net] for net in shown], atol=1)


def test_every_stage_meets_every_transition_once() -> None:
    """Runs apart cost what they cost alone; what lies between them costs nothing."""
    netlist = mapped(BALANCED)
    delays = delays_of(netlist)
    trace = random_trace(41)
    first, second = in_order(trace.a[:20], trace.b[:20]), in_order(trace.a[20:], trace.b[20:])
    both = Transitions(
        *(
            np.concatenate([getattr(first, side), getattr(second, side)])
            for side in ("a", "b", "next_a", "next_b")
        )
    )
    parts = [simulate(netlist, delays, part).toggles for part in (first, second)]
    np.testing.assert_array_equal(simulate(netlist, delays, both).toggles, sum(parts))


def test_a_stage_shows_what_the_one_before_it_showed() -> None:
    netlist = mapped(TWO_STAGES)
    trace = random_trace(300)
    activity = simulate(netlist, delays_of(netlist), in_order(trace.a, trace.b))
    for port, codes in ((netlist.a, trace.a), (netlist.b, trace.b)):
        for bit, net in enumerate(port.nets):
            (register,) = (reg for reg in netlist.registers if reg.data == net)
            changes = np.count_nonzero(
                np.diff((codes >> np.uint64(bit) & np.uint64(1)).astype(int))
            )
            assert activity.toggles[net] == changes
            assert activity.toggles[register.outputs[0][0]] == changes


def chain(length: int) -> str:
    """The product, and so many stages of it."""
    names = ["(a * b)", *(f"q{stage}" for stage in range(length))]
    moves = "".join(f"{after} <= {before};" for before, after in itertools.pairwise(names))
    declared = "".join(f"reg [7:0] {name};" for name in names[1:])
    return f"{declared} always @(posedge clk) begin {moves} end assign p = {names[-1]};"


def test_the_energy_of_the_clock_grows_linearly_with_the_registers(stages: Stages) -> None:
    bit = flip_flop(read_library()).clock_fj
    for length in (1, 2, 5):
        got = core_cost(stages(chain(length)))
        assert got.uniform is not None
        assert got.registers == 8 * length
        assert got.uniform.clock_fj == pytest.approx(8 * length * bit)
        assert got.uniform.clock_fj < got.uniform.zero_delay_fj < got.uniform.energy_fj


def test_one_more_stage_costs_what_a_flip_flop_does() -> None:
    library, trace = read_library(), random_trace(2000)
    transitions = in_order(trace.a, trace.b)
    powers, toggles = [], 0
    for length in (2, 3):
        netlist = mapped(chain(length))
        delays = delays_of(netlist)
        activity = simulate(netlist, delays, transitions)
        powers.append(power_of(netlist, delays, activity, library))
        toggles = int(activity.toggles[list(netlist.product.nets)].sum())
    bit = flip_flop(library)
    wanted = 8 * bit.clock_fj + toggles / transitions.count * bit.toggle_fj
    assert powers[1].energy_fj - powers[0].energy_fj == pytest.approx(wanted, rel=1e-3)
    assert powers[1].leakage_nw - powers[0].leakage_nw == pytest.approx(8 * bit.leakage_nw)


def test_still_data_costs_the_energy_of_the_clock_alone(stages: Stages) -> None:
    still = Trace(np.full(9, 13, np.uint64), np.full(9, 7, np.uint64), None, "still")
    got = core_cost(stages(TWO_STAGES), activity=still)
    assert got.recorded is not None
    assert got.recorded.energy_fj == got.recorded.clock_fj == got.recorded.zero_delay_fj
    assert got.recorded.toggles == 0
    assert got.recorded.clock_fj == pytest.approx(16 * flip_flop(read_library()).clock_fj)


def test_energy_adds_up_from_its_parts() -> None:
    """Data that stays for ever makes the clock's share constant and the rest vanish."""
    netlist, library = mapped(TWO_STAGES), read_library()
    delays = delays_of(netlist)
    trace = random_trace(200)
    slow = np.repeat(trace.a, 4), np.repeat(trace.b, 4)
    fast = power_of(
        netlist, delays, simulate(netlist, delays, in_order(trace.a, trace.b)), library
    )
    rare = power_of(netlist, delays, simulate(netlist, delays, in_order(*slow)), library)
    share = (trace.a.size - 1) / (slow[0].size - 1)
    assert rare.clock_fj == pytest.approx(fast.clock_fj)
    assert rare.switching_fj == pytest.approx(fast.switching_fj * share)
    assert rare.internal_fj == pytest.approx(fast.internal_fj * share)


def test_fewer_glitches_pass_more_registers(stages: Stages) -> None:
    """Registers in front of the adder keep the glitches of the partial products from it."""

    def glitches(cost: Cost) -> float:
        assert cost.uniform
        return cost.uniform.toggles / cost.uniform.zero_delay_toggles

    assert glitches(core_cost(stages(BALANCED))) < glitches(core_cost(stages(ONE_STAGE)))


def test_a_clock_is_met_or_missed(stages: Stages) -> None:
    loose, tight = (core_cost(stages(TWO_STAGES), clock_ns=clock) for clock in (5.0, 0.5))
    assert (loose.feasible, tight.feasible) == (True, False)
    assert loose.slack_ns == pytest.approx(5.0 - loose.delay_ns)
    assert tight.delay_ns < loose.delay_ns
    assert "dfflibmap" in loose.recipe
    assert "create_clock" in loose.recipe


def test_a_pipeline_that_is_not_its_model_is_refused(stages: Stages) -> None:
    wrong = TWO_STAGES.replace("x * y", "x * y | 1")
    with pytest.raises(AxdseError, match=r"netlist of stages must compute .* gives 0x1, not 0x0"):
        core_cost(stages(wrong))


@pytest.mark.parametrize(
    ("body", "pipeline", "message"),
    [
        ("reg [7:0] p; always @(posedge clk) p <= p + a * b;", PLAIN, "without feedback"),
        (TWO_STAGES.replace("x * y", "x * b"), PLAIN, "number of cycles: 1 and 2"),
        (TWO_STAGES, Pipeline("clk", latency=3), "after 3, the stated number of cycles: 2"),
        ("reg [7:0] p; always @* if (clk) p = a * b;", PLAIN, r"of flip-flops: \S+ \(a latch\)"),
        ("reg [7:0] p; always @(negedge clk) p <= a * b;", PLAIN, "one edge of one clock"),
        (ONE_STAGE.replace("clk)", "clk & en)"), Pipeline("clk", enable="en"), "clock of stages"),
        (
            ONE_STAGE.replace("p <= a * b", "if (a[0]) p <= 0; else p <= a * b").replace(
                "clk)", "clk or posedge a[0])"
            ),
            PLAIN,
            "set or reset while the design runs",
        ),
    ],
    ids=["feedback", "unbalanced", "latency", "latch", "edge", "gate", "reset"],
)
def test_what_is_no_pipeline_is_refused(body: str, pipeline: Pipeline, message: str) -> None:
    with pytest.raises(AxdseError, match=message) as caught:
        mapped(body, pipeline)
    assert "\n" not in str(caught.value)


def test_a_library_without_flip_flops_is_refused() -> None:
    rtl = Rtl("stages", source(ONE_STAGE, PLAIN), ("a", "b", "p"), 4, 4, 8, "stages", PLAIN)
    with pytest.raises(AxdseError, match="registers take a D flip-flop"):
        synthesise(rtl, dataclasses.replace(read_library(), flops=()))


def test_a_pipeline_may_have_no_stage() -> None:
    netlist = mapped("assign p = en ? a * b : 0;", Pipeline("clk", enable="en"))
    plain = combinational()
    trace = random_trace(100)
    np.testing.assert_array_equal(netlist.simulate(trace.a, trace.b), trace.a * trace.b)
    toggles = [
        simulate(each, delays_of(each), in_order(trace.a, trace.b)).steady[list(each.product.nets)]
        for each in (netlist, plain)
    ]
    np.testing.assert_array_equal(*toggles)
