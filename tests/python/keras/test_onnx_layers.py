"""Every family of layers as ONNX: onnxruntime computes what the model does; what is refused names the layer and the op."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from onnx_cases import CASES
from tahr import keras

onnxruntime = pytest.importorskip("onnxruntime")
L = keras.layers


def inputs_of(model, batch, rng):
    """Numbers for each input; for models with masks zero at the ends of sequences and at a step between."""
    arrays = []
    for x in model.inputs:
        shape = (batch, *(6 if d is None else d for d in x.shape[1:]))
        kept = np.ones(shape[:2] if len(shape) > 1 else shape, bool)
        for row in kept:
            row[rng.integers(1, len(row) + 1) :] = False
            row[rng.integers(0, len(row))] = False
        array = rng.integers(1, 9, shape) if x.dtype == "int32" else rng.normal(size=shape)
        masked = any(isinstance(layer, (L.Masking, L.Embedding)) for layer in model.layers)
        arrays.append((array * kept.reshape(kept.shape + (1,) * (array.ndim - 2)) if masked else array).astype(x.dtype))
    return arrays


@pytest.mark.parametrize("name", CASES)
def test_computes_the_same(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = CASES[name]()
    rng = np.random.default_rng(0)
    for w in model.weights:  # biases and offsets that are zero would hide mistakes
        if w.dtype == "float32" and "variance" not in w.path and "scale" not in w.path and not np.any(w.numpy()):
            w.assign(rng.normal(size=w.shape) * 0.3)
    model.export(tmp_path / "m.onnx", format="onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), options, providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        arrays = inputs_of(model, batch, rng)
        got = session.run(None, dict(zip([i.name for i in session.get_inputs()], arrays, strict=True)))
        want = tahr.nest.flatten(model(arrays if len(arrays) > 1 else arrays[0], training=False))
        for g, w in zip(got, want, strict=True):
            assert g.dtype == w.numpy().dtype
            np.testing.assert_allclose(g, w.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["Dense", "Conv2D groups", "LSTM masked", "Bidirectional", "Dense int8", "Resizing bilinear"]
)
def test_files_are_valid(name, tmp_path):
    onnx = pytest.importorskip("onnx")
    CASES[name]().export(tmp_path / "m.onnx", format="onnx")
    onnx.checker.check_model(onnx.load(str(tmp_path / "m.onnx")), full_check=True)


@pytest.mark.parametrize(
    ("layer", "shape", "op"),
    [
        (lambda: L.Lambda(lambda x: keras.ops.erfinv(x)), (4,), "erfinv"),
        (lambda: L.ConvLSTM2D(2, 2), (3, 6, 6, 2), "loop"),
        (lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2)]), (6, 4), "loop"),
    ],
    ids=["erfinv", "conv_lstm", "cells"],
)
def test_refused_by_name(layer, shape, op, tmp_path):
    part = layer()
    model = keras.Sequential([L.Input(shape), L.Activation("relu"), part])
    with pytest.raises(ValueError, match=f"the op '{op}'.*in the layer '{part.name}'"):
        model.export(tmp_path / "m.onnx", format="onnx")
    assert list(tmp_path.iterdir()) == []
