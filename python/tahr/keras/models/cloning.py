"""clone_model: a model like another one, with layers and weights of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.core.input_layer import InputLayer
from tahr.keras.layers.layer import Layer
from tahr.keras.models.functional import Functional, as_input
from tahr.keras.models.model import Model, _takes_functional
from tahr.keras.models.sequential import Sequential


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Any:
    """A new model of the same layers with newly initialized weights.

    Args:
        model: a Sequential or functional model, or one of a subclass that describes itself by `get_config`.
        input_tensors: KerasTensors, nested as the model's inputs, to build the clone on; by default new ones.
        clone_function: `layer -> layer`, in place of `layer.from_config(layer.get_config())`; it may return the layer
            itself, which the two models then share. Not for subclassed models.
        call_function: `(layer, *args, **kwargs) -> output`, in place of calling the layer; functional models only.
        recursive: also applies the two functions inside of nested models.

    Returns:
        The clone; compiled with the same configuration if `model` is.

    Raises:
        ValueError: for an argument that this kind of model does not take, or inputs of another structure.

    Example:
        >>> from tahr import keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> clone = keras.models.clone_model(model)
        >>> clone.layers[0] is model.layers[0], clone.output_shape
        (False, (None, 3))
    """
    cache = kwargs.pop("cache", None)
    if kwargs:
        raise ValueError(f"[clone_model] expected no further arguments, received {sorted(kwargs)}.")
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("[clone_model] `call_function` is for functional models, received it with a Sequential.")
        clone = _cloner(clone_function, None, recursive, {} if cache is None else cache)
        return _with_same_compilation(_clone_sequential(model, clone, input_tensors), model)
    if isinstance(model, Functional):
        subclass_with_own_config = type(model) is not Functional and type(model).get_config is not Functional.get_config
        if not (
            subclass_with_own_config and clone_function is None and call_function is None and input_tensors is None
        ):
            clone = _cloner(clone_function, call_function, recursive, {} if cache is None else cache)
            return _with_same_compilation(_clone_functional(model, clone, call_function, input_tensors), model)
    for name, value in (("clone_function", clone_function), ("input_tensors", input_tensors)):
        if value is not None:
            raise ValueError(
                f"[clone_model] `{name}` is for Sequential and functional models, received it with a "
                f"{type(model).__name__}: its layers are not known from outside."
            )
    if call_function is not None:
        raise ValueError(f"[clone_model] `call_function` is for functional models, received a {type(model).__name__}.")
    return type(model).from_config(model.get_config())


def _cloner(clone_function: Any, call_function: Any, recursive: bool, cache: dict[int, Any]) -> Callable[[Any], Any]:
    """`operation -> its clone`, the same one every time it is asked."""

    def make(op: Any) -> Any:
        if recursive and isinstance(op, (Sequential, Functional)):
            call = None if isinstance(op, Sequential) else call_function
            return clone_model(op, None, clone_function, call, recursive=True, cache=cache)
        if isinstance(op, Layer) and clone_function is not None and not isinstance(op, InputLayer):
            return clone_function(op)
        return type(op).from_config(op.get_config())

    def clone(op: Any) -> Any:
        if id(op) not in cache:
            cache[id(op)] = make(op)
        return cache[id(op)]

    return clone


def _clone_sequential(model: Sequential, clone: Callable[[Any], Any], input_tensors: Any) -> Sequential:
    layers = [clone(layer) for layer in model._layers if not isinstance(layer, InputLayer)]
    if isinstance(input_tensors, (list, tuple)):
        if len(input_tensors) != 1:
            raise ValueError(
                f"[clone_model] expected one tensor in `input_tensors` for a Sequential, received {len(input_tensors)}."
            )
        input_tensors = input_tensors[0]
    first: Any = None
    if input_tensors is not None:
        if not isinstance(input_tensors, KerasTensor):
            raise ValueError(f"[clone_model] expected `input_tensors` to be a KerasTensor, received {input_tensors!r}.")
        first = InputLayer(batch_shape=input_tensors.shape, dtype=input_tensors.dtype, name=input_tensors.name)
    elif model._layers and isinstance(model._layers[0], InputLayer):
        first = InputLayer.from_config(model._layers[0].get_config())
    layers = layers if first is None else [first, *layers]
    return type(model)(layers, trainable=model.trainable, name=model.name)


def _clone_functional(
    model: Functional, clone: Callable[[Any], Any], call_function: Any, input_tensors: Any
) -> Functional:
    if input_tensors is None:
        inputs = tree.map_structure(_like, model.input)
    else:
        given = tree.flatten(input_tensors)
        wrong = [x for x in given if not isinstance(x, KerasTensor)]
        if wrong:
            raise ValueError(f"[clone_model] expected `input_tensors` to be KerasTensors, received {wrong[0]!r}.")
        if not (_nest_alike(input_tensors, model.input) or len(given) == len(model.inputs) == 1):
            raise ValueError(
                f"[clone_model] `input_tensors` must have the same structure as model.input, {model.input}; received "
                f"{input_tensors}."
            )
        inputs = tree.pack_sequence_as(model.input, [as_input(x, "input_wrapper_for_") for x in given])

    def call_of(op: Any) -> Any:
        copy = clone(op)
        return copy if call_function is None else lambda *args, **kwargs: call_function(copy, *args, **kwargs)

    outputs = model._run_through(tree.flatten(inputs), call_of)
    kind = type(model) if _takes_functional(type(model)) else Functional
    return kind(inputs, outputs, name=model.name, trainable=model.trainable)


def _nest_alike(a: Any, b: Any) -> bool:
    try:
        tree.assert_same_structure(a, b)
    except (TypeError, ValueError):
        return False
    return True


def _like(x: KerasTensor) -> KerasTensor:
    """A new input like the input `x`."""
    layer = x._keras_history.operation  # type: ignore[attr-defined]
    return InputLayer.from_config(layer.get_config()).output


def _with_same_compilation(clone: Model, model: Model) -> Model:
    if model.compiled:
        clone.compile_from_config(model.get_compile_config() or {})
    return clone
