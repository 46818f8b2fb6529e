"""A frozen graph as an ONNX model: the values and nodes of `_C.graph_data`, each node written by its rule in `onnx_ops`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import _C
from tahr.keras.exporting import onnx_proto as proto
from tahr.keras.exporting.signature import Frozen, frozen

_LARGEST = (1 << 31) - 1  # bytes of a protocol buffer


class Unsupported(Exception):
    """ONNX, or this writer, has nothing for a node."""


class Node:
    """One op application as the rules see it."""

    def __init__(self, builder: Builder, op: str, attributes: str, inputs: list[int], outputs: list[int]) -> None:
        self.builder, self.op, self._inputs, self._outputs = builder, op, inputs, outputs
        self.attrs = _attributes(attributes)

    def __len__(self) -> int:
        return len(self._inputs)

    def has(self, i: int) -> bool:
        """Whether optional input `i` is given."""
        return i < len(self._inputs) and self._inputs[i] >= 0

    def input(self, i: int) -> str:
        """The name of input `i`."""
        return self.builder.name(self._inputs[i])

    def all_inputs(self) -> list[str]:
        return [self.builder.name(v) for v in self._inputs]

    def shape(self, i: int) -> tuple[int | None, ...]:
        """The shape of input `i`; unknown dimensions are None."""
        return self.builder.values[self._inputs[i]][1]

    def dtype(self, i: int) -> str:
        return self.builder.values[self._inputs[i]][0]

    def array(self, i: int) -> np.ndarray:
        """Input `i`, which has to be a constant."""
        array = self.builder.values[self._inputs[i]][2]
        if array is None:
            raise Unsupported("with weights that are computed")
        return array

    def constant(self, i: int) -> bool:
        return self.builder.values[self._inputs[i]][2] is not None

    def output_shape(self, i: int = 0) -> tuple[int | None, ...]:
        return self.builder.values[self._outputs[i]][1]

    def output_dtype(self, i: int = 0) -> str:
        return self.builder.values[self._outputs[i]][0]

    def read(self, i: int) -> bool:
        """Whether somebody reads output `i`."""
        return self._outputs[i] in self.builder.used

    def add(self, op: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Appends an ONNX node; inputs are names, or arrays and numbers to be constants. Returns its results' names."""
        return self.builder.add(op, inputs, outputs, attributes)

    def give(self, name: str, i: int = 0) -> None:
        """Makes a result the node's output `i`."""
        self.builder.names[self._outputs[i]] = name


class Builder:
    """Nodes and initializers of the ONNX graph while it grows."""

    def __init__(self, data: dict[str, Any], inputs: list[str]) -> None:
        self.values = data["values"]
        self.used = {v for _, _, ins, _ in data["nodes"] for v in ins} | set(data["outputs"])
        self.names: dict[int, str] = dict(zip(data["inputs"], inputs, strict=True))
        self.nodes: list[bytes] = []
        self.initializers: list[bytes] = []
        self._taken = set(inputs)

    def fresh(self, stem: str) -> str:
        name, i = stem, 0
        while name in self._taken:
            i += 1
            name = f"{stem}_{i}"
        self._taken.add(name)
        return name

    def reserve(self, names: list[str]) -> None:
        self._taken.update(names)

    def name(self, value: int) -> str:
        if value not in self.names:
            self.names[value] = self.initializer(self.values[value][2])
        return self.names[value]

    def initializer(self, array: Any) -> str:
        name = self.fresh(f"c{len(self.initializers)}")
        self.initializers.append(proto.tensor(name, np.asarray(array)))
        return name

    def add(self, op: str, inputs: Any, outputs: int, attributes: dict[str, Any]) -> Any:
        names = [x if isinstance(x, str) else self.initializer(x) for x in inputs]
        made = [self.fresh(f"{op.lower()}{len(self._taken)}") for _ in range(outputs)]
        self.nodes.append(proto.node(op, names, made, made[0], attributes))
        return made[0] if outputs == 1 else made

    def subgraph(self, name: str, inputs: list[str], outputs: list[str], body: Callable[..., list[str]]) -> proto.Graph:
        """The nodes that `body` adds, given the names of inputs of these dtypes; it returns those of the outputs."""
        around, self.nodes = self.nodes, []
        names = [self.fresh(f"{name}_input") for _ in inputs]
        results = [self.add("Identity", [r], 1, {}) for r in body(*names)]
        nodes, self.nodes = self.nodes, around
        return proto.graph(
            name,
            nodes,
            [],
            [proto.value_info(n, d, None) for n, d in zip(names, inputs, strict=True)],
            [proto.value_info(n, d, None) for n, d in zip(results, outputs, strict=True)],
        )


def to_onnx(model: Any, graph: Frozen) -> bytes:
    """The bytes of an ONNX file.

    Raises:
        ValueError: for ops without a rule; names the op, and the layer if one can be told.
    """
    from tahr.keras.exporting.onnx_ops import RULES

    data = _C.graph_data(graph.function)
    builder = Builder(data, graph.inputs)
    builder.reserve(graph.outputs)
    for op, attributes, inputs, outputs in data["nodes"]:
        try:
            if op not in RULES:
                raise Unsupported("for which there is no rule")
            RULES[op](Node(builder, op, attributes, inputs, outputs))
        except Unsupported as e:
            raise ValueError(
                f"[{model.name}] export to ONNX met the op '{op}' {e}{_layer_with(model, op)}. "
                "Replace what computes it, or export with format='tahr'."
            ) from None
    for value, name in zip(data["outputs"], graph.outputs, strict=True):
        builder.nodes.append(proto.node("Identity", [builder.name(value)], [name], f"give_{name}", {}))

    def infos(values: list[int], names: list[str]) -> list[bytes]:
        return [
            proto.value_info(n, builder.values[v][0], [_dimension(n, i, d) for i, d in enumerate(builder.values[v][1])])
            for v, n in zip(values, names, strict=True)
        ]

    content = proto.model(
        model.name,
        builder.nodes,
        builder.initializers,
        infos(data["inputs"], graph.inputs),
        infos(data["outputs"], graph.outputs),
        _C.__version__,
    )
    if len(content) > _LARGEST:
        raise ValueError(
            f"[{model.name}] export to ONNX expected a model below 2 GiB, received one of {len(content):,} bytes. "
            "Export with format='tahr'."
        )
    return content


def _dimension(name: str, axis: int, size: int | None) -> int | str:
    return size if size is not None else "batch" if axis == 0 else f"{name}_{axis}"


def _layer_with(model: Any, op: str) -> str:
    """ " in the layer 'x'": the first layer whose own graph has the op."""
    for layer in model._flatten_layers(include_self=False):
        try:
            nodes = _C.graph_data(frozen(layer).function)["nodes"]
        except Exception:  # a layer that was not called on its own
            continue
        if any(n[0] == op for n in nodes):
            return f", in the layer '{layer.name}'"
    return ""


def _attributes(text: str) -> dict[str, Any]:
    call = ast.parse(f"f({text})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {k.arg: _literal(k.value) for k in call.keywords if k.arg}


def _literal(value: ast.expr) -> Any:
    if isinstance(value, ast.Call):  # float('inf')
        return float(ast.literal_eval(value.args[0]))
    return ast.literal_eval(value)
