"""Equations, inverses and determinants by NumPy (LAPACK), batched over leading axes.

Derivatives: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation", 2008;
the pseudoinverse: Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate", 1973.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import _C, nest
from tahr.ops import host
from tahr.ops.host import known, matmul, square, transposed
from tahr.tape import GradientTape
from tahr.tensor import Tensor

__all__ = [
    *("cholesky_inverse", "det", "inv", "jvp", "logdet", "lstsq", "matrix_power", "matrix_rank", "pinv", "slogdet"),
    *("solve", "solve_triangular"),
]


# ---- equations ----


def _solve_vjp(inputs: Any, outputs: Any, dy: Any) -> list[Any]:
    (a, _), (x,) = inputs, outputs
    db = host.call("solve", [transposed(a), dy[0]])[0]
    return [-matmul(db, x, tb=True), db]


host.define(
    "solve", lambda a, b: [b], lambda a, b: [np.linalg.solve(a, b)], _solve_vjp, "matrices that can be inverted"
)


def _triangular_run(a: np.ndarray, b: np.ndarray, lower: bool) -> list[np.ndarray]:
    return [np.linalg.solve(np.tril(a) if lower else np.triu(a), b)]


def _triangular_vjp(inputs: Any, outputs: Any, dy: Any, lower: bool) -> list[Any]:
    (a, _), (x,) = inputs, outputs
    db = host.call("solve_triangular", [transposed(a), dy[0]], lower=not lower)[0]
    da = -matmul(db, x, tb=True)
    return [_C.ops.tril(da) if lower else _C.ops.triu(da), db]


host.define(
    "solve_triangular",
    lambda a, b, lower: [b],
    _triangular_run,
    _triangular_vjp,
    "triangles without a 0 on the diagonal",
)


def _solved(op: str, a: Any, b: Any, **arguments: Any) -> Tensor:
    """Prepares both sides: one dtype, b as a stack of matrices, equal leading axes."""
    a, b = host.together(op, a, b)
    dtype = a.dtype
    a, b = host.widened(a), host.widened(b)
    if len(a.shape) < 2:
        raise ValueError(f"[{op}] expected a matrix, or a stack of them, as a, received shape {tuple(a.shape)}.")
    square(op, a)
    vector = len(b.shape) == len(a.shape) - 1
    if vector:
        b = _C.ops.expand_dims(b, -1)
    n, rows = a.shape[-1], b.shape[-2] if len(b.shape) >= 2 else None
    if len(b.shape) < 2 or (n is not None and rows is not None and n != rows):
        raise ValueError(
            f"[{op}] expected b with {n} rows, as a has, received shapes a={tuple(a.shape)} and b={tuple(b.shape)}."
        )
    if a.shape[:-2] != b.shape[:-2]:
        if None in a.shape or None in b.shape:
            raise ValueError(
                f"[{op}] expected equal leading axes where sizes are unknown, received shapes a={tuple(a.shape)} and "
                f"b={tuple(b.shape)}."
            )
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a = _C.ops.broadcast_to(a, (*batch, *a.shape[-2:]))
        b = _C.ops.broadcast_to(b, (*batch, *b.shape[-2:]))
    x = host.as_dtype(host.call(op, [a, b], **arguments)[0], dtype)
    return _C.ops.squeeze(x, -1) if vector else x


def solve(a: Any, b: Any) -> Tensor:
    """The solution x of ``a @ x = b``.

    Args:
        a: (..., n, n).
        b: (..., n, k), or (..., n) for one right-hand side each.

    Returns:
        x, of the shape of b.

    Raises:
        ValueError: for shapes that do not fit, and singular matrices.

    Example:
        >>> import tahr
        >>> tahr.ops.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0]).numpy()
        array([1. , 0.5], dtype=float32)
    """
    return _solved("solve", a, b)


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Tensor:
    """The solution x of ``a @ x = b`` for triangular matrices.

    Args:
        a: (..., n, n); the other triangle is not read.
        b: (..., n, k), or (..., n) for one right-hand side each.
        lower: whether a is lower triangular.

    Returns:
        x, of the shape of b.

    Raises:
        ValueError: for shapes that do not fit, and a 0 on the diagonal.

    Example:
        >>> import tahr
        >>> tahr.ops.solve_triangular([[1.0, 0.0], [1.0, 2.0]], [1.0, 3.0], lower=True).numpy()
        array([1., 1.], dtype=float32)
    """
    return _solved("solve_triangular", a, b, lower=bool(lower))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Tensor:
    """The x of least norm among those with the least ``norm(a @ x - b)``.

    Args:
        a: (m, n).
        b: (m, k), or (m,).
        rcond: singular values below this part of the largest count as 0; by default the dtype's epsilon times the larger
            of m and n.

    Returns:
        x, (n, k) or (n,). Its derivative takes the rank of a as constant.

    Raises:
        ValueError: for shapes that do not fit.

    Example:
        >>> import tahr
        >>> tahr.ops.lstsq([[1.0], [1.0]], [1.0, 3.0]).numpy().round(5)
        array([2.], dtype=float32)
    """
    a, b = host.together("lstsq", a, b)
    rows = a.shape[0] if a.shape else None
    if len(a.shape) != 2 or len(b.shape) not in (1, 2) or rows != b.shape[0]:
        raise ValueError(
            f"[lstsq] expected a (m, n) and b (m, k) or (m,), received shapes {tuple(a.shape)} and {tuple(b.shape)}."
        )
    inverse = pinv(a, rcond)
    return matmul(inverse, b) if len(b.shape) == 2 else _C.ops.squeeze(matmul(inverse, _C.ops.expand_dims(b, -1)), -1)


# ---- inverses ----


host.define(
    "inv",
    lambda x: [x],
    lambda x: [np.linalg.inv(x)],
    lambda inputs, outputs, dy: [-matmul(matmul(outputs[0], dy[0], ta=True), outputs[0], tb=True)],
    "matrices that can be inverted",
)


def inv(x: Any) -> Tensor:
    """The inverse of square matrices (..., n, n).

    Raises:
        ValueError: for what is not square, and singular matrices.

    Example:
        >>> import tahr
        >>> tahr.ops.inv([[2.0, 0.0], [0.0, 4.0]]).numpy()
        array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)

    Source: Giles 2008, section 2.2.3.
    """
    t = host.floating(x, "inv")
    square("inv", t)
    return host.as_dtype(host.call("inv", [host.widened(t)])[0], t.dtype)


def cholesky_inverse(x: Any, upper: bool = False) -> Tensor:
    """The inverse of the matrices whose Cholesky factors are given.

    Args:
        x: factors (..., n, n): lower triangles L of ``L @ L.T``, or upper ones U of ``U.T @ U``.
        upper: whether the factors are upper triangles.

    Raises:
        ValueError: for what is not square, and a 0 on the diagonal.

    Example:
        >>> import tahr
        >>> tahr.ops.cholesky_inverse([[2.0, 0.0], [0.0, 1.0]]).numpy()
        array([[0.25, 0.  ],
               [0.  , 1.  ]], dtype=float32)
    """
    t = host.floating(x, "cholesky_inverse")
    square("cholesky_inverse", t)
    wide = host.widened(t)
    ones = _C.ops.ones_like(wide[..., 0])
    identity = _C.ops.expand_dims(ones, -1) * _C.ops.eye(wide.shape[-1], dtype=wide.dtype)
    root = host.call("solve_triangular", [wide, identity], lower=not upper)[0]
    return host.as_dtype(matmul(root, root, tb=True) if upper else matmul(root, root, ta=True), t.dtype)


def _pinv_run(x: np.ndarray, rcond: float | None) -> list[np.ndarray]:
    if rcond is None:
        rcond = max(x.shape[-2:], default=1) * float(np.finfo(x.dtype).eps)
    return [np.linalg.pinv(x, rcond)]


def _pinv_vjp(inputs: Any, outputs: Any, dy: Any, rcond: Any) -> list[Any]:
    (a,), (p,), g = inputs, outputs, transposed(dy[0])
    da = -matmul(matmul(p, dy[0], ta=True), p, tb=True)
    left = matmul(matmul(g, p), p, tb=True)
    right = matmul(matmul(p, p, ta=True), g)
    return [da + left - matmul(a, matmul(p, left)) + right - matmul(matmul(right, p), a)]


host.define("pinv", lambda x, rcond: [((*x[0][:-2], x[0][-1], x[0][-2]), x[1])], _pinv_run, _pinv_vjp)


def pinv(x: Any, rcond: float | None = None) -> Tensor:
    """The Moore-Penrose pseudoinverse.

    Args:
        x: (..., m, n).
        rcond: singular values up to this part of the largest count as 0; by default the dtype's epsilon times the larger of
            m and n.

    Returns:
        (..., n, m). Its derivative takes the rank of x as constant.

    Raises:
        ValueError: for what is no matrix.

    Example:
        >>> import tahr
        >>> tahr.ops.pinv([[2.0, 0.0], [0.0, 0.0]]).numpy()
        array([[0.5, 0. ],
               [0. , 0. ]], dtype=float32)

    Source: Golub and Pereyra 1973, for the derivative.
    """
    t = host.floating(x, "pinv")
    rcond = None if rcond is None else float(rcond)
    return host.as_dtype(host.call("pinv", [host.widened(t)], rcond=rcond)[0], t.dtype)


def matrix_power(x: Any, n: int) -> Tensor:
    """Square matrices (..., m, m) multiplied n times; of the inverse if n is negative, the identity for 0.

    Raises:
        TypeError: if n is no integer.
        ValueError: for what is not square; for negative n and singular matrices.

    Example:
        >>> import tahr
        >>> tahr.ops.matrix_power([[1.0, 1.0], [0.0, 1.0]], 5).numpy()
        array([[1., 5.],
               [0., 1.]], dtype=float32)
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"[matrix_power] expected n as an integer, received {n!r}.")
    t = host.floating(x, "matrix_power")
    square("matrix_power", t)
    if n == 0:
        ones = _C.ops.expand_dims(_C.ops.ones_like(t[..., 0]), -1)
        return ones * _C.ops.eye(t.shape[-1], dtype=t.dtype)
    if n < 0:
        t, n = inv(t), -n
    result = None
    while n:
        if n & 1:
            result = t if result is None else matmul(result, t)
        n >>= 1
        if n:
            t = matmul(t, t)
    return result  # type: ignore[return-value]


