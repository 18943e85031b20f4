"""How are LSTM, GRU and RNN computed whose products with both matrices are approximate?

Products of gates with states, element by element, are exact, as are biases and nonlinearities:
they are not the multiply-accumulates that an array of multipliers computes. A layer's product with
its inputs is one GEMM over all steps; that with its state is one a step.
"""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from axdse.gpu.layers.assignment import ApproxLayer, LayerProducts
from axdse.gpu.layers.autograd import approx_linear
from axdse.gpu.recording.probes import LayerProbes
from axdse.gpu.recording.recorder import probes_of
from axdse.multipliers.errors import AxdseError

State = tuple[Tensor, ...]
Step = Callable[[Tensor, Tensor, State], State]


def lstm_step(inputs: Tensor, recurrent: Tensor, state: State) -> State:
    """One step from both products [B, 4 H] and (h, c) to (h, c); gates i, f, g, o as in torch."""
    i, f, g, o = (inputs + recurrent).chunk(4, -1)
    cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def gru_step(inputs: Tensor, recurrent: Tensor, state: State) -> State:
    """One step from both products [B, 3 H] and (h,) to (h,); gates r, z, n as in torch."""
    (r_x, z_x, n_x), (r_h, z_h, n_h) = inputs.chunk(3, -1), recurrent.chunk(3, -1)
    keep = (z_x + z_h).sigmoid()
    new = (n_x + (r_x + r_h).sigmoid() * n_h).tanh()
    return ((1 - keep) * new + keep * state[0],)


def rnn_step(
    inputs: Tensor, recurrent: Tensor, _state: State, nonlinearity: str = "tanh"
) -> State:
    """One step of Elman's layer from both products [B, H] to (h,)."""
    total = inputs + recurrent
    return (total.tanh() if nonlinearity == "tanh" else total.relu(),)


def _product(
    x: Tensor, weight: Tensor, bias: Tensor | None, products: LayerProducts, probes: LayerProbes
) -> Tensor:
    result = approx_linear(x, weight, products, probes)
    return result if bias is None else result + bias


