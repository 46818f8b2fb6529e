"""What a model takes, and the frozen graph of one call of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tahr import _C, nest
from tahr.keras.layers.layer import Layer
from tahr.tracing import trace


@dataclass
class Frozen:
    """A graph of one inference call: the weights are constants."""

    function: Any  # _C.GraphFunction
    inputs: list[str]
    outputs: list[str]


def frozen(model: Any, input_signature: Any = None) -> Frozen:
    """Traces `model` called with training=False on inputs of the given signature, or of its own.

    Raises:
        ValueError: if the model's inputs are unknown, or the call cannot be traced.
    """
    if getattr(model, "_host_part", None) is not None:
        raise ValueError(
            f"[{model.name}] export expected a model whose layers all compute with tensors; its first layers (of text, "
            "or lookups) run in Python. Export the model behind them, and call them apart."
        )
    arguments = arguments_of(model, input_signature)
    flat = nest.flatten(arguments)
    specs = [spec_of(model, s) for s in flat]

    def call(*tensors: Any) -> Any:
        return Layer.__call__(model, *nest.pack_sequence_as(arguments, list(tensors)), training=False)

    traced = trace(call, specs, may_create_variables=False)
    try:
        function = _C.freeze_graph(traced.graph)
    except ValueError as error:
        raise ValueError(f"[{model.name}] {error}{_culprit(model, str(error))}") from None
    count = len(function.output_shapes())
    return Frozen(
        function,
        names_of(getattr(model, "input_names", None), [getattr(s, "name", None) for s in flat], "input"),
        names_of(getattr(model, "output_names", None), [None] * count, "output"),
    )


def _culprit(model: Any, message: str) -> str:
    """ " It is the layer 'x'.": the first layer that cannot be exported alone, for the same reason."""
    for layer in model._flatten_layers(include_self=False):
        try:
            frozen(layer)
        except ValueError as error:
            if message in str(error):
                return f" It is the layer '{layer.name}'."
        except Exception:  # a layer that was not called on its own
            continue
    return ""


def arguments_of(model: Any, input_signature: Any) -> list[Any]:
    """The arguments of a call, as specs or tensors: those of the signature, or what `model` was built with."""
    if input_signature is not None:
        return list(input_signature) if isinstance(input_signature, (list, tuple)) else [input_signature]
    inputs = None
    if model.built:
        try:
            inputs = model.input
        except (AttributeError, ValueError):
            inputs = None
    if inputs is None:
        raise ValueError(
            f"[{model.name}] export does not know what this model takes. Pass input_signature, a list with one "
            "keras.InputSpec(shape=..., dtype=...) or tensor per argument of call()."
        )
    return [inputs]


def spec_of(model: Any, given: Any) -> tuple[tuple[int | None, ...], str]:
    """Shape and dtype of a spec or tensor of a signature."""
    name = getattr(model, "name", "ExportArchive")
    shape = getattr(given, "shape", None)
    if shape is None:
        raise ValueError(
            f"[{name}] export expected an input_signature of keras.InputSpec with shapes, or of tensors, "
            f"received {given!r}."
        )
    dtype = getattr(given, "dtype", None)
    return tuple(shape), str(getattr(dtype, "name", None) or dtype or "float32")


def names_of(known: Any, fallback: list[Any], kind: str) -> list[str]:
    """A name for each of `fallback`: the known ones, if there is one for each, or those of `fallback`, or numbers."""
    count = len(fallback)
    names = list(known) if known is not None and len(known) == count else fallback
    if any(not n for n in names) or len(set(names)) != count:
        return [f"{kind}_{i}" for i in range(count)]
    return [str(n) for n in names]
