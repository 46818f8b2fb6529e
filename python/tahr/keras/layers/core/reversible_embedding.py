"""ReversibleEmbedding: an embedding that also turns vectors back into scores of integers."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import quantizers
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.backend.masking import set_keras_mask
from tahr.keras.layers.core.embedding import Embedding
from tahr.keras.layers.core.quantized_table import quantize_rows
from tahr.keras.quantizers.absmax import dequantize_groups
from tahr.keras.quantizers.configs import QuantizationConfig


class ReversibleEmbedding(Embedding):
    """An `Embedding` which, called with `reverse=True`, gives each vector's products with the rows of the table.

    Args:
        input_dim: number of rows of the table: one more than the largest integer.
        output_dim: length of the vectors.
        tie_weights: whether both directions use one table; otherwise the way back has one of its own.
        embeddings_initializer: initializer of the tables.
        embeddings_regularizer: regularizer of the table.
        embeddings_constraint: constraint of the table.
        mask_zero: whether 0 stands for padding, which layers that heed masks leave out.
        reverse_dtype: dtype in which the way back is computed; that of the inputs if None.
        logit_soft_cap: scores become `cap * tanh(scores / cap)`; None for as they are.

    Shapes: integers (...) to (..., output_dim); with `reverse=True`, (..., output_dim) to (..., input_dim).

    Source: Press and Wolf, "Using the output embedding to improve language models", 2016.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.ReversibleEmbedding(10, 3)
    >>> layer(np.array([[4, 1, 0]])).shape, layer(np.ones((1, 3, 3)), reverse=True).shape
    ((1, 3, 3), (1, 3, 10))
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: Any = None) -> None:
        """Creates the tables."""
        if self.built:
            return
        super().build(input_shape)
        if not self.tie_weights and self.quantization_mode is None:
            self._tracker.unlock()  # a low-rank adaptation from the start has locked it
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """The rows of the table for integers, or the scores of integers for vectors."""
        if not reverse:
            outputs = super().call(inputs)
            mask = super().compute_mask(inputs, None)
            if mask is not None:
                set_keras_mask(outputs, mask)
            return outputs
        kernel = ops.transpose(self.embeddings) if self.tie_weights else self.reverse_embeddings
        if self.reverse_dtype is not None:
            inputs, kernel = ops.cast(inputs, self.reverse_dtype), ops.cast(kernel, self.reverse_dtype)
        return self._capped(ops.matmul(inputs, kernel))

    def _capped(self, scores: Any) -> Any:
        if self.logit_soft_cap is not None:
            scores = ops.multiply(ops.tanh(ops.divide(scores, self.logit_soft_cap)), self.logit_soft_cap)
        return scores

    @property
    def variable_serialization_spec(self) -> dict[str | None, list[str]]:
        """Which weights files hold, in their order, per quantization mode. Those that a layer lacks are left out."""
        spec = super().variable_serialization_spec
        if self.tie_weights:
            return spec
        table = "reverse_embeddings"
        further = {None: [table], "int8": [table, f"{table}_scale"], "int4": [table, f"{table}_scale", f"{table}_zero"]}
        return {mode: [*names, *further[mode]] for mode, names in spec.items()}

    def quantized_build(self, embeddings_shape: Any, mode: str, config: Any = None) -> None:
        """Creates the weights of a quantization mode."""
        super().quantized_build(embeddings_shape, mode, config)
        default = quantizers.AbsMaxQuantizer(axis=-1)
        self.inputs_quantizer = QuantizationConfig.activation_quantizer_or_default(config, default)
        if self.tie_weights:
            return
        rows = (self.output_dim + 1) // 2 if mode == "int4" else self.output_dim
        size = None if self._int4_block_size == -1 else self._int4_block_size
        scales = (self.input_dim,) if size is None else (-(-self.output_dim // size), self.input_dim)
        self.reverse_embeddings = self._frozen("reverse_embeddings", (rows, self.input_dim), "int8", "zeros")
        self.reverse_embeddings_scale = self._frozen("reverse_embeddings_scale", scales, None, "ones")
        if size is not None:
            self.reverse_embeddings_zero = self._frozen("reverse_embeddings_zero", scales, None, "zeros")

    def _quantized_values(self, mode: str, block_size: int | None) -> dict[str, Any]:
        values = super()._quantized_values(mode, block_size)
        if not self.tie_weights:  # the table of the way back is transposed
            table = ops.transpose(self.reverse_embeddings)
            parts = quantize_rows(table, mode, block_size, self.quantization_config)
            for name, value in parts.items():
                key = "reverse_embeddings" if name == "values" else f"reverse_embeddings_{name}"
                values[key] = ops.transpose(value)
        return values

    def _drop_tables(self) -> None:
        super()._drop_tables()
        if not self.tie_weights:
            del self.reverse_embeddings

    def _int8_call(self, inputs: Any, reverse: bool = False) -> Any:  # type: ignore[override]
        if not reverse:
            outputs = super()._int8_call(inputs)
            mask = super().compute_mask(inputs, None)
            if mask is not None:
                set_keras_mask(outputs, mask)
            return outputs
        scale, kernel = self._reverse_kernel()
        inputs_scale: Any = 1.0
        if self.inputs_quantizer is not None:
            inputs, inputs_scale = self.inputs_quantizer(inputs)
        if scale is None or self.inputs_quantizer is None:  # integers meet integers; everything else is floats
            inputs, kernel = ops.cast(inputs, self.compute_dtype), ops.cast(kernel, self.compute_dtype)
        scores = ops.cast(ops.matmul(inputs, kernel), self.compute_dtype)
        scores = ops.divide(scores, inputs_scale if scale is None else ops.multiply(inputs_scale, scale))
        return self._capped(scores)

    def _int4_call(self, inputs: Any, reverse: bool = False) -> Any:  # type: ignore[override]
        return self._int8_call(inputs, reverse)

    def _reverse_kernel(self) -> tuple[Any, Any]:
        """(scales, integers) of the way back; with scales per block (None, floats)."""
        if self.tie_weights:
            kernel = ops.transpose(self._stored_embeddings())
            scale, zero = self.embeddings_scale, getattr(self, "embeddings_zero", None)
        else:
            kernel = ops.convert_to_tensor(self.reverse_embeddings)
            if self.quantization_mode == "int4":
                kernel = quantizers.unpack_int4(kernel, self.output_dim, axis=0)
            scale, zero = self.reverse_embeddings_scale, getattr(self, "reverse_embeddings_zero", None)
        scale = ops.convert_to_tensor(scale)
        if zero is None:
            return scale, kernel
        zero = ops.convert_to_tensor(zero)
        if self.tie_weights:
            scale, zero = ops.transpose(scale), ops.transpose(zero)
        return None, dequantize_groups(kernel, scale, zero, ops.convert_to_tensor(self.g_idx), axis=0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: `call` attaches the mask, since only one of the directions has one."""
        return None

    def compute_output_shape(self, input_shape: Any, reverse: bool = False) -> tuple[int | None, ...]:
        """`input_shape` with `output_dim` at its end, or with `input_dim` in place of its last size."""
        return (*input_shape[:-1], self.input_dim) if reverse else (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> Any:
        """Shape and dtype of the outputs."""
        return KerasTensor(self.compute_output_shape(inputs.shape, reverse), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "tie_weights": self.tie_weights,
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }
