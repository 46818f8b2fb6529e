"""Functional models: inputs nested otherwise, control flow and configs of operations in the graph, state trees."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("tahr")
from tahr import keras  # noqa: E402


def test_inputs_nested_otherwise_give_a_warning_or_an_error():
    a, b = keras.Input((2,)), keras.Input((2,))
    model = keras.Model({"a": a, "b": b}, a - b)
    x = np.ones((4, 2), "float32")
    with pytest.warns(UserWarning, match="expected inputs nested as the model's"):
        np.testing.assert_array_equal(np.asarray(model([2 * x, x])), x)
    model = keras.Model({"b": b, "a": a}, a - b)
    with pytest.raises(ValueError, match=r"named input\(s\) with keys \['b', 'a'\]"):
        model([x, x])
    with pytest.warns(UserWarning, match="expected inputs nested as the model's"):
        model({"a": x, "b": x, "c": x})


def test_the_state_tree_goes_both_ways():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="last")], name="m")
    model.compile(keras.optimizers.SGD(name="sgd"), "mse")
    tree = model.get_state_tree("numpy_array")
    assert set(tree["optimizer_variables"]["sgd"]) == {"iteration", "learning_rate"}
    model.set_state_tree({"trainable_variables": {"m": {"last": {"bias": [3.0]}}}})
    assert float(model.layers[0].bias.numpy()[0]) == 3.0
    with pytest.raises(ValueError, match="expected paths of trainable variables, received 'm/first/bias'"):
        model.set_state_tree({"trainable_variables": {"m": {"first": {"bias": [3.0]}}}})


def test_control_flow_on_symbolic_tensors_is_part_of_the_graph():
    x = keras.Input((4,))
    squares = keras.ops.vectorized_map(lambda row: row * row, x)
    assert squares.shape == (None, 4)
    last, sums = keras.ops.scan(lambda s, row: (s + row, s + row), keras.ops.zeros((4,)), x)
    larger = keras.ops.switch(keras.ops.cast(keras.ops.sum(x) > 0, "int32"), [lambda v: -v, lambda v: v], x)
    assert last.shape == (4,) and sums.shape == (None, 4)
    model = keras.Model(x, [squares, last, sums, larger])
    data = np.arange(8, dtype="float32").reshape(2, 4) - 9
    for out, want in zip(model(data), (data**2, data.sum(0), np.cumsum(data, 0), -data)):
        np.testing.assert_allclose(np.asarray(out), want, rtol=1e-6)
    with pytest.raises(ValueError, match="computes with its arguments"):
        keras.ops.cond(keras.ops.sum(x) > 0, lambda: x, lambda: -x)
    with pytest.raises(ValueError, match="same shape and dtype"):
        keras.ops.cond(keras.KerasTensor((), "bool"), lambda: keras.ops.ones((3,)), lambda: keras.ops.ones((4,)))


@keras.saving.register_keras_serializable("tests")
def _doubled(row):
    return row + row


def test_arguments_of_a_config_find_their_places_among_those_of_the_call():
    x, w = keras.Input((4,)), keras.Input((4,))
    outputs = [keras.ops.vectorized_map(_doubled, x), keras.ops.average(x, axis=1, weights=w)]
    outputs.append(keras.ops.einsum("ij,ij->i", x, w))
    model = keras.Model([x, w], outputs)
    again = keras.Model.from_config(model.get_config())
    data = [np.arange(1, 9, dtype="float32").reshape(2, 4), np.ones((2, 4), "float32")]
    want = (2 * data[0], data[0].mean(1), data[0].sum(1))
    for first, second, expected in zip(model(data), again(data), want):
        np.testing.assert_allclose(np.asarray(first), expected, rtol=1e-6)
        np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


def test_ranks_of_inputs():
    x = keras.Input((1,), name="ratio")
    model = keras.Model([{"x": x}], 2 * x)
    for data in (np.ones((3, 1)), np.ones((3,)), np.ones((1,)), np.ones((3, 1, 1))):
        np.testing.assert_array_equal(np.asarray(model([{"x": data}])), np.full((data.shape[0], 1), 2.0, "float32"))
    with pytest.raises(ValueError, match=r"rank 2 .*name 'ratio' and path '0.x', found shape=\(3, 1, 2\)"):
        model([{"x": np.ones((3, 1, 2))}])
    with pytest.raises(ValueError, match=r"expected shape=\(None, 1\), found shape=\(3, 2\)"):
        model([{"x": np.ones((3, 2))}])


def test_weights_are_in_the_order_of_the_layers():
    """As in Keras: by distance from the output, not by when they were made."""
    x = keras.Input((3,))
    short = keras.layers.Dense(2, name="short")(x)
    y = keras.layers.Dense(2, name="long2")(keras.layers.Dense(4, name="long1")(x))
    model = keras.Model(x, keras.layers.Add()([short, y]))
    assert [layer.name for layer in model.layers if layer.weights] == ["long1", "short", "long2"]
    assert [w.path.split("/")[0] for w in model.weights[::2]] == ["long1", "short", "long2"]


def test_a_layer_twice_in_a_sequential(tmp_path):
    """It runs twice with one set of weights, also in a copy from a file; pop() takes off the upper one."""
    first, second = keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((3,)), first, second, first])
    assert [layer.name for layer in model.layers] == [first.name, second.name, first.name]
    assert len(model.weights) == 4
    (a, b), (c, d) = first.get_weights(), second.get_weights()
    x = np.eye(3, dtype="float32")
    want = np.tanh((np.tanh(x @ a + b) @ c + d) @ a + b)
    np.testing.assert_allclose(model.predict(x, verbose=0), want, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.layers[0] is loaded.layers[2]
    np.testing.assert_allclose(loaded.predict(x, verbose=0), want, rtol=1e-5, atol=1e-6)
    model.pop()
    assert model.layers == [first, second]
    np.testing.assert_allclose(model.predict(x, verbose=0), np.tanh(x @ a + b) @ c + d, rtol=1e-5, atol=1e-6)


def test_a_stack_that_changes_between_predictions():
    """What was traced of the old stack is not used, by the model or by one around it."""
    layers = [keras.layers.Dense(3) for _ in range(3)]
    model = keras.Sequential([keras.Input((3,)), *layers])

    class Around(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model

        def call(self, x):
            return self.inner(x)

    around, x = Around(), np.eye(3, dtype="float32")

    def check(*stack):
        want = x
        for layer in stack:
            want = want @ np.asarray(layer.kernel) + np.asarray(layer.bias)
        for got in (model.predict(x, verbose=0), model(x), around.predict(x, verbose=0)):
            np.testing.assert_allclose(np.asarray(got), want, rtol=1e-5, atol=1e-6)

    check(*layers)
    model.pop()
    check(*layers[:2])
    model.add(layers[0])
    check(*layers[:2], layers[0])
    model.pop()
    check(*layers[:2])


def _shared_inside():
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    outer = keras.Sequential([keras.Input((6,)), inner, keras.layers.Dense(6), inner])
    i = keras.Input((6,))
    return keras.Model(i, keras.layers.Average()([outer(i), inner(i)]))


def _twice_in_a_stack():
    first = keras.layers.Dense(6)
    return keras.Sequential([keras.Input((6,)), first, keras.layers.Dense(6), first])


@pytest.mark.parametrize("make", [_shared_inside, _twice_in_a_stack])
@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".h5", " weights.h5"])
def test_files_of_models_that_hold_a_layer_twice(tmp_path, make, ending):
    model, random = make(), np.random.default_rng(3)
    for v in model.weights:
        v.assign(random.standard_normal(v.shape))
    a, b, c, d = (np.asarray(v) for v in model.weights)
    x = random.standard_normal((4, 6)).astype("float32")
    want = ((x @ a + b) @ c + d) @ a + b
    if make is _shared_inside:
        want = (want + x @ a + b) / 2
    path = tmp_path / f"model{ending}"
    if "weights" in ending:
        model.save_weights(path)
        again = make()
        again.load_weights(path)
    else:
        model.save(path)
        again = keras.models.load_model(path)
    assert len(again.weights) == 4
    for m in (model, again):
        np.testing.assert_allclose(m.predict(x, verbose=0), want, rtol=1e-4, atol=1e-4)


def test_two_layers_of_one_name_in_an_h5_file(tmp_path):
    class Two(keras.Model):
        def __init__(self):
            super().__init__(name="two")
            self.a, self.b = keras.layers.Dense(2, name="d"), keras.layers.Dense(2, name="d")

        def call(self, x):
            return self.b(self.a(x))

    model = Two()
    model(np.ones((1, 2)))
    with pytest.raises(ValueError, match="different names in 'two', received two called 'd'.*Rename one"):
        model.save_weights(tmp_path / "old.h5")
    assert not (tmp_path / "old.h5").exists()


def _swap(model):
    model.blocks[0], model.blocks[1] = model.blocks[1], model.blocks[0]


EDITS = {
    "reverse": lambda m: m.blocks.reverse(),
    "sort": lambda m: m.blocks.sort(key=lambda layer: layer.name, reverse=True),
    "swap": _swap,
    "set": lambda m: m.blocks.__setitem__(0, m.blocks[1]),
    "slice": lambda m: m.blocks.__setitem__(slice(0, 2), [m.blocks[2]]),
    "append": lambda m: m.blocks.append(m.blocks[0]),
    "insert": lambda m: m.blocks.insert(1, m.blocks[2]),
    "extend": lambda m: m.blocks.extend(m.blocks[:2]),
    "add": lambda m: m.blocks.__iadd__([m.blocks[1]]),
    "repeat": lambda m: m.blocks.__imul__(2),
    "pop": lambda m: m.blocks.pop(),
    "remove": lambda m: m.blocks.remove(m.blocks[1]),
    "delete": lambda m: m.blocks.__delitem__(0),
    "clear": lambda m: m.blocks.clear(),
    "dict set": lambda m: m.named.__setitem__("a", m.blocks[0]),
    "dict update": lambda m: m.named.update(c=m.blocks[0]),
    "dict or": lambda m: m.named.__ior__({"c": m.blocks[0]}),
    "dict pop": lambda m: m.named.pop("a"),
    "dict popitem": lambda m: m.named.popitem(),
    "dict clear": lambda m: m.named.clear(),
    "set add": lambda m: m.options.add("double"),
    "set or": lambda m: m.options.__ior__({"double"}),
    "set discard": lambda m: m.options.discard("square"),
    "number": lambda m: m.factors.__setitem__(0, 5.0),
    "nested": lambda m: m.nested[0].reverse(),
}


@pytest.mark.parametrize("edit", EDITS)
def test_containers_that_change_between_predictions(edit):
    """What was traced before a list, dict or set of a model changed is not used, by the model or by one around it."""

    class Blocks(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [keras.layers.Dense(3, name=f"d{i}") for i in range(3)]
            self.named = {k: keras.layers.Dense(3) for k in "ab"}
            self.nested = [[keras.layers.Dense(3), keras.layers.Dense(3)]]
            self.factors, self.options = [2.0], {"square"}

        def call(self, x):
            for layer in [*self.blocks, *self.named.values(), *self.nested[0]]:
                x = layer(x)
            x = x * self.factors[0] * (2 if "double" in self.options else 1)
            return x * x if "square" in self.options else x

    class Around(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = model

        def call(self, x):
            return self.inner(x)

    model, random = Blocks(), np.random.default_rng(0)
    around, x = Around(), np.eye(3, dtype="float32")
    around(x)
    for v in model.weights:
        v.assign(random.uniform(-1, 1, v.shape))

    def expected():
        want = x
        for layer in [*model.blocks, *model.named.values(), *model.nested[0]]:
            want = want @ np.asarray(layer.kernel) + np.asarray(layer.bias)
        want = want * model.factors[0] * (2 if "double" in model.options else 1)
        return want * want if "square" in model.options else want

    def check():
        want = expected()
        for got in (model.predict(x, verbose=0), around.predict(x, verbose=0), model.predict_on_batch(x), model(x)):
            np.testing.assert_allclose(np.asarray(got), want, rtol=1e-4, atol=1e-5)
        return want

    before = check()
    EDITS[edit](model)
    assert np.abs(check() - before).max() > 1e-3


def test_a_summary_names_ops_as_keras_does(capsys):
    """Names and classes as real Keras 3.15 shows them."""
    a, b = keras.Input((4, 4, 3)), keras.Input((4, 4, 3))
    calls = {
        ("subtract", "Subtract"): a - b,
        ("absolute", "Absolute"): keras.ops.abs(a),
        ("all_close", "AllClose"): keras.ops.allclose(a, b),
        ("is_in", "IsIn"): keras.ops.isin(a, b),
        ("conjugate", "Conjugate"): keras.ops.conj(a),
        ("silu", "Silu"): keras.ops.swish(a),
        ("rms_norm", "RMSNorm"): keras.ops.rms_normalization(a),
        ("rgb_to_grayscale", "RGBToGrayscale"): keras.ops.image.rgb_to_grayscale(a),
        ("resize", "Resize"): keras.ops.image.resize(a, (2, 2)),
        ("get_item", "GetItem"): a[:, 0],
    }
    keras.Model([a, b], list(calls.values())).summary(line_length=160)
    text = capsys.readouterr().out
    assert "OpCall" not in text
    for name, kind in calls:
        assert re.search(rf"\b{name}(_\d+)? \({kind}\)", text), (name, kind, text)
