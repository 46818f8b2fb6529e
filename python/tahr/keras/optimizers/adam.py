"""Adam and its relatives: steps scaled by running moments of the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tahr import ops
from tahr.keras import backend
from tahr.keras.optimizers.base import Optimizer


def _epsilon(value: float | None) -> float:
    """Older versions of Keras wrote `epsilon=None` for the default."""
    return backend.epsilon() if value is None else value


class _TwoMoments(Optimizer):
    """Optimizers with running means `m` of the gradient and `v` of its square."""

    beta_1: float
    beta_2: float

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])

    def _update_moments(self, gradient: Any, variable: Any) -> tuple[Any, Any]:
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, ops.multiply(ops.subtract(gradient, m), 1.0 - self.beta_1))
        self.assign_add(v, ops.multiply(ops.subtract(ops.square(gradient), v), 1.0 - self.beta_2))
        return m, v

    def _bias_corrections(self, dtype: Any) -> tuple[Any, Any]:
        """`1 - beta^t` for both means: what is missing because they start at zero."""
        step = ops.cast(self.iterations + 1, dtype)
        return 1.0 - ops.power(self.beta_1, step), 1.0 - ops.power(self.beta_2, step)


class Adam(_TwoMoments):
    """Adam: `w -= lr m' / (sqrt(v') + epsilon)`, with bias-corrected running means of the gradient and its square.

    As in the paper's section 2, the corrections are folded into the rate: `lr sqrt(1 - beta_2^t) / (1 - beta_1^t)`.

    Arguments:
        learning_rate: as in `Optimizer`.
        beta_1: decay of the running mean of the gradient.
        beta_2: decay of the running mean of its square.
        epsilon: keeps the denominator from zero.
        amsgrad: whether to divide by the largest `v` seen so far.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015; Reddi et al., "On the Convergence of Adam
    and Beyond", 2018.

    Example:

    >>> import tahr
    >>> from tahr.keras import optimizers
    >>> v = tahr.Variable(1.0)
    >>> optimizers.Adam(learning_rate=0.5).apply([tahr.ops.ones(())], [v])
    >>> round(float(v.numpy()), 4)
    0.5
    """

    _hyperparameters = ("beta_1", "beta_2", "epsilon", "amsgrad")
    _fused_op = "adam_update"
    _fused_attributes = _hyperparameters

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = _epsilon(epsilon)
        self.amsgrad = amsgrad

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        if self.amsgrad:
            self._velocity_hats = self.add_optimizer_variables(var_list, "velocity_hat")

    def _fused_slots(self) -> list[list[Any]]:
        return [self._momentums, self._velocities, *([self._velocity_hats] if self.amsgrad else [])]

    def _fused_scalars(self, learning_rate: Any) -> list[Any]:
        return [learning_rate, self.iterations]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        m, v = self._update_moments(gradient, variable)
        if self.amsgrad:
            largest = self._velocity_hats[self._get_variable_index(variable)]
            self.assign(largest, ops.maximum(largest, v))
            v = largest
        correction_1, correction_2 = self._bias_corrections(variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype) * ops.sqrt(correction_2) / correction_1
        self.assign_sub(variable, ops.divide(ops.multiply(m, rate), ops.add(ops.sqrt(v), self.epsilon)))


class AdamW(Adam):
    """Adam with weight decay that does not pass through the running means.

    Arguments:
        learning_rate: as in `Optimizer`.
        weight_decay: as in `Optimizer`; it must be given a number here.
        beta_1, beta_2, epsilon, amsgrad: as in `Adam`.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)
        if self.weight_decay is None:
            raise ValueError(f"[{self.name}] expected weight_decay to be a number, received None. Use Adam for none.")


