"""Normalization."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.backend.config import epsilon
from tahr.keras.backend.engine import is_tensor
from tahr.keras.layers.preprocessing.data_layer import DataLayer


class Normalization(DataLayer):
    """(inputs - mean) / sqrt(variance), with mean and variance given or found from data by `adapt`.

    Args:
        axis: axes that keep a mean of their own each; None for one mean of everything.
        mean: the mean, broadcast to the kept axes; given together with `variance`.
        variance: the variance, likewise.
        invert: do the reverse: inputs * sqrt(variance) + mean.

    Raises:
        ValueError: if only one of `mean` and `variance` is given, or their shapes do not fit.

    >>> from tahr import keras
    >>> import numpy as np
    >>> layer = keras.layers.Normalization()
    >>> layer.adapt(np.array([[0.0], [2.0]], dtype="float32"))
    >>> layer(np.array([[3.0]])).numpy()
    array([[2.]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert
        self.supports_masking = True
        self._allow_non_tensor_positional_args = True
        self._given: Any = None  # mean and variance in the rank of the inputs
        if (mean is None) != (variance is None):
            raise ValueError(
                f"[{self.name}] both `mean` and `variance` must be set, or neither, received mean={mean} and "
                f"variance={variance}."
            )
        if mean is not None:
            shape = np.shape(mean)
            if shape != np.shape(variance):
                raise ValueError(
                    f"[{self.name}] expected mean and variance of the same shape, received {shape} and "
                    f"{np.shape(variance)}."
                )
            if len(shape) > len(self.axis):
                raise ValueError(
                    f"[{self.name}] expected mean with at most {len(self.axis)} axes (axis={self.axis}), received "
                    f"shape {shape}."
                )

    def build(self, input_shape: Any) -> None:
        """Creates mean and variance for inputs of this shape."""
        if input_shape is None:
            return
        rank = len(input_shape)
        if any(not -rank <= a < rank for a in self.axis):
            raise ValueError(
                f"[{self.name}] All `axis` values must be in the range [-{rank}, {rank}), received axis={self.axis}."
            )
        self._input_shape = tuple(input_shape)
        self._keep = tuple(sorted(a % rank for a in self.axis))
        self._reduce = tuple(a for a in range(rank) if a not in self._keep)
        for a in self._keep:
            if input_shape[a] is None:
                raise ValueError(
                    f"[{self.name}] expected a known size of axis {a}, received shape {tuple(input_shape)}."
                )
        self._wide = tuple(input_shape[a] if a in self._keep else 1 for a in range(rank))
        if self.input_mean is not None:
            self._given = (self._spread(self.input_mean), self._spread(self.input_variance))
            return
        shape = tuple(input_shape[a] for a in self._keep)
        self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
        self.adapt_variance = self.add_weight(name="variance", shape=shape, initializer="ones", trainable=False)
        # Nothing reads the count; files of Keras have it.
        self.count = self.add_weight(name="count", shape=(), dtype="int32", initializer="zeros", trainable=False)

    @property
    def mean(self) -> Any:
        """The mean, broadcast to the rank of the inputs; None before the layer is built."""
        return self._statistic(0, "adapt_mean")

    @property
    def variance(self) -> Any:
        """The variance, broadcast to the rank of the inputs; None before the layer is built."""
        return self._statistic(1, "adapt_variance")

    def finalize_state(self) -> None:
        """Puts adapted statistics to use. Nothing is left to do: `mean` and `variance` follow the weights at all times."""

    def _statistic(self, index: int, name: str) -> Any:
        if self.input_mean is not None:
            return None if self._given is None else self._given[index]
        if not hasattr(self, name):
            return None
        return ops.cast(ops.reshape(getattr(self, name), self._wide), self.compute_dtype)

    def _spread(self, value: Any) -> Any:
        """A given mean or variance in the rank of the inputs: its axes are the last of the kept ones."""
        array = np.asarray(value)
        shape = [1] * len(self._wide)
        for i, size in enumerate(reversed(array.shape)):
            shape[self._keep[-1 - i]] = size
        return ops.cast(ops.convert_to_tensor(np.broadcast_to(array.reshape(shape), self._wide)), self.compute_dtype)

    def adapt(self, data: Any) -> None:
        """Finds mean and variance of `data`.

        Args:
            data: array or tensor, or an iterable of batches (or of tuples that begin with the batch).

        Raises:
            TypeError: if `data` is something else.
            ValueError: if there is no data, or its shape differs from what the layer was built for.
        """
        if self.input_mean is not None:
            raise ValueError(f"[{self.name}] expected a layer without a given mean in adapt(), received one with it.")
        if isinstance(data, np.ndarray) or is_tensor(data):
            batches: Any = [data]
        elif hasattr(data, "__iter__"):
            batches = (b[0] if isinstance(b, (tuple, list)) and hasattr(b[0], "shape") else b for b in data)
        else:
            raise TypeError(f"[{self.name}] expected an array or an iterable of batches, received {type(data)}.")
        first = next(iter_ := iter(batches), None)
        if first is None:
            raise ValueError(f"[{self.name}] expected data in adapt(), received an empty iterable.")
        if not hasattr(first, "shape"):
            raise TypeError(f"[{self.name}] expected batches with a `.shape` in adapt(), received {type(first)}.")
        if not self.built:
            self.build(tuple(first.shape))
        count = 0
        mean = var = np.zeros(tuple(self.adapt_mean.shape))
        for batch in itertools.chain([first], iter_):
            if len(batch.shape) != len(self._wide) or any(batch.shape[a] != self._input_shape[a] for a in self._keep):
                raise ValueError(
                    f"[{self.name}] expected data of shape {self._input_shape}, for which it was built, received "
                    f"shape {tuple(batch.shape)}: an incompatible shape."
                )
            x = np.asarray(batch.numpy() if is_tensor(batch) else batch, dtype="float64")
            size = math.prod(x.shape[a] for a in self._reduce)
            # Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979
            new_mean, new_var = x.mean(axis=self._reduce), x.var(axis=self._reduce)
            delta = new_mean - mean
            part = size / (count + size)
            mean = mean + delta * part
            var = var * (1 - part) + new_var * part + delta**2 * part * (1 - part)
            count += size
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(var)

    def call(self, inputs: Any) -> Any:
        """The normalised `inputs`."""
        x = ops.cast(ops.convert_to_tensor(inputs), self.compute_dtype)
        if self.invert:
            return ops.add(self.mean, ops.multiply(x, ops.maximum(ops.sqrt(self.variance), epsilon())))
        return ops.divide(ops.subtract(x, self.mean), ops.maximum(ops.sqrt(self.variance), epsilon()))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""

        def plain(value: Any) -> Any:
            return None if value is None else np.asarray(value).tolist()

        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": plain(self.input_mean),
            "variance": plain(self.input_variance),
        }
