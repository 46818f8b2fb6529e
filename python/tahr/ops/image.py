"""`keras.ops.image`: images resized, cropped, warped, filtered and recoloured.

Images are (height, width, channels), or with a batch before; with data_format "channels_first" the channels come before
the height. The work is done by the ops `resize_core` and `sample` and by those of the other families; what is here only
arranges shapes and dtypes. To add a function: here, with its name in `__all__`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tahr import _C
from tahr import random as _random
from tahr.ops.core import convert_to_tensor
from tahr.ops.solving import solve
from tahr.tensor import Tensor, symbolic

_ops = _C.ops

__all__ = [
    "affine_transform",
    "crop_images",
    "elastic_transform",
    "extract_patches",
    "extract_patches_3d",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "pad_images",
    "perspective_transform",
    "reconstruct_patches",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
    "ssim",
]

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
INTERPOLATIONS = ("nearest", "bilinear")
RESIZE_INTERPOLATIONS = ("bilinear", "nearest", "lanczos3", "lanczos5", "bicubic")


def _choice(op: str, name: str, value: Any, allowed: Sequence[Any]) -> None:
    if value not in allowed:
        raise ValueError(f"[{op}] expected {name} to be one of {tuple(allowed)}, received {value!r}.")


def _is_float(x: Any) -> bool:
    return "float" in str(x.dtype)


def _wide(x: Any) -> str:
    return "float64" if str(x.dtype) == "float64" else "float32"


def _narrow(y: Any, dtype: Any) -> Any:
    """`y` in `dtype`: rounded and cut off for integers."""
    name = str(dtype)
    if str(y.dtype) == name:
        return y
    if "int" in name:
        info = np.iinfo(name)
        low, high = float(info.min), float(np.nextafter(float(info.max) + 1, 0.0) if info.bits > 32 else info.max)
        y = _ops.clip(_ops.round(y), low, high)
    return _ops.cast(y, name)


def _channels_first(op: str, data_format: str | None) -> bool:
    name = data_format or _C.image_data_format()
    _choice(op, "data_format", name, ("channels_last", "channels_first"))
    return name == "channels_first"


def _images(op: str, images: Any) -> tuple[Any, bool]:
    """A batch of images, and whether it was made of a single one."""
    images = convert_to_tensor(images)
    rank = len(images.shape)
    if rank not in (3, 4):
        raise ValueError(
            f"[{op}] Invalid images rank: expected rank 3 (one image) or 4 (a batch), received shape {images.shape}."
        )
    return (_ops.expand_dims(images, 0), True) if rank == 3 else (images, False)


def _single(y: Any, single: bool) -> Any:
    return _ops.squeeze(y, 0) if single else y


def _height_width(images: Any, first: bool) -> tuple[Any, Any]:
    shape = images.shape
    return (shape[-2], shape[-1]) if first else (shape[-3], shape[-2])


def _known(op: str, images: Any, first: bool) -> tuple[int, int]:
    height, width = _height_width(images, first)
    if height is None or width is None:
        raise ValueError(f"[{op}] expected images of known height and width, received shape {images.shape}.")
    return height, width


def _box(images: Any, first: bool, top: int, left: int, height: int, width: int) -> Any:
    rows, columns = slice(top, top + height), slice(left, left + width)
    return images[..., rows, columns] if first else images[..., rows, columns, :]


def _around(images: Any, first: bool, rows: tuple[int, int], columns: tuple[int, int], value: Any = 0) -> Any:
    spatial = (rows, columns) if first else (rows, columns, (0, 0))
    return _ops.pad(images, ((0, 0),) * (len(images.shape) - len(spatial)) + spatial, constant_values=value)


def aspect_box(height: int, width: int, target_height: int, target_width: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the largest centred box with the target's aspect ratio."""
    box_height = max(min(height, int(float(width * target_height) / target_width)), 1)
    box_width = max(min(width, int(float(height * target_width) / target_height)), 1)
    return int((height - box_height) / 2), int((width - box_width) / 2), box_height, box_width


