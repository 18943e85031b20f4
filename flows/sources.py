"""Which files of this package does a cached result depend on?"""

from pathlib import Path

from axdse.multipliers.cache import digest

FOLDER = Path(__file__).parent


def source_files(*names: str) -> tuple[Path, ...]:
    """Files of this package, such as `power/activity.c`."""
    return tuple(FOLDER / name for name in names)


def source_digest(*names: str) -> str:
    """SHA-256 (hex) of the content of files, and of all that folders hold."""
    paths = [file for path in source_files(*names) for file in _within(path)]
    return digest(*(str(path.relative_to(FOLDER)) for path in paths), *map(Path.read_bytes, paths))


def _within(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in (".py", ".c"))
