"""Hashing and HashedCrossing."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.backend.config import floatx
from tahr.keras.backend.engine import convert_to_numpy, is_tensor
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.preprocessing.encoding import check_output_mode, encode_array, encoded_shape, refuse_sparse
from tahr.keras.layers.preprocessing.fingerprints import combine, hash_strings
from tahr.keras.layers.preprocessing.index_lookup import check_salt
from tahr.keras.layers.preprocessing.strings import as_array, encode_all, is_text

_CROSS_KEY = 0xDECAFCAFFE  # what TensorFlow's crosses of columns start from


def _values(x: Any, name: str) -> np.ndarray:
    """`x` as an array of strings or numbers."""
    if is_text(x):
        return as_array(x, name)
    if is_tensor(x) and x.is_symbolic:
        raise TypeError(
            f"[{name}] expected data with values, received a symbolic tensor: hashes are taken of text and digits, not of "
            "tensors. Apply the layer to the data, or put it right behind the model's Input."
        )
    array = np.asarray(convert_to_numpy(x))
    if array.dtype.kind not in "iufb":
        raise TypeError(f"[{name}] expected strings or integers, received values of dtype {array.dtype}.")
    return array


class Hashing(Layer):
    """Strings or integers to one of `num_bins` bins, by their hash.

    The bins are those of Keras with TensorFlow: FarmHash's Fingerprint64 of the text (of an integer: its digits), or
    SipHash-2-4 if there is a salt. The layer needs values: it runs on data, and as the first layer of a model before
    each step.

    Args:
        num_bins: number of bins, that of the mask included.
        mask_value: value that goes to bin 0; None for no such bin.
        salt: one or two integers: the key of the hash.
        output_mode: "int"; "one_hot" for each value; "multi_hot" or "count" for the values of a sample (the last axis).
        sparse: False only.
        kwargs: name, dtype and the like; dtype is int64 for "int", else `floatx()`.

    Raises:
        ValueError: if `num_bins` is not positive, or an argument is unknown.

    Example:
        >>> from tahr import keras
        >>> keras.layers.Hashing(num_bins=3)([["A"], ["B"], ["C"]]).tolist()
        [[1], [0], [1]]
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else floatx()
        super().__init__(**kwargs)
        if num_bins is None or num_bins <= 0:
            raise ValueError(f"[{self.name}] `num_bins` cannot be `None` or below 1, received {num_bins}.")
        if output_mode == "int" and self.dtype_policy.name not in ("int32", "int64"):
            raise ValueError(
                f'[{self.name}] When `output_mode="int"`, `dtype` should be an integer type, int32 or int64, received '
                f"{kwargs['dtype']!r}."
            )
        self.output_mode = check_output_mode(output_mode, ("int", "one_hot", "multi_hot", "count"), self.name)
        if sparse and output_mode == "int":
            raise ValueError(f"[{self.name}] `sparse` may only be true if `output_mode` is not 'int', received both.")
        refuse_sparse(sparse, self.name)
        self.num_bins = num_bins
        self.mask_value = mask_value
        self.sparse = False
        self.salt = check_salt(salt, self.name)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False

    def _runs_on_host(self) -> bool:
        return True

    def call(self, inputs: Any) -> Any:
        """The bins of `inputs`, or their encoded form."""
        array = _values(inputs, self.name)
        if array.dtype.kind in "USOT":
            strings = encode_all(array, "utf-8", self.name)
            mask = None if self.mask_value is None else str(self.mask_value).encode()
        else:
            strings = [b"%d" % v for v in array.astype(np.int64).ravel().tolist()]
            mask = None if self.mask_value is None else b"%d" % int(self.mask_value)
        bins = self.num_bins
        if mask is not None and bins > 1:
            hashes = hash_strings(strings, self.salt) % np.uint64(bins - 1)
            masked = np.fromiter((s == mask for s in strings), bool, len(strings))
            indices = np.where(masked, 0, hashes.astype(np.int64) + 1)
        else:
            indices = (hash_strings(strings, self.salt) % np.uint64(bins)).astype(np.int64)
        indices = indices.reshape(array.shape)
        if self.output_mode != "int" and not array.shape:
            indices = indices.reshape(1)
        return ops.convert_to_tensor(encode_array(indices, self.output_mode, bins, self.compute_dtype))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Shape of the output for an input of this shape."""
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Shape and dtype of the output."""
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "salt": self.salt,
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
        }


class HashedCrossing(Layer):
    """Several features, strings or integers, to one of `num_bins` bins by the hash of their combination.

    The bins are those of Keras with TensorFlow. The layer needs values, like `Hashing`.

    Args:
        num_bins: number of bins.
        output_mode: "int" or "one_hot".
        sparse: False only.
        name: name.
        dtype: dtype of the output; int64 for "int", else `floatx()`.

    Raises:
        ValueError: if an argument is unknown.

    Example:
        >>> from tahr import keras
        >>> layer = keras.layers.HashedCrossing(num_bins=5)
        >>> layer((["A", "B", "A"], [101, 101, 102])).tolist()
        [1, 4, 3]
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if output_mode == "int" and dtype is None:
            dtype = "int64"
        super().__init__(name=name, dtype=dtype, **kwargs)
        refuse_sparse(sparse, self.name)
        self.num_bins = num_bins
        self.output_mode = check_output_mode(output_mode, ("int", "one_hot"), self.name)
        self.sparse = False
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False

    def _runs_on_host(self) -> bool:
        return True

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        if isinstance(inputs, (list, tuple)):  # text and tensors may be mixed
            inputs = [x.numpy() if is_tensor(x) and not x.is_symbolic else x for x in inputs]
        return super().__call__(inputs, **kwargs)

    def call(self, inputs: Any) -> Any:
        """The bins of the combinations of `inputs`: a list of arrays of shape (), (batch,) or (batch, 1)."""
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(f"[{self.name}] expected a list of at least two inputs, received {inputs!r}.")
        arrays = [_values(x, self.name) for x in inputs]
        shape = arrays[0].shape
        if len(shape) > 2 or (len(shape) == 2 and shape[-1] != 1):
            raise ValueError(f"[{self.name}] inputs should have shape (), (batch,) or (batch, 1), received {shape}.")
        if any(a.shape != shape for a in arrays):
            raise ValueError(f"[{self.name}] expected inputs of one shape, received {[a.shape for a in arrays]}.")
        if any(a.dtype.kind in "fb" for a in arrays):
            raise ValueError(
                f"[{self.name}] expected strings or integers, received dtypes {[str(a.dtype) for a in arrays]}."
            )
        hashed = np.full(arrays[0].size, _CROSS_KEY, np.uint64)
        for array in arrays:
            if array.dtype.kind in "USOT":
                feature = hash_strings(encode_all(array, "utf-8", self.name))
            else:
                feature = array.ravel().astype(np.int64).view(np.uint64)
            hashed = combine(hashed, feature)
        indices = (hashed % np.uint64(self.num_bins)).astype(np.int64).reshape(shape)
        return ops.convert_to_tensor(encode_array(indices, self.output_mode, self.num_bins, self.compute_dtype))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Shape of the output for inputs of these shapes."""
        shapes = [tuple(s) for s in input_shape]
        if len(shapes) < 2 or any(s != shapes[0] for s in shapes):
            raise ValueError(f"[{self.name}] expected at least two inputs of one shape, received shapes {shapes}.")
        return encoded_shape(shapes[0], self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """Shape and dtype of the output."""
        return KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.compute_dtype,
        }
