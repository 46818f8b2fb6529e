"""What the image layers share: batches and single images, factors, value ranges, random choices."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import random
from tahr.keras.backend.config import standardize_data_format
from tahr.keras.layers.preprocessing.data_layer import DataLayer
from tahr.keras.utils.bounding_boxes import clip_to_image_size, convert_format, warp


def interval(
    layer: str, name: str, value: Any, low: float, high: float, symmetric: bool = True, open_low: bool = False
) -> tuple[float, float]:
    """`value`, a pair or one number f (which stands for -f to f, cut at `low`, or 0 to f), as a sorted pair.

    Raises:
        ValueError: unless all numbers lie between `low` and `high`.
    """
    pair = isinstance(value, (tuple, list))
    numbers = tuple(value) if pair else (value,)
    fits = len(numbers) == (2 if pair else 1) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and low <= v <= high and not (open_low and v == low)
        for v in numbers
    )
    if not fits:
        left = "(" if open_low else "["
        raise ValueError(
            f"[{layer}] The `{name}` argument should be a number, or two, in the range {left}{low}, {high}], received "
            f"{value!r}."
        )
    if pair:
        return min(numbers), max(numbers)
    size = abs(value)
    return (-size if symmetric else max(-size, low)), size


def choice(layer: str, name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    """`value`; NotImplementedError unless it is one of `allowed`."""
    if value not in allowed:
        raise NotImplementedError(f"[{layer}] expected {name} to be one of {allowed}, received {value!r}.")
    return value


def check_range(layer: str, value_range: Any) -> tuple[float, float]:
    """The smallest and largest value of pixels; ValueError unless `value_range` is a pair."""
    if not isinstance(value_range, (tuple, list)) or len(value_range) != 2:
        raise ValueError(
            f"[{layer}] The `value_range` argument should be a list of two numbers, received {value_range!r}."
        )
    return min(value_range), max(value_range)


def rescale(x: Any, source: tuple[float, float], target: tuple[float, float]) -> Any:
    """Values of one range in another."""
    if tuple(source) == tuple(target):
        return x
    factor = (target[1] - target[0]) / (source[1] - source[0])
    return (x - source[0]) * factor + target[0]


def per_image(x: Any) -> Any:
    """(n,) as (n, 1, 1, 1)."""
    return ops.reshape(x, (-1, 1, 1, 1))


class ImageLayer(DataLayer):
    """A layer that takes images (height, width, channels), a batch of them, or a dict with the key "images".

    A dict may hold "labels", "bounding_boxes" ({"boxes", "labels"}) and "segmentation_masks" too, which change along.
    Without `training` said by anyone, it counts as training.

    Args:
        bounding_box_format: the notation of boxes, as in `keras.utils.bounding_boxes`.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        kwargs: as of every layer.
    """

    _moves_pixels = False  # whether masks and boxes change with the images
    _batches = False  # whether transform_images makes a batch of one of a single image
    _config: tuple[str, ...] = ()  # arguments that get_config names
    seed: int | None = None
    interpolation = "bilinear"

    def __init__(self, bounding_box_format: str | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bounding_box_format: Any = bounding_box_format
        self.data_format = standardize_data_format(data_format)
        self._allow_non_tensor_positional_args = True

    def _set_seed(self, seed: int | None) -> None:
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    # Shapes.

    @property
    def _axes(self) -> tuple[int, int, int]:
        """The axes of height, width and channels, from the end."""
        return (-2, -1, -3) if self.data_format == "channels_first" else (-3, -2, -1)

    def _known_size(self, images: Any) -> tuple[int, int]:
        height, width = images.shape[self._axes[0]], images.shape[self._axes[1]]
        if height is None or width is None:
            raise ValueError(f"[{self.name}] expected images of known height and width, received shape {images.shape}.")
        return height, width

    def _shape_of(self, data: Any) -> tuple[int, int, int]:
        """(images, height, width) of a batch, one image or a dict."""
        images = data["images"] if isinstance(data, dict) else data
        if len(images.shape) not in (3, 4):
            raise ValueError(
                f"[{self.name}] Expected the input image to be rank 3 or 4. Received: shape {images.shape}."
            )
        return (images.shape[0] if len(images.shape) == 4 else 1), *self._known_size(images)

    def _size_in(self, transformation: Any) -> tuple[int, int]:
        """Height and width in a transformation, which has "size", or "input_shape" where Keras made it."""
        if "size" in transformation:
            return tuple(transformation["size"])
        shape = transformation["input_shape"]
        return shape[self._axes[0]], shape[self._axes[1]]

    def _uniform(self, shape: Any, low: float, high: float, seed: Any, dtype: Any = "float32") -> Any:
        return random.uniform(shape, low, high, dtype=dtype, seed=self.generator if seed is None else seed)

    def _happens(self, count: int, factor: tuple[float, float], seed: Any) -> Any:
        """(count,) booleans, true with a probability drawn from `factor`."""
        chance = self._uniform((count,), factor[0], factor[1], seed)
        return self._uniform((count,), 0.0, 1.0, seed) < chance

    # What layers define.

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The random choices of one call; None if there are none to make.

        Args:
            data: the images, or a dict with them.
            training: without it nothing is drawn.
            seed: where numbers come from; None for the layer's own generator.
        """
        return None

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        """The images (batch, ...), changed."""
        raise NotImplementedError(f"[{self.name}] expected {type(self).__name__} to define _change().")

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        """(n, 8) transforms by which pixels move; None if they do not."""
        return None

    # The parts of the data.

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """A batch of images, changed while training."""
        images = ops.cast(ops.convert_to_tensor(images), self.compute_dtype)
        if not training or transformation is None:
            return images
        single = len(images.shape) == 3
        batch = ops.expand_dims(images, 0) if single else images
        changed = ops.cast(self._change(batch, transformation, self.interpolation), self.compute_dtype)
        return ops.squeeze(changed, 0) if single and not self._batches else changed

    def transform_labels(self, labels: Any, transformation: Any = None, training: bool = True) -> Any:
        """A batch of labels."""
        return labels

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """A batch of masks, which move with the images and are never blended."""
        if not training or transformation is None or not self._moves_pixels:
            return segmentation_masks
        masks = ops.convert_to_tensor(segmentation_masks)
        return ops.cast(self._change(ops.cast(masks, "float32"), transformation, "nearest"), str(masks.dtype))

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """A batch of boxes {"boxes": (n, k, 4), "labels": (n, k)}, moved with the images and cut at their edges."""
        if not training or transformation is None or not self._moves_pixels:
            return bounding_boxes
        height, width = self._size_in(transformation)
        matrix = self._matrix(transformation, height, width)
        boxes = convert_format(bounding_boxes, self.bounding_box_format, "xyxy", height, width)
        single = len(boxes["boxes"].shape) == 2
        moved = warp(ops.expand_dims(boxes["boxes"], 0) if single else boxes["boxes"], ops.cast(matrix, "float32"))
        boxes = {**boxes, "boxes": ops.squeeze(moved, 0) if single else moved}
        boxes = clip_to_image_size(boxes, height, width)
        return convert_format(boxes, "xyxy", self.bounding_box_format, height, width)

    # One sample.

    def _alone(self, transform: Any, value: Any, transformation: Any, training: bool) -> Any:
        if isinstance(value, dict):
            value = {k: ops.expand_dims(ops.convert_to_tensor(v), 0) for k, v in value.items()}
            return {k: ops.squeeze(v, 0) for k, v in transform(value, transformation, training=training).items()}
        return ops.squeeze(
            transform(ops.expand_dims(ops.convert_to_tensor(value), 0), transformation, training=training), 0
        )

    def transform_single_image(self, image: Any, transformation: Any, training: bool = True) -> Any:
        """`transform_images` for one image."""
        return self._alone(self.transform_images, image, transformation, training)

    def transform_single_label(self, label: Any, transformation: Any, training: bool = True) -> Any:
        """`transform_labels` for the label of one image."""
        return self._alone(self.transform_labels, label, transformation, training)

    def transform_single_bounding_box(self, bounding_box: Any, transformation: Any, training: bool = True) -> Any:
        """`transform_bounding_boxes` for the boxes of one image."""
        return self._alone(self.transform_bounding_boxes, bounding_box, transformation, training)

    def transform_single_segmentation_mask(
        self, segmentation_mask: Any, transformation: Any, training: bool = True
    ) -> Any:
        """`transform_segmentation_masks` for the mask of one image."""
        return self._alone(self.transform_segmentation_masks, segmentation_mask, transformation, training)

    def call(self, data: Any, training: bool = True) -> Any:
        """`data` with its images, and what belongs to them, changed."""
        images = data["images"] if isinstance(data, dict) else data
        if len(images.shape) not in (3, 4):
            raise ValueError(
                f"[{self.name}] Expected the input image to be rank 3 or 4. Received: shape {images.shape}."
            )
        transformation = self.get_random_transformation(data, training=training)
        batched = len(images.shape) == 4
        parts = {
            "images": (self.transform_images, self.transform_single_image),
            "bounding_boxes": (self.transform_bounding_boxes, self.transform_single_bounding_box),
            "labels": (self.transform_labels, self.transform_single_label),
            "segmentation_masks": (self.transform_segmentation_masks, self.transform_single_segmentation_mask),
        }
        if not isinstance(data, dict):
            return parts["images"][not batched](data, transformation, training=training)
        if "bounding_boxes" in data and not self.bounding_box_format:
            raise ValueError(
                f"[{self.name}] expected a bounding_box_format for data with 'bounding_boxes', received none. Pass "
                "bounding_box_format='xyxy', for example, to the layer."
            )
        result = dict(data)
        for key, transforms in parts.items():
            if key in data:
                result[key] = transforms[not batched](data[key], transformation, training=training)
        return result

    def _output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of this shape, or a dict of shapes."""
        if not isinstance(input_shape, dict):
            return tuple(self._output_shape(tuple(input_shape)))
        changed = ("images", "segmentation_masks")
        return {k: self._output_shape(tuple(s)) if k in changed else s for k, s in input_shape.items()}

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = {**super().get_config(), "data_format": self.data_format}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return {**config, **{name: getattr(self, name) for name in self._config}}
