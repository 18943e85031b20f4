"""How does C become a file that stays? Built confined, once for each text, compiler and flags."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from axdse.multipliers.cache import cached_file, digest, temporary_folder
from axdse.multipliers.sandbox.compiler import compile_or_refuse, compiler, output_of

# What to do if a file of this package does not compile.
OUR_C = "install a newer gcc or clang"


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
            unit = folder / "unit.o"
            call = [compiler()[0], *recipe.flags, "-c", str(source), "-o", str(unit)]
            compile_or_refuse(call, recipe.name, folder, allowed, recipe.remedy, recipe.limit_s)
            if recipe.link is None:
                return unit.read_bytes()
            return output_of([compiler()[0], str(unit), *recipe.link], recipe.name, folder)

    executable = recipe.link is not None and not recipe.end
    return cached_file(recipe.kind, key + recipe.end, make, executable=executable)
