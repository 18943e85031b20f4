"""Hostile names, texts and paths at the command line: one line, exit code 2, nothing done."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile import CANARY, MARKS, NAMES, TEXTS

from axdse.dse.cli import run
from axdse.dse.cli.options import LogFormatter, ProgressBars, print_json, print_table, say

MODEL = "#include <stdint.h>\nuint64_t mine(uint64_t a, uint64_t b) { return a * b; }\n"
RTL = "module mine(input [1:0] a, b, output [3:0] p); assign p = a * b; endmodule\n"
Make = Callable[..., Path]


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path) -> Make:
    """Make a catalogue of a sound design, `mine`, with these entries; work beside it."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def make(folder: str = "cat", **entry: Any) -> Path:
        path = tmp_path / folder
        for name, text in (("models/mine.c", MODEL), ("rtl/mine.v", RTL)):
            (path / name).parent.mkdir(parents=True)
            (path / name).write_text(text)
        family = {"title": "t", "kind": "integer", "width": 2, **entry}
        text = yaml.safe_dump({"mine": family}, allow_unicode=True)
        (path / "catalog.yaml").write_text(text, errors="surrogatepass")
        return path

    return make


def one_line(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    assert run(arguments) == code
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.isprintable()
    assert not captured.out
    return line


@pytest.mark.parametrize("command", [["cost", "mine", "--core"], ["verify", "mine"]], ids=" ".join)
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_module_runs_and_writes_nothing(
    name: str,
    command: list[str],
    catalog: Make,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = name.replace(CANARY, str(tmp_path / CANARY))
    path = catalog(module=hostile, ports=["a", "b", "p"])
    before = sorted(tmp_path.rglob("*"))
    one_line(["--catalog", str(path), *command], capsys)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("option", ["--function", "--top", "--clock", "--reset", "--enable"])
def test_a_hostile_option_is_one_line(
    option: str,
    name: str,
    catalog: Make,
    capsys: pytest.CaptureFixture[str],
    known_modules: None,
) -> None:
    path = catalog()
    if option in ("--reset", "--enable"):
        (path / "rtl" / "mine.v").write_text(RTL.replace("input [1:0]", "input clk, input [1:0]"))
    files = ["--model", str(path / "models" / "mine.c"), "--rtl", str(path / "rtl" / "mine.v")]
    one_line(["verify", *files, option, name], capsys)


@pytest.fixture
def known_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare Yosys: names are told from what it said of the file."""
    from axdse.flows.verify import bring_your_own
    from axdse.flows.verify.module_ports import Module, ModulePort

    ports = (
        *(ModulePort(name, "input", 2, signed=False) for name in ("a", "b")),
        ModulePort("clk", "input", 1, signed=False),
        ModulePort("p", "output", 4, signed=False),
    )
    module = Module("mine", ports, frozenset(), 4)
    monkeypatch.setattr(bring_your_own, "read_modules", lambda *_: [(module,)])


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_function_of_a_table_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "m.c"
    model.write_text("// no function of floats\n")
    one_line(
        ["lut", "--model", str(model), "--function", name, "-o", str(tmp_path / "t_7.bin")], capsys
    )


@pytest.mark.parametrize("spec", [*NAMES.values(), *TEXTS.values()], ids=[*NAMES, *TEXTS])
def test_a_hostile_spec_is_one_line(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    one_line(["show", "--", spec], capsys)


@pytest.mark.parametrize("name", TEXTS.values(), ids=TEXTS)
def test_a_hostile_path_or_option_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one_line(
        ["verify", "--model", f"{tmp_path}/{name}.c", "--rtl", f"{tmp_path}/{name}.v"], capsys
    )
    one_line([f"--{name}"], capsys)


def test_a_catalogue_has_any_path(catalog: Make, capsys: pytest.CaptureFixture[str]) -> None:
    path = catalog("a:b")
    assert run(["--catalog", str(path), "list"]) == 0
    assert "mine" in capsys.readouterr().out


def test_a_tool_of_a_hostile_path_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AXDSE_YOSYS", "/nowhere/\nall is well\x1b[2K")
    one_line(["cost", "exact(n=3)", "--core", "--library", "/nowhere.lib"], capsys)


# What is printed.


@pytest.mark.parametrize("text", MARKS.values(), ids=MARKS)
def test_marks_in_a_title_are_shown(
    text: str, catalog: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    path = catalog(title=text)
    assert run(["--catalog", str(path), "list"]) == 0
    assert text in capsys.readouterr().out


@pytest.mark.parametrize("text", [*TEXTS.values(), *MARKS.values()], ids=[*TEXTS, *MARKS])
def test_every_way_of_printing_shows_a_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    print_table(text, (text,), [(text,)])
    print_json((text,), tuple[str, ...])
    with ProgressBars() as bars:
        bars.begin("phase", 1, 0)
        bars.advance(text)
    captured = capsys.readouterr()
    assert all(line.isprintable() for line in (captured.out + captured.err).splitlines())
    if text in MARKS.values():
        assert captured.out.count(text) >= 3
        assert text in captured.err


def test_json_holds_the_text_itself(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(tuple(TEXTS.values()), tuple[str, ...])
    assert tuple(json.loads(capsys.readouterr().out)) == tuple(TEXTS.values())


def test_a_byte_that_is_no_utf8_can_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    say(b"\xff.npz".decode(errors="surrogateescape"))
    assert capsys.readouterr().out == "\\udcff.npz\n"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_log_shows_a_text(text: str) -> None:
    record = logging.LogRecord("axdse", logging.WARNING, "", 0, "%s\nmore", (text,), None)
    first, more = LogFormatter("axdse: %(message)s").format(record).split("\n")
    assert first.isprintable()
    assert more == "more"
