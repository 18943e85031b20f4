"""Which code is behind a result? A module, all that it imports, and the C and Verilog beside them.

A list kept by hand is sooner or later too short, and a verdict of older code is believed, so
imports are followed instead. Any of these files makes a result be computed again when it changes.
"""

import functools
import re
from pathlib import Path

from axdse.multipliers.cache import digest

ROOT = Path(__file__).parent.parent  # where `multipliers` and the other packages are found
OTHERS = (".c", ".h", ".v")
# Also those within functions; a name may be that of a module in a package.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+axdse((?:\.\w+)+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)"
    r"|import[ \t]+axdse((?:\.\w+)+))",
    re.MULTILINE,
)


@functools.cache
def code_digest(*modules: str) -> str:
    """SHA-256 (hex) of the files of `code_of`."""
    files = code_of(*modules)
    return digest(*(str(path.relative_to(ROOT)) for path in files), *map(Path.read_bytes, files))


def code_of(*modules: str) -> tuple[Path, ...]:
    """The files of modules such as `axdse.flows.cost.cost` and of all of axdse that they import.

    Beside Python these are the C and Verilog files in the folders of those modules.
    """
    found: set[Path] = set()
    todo = [_path_of(module.removeprefix("axdse")) for module in modules]
    while todo:
        path = todo.pop()
        if path and path not in found:
            found.add(path)
            todo += map(_path_of, _imported(path))
    folders = {path.parent for path in found}
    beside = {file for each in folders for file in each.iterdir() if file.suffix in OTHERS}
    return tuple(sorted(found | beside))


def _imported(path: Path) -> set[str]:
    """Names of what may be modules, such as `.flows.cost`."""
    names = set()
    for base, members, plain in _IMPORT.findall(path.read_text()):
        words = re.findall(r"(\w+)(?:[ \t]+as[ \t]+\w+)?", members)
        names |= {base or plain, *(f"{base}.{word}" for word in words)}
    return names


def _path_of(name: str) -> Path | None:
    place = ROOT.joinpath(*name.split("."))
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)