def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Tensor:
    """Images of another size.

    Args:
        images: (height, width, channels), or with a batch before.
        size: the new height and width.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        antialias: whether to average over the whole area that a new pixel covers where the image shrinks.
        crop_to_aspect_ratio: whether to cut off the edges first, so that nothing is distorted.
        pad_to_aspect_ratio: whether to put `fill_value` around first, so that nothing is distorted.
        fill_mode: "constant".
        fill_value: see `pad_to_aspect_ratio`.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        The images, of the dtype of the input; integers are rounded.

    Raises:
        ValueError: if an argument is none of the above.

    Example:
        >>> import tahr
        >>> tahr.ops.image.resize(tahr.ops.reshape([0.0, 4.0], (1, 2, 1)), (1, 4)).numpy().ravel().tolist()
        [0.0, 1.0, 3.0, 4.0]
    """
    _choice("resize", "interpolation", interpolation, RESIZE_INTERPOLATIONS)
    _choice("resize", "fill_mode", fill_mode, ("constant",))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("[resize] expected one of crop_to_aspect_ratio and pad_to_aspect_ratio, received both.")
    if len(size) != 2:
        raise ValueError(f"[resize] expected size to be (height, width), received {size!r}.")
    target = (int(size[0]), int(size[1]))
    first = _channels_first("resize", data_format)
    x, single = _images("resize", images)
    if crop_to_aspect_ratio:
        x = _box(x, first, *aspect_box(*_known("resize", x, first), *target))
    elif pad_to_aspect_ratio:
        height, width = _known("resize", x, first)
        rows = (max(height, int(float(width * target[0]) / target[1])) - height) // 2
        columns = (max(width, int(float(height * target[1]) / target[0])) - width) // 2
        x = _around(x, first, (rows, rows), (columns, columns), fill_value)
    dtype = x.dtype
    y = _ops.resize_core(
        _ops.cast(x, _wide(x)), size=target, method=interpolation, antialias=bool(antialias), channels_first=first
    )
    return _single(_narrow(y, dtype), single)


def _edges(op: str, low: Any, high: Any, target: Any, size: int, names: tuple[str, str, str]) -> tuple[int, int, int]:
    """Before, after and target of one axis, two of which are given; `size` = before + target + after."""
    given = sum(v is not None for v in (low, high, target))
    if given != 2:
        raise ValueError(f"[{op}] Must specify exactly two of {', '.join(names)}, received {given}.")
    if low is None:
        low = size - target - high
    elif high is None:
        high = size - target - low
    else:
        target = size - low - high
    for name, value in zip(names, (low, high, target)):
        if value < 0:
            raise ValueError(f"[{op}] {name} must be >= 0, received {value} for images of {size} there.")
    return low, high, target


def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Cuts rows and columns off images. For each axis two of the three numbers are given.

    Args:
        images: (height, width, channels), or with a batch before.
        top_cropping, bottom_cropping, target_height: rows to cut off above and below, and to keep.
        left_cropping, right_cropping, target_width: the same for columns.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Raises:
        ValueError: if the numbers are too many, too few or too large.

    Example:
        >>> import tahr
        >>> x = tahr.ops.zeros((5, 6, 3))
        >>> tahr.ops.image.crop_images(x, 1, 2, target_height=2, target_width=3).shape
        (2, 3, 3)
    """
    first = _channels_first("crop_images", data_format)
    images = convert_to_tensor(images)
    _images("crop_images", images)
    height, width = _known("crop_images", images, first)
    top, _, rows = _edges(
        "crop_images",
        *(top_cropping, bottom_cropping, target_height, height),
        names=("top_cropping", "bottom_cropping", "target_height"),
    )
    left, _, columns = _edges(
        "crop_images",
        *(left_cropping, right_cropping, target_width, width),
        names=("left_cropping", "right_cropping", "target_width"),
    )
    return _box(images, first, top, left, rows, columns)


def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Puts zeros around images. For each axis two of the three numbers are given.

    Args:
        images: (height, width, channels), or with a batch before.
        top_padding, bottom_padding, target_height: rows to add above and below, and the height of the result.
        left_padding, right_padding, target_width: the same for columns.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Raises:
        ValueError: if the numbers are too many, too few, or do not fit the images.

    Example:
        >>> import tahr
        >>> x = tahr.ops.ones((2, 3, 1))
        >>> tahr.ops.image.pad_images(x, 1, 0, target_height=4, target_width=5).shape
        (4, 5, 1)
    """
    first = _channels_first("pad_images", data_format)
    images = convert_to_tensor(images)
    _images("pad_images", images)
    if None in _height_width(images, first) and not _C.tracing():  # only the shape is wanted
        return _padded_shape(
            images,
            first,
            (top_padding, bottom_padding, target_height, "top_padding, bottom_padding, target_height"),
            (left_padding, right_padding, target_width, "left_padding, right_padding, target_width"),
        )
    height, width = _known("pad_images", images, first)

    def around(low: Any, high: Any, target: Any, size: int, names: tuple[str, str, str]) -> tuple[int, int]:
        if target is None:
            low, high, _ = _edges("pad_images", low, high, None, size + (low or 0) + (high or 0), names)
        else:  # the image is what the paddings leave of the target
            if target < 0:
                raise ValueError(f"[pad_images] {names[2]} must be >= 0, received {target}.")
            low, high, _ = _edges(
                "pad_images", low, high, size if low is None or high is None else target, target, names
            )
        return low, high

    rows = around(
        top_padding, bottom_padding, target_height, height, ("top_padding", "bottom_padding", "target_height")
    )
    columns = around(
        left_padding, right_padding, target_width, width, ("left_padding", "right_padding", "target_width")
    )
    return _around(images, first, rows, columns)


