import pytest
import torch
from gemm_contract import assert_same_bits, table
from torch import Tensor

from axdse.gpu.assignment import LayerProducts, Product
from axdse.gpu.autograd import matmul, rows_times_weight, weight_times_columns
from axdse.gpu.ops_reference import lut_gemm_reference
from axdse.gpu.quantise import quantise_int8

NARROW, WIDE = "float(8,5,round=truncate,product=wide)", "float(8,4,round=nearest,product=narrow)"
FORWARD = Product(table("scramble", NARROW))
INPUT = Product(table("scramble", WIDE))
WEIGHT = Product(table("scramble", NARROW), swap=True)
PRODUCTS = LayerProducts(FORWARD, INPUT, WEIGHT)
NATIVE = Product()


def reference(a: Tensor, b: Tensor, product: Product, b_first: bool = False) -> Tensor:
    assert product.lut is not None
    entries = torch.from_numpy(product.lut.entries.copy())
    return lut_gemm_reference(a, b, entries, product.lut.format.name, product.swap != b_first)


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_rows_times_weight_takes_each_table_in_its_roles() -> None:
    x, w, g = leaf(9, 13).requires_grad_(), leaf(6, 13).requires_grad_(), leaf(9, 6)
    y = rows_times_weight(x, w, PRODUCTS)
    x_grad, w_grad = torch.autograd.grad(y, (x, w), g)
    assert_same_bits(y.detach(), reference(x, w.t(), FORWARD))  # T(activation, weight)
    assert_same_bits(x_grad, reference(g, w, INPUT))  # T(output gradient, weight)
    assert_same_bits(w_grad, reference(g.t(), x, WEIGHT))  # T(output gradient, activation)


def test_weight_times_columns_takes_each_table_in_its_roles() -> None:
    x, w, g = leaf(13, 9).requires_grad_(), leaf(6, 13).requires_grad_(), leaf(6, 9)
    y = weight_times_columns(x, w, PRODUCTS)
    x_grad, w_grad = torch.autograd.grad(y, (x, w), g)
    assert_same_bits(y.detach(), reference(w, x, FORWARD, b_first=True))
    assert_same_bits(x_grad, reference(w.t(), g, INPUT, b_first=True))
    assert_same_bits(w_grad, reference(g, x.t(), WEIGHT))


@pytest.mark.parametrize("approximate", ["forward", "input_gradient", "weight_gradient"])
def test_each_product_may_be_native(approximate: str) -> None:
    products = LayerProducts(**{approximate: FORWARD})
    x, w, g = leaf(9, 13).requires_grad_(), leaf(6, 13).requires_grad_(), leaf(9, 6)
    y = rows_times_weight(x, w, products)
    results = (y, *torch.autograd.grad(y, (x, w), g))
    native = (x @ w.t(), g @ w, g.t() @ x)
    names = ("forward", "input_gradient", "weight_gradient")
    exact = {
        n: torch.allclose(r, e, atol=1e-5) for n, r, e in zip(names, results, native, strict=True)
    }
    assert exact == {name: name != approximate for name in names}


def test_int8_products_are_scaled_sums_of_codes() -> None:
    product = Product(table("scramble", "int8"))
    a, b = leaf(5, 30), leaf(30, 8)
    (a_codes, a_scale), (b_codes, b_scale) = quantise_int8(a), quantise_int8(b)
    sums = reference(a_codes, b_codes, product)
    assert_same_bits(matmul(a, b, product), sums.float() * a_scale * b_scale)


def test_int8_exact_core_is_near_native() -> None:
    lut = table("exact", "int8")
    x, w, g = leaf(9, 300).requires_grad_(), leaf(6, 300).requires_grad_(), leaf(9, 6)
    y = rows_times_weight(x, w, LayerProducts.uniform(lut))
    x_grad, w_grad = torch.autograd.grad(y, (x, w), g)
    for actual, native in ((y, x @ w.t()), (x_grad, g @ w), (w_grad, g.t() @ x)):
        assert (actual - native).norm() < 0.02 * native.norm()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["int8", NARROW])
def test_non_finite_operands_end_in_nan_or_infinity(name: str, bad: float) -> None:
    a = leaf(5, 30)
    a[2, 3] = bad
    assert not matmul(a, leaf(30, 8), Product(table("exact", name)))[2].isfinite().any()


def test_frozen_weights_cost_no_product() -> None:
    x, w = leaf(9, 13).requires_grad_(), leaf(6, 13)
    y = rows_times_weight(x, w, LayerProducts(FORWARD, INPUT, NATIVE))
    y.sum().backward()
    assert w.grad is None
    assert x.grad is not None
