"""How good is a design over several seeds? Baselines before a search, finalists after.

The seeds are fresh, not the trials': a trial won by its score, in part by the luck of its seed.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import torch

from axdse.dse.jobs.workers import Workers
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import NATIVE, Baseline, Replicate, Vetoed
from axdse.dse.run.objectives import ACCURACY
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.progress import Progress
from axdse.dse.training.task import make
from axdse.dse.training.train import measure, train
from axdse.multipliers.designs.design_point import DesignPoint, parse_design_point
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording import Recording

EXACT = "exact(n=8) in bf16"
Pair = tuple[DesignPoint, int]  # with its seed
RECORDED_STEPS = 16  # of the last epoch: recording takes about as long as the step itself


@dataclass(frozen=True)
class Training:
    """The job of one training with one seed, tested at its end.

    One that records does so in its last epoch; one that vetoes is of the other workload.
    """

    point: DesignPoint
    seed: int
    config: SearchConfig
    records: bool = False
    vetoes: bool = False

    def run(self) -> "Result":
        """Train in a worker."""
        veto = self.config.veto if self.vetoes else None
        made = make(veto.own_workload if veto else self.config.own_workload)
        settings = made.task.settings if veto else self.config.training
        count = len(made.splits.train)
        steps = min(count, settings.train_images or count) // settings.batch_size
        every = max(1, steps // RECORDED_STEPS) if self.records else None
        device = torch.device(self.config.device)
        trained = train(
            made.workload, self.point, settings, self.seed, record_every=every, device=device
        )
        validation = trained.history.validation_score
        batch = settings.evaluation_batch
        tested = measure(made, trained.model, made.splits.test, batch, device)
        test = made.task.metric.goal.score(tested.metric)
        replicate = Replicate(self.point, self.seed, validation, test, trained.history)
        return Result(replicate, trained.recording)


@dataclass(frozen=True, eq=False)
class Result:
    """What a training gave; `recording` is None if it was not to record, or diverged."""

    replicate: Replicate
    recording: Recording | None


def replicate_seeds(config: SearchConfig) -> tuple[int, ...]:
    """The seeds that baselines and finalists share."""
    return tuple(config.seed + 1 + i for i in range(config.finalist_seeds))


class Replicates:
    """The trainings of some design points with some seeds; those stored are read once.

    Args:
        run: that keeps them.
        points: to train.
        seeds: to train each with.
        vetoes: whether they are trained for the workload of the veto.
    """

    def __init__(
        self,
        run: RunDir,
        points: Iterable[DesignPoint],
        seeds: tuple[int, ...],
        *,
        vetoes: bool = False,
    ) -> None:
        self._run, self._points, self._seeds = run, tuple(dict.fromkeys(points)), seeds
        veto = run.config.veto if vetoes else None
        self._vetoes, self._workload = vetoes, veto.own_workload.text if veto else ""
        self._found: dict[Pair, Replicate] = {}
        for point in self._points:
            for seed in self._seeds:
                if replicate := run.replicate(point, seed, self._workload):
                    self._found[point, seed] = replicate

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, pair: Pair) -> bool:
        return pair in self._found

    def of(self, point: DesignPoint, count: int | None = None) -> tuple[Replicate, ...]:
        """Those of one point, with the first so many seeds, or with all."""
        return tuple(self._found[point, seed] for seed in self._seeds[:count])

    def train(
        self,
        workers: Workers,
        progress: Progress,
        recorded: DesignPoint | None = None,
        pairs: Iterable[Pair] | None = None,
    ) -> Self:
        """Train what is not there yet.

        Args:
            workers: train.
            progress: is told of each.
            recorded: the point whose operands are recorded with the first seed.
            pairs: points and seeds; None: all.

        Raises:
            AxdseError: a training fails.
        """
        run, goal = self._run, self._run.info.goal
        first = (recorded, self._seeds[0]) if recorded and not run.operands.exists() else None
        if pairs is None:
            pairs = itertools.product(self._points, self._seeds)
        jobs = [Training(*pair, run.config, first == pair, self._vetoes) for pair in pairs]
        missing = [job for job in jobs if job.records or (job.point, job.seed) not in self._found]
        rule = "baselines and finalists must train"
        for outcome in workers.results(
            missing, rule, lambda job: f"{job.point.name}, seed {job.seed}"
        ):
            result, point = outcome.result, outcome.job.point
            # The recording first: a replicate that is there is not trained again.
            if result.recording:
                run.save_operands(result.recording)
            run.save_replicate(result.replicate, self._workload)
            self._found[point, outcome.job.seed] = result.replicate
            reached = result.replicate.validation
            told = f"{reached:.4f} on {self._workload}" if self._vetoes else goal.text(reached)
            progress.advance(f"{point.name}: {told}")
        return self


def train_vetoes(
    run: RunDir, points: Sequence[DesignPoint], workers: Workers, progress: Progress
) -> dict[DesignPoint, Vetoed]:
    """Train points, and exact bf16, once for the workload of the veto; nothing if there is none.

    Raises:
        AxdseError: a training fails.
    """
    veto = run.config.veto
    if veto is None:
        return {}
    exact = parse_design_point(EXACT)
    replicates = Replicates(run, (exact, *points), (run.config.seed,), vetoes=True)
    replicates.train(workers, progress)
    (base,) = replicates.of(exact)
    found = {}
    for point in points:
        (ours,) = replicates.of(point)
        text = veto.own_workload.text
        found[point] = Vetoed(text, base.validation - ours.validation, veto.within)
    return found


def train_baselines(run: RunDir, workers: Workers, progress: Progress) -> tuple[Baseline, ...]:
    """Train FP32 and bf16 (exact core, wide product) with the seeds of finalists and of trials.

    Raises:
        AxdseError: a training fails or diverges.
    """
    bf16 = parse_design_point(EXACT)
    seeds = replicate_seeds(run.config)
    replicates = Replicates(run, (NATIVE, bf16), (*seeds, run.config.seed))
    progress.begin("baselines", 2 * (len(seeds) + 1), len(replicates))
    replicates.train(workers, progress, recorded=bf16)
    baselines = tuple(
        _baseline(name, point, seeds, replicates.of(point))
        for name, point in (("fp32", NATIVE), ("bf16", bf16))
    )
    for baseline in baselines:
        if any(history.status == "nan" for history in baseline.histories):
            raise AxdseError(
                "baselines must not diverge", baseline.name, "lower training.learning_rate"
            )
    run.save_baselines(baselines)
    return baselines


def ceiling(baselines: Sequence[Baseline]) -> float:
    """The best validation score of the baselines: what any design can be hoped to reach.

    That with the seed of the trials is among them: where the seed is lucky all are lucky, and no
    cheap design seems as good as any could be.
    """
    return max(score for each in baselines for score in (*each.validation, each.trial))


def floor(config: SearchConfig, baselines: Sequence[Baseline]) -> float:
    """The score below which a design is of no use, however small."""
    exact = max((each.trial for each in baselines if each.point != NATIVE), default=math.nan)
    bounds = (each for each in config.constraints if each.objective == ACCURACY)
    least = ceiling(baselines) - config.largest_loss
    return max((least, *(bound.least(exact) for bound in bounds)))


def _baseline(
    name: str, point: DesignPoint, seeds: tuple[int, ...], trained: Sequence[Replicate]
) -> Baseline:
    *fresh, of_trials = trained
    return Baseline(
        name=name,
        point=point,
        seeds=seeds,
        validation=tuple(replicate.validation for replicate in fresh),
        test=tuple(replicate.test for replicate in fresh),
        histories=tuple(replicate.history for replicate in fresh),
        trial=of_trials.validation,
    )
