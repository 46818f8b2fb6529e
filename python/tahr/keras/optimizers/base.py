"""What all optimizers share: options, state variables, and the order of one step.

One step of `apply(grads)`: drop missing gradients, unscale the loss, accumulate, clip, decay the weights, update them
(`update_step`, the only part that an optimizer must write), average them, apply their constraints, count the step.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tahr import ops, tracing
from tahr.keras import backend, initializers
from tahr.keras.backend.state import auto_name
from tahr.keras.optimizers.schedules import LearningRateSchedule
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object
from tahr.ops import updates


class Optimizer:
    """Base class of optimizers: objects that change variables by their gradients.

    A new optimizer implements `update_step(gradient, variable, learning_rate)`, makes its state in `build(variables)`
    with `add_optimizer_variables`, and lists the names of its own arguments in `_hyperparameters`, which makes its
    config.

    Arguments:
        learning_rate: a number, a `LearningRateSchedule`, or a callable without arguments.
        weight_decay: share of each weight, times the learning rate, that is taken off before each update; `None` for
            none. See `exclude_from_weight_decay`.
        clipnorm: the gradient of each variable is scaled down to this L2 norm.
        clipvalue: each entry of a gradient is clipped to `[-clipvalue, clipvalue]`.
        global_clipnorm: all gradients are scaled down together to this L2 norm. At most one of the three is given.
        use_ema: whether to keep an exponential moving average of the weights.
        ema_momentum: share of the old average kept per step, in [0, 1].
        ema_overwrite_frequency: every so many steps the weights are set to their average; with `None` this happens at
            the end of `fit`, or in `finalize_variable_values`.
        loss_scale_factor: factor put on the loss and taken off the gradients, for low-precision training.
        gradient_accumulation_steps: with a number of 2 or more, gradients are averaged over so many calls and the
            variables change at the last of them.
        name: name of the optimizer.
        **kwargs: `lr`, another name of `learning_rate`, and `decay`: the learning rate is divided by
            `1 + decay * iterations`. Both are of older versions of Keras.

    Example:

    >>> import tahr
    >>> from tahr.keras import optimizers
    >>> class SignDescent(optimizers.Optimizer):
    ...     def update_step(self, gradient, variable, learning_rate):
    ...         self.assign_sub(variable, learning_rate * tahr.ops.sign(gradient))
    >>> v = tahr.Variable(1.0)
    >>> SignDescent(learning_rate=0.25).apply([tahr.ops.ones(())], [v])
    >>> float(v.numpy())
    0.75
    """

    # Names of the arguments that a subclass adds; each is an attribute too. They make the config.
    _hyperparameters: tuple[str, ...] = ()
    # The op that updates all variables at once, and which hyperparameters it takes; see `_can_fuse`.
    _fused_op: str = ""
    _fused_attributes: tuple[str, ...] = ()
    _fused_update_step: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_fused_op" in cls.__dict__:
            cls._fused_update_step = cls.update_step
        if "__init__" in cls.__dict__:
            cls.__signature__ = _full_signature(cls)  # type: ignore[attr-defined]

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        self.name = name or auto_name(type(self).__name__)
        learning_rate = kwargs.pop("lr", learning_rate)
        self.decay = kwargs.pop("decay", None) or 0.0
        if kwargs:
            raise self._unknown_argument(next(iter(kwargs)), kwargs)
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {key: value for key, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ValueError(
                f"[{self.name}] Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: {given}."
            )
        if gradient_accumulation_steps and gradient_accumulation_steps < 2:
            raise ValueError(
                f"[{self.name}] expected gradient_accumulation_steps to be None or 2 or more, received "
                f"{gradient_accumulation_steps}."
            )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ValueError(f"[{self.name}] expected ema_momentum to be between 0 and 1, received {ema_momentum}.")
        if use_ema and ema_overwrite_frequency is not None:
            if not isinstance(ema_overwrite_frequency, int) or ema_overwrite_frequency < 1:
                raise ValueError(
                    f"[{self.name}] expected ema_overwrite_frequency to be None or an integer of 1 or more, received "
                    f"{ema_overwrite_frequency}."
                )
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._variables: list[Any] = []
        self._trainable_variables: list[Any] = []
        self._index: dict[int, int] = {}  # id of a trainable variable -> its place in the lists of slots
        self._accumulated_gradients: list[Any] = []
        self._model_variables_moving_average: list[Any] = []
        self._excluded_from_weight_decay: dict[int, Any] = {}  # by id
        self._excluded_pattern: re.Pattern | None = None
        self._iterations = self.add_variable((), dtype="int64", name="iteration")
        self._learning_rate = self._checked_learning_rate(learning_rate)
        if not callable(self._learning_rate):
            initial = initializers.Constant(self._learning_rate)
            self._learning_rate = self.add_variable((), initial, backend.floatx(), name="learning_rate")

    def __setattr__(self, name: str, value: Any) -> None:
        # Numbers that are fixed in traces of training steps: those are traced again.
        if (name[0] != "_" or name == "_learning_rate") and not tracing.is_tracing():
            if self.__dict__.get(name, self) is not value:
                self.__dict__["_edits"] = self.__dict__.get("_edits", 0) + 1
                tracing.count_change()
        super().__setattr__(name, value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)  # of a copy, whose variables are others
        self._index = {id(v): i for i, v in enumerate(self._trainable_variables)}
        self._excluded_from_weight_decay = {id(v): v for v in self._excluded_from_weight_decay.values()}

    # Learning rate and step count

    def _unknown_argument(self, key: str, kwargs: dict[str, Any]) -> Exception:
        known = list(inspect.signature(type(self)).parameters)
        import difflib  # only for the hint of an error

        close = difflib.get_close_matches(key, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else f" Its arguments are: {', '.join(known)}."
        return ValueError(f"[{self.name}] expected known arguments, received {kwargs}.{hint}")

    def _checked_learning_rate(self, value: Any) -> Any:
        if callable(value) and not isinstance(value, type):
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            if getattr(value, "shape", None) != ():
                raise ValueError(
                    f"[{self.name}] expected learning_rate to be a number, a LearningRateSchedule or a callable "
                    f"without arguments, received {value!r}."
                )
        return float(value)

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a variable if it was given as a number, else its present value. Can be set to a number,
        a schedule or a callable."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self._iterations)
        if callable(self._learning_rate) and not _is_variable(self._learning_rate):
            return self._learning_rate()
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if not _is_variable(value):
            value = self._checked_learning_rate(value)
        if callable(value) and not _is_variable(value):
            if _is_variable(self._learning_rate):
                self._variables = [v for v in self._variables if v is not self._learning_rate]
            self._learning_rate = value
        elif _is_variable(self._learning_rate):
            self._learning_rate.assign(value)
        else:
            raise TypeError(
                f"[{self.name}] expected a schedule or a callable, received the learning rate {value!r}. "
                "This optimizer was created with a `LearningRateSchedule`, which sets the learning rate at every step. "
                "Make it with a number to be able to set it."
            )

    @property
    def lr(self) -> Any:
        """Another name of `learning_rate`, from older versions of Keras."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def _current_learning_rate(self) -> Any:
        """The learning rate of this step, with `decay` applied."""
        rate = self.learning_rate
        if not self.decay:
            return rate
        return ops.divide(rate, 1.0 + self.decay * ops.cast(self._iterations, backend.floatx()))

    @property
    def iterations(self) -> Any:
        """Number of updates so far: a variable, or with gradient accumulation the quotient of steps and its length."""
        if self.gradient_accumulation_steps:
            return ops.floor_divide(self._iterations, self.gradient_accumulation_steps)
        return self._iterations

    # State

    @property
    def variables(self) -> list[Any]:
        """The state: step count, learning rate if it is a variable, averages, accumulators, then the optimizer's own."""
        return self._variables[:]

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the state for these trainable variables. Called by the first `apply` if not before."""
        variables = list(variables)
        if self.use_ema:
            self._model_variables_moving_average = self.add_optimizer_variables(variables, "average")
        for i, variable in enumerate(variables):
            self._index[id(variable)] = i
            if self.gradient_accumulation_steps:
                accumulator = self.add_variable_from_reference(variable, name="gradient_accumulator")
                self._accumulated_gradients.append(accumulator)
        self._trainable_variables = variables
        self.built = True

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Any:
        """Makes a state variable and tracks it.

        Arguments:
            shape: its shape.
            initializer: an initializer or the name of one.
            dtype: its dtype; the default float dtype if `None`.
            aggregation, layout: as in `keras.Variable`.
            name: its name.

        Returns:
            A `keras.Variable` that is not trainable.
        """
        with backend.name_scope(self.name.replace("/", "_"), caller=self):
            variable = backend.Variable(
                initializers.get(initializer),
                shape=tuple(shape),
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                layout=layout,
                name=name,
            )
        self._variables.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Any:
        """Makes a state variable with the shape and dtype of a trainable variable, and its name with `name` added."""
        reference = getattr(reference_variable, "path", None) or str(reference_variable.name)
        reference = reference.replace("/", "_").replace(":", "_")
        return self.add_variable(
            reference_variable.shape, initializer, reference_variable.dtype, name=f"{reference}_{name or 'var'}"
        )

    def add_optimizer_variables(self, trainable_variables: Sequence[Any], name: Any, initializer: Any = "zeros") -> Any:
        """Makes one state variable, or several, per trainable variable.

        Arguments:
            trainable_variables: the trainable variables.
            name: a name, or a list of names.
            initializer: an initializer, or one for each name.

        Returns:
            A list with one variable per trainable variable (`None` for those that are overwritten with their gradient);
            for a list of names, a tuple of such lists.
        """
        names = [name] if isinstance(name, str) else list(name)
        several = isinstance(initializer, (list, tuple))
        given = list(initializer) if several else [initializer] * len(names)
        if len(names) != len(given):
            raise ValueError(
                f"[{self.name}] expected as many initializers as names, received name={name!r} and "
                f"initializer={initializer!r}."
            )
        lists: tuple[list[Any], ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            skip = getattr(variable, "overwrite_with_gradient", False)
            for slots, slot_name, init in zip(lists, names, given):
                slots.append(None if skip else self.add_variable_from_reference(variable, slot_name, init))
        return lists[0] if isinstance(name, str) else lists

    def _get_variable_index(self, variable: Any) -> int:
        return self._index[id(variable)]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Sets the state variables, in the order of `variables`, to these arrays."""
        if not self.built:
            raise ValueError(
                f"[{self.name}] expected a built optimizer, this one has no state yet. Call "
                "`optimizer.build(trainable_variables)` first."
            )
        for variable, weight in zip(self.variables, weights):
            if tuple(variable.shape) != tuple(weight.shape):
                raise ValueError(
                    f"[{self.name}] expected shape {tuple(variable.shape)} for {variable.name!r}, received "
                    f"{tuple(weight.shape)}. The optimizer was built for other variables."
                )
            variable.assign(weight)

    def save_own_variables(self, store: Any) -> None:
        """Writes the state variables into `store` under "0", "1", ..."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote; warns and does nothing if the number of variables differs."""
        variables = self.variables
        unused = [v for v in variables if v is self._iterations or v is self._learning_rate]
        if self.built and len(store.keys()) == len(unused):  # it was saved before its first step
            variables = unused
        if len(store.keys()) != len(variables):
            warnings.warn(
                f"[{self.name}] expected {len(variables)} saved variables, received {len(store.keys())}: the state of "
                "the optimizer is not restored. Was it built?",
                stacklevel=2,
            )
            return
        for i, variable in enumerate(variables):
            variable.assign(store[str(i)])

    # One step

    def assign(self, variable: Any, value: Any) -> None:
        """`variable = value`."""
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        """`variable += value`."""
        variable.assign_add(value)

    def assign_sub(self, variable: Any, value: Any) -> None:
        """`variable -= value`."""
        variable.assign_sub(value)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable.

        Arguments:
            gradient: tensor of the variable's shape.
            variable: the variable.
            learning_rate: scalar tensor.
        """
        raise NotImplementedError(
            f"[{self.name}] expected {type(self).__name__} to implement `update_step`, found none."
        )

    def _update(self, grads: list[Any], variables: list[Any], learning_rate: Any) -> None:
        """Updates all variables of a step."""
        for gradient, variable in zip(grads, variables):
            self.update_step(gradient, variable, learning_rate)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> Any:
        """Updates variables by gradients, given as pairs `(gradient, variable)`. Returns the step count.

        Example:

        >>> import tahr
        >>> from tahr.keras import optimizers
        >>> v = tahr.Variable([1.0, 2.0])
        >>> with tahr.GradientTape() as tape:
        ...     loss = tahr.ops.sum(v * v)
        >>> step = optimizers.SGD(0.25).apply_gradients(zip(tape.gradient(loss, [v]), [v]))
        >>> v.numpy().tolist()
        [0.5, 1.0]
        """
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self._iterations

    def minimize(self, loss: Callable[[], Any], var_list: Sequence[Any]) -> Any:
        """One step down the gradient of `loss()` with respect to `var_list`. Returns the step count."""
        from tahr import GradientTape

        if not callable(loss):
            raise ValueError(
                f"[{self.name}] expected `loss` to be a function without arguments, received {type(loss).__name__}. "
                "For a tensor, take gradients with a `GradientTape` and call `apply_gradients`."
            )
        variables = list(var_list)
        with GradientTape() as tape:
            value = loss()
        return self.apply_gradients(zip(tape.gradient(value, variables), variables))

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Updates variables by their gradients.

        Arguments:
            grads: one gradient per variable; `None` where there is none (that variable stays, with a warning).
            trainable_variables: the variables; those of `build` if `None`.

        Raises:
            ValueError: the optimizer is not built and no variables are given, the numbers differ, no gradient is given
                at all, or a variable is not one that the optimizer was built for.
        """
        grads = list(grads)
        if not grads:
            return
        variables = self._known_variables(grads, trainable_variables)
        grads, variables = self._without_missing(grads, variables)
        grads, variables = self._without_overwritten(grads, variables)
        if grads:
            if self.loss_scale_factor is not None:
                grads = [gradient / self.loss_scale_factor for gradient in grads]
            if self.gradient_accumulation_steps:
                self._accumulate_and_update(grads, variables)
            else:
                self._clip_decay_update(grads, variables)
            if self.use_ema:
                self._update_moving_averages()
            for variable in variables:
                constraint = getattr(variable, "constraint", None)
                if constraint is not None:
                    variable.assign(constraint(variable))
        self._iterations.assign_add(1)

    def _known_variables(self, grads: list[Any], variables: Sequence[Any] | None) -> list[Any]:
        if variables is None:
            if not self.built:
                raise ValueError(
                    f"[{self.name}] expected `trainable_variables` in the first call of `apply`, received none. Pass "
                    "them, or call `optimizer.build(trainable_variables)` first."
                )
            variables = self._trainable_variables
        variables = list(variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"[{self.name}] expected one gradient per variable, received {len(grads)} gradients for "
                f"{len(variables)} variables."
            )
        if not self.built:
            self.build(variables)
            self.built = True
        for variable in variables:
            if id(variable) not in self._index:
                raise ValueError(
                    f"[{self.name}] expected the variables that this optimizer was built for, received {variable!r}. "
                    "Make a new optimizer for other variables."
                )
        return variables

    def _without_missing(self, grads: list[Any], variables: list[Any]) -> tuple[list[Any], list[Any]]:
        missing = [getattr(v, "path", None) or v.name for g, v in zip(grads, variables) if g is None]
        if not missing:
            return grads, variables
        if len(missing) == len(grads):
            raise ValueError(
                f"[{self.name}] No gradients provided for any variable. Received None for all of {missing}. "
                "Does the loss depend on them, and was it computed inside the tape?"
            )
        warnings.warn(
            f"[{self.name}] expected a gradient for every variable, received None for {missing}: they do not change.",
            stacklevel=4,
        )
        pairs = [(g, v) for g, v in zip(grads, variables) if g is not None]
        return [g for g, _ in pairs], [v for _, v in pairs]

    def _without_overwritten(self, grads: list[Any], variables: list[Any]) -> tuple[list[Any], list[Any]]:
        """Sets the variables marked `overwrite_with_gradient` (scales of quantised layers) and returns the others."""
        if not any(getattr(v, "overwrite_with_gradient", False) for v in variables):
            return grads, variables
        others = []
        for gradient, variable in zip(grads, variables):
            if not getattr(variable, "overwrite_with_gradient", False):
                others.append((gradient, variable))
            elif self.gradient_accumulation_steps:
                accumulator = self._accumulated_gradients[self._get_variable_index(variable)]
                largest = ops.maximum(gradient, accumulator)
                last = self._is_last_accumulation()
                variable.assign(ops.where(last, largest, variable))
                accumulator.assign(ops.where(last, ops.zeros_like(largest), largest))
            else:
                variable.assign(gradient)
        return [g for g, _ in others], [v for _, v in others]

    def _is_last_accumulation(self) -> Any:
        return ops.equal(ops.mod(self._iterations + 1, self.gradient_accumulation_steps), 0)

    def _accumulate_and_update(self, grads: list[Any], variables: list[Any]) -> None:
        accumulators = [self._accumulated_gradients[self._get_variable_index(v)] for v in variables]

        def update() -> None:
            means = [(a + g) / self.gradient_accumulation_steps for g, a in zip(grads, accumulators)]
            self._clip_decay_update(means, variables)
            for accumulator in self._accumulated_gradients:
                accumulator.assign(ops.zeros(tuple(accumulator.shape), dtype=accumulator.dtype))

        def accumulate() -> None:
            for gradient, accumulator in zip(grads, accumulators):
                accumulator.assign_add(gradient)

        ops.cond(self._is_last_accumulation(), update, accumulate)

    def _clip_decay_update(self, grads: list[Any], variables: list[Any]) -> None:
        grads = self._clip_gradients(grads)
        learning_rate = self._current_learning_rate()
        if self._fused_op and self._can_fuse(grads, variables):
            self._fused_update(grads, variables, learning_rate)
        else:
            self._apply_weight_decay(variables, learning_rate)
            self._update(grads, variables, learning_rate)

    # The same update for all variables in one op (see csrc/ops/README.md), where there is one for the rule.

    def _fused_slots(self) -> list[list[Any]]:
        """The lists of slots, in the order that the fused op takes them."""
        return []

    def _fused_scalars(self, learning_rate: Any) -> list[Any]:
        """The scalars that end the input of the fused op."""
        return [learning_rate]

    def _can_fuse(self, grads: list[Any], variables: list[Any]) -> bool:
        """Whether the fused op does what `update_step` would: not for a subclass with an `update_step` of its own,
        inside a `StatelessScope`, or where a gradient's dtype differs from its variable's."""
        if type(self).update_step is not type(self)._fused_update_step or backend.in_stateless_scope():
            return False
        return all(g.dtype == v.dtype for g, v in zip(grads, variables))

    def _fused_update(self, grads: list[Any], variables: list[Any], learning_rate: Any) -> None:
        places = [self._get_variable_index(v) for v in variables]
        slots = [[group[i] for i in places] for group in self._fused_slots()]
        if not _is_variable(learning_rate):
            learning_rate = ops.convert_to_tensor(learning_rate, dtype=backend.floatx())
        scalars = self._fused_scalars(learning_rate)
        attributes = {name: getattr(self, name) for name in self._fused_attributes}
        if self.weight_decay:
            attributes["weight_decay"] = self.weight_decay
            attributes["no_decay"] = [i for i, v in enumerate(variables) if not self._use_weight_decay(v)]
        tensors = [*variables, *(slot for group in slots for slot in group), *grads, *scalars]
        getattr(updates, self._fused_op)(tensors, count=len(variables), **attributes)

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        if self.clipnorm:
            norms = [ops.sqrt(ops.sum(ops.square(g))) for g in grads]
            return [g * (self.clipnorm / ops.maximum(norm, self.clipnorm)) for g, norm in zip(grads, norms)]
        if self.global_clipnorm:
            # A norm that is not finite makes all gradients NaN, so that it is seen.
            norm = ops.sqrt(ops.sum(ops.stack([ops.sum(ops.square(g)) for g in grads])))
            scale = self.global_clipnorm / ops.maximum(norm, self.global_clipnorm) + (norm - norm)
            return [g * scale for g in grads]
        if self.clipvalue:
            return [ops.clip(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Leaves variables out of the weight decay. Call it before the optimizer is built.

        Arguments:
            var_list: variables to leave out.
            var_names: patterns (regular expressions); a variable whose name contains a match is left out.
        """
        if self.built:
            raise ValueError(
                f"[{self.name}] expected `exclude_from_weight_decay` before the optimizer is built, received it after."
            )
        self._excluded_from_weight_decay = {id(v): v for v in var_list or ()}
        self._excluded_pattern = re.compile("|".join(set(var_names))) if var_names else None

    def _use_weight_decay(self, variable: Any) -> bool:
        if id(variable) in self._excluded_from_weight_decay:
            return False
        return self._excluded_pattern is None or self._excluded_pattern.search(variable.name) is None

    def _weight_decay_of(self, variable: Any) -> float | None:
        """The weight decay of one variable, or `None`."""
        return self.weight_decay if self._use_weight_decay(variable) else None

    def _apply_weight_decay(self, variables: list[Any], learning_rate: Any = None) -> None:
        if learning_rate is None:
            learning_rate = self._current_learning_rate()
        for variable in variables:
            weight_decay = self._weight_decay_of(variable)
            if weight_decay is not None:
                rate = ops.cast(learning_rate, variable.dtype) * weight_decay
                variable.assign_sub(ops.multiply(variable, rate))

    # Moving average of the weights

    def _update_moving_averages(self) -> None:
        started = ops.not_equal(self.iterations, 0)
        for variable, average in zip(self._trainable_variables, self._model_variables_moving_average):
            if average is not None:
                momentum = self.ema_momentum * ops.cast(started, variable.dtype)
                average.assign(ops.add(ops.multiply(average, momentum), ops.multiply(variable, 1.0 - momentum)))
        if self.ema_overwrite_frequency:
            due = ops.equal(ops.mod(self.iterations + 1, self.ema_overwrite_frequency), 0)
            for variable, average in zip(self._trainable_variables, self._model_variables_moving_average):
                if average is not None:
                    variable.assign(ops.where(due, average, variable))

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Sets the variables to their moving averages, if `use_ema`. `fit` does this after the last epoch."""
        if not self.use_ema:
            return
        if len(var_list) != len(self._model_variables_moving_average):
            raise ValueError(
                f"[{self.name}] expected the {len(self._model_variables_moving_average)} variables that this optimizer "
                f"was built for, received {len(var_list)}."
            )
        for variable, average in zip(var_list, self._model_variables_moving_average):
            if average is not None:
                variable.assign(average)

    # Interfaces of training loops

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`: take gradients of this."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """A step without side effects: values in, values out.

        Arguments:
            optimizer_variables: values of `variables`.
            grads: one gradient per trainable variable.
            trainable_variables: values of the trainable variables, in the order of `build`.

        Returns:
            The new values of the trainable variables and of the optimizer's variables.
        """
        if not self.built:
            raise ValueError(
                f"[{self.name}] expected a built optimizer, received one without state. Call "
                "`optimizer.build(trainable_variables)` first."
            )
        for what, given, own in (
            ("optimizer_variables", optimizer_variables, self.variables),
            ("trainable_variables", trainable_variables, self._trainable_variables),
        ):
            if len(given) != len(own):
                raise ValueError(f"[{self.name}] expected {len(own)} values in `{what}`, received {len(given)}.")
        mapping = [*zip(self._trainable_variables, trainable_variables), *zip(self.variables, optimizer_variables)]
        with backend.StatelessScope(state_mapping=mapping) as scope:
            self.apply(grads)
        new_trainable = [scope.get_current_value(v) for v in self._trainable_variables]
        return new_trainable, [scope.get_current_value(v) for v in self.variables]

    # Config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain Python values."""
        if isinstance(self._learning_rate, LearningRateSchedule) or not _is_variable(self._learning_rate):
            learning_rate = serialize_keras_object(self._learning_rate)
        else:
            learning_rate = float(self._learning_rate.numpy())
        config = {
            "name": self.name,
            "learning_rate": learning_rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }
        if self.decay:
            config["decay"] = self.decay
        config.update({name: getattr(self, name) for name in self._hyperparameters})
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> Optimizer:
        """Rebuilds the optimizer (without its state) from `get_config()`'s result."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = deserialize_keras_object(config["learning_rate"], custom_objects=custom_objects)
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _is_variable(x: Any) -> bool:
    return hasattr(x, "assign")


def _full_signature(cls: type) -> inspect.Signature:
    """The signature of `cls` with the options that it hands on to `Optimizer` in place of `**kwargs`."""
    own = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]
    if not own or own[-1].kind is not inspect.Parameter.VAR_KEYWORD:
        return inspect.Signature(own)
    names = {parameter.name for parameter in own}
    common = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(Optimizer.__init__).parameters.values())[2:]
        if parameter.name not in names and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    keyword_only = [p for p in own[:-1] if p.kind is inspect.Parameter.KEYWORD_ONLY]
    positional = [p for p in own[:-1] if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    return inspect.Signature([*positional, *common, *keyword_only, own[-1]])
