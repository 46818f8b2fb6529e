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
