"""Sequential, Functional and subclassed models; summary() beside real Keras."""

from __future__ import annotations

import json
import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras as real  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from tahr import keras  # noqa: E402


@pytest.fixture(autouse=True)
def fresh_names():
    keras.utils.clear_session()
    real.utils.clear_session()


def summary(model, **kwargs):
    out = []
    model.summary(print_fn=lambda s, **_: out.append(s), **kwargs)
    return "".join(out)


def mlp(k):
    return k.Sequential(
        [
            k.layers.Input((28, 28)),
            k.layers.Flatten(),
            k.layers.Dense(300, activation="relu"),
            k.layers.Dropout(0.5),
            k.layers.Dense(10, activation="softmax", name="a_layer_with_a_name_that_is_longer_than_its_column"),
        ]
    )


def wide_and_deep(k):
    x = k.Input((8,), name="numbers")
    z = k.Input((4,), name="others")
    h = k.layers.Dense(5, activation="relu")(x)
    h = k.layers.Dense(5, activation="relu")(h)
    c = k.layers.Concatenate()([z, h])
    return k.Model(inputs=[x, z], outputs=[k.layers.Dense(1, name="main")(c), k.layers.Dense(1, name="aux")(h)])


def shared(k):
    x, y = k.Input((4,)), k.Input((4,))
    layer = k.layers.Dense(3)
    return k.Model([x, y], k.layers.Add()([layer(x), layer(y)]))


def nested(k):
    x = k.Input((4,))
    inner = k.Sequential([k.layers.Input((4,)), k.layers.Dense(3), k.layers.Dense(2)], name="inner")
    return k.Model(x, k.layers.Dense(1)(inner(x)))


def unbuilt(k):
    return k.Sequential([k.layers.Dense(3), k.layers.Dense(2)])


@pytest.mark.parametrize("make", [mlp, wide_and_deep, shared, nested, unbuilt])
@pytest.mark.parametrize("options", [{}, dict(show_trainable=True), dict(expand_nested=True), dict(line_length=60)])
def test_summary_is_that_of_keras(make, options):
    assert summary(make(keras), **options) == summary(make(real), **options)


def test_summary_of_some_layers():
    options = dict(layer_range=("dense", "dropout"))
    assert summary(mlp(keras), **options) == summary(mlp(real), **options)
    with pytest.raises(ValueError, match="layer_range"):
        summary(mlp(keras), layer_range=("nothing", "dense"))


def test_summary_of_a_subclass():
    def make(k):
        class Net(k.Model):
            def __init__(self):
                super().__init__()
                self.a, self.b = k.layers.Dense(3), k.layers.Dense(2)

            def call(self, x):
                return self.b(self.a(x))

        model = Net()
        model(np.ones((2, 4), "float32"))
        return model

    assert summary(make(keras)) == summary(make(real))


def plain(config):
    """As JSON gives it back; Keras notes `mask=None` and an empty "compile_config" where nothing was given."""

    def clean(x):
        if isinstance(x, dict):
            return {k: clean(v) for k, v in x.items() if (k, v) not in (("mask", None), ("compile_config", {}))}
        return [clean(v) for v in x] if isinstance(x, list) else x

    return clean(json.loads(json.dumps(config)))


@pytest.mark.parametrize("make", [mlp, wide_and_deep, shared, nested])
def test_config_is_that_of_keras_and_comes_back(make):
    ours, theirs = make(keras), make(real)
    config = plain(ours.get_config())
    assert config == plain(theirs.get_config())
    again = type(ours).from_config(config)
    assert plain(again.get_config()) == config
    from_real = type(ours).from_config(json.loads(json.dumps(theirs.get_config())))
    x = [
        np.random.default_rng(i).standard_normal((2, *s.shape[1:])).astype("float32") for i, s in enumerate(ours.inputs)
    ]
    theirs.set_weights(ours.get_weights())
    again.set_weights(ours.get_weights())
    from_real.set_weights(ours.get_weights())
    x = x[0] if len(x) == 1 else x
    for model in (ours, again, from_real):
        for a, b in zip(keras.tree.flatten(model(x)), real.tree.flatten(theirs(x))):
            np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=1e-5, atol=1e-6)
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    text = ours.to_json()
    assert json.loads(keras.models.model_from_json(text).to_json()) == json.loads(text)


