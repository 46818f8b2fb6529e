"""Dense: a matrix product, a bias and an activation."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import activations, constraints, initializers, regularizers
from tahr.keras.layers.core.quantized_kernel import QuantizedKernel
from tahr.keras.layers.input_spec import InputSpec


class Dense(QuantizedKernel):
    """`activation(inputs @ kernel + bias)` along the last axis.

    Args:
        units: number of outputs, at least 1.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel, of shape (inputs, units).
        bias_initializer: initializer of the bias, of shape (units,).
        kernel_regularizer: regularizer of the kernel.
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel.
        bias_constraint: constraint of the bias.
        lora_rank: train a matrix product of this rank that is added to the kernel, instead of the kernel.
        lora_alpha: weight of that product times `lora_rank`; `lora_rank` if None.
        quantization_config: a `keras.quantizers.QuantizationConfig` for a layer whose `dtype` is quantized from the start.

    Shapes: (batch, ..., inputs) to (batch, ..., units).

    Raises:
        ValueError: if `units` is not a positive integer; in a call, if the last axis has another size than when the
            layer was built.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.Dense(2, kernel_initializer="ones")
    >>> layer(np.array([[4.0, 0.5, -2.0]])).numpy()
    array([[2.5, 2.5]], dtype=float32)
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(units, bool) or not hasattr(units, "__index__") or int(units) <= 0:
            raise ValueError(
                f"[Dense] expected units to be a positive integer, received units={units!r}. "
                f"Expected a positive integer, got {units!r}."
            )
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.quantization_config = quantization_config
        self._take_rank(lora_rank, lora_alpha)
        self.bias: Any = None
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Creates kernel and bias for inputs of this shape."""
        width = input_shape[-1]
        if width is None:
            raise ValueError(
                f"[{self.name}] expected a known size of the last axis, received shape {tuple(input_shape)}. "
                "Give the size in keras.Input(shape=...)."
            )
        self._build_kernel((width, self.units), self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: width})
        self._built_kernel()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The outputs for `inputs`."""
        return self._finish(ops.matmul(inputs, self.kernel))

    def _multiply(self, inputs: Any, kernel: Any) -> Any:
        return ops.matmul(inputs, kernel)

    def _multiply_back(self, upstream: Any, kernel: Any) -> Any:
        return ops.matmul(upstream, ops.transpose(kernel))

    def _summed_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (-1,), (0,)

    def _kernel_scale_shape(self, kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
        return kernel_shape[1:]

    def _kernel_scale_at_outputs(self, scale: Any) -> Any:
        return ops.squeeze(scale, axis=0)

    def _kernel_scale_at_kernel(self, scale: Any) -> Any:
        return scale

    def _inputs_scale_at_outputs(self, scale: Any) -> Any:
        return scale

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`input_shape` with `units` as its last size."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            **self._quantization_arguments(),
            **self._rank_config(),
        }
