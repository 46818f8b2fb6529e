"""The public functions: saving and loading of models and weights, the format chosen by the ending of the path."""

from __future__ import annotations

import os
import sys
from typing import Any

from tahr.keras.saving import keras_file, safety, weights

_H5 = (".h5", ".hdf5")


def _text(path: Any) -> str:
    try:
        return str(os.fspath(path))
    except TypeError:
        return str(path)


def _may_write(path: str, overwrite: bool, where: str) -> bool:
    """Whether to go on: asks, where a file would be replaced and `overwrite` is off."""
    if overwrite or not os.path.exists(path):
        return True
    if not sys.stdin or not sys.stdin.isatty():
        raise FileExistsError(f"[{where}] expected a new path with overwrite=False, received {path!r}, which exists.")
    answer = ""
    while answer not in ("y", "n"):
        answer = input(f"{path} exists. Overwrite it? [y/n] ").strip().lower()
    return answer == "y"


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Saves a whole model: config, weights, and what it was compiled with, including the state of the optimizer.

    The file is written beside its final place and then put there in one step: a process that is killed while saving
    leaves the old file as it was.

    Args:
        model: the model.
        filepath: a path that ends in `.keras`, or in `.h5` or `.hdf5` for the older format; or a binary file.
        overwrite: whether an existing file is replaced; if not, a terminal is asked, and elsewhere it is an error.
        zipped: False writes the parts of a `.keras` file into the folder `filepath` instead.
        kwargs: `include_optimizer`, whether `.h5` files hold the optimizer; `save_format`, as in Keras 2, if it agrees
            with the path.

    Raises:
        ValueError: for a path with another ending, or unknown arguments.
        FileExistsError: if the file exists and `overwrite` is off.

    >>> import tempfile, numpy as np
    >>> from tahr import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keras.saving.save_model(model, f"{folder}/model.keras")
    ...     again = keras.saving.load_model(f"{folder}/model.keras")
    >>> bool(np.all(again.get_weights()[0] == model.get_weights()[0]))
    True
    """
    include_optimizer = kwargs.pop("include_optimizer", True)
    save_format = kwargs.pop("save_format", None)
    if kwargs:
        raise ValueError(
            f"[save_model] expected known arguments, received others. The following argument(s) are not supported: "
            f"{sorted(kwargs)}."
        )
    if hasattr(filepath, "write"):
        keras_file.save(model, filepath)
        return
    path = _text(filepath)
    old = path.endswith(_H5)
    if save_format not in (None, False, "h5" if old else "keras" if path.endswith(".keras") else None):
        raise ValueError(
            f"[save_model] expected the ending of the path to give the format, received {path!r} and "
            f"save_format={save_format!r}. The `save_format` argument is deprecated: leave it out, and write .keras or .h5."
        )
    if zipped is False:
        if path.endswith((".keras", *_H5)):
            raise ValueError(
                f"[save_model] expected the path of a folder with zipped=False, received {path!r}. It should "
                "not end in .keras or .h5."
            )
        if _may_write(path, overwrite, "save_model"):
            keras_file.save_folder(model, path)
        return
    if not path.endswith((".keras", *_H5)):
        raise ValueError(
            f"[save_model] expected a path that ends in .keras (or in .h5), received {path!r}. Invalid filepath extension "
            "for saving; model.export() writes models for other programs."
        )
    if not _may_write(path, overwrite, "save_model"):
        return
    if old:
        from tahr.keras.saving import h5_model

        h5_model.save(model, path, include_optimizer)
    else:
        keras_file.save(model, path)


def load_model(filepath: Any, custom_objects: Any = None, compile: bool = True, safe_mode: bool | None = True) -> Any:
    """The model that `save_model` or Keras saved.

    Args:
        filepath: path of a `.keras` file, of a folder written with `zipped=False`, of an `.h5` or `.hdf5` file (also
            of Keras 1 and 2); or a binary file with the content of a `.keras` file.
        custom_objects: from names to classes and functions that are not part of Keras and not registered.
        compile: whether to compile the model as it was.
        safe_mode: False lets functions that the file holds as code run; do so only if you trust the file. None is True.

    Returns:
        The model with its weights.

    Raises:
        ValueError: if there is no such file, it is damaged, does not fit the model, or asks for something unsafe.
        TypeError: if it names a class that is unknown.

    >>> from tahr import keras
    >>> keras.models.load_model("missing.keras")
    Traceback (most recent call last):
    tahr.keras.saving.safety.MissingFileError: [load_model] expected a file, received 'missing.keras': File not found.
    """
    if hasattr(filepath, "read"):
        return keras_file.load(filepath, custom_objects, compile, safe_mode)
    path = _text(filepath)
    if os.path.isdir(path):
        if keras_file.is_folder(path):
            return keras_file.load(path, custom_objects, compile, safe_mode)
        hint = (
            " It looks like a SavedModel of TensorFlow, which only TensorFlow reads." if _is_saved_model(path) else ""
        )
        raise ValueError(f"[load_model] expected a .keras or .h5 file, received the folder {path!r}.{hint}")
    if not os.path.exists(path) and path.endswith((".keras", *_H5)):
        raise safety.MissingFileError(f"[load_model] expected a file, received {path!r}: File not found.")
    if path.endswith(".keras") or (not path.endswith(_H5) and keras_file.is_archive(path)):
        return keras_file.load(path, custom_objects, compile, safe_mode)
    if path.endswith(_H5):
        from tahr.keras.saving import h5_model

        return h5_model.load(path, custom_objects, compile, safe_mode)
    raise ValueError(f"[load_model] expected a .keras or .h5 file, received {path!r}: File format not supported.")


def _is_saved_model(path: str) -> bool:
    return os.path.exists(os.path.join(path, "saved_model.pb"))


def save_weights(
    model: Any, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None, **kwargs: Any
) -> None:
    """Saves the weights of a model, and the state of its optimizer if it is compiled.

    Args:
        model: the model, or a layer.
        filepath: path that ends in `.weights.h5`; `.safetensors` holds the weights alone; with `max_shard_size` it ends
            in `.weights.json`. `.h5` or `.hdf5` writes the older layout.
        overwrite: whether an existing file is replaced; if not, a terminal is asked, and elsewhere it is an error.
        max_shard_size: size in GB of the files that the weights are spread over; None for one file.
        kwargs: `objects_to_skip`, a list of layers to leave out.

    Raises:
        ValueError: for a path with another ending, a model that is not built, or unknown arguments.

    >>> import tempfile
    >>> from tahr import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keras.saving.save_weights(model, f"{folder}/a.weights.h5")
    ...     keras.saving.load_weights(model, f"{folder}/a.weights.h5")
    """
    skip = kwargs.pop("objects_to_skip", None)
    if kwargs:
        raise ValueError(f"[save_weights] expected known arguments, received {sorted(kwargs)}.")
    path = _text(filepath)
    if not path.endswith((".safetensors", ".weights.json", *_H5)):
        raise ValueError(
            f"[save_weights] expected a path that ends in .weights.h5, received {path!r}. Other endings: .safetensors, "
            ".weights.json with max_shard_size."
        )
    if _may_write(path, overwrite, "save_weights"):
        weights.save(model, path, max_shard_size, skip or ())


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Loads weights into a model.

    Args:
        model: the model, or a layer. It has been built.
        filepath: path of a `.weights.h5`, `.weights.json`, `.keras`, `.safetensors`, or an older `.h5` or `.hdf5` file.
        skip_mismatch: whether objects whose weights do not fit are left as they are, with a warning.
        kwargs: `objects_to_skip`, a list of layers to leave alone; `by_name`, for older `.h5` files: whether layers are
            matched by name instead of by order.

    Raises:
        ValueError: if there is no such file, it is damaged, or does not fit.

    >>> from tahr import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> keras.saving.load_weights(model, "weights.txt")
    Traceback (most recent call last):
    ValueError: [load_weights] expected a .weights.h5, .keras, .safetensors or .h5 file, received 'weights.txt': \
File format not supported.
    """
    skip = kwargs.pop("objects_to_skip", None)
    by_name = kwargs.pop("by_name", None)
    if kwargs:
        raise ValueError(f"[load_weights] expected known arguments. Invalid keyword arguments: {sorted(kwargs)}.")
    path = _text(filepath)
    if not path.endswith((".keras", ".weights.json", ".safetensors", *_H5)):
        raise ValueError(
            "[load_weights] expected a .weights.h5, .keras, .safetensors or .h5 file, received "
            f"{path!r}: File format not supported."
        )
    if not os.path.exists(path):
        raise safety.MissingFileError(f"[load_weights] expected a file, received {path!r}: File not found.")
    weights.load(model, path, skip_mismatch, skip, by_name)
