"""The part of a model that reads values rather than tensors: layers right behind its inputs that take text or hash.

Such a layer says so by `_runs_on_host()`. A Sequential's host part is its first such layers, a functional model's all
that follow from the inputs through such layers alone. `encode` runs it, on all data at once or batch by batch before a
step; the step, traced or not, begins with what it gave.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer
from tahr.keras.symbolic.function import Function

_MOST_BYTES = 2**29  # data encoded at once; more of it is encoded batch by batch


def runs_on_host(layer: Any) -> bool:
    """Whether `layer` needs the values of its inputs."""
    says = getattr(layer, "_runs_on_host", None)
    return says is not None and says()


class HostPart:
    """What runs before the steps of one model.

    Args:
        model: the model.
        encode: from the model's inputs to the values with which its steps begin, a flat list.
        specs: shapes and dtypes of these values, where known.
    """

    def __init__(self, model: Any, encode: Callable[[Any], list[Any]], specs: Callable[[], list[KerasTensor]]) -> None:
        self._model = model
        self._encode = encode
        self._specs = specs

    def encode(self, inputs: Any) -> Any:
        """What the host part makes of `inputs`: a tensor or array, or a list of them."""
        values = self._encode(inputs)
        return values[0] if len(values) == 1 else values

    def encode_arrays(self, inputs: Any) -> Any:
        """The same as arrays, or None where the rows cannot have one length in all batches, or are too large."""
        specs = self._specs()
        if any(size is None for spec in specs for size in spec.shape[1:]):
            return None
        leaf = tree.flatten(inputs)[0]
        rows = len(leaf) if getattr(leaf, "shape", ()) else len(inputs)
        if 8 * rows * sum(math.prod(s or 1 for s in spec.shape[1:]) for spec in specs) > _MOST_BYTES:
            return None
        return tree.map_structure(np.asarray, self.encode(inputs))

    @contextlib.contextmanager
    def encoded(self) -> Iterator[None]:
        """While this holds, the model is called on what `encode` gave."""
        state = self._model.__dict__
        before = state.get("_gets_encoded", False)
        state["_gets_encoded"] = True
        try:
            yield
        finally:
            state["_gets_encoded"] = before

    def step(self, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`step` for encoded batches."""
        return _EncodedStep(self, step)

    def source(self, source: Any) -> Any:
        """The batches of `source`, encoded."""
        return _EncodedSource(source, self)


class _EncodedStep:
    def __init__(self, host: HostPart, step: Callable[[Any], Any]) -> None:
        self._host = host
        self._step = step
        self.__func__ = getattr(step, "__func__", step)
        self.__name__ = getattr(step, "__name__", "step")

    def __call__(self, batch: Any) -> Any:
        with self._host.encoded():
            return self._step(batch)


class _EncodedSource:
    """Batches whose inputs went through the host part; everything else is the source's."""

    def __init__(self, source: Any, host: HostPart) -> None:
        self._source = source
        self._host = host
        self.batch_size = source.batch_size
        self.num_batches = source.num_batches

    def on_epoch_begin(self) -> None:
        self._source.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._source.on_epoch_end()

    def __iter__(self) -> Iterator[tuple]:
        for batch in self._source:
            yield (self._host.encode(batch[0]), *batch[1:])


def to_rank(x: Any, spec: KerasTensor) -> Any:
    """Data for the input `spec` as an array of its rank, a last axis of size 1 added or dropped if need be."""
    from tahr.keras.layers.preprocessing.strings import as_array, is_text

    if is_text(x):
        x = as_array(x, spec.name)
    elif not hasattr(x, "shape"):
        x = np.asarray(x)
    rank, want = len(x.shape), len(spec.shape)
    if rank == want - 1 and spec.shape[-1] == 1:
        return x[..., None]
    if rank == want + 1 and x.shape[-1] == 1:
        return x[..., 0]
    return x


