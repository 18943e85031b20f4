"""What may the object of a model hold? Code and constants, and calls of pure functions alone.

What is left has no way to remember a call, or to know its number.
"""

import re
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection

from axdse.multipliers.errors import AxdseError

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
# How a build that is watched tells what it touches.
_WATCHING = re.compile(r"__asan_(?:(?:load|store)(?:\d+|N)_noabort|handle_no_return)")


class ImpureError(AxdseError):
    """A C model that may answer otherwise when it is asked again."""


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


def _remembers(
    model: Path, what: str, remedy: str = "declare it const, or within the function without static"
) -> ImpureError:
    return ImpureError(
        f"a C model is a pure function; {model.name} keeps something between its calls",
        f"writable data: {what}",
        remedy,
    )


def is_pure(name: str) -> bool:
    """Whether a C library has a function of this name that models may call."""
    variant = _VARIANT.fullmatch(name)
    known = (
        name in _PURE or bool(variant and variant[1] in _PURE) or bool(_WATCHING.fullmatch(name))
    )
    return known or bool(_CLASSIFYING.fullmatch(name) or _ARITHMETIC.fullmatch(name))
