"""Argument names of Keras 1 and 2, translated into today's.

Only the layers of this package and a few methods take them; a class of the user's own may call its arguments as it likes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_LAYER_NAMES = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "atrous_rate": "dilation_rate",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "bias": "use_bias",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "filter_length": "kernel_size",
    "init": "kernel_initializer",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
    "nb_filter": "filters",
    "output_dim": "units",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
_LAYER_VALUES: dict[str, dict[Any, Any]] = {
    "dim_ordering": {"th": "channels_first", "tf": "channels_last", "default": None},
}
# How a result is computed, not what it is: here it is always computed in the one way there is.
_WITHOUT_MEANING = {"consume_less": "recurrent_initializer", "fused": "moving_mean_initializer"}
_KERNEL_SIDES = ("nb_row", "nb_col")
_OLD = frozenset((*_LAYER_NAMES, *_WITHOUT_MEANING, *_KERNEL_SIDES))


def accept_in_layer(init: F) -> F:
    """The constructor `init` of a layer, which then also takes the arguments' older names."""
    known = inspect.signature(init).parameters

    @functools.wraps(init)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs and not _OLD.isdisjoint(kwargs):
            args, kwargs = _translated(known, args, kwargs)
        init(self, *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def _translated(known: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    result = {}
    for name, value in kwargs.items():
        new = _LAYER_NAMES.get(name)
        if name in known:
            result[name] = value
        elif new is not None and new in known and new not in kwargs:
            result[new] = _LAYER_VALUES.get(name, {}).get(value, value) if name in _LAYER_VALUES else value
        elif not (_WITHOUT_MEANING.get(name) in known or name in _KERNEL_SIDES):
            result[name] = value  # the layer says that it does not know it
    if "kernel_size" in known:
        sides = [kwargs[side] for side in _KERNEL_SIDES if side in kwargs]
        if len(args) == 3 and all(isinstance(a, int) for a in args):  # Convolution2D(filters, rows, columns, ...)
            args, sides = args[:1], list(args[1:])
        if sides:
            result["kernel_size"] = tuple(sides)
    return args, result


def renamed(**names: str) -> Callable[[F], F]:
    """A decorator for functions: old names of arguments, given by keyword, reach the function under their new names.

    Example:
        >>> from tahr.keras.old_arguments import renamed
        >>> @renamed(nb_epoch="epochs")
        ... def fit(epochs=1):
        ...     return epochs
        >>> fit(nb_epoch=5)
        5
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if kwargs and not names.keys().isdisjoint(kwargs):
                for old, new in names.items():
                    if old in kwargs:
                        kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate


def gone(**reasons: str | None) -> Callable[[F], F]:
    """A decorator for functions: arguments of older versions that there are no more. Where they say "no" (None, False,
    nothing) they are taken, otherwise the error gives the reason. A reason of None is for those that said how a result was
    computed, not what it is: they may have any value.

    Example:
        >>> from tahr.keras.old_arguments import gone
        >>> @gone(write_grads="Gradients are not written.")
        ... def board(folder):
        ...     return folder
        >>> board("logs", write_grads=False)
        'logs'
        >>> board("logs", write_grads=True)
        Traceback (most recent call last):
        TypeError: [board] expected no write_grads, received True. Gradients are not written.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            for name in reasons.keys() & kwargs.keys():
                value = kwargs.pop(name)
                empty = value is None or value is False or (hasattr(value, "__len__") and len(value) == 0)
                if reasons[name] is not None and not empty:
                    where = function.__qualname__.removesuffix(".__init__")
                    raise TypeError(f"[{where}] expected no {name}, received {value!r}. {reasons[name]}")
            return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate


def loads_ahead(function: F) -> F:
    """A decorator for `fit` and its relatives: `workers`, `use_multiprocessing` and `max_queue_size` of Keras 2, which say
    how a `PyDataset` given as `x` loads its batches; with other data there is nothing for them to say."""

    @functools.wraps(function)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs and not _LOADING.isdisjoint(kwargs):
            from tahr.keras.utils.py_dataset import PyDataset

            x = args[0] if args else kwargs.get("x")
            for name in _LOADING & kwargs.keys():
                value = kwargs.pop(name)
                if isinstance(x, PyDataset):
                    setattr(x, name, value)
        return function(self, *args, **kwargs)

    return wrapper  # type: ignore[return-value]


_LOADING = frozenset(("max_queue_size", "use_multiprocessing", "workers"))
