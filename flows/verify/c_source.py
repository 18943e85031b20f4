"""What does a C file say of itself? Its functions and its author's figures."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.c_call import INTEGERS, OPERANDS
from axdse.multipliers.designs.family import Family, Published
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import LARGEST_SOURCE, InputFile
from axdse.multipliers.model.translation_unit import own_text, preprocess
from axdse.multipliers.names import check_name

# What says nothing of the values: classes of storage, qualifiers, attributes.
_NOT_A_TYPE = frozenset(
    word
    for line in (
        "static inline extern register auto const volatile restrict constexpr noexcept",
        "__inline __inline__ __restrict __restrict__ __const __volatile__ __extension__",
        "_Noreturn __signed__ std",
    )
    for word in line.split()
)
_WORDS = {"char", "short", "int", "long", "signed", "unsigned", "_Bool", "bool", "float", "double"}
_OUTSIDE = re.compile(r"\"(?:\\.|[^\"\\\n])*+\"|'(?:\\.|[^'\\\n])*+'|[{};]")
_ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*+\)\)|\[\[[^\]]*+\]\]")
_LINKAGE = re.compile(r"\bextern\s*\"C(?:\+\+)?\"")
_LETTER = re.compile(r"\\U(000[0-9a-f]{5})")  # beyond ASCII, as the preprocessor writes it
_TYPEDEF = re.compile(r"\btypedef\s+([\w\s]{1,200}?)\s+(\w+)\s*;")
_USING = re.compile(r"\busing\s+(\w+)\s*=\s*([\w\s:]{1,200}?)\s*;")
_PROGRAM = "program_of_its_own"  # what `main` is called here
_SPELLED = "write it as unsigned f(unsigned a, unsigned b)"
_LONGEST_HEADER = 1000
# As before ANSI C: mul(a, b) unsigned a; unsigned b; {
_OLD_DEFINITION = re.compile(
    r"\b([A-Za-z_]\w{0,63})\s*\(\s*\w+\s*(?:,\s*\w+\s*){1,9}\)(?:\s*\w[\w\s,]{0,200};)+(?=\s*\{)"
)
# The header lines of EvoApproxLib, such as "// PDK45_AREA = 709.6 um2".
_FIGURE = re.compile(
    r"^[ \t]*(?://|\*)[ \t]*([A-Za-z]\w{0,63}%?)[ \t]*="
    r"[ \t]*(-?\d+(?:\.\d*)?(?:e-?\d{1,2})?)[ \t]*+((?![\d.]|e-?\d)[!-~]{0,32}+)[ \t]*+$",
    re.MULTILINE | re.ASCII,
)


@dataclass(frozen=True)
class CType:
    """A type of C.

    Attributes:
        written: as the file has it, without qualifiers.
        name: what it is, such as "unsigned short"; "float"; empty: not understood.
    """

    written: str
    name: str

    @property
    def is_integer(self) -> bool:
        """Whether it is an integer that a model may take and return."""
        return self.name in INTEGERS

    @property
    def is_signed(self) -> bool:
        """Whether it is a signed integer."""
        return INTEGERS.get(self.name, 0) > 100

    @property
    def bits(self) -> int:
        """The bits of an integer."""
        return INTEGERS.get(self.name, 0) % 100


@dataclass(frozen=True)
class Prototype:
    """A C function, which may be a model.

    Attributes:
        function: its name.
        returns: the type of its result.
        types: those of its parameters.
        names: of its parameters, in order.
        private: declared static, so meant for other functions of the file.
        constants: values of parameters that are no operands, by name.
    """

    function: str
    returns: CType
    types: tuple[CType, ...]
    names: tuple[str, ...]
    private: bool
    constants: tuple[tuple[str, int], ...] = ()

    @property
    def takes_floats(self) -> bool:
        """Whether it is `float f(float, float)`."""
        return {kind.name for kind in (*self.types, self.returns)} == {"float"}

    @property
    def operands(self) -> tuple[CType, ...]:
        """The types of the parameters that no constant is given for."""
        fixed = dict(self.constants)
        pairs = zip(self.types, self.names, strict=True)
        return tuple(kind for kind, name in pairs if name not in fixed)

    @property
    def arguments(self) -> tuple[str, ...]:
        """How it is called, as in `Family.arguments`."""
        fixed, free = dict(self.constants), iter(("a", "b"))
        return tuple(
            f"{kind.name} {fixed[name]}" if name in fixed else next(free)
            for kind, name in zip(self.types, self.names, strict=True)
        )

    @property
    def is_model(self) -> bool:
        """Whether it takes two operands, of integers or floats."""
        integers = all(kind.is_integer for kind in (*self.types, self.returns))
        return len(self.operands) == 2 and (integers or self.takes_floats)

    def __str__(self) -> str:
        pairs = zip(self.types, self.names, strict=True)
        takes = ", ".join(f"{kind.written} {name}".strip() for kind, name in pairs)
        return f"{self.returns.written} {self.function}({takes})"


def find_prototype(
    path: Path, function: str = "", constants: Mapping[str, int] | None = None
) -> Prototype:
    """Find the multiplier in a C or C++ file, as the preprocessor leaves it.

    It is `function` if given; else the one named as the file; else the only one; else the only
    one that no other function of the file calls.

    Args:
        path: the file.
        function: its name, if it is known.
        constants: values of parameters that are no operands, by name.

    Raises:
        AxdseError: there is none, it cannot be told, it takes what is not understood, or its name
            is no plain identifier; or the file does not preprocess.
    """
    known, text = _defined(path)
    prototype = _chosen(path, text, known, function, dict(constants or {}))
    check_name(prototype.function, "functions", "C")
    return prototype


def named_constants(family: Family) -> tuple[tuple[str, int], ...]:
    """The constants that a family's C function is called with, by its names of parameters.

    Raises:
        AxdseError: its file does not preprocess, or has no such function of so many parameters.
    """
    if set(family.arguments) <= set(OPERANDS):
        return ()
    function = family.function or family.name
    prototype = _defined(family.model)[0].get(function)
    if prototype is None or len(prototype.names) != len(family.arguments):
        found = str(prototype or "none found")
        rule = f"{family.model.name} has {function} of {len(family.arguments)} parameters"
        raise AxdseError(rule, found, "correct the catalogue")
    return tuple(
        (name, int(each.rpartition(" ")[2]))
        for name, each in zip(prototype.names, family.arguments, strict=True)
        if each not in OPERANDS
    )


def _defined(path: Path) -> tuple[dict[str, Prototype], str]:
    """The functions of a file, by name, and its own text as the preprocessor leaves it."""
    read_source(path, "a C model is a readable file")
    with temporary_folder() as folder:
        unit = preprocess(path, (), folder)
    known: dict[str, Prototype] = {}
    for each in _prototypes(unit):
        if each.function in known:
            rule, found = "a function is defined once", f"{each.function} in {path.name}"
            raise AxdseError(rule, found, "drop the others")
        known[each.function] = each
    return known, own_text(unit)


def _chosen(
    path: Path,
    text: str,
    known: dict[str, Prototype],
    function: str,
    constants: dict[str, int],
) -> Prototype:
    wanted = function or path.stem
    if function and function not in known:
        rule = f"{path.name} has no such function"
        raise AxdseError(rule, function, did_you_mean(function, known))
    if wanted in known:
        return _checked(_with(known[wanted], constants), constants)
    found = [_with(prototype, constants) for prototype in known.values()]
    # A header's functions are static inline, so all are meant.
    meant = [p for p in found if not p.private] or found
    public = [p for p in meant if p.is_model]
    uncalled = [p for p in public if len(re.findall(rf"\b{p.function}\b", text)) == 1]
    for choice in (public, uncalled):
        if len(choice) == 1:
            return _checked(choice[0], constants)
    # The only function of a file is what was meant, whatever it takes.
    if not public and len(meant) == 1:
        return _checked(meant[0], constants)
    if old := _OLD_DEFINITION.search(text):
        raise AxdseError(
            "a C model has the types of its operands in its parentheses",
            f"{path.name}: {' '.join(old[0].split())}",
            f"write it as unsigned {old[1]}(unsigned a, unsigned b)",
        )
    raise AxdseError(
        f"{path.name} defines {wanted}(a, b) of two integers, or just one such",
        ", ".join(p.function for p in public) or "none found",
        "name it with --function" if public else _SPELLED,
    )


def _with(prototype: Prototype, constants: dict[str, int]) -> Prototype:
    own = tuple((name, constants[name]) for name in prototype.names if name in constants)
    return Prototype(
        prototype.function,
        prototype.returns,
        prototype.types,
        prototype.names,
        prototype.private,
        own,
    )


def _checked(prototype: Prototype, constants: dict[str, int]) -> Prototype:
    """The function if it is a model; else why not.

    Raises:
        AxdseError: a type is not understood, there are not two operands, or a constant is of no
            parameter or does not fit its type.
    """
    for name in constants.keys() - set(prototype.names):
        rule = f"{prototype.function} has no such parameter"
        raise AxdseError(rule, name, did_you_mean(name, prototype.names))
    _check_types(prototype)
    for (name, value), kind in (
        (each, kind)
        for kind, parameter in zip(prototype.types, prototype.names, strict=True)
        for each in prototype.constants
        if each[0] == parameter
    ):
        low, high = _range(kind)
        if not low <= value <= high:
            rule = f"{name} of {prototype.function} is {kind.written}: {low}..{high}"
            raise AxdseError(rule, value, "choose another")
    if len(prototype.operands) != 2:
        fixed = dict(prototype.constants)
        free = [name for name in prototype.names if name not in fixed]
        raise AxdseError(
            f"a C model has two operands; {prototype}",
            f"takes {', '.join(free) or 'none'}",
            f"give the others a value: --argument {free[-1]}=VALUE"
            if len(free) > 2
            else "name another with --function",
        )
    return prototype


def _check_types(prototype: Prototype) -> None:
    if prototype.takes_floats and not prototype.constants:
        return
    named = [("the result", prototype.returns)]
    pairs = zip(prototype.names, prototype.types, strict=True)
    named += [(f"parameter {name or 'without a name'}", kind) for name, kind in pairs]
    for what, kind in named:
        if not kind.is_integer:
            raise AxdseError(
                f"a C model takes and returns integers up to 64 bits, or all float; {prototype}",
                f"{kind.written or 'nothing'}, the type of {what}",
                "write it with such types, or a function around it",
            )


def _range(kind: CType) -> tuple[int, int]:
    if kind.is_signed:
        return -(1 << (kind.bits - 1)), (1 << (kind.bits - 1)) - 1
    return 0, (1 << kind.bits) - 1


def _prototypes(unit: str) -> Iterator[Prototype]:
    """The functions that a file's own text defines, outside of all braces."""
    typedefs: dict[str, str] = {}
    for match in _TYPEDEF.finditer(unit):
        typedefs[match[2]] = match[1]
    for match in _USING.finditer(unit):
        typedefs[match[1]] = match[2]
    own = _LETTER.sub(lambda match: chr(int(match[1], 16)), own_text(unit))
    for header in _headers(own):
        header = _LINKAGE.sub(" ", _ATTRIBUTE.sub(" ", header))
        before, _, inside = header.rstrip().rpartition("(")
        if not inside.removesuffix("noexcept").rstrip().endswith(")"):
            continue
        before, function = _last_word(before)
        if not function or not before or function == _PROGRAM:
            continue
        inside = inside.rpartition(")")[0].strip()
        texts = [] if inside in ("", "void") else inside.split(",")
        parameters = [_parameter(text, typedefs) for text in texts]
        yield Prototype(
            function,
            _type(before, typedefs),
            tuple(kind for kind, _ in parameters),
            tuple(name for _, name in parameters),
            "static" in before.split(),
        )


