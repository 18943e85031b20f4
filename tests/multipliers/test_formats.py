import dataclasses
import re
from pathlib import Path

import pytest

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int8", IntFormat(8)),
        ("INT8", IntFormat(8)),
        ("int8(scale=tensor)", IntFormat(8)),
        ("int8(scale=channel)", IntFormat(8, "channel")),
        ("uint8", IntFormat(8, signed=False)),
        ("uint5", IntFormat(5, signed=False)),
        ("int8xint4", IntFormat(8, second=IntFormat(4))),
        ("int8 x int4 (scale=channel)", IntFormat(8, "channel", second=IntFormat(4))),
        ("uint8xint8", IntFormat(8, signed=False, second=IntFormat(8))),
        ("int6xint6", IntFormat(6)),
        ("bf16", FloatFormat(8, 7, "nearest", "wide")),
        ("bf16(sum=bf16)", FloatFormat(8, 7, "nearest", "wide", "bf16")),
        ("bf16(product=narrow, round=stochastic)", FloatFormat(8, 7, "stochastic", "narrow")),
        ("approxtrain", FloatFormat(8, 7, "truncate", "narrow")),
        ("approxtrain(sum=fp16)", FloatFormat(8, 7, "truncate", "narrow", "fp16")),
        ("float(8,5)", FloatFormat(8, 5, "nearest", "narrow")),
        ("float(e=8, m=5, round=truncate, product=wide)", FloatFormat(8, 5, "truncate", "wide")),
        ("float(8,7,product=wide,round=nearest)", FloatFormat(8, 7, "nearest", "wide")),
        ("float(8,23,product=wide)", FloatFormat(8, 23, "nearest", "wide")),
        ("float(2,1)", FloatFormat(2, 1)),
        ("float(e=5, m=2, round=truncate)", FloatFormat(5, 2, "truncate")),
        ("float(5,10,sum=fp16,scale=none)", FloatFormat(5, 10, sum="fp16", scale="none")),
        ("fp16", FloatFormat(5, 10)),
        ("fp16(scale=none)", FloatFormat(5, 10, scale="none")),
        ("FP8_E5M2", FloatFormat(5, 2)),
        ("fp8_e4m3", FloatFormat(4, 3)),
        ("mxfp8_e4m3", FloatFormat(4, 3, product="wide", scale="block32")),
        ("mxfp8_e5m2", FloatFormat(5, 2, product="wide", scale="block32")),
        ("mxfp6_e3m2", FloatFormat(3, 2, product="wide", scale="block32")),
        ("mxfp6_e2m3", FloatFormat(2, 3, product="wide", scale="block32")),
        ("mxfp4_e2m1(product=narrow)", FloatFormat(2, 1, scale="block32")),
        ("mxint8", IntFormat(8, "block32")),
        ("int8(scale=block32)", IntFormat(8, "block32")),
        ("int4(scale=block32)", IntFormat(4, "block32")),
    ],
)
def test_formats_are_read_and_their_names_read_back(text, expected):
    assert parse_format(text) == expected
    assert parse_format(expected.name) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "int8xint3", "int8xbf16", "int8x", "int8xint4xint4", "int8xint4()",
        "float", "float()", "float(8)", "float(1,2)", "float(9,2)", "float(08,2)",
        "float(8,0)", "float(8,24)", "float(8,-1)", "float(8,07)", "e4m3", "fp8",
        "float(m=3,e=4)", "float(8,7,round=up)", "float(8,7,sum=fp64)", "float(8,7,)",
        "float(8,7,sum=bf16,sum=bf16)", "float(8,7)x", "float(8,7", "float(8," + "9" * 5000 + ")",
        "float(8,\u0667)", "bf16()", "bf16(wide)", "bf16(8,7)", "int8()", "int8(scale=none)",
        "int8(round=truncate)", "float(5,2,scale=channel)",
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_other_texts_are_refused(text):
    with pytest.raises(AxdseError, match=r"a format is int8.*write for example float\(8,5"):
        parse_format(text)


@pytest.mark.parametrize("text", ["fp8_e4m3fn", "fp8_e4m3fn(product=wide)"])
def test_e4m3_without_infinity_is_no_format_of_the_units(text):
    with pytest.raises(AxdseError, match=r"largest exponent.*choose fp8_e4m3, .* is 240"):
        parse_format(text)


@pytest.mark.parametrize(("e", "m"), [(1, 3), (9, 3), (8, 0), (8, 24)])
def test_float_widths_out_of_range_are_refused(e, m):
    with pytest.raises(AxdseError, match=r"e in 2..8 and m in 1..23"):
        FloatFormat(e, m)


def test_nothing_scales_the_range_of_fp32():
    with pytest.raises(AxdseError, match=r"e=8 has the range of FP32.*leave scale out"):
        parse_format("bf16(scale=none)")


