"""Functions on images under TensorFlow's names (`tf.image.resize`, ...); the work is done by `keras.ops.image`.

Images are (height, width, channels), or (batch, height, width, channels).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from tahr import ops
from tahr.dtypes import as_dtype
from tahr.tensor import Tensor, constant

__all__ = [
    *("adjust_brightness", "adjust_contrast", "central_crop", "convert_image_dtype", "decode_image", "decode_jpeg"),
    *("decode_png", "flip_left_right", "flip_up_down", "grayscale_to_rgb", "random_brightness", "random_contrast"),
    *("random_flip_left_right", "random_flip_up_down", "resize", "rgb_to_grayscale"),
]


def resize(
    images: Any,
    size: Any,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: str | None = None,
) -> Tensor:
    """Images of another size.

    Args:
        images: (..., height, width, channels).
        size: (height, width) of the result.
        method: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        preserve_aspect_ratio: whether to take the largest size of the images' own proportions that fits into `size`.
        antialias: whether to smooth before shrinking.
        name: unused by design, as there is no graph to name: accepted because TensorFlow's signature has it.

    Returns:
        float32; the images' dtype for method "nearest".

    Example:
        >>> import tahr as tf
        >>> tf.image.resize(tf.ones((1, 4, 4, 3)), (2, 2)).shape
        (1, 2, 2, 3)
    """
    images = ops.convert_to_tensor(images)
    height, width = (int(s) for s in size)
    if preserve_aspect_ratio:
        h, w = images.shape[-3], images.shape[-2]
        scale = min(height / h, width / w)
        height, width = max(round(h * scale), 1), max(round(w * scale), 1)
    if method != "nearest":
        images = ops.cast(images, "float32")
    return ops.image.resize(
        images, (height, width), interpolation=method, antialias=antialias, data_format="channels_last"
    )


def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """The image in another dtype, its values scaled: floats go from 0 to 1, integers from 0 to their largest value.

    Args:
        image: of any shape.
        dtype: the dtype of the result.
        saturate: whether to clip what does not fit an integer dtype.
        name: as in `resize`.

    Example:
        >>> import tahr as tf
        >>> tf.image.convert_image_dtype(tf.constant([0, 255], "uint8"), tf.float32).numpy()
        array([0., 1.], dtype=float32)
    """
    image = ops.convert_to_tensor(image)
    source, target = as_dtype(image.dtype).name, as_dtype(dtype).name
    if source == target:
        return image
    from_float, to_float = "float" in source, "float" in target
    if from_float and to_float:
        return ops.cast(image, target)
    if to_float:
        return ops.cast(image, target) * (1.0 / np.iinfo(source).max)
    if from_float:
        largest = np.iinfo(target).max
        scaled = image * (largest + 0.5)
        return ops.cast(ops.clip(scaled, 0, largest) if saturate else scaled, target)
    shift = np.iinfo(target).max / np.iinfo(source).max
    wide = ops.cast(image, "float64") * shift
    return ops.cast(ops.floor(wide), target)


def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """The brightness of colours, in one channel."""
    return ops.image.rgb_to_grayscale(images, data_format="channels_last")


def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """The one channel three times."""
    return ops.repeat(images, 3, axis=-1)


def flip_left_right(image: Any) -> Tensor:
    """The image mirrored, left and right exchanged."""
    return ops.flip(image, axis=-2)


def flip_up_down(image: Any) -> Tensor:
    """The image mirrored, top and bottom exchanged."""
    return ops.flip(image, axis=-3)


def random_flip_left_right(image: Any, seed: Any = None) -> Tensor:
    """`flip_left_right` of each image with probability 1/2."""
    return _flip_some(ops.convert_to_tensor(image), flip_left_right, seed)


def random_flip_up_down(image: Any, seed: Any = None) -> Tensor:
    """`flip_up_down` of each image with probability 1/2."""
    return _flip_some(ops.convert_to_tensor(image), flip_up_down, seed)


def _flip_some(image: Tensor, flip: Any, seed: Any) -> Tensor:
    from tahr import random

    batch = (image.shape[0], 1, 1, 1) if len(image.shape) == 4 else ()
    return ops.where(random.uniform(batch, seed=seed) < 0.5, flip(image), image)


def adjust_brightness(image: Any, delta: float) -> Tensor:
    """`image + delta`."""
    return ops.add(image, delta)


def adjust_contrast(images: Any, contrast_factor: float) -> Tensor:
    """The distances from each channel's mean over height and width, times a factor."""
    images = ops.convert_to_tensor(images)
    mean = ops.mean(images, axis=(-3, -2), keepdims=True)
    return (images - mean) * contrast_factor + mean


def random_brightness(image: Any, max_delta: float, seed: Any = None) -> Tensor:
    """`adjust_brightness` by a number between `-max_delta` and `max_delta`."""
    from tahr import random

    return ops.add(image, random.uniform((), -max_delta, max_delta, seed=seed))


def random_contrast(image: Any, lower: float, upper: float, seed: Any = None) -> Tensor:
    """`adjust_contrast` by a factor between `lower` and `upper`."""
    from tahr import random

    return adjust_contrast(image, random.uniform((), lower, upper, seed=seed))  # type: ignore[arg-type]


def central_crop(image: Any, central_fraction: float) -> Tensor:
    """The middle part of the image, this fraction of its height and width."""
    image = ops.convert_to_tensor(image)
    h, w = image.shape[-3], image.shape[-2]
    top, left = int((h - h * central_fraction) / 2), int((w - w * central_fraction) / 2)
    return image[..., top : h - top, left : w - left, :]


def decode_image(
    contents: Any, channels: int = 0, dtype: Any = "uint8", name: str | None = None, expand_animations: bool = True
) -> Tensor:
    """The pixels of an image file's bytes, by Pillow.

    Args:
        contents: bytes of a file (`tf.io.read_file`).
        channels: 1 (grey), 3 (red, green, blue) or 4 (and alpha); 0 for what the file holds.
        dtype: uint8, or a float dtype for values from 0 to 1.
        name: as in `resize`.
        expand_animations: must be True or False; only the first picture of an animation is read either way.

    Returns:
        (height, width, channels).

    Raises:
        ImportError: without Pillow.
        ValueError: for another number of channels, or bytes that are no image.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ImportError("[decode_image] reading images needs Pillow: pip install pillow") from None
    modes = {0: None, 1: "L", 3: "RGB", 4: "RGBA"}
    if channels not in modes:
        raise ValueError(f"[decode_image] expected channels to be 0, 1, 3 or 4, received {channels}.")
    try:
        picture: Any = Image.open(io.BytesIO(bytes(contents)))
        mode = modes[channels] or {"L": "L", "1": "L", "RGBA": "RGBA", "LA": "RGBA"}.get(picture.mode, "RGB")
        pixels = np.array(picture.convert(mode))
    except UnidentifiedImageError:
        raise ValueError("[decode_image] expected the bytes of an image file, received something else.") from None
    image = constant(pixels if pixels.ndim == 3 else pixels[..., None])
    return convert_image_dtype(image, dtype)


def decode_jpeg(contents: Any, channels: int = 0, name: str | None = None) -> Tensor:
    """`decode_image`, for uint8."""
    return decode_image(contents, channels)


def decode_png(contents: Any, channels: int = 0, dtype: Any = "uint8", name: str | None = None) -> Tensor:
    """`decode_image`."""
    return decode_image(contents, channels, dtype)
