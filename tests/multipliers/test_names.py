"""Names of a catalogue: refused where they are read, so that no tool and no path sees them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile import MARKS, NAMES, TEXTS

from axdse.multipliers.designs.catalog import Catalog, builtin_catalog
from axdse.multipliers.designs.family import Family
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.compile import HARNESS, compiled, included
from axdse.multipliers.names import C_KEYWORDS, VERILOG_KEYWORDS, check_name

Entry = dict[str, Any]
Read = Callable[..., Family]
PARAMETER = {"min": 3, "max": 6, "default": 4, "meaning": "width"}
FIELDS: dict[str, Callable[[str], Entry]] = {
    "function": lambda name: {"function": name},
    "module": lambda name: {"module": name},
    "first port": lambda name: {"ports": [name, "b", "p"]},
    "product port": lambda name: {"ports": ["a", "b", name]},
    "clock": lambda name: {"pipeline": {"clock": name}},
    "reset": lambda name: {"pipeline": {"clock": "clk", "reset": name}},
    "enable": lambda name: {"pipeline": {"clock": "clk", "enable": name}},
    "parameter": lambda name: {"parameters": {name: PARAMETER}},
}
# Ports need a name, where the others may be left out.
NEEDED = ("first port", "product port", "clock", "parameter")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a catalogue of one family with these entries beside its own."""

    def make(entry: Entry, name: str = "mine") -> Family:
        family: Entry = {"title": "t", "kind": "integer", "width": 4, **entry}
        text = yaml.safe_dump({name: family}, allow_unicode=True)
        (tmp_path / "catalog.yaml").write_text(text, errors="surrogatepass")
        return Catalog(tmp_path).family(name)

    return make


def refused(read: Callable[[], object], message: str | None = None) -> str:
    with pytest.raises(AxdseError, match=message) as caught:
        read()
    text = str(caught.value)
    assert text.isprintable()
    return text


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_name_is_one_line(name: str, field: str, read: Read) -> None:
    text = refused(lambda: read(FIELDS[field](name)), r"catalog.yaml|YAML|UTF-8|readable")
    assert len(text) < 500


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_family_is_a_file_name(name: str, read: Read) -> None:
    refused(lambda: read({}, name), "families|YAML|readable")


@pytest.mark.parametrize("field", NEEDED)
def test_a_needed_name_is_not_empty(field: str, read: Read) -> None:
    refused(lambda: read(FIELDS[field]("")), "must fit its schema")


@pytest.mark.parametrize(
    ("entry", "name", "message"),
    [
        ({"module": "endmodule"}, "mine", "a keyword of verilog"),
        ({"ports": ["a", "input", "p"]}, "mine", "ports.1 is 'input'; .*keyword"),
        ({"function": "sizeof"}, "mine", "function is 'sizeof'; .*keyword of c"),
        ({}, "table", "modules in catalog.yaml, table .*: 'table' is a keyword of Verilog"),
        ({"module": "mine"}, "int", "functions in catalog.yaml, int .*a keyword of C"),
        ({"ports": ["a", "a", "p"]}, "mine", "a stands twice"),
        ({"pipeline": {"clock": "p"}}, "mine", "p stands twice"),
        ({"pipeline": {"clock": "c", "enable": "c"}}, "mine", "c stands twice"),
        ({"parameters": {"n": PARAMETER, "N": PARAMETER}}, "mine", "N stands twice"),
        ({"parameters": {"fp_core": PARAMETER}}, "mine", "not with fp_"),
        ({"parameters": {"_line": PARAMETER}}, "mine", "begins with a letter"),
        (
            {"parameters": {f"{c}{'x' * 50}": PARAMETER for c in "abc"}},
            "mine",
            "up to 160 characters: 3 parameters",
        ),
        ({"name": "other"}, "mine", "a family is its key.*: catalog.yaml, mine: name"),
        ({"model": "/etc/passwd"}, "mine", "a family is its key.*: catalog.yaml, mine: model"),
        ({"rtl": "../../x.v"}, "mine", "a family is its key.*: catalog.yaml, mine: rtl"),
    ],
)
def test_names_that_mean_something_else(entry: Entry, name: str, message: str, read: Read) -> None:
    refused(lambda: read(entry, name), message)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"function": "cell", "module": "_m_1", "ports": ["A", "B", "O"]}, "Mine_2"),
        ({"function": "f", "module": "m"}, "table"),
        ({"pipeline": {"clock": "clk", "reset": "rst_n", "enable": ""}}, "mine"),
        ({"module": "m" * 64}, "mine"),
    ],
)
def test_plain_names_are_taken(entry: Entry, name: str, read: Read) -> None:
    assert read(entry, name).name == name


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    "entry",
    [
        lambda text: {"title": text},
        lambda text: {"parameters": {"n": {**PARAMETER, "meaning": text}}},
        lambda text: {"paper": {"authors": text, "title": "t", "venue": "v", "year": 2000}},
        lambda text: {"published": [{"name": "AREA", "value": 1.0, "unit": text}]},
    ],
    ids=["title", "meaning", "paper", "published"],
)
def test_texts_have_no_control_characters(
    text: str, entry: Callable[[str], Entry], read: Read
) -> None:
    refused(lambda: read(entry(text)), "control characters|YAML")


