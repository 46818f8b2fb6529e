"""keras.Variable: an engine variable with what Keras attaches to it (path, regularizer, constraint, casts)."""

from __future__ import annotations

from typing import Any

import numpy as np

import tahr
from tahr.keras.backend import budget, scopes, state
from tahr.keras.backend.dtypes import is_float_dtype, standardize_dtype
from tahr.keras.backend.engine import convert_to_tensor

_AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")
_SYNCHRONIZATIONS = (None, "none", "on_read", "on_write", "auto")


def standardize_shape(shape: Any) -> tuple[int | None, ...]:
    """`shape` as a tuple of ints and None; ValueError for anything else."""
    if shape is None:
        raise ValueError("[shape] expected a tuple of integers, received None.")
    if isinstance(shape, (int, np.integer)):
        raise ValueError(f"[shape] expected a tuple of integers, received {shape!r}. Write ({shape},) for one axis.")
    dims: list[int | None] = []
    for d in shape:
        if d is None:
            dims.append(None)
            continue
        if isinstance(d, bool) or not (isinstance(d, (int, np.integer)) or (isinstance(d, float) and d.is_integer())):
            if not hasattr(d, "__index__"):
                raise ValueError(f"[shape] expected integers and None, received {d!r} in shape {shape!r}.")
        if int(d) < 0:
            raise ValueError(f"[shape] expected sizes of 0 or more, received {d!r} in shape {shape!r}.")
        dims.append(int(d))
    return tuple(dims)


