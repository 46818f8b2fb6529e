"""LayerState: what a layer holds. Variables, inner layers, dtypes and losses; how they are found and changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import tracing
from tahr.keras import dtype_policies, tree
from tahr.keras.backend import scopes
from tahr.keras.backend.engine import is_tensor
from tahr.keras.backend.variables import Variable
from tahr.keras.layers.tracking import Tracker
from tahr.keras.symbolic.operation import Operation

_PLAIN = (bool, int, float, str, type(None))

# Attributes that training sets on a model as it goes along: no trace depends on them.
_BOOKKEEPING = frozenset(("built", "history", "optimizer", "stop_training"))
_NOT_SET = object()


class LayerState(Operation):
    """The half of `Layer` that holds state; the other half computes."""

    _tracker: Tracker
    _trainable_variables: list[Any]
    _non_trainable_variables: list[Any]
    _layers: list[Any]
    _metrics: list[Any]
    _seed_generators: list[Any]
    _dtype_policy: Any
    _path: str | None
    _trainable: bool
    _losses: list[Any]
    _loss_ids: set[int]
    _losses_override: list[Any]
    built: bool

    def _initialize_tracker(self) -> None:
        if "_tracker" in self.__dict__:
            return
        tracker = Tracker(self)
        for key, value in (
            ("_tracker", tracker),
            ("_trainable_variables", tracker.trainable_variables),
            ("_non_trainable_variables", tracker.non_trainable_variables),
            ("_layers", tracker.layers),
            ("_metrics", tracker.metrics),
            ("_seed_generators", tracker.seed_generators),
        ):
            object.__setattr__(self, key, value)

    def _set_policy(self, policy: Any) -> None:
        object.__setattr__(self, "_dtype_policy", policy)

    def _policy(self) -> Any:
        policy = self._dtype_policy
        if isinstance(policy, dtype_policies.DTypePolicyMap) and self._path:
            return policy[self._path]
        return policy

    # Attributes that are state are filed as they are set.

    def __setattr__(self, name: str, value: Any) -> None:
        if value.__class__ not in _PLAIN and not isinstance(getattr(type(self), name, None), property):
            tracker = self.__dict__.get("_tracker")
            if tracker is None:
                self._initialize_tracker()
                tracker = self.__dict__["_tracker"]
            if not name.startswith(("_losses", "_loss_ids", "_inbound", "_outbound", "_call_context")):
                value = tracker.track(value)
        edit = name[0] != "_" and name not in _BOOKKEEPING and self.__dict__.get(name, _NOT_SET) is not value
        if edit and not tracing.is_tracing():  # what a trace itself leaves behind makes no trace stale
            self.__dict__["_edits"] = self.__dict__.get("_edits", 0) + 1
            tracing.count_change()
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        value = self.__dict__.get(name)
        if value is not None:
            self._tracker.untrack(value)
        super().__delattr__(name)

    def _track_variable(self, variable: Any) -> None:
        self._tracker.track(variable)

    def _untrack_variable(self, variable: Any) -> None:
        self._tracker.untrack(variable)

    # State.

    @property
    def path(self) -> str | None:
        """Where the layer lives: names of the layers around it and its own; None before it is built."""
        return self._path

    @property
    def trainable(self) -> bool:
        """Whether optimizers update the weights; setting it sets it for all layers inside."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        self._trainable = value
        for v in self._trainable_variables:
            v.trainable = value
        for layer in self._layers:
            layer.trainable = value

    def _collect(self, own: Callable[[LayerState], list[Any]]) -> list[Any]:
        """What `own` gives for this layer and all layers inside, each object once."""
        found: dict[int, Any] = {}
        stack: list[LayerState] = [self]
        seen: set[int] = set()
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            for v in own(layer):
                found.setdefault(id(v), v)
            stack.extend(reversed(layer._layers))
        return list(found.values())

    @property
    def variables(self) -> list[Any]:
        """All state: weights and the states of seed generators (not of metrics)."""
        return self._collect(
            lambda lr: [
                *lr._trainable_variables,
                *lr._non_trainable_variables,
                *(g.state for g in lr._seed_generators),
            ]
        )

    @property
    def weights(self) -> list[Any]:
        """The weights of this layer and those inside, trainable ones of each layer first."""
        return self._collect(lambda lr: [*lr._trainable_variables, *lr._non_trainable_variables])

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that optimizers update; none if the layer is frozen."""
        return [v for v in self.variables if v.trainable] if self.trainable else []

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The other variables; all if the layer is frozen."""
        return [v for v in self.variables if not v.trainable] if self.trainable else self.variables

    @property
    def trainable_weights(self) -> list[Any]:
        """The weights that optimizers update; none if the layer is frozen."""
        return [v for v in self.weights if v.trainable] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other weights; all if the layer is frozen."""
        return [v for v in self.weights if not v.trainable] if self.trainable else self.weights

    @property
    def metrics(self) -> list[Any]:
        """The metrics of this layer and those inside."""
        return self._collect(lambda lr: lr._metrics)

    @property
    def metrics_variables(self) -> list[Any]:
        """The variables of `metrics`."""
        return [v for m in self.metrics for v in m.variables]

    def get_weights(self) -> list[np.ndarray]:
        """The values of `weights` as NumPy arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Assigns to `weights`, in their order.

        Raises:
            ValueError: if the number of arrays or a shape differs; no weight is changed then.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ValueError(
                f"[{self.name}] expected a list of {len(own)} arrays in set_weights(weights), received {len(weights)}. "
                "get_weights() shows their order and shapes."
            )
        arrays = [w if hasattr(w, "shape") else np.asarray(w) for w in weights]
        for v, w in zip(own, arrays):
            if tuple(v.shape) != tuple(w.shape):
                raise ValueError(
                    f"[{self.name}] expected shape {tuple(v.shape)} for weight {getattr(v, 'path', v.name)!r}, "
                    f"received shape {tuple(w.shape)}."
                )
        for v, w in zip(own, arrays):
            v.assign(w)

    def count_params(self) -> int:
        """The number of scalars in the weights.

        Raises:
            ValueError: if the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"[{self.name}] expected a built layer for count_params(), received one that isn't built. "
                "Call it on data, or `build(input_shape)`."
            )
        return sum(int(np.prod(v.shape, dtype="int64")) for v in self.weights)

    # Dtypes.

    @property
    def dtype(self) -> str:
        """The same as `variable_dtype`."""
        return self.variable_dtype

    @property
    def variable_dtype(self) -> str:
        """Dtype of the weights."""
        return self._policy().variable_dtype

    @property
    def compute_dtype(self) -> str:
        """Dtype of the computation."""
        return self._policy().compute_dtype

    @property
    def input_dtype(self) -> str:
        """Dtype that inputs are cast to."""
        return self.compute_dtype

    @property
    def quantization_mode(self) -> str | None:
        """How the weights are quantized: "int8", "int4", "float8", "gptq" or "awq"; None for not at all."""
        return self._policy().quantization_mode

    # Losses.

    def add_loss(self, loss: Any) -> None:
        """Adds a scalar (or several) to the loss that training minimises. To be called inside `call`."""
        values = tree.flatten(loss)
        for x in values:
            if not is_tensor(x):
                raise ValueError(
                    f"[{self.name}] expected a tensor in add_loss(), received {x!r} of type "
                    f"{type(x).__name__}. Compute the loss in call() and add the tensor there."
                )
        scope = scopes.get_stateless_scope()
        if scope is None:
            self._losses.extend(values)
        elif scope.collect_losses:
            for x in values:
                scope.add_loss(x)
                self._loss_ids.add(id(x))

    def add_metric(self, value: Any, name: str | None = None, aggregation: str | None = "mean") -> None:
        """Reports the mean of a value over the batches of an epoch, beside the metrics of `compile`.

        To be called inside `call`. Keras 3 has no such method any more; in new code make a `keras.metrics.Mean` in
        `__init__` and call its `update_state`.

        Args:
            value: tensor; its elements are averaged.
            name: what the logs call it.
            aggregation: "mean"; None, for the results of a metric, is refused: keep that metric as an attribute.

        Raises:
            ValueError: without a name, or for something else than a tensor with values or of a trace.

        >>> import numpy as np
        >>> from tahr import keras
        >>> class Watched(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         self.add_metric(keras.ops.mean(inputs), name="level")
        ...         return inputs
        >>> model = keras.Sequential([Watched(), keras.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> logs = model.evaluate(np.full((4, 2), 3.0), np.zeros((4, 1)), verbose=0, return_dict=True)
        >>> logs["level"]
        3.0
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"[{self.name}] expected a name in add_metric(value, name=...), received {name!r}.")
        if aggregation != "mean":
            raise ValueError(
                f"[{self.name}] expected aggregation='mean' in add_metric(), received {aggregation!r}. To report a metric "
                "of your own, keep it as an attribute of the layer and call its update_state()."
            )
        if not is_tensor(value):
            raise ValueError(
                f"[{self.name}] expected a tensor in add_metric(), received {type(value).__name__}. Compute the value "
                "in call() of a layer and add it there."
            )
        from tahr.keras.metrics import Mean

        kept = next((m for m in self._metrics if m.name == name), None)
        if kept is None:
            kept = Mean(name=name)
            self._tracker.track(kept)
        kept.update_state(value)

    def _get_own_losses(self) -> list[Any]:
        scope = scopes.get_stateless_scope()
        if scope is None:
            return list(self._losses)
        return [x for x in scope.losses if id(x) in self._loss_ids]

    @property
    def losses(self) -> list[Any]:
        """The losses of the last call: those of `add_loss`, here and in layers inside, then those of regularizers."""
        if self._losses_override:
            return self._losses_override
        layers = self._flatten_layers()
        found = [x for layer in layers for x in layer._get_own_losses()]
        if not self.trainable:
            return found
        seen: set[int] = set()
        for layer in layers:
            for v in (*layer._trainable_variables, *layer._non_trainable_variables):
                regularizer = getattr(v, "regularizer", None)
                if regularizer is not None and v.trainable and id(v) not in seen:
                    seen.add(id(v))
                    found.append(regularizer(v.value if isinstance(v, Variable) else v))
        return found

    def _clear_losses(self) -> None:
        scope = scopes.get_stateless_scope()
        for layer in self._flatten_layers():
            if scope is not None and scope.collect_losses:
                scope.losses[:] = [x for x in scope.losses if id(x) not in layer._loss_ids]
            layer._losses.clear()
            layer._loss_ids.clear()

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[LayerState]:
        if not recursive:
            return ([self] if include_self else []) + list(self._layers)
        found: dict[int, LayerState] = {}
        stack: list[LayerState] = [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                stack.extend(reversed(layer._layers))
        layers = list(found.values())
        return layers if include_self else layers[1:]

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the layer's own weights into `store`, under "0", "1", ..."""
        for i, v in enumerate([*self._trainable_variables, *self._non_trainable_variables]):
            store[str(i)] = v.numpy()

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Takes the layer's own weights from `store`.

        Raises:
            ValueError: if their number differs.
        """
        own = self._check_load_own_variables(store)
        for i, v in enumerate(own):
            v.assign(store[str(i)])

    def _check_load_own_variables(self, store: dict[str, Any]) -> list[Any]:
        """The layer's own weights; ValueError if `store` has another number of them."""
        own = [*self._trainable_variables, *self._non_trainable_variables]
        if len(store.keys()) != len(own):
            hint = "" if self.built or own else " The layer is not built, so it has none yet: call it on data first."
            raise ValueError(
                f"[{self.name}] expected {len(own)} variables to load, received {len(store.keys())}.{hint}"
            )
        return own
