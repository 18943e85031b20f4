"""The command train: how good is a network that a design trains, for which task?"""

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from axdse.dse.cli.options import (
    PATH,
    ProgressBars,
    catalog_in_use,
    device_option,
    figure,
    format_option,
    is_point,
    json_option,
    point_of,
    print_json,
    print_table,
    say,
    seed_option,
    sum_option,
)
from axdse.dse.ending import going_on
from axdse.dse.limits import MOST_EPOCHS, MOST_SEEDS
from axdse.dse.run.config import load_config
from axdse.dse.run.intervals import interval95, paired_difference
from axdse.dse.training.records import Epoch, Goal, History, TrainSettings
from axdse.dse.training.workloads import Workload, find_workload
from axdse.multipliers.designs.design_point import NATIVE, DesignPoint
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording import Recording
from axdse.multipliers.operands.recording_file import save_recording

DEFAULT = "lenet-300-100"
EPOCHS = ("seed", "epoch", "loss", "train", "validation", "loss there", "seconds")


@dataclass(frozen=True)
class Course:
    """What the trainings of one design gave.

    Attributes:
        workload: as it is written in commands.
        factory: SHA-256 of the file of the task's factory.
        design: canonical text.
        goal: what the scores are of.
        histories: one a seed.
    """

    workload: str
    factory: str
    design: str
    goal: Goal
    histories: tuple[History, ...]

    @property
    def scores(self) -> tuple[float, ...]:
        """After the last epoch, one a seed; higher is better."""
        return tuple(history.validation_score for history in self.histories)


