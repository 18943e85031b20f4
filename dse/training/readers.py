"""Which arrays and texts can a user bring? Files as they are usually laid out, read with care.

IDX files (MNIST), CIFAR-10 and CIFAR-100 "python version", `.npz` and `.npy`; text as characters.
Nothing here runs what is in a file: a pickle of CIFAR is read without calling what it names.
"""

import gzip
import io
import math
import pickle
import pickletools
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from axdse.multipliers.files import MIB, InputFile, size_text
from axdse.multipliers.npz import open_npy, open_npz

LARGEST = 256 * MIB  # a file, packed or not
MOST_BYTES = 16 * 1024 * MIB  # the arrays of an archive, unpacked


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of bytes (LeCun's MNIST format), gzipped or not.

    Returns:
        uint8 of the shape that it declares.

    Raises:
        AxdseError: it cannot be read, or is not what its header says.
    """
    rule, remedy = "images are gzipped IDX files", "install the dataset again"
    file = InputFile(path, rule, LARGEST, remedy)
    data = file.read()
    if data[:2] == b"\x1f\x8b" or path.suffix == ".gz":
        data = unpacked(file, data)
    start = 4 + 4 * (data[3] if len(data) > 3 else 0)
    shape = tuple(np.frombuffer(data[4:start], dtype=">u4").tolist()) if len(data) >= start else ()
    if data[:3] != b"\0\0\x08" or not shape or math.prod(shape) != len(data) - start:
        raise file.refusal("not as large as its header says")
    # A copy: torch warns of arrays that cannot be written to.
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape).copy()


def unpacked(file: InputFile, data: bytes) -> bytes:
    """What a gzip holds.

    Raises:
        AxdseError: it is none, cut off, or holds more than a file may have.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise file.refusal(error) from error
    if len(content) > LARGEST:
        raise file.refusal(f"it unpacks to more than {size_text(LARGEST)}")
    return content


# What an array of bytes and its labels need, in protocols 0 to 5; no opcode that calls but REDUCE
# and BUILD, which find our own classes only. A memo of any size is no opcode's right.
_OPCODES = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINBYTES",
        "SHORT_BINBYTES",
        "EMPTY_LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_DICT",
        "SETITEM",
        "SETITEMS",
        "DICT",
        "LIST",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
        "MEMOIZE",
        "BINGET",
        "LONG_BINGET",
        "BINPUT",
        "LONG_BINPUT",
    ]
)
_MOST_MEMO = 1 << 20


class _DType:
    """What a pickled dtype says, without NumPy."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        pass


class _Array:
    """What a pickled array says, without NumPy."""

    def __init__(self, *_: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


_CLASSES: dict[tuple[str, str], Any] = {
    (module, name): kind
    for core in ("numpy.core", "numpy._core")
    for module, name, kind in (
        (f"{core}.multiarray", "_reconstruct", _Array),
        ("numpy", "ndarray", _Array),
        ("numpy", "dtype", _DType),
    )
} | {("_codecs", "encode"): lambda text, codec: str(text).encode("latin-1", "replace")}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _CLASSES.get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return found


def read_cifar_batch(path: Path, labels: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """Read a batch of CIFAR-10 or CIFAR-100, "python version" (Krizhevsky, 2009).

    Args:
        path: such as `data_batch_1`.
        labels: their key: `labels`, or of CIFAR-100 `fine_labels` or `coarse_labels`.

    Returns:
        Images, uint8 [n, 3, 32, 32], and labels, int64 [n].

    Raises:
        AxdseError: it is something else; a pickle that names anything but arrays is not obeyed.
    """
    file = InputFile(path, "a batch of CIFAR is its pickle of images and labels", LARGEST)
    data = file.read()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name not in _OPCODES:
                raise file.refusal(f"it has the opcode {opcode.name}")
            if "PUT" in opcode.name and int(str(argument)) > _MOST_MEMO:
                raise file.refusal("its memo is too large")
        batch = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except (pickle.UnpicklingError, ValueError, EOFError, LookupError, TypeError) as error:
        raise file.refusal(error) from error
    except (AttributeError, RecursionError) as error:
        raise file.refusal("no batch") from error
    known = {_text(key): value for key, value in batch.items()} if isinstance(batch, dict) else {}
    images, given = _array(known.get("data")), known.get(labels)
    if images is None or images.ndim != 2 or images.shape[1] != 3 * 32 * 32:
        raise file.refusal("its data are no images of 3 x 32 x 32 bytes")
    if not isinstance(given, list) or len(given) != len(images):
        raise file.refusal(f"it has no {labels} for each image")
    if not all(isinstance(each, int) and 0 <= each < 100 for each in given):
        raise file.refusal(f"its {labels} are no numbers 0..99")
    return images.reshape(-1, 3, 32, 32), np.array(given, np.int64)


def _text(key: object) -> object:
    return key.decode("latin-1") if isinstance(key, bytes) else key


def _array(value: object) -> np.ndarray | None:
    """The bytes that a pickled array of uint8 holds, in its shape; None: it is none."""
    state = value.state if isinstance(value, _Array) else None
    if not isinstance(state, tuple) or len(state) != 5:
        return None
    _, shape, kind, _, content = state
    if not isinstance(kind, _DType) or _text(kind.code) != "u1" or not isinstance(content, bytes):
        return None
    plain = isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)
    if not plain or math.prod(shape) != len(content):
        return None
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an `.npz`; of numbers, never of objects.

    Raises:
        AxdseError: it is damaged, or would unpack to more than there is room for.
    """
    archive = open_npz(InputFile(path, "data are an .npz of plain arrays", MOST_BYTES), MOST_BYTES)
    return {name: archive.array(name) for name in sorted(archive.names)}


def map_npy(path: Path) -> np.ndarray:
    """An `.npy` as its file holds it: pages of it are read when they are used.

    Raises:
        AxdseError: it is none of plain numbers, or not as large as it says.
    """
    return open_npy(InputFile(path, "data are an .npy of plain numbers", 1 << 62))


def characters(text: str) -> tuple[np.ndarray, str]:
    """Text as codes.

    Returns:
        int64 [len(text)], and the alphabet that they count: its characters in order.
    """
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    alphabet, codes = np.unique(points, return_inverse=True)
    return codes.reshape(-1).astype(np.int64), "".join(map(chr, alphabet))
