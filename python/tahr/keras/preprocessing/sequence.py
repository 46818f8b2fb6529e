"""Windows over series, and pairs of words out of sequences."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from tahr.keras.utils.numerical import pad_sequences as pad_sequences
from tahr.keras.utils.py_dataset import PyDataset


class TimeseriesGenerator(PyDataset):
    """Batches of windows over a series, each with the target that follows it.

    `keras.utils.timeseries_dataset_from_array` is its successor.

    Args:
        data: the series, (steps, ...).
        targets: of the same length.
        length: steps that a window spans.
        sampling_rate: every how many steps one is taken into the window.
        stride: steps between windows.
        start_index: first step to use.
        end_index: last step to use; the last of all if None.
        shuffle: draw windows at random.
        reverse: windows backwards in time.
        batch_size: windows per batch (the last may have fewer).
        kwargs: arguments of `PyDataset`.

    Raises:
        ValueError: for series of different lengths, or if no window fits.

    Example:
        >>> import numpy as np
        >>> from tahr.keras.preprocessing.sequence import TimeseriesGenerator
        >>> windows = TimeseriesGenerator(np.arange(6), np.arange(6), length=3, batch_size=2)
        >>> windows[0][0].tolist(), windows[0][1].tolist()
        ([[0, 1, 2], [1, 2, 3]], [3, 4])
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if len(data) != len(targets):
            raise ValueError(
                f"[TimeseriesGenerator] expected data and targets of the same length, received {len(data)} and "
                f"{len(targets)}."
            )
        self.data = data
        self.targets = targets
        self.length = length
        self.sampling_rate = sampling_rate
        self.stride = stride
        self.start_index = start_index + length  # the first step that has a whole window before it
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle = shuffle
        self.reverse = reverse
        self.batch_size = batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"[TimeseriesGenerator] expected more than length={length} steps from start_index={start_index} to "
                f"end_index={self.end_index}: no window fits."
            )

    def __len__(self) -> int:
        per_batch = self.batch_size * self.stride
        return -(-(self.end_index - self.start_index + 1) // per_batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch `index`: windows (batch, steps, ...) and targets (batch, ...)."""
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            last = min(first + self.batch_size * self.stride, self.end_index + 1)
            rows = np.arange(first, last, self.stride)
        windows = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (windows[:, ::-1] if self.reverse else windows), targets

    def get_config(self) -> dict[str, Any]:
        """The arguments; data and targets as JSON strings.

        Raises:
            TypeError: if they cannot be written as JSON.
        """
        names = ("length", "sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse", "batch_size")
        data = {name: _as_json(name, getattr(self, name)) for name in ("data", "targets")}
        return {**data, **{name: getattr(self, name) for name in names}}

    def to_json(self, **kwargs: Any) -> str:
        """The generator as JSON. `kwargs` go to `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def _as_json(name: str, values: Any) -> str:
    try:
        return json.dumps(values.tolist() if isinstance(values, np.ndarray) else values)
    except TypeError:
        raise TypeError(f"[TimeseriesGenerator] expected {name} that JSON can hold, received {values!r}.") from None


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """For each rank of a word by frequency, the probability to keep it when `skipgrams` samples words.

    Frequent words are kept less often: with the frequency f that Zipf's law gives the rank, sqrt(factor / f), at most 1.

    Args:
        size: number of ranks.
        sampling_factor: the factor.

    Returns:
        float64 (size,).

    Source: T. Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", 2013.

    Example:
        >>> from tahr.keras.preprocessing.sequence import make_sampling_table
        >>> make_sampling_table(3).round(4)
        array([0.0032, 0.0032, 0.0055])
    """
    rank = np.arange(size)
    rank[:1] = 1
    euler = 0.577
    inverse_frequency = rank * (np.log(rank) + euler) + 0.5 - 1.0 / (12.0 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse_frequency))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of words that stand near each other, and pairs of words drawn at random.

    Args:
        sequence: word numbers; 0 is no word.
        vocabulary_size: one more than the largest word number.
        window_size: how far apart two words may stand.
        negative_samples: random pairs per pair of neighbours.
        shuffle: whether to mix the pairs.
        categorical: labels as [1, 0] and [0, 1] in place of 0 and 1.
        sampling_table: probability to use a word, by word number (`make_sampling_table`).
        seed: of the mixing.

    Returns:
        The pairs, and their labels: 1 for neighbours, 0 for random pairs.
    """
    near, far = ([0, 1], [1, 0]) if categorical else (1, 0)
    couples: list[list[int]] = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        for other in range(max(0, place - window_size), min(len(sequence), place + window_size + 1)):
            if other != place and sequence[other]:
                couples.append([word, sequence[other]])
    labels: list[Any] = [near] * len(couples)
    if negative_samples > 0 and couples:
        count = int(len(labels) * negative_samples)
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        couples += [[words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(count)]
        labels += [far] * count
    if shuffle:
        order = list(range(len(couples)))
        random.Random(random.randint(0, 10**7) if seed is None else seed).shuffle(order)
        couples, labels = [couples[i] for i in order], [labels[i] for i in order]
    return couples, labels