def _padded_shape(images: Any, first: bool, rows: tuple, columns: tuple) -> Any:
    """The result for symbolic images of unknown height or width."""
    sizes = []
    for size, (*numbers, names) in zip(_height_width(images, first), (rows, columns)):
        given = sum(v is not None for v in numbers)
        if given != 2:
            raise ValueError(f"[pad_images] Must specify exactly two of {names}, received {given}.")
        low, high, target = numbers
        sizes.append(target if target is not None else None if size is None else size + low + high)
    shape = list(images.shape)
    axis = len(shape) - (2 if first else 3)
    shape[axis : axis + 2] = sizes
    return symbolic(tuple(shape), images.dtype)


def _warp(
    x: Any, coordinates: Any, interpolation: str, fill_mode: str, fill_value: float, first: bool, dtype: Any
) -> Any:
    """Batched images at (n or 1, height, width, 2) places (row, column)."""
    if first:
        x = _ops.transpose(x, (0, 2, 3, 1))
    order = INTERPOLATIONS.index(interpolation)
    y = _ops.sample(x, coordinates, order=order, fill_mode=fill_mode, fill_value=float(fill_value))
    return _narrow(_ops.transpose(y, (0, 3, 1, 2)) if first else y, dtype)


def _projected(transforms: Any, height: int, width: int) -> Any:
    """Where (n, 8) transforms take each pixel: (n, height, width, 2), rows before columns."""
    dtype = str(transforms.dtype)
    x = _ops.reshape(_ops.arange(width, dtype=dtype), (1, 1, width))
    y = _ops.reshape(_ops.arange(height, dtype=dtype), (1, height, 1))
    a0, a1, a2, b0, b1, b2, c0, c1 = (_ops.reshape(transforms[:, i], (-1, 1, 1)) for i in range(8))
    k = c0 * x + c1 * y + 1.0
    return _ops.stack([(b0 * x + b1 * y + b2) / k, (a0 * x + a1 * y + a2) / k], -1)


def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Tensor:
    """Images seen through projective transforms.

    The pixel at (x, y) of the result is that of the input at ``((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)`` with
    ``k = c0 x + c1 y + 1``.

    Args:
        images: (height, width, channels), or with a batch before.
        transform: (8,) or (batch, 8): a0, a1, a2, b0, b1, b2, c0, c1.
        interpolation: "bilinear" or "nearest".
        fill_mode: what lies outside: "constant" (`fill_value`), "nearest" (the edge), "wrap" (the image again),
            "mirror" (reflected at the centres of the edge pixels) or "reflect" (at their borders).
        fill_value: see `fill_mode`.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        Images of the shape and dtype of the input.

    Raises:
        ValueError: if an argument is none of the above.

    Example:
        >>> import tahr
        >>> x = tahr.ops.reshape(tahr.ops.arange(3.0), (1, 3, 1))
        >>> tahr.ops.image.affine_transform(x, [1, 0, 1, 0, 1, 0, 0, 0]).numpy().ravel().tolist()
        [1.0, 2.0, 0.0]
    """
    _choice("affine_transform", "interpolation", interpolation, INTERPOLATIONS)
    _choice("affine_transform", "fill_mode", fill_mode, FILL_MODES)
    first = _channels_first("affine_transform", data_format)
    x, single = _images("affine_transform", images)
    dtype, wide = x.dtype, _wide(x)
    transform = _ops.cast(convert_to_tensor(transform), wide)
    if len(transform.shape) not in (1, 2) or transform.shape[-1] != 8:
        raise ValueError(
            "[affine_transform] Invalid transform rank: expected rank 1, shape (8,), or 2, shape (batch, 8), received "
            f"{transform.shape}."
        )
    if len(transform.shape) == 1:
        transform = _ops.expand_dims(transform, 0)
    places = _projected(transform, *_known("affine_transform", x, first))
    return _single(_warp(_ops.cast(x, wide), places, interpolation, fill_mode, fill_value, first, dtype), single)


def homography(start_points: Any, end_points: Any) -> Tensor:
    """The transforms (n, 8) that take the four `end_points` (n, 4, 2) to `start_points`, points being (x, y)."""
    sx, sy, ex, ey = start_points[..., 0], start_points[..., 1], end_points[..., 0], end_points[..., 1]
    zero, one = _ops.zeros_like(ex), _ops.ones_like(ex)
    along_x = _ops.stack([ex, ey, one, zero, zero, zero, -sx * ex, -sx * ey], -1)
    along_y = _ops.stack([zero, zero, zero, ex, ey, one, -sy * ex, -sy * ey], -1)
    matrix = _ops.concatenate([along_x, along_y], 1)
    return _ops.squeeze(solve(matrix, _ops.expand_dims(_ops.concatenate([sx, sy], -1), -1)), -1)


