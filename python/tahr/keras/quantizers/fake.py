"""Fake quantization: floats rounded to what integers could hold, for training with it."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.backend.dtypes import result_type
from tahr.keras.backend.keras_tensor import KerasTensor, any_symbolic
from tahr.keras.symbolic.operation import Operation


class FakeQuantWithMinMaxVars(Operation):
    """`fake_quant_with_min_max_vars` as a node of a functional model."""

    def __init__(self, num_bits: int = 8, narrow_range: bool = False, axis: int | None = None) -> None:
        super().__init__()
        self.num_bits = num_bits
        self.narrow_range = narrow_range
        self.axis = axis

    def call(self, inputs: Any, min_vals: Any, max_vals: Any) -> Any:
        """The rounded inputs."""
        return fake_quant_with_min_max_vars(
            inputs, min_vals, max_vals, self.num_bits, narrow_range=self.narrow_range, axis=self.axis
        )

    def compute_output_spec(self, inputs: Any, min_vals: Any, max_vals: Any) -> Any:
        """Shape and dtype of the inputs."""
        return KerasTensor(inputs.shape, dtype=inputs.dtype)


def fake_quant_with_min_max_vars(
    inputs: Any,
    min_vals: Any,
    max_vals: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Any:
    """`inputs` rounded to `2^num_bits` equal steps between `min_vals` and `max_vals`, which are moved so that zero is one.

    The derivative by the inputs is 1 inside of the range and 0 outside; those by the ends of the range are the sums of
    what lies at or beyond them.

    Args:
        inputs: floats.
        min_vals: lower end: a scalar, or a vector with one for each position along `axis`.
        max_vals: upper end, likewise.
        num_bits: bits of the integers.
        narrow_range: whether the smallest integer goes unused.
        axis: the axis with ranges of its own for each position; None for one range.

    Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
    inference", 2017 (arXiv:1712.05877).

    >>> import numpy as np
    >>> from tahr import keras
    >>> x = np.array([-1.0, 0.3, 1.4, 9.0], "float32")
    >>> keras.quantizers.fake_quant_with_min_max_vars(x, 0.0, 3.0, num_bits=2).numpy().tolist()
    [0.0, 0.0, 1.0, 3.0]
    """
    if any_symbolic((inputs,)):
        return FakeQuantWithMinMaxVars(num_bits, narrow_range, axis)(inputs, min_vals, max_vals)
    inputs, min_vals, max_vals = (ops.convert_to_tensor(x) for x in (inputs, min_vals, max_vals))
    top, bottom = 2 ** int(num_bits) - 1, int(narrow_range)
    rank = len(inputs.shape)
    alone = None if axis is None else axis % rank

    def across(ends: Any) -> Any:
        """The ends of the ranges in the shape in which they meet the inputs."""
        if alone is None or len(ends.shape) != 1:
            return ends
        return ops.reshape(ends, [-1 if i == alone else 1 for i in range(rank)])

    @ops.custom_gradient
    def rounded(x: Any, low: Any, high: Any) -> Any:
        wide = result_type(low.dtype, "float32")
        a, b = across(ops.cast(low, wide)), across(ops.cast(high, wide))
        scale = ops.divide(ops.subtract(b, a), top - bottom)
        inverse = ops.divide(top - bottom, ops.subtract(b, a))
        zero = ops.round(ops.clip(ops.subtract(bottom, ops.divide(a, scale)), bottom, top))
        least = ops.multiply(ops.subtract(bottom, zero), scale)
        most = ops.multiply(ops.subtract(top, zero), scale)
        at_zero = ops.floor(ops.add(ops.multiply(ops.negative(least), inverse), 0.5))
        steps = ops.multiply(ops.subtract(ops.clip(ops.cast(x, wide), least, most), least), inverse)
        y = ops.multiply(ops.floor(ops.add(ops.subtract(steps, at_zero), 0.5)), scale)

        def grad(upstream: Any) -> Any:
            axes = None if alone is None else [i for i in range(rank) if i != alone]

            def where(mask: Any) -> Any:
                return ops.where(mask, upstream, ops.zeros_like(upstream))

            inside = where(ops.logical_and(ops.greater_equal(x, least), ops.less_equal(x, most)))
            below = ops.sum(where(ops.less_equal(x, least)), axis=axes)
            above = ops.sum(where(ops.greater_equal(x, most)), axis=axes)
            ends = [ops.cast(ops.reshape(g, e.shape), e.dtype) for g, e in ((below, low), (above, high))]
            return inside, *ends

        return ops.cast(y, x.dtype), grad

    return rounded(inputs, min_vals, max_vals)
