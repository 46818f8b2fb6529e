"""CategoryEncoding."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.engine import is_tensor
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.preprocessing.data_layer import DataLayer
from tahr.keras.layers.preprocessing.encoding import check_output_mode, encode, encoded_shape, refuse_sparse


class CategoryEncoding(DataLayer):
    """Integers 0 .. num_tokens - 1 to one-hot or multi-hot vectors, or counts. Other integers leave zeros.

    Args:
        num_tokens: number of categories.
        output_mode: "one_hot" for each integer; "multi_hot" or "count" for the integers of a sample (the last axis).
        sparse: False only.
        kwargs: name, dtype and the like.

    Raises:
        ValueError: if `num_tokens` is missing or not positive, or the mode is unknown.

    Example:
        >>> from tahr import keras
        >>> keras.layers.CategoryEncoding(num_tokens=3, output_mode="count")([[0, 2, 2]]).tolist()
        [[1.0, 0.0, 2.0]]
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.output_mode = check_output_mode(output_mode, ("count", "one_hot", "multi_hot"), self.name)
        if num_tokens is None:
            raise ValueError(
                f"[{self.name}] num_tokens must be set to use this layer, received None. IntegerLookup finds the number "
                "from data."
            )
        if num_tokens < 1:
            raise ValueError(f"[{self.name}] `num_tokens` must be >= 1, received {num_tokens}.")
        refuse_sparse(sparse, self.name)
        self.num_tokens = num_tokens
        self.sparse = False
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        """The encoded `inputs`.

        Args:
            inputs: integers (..., length).
            count_weights: with "count": what each integer adds, of the same shape; 1 if None.
        """
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"[{self.name}] expected count_weights with output_mode='count' only, received {self.output_mode!r}."
            )
        x = inputs if is_tensor(inputs) else ops.convert_to_tensor(inputs)
        return encode(ops.cast(x, "int64"), self.output_mode, self.num_tokens, self.compute_dtype, count_weights)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Shape of the output for an input of this shape."""
        shape = tuple(input_shape)
        return encoded_shape(shape, self.output_mode, self.num_tokens)

    def compute_output_spec(self, inputs: Any, count_weights: Any = None) -> KerasTensor:
        """Shape and dtype of the output."""
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}
