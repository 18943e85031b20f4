"""What becomes of a stranger's C file? One unit that computes and keeps nothing.

The file is preprocessed by itself, so that no macro of it reaches the code that calls it, and
compiled by itself. Its source may hold no assembly, and nothing that depends on who compiles it;
`object_check` says what its object may hold.
"""

import errno
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, without_comments
from axdse.multipliers.sandbox.compiler import (
    CPP_ENDS,
    compile_or_refuse,
    compiler,
    language_of,
)

MAX_FILES = 64
SUFFIXES = frozenset(
    (".c", ".h", ".inc", ".inl", ".def", ".cu", ".cuh", ".i", ".hh", ".hpp", ".hxx", *CPP_ENDS)
)
_PROGRAM = "static __attribute__((__unused__)) program_of_its_own"
# Models written for a GPU compile here too, and those that forget the usual headers.
PRELUDE = (
    *("-D__device__=", "-D__host__=", "-D__forceinline__=inline"),
    # A program of its own is left out, and whatever it alone calls.
    f"-Dmain={_PROGRAM}",
    *("-include", "stdint.h", "-include", "stdbool.h"),
    *("-include", "stdio.h", "-include", "stdlib.h", "-include", "string.h"),
)
# Comes before what the preprocessor leaves: macros may stand for its elements.
PARAMETERS = "extern const int axdse_parameter[];\nextern unsigned long axdse_top;\n"
_WORD = r"(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
_TOKEN = re.compile(rf"{_WORD}|\w+|\S")
_LINE_MARKER = re.compile(r"^[^\S\n]*+(?:#|%:|\?\?=)\s*(?:\d|line\b)[^\n]*", re.MULTILINE)
# Whatever a directive, or a macro in its place, may name.
_FILE_NAME = re.compile(r"\"([^\"\n\0]{1,200})\"|include[ \t]*<([^>\n\0]{1,200})>")
_SPLICE = re.compile(r"\\[ \t\f\v]*\r?\n")  # gcc lets blanks stand between
# All that depends on place and time begins with two underscores, or is pasted together.
_ASKS = re.compile(r"__|##|%:%:|\?\?")
_CHECKER = re.compile(r"\b(?:AXDSE|axdse)_\w*|\.incbin\b")
_MARKER = re.compile(r'# \d+ "((?:[^"\\]|\\.)*)"((?: \d)*)')
# The attribute `optimize` may undo what a build fills variables with.
_CODE = re.compile(
    rf"{_WORD}|\b(?:asm|__asm|__asm__)\b|\b(?:__)?optimize(?:__)?(?=\s*\(\s*[\"\d])"
    # What is not watched, and what would reach what an earlier call left on the stack.
    r"|\b(?:__)?(?:no_sanitize|no_address_safety|disable_sanitizer)\w*|\b__asan_\w*"
    r"|\b(?:__builtin_)?alloca\w*|\b__builtin_(?:frame|return|apply|stack)\w*"
    r"|\b(?:_mm\d*|__builtin_ia32)_\w*(?:gather|scatter|mask\w*(?:load|store|mov)|lddqu|stream|movnt"
    r"|compress|expand)\w*"
)
# What a processor keeps or counts beside memory: clocks, random numbers, what it is, registers of
# its state, in which a model could also note a call. Intrinsics and builtins of all targets.
_PROCESSOR = re.compile(
    r"\b\w*(?:rdtsc|rdpmc|rdpid|rdpru|rdrand|rdseed|(?:rd|wr|read|write)[fg]sbase|mxcsr"
    r"|mm_[gs]etcsr|MM_[GS]ET_|cpuid|builtin_cpu_|x[gs]etbv|xsave|xrstor|fldenv|fnstenv|fnstsw"
    r"|readeflags|writeeflags|pkru|rdssp|readcyclecounter|readsteadycounter|thread_pointer"
    r"|[gs]et_fp[cs]r|builtin_FILE)\w*"
)
_PRAGMA = re.compile(r"^[^\S\n]*+#\s*pragma\s+(\w+)\s*(\w*)", re.MULTILINE)
# Those that reach beyond the compiler's speed: names, sections, the meaning of what follows.
_PRAGMAS = {"weak", "redefine_extname", "extern_prefix", "section", "GCC", "clang"}
_HARMLESS = {"unroll", "ivdep", "novector", "diagnostic", "warning", "error", "loop"}


