"""Which points could be trained, and what is known of each before? Rows of a table that grows."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.objectives import Measured, losses
from axdse.dse.search.assign import Choice, Places, neighbours, sweep
from axdse.dse.search.space import Space
from axdse.dse.search.survey import Survey
from axdse.multipliers.designs.design_point import DesignPoint


class Candidates:
    """Points of a space, and what a proposal goes by; it is worked out once for each.

    Args:
        space: of the search.
        survey: of its MACs.
        config: of the search.

    Attributes:
        errors: float64 [rows, 2], relative: the largest error of any layer in forward products,
            and the root mean square in gradients.
        costs: float64 [rows, k], about: losses but for the score.
        alike: int64 [rows]: rows that compute alike have the same number.
        allowed: bool [rows]: within the constraints, about.
    """

    def __init__(self, space: Space, survey: Survey, config: SearchConfig) -> None:
        self._space, self._survey, self._config = space, survey, config
        self._macs = list(survey.found)
        if config.costed:
            self._macs = [m for m in self._macs if survey.estimate(DesignPoint.uniform(m))]
        self._number = {mac: number for number, mac in enumerate(self._macs)}
        traces = survey.demand.traces
        own = [_place_of(space, trace.layer, trace.product) for trace in traces]
        self._place = np.array(own, dtype=int)
        self._forward = np.array([trace.product == "forward" for trace in traces])
        found = [survey.found[mac].harms for mac in self._macs]
        self._harms = np.array([[harm.error for harm in each] for each in found])
        self._choices: list[Choice] = []
        self._rows: dict[Choice, int] = {}
        self._by_name: dict[str, int | None] = {}
        self._by_tables: dict[tuple[str, ...], int] = {}
        self._near: dict[int, np.ndarray] = {}
        self.errors, self.costs = np.zeros((0, 2)), np.zeros((0, len(config.costs)))
        self.alike, self.allowed = np.zeros(0, dtype=int), np.zeros(0, dtype=bool)

    def row(self, point: DesignPoint) -> int | None:
        """Of a point of the space; None: one of its MACs is not in the survey."""
        name = point.name
        if name not in self._by_name:
            macs = self._space.macs_of(point)
            known = all(mac in self._number for mac in macs)
            choice = tuple(self._number[mac] for mac in macs if mac) if known else None
            self._by_name[name] = int(self._added([choice])[0]) if choice else None
        return self._by_name[name]

    def rows(self, points: Iterable[DesignPoint]) -> np.ndarray:
        """Of points, those that have one: int64."""
        found = map(self.row, points)
        return np.array([row for row in found if row is not None], dtype=int)

    def point(self, row: int) -> DesignPoint:
        """What a row is of."""
        return self._space.point([self._macs[number] for number in self._choices[row]])

    @cached_property
    def swept(self) -> np.ndarray:
        """Rows of the points that are best at some price, or of all if one MAC is everywhere."""
        if len(self._space.places) == 1:
            return self._added([(number,) for number in range(len(self._macs))])
        return self._added(sweep(self._places, self._space.distinct))

    def around(self, row: int) -> np.ndarray:
        """Rows of its neighbours, which differ from it at one place."""
        if len(self._space.places) == 1:
            return np.zeros(0, dtype=int)
        if row not in self._near:
            found = neighbours(self._choices[row], self._promising, self._space.distinct)
            self._near[row] = self._added(list(found))
        return self._near[row]

    def _added(self, choices: Sequence[Choice]) -> np.ndarray:
        """Rows of choices, which are in the table then."""
        new = [choice for choice in dict.fromkeys(choices) if choice not in self._rows]
        if new:
            self._add(new)
        return np.array([self._rows[choice] for choice in choices], dtype=int)

    def _add(self, choices: Sequence[Choice]) -> None:
        first, config = len(self._choices), self._config
        self._rows |= {choice: first + at for at, choice in enumerate(choices)}
        self._choices += choices
        costs, allowed, alike = [], [], []
        for row, choice in enumerate(choices, first):
            point = self.point(row)
            cost = self._survey.estimate(point)
            costs.append(losses(config.costs, Measured(1.0, cost)))
            allowed.append(self._survey.about_within(config.constraints, point))
            tables = tuple(self._survey.table(self._macs[number]) for number in choice)
            alike.append(self._by_tables.setdefault(tables, len(self._by_tables)))
        self.errors = np.vstack([self.errors, self._errors(np.array(choices))])
        self.costs = np.vstack([self.costs, costs])
        self.allowed = np.append(self.allowed, allowed)
        self.alike = np.append(self.alike, alike)

    def _errors(self, choices: np.ndarray) -> np.ndarray:
        """See `errors`, of choices, int64 [n, places]."""
        errors = self._harms[choices[:, self._place], np.arange(len(self._place))]  # [n, traces]
        forward, backward = errors[:, self._forward], errors[:, ~self._forward]
        gradients = np.sqrt((backward**2).sum(1) / max(1, backward.shape[1]))
        return np.stack([forward.max(1), gradients], 1)

    @cached_property
    def _promising(self) -> np.ndarray:
        return self._places.promising()

    @cached_property
    def _places(self) -> Places:
        count = len(self._space.places)
        shape = (len(self._macs), count)
        forward, backward, shares = np.zeros(shape), np.zeros(shape), np.zeros(count)
        for number, trace in enumerate(self._survey.demand.traces):
            harm = forward if self._forward[number] else backward
            harm[:, self._place[number]] += self._harms[:, number] ** 2
            shares[self._place[number]] += trace.multiplications
        if not self._config.costed:
            return Places(forward, backward, np.zeros(shape), whole=False)
        uniform = self._added([(number,) * count for number in range(len(self._macs))])
        own, first = self.costs[uniform, 0], self._config.costs[0]
        prices = np.outer(own / own.max(), shares / shares.sum())
        return Places(forward, backward, prices, whole="energy" not in first.name)


def _place_of(space: Space, layer: str, product: str) -> int:
    fitting = (n for n, place in enumerate(space.places) if place.fits(layer, product))  # type: ignore[arg-type]
    return next(fitting)
