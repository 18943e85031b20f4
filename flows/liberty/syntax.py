"""How is a Liberty file read? One top-level group at a time.

Only the group being read is in memory, and groups that nobody asks for are skipped without being
taken apart: the files of commercial libraries are hundreds of megabytes.
"""

import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile

TOKEN = re.compile(
    rb"""[ \t\r\f\v]+ | \\[ \t]*\r?\n | /\*.*?\*/ | //[^\n]*
    | (?P<newline>\n)
    | "(?P<text>[^"\\]*(?:\\.[^"\\]*)*)"
    | (?P<mark>[(){}:;,])
    | (?P<word>[^\s(){}:;,"\\]+)""",
    re.DOTALL | re.VERBOSE,
)
BRACE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|/\*.*?\*/|[{}]', re.DOTALL)
CONTINUED = re.compile(r"\\\s*\n")
DEEPEST_INCLUDE, MOST_INCLUDES = 8, 64
DEEPEST_GROUP = 32
LARGEST = 512 * MIB
GZIP = b"\x1f\x8b"
REMEDY = "give a complete Liberty file (.lib)"


@dataclass(frozen=True)
class Group:
    """`name (arguments) { ... }`.

    Attributes:
        attributes: (name, value) of `name : value`, in the order of the file.
        lists: (name, values) of `name (value, ...)`.
    """

    name: str
    arguments: tuple[str, ...]
    attributes: list[tuple[str, str]] = field(default_factory=list)
    lists: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    groups: list["Group"] = field(default_factory=list)

    def attribute(self, name: str, default: str = "") -> str:
        """The last value given."""
        return next((value for key, value in reversed(self.attributes) if key == name), default)

    def values(self, name: str) -> tuple[str, ...]:
        """The last list of that name; empty if none."""
        return next((values for key, values in reversed(self.lists) if key == name), ())

    def all(self, name: str) -> Iterator["Group"]:
        """The groups of one name."""
        return (group for group in self.groups if group.name == name)


def read_groups(path: Path, wanted: frozenset[str]) -> Iterator[Group]:
    """Yield the groups directly inside `library (...)`, then the library without them.

    Args:
        path: of the file; files that it includes are read where they stand.
        wanted: names of groups to read, at any depth; others are skipped.

    Raises:
        AxdseError: it is missing or no Liberty; file, line and token are named.
    """
    reader = _Reader(path, wanted | {"library"})
    library = Group(*reader.opening())
    if library.name != "library":
        raise reader.error(library.name)
    yield from reader.top(library)
    reader.end()
    yield library


