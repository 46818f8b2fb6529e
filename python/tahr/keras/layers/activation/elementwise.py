"""ReLU, LeakyReLU, ThresholdedReLU and ELU."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import activations
from tahr.keras.layers.layer import Layer


def _not_negative(layer: str, name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ValueError(f"[{layer}] {name} of a {layer} layer cannot be None or a negative value, received {value!r}.")
    return value


class ReLU(Layer):
    """x between `threshold` and `max_value`, cut off above, and a line of slope `negative_slope` below.

    Args:
        max_value: greatest output; None for no limit.
        negative_slope: slope below the threshold.
        threshold: where the function starts to rise.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ReLU(max_value=2.0)(np.array([-1.0, 1.0, 3.0])).numpy()
    array([0., 1., 2.], dtype=float32)
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        if "alpha" in kwargs:  # the name of Keras 2
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        self.max_value = max_value if max_value is None else _not_negative("ReLU", "max_value", max_value)
        self.negative_slope = _not_negative("ReLU", "negative_slope", negative_slope)
        self.threshold = _not_negative("ReLU", "threshold", threshold)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """`activations.relu` of `inputs`."""
        return activations.relu(
            inputs, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(Layer):
    """x if x > 0, else negative_slope * x.

    Args:
        negative_slope: slope below 0.
        kwargs: arguments of `Layer`; `alpha` is the older name of `negative_slope`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.LeakyReLU(0.5)(np.array([-2.0, 2.0])).numpy()
    array([-1.,  2.], dtype=float32)
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        self.negative_slope = _not_negative("LeakyReLU", "negative_slope", negative_slope)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """`activations.leaky_relu` of `inputs`."""
        return activations.leaky_relu(inputs, negative_slope=self.negative_slope)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ThresholdedReLU(Layer):
    """x above a threshold, else 0. Of Keras 2: `ReLU(threshold=theta)` of Keras 3 is the same above and at 0 below.

    Args:
        theta: the threshold, which itself gives 0.

    Raises:
        ValueError: if `theta` is None or negative.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ThresholdedReLU(theta=1.0)(np.array([0.5, 1.0, 3.0])).numpy()
    array([0., 0., 3.], dtype=float32)
    """

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = float(_not_negative("ThresholdedReLU", "theta", theta))
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """`inputs` where they are greater than `theta`, else 0."""
        return inputs * ops.cast(ops.greater(inputs, self.theta), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "theta": self.theta}


class ELU(Layer):
    """x if x > 0, else alpha * (exp(x) - 1).

    Args:
        alpha: value that the output approaches far below 0, negated.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.ELU()(np.array([-100.0, 2.0])).numpy()
    array([-1.,  2.], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """`activations.elu` of `inputs`."""
        return activations.elu(inputs, alpha=self.alpha)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "alpha": self.alpha}
