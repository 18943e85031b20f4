"""What is in a folder of pictures? A folder of each class, as ImageNet and torchvision have it."""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile

LARGEST_PICTURE = 64 * MIB
MOST_PIXELS = 1 << 28
ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})
_BROKEN = (
    *(OSError, EOFError, ValueError, SyntaxError, TypeError, LookupError, OverflowError),
    *(struct.error, zlib.error),
)


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

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        """Picture, uint8 [channels, size, size], and class."""
        path, label = self.files[index]
        return read_picture(path, self.size, self.channels), label

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
