import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from axdse.flows.verify.c_source import named_constants, published_figures
from axdse.flows.verify.certificate import read_certificate
from axdse.flows.verify.import_folder import Imported, count_designs, import_pairs, write_catalog
from axdse.flows.verify.pairs import find_pairs
from axdse.multipliers.designs.catalog import Catalog
from axdse.multipliers.designs.family import Published
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import tabulate

HEAD = "// MAE = 4.9 \n// EP% = 43.75 %\n// PDK45_AREA = 12.5 um2\n#include <stdint.h>\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pairs in EvoApproxLib's manner, three of them sound, and files that are no pair."""
    top = tmp_path / "designs"
    (top / "deep").mkdir(parents=True)

    def write(name: str, model: str, ports: str, body: str) -> None:
        (top / f"{name}.c").write_text(HEAD + model)
        module = name.rpartition("/")[2]
        (top / f"{name}.v").write_text(f"module {module}({ports});\n{body}\nendmodule\n")

    square = "input [3:0] A, B, output [7:0] O"
    write(
        "mul4u_1",
        "uint64_t mul4u_1(const uint64_t B,const uint64_t A) { return A * (B & ~1ull); }",
        square,
        "assign O = A * {B[3:1], 1'b0};",
    )
    write(
        "mul4s_2",
        "int16_t mul4s_2(int8_t A, int8_t B) { return A * B; }",
        square,
        "assign O = $signed(A) * $signed(B);",
    )
    write(
        "deep/mul4x2u_3",
        "uint64_t other(uint64_t A, uint64_t B) { return A * B; }",
        "input [3:0] A, input [1:0] B, output [5:0] O",
        "assign O = A * B;",
    )
    write("wrong", "uint64_t wrong(uint64_t a, uint64_t b) { return a + b; }", square,
          "assign O = A * B;")  # fmt: skip
    write("broken", "uint64_t broken(uint64_t a, uint64_t b) { return a * b; }", square,
          "assign O = A * ;")  # fmt: skip
    (top / "lonely.v").write_text("module lonely; endmodule\n")
    (top / "mul4u_1_pdk45.v").write_text((top / "mul4u_1.v").read_text())
    return top


def _by_name(folder: Path) -> dict[str, Imported]:
    return {item.pair.name: item for item in import_pairs(find_pairs(folder))}


def test_files_of_one_stem_are_a_pair_and_mapped_netlists_too(folder: Path) -> None:
    pairs = {pair.name: pair.model and pair.model.name for pair in find_pairs(folder).pairs}
    assert pairs == {
        "broken": "broken.c",
        "mul4s_2": "mul4s_2.c",
        "mul4u_1": "mul4u_1.c",
        "mul4u_1_pdk45": "mul4u_1.c",
        "mul4x2u_3": "mul4x2u_3.c",
        "wrong": "wrong.c",
    }


def test_files_that_are_no_design_are_named(folder: Path) -> None:
    assert [path.name for path in find_pairs(folder).parts] == ["lonely.v"]


def copied(folder: Path, name: str, header: str) -> Path:
    """A copy of a pair of `folder` in another one, with another first line in both files."""
    target = folder / "copy"
    target.mkdir()
    for source in (folder / f"{name}.c", folder / f"{name}.v"):
        (target / source.name).write_text(header + source.read_text())
    return target


@pytest.mark.parametrize(
    "header", ["", "/* of the front of pwr and ep, not mae */\n\n", "// na\xefve\n"]
)
def test_copies_of_a_pair_count_once(header: str, folder: Path) -> None:
    target = copied(folder, "mul4u_1", header)
    (target / "mul4u_1.c").write_text(header + (folder / "mul4u_1.c").read_text(), "latin-1")
    found = find_pairs(folder)
    assert (len(found.pairs), found.copies) == (6, 1)


