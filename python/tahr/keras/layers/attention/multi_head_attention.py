"""MultiHeadAttention."""

from __future__ import annotations

import string
from typing import Any

from tahr import ops
from tahr.keras.layers.attention.masks import both
from tahr.keras.layers.attention.projected import ProjectedAttention


class MultiHeadAttention(ProjectedAttention):
    """Several attentions side by side, each between learned projections of query, key and value.

    Args:
        num_heads: number of attentions.
        key_dim: size of the projected queries and keys of a head.
        value_dim: size of the projected values of a head; `key_dim` if None.
        dropout: part of the weights set to 0 while training.
        use_bias: whether the projections have biases.
        output_shape: sizes of the output's last axes; the query's last size if None.
        attention_axes: axes that attend to each other; all but the batch and the features if None.
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

    Call arguments: `query` (batch, T, dim), `value` (batch, S, dim), `key`, of the value's shape, which it is if None;
    `query_mask`, `value_mask`, `key_mask`, boolean, one per place; `attention_mask`, boolean (batch, T, S), True where a
    query may look; `return_attention_scores`, whether to return the weights too, (batch, heads, T, S);
    `use_causal_mask`, whether query i sees places 0 to i only.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Raises:
        ValueError: for sizes that are not positive integers, or contradictory arguments.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.MultiHeadAttention(num_heads=2, key_dim=4)
    >>> out, weights = layer(np.ones((1, 3, 8)), np.ones((1, 5, 8)), return_attention_scores=True)
    >>> out.shape, weights.shape
    ((1, 3, 8), (1, 2, 3, 5))
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
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
        for key, size in (("num_heads", num_heads), ("key_dim", key_dim), ("value_dim", value_dim)):
            if (size is None and key == "value_dim") or (isinstance(size, int) and size > 0):
                continue
            raise ValueError(
                f"[MultiHeadAttention] expected {key} to be a positive integer, received {key}={size!r}. "
                f"Received an invalid value for argument `{key}`, expected a positive integer."
            )
        super().__init__(
            size=key_dim,
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
        self._num_heads = num_heads
        self._key_dim = key_dim
        self._value_dim = value_dim or key_dim
        if output_shape:
            if isinstance(output_shape, int):
                output_shape = (output_shape,)
            elif not isinstance(output_shape, (list, tuple)):
                raise ValueError(
                    f"[{self.name}] expected output_shape to be an int or a tuple, received {output_shape!r}. "
                    "Invalid `output_shape`."
                )
            output_shape = tuple(output_shape)
        self._output_shape = output_shape
        if isinstance(attention_axes, int):
            attention_axes = (attention_axes,)
        elif attention_axes and not isinstance(attention_axes, (list, tuple)):
            raise ValueError(
                f"[{self.name}] expected attention_axes to be an int, list or tuple, received {attention_axes!r}. "
                "`attention_axes` must be an int, list, or tuple."
            )
        self._attention_axes = attention_axes

    @property
    def num_heads(self) -> int:
        """Number of attentions."""
        return self._num_heads

    @property
    def key_dim(self) -> int:
        """Size of the projected queries and keys of a head."""
        return self._key_dim

    @property
    def value_dim(self) -> int:
        """Size of the projected values of a head."""
        return self._value_dim

    @property
    def dropout(self) -> float:
        """Part of the weights set to 0 while training."""
        return self._dropout

    @property
    def use_bias(self) -> bool:
        """Whether the projections have biases."""
        return self._use_bias

    @property
    def attention_axes(self) -> Any:
        """Axes that attend to each other; None before the layer is built if they were not given."""
        return self._attention_axes

    @property
    def query_dense(self) -> Any:
        """The projection of the queries."""
        return self._query_dense

    @property
    def key_dense(self) -> Any:
        """The projection of the keys."""
        return self._key_dense

    @property
    def value_dense(self) -> Any:
        """The projection of the values."""
        return self._value_dense

    @property
    def output_dense(self) -> Any:
        """The last projection."""
        return self._output_dense

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        """Creates the projections for inputs of these shapes."""
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(value_shape, key_shape)

        def projection(name: str, shape: Any, size: int, activation: Any = None) -> Any:
            free = len(shape) - 1
            equation, bias_axes = projection_equation(free, 1, 2)
            sizes = (None,) * (free - 1) + (self._num_heads, size)
            layer = self._projection(name, equation, sizes, bias_axes, activation)
            layer.build(shape)
            return layer

        self._query_dense = projection("query", query_shape, self._key_dim)
        self._key_dense = projection("key", key_shape, self._key_dim)
        if self._use_gate:
            self._gate_dense = projection("gate", query_shape, self._value_dim, "sigmoid")
        self._value_dense = projection("value", value_shape, self._value_dim)

        rank = len(value_shape) + 1  # of what is projected
        if self._attention_axes is None:
            self._attention_axes = tuple(range(1, rank - 2))
        else:
            self._attention_axes = tuple(a if a >= 0 else (rank - 1) + a for a in self._attention_axes)
        self._equations = attention_equations(rank, self._attention_axes)
        scores_rank = len(self._equations[0].split("->")[1])
        self._build_attention(tuple(range(scores_rank - len(self._attention_axes), scores_rank)))

        free = len(query_shape) - 1
        last = self._output_shape or (query_shape[-1],)
        equation, bias_axes = projection_equation(free, 2, len(last))
        output = self._projection("attention_output", equation, (None,) * (free - 1) + tuple(last), bias_axes)
        output.build((*query_shape[:-1], self._num_heads, self._value_dim))
        self._output_dense = output

    def _attend(self, query: Any, key: Any, value: Any, allowed: Any, causal: bool, *rest: Any) -> tuple[Any, Any]:
        if self._attention_axes != (1,):  # the kernel attends along one axis
            return self._attend_by_scores(query, key, value, allowed, causal, rest[0])
        return super()._attend(query, key, value, allowed, causal, *rest)

    def _attend_by_scores(
        self, query: Any, key: Any, value: Any, allowed: Any, causal: bool, training: bool | None
    ) -> tuple[Any, Any]:
        if causal:
            allowed = both(allowed, self._causal(query, value))
        if allowed is not None:
            for _ in range(len(self._equations[0].split("->")[1]) - len(allowed.shape)):
                allowed = ops.expand_dims(allowed, -len(self._attention_axes) * 2 - 1)
        return self._weighted(self._equations, query, key, value, allowed, training)

    def _heads(self) -> int:
        return self._num_heads

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> tuple[int | None, ...]:
        """The query's shape, with `output_shape` in place of its last size if that was given."""
        self._check_shapes(value_shape, value_shape if key_shape is None else key_shape)
        return (*query_shape[:-1], *(self._output_shape or (query_shape[-1],)))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "num_heads": self._num_heads,
            "key_dim": self._key_dim,
            "value_dim": self._value_dim,
            "output_shape": self._output_shape,
            "attention_axes": self._attention_axes,
        }


def projection_equation(free: int, bound: int, outputs: int) -> tuple[str, str]:
    """An einsum equation that keeps `free` axes and turns the `bound` last ones into `outputs`; and the new letters.

    >>> projection_equation(2, 1, 2)
    ('abc,cde->abde', 'de')
    """
    letters = string.ascii_lowercase
    kept, summed = letters[:free], letters[free : free + bound]
    new = letters[free + bound : free + bound + outputs]
    return f"{kept}{summed},{summed}{new}->{kept}{new}", new


def attention_equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """Einsum equations for tensors of `rank` axes, heads and features last, that attend along `axes`.

    The first makes scores from keys and queries, the second outputs from scores and values.

    >>> attention_equations(4, (1,))
    ('aecd,abcd->acbe', 'acbe,aecd->abcd')
    """
    letters = string.ascii_lowercase
    target = letters[:rank]
    further = iter(letters[rank:])
    source = "".join(next(further) if i in axes else target[i] for i in range(rank))
    batch = "".join(target[i] for i in range(rank - 1) if i not in axes)
    scores = batch + "".join(target[i] for i in axes) + "".join(source[i] for i in axes)
    return f"{source},{target}->{scores}", f"{scores},{source}->{target}"