def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Tensor:
    """Images drawn so that four points of the input come to lie at four others.

    Args:
        images: (height, width, channels), or with a batch before.
        start_points: (4, 2) or (batch, 4, 2): points (x, y) of the input.
        end_points: the same shape: where they go.
        interpolation: "bilinear" or "nearest".
        fill_value: what lies outside the input.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        Images of the shape and dtype of the input.

    Raises:
        ValueError: if shapes or arguments do not fit.

    Example:
        >>> import tahr
        >>> square = [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]]
        >>> x = tahr.ops.reshape(tahr.ops.arange(9.0), (3, 3, 1))
        >>> bool(tahr.ops.all(tahr.ops.image.perspective_transform(x, square, square) == x))
        True
    """
    _choice("perspective_transform", "interpolation", interpolation, INTERPOLATIONS)
    first = _channels_first("perspective_transform", data_format)
    x, single = _images("perspective_transform", images)
    dtype, wide = x.dtype, _wide(x)
    start, end = (_ops.cast(convert_to_tensor(p), wide) for p in (start_points, end_points))
    for name, points in (("start_points", start), ("end_points", end)):
        if len(points.shape) not in (2, 3) or tuple(points.shape[-2:]) != (4, 2):
            raise ValueError(
                f"[perspective_transform] Invalid {name} shape: expected (4, 2) or (batch, 4, 2), received "
                f"{points.shape}."
            )
    if tuple(start.shape) != tuple(end.shape):
        raise ValueError(
            f"[perspective_transform] expected points of equal shape, received {start.shape} and {end.shape}."
        )
    if len(start.shape) == 2:
        start, end = _ops.expand_dims(start, 0), _ops.expand_dims(end, 0)
    places = _projected(homography(start, end), *_known("perspective_transform", x, first))
    return _single(_warp(_ops.cast(x, wide), places, interpolation, "constant", fill_value, first, dtype), single)


def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Tensor:
    """The elements of a tensor at places between its own.

    Args:
        inputs: tensor of rank 1 to 6.
        coordinates: (rank of inputs, ...): along each axis, where to look.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: what lies outside: "constant" (`fill_value`), "nearest", "wrap", "mirror" or "reflect".
        fill_value: see `fill_mode`.

    Returns:
        A tensor of the shape of `coordinates` without its first axis and of the dtype of `inputs`.

    Raises:
        ValueError: if shapes or arguments do not fit.

    Example:
        >>> import tahr
        >>> tahr.ops.image.map_coordinates([0.0, 2.0, 4.0], [[0.5, 1.75]], order=1).numpy().tolist()
        [1.0, 3.5]
    """
    inputs, coordinates = convert_to_tensor(inputs), convert_to_tensor(coordinates)
    rank = len(inputs.shape)
    if len(coordinates.shape) < 2 or coordinates.shape[0] != rank:
        raise ValueError(
            f"[map_coordinates] expected coordinates of shape ({rank}, ...) with rank 2 or more for inputs of shape "
            f"{inputs.shape}, received {coordinates.shape}."
        )
    _choice("map_coordinates", "order", order, (0, 1))
    _choice("map_coordinates", "fill_mode", fill_mode, FILL_MODES)
    wide = "float64" if "float64" in (str(inputs.dtype), str(coordinates.dtype)) else "float32"
    places = _ops.cast(_ops.moveaxis(coordinates, 0, -1), wide)
    x = _ops.expand_dims(_ops.cast(inputs, wide), (0, rank + 1))
    y = _ops.sample(x, _ops.expand_dims(places, 0), order=int(order), fill_mode=fill_mode, fill_value=float(fill_value))
    return _narrow(_ops.squeeze(y, (0, len(y.shape) - 1)), inputs.dtype)


def _patches(op: str, x: Any, axes: int, size: Any, strides: Any, dilation: Any, padding: str, first: bool) -> Any:
    windows = (size,) * axes if isinstance(size, int) else size
    if not isinstance(windows, (tuple, list)) or len(windows) != axes:
        raise TypeError(f"[{op}] Expected an int or a tuple of {axes} for size, received {size!r}.")
    x = convert_to_tensor(x)
    single = len(x.shape) == axes + 1
    if single:
        x = _ops.expand_dims(x, 0)
    channels = x.shape[1] if first else x.shape[-1]
    count = math.prod(windows) * channels
    kernel = _ops.reshape(_ops.eye(count, dtype=str(x.dtype)), (*windows, channels, count))
    step = (strides,) * axes if isinstance(strides, int) else tuple(strides or windows)
    rates = (dilation,) * axes if isinstance(dilation, int) else tuple(dilation)
    y = _ops.conv(
        x,
        kernel,
        strides=step,
        padding=padding,
        data_format="channels_first" if first else "channels_last",
        dilation_rate=rates,
    )
    return _single(y, single)


