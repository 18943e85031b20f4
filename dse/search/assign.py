"""Which MAC goes where? Candidates by a sweep over the price of silicon, and their neighbours.

For a price, each place takes that of a chip's MACs whose harm and silicon together are least
(Everett, "Generalized Lagrange multiplier method", 1963); chips are grown MAC by MAC, the most
promising first. Passes do not add up, so this only says which points are worth a thought: a belief
that was learned from trainings says which is trained.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PRICES = tuple(float(price) for price in np.geomspace(1e-4, 1e2, 16))
GRADIENTS = (0.01, 0.1, 1.0)  # what harm in a gradient may count, against harm in forward
MOST_MACS = 64  # that are thought of at more than one place
MOST_CHIPS = 32  # that are grown further, for a price

Choice = tuple[int, ...]  # of each place, the number of its MAC


@dataclass(frozen=True, eq=False)
class Places:
    """What MACs do at the places of a space.

    Attributes:
        forward: float64 [macs, places], mean square error that one brings into forward products.
        backward: likewise into gradients.
        prices: float64 [macs, places], silicon, relative to the dearest MAC everywhere.
        whole: whether a MAC is paid for once, however many places it has, as its area is.
    """

    forward: np.ndarray
    backward: np.ndarray
    prices: np.ndarray
    whole: bool

    def promising(self) -> np.ndarray:
        """Numbers of MACs that no other beats in price and in harm, then of those left, ..."""
        price = self.prices.sum(1)
        kept: list[int] = []
        left = np.argsort(price, kind="stable")
        while len(kept) < MOST_MACS and len(left):
            front = _undominated(left, price, self.forward.sum(1))
            front |= _undominated(left, price, self.backward.sum(1))
            kept += [int(number) for number in left if number in front]
            left = np.array([number for number in left if number not in front], dtype=int)
        return np.array(sorted(kept[:MOST_MACS]), dtype=int)


def _undominated(order: np.ndarray, price: np.ndarray, harm: np.ndarray) -> set[int]:
    """Of MACs in the order of their prices."""
    front, least = set(), np.inf
    for number in order:
        if harm[number] < least:
            least = harm[number]
            front.add(int(number))
    return front


def sweep(places: Places, distinct: int) -> tuple[Choice, ...]:
    """Assignments that are best for some price, with up to so many different MACs."""
    macs = places.promising()
    found: dict[Choice, None] = {}
    for weight in GRADIENTS:
        harm = places.forward[macs] + weight * places.backward[macs]
        harm = harm / max(float(harm.sum(1).max()), 1e-30)
        for price in PRICES:
            for chosen in _chips(harm, places.prices[macs] * price, distinct, places.whole):
                found[tuple(int(macs[each]) for each in chosen)] = None
    return tuple(found)


def _chips(harm: np.ndarray, paid: np.ndarray, distinct: int, whole: bool) -> Iterator[np.ndarray]:
    """The assignments of chips of one MAC, of two, ... at one price."""
    count, width = harm.shape
    each = harm if whole else harm + paid
    fixed = paid.sum(1) if whole else np.zeros(count)
    chips = [(number,) for number in range(count)]
    for _ in range(distinct):
        members = np.array(chips)
        scores = each[members].min(1).sum(1) + fixed[members].sum(1)
        best = np.argsort(np.round(scores, 12), kind="stable")[:MOST_CHIPS]
        for chip in members[best]:
            yield chip[each[chip].argmin(0)]
        grown = {
            tuple(sorted((*chip, number)))
            for chip in map(tuple, members[best].tolist())
            for number in range(count)
            if number not in chip
        }
        chips = sorted(grown)
        if not chips or width == 1:
            return


def neighbours(choice: Choice, macs: np.ndarray, distinct: int) -> Iterator[Choice]:
    """Assignments that differ at one place, within so many different MACs."""
    for place in range(len(choice)):
        for mac in macs:
            changed = (*choice[:place], int(mac), *choice[place + 1 :])
            if changed != choice and len({*changed}) <= distinct:
                yield changed
