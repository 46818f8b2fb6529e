"""Layers that mix the images of a batch, or erase parts of them."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import random
from tahr.keras.layers.preprocessing.image.base import ImageLayer, check_range, interval, per_image


class _Boxes(ImageLayer):
    """A layer that chooses a box in each image."""

    _batches = True

    def _span(self, ratio: Any, length: int, seed: Any) -> tuple[Any, Any]:
        """(n,) beginnings and ends of parts `ratio` (n,) of an axis."""
        size = ratio * float(length)
        start = self._uniform(tuple(ratio.shape), 0.0, 1.0, seed) * (float(length) - size)
        return start, start + size

    def _inside(self, height: int, width: int, rows: Any, columns: Any) -> Any:
        """Booleans, true within the box of each image: (n, height, width, 1), or with the channels' axis second."""
        first = self.data_format == "channels_first"
        y = ops.reshape(ops.arange(height, dtype="float32"), (1, 1, -1, 1) if first else (1, -1, 1, 1))
        x = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, 1, -1) if first else (1, 1, -1, 1))
        y0, y1, x0, x1 = (per_image(v) for v in (*rows, *columns))
        within_y = ops.logical_and(y >= y0, y < y1)
        return ops.logical_and(within_y, ops.logical_and(x >= x0, x < x1))


def _blend(weight: Any, x: Any, order: Any) -> Any:
    """weight * x + (1 - weight) * x in another order; `weight` has one number per row of x."""
    x = ops.convert_to_tensor(x)
    if "float" not in str(x.dtype):
        x = ops.cast(x, "float32")
    weight = ops.cast(ops.reshape(weight, (-1, *(1,) * (len(x.shape) - 1))), str(x.dtype))
    return weight * x + (1.0 - weight) * ops.take(x, order, axis=0)


class CutMix(_Boxes):
    """While training, puts a box of another image of the batch into each; labels mix by the areas.

    Args:
        factor: the range from which the parameter of the beta distribution of areas is drawn, within [0, 1]; one
            number f for 0 to f.
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Source: Yun et al., "CutMix", 2019.

    >>> import numpy as np
    >>> from tahr import keras
    >>> data = {"images": np.ones((4, 8, 8, 3), "float32"), "labels": np.eye(4, dtype="float32")}
    >>> keras.layers.CutMix(seed=1)(data)["labels"].numpy().sum(axis=1).round(3).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    _config = ("factor", "seed")

    def __init__(
        self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self.name, "factor", factor, 0, 1, symmetric=False)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"permutation_order": (n,), "batch_masks", "mix_weight": (n, 1, 1, 1)}; None for a single image."""
        images = data["images"] if isinstance(data, dict) else data
        if not training or len(images.shape) == 3:
            return None
        source = self.generator if seed is None else seed
        count, height, width = self._shape_of(data)
        alpha = self._uniform((), *self.factor, seed) + 1e-6
        ratio = ops.sqrt(1.0 - random.beta((count,), alpha, alpha, dtype="float32", seed=source))
        columns, rows = self._span(ratio, width, seed), self._span(ratio, height, seed)
        weight = 1.0 - (columns[1] - columns[0]) * (rows[1] - rows[0]) / float(width * height)
        order = random.shuffle(ops.arange(count, dtype="int32"), seed=source)
        masks = self._inside(height, width, rows, columns)
        return {"permutation_order": order, "batch_masks": masks, "mix_weight": per_image(weight)}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        other = ops.take(images, transformation["permutation_order"], axis=0)
        return ops.where(transformation["batch_masks"], other, images)

    def transform_labels(self, labels: Any, transformation: Any = None, training: bool = True) -> Any:
        """The labels (n, classes), mixed like the images."""
        if not training or transformation is None:
            return labels
        return _blend(transformation["mix_weight"], labels, transformation["permutation_order"])

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The masks, with the same boxes of the same others."""
        if not training or transformation is None:
            return segmentation_masks
        return self._change(ops.convert_to_tensor(segmentation_masks), transformation, "nearest")

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """Not defined for this layer."""
        raise NotImplementedError(f"[{self.name}] expected data without 'bounding_boxes', received some.")


class MixUp(ImageLayer):
    """While training, blends each image with another of the batch; labels likewise.

    Args:
        alpha: both parameters of the beta distribution of weights.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    Source: Zhang et al., "mixup: beyond empirical risk minimization", 2018.

    >>> import numpy as np
    >>> from tahr import keras
    >>> data = {"images": np.ones((4, 8, 8, 3), "float32"), "labels": np.eye(4, dtype="float32")}
    >>> keras.layers.MixUp(seed=1)(data)["labels"].numpy().sum(axis=1).round(3).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    _batches = True
    _config = ("alpha", "seed")

    def __init__(
        self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.alpha = alpha
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"mix_weight": (n,), "permutation_order": (n,)}."""
        if not training:
            return None
        source = self.generator if seed is None else seed
        count = self._shape_of(data)[0]
        order = random.shuffle(ops.arange(count, dtype="int32"), seed=source)
        weight = random.beta((count,), self.alpha, self.alpha, dtype="float32", seed=source)
        return {"mix_weight": weight, "permutation_order": order}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return _blend(transformation["mix_weight"], images, transformation["permutation_order"])

    def transform_labels(self, labels: Any, transformation: Any = None, training: bool = True) -> Any:
        """The labels (n, classes), mixed like the images."""
        if not training or transformation is None:
            return labels
        return _blend(transformation["mix_weight"], labels, transformation["permutation_order"])

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The masks, mixed like the images."""
        return self.transform_labels(segmentation_masks, transformation, training)

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """The boxes of both images."""
        if not training or transformation is None:
            return bounding_boxes
        order = transformation["permutation_order"]
        both = {k: ops.convert_to_tensor(v) for k, v in bounding_boxes.items()}
        return {k: ops.concatenate([v, ops.take(v, order, axis=0)], 1) for k, v in both.items()}


