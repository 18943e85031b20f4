"""Which Verilog do files, folders and lists of files hold? One text that every tool reads alike.

Files are put one after the other, in the order given; what they include stands in its place. Then
`reduced` leaves out what nobody reads. The text that comes of it is what is judged, simulated,
synthesised and kept.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from axdse.flows.verilog.assertions import without_assertions
from axdse.flows.verilog.memory_files import with_memories
from axdse.flows.verilog.reduced import named_words, only_design, plain_names, settled
from axdse.flows.verilog.tokens import tokens
from axdse.multipliers.designs.rtl_text import read_rtl
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, size_text, without_comments

VERILOG = (".v", ".sv", ".vh", ".svh", ".verilog")
LISTS = (".f", ".fl", ".lst")
VHDL = (".vhd", ".vhdl")
MOST_FILES = 20_000  # EvoApproxLib has a few thousand
_INCLUDE = re.compile(r"`include[ \t]+\"([^\"\n]{1,200})\"")
_MODULE = re.compile(r"\b(?:macro)?module\s+(?:automatic\s+)?([A-Za-z_]\w*)", re.ASCII)
_TYPE = re.compile(r"\b([A-Za-z_]\w*+)(?=\s*+#|\s++[A-Za-z_\\`])", re.ASCII)  # of an instance


@dataclass(frozen=True)
class Source:
    """The Verilog of a design.

    Attributes:
        name: what errors call it, such as the name of its first file.
        stem: what its top module is called, if no other is named.
        text: all of it.
        files: that it was put together from.
    """

    name: str
    stem: str
    text: str
    files: tuple[Path, ...]


def read_source(path: Path) -> Source:
    """One file, with the files that it includes of its folder.

    Raises:
        AxdseError: one cannot be read.
    """
    return gather([path])


class Library:
    """Files of which those are taken that hold a module which a design names."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.files = tuple(files)
        if len(self.files) > MOST_FILES:
            rule = f"a folder of designs has up to {MOST_FILES} files"
            raise AxdseError(rule, len(self.files), "name those that a design needs")
        self._owners: dict[str, list[Path]] = {}
        self._names: dict[Path, tuple[str, ...]] = {}
        for path in self.files:
            self._names[path] = tuple(dict.fromkeys(_MODULE.findall(_quick(path))))
            for name in self._names[path]:
                self._owners.setdefault(name, []).append(path)

    def owner(self, name: str, near: Path) -> Path | None:
        """The file that holds a module: the one in the same folder, or the only one.

        Copies count once; of files that differ none is taken.
        """
        found = self._owners.get(name, [])
        beside = [path for path in found if path.parent == near.parent] or found
        return beside[0] if len({_quick(path) for path in beside}) == 1 else None

    def holding(self, name: str) -> set[Path]:
        """All files that hold a module of this name."""
        return set(self._owners.get(name, []))

    def names(self, path: Path) -> tuple[str, ...]:
        """The modules of a file."""
        return self._names[path]


def _quick(path: Path) -> str:
    """A text to be searched; nothing if it cannot be read."""
    try:
        return (
            InputFile(path, "RTL is a readable Verilog file", LARGEST_SOURCE)
            .read()
            .decode("latin-1")
        )
    except AxdseError:
        return ""


def gather(
    paths: Sequence[Path],
    top: str = "",
    cells: Sequence[Path] = (),
    library: Library | None = None,
) -> Source:
    """Put a design together.

    Args:
        paths: files of Verilog, lists of them, and folders; of folders those files are taken
            that hold a module which the design names.
        top: its top module; empty: the one named as the first file, or that no other names.
        cells: files with the modules of a library, of which those that are named are taken.
        library: more of them, and what is included.

    Raises:
        AxdseError: one cannot be read or is no Verilog; there are too many; or a folder alone
            does not tell which module is meant.
    """
    named, folders = _expanded(paths)
    around = [path.resolve() for path in folders] + [path.parent.resolve() for path in named]
    beside = [path for folder in folders for path in _files_below(folder)]
    own = Library(path for path in beside if path not in named)
    named = named or [_only_file(own, top, paths)]
    first = named[0]
    texts = {path: _text(path, around) for path in named}
    libraries = [Library(cells), own, *([library] if library else [])]
    used = _with_libraries(texts, libraries, around)
    several = (text.rstrip() + "\n" for text in used.values())
    whole = "\n".join(several) if len(used) > 1 else texts[first]
    if len(whole) > LARGEST_SOURCE:
        rule = f"a design is up to {size_text(LARGEST_SOURCE)} of Verilog"
        raise AxdseError(rule, size_text(len(whole)), "name the files that it needs")
    new_keywords = any(path.suffix in (".sv", ".svh") for path in used)
    plain = plain_names(settled(whole), new_keywords)
    plain = without_assertions(plain) if new_keywords else plain
    text = only_design(plain, top or first.stem)
    return Source(first.name, top or first.stem, text, tuple(used))


