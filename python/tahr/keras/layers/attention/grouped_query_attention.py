"""GroupQueryAttention."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.attention.masks import both
from tahr.keras.layers.attention.projected import ProjectedAttention

_EQUATIONS = ("bkuh,bquh->buqk", "buqk,bkuh->bquh")


class GroupedQueryAttention(ProjectedAttention):
    """Multi-head attention in which several heads of queries share one head of keys and values.

    Args:
        head_dim: size of the projections of a head.
        num_query_heads: number of heads of queries.
        num_key_value_heads: number of heads of keys and values; it divides the number of heads of queries.
        dropout: part of the weights set to 0 while training.
        use_bias: whether the projections have biases.
        sliding_window: how far a query sees to either side, in places, itself included; None for all.
        flash_attention: True rules out `dropout` and `return_attention_scores`. The scores are never stored whole
            unless one of them asks for it, whatever is said here.
        kernel_initializer: initializer of the projections' kernels.
        bias_initializer: initializer of their biases.
        kernel_regularizer: regularizer of the kernels.
        bias_regularizer: regularizer of the biases.
        activity_regularizer: regularizer of the projections' outputs.
        kernel_constraint: constraint of the kernels.
        bias_constraint: constraint of the biases.
        use_gate: whether the result is multiplied by a sigmoid of one more projection of the query before the last
            projection.
        seed: integer from which the random numbers of the dropout start.

    Calls are those of `MultiHeadAttention`.

    Source: Ainslie et al., "GQA: training generalized multi-query transformer models from multi-head checkpoints", 2023.

    Raises:
        ValueError: if the numbers of heads do not fit, or for contradictory arguments.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.GroupQueryAttention(head_dim=4, num_query_heads=6, num_key_value_heads=2)
    >>> layer(np.ones((1, 3, 8)), np.ones((1, 5, 8))).shape
    (1, 3, 8)
    """

    _keras_name = "GroupQueryAttention"

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            size=head_dim,
            dropout=dropout,
            use_bias=use_bias,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            use_gate=use_gate,
            seed=seed,
            **kwargs,
        )
        self.activity_regularizer = self._projection_regularizer  # of the output as well
        self.head_dim = head_dim
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads
        if num_query_heads % num_key_value_heads != 0:
            raise ValueError(
                f"[{self.name}] expected num_key_value_heads that divide num_query_heads, received "
                f"{num_key_value_heads} and {num_query_heads}. `num_query_heads` must be divisible by "
                "`num_key_value_heads`."
            )
        self.num_repeats = num_query_heads // num_key_value_heads

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        """Creates the projections for inputs of these shapes."""
        key_shape = value_shape if key_shape is None else key_shape
        self.feature_dim = query_shape[-1]

        def projection(name: str, shape: Any, equation: str, heads: int, activation: Any = None) -> Any:
            sizes, bias_axes = (None, heads, self.head_dim), equation[-2:]
            layer = self._projection(name, equation, sizes, bias_axes, activation)
            layer.build(shape)
            return layer

        self._query_dense = projection("query", query_shape, "bqm,muh->bquh", self.num_query_heads)
        self._key_dense = projection("key", key_shape, "bkm,mvh->bkvh", self.num_key_value_heads)
        if self._use_gate:
            self._gate_dense = projection("gate", query_shape, "bqm,muh->bquh", self.num_query_heads, "sigmoid")
        self._value_dense = projection("value", value_shape, "bkm,mvh->bkvh", self.num_key_value_heads)
        self._build_attention(-1)
        self._output_dense = self._projection("attention_output", "bquh,uhm->bqm", (None, self.feature_dim), "m")
        self._output_dense.build((None, None, self.num_query_heads, self.head_dim))

    def _attend_by_scores(
        self, query: Any, key: Any, value: Any, allowed: Any, causal: bool, training: bool | None
    ) -> tuple[Any, Any]:
        key, value = (ops.repeat(x, self.num_repeats, axis=2) for x in (key, value))
        if causal:
            allowed = both(allowed, self._causal(query, value))
        if allowed is not None and len(allowed.shape) == 3:
            allowed = ops.expand_dims(allowed, 1)
        return self._weighted(_EQUATIONS, query, key, value, allowed, training)

    def _heads(self) -> int:
        return self.num_query_heads

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> tuple[int | None, ...]:
        """The query's shape."""
        if query_shape[-1] != value_shape[-1]:
            raise ValueError(
                f"[{self.name}] expected query and value of one last size, received {tuple(query_shape)} and "
                f"{tuple(value_shape)}. The last dimension of `query_shape` and `value_shape` must be equal."
            )
        self._check_shapes(value_shape, value_shape if key_shape is None else key_shape)
        return tuple(query_shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
        }


GroupQueryAttention = GroupedQueryAttention
