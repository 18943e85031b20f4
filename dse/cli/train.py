"""The command train: how accurate is a network that a design trains?"""

import contextlib
import dataclasses
from pathlib import Path

import click

from axdse.dse.cli.options import (
    PATH,
    ProgressBars,
    format_option,
    json_option,
    mac_of,
    multipliers_of,
    print_json,
    print_table,
    say,
    seed_option,
    sum_option,
)
from axdse.dse.ending import going_on
from axdse.dse.limits import MOST_EPOCHS, MOST_SEEDS
from axdse.dse.run.config import load_config
from axdse.dse.run.evaluation import estimate
from axdse.dse.training.datasets import check_name
from axdse.dse.training.records import Epoch, History, TrainSettings
from axdse.dse.training.workloads import Workload, find_workload
from axdse.multipliers.designs.catalog import full_catalog
from axdse.multipliers.designs.design_point import Mac, parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.operands.recording import Recording
from axdse.multipliers.operands.recording_file import save_recording

FP32 = "fp32"


@click.command(short_help="Train a network with a design.")
@click.argument("spec", metavar="SPEC|fp32")
@format_option
@sum_option
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
    sum_text: str | None,
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

    SPEC may be a whole MAC, 'drum(n=4,k=3) in float(8,3) sum hopper_fp8', in place of --format and
    --sum. Options override the configuration. 'axdse show SPEC --operands FILE.npz' measures any
    design over the operands that --record wrote.
    """
    # torch takes a second to import.
    from axdse.dse.training import train as training
    from axdse.gpu.layers.assignment import Assignment

    if checkpoint and seeds > 1:
        raise AxdseError("a checkpoint is of one training", f"--seeds {seeds}", "give one --seed")
    every = _recorded(record, record_every, spec, seeds)
    network, settings = _plan(config, workload, dataset, epochs)
    mac = _mac_of(spec, format_text, sum_text)
    assignment = Assignment.uniform(mac.candidate, mac.recipe) if mac else None
    kept = f"{checkpoint} keeps every finished epoch: the same command goes on"
    ends = going_on(kept) if checkpoint else contextlib.nullcontext()
    with ends, ProgressBars() as bars:
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
        print_json(histories, tuple[History, ...])
    else:
        name = mac.name if mac else FP32
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

    config = load_config(config_path) if config_path else None
    name = workload or (config.workload if config else "lenet-300-100")
    images = dataset or (config.dataset if config else "fashion-mnist-14k")
    settings = config.training if config else TrainSettings()
    settings = dataclasses.replace(settings, epochs=epochs or settings.epochs)
    return find_workload(name).on(check_name(images)), settings


def _mac_of(spec: str, format_text: str | None, sum_text: str | None) -> Mac | None:
    if spec == FP32:
        if sum_text:
            raise AxdseError(
                "a sum is behind a design", f"--sum {sum_text}", "train a SPEC: exact"
            )
        return None
    if " in " in spec:
        if format_text or sum_text:
            rule = "a MAC names its format and sum, or options do"
            raise AxdseError(rule, repr(spec), "leave --format and --sum out")
        return parse_mac(spec, full_catalog())
    return mac_of(multipliers_of((spec,))[0], format_text, sum_text)


def _print_histories(title: str, histories: tuple[History, ...]) -> None:

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
