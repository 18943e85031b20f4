from pathlib import Path

import pytest

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.compiler import Recipe, build_cached

OBJECT = Recipe("native", ".o", ("-O1",), None, "ours.c", "correct it")


@pytest.fixture
def source(own_cache: Path, tmp_path: Path) -> Path:
    path = tmp_path / "ours" / "ours.c"
    path.parent.mkdir()
    path.write_text('#include "ours.h"\nint f(void) { return VALUE; }\n')
    path.with_suffix(".h").write_text("#define VALUE 1\n")
    return path


def test_what_was_built_is_built_again_if_anything_changes(source: Path) -> None:
    first = build_cached(source, OBJECT)
    assert build_cached(source, OBJECT) == first
    flagged = Recipe("native", ".o", ("-O2",), None, "ours.c", "correct it")
    others = {build_cached(source, flagged), build_cached(source, OBJECT, depends=["more"])}
    source.with_suffix(".h").write_text("#define VALUE 2\n")
    assert len({first, *others, build_cached(source, OBJECT)}) == 4


@pytest.mark.parametrize("link", [None, ("-shared",)], ids=["object", "library"])
def test_nothing_else_is_read(source: Path, tmp_path: Path, link: tuple[str, ...] | None) -> None:
    secret = tmp_path / "secret"
    secret.write_text("1\n")
    source.write_text(f'int f(void) {{ return\n#include "{secret}"\n; }}\n')
    recipe = Recipe("native", ".so", ("-fPIC",), link, "ours.c", "correct it")
    with pytest.raises(AxdseError, match=r"ours\.c must compile: .*Permission denied; correct it"):
        build_cached(source, recipe)
    assert build_cached(source, recipe, readable=[secret]).is_file()
