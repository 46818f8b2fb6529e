"""Bidirectional: a sequence read from both ends."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.call_spec import signature_of
from tahr.keras.layers.layer import Layer
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object

_MODES = ("sum", "mul", "ave", "concat", None)
_SHARED = ("stateful", "return_sequences", "return_state")


def _renamed(layer: Layer, prefix: str) -> dict[str, Any]:
    config = serialize_keras_object(layer)
    config["config"]["name"] = f"{prefix}_{layer.name.removeprefix(prefix + '_')}"
    return config


class Bidirectional(Layer):
    """Runs a recurrent layer forwards and a second one backwards, and merges their outputs.

    Args:
        layer: an `RNN`, `LSTM`, `GRU`, ... or a layer with `go_backwards`, `return_sequences`, `return_state`,
            `stateful` and `input_spec`. A copy of it, with new weights, is used.
        merge_mode: 'sum', 'mul', 'ave', 'concat' (along the last axis), or None for a pair of outputs.
        weights: initial weights, those of the forward layer first.
        backward_layer: the layer that runs backwards; by default one like `layer`, with `go_backwards` set.

    Shapes: as those of `layer`; with 'concat' the last axis is twice as wide.

    Raises:
        ValueError: for an unknown `merge_mode`, or layers that do not go together.

    Source: Schuster and Paliwal, "Bidirectional Recurrent Neural Networks", 1997.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(np.ones((2, 3, 5))).shape
    (2, 3, 8)
    """

    _initial_weights: Any

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        for name, value in (("layer", layer), ("backward_layer", backward_layer)):
            if not isinstance(value, Layer) and not (name == "backward_layer" and value is None):
                raise ValueError(f"[Bidirectional] expected {name} to be a layer, received {value!r}.")
        if merge_mode not in _MODES:
            raise ValueError(f"[Bidirectional] expected merge_mode to be one of {_MODES}, received {merge_mode!r}.")
        super().__init__(**kwargs)
        self.forward_layer = deserialize_keras_object(_renamed(layer, "forward"))
        if backward_layer is None:
            config = _renamed(layer, "backward")
            config["config"]["go_backwards"] = True
            self.backward_layer = deserialize_keras_object(config)
        else:
            self.backward_layer = backward_layer
        self._check_pair()
        for part in (self.forward_layer, self.backward_layer):
            if hasattr(layer, "use_cudnn") and hasattr(part, "use_cudnn"):
                part.use_cudnn = layer.use_cudnn
            # Outputs of masked steps would otherwise be what came before, in either direction something else.
            if getattr(part, "zero_output_for_mask", None) is not None:
                part.zero_output_for_mask = part.return_sequences
        self.merge_mode = merge_mode
        object.__setattr__(self, "_initial_weights", weights)
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_pair(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                f"[{self.name}] expected layer and backward_layer to run in opposite directions, received "
                f"go_backwards={forward.go_backwards} for both."
            )
        for name in _SHARED:
            a, b = getattr(forward, name), getattr(backward, name)
            if a != b:
                raise ValueError(
                    f"[{self.name}] expected the same {name} in layer and backward_layer, received {a} and {b}."
                )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Builds both layers for a sequence of this shape."""
        for part in (self.forward_layer, self.backward_layer):
            if not part.built:
                part.build(sequences_shape)
        if self._initial_weights is not None:
            half = len(self._initial_weights) // 2
            self.forward_layer.set_weights(self._initial_weights[:half])
            self.backward_layer.set_weights(self._initial_weights[half:])
            object.__setattr__(self, "_initial_weights", None)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Shape of the merged output, and of the states of both layers with `return_state`."""
        shape = self.forward_layer.compute_output_shape(sequences_shape)
        states: tuple[Any, ...] = ()
        if self.return_state:
            shape, states = shape[0], tuple(shape[1:])
        if self.merge_mode is None:
            return (shape, shape, *states, *states)
        if self.merge_mode == "concat":
            shape = (*shape[:-1], None if shape[-1] is None else 2 * shape[-1])
        return (shape, *states, *states) if self.return_state else tuple(shape)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        """The merged outputs. `initial_state` holds the forward layer's states, then the backward layer's."""
        results = []
        half = 0 if initial_state is None else len(initial_state) // 2
        for part, states in (
            (self.forward_layer, None if initial_state is None else initial_state[:half]),
            (self.backward_layer, None if initial_state is None else initial_state[half:]),
        ):
            signature = signature_of(part)
            kwargs = {} if states is None else {"initial_state": states}
            if signature.has_training:
                kwargs["training"] = training
            if signature.has_mask:
                kwargs["mask"] = mask
            results.append(part(sequences, **kwargs))
        forward, backward = results
        states = ()
        if self.return_state:
            states = (*forward[1:], *backward[1:])
            forward, backward = forward[0], backward[0]
        forward, backward = ops.cast(forward, self.compute_dtype), ops.cast(backward, self.compute_dtype)
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        if self.merge_mode is None:
            return (forward, backward, *states)
        if self.merge_mode == "concat":
            output = ops.concatenate([forward, backward], axis=-1)
        elif self.merge_mode == "mul":
            output = ops.multiply(forward, backward)
        else:
            output = ops.add(forward, backward)
            if self.merge_mode == "ave":
                output = ops.divide(output, 2)
        return (output, *states) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """The mask of the outputs: that of the inputs if there is an output for each step."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        kept = mask if self.return_sequences else None
        masks = (kept, kept) if self.merge_mode is None else (kept,)
        if self.return_state:
            count = 2 * len(getattr(self.forward_layer, "state_size", ()))
            return (*masks, *(None for _ in range(count)))
        return masks if self.merge_mode is None else kept

    @property
    def states(self) -> Any:
        """The states that a stateful layer keeps, of both directions."""
        if self.forward_layer.states and self.backward_layer.states:
            return (*self.forward_layer.states, *self.backward_layer.states)
        return None

    def reset_state(self) -> None:
        """Sets the states that a stateful layer keeps to zeros.

        Raises:
            AttributeError: if the layer is not stateful.
        """
        if not self.stateful:
            raise AttributeError(f"[{self.name}] has no state to reset: stateful=False.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """As `reset_state`."""
        self.reset_state()

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": serialize_keras_object(self.forward_layer),
            "backward_layer": serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` described."""
        config = dict(config)
        config["layer"] = deserialize_keras_object(config["layer"], custom_objects=custom_objects)
        if config.get("backward_layer") is not None:
            config["backward_layer"] = deserialize_keras_object(config["backward_layer"], custom_objects=custom_objects)
        return cls(**config)
