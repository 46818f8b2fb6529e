"""keras.distribution: objects as in Keras, one device trains as without, more are refused in one line."""

import numpy as np
import pytest
from tahr import keras

dist = keras.distribution


def mesh():
    return dist.DeviceMesh((2, 3), ["batch", "model"], [f"cpu:{i}" for i in range(6)])


def test_layouts_of_a_model():
    layouts = dist.LayoutMap(mesh())
    layouts[".*/kernel"] = (None, "model")
    parallel = dist.ModelParallel(layout_map=layouts)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="d")])
    assert parallel.get_variable_layout(model.layers[0].kernel).axes == (None, "model")
    assert parallel.get_variable_layout(model.layers[0].bias).axes == (None,)
    assert parallel.get_data_layout((None, 4)).axes == ("batch", None)
    assert parallel.num_model_replicas == 2 and parallel.get_tensor_layout("none") is None
    with pytest.warns(UserWarning, match="1D"):
        assert dist.DataParallel(mesh()).num_model_replicas == 6
    layouts["d/.*"] = ("batch", None)
    with pytest.raises(ValueError, match="multiple layout"):
        layouts["d/kernel"]


def test_one_device_trains_as_without():
    def weights():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.compile("adam", "mse")
        model.fit(np.ones((8, 4)), np.zeros((8, 3)), verbose=0)
        return model.get_weights()

    plain = weights()
    parallel = dist.DataParallel()
    with parallel.scope():
        assert dist.distribution() is parallel
        for a, b in zip(weights(), plain):
            np.testing.assert_array_equal(a, b)
    assert dist.distribution() is None
    assert dist.list_devices() == ["cpu:0"] and dist.get_device_count("cpu") == 1
    x = np.ones(3)
    assert dist.distribute_tensor(x, dist.TensorLayout([None], parallel.device_mesh)) is x


def test_refusals():
    layouts = dist.LayoutMap(mesh())
    for call in (
        lambda: dist.set_distribution(dist.ModelParallel(layout_map=layouts)),
        lambda: dist.distribute_tensor(np.ones(3), dist.TensorLayout(["model"], mesh())),
        lambda: dist.initialize("a:1,b:2", 2, 0),
    ):
        with pytest.raises(NotImplementedError, match="expected"):
            call()
    for call, match in (
        (lambda: dist.TensorLayout(["heads"], mesh()), "Invalid axis names"),
        (lambda: dist.DeviceMesh((2,), ["batch"], ["cpu:0"]), "number of devices"),
        (lambda: dist.ModelParallel(), "layout_map"),
        (lambda: dist.list_devices("abacus"), "device_type"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
