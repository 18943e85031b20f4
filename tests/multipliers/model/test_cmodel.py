import dataclasses
import logging
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.cache import cache_root
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model import cmodel
from axdse.multipliers.model import compile as compilation
from axdse.multipliers.model.cmodel import products, program, table_of, tabulate
from axdse.multipliers.sandbox.compiler import _has_flag, compiler, output_of
from axdse.multipliers.sandbox.confined import launcher, run

HEAD = "uint64_t core(uint64_t a, uint64_t b) "


@pytest.mark.parametrize("n", [3, 4, 8])
def test_the_table_of_the_exact_model_is_the_product(n):
    operands = np.arange(1 << n, dtype=np.uint64)

    np.testing.assert_array_equal(
        tabulate(builtin_catalog().multiplier(f"exact(n={n})")),
        np.multiply.outer(operands, operands),
    )


def test_rows_are_first_operands(make_multiplier):
    table = tabulate(make_multiplier(HEAD + "{ return 16 * a + b; }"))

    assert table[3, 5] == 16 * 3 + 5
    assert table.dtype == np.uint64


def test_products_keep_the_shape_and_order_of_the_operands(make_multiplier):
    wide = make_multiplier(HEAD + "{ return (a << 20) + b; }", n=20)
    a, b = np.array([[1, 2], [3, (1 << 20) - 1]]), np.array([[5, 6], [7, 8]])

    assert products(wide, a, b).tolist() == ((a << 20) + b).tolist()
    assert products(wide, a[:0], b[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    "source",
    [
        "uint16_t core(uint8_t a, uint8_t b) { return a * b; }",
        "uint64_t core(const uint64_t B, const uint64_t A) { return B * A; }",
        "unsigned long long core(unsigned long long a, unsigned long long b) { return a * b; }",
        "#include <stdio.h>\n" + HEAD + '{ puts("noise"); fputs("noise", stderr); return a * b; }',
        "static int table[9], tabulate, products; " + HEAD + "{ return a * b + table[0]; }",
    ],
    ids=["bytes", "const", "long_long", "prints", "own_names"],
)
def test_models_in_other_dialects_are_welcome(make_multiplier, source):
    operands = np.arange(16, dtype=np.uint64)

    np.testing.assert_array_equal(
        tabulate(make_multiplier(source)), np.multiply.outer(operands, operands)
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (HEAD + "{ return a * ; }", r"core\.c must compile: .*core\.c:2:\d+: error: expected"),
        ("double core(double a, double b) { return a; }", "must compile: .*signature"),
        ("uint64_t core(uint64_t a) { return a; }", "must compile: .*too many arguments"),
        ("uint64_t other(uint64_t a, uint64_t b) { return a; }", "must compile: .*'core' undecl"),
        (HEAD + ";", "must compile: .*undefined reference to `core'"),
        ('#include "absent.h"\n' + HEAD + "{ return a; }", "must compile: .*absent.h"),
        (HEAD + "{ return *(volatile int *)(a - a); }", r"must not crash: core\(n=4\) .*SIGSEGV"),
        (HEAD + "{ return 7 / (a - a + b - b); }", "must not crash: .*SIG(FPE|ILL)"),
        ("#include <stdlib.h>\n" + HEAD + "{ abort(); }", "must not crash: .*SIGABRT"),
        ("#include <stdlib.h>\n" + HEAD + "{ exit(0); }", "must return: core"),
        ("#include <stdlib.h>\n" + HEAD + "{ exit(9); }", "must not crash: .*exit code 9"),
        ("static int n; " + HEAD + "{ return n++ & 7; }", r"pure .*core\.c keeps .*data: n;"),
        (HEAD + "{ return a * b + 200; }", r"must fit 8 bits: its model gives 425"),
    ],
    ids=[
        "syntax", "types", "arity", "name", "prototype_only", "include", "null", "division",
        "abort", "exit_0", "exit_9", "impure", "too_wide",
    ],
)  # fmt: skip
def test_a_bad_model_is_one_line(make_multiplier, source, message):
    with pytest.raises(AxdseError, match=message) as error:
        tabulate(make_multiplier(source))

    assert "\n" not in str(error.value)


def test_impure_models_are_refused_on_given_operands_too(make_multiplier):
    model = make_multiplier("static int n; " + HEAD + "{ return n++ & 7; }")

    with pytest.raises(AxdseError, match="pure function"):
        products(model, np.arange(4), np.arange(4))


def test_a_model_that_never_ends_is_stopped(make_multiplier, monkeypatch):
    monkeypatch.setattr(cmodel, "TIME_LIMIT_S", 0.3)
    model = make_multiplier(HEAD + "{ volatile int on = 1; while (on) {} return a; }")

    with pytest.raises(AxdseError, match=r"answer within 0.3 s: core\(n=4\); look for a loop"):
        tabulate(model)


def test_an_orphan_that_never_ends_stops_itself(make_multiplier):
    model = make_multiplier(HEAD + "{ volatile int on = 1; while (on) {} return a; }")

    call = [launcher(), program(model).path, "1", "4", "4", "0", "4"]
    result = subprocess.run(call, timeout=30, check=False)

    assert result.returncode == -24  # SIGXCPU


