"""BatchNormalization."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import initializers
from tahr.keras.backend.config import epsilon as fuzz
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.normalization.base import AffineNormalization, in_dtype


class BatchNormalization(AffineNormalization):
    """Brings each channel to mean 0 and variance 1, then scales and moves it.

    While training, mean and variance are those of the batch, and moving averages of them are kept:
    `moving = moving * momentum + of_the_batch * (1 - momentum)`. Otherwise, and whenever `trainable` is False, the
    moving averages are used.

    Args:
        axis: axis of the channels.
        momentum: momentum of the moving averages.
        epsilon: added to the variance.
        center: whether to learn an offset, beta.
        scale: whether to learn a scale, gamma.
        beta_initializer: initializer of beta.
        gamma_initializer: initializer of gamma.
        moving_mean_initializer: initializer of the moving mean.
        moving_variance_initializer: initializer of the moving variance.
        beta_regularizer: regularizer of beta.
        gamma_regularizer: regularizer of gamma.
        beta_constraint: constraint of beta.
        gamma_constraint: constraint of gamma.
        renorm: correct the batch's statistics towards moving ones while training, too.
        renorm_clipping: bounds of that correction: a dictionary with `rmin`, `rmax`, `dmax`; what is absent is unbounded.
        renorm_momentum: momentum of the moving averages that `renorm` uses.
        synchronized: False only: statistics are those of this process's part of the batch.

    Call arguments: `mask`, of the shape of the inputs without the last axis, leaves places out of the statistics.

    Sources: Ioffe and Szegedy, "Batch normalization", 2015; Ioffe, "Batch renormalization", 2017.

    Raises:
        ValueError: for `synchronized=True`, or unknown or contradictory `renorm_clipping`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.BatchNormalization(momentum=0.5, epsilon=0.0)
    >>> layer(np.array([[1.0], [3.0]]), training=True).numpy()
    array([[-1.],
           [ 1.]], dtype=float32)
    >>> layer.moving_mean.numpy(), layer.moving_variance.numpy()
    (array([1.], dtype=float32), array([1.], dtype=float32))
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        if synchronized:
            raise ValueError(
                "[BatchNormalization] expected synchronized=False, received True. Statistics are taken over this "
                "process's part of the batch."
            )
        super().__init__(
            epsilon=float(epsilon),
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
        self.axis = int(axis)
        self.synchronized = synchronized
        self.momentum = float(momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm = renorm
        if renorm:
            renorm_clipping = self._checked(renorm_clipping or {})
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.moving_mean: Any = None
        self.moving_variance: Any = None

    def _checked(self, clipping: dict[str, float]) -> dict[str, float]:
        keys = {"rmax", "rmin", "dmax"}
        rmax, rmin, dmax = (clipping.get(k) for k in ("rmax", "rmin", "dmax"))
        if set(clipping) - keys:
            raise ValueError(
                f"[{self.name}] expected renorm_clipping with the keys {sorted(keys)}, received {clipping}: "
                "invalid keys for `renorm_clipping`."
            )
        if rmax is not None and rmin is not None and rmax < rmin:
            raise ValueError(
                f"[{self.name}] expected rmax of at least rmin, received {clipping}: rmax should be greater than rmin."
            )
        if dmax is not None and dmax < 0:
            raise ValueError(f"[{self.name}] expected dmax of at least 0, received {dmax}: it should be non-negative.")
        return clipping

    def build(self, input_shape: Any) -> None:
        """Creates the weights and the moving averages for inputs of this shape."""
        shape = self._sizes(input_shape, [self.axis])
        self._add_affine_weights(shape)

        def average(name: str, initializer: Any) -> Any:
            return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False, autocast=False)

        self.moving_mean = average("moving_mean", self.moving_mean_initializer)
        self.moving_variance = average("moving_variance", self.moving_variance_initializer)
        if self.renorm:

            def deviation(shape: Any, dtype: Any = None) -> Any:
                return ops.sqrt(self.moving_variance_initializer.clone()(shape, dtype=dtype))

            self.moving_stddev = average("moving_stddev", deviation)
            self.renorm_mean = average("renorm_mean", self.moving_mean_initializer.clone())
            self.renorm_stddev = average("renorm_stddev", deviation)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: shape[0]})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The normalised `inputs`; `mask` tells which places count in the statistics of a batch."""
        rank = len(inputs.shape)
        if mask is not None and len(mask.shape) != rank - 1:
            raise ValueError(
                f"[{self.name}] expected a mask with one axis less than the inputs, received shape "
                f"{tuple(mask.shape)} for inputs of shape {tuple(inputs.shape)}. The mask should be one dimension less."
            )
        x = in_dtype(inputs, "float64" if inputs.dtype == "float64" else "float32")
        gamma = None if self.gamma is None else in_dtype(self.gamma, x.dtype)
        beta = None if self.beta is None else in_dtype(self.beta, x.dtype)
        moments: Any = None
        if not (training and self.trainable):
            moments = in_dtype(self.moving_mean, x.dtype), in_dtype(self.moving_variance, x.dtype)
        elif mask is None and not self.renorm:
            outputs, mean, variance = ops.fused_batch_norm(x, gamma, beta, axis=self.axis, epsilon=self.epsilon)
            self._update(mean, variance)
        else:
            moments = self._moments(x, mask)
            if self.renorm:
                gamma, beta = self._renormalized(moments[0], moments[1], gamma, beta)
            else:
                self._update(*moments)
        if moments is not None:
            outputs = ops.batch_normalization(
                x, *moments, axis=self.axis, offset=beta, scale=gamma, epsilon=self.epsilon
            )
        return in_dtype(outputs, self.compute_dtype)

    def _moments(self, x: Any, mask: Any) -> tuple[Any, Any]:
        axes = [a for a in range(len(x.shape)) if a != self.axis % len(x.shape)]
        if mask is None:
            return ops.moments(x, axes=axes)
        mask = ops.broadcast_to(ops.expand_dims(ops.cast(mask, "bool"), -1), x.shape)
        count = ops.add(ops.sum(ops.cast(mask, x.dtype), axes, keepdims=True), fuzz())
        mean = ops.divide(ops.sum(ops.where(mask, x, 0.0), axes, keepdims=True), count)
        difference = ops.where(mask, ops.subtract(x, mean), 0.0)
        variance = ops.divide(ops.sum(ops.square(difference), axes, keepdims=True), count)
        return ops.squeeze(mean, axes), ops.squeeze(variance, axes)

    def _average(self, variable: Any, value: Any, momentum: float) -> Any:
        """Moves a moving average; returns its new value."""
        new = ops.add(ops.multiply(in_dtype(variable, value.dtype), momentum), ops.multiply(value, 1.0 - momentum))
        variable.assign(new)
        return new

    def _update(self, mean: Any, variance: Any) -> None:
        self._average(self.moving_mean, mean, self.momentum)
        self._average(self.moving_variance, variance, self.momentum)

    def _renormalized(self, mean: Any, variance: Any, gamma: Any, beta: Any) -> tuple[Any, Any]:
        """Scale and offset with the correction in them; moves the averages."""
        deviation = ops.sqrt(ops.add(variance, self.epsilon))
        usual = ops.maximum(in_dtype(self.renorm_stddev, mean.dtype), self.epsilon**0.5)
        r = ops.divide(deviation, usual)
        d = ops.divide(ops.subtract(mean, in_dtype(self.renorm_mean, mean.dtype)), usual)
        clipping = self.renorm_clipping or {}
        if clipping.get("rmin") is not None:
            r = ops.maximum(r, clipping["rmin"])
        if clipping.get("rmax") is not None:
            r = ops.minimum(r, clipping["rmax"])
        if clipping.get("dmax") is not None:
            d = ops.clip(d, -clipping["dmax"], clipping["dmax"])
        r, d = ops.stop_gradient(r), ops.stop_gradient(d)
        if gamma is not None:
            r, d = ops.multiply(r, gamma), ops.multiply(d, gamma)

        self._average(self.renorm_mean, mean, self.renorm_momentum)
        self._average(self.renorm_stddev, deviation, self.renorm_momentum)
        self._average(self.moving_mean, mean, self.momentum)
        new = self._average(self.moving_stddev, deviation, self.momentum)
        self.moving_variance.assign(ops.relu(ops.subtract(ops.square(new), self.epsilon)))
        return r, d if beta is None else ops.add(d, beta)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }
