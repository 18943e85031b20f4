"""The fused encoding gives the bits of the plain one, whatever the tensor."""

import pytest
import torch
from torch import Tensor

from axdse.gpu.cpu.kernels import torch_threads
from axdse.gpu.operands import encode as plain
from axdse.gpu.ops.encoding import encode
from axdse.multipliers.formats import Span, parse_format

FORMATS = (
    "fp8_e4m3",
    "fp8_e5m2",
    "float(2,1)",
    "float(5,10,round=truncate)",
    "float(7,23)",
    "fp8_e4m3(scale=none)",
    "float(5,2,round=truncate,scale=none)",
)


def spread(*size: int) -> Tensor:
    """FP32 over 100 binades, with zeros of both signs and subnormals."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(size, generator=generator)
    x = x * torch.exp2(torch.randint(-50, 50, size, generator=generator).float())
    x.flatten()[:4] = torch.tensor([0.0, -0.0, 1e-42, -1e-42])
    return x


TENSORS = {
    "spread": spread(40, 33),
    "ties": torch.arange(-4096, 4096) / 512,
    "turned": spread(8, 3, 5, 7).permute(0, 2, 3, 1),
    "with gaps": spread(16, 20)[:, ::2],
    "expanded": spread(1, 9).expand(4, 9),
    "zeros": torch.zeros(5),
    "smallest": torch.tensor([2.0**-149, -(2.0**-126)]),
    "largest": torch.tensor([3.4028234e38, -1.0, 2.0**-20]),
    "infinite": torch.tensor([1.0, -torch.inf, 2.0**-30, -0.0]),
    "not a number": torch.tensor([1.0, torch.nan]),
    "one": torch.tensor(0.3),
    "none": torch.zeros(0, 3),
}


@pytest.mark.parametrize("largest", [None, 1.75])
@pytest.mark.parametrize("x", TENSORS.values(), ids=TENSORS)
def test_bits(x: Tensor, largest: float | None) -> None:
    for name in FORMATS:
        number_format = parse_format(name)
        expected = plain.encode(x, number_format, span=largest and Span(-largest, largest))
        found = encode(x, number_format, span=largest and Span(-largest, largest))
        assert found.codes.shape == x.shape
        same = found.codes.contiguous().view(torch.int32) == expected.codes.contiguous().view(
            torch.int32
        )
        assert (same | (found.codes.isnan() & expected.codes.isnan())).all(), name
        assert (found.scale is None) == (expected.scale is None)
        if expected.scale is not None:
            torch.testing.assert_close(found.scale, expected.scale, rtol=0, atol=0, equal_nan=True)


def test_other_formats_go_as_they_are() -> None:
    x = spread(5, 6)
    for name in ("bf16", "int8", "int8(scale=channel)"):
        expected, found = (f(x, parse_format(name), 1) for f in (plain.encode, encode))
        assert torch.equal(found.codes, expected.codes)


def test_threads_and_memory_order() -> None:
    x = spread(64, 16, 33, 4).to(memory_format=torch.channels_last)
    number_format = parse_format("fp8_e4m3")
    found = []
    for count in (1, 2):
        with torch_threads(count):
            found.append(encode(x, number_format))
    assert torch.equal(found[0].codes, found[1].codes)
    assert found[0].codes.stride() == x.stride()


def test_the_operator_is_one_for_tracing() -> None:
    call = (spread(3, 4), 4, 3, True, True, None)
    torch.library.opcheck(
        torch.ops.axdse.encode, call, test_utils=("test_schema", "test_faketensor")
    )