@pytest.mark.parametrize("part", ["core.v", "body.vh", "rom.hex", "mul.yaml"])
def test_a_text_with_other_parts_around_it_is_no_copy(part: str, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        parts = {
            "mul.v": "module mul(input [1:0] a, b, output [3:0] p); core c(a, b, p); endmodule\n",
            "core.v": 'module core(input a, output p); `include "body.vh"\nendmodule\n',
            "body.vh": 'initial $readmemh("rom.hex", rom);\n',
            "rom.hex": "0 1\n",
            "mul.yaml": "kind: bits\n",
        }
        parts[part] += "\n" + (name if name == "two" else "")
        (tmp_path / name).mkdir()
        for file, text in parts.items():
            (tmp_path / name / file).write_text(text)
    found = find_pairs(tmp_path)
    folders = [pair.rtl.parent.name for pair in found.pairs if pair.rtl]
    assert (sorted(folders), found.copies) == (["one", "two"], 1)


def test_each_value_of_a_range_is_counted(folder: Path) -> None:
    before = count_designs(find_pairs(folder))
    (folder / "mul4u_1.yaml").write_text("parameters: {K: [0, 3]}\n")
    (folder / "mul4s_2.yaml").write_text("parameters: {K: [3, 0]}\n")  # told when it is read
    assert count_designs(find_pairs(folder)) == before + 3


@pytest.mark.parametrize("part", ["c", "v"])
def test_others_of_its_name_get_that_of_their_folder(part: str, folder: Path) -> None:
    changed = copied(folder, "mul4s_2", "") / f"mul4s_2.{part}"
    changed.write_text(changed.read_text().replace("A", "X").replace("MXE", "MAE"))
    found = [i for i in import_pairs(find_pairs(folder)) if i.pair.name == "mul4s_2"]
    named = {str(i.pair.rtl): i.multiplier and i.multiplier.family.name for i in found}
    assert named == {
        str(folder / "mul4s_2.v"): "mul4s_2_designs",
        str(folder / "copy" / "mul4s_2.v"): "mul4s_2",
    }


def test_a_design_that_leans_on_another_holds_it(folder: Path, tmp_path: Path) -> None:
    body = "input [3:0] A, B, output [7:0] O"
    (folder / "lean.c").write_text((folder / "mul4s_2.c").read_text().replace("mul4s_2", "lean"))
    (folder / "lean.v").write_text(f"module lean({body});\n  mul4s_2 m(A, B, O);\nendmodule\n")
    lean = _by_name(folder)["lean"]
    assert lean.reason == ""
    write_catalog([lean], tmp_path / "catalogue")
    text = (tmp_path / "catalogue" / "rtl" / "lean.v").read_text()
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == ["mul4s_2", "lean"]


def test_a_wide_net_beside_others_meets_fewer_vectors(tmp_path: Path) -> None:
    """All of EvoApproxLib's mul8u have 8 x 8 bits, some a vector of 2,032 wires too."""
    for name, wires in (("plain", 16), ("wide", 2000), ("last", 16)):
        (tmp_path / f"{name}.c").write_text(
            f"unsigned {name}(unsigned a, unsigned b) {{ return a * b; }}\n"
        )
        (tmp_path / f"{name}.v").write_text(
            f"module {name}(input [7:0] a, b, output [15:0] p);\n"
            f"  wire [{wires - 1}:0] n;\n  assign n[15:0] = a * b;\n"
            f"  assign p = n[15:0];\nendmodule\n"
        )
    reports = {name: item.report for name, item in _by_name(tmp_path).items()}
    assert {name: report and report.passed for name, report in reports.items()} == {
        "last": True, "plain": True, "wide": True,
    }  # fmt: skip
    vectors = {name: report.vectors for name, report in reports.items() if report}
    assert vectors["last"] == vectors["plain"] == 1 << 16
    assert vectors["wide"] < 1 << 16


def test_headers_of_a_model_stand_in_its_place_and_belong_to_it(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "inc").mkdir()
    (folder / "inc/k.h").write_text('#include "own.h"\n#define TIMES(a, b) ((a) * (b) + K)\n')
    (folder / "own.h").write_text("#error is not the one beside the header\n")
    (folder / "inc/own.h").write_text('#pragma once\n#include "k.h"\n#define K 0\n')
    text = HEAD + '#include "inc/k.h" // "no.h"\n/*\n#include "no.h"\n*/\n#include "inc/own.h"\n'
    model = "int16_t mul4s_2(int8_t A, int8_t B) { return TIMES(A, B); }\n"
    (folder / "mul4s_2.c").write_text(text + model)
    other = folder / "deep" / "mul4s_2"
    shutil.copy(folder / "mul4s_2.v", other.with_suffix(".v"))
    other.with_suffix(".c").write_text(text + model)
    (folder / "deep/inc").mkdir()
    (folder / "deep/inc/k.h").write_text("#define TIMES(a, b) ((a) * (b) + 1)\n")
    (folder / "deep/inc/own.h").write_text("")
    items = [item for item in import_pairs(find_pairs(folder)) if item.pair.name == "mul4s_2"]
    first, second = sorted(items, key=lambda item: not item.reason)
    assert "RTL and C model differ" in first.reason
    assert second.report
    assert second.is_sound
    assert write_catalog([second], tmp_path / "out") == 1
    kept = (tmp_path / f"out/models/{second.name}.c").read_text()
    assert '#include "' not in kept
    assert kept.startswith(HEAD.partition("#")[0])
    multiplier = Catalog(tmp_path / "out").multiplier(second.name)
    assert tabulate(multiplier)[3, 5] == 15
    assert [each.value for each in multiplier.family.published] == [4.9, 43.75, 12.5]


def test_a_model_that_hides_what_it_includes_is_refused(folder: Path) -> None:
    (folder / "k.h").write_text("#define K 0\n")
    text = (folder / "mul4s_2.c").read_text()
    (folder / "mul4s_2.c").write_text('#define H "k.h"\n#include H\n' + text)
    assert "by their names in quotes" in _by_name(folder)["mul4s_2"].reason


def test_headers_without_an_end_are_one_line(folder: Path) -> None:
    for name in range(14):  # each is included twice by the one before
        after = f'#include "h{name + 1}.h"\n' * 2
        (folder / f"h{name}.h").write_text(after if name < 13 else "\n")
    text = (folder / "mul4s_2.c").read_text()
    (folder / "mul4s_2.c").write_text('#include "h0.h"\n' + text)
    assert "up to 1000 files of its own" in _by_name(folder)["mul4s_2"].reason


def test_what_is_not_read_is_said_by_kind(folder: Path) -> None:
    (folder / "mul.vhd").write_text("entity mul is end;\n")
    (folder / "alone.c").write_text("int alone(int a, int b) { return a * b; }\n")
    (folder / "notes.json").write_text('{"creator": "somebody"}\n')
    (folder / "net.json").write_text('{\n  "creator": "Yosys 0.23",\n  "modules": {}\n}\n')
    found = find_pairs(folder)
    told = {why: [path.name for path in files] for why, files in found.unread}
    assert [*told.values()] == [["mul.vhd"], ["alone.c"]]
    assert "GHDL" in next(iter(told))
    assert "net" in {pair.name for pair in found.pairs}
    assert "notes" not in {pair.name for pair in found.pairs}


def test_a_folder_of_vhdl_alone_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mul.vhdl").write_text("entity mul is end;\n")
    with pytest.raises(AxdseError, match=r"VHDL alone, such as mul\.vhdl; 'axdse verify --rtl"):
        find_pairs(tmp_path)


def test_each_pair_gets_a_verdict_or_a_reason(folder: Path) -> None:
    items = _by_name(folder)
    assert {name for name, item in items.items() if not item.reason} == {
        "mul4s_2", "mul4u_1", "mul4u_1_pdk45", "mul4x2u_3",
    }  # fmt: skip
    assert "differ" in items["wrong"].reason
    assert "broken.v:2: syntax error" in items["broken"].reason
    report = items["mul4u_1"].report
    assert report is not None
    assert report.call == "O = mul4u_1(B, A)"


def test_published_figures_that_the_table_does_not_bear_out_are_told(folder: Path) -> None:
    item = _by_name(folder)["mul4u_1"]
    # b odd, a not 0: |error| = a, 7.5 / 2 on average; 8/16 x 15/16 of the pairs.
    assert item.figures == (("MAE", 4.9, 3.75), ("EP%", 43.75, 46.875))


def test_a_catalogue_of_what_passed_is_written(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "catalogue"
    assert write_catalog(list(_by_name(folder).values()), target) == 4
    catalog = Catalog(target)
    lopsided = catalog.multiplier("mul4u_1")
    assert tabulate(lopsided)[3, 5] == 3 * 4
    assert catalog.multiplier("mul4s_2").family.signed
    assert catalog.multiplier("mul4x2u_3").b_bits == 2
    assert lopsided.family.published[2].name == "PDK45_AREA"
    assert read_certificate(target / "certificates" / "mul4u_1.json").design == "mul4u_1"


def test_a_catalogue_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "catalogue"
    items = list(_by_name(folder).values())
    write_catalog(items, target)
    with pytest.raises(AxdseError, match="not overwritten"):
        write_catalog(items, target)


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_pairs_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AxdseError, match=r"has designs X\.v, pairs X\.c and X\.v, or tables"):
        find_pairs(tmp_path / name)


@pytest.mark.parametrize("name", ["axdse_x", "x" * 65])
def test_a_file_that_names_no_family_is_no_candidate(name: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / f"{name}.c").write_text("unsigned f(unsigned a, unsigned b) { return a * b; }\n")
    (source / f"{name}.v").write_text(
        "module m(input [1:0] a, b, output [3:0] p); assign p = a * b; endmodule\n"
    )
    (item,) = import_pairs(find_pairs(source))
    assert "names of families, and so of their files, are plain identifiers" in item.reason
    assert item.reason.isprintable()
    assert write_catalog([item], target) == 0
    assert [path.name for path in target.iterdir()] == ["catalog.yaml"]


def test_a_design_is_called_as_its_file_as_far_as_that_is_a_plain_name(tmp_path: Path) -> None:
    named = {"m\u00fc": "m_", "a b;c\nd": "a_b_c_d", "8_x.1": "mul_8_x_1"}
    for name in named:
        (tmp_path / f"{name}.v").write_text(
            "module m(input [1:0] a, b, output [3:0] p); assign p = a * b; endmodule\n"
        )
    found = _by_name(tmp_path)
    assert {n: i.multiplier and i.multiplier.family.name for n, i in found.items()} == named


def test_figures_in_a_header_are_plain_text(tmp_path: Path) -> None:
    (tmp_path / "m.c").write_text(
        "// AREA = 1.5 \x1b[31m\n// DELAY = 2 ns\n"
        "unsigned m(unsigned a, unsigned b) { return a * b; }\n"
    )
    assert published_figures(tmp_path / "m.c") == (Published("DELAY", 2.0, "ns", 1.0),)


HALF = "module ha(input x, z, output s, c);\n  assign s = x ^ z, c = x & z;\nendmodule\n"
ALONE = (
    "module two(input [1:0] a, b, output [3:0] y);\n  wire c;\n  assign y[0] = a[0] & b[0];\n"
    "  ha h1(.x(a[1] & b[0]), .z(a[0] & b[1]), .s(y[1]), .c(c));\n"
    "  ha h2(.x(a[1] & b[1]), .z(c), .s(y[2]), .c(y[3]));\nendmodule\n"
)


def test_verilog_alone_becomes_a_family_with_a_model(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "cells").mkdir(parents=True)
    (source / "two.v").write_text(ALONE)
    (source / "cells" / "ha.v").write_text(HALF)
    (source / "tb.v").write_text("module tb;\n  two u();\n  initial $finish;\nendmodule\n")
    found = find_pairs(source)
    assert [path.name for path in found.parts] == ["ha.v", "tb.v"]
    (item,) = import_pairs(found)
    assert write_catalog([item], target) == 1
    family = Catalog(target).families["two"]
    assert (family.rtl_only, family.kind) == (True, "integer")
    assert tabulate(family.bind()).tolist() == [[a * b for b in range(4)] for a in range(4)]
    assert read_certificate(target / "certificates" / "two.json").rtl_only


def test_c_and_verilog_stand_in_folders_of_their_own(tmp_path: Path) -> None:
    for name, text in (
        ("rtl/mul.v", "module mul(input [1:0] a, b, output [3:0] p); assign p = a * b; endmodule"),
        ("c/mul.c", "int mul(int a, int b) { return a * b; }"),
    ):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (pair,) = find_pairs(tmp_path).pairs
    assert pair.model == tmp_path / "c" / "mul.c"


def test_folders_of_one_name_hold_what_belongs_together(tmp_path: Path) -> None:
    for name, text in (("flat", "a * b"), ("hier", "b * a")):
        for path, body in (
            (f"c/{name}/mul.c", f"int mul(int a, int b) {{ return {text}; }}"),
            (f"verilog/{name}/mul.v", MUL.replace("a * b", text)),
        ):
            (tmp_path / path).parent.mkdir(parents=True)
            (tmp_path / path).write_text(body)
    pairs = [(pair.rtl, pair.model) for pair in find_pairs(tmp_path).pairs]
    assert pairs == [
        (tmp_path / f"verilog/{name}/mul.v", tmp_path / f"c/{name}/mul.c")
        for name in ("flat", "hier")
    ]


def test_what_a_yaml_file_beside_a_design_says_is_heard(tmp_path: Path) -> None:
    rtl = "module mul #(parameter N = 2)(input [N-1:0] a, b, input m, output [2*N-1:0] p);"
    (tmp_path / "mul.v").write_text(f"{rtl} assign p = m ? a * b : 0; endmodule")
    (tmp_path / "mul.c").write_text("int f(int a, int t, int b) { return a * b + t; }")
    said = "function: f\narguments: {t: 0}\nparameters: {N: 3}\nties: {m: 1}\n"
    (tmp_path / "mul.yaml").write_text(said)
    (item,) = import_pairs(find_pairs(tmp_path))
    assert item.multiplier is not None
    assert (item.reason, item.multiplier.a_bits) == ("", 3)
    family = item.multiplier.family
    assert named_constants(family) == (("t", 0),)
    with pytest.raises(
        AxdseError, match=r"mul.c has f of 4 parameters: int f\(int a, int t, int b"
    ):
        named_constants(replace(family, arguments=("a", "b", "int 1", "int 2")))
    (tmp_path / "mul.yaml").write_text(said.replace("t: 0", "t: 1"))
    (item,) = import_pairs(find_pairs(tmp_path))
    assert "--function f --argument t=1 --parameter N=3 --tie m=1' shows where" in item.reason
    (tmp_path / "mul.yaml").write_text("functoin: f\n")
    (item,) = import_pairs(find_pairs(tmp_path))
    assert "unknown key in mul.yaml: functoin; did you mean 'function'?" in item.reason


def test_a_design_called_as_a_built_in_family_gets_another_name(tmp_path: Path) -> None:
    ports = "input [1:0] a, b, output [3:0] p"
    (tmp_path / "drum.v").write_text(f"module drum({ports}); assign p = a * b; endmodule")
    (item,) = import_pairs(find_pairs(tmp_path))
    assert item.multiplier is not None
    assert item.multiplier.family.name == "own_drum"


def test_what_is_no_product_is_not_taken_for_one(tmp_path: Path) -> None:
    bodies = {
        "sum": "a + b",
        "lossy_sum": "(a | b) & 30",
        "upper": "(a * b) >> 3",
        "lower": "(a * b) & 31",
        "saturated": "a * b > 31 ? 31 : a * b",
    }
    for name, body in bodies.items():
        text = f"int {name}(int a, int b) {{ return {body}; }}"
        (tmp_path / f"{name}.c").write_text(text)
        (tmp_path / f"{name}.v").write_text(
            f"module {name}(input [3:0] a, b, output [4:0] p);\n"
            f"  wire [7:0] q = {body}; assign p = q;\nendmodule\n"
        )
    items = _by_name(tmp_path)
    kinds = {name: i.multiplier.family.kind for name, i in items.items() if i.multiplier}
    assert kinds == dict.fromkeys(bodies, "bits")
    assert all("--kind significand" in item.assumed for item in items.values())
    adders = {name for name, item in items.items() if item.assumed.startswith("an adder; ")}
    assert adders == {"sum", "lossy_sum"}


def test_a_parameter_with_a_range_makes_a_design_of_each_value(tmp_path: Path) -> None:
    rtl = "module mul #(parameter K = 0)(input [2:0] a, b, output [5:0] p);"
    (tmp_path / "mul.v").write_text(f"{rtl} assign p = (a >> K << K) * b; endmodule")
    model = "int mul(int a, int b, int k) { return (a >> k << k) * b; }"
    (tmp_path / "mul.c").write_text(model)
    (tmp_path / "mul.yaml").write_text("parameters: {K: [0, 2]}\narguments: {k: K}\n")
    items = _by_name(tmp_path)
    assert {name: item.reason for name, item in items.items()} == {
        "mul_k0": "", "mul_k1": "", "mul_k2": "",
    }  # fmt: skip
    assert write_catalog(list(items.values()), tmp_path / "catalogue") == 3
    catalog = Catalog(tmp_path / "catalogue")
    assert [int(tabulate(catalog.multiplier(f"mul_k{k}"))[7, 7]) for k in range(3)] == [49, 42, 28]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters: {K: [2, 0]}", r"from its smallest value to its largest: K: \[2, 0\]"),
        ("parameters: {K: [0, 300]}", "make up to 256 designs: 301"),
        ("parameters: {K: 1}\narguments: {k: J}", "a value, or one of its parameters: k: J"),
    ],
)
def test_a_range_that_is_none_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mul.v").write_text("module mul(input a, b, output [1:0] p); endmodule")
    (tmp_path / "mul.yaml").write_text(text)
    (item,) = import_pairs(find_pairs(tmp_path))
    assert re.search(message, item.reason)


