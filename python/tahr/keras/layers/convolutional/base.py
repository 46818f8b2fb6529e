"""What the convolution layers share: arguments, bias and activation, and how they describe themselves."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import activations, constraints, initializers, regularizers
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.spatial import int_tuple, padding_name, spatial_sizes, windows, with_spatial_sizes


class ConvolutionBase(Layer):
    """A convolution of some kind along `rank` axes, then a bias and an activation.

    Subclasses create their kernels in `build` (and call `_build_bias`), and run their op in `call` (and return
    `_finish` of its result).
    """

    def __init__(
        self,
        rank: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        bias_constraint: Any,
        causal: bool = False,
        one_spread: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.rank = rank
        self.kernel_size = int_tuple(kernel_size, rank, "kernel_size", kind)
        self.strides = int_tuple(strides, rank, "strides", kind)
        self.dilation_rate = int_tuple(dilation_rate, rank, "dilation_rate", kind)
        self.padding = padding_name(padding, kind, causal)
        self.data_format = standardize_data_format(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.bias_constraint = constraints.get(bias_constraint)
        self.bias: Any = None
        self.input_spec = InputSpec(min_ndim=rank + 2)
        if one_spread and max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"[{kind}] `strides > 1` is not compatible with `dilation_rate > 1`, received strides={self.strides} and "
                f"dilation_rate={self.dilation_rate}."
            )

    def _check_count(self, value: Any, what: str) -> None:
        if value is not None and value <= 0:
            raise ValueError(f"[{type(self).__name__}] expected {what} to be positive, received {what}={value}.")

    def _take_channels(self, input_shape: Any) -> int:
        """The channels of inputs of this shape, which from now on are demanded."""
        axis = -1 if self.data_format == "channels_last" else 1
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                f"[{self.name}] expected a known number of channels, received shape {tuple(input_shape)}. "
                "Give it in keras.Input(shape=...)."
            )
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={axis: channels})
        return channels

    def _build_bias(self, size: int) -> None:
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(size,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _finish(self, outputs: Any) -> Any:
        """Bias and activation."""
        if self.bias is not None:
            if self.data_format == "channels_last":
                outputs = ops.add(outputs, self.bias)
            else:
                outputs = ops.add(outputs, ops.reshape(self.bias, (1, -1, *(1,) * self.rank)))
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def _window_shape(self, input_shape: Any, channels: int | None) -> tuple[int | None, ...]:
        sizes = spatial_sizes(input_shape, self.data_format)
        counts = [
            windows(n, k, s, self.padding, d, self.name)
            for n, k, s, d in zip(sizes, self.kernel_size, self.strides, self.dilation_rate)
        ]
        return with_spatial_sizes(input_shape, counts, channels, self.data_format)

    def _kernel_config(self, name: str) -> dict[str, Any]:
        """How the initializer, regularizer and constraint of a kernel are written."""
        return {
            f"{name}_initializer": initializers.serialize(getattr(self, f"{name}_initializer")),
            f"{name}_regularizer": regularizers.serialize(getattr(self, f"{name}_regularizer")),
            f"{name}_constraint": constraints.serialize(getattr(self, f"{name}_constraint")),
        }

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            **self._kernel_config("bias"),
        }