def test_sequential_add_pop_and_shapes():
    model = keras.Sequential()
    with pytest.raises(AttributeError, match=r"\[.*\] expected a built model for its output shape"):
        _ = model.output_shape
    model.add(keras.Input((4,)))
    model.add(keras.layers.Dense(3, name="first"))
    model.add(keras.layers.Dense(2, name="second"))
    assert model.built and model.output_shape == (None, 2) and model.input_shape == (None, 4)
    assert model.get_layer("second") is model.layers[1] is model.get_layer(index=1)
    popped = model.pop()
    assert popped.name == "second" and model.output_shape == (None, 3) and len(model.weights) == 2
    with pytest.raises(ValueError, match=r"\[sequential\] All layers should have unique names.*'first'"):
        model.add(keras.layers.Dense(3, name="first"))
    with pytest.raises(
        ValueError, match=r"\[sequential\] Only instances of keras.layers.Layer can be added, received 3"
    ):
        model.add(3)
    with pytest.raises(
        ValueError, match=r"already been configured for input of shape \(None, 4\), received a second Input"
    ):
        model.add(keras.Input((4,)))
    with pytest.raises(ValueError, match=r"received 'nothing'. This model holds \['first'\]"):
        model.get_layer("nothing")


@pytest.mark.parametrize(
    "first",
    [
        lambda: keras.layers.Dense(3, input_shape=(4,)),
        lambda: keras.layers.Dense(3, input_dim=4),
        lambda: keras.layers.Dense(3, batch_input_shape=(None, 4)),
    ],
)
def test_sequential_from_the_older_arguments(first):
    model = keras.Sequential([first(), keras.layers.Dense(2)])
    assert model.built and model.input_shape == (None, 4) and [w.shape for w in model.weights][0] == (4, 3)


def test_sequential_built_by_its_first_call():
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)])
    assert model.weights == [] and not model.built
    assert model(np.ones((5, 7), "float32")).shape == (5, 2)
    assert model.built and model.output_shape == (5, 2) and len(model.weights) == 4
    other = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)])
    other.build((None, 7))
    assert other.output_shape == (None, 2)


def test_wrong_width_names_the_layer():
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(30), keras.layers.Dense(10)])
    with pytest.raises(ValueError, match=r"\[dense\] expected input with last axis 784, received shape \(32, 300\)"):
        model(np.ones((32, 300), "float32"))
    layer = keras.layers.Dense(2)
    with pytest.raises(ValueError, match=rf"\[{layer.name}\] expected input with at least 2 axes.*shape \(3,\)"):
        layer(np.ones(3, "float32"))


def test_functional_inputs_by_name_and_intermediate_models():
    model = wide_and_deep(keras)
    a, b = np.ones((3, 8), "float32"), np.zeros((3, 4), "float32")
    first = model([a, b])
    second = model({"numbers": a, "others": b})
    np.testing.assert_array_equal(first[0].numpy(), second[0].numpy())
    assert type(model).__name__ == "Functional" and model.output_shape == [(None, 1), (None, 1)]
    inner = keras.Model(model.inputs, model.get_layer("dense_1").output)
    assert inner([a, b]).shape == (3, 5)
    with pytest.raises(ValueError, match="Missing data for input"):
        model({"numbers": a})
    with pytest.raises(ValueError, match=r"expects 2 input\(s\), received 1"):
        model(a)