def test_a_model_writes_no_files(make_multiplier, tmp_path):
    path = tmp_path / "written"
    body = f'{{ FILE *f = fopen("{path}", "w"); fputs("x", f); fclose(f); return a; }}'

    with pytest.raises(AxdseError, match="computes and does nothing else"):
        tabulate(make_multiplier("#include <stdio.h>\n" + HEAD + body))
    assert not path.exists()


def test_parameters_narrower_than_the_operands_are_refused(make_multiplier):
    source = "uint16_t core(uint8_t a, uint8_t b) { return a * b; }"

    with pytest.raises(AxdseError, match="operands must fit the parameters"):
        tabulate(make_multiplier(source, n=9))


def test_one_program_serves_a_family(exact):
    programs = {program(exact.bind({"n": n})).path for n in (3, 4, 8)}

    assert len(programs) == 1


@pytest.mark.parametrize(
    "body",
    [
        "{ return a * b + UINT64_C(0) * N; }",
        "\n#if N > 4\n{ return a * b; }\n#else\n{ return a | b; }\n#endif\n",
        "{ static const int sizes[N] = {0}; return a * b + (uint64_t)sizes[0]; }",
        "{ switch (a) { case N: return 8 * b; default: return a * b; } }",
        "{ enum { TWICE = 2 * N }; return a * b + TWICE - TWICE; }",
        "\n#define JOIN(x, y) x##y\n{ return JOIN(a, ) * b; }",
    ],
    ids=["variable", "condition", "array", "case", "enum", "paste"],
)
@pytest.mark.parametrize("n", [4, 5])
def test_parameters_mean_the_same_however_they_are_bound(make_multiplier, body, n):
    multiplier = make_multiplier(HEAD + body, n=n)
    a, b = np.ogrid[: 1 << n, : 1 << n]
    expected = {"#if": a | b if n == 4 else a * b, "case": np.where(a == n, 8 * b, a * b)}
    key = next((word for word in expected if word in body), None)

    np.testing.assert_array_equal(tabulate(multiplier), expected.get(key, a * b))


@pytest.mark.parametrize(
    "source",
    [
        "int64_t core(int64_t a, int64_t b) { return a * b; }",
        "int16_t core(int8_t a, int8_t b) { return (int16_t)(a * b); }",
        "int32_t core(int64_t a, int64_t b) { return (int32_t)(a * b) & 0xff; }",
    ],
    ids=["values", "narrow", "patterns"],
)
def test_signed_models_give_bit_patterns(make_multiplier, source):
    multiplier = make_multiplier(source)
    family = dataclasses.replace(multiplier.family, signed=True)
    codes = np.arange(16)
    values = codes - ((codes >> 3) << 4)

    table = tabulate(dataclasses.replace(multiplier, family=family))

    np.testing.assert_array_equal(table, np.outer(values, values) % 256)


def test_unequal_widths_have_a_rectangular_table(make_multiplier):
    multiplier = make_multiplier(HEAD + "{ return a * b + 1; }")
    family = dataclasses.replace(multiplier.family, width_b=2)

    table = tabulate(dataclasses.replace(multiplier, family=family))

    np.testing.assert_array_equal(table, np.outer(np.arange(16), np.arange(4)) + 1)


def test_a_function_may_take_its_operands_the_other_way_round(make_multiplier):
    multiplier = make_multiplier(HEAD + "{ return a * (b >> 1); }")
    family = dataclasses.replace(multiplier.family, swapped=True)

    table = tabulate(dataclasses.replace(multiplier, family=family))

    np.testing.assert_array_equal(table, tabulate(multiplier).T)


def test_a_domain_too_large_to_tabulate_is_refused(make_multiplier):
    with pytest.raises(AxdseError, match=r"at most 2\^24 entries: core\(n=13\) needs 2\^26"):
        tabulate(make_multiplier(HEAD + "{ return a * b; }", n=13))


def test_a_missing_model_is_named(make_multiplier):
    multiplier = make_multiplier("")
    multiplier.family.model.unlink()

    with pytest.raises(AxdseError, match=r"readable file: .*core.c"):
        tabulate(multiplier)


