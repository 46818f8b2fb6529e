"""Rematerialization: results that gradients need are computed again in place of being kept.

The engine does it (`csrc/autodiff/remat.h`); here is what says where: `remat` for a function, `RematScope` for the
operations made inside of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tahr.keras.backend import state
from tahr.tape import rematerialize

_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematMode(NamedTuple):
    """What an operation remembers of the scope that it was made in."""

    mode: str | None
    output_size_threshold: int
    layer_names: Sequence[str]


class RematScope:
    """Operations and layers made inside compute their intermediate results again for gradients.

    Peak memory of training goes down by what is not kept; time goes up by a second forward pass of these layers. Results
    and gradients keep their values: random numbers are those of the first time, and nothing is written twice.

    Args:
        mode: which of them. "full": all; of a Functional or Sequential model its layers, one by one. "activations": only
            the activation functions of layers that have one. "larger_than": those whose outputs have more elements than
            `output_size_threshold`, an unknown batch size counted as 1. "list_of_layers": the layers called as
            `layer_names` say. None: none, within another scope.
        output_size_threshold: number of elements for "larger_than".
        layer_names: names for "list_of_layers".

    Raises:
        ValueError: for another mode.

    Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.

    Example:
        >>> from tahr import keras
        >>> with keras.RematScope(mode="larger_than", output_size_threshold=100):
        ...     model = keras.Sequential([keras.layers.Dense(512, activation="gelu"), keras.layers.Dense(1)])
    """

    def __init__(
        self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: Sequence[str] | None = None
    ) -> None:
        if mode not in _MODES:
            raise ValueError(f"[RematScope] expected mode to be one of {_MODES}, received {mode!r}.")
        self.mode = mode
        self.output_size_threshold = output_size_threshold
        self.layer_names = layer_names or []

    def __enter__(self) -> RematScope:
        self._former = state.get_scope("remat")
        state.set_scope("remat", self)
        return self

    def __exit__(self, *exc: Any) -> None:
        state.set_scope("remat", self._former)


def get_current_remat_mode() -> RematMode | None:
    """The settings of the innermost scope, or None outside of all."""
    scope = state.get_scope("remat")
    return None if scope is None else RematMode(scope.mode, scope.output_size_threshold, scope.layer_names)


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, of which only the inputs are kept for gradients: what lies between is computed again.

    Args:
        f: a function of tensors, or a layer.

    Returns:
        A function with the same results and gradients.

    Example:
        >>> import tahr
        >>> from tahr import keras
        >>> wave = keras.remat(lambda x: keras.ops.sin(keras.ops.exp(x)))
        >>> x = tahr.Variable(0.0)
        >>> with tahr.GradientTape() as tape:
        ...     y = wave(x)
        >>> round(float(tape.gradient(y, x)), 4)  # cos(1)
        0.5403
    """
    if not callable(f):
        raise TypeError(f"[remat] expected a function or a layer, received {type(f).__name__}.")

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return rematerialize(f, args, kwargs)

    return functools.update_wrapper(wrapped, f, updated=())
