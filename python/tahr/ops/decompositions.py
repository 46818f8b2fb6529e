"""Decompositions of matrices by NumPy (LAPACK), batched over leading axes.

Derivatives: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation", 2008
(Cholesky, eigenvalues); Seeger et al., "Auto-differentiating linear algebra", 2017 (QR); Townsend, "Differentiating the
singular value decomposition", 2016. Eigenvectors and singular vectors of equal values have none; what depends on them
through such a pair counts as constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import _C
from tahr.ops import host
from tahr.ops.host import diagonal_matrix, known, matmul, smaller, square, transposed
from tahr.tensor import Tensor

__all__ = ["cholesky", "eig", "eigh", "lu_factor", "qr", "svd"]


def triangular(a: Tensor, b: Tensor, lower: bool) -> Tensor:
    """The solution x of ``a @ x = b`` for the lower or upper triangle of a."""
    return host.call("solve_triangular", [a, b], lower=lower)[0]


def right_inverse(b: Tensor, r: Tensor, lower: bool) -> Tensor:
    """``b @ inv(r)`` for a triangular r."""
    return transposed(triangular(transposed(r), transposed(b), not lower))


# ---- Cholesky ----


def _cholesky_vjp(inputs: Any, outputs: Any, dy: Any) -> list[Any]:
    (factor,) = outputs
    p = matmul(factor, dy[0], ta=True)
    p = _C.ops.tril(p) - 0.5 * diagonal_matrix(_C.ops.diagonal(p, 0, -2, -1))
    s = triangular(transposed(factor), right_inverse(p, factor, True), False)
    return [0.5 * (s + transposed(s))]


host.define(
    "cholesky",
    lambda x: [x],
    lambda x: [np.linalg.cholesky(x)],
    _cholesky_vjp,
    "symmetric positive definite matrices",
)


def cholesky(x: Any, upper: bool = False) -> Tensor:
    """The triangular factor of symmetric positive definite matrices: ``x = L @ L.T``.

    Args:
        x: (..., n, n); only the lower triangle is read.
        upper: whether to give ``L.T`` in place of L.

    Returns:
        L, of the shape of x. Its gradient with respect to x is symmetric.

    Raises:
        ValueError: for what is not square or not positive definite.

    Example:
        >>> import tahr
        >>> tahr.ops.cholesky([[4.0, 2.0], [2.0, 2.0]]).numpy()
        array([[2., 0.],
               [1., 1.]], dtype=float32)

    Source: Giles 2008, section 2.3.
    """
    t = host.floating(x, "cholesky")
    square("cholesky", t)
    factor = host.as_dtype(host.call("cholesky", [host.widened(t)])[0], t.dtype)
    return transposed(factor) if upper else factor


# ---- eigenvalues ----


def _inverse_gaps(values: Tensor) -> Tensor:
    """1 / (v_j - v_i), 0 where equal."""
    gap = _C.ops.expand_dims(values, -2) - _C.ops.expand_dims(values, -1)
    same = _C.ops.equal(gap, 0)
    return _C.ops.where(same, _C.ops.zeros_like(gap), 1.0 / _C.ops.where(same, _C.ops.ones_like(gap), gap))


def _eigh_vjp(inputs: Any, outputs: Any, dy: Any) -> list[Any]:
    w, v = outputs
    middle = diagonal_matrix(known(dy[0], w))
    if dy[1] is not None:
        middle = middle + _inverse_gaps(w) * matmul(v, dy[1], ta=True)
    a = matmul(matmul(v, middle), v, tb=True)
    return [0.5 * (a + transposed(a))]


host.define("eigh", lambda x: [(x[0][:-1], x[1]), x], lambda x: np.linalg.eigh(x), _eigh_vjp)


def eigh(x: Any) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of symmetric matrices.

    Args:
        x: (..., n, n); only the lower triangle is read.

    Returns:
        Eigenvalues (..., n), ascending, and eigenvectors (..., n, n), in columns.

    Raises:
        ValueError: for matrices that are not square.

    Example:
        >>> import tahr
        >>> w, v = tahr.ops.eigh([[2.0, 0.0], [0.0, 1.0]])
        >>> w.numpy()
        array([1., 2.], dtype=float32)

    Source: Giles 2008, section 3.1.
    """
    t = host.floating(x, "eigh")
    square("eigh", t)
    w, v = host.call("eigh", [host.widened(t)])
    return host.as_dtype(w, t.dtype), host.as_dtype(v, t.dtype)


def _eig_run(x: np.ndarray) -> list[np.ndarray]:
    w, v = np.linalg.eig(x)
    return [w.real, w.imag, v.real, v.imag]


host.define("eig", lambda x: [(x[0][:-1], x[1])] * 2 + [x] * 2, _eig_run)