def _expanded(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files that are named, in order, and the folders."""
    files, folders = list[Path](), list[Path]()
    for path in paths:
        if path.is_dir():
            folders.append(path)
        elif path.suffix in LISTS:
            listed, searched = _listed(path)
            files += listed
            folders += searched
        elif path.suffix in VHDL:
            raise AxdseError(
                "VHDL is read by GHDL, one design at a time",
                path.name,
                "name its files with --rtl",
            )
        else:
            files.append(path)
    return list(dict.fromkeys(files)), folders


def _listed(path: Path) -> tuple[list[Path], list[Path]]:
    """The files and folders of a list, as simulators take it with -f."""
    text = InputFile(path, "a list of files is readable text", LARGEST_SOURCE).text()
    files, folders = list[Path](), list[Path]()
    words = iter(re.sub(r"(//|#)[^\n]*", "", text).split())
    for word in words:
        if word in ("-v", "-sv"):
            continue
        if word == "-y":
            folders.append(path.parent / next(words, ""))
        elif word.startswith("+incdir+"):
            folders += [path.parent / each for each in word.split("+")[2:] if each]
        elif word.startswith(("-", "+")):
            raise AxdseError(
                "a list of files names files, -v FILE, -y FOLDER and +incdir+FOLDER",
                f"{path.name}: {word}",
                "leave it out",
            )
        else:
            files.append(path.parent / word)
    return files, folders


def _files_below(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix in (".v", ".sv"))
    return sorted(path for path in files if path.is_file())


def _text(path: Path, folders: Sequence[Path], within: tuple[Path, ...] = ()) -> str:
    """A file with what it includes, and what its memories hold, of the folders given or below."""
    text = read_rtl(path).removeprefix("\ufeff")
    text = with_memories(text, path.name, lambda name: _included(path, name, folders, "reads"))
    if "`include" not in text:
        return text
    pieces, done = list[str](), 0
    for token in tokens(text):
        if token.text != "`include":
            continue
        match = _INCLUDE.match(text, token.start)
        if match is None:
            rule = "an include names a file in quotes"
            raise AxdseError(
                rule, f"{path.name}: {text[token.start : token.end + 40]}", "write it"
            )
        beside = _included(path, match[1], folders)
        inner = (*within, path.resolve())
        if beside.resolve() in inner or len(inner) > 30:
            raise AxdseError("an include has an end", f"{path.name}: {match[1]}", "remove it")
        pieces += (text[done : token.start], _text(beside, folders, inner).rstrip(), "\n")
        done = match.end()
    return "".join([*pieces, text[done:]])


def _included(path: Path, name: str, folders: Sequence[Path], verb: str = "includes") -> Path:
    """The file that a name means: beside the file that has it, or in a folder that was given."""
    allowed = [path.parent.resolve(), *folders]
    places = [folder / name for folder in allowed]
    places += [found for folder in allowed for found in folder.rglob(Path(name).name)]
    inside = [
        found.resolve()
        for found in places
        if found.is_file() and any(found.resolve().is_relative_to(each) for each in allowed)
    ]
    if inside and len({_quick(found) for found in inside}) == 1:
        return inside[0]
    if inside:
        told = ", ".join(str(found) for found in dict.fromkeys(inside))
        raise AxdseError(f"{name}, which {path.name} {verb}, is one file", told, "remove one")
    raise AxdseError(
        f"what {path.name} {verb} is in its folder, or in one that is given",
        name,
        "name its folder with another --rtl",
    )


def _only_file(library: Library, top: str, paths: Sequence[Path]) -> Path:
    """The file of a folder that holds the top module."""
    if not library.files:
        found = ", ".join(map(str, paths)) or "nothing"
        raise AxdseError("RTL is a readable Verilog file", f"{found} has none", "check the path")
    if top:
        holding = library.owner(top, library.files[0])
        if holding:
            return holding
        every = {name for path in library.files for name in library.names(path)}
        raise AxdseError("no file has such a module", top, did_you_mean(top, every))
    roots = tops_of(library)
    if len(roots) != 1:
        told = ", ".join(path.stem for path in roots) or "none"
        raise AxdseError("a folder has one module that no other uses", told, "name it with --top")
    return roots[0]


def tops_of(library: Library) -> list[Path]:
    """The files that hold a design of their name, which no other file uses, benches aside."""
    benches, named = set[Path](), list[Path]()
    words: dict[str, set[Path]] = {}
    for path in library.files:
        text = without_comments(_quick(path))
        own = library.names(path)  # none: its module has an escaped name
        if own and all(re.search(rf"\bmodule\s+{name}\s*(?:\(\s*\)\s*)?;", text) for name in own):
            benches.add(path)
            continue
        named.append(path)
        for word in set(_TYPE.findall(text)):
            words.setdefault(word, set()).add(path)
    return [
        path
        for path in named
        if not any(words.get(name, set()) - library.holding(name) for name in library.names(path))
    ]


def _with_libraries(
    texts: dict[Path, str], libraries: Sequence[Library], around: Sequence[Path]
) -> dict[Path, str]:
    """The files named, before them those of libraries that hold a module which is named."""
    found: dict[Path, str] = {}
    known = {name for text in texts.values() for name in _MODULE.findall(text)}
    todo = list(texts.items())
    while todo:
        near, text = todo.pop()
        for word in sorted(named_words(text)):
            if word in known:
                continue
            owners = (library.owner(word, near) for library in libraries)
            path = next(filter(None, owners), None)
            if path and path not in found and path not in texts:
                found[path] = _text(path, around)
                known |= set(_MODULE.findall(found[path]))
                todo.append((path, found[path]))
    return {**found, **texts}
