import pytest

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, IntFormat, check_exponent_of_fp32, parse_format


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int8", IntFormat(8)),
        ("INT8", IntFormat(8)),
        ("bf16", FloatFormat(8, 7, "nearest", "wide")),
        ("approxtrain", FloatFormat(8, 7, "truncate", "narrow")),
        ("float(8,5)", FloatFormat(8, 5, "nearest", "narrow")),
        ("float(e=8, m=5, round=truncate, product=wide)", FloatFormat(8, 5, "truncate", "wide")),
        ("float(8,23,product=wide)", FloatFormat(8, 23, "nearest", "wide")),
        ("float(2,1)", FloatFormat(2, 1)),
        ("float(e=5, m=2, round=truncate)", FloatFormat(5, 2, "truncate")),
        ("fp16", FloatFormat(5, 10)),
        ("FP8_E5M2", FloatFormat(5, 2)),
        ("fp8_e4m3", FloatFormat(4, 3)),
    ],
)
def test_formats_are_read_and_their_names_read_back(text, expected):
    assert parse_format(text) == expected
    assert parse_format(expected.name) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "int16", "float", "float(1,2)", "float(9,2)", "float(08,2)", "float(8,0)",
        "float(8,24)", "float(8,-1)", "float(8,07)", "e4m3", "fp8", "float(m=3,e=4)",
        "float(8,7,round=up)", "float(8,7,product=wide,round=nearest)", "float(8,7)x",
        "float(8," + "9" * 5000 + ")", "float(8,\u0667)",
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_other_texts_are_refused(text):
    with pytest.raises(AxdseError, match=r"a format is int8.*write for example float\(8,5"):
        parse_format(text)


@pytest.mark.parametrize(("e", "m"), [(1, 3), (9, 3), (8, 0), (8, 24)])
def test_float_widths_out_of_range_are_refused(e, m):
    with pytest.raises(AxdseError, match=r"e in 2..8 and m in 1..23"):
        FloatFormat(e, m)


@pytest.mark.parametrize("e", range(2, 9))
@pytest.mark.parametrize("m", [1, 9, 10, 19, 23])
def test_every_float_format_has_a_name_that_reads_back(e, m):
    assert parse_format(FloatFormat(e, m, product="wide").name) == FloatFormat(
        e, m, product="wide"
    )


@pytest.mark.parametrize("text", ["bf16", "approxtrain", "float(8,23)", "int8"])
def test_formats_with_the_exponent_of_fp32_train(text):
    check_exponent_of_fp32(parse_format(text))


@pytest.mark.parametrize("text", ["fp16", "fp8_e4m3", "float(7,7)"])
def test_formats_with_another_exponent_do_not_train(text):
    with pytest.raises(AxdseError, match=r"the exponent of FP32, e=8: float.*choose float\(8,"):
        check_exponent_of_fp32(parse_format(text))


@pytest.mark.parametrize("bits", [1, 9])
def test_integer_widths_out_of_range_are_refused(bits):
    with pytest.raises(AxdseError, match=r"2..8 bits: int"):
        IntFormat(bits)


@pytest.mark.parametrize(
    ("text", "operand_bits", "product_fraction_bits"),
    [
        ("bf16", 8, 15),
        ("approxtrain", 8, 7),
        ("float(8,3)", 4, 3),
        ("float(8,3,product=wide)", 4, 7),
    ],
)
def test_widths_that_follow_from_a_format(text, operand_bits, product_fraction_bits):
    number_format = parse_format(text)

    assert number_format.operand_bits == operand_bits
    assert number_format.product_fraction_bits == product_fraction_bits
    assert number_format.bias == 127
