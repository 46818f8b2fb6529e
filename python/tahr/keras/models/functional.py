"""Functional: a model that is a graph of layers."""

from __future__ import annotations

import warnings
from typing import Any

from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.backend.masking import set_keras_mask
from tahr.keras.layers.core.input_layer import Input, InputLayer
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.models.host_part import of_functional
from tahr.keras.models.model import Model
from tahr.keras.models.sequential import match_rank
from tahr.keras.symbolic.function import Function
from tahr.keras.symbolic.node import Node, node_of
from tahr.keras.symbolic.operation import Operation


class Functional(Function, Model):
    """The model between `inputs` and `outputs`; made by `keras.Model(inputs, outputs)`.

    Args:
        inputs: KerasTensor or a list, tuple or dict of them.
        outputs: likewise.
        name: name.
        trainable: whether optimizers update the weights.

    Raises:
        ValueError: if an output does not follow from the inputs, or two layers have the same name.
    """

    _remat_by_part = True

    _keras_module = "keras.src.models.functional"

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        if not isinstance(inputs, (list, tuple, dict, KerasTensor)):
            raise ValueError(f"[Model] expected inputs to be KerasTensors, received {inputs!r}.")
        trainable = kwargs.pop("trainable", None)
        Model.__init__(self, name=name, **kwargs)
        self._init_graph(inputs, outputs)
        fresh = tree.map_structure(as_input, inputs)
        if any(a is not b for a, b in zip(tree.flatten(fresh), self._inputs)):
            # A part of another model: its calls again, on inputs of its own.
            outputs = self._run_through(tree.flatten(fresh), lambda op: op)
            self._init_graph(fresh, outputs)
        self._map_depths()
        names = [op.name for op in self._operations]
        double = {n for n in names if names.count(n) > 1}
        if double:
            raise ValueError(
                f"[{self.name}] expected layers with different names, received several called {sorted(double)}. "
                "All operations should have unique names; pass name=... to the layer."
            )
        for op in self._operations:
            if isinstance(op, Layer):
                self._tracker.file(op, self._layers)
        self.built = True
        self._set(_host_part=of_functional(self))
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.input_names = [x._keras_history.operation.name for x in self._inputs]  # type: ignore[attr-defined]
        self.output_names = [x._keras_history.operation.name for x in self._outputs]  # type: ignore[attr-defined]
        if trainable is not None:
            self._trainable = bool(trainable)  # the model's own flag: its layers keep theirs, as configs need it
        self._tracker.unlock()  # layers of a functional model may be added to it as attributes

    def _map_depths(self) -> None:
        """Orders the operations as Keras does: by distance from the outputs, then by when a walk meets them."""
        nodes = [*(n for x in self._inputs if (n := node_of(x)) is not None and n.is_input), *self._nodes]
        order = _met_from_outputs(self._outputs, nodes)
        depth: dict[int, int] = {id(n): 0 for n in nodes}
        op_depth: dict[int, int] = {}
        for node in reversed(nodes):
            d = max(depth[id(node)], op_depth.get(id(node.operation), 0))
            depth[id(node)] = op_depth[id(node.operation)] = d
            for parent in node.parent_nodes:
                if id(parent) in depth:
                    depth[id(parent)] = max(depth[id(parent)], d + 1)
        unique = {id(n.operation): n.operation for n in nodes}
        self._operations = sorted(unique.values(), key=lambda op: (-op_depth[id(op)], order.get(id(op), -1)))
        by_depth: dict[int, list[Node]] = {}
        for node in nodes:
            by_depth.setdefault(depth[id(node)], []).append(node)
        self._nodes_by_depth = {d: by_depth[d] for d in sorted(by_depth, reverse=True)}

    @property
    def operations(self) -> list[Operation]:
        """Layers and other operations, from inputs to outputs."""
        return list(self._operations)

    @property
    def layers(self) -> list[Layer]:
        """The layers, from inputs to outputs."""
        return [op for op in self._operations if isinstance(op, Layer)]

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError(f"[{self.name}] the `Model.layers` attribute is reserved. Choose another name for it.")

    # Calling.

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        """The outputs, nested as at construction; the output itself where that is a list of one.

        Args:
            inputs: like the model's inputs; a list, or a dict by the names of the inputs.
            training: whether layers such as Dropout are in their training mode.
            mask: masks of the inputs.
        """
        encoded = self.__dict__.get("_gets_encoded")
        flat = tree.flatten(inputs) if encoded else self._flat_inputs(inputs)
        if mask is not None:
            for x, m in zip(flat, tree.flatten(mask)):
                if m is not None:
                    set_keras_mask(x, m)
        extra = dict(kwargs)
        if training is not None:
            extra["training"] = training

        def run(op: Any) -> Any:
            if not extra or not isinstance(op, Layer):
                return op
            return lambda *a, **k: op(*a, **{**extra, **k})

        graph = self._host_part.rest if encoded else self
        return _unpacked(graph._run_through(flat, run))

    def compute_output_spec(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The outputs as KerasTensors for inputs of these shapes."""
        return _unpacked(Function.compute_output_spec(self, self._flat_inputs(inputs)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the outputs for inputs of these shapes."""
        return Function.compute_output_shape(self, input_shape)

    def build(self, input_shape: Any = None) -> None:
        """Nothing to do: the layers were built when they were connected."""
        self.built = True

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The masks that the last layers left on the outputs, which are there already."""
        return None

    def _flat_inputs(self, inputs: Any) -> list[Any]:
        flat = self._order_inputs(inputs)
        if len(flat) != len(self._inputs):
            raise ValueError(
                f"[{self.name}] expects {len(self._inputs)} input(s), named {self.input_names}; received {len(flat)}."
            )
        result: list[Any] = []
        for x, ref in zip(flat, self._inputs):
            if x is None:
                if not getattr(ref._keras_history.operation, "optional", False):  # type: ignore[attr-defined]
                    raise ValueError(
                        f"[{self.name}] input {ref.name!r} is not optional: expected a tensor, received None."
                    )
                result.append(None)
                continue
            x = self._to_input_dtype(x, ref.dtype)
            result.append(match_rank(x, ref))
        return result

    def _to_input_dtype(self, x: Any, dtype: str) -> Any:
        from tahr.keras import ops
        from tahr.keras.backend.engine import convert_to_tensor, is_tensor

        if not is_tensor(x) and not isinstance(x, KerasTensor):
            x = convert_to_tensor(x)
        return x if x.dtype == dtype else ops.cast(x, dtype)

    def _order_inputs(self, inputs: Any) -> list[Any]:
        struct = self._inputs_struct
        if isinstance(inputs, dict):
            if isinstance(struct, dict):
                missing = [k for k in struct if k not in inputs]
                if not missing and len(inputs) > len(struct):
                    self._warn_of_nesting(inputs)
                if missing:
                    raise ValueError(
                        f"[{self.name}] expected inputs with the keys {sorted(struct)}, received {sorted(inputs)}."
                    )
                return tree.flatten({k: inputs[k] for k in struct})
            names = self.input_names
            missing = [n for n in names if n not in inputs]
            if missing:
                raise ValueError(
                    f"[{self.name}] expected inputs with the keys {names}, received {sorted(inputs)}. "
                    f"Missing data for input {missing[0]!r}."
                )
            return [inputs[n] for n in names]
        if isinstance(struct, dict) and len(struct) > 1:
            if not isinstance(inputs, (list, tuple)):
                raise ValueError(
                    f"[{self.name}] expects named input(s) with keys {list(struct)}, received one "
                    f"{type(inputs).__name__}. Pass a dict."
                )
            if list(struct) != sorted(struct):
                raise ValueError(
                    f"[{self.name}] expects named input(s) with keys {list(struct)}, received a {type(inputs).__name__}, "
                    "whose order could be that of the keys or their alphabetical one. Pass a dict."
                )
            self._warn_of_nesting(inputs)
        return tree.flatten(inputs)

    def _warn_of_nesting(self, inputs: Any) -> None:
        """Says once that inputs do not nest like those of the model, though there is one way to read them."""
        if self.__dict__.get("_warned_of_nesting"):
            return
        object.__setattr__(self, "_warned_of_nesting", True)
        warnings.warn(
            f"[{self.name}] expected inputs nested as the model's, {_names(self._inputs_struct)}, received "
            f"{_names(inputs)}.",
            stacklevel=2,
        )

    @property
    def input_shape(self) -> Any:
        """Shape of the input, or the structure of shapes of several."""
        return _one(tree.map_structure(lambda x: x.shape, self._inputs_struct))

    @property
    def output_shape(self) -> Any:
        """Shape of the output, or the structure of shapes of several."""
        return _one(tree.map_structure(lambda x: x.shape, self._outputs_struct))

    @property
    def input(self) -> Any:
        """The symbolic inputs, nested as at construction."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The symbolic outputs, nested as at construction."""
        return self._outputs_struct

    @property
    def input_spec(self) -> Any:
        """Shapes that the inputs must have."""
        given = self.__dict__.get("_manual_input_spec")
        if given is not None:
            return given
        if "_inputs" not in self.__dict__:
            return None
        specs = []
        for x in self._inputs:
            operation = x._keras_history.operation  # type: ignore[attr-defined]
            optional = isinstance(operation, InputLayer) and operation.optional
            shape = (None, *x.shape[1:]) if x.shape else ()
            specs.append(InputSpec(shape=shape, allow_last_axis_squeeze=True, name=operation.name, optional=optional))
        return specs

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        object.__setattr__(self, "_manual_input_spec", value)

    def _check_ranks(self, flat: list[Any]) -> None:
        """Raises ValueError for an input whose rank a last axis of size 1 does not mend."""
        if len(flat) != len(self._inputs):
            return
        for (path, ref), x in zip(tree.flatten_with_path(self._inputs_struct), flat):
            shape = tuple(getattr(x, "shape", ref.shape))
            more, fewer = (*ref.shape, 1), ref.shape[:-1] if ref.shape and ref.shape[-1] == 1 else ref.shape
            if len(shape) not in (len(ref.shape), len(fewer)) and not (len(shape) == len(more) and shape[-1] == 1):
                raise ValueError(
                    f"[{self.name}] expected rank {len(ref.shape)} (shape={ref.shape}) for the input with name "
                    f"{ref._keras_history.operation.name!r} and path '{'.'.join(map(str, path))}', found shape={shape}."
                )

    def _assert_input_compatibility(self, first: Any) -> None:
        from tahr.keras.layers.input_spec import assert_input_compatibility

        if self.__dict__.get("_gets_encoded"):
            return
        spec = self.__dict__.get("_spec_cache")
        if spec is None:
            spec = self.input_spec
            object.__setattr__(self, "_spec_cache", spec)
        if isinstance(first, dict) or isinstance(self._inputs_struct, dict):
            first = self._order_inputs(first)
        if self.__dict__.get("_manual_input_spec") is None:
            self._check_ranks(tree.flatten(first))
        assert_input_compatibility(spec, first, self.name)

    # Configs.

    def get_config(self) -> dict[str, Any]:
        """The layers, how they are connected, and which tensors go in and out."""
        from tahr.keras.models.functional_config import functional_config, is_plain_functional

        if not is_plain_functional(type(self)):
            return Model.get_config(self)
        base = {k: v for k, v in Model.get_config(self).items() if k in ("name", "trainable")}
        return {**base, **functional_config(self)}


def _names(inputs: Any) -> Any:
    """The structure of `inputs` with a star for each tensor."""
    return tree.map_structure(lambda _: "*", inputs)


def as_input(x: KerasTensor, prefix: str = "") -> KerasTensor:
    """`x` if it comes from an InputLayer, else an Input like it, whose name begins with `prefix`."""
    history = getattr(x, "_keras_history", None)
    if history is not None and isinstance(history.operation, InputLayer):
        return x
    return Input(batch_shape=x.shape, dtype=x.dtype, name=prefix + x.name)


def _unpacked(outputs: Any) -> Any:
    """The only entry of a list or tuple of one."""
    return outputs[0] if isinstance(outputs, (list, tuple)) and len(outputs) == 1 else outputs


def _one(shapes: Any) -> Any:
    """The only entry of a list, tuple or dict of one shape."""
    if isinstance(shapes, dict) and len(shapes) == 1:
        return next(iter(shapes.values()))
    if isinstance(shapes, (list, tuple)) and len(shapes) == 1 and isinstance(shapes[0], tuple):
        return shapes[0]
    return shapes


def _met_from_outputs(outputs: list[KerasTensor], nodes: list[Node]) -> dict[int, int]:
    """For each operation, when a walk from the outputs first meets it (depth first, before its own inputs)."""
    inside = {id(n) for n in nodes}
    order: dict[int, int] = {}
    seen: set[int] = set()
    for x in outputs:
        stack = [node_of(x)]
        while stack:
            node = stack.pop()
            if node is None or id(node) in seen or id(node) not in inside:
                continue
            seen.add(id(node))
            order.setdefault(id(node.operation), len(order))
            stack.extend(node_of(p) for p in reversed(node.input_tensors))
    return order


def make_functional(cls: type) -> None:
    """Lets a user's subclass of Model that passes inputs and outputs to `super().__init__` be a Functional one."""
    if cls is Model or issubclass(cls, Functional):
        return
    for base in cls.__mro__:
        if Model in base.__bases__:
            base.__bases__ = tuple(Functional if b is Model else b for b in base.__bases__)
            return


def functional_from_config(cls: type, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that `Functional.get_config` described."""
    from tahr.keras.models.functional_config import rebuild

    inputs, outputs, kwargs = rebuild(config, custom_objects)
    return cls(inputs=inputs, outputs=outputs, **kwargs)