class Nadam(_TwoMoments):
    """Adam with Nesterov momentum, whose decay is warmed up: `u_t = beta_1 (1 - 0.96^t / 2)`.

    Arguments:
        learning_rate: as in `Optimizer`.
        beta_1, beta_2, epsilon: as in `Adam`.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Dozat, "Incorporating Nesterov Momentum into Adam", 2016.
    """

    _hyperparameters = ("beta_1", "beta_2", "epsilon")
    _fused_op = "nadam_update"
    _fused_attributes = _hyperparameters

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = _epsilon(epsilon)

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        super().build(var_list)
        # The product of u_1, ..., u_t.
        dtype = var_list[0].dtype if var_list else backend.floatx()
        self._u_product = self.add_variable((), "ones", dtype, name="u_product")

    def _u(self, step: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * ops.power(0.96, step))

    def _advance_product(self) -> None:
        step = ops.cast(self.iterations + 1, self._u_product.dtype)
        self.assign(self._u_product, ops.multiply(self._u_product, self._u(step)))

    def _update(self, grads: list[Any], variables: list[Any], learning_rate: Any) -> None:
        self._advance_product()
        super()._update(grads, variables, learning_rate)

    def _fused_slots(self) -> list[list[Any]]:
        return [self._momentums, self._velocities]

    def _fused_scalars(self, learning_rate: Any) -> list[Any]:
        self._advance_product()
        return [learning_rate, self.iterations, self._u_product]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        gradient = ops.cast(gradient, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        u, u_next = self._u(step), self._u(step + 1.0)
        product = ops.cast(self._u_product, dtype)
        m, v = self._update_moments(gradient, variable)
        _, correction_2 = self._bias_corrections(dtype)
        looked_ahead = ops.add(
            ops.multiply(m, u_next / (1.0 - product * u_next)), ops.multiply(gradient, (1.0 - u) / (1.0 - product))
        )
        rate = ops.cast(learning_rate, dtype)
        scale = ops.add(ops.sqrt(ops.divide(v, correction_2)), self.epsilon)
        self.assign_sub(variable, ops.divide(ops.multiply(looked_ahead, rate), scale))


class Adamax(Optimizer):
    """Adam with the infinity norm: divides by the decayed maximum of `|g|`.

    Arguments:
        learning_rate: as in `Optimizer`.
        beta_1: decay of the running mean of the gradient.
        beta_2: decay of the running maximum of its absolute value.
        epsilon: keeps the denominator from zero.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, section 7.
    """

    _hyperparameters = ("beta_1", "beta_2", "epsilon")
    _fused_op = "adamax_update"
    _fused_attributes = _hyperparameters

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = _epsilon(epsilon)

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._m, self._u = self.add_optimizer_variables(var_list, ["momentum", "norm"])

    def _fused_slots(self) -> list[list[Any]]:
        return [self._m, self._u]

    def _fused_scalars(self, learning_rate: Any) -> list[Any]:
        return [learning_rate, self.iterations]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        m, u = self._m[index], self._u[index]
        self.assign_add(m, ops.multiply(ops.subtract(gradient, m), 1.0 - self.beta_1))
        self.assign(u, ops.maximum(ops.multiply(u, self.beta_2), ops.abs(gradient)))
        correction = 1.0 - ops.power(self.beta_1, ops.cast(self.iterations + 1, variable.dtype))
        rate = ops.cast(learning_rate, variable.dtype) / correction
        self.assign_sub(variable, ops.divide(ops.multiply(m, rate), ops.add(u, self.epsilon)))


class Lamb(_TwoMoments):
    """Adam whose step is scaled per variable to the norm of the weights, for very large batches.

    Arguments:
        learning_rate: as in `Optimizer`.
        beta_1, beta_2, epsilon: as in `Adam`.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2020.
    """

    _hyperparameters = ("beta_1", "beta_2", "epsilon")
    _fused_op = "lamb_update"
    _fused_attributes = _hyperparameters

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = _epsilon(epsilon)

    def _fused_slots(self) -> list[list[Any]]:
        return [self._momentums, self._velocities]

    def _fused_scalars(self, learning_rate: Any) -> list[Any]:
        return [learning_rate, self.iterations]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        gradient = ops.cast(gradient, variable.dtype)
        m, v = self._update_moments(gradient, variable)
        correction_1, correction_2 = self._bias_corrections(variable.dtype)
        scale = ops.add(ops.sqrt(ops.divide(v, correction_2)), self.epsilon)
        step = ops.divide(ops.divide(m, correction_1), scale)
        weight_norm = ops.sqrt(ops.sum(ops.square(variable)))
        step_norm = ops.sqrt(ops.sum(ops.square(step)))
        both = ops.logical_and(ops.greater(weight_norm, 0), ops.greater(step_norm, 0))
        one = ops.ones_like(weight_norm)
        trust = ops.where(both, ops.divide(weight_norm, ops.where(both, step_norm, one)), one)
        self.assign_sub(variable, ops.multiply(step, trust * ops.cast(learning_rate, variable.dtype)))


class ScheduleFreeAdamW(Optimizer):
    """AdamW that needs no learning-rate schedule: the weights lie between a fast sequence and its average.

    Arguments:
        learning_rate: as in `Optimizer`.
        beta_1: how near the weights lie to the average; must not be zero.
        beta_2, epsilon: as in `Adam`.
        warmup_steps: number of steps over which the learning rate rises from zero.
        **kwargs: the options common to all optimizers, see `Optimizer`.

    Source: Defazio et al., "The Road Less Scheduled", 2024.
    """

    _hyperparameters = ("beta_1", "beta_2", "epsilon", "warmup_steps")

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-8,
        warmup_steps: int = 0,
        weight_decay: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = _epsilon(epsilon)
        self.warmup_steps = warmup_steps

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])
        for fast, variable in zip(self._momentums, var_list):
            if fast is not None:
                fast.assign(variable)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        gradient = ops.cast(gradient, dtype)
        rate = ops.cast(learning_rate, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        if self.warmup_steps > 0:
            rate = rate * ops.minimum(step / self.warmup_steps, 1.0)
        index = self._get_variable_index(variable)
        fast, v = self._momentums[index], self._velocities[index]
        old_fast = ops.convert_to_tensor(fast)
        self.assign_add(v, ops.multiply(ops.subtract(ops.square(gradient), v), 1.0 - self.beta_2))
        scale = ops.add(ops.sqrt(ops.divide(v, 1.0 - ops.power(self.beta_2, step))), self.epsilon)
        self.assign_sub(fast, ops.divide(ops.multiply(gradient, rate), scale))
        # The variable holds y = (1 - beta_1) fast + beta_1 average.
        average = ops.divide(ops.subtract(variable, ops.multiply(old_fast, 1.0 - self.beta_1)), self.beta_1)
        average = ops.add(ops.multiply(average, 1.0 - 1.0 / step), ops.multiply(fast, 1.0 / step))
        self.assign(variable, ops.add(ops.multiply(fast, 1.0 - self.beta_1), ops.multiply(average, self.beta_1)))
