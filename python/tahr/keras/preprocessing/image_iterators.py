"""The iterators of `ImageDataGenerator`: batches of changed images from arrays, folders and tables, as PyDatasets.

Their choices are drawn by `numpy.random`, as in Keras: one seed gives both sides the same batches.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator as Batches
from typing import Any

import numpy as np

from tahr.keras.backend.config import floatx, standardize_data_format
from tahr.keras.utils.images import array_to_img, img_to_array, load_img
from tahr.keras.utils.progbar import print_message
from tahr.keras.utils.py_dataset import PyDataset

FORMATS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}


class Iterator(PyDataset):
    """Batches of `n` samples in order or shuffled, by index or without end by `next()`.

    Args:
        n: number of samples.
        batch_size: samples per batch; the last batch has the rest.
        shuffle: whether each epoch has an order of its own.
        seed: integer that `numpy.random` is seeded with, plus the number of batches so far, before each batch; None to
            leave it alone.
        kwargs: arguments of `PyDataset`.

    Subclasses define `_get_batches_of_transformed_samples(index_array)`.
    """

    white_list_formats = FORMATS

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = 0
        self.total_batches_seen = 0
        self.lock = threading.Lock()
        self.index_array: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()

    def _set_index_array(self) -> None:
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _begin_batch(self) -> None:
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        """Batch `index` of the epoch.

        Raises:
            ValueError: if the epoch has fewer.
        """
        if index >= len(self):
            raise ValueError(f"[{type(self).__name__}] expected an index below {len(self)}, received {index}.")
        with self.lock:
            self._begin_batch()
            if self.index_array is None:
                self._set_index_array()
            chosen = self.index_array[self.batch_size * index : self.batch_size * (index + 1)]
        return self._get_batches_of_transformed_samples(chosen)

    def on_epoch_end(self) -> None:
        """Chooses the order of the next epoch."""
        self._set_index_array()

    def reset(self) -> None:
        """Makes the next `next()` the first batch of an epoch."""
        self.batch_index = 0

    def __iter__(self) -> Batches[Any]:
        """Itself: epoch after epoch, without end."""
        return self

    def __next__(self) -> Any:
        """The next batch."""
        with self.lock:
            self._begin_batch()
            if self.batch_index == 0:
                self._set_index_array()
            start = self.batch_index * self.batch_size
            self.batch_index = self.batch_index + 1 if start + self.batch_size < self.n else 0
            chosen = self.index_array[start : start + self.batch_size]
        return self._get_batches_of_transformed_samples(chosen)

    def next(self) -> Any:
        """The next batch."""
        return self.__next__()

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        raise NotImplementedError(
            f"[{type(self).__name__}] expected a method _get_batches_of_transformed_samples(index_array)."
        )

    # What subclasses share.

    save_to_dir: Any
    save_prefix: str
    save_format: str
    data_format: str

    def _save(self, batch: np.ndarray, index_array: Any, numbers: int) -> None:
        """Writes the images of a batch to `save_to_dir`, if there is one, under names with a random number."""
        if not self.save_to_dir:
            return
        for image, index in zip(batch, index_array):
            name = f"{self.save_prefix}_{index}_{np.random.randint(numbers)}.{self.save_format}"
            array_to_img(image, self.data_format, scale=True).save(os.path.join(self.save_to_dir, name))


def _split(where: str, subset: str | None, fraction: float) -> tuple[float, float] | None:
    """The part of the samples that a subset is, from 0 to 1; None for all."""
    if subset is None:
        return None
    if subset not in ("training", "validation"):
        raise ValueError(f"[{where}] expected subset to be 'training', 'validation' or None, received {subset!r}.")
    return (0, fraction) if subset == "validation" else (fraction, 1)


class NumpyArrayIterator(Iterator):
    """Batches from arrays.

    Args:
        x: (samples, height, width, channels), or a pair of that and another array, or a list of them, handed on as is.
        y: targets, one for each sample; None to give images alone.
        image_data_generator: the `ImageDataGenerator` that changes images.
        batch_size, shuffle, seed: as of `Iterator`.
        sample_weight: one number for each sample.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        save_to_dir: folder to write the changed images to; None for none.
        save_prefix, save_format: beginning and ending of their names.
        subset: "validation" for the first part of the samples, as large as the generator's `validation_split`, "training"
            for the rest.
        ignore_class_split: whether the two may have different targets.
        dtype: dtype of the images; the default floating-point dtype if None.

    Raises:
        ValueError: for lengths that differ, or images of another rank than 4.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = None,
    ) -> None:
        self.dtype = dtype or floatx()
        self.data_format = standardize_data_format(data_format)
        more: list[Any] = []
        if isinstance(x, (tuple, list)):
            x, others = x[0], x[1]
            more = [np.asarray(o) for o in (others if isinstance(others, list) else [others])]
        for name, arrays in (("x[1]", more), ("y", [y]), ("sample_weight", [sample_weight])):
            for array in arrays:
                if array is not None and len(array) != len(x):
                    raise ValueError(
                        f"[NumpyArrayIterator] expected x and {name} of the same length, received {len(x)} and {len(array)}."
                    )
        part = _split("NumpyArrayIterator", subset, image_data_generator._validation_split if subset else 0.0)
        if part is not None:
            border = int(len(x) * image_data_generator._validation_split)
            if y is not None and not ignore_class_split and set(_kinds(y[:border])) != set(_kinds(y[border:])):
                raise ValueError(
                    "[NumpyArrayIterator] expected the same targets in the training and the validation part, received "
                    "different ones. Shuffle sorted data first, or pass ignore_class_split=True."
                )
            rows = slice(0, border) if subset == "validation" else slice(border, None)
            x, more = x[rows], [m[rows] for m in more]
            y = None if y is None else y[rows]
            sample_weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        self.x, self.x_misc = np.asarray(x, dtype=self.dtype), more
        if self.x.ndim != 4:
            raise ValueError(f"[NumpyArrayIterator] expected images of rank 4, received shape {self.x.shape}.")
        warn_of_channels("NumpyArrayIterator", self.x.shape, self.data_format)
        self.y = None if y is None else np.asarray(y)
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        self.image_data_generator = image_data_generator
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = np.zeros((len(index_array), *self.x.shape[1:]), self.dtype)
        for i, index in enumerate(index_array):
            batch[i] = self.image_data_generator._changed(self.x[index].astype(self.dtype))
        self._save(batch, index_array, 10**4)
        images: Any = [batch, *(m[index_array] for m in self.x_misc)] if self.x_misc else batch
        if self.y is None:
            return images
        if self.sample_weight is None:
            return images, self.y[index_array]
        return images, self.y[index_array], self.sample_weight[index_array]


