"""Node: one call of an operation on symbolic tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor


class KerasHistory(NamedTuple):
    """Which output of which call of which operation a KerasTensor is."""

    operation: Any
    node_index: int
    tensor_index: int


class Node:
    """One call of `operation`: its arguments, and the KerasTensors it gave.

    Args:
        operation: the layer or operation; None for an input that nothing produced.
        call_args: positional arguments of the call.
        call_kwargs: its keyword arguments.
        outputs: what it returned.
    """

    def __init__(self, operation: Any, call_args: Any = (), call_kwargs: Any = None, outputs: Any = ()) -> None:
        self.operation = operation
        self.args = tuple(call_args)
        self.kwargs = dict(call_kwargs or {})
        self.input_tensors = [x for x in tree.flatten([self.args, self.kwargs]) if isinstance(x, KerasTensor)]
        self.outputs = [x for x in tree.flatten(outputs) if isinstance(x, KerasTensor)]
        if operation is not None:
            operation._inbound_nodes.append(self)
            index = len(operation._inbound_nodes) - 1
            for i, x in enumerate(self.outputs):
                x._keras_history = KerasHistory(operation, index, i)  # type: ignore[attr-defined]
        for x in self.input_tensors:
            history = getattr(x, "_keras_history", None)
            if history is not None and history.operation is not None:
                history.operation._outbound_nodes.append(self)

    @property
    def parent_nodes(self) -> list[Node]:
        """The calls whose outputs this one takes, each once."""
        found: list[Node] = []
        for x in self.input_tensors:
            node = node_of(x)
            if node is not None and node not in found:
                found.append(node)
        return found

    @property
    def is_input(self) -> bool:
        """Whether it takes no tensor: an input of a graph."""
        return not self.input_tensors

    @property
    def output_tensors(self) -> list[KerasTensor]:
        """Its outputs, flat."""
        return self.outputs

    def fill_in(self, values: dict[int, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the call with each KerasTensor replaced by `values[id(it)]`."""
        if len(self.args) == 1 and not self.kwargs and isinstance(self.args[0], KerasTensor):
            return (values[id(self.args[0])],), {}

        def value(x: Any) -> Any:
            return values[id(x)] if isinstance(x, KerasTensor) else x

        return tree.map_structure(value, self.args), tree.map_structure(value, self.kwargs)

    def __repr__(self) -> str:
        return f"<Node operation={self.operation}, id={id(self)}>"


def node_of(x: KerasTensor) -> Node | None:
    """The call that gave `x`."""
    history = getattr(x, "_keras_history", None)
    return history.operation._inbound_nodes[history.node_index] if history is not None else None


def is_from_node(x: Any) -> bool:
    """Whether the KerasTensor `x` records where it came from."""
    return getattr(x, "_keras_history", None) is not None
