"""LSTM: a memory with an input, a forget and an output gate."""

from __future__ import annotations

from typing import Any

from tahr import ops, recurrent
from tahr.keras import initializers
from tahr.keras.layers.rnn.weights import CellLayer, WeightedCell, kernel_name

_ARGUMENTS = (
    *("units", "activation", "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer"),
    *("bias_initializer", "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer"),
    *("kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout"),
)


class LSTMCell(WeightedCell):
    """One step of `LSTM`.

    Args:
        units: size of the output.
        activation: activation function or its name, of candidate and cell; None for none.
        recurrent_activation: activation function or its name, of the gates; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel, of shape (features, 4 units).
        recurrent_initializer: initializer of the recurrent kernel, of shape (units, 4 units).
        bias_initializer: initializer of the bias, of shape (4 units,).
        unit_forget_bias: whether the forget gate's bias starts at one.
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
    >>> cell = keras.layers.LSTMCell(2)
    >>> output, (h, c) = cell(np.ones((3, 4)), cell.get_initial_state(batch_size=3))
    >>> output.shape, h.shape, c.shape
    ((3, 2), (3, 2), (3, 2))
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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
        implementation = kwargs.pop("implementation", 2)
        super().__init__(units, locals(), dropout, recurrent_dropout, seed, kwargs)
        self.implementation = 1 if self.recurrent_dropout else implementation
        if self.implementation == 1:
            self.dropout_mask_count = 4
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [self.units, self.units]

    def _bias(self) -> Any:
        shape, initializer = super()._bias()
        if not self.unit_forget_bias:
            return shape, initializer
        n = self.units

        def with_open_forget_gate(_: Any, dtype: Any = None) -> Any:
            ones = initializers.get("ones")((n,), dtype=dtype)
            return ops.concatenate([initializer((n,), dtype=dtype), ones, initializer((2 * n,), dtype=dtype)])

        return shape, with_open_forget_gate

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros, (batch_size, units) each."""
        return [ops.zeros((batch_size, d), dtype=self.compute_dtype) for d in self.state_size]

    def _apart(self, inputs: Any, h: Any, training: bool) -> list[Any]:
        """The gates before their activation, with dropout masks of their own."""
        drops, drops_state = self._active(training)
        inputs = [ops.multiply(inputs, m) for m in self.get_dropout_mask(inputs)] if drops else [inputs] * 4
        h = [ops.multiply(h, m) for m in self.get_recurrent_dropout_mask(h)] if drops_state else [h] * 4
        kernels = ops.split(ops.convert_to_tensor(self.kernel), 4, axis=1)
        recurrents = ops.split(ops.convert_to_tensor(self.recurrent_kernel), 4, axis=1)
        z = [ops.add(ops.matmul(x, k), ops.matmul(s, r)) for x, k, s, r in zip(inputs, kernels, h, recurrents)]
        if self.bias is not None:
            z = [ops.add(a, b) for a, b in zip(z, ops.split(ops.convert_to_tensor(self.bias), 4, axis=0))]
        return z

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """(output, new states) for one step: `inputs` (batch, features), `states` [h, c], (batch, units) each."""
        h, c = states
        drops, drops_state = self._active(training)
        if self.implementation == 1 and (drops or drops_state):
            z = self._apart(inputs, h, training)
        else:
            if drops:
                inputs = ops.multiply(inputs, self.get_dropout_mask(inputs))
            joint = ops.add(ops.matmul(inputs, self.kernel), ops.matmul(h, self.recurrent_kernel))
            if self.bias is not None:
                joint = ops.add(joint, self.bias)
            z = ops.split(joint, 4, axis=1)
        gate, f = self.recurrent_activation, self.activation
        c = ops.add(ops.multiply(gate(z[1]), c), ops.multiply(gate(z[0]), f(z[2])))
        h = ops.multiply(gate(z[3]), f(c))
        return h, [h, c]

    def cell_config(self) -> dict[str, Any]:
        """The cell's own arguments."""
        return {**super().cell_config(), "unit_forget_bias": self.unit_forget_bias}


class LSTM(CellLayer):
    """Long short-term memory: gates decide what enters the memory, what stays in it, and what of it shows.

    Args:
        units: size of the output.
        activation: activation function or its name, of candidate and cell; None for none.
        recurrent_activation: activation function or its name, of the gates; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel, of shape (features, 4 units).
        recurrent_initializer: initializer of the recurrent kernel, of shape (units, 4 units).
        bias_initializer: initializer of the bias, of shape (4 units,).
        unit_forget_bias: whether the forget gate's bias starts at one.
        kernel_regularizer: regularizer of the kernel.
        recurrent_regularizer: regularizer of the recurrent kernel.
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel.
        recurrent_constraint: constraint of the recurrent kernel.
        bias_constraint: constraint of the bias.
        dropout: part of the inputs to drop while training, the same ones at every step.
        recurrent_dropout: part of the state to drop while training, the same at every step.
        seed: integer from which the dropout's random numbers start.
        return_sequences: whether to return the outputs of all steps, not the last alone.
        return_state: whether to return the last state, too.
        go_backwards: whether to run from the last step to the first.
        stateful: whether a batch starts from the last state of the batch before.
        unroll: accepted; the whole sequence is one op either way.
        use_cudnn: 'auto' or False; True is an error on a CPU.

    Shapes: (batch, steps, features) to (batch, units), or (batch, steps, units) with `return_sequences`. The states are
    h and c, (batch, units) each.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.LSTM(4)(np.ones((2, 3, 5))).shape
    (2, 4)
    """

    _cell_arguments = _ARGUMENTS

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _ARGUMENTS}
        cell = LSTMCell(
            **given,
            seed=seed,
            implementation=kwargs.pop("implementation", 2),
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
        )
        flags = {
            "return_sequences": return_sequences,
            "return_state": return_state,
            "go_backwards": go_backwards,
            "stateful": stateful,
            "unroll": unroll,
            "activity_regularizer": activity_regularizer,
        }
        super().__init__(cell, flags, use_cudnn, kwargs)

    def _run(self, sequences: Any, initial_state: Any, mask: Any) -> Any:
        cell = self.cell
        h, c = (None, None) if initial_state is None else initial_state
        return recurrent.lstm(
            sequences,
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            h,
            c,
            mask,
            activation=kernel_name(cell.activation),
            recurrent_activation=kernel_name(cell.recurrent_activation),
            go_backwards=self.go_backwards,
        )
