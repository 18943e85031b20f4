"""What is read of a path that names no ordinary file: nothing, and one line says so."""

import os
import socket
import sys
from pathlib import Path

import pytest

from axdse.dse.run.config import load_config
from axdse.flows.liberty.library import read_library
from axdse.flows.power.activity_file import read_source
from axdse.flows.verify.c_source import find_prototype
from axdse.flows.verify.certificate import read_certificate
from axdse.multipliers.designs.catalog import Catalog
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import InputFile
from axdse.multipliers.operands.recording_file import load_recording
from axdse.multipliers.tables.lut import load_approxtrain, load_npz

LIMIT = 64


def input_file(path: Path) -> InputFile:
    return InputFile(path, "it is a file", LIMIT)


def named_by_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # names of sockets are short
        server.bind(path.name)


@pytest.fixture(params=["folder", "pipe", "socket", "link to a device", "absent", "large"])
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "odd_7"
    makers = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "socket": lambda: named_by_a_socket(path),
        "link to a device": lambda: path.symlink_to("/dev/zero"),
        "absent": lambda: None,
        "large": lambda: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 40),
    }
    makers[request.param]()
    return path


@pytest.mark.parametrize(
    "read",
    [
        load_config,
        load_npz,
        load_approxtrain,
        load_recording,
        read_library,
        read_certificate,
        find_prototype,
        lambda path: read_source(str(path)),
        lambda path: input_file(path).text(),
    ],
    ids=["config", "table", "bin", "recording", "liberty", "cert", "c", "activity", "text"],
)
def test_what_is_no_ordinary_file_is_one_line(read, odd: Path) -> None:
    with pytest.raises(AxdseError, match="odd_7") as error:
        read(odd)
    assert "\n" not in str(error.value)


def test_a_catalogue_that_is_a_device_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").symlink_to("/dev/zero")
    with pytest.raises(AxdseError, match="no regular file"):
        Catalog(tmp_path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "\ud800", "a/" * 3000])
def test_a_path_that_no_file_has_is_one_line(name: str) -> None:
    with pytest.raises(AxdseError, match="it is a file"):
        input_file(Path(name)).read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_others_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.touch(mode=0o000)
    with pytest.raises(AxdseError, match="Permission denied"):
        input_file(path).read()


@pytest.mark.parametrize(("size", "fits"), [(LIMIT, True), (LIMIT + 1, False)])
def test_the_limit_is_the_largest_size(size: int, fits: bool, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(size))
    if fits:
        assert len(input_file(path).read()) == size
        return
    with pytest.raises(AxdseError, match="more than 64 bytes"):
        input_file(path).read()


@pytest.mark.skipif(sys.platform != "linux", reason="files of /proc")
def test_a_file_that_states_no_size_is_cut_off() -> None:
    with pytest.raises(AxdseError, match="more than 64 bytes"):
        input_file(Path("/proc/cpuinfo")).read()


def test_a_nul_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"a\nb\0c\n")
    with pytest.raises(AxdseError, match="line 2 holds a NUL"):
        input_file(path).text()


def test_line_ends_are_those_of_python(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"a\r\nb\rc\n")
    assert input_file(path).text() == "a\nb\nc\n"
