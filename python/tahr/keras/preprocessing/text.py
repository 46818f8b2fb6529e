"""Texts as sequences of word numbers: `Tokenizer`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(input_text: str, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """The words of a text.

    Args:
        input_text: the text.
        filters: characters that count as separators.
        lower: whether to make the text lower case.
        split: the separator.

    Example:
        >>> from tahr.keras.preprocessing.text import text_to_word_sequence
        >>> text_to_word_sequence("Time flies, like an arrow!")
        ['time', 'flies', 'like', 'an', 'arrow']
    """
    text = input_text.lower() if lower else input_text
    table: dict[int, str | int | None] = {ord(c): split for c in filters}
    return [word for word in text.translate(table).split(split) if word]


def hashing_trick(
    text: str,
    n: int,
    hash_function: Any = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], list[str]] | None = None,
) -> list[int]:
    """The words of a text as numbers from 1 to n - 1, by a hash: different words may share a number.

    Args:
        text: the text.
        n: one more than the largest number.
        hash_function: a function from a word to an integer; "md5", which gives the same numbers in every process; or
            None for Python's `hash`, which does not.
        filters, lower, split: as in `text_to_word_sequence`.
        analyzer: a function from the text to its words, in place of these three.

    Example:
        >>> from tahr.keras.preprocessing.text import hashing_trick
        >>> hashing_trick("to be or not to be", 50, hash_function="md5")
        [15, 5, 8, 36, 15, 5]
    """
    if hash_function is None:
        hash_function = hash
    elif hash_function == "md5":
        hash_function = _md5
    words = analyzer(text) if analyzer is not None else text_to_word_sequence(text, filters, lower, split)
    return [hash_function(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode()).hexdigest(), 16)


def one_hot(
    input_text: str,
    n: int,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], list[str]] | None = None,
) -> list[int]:
    """`hashing_trick` with Python's `hash`."""
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


class Tokenizer:
    """Numbers the words of a set of texts, the most frequent first, and turns texts into such numbers and back.

    Number 0 is left for padding. Words that occur equally often keep the order in which they were met.

    Args:
        num_words: only the `num_words - 1` most frequent words are used; all if None.
        filters: characters that count as separators.
        lower: whether to make texts lower case.
        split: the separator of words.
        char_level: take every character as a word.
        oov_token: stands for unknown words, under number 1; they are left out if None.
        analyzer: a function from a text to its words, in place of `filters`, `lower` and `split`.
        kwargs: `document_count`, as `get_config` gives it.

    Attributes:
        word_index: number of each word. index_word: the reverse.
        word_counts: how often each word occurs. word_docs: in how many texts. document_count: number of texts.

    Example:
        >>> from tahr.keras.preprocessing.text import Tokenizer
        >>> tokenizer = Tokenizer()
        >>> tokenizer.fit_on_texts(["the cat sat", "the dog sat down"])
        >>> tokenizer.word_index["the"], tokenizer.texts_to_sequences(["The cat, the dog"])
        (1, [[1, 3, 1, 4]])
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], list[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        num_words = kwargs.pop("nb_words", num_words)
        self.document_count: int = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError(f"[Tokenizer] expected no further arguments, received {sorted(kwargs)}.")
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.analyzer = analyzer
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: defaultdict[str, int] = defaultdict(int)
        self.index_docs: defaultdict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Any) -> Iterable[str]:
        if self.char_level or isinstance(text, list):
            if not self.lower:
                return text
            return [part.lower() for part in text] if isinstance(text, list) else text.lower()
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Counts the words of texts (strings, or lists of words) and numbers them anew."""
        for text in texts:
            self.document_count += 1
            counts = Counter(self._words(text))
            for word, count in counts.items():
                self.word_counts[word] = self.word_counts.get(word, 0) + count
                self.word_docs[word] += 1
        ordered = sorted(self.word_counts, key=lambda word: self.word_counts[word], reverse=True)
        vocabulary = ordered if self.oov_token is None else [self.oov_token, *ordered]
        self.word_index = {word: number for number, word in enumerate(vocabulary, start=1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Any) -> None:
        """Counts, for the matrix mode "tfidf", in how many sequences each number occurs."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """Each text as a list of word numbers."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """As `texts_to_sequences`, one after the other."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        for text in texts:
            numbers = (self._kept(self.word_index.get(word), unknown) for word in self._words(text))
            yield [number for number in numbers if number is not None]

    def _kept(self, number: int | None, unknown: int | None) -> int | None:
        """`number` if it is one that is used, else that of unknown words."""
        if number is None or (self.num_words and number >= self.num_words):
            return unknown
        return number

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Each sequence of word numbers as words with spaces between them."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """As `sequences_to_texts`, one after the other."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        for sequence in sequences:
            numbers = (self._kept(n if n in self.index_word else None, unknown) for n in sequence)
            yield " ".join(self.index_word[n] for n in numbers if n is not None)

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """`sequences_to_matrix` of the texts' sequences."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Any, mode: str = "binary") -> np.ndarray:
        """A row per sequence with a column per word number.

        Args:
            sequences: list of lists of word numbers.
            mode: "binary" whether the word occurs, "count" how often, "freq" how often per word of the sequence,
                "tfidf" (1 + log(count)) * log(1 + texts / (1 + texts with the word)).

        Returns:
            float64 (sequences, num_words), or as many columns as there are words and one more.

        Raises:
            ValueError: for another mode, or without `num_words` or texts to know the columns from.
        """
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError(f"[Tokenizer] expected mode 'binary', 'count', 'freq' or 'tfidf', received {mode!r}.")
        columns = self.num_words or (len(self.word_index) + 1 if self.word_index else 0)
        if not columns:
            raise ValueError("[Tokenizer] expected num_words, or fit_on_texts() before sequences_to_matrix().")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("[Tokenizer] expected fit_on_texts() before mode 'tfidf'.")
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences):
            for number, count in Counter(n for n in sequence if n < columns).items():
                if mode == "binary":
                    row[number] = 1.0
                elif mode == "count":
                    row[number] = count
                elif mode == "freq":
                    row[number] = count / len(sequence)
                else:
                    rarity = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
                    row[number] = (1 + np.log(count)) * rarity
        return matrix

    def get_config(self) -> dict[str, Any]:
        """Arguments and counts; the counts as JSON strings, as Keras writes them."""
        counts = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            **{name: json.dumps(getattr(self, name)) for name in counts},
        }

    def to_json(self, **kwargs: Any) -> str:
        """The tokenizer as JSON; `tokenizer_from_json` reads it. `kwargs` go to `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_json` described.

    Raises:
        ValueError: if the JSON is not that of a tokenizer.
    """
    config = json.loads(json_string).get("config")
    if not isinstance(config, dict) or "word_index" not in config:
        raise ValueError("[tokenizer_from_json] expected the JSON of Tokenizer.to_json(), received something else.")
    stored = {
        name: json.loads(config.pop(name))
        for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
    }
    tokenizer = Tokenizer(**config)
    tokenizer.word_counts = OrderedDict(stored["word_counts"])
    tokenizer.word_docs = defaultdict(int, stored["word_docs"])
    tokenizer.word_index = stored["word_index"]
    # JSON has no integer keys.
    tokenizer.index_docs = defaultdict(int, {int(k): v for k, v in stored["index_docs"].items()})
    tokenizer.index_word = {int(k): v for k, v in stored["index_word"].items()}
    return tokenizer