def _headers(text: str) -> Iterator[str]:
    """What stands before each brace that opens outside of all others."""
    depth, start = 0, 0
    for match in _OUTSIDE.finditer(text):
        if match[0] == "{":
            header = text[max(start, match.start() - _LONGEST_HEADER) : match.start()]
            if not depth and header.rstrip().endswith('extern "C"'):
                start = match.end()
                continue
            if not depth:
                yield header
            depth += 1
        elif match[0] == "}":
            depth = max(0, depth - 1)
        if match[0] in "};" and not depth:
            start = match.end()


def _parameter(text: str, typedefs: Mapping[str, str]) -> tuple[CType, str]:
    text, opens, after = text.partition("=")[0].partition("[")
    before, name = _last_word(text)
    if name in _WORDS or name in typedefs or not before.strip():
        return _type(text + opens + after, typedefs), ""
    return _type(before + opens + after, typedefs), name


def _last_word(text: str) -> tuple[str, str]:
    """What stands before the last word, and that word; it is empty if another sign is last."""
    text = text.rstrip()
    start = len(text)
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[:start], text[start:]


def _type(text: str, typedefs: Mapping[str, str]) -> CType:
    words = [word for word in re.findall(r"\w+|[^\w\s]", text) if word not in _NOT_A_TYPE]
    while words[:1] == [":"]:
        del words[0]
    return CType(" ".join(words), _canonical(words, typedefs, set()))