def eig(x: Any) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Eigenvalues and eigenvectors of any square matrices. There is no gradient: use `eigh` for symmetric matrices.

    Args:
        x: (..., n, n).

    Returns:
        Eigenvalues (..., n) in no particular order, and eigenvectors (..., n, n) in columns. Both are complex, so each is a
        pair of tensors, the real and the imaginary part.

    Raises:
        ValueError: for matrices that are not square.
        NotImplementedError: when a gradient is asked for.

    Example:
        >>> import tahr
        >>> (real, imag), vectors = tahr.ops.eig([[0.0, -1.0], [1.0, 0.0]])
        >>> real.numpy(), sorted(imag.numpy().tolist())
        (array([0., 0.], dtype=float32), [-1.0, 1.0])
    """
    t = host.floating(x, "eig")
    square("eig", t)
    wr, wi, vr, vi = (host.as_dtype(p, t.dtype) for p in host.call("eig", [host.widened(t)]))
    return (wr, wi), (vr, vi)


# ---- QR ----


def _qr_infer(x: host.Spec, mode: str) -> list[host.Spec]:
    (*batch, m, n), dtype = x
    k = m if mode == "complete" else smaller(m, n)
    return [((*batch, m, k), dtype), ((*batch, k, n), dtype)]


def _tall_qr_vjp(q: Tensor, r: Tensor, dq: Tensor, dr: Tensor) -> Tensor:
    m = matmul(r, dr, tb=True) - matmul(dq, q, ta=True)
    below = _C.ops.tril(m, -1)
    symmetric = _C.ops.tril(m) + transposed(below)
    return right_inverse(dq + matmul(q, symmetric), transposed(r), True)


def _qr_vjp(inputs: Any, outputs: Any, dy: Any, mode: str) -> list[Any]:
    (x,), (q, r) = inputs, outputs
    dq, dr = known(dy[0], q), known(dy[1], r)
    m, n = x.shape[-2:]
    if m is None or n is None or (mode == "complete" and m > n):
        raise NotImplementedError(
            f"[qr] has no derivative for mode={mode!r} and shape {tuple(x.shape)}: Q is not determined by the input, or a "
            "size is unknown. Use mode='reduced' on matrices of known size."
        )
    if m >= n:
        return [_tall_qr_vjp(q, r, dq, dr)]
    # x = q @ [u, v]: the first m columns determine q.
    left = _tall_qr_vjp(q, r[..., :m], dq + matmul(x[..., m:], dr[..., m:], tb=True), dr[..., :m])
    return [_C.ops.concatenate([left, matmul(q, dr[..., m:])], axis=-1)]


host.define("qr", _qr_infer, lambda x, mode: np.linalg.qr(x, mode=mode), _qr_vjp)


def qr(x: Any, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """The factors of ``x = q @ r``: q with orthonormal columns, r upper triangular.

    Args:
        x: (..., m, n).
        mode: ``"reduced"``: q (..., m, k) and r (..., k, n) with k = min(m, n); ``"complete"``: k = m.

    Raises:
        ValueError: for another mode.
        NotImplementedError: for the gradient of the complete q of a matrix with more rows than columns.

    Example:
        >>> import tahr
        >>> q, r = tahr.ops.qr([[3.0, 1.0], [4.0, 2.0]])
        >>> tahr.ops.matmul(q, r).numpy().round(5)
        array([[3., 1.],
               [4., 2.]], dtype=float32)

    Source: Seeger et al. 2017, for the derivative.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"[qr] expected mode 'reduced' or 'complete', received {mode!r}.")
    t = host.floating(x, "qr")
    q, r = host.call("qr", [host.widened(t)], mode=mode)
    return host.as_dtype(q, t.dtype), host.as_dtype(r, t.dtype)


# ---- singular values ----


def _svd_infer(x: host.Spec, full_matrices: bool) -> list[host.Spec]:
    (*batch, m, n), dtype = x
    k = smaller(m, n)
    rows, columns = (m, n) if full_matrices else (k, k)
    return [((*batch, m, rows), dtype), ((*batch, k), dtype), ((*batch, columns, n), dtype)]


def _svd_vjp(inputs: Any, outputs: Any, dy: Any, full_matrices: bool) -> list[Any]:
    u, s, vh = outputs
    du, ds, dvh = dy
    k, m, n = s.shape[-1], u.shape[-2], vh.shape[-1]
    if full_matrices:
        if (du is not None or dvh is not None) and m != n:
            raise NotImplementedError(
                f"[svd] has no derivative for full_matrices=True and shape {(m, n)}: the vectors beyond the first {k} are "
                "not determined by the input. Use full_matrices=False."
            )
        u, vh = u[..., :, :k], vh[..., :k, :]
    row, column = _C.ops.expand_dims(s, -2), _C.ops.expand_dims(s, -1)
    gaps = _inverse_gaps(s * s)
    middle = diagonal_matrix(known(ds, s))
    rest = None
    if du is not None:
        p = matmul(u, du, ta=True)
        middle = middle + gaps * (p - transposed(p)) * row
        if m != k:
            rest = matmul((du - matmul(u, p)) / row, vh)
    if dvh is not None:
        p = matmul(vh, dvh, tb=True)
        middle = middle + column * (gaps * (p - transposed(p)))
        if n != k:
            more = matmul(u, (dvh - matmul(p, vh, ta=True)) / column)
            rest = more if rest is None else rest + more
    out = matmul(matmul(u, middle), vh)
    return [out if rest is None else out + rest]


