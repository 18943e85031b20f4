"""How does a C model become a program? As a unit of its own, linked with a harness.

It is compiled twice, with its local variables filled by a pattern and by zeros, and a harness
compares both on every call; `translation_unit` and `object_check` say what it may hold.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from axdse.multipliers.cache import cached_file, digest, temporary_folder
from axdse.multipliers.designs.c_call import PLAIN, IntegerCall
from axdse.multipliers.errors import AxdseError, printable
from axdse.multipliers.model.model_calls import float_calls, integer_calls
from axdse.multipliers.model.object_check import COPYING, STREAMS, check_object
from axdse.multipliers.model.translation_unit import (
    PARAMETERS,
    PRELUDE,
    named,
    preprocess,
    source_files,
)
from axdse.multipliers.names import check_name
from axdse.multipliers.sandbox.compiler import (
    FLAGS,
    LINK,
    OUR_C,
    Language,
    Recipe,
    build_cached,
    compile_or_refuse,
    compiler,
    has_flag,
    language_of,
    objcopy,
    output_of,
    wrote_none,
)

HERE = Path(__file__).parent
# Everything but what the harness calls is private: what is never written becomes read-only.
WHOLE = ("-fwhole-program",)
BUILDS = {"patterned": "pattern", "zeroed": "zero"}  # how its locals are filled
# One build tells its harness what memory it touches, by a call before each access.
WATCH = (
    "-fsanitize=kernel-address",
    *(
        f"--param=asan-{name}=0"
        for name in ("globals", "stack", "instrumentation-with-call-threshold")
    ),
)
WATCHED = "zeroed"
HARNESS = HERE / "harness.c"
HARNESS_FILES = (HERE / "harness.h", HARNESS)  # what every harness may include
# Names that a build of a model gives to a harness, with the build behind them.
CALLED = ("call", "kinds", "signed", "result", "row")


def compiled(
    model: Path,
    function: str,
    harness: Path,
    macros: tuple[str, ...] = (),
    *,
    call: IntegerCall = PLAIN,
    floats: bool = False,
    core: Path | None = None,
) -> Path:
    """Compile a model with a harness, or return the cached program.

    Args:
        model: C or, by its ending, C++ source.
        function: the function in it that the harness calls.
        harness: C source with `main`; it may include HARNESS_FILES.
        macros: `NAME=VALUE` definitions.
        call: how it is called, if it takes integers.
        floats: it is `float f(float, float)`.
        core: another model, which it includes by a macro.

    Raises:
        AxdseError: the model is missing, does not compile, the compiler's line is shown, or is no
            pure function for what it holds; or a name could mean more to the compiler.
    """
    check_name(function, "functions", "C")
    language = language_of(model)
    if floats and language.is_cpp:
        raise AxdseError("a model of floats is a C file", model.name, "write it in C")

    def calls(build: str) -> str:
        if floats:
            return float_calls(function, build)
        return integer_calls(function, build, call, language)

    char = ("-funsigned-char",) if call.unsigned_char else ()
    making = _Making(language, (*language.flags, *char), calls)

    models = (model, *filter(None, (core,)))
    files = (file.read_bytes() for file in (harness, *HARNESS_FILES))
    parts = (*map(source_content, models), *files)
    tools = compiler()[1], compiler(language)[1]
    key = digest(
        *parts,
        function,
        PARAMETERS,
        calls(""),
        *macros,
        *making.flags,
        *PRELUDE,
        *LINK,
        *tools,
        *WATCH,
        WATCHED,
    )

    def make() -> bytes:
        return _linked(model, function, harness, macros, making, core)

    return cached_file("cmodel", key, make, executable=True)


@dataclass(frozen=True)
class _Making:
    """How the text of a model is compiled, and what calls it in each build."""

    language: Language
    flags: tuple[str, ...]
    calls: Callable[[str], str]


def _linked(
    model: Path,
    function: str,
    harness: Path,
    macros: tuple[str, ...],
    making: _Making,
    core: Path | None,
) -> bytes:
    """Both builds of the model and the harness as one program."""
    with temporary_folder() as folder:
        unit = PARAMETERS + preprocess(model, macros, folder, core, making.flags)
        objects = [_built(unit, making, model, function, folder / build) for build in BUILDS]
        # A copy: a fence lets a file through, not its name, under which another thread may put
        # the same anew.
        around = folder / "harness.o"
        around.write_bytes(_harness_object(harness).read_bytes())
        command = [compiler()[0], *map(str, objects), str(around), *LINK]
        return output_of(command, named(model), folder)


def _built(unit: str, making: _Making, model: Path, function: str, stem: Path) -> Path:
    """Compile one build; of its names only those that the harness calls stay visible."""
    end = ".ii" if making.language.is_cpp else ".i"
    source, whole, built = (stem.with_suffix(end) for end in (end, ".whole.o", ".o"))
    source.write_bytes((unit + making.calls(stem.name)).encode("latin-1"))
    command = [compiler(making.language)[0], *making.flags]
    command += [*filter(has_flag, WHOLE), *_filled(BUILDS[stem.name])]
    is_watched = stem.name == WATCHED and all(map(has_flag, WATCH))
    command += WATCH if is_watched else ()
    call = [*command, "-c", str(source), "-o", str(whole)]
    compile_or_refuse(call, named(model), stem.parent)
    if not whole.is_file():
        raise wrote_none(call[0])
    check_object(whole, model, function)
    names = [f"--keep-global-symbol=axdse_{each}_{stem.name}" for each in CALLED]
    taken = (*STREAMS, *(COPYING if is_watched else ()))
    names += [f"--redefine-sym={each}=axdse_{each}" for each in taken]
    compile_or_refuse([objcopy(), *names, str(whole), str(built)], named(model), stem.parent)
    return built


def _filled(how: str) -> list[str]:
    """The flag that fills local variables, gcc 12 or clang 16; older ones leave them alone."""
    flag = f"-ftrivial-auto-var-init={how}"
    return [flag] if has_flag(flag) else []


def _harness_object(harness: Path) -> Path:
    """A harness knows no model, so it is compiled once."""
    recipe = Recipe("harness", ".o", (*FLAGS, f"-I{HERE}"), None, harness.name, OUR_C)
    return build_cached(harness, recipe, [path.read_bytes() for path in HARNESS_FILES], [HERE])


def included(model: Path) -> str:
    """The path of a C file as `#include` takes it.

    Raises:
        AxdseError: it has a character that would end it, or that C reads otherwise.
    """
    path = str(model.resolve())
    if '"' in path or "\\" in path or printable(path) != path:
        rule = "a C model has a path without quotes, backslashes and control characters"
        raise AxdseError(rule, path, "rename it, or its folder")
    return f'"{path}"'


def source_content(model: Path) -> bytes:
    """What a model depends on: its source and what it includes of its own folder.

    Raises:
        AxdseError: one cannot be read, or names what belongs to its checker.
    """
    (_, source), *included_files = source_files(model).items()
    others = (f"{path.name} {digest(text)}" for path, text in sorted(included_files))
    return "\0".join((source, *others)).encode("latin-1")
