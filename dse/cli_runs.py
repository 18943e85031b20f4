"""Commands that take minutes: train, search, export.

They import torch and optuna inside: those take seconds, and `axdse list` must answer at once.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click
from rich.progress import TaskID

from axdse.dse.cli_options import (
    PATH,
    candidate_of,
    format_option,
    json_option,
    multipliers_of,
    print_json,
    print_table,
    progress_bar,
    say,
    seed_option,
    shown_text,
)
from axdse.dse.limits import LARGEST_SEED, MOST_EPOCHS, MOST_SEEDS, MOST_TRIALS, MOST_WORKERS
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.printable import printable
from axdse.multipliers.recording_file import save_recording

if TYPE_CHECKING:
    from axdse.dse.train import Epoch, History, TrainSettings
    from axdse.dse.workloads import Workload
    from axdse.multipliers.candidate import Candidate
    from axdse.multipliers.operands import Recording

FP32 = "fp32"


class ProgressBars:
    """Draws `axdse.dse.progress.Progress`: a bar a phase, the latest note beside it."""

    def __init__(self) -> None:
        self._bars = progress_bar()
        self._phase: TaskID | None = None
        self._name = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begin(self, phase: str, total: int, done: int) -> None:
        """Start a bar; `done` of its `total` steps were there already."""
        self._name = phase
        self._phase = self._bars.add_task(phase, total=total, completed=done)

    def advance(self, note: str) -> None:
        """Move the bar on; where nobody sees bars, the note becomes a line of the log."""
        assert self._phase is not None
        shown = printable(note)
        self._bars.update(self._phase, advance=1, description=f"{self._name:9} {shown}")
        if not self._bars.console.is_terminal:
            self._bars.console.print(shown_text(f"{self._name}: {note}"), soft_wrap=True)


@click.command(short_help="Train a network with a design.")
@click.argument("spec", metavar="SPEC|fp32")
@format_option
@click.option(
    "--config", type=PATH, metavar="FILE.yaml", help="Train as the search of this configuration."
)
@click.option("--workload", help="The network; default lenet-300-100.")
@click.option("--dataset", help="The images; default fashion-mnist-14k.")
@click.option(
    "--epochs", type=click.IntRange(1, MOST_EPOCHS), help="Passes over the training images."
)
@click.option(
    "--seeds", type=click.IntRange(1, MOST_SEEDS), default=1, show_default=True, help="Trainings."
)
@click.option(
    "--checkpoint", type=PATH, metavar="FILE", help="Written every epoch; resumed if it exists."
)
@click.option(
    "--record", type=PATH, metavar="FILE.npz", help="Written: the operands of the last epoch."
)
@click.option(
    "--record-every", type=click.IntRange(1), help="Record one step in so many; default all."
)
@seed_option
@json_option
def train(
    spec: str,
    format_text: str | None,
    config: Path | None,
    workload: str | None,
    dataset: str | None,
    epochs: int | None,
    seeds: int,
    checkpoint: Path | None,
    record: Path | None,
    record_every: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Train a network with a design in the forward and in both backward products.

    Options override the configuration. 'axdse show SPEC --operands FILE.npz' measures any
    design over the operands that --record wrote.
    """
    from axdse.dse import train as training
    from axdse.gpu.layers.assignment import Assignment

    if checkpoint and seeds > 1:
        raise AxdseError("a checkpoint is of one training", f"--seeds {seeds}", "give one --seed")
    every = _recorded(record, record_every, spec, seeds)
    network, settings = _plan(config, workload, dataset, epochs)
    design = _design_of(spec, format_text)
    assignment = Assignment.uniform(design) if design else None
    with ProgressBars() as bars:
        bars.begin("epochs", settings.epochs * seeds, 0)

        def watch(epoch: Epoch) -> bool:
            bars.advance(f"{epoch.epoch} done: validation {100 * epoch.validation_accuracy:.2f} %")
            return True

        trained = [
            training.train(network, assignment, settings, seed + i, watch, checkpoint, every)
            for i in range(seeds)
        ]
    histories = tuple(each.history for each in trained)
    where = f"{network.name} on {network.dataset}"
    if as_json:
        print_json(histories, tuple[training.History, ...])
    else:
        name = design.name if design else FP32
        _print_histories(f"{name}: {where}", histories)
    if record:
        _save(trained[0].recording, record)


def _recorded(record: Path | None, every: int | None, spec: str, seeds: int) -> int | None:
    """Check the options of a recording; return one step in how many is recorded, if any."""
    if not record:
        if every:
            raise AxdseError("--record-every goes with --record", every, "give --record FILE.npz")
        return None
    if record.suffix != ".npz":
        raise AxdseError("a recording is written as .npz", record, "choose that ending")
    if seeds > 1:
        raise AxdseError("a recording is of one training", f"--seeds {seeds}", "give one --seed")
    if spec == FP32:
        raise AxdseError("a recording is of a design's operands", FP32, "train a SPEC: exact, say")
    return every or 1