MUL = "module mul(input [1:0] a, b, output [3:0] p); assign p = a * b; endmodule\n"
PRODUCTS = [[a, b, a * b] for a in range(4) for b in range(4)]


def test_a_netlist_of_cells_that_are_not_there_is_left_out(tmp_path: Path) -> None:
    ports = "input [1:0] a, b, output [3:0] p"
    mapped = f"({ports});\n  AND2X1 g(.A(a[0]), .B(b[0]), .Y(p[0]));\nendmodule\n"
    (tmp_path / "mul.v").write_text(MUL)
    (tmp_path / "mul_pdk45.v").write_text(f"module mul{mapped}")
    (tmp_path / "own.v").write_text(f"module own{mapped}")
    items = _by_name(tmp_path)
    assert items["mul"].report
    variant = items["mul_pdk45"]
    assert (variant.is_sound, variant.multiplier) == (True, None)
    assert "mapped to cells that are not there, such as AND2X1; --cells" in variant.needs
    assert "own.v holds all modules that it names: AND2X1 is not there" in items["own"].reason


def test_a_c_model_that_keeps_something_leaves_verilog_alone(tmp_path: Path) -> None:
    """As models do that fill a table when they are first called."""
    (tmp_path / "mul.v").write_text(MUL)
    (tmp_path / "mul.c").write_text(
        "// MAE = 0.5\nstatic int known[16], full;\nint mul(int a, int b) {\n  if (!full)\n"
        "    for (int i = 0; i < 16; i++) known[i] = (i >> 2) * (i & 3);\n"
        "  full = 1;\n  return known[a << 2 | b];\n}\n"
    )
    item = _by_name(tmp_path)["mul"]
    assert item.report is not None
    assert (item.report.verdict, item.report.rtl_only) == ("exhaustive", True)
    assert "its C model is left out" in item.assumed
    assert "keeps something between its calls: writable data: full" in item.assumed
    assert item.figures == (("MAE", 0.5, 0.0),)