class RandomErasing(_Boxes):
    """While training, fills a random box of some images.

    Args:
        factor: the range from which the probability is drawn, within [0, 1]; one number f for 0 to f.
        scale: the range from which the squares of the parts of each side are drawn, within [0, 1].
        fill_value: what the box is filled with: a number, one for each of three channels, or None for noise.
        value_range: the smallest and largest value of pixels.
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Source: Zhong et al., "Random erasing data augmentation", 2020.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.RandomErasing((1.0, 1.0), scale=(1.0, 1.0), fill_value=7.0)
    >>> layer(np.ones((1, 2, 2, 1))).numpy().ravel().tolist()
    [7.0, 7.0, 7.0, 7.0]
    """

    _config = ("factor", "scale", "fill_value", "value_range", "seed")

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self.name, "factor", factor, 0, 1, symmetric=False)
        self.scale = interval(self.name, "scale", scale, 0, 1, symmetric=False)
        many = isinstance(fill_value, (tuple, list))
        if not (fill_value is None or isinstance(fill_value, (int, float)) or (many and len(fill_value) == 3)):
            raise ValueError(
                f"[{self.name}] expected fill_value to be a number, three or None, received {fill_value!r}."
            )
        self.fill_value = fill_value
        self.value_range = check_range(self.name, value_range)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"apply_erasing": (n,), "batch_masks", "fill_value"}."""
        if not training:
            return None
        images = data["images"] if isinstance(data, dict) else data
        count, height, width = self._shape_of(data)
        sides = ops.sqrt(self._uniform((count, 2), *self.scale, seed))
        columns, rows = self._span(sides[:, 0], width, seed), self._span(sides[:, 1], height, seed)
        return {
            "apply_erasing": self._happens(count, self.factor, seed),
            "batch_masks": self._inside(height, width, rows, columns),
            "fill_value": self._filling(tuple(images.shape), seed),
        }

    def _filling(self, shape: tuple[int, ...], seed: Any) -> Any:
        if self.fill_value is None:
            source = self.generator if seed is None else seed
            value = random.normal(shape, dtype="float32", seed=source) * float(self.value_range[1])
        else:
            value = ops.cast(ops.convert_to_tensor(self.fill_value), "float32")
            if len(value.shape) == 1 and self.data_format == "channels_first":
                value = ops.reshape(value, (3, 1, 1))
        return ops.clip(value, self.value_range[0], self.value_range[1])

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        filling = ops.cast(transformation["fill_value"], str(images.dtype))
        erased = ops.where(transformation["batch_masks"], filling, images)
        return ops.where(per_image(transformation["apply_erasing"]), erased, images)
