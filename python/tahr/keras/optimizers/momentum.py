"""Optimizers whose step is a shaped momentum: its sign (Lion), its nearest orthogonal matrix (Muon)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.optimizers.base import Optimizer


class Lion(Optimizer):
    """Steps of equal size for all weights: `w -= lr sign(beta_1 m + (1 - beta_1) g)`. Use small learning rates.

    Arguments:
        learning_rate: as in `Optimizer`.
        beta_1: share of the momentum in the direction of the step, in (0, 1].
        beta_2: decay of the momentum.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.
    """

    _hyperparameters = ("beta_1", "beta_2")
    _fused_op = "lion_update"
    _fused_attributes = _hyperparameters

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        if beta_1 <= 0 or beta_1 > 1:
            raise ValueError(
                f"[{self.name}] expected beta_1 to be in (0, 1], received {beta_1}: at 0 only the sign of the gradient "
                "would count."
            )
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._momentums = self.add_optimizer_variables(self._trainable_variables, "momentum")

    def _fused_slots(self) -> list[list[Any]]:
        return [self._momentums]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        m = self._momentums[self._get_variable_index(variable)]
        direction = ops.sign(ops.add(ops.multiply(m, self.beta_1), ops.multiply(gradient, 1.0 - self.beta_1)))
        self.assign_sub(variable, ops.multiply(direction, ops.cast(learning_rate, variable.dtype)))
        self.assign(m, ops.add(ops.multiply(m, self.beta_2), ops.multiply(gradient, 1.0 - self.beta_2)))


class Muon(Optimizer):
    """Momentum made orthogonal, for matrices; Adam with weight decay for everything else.

    The momentum of a matrix is replaced by (nearly) the orthogonal factor of its polar decomposition, found by
    `ns_steps` iterations `X = a X + (b A + c A A) X` with `A = X X^T`.

    Arguments:
        learning_rate: as in `Optimizer`.
        adam_beta_1, adam_beta_2: decays of Adam.
        adam_weight_decay: weight decay of the variables that Adam updates, or `None`.
        epsilon: the `epsilon` of Adam.
        weight_decay: weight decay of the matrices, or `None`.
        exclude_layers: patterns (regular expressions); variables whose path contains a match go to Adam.
        exclude_embeddings: whether variables with "embedding" in their path go to Adam.
        muon_a, muon_b, muon_c: coefficients of the iteration.
        adam_lr_ratio: learning rate of Adam as a multiple of that of the matrices.
        momentum: share of the momentum that is kept.
        ns_steps: number of iterations.
        nesterov: whether to look one step ahead.
        rms_rate: steps are scaled by `rms_rate sqrt(max(rows, columns))`; `None` for no scaling.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; Liu et al., "Muon is Scalable
    for LLM Training", 2025.
    """

    _hyperparameters = (
        "adam_beta_1",
        "adam_beta_2",
        "epsilon",
        "exclude_layers",
        "muon_a",
        "muon_b",
        "muon_c",
        "adam_lr_ratio",
        "momentum",
        "ns_steps",
        "nesterov",
        "exclude_embeddings",
        "adam_weight_decay",
        "rms_rate",
    )

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float | None = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = backend.epsilon() if epsilon is None else epsilon
        self.exclude_layers = list(exclude_layers or [])
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate

    def _should_use_adamw(self, variable: Any) -> bool:
        path = getattr(variable, "path", None) or variable.name
        if len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in path.lower()):
            return True
        return any(re.search(pattern, path) for pattern in self.exclude_layers)

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        super().build(var_list)
        self.momentums: list[Any] = []
        self.adam_velocities: list[Any] = []
        for variable in var_list:
            momentum = velocity = None
            if not getattr(variable, "overwrite_with_gradient", False):
                momentum = self.add_variable_from_reference(variable, "momentum")
                if self._should_use_adamw(variable):
                    velocity = self.add_variable_from_reference(variable, "velocity")
            self.momentums.append(momentum)
            self.adam_velocities.append(velocity)

    def _weight_decay_of(self, variable: Any) -> float | None:
        if not self._use_weight_decay(variable):
            return None
        return self.adam_weight_decay if self._should_use_adamw(variable) else self.weight_decay

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        gradient, rate = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        index = self._get_variable_index(variable)
        m, v = self.momentums[index], self.adam_velocities[index]
        if v is not None:
            self._adam_step(gradient, variable, rate * self.adam_lr_ratio, m, v)
            return
        self.assign(m, ops.add(ops.multiply(m, self.momentum), gradient))
        direction = ops.add(ops.multiply(m, self.momentum), gradient) if self.nesterov else ops.convert_to_tensor(m)
        update = self.zeropower_via_newtonschulz5(direction, self.ns_steps)
        self.assign_sub(variable, self.lr_adjust(ops.multiply(update, rate)))

    def _adam_step(self, gradient: Any, variable: Any, rate: Any, m: Any, v: Any) -> None:
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.assign_add(m, ops.multiply(ops.subtract(gradient, m), 1.0 - self.adam_beta_1))
        self.assign_add(v, ops.multiply(ops.subtract(ops.square(gradient), v), 1.0 - self.adam_beta_2))
        correction_2 = ops.sqrt(1.0 - ops.power(self.adam_beta_2, step))
        rate = rate * correction_2 / (1.0 - ops.power(self.adam_beta_1, step))
        self.assign_sub(variable, ops.divide(ops.multiply(m, rate), ops.add(ops.sqrt(v), self.epsilon)))

    def transpose_last_axis(self, X: Any) -> Any:
        """`X` with its last two axes exchanged."""
        return ops.swapaxes(X, -2, -1)

    def lr_adjust(self, x: Any) -> Any:
        """A step of matrix shape, scaled to the size of Adam's steps."""
        if self.rms_rate is None:
            return x
        return x * (math.sqrt(max(x.shape[0], x.shape[1])) * self.rms_rate)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """A matrix with the singular vectors of `x` and singular values near one."""
        if len(x.shape) < 2:
            raise ValueError(f"[{self.name}] expected a matrix, received shape {tuple(x.shape)}.")
        tall = x.shape[-2] > x.shape[-1]
        if tall:
            x = self.transpose_last_axis(x)
        norm = ops.sqrt(ops.sum(ops.square(x), axis=(-2, -1), keepdims=True))
        x = x / (norm + 1e-7)
        for _ in range(steps):
            gram = ops.matmul(x, self.transpose_last_axis(x))
            x = self.muon_a * x + ops.matmul(self.muon_b * gram + self.muon_c * ops.matmul(gram, gram), x)
        return self.transpose_last_axis(x) if tall else x
