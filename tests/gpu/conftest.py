"""The contracts that kernels inherit are importable by their file name."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.register_assert_rewrite("gemm_contract")
sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors on a busy machine are fastest with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
