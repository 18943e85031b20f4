import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.verify.c_source import find_prototype, published_figures
from axdse.multipliers.designs.family import Published
from axdse.multipliers.errors import AxdseError

Write = Callable[[str, str], Path]
BODY = "{ return a * b; }"
TWO = (
    f"uint64_t x(uint64_t a, uint64_t b) {BODY}\n"
    "uint64_t y(uint64_t a, uint64_t b) { return x(a, b) + 1; }"
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"uint64_t mine(uint64_t a, uint64_t b) {BODY}", "uint64_t mine(uint64_t a, uint64_t b)"),
        (
            f"uint16_t mine(const uint8_t B,const uint8_t A)\n{BODY}",
            "uint16_t mine(uint8_t B, uint8_t A)",
        ),
        (
            "uint64_t other(const uint64_t A /* 8-bit operand */, const uint64_t B /* 4 */) {}",
            "uint64_t other(uint64_t A, uint64_t B)",
        ),
        (f"int16_t other(int8_t a, int8_t b) {BODY}", "int16_t other(int8_t a, int8_t b)"),
        (
            f"unsigned int other(unsigned int a, unsigned int b) {BODY}",
            "unsigned int other(unsigned int a, unsigned int b)",
        ),
        (
            f"__device__ __forceinline__ float other(float a, float b) {BODY}",
            "float other(float a, float b)",
        ),
        (
            f"uint64_t help(uint64_t a, uint64_t b) {BODY}\n"
            f"uint64_t mine(uint64_t a, uint64_t b) {BODY}",
            "uint64_t mine(uint64_t a, uint64_t b)",
        ),
        (
            f"static uint64_t help(uint64_t a, uint64_t b) {BODY}\n"
            f"static inline uint64_t aid(uint64_t a, uint64_t b) {BODY}\n"
            f"uint64_t other(uint64_t a, uint64_t b) {BODY}",
            "uint64_t other(uint64_t a, uint64_t b)",
        ),
        (TWO, "uint64_t y(uint64_t a, uint64_t b)"),
        (
            TWO.replace("uint64_t x", "static inline uint64_t x").replace(
                "uint64_t y", "static uint64_t y"
            ),
            "uint64_t y(uint64_t a, uint64_t b)",
        ),
        (
            f"// uint64_t old(uint64_t a, uint64_t b) {BODY}\n"
            f"uint64_t other(uint64_t a, uint64_t b) {BODY}",
            "uint64_t other(uint64_t a, uint64_t b)",
        ),
    ],
    ids=[
        "plain",
        "const and (B, A)",
        "comments",
        "signed",
        "plain C types",
        "float",
        "file name",
        "static",
        "called",
        "header",
        "old",
    ],
)
def test_the_function_is_inferred(text: str, shown: str, write: Write) -> None:
    assert str(find_prototype(write("mine.c", text))) == shown


def test_a_function_is_pinned(write: Write) -> None:
    assert find_prototype(write("mine.c", TWO), "x").function == "x"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("static void mien(int a, int b) { }\nstatic int aid(int a) { return a; }", "none found"),
        (TWO.replace("x(a, b)", "a"), "x, y; name it with --function"),
    ],
    ids=["all private", "two functions"],
)
def test_a_function_that_cannot_be_told_is_one_line(text: str, found: str, write: Write) -> None:
    with pytest.raises(AxdseError, match=f"or just one such: {found}"):
        find_prototype(write("mine.c", text))


def test_a_function_that_is_defined_twice_is_one_line(write: Write) -> None:
    text = "".join(f"{t} f({t} a, {t} b) {BODY}\n" for t in ("uint8_t", "int8_t"))
    with pytest.raises(AxdseError, match=r"a function is defined once: f in mine\.c"):
        find_prototype(write("mine.c", text))


def test_what_the_preprocessor_leaves_out_is_no_function(write: Write) -> None:
    first, second = (f"{t} f({t} a, {t} b) {BODY}\n" for t in ("uint8_t", "int8_t"))
    text = f"#if 0\n{first}#else\n{second}#endif\n"
    assert str(find_prototype(write("mine.c", text))) == "int8_t f(int8_t a, int8_t b)"


