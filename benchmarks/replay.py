"""How many trainings does a search need? Searches replayed on tables where everything is trained.

usage: nice -n 10 python benchmarks/replay.py    writes benchmarks/results/replay.json

A search that is replayed takes its scores from `benchmarks/results/truth`, so that it runs in
seconds. Each is run with 20 seeds; a seed decides which of a point's trainings the trials see,
what is drawn, and which nine tenths of the space are there. After each training the front is that
of the trials, as finalists are chosen, and its worth is the hypervolume of the true scores, means
over the trainings that are there, over that of the whole space. A point of the true front is
missed for good if it was trained, and the front of the trials leaves it out.

Ours is `axdse.dse.search`: the belief, the gain and the errors under recorded operands are those
of a search. Ablations replace one of them at a time.
"""

import csv
import functools
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import torch
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from provenance import provenance
from scipy.stats import spearmanr
from truth import FAMILIES, FORMATS, RESULTS

from axdse.dse.run.config import SearchConfig
from axdse.dse.search.acquire import expected_gain
from axdse.dse.search.belief import Belief, Learner
from axdse.dse.search.predict import harms
from axdse.dse.search.propose import FAR, WEIGHTS
from axdse.dse.search.space import Space, space_of
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.flows.cost.fast.estimate import fast_costs
from axdse.multipliers.designs.design_point import Mac, parse_design_point, parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.tables.lut import build_lut

REPLAY = Path(__file__).parent / "results" / "replay.json"
KNOWN = RESULTS / "macs.csv"
SEEDS = 20
LARGEST_LOSS = 1.0  # decades, as in examples/quick.yaml
PART = 0.9  # of a space that a seed sees
BUDGETS = (0.05, 0.1, 0.2, 0.3, 0.5)
TARGET = 0.99
RECORD_EVERY = 6


@dataclass(frozen=True, eq=False)
class Table:
    """A space where everything is trained.

    Attributes:
        names: of the MACs, n of them.
        seen: float64 [n, 2], scores of two trainings; where there is one it stands twice.
        areas: float64 [n], um2, of units by the fast road.
        errors: float64 [n, 2], what a belief goes by.
        curves: float64 [n, epochs], scores of the first training.
        paired: how many have two trainings.
    """

    names: tuple[str, ...]
    seen: np.ndarray
    areas: np.ndarray
    errors: np.ndarray
    curves: np.ndarray
    paired: int

    @property
    def truth(self) -> np.ndarray:
        """Float64 [n], mean scores."""
        return np.asarray(self.seen.mean(1))


def table() -> Table:
    """The truth table of `teacher-uniform`, as far as it goes."""
    found: dict[str, dict[int, list[float]]] = {}
    with (RESULTS / "teacher-uniform.csv").open() as file:
        for row in csv.DictReader(file):
            scores = [float(score) for score in row["scores"].split()]
            found.setdefault(row["point"], {})[int(row["seed"])] = scores
    known = macs()
    names = tuple(name for name, by_seed in found.items() if 0 in by_seed and name in known)
    seen = [[found[n][0][-1], found[n].get(1, found[n][0])[-1]] for n in names]
    return Table(
        names,
        np.array(seen),
        np.array([known[name][0] for name in names]),
        np.array([known[name][1:] for name in names]),
        np.array([found[name][0] for name in names]),
        sum(1 in found[name] for name in names),
    )


def macs() -> dict[str, tuple[float, float, float]]:
    """Area of the unit, largest error in forward products, error in gradients, of each MAC."""
    if not KNOWN.exists():
        exact = parse_design_point("exact(n=8) in bf16")
        trained = train(find_workload("teacher"), exact, None, 1, record_every=RECORD_EVERY)
        assert trained.recording is not None
        traces = [t for t in trained.recording.traces if t.dataflow == "output-stationary"]
        every = list(classes().values())
        rows = []
        for mac, cost in zip(every, fast_costs([mac.candidate for mac in every]), strict=True):
            if isinstance(cost, AxdseError):
                continue
            found = harms(build_lut(mac.candidate), traces)
            forward = max(harm.error for harm in found if harm.product == "forward")
            gradients = [harm.error**2 for harm in found if harm.product != "forward"]
            rms = statistics.fmean(gradients) ** 0.5
            rows.append((mac.name, f"{cost.area_um2:.6g}", f"{forward:.5g}", f"{rms:.5g}"))
        with KNOWN.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("mac", "area_um2", "forward", "gradients"), *rows])
    with KNOWN.open() as file:
        read = csv.DictReader(file)
        return {
            row["mac"]: (float(row["area_um2"]), float(row["forward"]), float(row["gradients"]))
            for row in read
        }


