"""Learning-rate schedules: the learning rate as a function of the number of steps taken.

A new one subclasses `LearningRateSchedule`, computes with `tahr.ops` (so that it can be traced) and joins `_OBJECTS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.identifiers import Identifiers
from tahr.keras.saving import serialize_keras_object


class LearningRateSchedule:
    """Base class of schedules: callables from the step count to the learning rate.

    Example:

    >>> from tahr.keras import optimizers
    >>> class Halving(optimizers.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5**step
    ...     def get_config(self):
    ...         return {}
    >>> Halving()(2)
    0.25
    """

    def __call__(self, step: Any) -> Any:
        raise NotImplementedError(
            f"[schedule] expected {type(self).__name__} to implement `__call__(step)`, found none."
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain Python values."""
        raise NotImplementedError(f"[schedule] expected {type(self).__name__} to implement `get_config()`, found none.")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Rebuilds the schedule from `get_config()`'s result."""
        return cls(**config)


def _as_float(step: Any) -> Any:
    """The step count in the default float dtype."""
    return ops.cast(step, backend.floatx())


def _check_positive(schedule: Any, **values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"[{type(schedule).__name__}] expected `{name}` to be positive, received {value}.")


class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate^(step / decay_steps)`.

    Arguments:
        initial_learning_rate: the learning rate at step 0.
        decay_steps: number of steps per factor of `decay_rate`, positive.
        decay_rate: the factor.
        staircase: whether the exponent is rounded down, so that the rate falls in jumps.
        name: a name.

    Example:

    >>> from tahr.keras import optimizers
    >>> float(optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)(20))
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ):
        _check_positive(self, decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        exponent = _as_float(step) / self.decay_steps
        if self.staircase:
            exponent = ops.floor(exponent)
        return self.initial_learning_rate * ops.power(self.decay_rate, exponent)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[0]` up to step `boundaries[0]`, then `values[1]` up to `boundaries[1]`, and so on.

    Arguments:
        boundaries: increasing step counts; each still belongs to the piece before it.
        values: one more learning rates than boundaries.
        name: a name.

    Example:

    >>> from tahr.keras import optimizers
    >>> schedule = optimizers.schedules.PiecewiseConstantDecay([10], [1.0, 0.5])
    >>> float(schedule(10)), float(schedule(11))
    (1.0, 0.5)
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float], name: str = "PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"[PiecewiseConstantDecay] expected one more values than boundaries, received {len(boundaries)} "
                f"boundaries and {len(values)} values."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> Any:
        step = ops.convert_to_tensor(step)
        rate = ops.convert_to_tensor(self.values[-1], dtype=backend.floatx())
        for boundary, value in reversed(list(zip(self.boundaries, self.values))):
            rate = ops.where(step <= boundary, ops.full((), value, dtype=backend.floatx()), rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(LearningRateSchedule):
    """`(initial - end) (1 - step / decay_steps)^power + end`.

    Arguments:
        initial_learning_rate: the learning rate at step 0.
        decay_steps: the step at which the end is reached, positive.
        end_learning_rate: the learning rate from then on.
        power: the exponent; 1 is a straight line.
        cycle: whether to start again, over twice, three times... as many steps, in place of staying at the end.
        name: a name.

    Example:

    >>> from tahr.keras import optimizers
    >>> float(optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)(5))
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ):
        _check_positive(self, decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Any:
        progress = _as_float(step) / self.decay_steps
        if self.cycle:
            progress = progress / ops.maximum(ops.ceil(progress), 1.0)
        else:
            progress = ops.minimum(progress, 1.0)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * ops.power(1.0 - progress, self.power) + self.end_learning_rate

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class InverseTimeDecay(LearningRateSchedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Arguments:
        initial_learning_rate: the learning rate at step 0.
        decay_steps: how often the decay is counted, positive.
        decay_rate: the decay per `decay_steps`.
        staircase: whether the quotient is rounded down, so that the rate falls in jumps.
        name: a name.

    Example:

    >>> from tahr.keras import optimizers
    >>> float(optimizers.schedules.InverseTimeDecay(1.0, 10, 1.0)(10))
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ):
        _check_positive(self, decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        progress = _as_float(step) / self.decay_steps
        if self.staircase:
            progress = ops.floor(progress)
        return self.initial_learning_rate / (1.0 + self.decay_rate * progress)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial learning rate to `alpha` times it, after an optional linear warm-up.

    Arguments:
        initial_learning_rate: the learning rate at step 0.
        decay_steps: length of the decay, positive.
        alpha: the least learning rate, as a share of the one at which the decay starts.
        name: a name.
        warmup_target: the learning rate that the warm-up rises to; `None` for no warm-up.
        warmup_steps: length of the warm-up.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    Example:

    >>> from tahr.keras import optimizers
    >>> round(float(optimizers.schedules.CosineDecay(1.0, 10)(5)), 4)
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ):
        _check_positive(self, decay_steps=decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def _decayed(self, step: Any, start: float) -> Any:
        progress = ops.clip(step / self.decay_steps, 0.0, 1.0)
        share = 0.5 * (1.0 + ops.cos(math.pi * progress))
        return start * ((1.0 - self.alpha) * share + self.alpha)

    def __call__(self, step: Any) -> Any:
        step = _as_float(step)
        if self.warmup_target is None:
            return self._decayed(step, self.initial_learning_rate)
        decayed = self._decayed(step - self.warmup_steps, self.warmup_target)
        if not self.warmup_steps:
            return decayed
        rise = (self.warmup_target - self.initial_learning_rate) / self.warmup_steps
        return ops.where(step < self.warmup_steps, self.initial_learning_rate + rise * step, decayed)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after another, each `t_mul` times as long and starting `m_mul` times as high as the last.

    Arguments:
        initial_learning_rate: the learning rate at step 0.
        first_decay_steps: length of the first decay, positive.
        t_mul: factor on the length at each restart.
        m_mul: factor on the initial learning rate at each restart.
        alpha: the least learning rate, as a share of the initial one.
        name: a name.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    Example:

    >>> from tahr.keras import optimizers
    >>> round(float(optimizers.schedules.CosineDecayRestarts(1.0, 10)(20)), 4)
    0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ):
        _check_positive(self, first_decay_steps=first_decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self._t_mul = t_mul
        self._m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> Any:
        progress = _as_float(step) / self.first_decay_steps
        if self._t_mul == 1.0:
            restarts = ops.floor(progress)
            progress = progress - restarts
        else:
            # After i restarts, (t^i - 1) / (t - 1) lengths of the first decay have passed.
            ratio = self._t_mul
            restarts = ops.floor(ops.log(1.0 + progress * (ratio - 1.0)) / math.log(ratio))
            length = ops.power(ratio, restarts)
            progress = (progress - (length - 1.0) / (ratio - 1.0)) / length
        height = ops.power(self._m_mul, restarts)
        share = 0.5 * height * (1.0 + ops.cos(math.pi * progress))
        return self.initial_learning_rate * ((1.0 - self.alpha) * share + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self._t_mul,
            "m_mul": self._m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


_OBJECTS = (
    LearningRateSchedule,
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
_identifiers = Identifiers("learning-rate schedule", _OBJECTS, snake_case=False)


def serialize(learning_rate_schedule: Any) -> Any:
    """A plain-Python config of a schedule, for `deserialize`."""
    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The schedule that `serialize` described."""
    return _identifiers.deserialize(config, custom_objects)


__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]