@pytest.mark.parametrize("damage", [b"", b"\x7fELF", "half", "flipped"])
def test_a_damaged_program_in_the_cache_is_compiled_again(exact, own_cache, caplog, damage):
    multiplier = exact.bind({"n": 3})
    whole = tabulate(multiplier)
    binary = program(multiplier).path
    good = binary.read_bytes()
    flipped = bytes([*good[:5000], good[5000] ^ 1, *good[5001:]])
    named = {"half": good[: len(good) // 2], "flipped": flipped}
    binary.write_bytes(named[damage] if isinstance(damage, str) else damage)

    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(tabulate(multiplier), whole)
    assert [record.message.count("\n") for record in caplog.records] == [0]
    assert "is corrupt; computing it again" in caplog.text
    assert binary.read_bytes() == good


def test_an_unwritable_cache_is_one_line(exact, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path / "file"))

    with pytest.raises(AxdseError, match=r"cache folder must be writable: .*; set AXDSE_CACHE"):
        tabulate(exact.bind())


def test_a_changed_model_is_compiled_again(make_multiplier):
    before = tabulate(make_multiplier(HEAD + "{ return a * b; }"))
    after = tabulate(make_multiplier(HEAD + "{ return a | b; }"))

    assert before[3, 3] == 9
    assert after[3, 3] == 3


@pytest.mark.parametrize(
    "line",
    [
        '#include "constant.h"',
        "#include <{folder}/constant.h>",
        '#define NAME "constant.h"\n#include NAME',
    ],
)
def test_a_changed_include_is_compiled_again(make_multiplier, tmp_path, line):
    name = line.format(folder=tmp_path)
    source = f"{name}\n{HEAD}{{ return CONSTANT; }}"
    (tmp_path / "constant.h").write_text("#define CONSTANT 1\n")
    before = tabulate(make_multiplier(source))
    (tmp_path / "constant.h").write_text("#define CONSTANT 2\n")

    assert (before[0, 0], tabulate(make_multiplier(source))[0, 0]) == (1, 2)


def test_threads_share_an_empty_cache(exact, own_cache):
    multipliers = list(exact.grid())[:4] * 4

    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(tabulate, multipliers))
    assert [int(table.max()) for table in tables] == [
        ((1 << m.operand_bits) - 1) ** 2 for m in multipliers
    ]


@pytest.fixture
def fresh_compiler():
    compiler.cache_clear()
    yield
    compiler.cache_clear()


@pytest.mark.usefixtures("fresh_compiler")
def test_a_missing_compiler_names_the_package(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(
        AxdseError, match=r"C compiler is needed: .*cc, gcc, clang.*apt-get install"
    ):
        compiler()


@pytest.mark.usefixtures("fresh_compiler")
def test_a_wrong_cc_is_named(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")

    with pytest.raises(AxdseError, match="no-such-compiler was found; unset CC"):
        compiler()


@pytest.mark.usefixtures("fresh_compiler", "own_cache")
def test_a_compiler_that_writes_nothing_is_one_line(exact, monkeypatch):
    monkeypatch.setenv("CC", "true")

    with pytest.raises(AxdseError, match=r"a C compiler writes a program: .*true wrote none"):
        tabulate(exact.bind())


@pytest.mark.usefixtures("fresh_compiler", "own_cache")
def test_a_compiler_that_hangs_is_stopped(exact, tmp_path, monkeypatch):
    fake = tmp_path / "fake-cc"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo fake 1 || exec sleep 60\n')
    fake.chmod(0o755)
    monkeypatch.setenv("CC", str(fake))
    monkeypatch.setattr("axdse.multipliers.sandbox.compiler.COMPILE_LIMIT_S", 0.3)

    with pytest.raises(AxdseError, match=r"exact\.c must compile within 0.3 s"):
        tabulate(exact.bind())


def test_the_linker_reads_nothing_that_another_process_may_replace(
    own_cache, make_multiplier, monkeypatch
):
    """A fence lets a file through, not its name: what is put there anew is beyond it."""
    calls = []

    def recorded(call, model, folder, readable=()):
        calls.append((call, folder, readable))
        return output_of(call, model, folder, readable)

    monkeypatch.setattr(compilation, "output_of", recorded)
    tabulate(make_multiplier(HEAD + "{ return a * b; }"))

    links = [(call, *others) for call, *others in calls if "-static" in call and "-c" not in call]
    assert links
    for call, folder, readable in links:
        sources = [Path(word) for word in call[1:] if word.endswith((".o", ".c"))]
        assert sources
        assert all(folder in path.parents or path in readable for path in sources)
        assert not any(cache_root() in path.parents for path in sources)


@pytest.mark.usefixtures("fresh_compiler", "own_cache")
@pytest.mark.parametrize("variable", ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"])
def test_the_environment_steers_no_compiler(variable, exact, tmp_path, monkeypatch):
    """Not even when it is asked for its version and its flags."""
    monkeypatch.setenv(variable, str(tmp_path / "written"))
    _has_flag.cache_clear()
    tabulate(exact.bind())
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("name", builtin_catalog().families)
def test_a_family_of_the_catalogue_has_one_program(name):
    """1,237 designs would be as many compilations."""
    family = builtin_catalog().family(name)
    width = next(iter(family.parameters))
    narrow, wide = (program(family.bind({width: n})) for n in (6, 8))

    assert narrow.path == wide.path
    assert narrow.values != wide.values


def test_a_process_makes_a_table_once_until_its_model_changes(make_multiplier, monkeypatch):
    multiplier = make_multiplier(HEAD + "{ return a * b; }")
    runs = []
    monkeypatch.setattr(cmodel, "run", lambda *call: runs.append(call) or run(*call))

    first = table_of(multiplier)
    assert table_of(multiplier) is first
    assert len(runs) == 1
    assert not first.flags.writeable

    multiplier.family.model.write_text(HEAD + "{ return a + b; }")
    assert table_of(multiplier)[3, 4] == 7
