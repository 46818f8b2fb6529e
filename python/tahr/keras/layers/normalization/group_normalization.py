"""GroupNormalization."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.normalization.base import AffineNormalization, in_dtype


class GroupNormalization(AffineNormalization):
    """Brings each group of channels of each example to mean 0 and variance 1, then scales and moves every channel.

    Args:
        groups: number of groups; -1 for one per channel ("instance normalisation").
        axis: axis of the channels.
        epsilon: added to the variance.
        center: whether to learn an offset, beta.
        scale: whether to learn a scale, gamma.
        beta_initializer: initializer of beta.
        gamma_initializer: initializer of gamma.
        beta_regularizer: regularizer of beta.
        gamma_regularizer: regularizer of gamma.
        beta_constraint: constraint of beta.
        gamma_constraint: constraint of gamma.

    Source: Wu and He, "Group normalization", 2018.

    Raises:
        ValueError: if `groups` is not a positive integer or -1, or does not divide the number of channels.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.GroupNormalization(groups=2, epsilon=0.0)
    >>> layer(np.array([[1.0, 3.0, 5.0, 9.0]])).numpy()
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        if not isinstance(groups, int) or isinstance(groups, bool) or (groups <= 0 and groups != -1):
            raise ValueError(
                f"[GroupNormalization] expected groups to be a positive integer, or -1 for instance normalisation, "
                f"received groups={groups!r}. Received an invalid value for argument `groups`."
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
        self.groups = groups
        self.axis = axis
        self.autocast = False

    def build(self, input_shape: Any) -> None:
        """Creates gamma and beta for inputs of this shape."""
        (channels,) = self._sizes(input_shape, [self.axis])
        if self.groups == -1:
            self.groups = channels
        if channels % self.groups != 0:
            what = "cannot be more than" if channels < self.groups else "must be a multiple of"
            raise ValueError(
                f"[{self.name}] expected groups that divide the channels, received {self.groups} groups for "
                f"{channels} channels. Number of groups ({self.groups}) {what} the number of channels ({channels})."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        self._add_affine_weights((channels,))

    def call(self, inputs: Any) -> Any:
        """The normalised `inputs`."""
        outputs = ops.group_normalization(
            inputs, self.gamma, self.beta, groups=self.groups, axis=self.axis, epsilon=self.epsilon
        )
        return in_dtype(outputs, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "groups": self.groups}
