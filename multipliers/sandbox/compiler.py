"""Which C compiler is there, what may it read, write and say, and what of its work is kept?

All of it runs confined; what is kept is built once for each text, compiler and flags.
"""

import ctypes
import errno
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from axdse.multipliers.cache import cached_file, digest, temporary_folder
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.machine import FILE_LIMIT, check_end, file_limit
from axdse.multipliers.sandbox.bounded import COMPILER_OUTPUT_BYTES, run_compiler, unsteered

# Bounds: an index past an array ends the model, which would go on with what happens to lie there.
# O3 evaluates several pairs at once: a 12 x 12 model of 500 lines gives all products in a third of
# the time that O2 takes.
_BOUNDED = (
    "-O3",
    "-fno-strict-aliasing",
    # Sums wrap, as in kernels: `uint32_t f(uint16_t a, uint16_t b) { return a * b; }` overflows an
    # int, of which a compiler may make what suits it.
    "-fwrapv",
    "-ffp-contract=off",
    "-fno-pie",  # constant tables of addresses need no relocation, so they are read-only
    "-fsanitize=bounds,shift-exponent",
    "-fsanitize-undefined-trap-on-error",
)
FLAGS = ("-std=gnu11", *_BOUNDED)
CPP_ENDS = (".cc", ".cpp", ".cxx")  # of C++ files
# A program that is all there needs to open nothing, and no plug-in reads a stranger's sections.
LINK = ("-static", "-s", "-fno-lto", "-no-pie", "-lm")
COMPILE_LIMIT_S = 60
VERSION_LIMIT_S = 20
MESSAGE_CHARACTERS = 300
# Where toolchains live; the compiler's own prefix comes on top.
TOOLCHAIN = tuple(
    map(Path, ("/usr", "/lib", "/lib64", "/bin", "/nix/store", "/etc/alternatives"))
) + tuple(map(Path, ("/etc/ld.so.cache", "/etc/ld.so.preload", "/dev/null", "/dev/urandom")))
# The linker's own line comes before that of the program that started it.
_CULPRIT = re.compile(r"(?<!^collect2: )error|undefined|out of memory|cannot find -l")
# What to do if a file of this package does not compile.
OUR_C = "install a newer gcc or clang"
_NATIVE = ("-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True)
class Language:
    """A language that models are written in.

    Attributes:
        name: as `-x` takes it.
        title: for people.
        flags: of its compiler.
        variable: of the environment, which names that.
        programs: that are looked for where it is not set.
        package: of Debian, which brings the first.
    """

    name: str
    title: str
    flags: tuple[str, ...]
    variable: str
    programs: tuple[str, ...]
    package: str

    @property
    def is_cpp(self) -> bool:
        """Whether it is C++."""
        return self.name == "c++"


C = Language("c", "C", FLAGS, "CC", ("cc", "gcc", "clang"), "gcc")
# What throws needs a library at run time, which a model has none of.
_PLAIN_CPP = ("-std=gnu++17", *_BOUNDED, "-fno-exceptions", "-fno-rtti")
CPP = Language("c++", "C++", _PLAIN_CPP, "CXX", ("c++", "g++", "clang++"), "g++")


def language_of(model: Path) -> Language:
    """The language of a model, by its file's ending."""
    return CPP if model.suffix in CPP_ENDS else C


@functools.cache
def compiler(language: Language = C) -> tuple[str, str]:
    """Return the path and the version line of a compiler, for C `$CC`, else cc, gcc, clang.

    Raises:
        AxdseError: there is none, or it does not tell; that answer is not kept.
    """
    chosen = os.environ.get(language.variable)
    names = [chosen] if chosen else language.programs
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise AxdseError(
            f"a {language.title} compiler is needed",
            f"none of {', '.join(names)} was found",
            f"unset {language.variable} or name one program"
            if chosen
            else f"apt-get install {language.package}",
        )
    return found, _version(found)


def _version(command: str) -> str:
    call = [command, "--version"]
    try:
        said = subprocess.run(
            call, env=unsteered(), capture_output=True, timeout=VERSION_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AxdseError("a C compiler must tell its version", error, "try again") from error
    line = said.stdout.decode(errors="replace").partition("\n")[0].strip()
    if said.returncode or not line:
        reason = f"{command} ended with exit code {said.returncode}"
        raise AxdseError("a C compiler must tell its version", reason, "try again, or unset CC")
    return line


def has_flag(flag: str) -> bool:
    """Whether the compiler takes a flag."""
    return _has_flag(compiler()[0], flag)


@functools.cache
def _has_flag(command: str, flag: str) -> bool:
    call = [command, "-Werror", flag, "-E", "-x", "c", os.devnull]
    return not subprocess.run(call, env=unsteered(), capture_output=True, check=False).returncode


def toolchain() -> tuple[Path, ...]:
    """What a compiler reads whatever it compiles: system folders and its own prefix."""
    return _toolchain(Path(compiler()[0]))


def objcopy() -> str:
    """The program of that name beside the compiler, else the one on PATH."""
    beside = Path(compiler()[0]).with_name("objcopy")
    return str(beside) if beside.exists() else "objcopy"


@functools.cache
def _toolchain(command: Path) -> tuple[Path, ...]:
    prefixes = {command.parent.parent, command.resolve().parent.parent} - {Path("/")}
    return tuple(path for path in (*TOOLCHAIN, *sorted(prefixes)) if path.exists())


def compile_or_refuse(
    call: Sequence[str],
    subject: str,
    folder: Path,
    readable: Sequence[Path] = (),
    remedy: str = "correct that line",
    limit_s: float | None = None,
) -> bytes:
    """Run the compiler, or a tool beside it, and return its standard output.

    Args:
        call: program and arguments.
        subject: what errors call the C file, such as `the C model core.c`.
        folder: where it may read and write.
        readable: what it may read beside that and the toolchain.
        remedy: what to do about the line that it refuses.
        limit_s: wall time, in seconds; None: COMPILE_LIMIT_S.

    Raises:
        AxdseError: it refuses, with the line that says why; or it does not end.
        MachineError: something but our own limits ended it, or it had no room.
    """
    try:
        limit_s = limit_s or COMPILE_LIMIT_S
        ended = run_compiler(call, folder, limit_s, (*toolchain(), *readable))
    except TimeoutError as error:
        rule = f"{subject} must compile within {limit_s:g} s"
        raise AxdseError(rule, "the compiler was stopped", "simplify it") from error
    except FileNotFoundError as error:
        raise AxdseError("a tool is missing", call[0], "apt-get install binutils") from error
    if ended.code == 0:
        return ended.output
    lines = ended.message.decode(errors="replace").splitlines()
    ours = (os.strerror(errno.ENOMEM), FILE_LIMIT if file_limit() >= COMPILER_OUTPUT_BYTES else "")
    outside = [line for line in lines if not any(limit and limit in line for limit in ours)]
    check_end(f"the compiler of {subject}", ended.code, "\n".join(outside))
    culprits = (line for line in lines if _CULPRIT.search(line))
    line = next(culprits, lines[-1] if lines else "no message").strip()[:MESSAGE_CHARACTERS]
    if "cannot find -l" in line:
        rule = "C models are linked statically, so that they need no files when they run"
        raise AxdseError(rule, line, "install libc6-dev, or glibc-static where it is apart")
    raise AxdseError(f"{subject} must compile", line, remedy)


def output_of(
    call: Sequence[str],
    subject: str,
    folder: Path,
    readable: Sequence[Path] = (),
    remedy: str = "correct that line",
    limit_s: float | None = None,
) -> bytes:
    """Run the compiler and return what it writes; arguments and errors as `compile_or_refuse`."""
    output = folder / "output"
    compile_or_refuse([*call, "-o", str(output)], subject, folder, readable, remedy, limit_s)
    try:
        return output.read_bytes()
    except OSError as error:
        raise wrote_none(call[0]) from error


def wrote_none(command: str) -> AxdseError:
    """A compiler succeeded and left no output."""
    rule = "a C compiler writes a program"
    return AxdseError(rule, f"{command} wrote none", "unset CC or correct it")


@dataclass(frozen=True)
class Recipe:
    """How one C file becomes an object, a library or a program.

    Attributes:
        kind: of the cache's entry.
        end: of its name.
        flags: of the compiler.
        link: flags of the linker; None: the object itself is wanted.
        name: what errors call it.
        remedy: what to do if it does not compile.
        limit_s: wall time of each step, in seconds; None: that of C models.
    """

    kind: str
    end: str
    flags: tuple[str, ...]
    link: tuple[str, ...] | None
    name: str
    remedy: str
    limit_s: float | None = None


def build_cached(
    source: Path,
    recipe: Recipe,
    depends: Sequence[str | bytes] = (),
    readable: Sequence[Path] = (),
) -> Path:
    """Compile a C file of this package, or return what came of the same text before.

    Args:
        source: it may include the headers of its folder.
        recipe: how.
        depends: digests or contents of all else that it takes in.
        readable: where that lies; the compiler reads no more than this, the folder and its own.

    Raises:
        AxdseError: there is no compiler, or it refuses the file; its line is shown.
    """
    texts = (path.read_bytes() for path in (source, *sorted(source.parent.glob("*.h"))))
    key = digest(*texts, *depends, *recipe.flags, *(recipe.link or ("-c",)), *compiler())
    allowed = [source.parent, *readable]

    def make() -> bytes:
        with temporary_folder() as folder:
            call = [compiler()[0], *recipe.flags, "-c", str(source)]
            made = output_of(call, recipe.name, folder, allowed, recipe.remedy, recipe.limit_s)
            if recipe.link is None:
                return made
            unit = folder / "unit.o"
            unit.write_bytes(made)
            call = [compiler()[0], str(unit), *recipe.link]
            return output_of(call, recipe.name, folder, (), recipe.remedy, recipe.limit_s)

    executable = recipe.link is not None and not recipe.end
    return cached_file(recipe.kind, key + recipe.end, make, executable=executable)


@functools.cache
def native(source: Path) -> ctypes.CDLL:
    """Load a C file of this package, such as `power/activity.c`, compiled on first use.

    Raises:
        AxdseError: the compiler is missing or fails.
    """
    return ctypes.CDLL(str(native_file(source)))


def native_file(source: Path) -> Path:
    """The shared library of a C file of this package, for programs that load it themselves.

    Raises:
        AxdseError: the compiler is missing or fails.
    """
    return build_cached(source, Recipe("native", ".so", _NATIVE, ("-shared",), source.name, OUR_C))
