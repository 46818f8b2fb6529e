"""Layers that change the values of pixels: brightness, contrast, colours, sharpness, histograms."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.config import epsilon
from tahr.keras.layers.preprocessing.image.base import ImageLayer, check_range, interval, per_image, rescale
from tahr.ops import image


class _Values(ImageLayer):
    """A layer with a factor, a range of values and a seed."""

    _config: tuple[str, ...] = ("factor", "value_range", "seed")
    _bounds: tuple[float, float] = (-1, 1)
    _draws = "factor"  # the name of what is drawn, uniformly from `factor`

    def __init__(
        self, factor: Any, value_range: Any, seed: int | None = None, data_format: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self.name, "factor", factor, *self._bounds, symmetric=False)
        self.value_range = check_range(self.name, value_range)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """A factor for each image."""
        if not training:
            return None
        return {self._draws: self._uniform((self._shape_of(data)[0], 1, 1, 1), *self.factor, seed)}

    def _drawn(self, transformation: Any, images: Any) -> Any:
        return ops.cast(per_image(transformation[self._draws]), str(images.dtype))

    def _clip(self, images: Any) -> Any:
        return ops.clip(images, self.value_range[0], self.value_range[1])


class RandomBrightness(_Values):
    """While training, adds a random number to images.

    Args:
        factor: the range of that number in parts of the range of values, within [-1, 1]; one number f for -f to f.
        value_range: the smallest and largest value of pixels.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.RandomBrightness((0.1, 0.1), value_range=(0, 10))
    >>> layer(np.array([[[1.0, 9.5]]])).numpy().ravel().tolist()
    [2.0, 10.0]
    """

    _draws = "rgb_delta"

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(factor, value_range, seed, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"rgb_delta": (n, 1, 1, 1)}."""
        drawn = super().get_random_transformation(data, training, seed)
        return drawn and {"rgb_delta": drawn["rgb_delta"] * float(self.value_range[1] - self.value_range[0])}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return self._clip(images + self._drawn(transformation, images))


class RandomContrast(_Values):
    """While training, moves pixels away from the mean of their channel, or towards it.

    Args:
        factor: two numbers (a, b) for factors from 1 - a to 1 + b, each between 0 and 1; one number f for (0, f).
        value_range: the smallest and largest value of pixels.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomContrast(0.5, seed=1)(np.ones((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    _draws = "contrast_factor"
    _bounds = (0, 1)

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(factor, value_range, seed, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"contrast_factor": (n, 1, 1, 1)}."""
        if not training:
            return None
        shape = (self._shape_of(data)[0], 1, 1, 1)
        return {"contrast_factor": self._uniform(shape, 1.0 - self.factor[0], 1.0 + self.factor[1], seed)}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        mean = ops.mean(images, axis=self._axes[:2], keepdims=True)
        return self._clip((images - mean) * self._drawn(transformation, images) + mean)


