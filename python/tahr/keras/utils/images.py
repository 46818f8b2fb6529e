"""Image files and arrays; reading and writing is Pillow's work."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np

from tahr.keras.backend.config import floatx, standardize_data_format

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("[image] reading and writing images needs Pillow: pip install pillow") from None
    return Image


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array as a Pillow image.

    Args:
        x: (height, width, channels), or (channels, height, width) with "channels_first"; 1, 3 or 4 channels.
        data_format: which of the two; None for the configured one.
        scale: whether to stretch the values to 0..255.
        dtype: dtype to compute in; the default floating-point dtype if None.

    Returns:
        An image of mode "L" ("I" for values above 255), "RGB" or "RGBA".

    Raises:
        ValueError: for another rank or number of channels.
    """
    image = _pillow()
    data_format = standardize_data_format(data_format)
    pixels = np.asarray(x, dtype=dtype or floatx())
    if pixels.ndim != 3:
        raise ValueError(f"[array_to_img] expected an array of rank 3 (one image), received shape {pixels.shape}.")
    if data_format == "channels_first":
        pixels = pixels.transpose(1, 2, 0)
    if scale:
        pixels = pixels - pixels.min()
        largest = pixels.max()
        pixels = pixels * (255.0 / largest) if largest != 0 else pixels
    channels = pixels.shape[-1]
    if channels == 1 and pixels.max() > 255:
        return image.fromarray(pixels[..., 0].astype("int32"), "I")
    if channels not in (1, 3, 4):
        raise ValueError(f"[array_to_img] expected 1, 3 or 4 channels, received {channels} in shape {pixels.shape}.")
    pixels = pixels.astype("uint8")
    return image.fromarray(pixels[..., 0] if channels == 1 else pixels, {1: "L", 3: "RGB", 4: "RGBA"}[channels])


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A Pillow image (or an array) as an array of rank 3.

    Args:
        img: the image.
        data_format: where the channels go; None for the configured format.
        dtype: of the result; the default floating-point dtype if None.

    Raises:
        ValueError: for an array that is no image.
    """
    data_format = standardize_data_format(data_format)
    pixels = np.asarray(img, dtype=dtype or floatx())
    if pixels.ndim == 2:
        return pixels[None] if data_format == "channels_first" else pixels[..., None]
    if pixels.ndim != 3:
        raise ValueError(f"[img_to_array] expected an image of rank 2 or 3, received shape {pixels.shape}.")
    return pixels.transpose(2, 0, 1) if data_format == "channels_first" else pixels


def save_img(
    path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True, **kwargs: Any
) -> None:
    """Writes an array as an image file.

    Args:
        path: path, or a file object (then with `file_format`).
        x: the image, as in `array_to_img`.
        data_format: likewise.
        file_format: such as "png"; by default the ending of the path says.
        scale: likewise.
        kwargs: arguments of Pillow's `save`.
    """
    picture = array_to_img(x, data_format=data_format, scale=scale)
    if picture.mode == "RGBA" and str(file_format or os.path.splitext(str(path))[1]).lower() in (
        ".jpg",
        ".jpeg",
        "jpg",
    ):
        picture = picture.convert("RGB")  # JPEG has no transparency
    picture.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Reads an image file.

    Args:
        path: path, or a file object (`io.BytesIO`).
        color_mode: "rgb", "rgba" or "grayscale".
        target_size: (height, width) to resize to; None for the image's own.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos", when resizing.
        keep_aspect_ratio: whether to cut the middle of the right proportions out first.

    Returns:
        A Pillow image.

    Raises:
        TypeError: if `path` is neither a path nor a file object.
        ValueError: for another color mode or interpolation.
    """
    image = _pillow()
    if color_mode not in _MODES:
        raise ValueError(f"[load_img] expected color_mode to be one of {sorted(_MODES)}, received {color_mode!r}.")
    if isinstance(path, io.BytesIO):
        picture = image.open(path)
    elif isinstance(path, (str, bytes, os.PathLike)):
        with open(path, "rb") as f:
            picture = image.open(io.BytesIO(f.read()))
    else:
        raise TypeError(f"[load_img] expected a path or io.BytesIO, received {type(path).__name__}.")
    if not (color_mode == "grayscale" and picture.mode in ("L", "I;16", "I")):
        picture = picture.convert(_MODES[color_mode])
    if target_size is None:
        return picture
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"[load_img] expected interpolation to be one of {INTERPOLATIONS}, received {interpolation!r}."
        )
    height, width = target_size
    if (picture.width, picture.height) == (width, height):
        return picture
    box = None
    if keep_aspect_ratio:
        crop_h = min(picture.height, picture.width * height // width)
        crop_w = min(picture.width, picture.height * width // height)
        top, left = (picture.height - crop_h) // 2, (picture.width - crop_w) // 2
        box = (left, top, left + crop_w, top + crop_h)
    return picture.resize((width, height), getattr(image.Resampling, interpolation.upper()), box=box)


def smart_resize(
    x: Any, size: tuple[int, int], interpolation: str = "bilinear", data_format: str = "channels_last", **kwargs: Any
) -> Any:
    """Images of another size without distortion: the largest part of the right proportions is cut from the middle first.

    Args:
        x: (height, width, channels) or (batch, height, width, channels), or with the channels first.
        size: (height, width).
        interpolation: as in `keras.ops.image.resize`.
        data_format: where the channels are.
        kwargs: `backend_module`, which there is one of.

    Returns:
        An array for an array, a tensor for a tensor.

    Raises:
        ValueError: if `size` is not a pair.
    """
    kwargs.pop("backend_module", None)
    if kwargs:
        raise ValueError(f"[smart_resize] expected no further arguments, received {sorted(kwargs)}.")
    if len(size) != 2:
        raise ValueError(f"[smart_resize] expected size to be (height, width), received {size}.")
    from tahr import ops

    resized = ops.image.resize(
        ops.cast(ops.convert_to_tensor(x), floatx()),
        tuple(size),
        interpolation=interpolation,
        crop_to_aspect_ratio=True,
        data_format=data_format,
    )
    return resized.numpy() if isinstance(x, np.ndarray) else resized
