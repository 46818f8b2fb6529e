"""KerasTensor: what stands for a tensor while a model is being put together."""

from __future__ import annotations

from typing import Any

from tahr.keras.backend import state
from tahr.keras.backend.dtypes import standardize_dtype
from tahr.keras.backend.engine import Tensor
from tahr.keras.backend.variables import standardize_shape


class KerasTensor:
    """A symbolic tensor: a shape, a dtype, and the record of how it was made.

    Args:
        shape: sizes of the axes; None where unknown.
        dtype: dtype.
        sparse: True is not possible: tensors are dense.
        ragged: True is not possible: tensors are dense.
        record_history: whether operations on it are recorded, so that a model can be made of them.
        name: name; made up if None.

    >>> from tahr import keras
    >>> x = keras.KerasTensor((None, 3))
    >>> (x + 1).shape
    (None, 3)
    """

    def __init__(
        self,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
    ) -> None:
        if sparse or ragged:
            kind = "sparse" if sparse else "ragged"
            raise ValueError(f"[KerasTensor] expected {kind}=False, received True. Tensors are dense here.")
        self._shape = standardize_shape(shape)
        self._dtype = standardize_dtype(dtype)
        self.name = name or state.auto_name(type(self).__name__)
        self.record_history = record_history

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Sizes of the axes; None where unknown."""
        return self._shape

    @property
    def dtype(self) -> str:
        """Name of the dtype."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    @property
    def sparse(self) -> bool:
        """Always False."""
        return False

    @property
    def ragged(self) -> bool:
        """Always False."""
        return False

    @property
    def ragged_rank(self) -> None:
        """Always None: tensors are dense."""
        return None

    @property
    def row_splits_dtype(self) -> None:
        """Always None: tensors are dense."""
        return None

    @property
    def is_symbolic(self) -> bool:
        """Always True: there is no value."""
        return True

    def reshape(self, newshape: Any) -> KerasTensor:
        """The same as `keras.ops.reshape(self, newshape)`."""
        return _op("reshape", self, newshape)

    def squeeze(self, axis: Any = None) -> KerasTensor:
        """The same as `keras.ops.squeeze(self, axis)`."""
        return _op("squeeze", self, axis)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self._shape}, dtype={self._dtype}, sparse=False, ragged=False, name={self.name}>"

    def __tahr_function__(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The engine hands over its functions' calls that have a KerasTensor among the arguments."""
        return _op(fn.__name__, *args, **kwargs)

    def _refuse(self, what: str) -> TypeError:
        return TypeError(
            f"[KerasTensor] expected a tensor with a value {what}, received the symbolic {self!r}. "
            "Use keras.ops or a layer's call for work on it."
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._refuse("for NumPy")

    def __bool__(self) -> bool:
        raise self._refuse("as a condition")

    def __float__(self) -> float:
        raise self._refuse("for float()")

    def __int__(self) -> int:
        raise self._refuse("for int()")

    def __index__(self) -> int:
        raise self._refuse("as an index")

    def __iter__(self) -> Any:
        raise self._refuse("to iterate over")

    def __getitem__(self, key: Any) -> KerasTensor:
        if isinstance(key, tuple) and all(isinstance(k, int) for k in key):
            key = (*key, Ellipsis)  # the same; but a config, where tuples become lists, can tell it from a list
        return _op("get_item", self, key)

    def __neg__(self) -> KerasTensor:
        return _op("negative", self)

    def __abs__(self) -> KerasTensor:
        return _op("absolute", self)

    def __invert__(self) -> KerasTensor:
        return _op("logical_not", self)

    def __round__(self, ndigits: int | None = None) -> KerasTensor:
        return _op("round", self, decimals=ndigits or 0)


def _op(name: str, *args: Any, **kwargs: Any) -> Any:
    from tahr.keras import ops

    return getattr(ops, name)(*args, **kwargs)


def _add_operators() -> None:
    both = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
        "mod": "mod", "pow": "power", "matmul": "matmul", "and": "logical_and", "or": "logical_or",
        "xor": "logical_xor",
    }  # fmt: skip
    left_only = {
        "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
    }  # fmt: skip

    def bind(method: str, op: str, swap: bool) -> None:
        def apply(self: KerasTensor, other: Any) -> Any:
            return _op(op, other, self) if swap else _op(op, self, other)

        apply.__name__ = method
        setattr(KerasTensor, method, apply)

    for python, op in both.items():
        bind(f"__{python}__", op, False)
        bind(f"__r{python}__", op, True)
    for python, op in left_only.items():
        if python not in ("eq", "ne"):
            bind(f"__{python}__", op, False)


_add_operators()


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is a `KerasTensor`."""
    return isinstance(x, KerasTensor)


def any_symbolic(args: Any, kwargs: Any = None) -> bool:
    """Whether a KerasTensor is among the leaves of `args` and `kwargs`."""
    stack = [x for x in args if x.__class__ is not Tensor]
    if kwargs:
        stack.extend(kwargs.values())
    while stack:
        x = stack.pop()
        if isinstance(x, KerasTensor):
            return True
        if isinstance(x, (list, tuple)):
            stack.extend(x)
        elif isinstance(x, dict):
            stack.extend(x.values())
    return False
