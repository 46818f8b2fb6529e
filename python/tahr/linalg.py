"""Linear algebra under TensorFlow's names."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.tensor import Tensor

cross, einsum, eye, tensordot = ops.cross, ops.einsum, ops.eye, ops.tensordot
diag, trace = ops.diag, ops.trace


def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, name: str | None = None) -> Tensor:
    """The matrix product of the last two axes, batched over the leading ones.

    Example:
        >>> import tahr
        >>> tahr.matmul([[2.0, -1.0]], [[5.0], [3.0]]).numpy()
        array([[7.]], dtype=float32)
    """
    return ops.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The norm of a tensor: of all elements if `axis` is None, of vectors for an int, of matrices for a pair."""
    return ops.norm(tensor, ord=None if ord == "euclidean" else ord, axis=axis, keepdims=keepdims)


def matrix_transpose(a: Any, name: str | None = None) -> Tensor:
    """The last two axes exchanged."""
    return ops.swapaxes(a, -1, -2)