def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """Windows of images, each laid out along the channels.

    Args:
        images: (height, width, channels), or with a batch before.
        size: height and width of a window, or one number for both; three numbers for volumes (`extract_patches_3d`).
        strides: distance of windows; None for `size`.
        dilation_rate: distance of the pixels of a window.
        padding: "valid", or "same" for windows that may reach over the edges.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        (rows, columns, size[0] * size[1] * channels), or with the batch before.

    Example:
        >>> import tahr
        >>> tahr.ops.image.extract_patches(tahr.ops.zeros((2, 20, 20, 3)), 5).shape
        (2, 4, 4, 75)
    """
    if isinstance(size, (tuple, list)) and len(size) not in (2, 3):
        raise ValueError(f"[extract_patches] Expected a tuple of length 2 or 3 for size, received {size!r}.")
    if isinstance(size, (tuple, list)) and len(size) == 3:
        return extract_patches_3d(images, size, strides, dilation_rate, padding, data_format)
    first = _channels_first("extract_patches", data_format)
    return _patches("extract_patches", images, 2, size, strides, dilation_rate, padding, first)


def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """`extract_patches` for volumes (depth, height, width, channels), or with a batch before.

    Example:
        >>> import tahr
        >>> tahr.ops.image.extract_patches_3d(tahr.ops.zeros((1, 4, 4, 4, 2)), 2).shape
        (1, 2, 2, 2, 16)
    """
    first = _channels_first("extract_patches_3d", data_format)
    return _patches("extract_patches_3d", volumes, 3, size, strides, dilation_rate, padding, first)


