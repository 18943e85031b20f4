"""What does a race of finalists save, and what does luck cost? Replayed on the truth tables.

usage: nice -n 10 python benchmarks/race.py    writes benchmarks/results/race.json

As `replay.py`, a search trains some points of `teacher-uniform` with one seed; here a seed moves
each point's mean by what one of the pairs of trainings there differs by, drawn anew for each
training. Finalists are those that no cheaper point is ahead of, by a part of the resolution or at
all, and the exact cores. They have all seeds, or race; the front of means is compared with the
true front of what the search trained. Then what rungs would do to the trainings of the search.
"""

import dataclasses
import functools
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from provenance import provenance
from replay import Replay, Table, front, ours, table, worth

from axdse.dse.search.finalists import MARGIN
from axdse.dse.search.race import race
from axdse.dse.training.task import make
from axdse.dse.training.workloads import find_workload

RESULTS = Path(__file__).parent / "results" / "race.json"
GAMES = 20
SPENT, SEEDS = 50, 5  # as in examples/quick.yaml
MARGINS = (0.0, MARGIN, 1.0)  # resolutions


@functools.cache
def truths() -> Table:
    return table()


def noise(known: Table) -> np.ndarray:
    """What a training differs by from the mean of its point, of those that have two."""
    apart = known.seen[:, 0] - known.seen[:, 1]
    apart = apart[apart != 0]
    return np.asarray((apart - apart.mean()) / 2**0.5)


@dataclasses.dataclass(frozen=True, eq=False)
class Game:
    """A search that spent its trainings.

    Attributes:
        game: the space as the trials saw it.
        exact: numbers of exact cores.
        done: numbers of what was trained.
        scores: float64 [n, SEEDS], of trainings with fresh seeds.
    """

    game: Replay
    exact: tuple[int, ...]
    done: np.ndarray
    scores: np.ndarray

    def worth(self, points: list[int]) -> float:
        """Share of the hypervolume of all that was trained."""
        truth, areas, floor = self.game.table.truth, self.game.table.areas, self.game.floor
        most = float(areas.max())
        own, whole = (worth(truth[n], areas[n], floor, most) for n in (points, self.done))
        return own / whole

    @property
    def best(self) -> set[int]:
        """The true front of what was trained."""
        truth, areas = self.game.table.truth[self.done], self.game.table.areas[self.done]
        return {int(n) for n in self.done[front(truth, areas, self.game.floor)]}


@functools.cache
def searched(seed: int) -> Game:
    draw, known = np.random.default_rng(seed), truths()
    drift, count = noise(known), len(known.names)
    exact = tuple(n for n, name in enumerate(known.names) if name.startswith("exact("))
    trial = known.truth + draw.choice(drift, count)
    scores = known.truth[:, None] + draw.choice(drift, (count, SEEDS))
    game = Replay(known, np.arange(count), exact, trial, seed)
    return Game(game, exact, np.array(ours(game, SPENT)), scores)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Of one search: finalists, their trainings, points of the front, and of the true one missed.

    `hypervolume` is a share of that of all that was trained.
    """

    finalists: int
    trainings: int
    front: int
    missed: float
    hypervolume: float


def played(seed: int, margin: float, *, races: bool) -> Outcome:
    known = searched(seed)
    trial, areas, floor = known.game.shown, known.game.table.areas, known.game.floor

    def is_ruled_out(point: int) -> bool:
        rivals = (n for n in known.done if n != point and areas[n] <= areas[point])
        return any(trial[n] > trial[point] + margin for n in rivals)

    useful = (int(n) for n in known.done if trial[n] >= floor and not is_ruled_out(n))
    chosen = sorted({*useful, *known.exact}, key=lambda n: (areas[n], n))
    spent = {(n, seed) for n in known.exact for seed in range(SEEDS)}

    def trained(names: Sequence[str], seeds: int) -> list[tuple[float, ...]]:
        spent.update((int(name), seed) for name in names for seed in range(seeds))
        return [tuple(known.scores[int(name), :seeds]) for name in names]

    if races:
        costs = {str(n): (float(areas[n]),) for n in chosen}
        found = [int(name) for name in race(costs, SEEDS, trained, floor).front]
    else:
        means = np.array(trained([str(n) for n in chosen], SEEDS)).mean(1)
        found = [chosen[n] for n in front(means, areas[chosen], floor)]
    missed = len(known.best - {*found}) / len(known.best)
    return Outcome(len(chosen), len(spent), len(found), missed, known.worth(found))


def stopped_at(seed: int, rungs: Sequence[int], margin: float) -> dict[str, float]:
    """What trainings take and lose if a rung ends them: a cheaper one led there by a margin.

    Args:
        seed: of the search, whose first trainings are of exact cores and go on.
        rungs: epochs after which trainings are compared, at equal seed; none: it is as a search
            has it, which ends what cannot pass its rival with the largest gain seen so far.
        margin: decades.
    """
    known = searched(seed)
    curves, areas = known.game.table.curves, known.game.table.areas
    epochs, ended, gains = curves.shape[1], dict[int, int](), np.zeros(curves.shape[1])
    for n in map(int, known.done):
        rivals = [m for m in map(int, known.done[: len(ended)]) if areas[m] <= areas[n]]
        rivals = [m for m in rivals if ended[m] == epochs]
        ended[n] = epochs
        if n not in known.exact and rivals:
            best = max(known.game.floor, *curves[rivals, -1])
            for epoch in rungs or range(1, epochs):
                own, lead = curves[n, epoch - 1], curves[rivals, epoch - 1].max()
                hopeless = own + gains[epoch - 1] + margin < best
                if own + margin < lead if rungs else hopeless:
                    ended[n] = epoch
                    break
        if ended[n] == epochs:
            gains = np.maximum(gains, curves[n, -1] - curves[n])
    lost = [n for n in known.best if ended[n] < epochs]
    return {
        "epochs": sum(ended.values()) / (epochs * len(ended)),
        "lost": len(lost) / len(known.best),
    }


def rungs(resolution: float) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for at, margin in (((), 1), ((2,), 0), ((2,), 1), ((2,), 4), ((5,), 0), ((5,), 1), ((5,), 4)):
        games = [stopped_at(seed, at, margin * resolution) for seed in range(GAMES)]
        means = {k: round(statistics.fmean(g[k] for g in games), 4) for k in games[0]}
        found.append({"rungs": at, "margin": margin, **means})
        print(found[-1], flush=True)
    return found


def main() -> None:
    resolution = make(find_workload("teacher")).task.metric.resolution
    rows = []
    for margin in MARGINS:
        for races in (False, True):
            games = [played(s, margin * resolution, races=races) for s in range(GAMES)]
            means = {
                field.name: round(statistics.fmean(getattr(g, field.name) for g in games), 4)
                for field in dataclasses.fields(Outcome)
            }
            rows.append({"margin": margin, "races": races, **means})
            print(rows[-1], flush=True)
    content = {
        "command": "python benchmarks/race.py",
        **provenance(),
        "games": GAMES,
        "noise_decades": round(float(noise(truths()).std()), 4),
        "rows": rows,
        "rungs": rungs(resolution),
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
