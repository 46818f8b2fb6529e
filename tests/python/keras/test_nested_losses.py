"""Losses of `compile` for parts of nested outputs, checked against the same sums in NumPy."""

from __future__ import annotations

import collections

import numpy as np
import pytest

pytest.importorskip("tahr")
from tahr import keras  # noqa: E402

Pair = collections.namedtuple("Pair", ["left", "right"])


def _model(nest):
    x = keras.Input((3,), name="x")
    return keras.Model(x, nest(keras.layers.Dense(1, name="left")(x), keras.layers.Dense(1, name="right")(x)))


def _data():
    rng = np.random.default_rng(5)
    return [rng.normal(size=(8, n)).astype("float32") for n in (3, 1, 1)]


def _both(y_true, y_pred):
    """A loss of two outputs at once."""
    (a, b), (c, d) = keras.tree.flatten(y_true), keras.tree.flatten(y_pred)
    return keras.ops.mean(keras.ops.square((a + b) - (c + d)), axis=-1)


def _squares(a, b):
    return float(np.mean((a.astype("float64") - b) ** 2))


@pytest.mark.parametrize(
    ("nest", "parts"),
    [
        (lambda a, b: (a, b), lambda a, b: (a, b)),
        (lambda a, b: {"left": a, "right": b}, lambda a, b: {"left": a, "right": b}),
        (Pair, Pair),
    ],
    ids=["tuple", "dict", "namedtuple"],
)
def test_a_list_holds_losses_of_the_whole_and_of_its_parts(nest, parts):
    x, y1, y2 = _data()
    model = _model(nest)
    model.compile(loss=[_both, parts("mse", "mae")], loss_weights=[0.5, parts(2.0, 3.0)])
    logs = model.evaluate(x, parts(y1, y2), verbose=0, return_dict=True)
    p1, p2 = (np.asarray(p) for p in keras.tree.flatten(model.predict(x, verbose=0)))
    both, left, right = _squares(y1 + y2, p1 + p2), _squares(y1, p1), float(np.mean(np.abs(y2 - p2)))
    expected = {
        "loss": 0.5 * both + 2 * left + 3 * right,
        "left_right_loss": both,
        "left_loss": left,
        "right_loss": right,
    }
    assert set(logs) == set(expected)
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-5)


def test_deep_outputs_take_losses_where_they_are_given():
    x, y1, y2 = _data()
    model = _model(lambda a, b: {"a": (a, b), "b": {"c": a}})
    model.compile(loss={"a": [_both, (None, "mse")], "b": {"c": "mae"}})
    logs = model.evaluate(x, {"a": (y1, y2), "b": {"c": y1}}, verbose=0, return_dict=True)
    out = model.predict(x, verbose=0)
    both, part = _squares(y1 + y2, out["a"][0] + out["a"][1]), _squares(y2, out["a"][1])
    deep = float(np.mean(np.abs(y1 - out["b"]["c"])))
    assert set(logs) == {"loss", "a_loss", "a/right_loss", "b/c_loss"}
    assert logs["loss"] == pytest.approx(both + part + deep, rel=1e-5)
    assert logs["a/right_loss"] == pytest.approx(part, rel=1e-5)


def test_named_losses_of_a_part_count_for_each_of_its_outputs():
    x, y1, y2 = _data()
    model = _model(lambda a, b: {"a": (a, b), "b": {"c": a}})
    model.compile(loss={"a": "mse"})
    logs = model.evaluate(x, {"a": (y1, y2), "b": {"c": y1}}, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "a/left_loss", "a/right_loss"}


def test_places_that_the_outputs_lack_are_named():
    x, y1, y2 = _data()
    model = _model(lambda a, b: {"a": (a, b), "b": {"c": a}})
    model.compile(loss={"a": "mse", "d": "mse"})
    with pytest.raises(ValueError, match=r"keys of loss to be among \['a', 'b'\] for the outputs, received 'd'"):
        model.evaluate(x, {"a": (y1, y2), "b": {"c": y1}}, verbose=0)
    model.compile(loss={"a": {"c": "mse"}})
    with pytest.raises(ValueError, match=r"nested as the outputs, received the keys \['c'\].*at \['a'\]"):
        model.evaluate(x, {"a": (y1, y2), "b": {"c": y1}}, verbose=0)
    model.compile(loss={"a": "mse", "b": {"c": "mse"}}, loss_weights=[1.0])
    with pytest.raises(ValueError, match="one entry for each of the 2 losses, received 1"):
        model.evaluate(x, {"a": (y1, y2), "b": {"c": y1}}, verbose=0)


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
