"""Input and InputLayer: where a graph of layers begins."""

from __future__ import annotations

from typing import Any

from tahr.keras.backend.config import floatx
from tahr.keras.backend.dtypes import standardize_dtype
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.backend.variables import standardize_shape
from tahr.keras.layers.layer import Layer
from tahr.keras.symbolic.node import Node


class InputLayer(Layer):
    """The layer behind `keras.Input`: it has an output and no input.

    Args:
        shape: shape of one sample, without the batch axis.
        batch_size: size of the batch axis, None for any.
        dtype: dtype of the data.
        sparse: None or False only.
        ragged: None or False only.
        batch_shape: the whole shape, in place of `shape` and `batch_size`.
        input_tensor: a KerasTensor to be the output.
        optional: whether None may be passed.
        name: name.
        kwargs: `input_shape`, `batch_input_shape`: older names.
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("input_shape") is not None:
            shape = kwargs.pop("input_shape")
        if kwargs.get("batch_input_shape") is not None:
            batch_shape = kwargs.pop("batch_input_shape")
        super().__init__(name=name, **kwargs)
        for argument, wanted in (("sparse", sparse), ("ragged", ragged)):
            if wanted:
                more = (
                    f" You cannot provide an incompatible `{argument}` with `input_tensor`."
                    if input_tensor is not None
                    else ""
                )
                raise ValueError(
                    f"[{self.name}] `{argument}=True` is not supported: tensors are dense. Leave it out.{more}"
                )
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ValueError(f"[{self.name}] expected input_tensor to be a KerasTensor, received {input_tensor!r}.")
            whole = tuple(input_tensor.shape)
            for argument, given, actual in (
                ("batch_size", batch_size, whole[0] if whole else None),
                ("shape", None if shape is None else standardize_shape(shape), whole[1:]),
                ("batch_shape", None if batch_shape is None else standardize_shape(batch_shape), whole),
                ("dtype", None if dtype is None else standardize_dtype(dtype), input_tensor.dtype),
            ):
                if given is not None and given != actual:
                    raise ValueError(
                        f"[{self.name}] expected {argument} {actual} of the input_tensor, received {given}. With "
                        f"`input_tensor`, you cannot provide an incompatible `{argument}`. Leave it out."
                    )
            shape, batch_shape, dtype = None, whole, input_tensor.dtype
        elif batch_shape is not None:
            for argument, value in (("shape", shape), ("batch_size", batch_size)):
                if value is not None:
                    raise ValueError(
                        f"[{self.name}] expected either {argument} or batch_shape: you cannot pass both `{argument}` and "
                        "`batch_shape`. Leave one out."
                    )
        if batch_shape is None:
            if shape is None:
                raise ValueError(
                    f"[{self.name}] expected shape or batch_shape, received neither. Pass shape=(...), without the batch."
                )
            shape = (shape,) if isinstance(shape, int) else tuple(shape)
            batch_shape = (batch_size, *shape)
        self._shape_of_batch = standardize_shape(batch_shape)
        self._dtype_of_input = floatx() if dtype is None else standardize_dtype(dtype)
        self.optional = optional
        self.built = True
        if input_tensor is None:
            input_tensor = KerasTensor(self._shape_of_batch, dtype=self._dtype_of_input, name=self.name)
        Node(self, outputs=input_tensor)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Not for calling: an input has nothing before it."""
        raise NotImplementedError(f"[{self.name}] expected to start a model, received a call: it has no input.")

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """The whole shape."""
        return self._shape_of_batch

    @property
    def dtype(self) -> str:
        """Dtype of the data."""
        return self._dtype_of_input

    @property
    def sparse(self) -> bool:
        """Always False."""
        return False

    @property
    def ragged(self) -> bool:
        """Always False."""
        return False

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """A symbolic tensor from which a model starts.

    Args:
        shape: shape of one sample, without the batch axis; None for axes of any size.
        batch_size: size of the batch axis, None for any.
        dtype: dtype of the data, `floatx()` if None.
        sparse: None or False only.
        ragged: None or False only.
        batch_shape: the whole shape, in place of `shape` and `batch_size`.
        name: name of the input.
        tensor: an existing KerasTensor to start from.
        optional: whether None may be passed for it.

    Returns:
        A KerasTensor.

    >>> from tahr import keras
    >>> keras.Input(shape=(28, 28)).shape
    (None, 28, 28)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output
