"""Dot."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.merging.base import Merge


class Dot(Merge):
    """Sums of products of two tensors along an axis of each, sample by sample.

    Args:
        axes: the axis to sum over, or one for each input (not the batch axis).
        normalize: scale the inputs to length 1 along these axes first, which gives the cosine.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])]).numpy()
    array([[11.]], dtype=float32)
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, (list, tuple)):
                raise TypeError(f"[{self.name}] expected axes to be one integer or a pair of them, received {axes!r}.")
            if len(axes) != 2 or not all(isinstance(a, int) for a in axes):
                raise ValueError(f"[{self.name}] expected axes to be two integers, received {axes}.")
        self.axes = axes
        self.normalize = normalize

    def _axes(self, shapes: Any) -> tuple[int, int]:
        if not isinstance(shapes, (list, tuple)) or len(shapes) != 2 or not isinstance(shapes[0], (list, tuple)):
            raise ValueError(f"[{self.name}] expected two inputs in a list, received shapes {shapes}.")
        pair = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return pair[0] % len(shapes[0]), pair[1] % len(shapes[1])

    def build(self, input_shape: Any) -> None:
        """Checks the shapes."""
        i, j = self._axes(input_shape)
        a, b = input_shape
        if a[i] != b[j]:
            raise ValueError(
                f"[{self.name}] expected the same size along axis {i} of the first input and axis {j} of the second, "
                f"received {a[i]} and {b[j]} in shapes {a} and {b}."
            )

    def call(self, inputs: Any) -> Any:
        """The sums of products."""
        a, b = inputs
        i, j = self._axes([a.shape, b.shape])
        if self.normalize:
            a, b = ops.normalize(a, axis=i), ops.normalize(b, axis=j)
        letters = iter("abcdefghijklmnopqrstuvw")
        left = ["z" if k == 0 else "x" if k == i else next(letters) for k in range(a.ndim)]
        right = ["z" if k == 0 else "x" if k == j else next(letters) for k in range(b.ndim)]
        kept = [c for c in left + right[1:] if c not in "xz"]
        out = ops.einsum(f"{''.join(left)},{''.join(right)}->z{''.join(kept)}", a, b)
        return out if kept else ops.expand_dims(out, 1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Batch axis, the other axes of the first input, then those of the second."""
        i, j = self._axes(input_shape)
        a, b = input_shape
        kept = [n for k, n in enumerate(a) if k not in (0, i)] + [n for k, n in enumerate(b) if k not in (0, j)]
        return (a[0], *(kept or [1]))

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: sums have no mask."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}
