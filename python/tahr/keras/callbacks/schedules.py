"""LearningRateScheduler: a learning rate per epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.keras.callbacks.callback import Callback
from tahr.keras.callbacks.rates import optimizers_of, rates_of
from tahr.keras.utils.progbar import print_message


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch.

    Args:
        schedule: function `(epoch, learning_rate) -> float` or `(epoch) -> float`; epochs count from 0.
        verbose: 1 prints each new value.

    The epoch's logs gain "learning_rate".

    Raises:
        ValueError: the schedule returned something that is not a float.

    Example:
        >>> from tahr import keras
        >>> halve = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.5)
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _accepts_two(schedule)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for suffix, optimizer in optimizers_of(self.model.optimizer).items():
            rate = self._next_rate(optimizer, epoch)
            optimizer.learning_rate = rate
            if self.verbose > 0:
                print_message(f"\nLearningRateScheduler: learning rate{suffix} {rate} in epoch {epoch + 1}.")

    def _next_rate(self, optimizer: Any, epoch: int) -> float:
        if not hasattr(optimizer, "learning_rate"):
            raise ValueError("[LearningRateScheduler] expected an optimizer with a learning_rate.")
        rate = self.schedule(epoch, float(optimizer.learning_rate)) if self._takes_rate else self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(
                f"[LearningRateScheduler] expected the schedule to return a float, received {rate!r}. Wrap it in "
                "float()."
            )
        return float(rate)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs.update(rates_of(self.model.optimizer))


def _accepts_two(schedule: Callable[..., float]) -> bool:
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True
