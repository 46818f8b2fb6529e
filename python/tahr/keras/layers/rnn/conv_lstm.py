"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D: an LSTM whose products are convolutions."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.rnn.loop import run_steps
from tahr.keras.layers.rnn.lstm import LSTMCell
from tahr.keras.layers.rnn.weights import CellLayer
from tahr.keras.layers.spatial import int_tuple, padding_name, spatial_sizes, windows, with_spatial_sizes

_OWN = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate")
_SHARED = (
    *("activation", "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer"),
    *("bias_initializer", "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer"),
    *("kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout"),
)


class ConvLSTMCell(LSTMCell):
    """One step of `ConvLSTM1D` and its relatives; arguments as there."""

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        kind = type(self).__name__
        super().__init__(filters, **kwargs)
        self.rank = rank
        self.filters = self.units
        self.kernel_size = int_tuple(kernel_size, rank, "kernel_size", kind)
        self.strides = int_tuple(strides, rank, "strides", kind)
        self.padding = padding_name(padding, kind)
        self.data_format = standardize_data_format(data_format)
        self.dilation_rate = int_tuple(dilation_rate, rank, "dilation_rate", kind)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"[{kind}] `strides > 1` is not compatible with `dilation_rate > 1`, received strides={self.strides} and "
                f"dilation_rate={self.dilation_rate}."
            )
        self.implementation = 1
        self.dropout_mask_count = 4
        self.input_spec = InputSpec(ndim=rank + 2)
        self.state_size = -1  # has no single size: get_initial_state() knows its shape
        self._step_shape: Any = None

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        """Creates the weights for steps of this shape, (batch, ..., channels)."""
        channels = inputs_shape[-1 if self.data_format == "channels_last" else 1]
        if channels is None or None in spatial_sizes(inputs_shape, self.data_format):
            raise ValueError(
                f"[{self.name}] expected known sizes of all axes but batch and time, received steps of shape "
                f"{tuple(inputs_shape)}. Give them in keras.Input(shape=...)."
            )
        object.__setattr__(self, "_step_shape", tuple(inputs_shape))
        for name, short, rows in (
            ("kernel", "kernel", channels),
            ("recurrent_kernel", "recurrent", self.filters),
        ):
            weight = self.add_weight(
                name=name,
                shape=(*self.kernel_size, rows, 4 * self.filters),
                initializer=getattr(self, f"{short}_initializer"),
                regularizer=getattr(self, f"{short}_regularizer"),
                constraint=getattr(self, f"{short}_constraint"),
            )
            setattr(self, name, weight)
        self._add_bias()

    def compute_output_shape(self, inputs_shape: Any, states_shape: Any = None) -> Any:
        """Shapes of the output and of the two states, for steps of this shape."""
        sizes = [
            windows(size, window, stride, self.padding, dilation, type(self).__name__)
            for size, window, stride, dilation in zip(
                spatial_sizes(inputs_shape, self.data_format), self.kernel_size, self.strides, self.dilation_rate
            )
        ]
        shape = with_spatial_sizes(inputs_shape, sizes, self.filters, self.data_format)
        return shape, [shape, shape]

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros of the shape of the output, twice."""
        shape = self.compute_output_shape((batch_size, *self._step_shape[1:]))[0]
        return [ops.zeros(shape, dtype=self.compute_dtype) for _ in range(2)]

    def _split(self, x: Any) -> list[Any]:
        return ops.split(x, 4, axis=-1 if self.data_format == "channels_last" else 1)

    def from_inputs(self, inputs: Any, kernel: Any, bias: Any) -> Any:
        """The convolution of inputs, and the bias."""
        z = ops.conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        if bias is None:
            return z
        last = self.data_format == "channels_last"
        return ops.add(z, bias if last else ops.reshape(bias, (-1, *(1 for _ in range(self.rank)))))

    def from_state(self, h: Any, kernel: Any) -> Any:
        """The convolution of a state, which keeps its size."""
        return ops.conv(h, kernel, strides=1, padding="same", data_format=self.data_format)

    def step(self, z: list[Any], states: Any) -> Any:
        """(output, new states), given the gates before their activation."""
        gate, f = self.recurrent_activation, self.activation
        c = ops.add(ops.multiply(gate(z[1]), states[1]), ops.multiply(gate(z[0]), f(z[2])))
        h = ops.multiply(gate(z[3]), f(c))
        return h, [h, c]

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """(output, new states) for one step: `inputs` (batch, ..., channels), `states` [h, c]."""
        drops, drops_state = self._active(training)
        if not drops:
            x = self._split(self.from_inputs(inputs, self.kernel, self.bias))
        else:
            kernels = ops.split(ops.convert_to_tensor(self.kernel), 4, axis=-1)
            biases = [None] * 4 if self.bias is None else ops.split(ops.convert_to_tensor(self.bias), 4, axis=0)
            masks = self.get_dropout_mask(inputs)
            x = [self.from_inputs(ops.multiply(inputs, m), k, b) for m, k, b in zip(masks, kernels, biases)]
        if not drops_state:
            y = self._split(self.from_state(states[0], self.recurrent_kernel))
        else:
            kernels = ops.split(ops.convert_to_tensor(self.recurrent_kernel), 4, axis=-1)
            masks = self.get_recurrent_dropout_mask(states[0])
            y = [self.from_state(ops.multiply(states[0], m), k) for m, k in zip(masks, kernels)]
        return self.step([ops.add(a, b) for a, b in zip(x, y)], states)

    def cell_config(self) -> dict[str, Any]:
        """The cell's own arguments."""
        config = super().cell_config()
        del config["units"]
        return {**{name: getattr(self, name) for name in _OWN}, **config}

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell."""
        return {**super().get_config(), "rank": self.rank}


class ConvLSTM(CellLayer):
    """What ConvLSTM1D, ConvLSTM2D and ConvLSTM3D share; `rank` is the number of spatial axes.

    Args:
        filters: number of channels of the output.
        kernel_size: size of the window, an integer or one per spatial axis.
        strides: steps between windows, likewise.
        padding: 'valid' (windows inside the input only) or 'same' (as many windows as places).
        data_format: 'channels_last' or 'channels_first'; None for the configured one.
        dilation_rate: distance between the places that a window covers.
        activation: activation function or its name, of candidate and cell; None for none.
        recurrent_activation: activation function or its name, of the gates; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel, of shape (*kernel_size, channels, 4 filters).
        recurrent_initializer: initializer of the recurrent kernel, of shape (*kernel_size, filters, 4 filters).
        bias_initializer: initializer of the bias, of shape (4 filters,).
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

    Shapes: (batch, steps, ..., channels) to (batch, ..., filters), or (batch, steps, ..., filters) with
    `return_sequences`.

    Source: Shi et al., "Convolutional LSTM Network", 2015.
    """

    rank = 0
    _cell_arguments = (*_OWN, *_SHARED)

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        **kwargs: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in self._cell_arguments}
        cell = ConvLSTMCell(self.rank, **given, seed=seed, dtype=kwargs.get("dtype"), name="conv_lstm_cell")
        flags = {
            "return_sequences": return_sequences,
            "return_state": return_state,
            "go_backwards": go_backwards,
            "stateful": stateful,
            "activity_regularizer": activity_regularizer,
        }
        super().__init__(cell, flags, "auto", kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Shape of the output, and of the states with `return_state`."""
        batch, steps = sequences_shape[0], sequences_shape[1]
        state = self.cell.compute_output_shape((batch, *sequences_shape[2:]))[0]
        output = (batch, steps, *state[1:]) if self.return_sequences else state
        return (output, state, state) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """The mask of the outputs: that of the inputs if there is an output for each step."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        kept = mask if self.return_sequences else None
        return [kept, None, None] if self.return_state else kept

    def _fuses(self, training: Any) -> bool:
        return False

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """(last output, outputs, states) of the whole sequence."""
        cell = self.cell
        if any(cell._active(training)):
            return super().inner_loop(sequences, initial_state, mask, training=training)
        # The inputs of all steps are convolved at once.
        batch, steps = sequences.shape[0], sequences.shape[1]
        rows = -1 if batch is None else batch * steps
        z = cell.from_inputs(ops.reshape(sequences, (rows, *sequences.shape[2:])), cell.kernel, cell.bias)
        z = ops.reshape(z, (-1 if batch is None else batch, steps, *z.shape[1:]))
        kernel = ops.convert_to_tensor(cell.recurrent_kernel)

        def step(x: Any, states: Any) -> Any:
            return cell.step(cell._split(ops.add(x, cell.from_state(states[0], kernel))), states)

        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        return run_steps(
            step,
            z,
            initial_state,
            mask=mask,
            go_backwards=self.go_backwards,
            unroll=self.unroll,
            zero_output_for_mask=self.zero_output_for_mask,
        )


class ConvLSTM1D(ConvLSTM):
    __doc__ = (
        (ConvLSTM.__doc__ or "").replace(
            "What ConvLSTM1D, ConvLSTM2D and ConvLSTM3D share; `rank` is the number of spatial axes.",
            "A long short-term memory over sequences of rows, with convolutions for products.",
        )
        + """
    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ConvLSTM1D(4, 3)(np.ones((2, 5, 8, 3))).shape
    (2, 6, 4)
    """
    )
    rank = 1


class ConvLSTM2D(ConvLSTM):
    __doc__ = (
        (ConvLSTM.__doc__ or "").replace(
            "What ConvLSTM1D, ConvLSTM2D and ConvLSTM3D share; `rank` is the number of spatial axes.",
            "A long short-term memory over sequences of pictures, with convolutions for products.",
        )
        + """
    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ConvLSTM2D(4, 3, padding="same")(np.ones((2, 5, 8, 8, 3))).shape
    (2, 8, 8, 4)
    """
    )
    rank = 2


class ConvLSTM3D(ConvLSTM):
    __doc__ = (
        (ConvLSTM.__doc__ or "").replace(
            "What ConvLSTM1D, ConvLSTM2D and ConvLSTM3D share; `rank` is the number of spatial axes.",
            "A long short-term memory over sequences of volumes, with convolutions for products.",
        )
        + """
    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ConvLSTM3D(2, 3)(np.ones((1, 2, 4, 4, 4, 3))).shape
    (1, 2, 2, 2, 2)
    """
    )
    rank = 3