def test_functional_outputs_in_lists():
    x = keras.Input((3,))
    one, two = keras.layers.Dense(1)(x), keras.layers.Dense(2)(x)
    data = np.ones((4, 3), "float32")
    single = keras.Model(x, [one])  # as in Keras, a list of one is that one
    assert single(data).shape == single.predict(data, verbose=0).shape == (4, 1)
    assert keras.layers.Dense(5)(single(keras.Input((3,)))).shape == (None, 5)
    several = keras.Model(x, [one, two])
    assert type(several(data)) is type(several.predict(data, verbose=0)) is list


def test_functional_dropout_follows_the_call():
    x = keras.Input((50,))
    model = keras.Model(x, keras.layers.Dropout(0.5)(x))
    data = np.ones((4, 50), "float32")
    assert (model(data, training=True).numpy() == 0).any()
    assert not (model(data, training=False).numpy() == 0).any()
    assert not (model(data).numpy() == 0).any()

    class Around(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model

        def call(self, x):
            return self.inner(x)

    assert (Around()(data, training=True).numpy() == 0).any()


def test_part_of_a_functional_model():
    x = keras.Input((4,))
    h = keras.layers.Dense(3, name="first")(x)
    model = keras.Model(x, keras.layers.Dense(2, name="second")(h))
    part = keras.Model(h, model.output)
    assert [type(lr).__name__ for lr in part.layers] == ["InputLayer", "Dense"]
    data = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(part(model.get_layer("first")(data)).numpy(), model(data).numpy())


def test_functional_with_ops_and_operators():
    x = keras.Input((3,))
    y = keras.ops.relu(x * 2.0 - 1.0) + keras.ops.sum(x, axis=-1, keepdims=True)
    y = keras.activations.tanh(y)[:, :2]
    model = keras.Model(x, y)
    data = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    expected = np.tanh(np.maximum(data * 2 - 1, 0) + data.sum(-1, keepdims=True))[:, :2]
    np.testing.assert_allclose(model(data).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert model.output_shape == (None, 2)
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    np.testing.assert_allclose(again(data).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_functional_that_is_not_connected():
    x, y = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(ValueError, match="Output .* is not connected to `inputs`"):
        keras.Model(x, keras.layers.Dense(2)(y))
    with pytest.raises(ValueError, match="different names"):
        keras.Model(x, keras.layers.Dense(2, name="a")(keras.layers.Dense(2, name="a")(x)))


def test_deep_graph_does_not_recurse():
    x = keras.Input((2,))
    h = x
    layer = keras.layers.Identity()
    for _ in range(1500):
        h = layer(h)
    assert keras.Model(x, h)(np.ones((1, 2), "float32")).shape == (1, 2)


def test_subclass_with_functional_arguments():
    class Named(keras.Model):
        def extra(self):
            return 7

    x = keras.Input((3,))
    model = Named(x, keras.layers.Dense(2)(x))
    assert model.extra() == 7 and model(np.ones((1, 3), "float32")).shape == (1, 2)
    assert isinstance(model, keras.Model) and len(model.layers) == 2


def test_subclass_build_from_a_shape():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [keras.layers.Dense(3), keras.layers.Dropout(0.5), keras.layers.Dense(1)]

        def call(self, x, training=False):
            for part in self.parts:
                x = part(x, training=training) if isinstance(part, keras.layers.Dropout) else part(x)
            return x

    net = Net()
    net.build((None, 4))
    assert net.built and [w.shape for w in net.weights] == [(4, 3), (3,), (3, 1), (1,)]
    assert [w.path for w in net.weights][0] == "net/dense/kernel"
    assert len(net.variables) == 5  # and the state of the seed generator
    assert net.count_params() == 19


def test_freezing():
    model = mlp(keras)
    assert len(model.trainable_weights) == 4
    model.layers[1].trainable = False
    assert len(model.trainable_weights) == 2 and len(model.non_trainable_weights) == 2
    assert not model.layers[1].kernel.trainable
    model.trainable = False
    assert model.trainable_weights == [] and len(model.non_trainable_weights) == 4
    model.trainable = True
    assert len(model.trainable_weights) == 4
