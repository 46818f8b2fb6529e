"""SwapEMAWeights: evaluates with the moving average of the weights."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.callbacks.callback import Callback


class SwapEMAWeights(Callback):
    """Exchanges the weights with their moving averages before `evaluate` and `predict`, and back afterwards.

    The optimizer keeps the averages where it was made with `use_ema=True`.

    Args:
        swap_on_epoch: exchange at the end of each epoch too, until the next begins, so that callbacks behind this one
            see
            the averages; at the end of training the averages stay in the model.

    Raises:
        ValueError: the optimizer keeps no averages.

    Example:
        >>> from tahr import keras
        >>> keras.callbacks.SwapEMAWeights(swap_on_epoch=True).swap_on_epoch
        True
    """

    def __init__(self, swap_on_epoch: bool = False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _swap(self) -> None:
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if not getattr(optimizer, "use_ema", False):
            raise ValueError(
                "[SwapEMAWeights] expected an optimizer that keeps moving averages, received one made with "
                "use_ema=False. Pass use_ema=True."
            )
        for variable, average in zip(optimizer._trainable_variables, optimizer._model_variables_moving_average):
            current = ops.convert_to_tensor(variable)
            variable.assign(ops.convert_to_tensor(average))
            average.assign(current)
        self._swapped = not self._swapped

    def _want(self, swapped: bool) -> None:
        if self._swapped != swapped:
            self._swap()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._want(False)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.swap_on_epoch:
            return
        self._want(True)
        if epoch == self.params["epochs"] - 1:  # there will be no next epoch to swap back in
            optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
            for variable, average in zip(optimizer._trainable_variables, optimizer._model_variables_moving_average):
                average.assign(ops.convert_to_tensor(variable))
            self._swapped = False  # `fit` is about to make the averages the weights

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._want(True)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._want(False)

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._want(True)

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._want(False)
