"""TimeDistributed: one layer for every step."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.call_spec import signature_of
from tahr.keras.layers.core.wrapper import Wrapper
from tahr.keras.layers.layer import Layer

# Layers that treat every row of a batch alone, whatever the other rows are: all steps can be one large batch.
_BY_ROW = {
    *("Activation", "Dense", "Dropout", "EinsumDense", "ELU", "Embedding", "Flatten", "GaussianDropout"),
    *("GaussianNoise", "Identity", "InputLayer", "LayerNormalization", "LeakyReLU", "Permute", "PReLU", "ReLU"),
    *("RepeatVector", "Rescaling", "Reshape", "RMSNormalization", "UnitNormalization", "Sequential"),
    *(
        f"{kind}{d}D"
        for d in (1, 2, 3)
        for kind in (
            *("Conv", "DepthwiseConv", "SeparableConv", "AveragePooling", "MaxPooling", "GlobalAveragePooling"),
            *("GlobalMaxPooling", "ZeroPadding", "Cropping", "UpSampling", "SpatialDropout"),
        )
    ),
    *(f"Conv{d}DTranspose" for d in (1, 2, 3)),
}


def _by_row(layer: Any) -> bool:
    own = type(layer).__module__.startswith("tahr.keras.") and type(layer).__name__ in _BY_ROW
    return own and layer.activity_regularizer is None and all(_by_row(part) for part in getattr(layer, "layers", ()))


class TimeDistributed(Wrapper):
    """Applies a layer to every step of a sequence, with the same weights.

    Args:
        layer: the layer.

    Shapes: (batch, steps, ...) to (batch, steps, ...), as the layer does for (batch, ...).

    Raises:
        ValueError: if `layer` is not a layer, an input has fewer than 3 axes, or a mask does not fit it.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.TimeDistributed(keras.layers.Dense(4))(np.ones((2, 3, 5))).shape
    (2, 3, 4)
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def _step_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) < 3:
            raise ValueError(
                f"[{self.name}] expected an input of shape (batch, steps, ...), received shape {input_shape}."
            )
        return (input_shape[0], *input_shape[2:])

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer inside for one step."""
        super().build(self._step_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The layer's output shape with the steps as its second axis."""
        inner = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (inner[0], input_shape[1], *inner[1:])

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The layer's outputs for all steps."""
        if mask is not None and (mask.ndim < 2 or tuple(mask.shape[:2]) != tuple(inputs.shape[:2])):
            raise ValueError(
                f"[{self.name}] The `mask` passed to the `TimeDistributed` layer has a shape other than the inputs': "
                f"expected {tuple(inputs.shape[:2])}, received {tuple(mask.shape)}."
            )
        signature = signature_of(self.layer)
        kwargs = {"training": training} if signature.has_training else {}
        batch, steps = inputs.shape[0], inputs.shape[1]
        masked = signature.has_mask and mask is not None
        if _by_row(self.layer) and not masked:
            rows = -1 if batch is None or steps is None else batch * steps
            outputs = self.layer.call(ops.reshape(inputs, (rows, *inputs.shape[2:])), **kwargs)
            shape = (-1 if batch is None else batch, -1 if steps is None else steps, *outputs.shape[1:])
            if shape.count(-1) > 1:
                raise ValueError(
                    f"[{self.name}] expected a known batch size or number of steps, received shape {inputs.shape}. "
                    "Give one of them in keras.Input."
                )
            return ops.reshape(outputs, shape)
        outputs = []
        for i in range(steps):
            if masked:
                kwargs["mask"] = mask[:, i]
            outputs.append(self.layer.call(inputs[:, i], **kwargs))
        return ops.stack(outputs, axis=1)
