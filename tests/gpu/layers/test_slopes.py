"""Gradients by slopes: of the exact product those of torch, of others those of the statement."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from axdse.gpu.layers.assignment import Assignment, LayerProducts, Product
from axdse.gpu.layers.convert import convert
from axdse.gpu.operands.encode import encode
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.tables.lut import build_lut
from axdse.multipliers.tables.slopes import slopes


def with_slopes(native: nn.Module, text: str, half_window: int, swap: bool = False) -> nn.Module:
    product = Product(parse_mac(text).candidate, swap=swap)
    products = LayerProducts(product, product, product, half_window)
    return convert(native, Assignment(products)).model


def test_slopes_of_a_table_by_hand() -> None:
    """Row 0 of T(., b) has 0 1 4 9 16 25; averages of three: (0+1+4)/3, 14/3, 29/3, 50/3."""
    squares = np.arange(6)[:, None] ** 2 + 100 * np.arange(5)
    along_first, along_second = slopes(squares, 1)
    assert along_first[:, 0] == pytest.approx([4, 4, 4, 6, 6, 6])
    assert along_second == pytest.approx(np.full((6, 5), 100))
    assert slopes(squares, 0)[0][:, 3] == pytest.approx([2, 2, 4, 6, 8, 8])


@pytest.mark.parametrize("half_window", [0, 3, 126])
def test_slopes_of_the_exact_product_are_the_other_operand(half_window: int) -> None:
    codes = np.arange(-128, 128)
    along_first, along_second = slopes(np.outer(codes, codes), half_window)
    assert (along_first == codes).all()
    assert (along_second == codes[:, None]).all()


@pytest.mark.parametrize("half_window", [-1, 127])
def test_a_window_that_fits_nowhere_is_refused(half_window: int) -> None:
    with pytest.raises(AxdseError, match="0 to 126 of 256 operands"):
        slopes(np.zeros((256, 256)), half_window)


def dequantised(x: torch.Tensor, kind: str) -> torch.Tensor:
    form = parse_format(kind)
    encoded = encode(x, form)
    codes = encoded.codes if encoded.zero is None else encoded.codes.int() - encoded.zero
    return codes * encoded.scale


@pytest.mark.parametrize("kind", ["int8", "uint8", "int5"])
@pytest.mark.parametrize("layer", ["linear", "convolution"])
def test_of_the_exact_product_they_are_straight_through(kind: str, layer: str) -> None:
    torch.manual_seed(0)
    native, x = (
        (nn.Linear(30, 7), torch.randn(2, 3, 30))
        if layer == "linear"
        else (nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2), torch.randn(3, 4, 7, 8))
    )
    made = with_slopes(native, f"exact(n={kind[-1]}) in {kind}", 2)
    native.weight.data = dequantised(native.weight.detach(), kind)
    given, like = x.requires_grad_(), dequantised(x.detach(), kind).requires_grad_()
    grad = torch.randn(native(like).shape)
    made(given).backward(grad)
    native(like).backward(grad)
    torch.testing.assert_close(given.grad, like.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made.weight.grad, native.weight.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("kind", ["uint8", "int8(scale=channel)", "uint8xint8"])
def test_gradients_are_those_of_the_statement(kind: str, swap: bool) -> None:
    """Each pair's slope, from the table of the format itself and its own codes."""
    torch.manual_seed(0)
    text = f"broken_array(n=8,h=2,v=6) in {kind}"
    made = with_slopes(nn.Linear(12, 5, bias=False), text, 4, swap)
    x = torch.randn(3, 12, requires_grad=True)
    grad = torch.randn(3, 5)
    made(x).backward(grad)

    lut = build_lut(parse_mac(text).candidate)
    forms = lut.format.operands
    order = [np.argsort(np.arange(256) ^ (128 if form.signed else 0)) for form in forms]
    table = lut.entries.astype(int)[np.ix_(*order)]  # by ascending code
    table = table.T if swap else table
    along_x, along_w = slopes(table, 4)
    x_form, w_form = forms[::-1] if swap else forms
    left, right = encode(x.detach(), x_form), encode(made.weight.detach(), w_form, 0)
    zeros = [0 if each.zero is None else int(each.zero) + 128 for each in (left, right)]
    places = [each.codes.numpy().astype(int) + 128 for each in (left, right)]
    x_scale = float(left.scale)
    w_scale = np.broadcast_to(right.scale.double().numpy().reshape(-1), 5)
    to_x, to_w = np.zeros((3, 12)), np.zeros((5, 12))
    for m, n, k in np.ndindex(3, 5, 12):
        pair = places[0][m, k], places[1][n, k]
        to_x[m, k] += grad[m, n] * w_scale[n] * (along_x[pair] - zeros[1])
        to_w[n, k] += grad[m, n] * x_scale * (along_w[pair] - zeros[0])
    np.testing.assert_allclose(x.grad, to_x, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(made.weight.grad, to_w, rtol=1e-4, atol=1e-4)


def test_what_has_no_slopes_is_refused() -> None:
    x = torch.randn(2, 4, requires_grad=True)
    with pytest.raises(AxdseError, match=r"tables of integers.*bf16; choose .* int8 or uint8"):
        with_slopes(nn.Linear(4, 2), "exact(n=8) in bf16", 4)(x).sum().backward()
    with pytest.raises(AxdseError, match="0 to 6 of 16 operands"):
        with_slopes(nn.Linear(4, 2), "exact(n=4) in int4", 7)(x).sum().backward()
    with pytest.raises(AxdseError, match="a transposed convolution"):
        with_slopes(nn.ConvTranspose2d(1, 1, 1), "exact(n=8) in int8", 1)(torch.ones(1, 1, 2, 2))


def test_native_products_keep_their_gradients() -> None:
    native = nn.Linear(4, 2)
    made = convert(native, Assignment(dataclasses.replace(LayerProducts(), half_window=4))).model
    x, like = (torch.ones(1, 4, requires_grad=True) for _ in range(2))
    made(x).sum().backward()
    native(like).sum().backward()
    assert torch.equal(x.grad, like.grad)
