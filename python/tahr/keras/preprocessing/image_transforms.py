"""Changes of one image as an array of rank 3: affine transforms, channel shifts, brightness. NumPy only.

The functions of `keras.preprocessing.image` of older Keras. Layers such as `keras.layers.RandomRotation` do such work inside
a model, and with gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr.keras.preprocessing.image_sampling import FILL_MODES, sample_affine
from tahr.keras.utils.images import array_to_img, img_to_array


def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> np.ndarray:
    """An image turned, shifted, sheared and zoomed about its centre.

    Args:
        x: array of rank 3.
        theta: angle in degrees.
        tx, ty: shifts along the width and the height, in pixels, where `col_axis` is above `row_axis`; else the other way.
        shear: angle of the shear in degrees.
        zx, zy: zooms along the same axes; below 1 enlarges.
        row_axis, col_axis, channel_axis: where height, width and channels are; the channels first or last.
        fill_mode: what lies outside: "constant" (`cval`), "nearest", "reflect" (edges twice) or "wrap".
        cval: see `fill_mode`.
        order: degree of the splines between pixels, from 0 (the nearest pixel) over 1 (linear) to 5.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        ValueError: for other axes, ranks, fill modes or orders.

    >>> import numpy as np
    >>> apply_affine_transform(np.arange(4.0).reshape(1, 4, 1), tx=1, row_axis=0, col_axis=1, channel_axis=2).ravel()
    array([1., 2., 3., 3.])
    """
    x = np.asarray(x)
    if {row_axis, col_axis, channel_axis} != {0, 1, 2} or channel_axis == 1:
        raise ValueError(
            "[apply_affine_transform] expected row_axis, col_axis and channel_axis to be 0, 1 and 2, the channels first or "
            f"last, received {row_axis}, {col_axis} and {channel_axis}."
        )
    if x.ndim != 3:
        raise ValueError(f"[apply_affine_transform] expected an image of rank 3, received shape {x.shape}.")
    if fill_mode not in FILL_MODES:
        raise ValueError(
            f"[apply_affine_transform] expected fill_mode to be one of {FILL_MODES}, received {fill_mode!r}."
        )
    if order not in range(6):
        raise ValueError(f"[apply_affine_transform] expected an order from 0 to 5, received {order!r}.")
    if theta == 0 and tx == 0 and ty == 0 and shear == 0 and zx == 1 and zy == 1:
        return x
    turn, slant = np.deg2rad(theta), np.deg2rad(shear)
    # In (x, y): the result's pixel p comes from the place matrix @ p + offset of the image.
    turning = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    slanting = np.array([[1.0, -np.sin(slant)], [0.0, np.cos(slant)]])
    matrix = turning @ slanting @ np.diag([float(zx), float(zy)])
    size = np.array([x.shape[row_axis], x.shape[col_axis]])
    middle = size / 2.0 - 0.5
    offset = turning @ np.array([float(tx), float(ty)]) + middle - matrix @ middle
    if col_axis > row_axis:
        matrix, offset = matrix[::-1, ::-1], offset[::-1]
    planes = np.moveaxis(x, channel_axis, 0)
    return np.moveaxis(sample_affine(planes, matrix, offset, fill_mode, cval, order), 0, channel_axis)


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """An image with a number added, cut off at the smallest and largest value it had.

    Args:
        x: array of rank 3.
        intensity: what is added.
        channel_axis: where the channels are; it makes no difference, as all channels get the same.

    >>> import numpy as np
    >>> apply_channel_shift(np.array([[[1.0, 2.0, 9.0]]]), 3.0).ravel()
    array([4., 5., 9.])
    """
    x = np.asarray(x)
    if not -x.ndim <= channel_axis < x.ndim:
        raise ValueError(f"[apply_channel_shift] expected a channel_axis of {x.shape}, received {channel_axis}.")
    return np.clip(x + intensity, x.min(), x.max())


def apply_brightness_shift(x: Any, brightness: float, scale: bool = True) -> np.ndarray:
    """An image made darker (`brightness` below 1) or lighter (above 1); needs Pillow.

    Args:
        x: array of rank 3.
        brightness: the factor for all values.
        scale: whether to stretch values to 0..255 first; without it, only images with values outside of that are
            stretched, and get their own range back.

    Returns:
        An array of the same shape and the default floating-point dtype.
    """
    from PIL import ImageEnhance

    x = np.asarray(x)
    low, high = x.min(), x.max()
    outside = bool(low < 0 or high > 255)
    picture = ImageEnhance.Brightness(array_to_img(x, scale=outside or scale)).enhance(brightness)
    y = img_to_array(picture)
    return y / 255 * (high - low) + low if outside and not scale else y


def random_rotation(
    x: Any,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """`apply_affine_transform` with an angle between -`rg` and `rg` degrees, drawn by `numpy.random`."""
    theta = np.random.uniform(-rg, rg)
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    return apply_affine_transform(x, theta, 0, 0, 0, 1, 1, *axes)


def random_shift(
    x: Any,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """`apply_affine_transform` with shifts of up to `wrg` of the width and `hrg` of the height, drawn by `numpy.random`."""
    x = np.asarray(x)
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    return apply_affine_transform(x, 0, tx, ty, 0, 1, 1, *axes)


def random_shear(
    x: Any,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """`apply_affine_transform` with a shear between -`intensity` and `intensity` degrees, drawn by `numpy.random`."""
    shear = np.random.uniform(-intensity, intensity)
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    return apply_affine_transform(x, 0, 0, 0, shear, 1, 1, *axes)


def random_zoom(
    x: Any,
    zoom_range: Any,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """`apply_affine_transform` with zooms along both axes from the pair `zoom_range`, drawn by `numpy.random`."""
    low, high = _pair("random_zoom", "zoom_range", zoom_range)
    zx, zy = (1, 1) if low == high == 1 else np.random.uniform(low, high, 2)
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    return apply_affine_transform(x, 0, 0, 0, 0, zx, zy, *axes)


def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> np.ndarray:
    """`apply_channel_shift` by a number between -`intensity_range` and `intensity_range`, drawn by `numpy.random`."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis)


def random_brightness(x: Any, brightness_range: Any, scale: bool = True) -> np.ndarray:
    """`apply_brightness_shift` by a factor from the pair `brightness_range`, drawn by `numpy.random`."""
    low, high = _pair("random_brightness", "brightness_range", brightness_range)
    return apply_brightness_shift(x, np.random.uniform(low, high), scale)


def _pair(op: str, name: str, value: Any) -> tuple[float, float]:
    if len(value) != 2:
        raise ValueError(f"[{op}] expected {name} to be two numbers, received {value!r}.")
    return value[0], value[1]
