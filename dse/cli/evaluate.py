"""The command evaluate: how well does a trained network do with a design?"""

from typing import get_args

import click

from axdse.dse.cli.options import (
    device_option,
    figure,
    format_option,
    json_option,
    point_of,
    print_json,
    print_table,
    say,
    seed_option,
)
from axdse.dse.limits import MOST_EPOCHS, MOST_IMAGES
from axdse.dse.training.workloads import find_workload
from axdse.multipliers.errors import AxdseError

SPLITS = ("validation", "test", "train")
MOST_WINDOW = 126  # of slopes of 256 codes


@click.command(short_help="Run a trained network with designs.")
@click.argument("checkpoint")
@click.argument("designs", nargs=-1, metavar="DESIGN...")
@format_option
@click.option("--workload", metavar="WORKLOAD", help="Whose network; a checkpoint of axdse says.")
@click.option("--split", type=click.Choice(SPLITS), default="validation", show_default=True)
@click.option(
    "--calibrate",
    "calibrated",
    type=click.IntRange(0, MOST_IMAGES),
    default=512,
    show_default=True,
    metavar="N",
    help="Training examples that fix the scales of activations; 0: each batch has its own.",
)
@click.option(
    "--finetune",
    type=click.IntRange(0, MOST_EPOCHS),
    default=0,
    show_default=True,
    metavar="EPOCHS",
    help="Train it with the design first, at a tenth of the learning rate.",
)
@click.option(
    "--slopes",
    type=click.IntRange(0, MOST_WINDOW),
    metavar="N",
    help="Train it with the slopes of the products as gradients, smoothed over N codes on either "
    "side: integers only, slowly. Default: the design makes both gradients.",
)
@device_option
@seed_option
@json_option
def evaluate(
    checkpoint: str,
    designs: tuple[str, ...],
    format_text: str | None,
    workload: str | None,
    split: str,
    calibrated: int,
    finetune: int,
    slopes: int | None,
    device: str,
    seed: int,
    as_json: bool,
) -> None:
    """Run a trained network with designs, beside native FP32.

    CHECKPOINT is what 'axdse train --checkpoint' wrote; a state_dict that torch saved, with
    --workload; or 'package.module:factory', whose model is trained already. The forward product
    counts; with --finetune all three. Scales of int8 and of floats of few exponent bits are fixed
    on a sample, so that no example depends on its batch. Intervals are 95 %, over the examples.
    """
    # torch takes a second to import.
    from axdse.dse.training.device import device_of
    from axdse.dse.training.inference import Inference, SplitName, infer, pretrained

    if not designs:
        raise AxdseError("evaluate takes designs", "none given", "write 'exact(n=8) in bf16', say")
    if slopes is not None and not finetune:
        raise AxdseError("--slopes is of a training", f"{slopes}", "add --finetune EPOCHS")
    points = tuple(point_of(text, format_text) for text in designs)
    where = next(name for name in get_args(SplitName) if name == split)
    on = device_of(device)
    network = pretrained(checkpoint, find_workload(workload) if workload else None)
    rows = tuple(infer(network, points, where, calibrated, finetune, seed, on, slopes))
    if as_json:
        print_json(rows, tuple[Inference, ...])
        return
    goal = network.made.task.metric.goal
    print_table(
        f"{network.made.workload.text}, {split}: {goal.name}, {goal.direction} is better",
        ("design", goal.name, "to fp32", "95 % interval", "loss"),
        [
            (
                row.design,
                figure(goal, goal.score(row.metric)),
                figure(goal, goal.score(row.difference), signed=True),
                "-" if row.half != row.half else f"± {figure(goal, goal.score(row.half))}",
                f"{row.loss:.4f}",
            )
            for row in rows
        ],
    )
    if finetune:
        how = "" if slopes is None else f", gradients: slopes over ±{slopes} codes"
        say(f"fine-tuned: epochs: {finetune}{how}; the fp32 that all are compared with is not")
    for name in dict.fromkeys(name for row in rows for name in row.dynamic):
        say(f"{name}: its scales depend on the batch")
