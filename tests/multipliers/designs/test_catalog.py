import subprocess
import sys

import pytest

from axdse.multipliers.designs.catalog import Catalog, builtin_catalog, parse_spec
from axdse.multipliers.designs.family import evaluate
from axdse.multipliers.errors import AxdseError

FAMILY = """
  title: of a test
  kind: integer
  width: n
  parameters:
    n: {min: 3, max: 6, default: 4, meaning: width}
    k: {min: 2, max: n - 1, default: n // 2 + 1, meaning: kept}
"""


@pytest.fixture
def catalog(tmp_path):
    def write(text):
        (tmp_path / "catalog.yaml").write_text(text)
        return Catalog(tmp_path)

    return write


@pytest.mark.parametrize("family", builtin_catalog().families.values(), ids=lambda f: f.name)
def test_every_family_has_its_files_and_binds_its_defaults(family):
    multiplier = family.bind()

    assert family.model.is_file()
    assert family.rtl.is_file()
    assert builtin_catalog().multiplier(multiplier.spec) == multiplier
    assert builtin_catalog().multiplier(family.name) == multiplier


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exact", ("exact", {})),
        ("exact()", ("exact", {})),
        (" drum ( n = 8 , k=4 ) ", ("drum", {"n": 8, "k": 4})),
        ("x(a=-1)", ("x", {"a": -1})),
    ],
)
def test_specs_are_read(text, expected):
    assert parse_spec(text) == expected


@pytest.mark.parametrize(
    "spec",
    [
        "", "8", "drum(", "drum(8)", "drum(n)", "drum(n=8,)", "drum(n=8,n=8)", "drum(n=8.0)",
        "drum(n='8')", "drum(**n)", "drum(n=8))", "a.b(n=8)", "drum(n=8)\x00", "drum(n=1e3)",
        "drum(n=" + "9" * 5000 + ")", "(" * 5000, "drum(n=\u0668)", "drum(n=True)",
    ],
    ids=lambda spec: spec[:20].encode("unicode_escape").decode(),
)  # fmt: skip
def test_other_texts_are_refused(spec):
    with pytest.raises(AxdseError, match=r"written name\(parameter=integer,...\)"):
        builtin_catalog().multiplier(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("exat(n=8)", "unknown family: exat; did you mean 'exact'?"),
        ("zzzzzz", "unknown family: zzzzzz; choose from .*exact"),
        ("exact(m=8)", "unknown parameter of exact: m; choose from n"),
        ("exact(n=1)", r"exact needs n in 2..24: n=1; choose n within"),
        ("exact(n=25)", r"exact needs n in 2..24: n=25"),
    ],
)
def test_unknown_names_and_values_out_of_range_are_refused(spec, message):
    with pytest.raises(AxdseError, match=message):
        builtin_catalog().multiplier(spec)


def test_bounds_and_defaults_follow_earlier_parameters(catalog):
    family = catalog("f:" + FAMILY).family("f")

    assert family.bind().spec == "f(n=4,k=3)"
    assert family.bind({"n": 6}).bindings == {"N": 6, "K": 4}
    assert family.bind({"n": 3}).spec == "f(n=3,k=2)"
    with pytest.raises(AxdseError, match=r"f needs k in 2..3: k=4"):
        family.bind({"k": 4})


def test_a_grid_holds_every_valid_design_once(catalog):
    read = catalog("f:" + FAMILY + "g:" + FAMILY.replace("k:", "t:"))

    pairs = [(3, 2), (4, 2), (4, 3), (5, 2), (5, 3), (5, 4), (6, 2), (6, 3), (6, 4), (6, 5)]
    assert [tuple(dict(m.values).values()) for m in read.family("f").grid()] == pairs
    assert [m.spec for m in read.grid(n=4)] == [
        f"{f}(n=4,{p}={v})" for f, p in ("fk", "gt") for v in (2, 3)
    ]
    assert [m.spec for m in read.grid(t=5)] == ["g(n=6,t=5)"]
    with pytest.raises(AxdseError, match="unknown parameter of f: t"):
        read.family("f").grid(t=5)


