"""Which images and texts can a user bring? Files as they are usually laid out, read with care.

IDX files (MNIST), CIFAR-10 and CIFAR-100 "python version", folders of a class each (ImageNet,
as torchvision's ImageFolder has them), `.npz` and `.npy`; text as characters. Nothing here runs
what is in a file: a pickle of CIFAR is read without calling a function that it names.
"""

import gzip
import io
import math
import pickle
import pickletools
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile, size_text
from axdse.multipliers.npz import open_npy, open_npz

LARGEST = 256 * MIB  # a file, packed or not
MOST_BYTES = 16 * 1024 * MIB  # the arrays of an archive, unpacked
LARGEST_PICTURE = 64 * MIB
MOST_PIXELS = 1 << 28
ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})


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
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


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


_BROKEN = (
    *(OSError, EOFError, ValueError, SyntaxError, TypeError, LookupError, OverflowError),
    *(struct.error, zlib.error),
)


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
    return np.frombuffer(content, np.uint8).reshape(shape)


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


@dataclass(frozen=True)
class ImageFolder:
    """Pictures below a folder, in a folder of each class: decoded when asked for.

    The classes are the names of the folders in order, as torchvision has them.

    Attributes:
        root: the folder.
        classes: names of its folders.
        files: (path, class) of each picture, in order.
        size: height and width that pictures are brought to: the shorter side is resized, then the
            middle is cut out.
        channels: 3, or 1 for grey.
    """

    root: Path
    classes: tuple[str, ...]
    files: tuple[tuple[Path, int], ...]
    size: int
    channels: int = 3

    @classmethod
    def find(
        cls, root: Path, size: int, channels: int = 3, classes: tuple[str, ...] | None = None
    ) -> "ImageFolder":
        """List the pictures below a folder.

        Args:
            root: the folder.
            size: of pictures.
            channels: of pictures.
            classes: those that there must be; None: the folders that there are.

        Raises:
            AxdseError: there is no such folder, it has no folder, or one has no picture.
        """
        rule = "a folder of images has a folder of pictures for each class"
        try:
            names = tuple(sorted(each.name for each in root.iterdir() if each.is_dir()))
        except OSError as error:
            raise AxdseError(rule, f"{root} ({error.strerror})", "check the path") from error
        if not names:
            raise AxdseError(rule, f"{root} has no folders", "check the path")
        if classes is not None and names != classes:
            other = sorted(set(names) ^ set(classes))[0]
            raise AxdseError("each split has the same classes", f"{root}: {other}", "check both")
        files = []
        for label, name in enumerate(names):
            below = sorted((root / name).rglob("*"))
            found = [each for each in below if each.suffix.lower() in ENDINGS]
            if not found:
                raise AxdseError(rule, f"{root / name} has none", "remove it, or fill it")
            files += [(each, label) for each in found]
        return cls(root, names, tuple(files), size, channels)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Picture, uint8 [channels, size, size], and class."""
        path, label = self.files[index]
        return torch.from_numpy(read_picture(path, self.size, self.channels)), label

    def take(self, indices: np.ndarray) -> "ImageFolder":
        """The pictures at these indices."""
        files = tuple(self.files[i] for i in indices)
        return ImageFolder(self.root, self.classes, files, self.size, self.channels)


def read_picture(path: Path, size: int, channels: int) -> np.ndarray:
    """Decode a picture and cut a square out of its middle.

    Args:
        path: JPEG, PNG and what else Pillow reads.
        size: of the square.
        channels: 3 or 1.

    Returns:
        uint8 [channels, size, size].

    Raises:
        AxdseError: it is no picture, damaged, or of more pixels than a picture has.
    """
    file = InputFile(path, "a picture can be decoded", LARGEST_PICTURE, "remove it")
    try:
        with Image.open(io.BytesIO(file.read())) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise file.refusal(f"{width} x {height} pixels")
            picture.draft("RGB" if channels == 3 else "L", (size, size))
            whole = picture.convert("RGB" if channels == 3 else "L")
    except _BROKEN as error:
        raise file.refusal(type(error).__name__) from error
    except Image.DecompressionBombError as error:
        raise file.refusal("too many pixels") from error
    scale = size / min(whole.size)
    sides = tuple(max(size, round(side * scale)) for side in whole.size)
    whole = whole.resize((sides[0], sides[1]), Image.Resampling.BILINEAR)
    left, top = ((side - size) // 2 for side in whole.size)
    pixels = np.asarray(whole.crop((left, top, left + size, top + size)))
    return np.ascontiguousarray(pixels.reshape(size, size, channels).transpose(2, 0, 1))


def characters(text: str) -> tuple[Tensor, str]:
    """Text as codes.

    Returns:
        int64 [len(text)], and the alphabet that they count: its characters in order.
    """
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    alphabet, codes = np.unique(points, return_inverse=True)
    return torch.from_numpy(codes.reshape(-1).astype(np.int64)), "".join(map(chr, alphabet))
