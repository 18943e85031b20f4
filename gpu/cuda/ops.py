"""How are the operators of `axdse.gpu.ops` computed for tensors on a GPU?"""

from torch import Tensor

from axdse.gpu.cuda import gemms
from axdse.gpu.cuda.nvrtc import CudaDevice
from axdse.gpu.multiplication.handles import resolve
from axdse.gpu.operands.convolution import Convolution


def gemm_cuda(a: Tensor, b: Tensor, multiplication: str, swap: bool) -> Tensor:
    """Compute `axdse::gemm`.

    Raises:
        AxdseError: unknown handle, too large a product, or CuPy cannot be used.
    """
    return gemms.gemm(_device(a), a, b, resolve(multiplication), swap)


def conv2d_cuda(
    image: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor:
    """Compute `axdse::conv2d`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    known = resolve(multiplication)
    return gemms.conv2d(_device(image), image, weight, known, swap, shape)


def conv2d_input_gradient_cuda(
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor:
    """Compute `axdse::conv2d_input_gradient`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    known = resolve(multiplication)
    return gemms.conv2d_input_gradient(_device(grad), grad, weight, known, swap, shape)


def conv2d_weight_gradient_cuda(
    grad: Tensor,
    image: Tensor,
    multiplication: str,
    swap: bool,
    shape: Convolution,
) -> Tensor:
    """Compute `axdse::conv2d_weight_gradient`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    known = resolve(multiplication)
    return gemms.conv2d_weight_gradient(_device(grad), grad, image, known, swap, shape)


def _device(x: Tensor) -> CudaDevice:
    return CudaDevice(x.device.index)
