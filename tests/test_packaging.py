"""The distribution: one top-level name, all the data files, no compiler at install time."""

import itertools
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DATA = (
    "multipliers/*/*.[ch]",
    "multipliers/catalog/*.yaml",
    "multipliers/rtl/**/*.v",
    "flows/**/*.c",
    "flows/**/*.v",
    "gpu/**/*.py",
    "gpu/cpu/csrc/*",
    "gpu/cuda/csrc/*",
    "gpu/testing/*.c",
    "dse/training/data/*.xz",
    "dse/training/data/*.py.txt",
    "dse/training/data/LICENSE*",
    "dse/report/templates/**/*.*",
    "dse/run/search.yaml",
)


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy: a build writes into its source tree, and other processes build at the same time.
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "dist", "runs"))
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("axdse-*-py3-none-any.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_wheel_has_one_top_level_name(wheel_names: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel_names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"axdse"}


def test_wheel_ships_every_module(wheel_names: list[str]) -> None:
    tops = ("multipliers", "flows", "gpu", "dse")
    modules = [path for top in tops for path in (ROOT / top).rglob("__init__.py")]
    files = {path for module in modules for path in module.parent.glob("*.py")}
    assert {f"axdse/{path.relative_to(ROOT)}" for path in files} <= set(wheel_names)
    assert {"axdse/__init__.py", "axdse/py.typed"} <= set(wheel_names)


@pytest.mark.parametrize("pattern", DATA)
def test_wheel_ships_every_data_file(wheel_names: list[str], pattern: str) -> None:
    files = [str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)]
    assert files, f"no file matches {pattern}"
    assert {f"axdse/{name}" for name in files} <= set(wheel_names)


def test_wheel_ships_the_licences(wheel_names: list[str]) -> None:
    licences = {Path(name).name for name in wheel_names if ".dist-info/licenses/" in name}
    data = {"LICENSE-cmudict", "LICENSE-fashion-mnist", "LICENSE-jargon"}
    assert licences == {"LICENSE", *data}


def test_no_registry_host_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "debian" + ".org", "npmjs" + ".org")
    for name in tracked.stdout.split():
        text = (ROOT / name).read_bytes()
        assert not [host for host in hosts if host.encode() in text], name


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    for key in ("version", "license", "keywords"):
        assert citation[key] == project[key]


def test_hooks_are_the_tools_of_set_up() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    makefile = (ROOT / "Makefile").read_text()
    for hook in repos[0]["hooks"]:
        program, argument, *_ = hook["entry"].split()
        known = f"\n{argument}:" if program == "make" else f"$(BIN)/ruff {argument}"
        assert known in makefile
        assert program in ("make", ".venv/bin/ruff")


def test_every_dependency_has_a_written_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = itertools.chain.from_iterable(project["optional-dependencies"].values())
    names = {re.split(r"[><=]", text)[0] for text in (*project["dependencies"], *extras)}
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    assert {name for name in names if f"| {name} |" not in reasons} == set()
