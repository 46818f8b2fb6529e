"""What every layer does: state, names, dtypes, masks, losses, gradients, configs, messages."""

from __future__ import annotations

import copy
import os
import pickle

os.environ.setdefault("KERAS_BACKEND", "numpy")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tahr  # noqa: E402
from tahr import keras  # noqa: E402

layers = keras.layers


@pytest.fixture(autouse=True)
def fresh_names():
    keras.utils.clear_session()


class Scale(layers.Layer):
    """A layer as users write them."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones", regularizer="l2", name="w")
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    def call(self, x, training=False):
        if training:
            self.seen.assign_add(1.0)
        self.add_loss(tahr.ops.mean(x))
        return x * self.w * self.factor


class Outer(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scales = [Scale(), Scale(3.0)]
        self.by_name = {"dense": layers.Dense(2)}

    def call(self, x):
        for s in self.scales:
            x = s(x)
        return self.by_name["dense"](x)


def test_names_and_paths():
    assert [layers.Dense(1).name, layers.Dense(1).name, layers.Dense(1, name="mine").name] == [
        "dense",
        "dense_1",
        "mine",
    ]
    assert layers.LeakyReLU().name == "leaky_re_lu" and layers.SpatialDropout1D(0.1).name == "spatial_dropout1d"
    outer = Outer()
    outer(np.ones((2, 3), "float32"))
    assert [v.path for v in outer.weights] == [
        "outer/scale/w", "outer/scale/seen", "outer/scale_1/w", "outer/scale_1/seen", "outer/dense_2/kernel",
        "outer/dense_2/bias",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="without '/'"):
        layers.Dense(1, name="a/b")


def test_state_is_found_in_attributes_lists_and_dicts():
    outer = Outer()
    assert not outer.built and outer.weights == []
    outer(np.ones((2, 3), "float32"))
    assert outer.built and len(outer.weights) == 6 and len(outer.trainable_weights) == 4
    assert [v.name for v in outer.non_trainable_weights] == ["seen", "seen"]
    with pytest.raises(
        ValueError, match=r"\[outer\] cannot add new elements of state .variables or layers. after build"
    ):
        outer.late = layers.Dense(1)
    layer = layers.Layer()
    layer.parts = [layers.Dense(1)]
    layer.parts.append(layers.Dense(2))
    layer.parts += [layers.Dense(3)]
    assert len(layer._layers) == 3
    layer.parts.pop()
    assert len(layer._layers) == 2
    layer.plain = tahr.Variable([1.0, 2.0])
    assert layer.weights[-1] is layer.plain


def test_training_reaches_inner_layers():
    outer = Outer()
    x = np.ones((2, 3), "float32")
    outer(x)
    outer(x, training=True)
    outer(x, training=False)
    assert [float(s.seen.numpy()) for s in outer.scales] == [1.0, 1.0]


def test_losses_of_the_last_call():
    outer = Outer()
    x = np.ones((2, 3), "float32")
    outer(x)
    outer(x)
    losses = [float(v.numpy()) for v in outer.losses]
    np.testing.assert_allclose(losses, [1.0, 2.0, 0.03, 0.03], rtol=1e-6)  # add_loss twice, then l2(0.01) of ones twice
    outer.scales[0].trainable = False
    assert len(outer.losses) == 3  # a frozen weight is not regularised
    with pytest.raises(ValueError, match=r"\[outer\] expected a tensor in add_loss\(\), received .* of type function"):
        outer.add_loss(lambda: 1.0)


def test_gradients_through_layers():
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    dense = layers.Dense(2, activation="tanh")
    with tahr.GradientTape() as tape:
        loss = tahr.ops.sum(tahr.ops.square(dense(x)))
    gk, gb = tape.gradient(loss, [dense.kernel, dense.bias])
    w, b = (v.astype("float64") for v in dense.get_weights())
    y = np.tanh(x @ w + b)
    dz = 2 * y * (1 - y**2)
    np.testing.assert_allclose(gk.numpy(), x.T @ dz, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gb.numpy(), dz.sum(0), rtol=1e-5, atol=1e-5)


def test_weights_in_and_out():
    layer = layers.Dense(2)
    layer.build((None, 3))
    values = [np.arange(6, dtype="float32").reshape(3, 2), np.ones(2, "float32")]
    layer.set_weights(values)
    for a, b in zip(layer.get_weights(), values):
        np.testing.assert_array_equal(a, b)
    assert layer.count_params() == 8
    with pytest.raises(ValueError, match=r"\[dense\] expected a list of 2 arrays.*received 1"):
        layer.set_weights(values[:1])
    with pytest.raises(
        ValueError, match=r"\[dense\] expected shape \(3, 2\) for weight 'dense/kernel', received shape"
    ):
        layer.set_weights([values[0].T, values[1]])
    with pytest.raises(ValueError, match=r"\[dense_1\] expected a built layer for count_params"):
        layers.Dense(2).count_params()


def test_mixed_precision():
    x = np.ones((2, 3), "float32")
    for policy, compute in (("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16")):
        layer = layers.Dense(2, dtype=policy)
        y = layer(x)
        assert y.dtype == compute and layer.kernel.dtype == "float32" and layer.compute_dtype == compute
        with tahr.GradientTape() as tape:
            loss = tahr.ops.sum(layer(x))
        assert tape.gradient(loss, layer.kernel).dtype == "float32"
    seen = []

    class Look(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(3,), initializer="ones")
            self.n = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False)
            self.exact = self.add_weight(shape=(3,), initializer="ones", autocast=False)

        def call(self, x):
            seen.extend([x.dtype, self.w.dtype, (self.w * 2.0).dtype, self.w.value.dtype, self.n.dtype])
            seen.append((self.exact + 0.0).dtype)
            return x * self.w

    look = Look(dtype="mixed_float16")
    assert look(x).dtype == "float16"
    assert seen == ["float16", "float16", "float16", "float16", "int32", "float32"] and look.w.dtype == "float32"
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert layers.Dense(1).compute_dtype == "bfloat16"
    keras.utils.clear_session()
    assert layers.Dense(1).compute_dtype == "float32"
    assert layers.Dense(1, dtype="float64")(x).dtype == "float64"
    with pytest.raises(ValueError, match=r"\[DTypePolicy\].*expected a dtype.*'mixed_float17'"):
        layers.Dense(1, dtype="mixed_float17")


def test_masks():
    masking = layers.Masking(0.0)
    x = np.ones((2, 3, 4), "float32")
    x[0, 1:] = 0

    class Sum(layers.Layer):
        def call(self, x, mask=None):
            self.got = mask
            return tahr.ops.sum(x, axis=1)

    total = Sum()
    y = masking(x)
    np.testing.assert_array_equal(y._keras_mask.numpy(), [[True, False, False], [True, True, True]])
    z = layers.Dense(2)(y)  # supports masking: passes it on
    np.testing.assert_array_equal(z._keras_mask.numpy(), y._keras_mask.numpy())
    with pytest.warns(UserWarning, match="does not support masking"):
        total(z)
    assert total.got is not None
    model = keras.Sequential([keras.Input((3, 4)), masking, layers.Dropout(0.5), Sum()])
    with pytest.warns(UserWarning, match="does not support masking"):
        model(x)
    np.testing.assert_array_equal(model.layers[-1].got.numpy(), y._keras_mask.numpy())


def test_configs_of_user_classes():
    layer = Scale(5.0, name="five")
    config = layer.get_config()  # no get_config of its own: plain arguments of the constructor
    assert config["factor"] == 5.0 and config["name"] == "five"
    again = Scale.from_config(config)
    assert again.factor == 5.0 and again.name == "five"

    class Holder(layers.Layer):
        def __init__(self, inner, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

    with pytest.raises(NotImplementedError, match=r"\[Holder\] expected a get_config\(\) method"):
        Holder(layers.Dense(1)).get_config()


def test_messages():
    with pytest.raises(ValueError, match=r"\[Dense\] expected units to be a positive integer, received units=-1"):
        layers.Dense(-1)
    with pytest.raises(ValueError, match=r"\[Dense\] expected arguments of the layer only, received \['unit'\]"):
        layers.Dense(1, unit=3)
    with pytest.raises(ValueError, match=r"\[dropout\] Invalid value received for argument `rate`.*rate=2"):
        layers.Dropout(2)
    with pytest.raises(
        ValueError, match=r"Only input tensors may be passed as positional arguments, received .*by keyword"
    ):
        layers.Dense(1)("text")

    class Bad(layers.Layer):
        def __init__(self):
            self.x = layers.Dense(1)

    with pytest.raises(RuntimeError, match=r"\[Bad\] expected super\(\).__init__\(\) to run first"):
        Bad()(np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"\[reshape\].*target_shape=\(3, 5\).*received shape \(16,\)"):
        layers.Reshape((3, 5))(np.ones((2, 16)))
    with pytest.raises(ValueError, match=r"matching shapes except for the concatenation axis -1"):
        layers.Concatenate()([np.ones((2, 3)), np.ones((3, 4))])


def test_several_inputs_and_build_by_name():
    class Pair(layers.Layer):
        def build(self, a_shape, b_shape):
            self.shapes = (a_shape, b_shape)
            self.w = self.add_weight(shape=(a_shape[-1], b_shape[-1]))

        def call(self, a, b):
            return tahr.ops.matmul(a, self.w) + b

    pair = Pair()
    assert pair(np.ones((2, 3)), np.ones((2, 4))).shape == (2, 4)
    assert pair.shapes == ((2, 3), (2, 4))
    x, y = keras.Input((3,)), keras.Input((4,))
    assert keras.Model([x, y], Pair()(x, y)).output_shape == (None, 4)

    class Wrong(layers.Layer):
        def build(self, first, second):
            pass

        def call(self, a, b):
            return a + b

    with pytest.raises(ValueError, match="_shape"):
        Wrong()(np.ones((2, 3)), np.ones((2, 3)))


def test_stateless_call_changes_nothing():
    layer = Scale()
    layer.build((None, 3))
    new_w = np.full(3, 4.0, "float32")
    out, state, losses = layer.stateless_call(
        [new_w], [np.float32(7)], tahr.ops.ones((1, 3)), training=True, return_losses=True
    )
    np.testing.assert_array_equal(out.numpy(), [[8.0, 8.0, 8.0]])
    assert float(state[0].numpy()) == 8.0 and float(layer.seen.numpy()) == 0.0 and len(losses) == 2
    np.testing.assert_array_equal(layer.w.numpy(), np.ones(3))


def test_variable():
    v = keras.Variable("ones", shape=(2,), dtype="float32", name="v")
    assert (v.path, v.shape, v.dtype, v.trainable, v.ndim) == ("v", (2,), "float32", True, 1)
    v.assign([1, 2])
    v.assign_add([1.0, 1.0])
    v.assign_sub(0.5 * v)
    np.testing.assert_array_equal(v.numpy(), [1.0, 1.5])
    with pytest.raises(ValueError, match=r"\[assign\] expected a value of shape \(2,\) for variable 'v'"):
        v.assign(np.ones(3))
    with pytest.raises(ValueError, match="expected shape with the initializer"):
        keras.Variable("ones")
    for other in (copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert type(other) is keras.Variable and other.path == "v" and other is not v
        other.assign([0.0, 0.0])
    np.testing.assert_array_equal(v.numpy(), [1.0, 1.5])
    assert repr(v) == "<Variable path=v, shape=(2,), dtype=float32, value=[1.  1.5]>"
    assert keras.Variable(1).dtype == "int32" and keras.Variable([1.0]).dtype == "float32"


def test_copies_of_a_model_are_independent():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    x = np.ones((1, 3), "float32")
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other(x).numpy(), model(x).numpy())
        other.layers[0].kernel.assign(np.zeros((3, 2)))
        assert np.abs(model.layers[0].kernel.numpy()).sum() > 0
        assert other.weights[0] is other.layers[0].kernel


def test_seed_generator():
    g = keras.random.SeedGenerator(seed=7)
    assert [g.next().numpy().tolist() for _ in range(3)] == [[7, 0], [7, 1], [7, 2]]
    layer = layers.Dropout(0.5, seed=1)
    assert len(layer.variables) == 1 and layer.weights == [] and layer.variables[0] is layer.seed_generator.state
    a = keras.random.normal((3,), seed=5).numpy()
    np.testing.assert_array_equal(a, keras.random.normal((3,), seed=5).numpy())
