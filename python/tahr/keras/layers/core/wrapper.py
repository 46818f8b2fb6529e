"""Wrapper: a layer around another."""

from __future__ import annotations

from typing import Any

from tahr.keras.layers.layer import Layer


class Wrapper(Layer):
    """Base of layers that hold one other layer and change how it is used.

    Args:
        layer: the layer inside.

    Raises:
        ValueError: if `layer` is not a layer.
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(f"[{type(self).__name__}] expected a layer, received {layer!r}.")
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer inside."""
        if not self.layer.built:
            self.layer.build(input_shape)
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        from tahr.keras.saving import serialize_keras_object

        return {**super().get_config(), "layer": serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` described."""
        from tahr.keras.saving import deserialize_keras_object

        config = dict(config)
        config["layer"] = deserialize_keras_object(config["layer"], custom_objects=custom_objects)
        return super().from_config(config)
