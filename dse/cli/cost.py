"""The command cost: what are area, delay and power of designs?"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import click

from axdse.dse.cli.energy import aim_option, cost_macs
from axdse.dse.cli.options import (
    PATH,
    candidate_of,
    catalog_in_use,
    format_option,
    is_point,
    json_option,
    multipliers_of,
    off_by,
    point_of,
    print_json,
    print_table,
    progress_bar,
    say,
    sum_option,
)
from axdse.flows.cost.batch import costs_of
from axdse.flows.cost.fast.estimate import fast_costs
from axdse.flows.cost.point import Demand, PointCost, check_unit_sums, point_cost
from axdse.flows.cost.published import compare_published
from axdse.flows.cost.record import Cost, Energy, FastCost
from axdse.flows.netlist.adders import Aim
from axdse.flows.power.activity_file import Order, read_source
from axdse.flows.power.activity_source import Design
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError

COLUMNS = ("design", "area um2", "NAND2 equivalents", "delay ns", "cells")
GRID_BITS = 8
POINT_COLUMNS = (*COLUMNS, "share of products", "fJ per product", "recorded fJ")
POWER_COLUMNS = ("fJ per product", "without glitches", "leakage nW")


@click.command(short_help="Area, delay and power from real synthesis.")
@click.argument("specs", nargs=-1, metavar="SPEC...")
@click.option("--all", "whole", is_flag=True, help="Every core of up to 8 bits.")
@click.option("--bits", type=click.IntRange(1), help="With --all: cores of that width alone.")
@format_option
@sum_option
@click.option("--core", is_flag=True, help="The bare core instead of the whole unit.")
@click.option(
    "--mac", "whole_mac", is_flag=True, help="The whole MAC: multiplier, sum, registers."
)
@click.option(
    "--stages",
    type=click.IntRange(0, 1),
    help="With --mac: registers before a normaliser in the loop; default: 1.",
)
@aim_option
@click.option("--fast", is_flag=True, help="Area and delay alone, many designs in one process.")
@click.option("--library", type=PATH, metavar="FILE.lib", help="Liberty, osu018 or nangate45.")
@click.option("--clock", "clock_ns", type=float, metavar="NS", help="Delay target; shows slack.")
@click.option(
    "--activity",
    default="uniform",
    metavar="uniform|FILE.npz",
    help="Operands: a recording, or a trace of codes a and b; shown beside uniform ones.",
)
@click.option(
    "--dataflow",
    type=click.Choice(get_args(Order)),
    default="output-stationary",
    show_default=True,
    help="Of a recording: in whose order pairs follow.",
)
@click.option(
    "--against", type=click.Choice(["published"]), help="Correlate with figures of the authors."
)
@click.option("--jobs", type=click.IntRange(1), help="Designs at a time; default: all cores.")
@json_option
def cost(
    specs: tuple[str, ...],
    whole: bool,
    bits: int | None,
    format_text: str | None,
    sum_text: str | None,
    core: bool,
    whole_mac: bool,
    stages: int | None,
    aim: Aim | None,
    fast: bool,
    library: Path | None,
    clock_ns: float | None,
    activity: str,
    dataflow: Order,
    against: str | None,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Area, delay and power of the mapped netlist, with the tables of a real cell library.

    Energy is dynamic, per multiplication, at the library's nominal voltage, with glitches and
    without; wires weigh nothing. The netlist is compared with the C model first. With --clock,
    a design that no recipe makes fast enough is infeasible. Each design is mapped with full adders
    and without, and the netlist with less of --aim counts. With --all, a run that was killed
    goes on where it ended, and cores are costed.

    A design point, or the YAML file of one, may stand in place of a SPEC: each distinct MAC is
    costed under the operands of the products that it makes in --activity; areas add up, the
    slowest sets the delay, energies are weighed with the numbers of products.

    With --mac the whole processing element is costed, with the sum of --sum or of the format:
    area, period and energy of one product, without glitches beside it, the multiplier's share.
    """
    if whole_mac:
        for option, given in (
            *(("--core", core), ("--fast", fast), ("--all", whole), ("--bits", bits)),
            *(("--against", against), ("--jobs", jobs)),
        ):
            if given:
                raise AxdseError(f"{option} has no place beside --mac", option, "drop it")
        return cost_macs(
            *(specs, format_text, sum_text, library, clock_ns, activity, dataflow),
            *(1 if stages is None else stages, aim or "energy"),
            as_json=as_json,
        )
    for option, set_ in (("--sum", sum_text), ("--stages", stages is not None)):
        if set_:
            raise AxdseError(f"{option} is of the whole MAC", option, "add --mac")
    if any(map(is_point, specs)):
        only_specs = core or fast or whole or against or bits
        places = library, clock_ns, aim or "energy", activity, dataflow
        return _cost_points(specs, format_text, *places, bool(only_specs), as_json)
    start = time.monotonic()
    bare = core or whole or bool(against)
    for option, given, rule in (
        ("--bits", bits and not whole, "goes with --all"),
        ("--format", format_text and bare, "is of units: cores have none"),
        ("--json", as_json and against, "has no place for the table of --against"),
    ):
        if given:
            raise AxdseError(f"{option} {rule}", option, "drop it")
    multipliers = _grid(specs, bits) if whole else multipliers_of(specs)
    designs: list[Design] = [m if bare else candidate_of(m, format_text) for m in multipliers]
    if fast and (clock_ns is not None or activity != "uniform" or against or aim):
        rule = "--fast knows neither clock nor activity, and no full adders"
        raise AxdseError(rule, "--clock, --activity, --aim, --against", "drop one")
    costs: Iterator[Cost | FastCost | AxdseError] = (
        fast_costs(designs, library, jobs)
        if fast
        else costs_of(
            designs, library, read_source(activity, dataflow), clock_ns, jobs, aim or "energy"
        )
    )
    with progress_bar() as progress:
        got = list(progress.track(costs, total=len(designs), description="cost"))
    failures = [item for item in got if isinstance(item, AxdseError)]
    found = [item for item in got if not isinstance(item, AxdseError)]
    if failures and not found:
        raise failures[0]
    _print(found, as_json)
    if against:
        pairs = [(m, c) for m, c in zip(multipliers, got, strict=True) if isinstance(c, Cost)]
        _print_agreement([m for m, _ in pairs], [c for _, c in pairs])
    for failure in failures:
        say(f"no cost: {failure}", err=True)
    if whole:
        seconds = time.monotonic() - start
        say(f"{len(found)} of {len(designs)} designs costed in {seconds:.1f} s", err=True)
    return 2 if failures else 0


