"""Set-up: one clear line where it may not install, and what editors need to find `axdse.*`."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASIC = ("sh", "dirname", "cut", "tr", "sed", "sort", "cat", "grep", "mktemp", "cksum", "rm")
NOT_ROOT = "#!/bin/sh\necho 1000\n"


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with the shell's basics and Python, but none of the tools that axdse needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*BASIC, "tail", "python3"):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(Path(found).resolve())
    return folder


def script(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def setup(folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(folder), "AXDSE_VENV": str(tmp_path / "venv")}
    return subprocess.run(
        [ROOT / "setup.sh"], env=environment, capture_output=True, text=True, check=False
    )


def assert_one_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("axdse: ")
    for word in words:
        assert word in result.stderr


def test_not_debian(bare_path: Path, tmp_path: Path) -> None:
    assert_one_line(setup(bare_path, tmp_path), "iverilog", "yosys", "not Debian")


def test_not_root(bare_path: Path, tmp_path: Path) -> None:
    script(bare_path, "apt-get", "#!/bin/sh\nexit 1\n")
    script(bare_path, "id", NOT_ROOT)
    assert_one_line(setup(bare_path, tmp_path), "sudo apt-get install", "iverilog")


def test_failing_apt_get(bare_path: Path, tmp_path: Path) -> None:
    script(bare_path, "apt-get", "#!/bin/sh\necho 'E: no such package' >&2\nexit 100\n")
    script(bare_path, "id", "#!/bin/sh\necho 0\n")
    script(bare_path, "env", '#!/bin/sh\nshift\n"$@"\n')
    result = setup(bare_path, tmp_path)
    assert_one_line(result, "E: no such package")
    assert "simulates the Verilog" in result.stdout, "it must say what it installs, and why"


def test_old_python(bare_path: Path, tmp_path: Path) -> None:
    for name in ("iverilog", "yosys", "yosys-abc", "sta", "cc"):
        script(bare_path, name, "#!/bin/sh\n")
    (bare_path / "python3").unlink()
    script(bare_path, "python3", '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    script(bare_path, "python3-venv", "#!/bin/sh\n")
    script(bare_path, "libpython3", "#!/bin/sh\n")
    assert_one_line(setup(bare_path, tmp_path), "Python 3.11", "3.9.2", "AXDSE_PYTHON")


def test_set_up_makes_the_folders_in_which_editors_look(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    script(tmp_path, "setup.sh", "#!/bin/sh\n")
    for folder in ("package", "multipliers", "flows", "gpu", "dse"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    subprocess.run(["make", "setup-dev"], cwd=tmp_path, check=True, capture_output=True)
    named = json.loads((ROOT / "pyrightconfig.json").read_text())["extraPaths"]
    (made,) = [tmp_path / path for path in named if not path.startswith("tests/")]
    assert (made / "axdse" / "__init__.py").samefile(tmp_path / "package" / "__init__.py")
    assert (made / "axdse" / "gpu").samefile(tmp_path / "gpu")
    assert all((ROOT / path).is_dir() for path in named if path.startswith("tests/"))
