"""GRU: a state with an update and a reset gate."""

from __future__ import annotations

from typing import Any

from tahr import ops, recurrent
from tahr.keras.layers.rnn.weights import CellLayer, WeightedCell, kernel_name

_ARGUMENTS = (
    *("units", "activation", "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer"),
    *("bias_initializer", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint"),
    *("recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout", "reset_after"),
)


class GRUCell(WeightedCell):
    """One step of `GRU`.

    Args:
        units: size of the output.
        activation: activation function or its name, of the candidate; None for none.
        recurrent_activation: activation function or its name, of the gates; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel, of shape (features, 3 units).
        recurrent_initializer: initializer of the recurrent kernel, of shape (units, 3 units).
        bias_initializer: initializer of the bias, of shape (2, 3 units), or (3 units,) without `reset_after`.
        kernel_regularizer: regularizer of the kernel.
        recurrent_regularizer: regularizer of the recurrent kernel.
        bias_regularizer: regularizer of the bias.
        kernel_constraint: constraint of the kernel.
        recurrent_constraint: constraint of the recurrent kernel.
        bias_constraint: constraint of the bias.
        dropout: part of the inputs to drop while training, the same ones at every step.
        recurrent_dropout: part of the state to drop while training, the same at every step.
        reset_after: whether the reset gate is applied after the recurrent product, which then has its own bias.
        seed: integer from which the dropout's random numbers start.

    Raises:
        ValueError: if `units` is not a positive integer.

    >>> import numpy as np
    >>> from tahr import keras
    >>> cell = keras.layers.GRUCell(2)
    >>> output, states = cell(np.ones((3, 4)), cell.get_initial_state(batch_size=3))
    >>> output.shape, len(states)
    ((3, 2), 1)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        super().__init__(units, locals(), dropout, recurrent_dropout, seed, kwargs)
        self.implementation = 1 if self.recurrent_dropout else implementation
        if self.implementation == 1:
            self.dropout_mask_count = 3
        self.reset_after = reset_after

    def _bias(self) -> Any:
        shape, initializer = super()._bias()
        return ((2, *shape) if self.reset_after else shape), initializer

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """(output, new states) for one step: `inputs` (batch, features), `states` [(batch, units)]."""
        nested = isinstance(states, (list, tuple))
        h = states[0] if nested else states
        drops, drops_state = self._active(training)
        apart = self.implementation == 1
        xs, hs = [inputs] * 3, [h] * 3
        if drops:
            masks = self.get_dropout_mask(inputs)
            xs = [ops.multiply(inputs, m) for m in (masks if apart else [masks] * 3)]
        if drops_state:
            hs = [ops.multiply(h, m) for m in self.get_recurrent_dropout_mask(h)]
        kernels = ops.split(ops.convert_to_tensor(self.kernel), 3, axis=1)
        recurrents = ops.split(ops.convert_to_tensor(self.recurrent_kernel), 3, axis=1)
        x = [ops.matmul(a, k) for a, k in zip(xs, kernels)]
        inner_bias: list[Any] = [None] * 3
        if self.bias is not None:
            bias = ops.convert_to_tensor(self.bias)
            outer = ops.split(bias[0] if self.reset_after else bias, 3, axis=0)
            x = [ops.add(a, b) for a, b in zip(x, outer)]
            if self.reset_after:
                inner_bias = ops.split(bias[1], 3, axis=0)

        def inner(i: int, state: Any) -> Any:
            y = ops.matmul(state, recurrents[i])
            return y if inner_bias[i] is None else ops.add(y, inner_bias[i])

        z = self.recurrent_activation(ops.add(x[0], inner(0, hs[0])))
        r = self.recurrent_activation(ops.add(x[1], inner(1, hs[1])))
        part = ops.multiply(r, inner(2, hs[2])) if self.reset_after else inner(2, ops.multiply(r, hs[2]))
        fresh = self.activation(ops.add(x[2], part))
        new = ops.add(ops.multiply(z, h), ops.multiply(ops.subtract(1, z), fresh))
        return new, [new] if nested else new

    def cell_config(self) -> dict[str, Any]:
        """The cell's own arguments."""
        return {**super().cell_config(), "reset_after": self.reset_after}


class GRU(CellLayer):
    """Gated recurrent unit: one gate decides how much of the state is renewed, another how much of it is heard.

    Args:
        units: size of the output.
        activation: activation function or its name, of the candidate; None for none.
        recurrent_activation: activation function or its name, of the gates; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel, of shape (features, 3 units).
        recurrent_initializer: initializer of the recurrent kernel, of shape (units, 3 units).
        bias_initializer: initializer of the bias, of shape (2, 3 units), or (3 units,) without `reset_after`.
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
        reset_after: whether the reset gate is applied after the recurrent product, which then has its own bias.
        use_cudnn: 'auto' or False; True is an error on a CPU.

    Shapes: (batch, steps, features) to (batch, units), or (batch, steps, units) with `return_sequences`.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.GRU(4)(np.ones((2, 3, 5))).shape
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
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _ARGUMENTS}
        cell = GRUCell(
            **given,
            seed=seed,
            implementation=kwargs.pop("implementation", 2),
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
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
        return recurrent.gru(
            sequences,
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            None if initial_state is None else initial_state[0],
            mask,
            activation=kernel_name(cell.activation),
            recurrent_activation=kernel_name(cell.recurrent_activation),
            reset_after=cell.reset_after,
            go_backwards=self.go_backwards,
        )