SPELLINGS = {
    "unsigned short int": "unsigned short",
    "short unsigned": "unsigned short",
    "long long int": "long long",
    "unsigned long int": "unsigned long",
    "long unsigned int": "unsigned long",
    "unsigned": "unsigned int",
    "signed": "int",
    "signed char": "signed char",
    "char": "char",
    "size_t": "unsigned long",
    "uint_fast8_t": "unsigned char",
    "register int": "int",
    "int const": "int",
    "bool": "_Bool",
    "u8": "unsigned char",
    "MACRO": "unsigned short",
    "__attribute__((unused)) uint16_t": "unsigned short",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_an_integer_type_is_understood(spelling: str, write: Write) -> None:
    text = (
        "typedef unsigned char byte;\ntypedef byte u8;\n#define MACRO unsigned short\n"
        f"unsigned int mine({spelling} a, {spelling} b) {BODY}\n"
        "int main(int argc, char **argv) { return argc; }\n"
    )
    found = find_prototype(write("mine.c", text))
    assert [kind.name for kind in found.types] == [SPELLINGS[spelling]] * 2
    assert (found.is_model, found.returns.name) == (True, "unsigned int")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("double mine(double a, double b) { return a * b; }", "double, the type of the result"),
        ("int mine(a, b) int a; int b; { return a * b; }", "types of its operands in its paren"),
        ("float mine(float a, int32_t b) { return a * b; }", "float, the type of the result"),
        ("int mine(struct pair p, int b) { return b; }", "struct pair, the type of parameter p"),
        ("int mine(int *a, int b) { return *a * b; }", r"int \*, the type of parameter a"),
        ("int mine(int a[2], int b) { return *a * b; }", r"int \[ 2 \], the type of parameter a"),
        ("void mine(int a, int b) {}", "void, the type of the result"),
        ("__int128 mine(__int128 a, __int128 b) { return a; }", "__int128, the type of the re"),
        ("uint64_t mine(uint64_t a) { return a; }", "takes a; name another"),
        ("int mine(int a, int b, int tune) { return a; }", "a, b, tune; .*--argument tune=VALUE"),
    ],
    ids=[
        "double",
        "before ANSI",
        "mixed",
        "struct",
        "pointer",
        "array",
        "void",
        "128",
        "one operand",
        "three",
    ],
)
def test_what_is_not_understood_is_named(text: str, message: str, write: Write) -> None:
    with pytest.raises(AxdseError, match=message):
        find_prototype(write("mine.c", f"struct pair {{ int x; }};\n{text}\n"))


def test_parameters_that_are_no_operands_get_a_value(write: Write) -> None:
    path = write("mine.c", "int mine(uint8_t a, int tune, short b) { return a * b + tune; }")
    found = find_prototype(path, constants={"tune": -3})
    assert found.arguments == ("a", "int -3", "b")
    assert [kind.name for kind in found.operands] == ["unsigned char", "short"]
    with pytest.raises(AxdseError, match="no such parameter: tun; did you mean 'tune'"):
        find_prototype(path, constants={"tun": 3})
    with pytest.raises(AxdseError, match=r"tune of mine is int: -2147483648..2147483647: 42949"):
        find_prototype(path, constants={"tune": 1 << 32})


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.c")
    with pytest.raises(AxdseError, match=r"pipe\.c is no regular file"):
        find_prototype(tmp_path / "pipe.c")


def test_a_file_that_is_far_too_large_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "large.c").write_bytes(b" " * (4 << 20) + b" ")
    with pytest.raises(AxdseError, match="more than 4 MiB"):
        find_prototype(tmp_path / "large.c")


@pytest.mark.parametrize(
    "line",
    [
        "// VERSION = 1.2.3",
        "\n" * 60_000,
        "// A = .",
        "// A = 1 " + "x" * 33,
        "// A = 1e999",
        "// A = " + "9" * 400,
    ],
)
def test_what_is_no_figure_is_passed_over(line: str, write: Write) -> None:
    assert published_figures(write("mine.c", f"{line}\nint f;")) == ()


def test_the_figures_of_a_header_are_read(write: Write) -> None:
    header = (
        "/***\n* This file = a test\n***/\n// MAE% = 0.0076 %\n// MAE = 5.0 \n// EP% = 37.30 %\n"
        "// MSE = 72829.102e2 \n// PDK45_PWR = 0.360 mW\n// PDK45_AREA = 660.3 um2\n"
    )
    text = f"{header}uint64_t mine(uint64_t a, uint64_t b) {{\n// x = 3\n return a * b; }}"
    assert published_figures(write("mine.c", text)) == (
        Published("MAE%", 0.0076, "%", 1e-4),
        Published("MAE", 5, "", 0.1),
        Published("EP%", 37.3, "%", 0.01),
        Published("MSE", 7282910.2, "", 0.1),
        Published("PDK45_PWR", 0.36, "mW", 1e-3),
        Published("PDK45_AREA", 660.3, "um2", 0.1),
    )


def test_text_that_is_no_utf8_names_the_line(tmp_path: Path) -> None:
    model = tmp_path / "mine.c"
    model.write_bytes(b"#include <stdint.h>\n// na\xefve\n")
    with pytest.raises(AxdseError, match=r"mine.c \(line 2 is not UTF-8\); save it as UTF-8"):
        find_prototype(model)


@pytest.mark.parametrize(
    "text",
    ["// A = 1" + " " * 200_000 + "!" * 40, "static " * 30_000, "int f(" * 50_000, "/*" * 500_000],
)
def test_a_text_made_to_take_long_does_not(text: str, write: Write) -> None:
    path = write("mine.c", text)
    assert published_figures(path) == ()
    with pytest.raises(AxdseError, match=r"mine\.c"):
        find_prototype(path)


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
def test_a_function_with_the_linkage_of_c(write: Write) -> None:
    text = 'extern "C" std::uint8_t mine(std::uint8_t a, bool b) { return a * b; }'
    found = find_prototype(write("mine.cpp", f"#include <cstdint>\n{text}"))
    assert (found.returns.name, found.is_model) == ("unsigned char", True)


def test_a_header_outside_its_folder_is_one_line_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "out.h").write_text("#define K 1\n")
    (tmp_path / "src").mkdir()
    model = tmp_path / "src" / "mine.c"
    model.write_text('#include "../out.h"\nint mine(int a, int b) { return a * b * K; }\n')
    with pytest.raises(AxdseError, match=r"of folders below that: .*out\.h.*; put a copy"):
        find_prototype(model)
