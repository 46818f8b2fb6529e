"""DataFrameIterator: images named in a table."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from tahr.keras.preprocessing.image_iterators import FORMATS, _FileIterator
from tahr.keras.utils.progbar import print_message

_WITHOUT_CLASSES = ("input", "multi_output", "raw", None)


class DataFrameIterator(_FileIterator):
    """Batches of images whose names and targets are columns of a pandas DataFrame.

    Args:
        dataframe: the table.
        directory: folder that the names start from; None where they are whole paths.
        image_data_generator: the `ImageDataGenerator` that changes images.
        x_col: the column with the names.
        y_col: the column with the targets, or a list of columns.
        weight_col: the column with the weights of samples, or None.
        target_size, color_mode, batch_size, shuffle, seed: as of `DirectoryIterator`.
        classes: the classes to use, in the order of their numbers; None for all that occur, sorted.
        class_mode: targets: "categorical" (one-hot or, of lists of classes, multi-hot), "sparse" or "binary" (numbers),
            "raw" (the column as it is), "multi_output" (a list of columns), "input" (the image), None for none.
        data_format, save_to_dir, save_prefix, save_format, subset, interpolation, keep_aspect_ratio, dtype: as of
            `DirectoryIterator`.
        validate_filenames: whether to leave out rows whose file does not exist or is no image.

    Raises:
        ValueError: for another class mode, or other than two classes with "binary".
        TypeError: for columns of another type than the class mode needs.
    """

    allowed_class_modes = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)

    def __init__(
        self,
        dataframe: Any,
        directory: str | None = None,
        image_data_generator: Any = None,
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
        data_format: str = "channels_last",
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = "float32",
        validate_filenames: bool = True,
    ) -> None:
        self.set_processing_attrs(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
        )
        self._check_class_mode(class_mode)
        self.directory, self.dtype = directory or "", dtype
        self._check_columns(dataframe, x_col, y_col, weight_col, classes)
        table = dataframe.copy()
        if validate_filenames:
            table = self._existing(table, x_col)
        counted = ""
        if class_mode not in _WITHOUT_CLASSES:
            table, names = self._with_classes(table, y_col, classes)
            self.class_indices = {name: i for i, name in enumerate(names)}
            counted = f" belonging to {len(names)} classes"
        if self.split:
            table = table.iloc[int(self.split[0] * len(table)) : int(self.split[1] * len(table))]
        if class_mode not in _WITHOUT_CLASSES:
            self.classes = [self._numbers(label) for label in table[y_col]]
        elif class_mode == "multi_output":
            self._targets: Any = [np.array(table[column].tolist()) for column in y_col]
        elif class_mode == "raw":
            self._targets = table[y_col].values
        self.filenames = table[x_col].tolist()
        self.samples = len(self.filenames)
        self._weights = table[weight_col].values if weight_col else None
        checked = "validated" if validate_filenames else "non-validated"
        print_message(f"Found {self.samples} {checked} image filenames{counted}.")
        self._filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        super().__init__(self.samples, batch_size, shuffle, seed)

    @property
    def labels(self) -> Any:
        """The class of each image, or the targets of "raw" and "multi_output"."""
        return self._targets if self.class_mode in ("multi_output", "raw") else self.classes

    @property
    def sample_weight(self) -> Any:
        """The weight of each image, or None."""
        return self._weights

    def _check_columns(self, table: Any, x_col: str, y_col: Any, weight_col: str | None, classes: Any) -> None:
        mode, where = self.class_mode, "DataFrameIterator"
        if mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(
                f"[{where}] expected y_col to be a list with class_mode='multi_output', received {y_col!r}."
            )
        if not all(isinstance(name, str) for name in table[x_col]):
            raise TypeError(f"[{where}] expected strings in column {x_col!r}, received other values.")
        if mode in ("binary", "sparse") and not all(isinstance(label, str) for label in table[y_col]):
            raise TypeError(f"[{where}] expected strings in column {y_col!r} with class_mode={mode!r}.")
        if mode == "categorical" and not all(isinstance(label, (str, list, tuple)) for label in table[y_col]):
            raise TypeError(
                f"[{where}] expected strings or lists of them in column {y_col!r} with class_mode={mode!r}."
            )
        if mode == "binary":
            count = len(set(classes)) if classes else table[y_col].nunique()
            if count != 2:
                raise ValueError(f"[{where}] expected 2 classes with class_mode='binary', received {count}.")
        if classes and mode in _WITHOUT_CLASSES:
            warnings.warn(
                f"[{where}] expected no classes with class_mode={mode!r}; they make no difference.", stacklevel=3
            )
        if weight_col and not issubclass(table[weight_col].dtype.type, np.number):
            raise TypeError(f"[{where}] expected numbers in column {weight_col!r}, received {table[weight_col].dtype}.")

    def _existing(self, table: Any, x_col: str) -> Any:
        """The rows that name image files."""
        paths = [os.path.join(self.directory, name) for name in table[x_col]]
        valid = np.array([path.lower().endswith(FORMATS) and os.path.isfile(path) for path in paths], dtype=bool)
        if not valid.all():
            warnings.warn(
                f"[DataFrameIterator] expected image files in column {x_col!r}, received {int((~valid).sum())} other names, "
                "which are left out.",
                stacklevel=3,
            )
        return table[valid]

    @staticmethod
    def _with_classes(table: Any, y_col: str, classes: Any) -> tuple[Any, list[str]]:
        """The rows that have a class, and the classes."""
        if not classes:
            lists = [[label] if isinstance(label, str) else label for label in table[y_col].dropna()]
            return table.dropna(subset=[y_col]), sorted({name for labels in lists for name in labels})
        wanted = list(dict.fromkeys(classes))

        def kept(label: Any) -> Any:
            if isinstance(label, str):
                return label if label in wanted else None
            return [name for name in label if name in wanted] or None

        table = table.copy()
        table[y_col] = [kept(label) for label in table[y_col]]
        return table.dropna(subset=[y_col]), wanted

    def _numbers(self, label: Any) -> Any:
        if isinstance(label, str):
            return self.class_indices[label]
        return [self.class_indices[name] for name in label]
