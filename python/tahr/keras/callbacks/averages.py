"""SwapEMAWeights: evaluates with the moving average of the weights."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.callbacks.callback import Callback
from tahr.keras.callbacks.rates import optimizers_of


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

    def _averages(self) -> list[tuple[Any, Any]]:
        """(variable, its moving average) of the model's optimizer, or of those of its several that keep averages."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        keeping = [each for each in optimizers_of(optimizer).values() if getattr(each, "use_ema", False)]
        if not keeping:
            raise ValueError(
                "[SwapEMAWeights] expected an optimizer that keeps moving averages, received one made with "
                "use_ema=False. SwapEMAWeights must be used when `use_ema=True` is set on the optimizer."
            )
        return [pair for o in keeping for pair in zip(o._trainable_variables, o._model_variables_moving_average)]

    def _swap(self) -> None:
        for variable, average in self._averages():
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
            for variable, average in self._averages():
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
