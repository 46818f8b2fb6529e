"""Makes functions of tensors take KerasTensors too, by recording the call as an operation."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from tahr.keras import tree
from tahr.keras.backend import engine
from tahr.keras.backend.keras_tensor import KerasTensor, any_symbolic
from tahr.keras.ops.forms import FORMS
from tahr.keras.symbolic.operation import Operation

# Asked of a KerasTensor, these answer at once; nothing is to be recorded.
_QUERIES = {
    "shape": lambda x: tuple(x.shape),
    "ndim": lambda x: len(x.shape),
    "is_tensor": lambda x: isinstance(x, KerasTensor) or engine.is_tensor(x),
}
# What these return is a function, or computed from one.
_LEFT_ALONE = frozenset(("custom_gradient", "jvp"))


class OpCall(Operation):
    """One call of an op in a graph. What is not a tensor (axes, flags) is part of the call's record."""

    def __init__(self, op: str, name: str | None = None, fixed: dict[str, Any] | None = None) -> None:
        from tahr import ops

        if op not in ops.__all__ and op not in {f"image.{known}" for known in ops.image.__all__}:
            raise ValueError(f"[OpCall] expected the name of an op, received {op!r}.")
        super().__init__(name=name or _call_name(op))
        self.op = op
        self.fixed = fixed or {}  # arguments of every call, from a file of Keras

    def call(self, *args: Any, **kwargs: Any) -> Any:
        from tahr.keras import ops

        args, fixed = self._arguments(args)
        return _resolve(ops, self.op)(*args, **kwargs, **fixed)

    def _arguments(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call, those of every call that come before the last of them put in their places; the rest."""
        if self.op == "get_item" and isinstance(args[1], list) and not all(isinstance(k, int) for k in args[1]):
            return (args[0], tuple(args[1])), self.fixed  # as it was before a config made a list of it
        if not self.fixed:
            return args, self.fixed
        from tahr.keras.saving.keras_ops import argument_names

        given, fixed, merged = list(args), dict(self.fixed), []
        for name in argument_names(self.op):
            if not given:
                break
            merged.append(fixed.pop(name) if name in fixed else given.pop(0))
        return (*merged, *given), fixed

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        from tahr import ops
        from tahr.keras.symbolic.trace import compute_output_spec

        fn = FORMS.get(self.op) or _resolve(ops, self.op)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = fn(*args, **kwargs)
            if any_symbolic((result,)):
                self._refuse_captured()
            return result

        args, fixed = self._arguments(args)
        return compute_output_spec(call, *args, **kwargs, **fixed)

    def _refuse_captured(self) -> None:
        raise ValueError(
            f"[{self.op}] expected a function that computes with its arguments, received one that uses symbolic tensors "
            "from around it. Pass them as arguments (switch and the loops hand theirs on), or write a layer."
        )

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"op": self.op, "name": self.name}
        return {**config, "fixed": self.fixed} if self.fixed else config


def _call_name(op: str) -> str:
    from tahr.keras.backend.state import auto_name, to_snake_case
    from tahr.keras.saving.keras_ops import op_class

    return auto_name(to_snake_case(op_class(op)))


def _resolve(module: Any, op: str) -> Any:
    """The function "resize", or "image.resize" of a namespace."""
    return functools.reduce(getattr, op.split("."), module)


def find(module: types.ModuleType, name: str) -> Any:
    """The function `name` of `module` (or a namespace of such functions), taking KerasTensors."""
    fn = FORMS.get(name) or getattr(module, name)
    if isinstance(fn, types.ModuleType):
        return _Namespace(fn)
    return accept_symbolic(fn, name) if callable(fn) and not isinstance(fn, type) else fn


class _Namespace(types.ModuleType):
    """`keras.ops.nn`, `keras.ops.image`, ...: a namespace of ops, each wrapped on first use."""

    def __init__(self, module: types.ModuleType) -> None:
        super().__init__(module.__name__.replace("tahr.ops", "tahr.keras.ops"), module.__doc__)
        self.__dict__["_module"] = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        fn = getattr(self._module, name)
        if callable(fn) and not isinstance(fn, type):
            fn = accept_symbolic(fn, f"{self._module.__name__.rpartition('.')[2]}.{name}")
        self.__dict__[name] = fn
        return fn


class Group(types.ModuleType):
    """`keras.ops.linalg`, ...: some names of `keras.ops` once more."""

    def __init__(self, package: str, name: str, names: tuple[str, ...]) -> None:
        super().__init__(f"{package}.{name}", f"The functions of {package} that Keras groups under {name!r}.")
        self.__dict__["__all__"] = list(names)

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__["__all__"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        from tahr.keras import ops

        self.__dict__[name] = fn = getattr(ops, name)
        return fn

    def __dir__(self) -> list[str]:
        return list(self.__dict__["__all__"])


def accept_symbolic(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`fn`, except that a call with a KerasTensor among the arguments is recorded and gives KerasTensors."""
    query = _QUERIES.get(name)
    if query is not None:

        def answer(x: Any) -> Any:
            return query(x) if isinstance(x, KerasTensor) or name == "is_tensor" else fn(x)

        return functools.wraps(fn)(answer)
    if name in _LEFT_ALONE:
        return fn

    def op(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            if x.__class__ is KerasTensor or x.__class__ in _CONTAINERS:
                break
        else:
            if not kwargs:
                return fn(*args)
        if any_symbolic(args, kwargs):
            if name == "convert_to_tensor":
                return _convert(*args, **kwargs)
            return OpCall(name).symbolic_call(*args, **kwargs)
        return fn(*args, **kwargs)

    return functools.wraps(fn)(op)


def _convert(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    from tahr.keras import ops
    from tahr.keras.backend.dtypes import standardize_dtype

    if isinstance(x, KerasTensor):
        return x if dtype is None or standardize_dtype(dtype) == x.dtype else ops.cast(x, dtype)  # type: ignore[misc]
    return ops.stack(tree.flatten(x))  # type: ignore[misc]


_CONTAINERS = (list, tuple, dict)
