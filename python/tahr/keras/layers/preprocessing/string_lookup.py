"""StringLookup."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.backend.config import floatx
from tahr.keras.backend.engine import convert_to_numpy, is_tensor
from tahr.keras.layers.preprocessing.encoding import encode_array
from tahr.keras.layers.preprocessing.fingerprints import hash_strings
from tahr.keras.layers.preprocessing.index_lookup import DROPPED, IndexLookup
from tahr.keras.layers.preprocessing.strings import as_array, encode_all


class StringLookup(IndexLookup):
    """Strings to indices of a vocabulary, or (`invert`) back.

    Strings are not tensors: the layer reads them before a model does, from lists and NumPy arrays of str or bytes. As
    the first layer of a model it runs on the data before each step.

    Args:
        max_tokens: most entries of the vocabulary, special tokens included; None for any number.
        num_oov_indices: indices for strings outside of the vocabulary, chosen by their hash; 0 makes them an error.
        mask_token: string with index 0; other output modes leave it out.
        oov_token: what `get_vocabulary` and `invert` give for unknown strings.
        vocabulary: list or array of strings, or the path of a file with one per line.
        idf_weights: with "tf_idf" and `vocabulary`: the weight of each token.
        invert: turn indices into strings.
        output_mode: "int"; "one_hot" for each string; "multi_hot", "count" or "tf_idf" for the strings of a sample
            (the last axis).
        pad_to_max_tokens: make the encoded axis `max_tokens` long.
        sparse: False only.
        encoding: encoding of bytes.
        salt: one or two integers: a key for the hash of unknown strings.

    Raises:
        ValueError: arguments that exclude each other.

    Example:
        >>> from tahr import keras
        >>> layer = keras.layers.StringLookup(vocabulary=["red", "green"])
        >>> layer(["green", "blue", "red"]).tolist()
        [2, 0, 1]
    """

    vocabulary_dtype = "string"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        self.encoding = encoding
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
            salt=salt,
            name=name,
            **kwargs,
        )

    @property
    def input_dtype(self) -> str:
        """Dtype of the inputs."""
        return "int64" if self.invert else "string"

    def _runs_on_host(self) -> bool:
        return not self.invert

    def _read(self, token: Any) -> bytes:
        return token if isinstance(token, bytes) else str(token).encode(self.encoding)

    def _show(self, token: bytes) -> str:
        return token.decode(self.encoding, "replace")

    def _tokens(self, data: Any) -> tuple[list[bytes], tuple[int, ...]]:
        array = as_array(data, self.name)
        return encode_all(array, self.encoding, self.name), array.shape

    def _look_up(self, tokens: list[bytes]) -> np.ndarray:
        """The indices of `tokens`; DROPPED for the mask token where it has none."""
        unknown = self._oov_start() if self.num_oov_indices == 1 else -1
        get = self.lookup_table.index.get
        found = np.fromiter((get(token, unknown) for token in tokens), np.int64, len(tokens))
        if self.mask_token is not None:
            mask = self._read(self.mask_token)
            if mask in tokens:
                masked = np.fromiter((token == mask for token in tokens), bool, len(tokens))
                found[masked] = 0 if self.output_mode == "int" else DROPPED
        if self.num_oov_indices != 1:
            places = np.flatnonzero(found == -1)
            strange = [tokens[i] for i in places.tolist()]
            if strange and self.num_oov_indices == 0:
                self._refuse_unknown(strange)
            if strange:
                hashes = hash_strings(strange, self.salt) % np.uint64(self.num_oov_indices)
                found[places] = hashes.astype(np.int64) + self._oov_start()
        return found

    def call(self, inputs: Any) -> Any:
        """The indices of `inputs` or their encoded form; with `invert` a NumPy array of the strings of indices."""
        self._need_vocabulary()
        if self.invert:
            return self._strings_of(inputs)
        tokens, shape = self._tokens(inputs)
        indices: Any = self._look_up(tokens).reshape(shape)
        if self.output_mode == "int":
            return ops.convert_to_tensor(indices)
        if not shape:
            indices = indices.reshape(1)
        if self.output_mode != "tf_idf":
            return ops.convert_to_tensor(encode_array(indices, self.output_mode, self._depth(), "int64"))
        counts = encode_array(indices, "count", self._depth(), floatx())
        return ops.convert_to_tensor(counts * self.idf_weights)

    def _strings_of(self, inputs: Any) -> np.ndarray:
        if is_tensor(inputs) and inputs.is_symbolic:
            raise TypeError(
                f"[{self.name}] expected indices with values, received a symbolic tensor: strings are not tensors, so a "
                "traced step cannot give them. Call the layer on what predict() returns."
            )
        indices = np.asarray(convert_to_numpy(inputs)).astype(np.int64)
        tokens: Any = np.array([*self.get_vocabulary(), self.oov_token], dtype=object)
        last = len(tokens) - 1
        return tokens[np.where((indices < 0) | (indices > last), last, indices)].astype(str)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = {**super().get_config(), "encoding": self.encoding}
        del config["vocabulary_dtype"]
        return config
