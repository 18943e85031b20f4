import subprocess
import sys
from pathlib import Path

import pytest

from axdse.multipliers import provenance
from axdse.multipliers.provenance import code_digest, code_of

COST_CODE = "axdse.flows.cost.cost"
LOADED = """
import sys
from axdse.multipliers.designs.catalog import builtin_catalog
design = builtin_catalog().multiplier("drum(n=5,k=3)")
{work}
print(*(m.__file__ for name, m in sys.modules.items() if name.startswith("axdse.") and m.__file__))
"""
# The design itself is in each key.
MAKE_THE_DESIGN = {"catalog.py", "strict_yaml.py", "reexports.py", "__init__.py"}
COST = "from axdse.flows.cost.cost import core_cost; core_cost(design)"
FAST = "from axdse.flows.cost.fast.estimate import fast_costs; list(fast_costs([design]))"
CHECK = "from axdse.flows.verify.check import check; check(design)"


@pytest.mark.parametrize(
    ("module", "work"),
    [
        ("axdse.flows.cost.cost", COST),
        ("axdse.flows.cost.fast.estimate", FAST),
        ("axdse.flows.verify.check", CHECK),
    ],
    ids=["cost", "fast", "verdict"],
)
def test_every_module_behind_a_result_is_in_its_key(module: str, work: str) -> None:
    call = [sys.executable, "-c", LOADED.format(work=work)]
    loaded = subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()
    files = {Path(file).resolve() for file in loaded}
    modules = {file for file in files if file.name not in MAKE_THE_DESIGN}
    assert modules
    assert modules <= {path.resolve() for path in code_of(module)}


def test_c_beside_a_module_is_in_its_key() -> None:
    assert {"activity.c", "quiet_clock.c", "harness.c", "harness.h", "confine.c"} <= {
        path.name for path in code_of("axdse.flows.cost.cost")
    }


def test_no_key_of_hardware_depends_on_networks() -> None:
    folders = {path.relative_to(provenance.ROOT).parts[0] for path in code_of(COST_CODE)}
    assert folders == {"flows", "multipliers"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules one -> two -> four and three, which nothing imports."""
    folder = tmp_path / "flows"
    (folder / "two").mkdir(parents=True)
    (folder / "one.py").write_text(
        "def f():\n    from axdse.flows import (\n        two as t,\n    )\n"
    )
    (folder / "two" / "__init__.py").write_text("import axdse.flows.two.four\n")
    (folder / "two" / "four.py").write_text("A = 1\n")
    (folder / "two" / "four.c").write_text("int a;\n")
    (folder / "three.py").write_text("A = 1\n")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    code_digest.cache_clear()
    return folder


@pytest.mark.parametrize(
    ("name", "counts"),
    [("one.py", True), ("two/four.py", True), ("two/four.c", True), ("three.py", False)],
)
def test_a_change_of_what_is_imported_changes_the_digest(
    package: Path, name: str, counts: bool
) -> None:
    before = code_digest("axdse.flows.one")
    file = package / name
    file.write_text(file.read_text() + " \n")
    code_digest.cache_clear()
    assert (code_digest("axdse.flows.one") != before) == counts
    code_digest.cache_clear()
