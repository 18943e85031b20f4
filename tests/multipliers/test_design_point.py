"""Design points: one text, read and written, for what is searched, trained, costed, exported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import (
    PRODUCTS,
    Candidate,
    DesignPoint,
    Mac,
    Place,
    parse_design_point,
    parse_mac,
)
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

EXACT, DRUM = "exact(n=8) in bf16", "drum(n=4,k=3) in float(8,3)"


def canonical(mac: str) -> str:
    return parse_mac(mac).name


def test_a_uniform_point_is_the_text_of_its_mac():
    point = parse_design_point(DRUM)
    assert point == DesignPoint.uniform(parse_mac(DRUM))
    assert point.name == canonical(DRUM)
    assert point.uniform_mac == point.mac("any.layer", "weight_gradient") == parse_mac(DRUM)


def test_the_first_place_that_fits_has_the_product():
    point = parse_design_point(f"conv1:*={EXACT}; *:forward={DRUM}; *=exact(n=4) in float(8,3)")
    assert point.mac("conv1", "forward") == parse_mac(EXACT)
    assert point.mac("conv2", "forward") == parse_mac(DRUM)
    assert point.mac("conv2", "input_gradient") == parse_mac("exact(n=4) in float(8,3)")
    assert [mac.multiplier.spec for mac in point.macs] == [
        "exact(n=8)",
        "drum(n=4,k=3)",
        "exact(n=4)",
    ]
    assert point.uniform_mac is None


def test_what_no_place_fits_is_native():
    point = parse_design_point({"fc*": {"forward": DRUM}, "conv1": "fp32"})
    assert point.mac("fc1", "forward") == parse_mac(DRUM)
    assert point.mac("fc1", "input_gradient") is None
    assert point.mac("conv1", "forward") is None
    assert point.name == f"fc*:forward={canonical(DRUM)}; conv1=fp32"


def test_a_mapping_is_the_text():
    by_pass = {"fc*": {"forward": DRUM, "input_gradient": EXACT}, "*": EXACT}
    text = f"fc*:forward={DRUM};fc*:input_gradient={EXACT};*={EXACT}"
    assert parse_design_point(by_pass) == parse_design_point(text)


@pytest.mark.parametrize(
    ("text", "total", "name"),
    [
        ("exact(n=8) in bf16 sum bf16", "bf16", "exact(n=8) in {bf16} sum bf16"),
        ("exact(n=8) in bf16(sum=fp16)", "fp16", "exact(n=8) in {bf16} sum fp16"),
        ("exact(n=8) in bf16 sum fp32", "fp32", "exact(n=8) in {bf16}"),
        ("exact(n=8) in int8", "int32", "exact(n=8) in int8"),
        ("exact(n=8)   in  int8  sum int32", "int32", "exact(n=8) in int8"),
        ("exact in bf16", "fp32", "exact(n=8) in {bf16}"),
    ],
)
def test_a_mac_has_one_sum(text, total, name):
    mac = parse_mac(text)
    assert (mac.sum, mac.name) == (total, name.format(bf16=parse_format("bf16").name))
    assert parse_mac(mac.name) == mac
    assert Mac.of(mac.candidate) == mac


def test_a_candidate_is_the_mac_with_the_sum_of_today():
    candidate = Candidate(builtin_catalog().multiplier("exact(n=8)"), parse_format("bf16"))
    assert Mac.of(candidate).candidate == candidate
    assert Mac.of(candidate).name == candidate.name


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("", "a MAC is a core in a format"),
        (";", "a MAC is a core in a format"),
        ({}, "a design point has a place"),
        ("fc1=", "a MAC is a core in a format"),
        ("drum(n=8,k=4)", "a MAC is a core in a format"),
        (f"fc1={EXACT}; fc1={DRUM}", "after all that it could fit"),
        (f"fc1:forward={EXACT}; fc1:forward=exact(n=4) in float(8,3)", "each product of a layer"),
        (f"*={EXACT}; fc1={DRUM}", "after all that it could fit"),
        (f"fc1:forwards={EXACT}", "did you mean 'forward'"),
        ({"fc1": {"backward": EXACT}}, "then : and a product"),
        (f"fc 1={EXACT}", "a pattern of layers has letters"),
        (f"fc\x1b[1m={EXACT}", "a pattern of layers has letters"),
        (f"={EXACT}", "a pattern of layers has letters"),
        ("exact(n=8) in bf16 sum bf61", "did you mean 'bf16'"),
        ("exact(n=8) in bf16 sum int32", "summed in a float format"),
        ("exact(n=8) in int8 sum bf16", "summed in int32"),
        ("exact(n=8) in float(8,3)", "needs an integer core of 4 bits"),
        ("exict(n=8) in bf16", "did you mean 'exact'"),
        ("x" * 200_000, "up to 100000 characters"),
    ],
)
def test_what_is_no_point_is_one_line(point, message):
    with pytest.raises(AxdseError, match=message) as error:
        parse_design_point(point)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_a_place_fits_a_layer():
    point = parse_design_point(f"fc1={EXACT}; fd*={DRUM}; *:forward={EXACT}")
    point.check_layers(["fc1", "fd2"])
    with pytest.raises(AxdseError, match=r"fits a layer: 'fd\*'; choose from fc1, fc2"):
        point.check_layers(["fc1", "fc2"])


MACS = st.sampled_from(
    [None, *map(parse_mac, (EXACT, DRUM, "exact(n=8) in int8", "exact(n=8) in bf16 sum fp16"))]
)
PLACES = st.builds(
    Place,
    st.sampled_from(["conv1", "conv?", "features.*", "layer[12].0", "fc-1"]),
    st.sampled_from([None, *PRODUCTS[:2]]),  # all three would leave none for what follows
)


@given(st.dictionaries(PLACES, MACS, min_size=1))
def test_the_text_reads_back(places):
    ordered = sorted(places.items(), key=lambda item: item[0].product is None)
    point = DesignPoint(tuple(ordered))
    again = parse_design_point(point.name)
    assert again == point
    assert again.name == point.name
