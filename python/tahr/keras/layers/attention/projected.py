"""Attention between learned projections of query, key and value: what multi-head and grouped-query attention share."""

from __future__ import annotations

import math
from typing import Any

from tahr import ops
from tahr.keras import constraints, initializers, regularizers
from tahr.keras.backend.config import is_flash_attention_enabled
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.activation.softmax import Softmax
from tahr.keras.layers.attention.masks import both, causal_mask, window_mask
from tahr.keras.layers.core.einsum_dense import EinsumDense
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.regularization.dropout import Dropout


class ProjectedAttention(Layer):
    """Base of `MultiHeadAttention` and `GroupQueryAttention`.

    Subclasses build `_query_dense`, `_key_dense`, `_value_dense`, `_output_dense` and, with `use_gate`, `_gate_dense`,
    then call `_build_attention`.
    """

    _query_dense: Any
    _key_dense: Any
    _value_dense: Any
    _gate_dense: Any
    _output_dense: Any

    def __init__(
        self,
        *,
        size: int,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        use_gate: bool,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self._dropout = dropout
        self._use_bias = use_bias
        self._use_gate = use_gate
        self._kernel_initializer = initializers.get(kernel_initializer)
        self._bias_initializer = initializers.get(bias_initializer)
        self._kernel_regularizer = regularizers.get(kernel_regularizer)
        self._bias_regularizer = regularizers.get(bias_regularizer)
        # That of the projections; the layer's own would count its output twice.
        self._projection_regularizer = regularizers.get(activity_regularizer)
        self._kernel_constraint = constraints.get(kernel_constraint)
        self._bias_constraint = constraints.get(bias_constraint)
        if sliding_window is not None and (
            not isinstance(sliding_window, int) or isinstance(sliding_window, bool) or sliding_window <= 0
        ):
            raise ValueError(
                f"[{self.name}] expected sliding_window to be None or a positive integer, received {sliding_window!r}. "
                "`sliding_window` must be `None` or a positive integer."
            )
        self._sliding_window = sliding_window
        self._flash_attention = flash_attention or is_flash_attention_enabled()
        if self._flash_attention and dropout > 0:
            raise ValueError(
                f"[{self.name}] expected dropout=0 with flash_attention=True, received dropout={dropout}. "
                "Dropout is not supported when flash attention is enabled."
            )
        self.seed = seed
        self._score_scale = 1.0 / math.sqrt(float(size))

    @property
    def sliding_window(self) -> int | None:
        """How far a query sees to either side, in places, itself included; None for all."""
        return self._sliding_window

    def _projection(self, name: str, equation: str, output_shape: Any, bias_axes: str, activation: Any = None) -> Any:
        layer = EinsumDense(
            equation,
            output_shape=output_shape,
            bias_axes=bias_axes if self._use_bias else None,
            activation=activation,
            name=name,
            kernel_initializer=self._kernel_initializer.clone(),  # each draws numbers of its own
            bias_initializer=self._bias_initializer.clone(),
            kernel_regularizer=self._kernel_regularizer,
            bias_regularizer=self._bias_regularizer,
            activity_regularizer=self._projection_regularizer,
            kernel_constraint=self._kernel_constraint,
            bias_constraint=self._bias_constraint,
            dtype=self.dtype_policy,
        )
        layer.supports_masking = True  # masks are heeded in `call`: no warning that one ends in the projection
        return layer

    def _build_attention(self, score_axes: Any) -> None:
        self._softmax = Softmax(axis=score_axes, dtype=self.dtype_policy)
        self._dropout_layer = Dropout(rate=self._dropout, dtype=self.dtype_policy, seed=self.seed)

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """For each query a mean of the values, projected; and the weights of the means if asked for."""
        if self._flash_attention and return_attention_scores:
            raise ValueError(
                f"[{self.name}] expected return_attention_scores=False with flash attention, received True. Returning "
                "attention scores is not supported when flash attention is enabled."
            )
        key = value if key is None else key
        sizes = query.shape[0], value.shape[0], key.shape[0]
        if len({size for size in sizes if size is not None}) > 1:
            raise ValueError(
                f"[{self.name}] expected query, value and key of one batch size, received shapes {tuple(query.shape)}, "
                f"{tuple(value.shape)} and {tuple(key.shape)}. Row i of each must belong to the same sample."
            )
        allowed = self._allowed(query, value, query_mask, value_mask, key_mask, attention_mask)
        gate = self._gate_dense(query) if self._use_gate else None
        q, k, v = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        outputs, scores = self._attend(q, k, v, allowed, use_causal_mask, training, return_attention_scores)
        if gate is not None:
            outputs = ops.multiply(outputs, gate)
        outputs = self._output_dense(outputs)
        return (outputs, scores) if return_attention_scores else outputs

    def _allowed(
        self, query: Any, value: Any, query_mask: Any, value_mask: Any, key_mask: Any, attention_mask: Any
    ) -> Any:
        """Which pairs count, but for causality: boolean, to be broadcast to (batch, queries, keys); None for all."""
        allowed = None if query_mask is None else ops.expand_dims(ops.cast(query_mask, "bool"), -1)
        for mask in (value_mask, key_mask):
            if mask is not None:
                allowed = both(allowed, ops.expand_dims(ops.cast(mask, "bool"), -2))
        if self._sliding_window is not None:
            allowed = both(allowed, window_mask(query.shape[1], value.shape[1], self._sliding_window))
        if attention_mask is not None:
            allowed = both(allowed, ops.cast(attention_mask, "bool"))
        return allowed

    def _attend(
        self,
        query: Any,
        key: Any,
        value: Any,
        allowed: Any,
        causal: bool,
        training: bool | None,
        with_scores: bool,
    ) -> tuple[Any, Any]:
        """On (batch, length, heads, size): the outputs, and the weights where they were computed on the way."""
        dropped = bool(training) and self._dropout > 0
        if len(query.shape) != 4 or dropped or with_scores:
            return self._attend_by_scores(query, key, value, allowed, causal, training)
        if allowed is not None and len(allowed.shape) == 3:
            allowed = ops.expand_dims(allowed, 1)  # the heads
        outputs = ops.dot_product_attention(
            query,
            key,
            value,
            mask=allowed,
            scale=self._score_scale,
            is_causal=causal,
            flash_attention=self._flash_attention or None,
        )
        return outputs, None

    def _attend_by_scores(
        self, query: Any, key: Any, value: Any, allowed: Any, causal: bool, training: bool | None
    ) -> tuple[Any, Any]:
        raise NotImplementedError

    def _weighted(
        self, equations: tuple[str, str], query: Any, key: Any, value: Any, allowed: Any, training: bool | None
    ) -> tuple[Any, Any]:
        """The scores by the first equation of key and query, and the means by the second."""
        scores = ops.einsum(equations[0], key, ops.multiply(query, self._score_scale))
        weights = self._softmax(scores, mask=allowed)
        dropped = self._dropout_layer(weights, training=training) if self._dropout > 0 else weights
        return ops.einsum(equations[1], dropped, value), weights

    @staticmethod
    def _causal(query: Any, value: Any) -> Any:
        return causal_mask(query.shape[1], value.shape[1])

    def compute_output_spec(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Shape and dtype of the outputs, and of the weights if asked for."""
        shape = self.compute_output_shape(query.shape, value.shape, None if key is None else key.shape)
        outputs = KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        lengths = (query.shape[1], value.shape[1])
        return outputs, KerasTensor((query.shape[0], self._heads(), *lengths), dtype=self.compute_dtype)

    def _heads(self) -> int:
        raise NotImplementedError

    def _check_shapes(self, value_shape: Any, key_shape: Any) -> None:
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"[{self.name}] expected value and key of equal shapes but for the last size, received "
                f"{tuple(value_shape)} and {tuple(key_shape)}. All dimensions of `value` and `key`, except the last "
                "one, must be equal."
            )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "dropout": self._dropout,
            "use_bias": self._use_bias,
            "use_gate": self._use_gate,
            "sliding_window": self._sliding_window,
            "kernel_initializer": initializers.serialize(self._kernel_initializer),
            "bias_initializer": initializers.serialize(self._bias_initializer),
            "kernel_regularizer": regularizers.serialize(self._kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self._bias_regularizer),
            "activity_regularizer": regularizers.serialize(self._projection_regularizer),
            "kernel_constraint": constraints.serialize(self._kernel_constraint),
            "bias_constraint": constraints.serialize(self._bias_constraint),
            "seed": self.seed,
        }
