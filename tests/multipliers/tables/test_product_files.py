from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import IntFormat
from axdse.multipliers.model.cmodel import table_of, twos_complement
from axdse.multipliers.tables.lut import build_lut, lut_from_float_model, save_approxtrain
from axdse.multipliers.tables.product_files import (
    TARGETS,
    Target,
    is_table,
    plain_name,
    read_table,
    write_table,
)
from axdse.multipliers.tables.product_tables import Index

ENDS = {"npy": "npy", "csv": "csv", "adapt": "h", "tf-approximate": "bin"}
SIGNED_TOOLS = ("approxtorch", "adapt")
UNSIGNED = np.arange(16)
SIGNED = np.arange(-8, 8)
PATTERNS = np.roll(SIGNED, 8)


def design(spec: str) -> Multiplier:
    return builtin_catalog().multiplier(spec)


def wrote(path: Path, table: np.ndarray) -> Path:
    np.save(path, table)
    return path


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("spec", ["drum(n=6,k=3)", "drum_signed(n=8,k=4)", "truncated"])
def test_what_is_written_for_a_tool_is_read_back(
    spec: str, target: Target, tmp_path: Path
) -> None:
    multiplier, path = design(spec), tmp_path / f"t.{ENDS.get(target, 'txt')}"
    signed = multiplier.family.signed
    if target == "appmult" and signed:
        with pytest.raises(AxdseError, match="unsigned operands"):
            write_table(multiplier, target, path)
        return
    write_table(multiplier, target, path)
    found = read_table(path)
    assert is_table(path)
    assert found.signed == (signed or target in SIGNED_TOOLS)
    if target in SIGNED_TOOLS:
        entries = build_lut(Candidate(multiplier, IntFormat(multiplier.a_bits))).entries
        bits = 2 * multiplier.a_bits
        assert np.array_equal(twos_complement(found.patterns, bits), entries)
    else:
        assert np.array_equal(found.patterns, table_of(multiplier))


@pytest.mark.parametrize(
    ("operands", "index", "signed"),
    [(UNSIGNED, "unsigned", False), (PATTERNS, "twos_complement", True), (SIGNED, "offset", True)],
)
def test_the_order_is_that_in_which_entries_follow_the_exact_product(
    operands: np.ndarray, index: Index, signed: bool, tmp_path: Path
) -> None:
    products = np.multiply.outer(operands, operands) & ~3
    expected = np.multiply.outer(*2 * (PATTERNS if signed else UNSIGNED,)) & ~3
    for table in (products, products & 255):  # signed products may be bit patterns
        found = read_table(wrote(tmp_path / "t.npy", table))
        assert found.signed == signed
        assert np.array_equal(found.patterns, (expected & 255).astype(np.uint64))
        assert "correlation with the exact product " in found.told
        pinned = read_table(tmp_path / "t.npy", index=index)
        assert "pinned" in pinned.told
        assert np.array_equal(pinned.patterns, found.patterns)


def test_a_pinned_order_is_taken_whatever_the_correlation_says(tmp_path: Path) -> None:
    path = wrote(tmp_path / "t.npy", np.multiply.outer(UNSIGNED, UNSIGNED) % 16)
    with pytest.raises(AxdseError, match="pin the order"):
        read_table(path)
    found = read_table(path, signed=False)
    assert int(found.patterns[3, 7]) == 5
    assert "pinned, correlation with the exact product 0." in found.told


def test_the_row_is_the_first_operand(tmp_path: Path) -> None:
    a, b = np.arange(16)[:, None], np.arange(4)
    found = read_table(wrote(tmp_path / "t.npy", a * (b | 1)))
    assert (found.a_bits, found.b_bits) == (4, 2)
    assert int(found.patterns[15, 2]) == 45


def test_lines_may_come_in_any_order(tmp_path: Path) -> None:
    pairs = [(a, b, a * b) for a in SIGNED for b in SIGNED]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(f"{a}, {b}, {p}" for a, b, p in reversed(pairs)))
    found = read_table(path)
    assert found.signed
    assert int(found.patterns[15, 3]) == 253


@pytest.mark.parametrize(
    "after", ["", "Gradient for a:\n0 0 1\n", "Gradient for a:\n0 0 1.5\n0 1 2.5\n"]
)
def test_a_report_before_the_table_of_appmult_is_left_out(after: str, tmp_path: Path) -> None:
    lines = "\n".join(f"{a} {b} {a * b & ~1}" for a in range(8) for b in range(8))
    path = tmp_path / "mul3u_lutfp.txt"
    path.write_text(
        f"INFO: Error rate: 0.8\n64 rows\nLUT for approximate multiplier:\n{lines}\n{after}"
    )
    assert is_table(path)
    assert int(read_table(path).patterns[7, 7]) == 48