def _save(recording: Recording | None, path: Path) -> None:
    if recording is None:
        raise AxdseError(
            "the operands of the last epoch are recorded while it is trained",
            f"{path} is not written: not reached, diverged, or its checkpoint was there already",
            "train fewer epochs, with a lower learning rate, or without that checkpoint",
        )
    save_recording(recording, path)
    first = recording.traces[0].dataflow
    products = sum(t.multiplications for t in recording.traces if t.dataflow == first)
    say(f"{path}: the operands of {products:,} products", err=True)


def _plan(
    config_path: Path | None, workload: str | None, dataset: str | None, epochs: int | None
) -> tuple[Workload, TrainSettings]:
    from axdse.dse.config import load_config
    from axdse.dse.dataset import check_name
    from axdse.dse.train import TrainSettings
    from axdse.dse.workloads import find_workload

    config = load_config(config_path) if config_path else None
    name = workload or (config.workload if config else "lenet-300-100")
    images = dataset or (config.dataset if config else "fashion-mnist-14k")
    settings = config.training if config else TrainSettings()
    settings = dataclasses.replace(settings, epochs=epochs or settings.epochs)
    return find_workload(name).on(check_name(images)), settings


def _design_of(spec: str, format_text: str | None) -> Candidate | None:
    return None if spec == FP32 else candidate_of(multipliers_of((spec,))[0], format_text)


def _print_histories(title: str, histories: tuple[History, ...]) -> None:
    from axdse.dse.evaluation import estimate

    rows = [_row(history, epoch) for history in histories for epoch in history.epochs]
    columns = ("seed", "epoch", "loss", "train %", "validation %", "seconds")
    print_table(title, columns, rows)
    result = estimate(tuple(history.validation_accuracy for history in histories))
    if result.seeds == 1:
        say("one seed: differences under 1 point are noise")
        return
    say(
        f"validation {100 * result.mean:.2f} % +- {100 * result.standard_error:.2f} "
        f"(standard error of {result.seeds} seeds)"
    )


def _row(history: History, epoch: Epoch) -> tuple[str, ...]:
    return (
        str(history.seed),
        str(epoch.epoch),
        f"{epoch.train_loss:.4f}",
        _percent(epoch.train_accuracy),
        _percent(epoch.validation_accuracy),
        f"{epoch.seconds:.2f}",
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


@click.command(short_help="Search for the best trade-offs.")
@click.argument("config_path", metavar="CONFIG.yaml", type=PATH)
@click.option("--run", "run_path", type=PATH, required=True, metavar="DIR", help="The run folder.")
@click.option("--resume", is_flag=True, help="Go on with the run in that folder, if there is one.")
@click.option("--trials", type=click.IntRange(1, MOST_TRIALS), help="Finished trials in all.")
@click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Start none later.")
@click.option(
    "--seed", type=click.IntRange(0, LARGEST_SEED), help="Seed of sampler and trainings."
)
@click.option(
    "--workers", type=click.IntRange(1, MOST_WORKERS), help="Processes; default: one per core."
)
def search(
    config_path: Path,
    run_path: Path,
    resume: bool,
    trials: int | None,
    timeout: float | None,
    seed: int | None,
    workers: int | None,
) -> None:
    """Search for the multipliers that trade accuracy against silicon best.

    Options override the configuration. Ctrl-C and kill lose at most the running trials; the
    same command with --resume goes on.
    """
    from axdse.dse.config import load_config
    from axdse.dse.search import run_search

    config = load_config(config_path)
    with ProgressBars() as bars:
        run = run_search(
            config,
            run_path,
            resume=resume,
            trials=trials,
            timeout_s=timeout,
            seed=seed,
            workers=workers,
            progress=bars,
        )
    front = [point for point in run.front if point.on_front]
    say(f"{run_path}: {len(run.evaluations)} trials, {len(front)} designs on the front")


@click.command(short_help="Export the front of a run.")
@click.argument("run_path", metavar="RUN", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, metavar="DIR", help="A new folder.")
@click.option(
    "--overwrite", is_flag=True, help="Replace an earlier export; what others added stays."
)
def export(run_path: Path, output: Path, overwrite: bool) -> None:
    """Export the front of a run: RTL, C model, table, certificates, cost, history, report."""
    from axdse.dse.export import export_run
    from axdse.dse.run_dir import RunDir

    exported = export_run(RunDir(run_path), output, overwrite=overwrite)
    say(f"{exported.folder}: {len(exported.designs)} designs; see report.html")


COMMANDS = (train, search, export)
