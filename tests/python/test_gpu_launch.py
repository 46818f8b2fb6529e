"""Launches of many blocks and of few: more rows than the second axis of a grid has blocks (65,535), a handful, one. The
emulated GPU refuses what a GPU would. Values are those of the CPU. Runs with `--device gpu`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tahr
from tahr import ops

MANY = 65_537 + 3

pytestmark = pytest.mark.usefixtures("gpu")


def _floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def _gradient(f: Callable[..., Any], *arrays: np.ndarray) -> list[Any]:
    inputs = [tahr.constant(a) for a in arrays]
    with tahr.GradientTape() as tape:
        tape.watch(inputs)
        y = f(*inputs)
        total = tahr.reduce_sum(y * y)
    return [y, *tape.gradient(total, inputs)]


ROWS = {
    "add": lambda x: [x + x[:1], x * x[:, :1]],
    "matmul": lambda x: [ops.matmul(x, ops.transpose(x[:4]))],
    "batched matmul": lambda x: [ops.matmul(x[:, :, None], x[:, None, :])],
    "transpose": lambda x: [ops.transpose(x), ops.transpose(x[:, None, :], (0, 2, 1)), ops.flip(x, axis=0)],
    "sum": lambda x: [ops.sum(x, axis=1), ops.sum(x, axis=0), ops.mean(x), ops.max(x, axis=1), ops.argmax(x, axis=0)],
    "softmax": lambda x: [ops.softmax(x, axis=1), ops.log_softmax(x, axis=0), ops.logsumexp(x, axis=1)],
    "cumsum": lambda x: [ops.cumsum(x, axis=1), ops.cumsum(ops.sign(x), axis=0)],
    "sort": lambda x: [ops.sort(x, axis=1), ops.argsort(x, axis=0), ops.top_k(x, 1)[0]],
    "take": lambda x: [
        ops.take(x, np.arange(len(x))[::-1].copy(), axis=0),
        ops.take_along_axis(x, np.ones((len(x), 1), int), 1),
    ],
    "concatenate": lambda x: [ops.concatenate([x, x], axis=1), ops.stack([x, x], axis=0), *ops.split(x, 2, axis=1)],
    "pad": lambda x: [
        ops.pad(x, ((1, 2), (0, 1))),
        ops.tile(x, (2, 1)),
        ops.repeat(x, 2, axis=0),
        ops.roll(x, 3, axis=0),
    ],
    "one_hot": lambda x: [ops.one_hot(ops.cast(ops.abs(x[:, 0]), "int32"), 4)],
    "segment_sum": lambda x: [ops.segment_sum(x, np.arange(len(x)) // 3, num_segments=len(x))],
    "layer_normalization": lambda x: [ops.layer_normalization(x), ops.normalize(x, axis=0)],
    "pool": lambda x: [ops.max_pool(x[:, :, None], 2), ops.average_pool(x[None, :, :], 3, 2, padding="same")],
    "conv": lambda x: [
        ops.conv(x[:, :, None], np.ones((2, 1, 3), "float32")),
        ops.conv(x[None], np.ones((3, 2, 3), "float32"), padding="same"),
    ],
    "depthwise_conv": lambda x: [ops.depthwise_conv(x[None], np.ones((3, 2, 1), "float32"), padding="same")],
    "cast": lambda x: [ops.cast(x, "float16"), ops.cast(x, "int32"), ops.where(x > 0, x, -x)],
    "random": lambda x: [tahr.keras.random.uniform(x.shape, seed=3), tahr.keras.random.dropout(x, 0.5, seed=4)],
}


@pytest.mark.parametrize("shape", [(MANY, 2), (3, 2), (1, 2)], ids=["many", "few", "one"])
@pytest.mark.parametrize("name", ROWS)
def test_rows(name, shape):
    values = _floats(*shape)
    found = {}
    for device in ("gpu:0", "cpu"):
        with tahr.device(device):
            found[device] = [y.numpy() for y in ROWS[name](tahr.constant(values))]
    for a, b in zip(found["gpu:0"], found["cpu"], strict=True):
        # Sums of 65,540 terms of magnitude 1 in another order.
        atol = 2.0**-23 * 65_540 if a.ndim < 2 or a.shape[0] < 5 or len(a) != len(values) else 2e-6
        np.testing.assert_allclose(a.astype("float64"), b.astype("float64"), rtol=2e-6, atol=atol)


GRADIENTS = {
    "matmul": (lambda a, b: ops.matmul(a, b), (MANY, 2), (2, 3)),
    "softmax": (lambda a: ops.softmax(a, axis=-1), (MANY, 3)),
    "layer_normalization": (
        lambda a: ops.layer_normalization(a + np.float32([0, 9, 20])),
        (MANY, 3),
    ),  # rows that differ
    "take": (lambda a: ops.take(a, np.arange(0, MANY, 7), axis=0), (MANY, 3)),
    "max_pool": (lambda a: ops.max_pool(a, 2), (MANY, 2, 1)),
    "conv": (lambda a, k: ops.conv(a, k), (MANY, 2, 1), (2, 1, 2)),
    "cumsum": (lambda a: ops.cumsum(a, axis=1), (MANY, 3)),
    "broadcast": (lambda a, b: a * b, (MANY, 2), (2,)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_many_rows(name):
    f, *shapes = GRADIENTS[name]
    arrays = [_floats(*s) for s in shapes]
    found = {}
    for device in ("gpu:0", "cpu"):
        with tahr.device(device):
            found[device] = [y.numpy() for y in _gradient(f, *arrays)]
    for a, b in zip(found["gpu:0"], found["cpu"], strict=True):
        # A gradient of few elements sums 65,540 terms; the root of their number in roundings, and a margin of 30.
        scale = np.abs(b).max(initial=1.0)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=(1e-6 if len(b) == MANY else 2.0**-23 * 256 * 30) * scale)