def test_a_table_of_approxtrain_is_a_significand_core(tmp_path: Path) -> None:
    source = tmp_path / "f.c"
    source.write_text("float f(float a, float b) { return a * b; }")
    lut = lut_from_float_model(source, None, 3)
    save_approxtrain(lut, tmp_path / "f_3.bin")
    found = read_table(tmp_path / "f_3.bin")
    assert found.kind == "significand"
    assert np.array_equal(found.patterns, lut.entries)


EXACT = "\n".join(" ".join(str(a * b) for b in range(4)) for a in range(4))
LINES = "\n".join(f"{a} {b} {a * b}" for a in range(4) for b in range(4))


@pytest.mark.parametrize("form", ["%.18e", "%.1f", "%d.", "0x%02x", "%#X"])
def test_integers_may_be_written_as_floats_and_in_hexadecimal(form: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [",".join(form % (a * b) for b in range(4)) for a in range(4)]
    path.write_text("\n".join(rows))
    assert is_table(path)
    assert read_table(path).patterns.tolist() == [[a * b for b in range(4)] for a in range(4)]
    header = path.with_suffix(".h")
    header.write_text("const int t[4][4] = {{" + "}, {".join(rows) + "}};")
    if "x" in form.lower():
        assert np.array_equal(read_table(header).patterns, read_table(path).patterns)


def test_other_numbers_are_no_products(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    path.write_text("0.5,1.25\n1e-2,3\n")
    assert not is_table(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.txt", EXACT + "\n1 2 3", "each row of t.txt has 4 products"),
        ("t.txt", EXACT.rpartition("\n")[0], "is 2\\^n x 2\\^k, a row an operand: t.txt is 3 x 4"),
        ("t.txt", "a b p\n" + LINES, "without a header: t.txt, line 1: 'a b p'"),
        ("t.csv", "0,1,2,3\n" + EXACT, "t.csv is 5 x 4"),
        ("t.txt", LINES.rpartition("\n")[0], "4 x 4 pairs, each once: 15 lines"),
        ("t.txt", LINES.rpartition("\n")[0] + "\n0 0 0", "3 x 3 is missing"),
        ("t.txt", LINES.replace("0 ", "9 ", 1), "each once"),
        ("t.txt", EXACT.replace("9", "90"), "fit 4 bits: t.txt has 0..90"),
        ("t.txt", EXACT.replace("9", "9.5"), "without a header"),
        ("t.txt", "", "it has none|has none"),
        ("t.txt", "\n".join(["0 0 0 0"] * 4), "follow the exact product in some order"),
        ("t.h", "const int lut[4][4] = {{1, 2}};", "declares 4 x 4 entries: it has 2"),
        ("t.h", "int lut[16];", "a header has a table such as"),
        ("t.bin", "x" * 100, "uint16, or bytes of ApproxTrain in NAME_m.bin: t.bin has 100"),
        ("t_9.bin", "x" * 64, "uint16, or bytes of ApproxTrain"),
        ("t.npy", "x" * 64, "readable .npy of numbers"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(AxdseError, match=message) as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.full((4, 4), 0.5), "products are integers"),
        (np.full((4, 4), 1 << 41), "below 2\\^40"),
        (np.zeros((2, 2, 4), np.int16), "is 2 x 2 x 4"),
        (np.zeros((1024, 512), np.int16), "up to 2\\^18 entries"),
    ],
)
def test_an_array_that_is_no_table_is_refused(
    table: np.ndarray, message: str, tmp_path: Path
) -> None:
    with pytest.raises(AxdseError, match=message):
        read_table(wrote(tmp_path / "t.npy", table))


def test_operands_that_a_file_gives_have_one_order(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("\n".join(f"{a} {b} {a * b}" for a in SIGNED for b in SIGNED))
    with pytest.raises(AxdseError, match="says the operands of its entries"):
        read_table(path, index="unsigned")


def test_cores_that_a_tool_has_no_operands_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match="integer products"):
        write_table(design("mitchell(m=7)"), "npy", tmp_path / "t.npy")
    with pytest.raises(AxdseError, match="up to 8 bits"):
        write_table(design("exact(n=9)"), "adapt", tmp_path / "t.h")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("notes on 3 runs\n1 2\n", False),
        (f"{'1  ' * 60} of x\n1 2\n", False),  # read in 2^60 ways
        (EXACT, True),
        (LINES, True),
    ],
)
def test_other_text_is_no_table(text: str, found: bool, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(text)
    assert is_table(tmp_path / "t.txt") == found


@pytest.mark.parametrize(
    ("stem", "name"), [("mul8u", "mul8u"), ("6_6_wt+bp", "mul_6_6_wt_bp"), ("_x", "mul_x")]
)
def test_a_stem_becomes_a_plain_name(stem: str, name: str) -> None:
    assert plain_name(stem) == name