def _cost_points(
    specs: tuple[str, ...],
    format_text: str | None,
    library: Path | None,
    clock_ns: float | None,
    aim: Aim,
    activity: str,
    dataflow: Order,
    only_specs: bool,
    as_json: bool,
) -> int:
    """Cost design points, unit by unit."""
    if only_specs:
        rule = "a design point is costed as whole units, in full"
        raise AxdseError(rule, ", ".join(specs), "drop --core, --fast, --all and --against")
    points = [point_of(spec, format_text) for spec in specs]
    for point in points:
        check_unit_sums(point)
    source = read_source(activity, dataflow)
    if isinstance(source, Recorded):
        demand = Demand(source.recording, source.name, source.dataflow)
    elif activity == "uniform":
        demand = Demand()
    else:
        rule = "a design point is costed under a recording in the order of a dataflow"
        raise AxdseError(rule, f"{activity}, {dataflow}", "record one with 'axdse train --record'")
    with progress_bar() as progress:
        costs = tuple(
            point_cost(point, demand, library, clock_ns, aim)
            for point in progress.track(points, description="cost")
        )
    if as_json:
        print_json(costs, tuple[PointCost, ...])
        return 0
    for point, cost in zip(points, costs, strict=True):
        print_table(point.name, POINT_COLUMNS, _point_rows(cost))
    for line in _footnotes(costs[0].units):
        say(line)
    return 0


def _point_rows(cost: PointCost) -> list[tuple[str, ...]]:
    """A row a unit, then all of them."""
    rows = [
        (
            *_figures(unit),
            f"{share:.1%}",
            f"{unit.uniform.energy_fj:,.0f}" if unit.uniform else "-",
            f"{unit.recorded.energy_fj:,.0f}" if unit.recorded else "-",
        )
        for unit, share in zip(cost.units, cost.shares, strict=True)
    ]
    total = (
        *("all", f"{cost.area_um2:,.1f}", f"{cost.gate_equivalents:,.1f}"),
        *(f"{cost.delay_ns:.3f}", str(cost.cells), "100.0%"),
        "-" if cost.uniform_fj is None else f"{cost.uniform_fj:,.0f}",
        "-" if cost.recorded_fj is None else f"{cost.recorded_fj:,.0f}",
    )
    return [*rows, total]