@functools.cache
def space() -> Space:
    return space_of(SearchConfig("teacher", FORMATS, families=FAMILIES))


@functools.cache
def digests() -> dict[Mac, str]:
    """Of the table of each MAC of the space."""
    found = {}
    for mac in space().macs():
        try:
            found[mac] = build_lut(mac.candidate).digest
        except AxdseError:
            continue
    return found


def classes() -> dict[str, Mac]:
    """The first MAC of each table."""
    found: dict[str, Mac] = {}
    for mac, digest in digests().items():
        found.setdefault(digest, mac)
    return found


def worth(scores: np.ndarray, areas: np.ndarray, floor: float, largest: float) -> float:
    """Hypervolume over score and area of some points, above `floor` and below `largest`."""
    volume, best = 0.0, floor
    for number in np.argsort(areas, kind="stable"):
        if scores[number] > best and areas[number] < largest:
            volume += (scores[number] - best) * (largest - areas[number])
            best = scores[number]
    return float(volume)


def front(scores: np.ndarray, areas: np.ndarray, floor: float) -> np.ndarray:
    """Numbers of points that no other beats."""
    kept, best = [], floor
    for number in sorted(range(len(scores)), key=lambda n: (areas[n], -scores[n])):
        if scores[number] > best:
            kept.append(number)
            best = scores[number]
    return np.array(kept, dtype=int)


@dataclass(frozen=True, eq=False)
class Replay:
    """A space as one seed sees it.

    Attributes:
        table: of all.
        there: numbers of its points.
        first: those of exact cores, which every search trains first.
        shown: float64 [n], what the trials reach.
        seed: of draws.
    """

    table: Table
    there: np.ndarray
    first: tuple[int, ...]
    shown: np.ndarray
    seed: int

    @property
    def floor(self) -> float:
        """The score of what is of no use."""
        return float(self.shown[list(self.first)].max() - LARGEST_LOSS)

    def share(self, trained: Sequence[int]) -> float:
        """Worth of what a search has after some trainings, over that of the whole space."""
        best = np.array(trained)[self.kept(trained)]
        return self._worth(best) / self._worth(self.there)

    def kept(self, trained: Sequence[int]) -> np.ndarray:
        """Which of what was trained is on the front of the trials."""
        told = np.array(trained)
        return front(self.shown[told], self.table.areas[told], self.floor)

    def _worth(self, points: np.ndarray) -> float:
        truth, areas = self.table.truth, self.table.areas
        return worth(truth[points], areas[points], self.floor, float(areas[self.there].max()))

    @property
    def best(self) -> np.ndarray:
        """Numbers of the points of the true front."""
        truth, areas = self.table.truth, self.table.areas
        return self.there[front(truth[self.there], areas[self.there], self.floor)]


def replay(known: Table, seed: int) -> Replay:
    draw = np.random.default_rng(seed)
    first = tuple(n for n, name in enumerate(known.names) if name.startswith("exact("))
    there = draw.permutation(len(known.names))[: int(PART * len(known.names))]
    kept = np.array(sorted({*there.tolist(), *first}))
    return Replay(known, kept, first, known.seen[:, seed % 2], seed)


Order = Callable[[Replay, int], list[int]]  # which points are trained, in order, so many


def ours(
    game: Replay,
    most: int,
    *,
    errors: np.ndarray | None = None,
    costs: bool = True,
    sure: bool = False,
) -> list[int]:
    """A belief and the gain that it expects.

    Args:
        game: the space.
        most: trainings.
        errors: [n, d] in place of the table's.
        costs: whether what costs more than the best is no rival; else all are.
        sure: whether the mean alone counts.
    """
    x = game.table.errors if errors is None else errors
    weights = WEIGHTS if errors is None else (1.0,) * x.shape[1]
    done, floor, learner = list(game.first), game.floor, Learner(weights)
    areas = game.table.areas[:, None] if costs else np.zeros((len(x), 1))
    while len(done) < most:
        left = np.array([n for n in game.there if n not in set(done)])
        told = np.maximum(game.shown[done], floor - FAR * LARGEST_LOSS)
        belief = learner.believe(x[done], told, x[left])
        if sure:
            belief = Belief(belief.mean, np.full(len(left), 1e-6))
        gains = expected_gain(belief, areas[left], areas[done], told, floor)
        done.append(int(left[np.argmax(gains)]))
    return done


