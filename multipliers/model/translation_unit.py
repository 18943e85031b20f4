"""What becomes of a stranger's C file? One unit that computes and keeps nothing.

The file is preprocessed by itself, so that no macro of it reaches the code that calls it, and
compiled by itself. Its source may hold no assembly, and nothing that depends on who compiles it;
its object may hold no writable data and no code that starts by itself, and may call nothing but
pure functions of the C library. What is left has no way to remember a call, or to know its number.
"""

import errno
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection

from axdse.multipliers.designs.c_call import INTEGERS, OPERANDS, IntegerCall
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, without_comments
from axdse.multipliers.sandbox.compiler import (
    CPP_ENDS,
    Language,
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
_SIGNATURE = (
    "the signature of a C model must be uint64_t f(uint64_t a, uint64_t b), or with other integers"
)
_FLOAT_SIGNATURE = "the signature of a float model must be float f(float a, float b)"
# Comes before what the preprocessor leaves: macros may stand for its elements.
PARAMETERS = "extern const int axdse_parameter[];\nextern unsigned long axdse_top;\n"
# Appended to what the preprocessor leaves: no macro is there any more to change its meaning, but
# functions of any name.
_C_TYPES = """
;_Static_assert(sizeof(&{function}) > 0, "{signature}");
_Static_assert(_Generic((__typeof__({function}({zeros})) *)0, {returns}, default : 0),
    "{signature}");
enum {{ axdse_kinds = _Generic(&{function}, {kinds}, default : 0) }};
_Static_assert(axdse_kinds, "{signature}");
"""
_CPP_TYPES = """
;namespace {{
template <class T> constexpr int axdse_kind = 0;
{traits}
template <class R, class... P> constexpr int axdse_kinds_of(R (*)(P...)) {{
    constexpr int each[] = {{axdse_kind<P>..., 0, 0}};
    return axdse_kind<R> && sizeof...(P) == {count} ? each[{a}] * 1000 + each[{b}] : 0;
}}
constexpr int axdse_kinds = axdse_kinds_of(&{function});
static_assert(axdse_kinds / 1000 && axdse_kinds % 1000, "{signature}");
}}
"""
_INTEGER_CALLS = """
{shown}__attribute__((externally_visible)) const int axdse_kinds_{build};
const int axdse_kinds_{build} = axdse_kinds;
{shown}__attribute__((externally_visible)) const int axdse_signed_{build};
const int axdse_signed_{build} = {signs};
{shown}__attribute__((externally_visible)) const int axdse_result_{build};
const int axdse_result_{build} = {result};
{shown}__attribute__((externally_visible, noinline, no_sanitize_address)) void axdse_call_{build}(
    const unsigned long *__restrict axdse_a, const unsigned long *__restrict axdse_b,
    unsigned long *__restrict axdse_product, unsigned long axdse_count) {{
    axdse_top = (unsigned long)__builtin_frame_address(0);
    for (unsigned long axdse_i = 0; axdse_i < axdse_count; axdse_i++)
        axdse_product[axdse_i] = (unsigned long){function}({arguments});
}}
"""
_FLOAT_CALLS = """
;_Static_assert(_Generic(&{function}, float (*)(float, float) : 1, default : 0), "{signature}");
static inline float axdse_float(unsigned bits) {{
    return ((union {{ unsigned bits; float value; }}){{bits}}).value;
}}
__attribute__((externally_visible, noinline, no_sanitize_address)) void axdse_row_{build}(
    unsigned axdse_a, unsigned axdse_b, unsigned axdse_step, unsigned axdse_count,
    unsigned *restrict axdse_product) {{
    axdse_top = (unsigned long)__builtin_frame_address(0);
    for (unsigned axdse_i = 0; axdse_i < axdse_count; axdse_i++) {{
        union {{ float value; unsigned bits; }} axdse_each = {{
            {function}(axdse_float(axdse_a), axdse_float(axdse_b + axdse_i * axdse_step))}};
        axdse_product[axdse_i] = axdse_each.bits;
    }}
}}
"""
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
_ALLOC, _WRITE = 0x2, 0x1
_READ_ONLY = re.compile(r"\.(text|rodata|lrodata|eh_frame|note|gcc_except_table)(\..*|)")
_MATH = (
    "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 "
    "fabs fdim floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 "
    "log1p log2 logb lrint lround modf nan nearbyint nextafter nexttoward pow remainder remquo "
    "rint round roundeven scalbln scalbn sin sincos sinh sqrt tan tanh tgamma trunc"
)
_PLAIN = (
    "abs labs llabs div ldiv lldiv qsort bsearch abort exit "
    "atoi atol atoll atof strtol strtoul strtoll strtoull strtod strtof __assert_fail "
    "memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strcpy strncpy strcat "
    "strncat strchr strrchr strstr strspn strcspn strpbrk isalnum isalpha isdigit islower "
    "isupper isspace isxdigit ispunct tolower toupper printf sprintf snprintf puts putchar "
    "setjmp _setjmp __sigsetjmp longjmp __stack_chk_fail axdse_parameter axdse_top"
)
_HEAP = frozenset(("malloc", "calloc", "realloc", "free", "aligned_alloc", "posix_memalign"))
_NEW = re.compile(r"_Z(?:n[wa]m|d[la]Pv)\w*")  # operators of C++
# Of these a harness has others, which look first at what they are to touch.
COPYING = ("memcpy", "memmove", "memset", "memcmp")
# A FILE can be written, and so remember: a harness has others of these, which do nothing.
STREAMS = (
    *("stdout", "stderr", "fprintf", "__fprintf_chk"),
    *("fputs", "fputc", "putc", "fwrite", "fflush"),
)
_PURE = frozenset(
    [
        *_PLAIN.split(),
        *STREAMS,
        *(f"{name}{end}" for name in _MATH.split() for end in ("", "f", "l")),
    ]
)
# Checked, C23 and classifying variants of these.
_VARIANT = re.compile(r"__(?:isoc(?:99|23)_)?(\w+?)(?:_chk)?")
_CLASSIFYING = re.compile(r"__(?:is(?:nan|inf)|finite|fpclassify|signbit)[fl]?")
# What compilers call for wide arithmetic, see "The GCC low-level runtime library".
_ARITHMETIC = re.compile(
    r"__(?:u?div|u?mod|u?divmod|mul|neg|abs|absv|add|addv|sub|subv|mulv|negv|ash[lr]|lshr|u?cmp|clz"
    r"|ctz|ffs|clrsb|popcount|parity|bswap|pow|extend|trunc|fix|fixuns|float|floatun|eq|ne|[gl][et]"
    r"|unord)(?:(?:[qhsdtx][ifc]|bf|i){1,2})[2-4]?"
)


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


def integer_calls(function: str, build: str, call: IntegerCall, language: Language) -> str:
    """C that calls a model of integers for `harness.h`: `axdse_call_BUILD` and its traits."""
    zeros = ", ".join("0" for _ in call.arguments)
    places = {operand: call.arguments.index(operand) for operand in OPERANDS}
    types = _CPP_TYPES if language.is_cpp else _C_TYPES
    return (types + _INTEGER_CALLS).format(
        function=function,
        build=build,
        shown='extern "C" ' if language.is_cpp else "extern ",
        zeros=zeros,
        returns=", ".join(f"{name} * : 1" for name in INTEGERS),
        kinds="" if language.is_cpp else _c_kinds(function, call),
        traits="\n".join(
            f"template <> constexpr int axdse_kind<{_cpp(name)}> = {_kind(name)};"
            for name in INTEGERS
        ),
        count=len(call.arguments),
        **places,
        signature=_SIGNATURE,
        signs=sum(sign << place for place, sign in enumerate(call.signs)),
        arguments=call.text("axdse_a[axdse_i]", "axdse_b[axdse_i]"),
        result=f"8 * sizeof({function}({zeros}))" if call.extends else "64",
    )


def _c_kinds(function: str, call: IntegerCall) -> str:
    """The kinds of a and b by the type of the function, whose result is known."""
    returns = f"__typeof__({function}({', '.join('0' for _ in call.arguments)}))"
    found = []
    for a in INTEGERS:
        for b in INTEGERS:
            operands = {"a": a, "b": b}
            takes = (operands.get(each) or each.rpartition(" ")[0] for each in call.arguments)
            kinds = f"{_kind(a)} * 1000 + {_kind(b)}"
            found.append(f"{returns} (*)({', '.join(takes)}) : {kinds}")
    return ", ".join(found)


def _kind(name: str) -> str:
    return "((char)-1 < 0 ? 108 : 8)" if name == "char" else str(INTEGERS[name])


def _cpp(name: str) -> str:
    return "bool" if name == "_Bool" else name


def float_calls(function: str, build: str) -> str:
    """C that calls a model of floats for `float_harness.c`: `axdse_row_BUILD`."""
    return _FLOAT_CALLS.format(function=function, build=build, signature=_FLOAT_SIGNATURE)


def check_object(path: Path, model: Path, function: str) -> None:
    """Refuse an object that could keep something, start by itself, or ask for anything.

    Args:
        path: the object, ELF.
        model: the C file that errors name.
        function: the model's, which the linker will miss by itself.

    Raises:
        AxdseError: it has writable data, a constructor, code or data of a kind of its own, or
            calls what is no pure function.
    """
    try:
        with path.open("rb") as file:
            _check_elf(ELFFile(file), model, function)
    except ELFError as error:
        raise AxdseError("a C compiler writes ELF objects", error, "unset CC") from error


def _check_elf(elf: ELFFile, model: Path, function: str) -> None:
    symbols = [
        symbol
        for section in elf.iter_sections()
        if isinstance(section, SymbolTableSection)
        for symbol in section.iter_symbols()
    ]
    for number, section in enumerate(elf.iter_sections()):
        flags, size = section["sh_flags"], section["sh_size"]
        if not size or not flags & _ALLOC:
            continue
        if "array" in section.name or section.name in (".ctors", ".dtors", ".init", ".fini"):
            raise AxdseError(
                f"the C model {model.name} is called and does not start by itself",
                f"section {section.name}",
                "remove its constructors and destructors",
            )
        if flags & _WRITE:
            held = [s.name for s in symbols if s["st_shndx"] == number and s.name]
            raise _remembers(model, held[0] if held else section.name)
        if not _READ_ONLY.fullmatch(section.name):
            rule = f"the C model {model.name} has code and constants and nothing else"
            raise AxdseError(rule, f"section {section.name}", "remove its attribute section")
    for symbol in symbols:
        _check_symbol(symbol, model, function)


def _check_symbol(symbol: Symbol, model: Path, function: str) -> None:
    kind, place = symbol["st_info"]["type"], symbol["st_shndx"]
    if place == "SHN_COMMON":
        raise _remembers(model, symbol.name)
    if place == "SHN_UNDEF" and (symbol.name in _HEAP or _NEW.fullmatch(symbol.name)):
        memory = f"memory of {symbol.name if symbol.name in _HEAP else 'new'}"
        raise _remembers(model, memory, "declare an array in the function")
    if place == "SHN_UNDEF" and symbol.name not in ("", function) and not is_pure(symbol.name):
        raise AxdseError(
            "a C model computes and does nothing else",
            f"{model.name} calls {symbol.name}, which is no pure function",
            "remove that call",
        )
    defined = place != "SHN_UNDEF"
    if defined and symbol.name.startswith("__asan_"):
        rule = f"the C model {model.name} knows nothing of its checker"
        raise AxdseError(rule, symbol.name, "use other names")
    if defined and (symbol["st_info"]["bind"] == "STB_WEAK" or kind in ("STT_LOOS", "STT_TLS")):
        rule = f"the C model {model.name} has one function of each name"
        raise AxdseError(rule, f"{symbol.name} is weak, or chosen later", "remove that attribute")


class ImpureError(AxdseError):
    """A C model that may answer otherwise when it is asked again."""


def _remembers(
    model: Path, what: str, remedy: str = "declare it const, or within the function without static"
) -> ImpureError:
    return ImpureError(
        f"a C model is a pure function; {model.name} keeps something between its calls",
        f"writable data: {what}",
        remedy,
    )


# How a build that is watched tells what it touches.
_WATCHING = re.compile(r"__asan_(?:(?:load|store)(?:\d+|N)_noabort|handle_no_return)")


def is_pure(name: str) -> bool:
    """Whether a C library has a function of this name that models may call."""
    variant = _VARIANT.fullmatch(name)
    known = (
        name in _PURE or bool(variant and variant[1] in _PURE) or bool(_WATCHING.fullmatch(name))
    )
    return known or bool(_CLASSIFYING.fullmatch(name) or _ARITHMETIC.fullmatch(name))
