"""Layers that change the size of images: resizing and crops."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.preprocessing.image.base import ImageLayer
from tahr.keras.utils.bounding_boxes import clip_to_image_size, convert_format
from tahr.ops import image


class _Sized(ImageLayer):
    """A layer whose images have one size. Its random choice says which box of the input becomes the output."""

    _moves_pixels = True
    _config: tuple[str, ...] = ("height", "width")

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        for name, value in (("height", height), ("width", width)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"[{self.name}] expected {name} to be a positive integer, received {value!r}.")
        self.height, self.width = height, width

    def _output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        result = list(shape)
        result[self._axes[0]], result[self._axes[1]] = self.height, self.width
        return tuple(result)

    def _boxes_within(self, bounding_boxes: Any, size: Any, box: Any) -> Any:
        """Boxes after the box (top, left, height, width) of images of `size` became the whole image."""
        top, left, height, width = (ops.cast(ops.convert_to_tensor(v), "float32") for v in box)
        boxes = convert_format(bounding_boxes, self.bounding_box_format, "xyxy", *size)
        corner, extent = ops.stack([left, top, left, top]), ops.stack([width, height, width, height])
        target = ops.convert_to_tensor([float(v) for v in (self.width, self.height) * 2])
        boxes = {**boxes, "boxes": (boxes["boxes"] - corner) * (target / extent)}
        boxes = clip_to_image_size(boxes, self.height, self.width)
        return convert_format(boxes, "xyxy", self.bounding_box_format, self.height, self.width)


class Resizing(_Sized):
    """Gives images another size, while training or not.

    Args:
        height: the new height.
        width: the new width.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: whether to cut off the edges first, so that nothing is distorted.
        pad_to_aspect_ratio: whether to put `fill_value` around first, so that nothing is distorted.
        fill_mode: "constant".
        fill_value: see `pad_to_aspect_ratio`.
        antialias: whether to average over the whole area that a new pixel covers where the image shrinks.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    The dtype of the images stays; integers are rounded.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Resizing(2, 3)(np.zeros((5, 10, 10, 3), "uint8")).shape
    (5, 2, 3, 3)
    """

    _config = (
        *("height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode"),
        *("fill_value", "antialias"),
    )

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(height, width, data_format, **kwargs)
        if interpolation not in image.RESIZE_INTERPOLATIONS:
            raise ValueError(
                f"[{self.name}] expected interpolation to be one of {image.RESIZE_INTERPOLATIONS}, received "
                f"{interpolation!r}."
            )
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(
                f"[{self.name}] expected one of crop_to_aspect_ratio and pad_to_aspect_ratio, received both."
            )
        self.interpolation, self.antialias = interpolation, bool(antialias)
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value = fill_mode, fill_value

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The height and width of the images; None where unknown."""
        images = data["images"] if isinstance(data, dict) else data
        return images.shape[self._axes[0]], images.shape[self._axes[1]]

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return image.resize(
            images,
            (self.height, self.width),
            interpolation,
            self.antialias,
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            self.fill_mode,
            self.fill_value,
            self.data_format,
        )

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images in the new size."""
        return self._change(images, transformation, self.interpolation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The masks in the new size, each pixel that of the nearest old one."""
        return self._change(segmentation_masks, transformation, "nearest")

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """The boxes in images of the new size."""
        height, width = transformation
        box: tuple[float, ...] = (0, 0, height, width)
        if self.crop_to_aspect_ratio:
            box = image.aspect_box(height, width, self.height, self.width)
        elif self.pad_to_aspect_ratio:
            high = max(height, int(float(width * self.height) / self.width))
            wide = max(width, int(float(height * self.width) / self.height))
            top, left = (high - height) // 2, (wide - width) // 2
            box = (-top, -left, height + 2 * top, width + 2 * left)
        return self._boxes_within(bounding_boxes, (height, width), box)


class CenterCrop(_Sized):
    """Cuts the centre out of images, while training or not; images that are too small are enlarged first.

    Args:
        height: the height of the result.
        width: the width of the result.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.CenterCrop(1, 2)(np.arange(12.0).reshape(1, 3, 4, 1)).numpy().ravel().tolist()
    [5.0, 6.0]
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(height, width, data_format, **kwargs)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"size"}."""
        return {"size": self._shape_of(data)[1:]}

    def _box(self, height: int, width: int) -> tuple[int, int, int, int]:
        if height >= self.height and width >= self.width:
            return (height - self.height) // 2, (width - self.width) // 2, self.height, self.width
        return image.aspect_box(height, width, self.height, self.width)

    def _cut(self, images: Any, interpolation: str) -> Any:
        top, left, height, width = self._box(*self._known_size(images))
        part = image.crop_images(
            images, top, left, target_height=height, target_width=width, data_format=self.data_format
        )
        if (height, width) == (self.height, self.width):
            return part
        return image.resize(part, (self.height, self.width), interpolation, data_format=self.data_format)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The centres of the images."""
        return self._cut(ops.cast(ops.convert_to_tensor(images), self.compute_dtype), "bilinear")

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The centres of the masks."""
        return self._cut(ops.convert_to_tensor(segmentation_masks), "nearest")

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """The boxes within the centre."""
        size = transformation["size"]
        return self._boxes_within(bounding_boxes, size, self._box(*size))


class RandomCrop(_Sized):
    """While training, cuts a random part out of images, one for the whole batch; else their centre, resized.

    Args:
        height: the height of the result.
        width: the width of the result.
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        name: the layer's name.

    Images that are too small, and all images outside of training, give their largest centred part of the result's
    proportions.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomCrop(2, 3)(np.zeros((5, 8, 8, 1))).shape
    (5, 2, 3, 1)
    """

    _config = ("height", "width", "seed")

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(height, width, data_format, name=name, **kwargs)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"start": (row, column), "box": height and width of the part, "size"}."""
        _, height, width = self._shape_of(data)
        size = (height, width)
        if training and height >= self.height and width >= self.width:
            corner = [
                ops.cast(self._uniform((), 0.0, float(have - want + 1), seed), "int32")
                for have, want in ((height, self.height), (width, self.width))
            ]
            return {"start": corner, "box": (self.height, self.width), "size": size}
        top, left, high, wide = image.aspect_box(height, width, self.height, self.width)
        return {"start": [top, left], "box": (high, wide), "size": size}

    def _cut(self, images: Any, transformation: Any, interpolation: str) -> Any:
        rank = len(images.shape)
        start: list[Any] = [0] * rank
        shape = list(images.shape)
        for axis, corner, extent in zip(self._axes[:2], transformation["start"], transformation["box"]):
            start[axis], shape[axis] = corner, extent
        corner = ops.stack([ops.cast(ops.convert_to_tensor(s), "int32") for s in start])
        part = ops.slice(images, corner, tuple(shape))
        if tuple(transformation["box"]) == (self.height, self.width):
            return part
        return image.resize(part, (self.height, self.width), interpolation, data_format=self.data_format)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The parts of the images."""
        return self._cut(ops.cast(ops.convert_to_tensor(images), self.compute_dtype), transformation, "bilinear")

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The parts of the masks."""
        return self._cut(ops.convert_to_tensor(segmentation_masks), transformation, "nearest")

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """The boxes within the part."""
        box = (*transformation["start"], *transformation["box"])
        return self._boxes_within(bounding_boxes, transformation["size"], box)