@pytest.mark.parametrize(
    ("n", "kind", "operand_bits", "product_bits"),
    [(8, "integer", 8, 16), (7, "significand", 7, 8)],
)
def test_widths_of_a_core(make_multiplier, n, kind, operand_bits, product_bits):
    core = make_multiplier("", n=n, kind=kind)

    assert (core.operand_bits, core.product_bits) == (operand_bits, product_bits)
    assert core.pairs == 1 << (2 * n)


def test_multipliers_can_be_keys(exact):
    assert len({exact.bind({"n": 4}), exact.bind({"n": 4}), exact.bind({"n": 5})}) == 2
    assert hash(Catalog().family("exact")) == hash(exact)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f:" + FAMILY + "f:" + FAMILY, "key 'f' is given twice in .*catalog.yaml, line"),
        (
            "f:" + FAMILY.replace("title", "titel"),
            "unknown key in catalog.yaml, f: titel; did you",
        ),
        (
            "f:" + FAMILY.replace("default: 4, ", ""),
            "missing in catalog.yaml, f: parameters.n.def",
        ),
        ("f:" + FAMILY.replace("integer", "complex"), "kind is 'complex'"),
        ("f:" + FAMILY.replace("max: 6", "max: '6 +'"), "bounds are .*'6 \\+'; correct"),
        ("f:" + FAMILY.replace("max: 6", "max: z"), "bounds are .*'z'; correct"),
        ("f:" + FAMILY.replace("max: 6", "max: 6 ** 2"), r"bounds are .*'6 \*\* 2'; correct"),
        ("f:" + FAMILY.replace("n - 1", "n // 0"), "bounds are .*'n // 0'; correct"),
        ("f:" + FAMILY.replace("max: 6", "max: z"), r"catalog.yaml, f: parameters.n.max is 'z'"),
        ("f:" + FAMILY.replace("max: 6", "max: 1"), r"min..max: .*, f: parameters.n is .*\.\.1;"),
        ("f:" + FAMILY.replace("width: n", "width: w"), "catalog.yaml, f: width is 'w'"),
        ("[f]", "maps names to families"),
        ("f: 3", "maps names to families: .*catalog.yaml: f is 3; give it title"),
        ("f: null", "maps names to families: .*catalog.yaml: f is None; give it title"),
        ("", "has a family at least: .* has none; add one"),
        ("{}", "has a family at least: .* has none; add one"),
        ("f: {", "YAML must be well formed"),
    ],
)
def test_a_bad_catalogue_is_one_line(catalog, text, message):
    with pytest.raises(AxdseError, match=message) as error:
        catalog(text)
    assert "\n" not in str(error.value)


def test_a_missing_catalogue_is_named(tmp_path):
    with pytest.raises(AxdseError, match=r"readable catalog.yaml: .*name its folder"):
        Catalog(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"), [(7, 7), ("n", 8), ("n - 2 * 3", 2), ("(n + 1) // 2", 4), ("n // 2 - k", 1)]
)
def test_expressions_are_integer_arithmetic(text, value):
    assert evaluate(text, {"n": 8, "k": 3}) == value


def test_the_catalogue_loads_with_little_work():
    """Calls are counted, whatever else the machine does: 80,000 take 20 ms."""
    code = (
        "import sys\n"
        "from axdse.multipliers.designs.catalog import Catalog\n"
        "calls = 0\n"
        "def count(frame, event, argument):\n"
        "    global calls\n"
        "    calls += event in ('call', 'c_call')\n"
        "sys.setprofile(count)\n"
        "Catalog()\n"
        "sys.setprofile(None)\n"
        "print(calls)"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert 1_000 < int(answer.stdout) < 200_000


def test_a_catalogue_may_be_a_folder_of_files(tmp_path):
    (tmp_path / "catalog").mkdir()
    for name in ("b", "a"):
        (tmp_path / "catalog" / f"{name}.yaml").write_text(f"{name}:{FAMILY}")
    assert list(Catalog(tmp_path).families) == ["a", "b"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("catalog/more.yaml", r"one file of a catalogue: .*more\.yaml: mine; remove one"),
        ("catalog.yaml", "catalog.yaml or a folder catalog/: .* has both; move the file"),
    ],
)
def test_a_family_stands_in_one_file(tmp_path, other, message):
    (tmp_path / "catalog").mkdir()
    for name in ("catalog/first.yaml", other):
        (tmp_path / name).write_text(f"mine:{FAMILY}")
    with pytest.raises(AxdseError, match=message):
        Catalog(tmp_path)
