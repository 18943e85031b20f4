"""The array of a finalist is made of the netlists by which the search judged it."""

from collections.abc import Callable

import pytest
from mac_recordings import recording

from axdse.dse.report.figures import AREA
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.on_array import cost_on_array
from axdse.dse.search.evaluate import Hurdle, evaluate
from axdse.flows.cost.point import Demand
from axdse.flows.netlist.adders import Aim
from axdse.multipliers.designs.design_point import parse_design_point

CLOSED = Hurdle("trial 3 (udm)", 0.95, 0.9, 0.8, 0.01, (1.0, 1.0))  # nothing is trained


@pytest.mark.parametrize(
    ("objectives", "aim"), [("mac.area", "area"), ("mac.area, mac.energy", "energy")]
)
def test_report_and_objective_speak_of_one_netlist(
    objectives: str, aim: Aim, tiny_config: Callable[..., SearchConfig]
) -> None:
    config = tiny_config(f"objectives: [accuracy, {objectives}]")
    point = parse_design_point("exact(n=6) in int6")
    demand = Demand(recording(), "operands.npz")
    cost = evaluate(0, point, config, demand, lambda cost: CLOSED).cost
    array = cost_on_array(point, config, recording())
    assert cost
    assert cost.whole
    assert AREA.of(array) == cost.whole.area_um2
    assert [mac.aim for mac in array.macs] == [aim]
