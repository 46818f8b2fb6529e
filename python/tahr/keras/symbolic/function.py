"""Function: the graph between some KerasTensors, as something to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.symbolic.node import Node, node_of
from tahr.keras.symbolic.operation import Operation


class Function(Operation):
    """Computes `outputs` from `inputs` by replaying the calls recorded between them.

    Args:
        inputs: KerasTensor or a nested structure of them.
        outputs: KerasTensor or a nested structure of them.
        name: name.

    Raises:
        ValueError: if an output depends on a KerasTensor that is not among the inputs.
    """

    _keras_module = "keras"
    _inputs_struct: Any
    _outputs_struct: Any
    _operations: list[Operation]

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._init_graph(inputs, outputs)

    def _init_graph(self, inputs: Any, outputs: Any) -> None:
        # Past the tracking of attributes, which would give its own kinds of lists and dicts to the outputs of every call.
        object.__setattr__(self, "_inputs_struct", tree.map_structure(lambda x: x, inputs))
        object.__setattr__(self, "_outputs_struct", tree.map_structure(lambda x: x, outputs))
        self._inputs = tree.flatten(inputs)
        self._outputs = tree.flatten(outputs)
        for what, given, tensors in (("input", inputs, self._inputs), ("output", outputs, self._outputs)):
            if not tensors:
                raise ValueError(f"[{self.name}] the `{what}s` argument cannot be empty, received {what}s={given!r}.")
        for what, tensors in (("inputs", self._inputs), ("outputs", self._outputs)):
            for x in tensors:
                if not isinstance(x, KerasTensor):
                    raise ValueError(
                        f"[{self.name}] All `{what}` values must be KerasTensors, received {x!r}. "
                        "Make inputs with keras.Input(), and outputs by calling layers on them."
                    )
        self._nodes = sort_nodes(self._inputs, self._outputs, self.name, _labels(outputs))
        seen: dict[int, Operation] = {}
        for node in self._nodes:
            seen.setdefault(id(node.operation), node.operation)
        # Past the tracking, too: a functional model files its layers, and so its weights, in an order of its own.
        object.__setattr__(self, "_operations", list(seen.values()))
        # After which step a value is no longer needed, so that it can be dropped.
        keep = {id(x) for x in self._outputs}
        last: dict[int, int] = {}
        for i, node in enumerate(self._nodes):
            for x in (*node.input_tensors, *node.outputs):
                last[id(x)] = i
        self._free_after: list[list[int]] = [[] for _ in self._nodes]
        for key, i in last.items():
            if key not in keep:
                self._free_after[i].append(key)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The inputs, flat."""
        return self._inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        """The outputs, flat."""
        return self._outputs

    @property
    def operations(self) -> list[Operation]:
        """The operations between inputs and outputs, each after those it depends on."""
        return list(self._operations)

    def call(self, inputs: Any) -> Any:
        """The outputs for `inputs`, which nest like those given at construction."""
        return self._run_through(inputs, lambda op: op)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The outputs as KerasTensors for inputs of these shapes."""
        flat = tree.flatten(inputs)
        if all(tuple(a.shape) == tuple(b.shape) and a.dtype == b.dtype for a, b in zip(flat, self._inputs)):
            return tree.map_structure(lambda x: KerasTensor(x.shape, dtype=x.dtype), self._outputs_struct)
        return self._run_through(inputs, lambda op: op.compute_output_spec)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the outputs for inputs of these shapes."""
        struct = tree.map_shape_structure(lambda s: KerasTensor(s), input_shape)
        specs = [KerasTensor(x.shape, dtype=ref.dtype) for x, ref in zip(tree.flatten(struct), self._inputs)]
        out = self._run_through(tree.pack_sequence_as(struct, specs), lambda op: op.compute_output_spec)
        return tree.map_structure(lambda x: x.shape, out)

    def _run_through(self, inputs: Any, callable_of: Callable[[Any], Any]) -> Any:
        flat = tree.flatten(inputs)
        if len(flat) != len(self._inputs):
            raise ValueError(
                f"[{self.name}] invalid input structure: expected {len(self._inputs)} inputs, received {len(flat)}."
            )
        values = {id(ref): x for ref, x in zip(self._inputs, flat)}
        for node, done in zip(self._nodes, self._free_after):
            args, kwargs = node.fill_in(values)
            result = callable_of(node.operation)(*args, **kwargs)
            for ref, x in zip(node.outputs, tree.flatten(result)):
                values[id(ref)] = x
            for key in done:
                values.pop(key, None)
        return tree.map_structure(lambda ref: values[id(ref)], self._outputs_struct)


def _labels(outputs: Any) -> list[str]:
    """How to call each of the outputs in a message."""
    paths = [".".join(map(str, path)) for path, _ in tree.flatten_with_path(outputs)]
    return [f"with path `{path}`" if path else repr(x.name) for path, x in zip(paths, tree.flatten(outputs))]


def sort_nodes(
    inputs: list[KerasTensor], outputs: list[KerasTensor], name: str, labels: list[str] | None = None
) -> list[Node]:
    """The calls between `inputs` and `outputs`, each after those it depends on; iterative, so depth is no limit.

    Raises:
        ValueError: if something depends on an input that is not listed.
    """
    known = {id(x) for x in inputs}
    order: list[Node] = []
    done: set[int] = set()
    stack: list[tuple[Node | None, KerasTensor, bool, int]]  # the last: which output led there
    stack = [(node_of(x), x, False, i) for i, x in reversed(list(enumerate(outputs)))]
    on_path: set[int] = set()
    while stack:
        node, x, expanded, i = stack.pop()
        if expanded:
            on_path.discard(id(node))
            if id(node) not in done:
                done.add(id(node))
                order.append(node)  # type: ignore[arg-type]
            continue
        if id(x) in known or (node is not None and id(node) in done):
            continue
        if node is None or node.is_input:
            raise ValueError(
                f"[{name}] Output {labels[i] if labels else i} is not connected to `inputs`: it depends on {x!r}"
                f"{'' if node is None else f' (made by {node.operation.name!r})'}, which is not among them. Add it."
            )
        if id(node) in on_path:
            continue
        on_path.add(id(node))
        stack.append((node, x, True, i))
        for parent in reversed(node.input_tensors):
            stack.append((node_of(parent), parent, False, i))
    return order
