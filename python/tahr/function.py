"""`tahr.function`: Python functions that are traced once per kind of argument and then run as graphs."""

from __future__ import annotations

import functools
import inspect
import threading
import types
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tahr import _C, nest
from tahr.config import functions_run_eagerly
from tahr.dtypes import as_dtype
from tahr.tracing import Traced, trace
from tahr.variable import SlicedTensor

__all__ = ["Function", "TensorSpec", "function"]

_MOST_TRACES = 64  # kept per function; the least recently used goes first
_WARN_AT = 16


class TensorSpec:
    """Shape and dtype of an argument of a traced function; None stands for a dimension that may vary.

    Example:
        >>> import tahr
        >>> tahr.TensorSpec((None, 3), "float32").shape
        (None, 3)
    """

    def __init__(self, shape: Any, dtype: Any = "float32", name: str | None = None) -> None:
        self.shape = tuple(None if d is None else int(d) for d in shape)
        self.dtype = as_dtype(dtype)
        self.name = name

    def fits(self, shape: Sequence[int], dtype: Any) -> bool:
        """Whether a tensor of this shape and dtype is one of those described."""
        return (
            dtype == self.dtype
            and len(shape) == len(self.shape)
            and all(w is None or w == d for w, d in zip(self.shape, shape))
        )

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype}, name={self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, str(self.dtype)))


class _ById:
    """An argument that is told apart by identity; the trace that it belongs to goes when it does."""

    __slots__ = ("_hash", "_ref", "_strong")

    def __init__(self, value: Any, gone: Callable[[Any], None]) -> None:
        self._hash = id(value)
        self._strong: Any = None
        try:
            self._ref: Any = weakref.ref(value, gone)
        except TypeError:
            self._ref, self._strong = None, value

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _ById) or self._hash != other._hash:
            return False
        mine = self._ref() if self._ref is not None else self._strong
        return mine is not None and mine is (other._ref() if other._ref is not None else other._strong)