def reconstruct_patches(
    patches: Any,
    size: Any,
    output_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """Images from the windows that `extract_patches` gives; where windows overlap, their mean.

    Args:
        patches: (rows, columns, size[0] * size[1] * channels), or with a batch before.
        size: height and width of a window, or one number for both.
        output_size: height and width of the images.
        strides: distance of windows; None for `size`.
        padding: "valid" or "same", as the windows were cut out.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        (height, width, channels), or with the batch before; zeros where no window lies.

    Example:
        >>> import tahr
        >>> x = tahr.ops.reshape(tahr.ops.arange(16.0), (4, 4, 1))
        >>> y = tahr.ops.image.reconstruct_patches(tahr.ops.image.extract_patches(x, 2), 2, (4, 4))
        >>> bool(tahr.ops.all(y == x))
        True
    """
    op = "reconstruct_patches"
    first = _channels_first(op, data_format)
    x, single = _images(op, patches)
    if first:
        x = _ops.transpose(x, (0, 2, 3, 1))
    windows = (size, size) if isinstance(size, int) else tuple(size)
    step = (strides, strides) if isinstance(strides, int) else tuple(strides or windows)
    target = tuple(int(d) for d in output_size)
    dtype = str(x.dtype)
    channels = x.shape[-1] // math.prod(windows)
    # Each pixel's number goes through the same cut, which tells where the patches' pixels belong; 0 is the padding.
    numbers = np.arange(1, math.prod(target) + 1, dtype="float64").reshape(1, *target, 1)
    places = _patches(op, numbers, 2, windows, step, 1, padding, False).numpy().astype("int64").reshape(-1)
    if tuple(x.shape[1:3]) != tuple(_patches(op, numbers, 2, windows, step, 1, padding, False).shape[1:3]):
        raise ValueError(f"[{op}] expected as many patches as images of {target} have, received shape {x.shape}.")
    flat = _ops.reshape(x, (-1, len(places), channels))
    sums = _ops.segment_sum(_ops.transpose(flat, (1, 0, 2)), places, num_segments=math.prod(target) + 1)
    counts = np.maximum(np.bincount(places, minlength=math.prod(target) + 1), 1).reshape(-1, 1, 1).astype(dtype)
    y = _ops.reshape(_ops.transpose((sums / counts)[1:], (1, 0, 2)), (-1, *target, channels))
    return _single(_ops.transpose(y, (0, 3, 1, 2)) if first else y, single)


def _gaussian(size: int, sigma: Any, dtype: str) -> Any:
    x = _ops.arange(size, dtype=dtype) - (size - 1) / 2
    weights = _ops.exp(-0.5 * (x / sigma) * (x / sigma))
    return weights / _ops.sum(weights)


def _filtered(x: Any, vertical: Any, horizontal: Any, padding: str = "same") -> Any:
    """Channels-last images filtered along rows and columns, each channel by itself."""
    channels = x.shape[-1]
    for weights, shape in ((vertical, (-1, 1, 1, 1)), (horizontal, (1, -1, 1, 1))):
        kernel = _ops.tile(_ops.reshape(weights, shape), (1, 1, channels, 1))
        x = _ops.depthwise_conv(x, kernel, strides=1, padding=padding, data_format="channels_last")
    return x


def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Tensor:
    """Images blurred by a Gaussian; around them is black.

    Args:
        images: (height, width, channels), or with a batch before.
        kernel_size: two numbers: the width and height of the filter, in pixels.
        sigma: two numbers: the standard deviations along width and height, in pixels.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        Images of the shape and dtype of the input.

    Example:
        >>> import tahr
        >>> tahr.ops.image.gaussian_blur(tahr.ops.ones((5, 5, 1)))[2, 2, 0].numpy().round(4).item()
        1.0
    """
    first = _channels_first("gaussian_blur", data_format)
    x, single = _images("gaussian_blur", images)
    dtype, wide = x.dtype, _wide(x)
    sigma = _ops.cast(convert_to_tensor(sigma), wide)
    width, height = (int(k) for k in kernel_size)
    x = _ops.cast(_ops.transpose(x, (0, 2, 3, 1)) if first else x, wide)
    y = _filtered(x, _gaussian(height, sigma[1], wide), _gaussian(width, sigma[0], wide))
    return _single(_narrow(_ops.transpose(y, (0, 3, 1, 2)) if first else y, dtype), single)


def elastic_transform(
    images: Any,
    alpha: Any = 20.0,
    sigma: Any = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Tensor:
    """Images bent at random: each pixel comes from a place some way off, neighbours from neighbouring places.

    Args:
        images: (height, width, channels), or with a batch before.
        alpha: how far pixels move.
        sigma: the size of the waves, in pixels; a number, or a scalar tensor (then the filter that makes the waves
            smooth is as wide as the image needs at most).
        interpolation: "bilinear" or "nearest".
        fill_mode: as for `affine_transform`.
        fill_value: see there.
        seed: an int, a SeedGenerator, or None.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        Images of the shape and dtype of the input.

    Source: Simard et al., "Best practices for convolutional neural networks applied to visual document analysis", 2003.

    Example:
        >>> import tahr
        >>> tahr.ops.image.elastic_transform(tahr.ops.ones((8, 8, 1)), seed=1).shape
        (8, 8, 1)
    """
    op = "elastic_transform"
    _choice(op, "interpolation", interpolation, INTERPOLATIONS)
    _choice(op, "fill_mode", fill_mode, FILL_MODES)
    first = _channels_first(op, data_format)
    x, single = _images(op, images)
    dtype, wide = x.dtype, _wide(x)
    height, width = _known(op, x, first)
    if isinstance(sigma, (int, float)):
        taps = int(6 * sigma) | 1
    else:
        taps = 2 * max(height, width) - 1
    sigma = _ops.cast(convert_to_tensor(sigma), wide)
    # one field of (row, column) displacements per image, as two channels
    noise = _random.normal((x.shape[0], height, width, 2), dtype=wide, seed=seed) * sigma
    weights = _gaussian(taps, sigma, wide)
    moves = _ops.cast(convert_to_tensor(alpha), wide) * _filtered(noise, weights, weights)
    here = _projected(convert_to_tensor([[1.0, 0, 0, 0, 1, 0, 0, 0]], dtype=wide), height, width)
    return _single(_warp(_ops.cast(x, wide), here + moves, interpolation, fill_mode, fill_value, first, dtype), single)


def _of_colours(op: str, images: Any, data_format: str | None, floating: bool) -> tuple[Any, int]:
    first = _channels_first(op, data_format)
    images = convert_to_tensor(images)
    _images(op, images)
    if floating and not _is_float(images):
        raise ValueError(f"[{op}] Invalid images dtype: expected float dtype, received {images.dtype}.")
    axis = -3 if first else -1
    if floating and images.shape[axis] not in (3, None):
        raise ValueError(
            f"[{op}] Input images must have 3 channels, but received images with {images.shape[axis]} channels."
        )
    return images, axis


def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Tensor:
    """The brightness of red, green and blue: 0.2989 R + 0.587 G + 0.114 B.

    Args:
        images: (height, width, 3), or with a batch before; images of one channel stay as they are.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        Images of one channel, of the dtype of the input.

    Raises:
        ValueError: if the images have neither 3 channels nor 1.

    Example:
        >>> import tahr
        >>> tahr.ops.image.rgb_to_grayscale([[[1.0, 0.0, 0.0]]]).numpy().round(4).tolist()
        [[[0.2989000082015991]]]
    """
    images, axis = _of_colours("rgb_to_grayscale", images, data_format, False)
    if images.shape[axis] == 1:
        return images
    if images.shape[axis] != 3:
        raise ValueError(
            f"[rgb_to_grayscale] Invalid channel size: expected 3 (RGB) or 1 (Grayscale). Received shape {images.shape}."
        )
    x = images if _is_float(images) else _ops.cast(images, "float32")
    weights = convert_to_tensor([0.2989, 0.587, 0.114], dtype=str(x.dtype))
    weights = weights if axis == -1 else _ops.reshape(weights, (3, 1, 1))
    return _ops.cast(_ops.sum(x * weights, axis=axis, keepdims=True), str(images.dtype))


def rgb_to_hsv(images: Any, data_format: str | None = None) -> Tensor:
    """Hue, saturation and value of red, green and blue, all from 0 to 1.

    Args:
        images: (height, width, 3), or with a batch before, floating-point.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        Images of the same shape and dtype.

    Example:
        >>> import tahr
        >>> tahr.ops.image.rgb_to_hsv([[[0.0, 1.0, 1.0]]]).numpy().tolist()
        [[[0.5, 1.0, 1.0]]]
    """
    images, axis = _of_colours("rgb_to_hsv", images, data_format, True)
    tiny = float(_EPSILON[str(images.dtype)])
    images = _ops.where(_ops.abs(images) < tiny, _ops.zeros_like(images), images)
    r, g, b = (_ops.squeeze(c, axis) for c in _ops.split(images, 3, axis=axis))
    value = _ops.maximum(_ops.maximum(r, g), b)
    spread = value - _ops.minimum(_ops.minimum(r, g), b)
    one, zero = _ops.ones_like(value), _ops.zeros_like(value)
    saturation = _ops.where(value > 0, spread / _ops.where(value > 0, value, one), zero)
    scale = 1.0 / (6.0 * _ops.where(spread > 0, spread, one))
    hue = _ops.where(value == g, scale * (b - r) + 2.0 / 6.0, scale * (r - g) + 4.0 / 6.0)
    hue = _ops.where(value == r, scale * (g - b), hue)
    hue = _ops.where(spread > 0, hue, zero) + _ops.where(hue < 0.0, one, zero)
    return _ops.stack([hue, saturation, value], axis)


_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


def hsv_to_rgb(images: Any, data_format: str | None = None) -> Tensor:
    """Red, green and blue of hue, saturation and value: the inverse of `rgb_to_hsv`.

    Args:
        images: (height, width, 3), or with a batch before, floating-point.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        Images of the same shape and dtype.

    Example:
        >>> import tahr
        >>> tahr.ops.image.hsv_to_rgb([[[0.5, 1.0, 1.0]]]).numpy().tolist()
        [[[0.0, 1.0, 1.0]]]
    """
    images, axis = _of_colours("hsv_to_rgb", images, data_format, True)
    hue, saturation, value = (_ops.squeeze(c, axis) for c in _ops.split(images, 3, axis=axis))
    sextant = _ops.mod(hue, 1.0) * 6.0

    def channel(slope: Any) -> Any:
        return value * (1.0 - saturation + saturation * _ops.clip(slope, 0.0, 1.0))

    red = channel(_ops.abs(sextant - 3.0) - 1.0)
    green = channel(2.0 - _ops.abs(sextant - 2.0))
    blue = channel(2.0 - _ops.abs(sextant - 4.0))
    return _ops.stack([red, green, blue], axis)


_KERNELS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: _ops.maximum(1.0 - x, 0.0),
    "cubic": lambda x: _ops.where(
        x >= 2.0,
        _ops.zeros_like(x),
        _ops.where(x >= 1.0, ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0, ((1.5 * x - 2.5) * x) * x + 1.0),
    ),
    "lanczos3": lambda x: _lanczos(x, 3.0),
    "lanczos5": lambda x: _lanczos(x, 5.0),
}
_METHODS = {
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), "linear"),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), "cubic"),
    **{"lanczos3": "lanczos3", "lanczos5": "lanczos5"},
}