class RandomHue(_Values):
    """While training, turns the hue of RGB images.

    Args:
        factor: how far, from 0 to 1 (half the circle), to either side; one number f for 0 to f.
        value_range: the smallest and largest value of pixels.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomHue((1.0, 1.0))(np.array([[[255.0, 0.0, 0.0]]])).numpy().round().ravel().tolist()
    [0.0, 255.0, 255.0]
    """

    _bounds = (0, 1)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"factor": (n,)}."""
        if not training:
            return None
        count = (self._shape_of(data)[0],)
        sign = ops.where(self._uniform(count, 0.0, 1.0, seed) > 0.5, -0.5, 0.5)
        return {"factor": sign * self._uniform(count, *self.factor, seed)}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        axis = self._axes[2]
        hsv = image.rgb_to_hsv(rescale(images, self.value_range, (0, 1)), self.data_format)
        hue, saturation, value = ops.split(hsv, 3, axis=axis)
        turned = hue + self._drawn(transformation, images)
        turned = ops.where(turned > 1.0, turned - 1.0, turned)
        turned = ops.where(turned < 0.0, turned + 1.0, turned)
        rgb = image.hsv_to_rgb(ops.concatenate([turned, saturation, value], axis), self.data_format)
        return rescale(ops.clip(rgb, 0.0, 1.0), (0, 1), self.value_range)


class RandomSaturation(_Values):
    """While training, makes the colours of RGB images stronger or weaker.

    Args:
        factor: from 0 (grey) over 0.5 (as it is) to 1 (full colours): the range to draw from; one number f for 0 to f.
        value_range: the smallest and largest value of pixels.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomSaturation((0.0, 0.0))(np.array([[[9.0, 3.0, 0.0]]])).numpy().ravel().tolist()
    [9.0, 9.0, 9.0]
    """

    _bounds = (0, 1)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"factor": (n,)}, by which saturations are multiplied."""
        if not training:
            return None
        factor = self._uniform((self._shape_of(data)[0],), *self.factor, seed)
        return {"factor": factor / (1.0 - factor + epsilon())}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        axis = self._axes[2]
        unit = rescale(images, self.value_range, (0, 1))
        hue, saturation, value = ops.split(image.rgb_to_hsv(unit, self.data_format), 3, axis=axis)
        stronger = ops.clip(saturation * self._drawn(transformation, images), 0.0, 1.0)
        rgb = image.hsv_to_rgb(ops.concatenate([hue, stronger, value], axis), self.data_format)
        return rescale(rgb, (0, 1), self.value_range)


class RandomColorDegeneration(_Values):
    """While training, blends RGB images with their grey version.

    Args:
        factor: the part of grey, from 0 to 1: the range to draw from; one number f for 0 to f.
        value_range: the smallest and largest value of pixels.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomColorDegeneration(0.5, seed=1)(np.ones((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        grey = image.rgb_to_grayscale(images, self.data_format)
        return self._clip(images + self._drawn(transformation, images) * (grey - images))


class RandomSharpness(_Values):
    """While training, sharpens or blurs images.

    Args:
        factor: from 0 (blurred) over 0.5 (as it is) to 1 (sharpened): the range to draw from; one number f for 0 to f.
        value_range: the smallest and largest value of pixels.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomSharpness(0.5, seed=1)(np.ones((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    _bounds = (0, 1)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        first = self.data_format == "channels_first"
        x = ops.transpose(images, (0, 2, 3, 1)) if first else images
        kernel = ops.convert_to_tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]], dtype=str(x.dtype)) / 13.0
        kernel = ops.tile(ops.reshape(kernel, (3, 3, 1, 1)), (1, 1, x.shape[-1], 1))
        smooth = ops.depthwise_conv(x, kernel, padding="same", data_format="channels_last")
        y = self._clip(x + (1.0 - 2.0 * self._drawn(transformation, images)) * (smooth - x))
        return ops.transpose(y, (0, 3, 1, 2)) if first else y


class RandomInvert(_Values):
    """While training, turns some images into their negatives.

    Args:
        factor: the range from which the probability is drawn, within [0, 1]; one number f for 0 to f.
        value_range: the smallest and largest value of pixels.
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomInvert((1.0, 1.0))(np.array([[[5.0]]])).numpy().ravel().tolist()
    [250.0]
    """

    _bounds = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"apply_inversion": (n,)}."""
        if not training:
            return None
        return {"apply_inversion": self._happens(self._shape_of(data)[0], self.factor, seed)}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return ops.where(per_image(transformation["apply_inversion"]), self.value_range[1] - images, images)


class RandomPosterization(_Values):
    """While training, keeps only the first bits of each value.

    Args:
        factor: how many of 8 bits, from 1 to 8: the range to draw from (its end excluded), or one number.
        value_range: the smallest and largest value of pixels.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomPosterization(1)(np.array([[[100.0, 200.0]]])).numpy().ravel().tolist()
    [0.0, 128.0]
    """

    _bounds = (1, 8)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"shift_factor": (n,), how many bits go}."""
        if not training:
            return None
        low, high = self.factor
        count = (self._shape_of(data)[0],)
        bits = ops.floor(self._uniform(count, float(low), float(max(high, low + 1)), seed)) if high > low else None
        return {"shift_factor": 8.0 - (ops.full(count, float(low)) if bits is None else bits)}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        step = ops.power(2.0, ops.cast(per_image(transformation["shift_factor"]), "float32"))
        x = ops.floor(ops.cast(rescale(images, self.value_range, (0, 255)), "float32"))
        return rescale(ops.floor(x / step) * step, (0, 255), self.value_range)


