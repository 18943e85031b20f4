from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nvrtc import compile_for
from torch import Tensor

from axdse.gpu.cpu import compile as cpu_compile
from axdse.gpu.cpu.kernels import INLINED, engine_for
from axdse.gpu.cpu.ops import gemm_cpu
from axdse.gpu.cuda.model_text import model_text
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.encode import float_values
from axdse.gpu.testing import gemm as testing
from axdse.gpu.testing.gemm import SHAPES, all_products, assert_same_bits, assert_sums
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Family, Parameter
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.model.unit_oracle import corner_operands

NARROW, WIDE = "float(8,{},product=narrow)", "float(8,{},round=truncate,product=wide)"
FAMILIES = tuple(name for name, family in builtin_catalog().families.items() if not family.signed)
INTEGERS = tuple(name for name in FAMILIES if builtin_catalog().family(name).kind == "integer")
SCRAMBLE = Family(
    name="scramble",
    title="a product without any regularity",
    kind="integer",
    width="n",
    model=testing.SCRAMBLE.model,
    rtl=Path("none.v"),
    parameters={"n": Parameter(min=2, max=24, default=8, meaning="operand width in bits")},
    commutative=False,
)
ALSO_AT_23 = ("mitchell", "mbm", "ilm", "lmul", "cfpu", "alm_loa", "exact", "ssm", "perforated")
DESIGNS = (
    *((name, NARROW.format(7)) for name in FAMILIES),
    *((name, WIDE.format(7)) for name in INTEGERS),
    *((name, NARROW.format(10)) for name in ("realm", "drum", "letam", "tosam", "scaletrim")),
    *((name, WIDE.format(11)) for name in ("exact", "udm", "etm", "roba")),
    *((name, NARROW.format(23)) for name in ALSO_AT_23),
    *(("scramble", f.format(m)) for m in (3, 7) for f in (NARROW, WIDE)),
    ("mitchell", NARROW.format(2)),
    ("exact", WIDE.format(2)),
)
# Beyond every second family once, and each width and kind of product that kernels treat apart. A
# model is run over all its pairs before it is taken into a kernel: a family more is but one text
# more for the compiler.
REPEATED = {
    *((name, NARROW.format(7)) for name in INTEGERS if name != "drum"),
    *((name, NARROW.format(7)) for name in FAMILIES[1::2] if name not in INTEGERS),
    *((name, WIDE.format(7)) for name in INTEGERS[1::2]),
    *((name, NARROW.format(10)) for name in ("realm", "letam", "tosam", "scaletrim")),
    *((name, WIDE.format(11)) for name in ("udm", "etm")),
    *((name, NARROW.format(23)) for name in ALSO_AT_23[1:6]),
}
PROBE = """
extern "C" __global__ void probe(unsigned *out, const unsigned *x, const unsigned *y) {{
    const unsigned i = threadIdx.x;
    out[i] = (unsigned)AXDSE_CORE(x[i] & {ones}, y[i] & {ones});
}}
"""


def inlined_gemm(a: Tensor, b: Tensor, design: Inlined, swap: bool = False) -> Tensor:
    return gemm_cpu(INLINED, a[None], b[None], handle(design), swap)[0]


def widened(name: str) -> Family:
    """The family with widths up to m = 23; models know no limit of their own."""
    family = SCRAMBLE if name == "scramble" else builtin_catalog().family(name)
    width = next(width for width in ("n", "m") if width == family.width)
    wider = replace(family.parameters[width], max=24)
    return replace(family, parameters={**family.parameters, width: wider})


def inlined(name: str, format_name: str) -> Inlined:
    number_format = parse_format(format_name)
    family = widened(name)
    m = number_format.fraction_bits + (family.kind == "integer")
    return Inlined(Candidate(family.bind({str(family.width): m}), number_format), trusted=True)


def wild(count: int, seed: int) -> Tensor:
    """Any bit pattern: every exponent is as likely."""
    generator = torch.Generator().manual_seed(seed)
    bits = torch.randint(-(1 << 31), 1 << 31, (count,), generator=generator)
    return bits.int().view(torch.float32)


