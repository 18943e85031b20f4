"""A step of distributed training, by processes that a test spawns."""

import copy
import os
from datetime import timedelta
from pathlib import Path

import torch
from networks import Batch, loss_of
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


def step(rank: int, world: int, model: nn.Module, whole: Batch, folder: Path) -> None:
    """Save the gradients of this process, whose share of the batch is every world-th image."""
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=world,
        timeout=timedelta(seconds=60),
    )
    images, labels = whole
    # The spawning process shares its tensors: without a copy, all would add to the same ones.
    parallel = DistributedDataParallel(copy.deepcopy(model))
    loss_of(parallel, images[rank::world], labels[rank::world]).backward()
    gradients = {name: p.grad for name, p in parallel.module.named_parameters()}
    torch.save(gradients, folder / f"gradients{rank}.pt")
    distributed.destroy_process_group()
