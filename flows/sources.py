"""Where are the files of this package?"""

from pathlib import Path

FOLDER = Path(__file__).parent


def source_files(*names: str) -> tuple[Path, ...]:
    """Files of this package, such as `power/activity.c`."""
    return tuple(FOLDER / name for name in names)
