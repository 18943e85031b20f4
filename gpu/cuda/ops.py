"""How are the operators of `axdse.gpu.ops` computed for tensors on a GPU?"""

from collections.abc import Sequence

from torch import Tensor

from axdse.gpu.cuda import gemms
from axdse.gpu.cuda.nvrtc import CudaDevice
from axdse.gpu.multiplication.handles import resolve
from axdse.gpu.operands.convolution import Convolution, Window


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
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Compute `axdse::conv2d`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    shape = convolution(image.shape, weight.shape, _window(stride, padding, dilation), groups)
    known = resolve(multiplication)
    return gemms.conv2d(_device(image), image, weight, known, swap, shape)


def conv2d_input_gradient_cuda(
    grad: Tensor,
    weight: Tensor,
    multiplication: str,
    swap: bool,
    image_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Compute `axdse::conv2d_input_gradient`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    image = (grad.shape[0], weight.shape[1] * groups, *image_size)
    shape = convolution(image, weight.shape, _window(stride, padding, dilation), groups)
    known = resolve(multiplication)
    return gemms.conv2d_input_gradient(_device(grad), grad, weight, known, swap, shape)


def conv2d_weight_gradient_cuda(
    grad: Tensor,
    image: Tensor,
    multiplication: str,
    swap: bool,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Compute `axdse::conv2d_weight_gradient`.

    Raises:
        AxdseError: as `gemm_cuda`.
    """
    weight = (grad.shape[1], image.shape[1] // groups, *kernel_size)
    shape = convolution(image.shape, weight, _window(stride, padding, dilation), groups)
    known = resolve(multiplication)
    return gemms.conv2d_weight_gradient(_device(grad), grad, image, known, swap, shape)


def convolution(
    image: Sequence[int], weight: Sequence[int], window: Window, groups: int
) -> Convolution:
    """The shape of a convolution of an image [B, C, H, W] by weights [O, C / groups, Kh, Kw]."""
    return Convolution(
        batch=image[0],
        groups=groups,
        inputs=weight[1],
        outputs=weight[0] // groups,
        image=(image[2], image[3]),
        kernel=(weight[2], weight[3]),
        window=window,
    )


def _window(stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]) -> Window:
    return Window((stride[0], stride[1]), (padding[0], padding[1]), (dilation[0], dilation[1]))


def _device(x: Tensor) -> CudaDevice:
    return CudaDevice(x.device.index)
