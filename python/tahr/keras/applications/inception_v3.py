"""Inception V3: modules of parallel branches, written as tables."""

from __future__ import annotations

from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import Frame, kernels, standard
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

# A convolution is (filters, kernel) or (filters, kernel, stride), a strided one without padding; a branch is a row.
_Branch = tuple[tuple[Any, ...], ...]


def conv_norm(frame: Frame, x: Any, filters: int, size: Any, stride: int = 1, padding: str = "same") -> Any:
    """Convolution, batch normalisation without a scale, relu; named by Keras's counters."""
    x = frame.conv(x, filters, size, strides=stride, padding=padding)
    return layers.Activation("relu")(frame.norm(x, scale=False))


def branch(frame: Frame, x: Any, convolutions: _Branch) -> Any:
    """One convolution after the other."""
    for filters, size, *stride in convolutions:
        x = conv_norm(frame, x, filters, size, *(stride + ["valid"] if stride else []))
    return x


def stem(frame: Frame) -> Any:
    """An eighth of the size, 192 channels."""
    x = conv_norm(frame, frame.image, 32, 3, 2, "valid")
    x = conv_norm(frame, x, 32, 3, padding="valid")
    x = layers.MaxPooling2D(3, strides=2)(conv_norm(frame, x, 64, 3))
    x = conv_norm(frame, x, 80, 1, padding="valid")
    return layers.MaxPooling2D(3, strides=2)(conv_norm(frame, x, 192, 3, padding="valid"))


def _wide(pooled: int) -> tuple[_Branch, ...]:
    return ((64, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)), ((pooled, 1),)


def _long(n: int) -> tuple[_Branch, ...]:
    row, column = (1, 7), (7, 1)
    double = ((n, 1), (n, column), (n, row), (n, column), (192, row))
    return ((192, 1),), ((n, 1), (n, row), (192, column)), double, ((192, 1),)


_SHRINK_3: tuple[_Branch, ...] = ((384, 3, 2),), ((64, 1), (96, 3), (96, 3, 2))
_SHRINK_8: tuple[_Branch, ...] = (
    ((192, 1), (320, 3, 2)),
    ((192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)),
)
# Module `mixed<i>`; the last branch of one that keeps the size follows a pool.
_MODULES = (_wide(32), _wide(64), _wide(64), _SHRINK_3, _long(128), _long(160), _long(160), _long(192), _SHRINK_8)


def _module(frame: Frame, x: Any, branches: tuple[_Branch, ...], name: str) -> Any:
    if len(branches[0][-1]) == 3:  # ends with a strided convolution
        ends = [branch(frame, x, b) for b in branches]
        ends.append(layers.MaxPooling2D(3, strides=2)(x))
    else:
        ends = [branch(frame, x, b) for b in branches[:-1]]
        pooled = layers.AveragePooling2D(3, strides=1, padding="same")(x)
        ends.append(branch(frame, pooled, branches[-1]))
    return layers.concatenate(ends, axis=frame.axis, name=name)


def _split_module(frame: Frame, x: Any, i: int) -> Any:
    """Modules 9 and 10, whose branches fork at their ends."""

    def fork(y: Any, name: str | None) -> Any:
        ends = [conv_norm(frame, y, 384, (1, 3)), conv_norm(frame, y, 384, (3, 1))]
        return layers.concatenate(ends, axis=frame.axis, name=name)

    ends = [conv_norm(frame, x, 320, 1)]
    ends.append(fork(conv_norm(frame, x, 384, 1), f"mixed9_{i}"))
    ends.append(fork(branch(frame, x, ((448, 1), (384, 3))), None))
    pooled = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    ends.append(conv_norm(frame, pooled, 192, 1))
    return layers.concatenate(ends, axis=frame.axis, name=f"mixed{9 + i}")


def _body(frame: Frame) -> Any:
    x = stem(frame)
    for i, branches in enumerate(_MODULES):
        x = _module(frame, x, branches, f"mixed{i}")
    for i in range(2):
        x = _split_module(frame, x, i)
    return frame.head(x, named=False)


InceptionV3 = standard(
    "InceptionV3",
    "inception_v3",
    __name__,
    "Inception V3: 11 modules of parallel branches.",
    'C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception architecture", 2015',
    _body,
    kernels("inception_v3/inception_v3", ("9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63")),
    size=299,
    least=75,
)
preprocess_input = preprocessing("tf")
