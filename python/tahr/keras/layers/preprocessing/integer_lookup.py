"""IntegerLookup."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.backend.config import floatx
from tahr.keras.backend.engine import convert_to_numpy, is_tensor
from tahr.keras.layers.preprocessing.encoding import encode
from tahr.keras.layers.preprocessing.fingerprints import hash_strings
from tahr.keras.layers.preprocessing.index_lookup import IndexLookup


class IntegerLookup(IndexLookup):
    """Integers to indices of a vocabulary, or (`invert`) back.

    Works on arrays and on tensors, inside of models too.

    Args:
        max_tokens: most entries of the vocabulary, special tokens included; None for any number.
        num_oov_indices: indices for integers outside of the vocabulary; 0 makes them an error.
        mask_token: integer with index 0; other output modes leave it out.
        oov_token: what `get_vocabulary` and `invert` give for unknown integers.
        vocabulary: list or array of integers, or the path of a file with one per line.
        vocabulary_dtype: "int64" only.
        idf_weights: with "tf_idf" and `vocabulary`: the weight of each token.
        invert: turn indices into integers of the vocabulary.
        output_mode: "int"; "one_hot" for each integer; "multi_hot", "count" or "tf_idf" for the integers of a sample
            (the last axis).
        sparse: False only.
        pad_to_max_tokens: make the encoded axis `max_tokens` long.
        oov_method: "floormod": the remainder chooses among several indices for unknown integers; "farmhash": a hash,
            which needs values and runs before a traced step.
        salt: one or two integers: a key for that hash.

    Raises:
        ValueError: arguments that exclude each other.

    Example:
        >>> from tahr import keras
        >>> layer = keras.layers.IntegerLookup(vocabulary=[12, 36, 1138])
        >>> layer([[1138, 7], [12, 36]]).tolist()
        [[3, 0], [1, 2]]
    """

    vocabulary_dtype = "int64"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
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
        if vocabulary_dtype != "int64":
            raise ValueError(
                f"[{name or 'IntegerLookup'}] expected vocabulary_dtype='int64', received {vocabulary_dtype!r}."
            )
        if salt is not None and oov_method != "farmhash":
            raise ValueError(
                f"[{name or 'IntegerLookup'}] expected oov_method='farmhash' together with salt, received {oov_method!r}."
            )
        super().__init__(
            max_tokens=max_tokens,
            num_oov_indices=num_oov_indices,
            mask_token=mask_token,
            oov_token=oov_token,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            invert=invert,
            output_mode=output_mode,
            sparse=sparse,
            pad_to_max_tokens=pad_to_max_tokens,
            oov_method=oov_method,
            salt=salt,
            name=name,
            **kwargs,
        )

    _host_if_needed = True

    def _runs_on_host(self) -> bool:
        """Whether the values are needed: to hash them, or to refuse unknown ones."""
        return not self.invert and (self.num_oov_indices == 0 or self._hashes())

    def _hashes(self) -> bool:
        return self.num_oov_indices > 1 and self.oov_method == "farmhash"

    def _read(self, token: Any) -> int:
        return int(token)

    def _show(self, token: int) -> int:
        return token

    def _tokens(self, data: Any) -> tuple[list[int], tuple[int, ...]]:
        array = np.asarray(convert_to_numpy(data))
        if array.dtype.kind not in "iufb":
            raise TypeError(f"[{self.name}] expected integers, received values of dtype {array.dtype}.")
        return array.astype(np.int64).ravel().tolist(), array.shape

    def call(self, inputs: Any) -> Any:
        """The indices of `inputs` or their encoded form; with `invert` the integers of indices."""
        self._need_vocabulary()
        x = inputs if is_tensor(inputs) else ops.convert_to_tensor(np.asarray(inputs))
        x = ops.cast(x, "int64")
        if self.invert:
            return self._integers_of(x)
        tokens = np.array(self.lookup_table.tokens, dtype=np.int64)
        order = np.argsort(tokens)
        keys, indices = tokens[order], order + self._token_start()
        mask = self.mask_token
        known = ops.zeros_like(x, dtype="bool")
        result = ops.full_like(x, self._oov_start())
        if len(keys):
            place = ops.minimum(ops.cast(ops.searchsorted(keys, ops.reshape(x, (-1,))), "int64"), len(keys) - 1)
            place = ops.reshape(place, ops.shape(x))
            known = ops.equal(ops.take(ops.convert_to_tensor(keys), place), x)
            result = ops.where(known, ops.take(ops.convert_to_tensor(indices), place), result)
        masked = None if mask is None else ops.equal(x, int(mask))
        if self.num_oov_indices != 1:
            unknown = ops.logical_not(known) if masked is None else ops.logical_not(ops.logical_or(known, masked))
            result = ops.where(unknown, self._index_of_unknown(x, unknown), result)
        if masked is not None:
            result = ops.where(masked, 0 if self.output_mode == "int" else -1, result)
        if self.output_mode == "int":
            return result
        if self.output_mode != "tf_idf":
            return encode(result, self.output_mode, self._depth(), "int64")
        return ops.multiply(encode(result, "count", self._depth(), floatx()), self.idf_weights)

    def _index_of_unknown(self, x: Any, unknown: Any) -> Any:
        if self.num_oov_indices > 1 and not self._hashes():
            return ops.add(ops.mod(x, self.num_oov_indices), self._oov_start())
        if x.is_symbolic:
            raise TypeError(
                f"[{self.name}] expected integers with values, received a symbolic tensor: num_oov_indices="
                f"{self.num_oov_indices} with oov_method={self.oov_method!r} has to look at them. Apply the layer to the "
                "data, or put it right behind the model's Input."
            )
        values = x.numpy()
        if self.num_oov_indices == 0:
            strange = values[unknown.numpy()]
            if strange.size:
                self._refuse_unknown(strange.ravel().tolist())
            return x
        hashes = hash_strings([b"%d" % v for v in values.ravel().tolist()], self.salt) % np.uint64(self.num_oov_indices)
        return ops.convert_to_tensor(hashes.astype(np.int64).reshape(values.shape) + self._oov_start())

    def _integers_of(self, x: Any) -> Any:
        tokens = np.array([self.oov_token if t is None else t for t in self.get_vocabulary()], dtype=np.int64)
        inside = ops.logical_and(ops.greater_equal(x, 0), ops.less(x, len(tokens)))
        found = ops.take(ops.convert_to_tensor(tokens), ops.clip(x, 0, len(tokens) - 1))
        return ops.where(inside, found, int(self.oov_token))
