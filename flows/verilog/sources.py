"""Which Verilog do files, folders and lists of files hold? One text that every tool reads alike.

Files are put one after the other, in the order given; what they include stands in its place. What
no reader reads is left out before anything is judged: branches of conditionals that none of them
takes, macros that nothing uses, modules that the design does not have. What they would read in
different ways gets a plain name. The text that comes of it is what is judged, simulated,
synthesised and kept.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from axdse.flows.verilog.conditionals import (
    ICARUS,
    VERILATOR,
    YOSYS,
    left_for,
    settled_places,
)
from axdse.flows.verilog.tokens import Token, end_of_line, tokens
from axdse.multipliers.designs.rtl_text import read_rtl
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, size_text, without_comments
from axdse.multipliers.names import VERILOG_KEYWORDS

VERILOG = (".v", ".sv", ".vh", ".svh", ".verilog")
LISTS = (".f", ".fl", ".lst")
VHDL = (".vhd", ".vhdl")
MOST_FILES = 2000
_INCLUDE = re.compile(r"`include[ \t]+\"([^\"\n]{1,200})\"")
_DEFINE = re.compile(r"`define[ \t]+(\w+)", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MODULE = re.compile(r"\b(?:macro)?module\s+(?:automatic\s+)?([A-Za-z_]\w*)", re.ASCII)
_TYPE = re.compile(r"\b([A-Za-z_]\w*+)(?=\s*+#|\s++[A-Za-z_\\`])", re.ASCII)  # of an instance
_EMPTY = re.compile(r"[^\n\r]")
# IEEE 1364-2005, annex B: names that SystemVerilog took are the others.
_OLD_KEYWORDS = frozenset(
    word
    for line in (
        "always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config",
        "deassign default defparam design disable edge else end endcase endconfig endfunction",
        "endgenerate endmodule endprimitive endspecify endtable endtask event for force forever",
        "fork function generate genvar highz0 highz1 if ifnone incdir include initial inout",
        "input instance integer join large liblist library localparam macromodule medium module",
        "nand negedge nmos nor noshowcancelled not notif0 notif1 or output parameter pmos posedge",
        "primitive pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent rcmos real",
        "realtime reg release repeat rnmos rpmos rtran rtranif0 rtranif1 scalared showcancelled",
        "signed small specify specparam strong0 strong1 supply0 supply1 table task time tran",
        "tranif0 tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire vectored wait wand",
        "weak0 weak1 while wire wor xnor xor",
    )
    for word in line.split()
)
_NEW_KEYWORDS = VERILOG_KEYWORDS - _OLD_KEYWORDS - {"return", "break", "continue", "null", "this"}
_BEHIND_A_NAME = frozenset(",;)]}=&|^+-*?:<>")


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
        for path in self.files:
            for name in dict.fromkeys(_MODULE.findall(_quick(path))):
                self._owners.setdefault(name, []).append(path)

    def owner(self, name: str, near: Path) -> Path | None:
        """The file that holds a module: the one in the same folder, or the only one."""
        found = self._owners.get(name, [])
        beside = [path for path in found if path.parent == near.parent]
        return beside[0] if beside else found[0] if len(found) == 1 else None

    def holding(self, name: str) -> set[Path]:
        """All files that hold a module of this name."""
        return set(self._owners.get(name, []))

    def names(self, path: Path) -> list[str]:
        """The modules of a file."""
        return [name for name, paths in self._owners.items() if path in paths]


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
    text = _only_design(plain_names(settled(whole), new_keywords), top or first.stem)
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
                "RTL is Verilog; VHDL is not read",
                path.name,
                f"translate it: ghdl -a {path.name} && ghdl synth --out=verilog {path.stem}",
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
    """A file with what it includes, of the folders given or below them."""
    text = read_rtl(path).removeprefix("\ufeff")
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


def _included(path: Path, name: str, folders: Sequence[Path]) -> Path:
    """The file that an include means: beside the one that asks, or in a folder that was given."""
    allowed = [path.parent.resolve(), *folders]
    for folder in allowed:
        for found in (folder / name, *sorted(folder.rglob(Path(name).name))[:1]):
            inside = any(found.resolve().is_relative_to(each) for each in allowed)
            if found.is_file() and inside:
                return found
    raise AxdseError(
        f"what {path.name} includes is in its folder, or in one that is given",
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
        own = library.names(path)
        if all(re.search(rf"\bmodule\s+{name}\s*(?:\(\s*\)\s*)?;", text) for name in own):
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
        for word in dict.fromkeys(_words(text)):
            if word in known:
                continue
            owners = (library.owner(word, near) for library in libraries)
            path = next(filter(None, owners), None)
            if path and path not in found and path not in texts:
                found[path] = _text(path, around)
                known |= set(_MODULE.findall(found[path]))
                todo.append((path, found[path]))
    return {**found, **texts}


def _words(text: str) -> Iterator[str]:
    for token in tokens(text):
        if token.kind == "word":
            yield token.text
        elif token.kind == "escaped":
            yield token.text[1:]


def settled(text: str) -> str:
    """A text without what none of the tools reads: branches not taken, macros not used.

    Where they read it alike no conditional is left. Places of lines stay.
    """
    if "`" not in text:
        return text
    readers = (ICARUS, VERILATOR, YOSYS)
    seen = [left_for(text, defined) for defined in readers]
    places = list(settled_places(text, readers))
    return _without_unused(_without(text, sorted([*places, *_unread(text, seen)])))


def _unread(text: str, seen: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where no reader sees anything; conditions stay."""
    conditions = {"`ifdef", "`ifndef", "`elsif", "`else", "`endif"}
    named = False
    for token in tokens(text):
        kept = token.text in conditions or named
        if token.kind != "comment":
            named = token.text in conditions - {"`else", "`endif"}
        if not kept and all(not each[token.start : token.end].strip() for each in seen):
            yield token.start, token.end


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with spaces in place of some of it."""
    pieces, done = list[str](), 0
    for start, end in spans:
        pieces += (text[done:start], _EMPTY.sub(" ", text[start:end]))
        done = end
    return "".join([*pieces, text[done:]])


def _without_unused(text: str) -> str:
    """The text without the definitions of macros that nothing in it asks for."""
    while "`define" in text:
        found = list(tokens(text))
        used = {
            token.text[1:] for token in found if token.kind == "macro" and token.text != "`define"
        }
        asked = {
            after.text
            for before, after in itertools.pairwise(found)
            if before.text in ("`ifdef", "`ifndef", "`elsif", "`undef")
        }
        # What stands in a comment or a string counts: a macro may open or close one.
        quoted = set(re.findall(r"`(\w+)", text)) - {"define"}
        spans = [
            (token.start, end_of_line(text, token))
            for token in found
            if token.text == "`define"
            and (match := _DEFINE.match(text, token.start))
            and match[1] not in used | asked | quoted
        ]
        if not spans:
            break
        text = _without(text, spans)
    return text


def plain_names(text: str, new_keywords: bool = True) -> str:
    """A text in which names that tools would read in different ways are plain ones.

    These are escaped names, such as netlists have, and names that SystemVerilog took for itself,
    where they stand as names: so nothing says otherwise.

    Args:
        text: Verilog.
        new_keywords: it is SystemVerilog, whose keywords are no names.
    """
    found = [token for token in tokens(text) if token.kind != "comment"]
    known = {token.text.lstrip("\\") for token in found if token.kind in ("word", "escaped")}
    known |= set(re.findall(r"\w+", text)) if "`" in text else set()
    escaped = {
        token.text[1:]
        for token in found
        if token.kind == "escaped" and not _is_name(token.text[1:])
    }
    taken = set[str]()
    if not new_keywords:
        neighbours = zip([None, *found], found, [*found[1:], None], strict=False)
        taken = {
            token.text for before, token, after in neighbours if _is_taken(before, token, after)
        }
    renamed = {old: _new_name(old, known) for old in sorted(escaped | taken)}
    pieces, done = list[str](), 0
    for token in tokens(text):
        is_escaped = token.kind == "escaped" and token.text[1:] in renamed
        if is_escaped or (token.kind == "word" and token.text in taken):
            pieces += (text[done : token.start], renamed[token.text.lstrip("\\")])
            done = token.end
    return "".join([*pieces, text[done:]])


def _is_name(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and name not in VERILOG_KEYWORDS


def _is_taken(before: Token | None, token: Token, after: Token | None) -> bool:
    """Whether a keyword of SystemVerilog stands where only a name can."""
    if token.kind != "word" or token.text not in _NEW_KEYWORDS or after is None:
        return False
    dotted = before is not None and before.kind == "dot"
    return dotted or after.text in _BEHIND_A_NAME


def _new_name(old: str, known: set[str]) -> str:
    stem = re.sub(r"\W+", "_", old, flags=re.ASCII).strip("_")[:40] or "n"
    stem = stem if stem[0].isalpha() else f"n{stem}"
    number, name = 0, f"{stem}_"
    while name in known or name.lower().startswith(("axdse_", "rtl_bench")):
        number += 1
        name = f"{stem}_{number}_"
    known.add(name)
    return name


@dataclass(frozen=True)
class _Module:
    """A module by its place, and the words in it."""

    name: str
    start: int
    end: int
    has_ports: bool
    words: frozenset[str]


def _modules(text: str) -> list[_Module]:
    """The modules of a text, from `module` to `endmodule`."""
    found, start, name, words = list[_Module](), -1, "", set[str]()
    has_ports, header = False, False
    previous = ""
    for token in tokens(text):
        if token.kind == "comment":
            continue
        if token.text in ("module", "macromodule") and start < 0:
            start, name, words, has_ports, header = token.start, "", set(), False, True
        elif token.text == "endmodule" and start >= 0:
            found.append(_Module(name, start, token.end, has_ports, frozenset(words)))
            start = -1
        elif start >= 0:
            word = token.text.lstrip("\\")
            if not name and token.kind in ("word", "escaped") and word != "automatic":
                name = word
            elif header and token.text == ";":
                header = False
            elif header:
                has_ports |= previous == "(" and token.text not in (")", "(")
            if token.kind in ("word", "escaped") and word != name:
                words.add(word)
        previous = token.text
    return found


def _only_design(text: str, top: str) -> str:
    """The text without modules that its design does not name, such as its bench.

    The design is `top`, or what is left when modules without ports are.
    """
    every = _modules(text)
    known = {module.name: module for module in every}
    if len(known) < len(every):
        twice = next(m.name for m in every if known[m.name] is not m)
        raise AxdseError("a module is defined once", twice, "leave one of them out")
    roots = [top] if top in known else _roots(every)
    # What stands around modules, such as a macro, may name one.
    around = set(_words(_without(text, [(module.start, module.end) for module in every])))
    roots += [name for name in around & known.keys() if roots and name not in roots]
    kept, todo = set(roots), list(roots)
    while todo:
        below = [name for name in known[todo.pop()].words & known.keys() if name not in kept]
        kept |= set(below)
        todo += below
    spans = [(module.start, module.end) for module in every if module.name not in kept]
    return _without_unused(_without(text, spans)) if kept and spans else text


def _roots(every: Sequence[_Module]) -> list[str]:
    """The modules that no other names, benches aside."""
    devices = [module for module in every if module.has_ports]
    used = {word for module in devices for word in module.words}
    return [module.name for module in devices if module.name not in used]
