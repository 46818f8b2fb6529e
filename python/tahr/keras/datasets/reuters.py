"""Reuters: newswires as lists of word numbers, labelled by their topic."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tahr.keras.datasets import safe_pickle, sources, token_lists

_Pair = tuple[np.ndarray, np.ndarray]

_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton "
    "carcass crude "
    "nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi "
    "iron-steel rubber "
    "heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> tuple[_Pair, _Pair]:
    """Loads 11,228 newswires on 46 topics.

    Args:
        path, num_words, skip_top, maxlen, seed, start_char, oov_char, index_from: as in `imdb.load_data`.
        test_split: fraction of the newswires that is returned as test data.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: arrays of lists of integers, and of labels from 0 to 45.

    Source: D. D. Lewis, "Reuters-21578 text categorization test collection".
    """
    found = sources.find(
        "reuters",
        path,
        sources.KERAS_FILES + "reuters.npz",
        "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
    )
    content = safe_pickle.load_npz(found)
    x, labels = token_lists.shuffled(content["x"], content["y"], seed)
    texts, labels = token_lists.not_longer(token_lists.with_offset(x, start_char, index_from), labels, maxlen)
    texts = token_lists.in_vocabulary(texts, num_words, skip_top, oov_char)
    cut = int(len(texts) * (1 - test_split))
    return (token_lists.as_lists(texts[:cut]), labels[:cut]), (token_lists.as_lists(texts[cut:]), labels[cut:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, Any]:
    """The dict from word to its number, before `index_from` is added.

    Args:
        path: name of the file in TAHR_DATA_DIR or in the cache.
    """
    found = sources.find(
        "reuters", path, sources.KERAS_FILES + "reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921"
    )
    with open(found, encoding="utf-8") as file:
        return json.load(file)


def get_label_names() -> tuple[str, ...]:
    """The names of the 46 topics in the order of their labels."""
    return tuple(_TOPICS.split())