def _canonical(words: list[str], typedefs: Mapping[str, str], seen: set[str]) -> str:
    """The name in `INTEGERS`, or "float"; empty for all others."""
    if len(words) == 1 and words[0] in typedefs and words[0] not in seen:
        text = typedefs[words[0]]
        inner = [w for w in re.findall(r"\w+|[^\w\s]", text) if w not in _NOT_A_TYPE and w != ":"]
        return _canonical(inner, typedefs, seen | {words[0]})
    if words in (["float"], ["bool"], ["_Bool"]):
        return "float" if words == ["float"] else "_Bool"
    rest = sorted(words)
    signs = [word for word in rest if word in ("signed", "unsigned")]
    sizes = [word for word in rest if word not in ("signed", "unsigned", "int")]
    if len(signs) > 1 or rest.count("int") > 1 or not words:
        return ""
    if sizes == ["char"] and "int" not in rest:
        return f"{signs[0]} char" if signs else "char"
    size = {(): "int", ("short",): "short", ("long",): "long", ("long", "long"): "long long"}
    plain = size.get(tuple(sizes), "")
    return f"unsigned {plain}" if plain and signs == ["unsigned"] else plain


def published_figures(path: Path) -> tuple[Published, ...]:
    """The figures in the header comment of an EvoApproxLib file; none elsewhere."""
    head = read_source(path, "a C model is a readable file").partition("{")[0]
    return tuple(
        Published(name, float(value), unit, _step(value))
        for name, value, unit in _FIGURE.findall(head)
        if math.isfinite(float(value))
    )


def _step(number: str) -> float:
    """A unit of the last digit of a number: 100 of 48939.302e5."""
    mantissa, _, power = number.partition("e")
    return float(f"1e{int(power or 0) - len(mantissa.partition('.')[2])}")


def read_source(path: Path, rule: str) -> str:
    """Return the text of a source file.

    Raises:
        AxdseError: it is missing, or not UTF-8; `rule` says what it should be.
    """
    return InputFile(path, rule, LARGEST_SOURCE).text()
