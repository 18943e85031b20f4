"""Stage 6, cost: files of this package as a part of what a cached result depends on."""

from pathlib import Path

from axdse.multipliers.cache import digest

FOLDER = Path(__file__).parent


def source_files(*names: str) -> tuple[Path, ...]:
    """Files of this package, such as `power/activity.c`."""
    return tuple(FOLDER / name for name in names)


def source_digest(*names: str) -> str:
    """SHA-256 (hex) of their content, in that order."""
    return digest(*(path.read_bytes() for path in source_files(*names)))
