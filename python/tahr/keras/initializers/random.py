"""Random initializers. An integer seed (or the default one, drawn once) gives the same values at every call; a
`SeedGenerator` gives new ones."""

from __future__ import annotations

import math
import random as python_random
from typing import Any

import numpy as np

from tahr import ops, random
from tahr.keras.initializers.base import Initializer, checked_dtype
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object

# Standard deviation of a unit normal truncated to [-2, 2].
_TRUNCATED_NORMAL_STDDEV = 0.87962566103423978


class RandomInitializer(Initializer):
    """An initializer with a seed."""

    def __init__(self, seed: Any = None):
        from tahr.keras.random import SeedGenerator

        self._init_seed = seed
        if seed is None:
            seed = python_random.randint(1, 10**9)
        elif isinstance(seed, dict):
            seed = deserialize_keras_object(seed)
        elif not isinstance(seed, (int, np.integer, SeedGenerator)):
            raise ValueError(
                f"[{type(self).__name__}] expected `seed` to be an integer or a `keras.random.SeedGenerator`, "
                f"received {seed!r}."
            )
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {"seed": serialize_keras_object(self._init_seed)}


class RandomNormal(RandomInitializer):
    """Draws from a normal distribution.

    Arguments:
        mean: mean of the distribution.
        stddev: its standard deviation.
        seed: an integer, a `SeedGenerator`, or `None` for a seed drawn at construction.

    Example:

    >>> from tahr.keras import initializers
    >>> tuple(initializers.RandomNormal(stddev=0.1, seed=1)((3, 2)).shape)
    (3, 2)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None):
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        return random.normal(shape, mean=self.mean, stddev=self.stddev, dtype=checked_dtype(dtype), seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomInitializer):
    """Draws from a normal distribution, drawing again whatever is off the mean by over two standard deviations.

    Arguments:
        mean: mean of the distribution before truncation.
        stddev: its standard deviation before truncation.
        seed: an integer, a `SeedGenerator`, or `None` for a seed drawn at construction.

    Example:

    >>> from tahr.keras import initializers
    >>> tuple(initializers.TruncatedNormal(stddev=0.1, seed=1)((3, 2)).shape)
    (3, 2)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None):
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        return random.truncated_normal(
            shape, mean=self.mean, stddev=self.stddev, dtype=checked_dtype(dtype), seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomUniform(RandomInitializer):
    """Draws uniformly from `[minval, maxval)`.

    Arguments:
        minval: lower bound, included.
        maxval: upper bound, excluded.
        seed: an integer, a `SeedGenerator`, or `None` for a seed drawn at construction.

    Example:

    >>> from tahr.keras import initializers
    >>> tuple(initializers.RandomUniform(-1.0, 1.0, seed=1)((3, 2)).shape)
    (3, 2)
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None):
        self.minval = minval
        self.maxval = maxval
        super().__init__(seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        return random.uniform(shape, minval=self.minval, maxval=self.maxval, dtype=checked_dtype(dtype), seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class VarianceScaling(RandomInitializer):
    """Draws with a variance of `scale / n`, where `n` counts the connections of the weight.

    `n` is the number of inputs (`mode="fan_in"`), of outputs (`"fan_out"`), or their mean (`"fan_avg"`).

    Arguments:
        scale: positive factor on the variance.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"` (also `"normal"`; the standard deviation is corrected for the truncation),
            `"untruncated_normal"`, or `"uniform"` on `[-sqrt(3 scale / n), sqrt(3 scale / n))`.
        seed: an integer, a `SeedGenerator`, or `None` for a seed drawn at construction.
        input_axes: axes of the shape whose product is the fan-in; with `output_axes`, replaces the usual rule that the
            last two axes are inputs and outputs and those before them a receptive field.
        output_axes: axes of the shape whose product is the fan-out.

    Example:

    >>> from tahr.keras import initializers
    >>> tuple(initializers.VarianceScaling(2.0, "fan_in", seed=1)((3, 2)).shape)
    (3, 2)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ):
        name = type(self).__name__
        if scale <= 0.0:
            raise ValueError(f"[{name}] Argument `scale` must be positive float. Received: {scale}.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"[{name}] Invalid `mode` argument: {mode!r}. It is 'fan_in', 'fan_out' or 'fan_avg'.")
        distribution = distribution.lower()
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(
                f"[{name}] Invalid `distribution` argument: {distribution!r}. It is 'uniform', 'truncated_normal' or "
                "'untruncated_normal'."
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes
        super().__init__(seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        variance = self.scale / max(1.0, fan)
        dtype = checked_dtype(dtype)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(shape, minval=-limit, maxval=limit, dtype=dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, mean=0.0, stddev=math.sqrt(variance), dtype=dtype, seed=self.seed)
        stddev = math.sqrt(variance) / _TRUNCATED_NORMAL_STDDEV
        return random.truncated_normal(shape, mean=0.0, stddev=stddev, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _Named(VarianceScaling):
    """A `VarianceScaling` with its scale, mode and distribution fixed by the class."""

    _scale: float
    _mode: str
    _distribution: str

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None):
        super().__init__(self._scale, self._mode, self._distribution, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_Named):
    """Uniform with variance `2 / (fan_in + fan_out)`: the default of most layers. Arguments as in `VarianceScaling`.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Example:

    >>> from tahr.keras import initializers
    >>> tuple(initializers.GlorotUniform(seed=1)((3, 2)).shape)
    (3, 2)
    """

    _scale, _mode, _distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_Named):
    """Truncated normal with variance `2 / (fan_in + fan_out)`. Arguments as in `VarianceScaling`.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    _scale, _mode, _distribution = 1.0, "fan_avg", "truncated_normal"


class LecunNormal(_Named):
    """Truncated normal with variance `1 / fan_in`. Arguments as in `VarianceScaling`.

    Source: LeCun et al., "Efficient BackProp", 1998; Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    _scale, _mode, _distribution = 1.0, "fan_in", "truncated_normal"


class LecunUniform(_Named):
    """Uniform with variance `1 / fan_in`. Arguments as in `VarianceScaling`.

    Source: LeCun et al., "Efficient BackProp", 1998.
    """

    _scale, _mode, _distribution = 1.0, "fan_in", "uniform"


class HeNormal(_Named):
    """Truncated normal with variance `2 / fan_in`, for layers with ReLU. Arguments as in `VarianceScaling`.

    Source: He et al., "Delving Deep into Rectifiers", 2015.
    """

    _scale, _mode, _distribution = 2.0, "fan_in", "truncated_normal"


class HeUniform(_Named):
    """Uniform with variance `2 / fan_in`, for layers with ReLU. Arguments as in `VarianceScaling`.

    Source: He et al., "Delving Deep into Rectifiers", 2015.
    """

    _scale, _mode, _distribution = 2.0, "fan_in", "uniform"


class Orthogonal(RandomInitializer):
    """A matrix with orthonormal rows or columns (whichever are fewer), times `gain`.

    Shapes of higher rank are matrices of `prod(shape[:-1])` rows. The matrix is the Q of a QR decomposition of a normal
    sample, with signs chosen so that it is uniformly distributed.

    Arguments:
        gain: factor on the matrix.
        seed: an integer, a `SeedGenerator`, or `None` for a seed drawn at construction.

    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2014.

    Example:

    >>> from tahr.keras import initializers
    >>> tuple(initializers.Orthogonal(seed=1)((4, 2)).shape)
    (4, 2)
    """

    def __init__(self, gain: float = 1.0, seed: Any = None):
        self.gain = gain
        super().__init__(seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        if len(shape) < 2:
            raise ValueError(
                f"[Orthogonal] expected a shape of rank 2 or more, received {tuple(shape)} of rank {len(shape)}: all "
                "axes but the last make the rows of the matrix, the last its columns."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        sample = random.normal((max(rows, columns), min(rows, columns)), dtype="float32", seed=self.seed)
        q, r = np.linalg.qr(np.asarray(sample, dtype="float64"))
        q *= np.where(np.diag(r) < 0, -1.0, 1.0)
        q = q if rows >= columns else q.T
        return ops.convert_to_tensor(self.gain * q.reshape(shape), dtype=checked_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


def compute_fans(shape: tuple[int, ...], input_axes: Any = None, output_axes: Any = None) -> tuple[int, int]:
    """Numbers of inputs and outputs of a weight of this shape: `(fan_in, fan_out)`."""
    shape = tuple(int(dim) for dim in shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field
