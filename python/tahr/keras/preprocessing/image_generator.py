"""ImageDataGenerator: images changed at random while they are read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.keras.backend.config import floatx, standardize_data_format
from tahr.keras.preprocessing.image_iterators import DirectoryIterator, NumpyArrayIterator, warn_of_channels
from tahr.keras.preprocessing.image_tables import DataFrameIterator
from tahr.keras.preprocessing.image_transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
)

_AFFINE = ("theta", "tx", "ty", "shear", "zx", "zy")
_TINY = 1e-6  # added to standard deviations


class ImageDataGenerator:
    """Batches of images from arrays, folders or tables, changed at random and standardized, on the CPU.

    Layers such as `keras.layers.RandomRotation` do such work inside a model. The choices here are drawn by
    `numpy.random` as in Keras.

    Args:
        featurewise_center: whether the mean of the data (see `fit`) is subtracted, per channel.
        samplewise_center: whether the mean of each image is subtracted.
        featurewise_std_normalization: whether to divide by the standard deviation of the data, per channel; centers too.
        samplewise_std_normalization: whether to divide by that of each image; centers too.
        zca_whitening: whether pixels are made uncorrelated by what `fit` found; centers too.
        zca_epsilon: added to singular values.
        rotation_range: largest angle in degrees.
        width_shift_range, height_shift_range: largest shift, below 1 in parts of the image, else in pixels; an integer n
            for whole pixels below n, a list for what it holds, with either sign. As in Keras, `height_shift_range` gives
            `tx`, which moves along the width, and `width_shift_range` gives `ty`.
        brightness_range: pair of factors of brightness (needs Pillow), or None.
        shear_range: largest angle of the shear in degrees.
        zoom_range: pair of zooms, below 1 enlarges; a number z for 1 - z to 1 + z.
        channel_shift_range: largest number added to all values.
        fill_mode: what lies outside: "constant" (`cval`), "nearest", "reflect" or "wrap".
        cval: see `fill_mode`.
        horizontal_flip, vertical_flip: whether half of the images are mirrored.
        rescale: factor for all values, after the changes; None for none.
        preprocessing_function: function of an image that runs after the changes and before `rescale`.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        validation_split: part of the data that `subset="validation"` takes.
        interpolation_order: degree of the splines between pixels, 0 to 5.
        dtype: dtype of the batches; the default floating-point dtype if None.

    Raises:
        ValueError: for a `validation_split` outside of (0, 1), or ranges that are no pairs.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> generator = keras.preprocessing.image.ImageDataGenerator(rescale=0.5)
        >>> x, y = next(generator.flow(np.full((3, 4, 4, 1), 6.0), np.arange(3), batch_size=2, shuffle=False))
        >>> x.shape, float(x.max()), y.tolist()
        ((2, 4, 4, 1), 3.0, [0, 1])
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Any], Any] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ) -> None:
        self.samplewise_std_normalization, self.zca_whitening = samplewise_std_normalization, zca_whitening
        self.featurewise_center = _implied(featurewise_center, "featurewise_center", zca_whitening, "zca_whitening")
        if zca_whitening and featurewise_std_normalization:
            warnings.warn("[ImageDataGenerator] zca_whitening turns featurewise_std_normalization off.", stacklevel=2)
            featurewise_std_normalization = False
        self.featurewise_std_normalization = featurewise_std_normalization
        self.featurewise_center = _implied(
            *(self.featurewise_center, "featurewise_center"),
            *(featurewise_std_normalization, "featurewise_std_normalization"),
        )
        self.samplewise_center = _implied(
            samplewise_center, "samplewise_center", samplewise_std_normalization, "samplewise_std_normalization"
        )
        self.zca_epsilon, self.rotation_range, self.shear_range = zca_epsilon, rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.channel_shift_range, self.fill_mode, self.cval = channel_shift_range, fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.interpolation_order, self.dtype = interpolation_order, dtype or floatx()
        self.data_format = standardize_data_format(data_format)
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(
                f"[ImageDataGenerator] expected validation_split strictly between 0 and 1, received {validation_split}."
            )
        self._validation_split = validation_split
        if isinstance(zoom_range, (int, float)):
            zoom_range = (1 - zoom_range, 1 + zoom_range)
        self.zoom_range = list(_pair("zoom_range", zoom_range))
        self.brightness_range = None if brightness_range is None else _pair("brightness_range", brightness_range)
        self.mean: Any = None
        self.std: Any = None
        self.zca_whitening_matrix: Any = None

    # Batches.

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches from arrays; arguments as of `NumpyArrayIterator`."""
        return NumpyArrayIterator(
            *(x, y, self, batch_size, shuffle, sample_weight, seed, self.data_format),
            *(save_to_dir, save_prefix, save_format, subset, ignore_class_split, self.dtype),
        )

    def flow_from_directory(
        self,
        directory: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Batches of the images in the folders of a directory; arguments as of `DirectoryIterator`."""
        return DirectoryIterator(
            *(directory, self, target_size, color_mode, classes, class_mode, batch_size, shuffle, seed),
            *(self.data_format, save_to_dir, save_prefix, save_format, follow_links, subset, interpolation),
            *(keep_aspect_ratio, self.dtype),
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | None = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Batches of images named in a table; arguments as of `DataFrameIterator`, class mode "other" for "raw"."""
        for name in kwargs:
            if name not in ("has_ext", "sort", "drop_duplicates"):
                raise TypeError(f"[flow_from_dataframe] expected no argument {name!r}. Leave it out.")
            warnings.warn(
                f"[flow_from_dataframe] {name!r} is gone and makes no difference: prepare the table itself.",
                DeprecationWarning,
                stacklevel=2,
            )
        if class_mode == "other":
            class_mode = "raw"
        return DataFrameIterator(
            *(dataframe, directory, self, x_col, y_col, weight_col, target_size, color_mode, classes, class_mode),
            *(batch_size, shuffle, seed, self.data_format, save_to_dir, save_prefix, save_format, subset),
            *(interpolation, False, self.dtype, validate_filenames),
        )

    # One image.

    def _changed(self, x: np.ndarray) -> np.ndarray:
        return self.standardize(self.apply_transform(x, self.get_random_transform(x.shape)))

    def get_random_transform(self, img_shape: Any, seed: int | None = None) -> dict[str, Any]:
        """The random choices for one image.

        Args:
            img_shape: shape of the image, rank 3.
            seed: integer to seed `numpy.random` with; None to leave it alone.

        Returns:
            What `apply_transform` reads.
        """
        if seed is not None:
            np.random.seed(seed)
        rows, columns = img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]
        theta = _about_zero(self.rotation_range)
        tx, ty = _shift(self.height_shift_range, rows), _shift(self.width_shift_range, columns)
        shear = _about_zero(self.shear_range)
        low, high = self.zoom_range
        zx, zy = (1, 1) if low == high == 1 else np.random.uniform(low, high, 2)
        across, down = (bool(np.random.random() < 0.5) for _ in range(2))
        intensity = _about_zero(self.channel_shift_range) if self.channel_shift_range else None
        brightness = None if self.brightness_range is None else np.random.uniform(*self.brightness_range)
        return {
            **dict(zip(_AFFINE, (theta, tx, ty, shear, zx, zy))),
            "flip_horizontal": across and bool(self.horizontal_flip),
            "flip_vertical": down and bool(self.vertical_flip),
            "channel_shift_intensity": intensity,
            "brightness": brightness,
        }

    def apply_transform(self, x: Any, transform_parameters: dict[str, Any]) -> np.ndarray:
        """An image changed as told.

        Args:
            x: array of rank 3.
            transform_parameters: any of "theta", "tx", "ty", "shear", "zx" and "zy" (see `apply_affine_transform`),
                "flip_horizontal", "flip_vertical", "channel_shift_intensity" and "brightness".

        Returns:
            An array of the same shape.
        """
        told = transform_parameters
        row, column, channel = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        x = apply_affine_transform(
            x,
            **{name: told[name] for name in _AFFINE if name in told},
            row_axis=row,
            col_axis=column,
            channel_axis=channel,
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
        )
        if told.get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, told["channel_shift_intensity"], channel)
        for name, axis in (("flip_horizontal", column), ("flip_vertical", row)):
            x = np.flip(x, axis) if told.get(name) else x
        return x if told.get("brightness") is None else apply_brightness_shift(x, told["brightness"], False)

    def random_transform(self, x: Any, seed: int | None = None) -> np.ndarray:
        """An image changed at random; `seed` as of `get_random_transform`."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def standardize(self, x: Any) -> Any:
        """Images preprocessed, rescaled and standardized as the generator's arguments say.

        Args:
            x: floating-point array, one image or a batch. Its memory may be written to.
        """
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + _TINY
        if self.featurewise_center and self._fitted("featurewise_center", self.mean):
            x -= self.mean
        if self.featurewise_std_normalization and self._fitted("featurewise_std_normalization", self.std):
            x /= self.std + _TINY
        if self.zca_whitening and self._fitted("zca_whitening", self.zca_whitening_matrix):
            x = (x.reshape(-1, self.zca_whitening_matrix.shape[0]) @ self.zca_whitening_matrix).reshape(x.shape)
        return x

    @staticmethod
    def _fitted(name: str, found: Any) -> bool:
        if found is None:
            warnings.warn(
                f"[ImageDataGenerator] {name} needs numbers from data, and has none yet: call fit(x) first.",
                stacklevel=4,
            )
        return found is not None

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Finds mean, standard deviation and the whitening matrix, as far as they are needed.

        Args:
            x: images of rank 4.
            augment: whether to take changed images in place of these.
            rounds: how often each is changed then.
            seed: integer to seed `numpy.random` with; None to leave it alone.

        Raises:
            ValueError: for another rank.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(f"[ImageDataGenerator.fit] expected images of rank 4, received shape {x.shape}.")
        warn_of_channels("ImageDataGenerator.fit", x.shape, self.data_format)
        if seed is not None:
            np.random.seed(seed)
        if self.rescale:
            x *= self.rescale
        if augment:
            x = np.stack([self.random_transform(image) for _ in range(rounds) for image in x]).astype(self.dtype)
        channel, others = self.channel_axis - 1, (0, self.row_axis, self.col_axis)
        shape = [1, 1, 1]
        shape[channel] = x.shape[self.channel_axis]
        if self.featurewise_center:
            self.mean = np.mean(x, axis=others).reshape(shape)
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=others).reshape(shape)
            x /= self.std + _TINY
        if self.zca_whitening:
            u, s, _ = np.linalg.svd(x.reshape(len(x), -1).T, full_matrices=False)
            self.zca_whitening_matrix = (u * (np.sqrt(len(x)) / (s + self.zca_epsilon))) @ u.T


def _implied(value: bool, name: str, cause: bool, cause_name: str) -> bool:
    if cause and not value:
        warnings.warn(f"[ImageDataGenerator] {cause_name} turns {name} on.", stacklevel=3)
    return bool(value or cause)


def _pair(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not all(isinstance(v, (int, float)) for v in value):
        raise ValueError(f"[ImageDataGenerator] expected {name} to be two numbers, received {value!r}.")
    return value[0], value[1]


def _about_zero(size: float) -> float:
    return np.random.uniform(-size, size) if size else 0


def _shift(size: Any, length: int) -> float:
    """A shift in pixels."""
    if not np.any(size):
        return 0
    if isinstance(size, float):
        shift = np.random.uniform(-size, size)
    else:
        shift = np.random.choice(size) * np.random.choice([-1, 1])
    return shift * length if np.max(size) < 1 else shift