class RandomGrayscale(ImageLayer):
    """While training, turns some RGB images grey; they keep their three channels.

    Args:
        factor: the probability, from 0 to 1.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomGrayscale(seed=1)(np.ones((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    _config = ("factor", "seed")

    def __init__(
        self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if not 0 <= factor <= 1:
            raise ValueError(f"[{self.name}] expected factor between 0 and 1, received {factor!r}.")
        self.factor = factor
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """(n, 1, 1, 1) booleans."""
        if not training:
            return None
        return self._uniform((self._shape_of(data)[0], 1, 1, 1), 0.0, 1.0, seed) < self.factor

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return ops.where(transformation, image.rgb_to_grayscale(images, self.data_format), images)


class RandomColorJitter(ImageLayer):
    """While training, changes brightness, contrast, saturation and hue, each by its own layer.

    Args:
        value_range: the smallest and largest value of pixels.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: the factors of RandomBrightness,
            RandomContrast, RandomSaturation and RandomHue; None leaves it out.
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomColorJitter(hue_factor=0.1, brightness_factor=0.2)(np.ones((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    _config = ("value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor", "seed")

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        self._set_seed(seed)
        kinds = (
            ("random_brightness", RandomBrightness, brightness_factor),
            ("random_contrast", RandomContrast, contrast_factor),
            ("random_saturation", RandomSaturation, saturation_factor),
            ("random_hue", RandomHue, hue_factor),
        )
        self._parts = [name for name, _, factor in kinds if factor is not None]
        for name, kind, factor in kinds:
            layer = None
            if factor is not None:
                layer = kind(
                    factor, value_range=value_range, seed=seed, data_format=self.data_format, dtype=self.dtype_policy
                )
            setattr(self, name, layer)

    def build(self, input_shape: Any) -> None:
        """Builds the layers."""
        for name in self._parts:
            getattr(self, name).build(input_shape)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The choices of each layer, by its name."""
        if not training:
            return None
        seed = self.generator if seed is None else seed
        return {name: getattr(self, name).get_random_transformation(data, seed=seed) for name in self._parts}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        for name in self._parts:
            images = getattr(self, name).transform_images(images, transformation[name])
        return images


class RandomGaussianBlur(ImageLayer):
    """While training, blurs some images.

    Args:
        factor: the range from which the probability is drawn, within [0, 1]; one number f for 0 to f.
        kernel_size: odd number, or two: width and height of the filter, in pixels.
        sigma: the range of its standard deviation, within [0, 1]; one number s for 0 to s.
        value_range: the smallest and largest value of pixels.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomGaussianBlur(seed=1)(np.ones((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    _config = ("factor", "kernel_size", "sigma", "value_range", "seed")

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self.name, "factor", factor, 0, 1, symmetric=False)
        sizes = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        if len(sizes) != 2 or any(not isinstance(k, int) or k % 2 == 0 for k in sizes):
            raise ValueError(
                f"[{self.name}] expected kernel_size to be odd, or two odd numbers, received {kernel_size}."
            )
        self.kernel_size = sizes
        self.sigma = interval(self.name, "sigma", sigma, 0, 1, symmetric=False)
        self.value_range = check_range(self.name, value_range)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"should_apply_blur": (n,), "blur_factor": (2,) standard deviations}."""
        if not training:
            return None
        happens = self._happens(self._shape_of(data)[0], self.factor, seed)
        return {"should_apply_blur": happens, "blur_factor": self._uniform((2,), *self.sigma, seed) + 1e-6}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        blurred = image.gaussian_blur(images, self.kernel_size, transformation["blur_factor"], self.data_format)
        y = ops.where(per_image(transformation["should_apply_blur"]), blurred, images)
        return ops.clip(y, self.value_range[0], self.value_range[1])


class Solarization(ImageLayer):
    """While training, adds a number to images, then inverts what lies above a threshold.

    Args:
        addition_factor: the range of that number in parts of 255, within [0, 1]; one number f for 0 to f.
        threshold_factor: the range of the threshold, likewise.
        value_range: the smallest and largest value of pixels.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Solarization()(np.array([[[1.0, 200.0]]])).numpy().ravel().tolist()
    [254.0, 55.0]
    """

    _config = ("value_range", "addition_factor", "threshold_factor", "seed")

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.addition_factor = interval(self.name, "addition_factor", addition_factor, 0, 1, symmetric=False)
        self.threshold_factor = interval(self.name, "threshold_factor", threshold_factor, 0, 1, symmetric=False)
        self.value_range = check_range(self.name, value_range)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"additions": (n, 1, 1, 1), "thresholds": (n, 1, 1, 1)}."""
        if not training:
            return None
        shape = (self._shape_of(data)[0], 1, 1, 1)
        parts = (("additions", self.addition_factor), ("thresholds", self.threshold_factor))
        return {name: self._uniform(shape, low * 255.0, high * 255.0, seed) for name, (low, high) in parts}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        added, limit = (ops.cast(transformation[k], str(images.dtype)) for k in ("additions", "thresholds"))
        x = ops.clip(rescale(images, self.value_range, (0, 255)) + added, 0.0, 255.0)
        return rescale(ops.where(x < limit, x, 255.0 - x), (0, 255), self.value_range)


class AutoContrast(ImageLayer):
    """Stretches each channel of each image to the whole range of values, while training or not.

    Args:
        value_range: the smallest and largest value of pixels.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AutoContrast()(np.array([[[10.0], [20.0], [30.0]]])).numpy().ravel().tolist()
    [0.0, 127.5, 255.0]
    """

    _config = ("value_range",)

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value_range = check_range(self.name, value_range)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The stretched images; a channel of one value stays."""
        x = ops.cast(ops.convert_to_tensor(images), self.compute_dtype)
        low = ops.min(x, axis=self._axes[:2], keepdims=True)
        spread = ops.max(x, axis=self._axes[:2], keepdims=True) - low
        unit = (x - low) / ops.where(spread > 0, spread, ops.ones_like(spread))
        return ops.where(spread > 0, rescale(unit, (0, 1), self.value_range), x)


class Equalization(ImageLayer):
    """While training, maps the values of each channel so that all of them are about equally frequent in the batch.

    Args:
        value_range: the smallest and largest value of pixels.
        bins: into how many kinds values are sorted.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Equalization()(np.array([[[10.0], [20.0], [30.0]]])).numpy().ravel().tolist()
    [0.0, 128.0, 255.0]
    """

    _config = ("bins", "value_range")

    def __init__(
        self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.bins = bins
        self.value_range = check_range(self.name, value_range)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with their values mapped."""
        images = ops.cast(ops.convert_to_tensor(images), self.compute_dtype)
        if not training:
            return images
        axis = self._axes[2]
        channels = [self._equalized(c) for c in ops.split(images, images.shape[axis], axis=axis)]
        return ops.cast(ops.concatenate(channels, axis), self.compute_dtype)

    def _equalized(self, channel: Any) -> Any:
        x = ops.cast(rescale(channel, self.value_range, (0, 255)), "float32")
        # Truncation as of an integer cast, which values below 0 share with 0.
        place = ops.cast(ops.clip(x * ((self.bins - 1) / 255.0), 0.0, float(self.bins - 1)), "int32")
        flat = ops.reshape(place, (-1,))
        counts = ops.segment_sum(ops.ones_like(flat), flat, num_segments=self.bins)
        total = ops.cumsum(counts)
        first = ops.min(ops.where(total > 0, total, ops.full_like(total, 2**31 - 1)))
        rest = total[-1] - first
        table = ops.cast(total - first, "float32") * 255.0 / ops.cast(ops.maximum(rest, 1), "float32")
        mapped = ops.take(ops.clip(ops.round(table), 0.0, 255.0), place)
        one_value = ops.sum(ops.cast(counts > 0, "int32")) <= 1
        return rescale(ops.where(one_value, x, mapped), (0, 255), self.value_range)
