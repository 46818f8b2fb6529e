"""The config of a graph of layers, in Keras 3's format (Keras 2's connections are read, too)."""

from __future__ import annotations

from typing import Any

from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.symbolic.node import Node


def is_plain_functional(cls: type) -> bool:
    """Whether `cls` is Functional, or a subclass with the same way of being made."""
    from tahr.keras.models.functional import Functional
    from tahr.keras.models.model import _takes_functional

    return cls is Functional or _takes_functional(cls)


def functional_config(model: Any) -> dict[str, Any]:
    """ "layers", "input_layers" and "output_layers" of `model`."""
    from tahr.keras.ops import OpCall
    from tahr.keras.saving import keras_ops, serialize_keras_object

    relevant = {id(n) for group in model._nodes_by_depth.values() for n in group}
    kept = {id(op): [n for n in op._inbound_nodes if id(n) in relevant] for op in model._operations}

    def place(x: KerasTensor) -> list[Any]:
        """[operation, number of the call among those in the model, number of the output]."""
        op, node_index, tensor_index = x._keras_history  # type: ignore[attr-defined]
        return [op.name, kept[id(op)].index(op._inbound_nodes[node_index]), tensor_index]

    def argument(x: Any) -> Any:
        if isinstance(x, KerasTensor):
            config = {"shape": x.shape, "dtype": x.dtype, "keras_history": place(x)}
            return {"class_name": "__keras_tensor__", "config": config}
        return serialize_keras_object(x)

    layers = []
    for op in model._operations:
        if isinstance(op, OpCall) and len(kept[id(op)]) == 1:
            found = keras_ops.describe(op, kept[id(op)][0])
            if found is not None:
                described, args, kwargs = found
                call = {"args": tree.map_structure(argument, args), "kwargs": tree.map_structure(argument, kwargs)}
                layers.append({**described, "name": op.name, "inbound_nodes": [call]})
                continue
        nodes = [
            {"args": tree.map_structure(argument, n.args), "kwargs": tree.map_structure(argument, n.kwargs)}
            for n in kept[id(op)]
            if not n.is_input
        ]
        layers.append({**serialize_keras_object(op), "name": op.name, "inbound_nodes": nodes})

    def end(x: KerasTensor) -> list[Any]:
        name, call, output = place(x)
        return [name, call + _own_calls(x._keras_history[0]), output]  # type: ignore[attr-defined]

    def places(structure: Any) -> Any:
        return tree.map_structure(end, structure)

    return {
        "layers": layers,
        "input_layers": places(model._inputs_struct),
        "output_layers": places(model._outputs_struct),
    }


def _own_calls(op: Any) -> int:
    """What Keras adds to the number of a call where a graph's outputs are listed, and only there: 1 for functional models,
    whose way from their own inputs to their outputs counts as a call."""
    from tahr.keras.models.functional import Functional

    return int(isinstance(op, Functional))


def rebuild(config: dict[str, Any], custom_objects: dict[str, Any] | None) -> tuple[Any, Any, dict[str, Any]]:
    """(inputs, outputs, further arguments) of the model that `config` describes."""
    from tahr.keras.saving import deserialize_keras_object

    operations: dict[str, Any] = {}
    first_own: dict[str, int] = {}  # calls that a layer already made while it was made (its own Input, say)
    waiting: list[tuple[str, dict[str, Any] | list[Any]]] = []
    for data in config["layers"]:
        op = deserialize_keras_object(
            {k: v for k, v in data.items() if k != "inbound_nodes"}, custom_objects=custom_objects
        )
        name = data.get("name", op.name)
        operations[name] = op
        first_own[name] = 0 if not data["inbound_nodes"] else len(op._inbound_nodes)
        waiting.extend((name, node) for node in data["inbound_nodes"])

    def tensor(place: Any) -> KerasTensor | None:
        name, node_index, tensor_index = place[0], place[1], place[2]
        if name not in operations:
            raise ValueError(f"[Model] Missing node: {name}. A layer of the config is connected to it.")
        nodes: list[Node] = operations[name]._inbound_nodes
        index = first_own[name] + node_index
        return nodes[index].outputs[tensor_index] if index < len(nodes) else None

    stuck = 0
    while waiting:
        name, node = waiting.pop(0)
        called = _arguments(node, tensor, custom_objects)
        if called is None:
            waiting.append((name, node))
            stuck += 1
            if stuck > len(waiting):
                raise ValueError(
                    f"[Model] expected connections that can be made in some order, received a loop of layers that "
                    f"wait for each other: {sorted({n for n, _ in waiting})}."
                )
            continue
        stuck = 0
        operations[name](*called[0], **called[1])

    def structure(places: Any) -> Any:
        if isinstance(places, dict):
            return {k: structure(v) for k, v in places.items()}
        if isinstance(places, (list, tuple)) and len(places) == 3 and isinstance(places[0], str):
            call = places[1] - _own_calls(operations.get(places[0]))
            found = tensor([places[0], call, places[2]]) if call >= 0 else None
            if found is None:
                raise ValueError(f"[Model] expected an output of a layer, received {places}, which does not exist.")
            return found
        return type(places)(structure(p) for p in places)

    inputs, outputs = structure(config["input_layers"]), structure(config["output_layers"])
    own = ("layers", "input_layers", "output_layers", "dtype")
    kwargs = {k: v for k, v in config.items() if k not in own and not (k == "trainable" and v is None)}
    return inputs, outputs, kwargs


def _arguments(node: Any, tensor: Any, custom_objects: Any) -> tuple[list[Any], dict[str, Any]] | None:
    """The arguments of a recorded call, or None if one of its tensors does not exist yet."""
    from tahr.keras.saving import deserialize_keras_object

    missing = False

    def value(x: Any) -> Any:
        nonlocal missing
        if isinstance(x, dict) and x.get("class_name") == "__keras_tensor__":
            found = tensor(x["config"]["keras_history"])
            missing = missing or found is None
            return found
        if isinstance(x, dict) and "class_name" not in x:
            return {k: value(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            return type(x)(value(v) for v in x)
        return deserialize_keras_object(x, custom_objects=custom_objects) if isinstance(x, dict) else x

    if isinstance(node, dict):
        args, kwargs = [value(a) for a in node["args"]], value(node["kwargs"])
        return None if missing else (args, kwargs)
    # Keras 2: a list of [layer, call, output, keyword arguments], one for each input.
    places = [node] if node and isinstance(node[0], str) else node
    found = [tensor(p) for p in places]
    if any(x is None for x in found):
        return None
    kwargs = dict(places[-1][3]) if places and len(places[-1]) > 3 else {}
    return [found[0] if len(found) == 1 else found], kwargs
