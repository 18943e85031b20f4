"""Is a factory a workload? Inherit `WorkloadContract`, set `workload`.

class TestMyTask(WorkloadContract):
workload = "my_task:task(width=8)"
"""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from axdse.dse.training.examples import Batch, Examples, Inputs
from axdse.dse.training.task import Made, make
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.gpu.layers.convert import convert
from axdse.multipliers.designs.design_point import parse_design_point

BF16 = "exact(n=8) in bf16"
SPLITS = ("train", "validation", "test")


@functools.cache
def _made(workload: str) -> Made:
    return make(find_workload(workload))


class WorkloadContract:
    """What training, search and evaluation rely on; a second or so a test.

    Attributes:
        workload: as commands take it.
        steps: of a training here.
    """

    workload: str
    steps = 2

    @property
    def made(self) -> Made:
        return _made(self.workload)

    def batch(self, split: str = "train", size: int = 4) -> Batch:
        examples: Examples = getattr(self.made.splits, split)
        return next(iter(examples.batches(size)))

    def test_the_text_of_a_workload_reads_back(self) -> None:
        workload = find_workload(self.workload)
        assert find_workload(workload.text) == workload

    @pytest.mark.parametrize("split", SPLITS)
    def test_a_split_gives_each_example_once(self, split: str) -> None:
        examples = getattr(self.made.splits, split)
        counts = [len(targets) for _, targets in itertools.islice(examples.batches(7), 3)]
        assert counts == [min(7, len(examples) - 7 * i) for i in range(len(counts))]
        assert counts

    def test_an_order_depends_on_its_seed_alone(self) -> None:
        def first(seed: int) -> list[Tensor]:
            order = np.random.default_rng(seed)
            inputs, targets = next(iter(self.made.splits.train.batches(8, order)))
            return [targets, *([inputs] if isinstance(inputs, Tensor) else inputs)]

        assert all(map(torch.equal, first(1), first(1)))
        assert not all(map(torch.equal, first(1), first(2)))

    def test_weights_depend_on_the_seed_alone(self) -> None:
        before = torch.random.get_rng_state()
        first, again, other = (_weights(self.made.build(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert torch.equal(before, torch.random.get_rng_state())

    @pytest.mark.parametrize("split", SPLITS)
    def test_the_loss_is_a_scalar_with_gradients(self, split: str) -> None:
        model = self.made.build(0)
        inputs, targets = self.batch(split)
        loss = self.made.task.loss(_outputs(model, inputs), targets)
        assert loss.shape == ()
        assert bool(loss.isfinite())
        torch.autograd.backward(loss)
        assert any(p.grad is not None and bool(p.grad.any()) for p in model.parameters())

    def test_the_metric_counts_examples_one_by_one(self) -> None:
        """Of two batches it is what it is of both together, so batch sizes play no part."""
        model = self.made.build(0).eval()
        inputs, targets = self.batch("validation", 6)
        with torch.no_grad():
            outputs = _outputs(model, inputs)
            metric = self.made.task.metric.of
            whole = metric(outputs, targets).double()
            parts = [metric(outputs[i : i + 2], targets[i : i + 2]).double() for i in (0, 2, 4)]
        assert whole.isfinite().all()
        total = sum(float(part.sum()) for part in parts)
        assert total == pytest.approx(float(whole.sum()), rel=1e-5)
        assert sum(part.numel() for part in parts) == whole.numel()

    def test_a_loss_said_to_be_the_metric_is_it(self) -> None:
        task, model = self.made.task, self.made.build(0).eval()
        if not task.loss_is_metric:
            return
        inputs, targets = self.batch("validation", 6)
        with torch.no_grad():
            outputs = _outputs(model, inputs)
            loss, values = task.loss(outputs, targets), task.metric.of(outputs, targets)
        assert float(loss) == pytest.approx(float(values.double().mean()), rel=1e-5)

    def test_a_metric_says_what_it_is(self) -> None:
        metric = self.made.task.metric
        assert metric.name
        assert metric.direction in ("higher", "lower")
        assert metric.resolution > 0

    def test_some_layers_can_be_approximate(self) -> None:
        assert convert(self.made.build(0), BF16).approximate

    @pytest.mark.parametrize("design", [None, BF16])
    def test_the_same_training_gives_the_same_bits(self, design: str | None) -> None:
        settings = self.made.task.settings
        few = self.steps * min(settings.batch_size, 16)
        short = dataclasses.replace(settings, epochs=1, train_images=few, batch_size=16)
        point = parse_design_point(design) if design else None
        runs = [train(self.made.workload, point, short, seed=3) for _ in range(2)]
        assert runs[0].history.status == "finished"
        assert torch.equal(_weights(runs[0].model), _weights(runs[1].model))


def _outputs(model: nn.Module, inputs: Inputs) -> Tensor:
    outputs: Tensor = model(inputs) if isinstance(inputs, Tensor) else model(*inputs)
    return outputs


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
