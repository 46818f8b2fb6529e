"""Optimizers around optimizers: dynamic loss scaling, and different optimizers for different variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from tahr import ops
from tahr.keras import initializers
from tahr.keras.optimizers.base import Optimizer
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object


class LossScaleOptimizer(Optimizer):
    """Scales the loss up so that small gradients survive in float16, and finds the scale by itself.

    A step with gradients that are not finite is skipped and halves the scale; `dynamic_growth_steps` good steps in a
    row double it. In a training loop of your own, take the gradients of `scale_loss(loss)`.

    Arguments:
        inner_optimizer: the optimizer that does the updates.
        initial_scale: the first scale.
        dynamic_growth_steps: number of good steps before the scale grows.
        name: name of the optimizer.

    Source: Micikevicius et al., "Mixed Precision Training", 2018, section 3.2.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ):
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "[LossScaleOptimizer] expected a dynamic scale, received dynamic=False. Set `loss_scale_factor` on "
                "the inner optimizer for a fixed one."
            )
        options = {"use_ema": False, "ema_momentum": 0.99}
        for key, value in kwargs.items():
            if value != options.get(key):
                raise ValueError(
                    f"[LossScaleOptimizer] `{key}` is set on the `inner_optimizer`, received {key}={value!r} here."
                )
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        self.step_counter: Any = None
        self.dynamic_scale: Any = None
        self.inner_optimizer.loss_scale_factor = None

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        self._make_scale()
        self.inner_optimizer.build(var_list)
        super().build(var_list)

    def _make_scale(self) -> None:
        if self.dynamic_scale is not None:
            return
        scale = initializers.Constant(self.initial_scale)
        self.step_counter = self.add_variable((), "zeros", "int64", name="step_counter")
        self.dynamic_scale = self.add_variable((), scale, "float32", name="dynamic_scale")

    @property
    def variables(self) -> list[Any]:
        return self._variables + self.inner_optimizer.variables

    def check_finite(self, grads: Sequence[Any]) -> Any:
        """Whether all entries of all gradients (but missing ones) are finite: a boolean scalar tensor."""
        finite = [ops.all(ops.isfinite(g)) for g in grads if g is not None]
        return ops.all(ops.stack(finite)) if finite else ops.convert_to_tensor(True)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        grads = list(grads)
        if not grads:
            return
        variables = self._known_variables(grads, trainable_variables)
        all_finite = self.check_finite(grads)

        def update() -> None:
            scale = self.dynamic_scale
            unscaled = [
                g
                if g is None or getattr(v, "overwrite_with_gradient", False)
                else ops.divide(g, ops.cast(scale, g.dtype))
                for g, v in zip(grads, variables)
            ]
            self.inner_optimizer.apply(unscaled, variables)
            grow = ops.equal(self.step_counter, self.dynamic_growth_steps - 1)
            factor = ops.where(grow, ops.full((), 2.0, "float32"), ops.ones((), "float32"))
            self.dynamic_scale.assign(ops.multiply(self.dynamic_scale, factor))
            counted = ops.add(self.step_counter, 1)
            self.step_counter.assign(ops.where(grow, ops.zeros_like(counted), counted))

        def skip() -> None:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(ops.multiply(self.dynamic_scale, 0.5))

        ops.cond(all_finite, update, skip)

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        """Number of updates of the inner optimizer; skipped steps do not count."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss: Any) -> Any:
        self._make_scale()  # a variable from the first loss on: a number would be baked into a traced step
        loss = ops.convert_to_tensor(loss)
        return ops.multiply(loss, ops.cast(self.dynamic_scale, loss.dtype))

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> LossScaleOptimizer:
        config = dict(config)
        inner = deserialize_keras_object(config.pop("inner_optimizer"), custom_objects=custom_objects)
        return cls(inner, **config)


# The options of other optimizers are refused here, so its own arguments are all.
del LossScaleOptimizer.__signature__  # type: ignore[attr-defined]


class OptimizerMap(MutableMapping):
    """Which optimizer updates which variable, by the variable's path.

    Arguments:
        default_optimizer: the optimizer of variables that no key matches.
        optimizer_map: dict from paths, or regular expressions that match whole paths, to optimizers.

    Example:

    >>> from tahr.keras import optimizers
    >>> choice = optimizers.OptimizerMap(optimizers.SGD())
    >>> choice["dense.*"] = optimizers.Adam()
    >>> type(choice["dense/kernel"]).__name__, type(choice["conv/kernel"]).__name__
    ('Adam', 'SGD')
    """

    def __init__(self, default_optimizer: Optimizer, optimizer_map: dict[str, Optimizer] | None = None):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(
                f"[OptimizerMap] expected default_optimizer to be an Optimizer, received {default_optimizer!r}."
            )
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"[OptimizerMap] expected optimizer_map to be a dict, received {optimizer_map!r}.")
        self._default_optimizer = default_optimizer
        self._optimizer_map = dict(optimizer_map or {})

    @property
    def default_optimizer(self) -> Optimizer:
        """The optimizer of variables that no key matches."""
        return self._default_optimizer

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        matches = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, key)]
        if len(matches) > 1:
            raise ValueError(f"[OptimizerMap] expected one matching key for {key!r}, received {matches}.")
        return self._optimizer_map[matches[0]] if matches else self._default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if key in self._optimizer_map:
            raise ValueError(f"[OptimizerMap] expected a new key, received {key!r}. Delete the old entry first.")
        if not isinstance(key, str):
            raise ValueError(f"[OptimizerMap] expected a string as key, received {key!r}.")
        _check_simple(optimizer)
        self._optimizer_map[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._optimizer_map[key]

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __call__(self, variable: Any) -> Optimizer:
        """The optimizer of a variable."""
        return self[getattr(variable, "path", None) or variable.name]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain Python values."""
        return {
            "default_optimizer": serialize_keras_object(self._default_optimizer),
            "optimizer_map": serialize_keras_object(self._optimizer_map),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> OptimizerMap:
        """Rebuilds the map from `get_config()`'s result."""
        return cls(
            deserialize_keras_object(config["default_optimizer"], custom_objects=custom_objects),
            deserialize_keras_object(config["optimizer_map"], custom_objects=custom_objects),
        )


class MultiOptimizer(Optimizer):
    """Different optimizers for different variables.

    Arguments:
        optimizer_map: an `OptimizerMap`, or a function from a variable to its optimizer.
        loss_scale_factor: set on all the optimizers.
        name: name of the optimizer.
    """

    _optimizer_of: dict[int, int]

    def __init__(self, optimizer_map: Any, loss_scale_factor: float | None = None, name: str | None = None):
        super().__init__(learning_rate=0.0, name=name)
        self._optimizer_map = optimizer_map
        self._inner_optimizers: list[Optimizer] = []
        known = list(optimizer_map.values()) if hasattr(optimizer_map, "values") else []
        default = getattr(optimizer_map, "default_optimizer", None)
        for optimizer in [*known, *([default] if default is not None else [])]:
            self._place(optimizer)
        self.loss_scale_factor = loss_scale_factor

    def _place(self, optimizer: Optimizer) -> int:
        for i, other in enumerate(self._inner_optimizers):
            if other is optimizer:
                return i
        self._inner_optimizers.append(optimizer)
        return len(self._inner_optimizers) - 1

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimizers, each once."""
        return self._inner_optimizers

    @property
    def variables(self) -> list[Any]:
        return [*self._variables, *(v for optimizer in self._inner_optimizers for v in optimizer.variables)]

    @property
    def loss_scale_factor(self) -> float | None:  # type: ignore[override]
        """The factor on the loss, the same for all optimizers."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._loss_scale_factor = value
        for optimizer in getattr(self, "_inner_optimizers", ()):
            optimizer.loss_scale_factor = value

    @property
    def learning_rate(self) -> Any:
        raise AttributeError(f"[{self.name}] expected the learning rate of one of `optimizers`.")

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(f"[{self.name}] expected the learning rate to be set on one of `optimizers`.")

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.built:
            places = self._optimizer_of.values()  # in the order of the variables
            self._optimizer_of = {id(v): place for v, place in zip(self._trainable_variables, places)}

    def build(self, var_list: Sequence[Any]) -> None:
        if self.built:
            return
        var_list = list(var_list)
        groups: dict[int, list[Any]] = {}
        self._optimizer_of = {}
        for variable in var_list:
            optimizer = self._optimizer_map(variable)
            _check_simple(optimizer)
            optimizer.loss_scale_factor = self.loss_scale_factor
            place = self._place(optimizer)
            self._optimizer_of[id(variable)] = place
            groups.setdefault(place, []).append(variable)
        for place, group in groups.items():
            self._inner_optimizers[place].build(group)
        super().build(var_list)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        grads = list(grads)
        if not grads:
            return
        variables = self._known_variables(grads, trainable_variables)
        groups: dict[int, tuple[list[Any], list[Any]]] = {}
        for gradient, variable in zip(grads, variables):
            group = groups.setdefault(self._optimizer_of[id(variable)], ([], []))
            group[0].append(gradient)
            group[1].append(variable)
        for place, (group_grads, group_variables) in groups.items():
            self._inner_optimizers[place].apply(group_grads, group_variables)
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        for place, optimizer in enumerate(self._inner_optimizers):
            group = [v for v in var_list if self._optimizer_of[id(v)] == place]
            if group:
                optimizer.finalize_variable_values(group)

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer_map": serialize_keras_object(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> MultiOptimizer:
        choice = deserialize_keras_object(config["optimizer_map"], custom_objects=custom_objects)
        return cls(**{**config, "optimizer_map": choice})


def _check_simple(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"[OptimizerMap] expected an Optimizer, received {optimizer!r}.")
    if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ValueError(
            f"[OptimizerMap] a mapped optimizer cannot be {type(optimizer).__name__}. Give one that updates variables "
            "itself."
        )