class Variable(tahr.Variable):
    """A tensor that can be changed: the state of layers, optimizers and metrics.

    Args:
        initializer: the first value (array, scalar, tensor), the name of an initializer, or a callable
            `initializer(shape, dtype)`.
        shape: shape of the variable; needed with a name or a callable.
        dtype: dtype; by default that of the value, or `floatx()` with a callable.
        trainable: whether gradient tapes watch it and optimizers update it.
        autocast: whether a mixed-precision layer reads it in its compute dtype.
        aggregation: how replicas combine it: "none", "mean", "sum" or "only_first_replica".
        synchronization: when replicas combine it: "auto", "none", "on_read" or "on_write".
        name: last component of its path.
        layout: how it is spread over devices; only None is possible.

    Raises:
        ValueError: for a callable without `shape`, or an unknown `aggregation`.

    >>> from tahr import keras
    >>> v = keras.Variable([1.0, 2.0], name="v")
    >>> v.assign_add([1.0, 1.0]).numpy()
    array([2., 3.], dtype=float32)
    """

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
        layout: Any = None,
    ) -> None:
        name = name or state.auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"[Variable] expected a name without '/', received name={name!r}.")
        if aggregation not in _AGGREGATIONS:
            raise ValueError(f"[Variable] expected aggregation to be one of {_AGGREGATIONS}, received {aggregation!r}.")
        if synchronization not in _SYNCHRONIZATIONS:
            raise ValueError(
                f"[Variable] expected synchronization to be one of {_SYNCHRONIZATIONS}, received {synchronization!r}."
            )
        if layout is not None:
            raise ValueError("[Variable] expected layout=None, received a layout. Variables live on one device.")
        if isinstance(initializer, str):
            from tahr.keras import initializers

            initializer = initializers.get(initializer)
        if callable(initializer) and not isinstance(initializer, (tahr.Tensor, tahr.Variable)):
            if shape is None:
                raise ValueError(f"[Variable] expected shape with the initializer {initializer!r}, received None.")
            shape = standardize_shape(shape)
            if None in shape:
                raise ValueError(f"[Variable] expected a fully known shape, received {shape} for {name!r}.")
            dtype = standardize_dtype(dtype)
            budget.take(shape, dtype)  # type: ignore[arg-type]
            with scopes.suspended():
                value = convert_to_tensor(initializer(shape, dtype=dtype), dtype=dtype)
            if tuple(value.shape) != shape:
                raise ValueError(
                    f"[Variable] expected the initializer to give shape {shape}, received {tuple(value.shape)}."
                )
        else:
            value = convert_to_tensor(initializer, dtype=dtype)
            if shape is not None and tuple(value.shape) != standardize_shape(shape):
                raise ValueError(
                    f"[Variable] expected a value of shape {tuple(shape)}, received shape {tuple(value.shape)}."
                )
        super().__init__(value, trainable=bool(trainable), name=name)
        path = scopes.current_path()
        self._path = f"{path}/{name}" if path else name
        self._dtype = standardize_dtype(value.dtype)
        self._autocast = bool(autocast)
        self._aggregation = aggregation or "none"
        self._synchronization = synchronization or "none"
        self._regularizer: Any = None
        self._constraint: Any = None
        self._overwrite_with_gradient = False

    @property
    def path(self) -> str:
        """Where the variable lives: names of layers and its own, joined with '/'."""
        return self._path

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """Name of the dtype, as a read would give it now."""
        scope = scopes.get_autocast_scope()
        if scope is not None and scope.dtype and self._autocast and is_float_dtype(self._dtype):
            return scope.dtype
        return self._dtype

    @property
    def ndim(self) -> int:  # type: ignore[override]
        """Number of axes."""
        return len(self.shape)

    @property
    def handle(self) -> Variable:
        """The object that the engine knows: the variable itself."""
        return self

    @property
    def value(self) -> Any:
        """The current value as a tensor."""
        found = read_in_scope(self)
        return self.read_value() if found is None else found

    @property
    def autocast(self) -> bool:
        """Whether a mixed-precision layer reads it in its compute dtype."""
        return self._autocast

    @property
    def aggregation(self) -> str:
        """How replicas combine it."""
        return self._aggregation

    @property
    def synchronization(self) -> str:
        """When replicas combine it."""
        return self._synchronization

    @property
    def overwrite_with_gradient(self) -> bool:
        """Whether an optimizer stores the gradient itself in the variable."""
        return self._overwrite_with_gradient

    @overwrite_with_gradient.setter
    def overwrite_with_gradient(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"[Variable] expected overwrite_with_gradient to be a bool, received {value!r}.")
        self._overwrite_with_gradient = value

    @property
    def regularizer(self) -> Any:
        """Callable giving the penalty added to the loss, or None."""
        return self._regularizer

    @regularizer.setter
    def regularizer(self, value: Any) -> None:
        if value is not None and not callable(value):
            raise ValueError(f"[Variable] expected a callable regularizer or None, received {value!r}.")
        self._regularizer = value

    @property
    def constraint(self) -> Any:
        """Callable applied to the value after each update, or None."""
        return self._constraint

    @constraint.setter
    def constraint(self, value: Any) -> None:
        if value is not None and not callable(value):
            raise ValueError(f"[Variable] expected a callable constraint or None, received {value!r}.")
        self._constraint = value

    def assign(self, value: Any) -> Any:  # type: ignore[override]
        """Replaces the value; shapes must agree.

        Args:
            value: array, scalar or tensor of the variable's shape; cast to its dtype.

        Returns:
            The new value as a tensor.

        Raises:
            ValueError: if the shapes differ.
        """
        value = convert_to_tensor(value, dtype=self._dtype)
        if tuple(value.shape) != tuple(self.shape):
            raise ValueError(
                f"[assign] expected a value of shape {tuple(self.shape)} for variable {self._path!r}, "
                f"received shape {tuple(value.shape)}."
            )
        scope = scopes.get_stateless_scope()
        if scope is not None:
            scope.add_update((self, value))
        else:
            super().assign(value)
        return value

    def assign_add(self, value: Any) -> Any:  # type: ignore[override]
        """Adds `value` to the variable and returns the new value."""
        if self._changes_in_place(value):
            super().assign_add(value)
            return self.read_value()
        return self.assign(tahr.ops.add(self.value, value))

    def assign_sub(self, value: Any) -> Any:  # type: ignore[override]
        """Subtracts `value` from the variable and returns the new value."""
        if self._changes_in_place(value):
            super().assign_sub(value)
            return self.read_value()
        return self.assign(tahr.ops.subtract(self.value, value))

    def _changes_in_place(self, value: Any) -> bool:
        """Whether the engine's own op does the same as a read, an op and an assignment: no scope is open that changes
        reads or writes, and no cast is due."""
        if scopes.any_reader():
            return False
        return value.__class__ is int or getattr(value, "dtype", None) == self._dtype

    # As in Keras, these are logical, where those of the tensor level are bitwise.

    def __and__(self, other: Any) -> Any:
        return tahr.ops.logical_and(self.value, other)

    def __or__(self, other: Any) -> Any:
        return tahr.ops.logical_or(self.value, other)

    def __xor__(self, other: Any) -> Any:
        return tahr.ops.logical_xor(self.value, other)

    def __rand__(self, other: Any) -> Any:
        return tahr.ops.logical_and(other, self.value)

    def __ror__(self, other: Any) -> Any:
        return tahr.ops.logical_or(other, self.value)

    def __rxor__(self, other: Any) -> Any:
        return tahr.ops.logical_xor(other, self.value)

    def __invert__(self) -> Any:
        return tahr.ops.logical_not(self.value)

    def __round__(self, ndigits: int | None = None) -> Any:
        return tahr.ops.round(self.value, decimals=ndigits or 0)

    def numpy(self) -> np.ndarray:
        """A copy of the value as a NumPy array."""
        return np.array(self.value.numpy())

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        copy = memo[id(self)] = _restore(self._state())
        return copy

    def __reduce__(self) -> Any:
        return _restore, (self._state(),)

    def _state(self) -> dict[str, Any]:
        extra = ("_path", "_autocast", "_aggregation", "_synchronization", "_regularizer", "_constraint")
        attributes = {k: getattr(self, k) for k in (*extra, "_overwrite_with_gradient")}
        value = np.array(tahr.Variable.read_value(self).numpy())
        return {"value": value, "trainable": self.trainable, "name": self.name, "attributes": attributes}

    def __repr__(self) -> str:
        value = self.value
        text = "" if value.is_symbolic else f", value={value.numpy()}"
        return f"<Variable path={self._path}, shape={tuple(self.shape)}, dtype={self.dtype}{text}>"

    __str__ = __repr__


def _restore(state: dict[str, Any]) -> Variable:
    variable = Variable(state["value"], trainable=state["trainable"], name=state["name"])
    variable.__dict__.update(state["attributes"])
    return variable


def read_in_scope(variable: Any) -> Any:
    """What the open stateless and autocast scopes make of a read of `variable`; None if they say nothing."""
    stateless = scopes.get_stateless_scope()
    value = None if stateless is None else stateless.get_current_value(variable)
    cast = scopes.get_autocast_scope()
    if cast is not None and cast.dtype and getattr(variable, "_autocast", False):
        stored = variable._dtype
        if stored != cast.dtype and is_float_dtype(stored):
            if value is None:
                value = tahr.Variable.read_value(variable)
            value = tahr.ops.cast(value, cast.dtype)
    return value
