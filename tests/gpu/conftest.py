"""The contracts that kernels inherit are importable by their file name."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.register_assert_rewrite("axdse.gpu.testing")
sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))

from cuda_on_host import HostDevice  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors on a busy machine are fastest with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def host_device(tmp_path_factory: pytest.TempPathFactory) -> HostDevice:
    if shutil.which("g++") is None:
        pytest.skip("NO g++: the CUDA kernels were not run on the host (apt-get install g++)")
    return HostDevice(tmp_path_factory.mktemp("kernels"))
