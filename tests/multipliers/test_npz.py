"""Archives that ask for more than they have, or are none: one line, and little memory."""

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile
from axdse.multipliers.npz import MOST_MEMBERS, Npz, open_npz


def header(descr: str = "<u2", shape: str = "(2, 3)", order: str = "False") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def opened(data: bytes, folder: Path) -> Npz:
    path = folder / "some.npz"
    path.write_bytes(data)
    return open_npz(InputFile(path, "it is an archive", 64 * MIB), MIB)


def refused(data: bytes, folder: Path) -> str:
    with pytest.raises(AxdseError, match=r"it is an archive: .*some\.npz") as error:
        opened(data, folder).array("a")
    text = str(error.value)
    assert "\n" not in text
    return text


GOOD = archive(("a.npy", header() + bytes(12)))
CENTRAL = GOOD.rindex(b"PK\1\2")


def patched(at: int, data: bytes) -> bytes:
    return GOOD[:at] + data + GOOD[at + len(data) :]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<u2", ">i8", "|u1", "<f4", "|b1"])
def test_arrays_are_those_of_numpy(dtype: str, order: str, tmp_path: Path) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype, order=order)  # type: ignore[call-overload]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=array, b=np.array("text é"))
    npz = opened(buffer.getvalue(), tmp_path)

    assert npz.names == {"a", "b"}
    assert npz.array("a").dtype == array.dtype
    assert (npz.array("a") == array).all()
    assert npz.text("b") == "text é"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a zip"),
        (GOOD[:-30], "not a zip"),
        (patched(CENTRAL + 8, b"\1"), "encrypted"),
        (patched(CENTRAL + 10, b"\x63\0"), "compression method 99"),
        (patched(CENTRAL + 10, b"\x0c\0"), "compression method 12"),
        (patched(CENTRAL + 24, b"\xff\xff\xff\x7f"), "unpacks to more than 1 MiB"),
        (patched(CENTRAL + 16, b"\0"), "CRC"),
        (archive(("a.npy", header() + bytes(11))), "not as large"),
        (archive(("a.npy", header() + bytes(13))), "not as large"),
        (archive(("a.npy", header(shape="(999999999999, 9999999)"))), "not as large"),
        (archive(("a.npy", header(shape="(" + "1, " * 40 + ")") + bytes(2))), "plain numbers"),
        (archive(("a.npy", header("|O"))), "plain numbers"),
        (archive(("a.npy", header("<f3", "(1,)") + bytes(3))), "plain numbers"),
        (archive(("a.npy", header(shape="(-1,)"))), "plain numbers"),
        (archive(("a.npy", header(shape="(" * 400))), "plain numbers"),
        (archive(("a.npy", header(shape="(" + "1" * 400))), "plain numbers"),
        (archive(("a.npy", header(shape="(" + "1, " * 130))), "plain numbers"),
        (archive(("a.npy", header(shape="(" + " " * 400))), "plain numbers"),
        (archive(("a.npy", header("<U0", "()"))), "an array of nothing"),
        (archive(("a.npy", header("<U0", "(5,)"))), "an array of nothing"),
        (archive(("a.npy", header(shape="(0, 999999999999, 9999999)"))), "plain numbers"),
        (archive(("a.npy", header(shape="(999999999999999999, 0)"))), "plain numbers"),
        (archive(("a.npy", b"\x93NUMPY\1\0\xff\xff")), "no array of NumPy"),
        (archive(("a.npy", b"")), "no array of NumPy"),
        (archive(("b.npy", header())), "no a.npy"),
        (archive(("../a.npy", header())), "no name of an array"),
        (archive(("a.npy", b""), ("a.npy", b"")), "one twice"),
        (archive(*((f"a{i}.npy", b"") for i in range(MOST_MEMBERS + 1))), "more than 4096"),
        (archive(("a.npy", header(shape="(9999999,)") + bytes(19999998))), "unpacks to more"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "data",
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_damaged_is_one_line(data: bytes, message: str, tmp_path: Path) -> None:
    assert message in refused(data, tmp_path)


def test_a_bomb_that_lies_about_its_size_is_cut_off(tmp_path: Path) -> None:
    bomb = bytearray(archive(("a.npy", header() + bytes(48 * MIB))))
    at = bomb.rindex(b"PK\1\2")
    bomb[at + 24 : at + 28] = struct.pack("<I", len(header()) + 12)
    tracemalloc.start()
    try:
        refused(bytes(bomb), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", [b"\0\xd8\0\0", b"\xff\xff\xff\xff"])
def test_a_text_that_is_none_is_one_line(text: bytes, tmp_path: Path) -> None:
    npz = opened(archive(("a.npy", header("<U1", "()") + text)), tmp_path)
    with pytest.raises(AxdseError, match="no text"):
        npz.text("a")
