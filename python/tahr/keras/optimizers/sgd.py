"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tahr import ops
from tahr.keras.optimizers.base import Optimizer


class SGD(Optimizer):
    """Gradient descent: `w -= lr g`; with momentum `m = momentum m - lr g` and `w += m`.

    Arguments:
        learning_rate: as in `Optimizer`.
        momentum: share of the last step that is kept, in [0, 1].
        nesterov: whether to look ahead: `w += momentum m - lr g`.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

    Example:

    >>> import tahr
    >>> from tahr.keras import optimizers
    >>> v = tahr.Variable(1.0)
    >>> optimizers.SGD(learning_rate=0.5).apply([tahr.ops.ones(())], [v])
    >>> float(v.numpy())
    0.5
    """

    _hyperparameters = ("momentum", "nesterov")
    _fused_op = "sgd_update"
    _fused_attributes = _hyperparameters

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        if isinstance(momentum, bool) or not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise ValueError(f"[{self.name}] `momentum` must be a float between [0, 1]. Received: {momentum!r}.")
        self.momentum = float(momentum)
        self.nesterov = nesterov
        self.momentums: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        if self.momentum:
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def _fused_slots(self) -> list[list[Any]]:
        return [self.momentums] if self.momentum else []

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        step = ops.multiply(ops.cast(gradient, variable.dtype), ops.cast(learning_rate, variable.dtype))
        if not self.momentum:
            self.assign_sub(variable, step)
            return
        m = self.momentums[self._get_variable_index(variable)]
        self.assign(m, ops.subtract(ops.multiply(m, self.momentum), step))
        self.assign_add(variable, ops.subtract(ops.multiply(m, self.momentum), step) if self.nesterov else m)
