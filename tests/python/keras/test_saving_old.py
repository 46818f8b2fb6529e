"""Whole-model `.h5` files as Keras 1 and 2 wrote them, made here by hand from the formats of that time."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from tahr import keras
from tahr.keras.saving import upgrade

L = keras.layers
rng = np.random.default_rng(0)


def weight(*shape):
    return rng.normal(size=shape).astype("float32")


def write(path, config, layers, version, backend="tensorflow", training=None, optimizer=None):
    """A file with `layers`: from names to lists of (name, array)."""
    with h5py.File(path, "w") as f:
        if version is not None:
            f.attrs["keras_version"] = version
            f.attrs["backend"] = backend
        f.attrs["model_config"] = json.dumps(config).encode()
        if training is not None:
            f.attrs["training_config"] = json.dumps(training).encode()
        groups = [("model_weights", layers)]
        if optimizer is not None:
            g = f.create_group("optimizer_weights")
            g.attrs["weight_names"] = [n.encode() for n, _ in optimizer]
            for n, a in optimizer:
                g[n] = a
        for name, content in groups:
            group = f.create_group(name)
            group.attrs["layer_names"] = [n.encode() for n in content]
            if version is not None:
                group.attrs["keras_version"] = version.encode()
                group.attrs["backend"] = backend.encode()
            for layer, arrays in content.items():
                g = group.create_group(layer)
                g.attrs["weight_names"] = [n.encode() for n, _ in arrays]
                for n, a in arrays:
                    g[n] = a
    return path


def init(name="GlorotUniform", **config):
    return {"class_name": name, "config": config}


def dense_2(name, units, **more):
    """A Dense layer as Keras 2 described it."""
    return {
        "class_name": "Dense",
        "config": {
            "name": name, "trainable": True, "dtype": "float32", "units": units, "activation": "linear",
            "use_bias": True, "kernel_initializer": init(seed=None, dtype="float32"),
            "bias_initializer": init("Zeros", dtype="float32"), "kernel_regularizer": None, "bias_regularizer": None,
            "activity_regularizer": None, "kernel_constraint": None, "bias_constraint": None, **more,
        },
    }  # fmt: skip


def test_functional_of_keras_2(tmp_path):
    """Two inputs, a shared layer, an optimizer whose moments lie one kind after the other."""
    a, b = weight(4, 3), weight(3)
    k, o = weight(6, 1), weight(1)
    x = {"class_name": "InputLayer", "name": "x", "inbound_nodes": []}
    y = {"class_name": "InputLayer", "name": "y", "inbound_nodes": []}
    for layer in (x, y):
        layer["config"] = {
            "batch_input_shape": [None, 4], "dtype": "float32", "sparse": False, "ragged": False, "name": layer["name"],
        }  # fmt: skip
    layers = [
        x, y,
        {**dense_2("shared", 3, activation="relu"), "name": "shared",
         "inbound_nodes": [[["x", 0, 0, {}]], [["y", 0, 0, {}]]]},
        {"class_name": "Concatenate", "config": {"name": "c", "trainable": True, "dtype": "float32", "axis": -1},
         "name": "c", "inbound_nodes": [[["shared", 0, 0, {}], ["shared", 1, 0, {}]]]},
        {**dense_2("out", 1, dtype={"class_name": "Policy", "config": {"name": "float32"}}), "name": "out",
         "inbound_nodes": [[["c", 0, 0, {}]]]},
    ]  # fmt: skip
    config = {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": layers,
            "input_layers": [["x", 0, 0], ["y", 0, 0]],
            "output_layers": [["out", 0, 0]],
        },
    }
    variables = [("shared/kernel", a), ("shared/bias", b), ("out/kernel", k), ("out/bias", o)]
    moments = {s: [np.abs(weight(*v.shape)) for _, v in variables] for s in "mv"}
    training = {
        "loss": "mse", "metrics": ["mae"], "weighted_metrics": None, "sample_weight_mode": None, "loss_weights": None,
        "optimizer_config": {"class_name": "Adam", "config": {
            "name": "Adam", "learning_rate": 0.02, "decay": 0.0, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7,
            "amsgrad": False}},
    }  # fmt: skip
    state = [("Adam/iter:0", np.int64(7))]
    state += [(f"Adam/{n}/{s}:0", m) for s in "mv" for (n, _), m in zip(variables, moments[s])]
    path = write(
        tmp_path / "a.h5", config,
        {"x": [], "y": [], "shared": [("shared/kernel:0", a), ("shared/bias:0", b)], "c": [],
         "out": [("out/kernel:0", k), ("out/bias:0", o)]},
        "2.4.0", training=training, optimizer=state,
    )  # fmt: skip
    model = keras.models.load_model(path)
    p, q = weight(5, 4), weight(5, 4)
    want = np.concatenate([np.maximum(p @ a + b, 0), np.maximum(q @ a + b, 0)], -1) @ k + o
    np.testing.assert_allclose(model.predict([p, q], verbose=0), want, rtol=1e-5, atol=1e-5)
    assert int(model.optimizer.iterations.numpy()) == 7
    assert abs(float(model.optimizer.learning_rate.numpy()) - 0.02) < 1e-8
    slots = [v.numpy() for v in model.optimizer.variables[2:]]
    for i, slot in enumerate(slots):
        np.testing.assert_array_equal(slot, moments["mv"[i % 2]][i // 2])
    assert np.isfinite(model.fit([p, q], weight(5, 1), verbose=0).history["loss"][0])


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
@pytest.mark.parametrize("end", ["layer", "nested"])
@pytest.mark.parametrize("first", [0, 1])
def test_nested_models_of_keras_2(tmp_path, kind, end, first):
    """Calls of nested models count from 1 there, but for Sequential models that began without a graph."""

    def source(name):
        config = {"batch_input_shape": [None, 4], "dtype": "float32", "name": name}
        return {"class_name": "InputLayer", "name": name, "config": config, "inbound_nodes": []}

    a, b, k, o = weight(4, 3), weight(3), weight(6, 1), weight(1)
    inner_layers = [source("i"), {**dense_2("d", 3), "name": "d", "inbound_nodes": [[["i", 0, 0, {}]]]}]
    inner = {"name": "base", "layers": inner_layers}
    if kind == "Functional":
        inner.update(input_layers=[["i", 0, 0]], output_layers=[["d", 0, 0]])
    base = {"class_name": kind, "config": inner, "name": "base"}
    base["inbound_nodes"] = [[["x", 0, 0, {}]], [["y", 0, 0, {}]]]
    layers = [source("x"), source("y"), base]
    ends = [["base", first + 1, 0], ["base", first, 0]]
    weights = {"x": [], "y": [], "base": [("d/kernel:0", a), ("d/bias:0", b)]}
    if end == "layer":
        calls = [["base", first + 1, 0, {}], ["base", first, 0, {}]]
        layers.append({"class_name": "Concatenate", "config": {"name": "c", "axis": -1}, "name": "c"})
        layers[-1]["inbound_nodes"] = [calls]
        layers.append({**dense_2("out", 1), "name": "out", "inbound_nodes": [[["c", 0, 0, {}]]]})
        ends = [["out", 0, 0]]
        weights.update(c=[], out=[("out/kernel:0", k), ("out/bias:0", o)])
    inputs = [["x", 0, 0], ["y", 0, 0]]
    config = {"name": "m", "layers": layers, "input_layers": inputs, "output_layers": ends}
    path = write(tmp_path / "a.h5", {"class_name": "Functional", "config": config}, weights, "2.4.0")
    p, q = weight(5, 4), weight(5, 4)
    want = [q @ a + b, p @ a + b]
    want = [np.concatenate(want, -1) @ k + o] if end == "layer" else want
    got = keras.models.load_model(path).predict([p, q], verbose=0)
    for g, w in zip(got if end == "nested" else [got], want):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-5)


def test_sequential_of_keras_2(tmp_path):
    """A first layer that knows its input, an LSTM with the older activation, arguments that are gone."""
    w, u, b = weight(3, 8), weight(2, 8), weight(8)
    lstm = {
        "class_name": "LSTM",
        "config": {
            "name": "lstm", "trainable": True, "batch_input_shape": [None, 5, 3], "dtype": "float32",
            "return_sequences": False, "units": 2, "activation": "tanh", "recurrent_activation": "hard_sigmoid",
            "use_bias": True, "kernel_initializer": init("VarianceScaling", scale=1.0, mode="fan_avg",
            distribution="normal", seed=None), "recurrent_initializer": init("Orthogonal", gain=1.0, seed=None),
            "unit_forget_bias": True, "implementation": 1, "time_major": False,
        },
    }  # fmt: skip
    config = {"class_name": "Sequential", "config": [lstm, dense_2("d", 2)]}
    k, o = weight(2, 2), weight(2)
    names = [f"lstm/{n}:0" for n in ("kernel", "recurrent_kernel", "bias")]
    layers = {"lstm": list(zip(names, (w, u, b))), "d": [("d/kernel:0", k), ("d/bias:0", o)]}
    model = keras.models.load_model(write(tmp_path / "a.h5", config, layers, "2.2.4"), compile=False)
    x = weight(4, 5, 3)

    def hard(z):  # with the slope that it has in Keras 3: 1/6, where Keras 2 had 1/5
        return np.clip(z / 6 + 0.5, 0, 1)

    h = c = np.zeros((4, 2))
    for t in range(5):
        i, f, g, e = np.split(x[:, t] @ w + h @ u + b, 4, axis=-1)
        c = hard(f) * c + hard(i) * np.tanh(g)
        h = hard(e) * np.tanh(c)
    np.testing.assert_allclose(model.predict(x, verbose=0), h @ k + o, rtol=1e-5, atol=1e-5)


def test_keras_1(tmp_path):
    """Names of that time, kernels of Theano, twelve arrays for an LSTM."""
    kernel, bias = weight(4, 2, 3, 3), weight(4)  # (filters, channels, rows, columns), and flipped
    layers = [
        {"class_name": "Convolution2D", "config": {
            "name": "conv", "batch_input_shape": [None, 6, 6, 2], "nb_filter": 4, "nb_row": 3, "nb_col": 3,
            "init": "glorot_uniform", "activation": "relu", "border_mode": "valid", "subsample": [1, 1],
            "dim_ordering": "tf", "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01},
            "b_constraint": {"name": "MaxNorm", "m": 2, "axis": 0}, "bias": True, "trainable": True,
            "input_dtype": "float32"}},
        {"class_name": "Reshape", "config": {"name": "r", "target_shape": [4, 16], "trainable": True}},
        {"class_name": "LSTM", "config": {
            "name": "lstm", "output_dim": 3, "init": "glorot_uniform", "inner_init": "orthogonal",
            "forget_bias_init": "one", "activation": "tanh", "inner_activation": "sigmoid", "dropout_W": 0.0,
            "dropout_U": 0.0, "consume_less": "cpu", "input_dim": 16, "input_length": None}},
        {"class_name": "Dropout", "config": {"name": "drop", "p": 0.5, "trainable": True}},
        {"class_name": "Dense", "config": {"name": "d", "output_dim": 2, "init": "normal", "activation": "softmax",
                                           "input_dim": 3}},
    ]  # fmt: skip
    gates = {g: (weight(16, 3), weight(3, 3), weight(3)) for g in "icfo"}
    k, o = weight(3, 2), weight(2)
    arrays = {
        "conv": [("conv_W", kernel), ("conv_b", bias)],
        "r": [],
        "lstm": [(f"lstm_{n}_{g}", gates[g][j]) for g in "icfo" for j, n in enumerate("WUb")],
        "drop": [],
        "d": [("d_W", k), ("d_b", o)],
    }
    path = write(tmp_path / "a.h5", {"class_name": "Sequential", "config": layers}, arrays, "1.2.2", backend="theano")
    model = keras.models.load_model(path, compile=False)
    modern = keras.Sequential(
        [keras.Input((6, 6, 2)), L.Conv2D(4, 3, activation="relu"), L.Reshape((4, 16)), L.LSTM(3), L.Dropout(0.5),
         L.Dense(2, activation="softmax")]
    )  # fmt: skip
    turned = kernel.transpose(2, 3, 1, 0)[::-1, ::-1]
    joined = [np.concatenate([gates[g][j] for g in "ifco"], axis=-1) for j in range(3)]
    modern.set_weights([turned, bias, *joined, k, o])
    x = weight(3, 6, 6, 2)
    np.testing.assert_allclose(model.predict(x, verbose=0), modern.predict(x, verbose=0), rtol=1e-6, atol=1e-6)
    conv = model.layers[0]
    assert conv.kernel_regularizer.l2 == np.float32(0.01) and conv.bias_constraint.max_value == 2


def test_merge_of_keras_1():
    name, config = upgrade._layer("Merge", {"name": "m", "mode": "concat", "concat_axis": 1}, "1")
    assert (name, config) == ("Concatenate", {"name": "m", "axis": 1})
    with pytest.raises(ValueError, match="mode"):
        upgrade._layer("Merge", {"name": "m", "mode": "lambda"}, "1")


def test_cudnn_layers_of_keras_2(tmp_path):
    """Kernels of CuDNNGRU are kept gate by gate in the other order, with two biases."""
    layer = {"class_name": "CuDNNGRU", "config": {"name": "g", "units": 2, "batch_input_shape": [None, 4, 3]}}
    modern = keras.Sequential([keras.Input((4, 3)), L.GRU(2, reset_after=True)])
    kernel, recurrent, bias = (weight(*w.shape) for w in modern.get_weights())
    modern.set_weights([kernel, recurrent, bias])
    # To cuDNN's layout: each gate's kernel read in Fortran's order into C's; recurrent kernels transposed.
    old = np.hstack([np.reshape(k.ravel(order="F"), k.shape) for k in np.hsplit(kernel, 3)])
    turned = np.hstack([u.T for u in np.hsplit(recurrent, 3)])
    arrays = {"g": [("g/kernel:0", old), ("g/recurrent_kernel:0", turned), ("g/bias:0", bias.ravel())]}
    path = write(
        tmp_path / "a.h5", {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}, arrays, "2.2.4"
    )
    model = keras.models.load_model(path, compile=False)
    x = weight(3, 4, 3)
    np.testing.assert_allclose(model.predict(x, verbose=0), modern.predict(x, verbose=0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("slots", [1, 2])
def test_optimizers_of_keras_1(tmp_path, slots):
    """Arrays without telling names: the step count, then all of one slot after all of the other."""
    model = keras.Sequential([keras.Input((3,)), L.Dense(2)])
    optimizer = {"class_name": "Adam" if slots == 2 else "SGD", "config": {"lr": 0.5, "decay": 0.1}}
    if slots == 1:
        optimizer["config"]["momentum"] = 0.9
    state = [("iterations", np.float32(3))]
    state += [(f"param_{i}", weight(*w.shape)) for i, w in enumerate(model.get_weights() * slots)]
    layer = {"class_name": "Dense", "config": {"name": "d", "output_dim": 2, "batch_input_shape": [None, 3]}}
    training = {"loss": "mean_squared_error", "metrics": [], "sample_weight_mode": None, "optimizer_config": optimizer}
    arrays = {"d": list(zip(("W", "b"), model.get_weights()))}
    path = write(
        tmp_path / "a.h5",
        {"class_name": "Sequential", "config": [layer]},
        arrays,
        None,
        training=training,
        optimizer=state,
    )
    loaded = keras.models.load_model(path)
    found = [v.numpy() for v in loaded.optimizer.variables]
    assert found[0] == 3 and found[1] == np.float32(0.5) and loaded.optimizer.decay == 0.1
    for i, value in enumerate(found[2:]):
        np.testing.assert_array_equal(value, state[1 + (i % slots) * 2 + i // slots][1])


def test_a_file_of_weights_of_keras_1(tmp_path):
    """Files of `save_weights` had the layers at the top."""
    k, b = weight(3, 2), weight(2)
    with h5py.File(tmp_path / "w.hdf5", "w") as f:
        f.attrs["layer_names"] = [b"one", b"other"]
        f.create_group("one").attrs["weight_names"] = np.array([], "S1")
        g = f.create_group("other")
        g.attrs["weight_names"] = [b"other_W", b"other_b"]
        g["other_W"], g["other_b"] = k, b
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, name="other")])
    model.load_weights(tmp_path / "w.hdf5")
    np.testing.assert_array_equal(model.get_weights()[0], k)
    other = keras.Sequential([keras.Input((3,)), L.Dense(2, name="someone")])
    before = other.get_weights()[0]
    other.load_weights(tmp_path / "w.hdf5", by_name=True)
    np.testing.assert_array_equal(other.get_weights()[0], before)
