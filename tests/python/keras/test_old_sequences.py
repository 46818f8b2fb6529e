"""`K.rnn`, `K.ctc_*`, `K.gradients`, layers that Keras keeps from its second version, and `keras.legacy.saving`."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tahr
from tahr import keras
from tahr.keras import backend as K

RNG = np.random.default_rng(3)

CASES = [
    {},
    {"go_backwards": True},
    {"constants": True},
    {"time_major": True},
    {"mask": [[True, True, False, True], [True, False, False, True], [True] * 4]},
    {"mask": [[True, True, False, True], [True, False, True, False], [True] * 4], "zero_output_for_mask": True},
    {"mask": [[True, True, False, True], [True, False, False, False], [True] * 4], "go_backwards": True},
    {"unroll": True},
    {"return_all_outputs": False},
    {"input_length": 4},
]

REFERENCE = """
import json, sys
import numpy as np
from keras.src.backend.numpy.rnn import rnn
cases = json.loads(sys.argv[1])
out = {}
for i, case in enumerate(cases):
    rng = np.random.default_rng(i)
    x, w = rng.normal(size=(3, 4, 2)).astype("f4"), rng.normal(size=(2, 2)).astype("f4")
    if case.get("time_major"):
        x = x.transpose(1, 0, 2)
    if "mask" in case:
        case["mask"] = np.array(case["mask"])
    if case.pop("constants", False):
        case["constants"] = [np.float32(2.0)]
    def step(x, states):
        y = np.tanh(x @ w + states[0]) * (states[1] if len(states) > 1 else 1)
        return y, [y + 1]
    # Written out: the loops of this backend repeat a state at masked steps, those of TensorFlow 2 the last output.
    zeros = case.pop("zero_output_for_mask", False)
    last, outputs, states = rnn(step, x, [np.zeros((3, 2), "f4")], **{**case, "unroll": True})
    if zeros:
        outputs = np.where(case["mask"][..., None], outputs, 0)
        last = outputs[:, -1]
    out.update({f"last{i}": last, f"outputs{i}": outputs, f"state{i}": states[0]})
np.savez(sys.argv[2], **out)
"""


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs Keras")
    path = str(tmp_path_factory.mktemp("rnn") / "reference.npz")
    env = {**os.environ, "KERAS_BACKEND": "numpy"}
    subprocess.run([sys.executable, "-c", REFERENCE, json.dumps(CASES), path], check=True, env=env)
    return np.load(path)


@pytest.mark.parametrize("i", range(len(CASES)))
@pytest.mark.parametrize("traced", [False, True])
def test_rnn_is_that_of_keras(reference, i, traced):
    case, rng = dict(CASES[i]), np.random.default_rng(i)
    x, w = rng.normal(size=(3, 4, 2)).astype("f4"), rng.normal(size=(2, 2)).astype("f4")
    if case.get("time_major"):
        x = x.transpose(1, 0, 2)
    if case.pop("constants", False):
        case["constants"] = [2.0]

    def step(x, states):
        y = keras.ops.tanh(keras.ops.matmul(x, w) + states[0]) * (states[1] if len(states) > 1 else 1)
        return y, [y + 1]

    def run(x):
        return K.rnn(step, x, [keras.ops.zeros((3, 2))], **case)

    last, outputs, states = (tahr.function(run) if traced else run)(tahr.constant(x))
    assert np.allclose(last, reference[f"last{i}"], atol=1e-6)
    assert np.allclose(outputs, reference[f"outputs{i}"], atol=1e-6)
    assert np.allclose(states[0], reference[f"state{i}"], atol=1e-6)


def test_rnn_counts_steps():
    x = keras.ops.ones((2, 4, 1))

    def step(x, s):
        return s[0] + x, [s[0] + x]

    for backwards in (False, True):
        _, outputs, states = K.rnn(step, x, [keras.ops.zeros((2, 1))], input_length=[2, 4], go_backwards=backwards)
        assert states[0].numpy().ravel().tolist() == [2, 4]
        assert outputs[0, :, 0].tolist() == ([0, 0, 1, 2] if backwards else [1, 2, 2, 2])
    with pytest.raises(ValueError, match="input_length=4"):
        K.rnn(step, x, [keras.ops.zeros((2, 1))], input_length=3)


def test_ctc_batch_cost_is_torchs():
    torch = pytest.importorskip("torch")
    labels, frames = np.array([[0, 2, 2], [1, 0, 0]]), np.array([[6], [4]])
    counts = np.array([[3], [1]])
    probabilities = RNG.dirichlet(np.ones(4), size=(2, 6))
    found = K.ctc_batch_cost(labels, probabilities, frames, counts)
    logs = torch.tensor(np.log(probabilities + 1e-7)).log_softmax(-1).permute(1, 0, 2)
    expected = torch.nn.functional.ctc_loss(
        logs, torch.tensor(labels), torch.tensor(frames[:, 0]), torch.tensor(counts[:, 0]), blank=3, reduction="none"
    )
    assert found.shape == (2, 1) and np.allclose(found[:, 0], expected, rtol=1e-5)


def test_ctc_decode():
    best = [[0, 0, 3, 0, 1, 3], [2, 2, 2, 1, 0, 0]]
    probabilities = np.eye(4)[best] * 0.9 + 0.025
    (decoded,), scores = K.ctc_decode(probabilities, [6, 4])
    assert decoded.dtype == "int64" and decoded.tolist() == [[0, 0, 1, -1, -1, -1], [2, 1, -1, -1, -1, -1]]
    assert np.allclose(scores[:, 0], -np.log(0.925) * np.array([6, 4]), rtol=1e-5)
    paths, scores = K.ctc_decode(probabilities, [6, 4], greedy=False, beam_width=20, top_paths=2)
    assert len(paths) == 2 and scores.shape == (2, 2) and np.all(scores[:, 0] >= scores[:, 1])
    assert paths[0].tolist() == [[0, 1, -1, -1, -1, -1], [2, 1, -1, -1, -1, -1]]  # two 0s in a row become one


def test_gradients_of_a_model():
    inputs = keras.Input((5, 5, 1))
    maps = keras.layers.Conv2D(2, 3, activation="tanh")(inputs)
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(maps))
    model = keras.Model(inputs, outputs)
    run = K.function([model.input], [maps, K.gradients(model.output[:, 1], maps)[0], *K.gradients(outputs, inputs)])
    x = RNG.normal(size=(2, 5, 5, 1)).astype("float32")
    values, at_maps, at_inputs = run([x])
    kernel = model.layers[-1].kernel.numpy()
    assert np.allclose(at_maps, np.broadcast_to(kernel[:, 1].reshape(1, 3, 3, 2), values.shape))
    with tahr.GradientTape() as tape:
        watched = tahr.constant(x)
        tape.watch(watched)
        y = model(watched, training=False)
    assert np.allclose(at_inputs, tape.gradient(y, watched), atol=1e-6)
    with pytest.raises(ValueError, match="GradientTape"):
        K.gradients(model.output, model.trainable_weights)


def test_random_sides():
    x = RNG.random((2, 6, 8, 3)).astype("float32")
    for cls, axis in ((keras.layers.RandomHeight, 1), (keras.layers.RandomWidth, 2)):
        layer = cls((0.5, 0.5), interpolation="nearest")
        size = [6, 8]
        size[axis - 1] = size[axis - 1] * 3 // 2
        assert np.array_equal(layer(x, training=True), keras.ops.image.resize(x, size, "nearest"))
        assert np.array_equal(layer(x, training=False), x)
        symbolic = layer(keras.Input((6, 8, 3)))
        assert symbolic.shape[axis] is None and symbolic.shape[3 - axis] == (8, 6)[axis - 1]
        sizes = {cls(0.5, seed=s)(x, training=True).shape[axis] for s in range(20)}
        assert len(sizes) > 2 and all(x.shape[axis] // 2 <= s < size[axis - 1] for s in sizes)
        assert cls.from_config(layer.get_config()).factor == (0.5, 0.5)
        for factor in ((0.5, 0.1), -2.0, (-1.5, 0)):
            with pytest.raises(ValueError, match="factor"):
                cls(factor)


def test_thresholded_relu(tmp_path):
    x = np.array([[-2.0, 0.5, 1.0, 1.5]], "float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.ThresholdedReLU(0.75)])
    assert model(x).tolist() == [[0, 0, 1, 1.5]]
    model.save(tmp_path / "m.keras")
    assert keras.saving.load_model(tmp_path / "m.keras").layers[0].theta == 0.75
    for theta in (None, -1.0):
        with pytest.raises(ValueError, match="theta"):
            keras.layers.ThresholdedReLU(theta)


SERIALIZED = """
import json, sys, keras
class Held:
    def get_config(self):
        return {"inner": keras.regularizers.L1(2.0), "name": "l1", "fn": keras.losses.mean_absolute_error, "sizes": [1, 2]}
