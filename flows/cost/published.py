"""How do the figures that authors publish compare with ours?

EvoApproxLib states area, power and delay in a 45 nm library; ours may be of another one. So ranks
are compared (Spearman), and how well one scale factor fits (Pearson, median error).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axdse.flows.cost.record import Cost
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError

AREA, POWER, DELAY = "PDK45_AREA", "PDK45_PWR", "PDK45_DELAY"
LEAST = 3


@dataclass(frozen=True)
class Agreement:
    """One quantity of several designs, published and ours.

    Attributes:
        published: name of the published figure.
        ours: what it is compared with.
        designs: how many have both.
        spearman: correlation of ranks.
        pearson: correlation of values.
        scale: published over ours, the median.
        median_error: of ours times `scale`, relative to the published figure.
    """

    published: str
    ours: str
    designs: int
    spearman: float
    pearson: float
    scale: float
    median_error: float


def compare_published(
    multipliers: Sequence[Multiplier], costs: Sequence[Cost]
) -> tuple[Agreement, ...]:
    """Compare costs with what the authors of the designs publish.

    Raises:
        AxdseError: fewer than three designs have published figures.
    """
    quantities = [(AREA, "area um2", [cost.area_um2 for cost in costs])]
    if all(cost.uniform for cost in costs):
        energies = [cost.uniform for cost in costs if cost.uniform]
        quantities += [
            (POWER, "fJ per product", [energy.energy_fj for energy in energies]),
            (POWER, "fJ without glitches", [energy.zero_delay_fj for energy in energies]),
        ]
    quantities += [(DELAY, "delay ns", [cost.delay_ns for cost in costs])]
    agreements = [_agreement(multipliers, *quantity) for quantity in quantities]
    if not any(agreements):
        raise AxdseError(
            f"--against published takes {LEAST} designs with published figures",
            f"none of {len(multipliers)} has {AREA}",
            "import EvoApproxLib with 'axdse import' and give it with --catalog",
        )
    return tuple(filter(None, agreements))


def _agreement(
    multipliers: Sequence[Multiplier], name: str, label: str, values: Sequence[float]
) -> Agreement | None:
    known = [{figure.name: figure.value for figure in m.family.published} for m in multipliers]
    pairs = [(k[name], v) for k, v in zip(known, values, strict=True) if name in k]
    if len(pairs) < LEAST:
        return None
    theirs, ours = np.array(pairs).T
    some = (theirs > 0) & (ours > 0)  # a design without gates has an area of 0
    scale = float(np.median(theirs[some] / ours[some])) if some.any() else float("nan")
    return Agreement(
        published=name,
        ours=label,
        designs=len(pairs),
        spearman=spearman(theirs, ours),
        pearson=_correlation(theirs, ours),
        scale=scale,
        median_error=float(np.median(np.abs(ours[some] * scale / theirs[some] - 1))),
    )


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of ranks, of which ties share the mean; NaN if all of a side are equal."""
    # scipy.stats takes half a second to import.
    from scipy.stats import rankdata

    return _correlation(rankdata(x), rankdata(y))


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
