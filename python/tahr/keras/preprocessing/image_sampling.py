"""Images sampled at affine places with splines, as `scipy.ndimage.affine_transform` samples them."""

from __future__ import annotations

import numpy as np

FILL_MODES = ("constant", "nearest", "reflect", "wrap")
_PAD = 12  # pixels put around an image whose edges go on, before splines of degree 2 and more are fitted


def sample_affine(
    planes: np.ndarray, matrix: np.ndarray, offset: np.ndarray, fill_mode: str, cval: float, order: int
) -> np.ndarray:
    """Planes (n, height, width) at the places matrix @ (row, column) + offset.

    Args:
        planes: the images, each sampled at the same places.
        matrix: (2, 2).
        offset: (2,).
        fill_mode: one of `FILL_MODES`: what lies outside of the pixels' centres.
        cval: the value outside for "constant".
        order: degree of the splines, 0 to 5.

    Returns:
        Array of the shape and dtype of `planes`.
    """
    count, height, width = planes.shape
    row, column = np.meshgrid(np.arange(float(height)), np.arange(float(width)), indexing="ij")
    places = [matrix[i, 0] * row + matrix[i, 1] * column + offset[i] for i in (0, 1)]
    values = planes.astype(np.float64)
    if order > 1 and fill_mode == "nearest":  # splines of an image that goes on with its edges
        values = np.pad(values, ((0, 0), (_PAD, _PAD), (_PAD, _PAD)), mode="edge")
        places = [place + _PAD for place in places]
    sizes = values.shape[1:]
    inside = np.ones((height, width), bool)
    if fill_mode == "constant":
        for place, size in zip(places, sizes):
            inside &= (place >= 0) & (place <= size - 1)
        places = [np.clip(place, 0, size - 1) for place, size in zip(places, sizes)]
    else:
        places = [_folded(place, size, fill_mode) for place, size in zip(places, sizes)]
    mode = "reflect" if fill_mode in ("reflect", "nearest") else "mirror"
    if order > 1:
        values = _coefficients(values, order, mode)
    axes = [_neighbours(place, size, order, mode) for place, size in zip(places, sizes)]
    (rows, row_weights), (columns, column_weights) = axes
    result = np.zeros((count, height, width))
    for r, wr in zip(rows, row_weights):
        for c, wc in zip(columns, column_weights):
            result += values[:, r, c] * (wr * wc)
    result = np.where(inside, result, cval)
    if planes.dtype.kind in "iu":
        info = np.iinfo(planes.dtype)
        result = np.clip(np.trunc(result + np.copysign(0.5, result)), info.min, info.max)
    return result.astype(planes.dtype)


def _folded(place: np.ndarray, size: int, mode: str) -> np.ndarray:
    """Places outside of 0 .. size - 1 to those inside that have their value."""
    if mode == "nearest":
        return np.clip(place, 0, size - 1)
    if size == 1:
        return np.zeros_like(place)
    if mode == "wrap":  # the last pixel is the first one of the next round
        rounds = np.where(place < 0, np.floor(-place / (size - 1)) + 1, -np.floor(place / (size - 1)))
        return np.where((place < 0) | (place > size - 1), place + rounds * (size - 1), place)
    # "reflect": edges twice; the places between an edge and its image have the edge's value.
    turned = np.mod(place + 0.5, 2 * size)
    return np.minimum(turned, 2 * size - turned) - 0.5


def _index(index: np.ndarray, size: int, mode: str) -> np.ndarray:
    """Pixels outside of the image to those inside that stand for them."""
    if mode == "mirror":
        if size == 1:
            return np.zeros_like(index)
        turned = np.mod(index, 2 * size - 2)
        return np.minimum(turned, 2 * size - 2 - turned)
    turned = np.mod(index, 2 * size)
    return np.minimum(turned, 2 * size - 1 - turned)


def _neighbours(place: np.ndarray, size: int, order: int, mode: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pixels along one axis that a place is made of, and their weights."""
    first = np.floor(place + 0.5) - order // 2 if order % 2 == 0 else np.floor(place) - order // 2
    indices = [first + k for k in range(order + 1)]
    weights = [_spline(place - index, order) for index in indices]
    return [_index(index.astype(np.int64), size, mode) for index in indices], weights


def _spline(x: np.ndarray, order: int) -> np.ndarray:
    """The centred B-spline of a degree at x."""
    if order == 0:
        return np.ones_like(x)
    # Cox-de Boor in powers: sum over k of (-1)^k binomial(n + 1, k) max(x + (n + 1) / 2 - k, 0)^n / n!
    total = np.zeros_like(x)
    sign, factorial = 1.0, 1.0
    for k in range(1, order + 1):
        factorial *= k
    binomial = 1.0
    x = -np.abs(x)  # fewer terms, less cancellation
    for k in range((order + 1) // 2 + 1):
        total += sign * binomial * np.maximum(x + (order + 1) / 2 - k, 0.0) ** order
        sign, binomial = -sign, binomial * (order + 1 - k) / (k + 1)
    return total / factorial


def _coefficients(values: np.ndarray, order: int, mode: str) -> np.ndarray:
    """The weights of B-splines that pass through planes of values: a linear system along either axis."""
    for axis in (1, 2):
        size = values.shape[axis]
        at = np.arange(size)
        system = np.zeros((size, size))
        for index, weight in zip(*_neighbours(at.astype(np.float64), size, order, mode)):
            np.add.at(system, (at, index), weight)
        values = np.moveaxis(np.tensordot(np.linalg.inv(system), values, (1, axis)), 0, axis)
    return values