class ApproxLSTMCell(ApproxLayer, nn.LSTMCell):
    """`nn.LSTMCell` with approximate products.

    Attributes:
        products: the multiplications of the products with both weight matrices.
    """

    def forward(
        self,
        input: Tensor,  # noqa: A002
        hx: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One step: [B, I] (or [I]) and (h, c) to (h, c)."""
        if input.ndim == 1:
            batched = None if hx is None else (hx[0][None], hx[1][None])
            h, c = ApproxLSTMCell.forward(self, input[None], batched)
            return h[0], c[0]
        shape = input.shape[0], self.hidden_size
        state = (input.new_zeros(shape), input.new_zeros(shape)) if hx is None else hx
        _check_state(state, [shape, shape])
        h, c = lstm_step(*_cell_products(self, self.products, input, state[0]), state)
        return h, c


class ApproxGRUCell(ApproxLayer, nn.GRUCell):
    """`nn.GRUCell` with approximate products.

    Attributes:
        products: the multiplications of the products with both weight matrices.
    """

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:  # noqa: A002
        """One step: [B, I] (or [I]) and h to h."""
        return _hidden_step(self, self.products, gru_step, input, hx)


class ApproxRNNCell(ApproxLayer, nn.RNNCell):
    """`nn.RNNCell` with approximate products.

    Attributes:
        products: the multiplications of the products with both weight matrices.
    """

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:  # noqa: A002
        """One step: [B, I] (or [I]) and h to h."""
        step = functools.partial(rnn_step, nonlinearity=self.nonlinearity)
        return _hidden_step(self, self.products, step, input, hx)


def _hidden_step(
    cell: nn.RNNCellBase, products: LayerProducts, step: Step, x: Tensor, h: Tensor | None
) -> Tensor:
    """One step of a cell whose state is h alone."""
    if x.ndim == 1:
        return _hidden_step(cell, products, step, x[None], None if h is None else h[None])[0]
    shape = x.shape[0], cell.hidden_size
    state = x.new_zeros(shape) if h is None else h
    _check_state((state,), [shape])
    return step(*_cell_products(cell, products, x, state), (state,))[0]


def _cell_products(
    cell: nn.RNNCellBase, products: LayerProducts, x: Tensor, h: Tensor
) -> tuple[Tensor, Tensor]:
    probes = probes_of(cell)
    return (
        _product(x, cell.weight_ih, cell.bias_ih, products, probes),
        _product(h, cell.weight_hh, cell.bias_hh, products, probes),
    )


class ApproxLSTM(ApproxLayer, nn.LSTM):
    """`nn.LSTM` with approximate products; no packed sequences.

    Attributes:
        products: the multiplications of the products with all weight matrices.
    """

    def forward(  # type: ignore[override]
        self,
        input: Tensor,  # noqa: A002
        hx: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """[L, B, I] (or [B, L, I], [L, I]) to all hidden states and the last (h, c)."""
        output, (h, c) = _run(self, self.products, input, hx, lstm_step)
        return output, (h, c)


class ApproxGRU(ApproxLayer, nn.GRU):
    """`nn.GRU` with approximate products; no packed sequences.

    Attributes:
        products: the multiplications of the products with all weight matrices.
    """

    def forward(  # type: ignore[override]
        self,
        input: Tensor,  # noqa: A002
        hx: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """[L, B, I] (or [B, L, I], [L, I]) to all hidden states and the last h."""
        output, (h,) = _run(self, self.products, input, None if hx is None else (hx,), gru_step)
        return output, h


class ApproxRNN(ApproxLayer, nn.RNN):
    """`nn.RNN` with approximate products; no packed sequences.

    Attributes:
        products: the multiplications of the products with all weight matrices.
    """

    def forward(  # type: ignore[override]
        self,
        input: Tensor,  # noqa: A002
        hx: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """[L, B, I] (or [B, L, I], [L, I]) to all hidden states and the last h."""
        step = functools.partial(rnn_step, nonlinearity=self.nonlinearity)
        output, (h,) = _run(self, self.products, input, None if hx is None else (hx,), step)
        return output, h


def _run(
    layer: nn.RNNBase, products: LayerProducts, x: Tensor, start: State | None, step: Step
) -> tuple[Tensor, State]:
    """All layers and directions over a sequence."""
    if isinstance(x, PackedSequence):
        raise AxdseError(
            "approximate recurrent layers take tensors", "a packed sequence", "pad and mask it"
        )
    if x.ndim not in (2, 3):
        shape = tuple(x.shape)
        raise AxdseError("a sequence is [L, I], of a batch 3-dimensional", shape, "reshape it")
    is_batched = x.ndim == 3
    if not is_batched:
        x, start = x[:, None], start and tuple(part[:, None] for part in start)
    elif layer.batch_first:
        x = x.transpose(0, 1)
    directions, probes = 1 + layer.bidirectional, probes_of(layer)
    states = _start(layer, x, start, directions, 2 if step is lstm_step else 1)
    last: list[State] = []
    for index in range(layer.num_layers):
        outputs = []
        for direction in range(directions):
            suffix = f"_l{index}" + "_reverse" * direction
            state = tuple(part[index * directions + direction] for part in states)
            output, end = _pass(layer, products, probes, suffix, x, state, step)
            outputs.append(output)
            last.append(end)
        x = torch.cat(outputs, -1)
        if index + 1 < layer.num_layers:
            x = F.dropout(x, layer.dropout, layer.training)
    ends = tuple(torch.stack(parts) for parts in zip(*last, strict=True))
    if not is_batched:
        return x[:, 0], tuple(part[:, 0] for part in ends)
    return x.transpose(0, 1) if layer.batch_first else x, ends


def _start(
    layer: nn.RNNBase, x: Tensor, start: State | None, directions: int, parts: int
) -> State:
    sizes = (layer.proj_size or layer.hidden_size, layer.hidden_size)[:parts]
    shapes = [(layer.num_layers * directions, x.shape[1], size) for size in sizes]
    if start is None:
        return tuple(x.new_zeros(shape) for shape in shapes)
    _check_state(start, shapes)
    return start


def _check_state(state: State, shapes: Sequence[tuple[int, ...]]) -> None:
    actual = [tuple(part.shape) for part in state]
    if actual != list(shapes):
        raise AxdseError(
            f"the first state is of shape {list(shapes)}", actual, "leave it out for zeros"
        )


def _pass(
    layer: nn.RNNBase,
    products: LayerProducts,
    probes: LayerProbes,
    suffix: str,
    x: Tensor,
    state: State,
    step: Step,
) -> tuple[Tensor, State]:
    """One layer in one direction: [L, B, I] to [L, B, H], and its last state."""
    # By name: a hook may have put a computed tensor in the place of a parameter.
    input_weight, weight = (getattr(layer, name + suffix) for name in ("weight_ih", "weight_hh"))
    input_bias, bias, projection = (
        getattr(layer, name + suffix, None) for name in ("bias_ih", "bias_hh", "weight_hr")
    )
    inputs = _product(x, input_weight, input_bias, products, probes)
    order = range(x.shape[0] - 1, -1, -1) if suffix.endswith("reverse") else range(x.shape[0])
    outputs: list[Tensor] = []
    for index in order:
        recurrent = _product(state[0], weight, bias, products, probes)
        state = step(inputs[index], recurrent, state)
        if projection is not None:
            state = (approx_linear(state[0], projection, products, probes), *state[1:])
        outputs.append(state[0])
    return torch.stack(outputs[::-1] if suffix.endswith("reverse") else outputs), state
