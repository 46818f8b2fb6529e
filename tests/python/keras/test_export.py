"""`model.export`: what the written file computes, against `predict`, for any batch size."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from tahr import _C, keras

layers = keras.layers


def mlp():
    return keras.Sequential(
        [
            layers.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )


def cnn():
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(12, 3, strides=2, padding="same"),
            layers.AveragePooling2D(2),
            layers.DepthwiseConv2D(3, padding="same", activation="swish"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(1)
    norm = model.layers[1]
    norm.set_weights([rng.uniform(0.5, 2, w.shape) for w in norm.get_weights()])
    return model


def lstm():
    return keras.Sequential(
        [
            layers.Input((9,), dtype="int32"),
            layers.Embedding(50, 8),
            layers.LSTM(6, return_sequences=True),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.GRU(7, return_sequences=True),
            layers.SimpleRNN(4),
            layers.Dense(2),
        ]
    )


def two_inputs():
    wide = layers.Input((5,), name="wide")
    deep = layers.Input((6, 4), name="deep")
    x = layers.MultiHeadAttention(2, 3)(deep, deep)
    x = layers.LayerNormalization()(layers.Add()([x, deep]))
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(4, activation="gelu")(x)
    x = layers.Concatenate()([wide, x])
    return keras.Model(
        [wide, deep], [layers.Dense(1, activation="sigmoid", name="main")(x), layers.Dense(2, name="aux")(x)]
    )


MODELS = [mlp, cnn, lstm, two_inputs]


def draw(model, batch):
    rng = np.random.default_rng(batch)
    return [
        rng.integers(0, 50, (batch, *x.shape[1:])).astype("int32")
        if x.dtype == "int32"
        else rng.normal(size=(batch, *x.shape[1:])).astype("float32")
        for x in model.inputs
    ]


def expected(model, inputs):
    y = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    return y if isinstance(y, list) else [y]


@pytest.mark.parametrize("make", MODELS)
def test_graph_file_computes_what_predict_does(make, tmp_path):
    keras.utils.set_random_seed(0)
    model = make()
    path = tmp_path / "model.tahr"
    model.export(path, format="tahr")
    loaded = _C.LoadedGraph(path.read_bytes())
    assert [shape for _, _, shape in loaded.inputs] == [tuple(x.shape) for x in model.inputs]
    for batch in (1, 5, 1):
        inputs = draw(model, batch)
        for got, want in zip(loaded([tahr.constant(x) for x in inputs]), expected(model, inputs), strict=True):
            # The same kernels on the same numbers: what differs is what fusion rounds otherwise.
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-6)


def test_names_follow_the_model(tmp_path):
    model = two_inputs()
    model.export(tmp_path / "m", format="tahr")
    loaded = _C.LoadedGraph((tmp_path / "m").read_bytes())
    assert [n for n, _, _ in loaded.inputs] == ["wide", "deep"]
    assert [n for n, _, _ in loaded.outputs] == ["main", "aux"]


def test_a_file_keeps_the_weights_of_its_day(tmp_path):
    model = mlp()
    x = draw(model, 2)[0]
    before = model.predict(x, verbose=0)
    model.export(tmp_path / "m", format="tahr")
    model.set_weights([w * 0 for w in model.get_weights()])
    loaded = _C.LoadedGraph((tmp_path / "m").read_bytes())
    np.testing.assert_allclose(loaded([tahr.constant(x)])[0].numpy(), before, rtol=1e-5, atol=1e-6)


def test_subclassed_models_need_a_signature(tmp_path):
    class Scaled(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x) * 2.0

    model = Scaled()
    x = np.ones((2, 4), "float32")
    want = model(x).numpy()
    with pytest.raises(ValueError, match="input_signature"):
        Scaled().export(tmp_path / "m", format="tahr")
    model.export(tmp_path / "m", format="tahr", input_signature=[keras.InputSpec(shape=(None, 4), dtype="float32")])
    loaded = _C.LoadedGraph((tmp_path / "m").read_bytes())
    np.testing.assert_allclose(loaded([tahr.constant(x)])[0].numpy(), want, rtol=1e-6)


def test_what_is_refused(tmp_path):
    model = mlp()
    with pytest.raises(ValueError, match="format='onnx'.*format='tahr'"):
        model.export(tmp_path / "m")
    with pytest.raises(TypeError, match="opset"):
        model.export(tmp_path / "m", format="tahr", opset=3)
    with pytest.raises(ValueError, match="graph file"):
        _C.LoadedGraph(b"something else")
    model.export(tmp_path / "m", format="tahr")
    loaded = _C.LoadedGraph((tmp_path / "m").read_bytes())
    with pytest.raises(ValueError, match=r"expected the input .*\(None, 28, 28\)"):
        loaded([tahr.constant(np.zeros((2, 28), "float32"))])


def test_damaged_files_are_errors(tmp_path):
    """Every cut, and bytes exchanged anywhere in the header, end in an error or in a graph that runs or refuses."""
    model = two_inputs()
    model.export(tmp_path / "m", format="tahr")
    good = (tmp_path / "m").read_bytes()
    header = int.from_bytes(good[16:24], "little")
    inputs = [tahr.constant(x) for x in draw(model, 2)]
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        bad = bytearray(good)
        for at in rng.integers(0, 32 + header, rng.integers(1, 4)):
            bad[at] = rng.integers(0, 256)
        try:
            _C.LoadedGraph(bytes(bad))(inputs)
        except (ValueError, TypeError, IndexError, RuntimeError, MemoryError, NotImplementedError):
            refused += 1
    assert refused > 200
    for cut in range(0, 32 + header, 37):
        with pytest.raises(ValueError, match="load_graph"):
            _C.LoadedGraph(good[:cut])


def image_layers():
    return keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
            layers.UpSampling2D(2),
            layers.ZeroPadding2D(1),
            layers.Cropping2D(1),
            layers.PReLU(),
            layers.SeparableConv2D(4, 3, dilation_rate=2),
            layers.GroupNormalization(2),
            layers.MaxPooling2D(3, strides=2, padding="same"),
            layers.Permute((2, 1, 3)),
            layers.Reshape((14, -1)),
            layers.Conv1D(4, 3, padding="causal"),
            layers.GlobalMaxPooling1D(),
            layers.RepeatVector(2),
            layers.Dense(3),
        ]
    )


def activation(name):
    return keras.Sequential([layers.Input((6,)), layers.Activation(name), layers.Dense(2)])


ACTIVATIONS = ["elu", "selu", "softplus", "softsign", "gelu", "silu", "mish", "relu6", "leaky_relu", "exponential"]
ACTIVATIONS += ["hard_sigmoid", "hard_silu", "log_softmax", "softmax", "linear"]
EXPORTED = [*MODELS, image_layers, *(lambda name=name: activation(name) for name in ACTIVATIONS)]


@pytest.mark.parametrize("make", EXPORTED, ids=[m.__name__ for m in EXPORTED[:5]] + ACTIVATIONS)
def test_onnx_computes_what_predict_does(make, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    keras.utils.set_random_seed(0)
    model = make()
    model.export(tmp_path / "model.onnx", format="onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    assert [i.shape[0] for i in session.get_inputs()] == ["batch"] * len(names)
    for batch in (1, 5):
        inputs = draw(model, batch)
        for got, want in zip(
            session.run(None, dict(zip(names, inputs, strict=True))), expected(model, inputs), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_onnx_names_the_layer_that_it_cannot_write(tmp_path):
    model = keras.Sequential([layers.Input((4, 4)), layers.Dense(4), layers.Lambda(keras.ops.erfinv, name="running")])
    with pytest.raises(ValueError, match=r"the op 'erfinv.*in the layer 'running'"):
        model.export(tmp_path / "m.onnx", format="onnx")
