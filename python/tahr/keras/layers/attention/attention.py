"""Attention: dot products of queries and keys choose among values."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import random
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.attention.masks import both, causal_mask
from tahr.keras.layers.layer import Layer


class Attention(Layer):
    """`softmax(query @ key.T) @ value`: for each query the mean of the values, weighted by how its key matches.

    Args:
        use_scale: whether the scores are multiplied by a learned number.
        score_mode: "dot" for dot products; "concat" for a learned number times the sum of `tanh(query + key)`.
        dropout: part of the weights set to 0 while training.
        seed: integer from which the random numbers start.

    Call arguments: `inputs`, a list [query, value] or [query, value, key] of shapes (batch, Tq, dim), (batch, Tv,
    out_dim), (batch, Tv, dim); `mask`, a list [query_mask, value_mask]; `return_attention_scores`, whether to return the
    weights too, of shape (batch, Tq, Tv); `use_causal_mask`, whether query i sees values 0 to i only.

    Source: Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation", 2015.

    Raises:
        ValueError: for another `score_mode`, or inputs that are no such list.

    >>> import numpy as np
    >>> from tahr import keras
    >>> q, v = np.zeros((1, 2, 3)), np.array([[[1.0], [3.0]]])
    >>> keras.layers.Attention()([q, v, q]).numpy().ravel()
    array([2., 2.], dtype=float32)
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        if dropout > 0:
            self.seed_generator = random.SeedGenerator(seed)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                f"[{self.name}] Invalid value for argument score_mode. Expected one of {{'dot', 'concat'}}, received "
                f"{score_mode!r}."
            )

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        self._check_inputs(input_shape)
        self.scale: Any = self._scalar("scale") if self.use_scale else None
        self.concat_score_weight: Any = self._scalar("concat_score_weight") if self.score_mode == "concat" else None

    def _scalar(self, name: str) -> Any:
        return self.add_weight(name=name, shape=(), initializer="ones")

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """For each query a mean of the values, and the weights if asked for."""
        self._check_inputs(inputs, mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        dropped = training and self.dropout > 0
        if self._is_plain_product() and value_mask is None and not dropped and not return_attention_scores:
            outputs, weights = self._fused(query, key, value, use_causal_mask), None
        else:
            scores = self._calculate_scores(query, key)
            allowed = None if value_mask is None else ops.expand_dims(ops.cast(value_mask, "bool"), -2)
            if use_causal_mask:
                allowed = both(allowed, causal_mask(*scores.shape[-2:]))
            outputs, weights = self._apply_scores(scores, value, allowed, training)
        if query_mask is not None:
            outputs = ops.where(ops.expand_dims(ops.cast(query_mask, "bool"), -1), outputs, 0.0)
        return (outputs, weights) if return_attention_scores else outputs

    def _is_plain_product(self) -> bool:
        return self.score_mode == "dot"

    def _fused(self, query: Any, key: Any, value: Any, causal: bool) -> Any:
        if self.scale is not None:
            query = ops.multiply(query, self.scale)
        if len(query.shape) != 3:
            return self._apply_scores(
                ops.matmul(query, ops.swapaxes(key, -2, -1)),
                value,
                causal_mask(query.shape[-2], key.shape[-2]) if causal else None,
            )[0]
        heads = (ops.expand_dims(x, 2) for x in (query, key, value))
        return ops.squeeze(ops.dot_product_attention(*heads, scale=1.0, is_causal=causal), 2)

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """(batch, Tq, dim) and (batch, Tv, dim) to (batch, Tq, Tv)."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else ops.multiply(scores, self.scale)
        total = ops.add(ops.expand_dims(query, -2), ops.expand_dims(key, -3))
        if self.scale is not None:
            total = ops.multiply(total, self.scale)
        return ops.multiply(self.concat_score_weight, ops.sum(ops.tanh(total), axis=-1))

    def _apply_scores(self, scores: Any, value: Any, scores_mask: Any = None, training: bool = False) -> Any:
        """The values weighted by the softmax of `scores`, and the weights."""
        if scores_mask is not None:
            far = 65504.0 if scores.dtype == "float16" else 1e9
            scores = ops.where(scores_mask, scores, ops.subtract(scores, far))
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        return ops.matmul(weights, value), weights

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the query."""
        self._check_inputs(inputs, mask)
        return None if mask is None or mask[0] is None else ops.convert_to_tensor(mask[0])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The query's shape with the last size of the value's."""
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Shape and dtype of the outputs, and of the weights if asked for."""
        self._check_inputs(inputs, mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        outputs = KerasTensor(self.compute_output_shape([query.shape, value.shape]), dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        return outputs, KerasTensor((*query.shape[:-1], key.shape[-2]), dtype=self.compute_dtype)

    def _check_inputs(self, inputs: Any, mask: Any = None) -> None:
        what = type(self).__name__
        if not isinstance(inputs, list):
            raise ValueError(
                f"[{self.name}] expected a list [query, value] or [query, value, key], received {inputs!r}. "
                f"{what} layer must be called on a list of inputs."
            )
        if len(inputs) not in (2, 3):
            raise ValueError(
                f"[{self.name}] expected [query, value] or [query, value, key], received {len(inputs)} inputs. "
                f"{what} layer accepts inputs list of length 2 or 3."
            )
        if mask is not None and not isinstance(mask, list):
            raise ValueError(
                f"[{self.name}] expected mask as a list [query_mask, value_mask], received {mask!r}. "
                f"{what} layer mask must be a list."
            )
        if mask is not None and len(mask) not in (2, 3):
            raise ValueError(
                f"[{self.name}] expected mask as [query_mask, value_mask], received {len(mask)} masks. "
                f"{what} layer accepts mask list of length 2 or 3."
            )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }
