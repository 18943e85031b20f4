import pytest

from axdse.gpu.layers.assignment import Assignment, LayerProducts, Product
from axdse.gpu.testing.gemm import table

LUT = table("exact", "float(8,4,round=nearest,product=narrow)")
FORWARD_ONLY = LayerProducts(forward=Product(LUT))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("features.0", FORWARD_ONLY),
        ("features.10.conv", FORWARD_ONLY),
        ("features.last", FORWARD_ONLY),
        ("head", LayerProducts()),
        ("Head", LayerProducts.uniform(LUT)),
        ("body.head", LayerProducts.uniform(LUT)),
    ],
)
def test_first_matching_pattern_wins(layer: str, expected: LayerProducts) -> None:
    assignment = Assignment(
        LayerProducts.uniform(LUT),
        (("features.*", FORWARD_ONLY), ("head", LayerProducts()), ("features.last", expected)),
    )
    assert assignment.products(layer) == expected


def test_uniform_is_in_all_three_products_of_every_layer() -> None:
    products = Assignment.uniform(LUT).products("any")
    assert products.forward == products.input_gradient == products.weight_gradient == Product(LUT)
