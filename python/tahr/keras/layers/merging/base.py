"""Merge: base of layers that take a list of tensors."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.layer import Layer


def broadcast_shapes(a: Any, b: Any, name: str) -> tuple[int | None, ...]:
    """The shape that two shapes broadcast to; ValueError if they do not."""
    if len(a) < len(b):
        a, b = b, a
    cut = len(a) - len(b)
    out = list(a[:cut])
    for m, n in zip(a[cut:], b):
        if m is None or n is None:
            out.append(None)
        elif m != n and 1 not in (m, n):
            raise ValueError(
                f"[{name}] expected tensors that broadcast, received shapes {tuple(a)} and {tuple(b)} (without the "
                "batch axis). Inputs have incompatible shapes."
            )
        else:
            out.append(n if m == 1 else m)
    return tuple(out)


class Merge(Layer):
    """Checks the list of inputs and gives all the same rank; subclasses implement `_merge`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _merge(self, inputs: list[Any]) -> Any:
        raise NotImplementedError(f"[{self.name}] expected _merge() in {type(self).__name__}.")

    def _check_list(self, shapes: Any) -> None:
        if not isinstance(shapes, (list, tuple)) or not shapes or not isinstance(shapes[0], (list, tuple, type(None))):
            raise ValueError(
                f"[{self.name}] expected the shapes of a list of one or more inputs, received input_shape={shapes}."
            )

    def build(self, input_shape: Any) -> None:
        """Checks the shapes."""
        self._check_list(input_shape)
        batches = {s[0] for s in input_shape if s} - {None}
        if len(batches) > 1:
            raise ValueError(f"[{self.name}] expected inputs of one batch size, received shapes {input_shape}.")
        self.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        """The merged tensor."""
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(f"[{self.name}] expected a list of tensors to merge, received {inputs!r}.")
        rank = max(x.ndim for x in inputs)
        same = []
        for x in inputs:
            for _ in range(rank - x.ndim):
                x = ops.expand_dims(x, axis=1)
            same.append(x)
        return self._merge(same)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape all inputs broadcast to."""
        self._check_list(input_shape)
        shape = tuple(input_shape[0][1:])
        for other in input_shape[1:]:
            shape = broadcast_shapes(shape, other[1:], self.name)
        batches = {s[0] for s in input_shape} - {None}
        return (batches.pop() if len(batches) == 1 else None, *shape)

    def compute_output_spec(self, inputs: Any) -> KerasTensor:
        """The merged shape, in the compute dtype."""
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(f"[{self.name}] expected a list of tensors to merge, received {inputs!r}.")
        return KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Where any input is valid; None if an input has no mask."""
        if mask is None:
            return None
        self._check_masks(inputs, mask)
        if any(m is None for m in mask):
            return None
        out = mask[0]
        for m in mask[1:]:
            out = ops.logical_or(out, m)
        return out

    def _check_masks(self, inputs: Any, mask: Any) -> None:
        for what, value in (("mask", mask), ("inputs", inputs)):
            if not isinstance(value, (list, tuple)):
                raise ValueError(f"[{self.name}] `{what}` should be a list. Received {value!r}.")
        if len(mask) != len(inputs):
            raise ValueError(
                f"[{self.name}] `mask` and `inputs` should have the same length. Received {len(mask)} masks "
                f"for {len(inputs)} inputs."
            )