legacy = keras.legacy.saving
objects = (None, keras.losses.mean_squared_error, Held(), keras.regularizers.L2(0.5))
found = [legacy.serialize_keras_object(x) for x in objects]
"""


def test_configs_of_keras_2_are_those_of_keras():
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs Keras")
    env = {**os.environ, "KERAS_BACKEND": "numpy"}
    command = [sys.executable, "-c", SERIALIZED + "print(json.dumps(found))"]
    expected = subprocess.run(command, check=True, env=env, capture_output=True, text=True).stdout
    ours = {"keras": keras}
    exec(SERIALIZED.replace("import json, sys, keras", ""), ours)
    assert ours["found"] == json.loads(expected)


def test_objects_of_keras_2():
    legacy = keras.utils.legacy
    assert legacy.deserialize_keras_object is keras.legacy.saving.deserialize_keras_object

    def swish2(x):
        return 2 * x

    config = {
        "class_name": "Dense",
        "config": {"name": "swish2", "units": 2, "activation": "swish2", "kernel_regularizer": None},
    }
    layer = legacy.deserialize_keras_object(config, {"Dense": keras.layers.Dense}, {"swish2": swish2})
    assert layer.name == "swish2" and layer.activation is swish2 and config["config"]["activation"] == "swish2"
    names = {"Huber": keras.losses.Huber, "make": lambda delta: keras.losses.Huber(delta), "mae": keras.losses.mae}
    assert legacy.deserialize_keras_object("mae", names) is keras.losses.mae
    assert isinstance(legacy.deserialize_keras_object("Huber", names), keras.losses.Huber)
    assert legacy.deserialize_keras_object({"class_name": "make", "config": {"delta": 3.0}}, names).get_config()
    assert legacy.deserialize_keras_object(None) is None and legacy.deserialize_keras_object(swish2) is swish2
    for bad, message in (
        ("mse", "Unknown loss: 'mse'"),
        ({"class_name": "os.system", "config": {}}, "Unknown loss"),
        ({"class_name": "Huber"}, "Improper config"),
        (3, "Could not interpret"),
    ):
        with pytest.raises(ValueError, match=message):
            legacy.deserialize_keras_object(bad, names, printable_module_name="loss")
