"""TextVectorization."""

from __future__ import annotations

import string
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.backend.config import floatx
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.preprocessing.adapting import batches_of
from tahr.keras.layers.preprocessing.encoding import check_output_mode, encode_rows, refuse_sparse
from tahr.keras.layers.preprocessing.string_lookup import StringLookup
from tahr.keras.layers.preprocessing.strings import as_array, encode_all

# Text is handled as UTF-8 bytes: case, punctuation and white space mean the ASCII ones, as in Keras.
_LOWER = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
_PUNCTUATION = string.punctuation.encode()
_STANDARDIZE: dict[str | None, Callable[[bytes], bytes]] = {
    None: lambda text: text,
    "lower": lambda text: text.translate(_LOWER),
    "strip_punctuation": lambda text: text.translate(None, _PUNCTUATION),
    "lower_and_strip_punctuation": lambda text: text.translate(_LOWER, _PUNCTUATION),
}


class TextVectorization(Layer):
    """Texts to rows of token indices, or to one vector per text.

    Each text is standardized, split into tokens, perhaps grouped into n-grams, and looked up in a vocabulary that
    `adapt` makes or the user gives. Index 0 pads, 1 stands for unknown tokens. Strings are not tensors: the layer reads
    lists and NumPy arrays of str, runs in `Dataset.map`, and as the first layer of a model on the data before each step.

    Args:
        max_tokens: most entries of the vocabulary, special tokens included; None for any number.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation" (ASCII letters and punctuation), None,
            or a function from an array of strings to another.
        split: "whitespace", "character", None (each string is a token), or a function from an array of strings to a list
            of token lists.
        ngrams: n for all groups of up to n tokens, or a tuple of the sizes wanted.
        output_mode: "int": indices, padded with 0 to one length; "multi_hot", "count" or "tf_idf": a vector per text;
            "one_hot" needs texts of one token.
        output_sequence_length: length of the rows with "int"; that of the longest text if None.
        pad_to_max_tokens: make the vectors `max_tokens` long.
        vocabulary: list or array of tokens, or the path of a file with one per line.
        idf_weights: with "tf_idf" and `vocabulary`: the weight of each token.
        sparse: False only.
        ragged: False only.
        encoding: encoding of bytes.

    Raises:
        ValueError: arguments that are unknown or exclude each other.

    Example:
        >>> from tahr import keras
        >>> layer = keras.layers.TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["The cat sat.", "The dog!"])
        >>> layer.get_vocabulary()
        ['', '[UNK]', 'the', 'sat', 'dog', 'cat']
        >>> layer(["the cat ran"]).tolist()
        [[2, 5, 1, 0]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        given = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        size = kwargs.pop("vocabulary_size", None)
        super().__init__(name=name, **kwargs)
        where = self.name
        refuse_sparse(sparse, where)
        if ragged:
            raise ValueError(
                f"[{where}] expected ragged=False, received {ragged!r}. Tensors are dense: rows are padded with 0."
            )
        if not callable(standardize) and standardize not in _STANDARDIZE:
            raise ValueError(
                f"[{where}] expected standardize to be a function or one of {tuple(_STANDARDIZE)}, received "
                f"{standardize!r}."
            )
        if not callable(split) and split not in (None, "whitespace", "character"):
            raise ValueError(
                f"[{where}] expected split to be a function, 'whitespace', 'character' or None, received {split!r}."
            )
        output_mode = check_output_mode(output_mode, ("int", "one_hot", "multi_hot", "count", "tf_idf"), where)
        if not (
            ngrams is None
            or isinstance(ngrams, int)
            or (isinstance(ngrams, tuple) and all(isinstance(n, int) for n in ngrams))
        ):
            raise ValueError(
                f"[{where}] expected ngrams to be None, an integer or a tuple of them, received {ngrams!r}."
            )
        if output_sequence_length is not None and output_mode != "int":
            raise ValueError(
                f"[{where}] `output_sequence_length` must not be set if `output_mode` is not 'int', received "
                f"{output_sequence_length!r} with output_mode={output_mode!r}."
            )
        if output_sequence_length is not None and not isinstance(output_sequence_length, int):
            raise ValueError(
                f"[{where}] expected output_sequence_length to be an integer or None, received "
                f"{output_sequence_length!r}."
            )
        self._standardize = standardize
        self._split = split
        self._ngrams_argument = ngrams
        self._ngrams = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
        self._output_mode = output_mode
        self._output_sequence_length = output_sequence_length
        self._encoding = encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=output_mode,
            has_input_vocabulary=given,
            encoding=encoding,
            vocabulary_size=size,
        )
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False
        self.built = True

    @property
    def input_dtype(self) -> str:
        """Dtype of the inputs."""
        return "string"

    def _runs_on_host(self) -> bool:
        return True

    # From texts to tokens.

    def _documents(self, inputs: Any) -> tuple[list[list[bytes]], tuple[int, ...]]:
        """The tokens of each text, and the shape of the texts without their tokens: () or (texts,)."""
        array = as_array(inputs, self.name)
        if callable(self._standardize):
            array = np.asarray(self._standardize(self._as_text(array)))
        if self._split is not None:
            if array.ndim > 1:
                if array.ndim > 2 or array.shape[-1] != 1:
                    raise ValueError(
                        f"[{self.name}] expected texts of shape (), (batch,) or (batch, 1), received shape {array.shape}. "
                        "Use split=None for rows of tokens."
                    )
                array = array[:, 0]
        elif array.ndim > 2:
            raise ValueError(f"[{self.name}] expected tokens of shape (batch, tokens), received shape {array.shape}.")
        texts = encode_all(array, self._encoding, self.name)
        if not callable(self._standardize) and self._standardize is not None:
            texts = [_STANDARDIZE[self._standardize](text) for text in texts]
        shape = array.shape
        documents: list[list[bytes]]
        if self._split is None:
            width = shape[-1] if shape else 1
            documents = [texts[i * width : (i + 1) * width] for i in range(len(texts) // width if width else shape[0])]
            shape = shape[:-1]
        elif self._split == "whitespace":
            documents = [text.split() for text in texts]
        elif self._split == "character":
            documents = [[c.encode() for c in text.decode("utf-8", "replace")] for text in texts]
        else:
            found = self._split(np.array([t.decode(self._encoding, "replace") for t in texts], dtype=object))
            documents = [encode_all(np.asarray(row, dtype=object), self._encoding, self.name) for row in found]
            if len(documents) != len(texts):
                raise ValueError(
                    f"[{self.name}] expected split() to return one list of tokens for each of {len(texts)} texts, received "
                    f"{len(documents)}."
                )
        if self._ngrams is not None:
            documents = [_ngrams_of(tokens, self._ngrams) for tokens in documents]
        return documents, shape

    def _as_text(self, array: np.ndarray) -> np.ndarray:
        """`array` as one of str, for functions of the user's."""
        if array.dtype.kind == "U":
            return array
        items = [t.decode(self._encoding) if isinstance(t, bytes) else t for t in array.ravel().tolist()]
        return np.array(items, dtype=str).reshape(array.shape)

    # Vocabulary.

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes the vocabulary of the tokens in `data`: the most frequent first, of equally frequent ones the last in
        order first. With "tf_idf" also the weights.

        Args:
            data: list or array of texts, or an iterable of batches of texts such as a Dataset.
            batch_size: not used: an array is read as a whole.
            steps: most batches to read of an iterable.

        Raises:
            ValueError: if the vocabulary was given.
        """
        self.reset_state()
        for batch in batches_of(data, steps, self.name):
            self.update_state(
                np.asarray(batch, dtype=object)[:, None] if batch is data and np.ndim(batch) == 1 else batch
            )
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the tokens of a batch of texts."""
        documents, shape = self._documents(data)
        self._lookup_layer._count(documents)

    def finalize_state(self) -> None:
        """Makes the vocabulary of the counts; part of `adapt`."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forgets what was counted."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The vocabulary.

        Args:
            include_special_tokens: whether padding and out-of-vocabulary tokens stand before it, so that the position of
                a token is its index.
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Number of indices, special tokens included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the vocabulary; see `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights=idf_weights)

    # Calling.

    def call(self, inputs: Any) -> Any:
        """The indices of the texts' tokens, (texts, length), or the texts' vectors, (texts, vocabulary)."""
        lookup = self._lookup_layer
        lookup._need_vocabulary()
        documents, shape = self._documents(inputs)
        mode, limit = self._output_mode, self._output_sequence_length
        if limit is not None:
            documents = [tokens[:limit] for tokens in documents]
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        indices = lookup._look_up(list(chain.from_iterable(documents)))
        if mode == "int":
            width = limit if limit is not None else int(lengths.max(initial=0))
            out = np.zeros((len(documents), width), np.int64)
            out[np.arange(width) < lengths[:, None]] = indices
            return ops.convert_to_tensor(out if shape or self._split is None and np.ndim(inputs) else out[0])
        depth = lookup._depth()
        if mode == "one_hot":
            return self._one_hot(indices, lengths, shape, depth)
        rows = np.repeat(np.arange(len(documents)), lengths)
        if mode == "tf_idf":
            vectors = encode_rows(indices, rows, "count", len(documents), depth, floatx()) * lookup.idf_weights
        else:
            vectors = encode_rows(indices, rows, mode, len(documents), depth, "int64")
        return ops.convert_to_tensor(vectors if shape else vectors[0])

    def _one_hot(self, indices: np.ndarray, lengths: np.ndarray, shape: tuple[int, ...], depth: int) -> Any:
        if len(set(lengths.tolist())) > 1:
            raise ValueError(
                f"[{self.name}] expected texts of equally many tokens with output_mode='one_hot', received from "
                f"{lengths.min()} to {lengths.max()}. Use 'multi_hot' or 'count'."
            )
        hot = encode_rows(indices, np.arange(indices.size), "one_hot", indices.size, depth, "int64")
        width = int(lengths[0]) if lengths.size else 0
        return ops.convert_to_tensor(hot.reshape((*shape, width, depth)))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Shape of the output for texts of this shape."""
        shape = tuple(input_shape)
        if self._output_mode == "int":
            return (shape[0], self._output_sequence_length)
        if self._split is None:
            tokens = shape if len(shape) > 1 else (*shape, 1)
        else:
            tokens = (shape[0], None)
        return self._lookup_layer.compute_output_shape(tokens)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Shape and dtype of the output."""
        dtype = floatx() if self._output_mode == "tf_idf" else "int64"
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    # Saving.

    def get_build_config(self) -> dict[str, Any]:
        """Nothing: there are no weights."""
        return {}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Nothing to do."""

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        from tahr.keras.saving import serialize_keras_object

        lookup = self._lookup_layer
        return {
            **super().get_config(),
            "max_tokens": lookup.max_tokens,
            "standardize": _or_function(self._standardize, serialize_keras_object),
            "split": _or_function(self._split, serialize_keras_object),
            "ngrams": self._ngrams_argument,
            "output_mode": self._output_mode,
            "output_sequence_length": self._output_sequence_length,
            "pad_to_max_tokens": lookup.pad_to_max_tokens,
            "sparse": False,
            "ragged": False,
            "vocabulary": lookup.input_vocabulary,
            "idf_weights": lookup.input_idf_weights,
            "encoding": self._encoding,
            "vocabulary_size": self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextVectorization:
        """The layer that `get_config` described."""
        from tahr.keras.saving import deserialize_keras_object

        config = dict(config)
        for key in ("standardize", "split"):
            if isinstance(config.get(key), dict):
                config[key] = deserialize_keras_object(config[key])
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return super().from_config(config)

    def save_own_variables(self, store: Any) -> None:
        """Writes the idf weights."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        """Reads the idf weights."""
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary to the file vocabulary.txt, unless the config has it."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: str) -> None:
        """Reads what `save_assets` wrote."""
        self._lookup_layer.load_assets(dir_path)


def _or_function(value: Any, serialize: Callable[[Any], Any]) -> Any:
    return serialize(value) if callable(value) else value


def _ngrams_of(tokens: list[bytes], sizes: tuple[int, ...]) -> list[bytes]:
    """Groups of neighbouring tokens, joined by spaces: all of the first size, then all of the next."""
    found: list[bytes] = []
    for n in sizes:
        found.extend(tokens if n == 1 else map(b" ".join, zip(*[tokens[i:] for i in range(n)])))
    return found
