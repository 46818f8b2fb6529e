"""AdditiveAttention."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.attention.attention import Attention


class AdditiveAttention(Attention):
    """Attention whose scores are `sum(scale * tanh(query + key))` over the features.

    Args:
        use_scale: whether `scale` is learned, one number per feature; else it is 1.
        dropout: part of the weights set to 0 while training.
        kwargs: `seed`, and the arguments of every layer.

    Calls are those of `Attention`.

    Source: Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate", 2014.

    >>> import numpy as np
    >>> from tahr import keras
    >>> q, v = np.zeros((1, 2, 3)), np.array([[[1.0], [3.0]]])
    >>> keras.layers.AdditiveAttention()([q, v, q]).numpy().ravel()
    array([2., 2.], dtype=float32)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Creates the scale for inputs of these shapes."""
        self._check_inputs(input_shape)
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform")

    def _is_plain_product(self) -> bool:
        return False

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        total = ops.tanh(ops.add(ops.expand_dims(query, -2), ops.expand_dims(key, -3)))
        return ops.sum(total if self.scale is None else ops.multiply(total, self.scale), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = super().get_config()
        del config["score_mode"]
        return config
