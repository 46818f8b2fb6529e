"""The base class of metrics: state variables, filled batch by batch, and a result computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tahr import ops
from tahr.keras import backend, initializers
from tahr.keras.backend.state import auto_name
from tahr.keras.layers.tracking import Tracker
from tahr.keras.losses.base import compute_dtype


class Metric:
    """Base class of metrics: numbers about a model, accumulated over batches.

    A subclass makes its state with `add_variable` in `__init__`, adds a batch in `update_state` and computes the value
    in `result`, all with ops, so that a training step that contains it can be traced. Variables and metrics that it
    holds as attributes belong to its state.

    Arguments:
        dtype: dtype (or dtype policy) of the computation; `keras.config.floatx()` if `None`.
        name: name of the metric; the class's name in snake_case if `None`.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import metrics
    >>> class Largest(metrics.Metric):
    ...     def __init__(self, name="largest", dtype=None):
    ...         super().__init__(name=name, dtype=dtype)
    ...         self.value = self.add_weight(name="value", initializer="zeros")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.value.assign(ops.maximum(self.value, ops.max(y_pred)))
    ...     def result(self):
    ...         return ops.convert_to_tensor(self.value)
    >>> m = Largest()
    >>> m.update_state([0, 0], [2.0, 5.0])
    >>> m.update_state([0, 0], [3.0, 4.0])
    >>> float(m.result())
    5.0
    """

    # "up" or "down" where a callback may conclude from it what an improvement is.
    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.__dict__["_tracker"] = Tracker(self)
        self.name = name or auto_name(type(self).__name__)
        self._dtype = compute_dtype(dtype)

    @property
    def dtype(self) -> str:
        """Name of the dtype that the metric is computed in."""
        return self._dtype

    # State

    @property
    def variables(self) -> list[Any]:
        """The state: the metric's own variables, then those of the metrics that it holds."""
        tracker = self._checked_tracker()
        found = [*tracker.non_trainable_variables, *tracker.trainable_variables]
        for metric in tracker.metrics:
            found.extend(metric.variables)
        return found

    @property
    def _metrics(self) -> list[Any]:
        return self._checked_tracker().metrics

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Any:
        """Makes a state variable.

        Arguments:
            shape: its shape.
            initializer: an initializer or the name of one.
            dtype: its dtype; the default float dtype if `None`.
            aggregation: as in `keras.Variable`.
            name: its name.

        Returns:
            A `keras.Variable` that is not trainable.
        """
        tracker = self._checked_tracker()
        with backend.name_scope(self.name.replace("/", ">"), caller=self):
            variable = backend.Variable(
                initializers.get(initializer),
                shape=tuple(shape),
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                synchronization="on_read",
                name=name,
            )
        tracker.track(variable)
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Any:
        """Makes a state variable: `add_variable` with zeros in a scalar as defaults."""
        return self.add_variable(shape, "zeros" if initializer is None else initializer, dtype=dtype, name=name)

    def reset_state(self) -> None:
        """Sets all state variables to zero. `fit` does this at the begin of each epoch."""
        for variable in self.variables:
            variable.assign(ops.zeros(tuple(variable.shape), dtype=variable.dtype))

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Adds a batch to the state."""
        raise NotImplementedError(
            f"[{self.name}] expected {type(self).__name__} to implement `update_state`, found none."
        )

    def result(self) -> Any:
        """The value of the metric over what it has seen: a scalar tensor, or a dict of them by name."""
        raise NotImplementedError(f"[{self.name}] expected {type(self).__name__} to implement `result`, found none.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Adds a batch to the state and returns the value."""
        self._checked_tracker()
        self.update_state(*args, **kwargs)
        return self.result()

    # The same without side effects: values of the state in, values out.

    def _mapping(self, metric_variables: Sequence[Any]) -> list[tuple[Any, Any]]:
        own = self.variables
        if len(metric_variables) != len(own):
            raise ValueError(
                f"[{self.name}] expected metric_variables to have {len(own)} values, one per variable, received "
                f"{len(metric_variables)}."
            )
        return list(zip(own, metric_variables))

    def _values_in(self, scope: Any) -> list[Any]:
        values = [(scope.get_current_value(v), v) for v in self.variables]
        return [variable if value is None else value for value, variable in values]

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """`update_state` on the values `metric_variables` of `variables`; returns their new values.

        Example:

        >>> from tahr.keras import metrics
        >>> mean = metrics.Mean()
        >>> [float(v) for v in mean.stateless_update_state([1.0, 1.0], [3.0, 5.0])]
        [9.0, 3.0]
        """
        with backend.StatelessScope(state_mapping=self._mapping(metric_variables)) as scope:
            self.update_state(*args, **kwargs)
        return self._values_in(scope)

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """`result` for the values `metric_variables` of `variables`."""
        with backend.StatelessScope(state_mapping=self._mapping(metric_variables)):
            return self.result()

    def stateless_reset_state(self) -> list[Any]:
        """The values that `reset_state` gives to `variables`."""
        with backend.StatelessScope() as scope:
            self.reset_state()
        return self._values_in(scope)

    # Config

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain Python values."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Rebuilds the metric (without its state) from `get_config()`'s result."""
        return cls(**config)

    def __setattr__(self, name: str, value: Any) -> None:
        tracker = self.__dict__.get("_tracker")
        super().__setattr__(name, value if tracker is None else tracker.track(value))

    def _checked_tracker(self) -> Tracker:
        tracker = self.__dict__.get("_tracker")
        if tracker is None:
            raise RuntimeError(
                f"[{type(self).__name__}] expected the constructor to call super().__init__() first; it did not."
            )
        return tracker

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
