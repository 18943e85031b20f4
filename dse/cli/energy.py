"""The command energy, and cost --mac: what do whole MACs take, one or an array of them?"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

import click

from axdse.dse.cli.options import (
    PATH,
    format_option,
    json_option,
    off_by,
    point_of,
    print_json,
    print_table,
    progress_bar,
    say,
)
from axdse.flows.accelerator.mac import mac_cost
from axdse.flows.accelerator.network import (
    AcceleratorCost,
    LayerEnergy,
    accelerator_cost,
    recorded_sums,
    recorded_traces,
)
from axdse.flows.accelerator.record import MacCost, Shares
from axdse.flows.accelerator.systolic_array import parse_array
from axdse.flows.netlist.adders import Aim
from axdse.flows.power.activity_file import Order, read_source
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.design_point import PRODUCTS, DesignPoint, Mac, Place
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.operands.recording import DATAFLOWS, Dataflow
from axdse.multipliers.operands.recording_file import load_recording

MAC_COLUMNS = ("MAC", "terms", "um2", "multiplier", "sum", "registers", "period ns", "netlist")
ENERGY_COLUMNS = ("MAC", "operands", "fJ", "without glitches", "multiplier", "its share", "sum")
REGISTER_COLUMNS = ("registers", "conversion")
LAYER_COLUMNS = (
    *("layer", "product", "design", "MACs per step", "fJ per MAC", "with registers"),
    *("uniform fJ", "uniform off by"),
    *("uJ per step", "share"),
)
TOTAL_COLUMNS = (
    *("design", "uJ per training step", "uniform", "uJ per trained image"),
    *("uJ per inference", "uniform", "array mm2", "period ns"),
)


aim_option = click.option(
    "--aim",
    type=click.Choice(get_args(Aim)),
    help="What full adders must save to be there; default: energy.",
)


@click.command(short_help="Energy of a recorded network on an array of MACs.")
@click.argument("recording", type=PATH)
@click.argument("specs", nargs=-1, metavar="SPEC...")
@format_option
@click.option(
    "--assign",
    "assignments",
    multiple=True,
    metavar="LAYER[:PRODUCT]=SPEC",
    help="Another design for layers of that name, wildcards allowed; the first that fits counts.",
)
@click.option("--array", "size", default="16x16", show_default=True, metavar="ROWSxCOLUMNS")
@click.option(
    "--dataflow",
    type=click.Choice(DATAFLOWS),
    default="output-stationary",
    show_default=True,
    help="Which operands follow one another, and which registers the clock reaches.",
)
@click.option("--library", type=PATH, metavar="FILE.lib", help="Liberty, osu018 or nangate45.")
@click.option("--clock", "clock_ns", type=float, metavar="NS", help="Map unit and adder for it.")
@aim_option
@json_option
def energy(
    recording: Path,
    specs: tuple[str, ...],
    format_text: str | None,
    assignments: tuple[str, ...],
    size: str,
    dataflow: Dataflow,
    library: Path | None,
    clock_ns: float | None,
    aim: Aim | None,
    as_json: bool,
) -> int:
    """Energy per training step and inference of a network, with the operands that it multiplied.

    RECORDING is what 'axdse train --record' wrote. Each SPEC in turn multiplies in every layer,
    but where --assign names another design; a design point, or the YAML file of one, may stand in
    place of a SPEC. Counted are multiplier, adder, accumulator and the
    operands' registers of each processing element; not memories, interconnect and control.
    """
    array = parse_array(size, dataflow)
    record = load_recording(recording)
    recorded_traces(record, array.dataflow)  # refuses at once what has none
    if not specs:
        raise AxdseError("a command needs at least one SPEC", "none given", "see 'axdse list'")
    overrides = [each for text in assignments for each in _override(text, format_text)]
    points = [_assigned(point_of(spec, format_text), overrides) for spec in specs]
    with progress_bar() as progress:
        costs = tuple(
            accelerator_cost(record, point, array, library, clock_ns=clock_ns, aim=aim or "energy")
            for point in progress.track(points, description="energy")
        )
    if as_json:
        print_json(costs, tuple[AcceleratorCost, ...])
        return 0
    for cost in costs:
        _print_layers(cost)
    totals = [_totals(spec, cost) for spec, cost in zip(specs, costs, strict=True)]
    print_table("", TOTAL_COLUMNS, totals)
    for line in _footnotes(costs):
        say(line)
    return 0


def _override(text: str, format_text: str | None) -> list[tuple[Place, Mac | None]]:
    """Places, as many as the pattern of products fits, and their design."""
    place, _, spec = text.partition("=")
    layer, _, pattern = place.partition(":")
    if not layer or not spec:
        rule = "--assign takes LAYER=SPEC or LAYER:PRODUCT=SPEC"
        raise AxdseError(rule, repr(text), "write for example 'fc*:forward=exact(n=8)'")
    fitting = [product for product in PRODUCTS if fnmatchcase(product, pattern or "*")]
    if not fitting:
        raise AxdseError("--assign names a product", pattern, did_you_mean(pattern, PRODUCTS))
    mac = point_of(spec, format_text).uniform_mac
    if len(fitting) == len(PRODUCTS):
        return [(Place(layer), mac)]
    return [(Place(layer, product), mac) for product in fitting]


def _assigned(point: DesignPoint, overrides: Sequence[tuple[Place, Mac | None]]) -> DesignPoint:
    return DesignPoint((*overrides, *point.places))


def _print_layers(cost: AcceleratorCost) -> None:
    rows = [_row(layer, cost.network.training_step_uj) for layer in cost.layers]
    print_table("", LAYER_COLUMNS, rows)


def _row(layer: LayerEnergy, total_uj: float) -> tuple[str, ...]:
    spec = layer.design.partition(" in ")[0]
    return (
        layer.layer,
        layer.product.replace("_", " "),
        spec,
        f"{layer.macs_per_step:,.0f}",
        f"{layer.mac_fj:,.0f}",
        f"{layer.element_fj:,.0f}",
        f"{layer.uniform_fj:,.0f}",
        off_by(layer.uniform_fj, layer.element_fj),
        f"{layer.step_uj:,.4g}",
        f"{layer.step_uj / total_uj:.1%}" if total_uj else "-",
    )


def _totals(name: str, cost: AcceleratorCost) -> tuple[str, ...]:
    network = cost.network
    step, inference = network.training_step_uj, network.inference_uj
    return (
        f"{name} and others" if len(cost.macs) > 1 else name,
        f"{step:,.6g}",
        off_by(network.uniform_step_uj, step),
        f"{network.image_uj:,.4g}",
        f"{inference:,.4g}",
        off_by(network.uniform_inference_uj, inference),
        f"{cost.array.area_um2 / 1e6:,.3f}",
        f"{cost.array.delay_ns:.2f}",
    )


def _footnotes(costs: Sequence[AcceleratorCost]) -> list[str]:
    first, mac = costs[0], costs[0].macs[0]
    array = first.array.array
    lines = [
        f"{array.rows} x {array.columns}, {array.dataflow}; "
        f"{first.images_per_step:g} images per step; "
        f"clock {first.array.clock_fj / 1e3:,.1f} pJ per cycle; "
        f"leakage {first.array.leakage_nw / 1e3:,.1f} uW"
    ]
    # Designs assigned with --assign come with every SPEC.
    lines += dict.fromkeys(_shares(each) for cost in costs for each in cost.macs)
    lines.append(f"{mac.library}; {', '.join(mac.tools)}; {mac.date}")
    worst = max((layer for cost in costs for layer in cost.layers), key=lambda x: x.overflow)
    if worst.overflow:
        lines.append(
            f"the unit makes {worst.overflow:.0%} of the products of {worst.layer} "
            f"{worst.product.replace('_', ' ')} infinite: its energy is that of a saturated MAC"
        )
    return lines


def _shares(mac: MacCost) -> str:
    """Where area goes."""
    multiplier, adder = mac.role_um2("core", "multiplier"), mac.role_um2("sum")
    return (
        f"MAC of {mac.design}: for each product {mac.element_um2:,.0f} um2, of which multiplier "
        f"{multiplier:,.0f}, sum {adder:,.0f}, registers {mac.registers_um2:,.0f}"
    )


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
    if source:
        for mac in macs:
            source.recording.check_serves(mac.format)
    recorded = recorded_sums(source.recording, source.dataflow) if source else ()
    with progress_bar() as progress:
        costs = tuple(
            mac_cost(mac, library, recorded, clock_ns, stages=stages, aim=aim)
            for mac in progress.track(macs, description="cost")
        )
    if as_json:
        print_json(costs, tuple[MacCost, ...])
        return 0
    print_table("for each product", MAC_COLUMNS, [_areas(cost) for cost in costs])
    energies = [row for cost in costs for row in _energies(cost)]
    if energies:
        columns = (*ENERGY_COLUMNS, *REGISTER_COLUMNS)
        print_table("energy of one product and of what it takes, fJ", columns, energies)
    for line in _mac_footnotes(costs, source):
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


def _mac_footnotes(costs: Sequence[MacCost], source: Recorded | None) -> list[str]:
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