def source_files(model: Path) -> dict[Path, str]:
    """The model and what it includes of its own folder and below, by path; the model is first.

    Raises:
        AxdseError: one is no readable text of a bounded size, or names what belongs to its
            checker or to a preprocessor.
    """
    is_link = model.is_symlink()
    first = model.resolve() if is_link else _resolved(model.parent.absolute()) / model.name
    folder = first.parent
    found: dict[Path, str] = {}
    todo = [first]
    while todo:
        path = todo.pop()
        if path in found or len(found) == MAX_FILES:
            continue
        found[path] = text = _text(path, model)
        for name in _named_files(text):
            beside = path.parent / name
            if beside.suffix in SUFFIXES and beside.is_file():
                beside = beside.resolve()
                inside = beside.is_relative_to(folder) and beside.suffix in SUFFIXES
                todo += [beside] if inside else []
    return found


def _text(path: Path, model: Path) -> str:
    text = InputFile(path, "a C model is a readable file", LARGEST_SOURCE).read().decode("latin-1")
    _check_text(text, model.name)
    return text


# Each step of a path asks the file system, for every look-up of what is known of a design.
@functools.lru_cache(maxsize=64)
def _resolved(folder: Path) -> Path:
    return folder.resolve()


# By text: the designs of a family share it.
@functools.lru_cache(maxsize=256)
def _named_files(text: str) -> tuple[str, ...]:
    return tuple(match[1] or match[2] for match in _FILE_NAME.finditer(text))


@functools.lru_cache(maxsize=256)
def _check_text(text: str, name: str) -> None:
    if foreign := _CHECKER.search(text):
        rule = f"the C model {name} knows nothing of its checker"
        raise AxdseError(rule, foreign[0], "use other names")
    plain = without_comments(_SPLICE.sub("", text), literals=True)
    if marker := _LINE_MARKER.search(plain):
        rule = f"the C model {name} says nothing of lines and files"
        raise AxdseError(rule, marker[0].strip(), "remove that directive")


def named(model: Path) -> str:
    """What errors call a model."""
    return f"the C model {model.name}"


def preprocess(
    model: Path,
    macros: tuple[str, ...],
    folder: Path,
    core: Path | None = None,
    flags: tuple[str, ...] = (),
) -> str:
    """Return the model as the compiler proper gets it, with the lines that say where it is from.

    Args:
        model: C source.
        macros: `NAME=VALUE` definitions.
        folder: an empty one for the compiler.
        core: another model that it includes by a macro.
        flags: of the compiler; none: those of its language.

    Raises:
        AxdseError: it does not preprocess, has assembly in it, or depends on who includes it and
            when; or as `source_files`.
    """
    files = {**source_files(model), **(source_files(core) if core else {})}
    language = language_of(model)
    call = [compiler(language)[0], *(flags or language.flags), *PRELUDE]
    call += [*(f"-D{macro}" for macro in macros), "-x", language.name, "-E"]
    unit = _read_by(call, model, folder, [*files])
    own = "\n".join(_own_lines(unit))
    _refuse_code(own_text(unit), model)
    if any("main" in each for each in files.values()):
        _refuse_other_main(own, call, model, folder, [*files])
    if not any(_ASKS.search(_SPLICE.sub("", each)) for each in files.values()):
        return unit
    # The same from elsewhere: as another's include, long ago.
    (folder / "around.c").write_text(f'#include "{model.resolve()}"\n')
    (folder / "outer.c").write_text('#include "around.c"\n')
    call[-1:] = ["-Wno-builtin-macro-redefined", '-D__DATE__=""', '-D__TIME__=""']
    call += ['-D__TIMESTAMP__=""', '-D__FILE__=""', '-D__FILE_NAME__=""']
    call += ["-E", str(folder / "outer.c")]
    again = compile_or_refuse(call, named(model), folder, [*files]).decode("latin-1")
    if _words(own) != _words("\n".join(_own_lines(again))):
        raise AxdseError(
            f"the C model {model.name} is the same wherever it is compiled",
            "it asks for its place or for the time",
            "remove __FILE__, __INCLUDE_LEVEL__, __DATE__ and the like",
        )
    return unit


