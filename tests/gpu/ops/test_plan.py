"""The planner: the fastest realisation that is possible, and the reasons."""

import json

import pytest
import torch

from axdse.dse.cli import run
from axdse.gpu.cpu.kernels import KERNELS, available_kernels
from axdse.gpu.factors.ops import native_products
from axdse.gpu.multiplication.handles import handle
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.ops import plan as planner
from axdse.gpu.ops.plan import Operation, Plan, explain, plan
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.tables.lut import Lut, build_lut

WIDE = "float(8,7,round=nearest,product=wide)"
NARROW = "float(8,7,round=truncate,product=narrow)"


def candidate(spec: str, format_name: str) -> Candidate:
    return Candidate(builtin_catalog().multiplier(spec), parse_format(format_name))


def lut(spec: str, format_name: str) -> Lut:
    return build_lut(candidate(spec, format_name))


def why(found: Plan, name: str) -> str:
    return next(r.why for r in found.alternatives if r.name == name)


def assert_fastest_first(found: Plan) -> None:
    possible = [r for r in found.alternatives if r.possible]
    assert found.choice == possible[0].name
    assert [r.possible for r in found.alternatives] == sorted(
        (r.possible for r in found.alternatives), reverse=True
    )
    times = [r.time for r in possible]
    assert times == sorted(times)
    assert all(r.time is None and r.why for r in found.alternatives if not r.possible)


@pytest.mark.parametrize(
    ("spec", "format_name"),
    [("exact(n=8)", WIDE), ("exact(n=8)", "int8"), ("truncated(n=8,t=3,c=0)", "int8")],
)
def test_small_ranks_go_by_factors(spec: str, format_name: str) -> None:
    found = plan(lut(spec, format_name))
    assert found.choice == "factors"
    assert_fastest_first(found)


def test_a_table_of_high_rank_goes_by_look_ups() -> None:
    found = plan(lut("mitchell(m=7)", NARROW))
    assert found.choice == found.fallback != "factors"
    assert "rank" in why(found, "factors")
    assert_fastest_first(found)


def test_a_kernel_that_this_cpu_cannot_run_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planner, "cpu_flags", frozenset)
    found = explain(candidate("mitchell(m=6)", "float(8,6)"))
    for kernel in KERNELS:
        assert (why(found, kernel.name).startswith("this CPU lacks")) == bool(kernel.needs)
    assert_fastest_first(found)


@pytest.mark.parametrize("operation", ["conv2d", "conv2d_weight_gradient"])
def test_int8_convolutions_are_fp32_ones(operation: Operation) -> None:
    table = lut("truncated(n=8,t=3,c=0)", "int8")
    assert "FP32" in why(plan(table, operation=operation), "factors")


def test_native_products_leave_some_operands_to_look_ups() -> None:
    with native_products():
        found = explain(candidate("exact(n=8)", WIDE))
    assert found.choice == "factors" != found.fallback
    assert "FP32" in why(found, "factors")
    assert found.fallback in found.why


def test_terms_that_cancel_are_summed_in_fp64() -> None:
    with native_products():
        found = explain(candidate("scaletrim(n=8,h=4,m=1)", WIDE))
    assert "FP64" in why(found, "factors")


def test_an_inlined_multiplication_has_no_table() -> None:
    found = plan(Inlined(candidate("mitchell(m=16)", "float(8,16)")))
    assert found.choice == "inlined"
    assert_fastest_first(found)


def test_a_candidate_may_have_both() -> None:
    found = explain(candidate("mitchell(m=7)", NARROW))
    assert {"inlined", "portable"} <= {r.name for r in found.alternatives if r.possible}


@pytest.mark.parametrize("kernel", ["vbmi", "avx2", "neon"])
def test_a_compressor_tree_is_looked_up_rather_than_inlined(kernel: str) -> None:
    if kernel not in {each.name for each in available_kernels()}:
        pytest.skip(f"this CPU has no {kernel}: NOT PLANNED")
    found = explain(candidate("momeni(n=8,c=8)", WIDE))
    order = [r.name for r in found.alternatives if r.possible]
    assert order.index(kernel) < order.index("inlined") < order.index("portable")


def test_what_is_neither_table_nor_inlined_is_refused() -> None:
    with pytest.raises(AxdseError, match="m = 7"):
        explain(candidate("exact(n=13)", "float(8,12,round=nearest,product=wide)"))


def test_plans_are_made_once_for_a_table() -> None:
    table = lut("exact(n=8)", WIDE)
    assert plan(table) is plan(handle(table))
    assert plan(table) is not plan(table, operation="conv2d")


def test_an_unknown_handle_is_refused() -> None:
    with pytest.raises(AxdseError, match="handle"):
        plan("nobody's")


def test_lower_precision_of_native_products_rules_factors_out() -> None:
    table = lut("exact(n=8)", WIDE)
    torch.set_float32_matmul_precision("medium")
    try:
        assert plan(table).choice != "factors"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert plan(table).choice == "factors"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_reference_remains() -> None:
    found = plan(lut("exact(n=8)", WIDE), "cuda")
    assert found.choice == "reference"
    assert "no GPU" in why(found, "cuda table")


def test_show_prints_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "exact(n=8)", "--format", "bf16", "--plan"]) == 0
    text = capsys.readouterr().out
    assert "factors *" in text
    assert "1 bf16 product" in text or "1 FP32 product" in text


def test_show_gives_the_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "mitchell(m=7)", "udm(n=8)", "--plan", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [d["plans"][0]["format"] for d in shown] == ["float(8,7)"] * 2
    assert shown[0]["plans"][0]["choice"] == shown[0]["plans"][0]["alternatives"][0]["name"]


def test_a_format_without_a_plan_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "exact(n=8)", "--format", "bf16"]) == 2
    assert "--plan" in capsys.readouterr().err
