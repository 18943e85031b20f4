"""How does a C file with headers of its own become one file? Each stands where it is included.

What comes of it is verified and kept, so nothing hangs on how it was put together.
"""

import re
from pathlib import Path

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import without_comments
from axdse.multipliers.model.translation_unit import source_files

MOST_INCLUDES = 1000
_INCLUDE = re.compile(
    r"^[^\S\n]*#[^\S\n]*include[^\S\n]*\"([^\"\n\0]{1,200})\"[^\n]*$", re.MULTILINE
)
_BY_MACRO = re.compile(r"^[^\S\n]*#[^\S\n]*include\s+[A-Za-z_]\w*", re.MULTILINE)
_ONCE = re.compile(r"^[^\S\n]*#[^\S\n]*pragma[^\S\n]+once\b[^\n]*$", re.MULTILINE)


def as_one_file(model: Path, folder: Path) -> Path:
    """A C model without headers of its own: the file itself, or one written into a folder.

    Raises:
        AxdseError: as `source_files`; it includes too much in all, or what a macro says.
    """
    files = source_files(model)
    if len(files) == 1:
        return model
    first, own = next(iter(files.items()))
    text = _head(own) + _Inlining(files).text(first)
    if hidden := _BY_MACRO.search(text):
        rule = "a C model to import includes files of its own by their names in quotes"
        raise AxdseError(rule, f"{model.name}: {hidden[0].strip()}", "write the name there")
    path = folder / model.name
    path.write_bytes(text.encode("latin-1"))
    return path


def _head(text: str) -> str:
    """The comments and blank lines that a file begins with, which may have published figures."""
    match = re.match(r"(?:\s++|//[^\n]*+\n|/\*.*?\*/)*", text, re.DOTALL)
    return match[0] if match else ""


class _Inlining:
    """Headers that are put in place, each as often as it is included."""

    def __init__(self, files: dict[Path, str]) -> None:
        self._files = {path.resolve(): text for path, text in files.items()}
        self._once: set[Path] = set()  # with a pragma that says so, met already
        self._left = MOST_INCLUDES

    def text(self, path: Path, within: tuple[Path, ...] = ()) -> str:
        """A file without its comments, in which a directive could hide, and with its headers.

        One that includes itself has a guard that ends it, or does not compile.
        """
        path = path.resolve()
        if path in within or path in self._once:
            return ""
        self._left -= 1
        if self._left < 0:
            rule = f"a C model includes up to {MOST_INCLUDES} files of its own"
            raise AxdseError(rule, f"{path.name} and others", "include less")
        text = without_comments(self._files[path], literals=True)
        if _ONCE.search(text):
            self._once.add(path)
            text = _ONCE.sub("", text)

        def header(match: re.Match[str]) -> str:
            beside = (path.parent / match[1]).resolve()
            known = beside in self._files
            return self.text(beside, (*within, path)).rstrip("\n") if known else match[0]

        return _INCLUDE.sub(header, text)
