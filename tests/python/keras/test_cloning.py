"""clone_model: same structure, own weights."""

import numpy as np
import pytest
from tahr import keras


def two_layers(shared=False):
    x = keras.Input((4,), name="features")
    dense = keras.layers.Dense(4, activation="tanh", name="hidden")
    h = dense(dense(x)) if shared else dense(x)
    return keras.Model(x, {"y": keras.layers.Dense(2, name="out")(h)}, name="two")


@pytest.mark.parametrize("shared", [False, True])
def test_a_clone_computes_the_same_with_the_same_weights(shared):
    model = two_layers(shared)
    clone = keras.models.clone_model(model)
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert not any(a is b for a, b in zip(clone.layers, model.layers))
    data = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    assert not np.array_equal(clone(data)["y"], model(data)["y"]), "the clone has fresh weights"
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(data)["y"], model(data)["y"])


def test_sequential_keeps_its_compilation():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    clone = keras.models.clone_model(model)
    assert clone.compiled and isinstance(clone.optimizer, keras.optimizers.Adam)
    assert clone.optimizer is not model.optimizer
    clone.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)


def test_functions_replace_layers_and_calls():
    model = two_layers()
    slim = keras.models.clone_model(
        model,
        clone_function=lambda layer: layer if layer.name == "hidden" else type(layer).from_config(layer.get_config()),
    )
    assert slim.get_layer("hidden") is model.get_layer("hidden")
    assert slim.get_layer("out") is not model.get_layer("out")

    def halved(layer, *args, **kwargs):
        return layer(*args, **kwargs) * 0.5

    half = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=halved)
    data = np.ones((2, 4), "float32")
    hidden = np.tanh(data @ model.get_layer("hidden").kernel.numpy())
    want = 0.5 * (0.5 * hidden @ model.get_layer("out").kernel.numpy())
    np.testing.assert_allclose(half(data)["y"], want, rtol=1e-5)


def test_nested_models_are_entered_when_asked():
    inner = two_layers()
    x = keras.Input((4,))
    outer = keras.Model(x, inner(x)["y"])
    marked = []

    def mark(layer):
        marked.append(layer.name)
        return type(layer).from_config(layer.get_config())

    keras.models.clone_model(outer, clone_function=mark, recursive=True)
    assert {"hidden", "out"} <= set(marked)


def test_new_inputs():
    model = two_layers()
    x = keras.Input((4,), batch_size=8)
    assert keras.models.clone_model(model, input_tensors=x).output["y"].shape == (8, 2)
    a, b = keras.Input((2,)), keras.Input((2,))
    pair = keras.Model({"a": a, "b": b}, a + b)
    with pytest.raises(ValueError, match="must have the same structure as model.input"):
        keras.models.clone_model(pair, input_tensors=[a, b])


def test_arguments_that_do_not_fit_are_refused():
    class Plain(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="`clone_function` is for Sequential and functional models.*Plain"):
        keras.models.clone_model(Plain(), clone_function=lambda layer: layer)
    with pytest.raises(ValueError, match="`call_function` is for functional models"):
        keras.models.clone_model(keras.Sequential([keras.layers.Dense(1)]), call_function=lambda layer, x: x)
    with pytest.raises(ValueError, match=r"no further arguments, received \['deep'\]"):
        keras.models.clone_model(two_layers(), deep=True)
