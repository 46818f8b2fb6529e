"""Windows over series as a data set."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import data as tahr_data


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Any:
    """Windows over a series, with a target each.

    Args:
        data: the series, (steps, ...).
        targets: target `i` belongs to the window that begins at step `i`; None for windows alone.
        sequence_length: steps in a window.
        sequence_stride: steps from one window to the next.
        sampling_rate: steps from one entry of a window to the next.
        batch_size: windows per batch; None for single windows.
        shuffle: whether the order changes.
        seed: of the order.
        start_index: first step to use.
        end_index: step behind the last one to use.
        format: "tf", for a data set with the methods of `tf.data.Dataset`.

    Returns:
        A `tahr.data.Dataset` of windows (batch, sequence_length, ...), or of pairs (windows, targets).

    Raises:
        ValueError: for lengths, steps or indices that do not fit the series.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> windows = keras.utils.timeseries_dataset_from_array(np.arange(6), np.arange(6) + 3, 3, batch_size=2)
        >>> x, y = next(iter(windows))
        >>> x.numpy().tolist(), y.numpy().tolist()
        ([[0, 1, 2], [1, 2, 3]], [3, 4])
    """
    series = np.asarray(data)
    steps = len(series)
    _check(start_index, end_index, steps)
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if not 0 < value < steps:
            raise ValueError(
                f"[timeseries_dataset_from_array] `{name}` must be higher than 0 and lower than the length of the data, "
                f"{steps}. Received: {name}={value}."
            )
    if format not in ("tf", "tahr"):
        raise ValueError(f"[timeseries_dataset_from_array] `format` should be 'tf', received {format!r}.")
    begin, end = start_index or 0, steps if end_index is None else end_index
    count = end - begin - (sequence_length - 1) * sampling_rate
    answers = None if targets is None else np.asarray(targets)
    if answers is not None:
        count = min(count, len(answers))
    if count <= 0:
        raise ValueError(
            f"[timeseries_dataset_from_array] expected at least {(sequence_length - 1) * sampling_rate + 1} steps for "
            f"windows of {sequence_length}, received {end - begin}."
        )
    starts = np.arange(0, count, sequence_stride)
    if shuffle:
        np.random.RandomState(np.random.randint(10**6) if seed is None else seed).shuffle(starts)
    offsets = np.arange(sequence_length) * sampling_rate + begin
    windows: Any = tahr_data.Dataset.from_tensor_slices(starts)
    if shuffle:
        windows = windows.shuffle(len(starts), seed=seed)
    if batch_size is not None:
        windows = windows.batch(batch_size)

    def take(start: Any) -> Any:  # of a batch of windows, or a single one
        first = np.asarray(start)
        found = series[first[..., None] + offsets]
        return found if answers is None else (found, answers[begin:end][first])

    return windows.map(take).prefetch(2)


def _check(start: int | None, end: int | None, steps: int) -> None:
    for name, value in (("start_index", start), ("end_index", end)):
        if value is not None and (value < 0 or value > steps or (name == "start_index" and value >= steps)):
            raise ValueError(
                f"[timeseries_dataset_from_array] `{name}` must be 0 or more and within the {steps} steps of the data. "
                f"Received: {name}={value}."
            )
    if start is not None and end is not None and start >= end:
        raise ValueError(
            f"[timeseries_dataset_from_array] `end_index` must be higher than `start_index`. Received: "
            f"start_index={start}, end_index={end}."
        )
