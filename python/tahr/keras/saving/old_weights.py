"""Arrays as Keras 1 and 2 kept them, brought to today's shapes and order."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

_SLOTS = frozenset(
    "m v vhat momentum momentums velocity rms mg average_gradient accumulator accum_grad accumulated_grad "
    "accumulated_grads accum_var accumulated_delta_var accumulated_delta_vars linear u".split()
)


def convert(layer: Any, arrays: list[np.ndarray], version: str, backend: str | None) -> list[np.ndarray]:
    """The arrays of `layer` (in the order of the file) as the layer wants them.

    Args:
        layer: the layer they are for.
        arrays: what the file holds.
        version: the version of Keras that wrote the file.
        backend: the backend it ran on: Theano's kernels of convolutions were flipped.
    """
    kind = type(layer).__name__
    if version.startswith("1"):
        arrays = _from_keras_1(layer, kind, arrays)
        if backend == "theano" and kind.startswith("Conv") and arrays:
            axes = tuple(range(arrays[0].ndim - 2))
            arrays = [np.flip(arrays[0], axes), *arrays[1:]]
    if kind == "Bidirectional" and arrays:
        half = len(arrays) // 2
        sides = (layer.forward_layer, arrays[:half]), (layer.backward_layer, arrays[half:])
        return [a for side, part in sides for a in convert(side, part, version, None)]
    if kind in ("LSTM", "GRU") and len(arrays) == 3:
        return _from_cudnn(layer, kind, arrays)
    return arrays


def _from_keras_1(layer: Any, kind: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    if kind == "Conv1D" and arrays and arrays[0].ndim == 4:
        kernel = arrays[0]
        size = layer.kernel_size[0]
        if kernel.shape[:2] != (size, 1):  # (filters, channels, size, 1)
            kernel = np.transpose(kernel, (2, 3, 1, 0))
        return [kernel[:, 0], *arrays[1:]]
    if kind in ("Conv2D", "Conv3D") and arrays:
        kernel = arrays[0]
        wanted = tuple(layer.kernel.shape)
        if kernel.shape != wanted and kernel.ndim == len(wanted):
            turned = np.transpose(kernel, (*range(2, kernel.ndim), 1, 0))  # (filters, channels, ...) of Theano
            if turned.shape == wanted:
                return [turned, *arrays[1:]]
    if kind == "LSTM" and len(arrays) == 12:  # W, U and b of the gates i, c, f, o
        return [np.concatenate([arrays[k + g] for g in (0, 6, 3, 9)], axis=-1) for k in range(3)]
    if kind == "GRU" and len(arrays) == 9:  # z, r, h
        return [np.concatenate([arrays[k + g] for g in (0, 3, 6)], axis=-1) for k in range(3)]
    return arrays


def _from_cudnn(layer: Any, kind: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The layers CuDNNLSTM and CuDNNGRU of Keras 2 kept each gate's kernel in the other order, and two biases."""
    gates = 4 if kind == "LSTM" else 3
    kernel, recurrent, bias = arrays
    units = layer.units
    if bias.shape != (2 * gates * units,) or recurrent.shape != (units, gates * units):
        return arrays
    kernel = np.hstack([np.reshape(k.ravel(), k.shape, order="F") for k in np.hsplit(kernel, gates)])
    recurrent = np.hstack([u.T for u in np.hsplit(recurrent, gates)])
    bias = bias.reshape(2, -1)
    return [kernel, recurrent, bias.sum(axis=0) if kind == "LSTM" else bias]


def fill_optimizer(optimizer: Any, names: list[str], arrays: list[np.ndarray]) -> None:
    """Gives a built optimizer the state in a file, or warns that it starts afresh.

    Keras 2 kept no learning rate there, and all first moments before all second ones.
    """
    own = list(optimizer.variables)
    for candidate in (arrays, _in_todays_order(own, names, arrays)):
        if candidate is None or len(candidate) != len(own):
            continue
        if all(a is None or a.shape == tuple(v.shape) for v, a in zip(own, candidate)):
            for v, a in zip(own, candidate):
                if a is not None:
                    v.assign(a)
            return
    warnings.warn(
        f"[load_model] expected {len(own)} arrays of state for the optimizer {optimizer.name!r}, received "
        f"{len(arrays)} that do not fit: it starts afresh.",
        stacklevel=5,
    )


def _in_todays_order(own: list[Any], names: list[str], arrays: list[np.ndarray]) -> list[np.ndarray | None] | None:
    """Step count, learning rate (None: as it is), then the slots of the first variable, of the second, ..."""
    if not arrays or arrays[0].shape != () or len(own) < 2:
        return None
    head: list[np.ndarray | None] = [arrays[0]]
    rest, labels = arrays[1:], names[1:]
    if "learning_rate" in own[1].name:
        if rest and rest[0].shape == () and "learning_rate" in labels[0]:
            head.append(rest[0])
            rest, labels = rest[1:], labels[1:]
        else:
            head.append(None)
    groups: dict[str, list[np.ndarray]] = {}
    for label, value in zip(labels, rest):
        found = [p for p in label.split(":")[0].split("/") if p in _SLOTS]
        groups.setdefault(found[-1] if found else "", []).append(value)
    sizes = {len(g) for g in groups.values()}
    if len(sizes) == 1 and "" not in groups:
        return [*head, *(value for slot in zip(*groups.values()) for value in slot)]
    wanted = len(own) - len(head)
    if len(rest) != wanted or not wanted:
        return None
    shapes = [tuple(v.shape) for v in own[len(head) :]]
    for slots in (2, 1, 3):  # Keras 1 named nothing: try all of one slot before all of the next
        count = wanted // slots
        if count * slots != wanted:
            continue
        mixed = [rest[s * count + i] for i in range(count) for s in range(slots)]
        if [a.shape for a in mixed] == shapes:
            return [*head, *mixed]
    return None
