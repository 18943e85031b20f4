import dataclasses
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file and return its path."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


@pytest.fixture
def fake_tool(tmp_path: Path) -> Callable[[str, str], Path]:
    """Make a shell script that stands for a tool that is broken."""

    def make(name: str, script: str) -> Path:
        folder = tmp_path / "fake"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return path

    return make


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a C compiler and nothing else; returns its folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cc", "as", "ld", "sh"):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def with_rtl(write: Write) -> Callable[..., Multiplier]:
    """The exact C model beside other Verilog, between module and endmodule."""

    def make(body: str, bits: int = 4) -> Multiplier:
        text = (
            "module exact #(parameter N = 8) (input [N-1:0] a, b, output [2*N-1:0] p);\n"
            f"{body}\nendmodule\n"
        )
        family = dataclasses.replace(builtin_catalog().family("exact"), rtl=write("exact.v", text))
        return family.bind({"n": bits})

    return make
