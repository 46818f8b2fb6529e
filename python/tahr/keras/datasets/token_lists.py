"""What IMDB and Reuters share: lists of word numbers, renumbered, filtered and cut to a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def shuffled(texts: Any, labels: Any, seed: int) -> tuple[Any, Any]:
    """Both in the same random order."""
    order = np.arange(len(texts))
    np.random.RandomState(seed).shuffle(order)
    return texts[order], labels[order]


def with_offset(texts: Any, start_char: int | None, index_from: int | None) -> list[list[int]]:
    """Word numbers raised by `index_from`, a start mark before each text if there is one."""
    offset = index_from or 0
    if start_char is None:
        return [[int(word) + offset for word in text] for text in texts]
    return [[start_char, *(int(word) + offset for word in text)] for text in texts]


def not_longer(texts: list[list[int]], labels: Any, maxlen: int | None) -> tuple[list[list[int]], Any]:
    """The texts shorter than `maxlen`, and their labels."""
    if not maxlen:
        return texts, labels
    kept = [i for i, text in enumerate(texts) if len(text) < maxlen]
    return [texts[i] for i in kept], np.asarray(labels)[kept]


def in_vocabulary(
    texts: list[list[int]], num_words: int | None, skip_top: int, oov_char: int | None
) -> list[list[int]]:
    """Words outside of `skip_top .. num_words - 1` replaced by `oov_char`, or left out for None."""
    if not num_words:
        num_words = max(max(text) for text in texts)
    if oov_char is None:
        return [[word for word in text if skip_top <= word < num_words] for text in texts]
    return [[word if skip_top <= word < num_words else oov_char for word in text] for text in texts]


def as_lists(texts: Sequence[list[int]]) -> np.ndarray:
    """A one-dimensional array whose entries are lists."""
    array = np.empty(len(texts), dtype=object)
    array[:] = list(texts)
    return array