class Function:
    """A Python function run as a graph. Made by `tahr.function`.

    Tensors, arrays and lists of them are the graph's inputs: one trace per shape and dtype. Everything else (numbers,
    strings, None, variables, models) is fixed in the trace: one trace per value.
    """

    def __init__(
        self, python_function: Callable[..., Any], input_signature: Sequence[Any] | None = None, name: str | None = None
    ) -> None:
        self._function = python_function
        self.input_signature = None if input_signature is None else tuple(input_signature)
        self._name = name or getattr(python_function, "__name__", type(python_function).__name__)
        self._traces: OrderedDict[Any, Traced] = OrderedDict()
        self._count = 0
        self._stale = False  # whether traces of objects that are gone wait to be dropped
        self._lock = threading.RLock()
        self._bound: dict[int, tuple[Any, Function]] = {}
        functools.update_wrapper(self, python_function, updated=())

    # ---------------------------------------------------------------- methods

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: each instance has traces of its own, which go with it."""
        if instance is None:
            return self
        found = self._bound.get(id(instance))
        if found is not None and found[0]() is instance:
            return found[1]
        key = id(instance)
        try:
            reference = weakref.ref(instance, lambda _: self._bound.pop(key, None))
        except TypeError:  # an instance that cannot tell when it goes is an argument like others
            return types.MethodType(self, instance)
        method = self._function

        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            return types.MethodType(method, reference())(*args, **kwargs)

        bound = Function(call, self.input_signature, self._name)
        self._bound[key] = (reference, bound)
        return bound

    # ---------------------------------------------------------------- calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _C.tracing() or functions_run_eagerly():
            return self._function(*args, **kwargs)
        if self.input_signature is not None:
            args, kwargs = self._by_signature(args, kwargs)
        traced, tensors = self._find(args, kwargs)
        if traced is None:
            return self._function(*args, **kwargs)
        return traced(tensors)

    def _by_signature(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """The arguments in the order of the parameters, numbers and lists among them as the tensors they stand for."""
        if kwargs:
            bound = inspect.signature(self._function).bind(*args, **kwargs)
            args, kwargs = bound.args, bound.kwargs
        what = f"[function] an argument of '{self._name}'"

        def convert(spec: Any, value: Any) -> Any:
            plain = isinstance(spec, TensorSpec) and not isinstance(value, (_C.Tensor, np.ndarray, TensorSpec))
            return _C.to_tensor(value, spec.dtype, what) if plain else value

        signature: tuple = self.input_signature or ()
        converted = [convert(spec, value) for spec, value in zip(signature, args)]
        return (*converted, *args[len(converted) :]), kwargs

    @property
    def python_function(self) -> Callable[..., Any]:
        """The function as it was written."""
        return self._function

    def experimental_get_tracing_count(self) -> int:
        """How often the Python function was run to trace it."""
        return self._count

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> Traced:
        """The trace for these arguments; a `TensorSpec` of known shape may stand for a tensor.

        Example:
            >>> import tahr
            >>> f = tahr.function(lambda x: x * 2.0)
            >>> print(f.get_concrete_function(tahr.TensorSpec((2,))).graph.traced_text().splitlines()[0])
            inputs: %0: float32(2,)
        """
        if self.input_signature is not None:
            args, kwargs = self._by_signature(args or self.input_signature, kwargs)
        traced, _ = self._find(args, kwargs)
        if traced is None:
            raise ValueError(f"[function] '{self._name}' cannot be traced for symbolic arguments.")
        return traced

    def _find(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Traced | None, list[Any]]:
        structure: Any = args if not kwargs else (args, kwargs)
        tensors: list[Any] = []
        key: list[Any] = []
        for leaf in nest.flatten(structure):
            if leaf.__class__ is _C.Tensor:
                if leaf.is_symbolic:
                    return None, []
                tensors.append(leaf)
                key.append((leaf.shape, leaf.dtype))
            elif isinstance(leaf, (np.ndarray, np.generic, SlicedTensor)):
                tensor = _C.to_tensor(leaf, None, f"[function] an argument of '{self._name}'")
                tensors.append(tensor)
                key.append((tensor.shape, tensor.dtype))
            elif isinstance(leaf, TensorSpec):
                tensors.append(leaf)
                key.append((leaf.shape, leaf.dtype))
            elif isinstance(leaf, float):
                key.append((leaf.__class__, repr(leaf)))  # tells -0.0 from 0.0, and NaN is like NaN
            elif leaf is None or isinstance(leaf, (bool, int, str, bytes)):
                key.append((leaf.__class__, leaf))
            elif hasattr(leaf, "__tahr_function__"):
                return None, []
            else:
                key.append(_ById(leaf, self._forget_gone))
        full = (_form(structure), tuple(key))
        traced = self._traces.get(full)
        if traced is None:
            self._check_signature(tensors, len(key))
            traced = self._trace(full, structure, bool(kwargs), tensors)
        elif len(self._traces) > _WARN_AT:
            self._traces.move_to_end(full)
        return traced, tensors

    def _check_signature(self, tensors: list[Any], count: int) -> None:
        if self.input_signature is None:
            return
        wanted = nest.flatten(self.input_signature)
        if len(wanted) != count or len(tensors) != count:
            raise ValueError(
                f"[function] expected the {len(wanted)} tensors of input_signature in a call of '{self._name}', "
                f"received {count} argument(s), {len(tensors)} of them tensors."
            )
        for i, (spec, t) in enumerate(zip(wanted, tensors)):
            if not spec.fits(t.shape, t.dtype):
                raise ValueError(
                    f"[function] expected argument {i} of '{self._name}' to fit {spec}, received {t.dtype} of shape "
                    f"{tuple(t.shape)}."
                )

    def _trace(self, key: Any, structure: Any, has_kwargs: bool, tensors: list[Any]) -> Traced:
        with self._lock:
            found = self._traces.get(key)
            if found is not None:
                return found
            shapes = [t.shape for t in tensors]
            if any(d is None for shape in shapes for d in shape):
                raise ValueError(f"[function] expected known shapes to trace '{self._name}', received {shapes}.")
            leaves = nest.flatten(structure)

            def run(*symbols: Any) -> Any:
                given = iter(symbols)
                filled = [next(given) if _is_input(leaf) else leaf for leaf in leaves]
                packed = nest.pack_sequence_as(structure, filled)
                args, kwargs = packed if has_kwargs else (packed, {})
                return self._function(*args, **kwargs)

            traced = trace(run, [(t.shape, t.dtype) for t in tensors], may_create_variables=self._count == 0)
            self._count += 1
            if self._stale:
                self._forget_gone(None)
            self._traces[key] = traced
            while len(self._traces) > _MOST_TRACES:
                self._traces.popitem(last=False)
            if self._count == _WARN_AT:
                warnings.warn(
                    f"[function] '{self._name}' was traced {_WARN_AT} times. Each new shape, dtype or Python value of an "
                    "argument costs a trace: pass changing numbers as tensors, and pad to few shapes.",
                    stacklevel=5,
                )
            return traced

    def _forget_gone(self, _: Any) -> None:
        # Called wherever the collector strikes: waiting there for a trace on another thread could wait forever.
        if not self._lock.acquire(blocking=False):
            self._stale = True
            return
        try:
            self._stale = False
            alive = [(k, t) for k, t in self._traces.items() if all(not isinstance(p, _ById) or p == p for p in k[1])]
            self._traces = OrderedDict(alive)
        finally:
            self._lock.release()

    def __reduce__(self) -> Any:  # copies and pickles make traces of their own
        return Function, (self._function, self.input_signature, self._name)

    def __repr__(self) -> str:
        return f"<tahr.function {self._name}, {len(self._traces)} trace(s)>"


def _is_input(leaf: Any) -> bool:
    return leaf.__class__ is _C.Tensor or isinstance(leaf, (np.ndarray, np.generic, SlicedTensor, TensorSpec))


def _form(structure: Any) -> Any:
    """What distinguishes structures beside their leaves, hashable."""
    if isinstance(structure, Mapping):  # in the order of its keys, which the function may see
        return (structure.__class__, tuple([(k, _form(v)) for k, v in structure.items()]))
    if isinstance(structure, (list, tuple)):
        return (structure.__class__, tuple([_form(s) for s in structure]))
    return None


def function(
    func: Callable[..., Any] | None = None,
    input_signature: Sequence[Any] | None = None,
    autograph: bool = False,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
) -> Any:
    """Makes a Python function of tensors run as a graph: traced at the first call, then without Python.

    The Python code runs once per kind of arguments: printing and appending to lists happen then and not again.
    Variables are read and assigned at every call. Gradients flow through calls, and may be taken inside.

    Args:
        func: the function; None to use this as a decorator with arguments.
        input_signature: `TensorSpec`s that every call must fit.
        autograph: must be False: Python's `if` and `while` are not rewritten; use `tahr.cond` and `tahr.while_loop`.
        jit_compile: None, or a bool as in TensorFlow: graphs run on tahr's own kernels either way.
        reduce_retracing: must be False: shapes are always known in a trace.

    Raises:
        ValueError: for an unsupported option; at a call, for arguments that do not fit `input_signature`, and for
            variables that are created anew in later traces.

    Example:
        >>> import tahr
        >>> @tahr.function
        ... def square(x):
        ...     print("tracing")
        ...     return x * x
        >>> float(square(tahr.constant(3.0)))
        tracing
        9.0
        >>> float(square(tahr.constant(4.0)))
        16.0
    """
    if autograph:
        raise ValueError(
            "[function] expected autograph=False, received True: Python control flow is not rewritten. Use tahr.cond, "
            "tahr.while_loop, tahr.ops.scan."
        )
    if reduce_retracing:
        raise ValueError("[function] expected reduce_retracing=False: each shape has a trace of its own.")
    if func is None:
        return lambda f: function(f, input_signature, autograph, jit_compile, reduce_retracing)
    return Function(func, input_signature)
