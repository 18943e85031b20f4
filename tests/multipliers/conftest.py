import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Family, Multiplier, Parameter

sys.path.insert(0, str(Path(__file__).parent / "statements"))
MakeMultiplier = Callable[..., Multiplier]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("AXDSE_CACHE", str(folder))
    return folder


@pytest.fixture
def make_multiplier(tmp_path: Path) -> MakeMultiplier:
    """Make a multiplier `core` of n-bit operands from C source."""

    def make(source: str, n: int = 4, kind: str = "integer") -> Multiplier:
        model = tmp_path / "core.c"
        model.write_text("#include <stdint.h>\n" + source)
        parameters = {"n": Parameter(1, 32, 4, "operand width")}
        family = Family("core", "of a test", kind, "n", model, tmp_path / "core.v", parameters)
        return family.bind({"n": n})

    return make


@pytest.fixture
def exact() -> Family:
    return builtin_catalog().family("exact")
