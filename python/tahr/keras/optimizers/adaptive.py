"""Optimizers with a rate per weight from its past gradients: RMSprop, Adagrad, Adadelta, Ftrl, Adafactor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tahr import ops
from tahr.keras import backend, initializers
from tahr.keras.optimizers.base import Optimizer


def _decayed(average: Any, value: Any, rho: float) -> Any:
    return ops.add(ops.multiply(average, rho), ops.multiply(value, 1.0 - rho))


class RMSprop(Optimizer):
    """Divides the gradient by the root of a running mean of its square: `w -= lr g / sqrt(v + epsilon)`.

    Arguments:
        learning_rate: as in `Optimizer`.
        rho: decay of the running mean.
        momentum: share of the last step that is kept.
        epsilon: keeps the denominator from zero.
        centered: whether to subtract the square of the running mean of the gradient from `v`: its variance.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Hinton, "Neural Networks for Machine Learning", lecture 6, 2012.

    Example:

    >>> import tahr
    >>> from tahr.keras import optimizers
    >>> v = tahr.Variable(1.0)
    >>> optimizers.RMSprop(learning_rate=0.1).apply([tahr.ops.ones(())], [v])
    >>> round(float(v.numpy()), 4)
    0.6838
    """

    _hyperparameters = ("rho", "momentum", "epsilon", "centered")
    _fused_op = "rmsprop_update"
    _fused_attributes = _hyperparameters

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float | None = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = backend.epsilon() if epsilon is None else epsilon
        self.centered = centered

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        super().build(var_list)
        self._velocities = self.add_optimizer_variables(var_list, "velocity")
        if self.momentum > 0:
            self._momentums = self.add_optimizer_variables(var_list, "momentum")
        if self.centered:
            self._average_gradients = self.add_optimizer_variables(var_list, "average_gradient")

    def _fused_slots(self) -> list[list[Any]]:
        return [
            self._velocities,
            *([self._momentums] if self.momentum > 0 else []),
            *([self._average_gradients] if self.centered else []),
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        v = self._velocities[index]
        self.assign(v, _decayed(v, ops.square(gradient), self.rho))
        square = ops.add(v, self.epsilon)
        if self.centered:
            mean = self._average_gradients[index]
            self.assign(mean, _decayed(mean, gradient, self.rho))
            square = ops.subtract(square, ops.square(mean))
        step = ops.divide(ops.multiply(gradient, ops.cast(learning_rate, variable.dtype)), ops.sqrt(square))
        if self.momentum > 0:
            m = self._momentums[index]
            self.assign(m, ops.add(ops.multiply(m, self.momentum), step))
            step = m
        self.assign_sub(variable, step)


class Adagrad(Optimizer):
    """Divides the gradient by the root of the sum of all its squares so far.

    Arguments:
        learning_rate: as in `Optimizer`.
        initial_accumulator_value: where the sum starts, not negative.
        epsilon: keeps the denominator from zero.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011.
    """

    _hyperparameters = ("initial_accumulator_value", "epsilon")
    _fused_op = "adagrad_update"
    _fused_attributes = ("epsilon",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = backend.epsilon() if epsilon is None else epsilon

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        super().build(var_list)
        start = initializers.Constant(self.initial_accumulator_value)
        self._accumulators = self.add_optimizer_variables(var_list, "accumulator", start)

    def _fused_slots(self) -> list[list[Any]]:
        return [self._accumulators]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        total = self._accumulators[self._get_variable_index(variable)]
        self.assign_add(total, ops.square(gradient))
        step = ops.multiply(gradient, ops.cast(learning_rate, variable.dtype))
        self.assign_sub(variable, ops.divide(step, ops.sqrt(ops.add(total, self.epsilon))))


class Adadelta(Optimizer):
    """Scales each step by the ratio of the running sizes of past steps and of gradients.

    Arguments:
        learning_rate: as in `Optimizer`; 1.0 is the form of the paper.
        rho: decay of the running means.
        epsilon: keeps roots and denominators from zero.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.
    """

    _hyperparameters = ("rho", "epsilon")
    _fused_op = "adadelta_update"
    _fused_attributes = _hyperparameters

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float | None = 1e-7,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.rho = rho
        self.epsilon = backend.epsilon() if epsilon is None else epsilon

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        super().build(var_list)
        self._accumulated_grads, self._accumulated_delta_vars = self.add_optimizer_variables(
            var_list, ["accumulated_grad", "accumulated_delta_var"]
        )

    def _fused_slots(self) -> list[list[Any]]:
        return [self._accumulated_grads, self._accumulated_delta_vars]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        squares, steps = self._accumulated_grads[index], self._accumulated_delta_vars[index]
        self.assign(squares, _decayed(squares, ops.square(gradient), self.rho))
        scale = ops.divide(ops.sqrt(ops.add(steps, self.epsilon)), ops.sqrt(ops.add(squares, self.epsilon)))
        step = ops.multiply(scale, gradient)
        self.assign(steps, _decayed(steps, ops.square(step), self.rho))
        self.assign_sub(variable, ops.multiply(step, ops.cast(learning_rate, variable.dtype)))


class Ftrl(Optimizer):
    """Follow the regularized leader: with an L1 penalty it gives weights that are exactly zero.

    Arguments:
        learning_rate: as in `Optimizer`.
        learning_rate_power: exponent of the accumulated squares, not positive; 0 is a fixed learning rate.
        initial_accumulator_value: where the sum of squares starts, not negative.
        l1_regularization_strength: penalty on absolute weights, not negative.
        l2_regularization_strength: penalty on squared weights, not negative.
        l2_shrinkage_regularization_strength: weight decay that enters through the gradient, not negative.
        beta: the `beta` of the paper.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: McMahan et al., "Ad Click Prediction: a View from the Trenches", 2013.
    """

    _hyperparameters = (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )
    _fused_op = "ftrl_update"
    _fused_attributes = (
        "learning_rate_power",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        if learning_rate_power > 0.0:
            raise ValueError(
                f"[{self.name}] expected learning_rate_power to be zero or negative, received {learning_rate_power}."
            )
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for key in self._hyperparameters[1:5]:
            if getattr(self, key) < 0.0:
                raise ValueError(f"[{self.name}] expected {key} to be zero or positive, received {getattr(self, key)}.")

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        super().build(var_list)
        start = initializers.Constant(self.initial_accumulator_value)
        self._accumulators, self._linears = self.add_optimizer_variables(
            var_list, ["accumulator", "linear"], [start, "zeros"]
        )

    def _fused_slots(self) -> list[list[Any]]:
        return [self._accumulators, self._linears]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        index = self._get_variable_index(variable)
        squares, linear = self._accumulators[index], self._linears[index]
        power, l1 = -self.learning_rate_power, self.l1_regularization_strength
        l2 = self.l2_regularization_strength + self.beta / (2.0 * rate)
        shrunk = ops.add(gradient, ops.multiply(variable, 2.0 * self.l2_shrinkage_regularization_strength))
        new_squares = ops.add(squares, ops.square(gradient))
        new_scale = ops.power(new_squares, power)
        sigma = ops.divide(ops.subtract(new_scale, ops.power(squares, power)), rate)
        self.assign_add(linear, ops.subtract(shrunk, ops.multiply(variable, sigma)))
        quadratic = ops.add(ops.divide(new_scale, rate), 2.0 * l2)
        self.assign(variable, ops.divide(ops.subtract(ops.clip(linear, -l1, l1), linear), quadratic))
        self.assign(squares, new_squares)


class Adafactor(Optimizer):
    """Adam's second moment for little memory: of a matrix only the row and column means of `g^2` are kept.

    Arguments:
        learning_rate: as in `Optimizer`.
        beta_2_decay: exponent of the decay, `1 - t^beta_2_decay`.
        epsilon_1: added to squared gradients.
        epsilon_2: least size of the weights that steps are relative to.
        clip_threshold: greatest root mean square of a step before the learning rate.
        relative_step: whether the learning rate is at most `1 / sqrt(t)`. (Keras 3.15 has the bound with `False` too.)
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018.
    """

    _hyperparameters = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        super().build(var_list)
        self._r: list[Any] = []
        self._c: list[Any] = []
        self._v: list[Any] = []
        for variable in var_list:
            shape = tuple(variable.shape)
            overwritten = getattr(variable, "overwrite_with_gradient", False)
            factored = len(shape) >= 2 and not overwritten
            name = variable.name
            # Vectors and scalars are not factored; a placeholder keeps the state's order that of Keras.
            rows = shape[:-1] if factored else ()
            columns = shape[:-2] + shape[-1:] if factored else ()
            pair = [
                None if overwritten else self.add_variable(s, dtype=variable.dtype, name=name) for s in (rows, columns)
            ]
            self._r.append(pair[0])
            self._c.append(pair[1])
            self._v.append(None if overwritten else self.add_variable_from_reference(variable, "velocity"))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        gradient = ops.cast(gradient, dtype)
        rate = ops.cast(learning_rate, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        if self.relative_step:
            rate = ops.minimum(rate, ops.rsqrt(step))
        index = self._get_variable_index(variable)
        rows, columns, v = self._r[index], self._c[index], self._v[index]
        beta_2 = 1.0 - ops.power(step, self.beta_2_decay)
        square = ops.add(ops.square(gradient), self.epsilon_1)

        def decayed(average: Any, value: Any) -> Any:
            return ops.add(ops.multiply(average, beta_2), ops.multiply(value, 1.0 - beta_2))

        if len(gradient.shape) < 2:
            self.assign(v, decayed(v, square))
        else:
            self.assign(rows, decayed(rows, ops.mean(square, axis=-1)))
            self.assign(columns, decayed(columns, ops.mean(square, axis=-2)))
            share = ops.divide(rows, ops.mean(rows, axis=-1, keepdims=True))
            self.assign(v, ops.multiply(ops.expand_dims(share, -1), ops.expand_dims(columns, -2)))
        update = ops.divide(gradient, ops.sqrt(v))
        update = ops.divide(update, ops.maximum(_rms(update) / self.clip_threshold, 1.0))
        scale = ops.multiply(ops.maximum(_rms(variable), self.epsilon_2), rate)
        self.assign_sub(variable, ops.multiply(update, scale))


def _rms(x: Any) -> Any:
    return ops.sqrt(ops.mean(ops.square(x)))