def ordinary(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_products(a: Tensor, b: Tensor, design: Inlined, swap: bool = False) -> None:
    """K = 1: all pairs of a and b, the unit's product added to +0."""
    expected = all_products(a[:, None], b[None], design.candidate, swap)[:, 0] + 0
    assert_same_bits(inlined_gemm(a[:, None], b[None], design, swap), expected)


@pytest.fixture
def little_optimised(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels that are compiled in a third of the time."""
    monkeypatch.setattr(cpu_compile, "FLAGS", (*cpu_compile.FLAGS, "-O1"))
    for cached in (cpu_compile.load_inlined, engine_for):
        cached.cache_clear()
    yield
    for cached in (cpu_compile.load_inlined, engine_for):
        cached.cache_clear()


# The same text as with -O3, by which the designs of `TestOperands` are compiled.
@pytest.mark.usefixtures("little_optimised")
@pytest.mark.parametrize(
    ("name", "format_name"), [design for design in DESIGNS if design not in REPEATED]
)
def test_products_are_those_of_the_unit(name: str, format_name: str) -> None:
    design = inlined(name, format_name)
    assert_products(ordinary(61, seed=1), ordinary(397, seed=2), design)
    assert_products(wild(150, 3), wild(200, 4), design)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "format_name"), DESIGNS)
def test_optimised_products_are_those_of_the_unit(name: str, format_name: str) -> None:
    test_products_are_those_of_the_unit(name, format_name)


@pytest.mark.parametrize(
    ("name", "format_name", "swap"),
    [
        ("mitchell", NARROW.format(23), False),
        ("alm_maa", NARROW.format(7), False),
        ("alm_maa", NARROW.format(7), True),
        ("cfpu", NARROW.format(11), False),
        ("scramble", WIDE.format(7), False),
        ("scramble", WIDE.format(7), True),
        ("broken_array", WIDE.format(11), True),
        ("exact", NARROW.format(23), False),
        pytest.param("mitchell", NARROW.format(23), True, marks=pytest.mark.slow),
        pytest.param("cfpu", NARROW.format(11), True, marks=pytest.mark.slow),
        pytest.param("broken_array", WIDE.format(11), False, marks=pytest.mark.slow),
        pytest.param("exact", NARROW.format(23), True, marks=pytest.mark.slow),
    ],
)
class TestOperands:
    """Where units go wrong, in both orders of the operands."""

    def test_corners(self, name: str, format_name: str, swap: bool) -> None:
        design = inlined(name, format_name)
        codes = torch.from_numpy(corner_operands(design.format).astype(np.int64))
        corners = float_values(codes, design.format.fraction_bits)
        assert_products(corners, corners, design, swap)

    @pytest.mark.parametrize("exponent", [-126, -100, -63, 0, 64, 127])
    def test_borders_of_the_exponent_range(
        self, name: str, format_name: str, swap: bool, exponent: int
    ) -> None:
        """Exponent sums around 1 and 254, with and without carry, a whole row at a time."""
        near = torch.tensor([-126.0, -125, -64, -63, -62, 62, 63, 64, 126, 127])
        many = ((1 + torch.arange(16) / 16) * near.exp2()[:, None]).flatten()
        one = (1 + torch.arange(64) / 64) * 2.0**exponent
        assert_products(many, one, inlined(name, format_name), swap)
        assert_products(one, many, inlined(name, format_name), swap)

    def test_subnormal_operands_are_zero_before_rounding(
        self, name: str, format_name: str, swap: bool
    ) -> None:
        tiny = 2.0**-126
        x = torch.tensor([tiny * (1 - 2.0**-23), -tiny * (1 - 2.0**-23), tiny / 2, 1e-45, tiny])
        assert_products(
            x, torch.tensor([1.5 * 2.0**20, -1.25, 2.0**100]), inlined(name, format_name)
        )

    def test_specials_among_ordinary_operands(
        self, name: str, format_name: str, swap: bool
    ) -> None:
        a, b = ordinary(9, 301, seed=5), ordinary(301, 130, seed=6)
        a[0, ::7] = 0.0
        a[1, 13], a[2, 300], a[3, 5], a[3, 200] = torch.inf, torch.nan, 2.0**-100, -(2.0**-126)
        a[4, 20] = 2.0**100
        a[5, 7:30] = 1e-41
        a[6, 0] = 0.0
        a[7] = 0.0
        b[0, 3], b[5, 17], b[20, 40] = torch.inf, 2.0**-120, -(2.0**100)
        b[150, 50], b[151, 51] = torch.nan, -torch.inf
        b[152, ::3] = -0.0
        b[13, ::5] = 0.0
        design = inlined(name, format_name)
        assert_sums(inlined_gemm(a, b, design, swap), all_products(a, b, design.candidate, swap))

    def test_zeros_among_columns_alone(self, name: str, format_name: str, swap: bool) -> None:
        a, b = ordinary(13, 150, seed=7), ordinary(150, 70, seed=8).relu()
        design = inlined(name, format_name)
        assert_sums(inlined_gemm(a, b, design, swap), all_products(a, b, design.candidate, swap))

    def test_long_sums(self, name: str, format_name: str, swap: bool) -> None:
        a, b = ordinary(3, 1031, seed=3), ordinary(1031, 70, seed=4)
        design = inlined(name, format_name)
        assert_sums(inlined_gemm(a, b, design, swap), all_products(a, b, design.candidate, swap))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("format_name", [NARROW.format(7), WIDE.format(7)])
def test_shapes(format_name: str, shape: tuple[int, int, int]) -> None:
    rows, depth, columns = shape
    a, b = ordinary(rows, depth, seed=1), ordinary(depth, columns, seed=2)
    design = inlined("scramble", format_name)
    result = inlined_gemm(a, b, design)
    assert result.is_contiguous()
    assert_sums(result, all_products(a, b, design.candidate))


@pytest.mark.parametrize("count", range(1, 15))
def test_groups_of_rows_that_are_not_whole(count: int) -> None:
    a, b = ordinary(count, 67, seed=1), ordinary(67, 33, seed=2)
    design = inlined("scramble", NARROW.format(7))
    assert_sums(inlined_gemm(a, b, design), all_products(a, b, design.candidate))


def test_strided_operands_and_threads_change_no_bit() -> None:
    design = inlined("mitchell", NARROW.format(23))
    a, b = ordinary(300, 402, seed=7).t()[::2], ordinary(300, seed=8)[:, None].expand(300, 167)
    before, expected = a.clone(), inlined_gemm(a.contiguous(), b.contiguous(), design)
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        assert_same_bits(inlined_gemm(a, b, design), expected)
    assert_same_bits(a, before)


def test_exact_products_of_23_bits_truncate_as_integers_do() -> None:
    a, b = ordinary(1000, seed=1), ordinary(1000, seed=2)
    words = inlined_gemm(a[:, None], b[None], inlined("exact", NARROW.format(23)))
    exact = a.double()[:, None] * b.double()[None]
    up = exact.float()
    down = torch.where(up.double().abs() > exact.abs(), torch.nextafter(up, torch.zeros(())), up)
    assert_same_bits(words, down)


@pytest.mark.parametrize(
    "architecture", [90, *(pytest.param(x, marks=pytest.mark.slow) for x in (80, 100))]
)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_model_is_device_code_that_needs_no_stack(name: str, architecture: int) -> None:
    text = model_text(inlined(name, NARROW.format(7)), False) + PROBE.format(ones=127)
    usage = compile_for(text, (), architecture)
    assert (usage.stack, usage.spilled) == (0, 0)


@pytest.mark.parametrize(
    ("name", "format_name", "lanes"),
    [
        ("mitchell", NARROW.format(7), 32),
        ("drum", WIDE.format(11), 32),
        ("letam", NARROW.format(11), 64),  # 2 (T + 1) + 2 m bits before the last shift
        ("mitchell", NARROW.format(12), 64),  # 2^24 pairs are not run
    ],
)
def test_integers_are_narrowed_where_all_products_are_the_same(
    name: str, format_name: str, lanes: int
) -> None:
    assert inlined(name, format_name).proof.lane_bits == lanes


def test_digest_tells_models_parameters_and_formats_apart() -> None:
    designs = [
        inlined("mitchell", NARROW.format(7)),
        inlined("lmul", NARROW.format(7)),
        inlined("mitchell", NARROW.format(8)),
        inlined("mitchell", "float(8,7,round=truncate,product=narrow)"),
    ]
    assert len({design.digest for design in designs}) == len(designs)
    assert inlined("mitchell", NARROW.format(7)).digest == designs[0].digest
    assert designs[0].multiplier == "mitchell(m=7)"


@pytest.mark.parametrize(
    ("spec", "format_name", "message"),
    [
        ("exact(n=8)", "int8", "inlined for float formats.*table"),
        ("exact(n=13)", "float(8,12,product=wide)", "wide ones end at m = 11.*narrow"),
    ],
)
def test_what_cannot_be_is_refused(spec: str, format_name: str, message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        Inlined(Candidate(builtin_catalog().multiplier(spec), parse_format(format_name)))


def test_wide_products_end_where_fp32_does() -> None:
    with pytest.raises(AxdseError, match=r"wide ones end at m = 11.*product=narrow"):
        inlined("exact", WIDE.format(12))


def test_models_of_others_need_someone_to_vouch_for_them() -> None:
    candidate = Candidate(SCRAMBLE.bind({"n": 8}), parse_format(NARROW.format(7)))
    with pytest.raises(AxdseError, match=r"of the built-in catalogue.*scramble.c.*trusted=True"):
        Inlined(candidate)
    assert Inlined(candidate, trusted=True).multiplier == "scramble(n=8)"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a << b", "wild"),
        ("a * b >> 2", "at least 1.*4096 for 128 x 128"),
        ("a * b * 2", "must fit 16 bits"),
    ],
)
def test_a_trusted_model_still_passes_the_confined_run(
    tmp_path: Path, expression: str, message: str
) -> None:
    model = tmp_path / "wild.c"
    function = f"uint64_t wild(uint64_t a, uint64_t b) {{ return {expression}; }}"
    model.write_text(f"#include <stdint.h>\n{function}\n")
    family = replace(SCRAMBLE, name="wild", model=model)
    with pytest.raises(AxdseError, match=message):
        Inlined(Candidate(family.bind({"n": 8}), parse_format(NARROW.format(7))), trusted=True)


def test_corrupt_library_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AXDSE_CACHE", str(tmp_path))
    design = inlined("mitchell", NARROW.format(7))
    path = cpu_compile.compile_inlined(INLINED.float_source, design, False)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert cpu_compile.compile_inlined(INLINED.float_source, design, False) == path
    assert len(path.read_bytes()) == len(whole)
