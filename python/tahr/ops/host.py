"""Ops whose values NumPy computes on the host: `host_call` of the op table finds its functions here, by name.

What lives here: the registry, and the three functions that `host_call` runs. What may not: the functions themselves; they
are defined beside the ops that are made of them (`decompositions`, `solving`, `fourier`). To add one: `define` it with a
shape rule, a NumPy function batched over leading axes, and a derivative written with `tahr.ops`, which then runs eagerly,
in traced functions, on symbolic tensors and under tapes of any order.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tahr import _C, config
from tahr.tensor import Tensor

Spec = tuple[tuple[int | None, ...], Any]  # shape and dtype


class HostFunction(NamedTuple):
    """A function of arrays. The keyword arguments of a call go to all three."""

    infer: Callable[..., Sequence[Spec]]  # from the inputs' specs to those of the results
    run: Callable[..., Sequence[np.ndarray]]  # from arrays to arrays
    vjp: Callable[..., Sequence[Any]] | None  # (inputs, outputs, cotangents): the inputs' cotangents, None for zero
    expected: str  # of the values, for the message where NumPy gives up


_functions: dict[str, HostFunction] = {}


def define(
    name: str,
    infer: Callable[..., Sequence[Spec]],
    run: Callable[..., Sequence[np.ndarray]],
    vjp: Callable[..., Sequence[Any]] | None = None,
    expected: str = "finite values",
) -> None:
    """Adds a function."""
    _functions[name] = HostFunction(infer, run, vjp, expected)


def call(name: str, inputs: Sequence[Any], **arguments: Any) -> list[Tensor]:
    """The results of a defined function, recorded on tapes and in traces as one op.

    Args:
        name: of the function.
        inputs: tensors.
        **arguments: what JSON can hold.
    """
    return _C.ops.host_call(inputs, function=name, arguments=json.dumps(arguments, sort_keys=True))


_arguments = functools.lru_cache(maxsize=1024)(json.loads)


def infer(name: str, arguments: str, specs: list[Spec]) -> Sequence[Spec]:
    """The specs of the results."""
    return _functions[name].infer(*specs, **_arguments(arguments))


def run(name: str, arguments: str, arrays: list[np.ndarray]) -> Sequence[np.ndarray]:
    """The results, as arrays."""
    function = _functions[name]
    try:
        with np.errstate(all="ignore"):
            return function.run(*arrays, **_arguments(arguments))
    except np.linalg.LinAlgError as e:
        shapes = " and ".join(str(a.shape) for a in arrays)
        reason = str(e).rstrip(".").lower()
        raise ValueError(
            f"[{name}] expected {function.expected}, received values of shape {shapes} where that fails: {reason}. "
            "Add a multiple of the identity if they are nearly so, or see where they come from."
        ) from None


def vjp(
    name: str, arguments: str, inputs: list[Tensor], outputs: list[Tensor], cotangents: list[Tensor | None]
) -> Sequence[Any]:
    """The cotangents of the inputs."""
    function = _functions[name]
    if function.vjp is None:
        raise NotImplementedError(
            f"[{name}] has no derivative. Use tahr.stop_gradient on its input to treat its result as constant."
        )
    return function.vjp(inputs, outputs, cotangents, **_arguments(arguments))


# ---- what functions of matrices share ----


def floating(x: Any, op: str, rank: int = 2) -> Tensor:
    """`x` as a floating-point tensor of at least `rank` axes; integers become `floatx`."""
    t = _C.to_tensor(x, None, f"[{op}]")
    if len(t.shape) < rank:
        what = "a matrix, or a stack of them," if rank == 2 else f"at least {rank} axes,"
        raise ValueError(f"[{op}] expected {what} received shape {tuple(t.shape)}.")
    if t.dtype.is_floating:
        return t
    if t.dtype.is_bool:
        raise TypeError(f"[{op}] expected numbers, received dtype bool. Cast it first.")
    return _C.ops.cast(t, config.floatx())


def widened(t: Tensor) -> Tensor:
    """Halves as float32, which NumPy computes with."""
    return t if t.dtype.name in ("float32", "float64") else _C.ops.cast(t, "float32")


def together(op: str, *xs: Any) -> list[Tensor]:
    """Tensors of one floating-point dtype."""
    ts = [_C.to_tensor(x, None, f"[{op}]") for x in xs]
    dtype = ts[0].dtype.name
    for t in ts[1:]:
        dtype = _C.promote(dtype, False, t.dtype.name, False)
    if "float" not in dtype:
        dtype = config.floatx()
    return [as_dtype(t, dtype) for t in ts]


def as_dtype(t: Tensor, dtype: Any) -> Tensor:
    """`t`, cast if need be."""
    return t if t.dtype == dtype else _C.ops.cast(t, dtype)


def square(op: str, t: Tensor) -> None:
    """Raises unless the last two axes of `t` agree."""
    m, n = t.shape[-2:]
    if m is not None and n is not None and m != n:
        raise ValueError(f"[{op}] expected square matrices (two last axes of equal size), received {tuple(t.shape)}.")


def transposed(t: Tensor) -> Tensor:
    """The last two axes exchanged."""
    return _C.ops.swapaxes(t, -1, -2)


def matmul(a: Tensor, b: Tensor, ta: bool = False, tb: bool = False) -> Tensor:
    """The product of the matrices, each transposed first if so asked."""
    return _C.ops.matmul(a, b, transpose_a=ta, transpose_b=tb)


def known(cotangent: Tensor | None, like: Tensor) -> Tensor:
    """A cotangent, zeros for a symbolic zero."""
    return _C.ops.zeros_like(like) if cotangent is None else cotangent


def diagonal_matrix(v: Tensor) -> Tensor:
    """Matrices with the rows of `v` on their diagonals."""
    return _C.ops.expand_dims(v, -1) * _C.ops.eye(v.shape[-1], dtype=v.dtype)


def smaller(m: int | None, n: int | None) -> int | None:
    """The smaller of two sizes, if both are known."""
    return None if m is None or n is None else min(m, n)