def _grid(specs: tuple[str, ...], bits: int | None) -> list[Multiplier]:
    if specs:
        raise AxdseError("--all takes no SPEC", " ".join(specs), "drop one of them")
    widths = {bits} if bits else set(range(GRID_BITS + 1))
    chosen = [m for m in catalog_in_use().grid() if max(m.a_bits, m.b_bits) in widths]
    if not chosen:
        raise AxdseError("--bits is the width of some core", bits, "see 'axdse list'")
    return chosen


def _print(costs: Sequence[Cost | FastCost], as_json: bool) -> None:
    full = tuple(cost for cost in costs if isinstance(cost, Cost))
    fast = tuple(cost for cost in costs if isinstance(cost, FastCost))
    if as_json:
        print_json(fast or full, tuple[FastCost, ...] if fast else tuple[Cost, ...])
    elif fast:
        print_table("", COLUMNS, [_figures(cost) for cost in fast])
        say(f"{fast[0].library}; {', '.join(fast[0].tools)}; {fast[0].date}")
    elif full:
        _print_full(full)


def _print_full(costs: Sequence[Cost]) -> None:
    recorded = any(cost.recorded for cost in costs)
    timed = any(cost.clock_ns for cost in costs)
    pipelined = any(cost.registers for cost in costs)
    optional = (("registers", pipelined), ("recorded fJ", recorded), ("slack ns", timed))
    extra = (name for name, shown in optional if shown)
    columns = (*COLUMNS, *POWER_COLUMNS, *extra, "netlist")
    rows = [
        (
            *_figures(cost),
            *_power(cost.uniform),
            *((str(cost.registers),) if pipelined else ()),
            *((_with_share(cost),) if recorded else ()),
            *((_slack(cost),) if timed else ()),
            cost.proof.method,
        )
        for cost in costs
    ]
    print_table("", columns, rows)
    for line in _footnotes(costs):
        say(line)


def _print_agreement(multipliers: Sequence[Multiplier], costs: Sequence[Cost]) -> None:
    rows = [
        (
            a.published,
            a.ours,
            str(a.designs),
            f"{a.spearman:.3f}",
            f"{a.pearson:.3f}",
            f"{a.median_error:.1%}",
        )
        for a in compare_published(multipliers, costs)
    ]
    columns = ("published", "ours", "designs", "Spearman", "Pearson", "median error, scaled")
    print_table("", columns, rows)


def _figures(cost: Cost | FastCost) -> tuple[str, ...]:
    area, gates = f"{cost.area_um2:,.1f}", f"{cost.gate_equivalents:,.1f}"
    return cost.design, area, gates, f"{cost.delay_ns:.3f}", str(cost.cells)


def _slack(cost: Cost) -> str:
    slack = cost.slack_ns
    if slack is None:
        return "-"
    return f"{slack:.3f}" if cost.feasible else f"{slack:.3f} infeasible"


def _power(energy: Energy | None) -> tuple[str, str, str]:
    if energy is None:
        return "-", "-", "-"
    return f"{energy.energy_fj:,.0f}", f"{energy.zero_delay_fj:,.0f}", f"{energy.leakage_nw:.2f}"


def _with_share(cost: Cost) -> str:
    """The recorded energy, and how far off the uniform one is."""
    if cost.recorded is None or cost.uniform is None:
        return "-"
    recorded, uniform = cost.recorded.energy_fj, cost.uniform.energy_fj
    return f"{recorded:,.0f} (uniform {off_by(uniform, recorded)})"


def _footnotes(costs: Sequence[Cost]) -> list[str]:
    first = costs[0]
    energies = [energy for energy in (first.uniform, first.recorded) if energy]
    lines = [f"{first.library}; {', '.join(first.tools)}; {first.date}"]
    lines += [f"activity: {energy.activity}; {energy.voltage_v:g} V" for energy in energies]
    lines += [f"netlist: {first.proof.text}"] if len(costs) == 1 else []
    lines += [f"full adders where they save {first.aim}"]
    return lines + ([f"no power: {first.no_power}"] if first.no_power else [])
