"""The README and the documents do what they say: commands and examples are run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("axdse ")
]
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
    assert PYTHON


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_command_runs(command: str, examples: Path) -> None:
    subprocess.run(command, shell=True, cwd=examples, env=environment(), check=True)


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