@click.command(short_help="Train a network with designs.")
@click.argument("arguments", nargs=-1, metavar="[WORKLOAD] DESIGN...")
@format_option
@sum_option
@click.option(
    "--config",
    type=PATH,
    metavar="FILE.yaml",
    help="Its workload, dataset and training; of its costs, as a library, nothing is read.",
)
@click.option("--workload", help=f"The task, if it is not given first; default {DEFAULT}.")
@click.option("--dataset", help="The argument `dataset` of the workload.")
@click.option(
    "--epochs", type=click.IntRange(1, MOST_EPOCHS), help="Passes over the training examples."
)
@click.option(
    "--seeds",
    type=click.IntRange(1, MOST_SEEDS),
    default=1,
    show_default=True,
    help="Trainings of each design, paired seed by seed.",
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
@device_option
@seed_option
@json_option
def train(
    arguments: tuple[str, ...],
    format_text: str | None,
    sum_text: str | None,
    config: Path | None,
    workload: str | None,
    dataset: str | None,
    epochs: int | None,
    seeds: int,
    checkpoint: Path | None,
    record: Path | None,
    record_every: int | None,
    device: str,
    seed: int,
    as_json: bool,
) -> None:
    """Train a network with designs in the forward and in both backward products.

    WORKLOAD is a task that ships, such as teacher, lenet-5 or 'lenet-5(dataset=mnist-5k)', or
    'package.module:factory' of your own, found from the working folder ('axdse init workload').
    DESIGN is a core, to which --format and --sum give the rest; a MAC, 'drum(n=8,k=4) in bf16' or
    'drum(n=4,k=3) in float(8,3) sum hopper_fp8'; places with MACs, 'fc1=fp32; *=exact(n=8) in
    bf16', where a place is a pattern of layers, perhaps with one of their products, 'fc*:forward',
    'fc*:input_gradient' or 'fc*:weight_gradient', and what has none is fp32; a YAML file of
    these; or fp32. Designs are compared with the first one.
    'axdse show SPEC --operands FILE.npz' measures a design over the operands that --record wrote.
    """
    # torch takes a second to import.
    from axdse.dse.training import train as training
    from axdse.dse.training.device import device_of
    from axdse.dse.training.task import make

    task_name, texts, settings = _asked(arguments, config, workload, dataset)
    designs = [point_of(text, format_text, sum_text) for text in texts]
    one = len(designs) * seeds == 1
    if checkpoint and not one:
        rule = "a checkpoint is of one training"
        raise AxdseError(rule, f"{len(designs)} x --seeds {seeds}", "give one design and --seed")
    every = _recorded(record, record_every, designs, seeds)
    on = device_of(device)
    task = make(task_name).task
    settings = settings or task.settings
    settings = dataclasses.replace(settings, epochs=epochs or settings.epochs)
    kept = f"{checkpoint} keeps every finished epoch: the same command goes on"
    ends = going_on(kept) if checkpoint else contextlib.nullcontext()
    recording, courses = None, []
    with ends, ProgressBars() as bars:
        bars.begin("epochs", settings.epochs * seeds * len(designs), 0)
        for point in designs:
            native = point == DesignPoint.uniform(None)
            histories = []
            for own in range(seed, seed + seeds):
                trained = training.train(
                    task_name,
                    assignment=None if native else point,
                    settings=settings,
                    seed=own,
                    on_epoch=_watch(bars, task.metric.goal, f"{point.name}, seed {own}"),
                    checkpoint=checkpoint,
                    record_every=every,
                    device=on,
                )
                histories.append(trained.history)
                recording = trained.recording
            courses.append(_course(task_name, point, tuple(histories)))
    if as_json:
        print_json(tuple(courses), tuple[Course, ...])
    else:
        _print(tuple(courses))
    if record:
        _save(recording, record)


def _watch(bars: ProgressBars, goal: Goal, training: str) -> Callable[[Epoch], bool]:
    """Tell of each epoch of a training; go on."""

    def watch(epoch: Epoch) -> bool:
        score = figure(goal, epoch.validation_score)
        bars.advance(f"{training}, epoch {epoch.epoch}: validation {score}")
        return True

    return watch


def _asked(
    arguments: tuple[str, ...],
    config_path: Path | None,
    workload_text: str | None,
    dataset: str | None,
) -> tuple[Workload, tuple[str, ...], TrainSettings | None]:
    config = load_config(config_path, catalog_in_use()) if config_path else None
    texts = arguments
    if workload_text or (not config and arguments and _is_design(arguments[0])):
        workload = find_workload(workload_text or DEFAULT)
    elif config:
        workload = config.own_workload
    elif arguments:
        try:
            workload, texts = find_workload(arguments[0]), arguments[1:]
        except AxdseError as error:
            remedy = f"{error.remedy}, and write 'axdse train WORKLOAD DESIGN'"
            raise AxdseError(error.rule, error.value, remedy) from error
    if not arguments or not texts:
        rule = "train takes a workload and designs"
        raise AxdseError(rule, " ".join(arguments) or "none", "write 'axdse train teacher fp32'")
    if dataset:
        workload = workload.on(dataset)
    return workload, texts, config.training if config else None


def _is_design(text: str) -> bool:
    name = text.partition("(")[0].strip()
    return text == NATIVE or is_point(text) or name in catalog_in_use().families


def _course(workload: Workload, point: DesignPoint, histories: tuple[History, ...]) -> Course:
    from axdse.dse.training.task import make

    made = make(workload)
    return Course(
        workload=workload.text,
        factory=made.digest,
        design=point.name,
        goal=made.task.metric.goal,
        histories=histories,
    )


def _recorded(
    record: Path | None, every: int | None, designs: list[DesignPoint], seeds: int
) -> int | None:
    """Check the options of a recording; return one step in how many is recorded, if any."""
    if not record:
        if every:
            raise AxdseError("--record-every goes with --record", every, "give --record FILE.npz")
        return None
    if record.suffix != ".npz":
        raise AxdseError("a recording is written as .npz", record, "choose that ending")
    if seeds > 1 or len(designs) > 1:
        value = f"{len(designs)} designs, --seeds {seeds}"
        raise AxdseError("a recording is of one training", value, "give one design and --seed")
    if not designs[0].macs:
        raise AxdseError(
            "a recording is of a design's operands", NATIVE, "train a design: exact, say"
        )
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


def _print(courses: tuple[Course, ...]) -> None:
    first = courses[0]
    title = f"{first.workload}: {first.goal.name}, {first.goal.direction} is better"
    if len(courses) == 1:
        rows = [_epoch_row(h, epoch, first.goal) for h in first.histories for epoch in h.epochs]
        print_table(f"{first.design}: {title}", EPOCHS, rows)
    summary = [_row(course, first) for course in courses]
    # A design may be long, and stands in the first row.
    other = first.design if first.design == NATIVE else "the first"
    compared = (f"to {other}", "95 % interval", "status")
    columns = ("design", f"{first.goal.name}, mean", *compared)
    print_table(title if len(courses) > 1 else "", columns, summary)
    if len(first.histories) == 1:
        say("one seed: small differences are noise; --seeds 3 gives intervals")


def _row(course: Course, first: Course) -> tuple[str, ...]:
    goal = course.goal
    mean = sum(course.scores) / len(course.scores)
    apart = interval95(paired_difference(course.scores, first.scores))
    ended = sorted({history.status for history in course.histories})
    return (
        course.design,
        figure(goal, mean),
        figure(goal, apart.mean, signed=True),
        "-" if apart.half != apart.half else f"± {figure(goal, goal.score(apart.half))}",
        ", ".join(ended),
    )


def _epoch_row(history: History, epoch: Epoch, goal: Goal) -> tuple[str, ...]:
    return (
        str(history.seed),
        str(epoch.epoch),
        f"{epoch.train_loss:.4f}",
        figure(goal, epoch.train_score),
        figure(goal, epoch.validation_score),
        "-" if epoch.validation_loss is None else f"{epoch.validation_loss:.4f}",
        f"{epoch.seconds:.2f}",
    )
