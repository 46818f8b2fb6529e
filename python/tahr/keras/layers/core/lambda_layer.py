"""Lambda: any function as a layer."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

from tahr.keras import tree
from tahr.keras.backend import config as settings
from tahr.keras.backend import state
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer
from tahr.keras.symbolic.trace import compute_output_spec


class Lambda(Layer):
    """Applies a function of your own. For anything with weights, write a subclass of `Layer`.

    Args:
        function: takes the inputs (and `mask` or `training` if it names them) and returns the outputs.
        output_shape: shape of the output without the batch axis, or a function of the input's shape; None to infer.
        mask: mask of the output, or a function of inputs and mask.
        arguments: further arguments of `function`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Lambda(lambda x: x * 2)(np.array([[1.0, 2.0]])).numpy()
    array([[2., 4.]], dtype=float32)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.arguments = arguments or {}
        self.mask = mask
        self.supports_masking = mask is not None
        self._output_shape = output_shape
        try:
            named = tuple(inspect.signature(function).parameters)
        except ValueError:  # an op or another function of C has no signature, and neither argument
            named = ()
        self._passes = tuple(n for n in ("mask", "training") if n in named)

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """`function(inputs, **arguments)`."""
        given = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{n: given[n] for n in self._passes})

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape given or, failing that, found by running the function without values."""
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        if self._output_shape is not None:
            batch = tree.flatten(input_shape)[0]
            return tree.map_shape_structure(lambda s: (batch, *s), self._output_shape)
        inputs = tree.map_shape_structure(lambda s: KerasTensor(s, dtype=self.compute_dtype), input_shape)
        try:
            return tree.map_structure(lambda x: x.shape, compute_output_spec(self.call, inputs))
        except Exception as error:
            raise NotImplementedError(
                f"[{self.name}] expected a function whose output shape a symbolic call can find, received {error}. "
                "Give the shape as output_shape."
            ) from error

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask given, or what it gives for these inputs."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer; a lambda is stored as code, which loads only with safe_mode=False."""
        config = {**super().get_config(), "function": _serialize(self.function)}
        if self._output_shape is not None:
            shape = self._output_shape
            config["output_shape"] = _serialize(shape) if callable(shape) else shape
        if self.mask is not None:
            config["mask"] = _serialize(self.mask)
        from tahr.keras.saving import serialize_keras_object

        config["arguments"] = serialize_keras_object(self.arguments)
        return config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None, safe_mode: bool | None = None
    ) -> Any:
        """The layer that `get_config` described.

        Raises:
            ValueError: if it holds a lambda and `safe_mode` is not off.
        """
        if safe_mode is None:
            safe_mode = state.get_scope("safe_mode")
        safe = safe_mode is not False and not settings.is_unsafe_deserialization_enabled()
        config = dict(config)
        for key in ("function", "output_shape", "mask", "arguments"):
            if key in config:
                config[key] = _deserialize(config[key], custom_objects, safe)
        if isinstance(config.get("output_shape"), list) and tree.structure.is_shape(config["output_shape"]):
            config["output_shape"] = tuple(config["output_shape"])
        return super().from_config(config)


def _serialize(fn: Any) -> Any:
    from tahr.keras.saving.serialization import dump_function, serialize_keras_object

    if isinstance(fn, types.FunctionType) and fn.__name__ == "<lambda>":
        code, defaults, closure = dump_function(fn)
        return {"class_name": "__lambda__", "config": {"code": code, "defaults": defaults, "closure": closure}}
    return serialize_keras_object(fn)


def _deserialize(config: Any, custom_objects: dict[str, Any] | None, safe: bool) -> Any:
    from tahr.keras.saving.serialization import deserialize_keras_object, load_function

    if isinstance(config, dict) and config.get("class_name") == "__lambda__":
        if safe:
            raise ValueError(
                "[Lambda] expected a config without code, received a lambda: loading it means arbitrary code execution. If "
                "you trust where it comes from, pass safe_mode=False or call keras.config.enable_unsafe_deserialization()."
            )
        inner = config["config"]
        return load_function((inner["code"], inner["defaults"], inner["closure"]))
    return deserialize_keras_object(config, custom_objects=custom_objects)