class _Reader:
    """A cursor over one file."""

    def __init__(
        self, path: Path, wanted: frozenset[str], within: "_Reader | None" = None
    ) -> None:
        self._path, self._wanted = path, wanted
        self._depth: int = within._depth + 1 if within else 0
        self._included_files: list[Path] = within._included_files if within else []
        self._data = _mapped(path)
        self._at = 0
        self._start = 0
        self._open_groups = 0
        self._kind, self._text = "", ""
        self.next()

    @property
    def line(self) -> int:
        """Line of the current token."""
        return self._data[: self._start].count(b"\n") + 1

    def error(self, token: str) -> AxdseError:
        place = f"{self._path}, line {self.line}: unexpected {token[:40]!r}"
        return AxdseError("a Liberty library must parse", place, REMEDY)

    def next(self) -> None:
        """Move to the next token; `kind` is newline, text, mark, word, or empty at the end."""
        match, data = TOKEN.match, self._data
        while True:
            found = match(data, self._at)
            if found is None:
                self._start = self._at
                if self._at < len(data):
                    raise self.error(data[self._at : self._at + 1].decode("latin-1"))
                self._kind, self._text = "", "end of file"
                return
            self._start, self._at = self._at, found.end()
            if found.lastgroup:
                self._kind, self._text = found.lastgroup, found[found.lastgroup].decode("latin-1")
                return

    def _lines(self) -> None:
        while self._kind == "newline" or (self._text == ";" and self._kind == "mark"):
            self.next()

    def _take(self, mark: str) -> None:
        if self._kind != "mark" or self._text != mark:
            raise self.error(self._text)
        self.next()

    def _is(self, mark: str) -> bool:
        return self._kind == "mark" and self._text == mark

    def opening(self) -> tuple[str, tuple[str, ...]]:
        """`name (arguments) {`."""
        self._lines()
        name = self._name()
        arguments = self._arguments()
        self._blank()
        self._take("{")
        return name, arguments

    def _blank(self) -> None:
        while self._kind == "newline":
            self.next()

    def _name(self) -> str:
        if self._kind not in ("word", "text"):
            raise self.error(self._text)
        name = self._text
        self.next()
        self._blank()
        return name

    def _arguments(self) -> tuple[str, ...]:
        self._take("(")
        values: list[str] = []
        while not self._is(")"):
            if self._kind in ("word", "text"):
                values.append(CONTINUED.sub(" ", self._text))
            elif self._kind != "newline" and not self._is(",") and not self._is(":"):
                raise self.error(self._text)
            self.next()
        self.next()
        return tuple(values)

    def top(self, library: Group) -> Iterator[Group]:
        """The statements of the library, up to its closing brace."""
        while True:
            self._lines()
            if self._is("}"):
                return
            if not self._kind:
                if self._depth:
                    return  # an included file ends where it ends
                raise self.error(self._text)
            group = self._statement(library)
            if group is not None and group.name == "include_file":
                yield from self._included(group, library)
            elif group is not None:
                yield group

    def _included(self, statement: Group, library: Group) -> Iterator[Group]:
        if self._depth == DEEPEST_INCLUDE:
            raise AxdseError(
                f"files that a Liberty library includes nest at most {DEEPEST_INCLUDE} deep",
                f"{self._path} includes {statement.arguments[0]}",
                "look for a file that includes itself",
            )
        path = self._path.parent / statement.arguments[0]
        self._included_files.append(path)
        if len(self._included_files) > MOST_INCLUDES:
            rule = f"a Liberty library includes at most {MOST_INCLUDES} files"
            raise AxdseError(rule, path, "put their text into one")
        inner = _Reader(path, self._wanted, self)
        yield from inner.top(library)
        inner.end(closed=False)

    def end(self, *, closed: bool = True) -> None:
        """Nothing may follow."""
        if closed:
            self._take("}")
        self._lines()
        if self._kind:
            raise self.error(self._text)

    def _statement(self, parent: Group) -> Group | None:
        """Read one statement into `parent`; return it if it is a group, or includes a file."""
        name = self._name()
        if self._is(":"):
            self.next()
            parent.attributes.append((name, self._value()))
            return None
        arguments = self._arguments()
        if not self._opens():
            if name == "include_file" and arguments:
                return Group(name, arguments)
            parent.lists.append((name, arguments))
            return None
        if name not in self._wanted:
            self._skip()
            return None
        self._take("{")
        group = Group(name, arguments)
        self._open_groups += 1
        if self._open_groups > DEEPEST_GROUP:
            raise self.error(f"{name}, {DEEPEST_GROUP} groups deep")
        self._body(group)
        self._open_groups -= 1
        return group

    def _opens(self) -> bool:
        """Whether a brace follows, perhaps on a later line."""
        at, start, kind, text = self._at, self._start, self._kind, self._text
        self._blank()
        if self._is("{"):
            return True
        self._at, self._start, self._kind, self._text = at, start, kind, text
        return False

    def _value(self) -> str:
        """Up to the end of the line: the semicolon is often forgotten."""
        words: list[str] = []
        while self._kind and self._kind != "newline" and not self._is(";") and not self._is("}"):
            words.append(CONTINUED.sub(" ", self._text))
            self.next()
        if not words:
            raise self.error(self._text)
        return " ".join(words)

    def _body(self, group: Group) -> None:
        while True:
            self._lines()
            if self._is("}"):
                self.next()
                return
            if not self._kind:
                raise self.error(self._text)
            inner = self._statement(group)
            if inner is not None and inner.name == "include_file":
                group.groups.extend(self._included(inner, group))
            elif inner is not None:
                group.groups.append(inner)

    def _skip(self) -> None:
        depth = 1
        while depth:
            found = BRACE.search(self._data, self._at)
            if found is None:
                raise self.error("end of file")
            self._at = found.end()
            depth += {b"{": 1, b"}": -1}.get(found[0], 0)
        self.next()


def library_file(path: Path) -> InputFile:
    """A Liberty file, as yet unread."""
    remedy = "apt-get install qflow-tech-osu018, or name another .lib"
    return InputFile(path, "a Liberty library must be readable", LARGEST, remedy)


def _mapped(path: Path) -> mmap.mmap | bytes:
    with library_file(path).opened() as file:
        if file.read(len(GZIP)) == GZIP:
            rule = "a Liberty library must be plain text"
            raise AxdseError(rule, f"{path} (gzip)", f"gunzip {path.name}")
        if not os.fstat(file.fileno()).st_size:  # it cannot be mapped
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