@pytest.mark.parametrize("e", range(2, 9))
@pytest.mark.parametrize("m", [1, 9, 10, 19, 23])
@pytest.mark.parametrize("rounding", ["truncate", "nearest", "stochastic"])
@pytest.mark.parametrize("total", ["fp32", "bf16", "fp16"])
def test_every_float_format_has_a_name_that_reads_back(e, m, rounding, total):
    number_format = FloatFormat(e, m, rounding, "wide", total)
    assert parse_format(number_format.name) == number_format


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("float(8,7,product=wide)", "bf16"),
        ("float(8,7,round=truncate)", "approxtrain"),
        ("fp8_e5m2", "fp8_e5m2"),
        ("int8", "int8"),
        ("float(8,7,product=wide,sum=bf16)", "bf16(sum=bf16)"),
        ("float(5,10,scale=none)", "fp16(scale=none)"),
        ("int8(scale=channel)", "int8(scale=channel)"),
        ("float(8,5)", "float(8,5)"),
        ("float(8,5,round=truncate,product=wide)", "float(8,5,round=truncate,product=wide)"),
        ("float(8,7,round=stochastic,product=wide)", "bf16(round=stochastic)"),
        ("approxtrain(sum=fp16)", "approxtrain(sum=fp16)"),
        ("float(4,3,product=wide)", "fp8_e4m3(product=wide)"),
        ("float(7,3,sum=bf16)", "float(7,3,sum=bf16)"),
    ],
)
def test_names_say_no_more_than_they_must(text, name):
    assert parse_format(text).name == name


@pytest.mark.parametrize("text", ["int16", "uint9", "int16xint8"])
def test_integers_without_a_table_are_refused(text: str) -> None:
    with pytest.raises(AxdseError, match=r"have a table, of up to 8 bits: .*cost the core"):
        parse_format(text)


def test_unsigned_operands_have_one_scale() -> None:
    with pytest.raises(AxdseError, match=r"zero point a tensor: uint8.*leave scale out"):
        parse_format("uint8(scale=channel)")
    first, second = parse_format("uint8xint4(scale=channel)").operands
    assert (first.scale, second.scale) == ("tensor", "channel")


@pytest.mark.parametrize("bits", [1, 9])
def test_integer_widths_out_of_range_are_refused(bits):
    with pytest.raises(AxdseError, match=r"2..8 bits: int"):
        IntFormat(bits)


@pytest.mark.parametrize(
    ("text", "operand_bits", "product_fraction_bits", "bias"),
    [
        ("bf16", 8, 15, 127),
        ("approxtrain", 8, 7, 127),
        ("float(8,3)", 4, 3, 127),
        ("float(8,3,product=wide)", 4, 7, 127),
        ("fp16", 11, 10, 15),
        ("fp8_e4m3(product=wide)", 4, 7, 7),
    ],
)
def test_widths_that_follow_from_a_format(text, operand_bits, product_fraction_bits, bias):
    number_format = parse_format(text)

    assert number_format.operand_bits == operand_bits
    assert number_format.product_fraction_bits == product_fraction_bits
    assert number_format.bias == bias


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"rounding": "truncate"}, True),
        ({"rounding": "stochastic"}, True),
        ({"sum": "bf16"}, True),
        ({"scale": "none"}, True),
        ({"product": "wide"}, False),
        ({"exponent_bits": 4}, False),
        ({"fraction_bits": 3}, False),
    ],
)
def test_a_unit_sees_widths_and_product_alone(change, same):
    number_format = FloatFormat(5, 2)
    assert (dataclasses.replace(number_format, **change).unit == number_format.unit) == same


def test_an_integer_unit_sees_no_scale():
    assert IntFormat(8, "channel").unit == IntFormat(8)


def test_operators_see_the_exponent_of_fp32():
    in_fp32 = parse_format("fp16(scale=none,sum=bf16)").in_fp32
    assert in_fp32 == parse_format("float(8,10,sum=bf16)")


DOCUMENT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in DOCUMENT.splitlines() if line[:3] == "| `"]
EXAMPLES = re.findall(r"`(\w+\(\S*=\S*\))`", DOCUMENT.partition("## Refused")[0])
NAMED = [row for row in ROWS if row[1].isdecimal() and row[2].isdecimal()]


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row[0])
def test_the_document_says_what_a_name_means(row):
    name, e, m, rounding, product, total, scale = row
    number_format = parse_format(name.strip("`"))

    own = "tensor" if e == "8" else scale
    assert number_format == FloatFormat(int(e), int(m), rounding, product, total, own)
    assert (scale == "none needed") == (e == "8")


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_document_are_formats(text):
    assert parse_format(parse_format(text).name) == parse_format(text)


def test_the_document_has_names_and_examples():
    assert len(NAMED) == 10
    assert "bf16(round=stochastic,sum=bf16)" in EXAMPLES
