"""What goes into scripts of tools, with the real tools on paths that they would misread."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import CANARY, NAMES

from axdse.flows.cost.cost import core_cost
from axdse.flows.cost.fast.estimate import fast_costs
from axdse.flows.liberty.library import read_library
from axdse.flows.scripts import program_word, script_word, write_rtl
from axdse.flows.tools import find_tool
from axdse.multipliers.designs.catalog import Catalog, builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

ODD = 'a b;c\'d $(touch CANARY) [x]{y} "q" #%'
# Yosys calls it while it reads the text; so it did every function of the C library.
FOREIGN = 'import "DPI-C" function real sin(real);\n  localparam integer X = sin(1.0);'
UNSAFE = {
    "foreign function": FOREIGN,
    "include behind a macro": '`define I `include\n  `I "/etc/hostname"',
    "system task": "initial $system;",
    "read": 'reg [7:0] m [0:1]; initial $readmemh("/etc/hostname", m);',
}


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], Multiplier]:
    """A catalogue's design with this in its module."""

    def make(body: str) -> Multiplier:
        for folder in ("models", "rtl"):
            (tmp_path / folder).mkdir()
        (tmp_path / "catalog.yaml").write_text("mine: {title: t, kind: integer, width: 2}\n")
        (tmp_path / "models" / "mine.c").write_text(
            "unsigned mine(unsigned a, unsigned b) { return a * b; }\n"
        )
        (tmp_path / "rtl" / "mine.v").write_text(
            f"module mine(input [1:0] a, b, output [3:0] p);\n  {body}\n"
            "  assign p = a * b;\nendmodule\n"
        )
        return Catalog(tmp_path).multiplier("mine")

    return make


@pytest.mark.parametrize("name", [*NAMES.values(), "module"], ids=[*NAMES, "keyword"])
def test_a_script_has_names_of_one_word(name: str) -> None:
    name = name if name != NAMES["long"] else 4 * name
    with pytest.raises(AxdseError, match="plain Verilog identifiers"):
        script_word(name)


@pytest.mark.parametrize("path", [ODD, "a b", "a;b", "a\nb", "a'b", "a$b", "[x]", "\u00fc", "a#"])
def test_a_script_has_paths_of_one_word(path: str) -> None:
    with pytest.raises(AxdseError, match="hardware tools are given paths of letters"):
        script_word(Path(path))


def test_a_plain_path_stays_and_another_is_linked(tmp_path: Path) -> None:
    assert program_word(Path("/usr/bin/yosys-abc"), tmp_path) == "/usr/bin/yosys-abc"
    odd = tmp_path / "a b"
    odd.touch()
    word = program_word(odd, tmp_path)
    assert script_word(Path(word)) == word
    assert Path(word).resolve() == odd.resolve()


def test_a_folder_that_tools_misread_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    with pytest.raises(AxdseError, match="set TMPDIR to such a folder"):
        find_tool("yosys").run(["-V"], folder=folder, limit_s=9)


@pytest.mark.usefixtures("fresh_cache")
def test_odd_paths_of_library_cache_and_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / ODD
    odd.mkdir()
    (odd / "yosys-abc").symlink_to(find_tool("yosys-abc").path)
    library = odd / f"{ODD}.lib"
    library.write_bytes(read_library().path.read_bytes())
    core = builtin_catalog().multiplier("exact(n=3)")
    plain = core_cost(core)
    monkeypatch.setenv("AXDSE_CACHE", str(odd / "cache"))
    monkeypatch.setenv("AXDSE_YOSYS_ABC", str(odd / "yosys-abc"))
    monkeypatch.chdir(tmp_path)
    cost = core_cost(core, library)
    (fast,) = fast_costs([core], library)
    assert (cost.area_um2, cost.delay_ns) == (plain.area_um2, plain.delay_ns)
    assert cost.library == ODD
    assert not isinstance(fast, AxdseError)
    assert not list(tmp_path.rglob(CANARY))


@pytest.mark.parametrize("body", UNSAFE.values(), ids=UNSAFE)
def test_yosys_gets_no_rtl_that_does_more_than_compute(
    body: str, own: Callable[[str], Multiplier]
) -> None:
    multiplier = own(body)
    with pytest.raises(AxdseError, match=r"computes and does nothing else|complete in itself"):
        core_cost(multiplier)
    (fast,) = fast_costs([multiplier])
    assert isinstance(fast, AxdseError)


def test_one_such_design_spoils_no_other(own: Callable[[str], Multiplier]) -> None:
    exact = builtin_catalog().multiplier("exact(n=3)")
    bad, good = fast_costs([own(FOREIGN), exact], jobs=1)
    assert isinstance(bad, AxdseError)
    assert not isinstance(good, AxdseError)


def test_rtl_stands_in_a_file_of_one_name(tmp_path: Path) -> None:
    write_rtl(Rtl("m", "module m; endmodule", ("a", "b", "p"), 1, 1, 2, "m"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["rtl.v"]
