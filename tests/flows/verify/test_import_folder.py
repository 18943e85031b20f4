import re
from pathlib import Path

import pytest

from axdse.flows.verify.c_source import published_figures
from axdse.flows.verify.certificate import read_certificate
from axdse.flows.verify.import_folder import Imported, find_pairs, import_pairs, write_catalog
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
    assert len(find_pairs(folder).pairs) == 6


@pytest.mark.parametrize("part", ["c", "v"])
def test_others_of_its_name_are_refused(part: str, folder: Path) -> None:
    changed = copied(folder, "mul4s_2", "") / f"mul4s_2.{part}"
    changed.write_text(changed.read_text().replace("A", "X").replace("MXE", "MAE"))
    reasons = [i.reason for i in import_pairs(find_pairs(folder)) if i.pair.name == "mul4s_2"]
    assert len(reasons) == 2
    assert sum("two designs have two names" in reason for reason in reasons) == 1


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


def test_a_model_that_includes_another_file_is_refused(folder: Path) -> None:
    (folder / "k.h").write_text("#define K 0\n")
    text = (folder / "mul4s_2.c").read_text()
    (folder / "mul4s_2.c").write_text('#include "k.h"\n' + text)
    assert "is one file" in _by_name(folder)["mul4s_2"].reason


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


@pytest.mark.parametrize("name", ["m\u00fc", "a b", "a;b", "a\nb", "axdse_x", "8x", "x" * 65])
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


def test_figures_in_a_header_are_plain_text(tmp_path: Path) -> None:
    (tmp_path / "m.c").write_text(
        "// AREA = 1.5 \x1b[31m\n// DELAY = 2 ns\n"
        "unsigned m(unsigned a, unsigned b) { return a * b; }\n"
    )
    assert published_figures(tmp_path / "m.c") == (Published("DELAY", 2.0, "ns"),)


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


def test_what_a_yaml_file_beside_a_design_says_is_heard(tmp_path: Path) -> None:
    rtl = "module mul #(parameter N = 2)(input [N-1:0] a, b, input m, output [2*N-1:0] p);"
    (tmp_path / "mul.v").write_text(f"{rtl} assign p = m ? a * b : 0; endmodule")
    (tmp_path / "mul.c").write_text("int f(int a, int t, int b) { return a * b + t; }")
    said = "function: f\narguments: {t: 0}\nparameters: {N: 3}\nties: {m: 1}\n"
    (tmp_path / "mul.yaml").write_text(said)
    (item,) = import_pairs(find_pairs(tmp_path))
    assert item.multiplier is not None
    assert (item.reason, item.multiplier.a_bits) == ("", 3)
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
    for name, body in (("sum", "a + b"), ("upper", "(a * b) >> 3")):
        text = f"int {name}(int a, int b) {{ return {body}; }}"
        (tmp_path / f"{name}.c").write_text(text)
        (tmp_path / f"{name}.v").write_text(
            f"module {name}(input [3:0] a, b, output [4:0] p);\n"
            f"  wire [7:0] q = {body}; assign p = q;\nendmodule\n"
        )
    items = _by_name(tmp_path)
    assert [items[n].reason for n in ("sum", "upper")] == ["", ""]
    kinds = {name: i.multiplier.family.kind for name, i in items.items() if i.multiplier}
    assert kinds == {"sum": "bits", "upper": "bits"}
    assert all("--kind significand" in item.assumed for item in items.values())


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
