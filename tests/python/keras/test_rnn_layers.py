"""Recurrent layers and Embedding beside real Keras: outputs, states and gradients from the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras as real  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import rnn_cases  # noqa: E402
import tahr  # noqa: E402
from tahr import keras  # noqa: E402

EPS = np.finfo("float32").eps
STEPS = rnn_cases.SHAPE[1]
# A state is a sum of about 20 products in each of the steps, of numbers below 1, through functions that do not amplify.
TOLERANCE = 40 * STEPS * EPS
CASES = rnn_cases.CASES
IDS = [f"{i}-{c[0]}" for i, c in enumerate(CASES)]


def arrays(outputs):
    return [np.asarray(o) for o in keras.tree.flatten(outputs)]


def pair(case):
    """The layer here and in Keras, built, with the same weights."""
    ours, theirs = rnn_cases.build(keras, case), rnn_cases.build(real, case)
    x = rnn_cases.inputs(case)
    ours(x), theirs(x)
    weights = rnn_cases.weights_for(theirs)
    theirs.set_weights(weights)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in weights]
    assert [w.path.split("/", 1)[1] for w in ours.weights] == [w.path.split("/", 1)[1] for w in theirs.weights]
    ours.set_weights(weights)
    return ours, theirs


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Gradients by real Keras on PyTorch, in a process of its own."""
    path = tmp_path_factory.mktemp("rnn") / "gradients.npz"
    env = {**os.environ, "KERAS_BACKEND": "torch"}
    run = subprocess.run([sys.executable, rnn_cases.__file__, str(path)], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return np.load(path)


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
@pytest.mark.parametrize("masked", [False, True])
def test_outputs(references, index, masked):
    case = CASES[index]
    ours, theirs = pair(case)
    if getattr(ours, "stateful", False):
        ours.reset_state(), theirs.reset_state()
    kwargs = {"mask": rnn_cases.mask()} if masked else {}
    for _ in range(2 if getattr(ours, "stateful", False) else 1):
        got = arrays(ours(rnn_cases.inputs(case), **kwargs))
        if masked and case[0].startswith("ConvLSTM"):  # Keras's NumPy backend lays masks along the wrong axis of these
            expected = [references[f"outputs-{index}-{int(masked)}-{i}"] for i in range(len(got))]
        else:
            expected = arrays(theirs(rnn_cases.inputs(case), **kwargs))
        assert len(got) == len(expected)
        for g, e in zip(got, expected):
            assert g.dtype == e.dtype
            np.testing.assert_allclose(g, e, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_shapes_and_configs(case):
    ours, theirs = pair(case)

    def shapes(spec):
        return [tuple(s.shape) for s in keras.tree.flatten(spec)]

    symbolic = ours(keras.Input(batch_shape=rnn_cases.shape(case)))
    assert shapes(symbolic) == [a.shape for a in arrays(theirs(rnn_cases.inputs(case)))]
    config = json.loads(json.dumps(ours.get_config()))
    assert set(config) - {"seed"} == set(theirs.get_config()) - {"seed"}  # Keras forgets SimpleRNN's
    again = type(ours).from_config(config)
    again(rnn_cases.inputs(case))
    again.set_weights(ours.get_weights())
    if getattr(ours, "stateful", False):
        ours.reset_state()
        again.reset_state()
    for g, e in zip(arrays(again(rnn_cases.inputs(case))), arrays(ours(rnn_cases.inputs(case)))):
        np.testing.assert_array_equal(g, e)


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("traced", [False, True])
def test_gradients(references, index, masked, traced):
    case = CASES[index]
    if masked and case[1].get("stateful"):
        pytest.skip("one of the two is enough")
    layer, _ = pair(case)
    if getattr(layer, "stateful", False):
        layer.reset_state()
    x = tahr.convert_to_tensor(rnn_cases.inputs(case))
    mask = tahr.convert_to_tensor(rnn_cases.mask()) if masked else None

    def gradients(x):
        with tahr.GradientTape() as tape:
            tape.watch(x)
            loss = rnn_cases.loss(tahr.ops, keras.tree.flatten(layer(x, mask=mask)))
        return tape.gradient(loss, [x, *layer.trainable_variables])

    got = (tahr.function(gradients) if traced else gradients)(x)
    for i, g in enumerate(got):
        e = references[f"{index}-{int(masked)}-{i}"]
        scale = max(1.0, float(np.abs(e).max()))
        np.testing.assert_allclose(np.asarray(g), e, rtol=0, atol=4 * TOLERANCE * scale, err_msg=f"{case}, {i}")
