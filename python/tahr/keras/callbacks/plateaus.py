"""Callbacks that watch a metric and act when it stops improving: EarlyStopping, ReduceLROnPlateau."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from tahr.keras.callbacks.callback import Callback
from tahr.keras.callbacks.rates import optimizers_of, rates_of
from tahr.keras.utils.progbar import print_message


class MonitorCallback(Callback):
    """What both share: the value to watch, and what counts as better."""

    def __init__(self, monitor: str, mode: str, min_delta: float):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"[{type(self).__name__}] expected mode 'auto', 'min' or 'max', received {mode!r}; using 'auto'.",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None
        self._sign: int | None = None  # +1 where more is better, -1 where less is

    def _direction(self) -> int:
        if self.mode != "auto":
            return 1 if self.mode == "max" else -1
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return -1
        for metric_name, metric in self.model.metrics_by_name().items():
            if metric_name == name and getattr(metric, "_direction", None) is not None:
                return 1 if metric._direction == "up" else -1
        raise ValueError(
            f"[{type(self).__name__}] expected mode='min' or mode='max' for monitor={self.monitor!r}, received "
            "mode='auto', and nothing says whether more or less of it is better."
        )

    @property
    def monitor_op(self) -> Callable[[Any, Any], Any] | None:
        """`keras.ops.greater` where more is better, `keras.ops.less` where less is; None while that is not known."""
        from tahr.keras import ops

        sign = self._sign
        if sign is None and self.mode != "auto":
            sign = self._direction()
        return None if sign is None else ops.greater if sign > 0 else ops.less

    def _is_improvement(self, value: float, reference: float | None) -> bool:
        if reference is None:
            return True
        if self._sign is None:
            self._sign = self._direction()
        return self._sign * (value - reference) > self.min_delta

    def _value(self, logs: dict[str, Any] | None) -> float | None:
        if self._sign is None:
            self._sign = self._direction()
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"[{type(self).__name__}] expected monitor={self.monitor!r} among the logs, which hold only "
                f"{', '.join(logs or {}) or 'nothing'}. Pass validation_data for val_ values, or correct the name.",
                stacklevel=3,
            )
        return value


class EarlyStopping(MonitorCallback):
    """Ends training after a number of epochs that brought a metric no further.

    Args:
        monitor: name of the log to watch.
        min_delta: a change of less than this is no improvement.
        patience: epochs without improvement after which training ends.
        verbose: 1 prints when it acts.
        mode: "min", "max", or "auto", which asks the metric.
        baseline: training ends unless the metric beats this value.
        restore_best_weights: whether to put back the weights of the best epoch at the end.
        start_from_epoch: epochs to wait before watching.

    Example:
        >>> from tahr import keras
        >>> keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True).patience
        3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_weights: Any = None
        self.best_epoch = 0

    def get_monitor_value(self, logs: dict[str, Any] | None) -> float | None:
        """The watched value, or None (with a warning) where the logs lack it."""
        return self._value(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self.get_monitor_value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep(epoch)
        self.wait += 1
        if self._is_improvement(value, self.best):
            self.best = value
            self._keep(epoch)
            if self.baseline is None or self._is_improvement(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print_message(f"EarlyStopping: training ends after epoch {self.stopped_epoch + 1}.")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print_message(
                    f"EarlyStopping: the model takes back its weights of epoch {self.best_epoch + 1}, the best one."
                )
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate after a number of epochs that brought a metric no further.

    Args:
        monitor: name of the log to watch.
        factor: the new learning rate is the old one times this; below 1.
        patience: epochs without improvement before it acts.
        verbose: 1 prints when it acts.
        mode: "min", "max", or "auto", which asks the metric.
        min_delta: a change of less than this is no improvement.
        cooldown: epochs to wait after acting before watching again.
        min_lr: lower bound of the learning rate.

    The epoch's logs gain "learning_rate".

    Raises:
        ValueError: `factor` is 1 or more.

    Example:
        >>> from tahr import keras
        >>> keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2).factor
        0.5
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise ValueError(f"[ReduceLROnPlateau] expected factor below 1, received factor={factor}.")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether the callback still waits after its last reduction."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        logs.update(rates_of(self.model.optimizer))
        value = self._value(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(value, self.best):
            self.best = value
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, epoch: int) -> bool:
        """Lowers the rates that are above `min_lr`; whether there was one."""
        reduced = False
        for suffix, optimizer in optimizers_of(self.model.optimizer).items():
            old = float(optimizer.learning_rate)
            if old > self.min_lr:
                optimizer.learning_rate = new = max(old * self.factor, self.min_lr)
                reduced = True
                if self.verbose > 0:
                    print_message(f"\nReduceLROnPlateau: learning rate{suffix} {new} from epoch {epoch + 2} on.")
        return reduced
