"""Sequential: a stack of layers."""

from __future__ import annotations

import inspect
from typing import Any

from tahr import tracing
from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.backend.masking import get_keras_mask, set_keras_mask
from tahr.keras.backend.state import get_uid
from tahr.keras.backend.variables import standardize_shape
from tahr.keras.layers.core.input_layer import InputLayer
from tahr.keras.layers.layer import Layer
from tahr.keras.models.host_part import number_on_host, of_sequential
from tahr.keras.models.model import Model


class Sequential(Model):
    """Layers applied one after the other.

    With an `Input` first (or a first layer that knows its input's shape) the weights exist at once; else from the
    first call on data, or `build`.

    Args:
        layers: layers, in order.
        trainable: whether optimizers update the weights.
        name: name.

    Raises:
        ValueError: if something else than layers is given, or two layers have the same name.

    >>> from tahr import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    >>> model.output_shape, len(model.weights)
    ((None, 2), 4)
    """

    _remat_by_part = True

    _keras_module = "keras"

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self._end: KerasTensor | None = None  # the symbolic output, once the input is known
        if isinstance(layers, Layer):
            raise TypeError(f"[{self.name}] expected a list of layers, received {layers!r}. Pass [layer].")
        for layer in layers or ():
            self.add(layer, rebuild=False)
        if self._layers:
            self._maybe_rebuild()

    # The stack. `_layers` holds the InputLayer, too; `layers` leaves it out.

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Puts `layer` on top of the stack.

        Args:
            layer: a layer, or a KerasTensor from `keras.Input` as the first one.
            rebuild: whether to build it now if the input is known.
        """
        history = getattr(layer, "_keras_history", None)
        if history is not None and isinstance(history.operation, InputLayer):
            layer = history.operation
        if not isinstance(layer, Layer):
            raise ValueError(
                f"[{self.name}] Only instances of keras.layers.Layer can be added, received {layer!r} of type "
                f"{type(layer).__name__}. A function needs keras.layers.Lambda around it."
            )
        if any(layer.name == other.name and layer is not other for other in self._layers):
            raise ValueError(
                f"[{self.name}] All layers should have unique names, received a second {layer.name!r}. Pass "
                "name=... to the layer."
            )
        if not self._layers and not isinstance(layer, InputLayer):
            shape = getattr(layer, "_batch_input_shape", None)
            if shape is not None:
                self._push(InputLayer(batch_shape=shape, dtype=_input_dtype(layer)))
        if isinstance(layer, InputLayer) and self._layers and isinstance(self._layers[0], InputLayer):
            raise ValueError(
                f"[{self.name}] has already been configured for input of shape {self._layers[0].batch_shape}, "
                "received a second Input. Leave one out."
            )
        self._push(layer)
        if not rebuild:
            self.built, self._end = False, None
        elif self._end is not None:
            _count_as_functional()
            self._extend(layer)  # the layers below are built: only the new one is called
        else:
            self._maybe_rebuild()

    def pop(self, rebuild: bool = True) -> Layer:
        """Takes the last layer off the stack and returns it.

        Args:
            rebuild: whether to build the rest now if the input is known.

        Raises:
            ValueError: if there is no layer.
        """
        if not self.layers:
            raise ValueError(f"[{self.name}] expected a layer to pop, received an empty model.")
        layer = self._layers[-1]
        if any(layer is other for other in self._layers[:-1]):
            self._layers.pop()  # still in the stack further down
        else:
            self._tracker.untrack(layer)
        self._stack_changed()
        self.built, self._end = False, None
        if rebuild and self._layers:
            self._maybe_rebuild()
        return layer

    def _push(self, layer: Layer, bottom: bool = False) -> None:
        self._tracker.unlock()
        if any(layer is other for other in self._layers):
            self._layers.append(layer)  # once more on top: the same weights, tracked already
        else:
            self._tracker.file(layer, self._layers)
        if bottom:
            self._layers.insert(0, self._layers.pop())
        self._stack_changed()

    def _stack_changed(self) -> None:
        """Traces of this model, and of models around it, are of the old stack."""
        if tracing.is_tracing():
            return  # a first call puts the InputLayer below the stack
        self.__dict__["_edits"] = self.__dict__.get("_edits", 0) + 1
        tracing.count_change()
        self._set(_step_variables=None)

    def _maybe_rebuild(self) -> None:
        self.built, self._end = False, None
        first = self._layers[0]
        if len(self._layers) > 1:
            if isinstance(first, InputLayer):
                self.build(first.batch_shape)
            elif isinstance(first, Model) and isinstance(getattr(first, "input_shape", None), tuple):
                self.build(first.input_shape)

    def build(self, input_shape: Any = None) -> None:
        """Builds all layers for inputs of this shape (with the batch axis)."""
        try:
            input_shape = standardize_shape(input_shape)
        except (TypeError, ValueError):
            return  # several inputs: the first call builds the layers
        if not self._layers:
            raise ValueError(f"[{self.name}] has no layers to build(). Add them by model.add(layer).")
        first = self._layers[0]
        if not isinstance(first, InputLayer):
            self._push(InputLayer(batch_shape=input_shape, dtype=_input_dtype(first)), bottom=True)
        elif first.batch_shape != input_shape:
            raise ValueError(
                f"[{self.name}] expected the input shape {first.batch_shape} of its Input in build(), received "
                f"{input_shape}."
            )
        self._end = self._layers[0].output
        _count_as_functional()
        for layer in self.layers:
            self._extend(layer)
            if self._end is None:
                return

    def _extend(self, layer: Layer) -> None:
        """Applies `layer` to the symbolic output so far."""
        try:
            self._end = layer(self._end)
        except NotImplementedError:
            self._end = None  # its shape cannot be inferred: the first call on data builds it
            self.built = False
            return
        except TypeError:
            self._explain_signature(layer)
            raise
        self.built = True

    def _post_build(self) -> None:
        self.built = self._end is not None
        self._tracker.unlock()

    def _explain_signature(self, layer: Layer) -> None:
        parameters = inspect.signature(layer.call).parameters.values()
        positional = [
            p
            for p in parameters
            if p.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        ]
        required = [p.name for p in positional if p.default is inspect.Parameter.empty]
        if not positional or len(required) > 1:
            raise ValueError(
                f"[{self.name}] Layers of a Sequential can only have a single required positional argument, received "
                f"{type(layer).__name__} with {required or 'none'}. A functional model takes it."
            ) from None

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order, without the input."""
        first = 1 if self._layers and isinstance(self._layers[0], InputLayer) else 0
        return list(self._layers[first:])

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError(f"[{self.name}] cannot replace `layers` as a whole. Use `add()` and `pop()`.")

    # Calling.

    @property
    def _host_part(self) -> Any:
        """What runs on the data before a step; see `host_part.py`."""
        layers = self.layers
        if not layers or not hasattr(layers[0], "_runs_on_host"):
            return None
        return of_sequential(self)

    def _input_spec_or_none(self) -> KerasTensor | None:
        first = self._layers[0]
        return first.output if isinstance(first, InputLayer) else None

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The output of the last layer.

        Args:
            inputs: what the first layer takes.
            training: whether layers such as Dropout are in their training mode.
            mask: mask of `inputs`.
        """
        x = inputs
        first = 0
        if self.__dict__.get("_gets_encoded"):
            first = number_on_host(self)
        elif self._end is not None:
            x = self._check_input(x)
        if mask is not None and not tree.is_nested(x):
            set_keras_mask(x, mask)
        kwargs = {} if training is None else {"training": training}
        for layer in self.layers[first:]:
            x = layer(x, **kwargs)
        return x

    def _check_input(self, x: Any) -> Any:
        """The one input of the model, with the rank that it was built for."""
        want = self._layers[0].output
        if isinstance(x, (list, tuple)) and len(x) == 1:
            x = x[0]
        if tree.is_nested(x) or x is None:
            received = "None" if x is None else f"a {type(x).__name__} of {len(x)}"
            raise ValueError(
                f"[{self.name}] expected one tensor of shape {want.shape}, received {received}. A Sequential has one "
                "input; keras.Model(inputs, outputs) takes several."
            )
        if len(x.shape) != len(want.shape):
            x = match_rank(x, want)
            if len(x.shape) != len(want.shape):
                raise ValueError(
                    f"[{self.name}] expected input of shape {want.shape}, received shape {tuple(x.shape)}. The first "
                    "axis is the batch: reshape the data, or build the model for this shape."
                )
        return x

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask that the last layer left on the output, which is there already."""
        return None

    def compute_output_spec(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        """Shape and dtype of the output."""
        x = inputs
        for layer in self.layers:
            before = get_keras_mask(x) if isinstance(x, KerasTensor) else None
            if not layer.built:
                x = layer(x)
                continue
            y = layer.compute_output_spec(x)
            if before is not None and layer.supports_masking:
                after = layer.compute_mask(x, before)
                if after is not None and isinstance(y, KerasTensor):
                    set_keras_mask(y, after)
            x = y
        return x if x is not inputs else KerasTensor(x.shape, dtype=x.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output for an input of this shape."""
        shape = input_shape
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    @property
    def _functional(self) -> Any:
        """The same layers as a Functional, which scripts ask for to take a model apart; None before it is built."""
        from tahr.keras.models.functional import Functional

        return None if self._end is None else Functional(self._layers[0].output, self._end, name=self.name)

    def _defined(self, what: str, value: Any) -> Any:
        if self._end is None:
            raise AttributeError(
                f"[{self.name}] expected a built model for its {what}, found it unbuilt. Build it, or call it on data."
            )
        return value()

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the input."""
        return self._defined("input shape", lambda: self._layers[0].batch_shape)

    @property
    def output_shape(self) -> Any:
        """Shape of the output."""
        return self._defined("output shape", lambda: tree.map_structure(lambda x: x.shape, self._end))

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic input, in a list."""
        return self._defined("inputs", lambda: [self._layers[0].output])

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs."""
        return self._defined("outputs", lambda: tree.flatten(self._end))

    @property
    def input(self) -> KerasTensor:
        """The symbolic input."""
        return self._defined("inputs", lambda: self._layers[0].output)

    @property
    def output(self) -> Any:
        """The symbolic output."""
        return self._defined("outputs", lambda: self._end)

    @property
    def input_dtype(self) -> str:
        """Dtype that inputs are cast to."""
        encoded = self.__dict__.get("_gets_encoded")
        if self._layers and isinstance(self._layers[0], InputLayer) and not encoded:
            return self._layers[0].dtype
        return super().input_dtype

    # Configs.

    def get_config(self) -> dict[str, Any]:
        """The configs of the layers."""
        from tahr.keras.saving import serialize_keras_object

        config = {**super().get_config(), "layers": [serialize_keras_object(lr) for lr in self._layers]}
        if self._end is not None:
            config["build_input_shape"] = self._layers[0].batch_shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The model that `get_config` described."""
        from tahr.keras.saving import deserialize_keras_object

        if "name" not in config or "layers" not in config:
            raise ValueError(f"[Sequential] expected a config with the keys 'name' and 'layers', received {config}.")
        model = cls(name=config["name"])
        made: dict[str, Any] = {}
        seen: dict[str, Any] = {}
        for layer_config in config["layers"]:
            layer = deserialize_keras_object(layer_config, custom_objects=custom_objects)
            name = getattr(layer, "name", "")
            if name in made and seen[name] == layer_config:  # one layer, in the stack more than once
                layer = made[name]
            made[name], seen[name] = layer, layer_config
            model.add(layer)
        shape = config.get("build_input_shape")
        if model._end is None and shape and isinstance(shape, (tuple, list)) and model.layers:
            model.build(shape)
        return model


def _count_as_functional() -> None:
    """Keras makes a Functional inside a Sequential at this point; automatic names go on counting as there."""
    get_uid("functional")


def _input_dtype(layer: Any) -> str:
    return layer.input_dtype


def match_rank(x: Any, reference: KerasTensor) -> Any:
    """`x` with a last axis of size 1 added or dropped where that gives it the rank of `reference`."""
    from tahr import ops

    rank, want = len(x.shape), len(reference.shape)
    if rank == want + 1 and x.shape[-1] == 1:
        return ops.squeeze(x, axis=-1)
    if rank == want - 1 and reference.shape[-1] == 1:
        return ops.expand_dims(x, axis=-1)
    return x
