"""IndexLookup: what StringLookup and IntegerLookup share, a vocabulary and the indices of its entries."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tahr.keras.backend import state
from tahr.keras.backend.config import floatx
from tahr.keras.backend.engine import is_tensor
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.preprocessing.adapting import batches_of
from tahr.keras.layers.preprocessing.encoding import check_output_mode, encoded_shape, refuse_sparse

_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
DROPPED = np.iinfo(np.int64).max  # the index of mask tokens where they are not to be counted


def check_salt(salt: Any, name: str) -> list[int] | None:
    """`salt` as two integers, or None.

    Raises:
        ValueError: if it is something else than an integer or two of them.
    """
    if salt is None:
        return None
    if isinstance(salt, (tuple, list)) and len(salt) == 2:
        return [int(s) for s in salt]
    if isinstance(salt, int) and not isinstance(salt, bool):
        return [salt, salt]
    raise ValueError(f"[{name}] `salt` can only be a tuple of size 2, or an integer, received {salt!r}.")


class Table:
    """A vocabulary and the index of each of its tokens, from `start` on."""

    def __init__(self, tokens: Iterable[Any], start: int) -> None:
        self.tokens = list(tokens)
        self.index = {token: start + i for i, token in enumerate(self.tokens)}


class IndexLookup(Layer):
    """A vocabulary of tokens of one kind. The indices are: the mask token (0, mode "int" only), `num_oov_indices` for
    whatever is not in the vocabulary, the vocabulary.

    Subclasses say how tokens are read (`_tokens`), written and hashed.
    """

    vocabulary_dtype: str

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        size = kwargs.pop("vocabulary_size", None)
        given = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        super().__init__(name=name, **kwargs)
        where = self.name
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(f"[{where}] expected max_tokens to be None or more than 1, received {max_tokens}.")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"[{where}] expected max_tokens together with pad_to_max_tokens=True, received None.")
        if num_oov_indices < 0:
            raise ValueError(f"[{where}] expected num_oov_indices of 0 or more, received {num_oov_indices}.")
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(f"[{where}] expected oov_method 'floormod' or 'farmhash', received {oov_method!r}.")
        output_mode = check_output_mode(output_mode, _MODES, where)
        if invert and output_mode != "int":
            raise ValueError(
                f"[{where}] expected output_mode='int' together with invert=True, received {output_mode!r}."
            )
        refuse_sparse(sparse, where)
        if idf_weights is not None and output_mode != "tf_idf":
            raise ValueError(
                f"[{where}] expected idf_weights with output_mode='tf_idf' only, received {output_mode!r}."
            )
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False
        self.invert = invert
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.output_mode = output_mode
        self.sparse = False
        self.pad_to_max_tokens = pad_to_max_tokens
        self.oov_method = oov_method
        self.salt = check_salt(salt, where)
        self.input_vocabulary = None if isinstance(vocabulary, str) else _plain(vocabulary)
        self.input_idf_weights = _plain(idf_weights)
        self.idf_weights: np.ndarray | None = None
        self._has_input_vocabulary = given
        self._frozen_size = size
        self._set_tokens([])
        self._new_counts()
        self.built = True
        if vocabulary is not None:
            if output_mode == "tf_idf" and idf_weights is None:
                raise ValueError(f"[{where}] expected idf_weights beside the vocabulary with output_mode='tf_idf'.")
            self._take_vocabulary(vocabulary, idf_weights)

    # What subclasses say.

    def _tokens(self, data: Any) -> tuple[list[Any], tuple[int, ...]]:
        """The tokens of `data`, flat, and the shape of `data`."""
        raise NotImplementedError

    def _read(self, token: Any) -> Any:
        """A token as the user writes it, in the form that `_tokens` gives."""
        raise NotImplementedError

    def _show(self, token: Any) -> Any:
        """The reverse."""
        raise NotImplementedError

    # Vocabulary.

    def _oov_start(self) -> int:
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    def _token_start(self) -> int:
        return self._oov_start() + self.num_oov_indices

    def _set_tokens(self, tokens: Iterable[Any]) -> None:
        # A public attribute, for traced steps look at those: a new table makes them trace anew.
        self.lookup_table = Table(tokens, self._token_start())

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The vocabulary.

        Args:
            include_special_tokens: whether mask and out-of-vocabulary tokens stand before it, so that the position of a
                token is its index.
        """
        tokens = [self._show(token) for token in self.lookup_table.tokens]
        if not include_special_tokens:
            return tokens
        return [self.mask_token] * self._oov_start() + [self.oov_token] * self.num_oov_indices + tokens

    def vocabulary_size(self) -> int:
        """Number of indices: those of mask, unknown tokens and vocabulary."""
        return self._token_start() + len(self.lookup_table.tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the vocabulary.

        Args:
            vocabulary: the tokens, most frequent first, with or without the special tokens before them; or the path of
                a text file with one per line.
            idf_weights: with output_mode="tf_idf": the weight of each.

        Raises:
            ValueError: if it is empty, has repeated tokens or is larger than `max_tokens`.
        """
        self._take_vocabulary(vocabulary, idf_weights)
        self._has_input_vocabulary = True

    def _take_vocabulary(self, vocabulary: Any, idf_weights: Any) -> None:
        where = self.name
        if self.output_mode == "tf_idf":
            if idf_weights is None:
                raise ValueError(f"[{where}] expected idf_weights beside the vocabulary with output_mode='tf_idf'.")
        elif idf_weights is not None:
            raise ValueError(
                f"[{where}] expected idf_weights with output_mode='tf_idf' only, received output_mode="
                f"{self.output_mode!r}."
            )
        from_file = isinstance(vocabulary, str)
        if from_file:
            if self.output_mode == "tf_idf":
                raise ValueError(f"[{where}] expected a list of tokens with output_mode='tf_idf', received a file.")
            vocabulary = _lines_of(vocabulary, where)
        tokens = [self._read(token) for token in _plain(vocabulary)]
        if not tokens:
            raise ValueError(f"[{where}] expected at least one token, received an empty vocabulary.")
        start = self._token_start()
        mask = None if self.mask_token is None else self._read(self.mask_token)
        oov = None if self.oov_token is None else self._read(self.oov_token)
        special = [mask] * self._oov_start() + [oov] * self.num_oov_indices
        found_special = not from_file and tokens[:start] == special
        given = len(tokens)
        if found_special:
            tokens = tokens[start:]
        if len(set(tokens)) != len(tokens):
            repeated = [self._show(t) for t, n in Counter(tokens).items() if n > 1]
            raise ValueError(
                f"[{where}] expected each token once, received a vocabulary with repeated terms: {repeated[:10]}."
            )
        for token, what, reserved in ((mask, "mask", True), (oov, "OOV", self.invert)):
            if token is not None and reserved and token in tokens:
                raise ValueError(
                    f"[{where}] expected the reserved {what} token {self._show(token)!r} nowhere but at the start, received "
                    f"it at index {tokens.index(token) + given - len(tokens)} of the vocabulary. Leave special tokens out, "
                    f"or begin with {[self.mask_token] * self._oov_start() + [self.oov_token] * self.num_oov_indices}."
                )
        if self.max_tokens is not None and start + len(tokens) > self.max_tokens:
            raise ValueError(
                f"[{where}] expected at most max_tokens={self.max_tokens} entries, received a vocabulary of "
                f"{start + len(tokens)} with its special tokens."
            )
        weights = None
        if self.output_mode == "tf_idf":
            weights = np.asarray(_plain(idf_weights), dtype=floatx())
            if weights.ndim != 1 or len(weights) != given:
                raise ValueError(
                    f"[{where}] expected one idf weight for each of the {given} tokens, received shape {weights.shape}."
                )
            if not found_special:
                weights = np.concatenate([np.full(start, weights.mean(), weights.dtype), weights])
        self._install(tokens, weights)

    def _install(self, tokens: list[Any], weights: np.ndarray | None) -> None:
        size = self._token_start() + len(tokens)
        fixed = self.output_mode == "int" or self.pad_to_max_tokens
        if not fixed and self._frozen_size is not None and size != self._frozen_size:
            raise RuntimeError(
                f"[{self.name}] expected a vocabulary of {self._frozen_size} entries, the size of the output, received one "
                f"of {size}. Use pad_to_max_tokens=True for a vocabulary that changes, or a new layer."
            )
        self._set_tokens(tokens)
        self._frozen_size = size
        if weights is not None:
            missing = self.max_tokens - len(weights) if self.pad_to_max_tokens and self.max_tokens else 0
            self.idf_weights = np.pad(weights, (0, missing)).astype(floatx())

    # Adapting.

    def _new_counts(self) -> None:
        self._counts: Counter[Any] = Counter()
        self._document_counts: Counter[Any] = Counter()
        self._documents = 0

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Makes the vocabulary of the tokens in `data`: the most frequent first, of equally frequent ones the last in
        order first.

        Args:
            data: array or list of tokens, (samples,) or (samples, tokens), or an iterable of such batches.
            steps: most batches to read of an iterable.

        Raises:
            ValueError: if the vocabulary was given.
        """
        self.reset_state()
        for batch in batches_of(data, steps, self.name):
            self.update_state(np.asarray(batch)[:, None] if batch is data and np.ndim(batch) == 1 else batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the tokens of a batch: one document per row, or one in all if there is one axis only."""
        tokens, shape = self._tokens(data)
        width = shape[-1] if shape else 1
        rows = [tokens[i : i + width] for i in range(0, len(tokens), width)] if len(shape) > 1 and width else [tokens]
        self._count(rows)

    def _count(self, documents: Sequence[Sequence[Any]]) -> None:
        if self._has_input_vocabulary:
            raise ValueError(
                f"[{self.name}] expected a layer without a given vocabulary in adapt(), received one with it. Leave "
                "`vocabulary` out, or do not adapt."
            )
        for tokens in documents:
            self._counts.update(tokens)
        if self.output_mode == "tf_idf":
            for tokens in documents:
                self._document_counts.update(set(tokens))
            self._documents += len(documents)

    def finalize_state(self) -> None:
        """Makes the vocabulary of the counts; part of `adapt`."""
        if self._has_input_vocabulary or not self._counts:
            self._frozen_size = self.vocabulary_size()
            return
        for token in (self.mask_token, self.oov_token):
            if token is not None:
                self._counts.pop(self._read(token), None)
        order = sorted(self._counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
        if self.max_tokens:
            order = order[: self.max_tokens - self._token_start()]
        tokens = [token for token, _ in order]
        weights = None
        if self.output_mode == "tf_idf":
            documents = np.array([self._document_counts[token] for token in tokens], dtype="float64")
            weights = np.log(1 + self._documents / (1 + documents)).astype(floatx())
            front = weights.mean() if len(weights) else 0.0
            weights = np.concatenate([np.full(self._token_start(), front, weights.dtype), weights])
        self._new_counts()
        self._install(tokens, weights)

    def reset_state(self) -> None:
        """Forgets what was counted."""
        if not self._has_input_vocabulary:
            self._new_counts()

    # Calling.

    def _depth(self) -> int:
        """Size of the last axis of an encoded output."""
        depth = self.max_tokens if self.pad_to_max_tokens else self._frozen_size
        if depth is None:
            raise RuntimeError(
                f"[{self.name}] expected a vocabulary before a call with output_mode={self.output_mode!r}, whose output has "
                "its size. Pass `vocabulary`, or call adapt() first."
            )
        return depth

    def _need_vocabulary(self) -> None:
        if not self.lookup_table.tokens and self._frozen_size in (None, self._token_start()):
            raise RuntimeError(
                f"[{self.name}] expected a vocabulary before the first call, found none. Pass `vocabulary`, or call adapt() "
                "on the data first."
            )

    def _refuse_unknown(self, unknown: Sequence[Any]) -> None:
        shown = [self._show(token) for token in unknown[:5]]
        raise ValueError(
            f"[{self.name}] expected tokens of the vocabulary only, because num_oov_indices=0, received {shown}. Set "
            "num_oov_indices=1 to give them an index of their own."
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Shape of the output for an input of this shape."""
        shape = tuple(input_shape)
        return shape if self.output_mode == "int" else encoded_shape(shape, self.output_mode, self._depth())

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Shape and dtype of the output."""
        dtype = floatx() if self.output_mode == "tf_idf" else "int64"
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    # Saving.

    def get_build_config(self) -> dict[str, Any]:
        """Nothing: there are no weights."""
        return {}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Nothing to do."""

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": self.vocabulary_dtype,
            "idf_weights": self.input_idf_weights,
            "vocabulary": self.input_vocabulary,
            "vocabulary_size": self._frozen_size,
            "oov_method": self.oov_method,
            "salt": self.salt,
        }

    def save_own_variables(self, store: Any) -> None:
        """Writes the idf weights."""
        if self.output_mode == "tf_idf" and self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store: Any) -> None:
        """Reads the idf weights."""
        if self.output_mode == "tf_idf":
            self.idf_weights = np.asarray(store["idf_weights"], dtype=floatx())

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary to the file vocabulary.txt, unless the config has it."""
        if self.input_vocabulary is not None:
            return
        with open(os.path.join(dir_path, "vocabulary.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(str(token) for token in self.get_vocabulary()))

    def load_assets(self, dir_path: str) -> None:
        """Reads what `save_assets` wrote."""
        if self.input_vocabulary is not None:
            return
        with open(os.path.join(dir_path, "vocabulary.txt"), encoding="utf-8", newline="\n") as file:
            lines = file.read().split("\n")
        while len(lines) > self._token_start() and lines[-1] == "":
            lines.pop()
        tokens = [self._read(line) for line in lines[self._token_start() :]]
        weights = self.idf_weights
        if weights is not None:
            weights = weights[: len(lines)]
        self._install(tokens, weights)


def _plain(value: Any) -> Any:
    """Lists for arrays and tensors."""
    if value is None or isinstance(value, list):
        return value
    if is_tensor(value):
        value = value.numpy()
    return value.tolist() if hasattr(value, "tolist") else list(value)


def _lines_of(path: str, where: str) -> list[str]:
    if state.get_scope("safe_mode"):
        raise ValueError(
            f"[{where}] expected a vocabulary inside the saved model, received the file {path!r} outside of it. Pass "
            "safe_mode=False if you trust the model."
        )
    if not os.path.exists(path):
        raise ValueError(f"[{where}] expected a vocabulary file, received {path!r}, which does not exist.")
    with open(path, encoding="utf-8", newline="\n") as file:
        return file.read().removesuffix("\n").split("\n")
