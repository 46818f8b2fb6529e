"""SpectralNormalization."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import initializers
from tahr.keras.layers.core.wrapper import Wrapper
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer


class SpectralNormalization(Wrapper):
    """Divides the kernel of a layer by its largest singular value in each training step.

    Args:
        layer: layer with a `kernel` or `embeddings`.
        power_iterations: steps of the power iteration that estimates the singular value.

    Source: Miyato et al., "Spectral normalization for generative adversarial networks", 2018.

    Raises:
        ValueError: if `power_iterations` is not positive, or the layer has no kernel.

    >>> import numpy as np
    >>> from tahr import keras
    >>> dense = keras.layers.Dense(2, kernel_initializer="ones")
    >>> layer = keras.layers.SpectralNormalization(dense, power_iterations=3)
    >>> out = layer(np.ones((1, 2)), training=True)
    >>> dense.kernel.numpy().round(4)
    array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(
                f"[{self.name}] expected power_iterations of at least 1, received {power_iterations}. "
                "`power_iterations` should be greater than zero."
            )
        self.power_iterations = power_iterations

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer inside and creates the estimate of its first singular vector."""
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        if hasattr(self.layer, "kernel"):
            self.kernel = self.layer.kernel
        elif hasattr(self.layer, "embeddings"):
            self.kernel = self.layer.embeddings
        else:
            raise ValueError(
                f"[{self.name}] expected a layer with weights to normalise: {type(self.layer).__name__} object has no "
                "attribute 'kernel' nor 'embeddings'."
            )
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel.shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            dtype=self.kernel.dtype,
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """What the layer inside gives, with its kernel normalised first if `training`."""
        if training:
            vector_u, kernel = self.normalized_weights()
            empty = ops.all(ops.equal(self.kernel.value, 0))  # a kernel of zeros stays as it is
            self.vector_u.assign(ops.where(empty, self.vector_u.value, vector_u))
            self.kernel.assign(ops.where(empty, self.kernel.value, kernel))
        return ops.cast(self.layer(inputs), inputs.dtype)

    def normalized_weights(self) -> tuple[Any, Any]:
        """The new estimate of the singular vector, and the kernel divided by its singular value."""
        kernel = self.kernel.value
        weights = ops.reshape(kernel, (-1, kernel.shape[-1]))
        vector_u = self.vector_u.value
        for _ in range(self.power_iterations):
            vector_v = ops.normalize(ops.matmul(vector_u, ops.transpose(weights)), axis=None)
            vector_u = ops.normalize(ops.matmul(vector_v, weights), axis=None)
        vector_u, vector_v = ops.stop_gradient(vector_u), ops.stop_gradient(vector_v)
        sigma = ops.matmul(ops.matmul(vector_v, weights), ops.transpose(vector_u))
        return vector_u, ops.reshape(ops.divide(kernel, ops.reshape(sigma, ())), kernel.shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what the layer inside gives."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "power_iterations": self.power_iterations}
