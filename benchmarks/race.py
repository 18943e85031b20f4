"""What does a race of finalists save, and what does luck cost? Replayed on the truth tables.

usage: nice -n 10 python benchmarks/race.py    writes benchmarks/results/race.json

As `replay.py`, a search trains some points of `teacher-uniform` with one seed; here a seed moves
each point's mean by what one of the pairs of trainings there differs by, drawn anew for each
training. Finalists are those that no cheaper point is ahead of, by a part of the resolution or at
all, and the exact cores. They have all seeds, or race; the front of means is compared with the
true front of what the search trained.
"""

import dataclasses
import functools
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from replay import Replay, Table, front, ours, table, worth

from axdse.dse.bench.machine_record import record
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
    about = dataclasses.asdict(record((), 0.0, False))
    kept = {name: about[name] for name in ("date", "cpu", "cores", "system", "versions")}
    content = {
        "command": "python benchmarks/race.py",
        **kept,
        "games": GAMES,
        "noise_decades": round(float(noise(truths()).std()), 4),
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
