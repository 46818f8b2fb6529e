"""How the arguments of one layer call are understood: which are tensors, and what shapes `build` is to get."""

from __future__ import annotations

import inspect
from typing import Any

from tahr.keras import tree
from tahr.keras.backend.engine import Tensor
from tahr.keras.backend.keras_tensor import KerasTensor


def is_tensor_like(x: Any) -> bool:
    """Whether `x` is a tensor, with or without a value."""
    return isinstance(x, (Tensor, KerasTensor))


class Signature:
    """What the `call` method of a layer class takes."""

    def __init__(self, call: Any) -> None:
        self.signature = inspect.signature(call)
        self.parameters = self.signature.parameters
        self.names = list(self.parameters)
        empty = inspect.Parameter.empty
        self.defaults = {n: None if p.default is empty else p.default for n, p in self.parameters.items()}
        kinds = [p.kind for p in self.parameters.values()]
        self.first = self.names[0] if self.names else ""
        # A call with one positional tensor needs no binding if the first parameter is an ordinary one.
        self.simple = bool(kinds) and kinds[0] in (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.POSITIONAL_ONLY,
        )
        self.simple = self.simple and not any(
            p.default is inspect.Parameter.empty and p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            for p in list(self.signature.parameters.values())[1:]
        )
        self.has_training = "training" in self.names
        self.has_mask = "mask" in self.names
        self.mask_names = {n[: -len("_mask")]: n for n in self.names if n.endswith("_mask")}
        self.training_default = self.defaults.get("training")


def signature_of(layer: Any) -> Signature:
    """The (cached) signature of a layer's `call`."""
    if "call" in layer.__dict__:
        return Signature(layer.call)
    cls = type(layer)
    found = cls.__dict__.get("_call_signature")
    if found is None:
        found = cls._call_signature = Signature(layer.call)
    return found


class CallSpec:
    """The bound arguments of one call."""

    def __init__(self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], context: Any) -> None:
        # Values for the layers inside, such as `training`, which this call() itself does not take.
        self.for_inner = {k: kwargs.pop(k) for k in context if k in kwargs and k not in signature.names}
        bound = signature.signature.bind(*args, **kwargs)
        self.user_arguments = {**self.for_inner, **bound.arguments}
        bound.apply_defaults()
        self.arguments = dict(bound.arguments)
        self.tensors: dict[str, Any] = {}  # arguments that are tensors, or structures of nothing else
        for name, value in self.arguments.items():
            if is_tensor_like(value):
                self.tensors[name] = value
            elif tree.is_nested(value) and len(value):
                leaves = tree.flatten(value)
                tensors = sum(is_tensor_like(x) for x in leaves)
                if tensors and tensors + sum(x is None for x in leaves) == len(leaves):
                    self.tensors[name] = value
                elif tensors and name not in ("args", "kwargs"):
                    raise ValueError(
                        f"[call] expected {name} to hold tensors only, or none, received a mixture: {value!r}. "
                        "Pass what is not a tensor as an argument of its own."
                    )
        self.first_arg = args[0] if args else self.arguments.get(signature.first)

    def shapes(self) -> dict[str, Any]:
        """`{argument}_shape` to its shape (or structure of shapes), for each tensor argument."""
        return {
            f"{name}_shape": tree.map_structure(lambda x: None if x is None else tuple(x.shape), value)
            for name, value in self.tensors.items()
            if name not in ("mask", "args", "kwargs")
        }


def shapes_for(method: Any, spec: CallSpec, layer: str, what: str) -> dict[str, Any]:
    """The shapes that `method` (build or compute_output_shape) takes, under its own parameter names.

    A method with one parameter gets the shape of the first tensor; with several, each is named after an argument of
    `call`, with "_shape" at its end.

    Raises:
        ValueError: if the parameters are not named so.
    """
    shapes = spec.shapes()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY)
    names = [n for n, p in inspect.signature(method).parameters.items() if p.kind in named]
    if len(names) == 1:
        return {names[0]: next(iter(shapes.values()), None)}
    for name in names:
        if not name.endswith("_shape") or name[: -len("_shape")] not in spec.arguments:
            shapes_of = name.removesuffix("_shape")
            problem = (
                f"the argument `{name}`, but call() has no argument `{shapes_of}`"
                if shapes_of != name
                else f"the argument `{name}`, which does not end in `_shape`"
            )
            raise ValueError(
                f"[{layer}] {what}() has {problem}. Expected names of the arguments of call(), "
                f"{list(spec.arguments)}, with '_shape' at the end."
            )
    return {n: shapes[n] for n in names if n in shapes}
