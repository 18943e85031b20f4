"""The option --mac of the command cost: what do whole processing elements take?"""

from collections.abc import Sequence
from pathlib import Path

from axdse.dse.cli.options import point_of, print_json, print_table, progress_bar, say
from axdse.flows.accelerator.mac import MacCost, Shares, mac_cost
from axdse.flows.accelerator.mac_netlists import Aim
from axdse.flows.accelerator.network import recorded_sums
from axdse.flows.power.activity_file import Order, read_source
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.design_point import Mac
from axdse.multipliers.errors import AxdseError

COLUMNS = ("MAC", "terms", "um2", "multiplier", "sum", "registers", "period ns", "netlist")
ENERGIES = ("MAC", "operands", "fJ", "without glitches", "multiplier", "its share", "sum")
REGISTERS = ("registers", "conversion")


def cost_macs(
    specs: Sequence[str],
    format_text: str | None,
    sum_text: str | None,
    library: Path | None,
    clock_ns: float | None,
    activity: str,
    order: Order,
    stages: int,
    aim: Aim,
    *,
    as_json: bool,
) -> int:
    """Print what the processing elements of MACs take for each product.

    Raises:
        AxdseError: a SPEC is none or several MACs, or the activity is no recording in the order of
            a dataflow.
    """
    if not specs:
        raise AxdseError("a command needs at least one SPEC", "none given", "see 'axdse list'")
    macs = [_mac(spec, format_text, sum_text) for spec in specs]
    source = None if activity == "uniform" else read_source(activity, order)
    if source is not None and not isinstance(source, Recorded):
        rule = "a MAC is costed under a recording in the order of a dataflow"
        raise AxdseError(rule, f"{activity}, {order}", "record one with 'axdse train --record'")
    recorded = recorded_sums(source.recording, source.dataflow) if source else ()
    with progress_bar() as progress:
        costs = tuple(
            mac_cost(mac, library, recorded, clock_ns, stages=stages, aim=aim)
            for mac in progress.track(macs, description="cost")
        )
    if as_json:
        print_json(costs, tuple[MacCost, ...])
        return 0
    print_table("for each product", COLUMNS, [_areas(cost) for cost in costs])
    energies = [row for cost in costs for row in _energies(cost)]
    if energies:
        columns = (*ENERGIES, *REGISTERS)
        print_table("energy of one product and of what it takes, fJ", columns, energies)
    for line in _footnotes(costs, source):
        say(line)
    return 0


def _mac(spec: str, format_text: str | None, sum_text: str | None) -> Mac:
    mac = point_of(spec, format_text, sum_text).uniform_mac
    if mac is None:
        rule = "--mac costs one MAC of a SPEC"
        raise AxdseError(rule, spec, "cost several on an array with 'axdse energy'")
    return mac


def _areas(cost: MacCost) -> tuple[str, ...]:
    multiplier = cost.role_um2("core", "multiplier")
    return (
        *(cost.design, str(cost.terms), f"{cost.element_um2:,.0f}"),
        f"{multiplier:,.0f} ({multiplier / cost.element_um2:.0%})",
        f"{cost.role_um2('sum') + cost.conversion_um2:,.0f}",
        *(f"{cost.registers_um2:,.0f}", f"{cost.delay_ns:.2f}", cost.proof.method),
    )


def _energies(cost: MacCost) -> list[tuple[str, ...]]:
    rows = []
    if cost.uniform:
        rows.append(_energy(cost, "uniform", cost.uniform.timed, cost.uniform.still))
    if cost.recorded:
        rows.append(_energy(cost, "recorded", cost.recorded.timed, cost.recorded.still))
    return rows


def _energy(cost: MacCost, operands: str, timed: Shares, still: Shares) -> tuple[str, ...]:
    pairs = (
        (timed.core + timed.multiplier, still.core + still.multiplier),
        (timed.sum, still.sum),
        tuple(x.stage + x.accumulator + x.operands for x in (timed, still)),
        (timed.conversion, still.conversion),
    )
    multiplier, *others = (f"{with_:,.0f} / {without:,.0f}" for with_, without in pairs)
    return (
        *(cost.design, operands, f"{timed.element_fj:,.0f}", f"{still.element_fj:,.0f}"),
        multiplier,
        f"{timed.multiplier_share:.0%} / {still.multiplier_share:.0%}",
        *others,
    )


def _footnotes(costs: Sequence[MacCost], source: Recorded | None) -> list[str]:
    first = costs[0]
    lines = [f"{first.library}; {', '.join(first.tools)}; {first.date}"]
    lines.append("figures with a stroke: with glitches / without")
    if first.uniform:
        lines.append(first.uniform.activity)
    if source:
        lines.append(f"recorded: {source.name} ({source.recording.workload}), {source.dataflow}")
    lines += dict.fromkeys(_stage(cost) for cost in costs)
    for cost in costs:
        if cost.terms > 1:
            whole = cost.element_um2 * cost.terms
            lines.append(f"{cost.design}: a unit of {cost.terms} products has {whole:,.0f} um2")
        if cost.conversion:
            lines.append(f"{cost.design}: {_conversion(cost)}")
    return lines + ([f"no power: {first.no_power}"] if first.no_power else [])


def _stage(cost: MacCost) -> str:
    kind = "a register before the normaliser" if cost.stage_bits else "no register inside"
    return f"{cost.design}: {kind}{f', {cost.stage_bits} bits' if cost.stage_bits else ''}"


def _conversion(cost: MacCost) -> str:
    made = cost.conversion
    assert made
    when = f"after every {made.chunk} products" if made.chunk else "once per output"
    return f"{made.what} {when}, {made.area_um2:,.0f} um2 shared by {made.elements} elements"
