"""SimpleRNN: the output fed back as an input."""

from __future__ import annotations

from typing import Any

from tahr import ops, recurrent
from tahr.keras.layers.rnn.weights import CellLayer, WeightedCell, kernel_name

_ARGUMENTS = (
    *("units", "activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer"),
    *("kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint"),
    *("recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout"),
)


class SimpleRNNCell(WeightedCell):
    """One step of `SimpleRNN`: `activation(inputs @ kernel + state @ recurrent_kernel + bias)`.

    Args:
        units: size of the state and of the output.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel, of shape (features, units).
        recurrent_initializer: initializer of the recurrent kernel, of shape (units, units).
        bias_initializer: initializer of the bias, of shape (units,).
        kernel_regularizer: regularizer of the kernel.
        recurrent_regularizer: regularizer of the recurrent kernel.
        bias_regularizer: regularizer of the bias.
        kernel_constraint: constraint of the kernel.
        recurrent_constraint: constraint of the recurrent kernel.
        bias_constraint: constraint of the bias.
        dropout: part of the inputs to drop while training, the same ones at every step.
        recurrent_dropout: part of the state to drop while training, the same at every step.
        seed: integer from which the dropout's random numbers start.

    Raises:
        ValueError: if `units` is not a positive integer.

    >>> import numpy as np
    >>> from tahr import keras
    >>> cell = keras.layers.SimpleRNNCell(2)
    >>> output, states = cell(np.ones((3, 4)), cell.get_initial_state(batch_size=3))
    >>> output.shape, len(states)
    ((3, 2), 1)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, locals(), dropout, recurrent_dropout, seed, kwargs)

    def call(self, sequence: Any, states: Any, training: bool = False) -> Any:
        """(output, new states) for one step: `sequence` (batch, features), `states` [(batch, units)]."""
        nested = isinstance(states, (list, tuple))
        h = states[0] if nested else states
        drops, drops_state = self._active(training)
        if drops:
            sequence = ops.multiply(sequence, self.get_dropout_mask(sequence))
        if drops_state:
            h = ops.multiply(h, self.get_recurrent_dropout_mask(h))
        z = ops.matmul(sequence, self.kernel)
        if self.bias is not None:
            z = ops.add(z, self.bias)
        output = self.activation(ops.add(z, ops.matmul(h, self.recurrent_kernel)))
        return output, [output] if nested else output


class SimpleRNN(CellLayer):
    """A recurrent layer whose state is its last output: `h = activation(x @ kernel + h @ recurrent_kernel + bias)`.

    Args:
        units: size of the output.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel, of shape (features, units).
        recurrent_initializer: initializer of the recurrent kernel, of shape (units, units).
        bias_initializer: initializer of the bias, of shape (units,).
        kernel_regularizer: regularizer of the kernel.
        recurrent_regularizer: regularizer of the recurrent kernel.
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel.
        recurrent_constraint: constraint of the recurrent kernel.
        bias_constraint: constraint of the bias.
        dropout: part of the inputs to drop while training, the same ones at every step.
        recurrent_dropout: part of the state to drop while training, the same at every step.
        return_sequences: whether to return the outputs of all steps, not the last alone.
        return_state: whether to return the last state, too.
        go_backwards: whether to run from the last step to the first.
        stateful: whether a batch starts from the last state of the batch before.
        unroll: accepted; the whole sequence is one op either way.
        seed: integer from which the dropout's random numbers start.

    Shapes: (batch, steps, features) to (batch, units), or (batch, steps, units) with `return_sequences`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.SimpleRNN(4)(np.ones((2, 3, 5))).shape
    (2, 4)
    """

    _cell_arguments = _ARGUMENTS

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _ARGUMENTS}
        cell = SimpleRNNCell(
            **given,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="simple_rnn_cell",
        )
        flags = {
            "return_sequences": return_sequences,
            "return_state": return_state,
            "go_backwards": go_backwards,
            "stateful": stateful,
            "unroll": unroll,
            "activity_regularizer": activity_regularizer,
        }
        super().__init__(cell, flags, None, kwargs)

    def _run(self, sequences: Any, initial_state: Any, mask: Any) -> Any:
        cell = self.cell
        return recurrent.simple_rnn(
            sequences,
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            None if initial_state is None else initial_state[0],
            mask,
            activation=kernel_name(cell.activation),
            go_backwards=self.go_backwards,
        )