host.define("svd", _svd_infer, lambda x, full_matrices: np.linalg.svd(x, full_matrices=full_matrices), _svd_vjp)


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition ``x = u @ diag(s) @ vh``.

    Args:
        x: (..., m, n); k is the smaller of m and n.
        full_matrices: whether u is (..., m, m) and vh (..., n, n), or (..., m, k) and (..., k, n).
        compute_uv: whether u and vh are wanted.

    Returns:
        u, s (..., k), descending, and vh; or s alone.

    Raises:
        ValueError: for what is no matrix.
        NotImplementedError: for the gradient of full u and vh of matrices that are not square.

    Example:
        >>> import tahr
        >>> tahr.ops.svd([[0.0, 2.0], [3.0, 0.0]], compute_uv=False).numpy()
        array([3., 2.], dtype=float32)

    Source: Townsend 2016, for the derivative.
    """
    t = host.floating(x, "svd")
    u, s, vh = host.call("svd", [host.widened(t)], full_matrices=bool(full_matrices and compute_uv))
    u, s, vh = (host.as_dtype(p, t.dtype) for p in (u, s, vh))
    return (u, s, vh) if compute_uv else s


# ---- LU ----


def _lu_infer(x: host.Spec) -> list[host.Spec]:
    (*batch, m, n), dtype = x
    return [x, ((*batch, smaller(m, n)), "int32"), ((*batch, m), "int32")]


def _lu_run(x: np.ndarray) -> list[np.ndarray]:
    """Gaussian elimination with partial pivoting, one column of all matrices at a time."""
    m, n = x.shape[-2:]
    k = min(m, n)
    lu = x.reshape(-1, m, n).copy()
    each = np.arange(len(lu))
    pivots = np.zeros((len(lu), k), np.int32)
    order = np.tile(np.arange(m, dtype=np.int32), (len(lu), 1))
    for j in range(k):
        p = j + np.argmax(np.abs(lu[:, j:, j]), axis=1)
        pivots[:, j] = p
        lu[each, j], lu[each, p] = lu[each, p].copy(), lu[each, j].copy()
        order[each, j], order[each, p] = order[each, p].copy(), order[each, j].copy()
        pivot = lu[:, j, j, None]
        lu[:, j + 1 :, j] /= np.where(pivot == 0, 1, pivot)
        lu[:, j + 1 :, j + 1 :] -= lu[:, j + 1 :, j, None] * lu[:, j, None, j + 1 :]
    batch = x.shape[:-2]
    return [lu.reshape(x.shape), pivots.reshape(*batch, k), order.reshape(*batch, m)]


def _lu_vjp(inputs: Any, outputs: Any, dy: Any) -> list[Any]:
    lu, _, order = outputs
    if dy[0] is None:
        return [None]
    m, n = lu.shape[-2:]
    if m is None or m != n:
        raise NotImplementedError(
            f"[lu_factor] has a derivative for square matrices only, received shape {tuple(lu.shape)}."
        )
    lower = _C.ops.tril(lu, -1) + _C.ops.eye(m, dtype=lu.dtype)
    upper = _C.ops.triu(lu)
    middle = _C.ops.tril(matmul(lower, _C.ops.tril(dy[0], -1), ta=True), -1) + _C.ops.triu(
        matmul(_C.ops.triu(dy[0]), upper, tb=True)
    )
    permuted = triangular(transposed(lower), right_inverse(middle, transposed(upper), True), False)
    back = _C.ops.expand_dims(_C.ops.argsort(order, axis=-1), -1)
    return [_C.ops.take_along_axis(permuted, _C.ops.broadcast_to(back, lu.shape), axis=-2)]


host.define("lu_factor", _lu_infer, _lu_run, _lu_vjp)


def lu_factor(x: Any) -> tuple[Tensor, Tensor]:
    """The factors of ``x`` with exchanged rows: a lower triangle with ones on its diagonal times an upper one.

    Args:
        x: (..., m, n).

    Returns:
        Both factors in one tensor of the shape of x, without the ones; and pivots (..., min(m, n)), int32: in step i rows
        i and ``pivots[i]`` changed places.

    Raises:
        ValueError: for what is no matrix.
        NotImplementedError: for the gradient of matrices that are not square.

    Example:
        >>> import tahr
        >>> lu, pivots = tahr.ops.lu_factor([[1.0, 2.0], [4.0, 4.0]])
        >>> lu.numpy(), pivots.numpy()
        (array([[4.  , 4.  ],
               [0.25, 1.  ]], dtype=float32), array([1, 1], dtype=int32))

    Source: Golub and Van Loan, "Matrix computations", section 3.4.
    """
    t = host.floating(x, "lu_factor")
    lu, pivots, _ = host.call("lu_factor", [host.widened(t)])
    return host.as_dtype(lu, t.dtype), pivots