@pytest.mark.parametrize("text", [*MARKS.values(), "\u00fcber 8 \u00d7 8 \u00b5m\u00b2"])
def test_other_texts_are_kept(text: str, read: Read) -> None:
    assert read({"title": text}).title == text


def test_a_folded_text_is_one_line(read: Read) -> None:
    assert read({"title": "of two\n  lines\n"}).title == "of two lines"


@pytest.mark.parametrize("folder", ["models", "rtl"])
def test_a_link_out_of_the_catalogue_is_refused(
    folder: str, read: Read, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("s")
    file = tmp_path / folder / f"mine.{'c' if folder == 'models' else 'v'}"
    file.parent.mkdir()
    file.symlink_to(secret)
    refused(lambda: read({}), "files of a catalogue are in its folder")
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(secret.parent)
    refused(lambda: read({}), "files of a catalogue are in its folder")


def test_a_link_inside_the_catalogue_is_taken(read: Read, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "other.c").write_text("c")
    (tmp_path / "models" / "mine.c").symlink_to("other.c")
    assert read({}).model.read_text() == "c"


def test_a_pipe_in_a_catalogue_is_refused(read: Read, tmp_path: Path) -> None:
    (tmp_path / "rtl").mkdir()
    os.mkfifo(tmp_path / "rtl" / "mine.v")
    refused(lambda: read({}), "files of a catalogue are regular files")


# Where names are used they are checked again: not all families come from a catalogue.


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("field", ["top", "core", "port"])
def test_rtl_has_plain_names(name: str, field: str) -> None:
    if name == NAMES["long"]:
        name *= 4
    names = {"top": "t", "core": "c", "port": "p"} | {field: name}
    refused(lambda: Rtl(names["top"], "", ("a", "b", names["port"]), 1, 1, 2, names["core"]))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_compiler_gets_plain_names(name: str, tmp_path: Path) -> None:
    refused(lambda: compiled(tmp_path / "m.c", name, HARNESS), "names of functions")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\x1bb"])
def test_the_path_of_a_model_ends_no_include(name: str, tmp_path: Path) -> None:
    refused(lambda: included(tmp_path / name / "m.c"), "without quotes")


@pytest.mark.parametrize("name", ["a b", "a;b", "a'b", "a$b", "\u00fc", "a(b)[c]{d}&|<>*?#%"])
def test_other_paths_of_models_are_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    model = tmp_path / name / "m.c"
    model.write_text("unsigned m(unsigned a, unsigned b) { return a * b; }\n")
    assert compiled(model, "m", HARNESS).is_file()


@pytest.mark.parametrize("family", builtin_catalog().families.values(), ids=lambda f: f.name)
def test_no_built_in_family_is_named_by_a_keyword(family: Family) -> None:
    assert not {family.name, *family.parameters, *family.port_names} & VERILOG_KEYWORDS
    assert family.name not in C_KEYWORDS


def test_a_name_is_returned_as_it_is() -> None:
    assert check_name("mul8u_1JFF", "modules", "Verilog") == "mul8u_1JFF"