def _read_by(call: list[str], model: Path, folder: Path, files: list[Path]) -> str:
    """What a preprocessor makes of a model."""
    try:
        text = compile_or_refuse([*call, str(model.resolve())], named(model), folder, files)
    except AxdseError as error:
        if os.strerror(errno.EACCES) not in str(error.value):
            raise
        rule = f"{named(model)} includes files of its folder, and of folders below that"
        raise AxdseError(rule, error.value, "put a copy of that file there") from error
    return text.decode("latin-1")


def _refuse_other_main(
    own: str, call: list[str], model: Path, folder: Path, files: list[Path]
) -> None:
    """Refuse a model that asks what its `main` is called here.

    Raises:
        AxdseError: with another name of `main` more than that name differs.
    """
    plain = [each for each in call if each != f"-Dmain={_PROGRAM}"]
    text = _read_by(plain, model, folder, files)
    expected = list[str]()
    for token in _TOKEN.findall("\n".join(_own_lines(text))):
        expected += _TOKEN.findall(_PROGRAM) if token == "main" else [token]
    if expected != _TOKEN.findall(own):
        raise AxdseError(
            f"the C model {model.name} does not ask for its main",
            "it reads otherwise under another name of it",
            "remove main, or what asks for it",
        )


def own_text(unit: str) -> str:
    """What `preprocess` left of the model's own files, without its markers.

    What a macro of a system header stands for is marked as that header's, with the name of the
    file that uses it.
    """
    own, system, lines = set[str](), False, []
    for line in unit.split("\n"):
        marker = _MARKER.fullmatch(line)
        if marker is None:
            lines += [] if system else [line]
            continue
        system = "3" in marker[2].split() and marker[1] not in own
        if not system:
            own.add(marker[1])
    return "\n".join(lines)


def _own_lines(unit: str) -> Iterator[str]:
    """The lines that are not of system headers, whose markers have a flag 3."""
    system = False
    for line in unit.split("\n"):
        marker = _MARKER.fullmatch(line)
        if marker:
            system = "3" in marker[2].split()
        elif not system:
            yield line


def _words(text: str) -> list[str]:
    """The words of a text without its `main`, which is not compiled."""
    words, main = _TOKEN.findall(text), _TOKEN.findall(_PROGRAM)
    for at in range(len(words)):
        if words[at : at + len(main)] == main and "{" in words[at:]:
            opens = words.index("{", at)
            if ";" not in words[at:opens]:
                return words[:at] + words[_closing(words, opens) :]
    return words


def _closing(words: list[str], opens: int) -> int:
    """The place behind the brace that closes one."""
    depth = 0
    for at in range(opens, len(words)):
        depth += {"{": 1, "}": -1}.get(words[at], 0)
        if not depth:
            return at + 1
    return len(words)


def _refuse_code(own: str, model: Path) -> None:
    rule = f"the C model {model.name} is C and nothing else"
    for match in _PRAGMA.finditer(own):
        if match[1] in _PRAGMAS and match[2] not in _HARMLESS:
            raise AxdseError(rule, " ".join(match[0].split()), "remove it")
    for match in _CODE.finditer(own):
        if match[0][0] not in "\"'":
            raise AxdseError(rule, match[0], "write it in C")
    if asked := _PROCESSOR.search(own):
        raise AxdseError(rule, f"{asked[0]} asks what is no operand", "remove it")