def _lanczos(x: Any, reach: float) -> Any:
    inside = _ops.where(x > 1e-3, x, _ops.ones_like(x))
    y = reach * _ops.sin(math.pi * inside) * _ops.sin(math.pi * inside / reach) / (math.pi**2 * inside * inside)
    return _ops.where(x > 1e-3, _ops.where(x > reach, _ops.zeros_like(x), y), _ops.ones_like(x))


def scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Tensor:
    """A tensor stretched and moved along some axes. Pixels are squares with corners at integers.

    Args:
        images: tensor of any rank.
        output_shape: the shape of the result.
        scale: (axes,): factors.
        translation: (axes,): shifts, in pixels of the result.
        spatial_dims: the axes that `scale` and `translation` are for.
        method: "linear", "cubic", "lanczos3" or "lanczos5" ("bilinear", "trilinear", "bicubic" and "tricubic" say the
            same as the first two).
        antialias: whether to average over the area that a new pixel covers where something shrinks.

    Returns:
        A tensor of `output_shape`; zeros where nothing of the input lies.

    Example:
        >>> import tahr
        >>> x = tahr.ops.reshape([1.0, 2.0], (1, 2, 1))
        >>> tahr.ops.image.scale_and_translate(x, (1, 2, 1), [1.0], [1.0], (1,), "linear").numpy().ravel().tolist()
        [0.0, 1.0]
    """
    _choice("scale_and_translate", "method", method, tuple(_METHODS))
    kernel = _KERNELS[_METHODS[method]]
    x = convert_to_tensor(images)
    dtype, wide = x.dtype, _wide(x)
    x = _ops.cast(x, wide)
    scale, translation = (_ops.cast(convert_to_tensor(v), wide) for v in (scale, translation))
    for i, axis in enumerate(spatial_dims):
        axis = axis % len(x.shape)
        size, out = x.shape[axis], int(output_shape[axis])
        inverse = 1.0 / scale[i]
        stretch = _ops.maximum(inverse, 1.0) if antialias else 1.0
        centres = (_ops.arange(out, dtype=wide) + 0.5) * inverse - translation[i] * inverse - 0.5
        distance = _ops.abs(_ops.expand_dims(centres, 1) - _ops.arange(size, dtype=wide)) / stretch
        weights = kernel(distance)
        total = _ops.sum(weights, axis=1, keepdims=True)
        enough = _ops.abs(total) > 1000.0 * 2.0**-23
        weights = _ops.where(enough, weights / _ops.where(enough, total, _ops.ones_like(total)), 0.0)
        inside = _ops.expand_dims(_ops.logical_and(centres >= -0.5, centres <= size - 0.5), 1)
        weights = _ops.where(inside, weights, _ops.zeros_like(weights))
        x = _ops.moveaxis(_ops.matmul(_ops.moveaxis(x, axis, -1), _ops.transpose(weights, (1, 0))), -1, axis)
    if tuple(x.shape) != tuple(output_shape):
        raise ValueError(
            f"[scale_and_translate] expected output_shape to differ on spatial_dims only, received {output_shape} for "
            f"images that become {x.shape}."
        )
    return _narrow(x, dtype)


