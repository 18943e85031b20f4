"""What does an .npz or .npy of a stranger declare, before anything of it is unpacked?

The list of members, their sizes and the shapes of their arrays are compared before anything is
allocated or unpacked, so a few bytes cannot ask for gigabytes. Formats: APPNOTE.TXT of PKWARE,
4.3; numpy.lib.format of NumPy, versions 1 to 3.
"""

import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np

from axdse.multipliers.files import MIB, InputFile, size_text

MOST_MEMBERS = 4096
LONGEST_HEADER = 1024
MOST_DIMENSIONS = 8
MOST_ELEMENTS = 1 << 40
_ENTRY = b"PK\1\2"  # begins each entry of the central directory
_ENCRYPTED = 0x1
_MAGIC = b"\x93NUMPY"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}\.npy")
# As NumPy writes it; plain numbers and text only, never objects.
_HEADER = re.compile(
    rb"\{\s*'descr'\s*:\s*'([<>|=]?[biufU]\d{1,9})'\s*,"
    rb"\s*'fortran_order'\s*:\s*(True|False)\s*,"
    rb"\s*'shape'\s*:\s*\(\s*((?:\d{1,18}\s*,\s*)*(?:\d{1,18}\s*)?)\)\s*,?\s*\}\s*"
)
_BROKEN = (
    *(OSError, EOFError, ValueError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)


@dataclass(frozen=True)
class Npz:
    """The arrays of an archive by name, unpacked when asked for.

    Attributes:
        file: where it was read.
    """

    file: InputFile
    _archive: zipfile.ZipFile
    _members: Mapping[str, zipfile.ZipInfo]

    @property
    def names(self) -> frozenset[str]:
        """Of the arrays."""
        return frozenset(self._members)

    def array(self, name: str) -> np.ndarray:
        """Return one array of numbers.

        Raises:
            AxdseError: there is none of that name, or it is damaged, of objects, or larger or
                smaller than it says.
        """
        dtype, fortran, shape, content = self._read(name)
        if not dtype.itemsize:
            raise self.file.refusal(f"{name} is an array of nothing")
        array = np.frombuffer(content, dtype=dtype)
        return array.reshape(shape, order="F" if fortran else "C")

    def text(self, name: str) -> str:
        """Return one array of a single text.

        Raises:
            AxdseError: as `array`, or it is no text.
        """
        dtype, _, shape, content = self._read(name)
        if dtype.kind != "U" or shape:
            raise self.file.refusal(f"{name} is no text")
        try:
            codec = "utf-32-be" if dtype.byteorder == ">" else "utf-32-le"
            return content.decode(codec).rstrip("\0")
        except UnicodeDecodeError as error:
            raise self.file.refusal(f"{name} is no text") from error

    def _read(self, name: str) -> tuple[np.dtype, bool, tuple[int, ...], bytearray]:
        member = self._members.get(name)
        if member is None:
            raise self.file.refusal(f"it has no {name}.npy")
        try:
            with self._archive.open(member) as stream:
                dtype, fortran, shape, length = _header(self.file, name, stream)
                size = dtype.itemsize * math.prod(shape)
                if size != member.file_size - length:
                    raise self.file.refusal(f"{name} is not as large as its header says")
                content = bytearray()
                while len(content) < size and (part := stream.read(min(MIB, size - len(content)))):
                    content += part
                # At its end the check sum is compared.
                if len(content) < size or stream.read(1):
                    raise self.file.refusal(f"{name} is not as large as its header says")
        except _BROKEN as error:
            raise self.file.refusal(f"{name}: {error}") from error
        return dtype, fortran, shape, content


def open_npz(file: InputFile, most_bytes: int) -> Npz:
    """Open an archive; nothing in it is unpacked yet.

    Args:
        file: the archive.
        most_bytes: of all arrays together, unpacked.

    Raises:
        AxdseError: it is no such archive, encrypted, compressed in another way than deflate, or
            would unpack to more.
    """
    data = file.read()
    # The archive's own list is read as a whole: not one of millions of entries.
    if data.count(_ENTRY) > 2 * MOST_MEMBERS:
        raise file.refusal(f"more than {MOST_MEMBERS} arrays")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _BROKEN as error:
        raise file.refusal(error) from error
    infos = archive.infolist()
    members = {info.filename.removesuffix(".npy"): info for info in infos}
    if len(infos) > MOST_MEMBERS or len(members) < len(infos):
        raise file.refusal(f"more than {MOST_MEMBERS} arrays, or one twice")
    for info in infos:
        if not _NAME.fullmatch(info.filename):
            raise file.refusal(f"{info.filename[:64]!r} is no name of an array")
        if info.flag_bits & _ENCRYPTED:
            raise file.refusal("it is encrypted")
        if info.compress_type not in _METHODS:
            raise file.refusal(f"compression method {info.compress_type}")
    if sum(info.file_size for info in infos) > most_bytes:
        raise file.refusal(f"it unpacks to more than {size_text(most_bytes)}")
    return Npz(file, archive, members)


def open_npy(file: InputFile) -> np.ndarray:
    """Map an `.npy` of numbers into memory: what is not used is not read.

    Raises:
        AxdseError: it is none of plain numbers, or not as large as its header says.
    """
    with file.opened() as stream:
        dtype, fortran, shape, length = _header(file, file.path.name, stream)
        size = dtype.itemsize * math.prod(shape)
        if dtype.kind == "U" or size != os.fstat(stream.fileno()).st_size - length or not size:
            raise file.refusal("it is not as large as its header says, or is text, or empty")
        order: Literal["F", "C"] = "F" if fortran else "C"
        # Copied where it is written to: torch warns of arrays that cannot be.
        return np.memmap(stream, dtype, mode="c", offset=length, shape=shape, order=order)


def _header(
    file: InputFile, name: str, stream: IO[bytes]
) -> tuple[np.dtype, bool, tuple[int, ...], int]:
    """Element type, order, shape, and the length of the header."""
    start = stream.read(8)
    wide = start[6:7] in (b"\2", b"\3")
    length = stream.read(4 if wide else 2)
    count = int.from_bytes(length, "little")
    if start[:6] != _MAGIC or not 1 <= start[6] <= 3 or count > LONGEST_HEADER:
        raise file.refusal(f"{name} is no array of NumPy")
    found = _HEADER.fullmatch(stream.read(count))
    shape = tuple(map(int, re.findall(rb"\d+", found[3]))) if found else ()
    # A dimension of none hides from the sizes how large the others are.
    vast = 0 in shape and math.prod(filter(None, shape)) > MOST_ELEMENTS
    if found is None or len(shape) > MOST_DIMENSIONS or vast:
        raise file.refusal(f"{name} is no array of plain numbers or text")
    try:
        dtype = np.dtype(found[1].decode())
    except TypeError as error:
        raise file.refusal(f"{name} is no array of plain numbers or text") from error
    return dtype, found[2] == b"True", shape, len(start) + len(length) + count
