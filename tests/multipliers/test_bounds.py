"""Numbers that ask for more than there is: each one is refused in one line, at once."""

import pytest

from axdse.dse.run.config import parse_config
from axdse.multipliers.designs.catalog import Catalog
from axdse.multipliers.designs.family import evaluate
from axdse.multipliers.errors import LONGEST, AxdseError
from axdse.multipliers.formats import parse_format


@pytest.fixture
def catalog(tmp_path):
    def read(width="n", low="1", high="8", default="4", more=""):
        (tmp_path / "catalog.yaml").write_text(
            f"core:\n  title: t\n  kind: integer\n  width: {width}\n{more}"
            f"  parameters:\n    n: {{min: {low}, max: {high}, default: {default}, meaning: m}}\n"
        )
        return Catalog(tmp_path)

    return read


@pytest.mark.parametrize(
    "fields",
    [
        {"high": 10**12},
        {"high": "9" * 40},
        {"high": "'9' * 3"},
        {"high": "1_000_000_000_000"},
        {"high": "'2**40'"},
        {"high": "999999999*999999999"},
        {"high": "n*" * 90 + "n"},
        {"high": "(" * 99_999},
        {"high": "-" * 100 + "1"},
        {"high": "'1' + " * 50 + "1"},
        {"width": "-3"},
        {"width": "0"},
        {"width": "33"},
        {"width": "n - 9"},
        {"width": "64", "more": "  width_b: 1\n"},
        {"width": "true"},
        {"width": ".inf"},
        {"default": ".nan"},
        {"more": "  pipeline: {clock: c, latency: 100000}\n"},
        {"more": "  pipeline: {clock: c, latency: -1}\n"},
        {"more": "  published: [{name: x, value: .nan, unit: u}]\n"},
    ],
    ids=str,
)
def test_a_catalogue_asks_for_no_more_than_there_is(fields, catalog):
    with pytest.raises(AxdseError, match=r"catalog|operands have|nine digits") as error:
        catalog(**fields)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) <= LONGEST


def test_a_grid_that_fits_no_memory_is_one_line(catalog):
    family = catalog(width="4", high="999999999").family("core")
    with pytest.raises(AxdseError, match=r"at most 100000 designs.*core"):
        family.grid()
    assert [m.spec for m in family.grid(n=5)] == ["core(n=5)"]


def test_widths_are_checked_along_the_grid(catalog):
    grid = catalog(high="40").grid()
    with pytest.raises(AxdseError, match=r"1 bit each, and 64 together: .*n=33"):
        list(grid)


# The last is read in 2^60 ways, if a name may be split.
@pytest.mark.parametrize(
    "value",
    [10**12, "99*" * 9 + "x", "8" * 300, "True", "1 << 9", "9**9", "n" * 60 + " // 2 + \xb1"],
)
def test_expressions_are_small(value):
    with pytest.raises(AxdseError, match="catalog"):
        evaluate(value, {"x": 1})


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("float(8,10**9)", "a format is"),
        ("float(8,1000000000)", "a format is"),
        ("float(99999999999,7)", "a format is"),
        ("int" + "9" * 5000, "of up to 8 bits"),
        ("(" * 99, "a format is"),
    ],
)
def test_formats_are_small(text, rule):
    with pytest.raises(AxdseError, match=rule):
        parse_format(text)


CONFIG = "workload: lenet-300-100\ndataset: fashion-mnist-14k\nformats: [int8]\n"


@pytest.mark.parametrize(
    "line",
    [
        "trials: 1000000000000",
        "trials: 0",
        "seed: -1",
        "seed: 99999999999999999999",
        "workers: 1000000",
        "finalist_seeds: 1000000000",
        "training: {epochs: 1000000000000}",
        "training: {batch_size: 9999999999}",
        "training: {batch_size: 0}",
        "training: {train_images: 99999999999}",
        "training: {learning_rate: .nan}",
        "training: {learning_rate: .inf}",
        "training: {weight_decay: 1.0e+400}",
        "resolution: .nan",
        "largest_loss: .inf",
        "clock_ns: .inf",
        "ranges: {drum: {k: [0, 1000000000000]}}",
    ],
)
def test_a_search_asks_for_no_more_than_there_is(line, tmp_path):
    with pytest.raises(AxdseError, match=r"x\.yaml must fit its schema") as error:
        parse_config(f"{CONFIG}{line}\n", tmp_path / "x.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [10, 1000, 100_000])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_message_stays_short_and_keeps_its_ends(part, size):
    parts = ["rule", "value", "remedy"]
    parts[part] = "a" + "\x1b" * size + "z"
    text = str(AxdseError(*parts))
    assert len(text) <= LONGEST
    assert text.startswith(("rule: ", "a\\x1b"))
    assert text.endswith(("; remedy", "\\x1bz"))


@pytest.mark.parametrize("name", ['"a\\0b"', "loop"])
def test_a_library_that_no_path_leads_to_is_one_line(name, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(AxdseError, match="no name of a file"):
        parse_config(f"{CONFIG}library: {name}\n", tmp_path / "x.yaml")
