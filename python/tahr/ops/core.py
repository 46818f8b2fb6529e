"""Conversion, inspection and control flow. Eagerly, control flow is Python's own."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tahr import _C, nest
from tahr.dtypes import as_dtype
from tahr.tape import custom_gradient as custom_gradient
from tahr.tape import stop_gradient as stop_gradient
from tahr.tensor import Tensor, symbolic
from tahr.tensor import is_tensor as is_tensor

__all__ = [
    *("array", "associative_scan", "cond", "convert_to_numpy", "convert_to_tensor", "custom_gradient", "dtype"),
    *("fori_loop", "get_item", "is_tensor", "map", "ndim", "scan", "shape", "size", "stop_gradient", "switch"),
    *("vectorized_map", "while_loop"),
]


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Tensor:
    """A tensor holding `x`.

    Raises:
        TypeError: if `x` holds no numbers.
        ValueError: if a sparse or ragged tensor is asked for; there is none.

    Example:
        >>> import tahr
        >>> tahr.ops.convert_to_tensor([1, 2]).dtype
        tahr.int32
    """
    if sparse or ragged:
        raise ValueError("[convert_to_tensor] sparse and ragged tensors are not available: pass a dense one.")
    return _C.to_tensor(x, dtype, "[convert_to_tensor]")


def array(x: Any, dtype: Any = None) -> Tensor:
    """A tensor holding `x`, as `convert_to_tensor`."""
    return _C.to_tensor(x, dtype, "[array]")


def convert_to_numpy(x: Any) -> np.ndarray:
    """The values of `x` as a NumPy array of its own."""
    return x.numpy() if hasattr(x, "numpy") else np.array(x)


def shape(x: Any) -> tuple[int | None, ...]:
    """The dimensions of `x`; unknown ones of a symbolic tensor are None."""
    return tuple(x.shape) if hasattr(x, "shape") else _C.to_tensor(x, None, "[shape]").shape


def ndim(x: Any) -> int:
    """The number of dimensions of `x`."""
    return len(shape(x))


def size(x: Any) -> int | None:
    """The number of elements of `x`; None if a dimension is unknown."""
    n = 1
    for d in shape(x):
        if d is None:
            return None
        n *= d
    return n


def dtype(x: Any) -> str:
    """The name of the element type of `x`."""
    return as_dtype(x.dtype if hasattr(x, "dtype") else _C.to_tensor(x, None, "[dtype]").dtype)


def get_item(x: Any, key: Any) -> Any:
    """``x[key]``, by NumPy's rules of indexing."""
    return x[key] if hasattr(x, "__tahr_function__") else _C.to_tensor(x, None, "[get_item]")[key]


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The result of `true_fn` if `pred` is true, else of `false_fn`; only one of them runs."""
    return true_fn() if bool(pred) else false_fn()


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """The result of the branch numbered `index` (clamped to the branches there are), called with the operands."""
    return branches[builtins.max(0, builtins.min(int(index), len(branches) - 1))](*operands)


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Runs `body` on the loop variables while `cond` of them holds.

    Arguments:
        cond: from the loop variables to a boolean.
        body: from the loop variables to their next values, in the same structure.
        loop_vars: a list or tuple of structures, or a single tensor.
        maximum_iterations: a bound on the number of rounds.

    Example:
        >>> import tahr
        >>> [int(v) for v in tahr.ops.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + i), (0, 0))]
        [4, 6]
    """
    single = not isinstance(loop_vars, (tuple, list))
    values = (loop_vars,) if single else tuple(loop_vars)
    kind = tuple if single else type(loop_vars)
    values = tuple(nest.map_structure(convert_to_tensor, v) for v in values)
    rounds = 0
    while bool(cond(*values)) and (maximum_iterations is None or rounds < maximum_iterations):
        new = body(*values)
        new = tuple(new) if isinstance(new, (tuple, list)) else (new,)
        if len(new) != len(values):
            raise ValueError(f"[while_loop] expected {len(values)} values from body, received {len(new)}.")
        values = tuple(nest.map_structure(convert_to_tensor, v) for v in new)
        rounds += 1
    return values[0] if single else kind(values)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """``for i in range(lower, upper): val = body_fun(i, val)``; returns the last value."""
    val = init_val
    for i in range(int(lower), int(upper)):
        val = body_fun(_C.to_tensor(i, "int32", "[fori_loop]"), val)
    return val


def _unstacked(xs: Any, what: str) -> list[Any]:
    flat = [convert_to_tensor(x) for x in nest.flatten(xs)]
    if not flat or any(x.ndim == 0 for x in flat) or len({x.shape[0] for x in flat}) > 1:
        shapes = [x.shape for x in flat]
        raise ValueError(f"[{what}] expected tensors of equal length along their first axis, received shapes {shapes}.")
    n = flat[0].shape[0]
    return [nest.pack_sequence_as(xs, [x[i] for x in flat]) for i in range(n)]


def _stacked(ys: list[Any]) -> Any:
    return nest.map_structure(lambda *leaves: _C.ops.stack([convert_to_tensor(v) for v in leaves], axis=0), *ys)


def _stack_of_none(f: Callable[[Any], Any], xs: Any) -> Any:
    """What stacking the results of `f` gives for no slice at all: its shapes are found without values."""
    y = f(nest.map_structure(lambda x: symbolic(x.shape[1:], x.dtype), nest.map_structure(convert_to_tensor, xs)))
    return None if y is None else nest.map_structure(lambda v: _C.ops.zeros((0, *v.shape), dtype=v.dtype), y)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` applied to each slice of `xs` along its first axis; the results stacked."""
    items = _unstacked(xs, "map")
    return _stacked([f(x) for x in items]) if items else _stack_of_none(f, xs)


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """As `map`."""
    return map(function, elements)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """A loop that carries state and stacks outputs: ``carry, y = f(carry, x)`` for each slice of `xs`.

    `unroll` is a hint for compiled loops; eagerly each round runs by itself.

    Returns:
        The last carry, and the stacked outputs (None if `f` gives none).
    """
    if xs is None and length is None:
        raise ValueError("[scan] expected xs or length, received neither.")
    items = [None] * int(length or 0) if xs is None else _unstacked(xs, "scan")
    if length is not None and len(items) != length:
        raise ValueError(f"[scan] expected {length} slices as length says, received {len(items)}.")
    carry, ys = init, []
    for x in reversed(items) if reverse else items:
        carry, y = f(carry, x)
        ys.append(y)
    if reverse:
        ys.reverse()
    if not items and xs is not None:
        return carry, _stack_of_none(lambda x: f(carry, x)[1], xs)
    return carry, None if not ys or ys[0] is None else _stacked(ys)


def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The running combinations of the slices of `elems` along `axis` by an associative function."""
    moved = nest.map_structure(lambda e: _C.ops.moveaxis(convert_to_tensor(e), axis, 0), elems)
    items = _unstacked(moved, "associative_scan")
    if not items:
        return nest.map_structure(convert_to_tensor, elems)
    if reverse:
        items.reverse()
    out = [items[0]]
    for item in items[1:]:
        out.append(f(out[-1], item))
    if reverse:
        out.reverse()
    return nest.map_structure(lambda y: _C.ops.moveaxis(y, 0, axis), _stacked(out))
