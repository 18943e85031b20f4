"""Layers in int4 to int7 against the unit of the format, product by product."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from axdse.gpu.layers.assignment import Assignment, LayerProducts
from axdse.gpu.layers.convert import convert
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.design_point import parse_mac
from axdse.multipliers.model.cmodel import twos_complement
from axdse.multipliers.model.unit_oracle import unit_products
from axdse.multipliers.tables.lut import build_lut, by_bytes

MACS = [f"{core}(n={n}{more}) in int{n}"
        for n in (4, 5, 6, 7) for core, more in (("exact", ""), ("drum", ",k=3"), ("booth", ""))
        if core != "booth" or n % 2 == 0]  # fmt: skip


def codes(x: Tensor, bits: int) -> tuple[np.ndarray, float]:
    scale = (x.abs().max() / (2 ** (bits - 1) - 1)).item()
    return torch.round(x / (x.abs().max() / (2 ** (bits - 1) - 1))).long().numpy(), scale


def product(text: str, a: Tensor, b: Tensor) -> Tensor:
    """a b of matrices, as units of the format multiply."""
    candidate = parse_mac(text, builtin_catalog()).candidate
    bits = candidate.format.operand_bits
    (x, x_scale), (y, y_scale) = codes(a, bits), codes(b, bits)
    mask = (1 << bits) - 1
    pairs = np.broadcast_arrays((x & mask)[:, :, None], (y & mask)[None])
    terms = twos_complement(unit_products(candidate, *pairs), 2 * bits)
    return torch.from_numpy(terms.sum(1)).double() * x_scale * y_scale


@pytest.mark.parametrize("text", MACS)
def test_all_three_products_of_a_layer_are_those_of_the_unit(text: str) -> None:
    torch.manual_seed(0)
    layer = convert(nn.Linear(33, 9, bias=False), text).model
    x = torch.randn(17, 33, requires_grad=True)
    y = layer(x)
    grad = torch.randn(17, 9)
    y.backward(grad)
    w = layer.weight.detach()
    for actual, expected in (
        (y, product(text, x.detach(), w.T)),
        (x.grad, product(text, grad, w)),
        (layer.weight.grad, product(text, grad.T, x.detach())),
    ):
        torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", ["drum(n=6,k=3) in int6", "exact(n=4) in int4"])
def test_a_convolution_is_that_of_its_patches(text: str) -> None:
    torch.manual_seed(0)
    layer = convert(nn.Conv2d(2, 3, 3, padding=1, bias=False), text).model
    x = torch.randn(1, 2, 5, 6)
    patches = nn.functional.unfold(x, 3, padding=1)[0]
    expected = product(text, layer.weight.detach().flatten(1), patches)
    swapped = product(text, patches.T, layer.weight.detach().flatten(1).T).T
    assert text.startswith("drum") or torch.equal(expected, swapped)
    torch.testing.assert_close(layer(x)[0].flatten(1).double(), swapped, rtol=1e-5, atol=1e-5)


def test_a_table_that_is_handed_over_is_the_same() -> None:
    text = "drum(n=5,k=3) in int5"
    lut = build_lut(parse_mac(text, builtin_catalog()).candidate)
    x, native = torch.randn(4, 8), nn.Linear(8, 3)
    made = convert(native, Assignment(LayerProducts.uniform(lut))).model
    assert torch.equal(made(x), convert(native, text).model(x))


def test_bytes_that_are_no_operand_give_zero() -> None:
    lut = build_lut(parse_mac("exact(n=4) in int4", builtin_catalog()).candidate)
    wide = by_bytes(lut)
    operands = np.arange(-8, 8)
    inside = wide.entries[np.ix_(operands & 255, operands & 255)]
    assert np.array_equal(inside, np.multiply.outer(operands, operands))
    assert np.abs(wide.entries.astype(int)).sum() == np.abs(inside.astype(int)).sum()
    assert by_bytes(wide) is wide
