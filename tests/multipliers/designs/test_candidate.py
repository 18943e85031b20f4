import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format

LOG = "uint64_t core(uint64_t x, uint64_t y) { return x + y; }"


@pytest.mark.parametrize(
    ("n", "format_name"), [(8, "int8"), (8, "bf16"), (8, "approxtrain"), (4, "float(8,3)")]
)
def test_integer_cores_fit_one_bit_more_than_the_fraction(n, format_name):
    multiplier = builtin_catalog().multiplier(f"exact(n={n})")
    candidate = Candidate(multiplier, parse_format(format_name))

    assert candidate.name == f"exact(n={n}) in {parse_format(format_name).name}"


def test_significand_cores_fit_their_fraction(make_multiplier):
    core = make_multiplier(LOG, n=7, kind="significand")

    assert Candidate(core, parse_format("approxtrain")).multiplier is core


@pytest.mark.parametrize(
    ("n", "format_name", "message"),
    [
        (7, "int8", r"int8 needs an integer core of 8 bits: exact\(n=7\); choose a core"),
        (7, "bf16", "needs an integer core of 8 bits"),
        (9, "float(8,7)", "needs an integer core of 8 bits"),
    ],
)
def test_integer_cores_of_another_width_are_refused(n, format_name, message):
    with pytest.raises(AxdseError, match=message):
        Candidate(builtin_catalog().multiplier(f"exact(n={n})"), parse_format(format_name))


@pytest.mark.parametrize(
    ("format_name", "message"),
    [
        ("int8", "float formats, product=narrow only"),
        ("bf16", "float formats, product=narrow only"),
        ("float(8,5)", r"needs a significand core of m=5: core\(n=7\)"),
    ],
)
def test_significand_cores_that_do_not_fit_are_refused(make_multiplier, format_name, message):
    with pytest.raises(AxdseError, match=message):
        Candidate(make_multiplier(LOG, n=7, kind="significand"), parse_format(format_name))


def test_candidates_can_be_keys():
    one, two = (
        Candidate(builtin_catalog().multiplier("exact(n=8)"), parse_format("int8")) for _ in "12"
    )

    assert {one: 1}[two] == 1
