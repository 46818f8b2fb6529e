"""ReversibleEmbedding: an embedding that also turns vectors back into scores of integers."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.backend.masking import set_keras_mask
from tahr.keras.layers.core.embedding import Embedding


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
        if not self.tie_weights:
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
        scores = ops.matmul(inputs, kernel)
        if self.logit_soft_cap is not None:
            scores = ops.multiply(ops.tanh(ops.divide(scores, self.logit_soft_cap)), self.logit_soft_cap)
        return scores

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
