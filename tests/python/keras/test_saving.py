"""Files of models and weights: what is saved comes back."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from tahr import keras

L = keras.layers
X = np.random.default_rng(0).normal(size=(16, 5, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 2)).astype("float32")


def small_model(loss="mse"):
    x = keras.Input((5, 4))
    y = L.Bidirectional(L.LSTM(3, dropout=0.2))(x)
    inner = keras.Sequential([L.Dense(4, activation="relu"), L.BatchNormalization()])
    y = L.Dense(2, name="out")(L.Dropout(0.1)(inner(y)))
    model = keras.Model(x, y)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["mae"])
    return model


def same_weights(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5", ""])
def test_a_whole_model_comes_back_and_trains_on(tmp_path, ending):
    model = small_model()
    model.fit(X, Y, epochs=2, verbose=0)
    path = tmp_path / f"model{ending}"
    model.save(path, zipped=None if ending else False)
    again = keras.models.load_model(path)
    assert same_weights(model, again)
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))
    assert int(again.optimizer.iterations.numpy()) == int(model.optimizer.iterations.numpy()) == 2
    if ending not in (".h5", ".hdf5"):  # which hold no states of random numbers
        for m in (model, again):
            m.last = m.fit(X, Y, epochs=2, shuffle=False, verbose=0).history["loss"]
        assert model.last == again.last


def test_to_a_binary_file():
    model = small_model()
    file = io.BytesIO()
    keras.saving.save_model(model, file)
    file.seek(0)
    assert same_weights(model, keras.saving.load_model(file))


@pytest.mark.parametrize("name", ["a.weights.h5", "a.safetensors", "a.h5", "a.keras"])
def test_weights_come_back(tmp_path, name):
    model, other = small_model(), small_model()
    path = tmp_path / name
    model.save(path) if name == "a.keras" else model.save_weights(path)
    assert not same_weights(model, other)
    other.load_weights(path)
    assert same_weights(model, other)


def test_weights_in_shards(tmp_path):
    model, other = small_model(), small_model()
    with pytest.raises(ValueError, match="every single array"):
        model.save_weights(tmp_path / "a.weights.json", max_shard_size=1e-9)
    assert os.listdir(tmp_path) == []
    model.save_weights(tmp_path / "a.weights.json", max_shard_size=4e-7)
    assert len(os.listdir(tmp_path)) > 2
    other.load_weights(tmp_path / "a.weights.json")
    assert same_weights(model, other)


def test_mistakes_with_paths(tmp_path):
    model = small_model()
    with pytest.raises(ValueError, match="ends in .keras"):
        model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="weights.h5"):
        model.save_weights(tmp_path / "model.txt")
    with pytest.raises(FileNotFoundError, match="File not found"):
        keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="known arguments"):
        model.save(tmp_path / "model.keras", compress=True)
    model.save(tmp_path / "model.keras")
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "model.keras", overwrite=False)
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(ValueError, match="undamaged"):
        keras.models.load_model(tmp_path / "text.keras")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(ValueError, match="HDF5"):
        keras.models.load_model(tmp_path / "text.h5")
    model.save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="load_weights"):
        keras.models.load_model(tmp_path / "w.h5")


@pytest.mark.parametrize("name", ["a.weights.h5", "a.safetensors", "a.h5"])
def test_weights_that_do_not_fit(tmp_path, name):
    def model(units):
        return keras.Sequential([keras.Input((4,)), L.Dense(3, name="a"), L.Dense(units, name="b")])

    first, second = model(2), model(5)
    first.save_weights(tmp_path / name)
    before = second.get_weights()
    with pytest.raises(ValueError, match="shape|layers"):
        second.load_weights(tmp_path / name)
    if name != "a.weights.h5":  # where layers are filled one by one
        assert all(np.array_equal(a, b) for a, b in zip(before, second.get_weights()))
    with pytest.warns(UserWarning):
        second.load_weights(tmp_path / name, skip_mismatch=True)
    assert np.array_equal(second.get_weights()[0], first.get_weights()[0])
    assert np.array_equal(second.get_weights()[2], before[2])


def test_file_editor(tmp_path, capsys):
    def model(*names):
        return keras.Sequential([keras.Input((3,)), *(L.Dense(3, name=n) for n in names)])

    old, new = model("a", "b"), model("a", "between", "b")
    old.save(tmp_path / "a.keras")
    editor = keras.saving.KerasFileEditor(tmp_path / "a.keras")
    assert editor.config["class_name"] == "Sequential" and "keras_version" in editor.metadata
    editor.summary()
    assert "layers/dense_1 (b)" in capsys.readouterr().out
    assert editor.compare(old) == {"status": "success", "error_count": 0, "match_count": 4}
    assert editor.compare(new)["error_count"] == 1
    editor.rename_object("dense_1", "dense_2")
    editor.add_object("layers/dense_1", {"0": np.eye(3), "1": np.ones(2)})
    assert editor.compare(new)["error_count"] == 1
    editor.add_weights("dense_1", {"1": np.ones(3)})
    assert editor.compare(new)["status"] == "success"
    editor.save(tmp_path / "b.weights.h5")
    new.load_weights(tmp_path / "b.weights.h5")
    np.testing.assert_array_equal(new.get_weights()[2], np.eye(3))
    np.testing.assert_array_equal(new.get_weights()[4], old.get_weights()[2])
    editor = keras.saving.KerasFileEditor(tmp_path / "b.weights.h5")
    editor.delete_weight("layers/dense", "1")
    editor.delete_object("dense_1")
    assert editor.compare(new)["error_count"] == 2
    for mistake in (
        lambda: editor.delete_object("dense_7"),
        lambda: editor.add_object("nowhere/x", {}),
        lambda: editor.add_object("layers/dense", {}),
        lambda: editor.rename_object("dense", "dense_2"),
        lambda: editor.save(tmp_path / "b.txt"),
    ):
        with pytest.raises(ValueError, match="KerasFileEditor"):
            mistake()


def test_export_without_a_format_names_those_there_are(tmp_path):
    with pytest.raises(ValueError, match="onnx.*tahr"):
        small_model().export(tmp_path / "m")


def test_a_compile_of_ones_own_is_not_called(tmp_path):
    @keras.saving.register_keras_serializable(package="saving_tests")
    class Own(keras.Sequential):
        def compile(self, *args, **kwargs):
            super().compile(*args, **kwargs)

    model = Own([keras.Input((2,)), L.Dense(1)])
    model.compile("sgd", "mse")
    model.save(tmp_path / "a.keras")
    with pytest.warns(UserWarning, match="compile"):
        assert not keras.models.load_model(tmp_path / "a.keras").compiled


def test_names_of_functions_are_their_own():
    config = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "something"}
    with pytest.raises(ValueError, match="registered_name"):
        keras.saving.deserialize_keras_object(config)
    dense = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}, "registered_name": ""}
    assert keras.saving.deserialize_keras_object(dense).units == 1
    with pytest.raises(ValueError, match="registered_name"):
        keras.saving.deserialize_keras_object({**dense, "registered_name": "builtins.eval"})


def test_arguments_for_other_formats(tmp_path):
    model = small_model()
    model.save(tmp_path / "a.keras")
    model.save_weights(tmp_path / "a.weights.h5")
    model.save_weights(tmp_path / "a.h5")
    for name, kwargs in (
        ("a.keras", {"objects_to_skip": []}),
        ("a.keras", {"by_name": True}),
        ("a.weights.h5", {"by_name": True}),
        ("a.h5", {"objects_to_skip": []}),
        ("a.h5", {"unknown": 1}),
    ):
        with pytest.raises(ValueError, match=next(iter(kwargs))):
            model.load_weights(tmp_path / name, **kwargs)
    other = small_model()
    before = other.layers[-1].get_weights()
    other.load_weights(tmp_path / "a.weights.h5", objects_to_skip=[other.layers[-1]])
    assert np.array_equal(other.layers[-1].get_weights()[0], before[0])
    assert np.array_equal(other.get_weights()[0], model.get_weights()[0])


def test_what_preprocessing_layers_learned(tmp_path):
    """Vocabularies are assets of a `.keras` file, boundaries and means weights; `.h5` says that it keeps no assets."""
    words = L.StringLookup(name="words")
    words.adapt(np.array(["x", "y", "x"]))
    text = L.TextVectorization(output_mode="tf_idf", name="text")
    text.adapt(np.array(["the cat sat", "a dog sat"]))
    numbers = L.IntegerLookup(name="numbers")
    numbers.adapt(np.array([5, 7, 5, 9]))
    bins = L.Discretization(num_bins=3, name="bins")
    bins.adapt(np.linspace(0, 1, 50).astype("float32"))
    for layer, dtype, x in (
        (words, "string", np.array([["x", "z"], ["y", "b"]])),
        (text, "string", np.array([["the dog sat"], ["cat"]])),
        (numbers, "int64", np.array([[5, 7], [9, 1]])),
        (bins, "float32", np.array([[0.1, 0.5], [0.9, 0.3]], "float32")),
    ):
        model = keras.Sequential([keras.Input((x.shape[1],), dtype=dtype), layer])
        model.save(tmp_path / "a.keras")
        again = keras.models.load_model(tmp_path / "a.keras").get_layer(layer.name)
        np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(layer(x)))
        if layer is not bins:
            with pytest.warns(UserWarning, match="assets"):
                model.save(tmp_path / "a.h5")


@pytest.mark.parametrize("nested", [False, True])
def test_frozen_layers_stay_frozen(tmp_path, nested):
    x = keras.Input((4,))
    base = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization()], name="base")
    model = keras.Model(x, L.Dense(2)(base(x) if nested else base.layers[0](x)))
    base.trainable = False
    model.compile("adam", "mse")
    model.fit(X[:, 0], Y, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    for copy in (again, keras.models.clone_model(model), keras.Model.from_config(model.get_config())):
        assert [v.shape for v in copy.trainable_weights] == [v.shape for v in model.trainable_weights] == [(3, 2), (2,)]
    assert len(again.optimizer.variables) == len(model.optimizer.variables)
    frozen = base.get_weights()[0]
    again.fit(X[:, 0], Y, verbose=0)
    assert any(np.array_equal(frozen, w) for w in again.get_weights())
