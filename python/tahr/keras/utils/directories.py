"""Which files of a directory belong to a data set, and to which class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tahr import data
from tahr.keras.utils.progbar import print_message


def check_arguments(
    op: str,
    labels: Any,
    label_mode: str | None,
    class_names: Any,
    validation_split: Any,
    subset: Any,
    shuffle: bool,
    seed: Any,
) -> None:
    """Raises ValueError for arguments of a `..._dataset_from_directory` that do not go together."""
    if labels not in ("inferred", None) and not isinstance(labels, (list, tuple)):
        raise ValueError(
            f"[{op}] `labels` argument should be a list/tuple of integer labels, 'inferred' or None; received {labels!r}."
        )
    if labels != "inferred" and class_names:
        raise ValueError(f'[{op}] You can only pass `class_names` if `labels="inferred"`; received labels={labels!r}.')
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            f"[{op}] `label_mode` argument must be one of 'int', 'categorical', 'binary', or None; received {label_mode!r}."
        )
    if validation_split and not 0 < validation_split < 1:
        raise ValueError(f"[{op}] `validation_split` must be between 0 and 1, received: {validation_split}.")
    if bool(validation_split) != bool(subset):
        raise ValueError(f"[{op}] If `subset` is set, `validation_split` must be set, and inversely.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f'[{op}] `subset` must be either "training", "validation" or "both", received: {subset!r}.')
    if validation_split and shuffle and seed is None:
        raise ValueError(
            f"[{op}] If using `validation_split` and shuffling the data, you must provide a `seed` argument: without one "
            "the two subsets may overlap."
        )


def index_directory(
    directory: Any,
    labels: Any,
    formats: tuple[str, ...],
    class_names: Sequence[str] | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> tuple[list[str], Any, list[str] | None]:
    """Paths of the files, their labels, and the names of the classes.

    Args:
        directory: with a folder per class if `labels` is "inferred".
        labels: "inferred", None, or a label per file in the order of their paths.
        formats: endings of the files that count.
        class_names: which folders, and the order of the classes; all in alphabetical order if None.
        shuffle: whether to mix the files.
        seed: of the mixing.
        follow_links: whether to enter folders that are links.
        verbose: whether to print how many files were found.
    """
    directory = os.fspath(directory)
    paths: list[str] = []
    if labels == "inferred":
        folders = sorted(e.name for e in os.scandir(directory) if e.is_dir() and not e.name.startswith("."))
        if class_names is not None and not set(class_names) <= set(folders):
            raise ValueError(
                f"[index_directory] The `class_names` passed did not match the names of the subdirectories. Expected: "
                f"{folders} (or a subset of it), received: {list(class_names)}."
            )
        names: list[str] | None = list(class_names or folders)
        found: list[int] = []
        for number, name in enumerate(names or ()):
            inside = list(_files(os.path.join(directory, name), formats, follow_links))
            paths += inside
            found += [number] * len(inside)
        labels = np.array(found, dtype="int32")
    else:
        paths = list(_files(directory, formats, follow_links))
        names = None
        if labels is not None:
            if len(labels) != len(paths):
                raise ValueError(
                    f"[index_directory] Expected the lengths of `labels` to match the number of files in the target "
                    f"directory. Received {len(labels)} labels for {len(paths)} files in {directory}."
                )
            names = [str(label) for label in sorted(set(labels))]
            labels = np.array(labels, dtype="int32")
    if verbose:
        classes = "" if names is None else f" belonging to {len(names)} classes"
        print_message(f"Found {len(paths)} files{classes}.")
    if shuffle:
        order = np.random.RandomState(np.random.randint(10**6) if seed is None else seed).permutation(len(paths))
        paths = [paths[i] for i in order]
        labels = None if labels is None else labels[order]
    return paths, labels, names


def _files(folder: str, formats: tuple[str, ...], follow_links: bool) -> Iterator[str]:
    for root, _, files in sorted(os.walk(folder, followlinks=follow_links)):
        for name in sorted(files):
            if name.lower().endswith(formats):
                yield os.path.join(root, name)


def subset_of(
    paths: list[str], labels: Any, validation_split: float | None, subset: str | None, verbose: bool = True
) -> tuple[list[str], Any]:
    """The part of the files that is for training (the first ones) or validation (the last ones)."""
    if not validation_split:
        return paths, labels
    count = int(validation_split * len(paths))
    part = slice(0, len(paths) - count) if subset == "training" else slice(len(paths) - count, None)
    if verbose:
        print_message(f"Using {len(paths[part])} files for {subset}.")
    return paths[part], None if labels is None else labels[part]


def encode_labels(labels: np.ndarray, label_mode: str, classes: int) -> np.ndarray:
    """int32 (n,), float32 (n, 1) for "binary", float32 (n, classes) for "categorical"."""
    if label_mode == "binary":
        return labels.astype("float32")[:, None]
    if label_mode == "categorical":
        return np.eye(classes, dtype="float32")[labels]
    return labels


class DirectoryDataset(data.Dataset):
    """A `tahr.data.Dataset` that remembers its files and the names of their classes."""

    class_names: list[str] | None = None
    file_paths: list[str] = []


def as_dataset(
    paths: list[str],
    labels: Any,
    class_names: list[str] | None,
    load: Any,
    label_mode: str | None,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
) -> DirectoryDataset:
    """A data set of `load(path)`, with labels if there are any, in batches."""
    files = np.arange(len(paths))
    arrays: Any = files
    if labels is not None and label_mode is not None:
        arrays = (files, encode_labels(labels, label_mode, len(class_names or ())))
    source = data.Dataset.from_tensor_slices(arrays)
    if shuffle:
        source = source.shuffle(len(paths), seed=seed)

    def read(index: Any, *label: Any) -> Any:
        content = load(paths[int(index)])
        return (content, *label) if label else content

    result = source.map(read, num_parallel_calls=data.AUTOTUNE)
    if batch_size is not None:
        result = result.batch(batch_size)
    result = result.prefetch(2)
    named = DirectoryDataset(result._make_iterator, result._cardinality)
    named.class_names, named.file_paths = class_names, paths
    return named
