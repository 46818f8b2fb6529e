"""LayerNormalization."""

from __future__ import annotations

import warnings
from typing import Any

from tahr import ops
from tahr.keras.layers.normalization.base import AffineNormalization, as_axis, in_dtype


class LayerNormalization(AffineNormalization):
    """Brings the features of each example to mean 0 and variance 1, then scales and moves them.

    Args:
        axis: axis of the features, or several.
        epsilon: added to the variance.
        center: whether to learn an offset, beta.
        scale: whether to learn a scale, gamma.
        beta_initializer: initializer of beta.
        gamma_initializer: initializer of gamma.
        beta_regularizer: regularizer of beta.
        gamma_regularizer: regularizer of gamma.
        beta_constraint: constraint of beta.
        gamma_constraint: constraint of gamma.

    Source: Ba, Kiros and Hinton, "Layer normalization", 2016.

    Raises:
        TypeError: if `axis` is not made of integers.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.LayerNormalization(epsilon=0.0)(np.array([[1.0, 3.0], [10.0, 50.0]])).numpy()
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = kwargs.pop("rms_scaling", False)
        if rms_scaling:
            warnings.warn(
                "[LayerNormalization] rms_scaling=True divides by the standard deviation and leaves the mean in. "
                "RMSNormalization divides by the root mean square.",
                stacklevel=2,
            )
        super().__init__(
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        self.axis = as_axis(self.name, axis)
        self.rms_scaling = rms_scaling
        self.autocast = False

    def build(self, input_shape: Any) -> None:
        """Creates gamma and beta for inputs of this shape."""
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        shape = self._sizes(input_shape, self.axis)
        center, scale = self.center, self.scale
        if self.rms_scaling:  # a gamma, and no beta
            self.center, self.scale = False, True
        self._add_affine_weights(shape)
        self.center, self.scale = center, scale

    def call(self, inputs: Any) -> Any:
        """The normalised `inputs`."""
        outputs = ops.layer_normalization(
            inputs, self.gamma, self.beta, axis=self.axis, epsilon=self.epsilon, rms_scaling=self.rms_scaling
        )
        return in_dtype(outputs, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "rms_scaling": self.rms_scaling}
