"""What is known of each MAC of a space before any training? As a run keeps it."""

from dataclasses import dataclass

from axdse.flows.cost.point import PointCost
from axdse.multipliers.designs.design_point import ProductName


@dataclass(frozen=True)
class Harm:
    """What a MAC does to one product of one layer.

    Attributes:
        layer: name of the layer.
        product: which of its three.
        error: root mean square of the error of its sums, less a common gain, relative to the sums.
        bias: mean error of a product, relative to the mean magnitude of products.
        lost: share of the products, none of whose operands is zero, that are zero.
    """

    layer: str
    product: ProductName
    error: float
    bias: float
    lost: float


@dataclass(frozen=True)
class Surveyed:
    """What is known of a MAC.

    Attributes:
        mac: its text.
        table: SHA-256 (hex) of its products and its sum; equal ones compute alike.
        area_um2: of the unit, about; None: no objective is a cost.
        delay_ns: likewise.
        harms: what it does to each product of each layer.
    """

    mac: str
    table: str
    area_um2: float | None
    delay_ns: float | None
    harms: tuple[Harm, ...]


@dataclass(frozen=True)
class ExactCost:
    """What the exact core of a format takes.

    Attributes:
        summed: the format, and its sum, as they follow `in` in the text of a MAC.
        cost: in full.
    """

    summed: str
    cost: PointCost


@dataclass(frozen=True)
class SurveyRecord:
    """A survey of a space.

    Attributes:
        basis: SHA-256 (hex) of what it depends on beside the configuration.
        macs: in the order of the space; those without a table or a netlist are left out.
        exact: of each format.
    """

    basis: str
    macs: tuple[Surveyed, ...]
    exact: tuple[ExactCost, ...]
