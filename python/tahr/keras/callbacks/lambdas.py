"""LambdaCallback: a callback out of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras.callbacks.callback import Callback


class LambdaCallback(Callback):
    """Calls the given functions at the hooks of the same names.

    Args:
        on_epoch_begin, on_epoch_end: functions `(epoch, logs)`.
        on_train_begin, on_train_end: functions `(logs)`.
        on_train_batch_begin, on_train_batch_end: functions `(batch, logs)`.
        **kwargs: any other hook of Callback, by name; names without "on_" become plain attributes.

    Raises:
        TypeError: a keyword begins with "on_" and names no hook.

    Example:
        >>> from tahr import keras
        >>> shout = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch))
        >>> shout.on_epoch_end(3)
        3
    """

    def __init__(
        self,
        on_epoch_begin: Callable | None = None,
        on_epoch_end: Callable | None = None,
        on_train_begin: Callable | None = None,
        on_train_end: Callable | None = None,
        on_train_batch_begin: Callable | None = None,
        on_train_batch_end: Callable | None = None,
        **kwargs: Any,
    ):
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in hooks.items():
            if name.startswith("on_") and not hasattr(Callback, name):
                raise TypeError(
                    f"[LambdaCallback] expected names of hooks such as on_epoch_end, received {name!r}. See "
                    f"keras.callbacks.Callback."
                )
            if not name.startswith("on_"):
                setattr(self, name, function)
            elif function is not None:
                setattr(self, name, _with_default_logs(function, name))


def _with_default_logs(function: Callable, hook: str) -> Callable:
    if hook.endswith(("train_begin", "train_end", "test_begin", "test_end", "predict_begin", "predict_end")):
        return lambda logs=None: function(logs)
    return lambda index, logs=None: function(index, logs)
