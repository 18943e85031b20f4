"""Which table or leakage of a library counts in which states of a cell?

An entry with a condition goes before one without; states that meet none take the mean of all.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from axdse.flows.liberty.cells import Leakage, PowerArc
from axdse.flows.liberty.tables import Table


class Stateful(Protocol):
    """A cell whose states are numbered."""

    @property
    def leakage(self) -> tuple[Leakage, ...]:
        """By state; empty: the library does not tell."""

    def holds(self, condition: str) -> np.ndarray:
        """Bool [states]: those that meet a condition."""


def shares(
    cell: Stateful, arcs: Sequence[PowerArc], edge: int, here: np.ndarray
) -> Iterator[tuple[np.ndarray, Table]]:
    """Weights [states] of each table of an edge (0: rise, 1: fall) among the states `here`."""
    tables = [arc.fall if edge else arc.rise for arc in arcs]
    told = [(arc.when, table) for arc, table in zip(arcs, tables, strict=True) if table]
    left = here.copy()
    weights = []
    for when, _ in sorted(told, key=lambda entry: not entry[0]):
        claimed = left & cell.holds(when)
        weights.append(claimed.astype(float))
        left &= ~claimed
    for weight, (_, table) in zip(weights, sorted(told, key=lambda e: not e[0]), strict=True):
        weight += left / len(told)
        if weight.any():
            yield weight, table


def leakage_nw(cell: Stateful, rests: np.ndarray) -> float:
    """Sum of the leakage over all visits; `rests` [states] says how many there are of each."""
    left = np.ones(rests.size, dtype=bool)
    total = 0.0
    for entry in sorted(cell.leakage, key=lambda entry: not entry.when):
        here = left & cell.holds(entry.when)
        total += entry.nw * float(rests[here].sum())
        left &= ~here
    if left.any() and cell.leakage:
        mean = math.fsum(entry.nw for entry in cell.leakage) / len(cell.leakage)
        total += mean * float(rests[left].sum())
    return total
