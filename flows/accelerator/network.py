"""What energy does a network take on an array of multiply-accumulate units?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from axdse.flows.accelerator.mac import mac_cost
from axdse.flows.accelerator.record import MacCost
from axdse.flows.accelerator.systolic_array import Array, ArrayCost, array_cost, element_fj
from axdse.flows.cost.point import required_mac
from axdse.flows.netlist.adders import Aim
from axdse.flows.power.activity_source import COUNT
from axdse.multipliers.designs.design_point import DesignPoint, Mac, ProductName
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording import Dataflow, OperandRows, OperandTrace, Recording

UJ = 1e-9  # of a fJ
LEAST_PRODUCTS = 128  # of each part of a mean over a training
MOST_PRODUCTS = 2048  # of a layer's recorded sums that are simulated, about


@dataclass(frozen=True)
class LayerEnergy:
    """One product of one layer on an array.

    Attributes:
        layer: name of the layer.
        product: which of its three products.
        design: name of the MAC.
        macs_per_step: multiply-accumulates in a training step.
        macs_per_image: and for each image of it.
        mac_fj: energy of a MAC under the recorded operands, without the operands' registers.
        element_fj: the same with them: what a processing element takes.
        uniform_fj: likewise under uniform operands.
        overflow: see `MacEnergy`.
    """

    layer: str
    product: ProductName
    design: str
    macs_per_step: float
    macs_per_image: float
    mac_fj: float
    element_fj: float
    uniform_fj: float
    overflow: float

    @property
    def step_uj(self) -> float:
        """Energy in a training step, uJ."""
        return self.macs_per_step * self.element_fj * UJ


@dataclass(frozen=True)
class NetworkEnergy:
    """Dynamic energy of a network, uJ.

    Attributes:
        training_step_uj: all products of one step.
        image_uj: of one image of it.
        inference_uj: the forward products of one image.
        uniform_step_uj: `training_step_uj` as uniform operands have it.
        uniform_inference_uj: `inference_uj` likewise.
    """

    training_step_uj: float
    image_uj: float
    inference_uj: float
    uniform_step_uj: float
    uniform_inference_uj: float


NetworkModel = Callable[[Sequence[LayerEnergy]], NetworkEnergy]


@dataclass(frozen=True)
class AcceleratorCost:
    """A network on an array.

    Attributes:
        array: area and clock.
        macs: the distinct MACs.
        layers: one for each layer and product that was recorded.
        network: their sum.
        images_per_step: in the recording.
    """

    array: ArrayCost
    macs: tuple[MacCost, ...]
    layers: tuple[LayerEnergy, ...]
    network: NetworkEnergy
    images_per_step: float


def sum_of_layers(layers: Sequence[LayerEnergy]) -> NetworkEnergy:
    """Energy of each MAC times their number; nothing else takes any."""
    forward = [layer for layer in layers if layer.product == "forward"]
    return NetworkEnergy(
        training_step_uj=sum(x.step_uj for x in layers),
        image_uj=sum(x.macs_per_image * x.element_fj for x in layers) * UJ,
        inference_uj=sum(x.macs_per_image * x.element_fj for x in forward) * UJ,
        uniform_step_uj=sum(x.macs_per_step * x.uniform_fj for x in layers) * UJ,
        uniform_inference_uj=sum(x.macs_per_image * x.uniform_fj for x in forward) * UJ,
    )


def accelerator_cost(
    recording: Recording,
    point: DesignPoint,
    array: Array | None = None,
    library: Path | None = None,
    network_energy: NetworkModel = sum_of_layers,
    clock_ns: float | None = None,
    stages: int = 1,
    aim: Aim = "energy",
) -> AcceleratorCost:
    """Energy of a recorded network on an array whose elements hold every MAC of a point.

    Args:
        recording: with traces in the order of the array's dataflow.
        point: has a MAC for every layer and product recorded.
        array: default: 16 x 16, output-stationary.
        library: a Liberty file; default: OSU 0.18 um.
        network_energy: what the energies of layers add up to.
        clock_ns: see `mac_cost`.
        stages: likewise.
        aim: likewise.

    Raises:
        AxdseError: no such trace or no MAC for one, a place of the point fits no layer, a library
            without power, or as `mac_cost`.
    """
    array = array or Array()
    traces = recorded_traces(recording, array.dataflow)
    point.check_layers(dict.fromkeys(trace.layer for trace in traces))
    sums = whole_sums(recording) if array.dataflow == "output-stationary" else {}
    own: dict[Mac, list[OperandTrace]] = {}
    for trace in traces:
        own.setdefault(required_mac(point, trace.layer, trace.product), []).append(trace)
    macs = []
    layers: dict[tuple[str, str], LayerEnergy] = {}
    for mac, made in own.items():
        recording.check_serves(mac.format)
        met = [sums.get((trace.layer, trace.product), trace) for trace in made]
        macs.append(mac_cost(mac, library, met, clock_ns, stages=stages, aim=aim, apart=True))
        for layer in _layers(macs[-1], made, array, recording):
            layers[layer.layer, layer.product] = layer
    in_order = tuple(layers[trace.layer, trace.product] for trace in traces)
    return AcceleratorCost(
        array=array_cost(macs, array),
        macs=tuple(macs),
        layers=in_order,
        network=network_energy(in_order),
        images_per_step=recording.images / recording.steps,
    )


def recorded_sums(
    recording: Recording, dataflow: Dataflow, products: int = COUNT
) -> tuple[OperandRows | OperandTrace, ...]:
    """What a MAC met in a training, about so many products in proportion to those made.

    Whole sums in output-stationary order; traces where a recording has none, or in the other.

    Raises:
        AxdseError: as `recorded_traces`.
    """
    traces = recorded_traces(recording, dataflow)
    total = sum(trace.multiplications for trace in traces)
    sums = whole_sums(recording) if dataflow == "output-stationary" else {}
    met: list[OperandRows | OperandTrace] = []
    for trace in traces:
        rows = sums.get((trace.layer, trace.product))
        share = products * trace.multiplications // total
        met.append(rows.first(max(LEAST_PRODUCTS, share)) if rows else trace)
    return tuple(met)


def whole_sums(recording: Recording) -> dict[tuple[str, str], OperandRows]:
    """The recorded whole sums by layer and product, those of which two steps can follow."""
    kept = (rows.first(MOST_PRODUCTS) for rows in recording.rows if rows.lengths.max() > 1)
    return {(rows.layer, rows.product): rows for rows in kept}


def recorded_traces(recording: Recording, dataflow: Dataflow) -> tuple[OperandTrace, ...]:
    """The traces in the order of that dataflow from which something follows.

    Raises:
        AxdseError: there are none, or the recording tells no steps.
    """
    traces = tuple(
        trace
        for trace in recording.traces
        if trace.dataflow == dataflow and (trace.lengths > 1).any()
    )
    if not traces or not recording.steps or not recording.images:
        raise AxdseError(
            f"energy takes a recording of training steps with {dataflow.replace('_', '-')} traces",
            f"{len(traces)} traces, {recording.steps} steps of {recording.workload}",
            "record one with 'axdse train --record'",
        )
    return traces


def _layers(
    mac: MacCost, traces: Sequence[OperandTrace], array: Array, recording: Recording
) -> list[LayerEnergy]:
    if mac.uniform is None:
        rule = "energy needs a Liberty library with internal_power, leakage and a voltage"
        raise AxdseError(rule, mac.no_power, "choose another library")
    uniform = element_fj(mac, mac.uniform, array)
    return [
        LayerEnergy(
            layer=trace.layer,
            product=trace.product,
            design=mac.design,
            macs_per_step=trace.multiplications / recording.steps,
            macs_per_image=trace.multiplications / recording.images,
            mac_fj=part.energy.energy_fj,
            element_fj=element_fj(mac, part.energy, array),
            uniform_fj=uniform,
            overflow=part.energy.overflow,
        )
        for trace, part in zip(traces, mac.parts, strict=True)
    ]