def _rank_run(x: np.ndarray, tol: float | None) -> list[np.ndarray]:
    return [np.asarray(np.linalg.matrix_rank(x, tol=tol), np.int32)]


host.define("matrix_rank", lambda x, tol: [(x[0][:-2], "int32")], _rank_run, lambda inputs, outputs, dy, tol: [None])


def matrix_rank(x: Any, tol: float | None = None) -> Tensor:
    """How many singular values exceed a bound.

    Args:
        x: (..., m, n).
        tol: the bound; by default the largest singular value times the larger of m and n times the dtype's epsilon.

    Returns:
        int32, of shape (...).

    Raises:
        ValueError: for what is no matrix.

    Example:
        >>> import tahr
        >>> int(tahr.ops.matrix_rank([[1.0, 2.0], [2.0, 4.0]]))
        1
    """
    t = host.floating(x, "matrix_rank")
    return host.call("matrix_rank", [host.widened(t)], tol=None if tol is None else float(tol))[0]


# ---- determinants ----


def _det_vjp(inputs: Any, outputs: Any, dy: Any) -> list[Any]:
    scale = _C.ops.expand_dims(dy[0] * outputs[0], (-2, -1))
    return [scale * transposed(host.call("inv", inputs)[0])]


def _slogdet_vjp(inputs: Any, outputs: Any, dy: Any) -> list[Any]:
    if dy[1] is None:  # the sign is constant
        return [None]
    return [_C.ops.expand_dims(dy[1], (-2, -1)) * transposed(host.call("inv", inputs)[0])]


