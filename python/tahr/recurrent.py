"""Recurrent layers over whole sequences, each one fused op with a fused gradient.

`keras.layers.LSTM` and its relatives are made of these; activations are names that the ops know (`ACTIVATIONS`). What
may not live here: anything about layers, dropout or other activations.
"""

from __future__ import annotations

from typing import Any

from tahr import _C
from tahr.tensor import Tensor

ACTIVATIONS = ("linear", "tanh", "sigmoid", "relu", "hard_sigmoid")


def simple_rnn(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    activation: str = "tanh",
    go_backwards: bool = False,
) -> tuple[Tensor, ...]:
    """``h = activation(x @ kernel + h @ recurrent_kernel + bias)`` for each step of a sequence.

    Args:
        x: (batch, steps, features).
        kernel: (features, units).
        recurrent_kernel: (units, units).
        bias: (units,), or None.
        initial_state: (batch, units), or None for zeros.
        mask: bool (batch, steps); a row keeps its state where it is False.
        activation: one of `ACTIVATIONS`.
        go_backwards: whether to run from the last step to the first.

    Returns:
        The states after each step, (batch, steps, units), in the order in which they were computed, and the last one.

    Raises:
        ValueError: for shapes that do not fit.

    >>> import tahr
    >>> ys, last = tahr.recurrent.simple_rnn(tahr.ones((1, 3, 1)), [[1.0]], [[1.0]], activation="linear")
    >>> ys.numpy().ravel().tolist(), last.numpy().tolist()
    ([1.0, 2.0, 3.0], [[3.0]])
    """
    return tuple(
        _C.ops.simple_rnn(
            x, kernel, recurrent_kernel, bias, initial_state, mask, activation=activation, go_backwards=go_backwards
        )[:2]
    )


def lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_h: Any = None,
    initial_c: Any = None,
    mask: Any = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    go_backwards: bool = False,
) -> tuple[Tensor, ...]:
    """A long short-term memory run over a sequence.

    Args:
        x: (batch, steps, features).
        kernel: (features, 4 units): input, forget, candidate and output gates side by side.
        recurrent_kernel: (units, 4 units).
        bias: (4 units,), or None.
        initial_h: (batch, units), or None for zeros.
        initial_c: (batch, units), or None for zeros.
        mask: bool (batch, steps); a row keeps its state where it is False.
        activation: one of `ACTIVATIONS`, of the candidate and of the cell.
        recurrent_activation: one of `ACTIVATIONS`, of the gates.
        go_backwards: whether to run from the last step to the first.

    Returns:
        h after each step, (batch, steps, units), in the order in which they were computed; the last h; the last c.

    Raises:
        ValueError: for shapes that do not fit.

    >>> import tahr
    >>> ys, h, c = tahr.recurrent.lstm(tahr.ones((2, 3, 4)), tahr.zeros((4, 20)), tahr.zeros((5, 20)))
    >>> ys.shape, h.shape, c.shape
    ((2, 3, 5), (2, 5), (2, 5))
    """
    return tuple(
        _C.ops.lstm(
            x,
            kernel,
            recurrent_kernel,
            bias,
            initial_h,
            initial_c,
            mask,
            activation=activation,
            recurrent_activation=recurrent_activation,
            go_backwards=go_backwards,
        )[:3]
    )


def gru(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
    go_backwards: bool = False,
) -> tuple[Tensor, ...]:
    """A gated recurrent unit run over a sequence.

    Args:
        x: (batch, steps, features).
        kernel: (features, 3 units): update, reset and candidate gates side by side.
        recurrent_kernel: (units, 3 units).
        bias: (2, 3 units), for the input and for the recurrent product, if `reset_after`; else (3 units,); or None.
        initial_state: (batch, units), or None for zeros.
        mask: bool (batch, steps); a row keeps its state where it is False.
        activation: one of `ACTIVATIONS`, of the candidate.
        recurrent_activation: one of `ACTIVATIONS`, of the gates.
        reset_after: whether the reset gate is applied after the recurrent product.
        go_backwards: whether to run from the last step to the first.

    Returns:
        The states after each step, (batch, steps, units), in the order in which they were computed, and the last one.

    Raises:
        ValueError: for shapes that do not fit.

    >>> import tahr
    >>> ys, last = tahr.recurrent.gru(tahr.ones((2, 3, 4)), tahr.zeros((4, 15)), tahr.zeros((5, 15)))
    >>> ys.shape, last.shape
    ((2, 3, 5), (2, 5))
    """
    return tuple(
        _C.ops.gru(
            x,
            kernel,
            recurrent_kernel,
            bias,
            initial_state,
            mask,
            activation=activation,
            recurrent_activation=recurrent_activation,
            reset_after=reset_after,
            go_backwards=go_backwards,
        )[:2]
    )