def by_chance(game: Replay, most: int) -> list[int]:
    draw = np.random.default_rng(game.seed)
    others = [int(n) for n in draw.permutation(game.there) if n not in game.first]
    return [*game.first, *others][:most]


def by_optuna(game: Replay, most: int, make: Callable[[int], BaseSampler]) -> list[int]:
    """A sampler of Optuna's, which is told scores and areas; what is not in the table is free."""
    by_table = {digests()[parse_mac(name)]: n for n, name in enumerate(game.table.names)}
    there = set(game.there.tolist())
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=make(game.seed))
    done: list[int] = []
    for number in game.first:
        study.enqueue_trial(space().parameters(parse_design_point(game.table.names[number])))
    for _ in range(20 * most):
        trial = study.ask()
        (mac,) = space().suggest(trial).macs
        number = by_table.get(digests().get(mac, ""), -1)
        if number not in there:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        study.tell(trial, [-game.shown[number], game.table.areas[number]])
        if number not in done:
            done.append(number)
        if len(done) == most:
            break
    others = [n for n in by_chance(game, len(there)) if n not in done]
    return [*done, *others][:most]


def proxies(known: Table) -> dict[str, float]:
    """Spearman's correlation of what is known beforehand with the score, in useful designs."""
    useful = known.truth > known.truth.max() - LARGEST_LOSS
    names = ("forward", "gradients")
    found = {
        f"error in {name}": float(spearmanr(-known.errors[useful, n], known.truth[useful])[0])
        for n, name in enumerate(names)
    }
    for epoch in range(known.curves.shape[1] - 1):
        at = known.curves[useful, epoch]
        found[f"score after epoch {epoch + 1}"] = float(spearmanr(at, known.truth[useful])[0])
    return {name: round(value, 3) for name, value in found.items()}


def judged(known: Table, order: Order) -> dict[str, object]:
    """How a search does, over the seeds."""
    shares: dict[float, list[float]] = {part: [] for part in BUDGETS}
    needed, missed = [], []
    for seed in range(SEEDS):
        game = replay(known, seed)
        count = len(game.there)
        most = int(max(BUDGETS) * count)
        done = order(game, most)
        for part in BUDGETS:
            shares[part].append(game.share(done[: int(part * count)]))
        enough = (n for n in range(len(game.first), most) if game.share(done[:n]) >= TARGET)
        needed.append(next(enough, most) / count)
        kept = {done[number] for number in game.kept(done)}
        lost = [n for n in game.best if n in set(done) and n not in kept]
        missed.append(len(lost) / len(game.best))
    return {
        "hypervolume": {
            f"{part:.0%}": round(statistics.fmean(s), 4) for part, s in shares.items()
        },
        "worst": {f"{part:.0%}": round(min(s), 4) for part, s in shares.items()},
        "trainings_to_99": round(statistics.median(needed), 3),
        "missed_for_good": round(statistics.fmean(missed), 3),
    }


def main() -> None:
    torch.set_num_threads(1)
    known = table()
    blind = np.array([[_fraction(name)] for name in known.names])
    chosen: dict[str, Order] = {
        "belief": ours,
        "belief, forward errors alone": lambda g, m: ours(g, m, errors=known.errors[:, :1]),
        "belief, errors unknown": lambda g, m: ours(g, m, errors=blind),
        "belief, costs unknown": lambda g, m: ours(g, m, costs=False),
        "belief, its mean alone": lambda g, m: ours(g, m, sure=True),
        "random": by_chance,
        "tpe": lambda g, m: by_optuna(g, m, lambda s: TPESampler(seed=s)),
        "nsga2": lambda g, m: by_optuna(g, m, lambda s: NSGAIISampler(population_size=12, seed=s)),
    }
    content = {
        "command": "python benchmarks/replay.py",
        **provenance(),
        "points": len(known.names),
        "with_two_trainings": known.paired,
        "seeds": SEEDS,
        "spearman": proxies(known),
        "searches": {},
    }
    print(len(known.names), known.paired, content["spearman"], flush=True)
    for name, order in chosen.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        found = judged(known, order)
        content["searches"][name] = found  # type: ignore[index]
        print(name, found, flush=True)
        if not sys.argv[1:]:
            REPLAY.write_text(json.dumps(content, indent=1) + "\n")


def _fraction(name: str) -> float:
    """What is known of a MAC whose table is not: a unit in the last place of its format."""
    form = parse_mac(name).format
    return float(2.0 ** -getattr(form, "fraction_bits", 7))


if __name__ == "__main__":
    main()
