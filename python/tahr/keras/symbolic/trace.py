"""Learning shapes and dtypes by running a function on tensors without values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras.backend import engine
from tahr.keras.backend.dtypes import standardize_dtype
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.backend.masking import get_keras_mask, set_keras_mask
from tahr.keras.backend.scopes import StatelessScope, SymbolicScope
from tahr.keras.tree import flatten, map_structure

# Sizes that stand for an unknown dimension where a function needs numbers; whatever differs between the two runs
# depends on it.
_STAND_INS = (83, 89)


def compute_output_spec(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `fn` returns for these arguments, as KerasTensors.

    Args:
        fn: a function of tensors; assignments to variables inside have no effect.
        args: its arguments; KerasTensors among them stand for tensors.
        kwargs: its keyword arguments, likewise.

    Returns:
        The structure that `fn` returns, tensors replaced by KerasTensors.
    """
    try:
        out = _run(fn, args, kwargs, None)
    except Exception as error:
        if not any(None in x.shape for x in flatten([args, kwargs]) if isinstance(x, KerasTensor)):
            raise
        runs = []
        for size in _STAND_INS:
            runs.append(_run(fn, args, kwargs, size))
        if len(flatten(runs[0])) != len(flatten(runs[1])):
            raise error  # what it returns depends on a size that is not known
        return map_structure(_merge, *runs)
    return map_structure(_to_spec, out)


def _run(fn: Callable[..., Any], args: Any, kwargs: Any, stand_in: int | None) -> Any:
    def to_engine(x: Any) -> Any:
        if not isinstance(x, KerasTensor):
            return x
        shape = x.shape if stand_in is None else tuple(stand_in if d is None else d for d in x.shape)
        tensor = engine.symbolic_tensor(shape, x.dtype)
        mask = get_keras_mask(x)
        if mask is not None:
            set_keras_mask(tensor, to_engine(mask))
        return tensor

    with StatelessScope(), SymbolicScope():
        return fn(*map_structure(to_engine, args), **map_structure(to_engine, kwargs))


def _to_spec(x: Any) -> Any:
    if not engine.is_tensor(x):
        return x
    spec = KerasTensor(x.shape, dtype=standardize_dtype(x.dtype))
    mask = get_keras_mask(x)
    if mask is not None:
        set_keras_mask(spec, _to_spec(mask))
    return spec


def _merge(a: Any, b: Any) -> Any:
    if not engine.is_tensor(a):
        return a
    shape = tuple(m if m == n else None for m, n in zip(a.shape, b.shape))
    return KerasTensor(shape, dtype=standardize_dtype(a.dtype))
