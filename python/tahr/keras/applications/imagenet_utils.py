"""Pictures in, names out: what goes with models trained on ImageNet."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.keras import ops
from tahr.keras.backend.config import floatx, standardize_data_format
from tahr.keras.utils import files

_INDEX = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
_INDEX_HASH = "c2c37ea517e94d9795004a39431a14cb"
_RGB_MEAN, _RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures, in [0, 1]
_BGR_MEAN = (103.939, 116.779, 123.68)  # as Caffe's models were trained with, in [0, 255]


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Brings pictures into the range that a model was trained on.

    Args:
        x: RGB pictures in [0, 255], (height, width, 3) or a batch of them, or with the channels first: an array, a tensor
            or a KerasTensor. An array is not written to.
        data_format: "channels_last" or "channels_first"; by default `keras.config.image_data_format()`.
        mode: "caffe": to BGR, minus the mean of ImageNet's channels. "tf": to [-1, 1]. "torch": to [0, 1], minus the
            mean of the channels, over their standard deviation.

    Returns:
        Of the shape of `x`; floats keep their dtype, integers become `keras.config.floatx()`.

    Raises:
        ValueError: for an unknown `mode` or `data_format`, or, unless `mode` is "tf", other than 3 channels.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> picture = np.array([[[0, 127.5, 255]]])
        >>> keras.applications.imagenet_utils.preprocess_input(picture, mode="tf").tolist()
        [[[-1.0, 0.0, 1.0]]]
    """
    if mode not in ("caffe", "tf", "torch"):
        raise ValueError(f"[preprocess_input] expected mode 'caffe', 'tf' or 'torch', received {mode!r}.")
    last = standardize_data_format(data_format) == "channels_last"
    if not hasattr(x, "shape"):
        x = np.asarray(x)
    if "float" not in str(x.dtype):
        x = x.astype(floatx()) if isinstance(x, np.ndarray) else ops.cast(x, floatx())
    if mode == "tf":
        return x / 127.5 - 1.0
    rank = len(x.shape)
    axis = rank - 1 if last else (0 if rank == 3 else 1)
    if rank < 3 or x.shape[axis] not in (3, None):
        raise ValueError(
            f"[preprocess_input] expected pictures with 3 channels ({'last' if last else 'first'} axis), received shape "
            f"{tuple(x.shape)}. Turn grey pictures into RGB by repeating their channel, or use mode='tf'."
        )

    def per_channel(values: tuple[float, ...]) -> Any:
        shape = [1] * rank
        shape[axis] = 3
        array = np.array(values).reshape(shape)
        return array.astype(x.dtype) if isinstance(x, np.ndarray) else ops.convert_to_tensor(array, dtype=x.dtype)

    if mode == "torch":
        return (x / 255.0 - per_channel(_RGB_MEAN)) / per_channel(_RGB_STD)
    reverse = np.flip if isinstance(x, np.ndarray) else ops.flip
    return reverse(x, axis) - per_channel(_BGR_MEAN)


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, Any]]]:
    """The names of the likeliest of ImageNet's 1000 classes.

    The table of names is downloaded once.

    Args:
        preds: probabilities or logits, (batch, 1000).
        top: how many classes to return.

    Returns:
        Per picture a list of `(WordNet id, name, score)`, the highest score first.

    Raises:
        ValueError: for another shape.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> scores = np.eye(1000)[:1]
        >>> keras.applications.vgg16.decode_predictions(scores, top=1)  # doctest: +SKIP
        [[('n01440764', 'tench', 1.0)]]
    """
    if len(preds.shape) != 2 or preds.shape[1] != 1000:
        raise ValueError(
            f"[decode_predictions] expected predictions of ImageNet's classes, (batch, 1000), received shape "
            f"{tuple(preds.shape)}. Models with classes of their own have other names."
        )
    path = files.get_file("imagenet_class_index.json", _INDEX, cache_subdir="models", file_hash=_INDEX_HASH)
    names = _class_names(path)
    rows = ops.convert_to_numpy(preds)
    best = np.argsort(-rows, axis=1, kind="stable")[:, :top]
    return [[(*names[i], row[i]) for i in order] for row, order in zip(rows, best, strict=True)]


@functools.lru_cache(maxsize=1)
def _class_names(path: str) -> list[tuple[str, str]]:
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    return [tuple(table[str(i)]) for i in range(1000)]


def preprocessing(mode: str | None) -> Callable[..., Any]:
    """A family's `preprocess_input`: that of `mode`, or, for models that do this themselves, the identity."""

    def preprocess_input(x: Any, data_format: str | None = None) -> Any:
        return x if mode is None else _preprocess(x, data_format, mode)

    what = {
        "caffe": "RGB to BGR, minus the mean of ImageNet's channels.",
        "tf": "From [0, 255] to [-1, 1].",
        "torch": "From [0, 255] to [0, 1], minus the mean of ImageNet's channels, over their standard deviation.",
        None: "Returns `x`: these models take pictures in [0, 255] and rescale them themselves.",
    }[mode]
    preprocess_input.__doc__ = f"""{what}

    Args:
        x: RGB pictures in [0, 255]: an array, a tensor or a KerasTensor.
        data_format: "channels_last" or "channels_first"; by default `keras.config.image_data_format()`.

    Returns:
        Of the shape of `x`.
    """
    return preprocess_input


_preprocess = preprocess_input
