"""History: what `fit` returns."""

from __future__ import annotations

from typing import Any

from tahr.keras.callbacks.callback import Callback


class _Logs(dict):
    """Logs by name; "acc" and "val_acc", as metrics were called once, find "accuracy" and "val_accuracy"."""

    def __missing__(self, name: str) -> Any:
        today = {"acc": "accuracy", "val_acc": "val_accuracy"}.get(name)
        if today in self:
            return self[today]
        raise KeyError(name)


class History(Callback):
    """Records the logs of every epoch. `fit` adds one itself and returns it.

    Attributes:
        epoch: epoch numbers from 0.
        history: dict from log name to the list of its values, one per epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = _Logs()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if self.model is not None:
            self.model.history = self