def sobel_edges(images: Any, data_format: str | None = None) -> Tensor:
    """The slopes of images along rows and columns, by Sobel's filters; around the images is black.

    Args:
        images: (batch, height, width, channels).
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        The shape of the input and 2: along the height, along the width.

    Example:
        >>> import tahr
        >>> tahr.ops.image.sobel_edges(tahr.ops.ones((1, 3, 3, 1)))[0, 1, 1, 0].numpy().tolist()
        [0.0, 0.0]
    """
    first = _channels_first("sobel_edges", data_format)
    images = convert_to_tensor(images)
    if len(images.shape) != 4:
        raise ValueError(f"[sobel_edges] expected images of rank 4 (a batch), received shape {images.shape}.")
    dtype = str(images.dtype)
    x = _ops.transpose(images, (0, 2, 3, 1)) if first else images
    slope = convert_to_tensor([-1.0, 0.0, 1.0], dtype=dtype)
    smooth = convert_to_tensor([1.0, 2.0, 1.0], dtype=dtype)
    y = _ops.stack([_filtered(x, slope, smooth), _filtered(x, smooth, slope)], -1)
    return _ops.transpose(y, (0, 3, 1, 2, 4)) if first else y


def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Tensor:
    """How alike two images look: the mean structural similarity, 1 for equal ones.

    Args:
        image1: (height, width, channels), or with a batch before.
        image2: the same shape.
        max_val: the largest value that a pixel may have.
        filter_size: size of the windows, in pixels.
        filter_sigma: standard deviation of the weights in a window, in pixels.
        k1, k2: what keeps quotients of small numbers stable.
        data_format: "channels_last" or "channels_first"; None for `image_data_format()`.

    Returns:
        A number, or one per image of the batch.

    Source: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.

    Example:
        >>> import tahr
        >>> x = tahr.ops.ones((12, 12, 1))
        >>> tahr.ops.image.ssim(x, x).numpy().item()
        1.0
    """
    first = _channels_first("ssim", data_format)
    a, single = _images("ssim", image1)
    b, _ = _images("ssim", image2)
    dtype, wide = a.dtype, _wide(a)
    a, b = (_ops.cast(_ops.transpose(x, (0, 2, 3, 1)) if first else x, wide) for x in (a, b))
    weights = _gaussian(filter_size, filter_sigma, wide)

    def mean(x: Any) -> Any:
        return _filtered(x, weights, weights, "valid")

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a * mean_a, mean(b * b) - mean_b * mean_b
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    luminance = (2.0 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    structure = (2.0 * covariance + c2) / (var_a + var_b + c2)
    y = _ops.mean(luminance * structure, axis=(1, 2, 3))
    return _ops.cast(_single(y, single), str(dtype))
