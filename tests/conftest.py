"""Shared by all tests: one torch thread a process, as pytest-xdist runs one a core."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.multipliers.cache import cache_root

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where bytecode is not kept, as in many containers, each process of the tests compiles axdse anew
# (a third of what 'axdse --help' takes), and pytest every test (a third of collecting them).
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# What several folders of tests share is importable by its file name.
sys.path.insert(0, str(Path(__file__).parent / "contracts"))

# What a compiler makes of a text, and what a library says, is the same in every test.
SHARED_CACHE = cache_root()
LONGEST = (
    *("test_docs.py", "test_mac.py", "test_inlined.py", "test_check.py", "test_sums.py"),
    "test_sums_trained.py",
)
COMPILED = ("cmodel", "confine", "harness", "liberty", "library", "native")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: at the end the other processes would wait for them."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def tools_only() -> Callable[[Path], Path]:
    """Make an empty cache beside whose verdicts and costs the compiled programs are at hand."""

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True)
        for kind in COMPILED:
            (SHARED_CACHE / kind).mkdir(parents=True, exist_ok=True)
            (folder / kind).symlink_to(SHARED_CACHE / kind)
        return folder

    return make


@pytest.fixture
def fresh_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools_only: Callable[[Path], Path]
) -> Path:
    """A cache without verdicts and costs, so that the tools really run."""
    folder = tools_only(tmp_path / "cache")
    monkeypatch.setenv("AXDSE_CACHE", str(folder))
    return folder
