"""How are the operators of `axdse.gpu.ops` computed for tensors on a GPU?

By table if the multiplication has one and `inlined` does not say otherwise, else by its C model.
`seed` is of sums that are rounded by chance, None of others.
"""

from collections.abc import Callable

from torch import Tensor

from axdse.gpu.cuda import gemms
from axdse.gpu.cuda.nvrtc import CudaDevice
from axdse.gpu.multiplication.handles import Form, Multiplication, resolve
from axdse.gpu.multiplication.inlined import Inlined
from axdse.gpu.operands.convolution import Convolution
from axdse.gpu.operands.shapes import Operation


def gemm_cuda(
    a: Tensor,
    b: Tensor,
    multiplication: str,
    swap: bool,
    inlined: bool = False,
    seed: int | None = None,
) -> Tensor:
    """Compute `axdse::gemm`.

    Raises:
        AxdseError: unknown handle, too large a product, or CuPy cannot be used.
    """
    return gemms.gemm(_device(a), a, b, _form(multiplication, inlined), swap, seed)


def conv2d_cuda(
    image: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    inlined: bool = False,
    seed: int | None = None,
) -> Tensor:
    """Compute `axdse::conv2d`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    known = _form(multiplication, inlined)
    return gemms.conv2d(_device(image), image, weight, known, swap, shape, seed)


def conv2d_input_gradient_cuda(
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    inlined: bool = False,
    seed: int | None = None,
) -> Tensor:
    """Compute `axdse::conv2d_input_gradient`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    known = _form(multiplication, inlined)
    return gemms.conv2d_input_gradient(_device(grad), grad, weight, known, swap, shape, seed)


def conv2d_weight_gradient_cuda(
    grad: Tensor,
    image: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
    inlined: bool = False,
    seed: int | None = None,
) -> Tensor:
    """Compute `axdse::conv2d_weight_gradient`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    known = _form(multiplication, inlined)
    return gemms.conv2d_weight_gradient(_device(grad), grad, image, known, swap, shape, seed)


def _form(multiplication: str, inlined: bool) -> Form | Multiplication:
    known = resolve(multiplication)
    if known.sum is not None:
        return known
    return known.inlined if inlined and isinstance(known.inlined, Inlined) else known.form


def _device(x: Tensor) -> CudaDevice:
    return CudaDevice(x.device.index)


OPERATORS: dict[Operation, Callable[..., Tensor]] = {
    "gemm": gemm_cuda,
    "conv2d": conv2d_cuda,
    "conv2d_input_gradient": conv2d_input_gradient_cuda,
    "conv2d_weight_gradient": conv2d_weight_gradient_cuda,
}
