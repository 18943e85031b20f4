"""How accurate is a design over several seeds? Baselines before a search, finalists after.

The seeds are fresh, not the trials': a trial won by its accuracy, in part by the luck of its seed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Baseline, Replicate
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.evaluate import workload_of
from axdse.dse.search.progress import Progress
from axdse.dse.search.workers import Workers
from axdse.dse.training.datasets import load
from axdse.dse.training.train import accuracy, train
from axdse.gpu.layers.assignment import Assignment
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.operands.recording import Recording

FP32 = "fp32"
RECORDED_STEPS = 16  # of the last epoch: recording takes about as long as the step itself


@dataclass(frozen=True)
class Training:
    """The job of one training with one seed, tested at its end; FP32 without a candidate.

    One that records does so in its last epoch.
    """

    candidate: Candidate | None
    seed: int
    config: SearchConfig
    records: bool = False

    @property
    def design(self) -> str:
        """Name of the candidate, or "fp32"."""
        return self.candidate.name if self.candidate else FP32

    def run(self) -> "Result":
        """Train in a worker."""
        workload, settings = workload_of(self.config), self.config.training
        splits = load(workload.dataset)
        assignment = Assignment.uniform(self.candidate) if self.candidate else None
        steps = len(splits.train.labels[: settings.train_images]) // settings.batch_size
        every = max(1, steps // RECORDED_STEPS) if self.records else None
        trained = train(workload, assignment, settings, self.seed, record_every=every)
        validation = trained.history.validation_accuracy
        test = accuracy(trained.model, splits.test)
        replicate = Replicate(self.design, self.seed, validation, test, trained.history)
        return Result(replicate, trained.recording)


@dataclass(frozen=True, eq=False)
class Result:
    """What a training gave; `recording` is None if it was not to record, or diverged."""

    replicate: Replicate
    recording: Recording | None


def replicate_seeds(config: SearchConfig) -> tuple[int, ...]:
    """The seeds that baselines and finalists share."""
    return tuple(config.seed + 1 + i for i in range(config.finalist_seeds))


def train_replicates(
    run: RunDir,
    workers: Workers,
    candidates: Iterable[Candidate | None],
    progress: Progress,
    recorded: Candidate | None = None,
) -> None:
    """Train what the run does not hold yet, each candidate with every seed.

    Args:
        run: takes the results.
        workers: train.
        candidates: None stands for FP32.
        progress: is told of each.
        recorded: the candidate whose operands are recorded with the first seed.

    Raises:
        AxdseError: a training fails.
    """
    seeds = replicate_seeds(run.config)
    first = (recorded, seeds[0]) if recorded and not run.operands.exists() else None
    jobs = [
        Training(candidate, seed, run.config, records=first == (candidate, seed))
        for candidate in candidates
        for seed in seeds
    ]
    missing = [job for job in jobs if job.records or not run.replicate(job.design, job.seed)]
    rule = "baselines and finalists must train"
    for outcome in workers.results(missing, rule, lambda job: f"{job.design}, seed {job.seed}"):
        result = outcome.result
        # The recording first: a replicate that is there is not trained again.
        if result.recording:
            run.save_operands(result.recording)
        run.save_replicate(result.replicate)
        progress.advance(f"{outcome.job.design}: {100 * result.replicate.validation:.1f} %")


def replicates(run: RunDir, candidate: Candidate | None) -> tuple[Replicate, ...]:
    """The stored trainings of one candidate, by seed."""
    design = candidate.name if candidate else FP32
    stored = (run.replicate(design, seed) for seed in replicate_seeds(run.config))
    return tuple(replicate for replicate in stored if replicate)


def train_baselines(run: RunDir, workers: Workers, progress: Progress) -> tuple[Baseline, ...]:
    """Train FP32 and bf16 (exact core, wide product) with the finalists' seeds.

    Raises:
        AxdseError: a training fails or diverges.
    """
    bf16 = Candidate(builtin_catalog().multiplier("exact(n=8)"), parse_format("bf16"))
    total = 2 * run.config.finalist_seeds
    done = len(replicates(run, None)) + len(replicates(run, bf16))
    progress.begin("baselines", total, done)
    train_replicates(run, workers, (None, bf16), progress, recorded=bf16)
    baselines = (_baseline(FP32, FP32, run, None), _baseline("bf16", bf16.format.name, run, bf16))
    for baseline in baselines:
        if any(history.status == "nan" for history in baseline.histories):
            raise AxdseError(
                "baselines must not diverge", baseline.name, "lower training.learning_rate"
            )
    run.save_baselines(baselines)
    return baselines


def ceiling(baselines: Sequence[Baseline]) -> float:
    """The best validation accuracy of the baselines: what any design can be hoped to reach."""
    return max(accuracy for baseline in baselines for accuracy in baseline.validation)


def floor(config: SearchConfig, baselines: Sequence[Baseline]) -> float:
    """The accuracy below which a design is of no use, however small."""
    return ceiling(baselines) - config.largest_loss


def _baseline(name: str, number_format: str, run: RunDir, candidate: Candidate | None) -> Baseline:
    trained = replicates(run, candidate)
    return Baseline(
        name=name,
        format=number_format,
        seeds=replicate_seeds(run.config),
        validation=tuple(replicate.validation for replicate in trained),
        test=tuple(replicate.test for replicate in trained),
        histories=tuple(replicate.history for replicate in trained),
    )