def wrote(path: Path, lines: list[list[int]], head: str = "", tail: str = "") -> None:
    rows = "".join(f"{a} {b} {p}\n" for a, b, p in lines)
    path.write_text(f"{head}LUT for approximate multiplier:\n{rows}{tail}")


@pytest.mark.parametrize("has_c", [True, False])
def test_all_tables_of_a_design_are_compared_with_it(has_c: bool, tmp_path: Path) -> None:
    (tmp_path / "mul.v").write_text(MUL)
    if has_c:
        (tmp_path / "mul.c").write_text("int mul(int a, int b) { return a * b; }\n")
    gradients = "LUT for the gradient of the approximate multiplier:\n0 0 0.5\n"
    wrote(tmp_path / "mul_lutfp.txt", PRODUCTS, "INFO: Error rate: 0\n")
    wrote(tmp_path / "mul_lutfp+bp_avg_2_2.txt", PRODUCTS, "INFO: x\n", gradients)
    (item,) = import_pairs(find_pairs(tmp_path))
    assert (item.reason, item.tables, item.report and item.report.passed) == ("", (), True)
    wrote(tmp_path / "mul_lutfp+bp_avg_2_2.txt", [*PRODUCTS[:-2], [3, 2, 7], [3, 3, 8]])
    np.save(tmp_path / "mul_table.npy", np.multiply.outer(np.arange(8), np.arange(8)))
    (item,) = import_pairs(find_pairs(tmp_path))
    assert (item.reason, item.is_sound) == ("", False)
    assert set(item.tables) == {
        "mul_lutfp+bp_avg_2_2.txt: 2 of 16 products differ from the design",
        "mul_table.npy is 8 x 8, its design 4 x 4",
    }