def _kinds(y: Any) -> list[Any]:
    return np.unique(y).tolist()


def warn_of_channels(where: str, shape: tuple[int, ...], data_format: str) -> None:
    """Warns of images (samples, ...) with another number of channels than 1, 3 or 4."""
    channels = shape[3 if data_format == "channels_last" else 1]
    if channels not in (1, 3, 4):
        warnings.warn(
            f"[{where}] expected images of 1, 3 or 4 channels with data_format={data_format!r}, received shape {shape}.",
            stacklevel=3,
        )


class _FileIterator(Iterator):
    """Batches of images read from files."""

    allowed_class_modes: tuple[str | None, ...] = ()
    class_mode: str | None
    class_indices: dict[Any, int]
    classes: Any
    dtype: Any

    def set_processing_attrs(
        self,
        image_data_generator: Any,
        target_size: Any,
        color_mode: str,
        data_format: str,
        save_to_dir: str | None,
        save_prefix: str,
        save_format: str,
        subset: str | None,
        interpolation: str,
        keep_aspect_ratio: bool,
    ) -> None:
        """Sets how images are read and changed; arguments as of `DirectoryIterator`."""
        where = type(self).__name__
        if color_mode not in _CHANNELS:
            raise ValueError(f"[{where}] expected color_mode to be one of {tuple(_CHANNELS)}, received {color_mode!r}.")
        self.image_data_generator, self.color_mode, self.data_format = image_data_generator, color_mode, data_format
        self.target_size, self.keep_aspect_ratio = tuple(target_size), keep_aspect_ratio
        channels = (_CHANNELS[color_mode],)
        last = data_format == "channels_last"
        self.image_shape = (*self.target_size, *channels) if last else (*channels, *self.target_size)
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.interpolation, self.subset = interpolation, subset
        self.split = _split(where, subset, image_data_generator._validation_split if subset else 0.0)

    def _check_class_mode(self, class_mode: str | None) -> None:
        if class_mode not in self.allowed_class_modes:
            raise ValueError(
                f"[{type(self).__name__}] expected class_mode to be one of {self.allowed_class_modes}, received "
                f"{class_mode!r}."
            )
        self.class_mode = class_mode

    @property
    def filepaths(self) -> list[str]:
        """The path of each image."""
        return self._filepaths

    _filepaths: list[str]

    @property
    def labels(self) -> Any:
        """The class of each image, or its targets."""
        return self.classes

    @property
    def sample_weight(self) -> Any:
        """The weight of each image, or None."""
        return None

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = np.zeros((len(index_array), *self.image_shape), self.dtype)
        for i, index in enumerate(index_array):
            picture = load_img(
                self._filepaths[index], self.color_mode, self.target_size, self.interpolation, self.keep_aspect_ratio
            )
            image = img_to_array(picture, data_format=self.data_format)
            batch[i] = self.image_data_generator._changed(image) if self.image_data_generator else image
        self._save(batch, index_array, 10**7)
        if self.class_mode is None:
            return batch
        targets = self._targets_of(batch, index_array)
        weights = self.sample_weight
        return (batch, targets) if weights is None else (batch, targets, weights[index_array])

    def _targets_of(self, batch: np.ndarray, index_array: Any) -> Any:
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "multi_output":
            return [output[index_array] for output in self.labels]
        if self.class_mode == "raw":
            return self.labels[index_array]
        if self.class_mode in ("binary", "sparse"):
            return np.array([self.classes[i] for i in index_array], dtype=self.dtype)
        hot = np.zeros((len(batch), len(self.class_indices)), self.dtype)
        for row, index in enumerate(index_array):
            hot[row, self.classes[index]] = 1.0
        return hot


