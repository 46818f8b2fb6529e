"""IMDB: film reviews as lists of word numbers, labelled by their sentiment."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from tahr.keras.datasets import safe_pickle, sources, token_lists

_Pair = tuple[np.ndarray, np.ndarray]
_SUBSET = "imdb_500words.npz"  # 5,000 + 1,000 reviews with the 500 most frequent words, in Keras's default encoding
_SUBSET_WORDS = 500


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> tuple[_Pair, _Pair]:
    """Loads 25,000 + 25,000 film reviews.

    Words are numbered by how frequent they are, so that `num_words` keeps the most frequent and `skip_top` drops them.
    A directory TAHR_DATA_DIR that holds only the subset `imdb_500words.npz` serves calls with `num_words` of at most
    500 and the default numbering.

    Args:
        path: name of the file in TAHR_DATA_DIR or in the cache.
        num_words: word numbers from this one on count as out of vocabulary; None keeps all.
        skip_top: so do those below this one.
        maxlen: leave out reviews of this length or more.
        seed: of the order of the reviews.
        start_char: number that begins each review, or None.
        oov_char: number in place of words out of vocabulary; None leaves them out.
        index_from: added to the number of each word.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: arrays of lists of integers, and of labels, 1 for a positive review.

    Raises:
        ValueError: `maxlen` leaves no review.

    Source: A. Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011.
    """
    plain = num_words is not None and num_words <= _SUBSET_WORDS and (start_char, oov_char, index_from) == (1, 2, 3)
    found = sources.find(
        "imdb",
        path,
        sources.KERAS_FILES + "imdb.npz",
        "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
        others=(_SUBSET,) if plain else (),
    )
    pairs = []
    if os.path.basename(found) == _SUBSET:
        with np.load(found, allow_pickle=False) as file:
            content = dict(file)
        for part in ("train", "test"):
            tokens, bounds = content[f"{part}_tokens"].tolist(), content[f"{part}_offsets"].tolist()
            reviews = token_lists.as_lists([tokens[a:b] for a, b in zip(bounds, bounds[1:])])
            x, y = token_lists.shuffled(reviews, content[f"{part}_labels"], seed)
            pairs.append(token_lists.not_longer(list(x), y, maxlen))
    else:
        content = safe_pickle.load_npz(found)
        for part in ("train", "test"):
            x, y = token_lists.shuffled(content[f"x_{part}"], content[f"y_{part}"], seed)
            pairs.append(token_lists.not_longer(token_lists.with_offset(x, start_char, index_from), y, maxlen))
    (x_train, y_train), (x_test, y_test) = pairs
    if not x_train or not x_test:
        raise ValueError(
            f"[imdb.load_data] expected a maxlen that leaves some reviews, received {maxlen}. Increase maxlen."
        )
    texts = token_lists.in_vocabulary(x_train + x_test, num_words, skip_top, oov_char)
    count = len(x_train)
    return (token_lists.as_lists(texts[:count]), y_train), (token_lists.as_lists(texts[count:]), y_test)


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, Any]:
    """The dict from word to its number, before `index_from` is added.

    Args:
        path: name of the file in TAHR_DATA_DIR or in the cache.
    """
    found = sources.find("imdb", path, sources.KERAS_FILES + "imdb_word_index.json", "bfafd718b763782e994055a2d397834f")
    with open(found, encoding="utf-8") as file:
        return json.load(file)