def test_tables_of_one_name_are_one_design(tmp_path: Path) -> None:
    wrote(tmp_path / "8x_lutfp.txt", PRODUCTS)
    wrote(tmp_path / "8x_lutfp+bp_avg_2_2.txt", [*PRODUCTS[:-1], [3, 3, 8]])
    (item,) = import_pairs(find_pairs(tmp_path))
    assert item.multiplier is not None
    assert item.multiplier.family.name == "mul_8x_lutfp"
    assert item.tables == ("8x_lutfp+bp_avg_2_2.txt: 1 of 16 products differ from the design",)


def test_a_netlist_whose_name_says_so_has_the_table_of_its_design(tmp_path: Path) -> None:
    """Yosys wrote this BLIF, and ABC wrote it anew: without the constant, in two models."""
    (tmp_path / "mul.v").write_text(MUL)
    wrote(tmp_path / "mul_lutfp.txt", [[a, b, 4 * (a >> 1) * (b >> 1)] for a, b, _ in PRODUCTS])
    (tmp_path / "mul_sop.blif").write_text(
        ".model low\n.inputs x y\n.outputs z\n.names x y z\n11 1\n.end\n\n"
        ".model mul\n.inputs a[0] a[1] b[0] b[1]\n.outputs p[0] p[1] p[2] p[3]\n"
        ".subckt low x=a[1] y=b[1] z=p[2]\n"
        + "".join(f".names $false p[{bit}]\n1 1\n" for bit in (0, 1, 3))
        + ".end\n"
    )
    items = _by_name(tmp_path)
    assert "RTL and table differ" in items["mul"].reason
    assert items["mul_sop"].reason == ""
    assert items["mul_sop"].report
    assert not items["mul_sop"].report.rtl_only


def test_modules_that_a_generator_left_over_are_no_design(tmp_path: Path) -> None:
    left = "module one(output o); assign o = 1; endmodule\n"
    left += "module count(input x, y, z, output s, c); assign {c, s} = x + y + z; endmodule\n"
    (tmp_path / "4_4_array.v").write_text(left + MUL)
    (item,) = import_pairs(find_pairs(tmp_path))
    assert item.report is not None
    assert item.report.call == "p = mul(a, b)"
    assert item.assumed.startswith("mul is taken, of 3 modules the only one of two operands")
    (tmp_path / "4_4_array.v").write_text(left + MUL + MUL.replace("mul", "another"))
    (item,) = import_pairs(find_pairs(tmp_path))
    assert "name it with --top" in item.reason