class DirectoryIterator(_FileIterator):
    """Batches of the images in the folders of a directory, one folder per class.

    Args:
        directory: the directory.
        image_data_generator: the `ImageDataGenerator` that changes images.
        target_size: height and width of all images.
        color_mode: "rgb", "rgba" or "grayscale".
        classes: names of the folders; None for all, in order.
        class_mode: targets: "categorical" (one-hot), "sparse" or "binary" (numbers), "input" (the image), None for none.
        batch_size, shuffle, seed: as of `Iterator`.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        save_to_dir, save_prefix, save_format: as of `NumpyArrayIterator`.
        follow_links: whether to look into folders that are links.
        subset: "validation" for the first images of each class, "training" for the rest.
        interpolation: how images are resized, as in `keras.utils.load_img`.
        keep_aspect_ratio: whether to cut the middle out first.
        dtype: dtype of the images; the default floating-point dtype if None.

    `class_indices` has the number of each class, `filenames` the paths within the directory, `classes` the numbers.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    def __init__(
        self,
        directory: Any,
        image_data_generator: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
    ) -> None:
        self.set_processing_attrs(
            image_data_generator,
            target_size,
            color_mode,
            standardize_data_format(data_format),
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
        )
        self._check_class_mode(class_mode)
        self.directory, self.dtype = directory, dtype or floatx()
        folders = classes or sorted(f for f in os.listdir(directory) if os.path.isdir(os.path.join(directory, f)))
        self.num_classes = len(folders)
        self.class_indices = {name: i for i, name in enumerate(folders)}
        self.filenames: list[str] = []
        numbers: list[int] = []
        for name, number in self.class_indices.items():
            found = sorted_images(os.path.join(directory, name), follow_links)
            if self.split:
                found = found[int(self.split[0] * len(found)) : int(self.split[1] * len(found))]
            self.filenames += [os.path.join(os.path.basename(name), path) for path in found]
            numbers += [number] * len(found)
        self.classes = np.array(numbers, dtype="int32")
        self.samples = len(self.filenames)
        print_message(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        self._filepaths = [os.path.join(directory, name) for name in self.filenames]
        super().__init__(self.samples, batch_size, shuffle, seed)


def sorted_images(folder: str, follow_links: bool) -> list[str]:
    """Paths of the images in a folder and its folders, relative to it, in order of folders, then names."""
    found = []
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0]):
        for name in sorted(names):
            if name.lower().endswith(FORMATS):
                found.append(os.path.relpath(os.path.join(root, name), folder))
    return found
