"""What is a sum's text, and what is refused?"""

import pytest

from axdse.multipliers.designs.design_point import parse_design_point, parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sums.recipe import (
    FixedRegister,
    FloatRegister,
    IntRegister,
    LazyRegister,
    Sum,
)
from axdse.multipliers.sums.text import parse_sum, presets

FP8 = FloatRegister(8, 13)
TEXTS = {
    "float(8,7)": Sum(FloatRegister(8, 7), rounding="rne"),
    "float( 6, 9, chunk=64 )": Sum(FloatRegister(6, 9), rounding="rne", chunk=64),
    "float(8,10,round=rz)": Sum(FloatRegister(8, 10)),
    "fp32(order=k)": Sum(FloatRegister(), rounding="rne"),
    "fp32(order=k,chunk=128)": Sum(FloatRegister(), rounding="rne", chunk=128),
    "dot(terms=16,align=13)": Sum(FP8, 16, 13),
    "dot(terms=16,align=40)": Sum(FloatRegister(), 16, 40),
    "dot(terms=4)": Sum(FloatRegister(), 4),
    "dot(terms=4,align=exact,acc=float(5,10))": Sum(FloatRegister(5, 10), 4),
    "dot(terms=1,align=13)": Sum(FP8, 1, 13),
    "dot(terms=8,align=13,cut=down,carry=late,round=rne,chunk=16,stages=1)": Sum(
        FP8, 8, 13, "down", "late", "rne", 16, 1
    ),
    "lazy(10,24)": Sum(LazyRegister(24), 1, 10),
    "dot(terms=4,acc=lazy(13,24))": Sum(LazyRegister(24), 4, 13),
    "fixed(44,-20)": Sum(FixedRegister(44, -20)),
    "dot(terms=8,acc=fixed(44,-20),overflow=saturate,chunk=64)": Sum(
        FixedRegister(44, -20, "saturate"), 8, chunk=64
    ),
    "int(24)": Sum(IntRegister(24)),
    "dot(terms=16,acc=int(24),overflow=saturate)": Sum(IntRegister(24, "saturate"), 16),
    "hopper_fp8": Sum(FP8, 32, 13),
    "hopper_fp8(chunk=128,round=rne)": Sum(FP8, 32, 13, rounding="rne", chunk=128),
    "float(6,5,round=stochastic)": Sum(FloatRegister(6, 5), rounding="stochastic", random=16),
    "hopper_fp8(round=stochastic,random=9,chunk=64)": Sum(
        FP8, 32, 13, rounding="stochastic", random=9, chunk=64
    ),
}


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_recipe(text: str) -> None:
    assert parse_sum(text) == TEXTS[text]


@pytest.mark.parametrize("text", TEXTS)
def test_canonical_text_is_read_back(text: str) -> None:
    name = parse_sum(text).name
    assert parse_sum(name) == TEXTS[text]
    assert parse_sum(name).name == name


NAMED = "volta ampere ada_fp8 hopper hopper_fp8 blackwell_fp8 deepseek ibm int8"


@pytest.mark.parametrize("name", NAMED.split())
def test_preset_is_there_with_its_source(name: str) -> None:
    preset = presets()[name]
    assert parse_sum(name) == preset.sum == parse_sum(preset.sum.name)
    assert preset.what
    assert preset.source


