"""Data sets of the files in a directory: images, texts, sounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.keras.backend.config import standardize_data_format
from tahr.keras.utils import directories, images

IMAGE_FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
TEXT_FORMATS = (".txt",)
AUDIO_FORMATS = (".wav",)
_NOUNS = {IMAGE_FORMATS: "images", TEXT_FORMATS: "text files", AUDIO_FORMATS: "audio files"}


def _check_format(op: str, format: str) -> None:
    if format not in ("tf", "tahr"):
        raise ValueError(
            f"[{op}] `format` should be 'tf' (a tahr.data.Dataset, which has its methods), received {format!r}."
        )


def _datasets(
    op: str,
    format: str,
    directory: Any,
    labels: Any,
    label_mode: str | None,
    class_names: Any,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    validation_split: float | None,
    subset: str | None,
    follow_links: bool,
    verbose: bool,
    formats: tuple[str, ...],
    load: Callable[[str], Any],
    problem: str = "",
) -> Any:
    directories.check_arguments(op, labels, label_mode, class_names, validation_split, subset, shuffle, seed)
    if labels is None or label_mode is None:
        labels = label_mode = None
    paths, labels, names = directories.index_directory(
        directory, labels, formats, class_names, shuffle, seed, follow_links, verbose
    )
    if label_mode == "binary" and len(names or ()) != 2:
        raise ValueError(
            f"[{op}] When passing `label_mode='binary'`, there must be exactly 2 `class_names`, received {names}."
        )
    parts = []
    for part in ("training", "validation") if subset == "both" else (subset,):
        kept, kept_labels = directories.subset_of(paths, labels, validation_split, part, verbose)
        if not kept:
            raise ValueError(
                f"[{op}] No {_NOUNS[formats]} found in directory {directory} for {part or 'the data set'}: {formats}."
            )
        _check_format(op, format)
        if problem:
            raise ValueError(f"[{op}] {problem}")
        mixed = shuffle and not (subset == "both" and part == "validation")
        parts.append(directories.as_dataset(kept, kept_labels, names, load, label_mode, batch_size, mixed, seed))
    return parts if subset == "both" else parts[0]


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the images in a directory with a folder per class.

    Args:
        directory: the directory; with another value of `labels` its folders do not matter.
        labels: "inferred" from the folders, None, or a list with a label per file, in the order of their paths.
        label_mode: "int" int32 (batch,), "binary" float32 (batch, 1), "categorical" float32 (batch, classes), None.
        class_names: the folders to use, in the order of the classes.
        color_mode: "rgb", "rgba" or "grayscale".
        batch_size: images per batch; None for single images.
        image_size: (height, width) that all are resized to.
        shuffle: whether the order changes, each time the data set is run through.
        seed: of the order.
        validation_split: fraction of the files to set aside.
        subset: with `validation_split`: "training", "validation", or "both" for a list of the two.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        follow_links: whether to enter folders that are links.
        crop_to_aspect_ratio: cut the middle of the right proportions out before resizing.
        pad_to_aspect_ratio: add black borders to the right proportions before resizing.
        data_format: where the channels go; None for the configured format.
        format: "tf", for a data set with the methods of `tf.data.Dataset`.
        verbose: whether to print how many files were found.

    Returns:
        A `tahr.data.Dataset` of float32 images in 0..255, or of pairs (images, labels), with attributes `class_names`
        and `file_paths`.

    Raises:
        ValueError: for arguments that do not go together, or if there are no images.
    """
    op = "image_dataset_from_directory"
    if color_mode not in images._MODES:
        raise ValueError(f"[{op}] `color_mode` must be one of {sorted(images._MODES)}. Received: {color_mode!r}.")
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise ValueError(
            f"[{op}] Invalid `image_size` value. Expected a tuple of 2 integers. Received: {image_size!r}."
        )
    known = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")
    if interpolation.lower() not in known:
        raise ValueError(f"[{op}] Argument `interpolation` should be one of {known}. Received: {interpolation!r}.")
    layout = standardize_data_format(data_format)

    def load(path: str) -> Any:
        from tahr import ops

        pixels = images.img_to_array(images.load_img(path, color_mode), "channels_last", "float32")
        resized = ops.image.resize(
            pixels,
            tuple(size),
            interpolation=interpolation.lower(),
            crop_to_aspect_ratio=crop_to_aspect_ratio,
            pad_to_aspect_ratio=pad_to_aspect_ratio,
            data_format="channels_last",
        )
        resized = ops.cast(resized, "float32")
        return resized if layout == "channels_last" else ops.transpose(resized, (2, 0, 1))

    return _datasets(
        op, format, directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset,
        follow_links, verbose, IMAGE_FORMATS, load,
    )  # fmt: skip


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the texts (`.txt`, UTF-8) in a directory with a folder per class.

    Args:
        max_length: longer texts are cut to so many bytes.
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links,
            format, verbose: as in `image_dataset_from_directory`.

    Returns:
        A `tahr.data.Dataset` of arrays of strings (dtype object), or of pairs (texts, labels), with attributes
        `class_names` and `file_paths`.

    Raises:
        ValueError: for arguments that do not go together, or if there are no texts.
    """
    op = "text_dataset_from_directory"

    def load(path: str) -> Any:
        with open(path, "rb") as f:
            content = f.read() if max_length is None else f.read(max_length)
        text = np.empty((), dtype=object)
        text[()] = content.decode("utf-8", errors="ignore")
        return text

    return _datasets(
        op, format, directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset,
        follow_links, verbose, TEXT_FORMATS, load,
    )  # fmt: skip


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the sounds (`.wav`, 16 bit) in a directory with a folder per class.

    Args:
        sampling_rate: must be None: files are read at their own rate.
        output_sequence_length: samples per sound; longer ones are cut, shorter ones followed by zeros. None, for
            single sounds: as long as they are.
        ragged: must be False: tensors are dense.
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links,
            format, verbose: as in `image_dataset_from_directory`.

    Returns:
        A `tahr.data.Dataset` of float32 (batch, samples, channels) in -1..1, or of pairs with labels.

    Raises:
        ValueError: for arguments that do not go together, or if there are no sounds.
    """
    op = "audio_dataset_from_directory"
    if ragged:
        raise ValueError(f"[{op}] expected ragged=False: tensors are dense. Pass output_sequence_length.")
    if sampling_rate is not None:
        raise ValueError(f"[{op}] expected sampling_rate=None: files are read at their own rate, not resampled.")

    def load(path: str) -> np.ndarray:
        samples = _read_wav(path)
        if output_sequence_length is None:
            return samples
        missing = max(output_sequence_length - len(samples), 0)
        return np.pad(samples[:output_sequence_length], ((0, missing), (0, 0)))

    problem = ""
    if output_sequence_length is None and batch_size not in (None, 1):
        problem = "expected output_sequence_length, so that the sounds of a batch are equally long."

    return _datasets(
        op, format, directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset,
        follow_links, verbose, AUDIO_FORMATS, load, problem,
    )  # fmt: skip


def _read_wav(path: str) -> np.ndarray:
    import wave

    with wave.open(path, "rb") as f:
        if f.getsampwidth() != 2:
            raise ValueError(
                f"[audio_dataset_from_directory] expected 16-bit samples in {path}, received {f.getsampwidth() * 8}."
            )
        samples = np.frombuffer(f.readframes(f.getnframes()), dtype="<i2").reshape(-1, f.getnchannels())
    return samples.astype("float32") / 32768.0
