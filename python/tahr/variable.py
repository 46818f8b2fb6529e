"""Variables: the mutable state of models."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import _C
from tahr.tensor import Tensor
from tahr.tracing import init_scope, is_tracing, note_variable

__all__ = ["Variable", "set_variable_read_hook"]

# Models hold themselves in reference cycles, which Python's collector finds when many objects were made: it does not know
# that some of them are large. So it is called when variables of this many bytes, or of half of all tensors' bytes, were
# made since the last time; but it may not take more than a quarter of the time, which it would in a large process.
_LEAST_PRESSURE = 2 << 20
_SMALL = 4096  # not worth counting
_pressure, _limit, _rest_until = 0, 2 * _LEAST_PRESSURE, 0.0


def _feel_pressure(nbytes: int) -> None:
    global _pressure, _limit, _rest_until
    _pressure += nbytes
    if _pressure > _limit and gc.isenabled():
        begin = time.monotonic()
        if begin < _rest_until:
            return
        gc.collect()
        now = time.monotonic()
        _rest_until = now + 3 * (now - begin)
        _pressure, _limit = 0, max(_LEAST_PRESSURE, _C.memory_stats()["live"] // 2)


# So that a tape can name the Python objects of the variables it watched.
_by_id: weakref.WeakValueDictionary[int, Variable] = weakref.WeakValueDictionary()


class Variable(_C.Variable):
    """A tensor whose value can be assigned. Operators and ops read its current value; tapes watch trainable ones.

    Arguments:
        initial_value: anything convertible to a tensor, or a callable without arguments that returns it.
        trainable: whether gradient tapes watch it by themselves.
        name: shown when printed and in messages.
        dtype: of the value; taken from `initial_value` if None.
        shape: if given, must be the shape of the value.

    Example:
        >>> import tahr
        >>> v = tahr.Variable([1.0, 2.0])
        >>> _ = v.assign_add([10.0, 10.0])
        >>> v.numpy()
        array([11., 12.], dtype=float32)
    """

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool = True,
        validate_shape: bool = True,
        name: str | None = None,
        dtype: Any = None,
        shape: Any = None,
    ) -> None:
        if initial_value is None:
            raise ValueError("[Variable] expected an initial value, received None.")
        if callable(initial_value) and not isinstance(initial_value, (_C.Tensor, _C.Variable)):
            with init_scope():
                initial_value = initial_value()
        with_value = _C.to_tensor(initial_value, dtype, "[Variable] the initial value")
        if shape is not None and validate_shape and tuple(shape) != with_value.shape:
            raise ValueError(
                f"[Variable] expected an initial value of shape {tuple(shape)}, received {with_value.shape}."
            )
        if with_value.nbytes >= _SMALL:
            _feel_pressure(with_value.nbytes)
        super().__init__(with_value, name or "Variable", trainable)
        _by_id[_C.value_id(self)] = self
        note_variable(self)

    def value(self) -> Tensor:
        """The current value, as a tensor that later assignments leave alone."""
        return _C.read_variable(self)

    read_value = value

    def numpy(self) -> np.ndarray:
        """The current value as a NumPy array of its own."""
        return _C.tensor_to_numpy(_C.variable_value(self), True)

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Variable:
        """Replaces the value. Returns the variable.

        Raises:
            ValueError: if the shapes differ.
        """
        _C.ops.assign(self._handle, _C.to_tensor(value, None, f"[assign] variable '{self.name}'"))
        return self

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Variable:
        """Adds `delta`, which must broadcast to the variable's shape. Returns the variable."""
        _C.ops.assign_add(self._handle, _C.to_tensor(delta, None, f"[assign_add] variable '{self.name}'"))
        return self

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Variable:
        """Subtracts `delta`, which must broadcast to the variable's shape. Returns the variable."""
        _C.ops.assign_sub(self._handle, _C.to_tensor(delta, None, f"[assign_sub] variable '{self.name}'"))
        return self

    def __getitem__(self, key: Any) -> SlicedTensor:
        return SlicedTensor(self, key)

    def __iter__(self) -> Any:
        return iter(_C.read_variable(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return _C.variable_value(self).__array__(dtype, copy)

    __array_priority__ = 100

    def __repr__(self) -> str:
        value = "" if is_tracing() else f", numpy={self._numpy_repr()}"
        return f"<tahr.Variable '{self.name}:0' shape={self.shape} dtype={self.dtype}{value}>"

    def _numpy_repr(self) -> str:
        return ("\n" if self.ndim else "") + repr(self.numpy()) if self.ndim else str(self.numpy())

    def __format__(self, spec: str) -> str:
        return format(_C.variable_value(self), spec) if spec else str(self)

    def __copy__(self) -> Variable:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        copy = Variable(_C.variable_value(self), trainable=self.trainable, name=self.name)
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> Any:
        return Variable, (self.numpy(), self.trainable, True, self.name)

    def get_shape(self) -> tuple:
        return self.shape


def set_variable_read_hook(hook: Callable[[Variable], Tensor | None] | None) -> None:
    """Has `hook(variable)` asked whenever an op or operator reads a variable; its answer is the value, unless None.

    For scopes that change what variables read as, such as casts. `variable.read_value()` always gives the value itself.
    """
    _C.set_read_hook(hook)


class SlicedTensor:
    """``v[key]``: the tensor selected when it was written, which can also be assigned into the variable.

    Example:
        >>> import tahr
        >>> v = tahr.Variable([5.0, 6.0, 7.0])
        >>> _ = v[1].assign(-2.0)
        >>> v.numpy()
        array([ 5., -2.,  7.], dtype=float32)
    """

    def __init__(self, variable: Variable, key: Any) -> None:
        self._variable, self._key = variable, key
        # Read here, so that a tape around sees it and later assignments do not change it.
        self._tensor = _C.read_variable(variable)[key]

    def __tahr_tensor__(self) -> Tensor:
        return self._tensor

    def _update(self, value: Any, kind: str) -> Variable:
        v = self._variable
        what = f"[assign] a slice of variable '{v.name}'"
        new = _C.index_update(_C.read_variable(v), self._key, _C.to_tensor(value, v.dtype, what), kind)
        return v.assign(new)

    def assign(self, value: Any) -> Variable:
        """Replaces the selected elements; `value` broadcasts to their shape. Returns the variable."""
        return self._update(value, "assign")

    def assign_add(self, value: Any) -> Variable:
        """Adds to the selected elements. Returns the variable."""
        return self._update(value, "add")

    def assign_sub(self, value: Any) -> Variable:
        """Subtracts from the selected elements. Returns the variable."""
        return self._update(value, "sub")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__tahr_tensor__(), name)


def _forward(name: str) -> Any:
    def method(self: SlicedTensor, *args: Any) -> Any:
        args = tuple(a.__tahr_tensor__() if isinstance(a, SlicedTensor) else a for a in args)
        return getattr(self.__tahr_tensor__(), name)(*args)

    method.__name__ = name
    return method


for _name in (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod"),
    *("pow", "rpow", "matmul", "rmatmul", "neg", "abs", "pos", "invert", "and", "rand", "or", "ror", "xor", "rxor"),
    *("lt", "le", "eq", "ne", "gt", "ge", "bool", "float", "int", "index", "len", "getitem", "iter", "array", "repr"),
    *("str", "format", "hash"),
):
    setattr(SlicedTensor, f"__{_name}__", _forward(f"__{_name}__"))
