"""Callback, the base class of everything that watches or steers training, and the list that calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class Callback:
    """Base class of callbacks: override the hooks you need.

    Attributes:
        model: the model being trained.
        params: dict with "verbose", "epochs" and "steps" (None where unknown).

    `logs` holds metric results as Python floats: at the end of a batch the running values of the epoch, at the end of
    an epoch its values and, with the prefix "val_", those of the validation data. Setting `self.model.stop_training =
    True` ends `fit` after the current batch.

    Batch hooks that no callback overrides cost nothing: `fit` calls none of them then. A class that has such hooks but
    does not need them this time says so by `follows_batches = False`.

    Example:
        >>> from tahr import keras
        >>> class Names(keras.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(epoch, sorted(logs))
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model that the callback serves."""
        return getattr(self, "_model", None)

    def set_params(self, params: dict[str, Any]) -> None:
        """Receives "verbose", "epochs" and "steps" before training."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receives the model before training."""
        self._model = model

    def wants_logs(self, batch: int) -> bool:
        """Whether `on_train_batch_end` and its relatives are to get the logs of batch number `batch`: reading them off the
        metrics takes longer than a small step. Where no callback wants them, all get an empty dict."""
        return True

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Alias of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Alias of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Before each training epoch (counted from 0)."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """After each training epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before each training batch (counted from 0 in each epoch)."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After each training batch."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before each batch of `evaluate` and of the validation in `fit`."""

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After each batch of `evaluate` and of the validation in `fit`."""

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before each batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After each batch of `predict`; `logs["outputs"]` holds its predictions."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """At the start of `fit`."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """At the end of `fit`; `logs` are those of the last epoch."""

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """At the start of `evaluate` or of the validation in `fit`."""

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """At the end of `evaluate` or of the validation in `fit`."""

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """At the start of `predict`."""

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """At the end of `predict`."""


def _overrides(callback: Any, hook: str) -> bool:
    own = getattr(callback, hook, None)
    if own is None or not getattr(callback, "follows_batches", True):
        return False
    return getattr(own, "__func__", own) is not getattr(Callback, hook)


def _wants_logs(callback: Any, batch: int) -> bool:
    ask = getattr(callback, "wants_logs", None)  # which objects made elsewhere may lack
    return ask is None or ask(batch)


class CallbackList(Callback):
    """Calls each of its callbacks in turn, and knows which batch hooks anybody listens to.

    Args:
        callbacks: callbacks, or None.
        add_history: whether to append a History unless there is one.
        add_progbar: whether to append a ProgbarLogger unless there is one.
        model: the model they serve.
        **params: what `set_params` hands on: verbose, epochs, steps.
    """

    def __init__(
        self,
        callbacks: Iterable[Any] | None = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ):
        from tahr.keras.callbacks.history import History
        from tahr.keras.callbacks.progbar_logger import ProgbarLogger

        super().__init__()
        self.callbacks: list[Any] = list(_flat(callbacks))
        for callback in self.callbacks:
            if isinstance(callback, type):
                raise TypeError(
                    f"[callbacks] expected callback objects, received the class {callback.__name__}. "
                    f"Make one: {callback.__name__}(...)."
                )
            if not hasattr(callback, "set_model"):
                raise TypeError(
                    f"[callbacks] expected objects derived from keras.callbacks.Callback, received {callback!r}. "
                    "Wrap a function in keras.callbacks.LambdaCallback."
                )
        self._history = next((c for c in self.callbacks if isinstance(c, History)), None)
        self._progbar = next((c for c in self.callbacks if isinstance(c, ProgbarLogger)), None)
        if self._progbar is None and add_progbar:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        if self._history is None and add_history:
            self._history = History()
            self.callbacks.append(self._history)
        # Listeners to single batches, the progress bar apart: it is asked when it wants to draw.
        self._listeners = {
            phase: [c for c in self.callbacks if c is not self._progbar and any(_overrides(c, hook) for hook in hooks)]
            for phase, hooks in _BATCH_HOOKS.items()
        }
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def append(self, callback: Any) -> None:
        """Adds a callback at the end."""
        self.callbacks.append(callback)
        for phase, hooks in _BATCH_HOOKS.items():
            if any(_overrides(callback, hook) for hook in hooks):
                self._listeners[phase].append(callback)

    @property
    def history(self) -> Any:
        """The History among the callbacks, or None."""
        return self._history

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    # What the loops of Trainer call per batch: `get_logs` runs only when somebody wants to see the values.
    def listens(self, phase: str) -> bool:
        """True where a callback other than the progress bar follows single batches of "train", "test" or "predict"."""
        return bool(self._listeners[phase])

    def batch_begin(self, phase: str, batch: int) -> None:
        """Announces batch number `batch` of "train", "test" or "predict"."""
        for callback in self._listeners[phase]:
            getattr(callback, f"on_{phase}_batch_begin")(batch, {})

    def batch_end(self, phase: str, batch: int, get_logs: Callable[[], dict[str, Any]]) -> None:
        """Reports the end of batch number `batch`."""
        listeners, progbar = self._listeners[phase], self._progbar
        if listeners:
            logs = get_logs() if any(_wants_logs(c, batch) for c in listeners) else {}
            for callback in listeners:
                getattr(callback, f"on_{phase}_batch_end")(batch, logs)
        if progbar is not None:
            progbar.after_batch(phase, batch, get_logs)

    def _call(self, hook: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_batch_begin", batch, logs or {})

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_batch_end", batch, logs or {})

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_epoch_begin", epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_epoch_end", epoch, logs or {})

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_train_batch_begin", batch, logs or {})

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_train_batch_end", batch, logs or {})

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_test_batch_begin", batch, logs or {})

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_test_batch_end", batch, logs or {})

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_predict_batch_begin", batch, logs or {})

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._call("on_predict_batch_end", batch, logs or {})

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._call("on_train_begin", logs or {})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._call("on_train_end", logs or {})

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._call("on_test_begin", logs or {})

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._call("on_test_end", logs or {})

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._call("on_predict_begin", logs or {})

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._call("on_predict_end", logs or {})


def _flat(callbacks: Any) -> Iterable[Any]:
    if callbacks is None:
        return
    if isinstance(callbacks, (list, tuple)):
        for entry in callbacks:
            yield from _flat(entry)
    else:
        yield callbacks