def of_sequential(model: Any) -> HostPart | None:
    """The host part of a Sequential: its first layers, as far as they run on the host."""
    first = model.layers[: number_on_host(model)]
    if not first:
        return None

    def encode(inputs: Any) -> list[Any]:
        if isinstance(inputs, (list, tuple)) and len(inputs) == 1 and hasattr(inputs[0], "shape"):
            inputs = inputs[0]
        spec = model._input_spec_or_none()
        x = inputs
        if spec is not None:
            x = to_rank(inputs, spec)
        else:
            x = to_rank(inputs, KerasTensor((None,)))
            model.build((None, *x.shape[1:]))
        for layer in first:
            x = layer(x)
        return [x]

    def specs() -> list[KerasTensor]:
        spec = model._input_spec_or_none()
        x = KerasTensor((None,)) if spec is None else spec
        for layer in first:
            x = layer.compute_output_spec(x)
        return [x]

    return HostPart(model, encode, specs)


def number_on_host(model: Any) -> int:
    """How many of a Sequential's first layers run on the host."""
    count = 0
    for layer in model.layers:
        if not runs_on_host(layer):
            break
        count += 1
    return count


def _needed_on_host(nodes: list[Any]) -> set[int]:
    """Ids of nodes whose layers could run in a step, but have results that layers of the host read: bins to be crossed."""
    wanted: set[int] = set()
    needed: set[int] = set()
    for node in reversed(nodes):
        leads = getattr(node.operation, "_host_if_needed", False) and any(id(x) in wanted for x in node.outputs)
        if leads:
            needed.add(id(node))
        if leads or runs_on_host(node.operation):
            wanted.update(id(x) for x in node.input_tensors)
    return needed


class FunctionalHostPart(HostPart):
    """The host part of a functional model; `rest` is what remains, from the values that `encode` gives."""

    def __init__(self, model: Any) -> None:
        on_host = {id(x) for x in model._inputs}
        needed = _needed_on_host(model._nodes)
        self._nodes: list[Any] = []
        others: list[Any] = []
        for node in model._nodes:
            if (runs_on_host(node.operation) or id(node) in needed) and all(
                id(x) in on_host for x in node.input_tensors
            ):
                self._nodes.append(node)
                on_host.update(id(x) for x in node.outputs)
            else:
                others.append(node)
        border: dict[int, KerasTensor] = {}
        for x in (x for part in ([n.input_tensors for n in others], [model._outputs]) for xs in part for x in xs):
            if id(x) in on_host:
                border.setdefault(id(x), x)
        self.border = list(border.values())
        inputs = {id(x) for x in model._inputs}
        for node in others:
            for x in node.input_tensors:
                if id(x) in inputs and x.dtype == "string":
                    raise ValueError(
                        f"[{model.name}] expected input {x.name!r} of dtype 'string' to go to layers that read text, such "
                        f"as TextVectorization, received {type(node.operation).__name__} {node.operation.name!r} behind it."
                    )
        self.rest = Function(self.border, model._outputs_struct, name=f"{model.name}_rest")
        super().__init__(model, self._run, lambda: self.border)

    def _run(self, inputs: Any) -> list[Any]:
        model = self._model
        refs = model._inputs
        flat = [inputs] if len(refs) == 1 and not _holds_one(inputs) else model._order_inputs(inputs)
        if len(flat) != len(refs):
            raise ValueError(f"[{model.name}] expected {len(refs)} inputs {model.input_names}, received {len(flat)}.")
        values = {id(ref): to_rank(x, ref) for ref, x in zip(refs, flat)}
        for node in self._nodes:
            args, kwargs = node.fill_in(values)
            result = node.operation(*args, **kwargs)
            values.update((id(ref), x) for ref, x in zip(node.outputs, tree.flatten(result)))
        own = {id(ref): ref for ref in refs}
        return [model._to_input_dtype(values[id(x)], x.dtype) if id(x) in own else values[id(x)] for x in self.border]


def _holds_one(inputs: Any) -> bool:
    """Whether `inputs` is a structure around one input rather than that input itself."""
    if isinstance(inputs, dict):
        return True
    return isinstance(inputs, (list, tuple)) and len(inputs) == 1 and hasattr(inputs[0], "shape")


def of_functional(model: Any) -> FunctionalHostPart | None:
    """The host part of a functional model, or None."""
    if any(isinstance(op, Layer) and runs_on_host(op) for op in model._operations):
        part = FunctionalHostPart(model)
        return part if part._nodes else None
    return None
