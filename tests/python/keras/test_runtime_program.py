"""Exported graphs run by compiled C++ programs without Python: examples/runtime/classify and tests/cpp/run_graph.

They are built with -DTAHR_RUNTIME=ON, as `make test` does, which names the folder in TAHR_BUILD_DIR.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tahr
from tahr import keras

layers, ops = keras.layers, keras.ops
ROOT = Path(__file__).parents[3]


def program(name):
    folders = [os.environ["TAHR_BUILD_DIR"]] if os.environ.get("TAHR_BUILD_DIR") else ["build/dev", "build/runtime"]
    for folder in folders:
        path = ROOT / folder / name
        if path.exists():
            return path
    assert not os.environ.get("TAHR_BUILD_DIR"), f"{name} was not built in {folders[0]}"
    pytest.skip("needs a build with -DTAHR_RUNTIME=ON -DTAHR_TESTS=ON")


def run_graph(model, runs, folder):
    """The outputs of each run, for lists of input arrays."""
    content = struct.pack("<I", len(runs))
    for x in (x for inputs in runs for x in inputs):
        content += struct.pack(f"<I{x.ndim}q", x.ndim, *x.shape) + np.ascontiguousarray(x).tobytes()
    (folder / "in").write_bytes(content)
    done = subprocess.run(
        [program("tests/cpp/run_graph"), model, folder / "in", folder / "out"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    data, at, arrays = (folder / "out").read_bytes(), 0, []
    while at < len(data):
        length = struct.unpack_from("<I", data, at)[0]
        dtype = data[at + 4 : at + 4 + length].decode()
        at += 4 + length
        rank = struct.unpack_from("<I", data, at)[0]
        shape = struct.unpack_from(f"<{rank}q", data, at + 4)
        at += 4 + 8 * rank
        count = int(np.prod(shape))
        arrays.append(np.frombuffer(data, dtype, count, at).reshape(shape))
        at += count * np.dtype(dtype).itemsize
    size = len(arrays) // len(runs)
    return [arrays[i : i + size] for i in range(0, len(arrays), size)]


class Rounds(layers.Layer):
    """A loop whose length depends on the data, a scan over time and a branch."""

    def call(self, x):
        _, y = tahr.while_loop(lambda i, y: ops.max(y) < 30.0, lambda i, y: (i + 1, y * 1.5 + 1.0), (0, ops.abs(x)))
        rows = ops.transpose(y, (1, 0, 2))
        _, sums = ops.scan(lambda c, r: (c + r, c * 0.5), ops.zeros_like(rows[0]), rows)
        y = ops.transpose(sums, (1, 0, 2))
        return tahr.cond(ops.sum(x) > 0, lambda: y * 2.0, lambda: y - 1.0)

    def compute_output_shape(self, shape):
        return shape


def control_flow():
    return keras.Sequential([layers.Input((4, 3)), Rounds(), layers.Dense(2)])


def recurrent():
    words = layers.Input((None,), dtype="int32")
    x = layers.Embedding(20, 5, mask_zero=True)(words)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    return keras.Model(words, layers.GRU(3)(x))


def normalized():
    model = keras.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.Normalization(mean=[0.5, 0.1, -0.3], variance=[1.0, 2.0, 0.5]),
            layers.LayerNormalization(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    rng = np.random.default_rng(1)
    norm = model.layers[1]
    norm.set_weights([rng.uniform(0.5, 2, w.shape) for w in norm.get_weights()])
    return model


def quantized():
    model = keras.Sequential([layers.Input((8,)), layers.Dense(6, activation="relu"), layers.Dense(3)])
    model.quantize("int8")
    return model


def dictionaries():
    inputs = {"left": layers.Input((3,), name="left"), "right": layers.Input((3,), name="right")}
    joined = layers.Concatenate()([inputs["left"], inputs["right"] * 2.0])
    return keras.Model(inputs, {"sum": layers.Dense(2, name="a")(joined), "rest": layers.Dense(1, name="b")(joined)})


CASES = {
    control_flow: [(1,), (5,), (1,)],
    recurrent: [(2, 7), (1, 3), (4, 1)],
    normalized: [(1,), (6,)],
    quantized: [(1,), (9,)],
    dictionaries: [(1,), (4,)],
}


@pytest.mark.parametrize("make", CASES, ids=[m.__name__ for m in CASES])
def test_run_as_in_python(make, tmp_path):
    keras.utils.set_random_seed(3)
    model = make()
    model.export(tmp_path / "m.tahr", format="tahr")
    rng = np.random.default_rng(0)
    runs = []
    for sizes in CASES[make]:
        arrays = []
        for x in model.inputs:
            shape = (*sizes, *x.shape[len(sizes) :])
            numbers = rng.integers(0, 20, shape) if x.dtype == "int32" else rng.normal(size=shape)
            arrays.append(numbers.astype(x.dtype))
        runs.append(arrays)
    for inputs, got in zip(runs, run_graph(tmp_path / "m.tahr", runs, tmp_path), strict=True):
        given = inputs if len(inputs) > 1 else inputs[0]
        if make is dictionaries:
            given = dict(zip(("left", "right"), inputs, strict=True))
        want = tahr.nest.flatten(model(given, training=False))
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            # The same kernels; what differs is what fusion rounds otherwise.
            np.testing.assert_allclose(g, w.numpy(), rtol=1e-5, atol=1e-6)


def test_classify(tmp_path):
    classify = program("examples/runtime/classify")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((28, 28)), layers.Flatten(), layers.Dense(10, activation="softmax")])
    model.export(tmp_path / "m.tahr", format="tahr")
    images = np.random.default_rng(0).integers(0, 256, (12, 28, 28)).astype("uint8")
    (tmp_path / "images").write_bytes(images.tobytes())
    done = subprocess.run([classify, tmp_path / "m.tahr", tmp_path / "images", "20"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"image \d+: class (\d+), ([\d.]+)", done.stdout)
    want = model.predict(images.astype("float32") / 255, verbose=0)[:10]
    assert [int(c) for c, _ in rows] == want.argmax(1).tolist()
    np.testing.assert_allclose([float(p) for _, p in rows], want.max(1), atol=1e-4)  # four digits are printed
    assert re.search(r"20 runs of one image: median [\d.]+ us", done.stdout)


def test_errors_are_lines(tmp_path):
    classify = program("examples/runtime/classify")
    (tmp_path / "m.tahr").write_bytes(b"TAHRGRPH" + bytes(100))
    done = subprocess.run([classify, tmp_path / "m.tahr", tmp_path / "m.tahr"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("[load_graph] expected version 1 of the graph file")
