import logging

import numpy as np
import pytest

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.model import float_model
from axdse.multipliers.tables.lut import lut_from_float_model

HEAD = "__device__ float core(float a, float b) "
MITCHELL = """
__device__ float mitchell(float a, float b) {
    uint32_t x = *(uint32_t *)&a, y = *(uint32_t *)&b;   /* punned, as published models do */
    bool negative = (x ^ y) >> 31;
    uint32_t product = (x & 0x7fffffff) + (y & 0x7fffffff) - 0x3f800000;
    product |= (uint32_t)negative << 31;
    return *(float *)&product;
}
"""


@pytest.fixture
def model(tmp_path, own_cache):
    def write(source, name="core.c"):
        path = tmp_path / name
        path.write_text(source)
        return path

    return write


def mitchell_table(m):
    fractions = np.arange(1 << m)
    return np.add.outer(fractions, fractions)


@pytest.mark.parametrize("m", [1, 3, 4])
def test_the_table_of_a_separable_model(model, m):
    path = model(MITCHELL, "mitchell.inl")

    lut = lut_from_float_model(path, None, m)

    np.testing.assert_array_equal(lut.entries, mitchell_table(m))
    assert lut.format == parse_format(f"float(8,{m},round=truncate,product=narrow)")
    assert lut.multiplier == "mitchell.inl"


@pytest.mark.parametrize("m", [6, pytest.param(7, marks=pytest.mark.slow)])
def test_all_products_of_the_widest_models_are_proven(model, m):
    lut = lut_from_float_model(model(MITCHELL, "mitchell.inl"), "mitchell", m)

    np.testing.assert_array_equal(lut.entries, mitchell_table(m))


# The second as one of the names that its caller has for itself.
@pytest.mark.parametrize("function", ["core", "count"])
def test_bits_below_the_fraction_are_cut_off(function, model):
    fractions = np.arange(8)
    products = np.multiply.outer(8 + fractions, 8 + fractions)
    carry = products >= 128
    expected = (carry << 3) | (np.where(carry, products >> 4, products >> 3) & 7)

    source = model(HEAD.replace("core", function) + "{ return a * b; }")
    lut = lut_from_float_model(source, function, 3)

    np.testing.assert_array_equal(lut.entries, expected)


@pytest.mark.parametrize(
    ("body", "operands"),
    [
        ("{ return a > 1e30f ? a : a * b; }", r"a=0x[67]\w+ \(\S+\) b=0x\w+ \(\S+\) gave .*, not"),
        ("{ return b < 0 ? a * b * 1.25f : a * b; }", r"b=0x(8|9|[a-f])\w+ \(-"),
        ("{ return a < 0 && b < 0 ? -(a * b) : a * b; }", r"a=0x[89a-f]\w+ \(-.* b=0x[89a-f]"),
        ("{ return a * b * 4; }", r"a=0x3f800000 \(1\) b=0x3f800000 \(1\) gave .* in \[1, 4\)"),
        ("{ return -a * b; }", r"gave 0xbf800000 \(-1\), not a value in \[1, 4\)"),
        ("{ return a * b / 2; }", r"gave 0x3f000000 \(0.5\), not a value in \[1, 4\)"),
        (
            "{ return a == 3 && b == 1.5f ? 5 : a * b; }",
            r"a=0x40400000 \(3\) b=0x3fc00000 \(1.5\)",
        ),
    ],
    ids=["exponent", "sign_of_b", "wrong_sign", "times_4", "negative", "halved", "one_pair"],
)
def test_models_that_are_not_separable_are_refused_with_the_operands(model, body, operands):
    with pytest.raises(
        AxdseError, match=f"must be separable .*core.c is not: .*{operands}"
    ) as error:
        lut_from_float_model(model(HEAD + body), None, 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        "{ float p = a * b; return fabsf(p) < 1.17549435e-38f ? 0 : p; }",
        "{ float p = a * b; return isinf(p) ? 1 : p; }",
        "{ return a == 0 || b == 0 ? 7 : a * b; }",
    ],
    ids=["underflow", "overflow", "zero"],
)
def test_results_outside_the_normal_range_are_the_units_business(model, body):
    exact = lut_from_float_model(model(HEAD + "{ return a * b; }", "exact.c"), "core", 2)

    lut = lut_from_float_model(model("#include <math.h>\n" + HEAD + body), None, 2)

    assert lut.digest == exact.digest


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("float core(float a) { return a; }", "must compile: .*signature of a float model"),
        ("double core(double a, double b) { return a; }", "must compile: .*signature"),
        ("float FPmult(float a, float b) { return a; }", "no such function: core; .*FPmult"),
        ("static float n; " + HEAD + "{ return a * b + (n += 0.25f); }", "keeps something"),
        (HEAD + "{ return *(volatile float *)0; }", "must not crash: core.c .*SIG"),
    ],
    ids=["arity", "types", "name", "impure", "crash"],
)
def test_a_bad_float_model_is_one_line(model, source, message):
    with pytest.raises(AxdseError, match=message) as error:
        lut_from_float_model(model(source), None, 2)
    assert "\n" not in str(error.value)


def test_a_float_model_that_never_ends_is_stopped(model, monkeypatch):
    monkeypatch.setattr(float_model, "TIME_LIMIT_S", 0.3)

    with pytest.raises(AxdseError, match=r"answer within 0.3 s: core.c"):
        lut_from_float_model(
            model(HEAD + "{ for (volatile int i = 1; i;) {} return a; }"), None, 2
        )


@pytest.mark.parametrize("m", [0, 8, 24])
def test_fraction_widths_without_a_table_are_refused(model, m):
    with pytest.raises(AxdseError, match=r"m in 1..23|up to m = 7"):
        lut_from_float_model(model(HEAD + "{ return a * b; }"), None, m)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AxdseError, match=r"readable file: .*absent\.c"):
        lut_from_float_model(tmp_path / "absent.c", None, 2)


def test_a_proof_is_kept(model, monkeypatch):
    path = model(MITCHELL, "mitchell.inl")
    first = lut_from_float_model(path, None, 2)
    monkeypatch.setattr(float_model, "run", None)

    assert lut_from_float_model(path, None, 2).digest == first.digest


def test_a_damaged_proof_is_made_again(model, own_cache, caplog):
    path = model(MITCHELL, "mitchell.inl")
    first = lut_from_float_model(path, None, 2)
    (stored,) = (own_cache / "float_model").iterdir()
    stored.write_bytes(stored.read_bytes()[:-40])

    with caplog.at_level(logging.WARNING):
        assert lut_from_float_model(path, None, 2).digest == first.digest
    assert "is corrupt; computing it again" in caplog.text