REFUSED = {
    "hoper": "did you mean 'hopper'",
    "dott(terms=4)": "did you mean 'dot'",
    "bf16": "write 'float(8,7)'",
    "fp16(chunk=8)": "write 'float(5,10)'",
    "int32": "write 'int(32)'",
    "dot": "terms=N",
    "dot(16)": "name(option=value,...)",
    "dot(terms=4,,align=13)": "name(option=value,...)",
    "hopper(16)": "name(option=value,...)",
    "dot(terms=0)": "1..64",
    "dot(terms=65)": "1..64",
    "dot(terms=99999999)": "terms is an integer",
    "dot(terms=4,align=0)": "1..48",
    "dot(terms=4,align=49)": "1..48",
    "dot(terms=4,align=wide)": "align is an integer",
    "dot(terms=4,algin=4)": "did you mean 'align'",
    "dot(terms=4,terms=4)": "given once",
    "fp32(order=free)": "write 'fp32(order=k)'",
    "fp32(chunk=8)": "write 'fp32(order=k)'",
    "float(8,7,order=k)": "leave order out",
    "hopper(order=k)": "leave order out",
    "dot(terms=4,cut=up)": "zero or down",
    "dot(terms=4,carry=never)": "with or late",
    "dot(terms=4,round=up)": "rz or rne or stochastic",
    "float(8,7,round=stochastic,random=17)": "1..16",
    "float(8,7,round=stochastic,random=0)": "1..16",
    "float(8,7,random=4)": "leave random out",
    "lazy(10,24,round=stochastic)": "choose rz or rne",
    "fixed(44,-20,round=stochastic)": "choose rz or rne",
    "blackwell_fp8(round=stochastic)": "choose rz or rne",
    "dot(terms=4,acc=flat(8,3))": "did you mean 'float'",
    "dot(terms=4,acc=float(8))": "written float(E,R)",
    "dot(terms=16,align=13,acc=float(8,14))": "no more than 13 bits",
    "dot(terms=16,align=13,chunk=100)": "multiple of terms",
    "dot(terms=4,chunk=-4)": "1..1048576",
    "dot(terms=4,stages=2)": "0..1",
    "dot(terms=4,acc=lazy(3,12),align=4)": "choose align=3",
    "dot(terms=4,acc=lazy(3,7))": "carry into 8 bits",
    "dot(terms=4,acc=fixed(40,0),align=4)": "leave align out",
    "lazy(10,63)": "4..62",
    "lazy(10,24,carry=late)": "leave carry out",
    "float(9,7)": "2..8",
    "float(8,24)": "1..23",
    "float(8,x)": "is an integer",
    "float(8,7,overflow=wrap)": "leave it out",
    "fixed(101,0)": "2..100",
    "fixed(40,-301)": "-300..300",
    "int(33)": "4..32",
    "int(24,overflow=stop)": "wrap or saturate",
    "int(24,chunk=8)": "leave chunk and cut out",
    "dot((": "name(...)",
    "dot(terms=4)" + " " * 300 + ";": "name(...)",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refusal_is_one_line_with_remedy(text: str) -> None:
    with pytest.raises(AxdseError) as caught:
        parse_sum(text)
    assert REFUSED[text] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("drum(n=4,k=3) in float(8,3) sum dot(terms=16, align=13)", None),
        ("exact(n=8) in bf16 sum hopper", "dot(terms=16,align=25,acc=float(8,23))"),
        ("exact(n=8) in int8 sum int(24)", "int(24)"),
        ("exact(n=8) in bf16 sum bf16", "bf16"),
        ("exact(n=8) in bf16(sum=bf16)", "bf16"),
    ],
)
def test_mac_has_its_sum(text: str, canonical: str | None) -> None:
    mac = parse_mac(text)
    assert parse_mac(mac.name) == mac
    assert mac.name.endswith(f" sum {canonical or 'dot(terms=16,align=13,acc=float(8,13))'}")


def test_design_point_has_sums() -> None:
    text = "fc*:forward=exact(n=8) in bf16 sum lazy(9,24); *=exact(n=8) in int8 sum int8"
    point = parse_design_point(text)
    assert parse_design_point(point.name) == point
    assert [mac.recipe and mac.recipe.terms for mac in point.macs] == [1, 16]


UNFED = {
    "exact(n=8) in int8 sum hopper": "summed in int(W)",
    "exact(n=8) in bf16 sum int(24)": "summed in float",
    "exact(n=8) in int8 sum int(15)": "choose int(16)",
    "exact(n=8) in int8 sum dot(terms=16,acc=int(19))": "choose int(20)",
    "exact(n=8) in bf16(sum=bf16) sum hopper": "one sum",
    "exact(n=8) in bf16 sum hoper": "did you mean 'hopper'",
}


@pytest.mark.parametrize("text", UNFED)
def test_sum_that_format_cannot_feed_is_refused(text: str) -> None:
    with pytest.raises(AxdseError) as caught:
        parse_mac(text)
    assert UNFED[text] in str(caught.value)