host.define("det", lambda x: [(x[0][:-2], x[1])], lambda x: [np.asarray(np.linalg.det(x))], _det_vjp)
host.define(
    "slogdet", lambda x: [(x[0][:-2], x[1])] * 2, lambda x: [np.asarray(p) for p in np.linalg.slogdet(x)], _slogdet_vjp
)


def det(x: Any) -> Tensor:
    """The determinant of square matrices (..., n, n): (...). Its derivative needs the inverse.

    Raises:
        ValueError: for what is not square.

    Example:
        >>> import tahr
        >>> float(tahr.ops.det([[2.0, 0.0], [0.0, 4.0]]))
        8.0

    Source: Giles 2008, section 2.2.4.
    """
    t = host.floating(x, "det")
    square("det", t)
    return host.as_dtype(host.call("det", [host.widened(t)])[0], t.dtype)


def slogdet(x: Any) -> tuple[Tensor, Tensor]:
    """Sign and logarithm of the magnitude of the determinant of square matrices, which then cannot overflow.

    Args:
        x: (..., n, n).

    Returns:
        The sign (-1, 0 or 1) and the logarithm (-inf for singular matrices), both (...).

    Raises:
        ValueError: for what is not square.

    Example:
        >>> import tahr
        >>> [float(v) for v in tahr.ops.slogdet([[0.0, 1.0], [1.0, 0.0]])]
        [-1.0, 0.0]
    """
    t = host.floating(x, "slogdet")
    square("slogdet", t)
    sign, log = host.call("slogdet", [host.widened(t)])
    return host.as_dtype(sign, t.dtype), host.as_dtype(log, t.dtype)


