"""ProgbarLogger: the progress that `fit`, `evaluate` and `predict` print."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras.callbacks.callback import Callback
from tahr.keras.utils.progbar import Progbar, print_message, stdout_is_dynamic


class ProgbarLogger(Callback):
    """Prints progress and metrics: a bar on a terminal, a line per epoch elsewhere. Part of `fit` unless verbose=0."""

    def __init__(self) -> None:
        super().__init__()
        self._progbar: Progbar | None = None
        self._target: int | None = None
        self._verbose = 1
        self._epochs: int | None = 1
        self._seen = 0
        self._in_fit = False

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        verbose = params.get("verbose", 1)
        self._verbose = 1 if verbose == "auto" else int(verbose)
        self._epochs = params.get("epochs", 1)
        self._target = params.get("steps")

    def _start(self) -> None:
        self._seen = 0
        self._progbar = Progbar(self._target, verbose=self._verbose, stateless_metrics=())

    def after_batch(self, phase: str, batch: int, get_logs: Callable[[], dict[str, Any]]) -> None:
        """Counts a batch, and draws if enough time has passed. Validation inside `fit` is silent."""
        if self._progbar is None or (phase == "test" and self._in_fit):
            return
        self._seen = batch + 1
        if self._seen == 1:
            self._progbar.mark_first_step()
        if self._progbar.due():
            values = get_logs().items() if phase != "predict" else ()
            self._progbar.update(self._seen, values, finalize=False)

    def _finish(self, logs: dict[str, Any] | None) -> None:
        if self._progbar is None:
            return
        if self._target is None:
            self._target = self._progbar.target = self._seen
        self._progbar.update(self._seen, (logs or {}).items(), finalize=True)
        self._progbar = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._in_fit = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start()
        if self._verbose and (self._epochs or 0) > 1:
            # One line per epoch where the bar does not move.
            plain = self._verbose == 1 and not stdout_is_dynamic()
            print_message(f"Epoch {epoch + 1}/{self._epochs}", end=" - " if plain else "\n")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._finish(logs)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._in_fit:
            self._start()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._in_fit:
            self._finish(logs)

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._start()

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._finish(None)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.after_batch("train", batch, lambda: logs or {})

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.after_batch("test", batch, lambda: logs or {})

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.after_batch("predict", batch, dict)
