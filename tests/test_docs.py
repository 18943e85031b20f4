"""The README and the documents do what they say: commands and examples are run."""

import ast
import functools
import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import click
import pytest

from axdse.dse.cli.commands import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GUIDES = sorted([*ROOT.glob("[!C]*.md"), ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
DOCUMENTS = [*GUIDES, ROOT / "CHANGELOG.md"]  # which tells of what is no more
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("axdse ")
]
# Beginnings of those of which a default test runs the same words on less: in flows/verify,
# test_check.py and test_sum_check.py; in dse/cli, those of train, cost, show and energy.
LONG = (
    "axdse verify --defaults",
    'axdse verify "mitchell(m=1)" --format "float(2,1)" --sum',
    'axdse train teacher "exact(n=4) in fp8_e4m3 sum hopper_fp8"',
    "axdse train teacher fp32",
    'axdse cost "exact(n=4) in float(8,3) sum dot(terms=4,acc=lazy(10,24))" --mac',
    'axdse train lenet-300-100 "exact(n=8)" --format bf16 --epochs 1 --record ops.npz',
)
PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)+/?|\w+/|\w+\.(py|c|h|cu|cuh)")
MADE = ("build/", "runs/")  # by commands
PYTHON = [block for language, block in BLOCKS if language == "python"]


def environment() -> dict[str, str]:
    scripts = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def test_readme_has_commands_and_code() -> None:
    assert len(COMMANDS) >= 8
    assert [start for start in LONG if not any(c.startswith(start) for c in COMMANDS)] == []
    assert PYTHON


@pytest.mark.parametrize(
    "command",
    [pytest.param(c, marks=[pytest.mark.slow] if c.startswith(LONG) else []) for c in COMMANDS],
)
def test_readme_command_runs(command: str, examples: Path) -> None:
    subprocess.run(command, shell=True, cwd=examples, env=environment(), check=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_command_has_words_that_there_are(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands, options and their values; nothing is run."""
    invoked: list[str | None] = []
    monkeypatch.setattr(click.Command, "invoke", lambda self, _: invoked.append(self.name))
    for call in command.split(" && "):
        words = shlex.split(call)[1:]
        cli.main(words, standalone_mode=False)
        assert invoked[-1] in words


@pytest.mark.parametrize("code", PYTHON)
def test_readme_python_runs(code: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize("target", re.findall(r"^make (\S+)", README, flags=re.MULTILINE))
def test_readme_make_target_exists(target: str) -> None:
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (document.parent / link).exists()] == []


def paths_in(document: Path) -> list[str]:
    """Paths of this repository in backticks, of which some say NAME or *."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    quoted = re.findall(r"`([^`\n]+)`", text)
    return [path for path in quoted if PATH.fullmatch(path) and not path.startswith(MADE)]


@functools.cache
def files_and_folders() -> frozenset[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [Path(name) for name in names.split() if (ROOT / name).exists()]
    return frozenset(str(path) for file in files for path in (file, *file.parents))


def exists(path: str) -> bool:
    """Whether there is such a path, from the root if it says so, else anywhere."""
    pattern = re.sub("NAME|KEY", "*", path.rstrip("/"))
    from_root = pattern.partition("/")[0] in files_and_folders()
    patterns = [pattern] if from_root else [pattern, f"*/{pattern}"]
    return any(fnmatchcase(name, p) for name in files_and_folders() for p in patterns)


@functools.cache
def names_in(module: Path) -> frozenset[str]:
    """What a module defines or imports at its top, or has as a text, as lazy exports are."""
    tree = ast.parse(module.read_text())
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return frozenset(name for name in found if isinstance(name, str))


def is_defined(dotted: str) -> bool:
    """Whether `axdse.package.module.name` is there, for all that the files say."""
    place, names = ROOT, dotted.split(".")[1:]
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    if names and (place / f"{names[0]}.py").is_file():
        module = place / f"{names.pop(0)}.py"
    else:
        module = (ROOT / "package" if place == ROOT else place) / "__init__.py"
    return module.is_file() and (not names or names[0] in names_in(module))


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: path.stem)
def test_paths_and_modules_exist(document: Path) -> None:
    assert [path for path in paths_in(document) if not exists(path)] == []
    dotted = re.findall(r"\baxdse(?:\.[a-zA-Z_]\w*)+", document.read_text())
    assert [name for name in dotted if not is_defined(name)] == []


def test_what_is_not_there_is_found_missing() -> None:
    assert exists("gpu/ops/plan.py")
    assert exists("plan.py")
    assert exists("multipliers/models/NAME.c")
    assert not exists("gpu/plan.py")
    assert not exists("model_unit.py")
    assert is_defined("axdse.gpu.ops.plan.plan")
    assert is_defined("axdse.gpu.testing")
    assert is_defined("axdse.convert")
    assert not is_defined("axdse.plan")
    assert not is_defined("axdse.gpu.plan")
    assert not is_defined("axdse.gpu.ops.plan.nothing")