def logdet(x: Any) -> Tensor:
    """The logarithm of the determinant's magnitude, as `slogdet` gives it: for symmetric positive definite matrices.

    Example:
        >>> import tahr
        >>> round(float(tahr.ops.logdet([[2.0, 0.0], [0.0, 4.0]])), 4)
        2.0794
    """
    return slogdet(x)[1]


# ---- forward derivatives ----


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The result of a function and its derivative along a direction.

    The derivative is that of ``v -> J.T @ v``, which is linear, by reverse mode once more; so `fun` must have second
    derivatives.

    Args:
        fun: from tensors to a tensor, or a structure of them.
        primals: list or tuple of the arguments.
        tangents: the direction, in the structure and shapes of `primals`.
        has_aux: whether `fun` gives a pair, of which the second member passes through.

    Returns:
        ``fun(*primals)`` and ``J @ tangents`` in the same structure; then the second member, with `has_aux`.

    Raises:
        ValueError: if primals and tangents do not fit.

    Example:
        >>> import tahr
        >>> y, dy = tahr.ops.jvp(tahr.ops.square, (3.0,), (1.0,))
        >>> float(y), float(dy)
        (9.0, 6.0)

    Source: Townsend, "A new trick for calculating Jacobian vector products", 2017.
    """
    at = [_C.to_tensor(p, None, "[jvp]") for p in nest.flatten(primals)]
    along = [_C.to_tensor(t, None, "[jvp]") for t in nest.flatten(tangents)]
    if len(at) != len(along) or any(a.shape != t.shape for a, t in zip(at, along)):
        raise ValueError(
            f"[jvp] expected tangents of the shapes of primals, received {[t.shape for t in along]} for "
            f"{[a.shape for a in at]}."
        )
    packed = nest.pack_sequence_as(primals, at)
    with GradientTape() as outer, GradientTape() as inner:
        inner.watch([a for a in at if a.dtype.is_floating])
        out = fun(*packed)
        result, aux = out if has_aux else (out, None)
        leaves = [_C.to_tensor(r, None, "[jvp]") for r in nest.flatten(result)]
        weights = [_C.ops.zeros_like(r) for r in leaves]
        outer.watch(weights)
        grads = inner.gradient(leaves, at, weights)
    pairs = [(g, t) for g, t in zip(grads, along) if g is not None]
    if pairs:
        found = outer.gradient([g for g, _ in pairs], weights, [host.as_dtype(t, g.dtype) for g, t in pairs])
    else:
        found = [None] * len(leaves)
    filled = [known(d, r) for d, r in zip(found, leaves)]
    answer = (nest.pack_sequence_as(result, leaves), nest.pack_sequence_as(result, filled))
    return (*answer, aux) if has_aux else answer
