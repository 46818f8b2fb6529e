"""Functions of `keras.ops` and `keras.random` that take other arguments than those of `tahr`; names of data layers."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from tahr import keras

RNG = np.random.default_rng(0)


def test_matmul_and_scatter_update():
    a, b = RNG.random((2, 3, 4)), RNG.random((4, 5))
    assert np.allclose(keras.ops.matmul(a, b), a @ b, rtol=1e-6)
    with pytest.raises(TypeError):
        keras.ops.matmul(a, b, transpose_a=True)
    for reduction, expected in ((None, 3.0), ("add", 6.0), ("MUL", 6.0), ("max", 3.0), ("min", 1.0)):
        out = keras.ops.scatter_update(np.ones(3), [[1], [1]], np.array([2.0, 3.0]), reduction=reduction)
        assert np.array_equal(out, [1, expected, 1]), reduction
    with pytest.raises(ValueError, match="reduction"):
        keras.ops.scatter_update(np.ones(3), [[1]], [2.0], reduction="")


def test_slice_takes_an_array_as_shape():
    x = RNG.random((3, 4)).astype("float32")
    assert np.array_equal(keras.ops.slice(x, [1, 0], np.array([2, 3])), x[1:3, 0:3])
    assert keras.ops.slice(keras.Input((4,), batch_size=3), [1, 0], np.array([2, 3])).shape == (2, 3)
    with pytest.raises(TypeError, match=r"\[slice\] expected shape"):
        keras.ops.slice(x, [1, 0], np.array([2.0, 3.0]))


def test_multi_hot_and_layer_normalization():
    assert keras.ops.multi_hot([0, 2], num_tokens=3).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="num_classes"):
        keras.ops.multi_hot([0, 2])
    with pytest.raises(TypeError, match="classes"):
        keras.ops.multi_hot([0, 2], 3, classes=3)
    x = RNG.random((2, 5)).astype("float32")
    x64 = x.astype("float64")
    expected = (x64 - x64.mean(-1, keepdims=True)) / np.sqrt(x64.var(-1, keepdims=True) + 1e-3)
    assert np.allclose(keras.ops.layer_normalization(x, epsilon=1e-3), expected, atol=1e-5)
    with pytest.warns(UserWarning, match="rms_normalization"):
        scaled = keras.ops.layer_normalization(x, epsilon=1e-3, rms_scaling=True)
    assert np.allclose(scaled, x64 / np.sqrt(x64.var(-1, keepdims=True) + 1e-3), atol=1e-4)
    with pytest.raises(TypeError, match="rms"):
        keras.ops.layer_normalization(x, rms=True)


def test_forms_are_recorded_and_saved(tmp_path):
    x = keras.Input((3, 4))
    y = keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1)))
    y = keras.ops.layer_normalization(y, epsilon=1e-3)
    model = keras.Model(x, y)
    assert model.output_shape == (None, 3, 3)
    model.save(tmp_path / "m.keras")
    data = RNG.random((2, 3, 4)).astype("float32")
    assert np.array_equal(keras.saving.load_model(tmp_path / "m.keras")(data), model(data))


@pytest.mark.parametrize("name", ["normal", "truncated_normal", "uniform"])
def test_random_numbers_are_floats(name):
    function = getattr(keras.random, name)
    assert function((2, 3), seed=1, dtype="float16").dtype == "float16"
    with pytest.raises(ValueError, match=rf"\[{name}\].*floating point.*int32"):
        function((2, 3), dtype="int32")
    with pytest.raises(TypeError):
        function((2, 3), name="x")


def test_name_scope_takes_no_other_arguments():
    with keras.name_scope("a", caller=None), keras.name_scope("b"):
        assert keras.Variable(0.0, name="v").path == "a/b/v"
    with pytest.raises(TypeError, match="received \\['parent'\\]"):
        keras.name_scope("a", parent="b")


REFERENCE = """
import sys, numpy as np, keras
layers, boxes = keras.layers, np.array([[[1., 2., 5., 6.], [0., 3., 9., 8.]]] * 2, "float32")
w, h = np.array([[1.], [2.]], "float32"), np.array([[0.5], [-1.]], "float32")
transform = np.linspace(-1, 1, 16).reshape(2, 8).astype("float32")
out = {}
for cls in (layers.RandomShear, layers.RandomTranslation):
    layer = cls(0.1, 0.1)
    out[cls.__name__ + "_shift"] = layer.get_shifted_bbox({"boxes": boxes}, w, h)["boxes"]
    out[cls.__name__ + "_shift1"] = layer.get_shifted_bbox({"boxes": boxes[0]}, 1.0, 2.0)["boxes"]
zoom = layers.RandomZoom(0.1)
out["x"], out["y"] = zoom.get_transformed_x_y(w, h, transform)
out["clip"] = zoom.get_clipped_bbox({"boxes": boxes}, 6 * w, w, 5 * w, 2 * w)["boxes"]
out["elastic"] = layers.RandomElasticTransform().get_elastic_transform_params(10, 20, 0.3)
np.savez(sys.argv[1], **{k: np.asarray(v) for k, v in out.items()})
"""


def test_steps_on_boxes_are_those_of_keras(tmp_path):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs Keras")
    path = tmp_path / "reference.npz"
    env = {**os.environ, "KERAS_BACKEND": "numpy"}
    subprocess.run([sys.executable, "-c", REFERENCE, str(path)], check=True, env=env)
    ours = tmp_path / "ours.npz"
    exec(REFERENCE.replace("np, keras", "np").replace("sys.argv[1]", repr(str(ours))), {"keras": keras})
    expected, found = np.load(path), np.load(ours)
    assert sorted(expected) == sorted(found)
    for name in expected:
        assert np.allclose(found[name], expected[name], rtol=1e-6), name


def test_data_layers():
    weight = keras.ops.ones((2,))
    for cls in (keras.layers.Rescaling(2.0), keras.layers.Resizing(2, 2), keras.layers.CategoryEncoding(3)):
        assert cls.convert_weight(weight) is weight
    layer = keras.layers.Normalization()
    layer.adapt(np.array([[1.0], [3.0]]))
    layer.adapt_mean.assign([5.0])
    layer.finalize_state()
    assert float(layer.mean[0, 0]) == 5.0
    assert keras.layers.RandomCrop(2, 2, name="cut").name == "cut"
    tensor = keras.KerasTensor((2,))
    assert tensor.ragged_rank is None and tensor.row_splits_dtype is None
    with pytest.raises(NotImplementedError, match="quantized_call"):
        keras.Operation().quantized_call()
