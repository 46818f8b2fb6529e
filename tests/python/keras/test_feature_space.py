"""FeatureSpace: encodings against Keras 3.15.1 on TensorFlow (constants below), NumPy, and through models and files."""

import numpy as np
import pytest
from tahr import keras
from tahr.data import Dataset

FeatureSpace = keras.utils.FeatureSpace

TABLE = {
    "age": [31.0, 45.5, 22.0, 67.0, 51.0, 38.0],
    "income": [1.5, 9.0, 2.25, 4.0, 3.0, 7.5],
    "rooms": [1, 2, 2, 4, 3, 2],
    "town": ["Ulm", "Graz", "Ulm", "Bern", "Graz", "Ulm"],
    "street": ["a", "b", "c", "d", "e", "f"],
    "zip": [89073, 8010, 89075, 3011, 8020, 89077],
}
# What Keras with TensorFlow makes of TABLE with the features of `table_space`: where the ones are, after the first column.
HOT = [
    [0, 7, 12, 14, 18, 20, 29],
    [2, 4, 10, 15, 16, 23, 26],
    [1, 4, 10, 14, 19, 23, 29],
    [2, 5, 8, 13, 17, 25, 28],
    [1, 6, 9, 15, 16, 23, 28],
    [2, 4, 10, 14, 18, 23, 29],
]


def table_space(**kwargs):
    return FeatureSpace(
        {
            "age": "float_normalized",
            "income": FeatureSpace.float_discretized(3),
            "rooms": "integer_categorical",
            "town": FeatureSpace.string_categorical(max_tokens=3),
            "street": FeatureSpace.string_hashed(5),
            "zip": FeatureSpace.integer_hashed(4),
        },
        crosses=[("town", "rooms"), ("income", "street")],
        crossing_dim=6,
        **kwargs,
    )


def arrays():
    return {name: np.array(values) for name, values in TABLE.items()}


def expected():
    out = np.zeros((6, 33))
    age = np.array(TABLE["age"])
    out[:, 0] = (age - age.mean()) / age.std()
    for row, hot in zip(out, HOT):
        row[[i + 1 for i in hot]] = 1.0
    return out


def sources():
    rows = Dataset.from_tensor_slices(arrays())
    return {"lists": TABLE, "arrays": arrays(), "rows": rows, "batches": rows.batch(4)}


@pytest.mark.parametrize("source", ["lists", "arrays", "rows", "batches"])
def test_encodes_as_keras_whatever_it_was_adapted_on(source):
    space = table_space()
    space.adapt(sources()[source], verbose=0)
    # float32 mean and deviation of six numbers below 100: a few roundings of values up to 1.7
    np.testing.assert_allclose(space(TABLE), expected(), atol=16 * 1.7 * 2**-24)
    np.testing.assert_array_equal(space(arrays()), space(TABLE))


def test_single_rows_have_no_batch_axis():
    space = table_space()
    space.adapt(TABLE, verbose=0)
    all_rows = space(TABLE).numpy()
    for i in (0, 3):
        one = space({name: values[i] for name, values in TABLE.items()})
        assert one.shape == (33,)
        np.testing.assert_array_equal(one, all_rows[i])


def test_dict_has_the_parts_of_the_vector():
    vector, parts = table_space(), table_space(output_mode="dict")
    vector.adapt(TABLE, verbose=0)
    parts.adapt(TABLE, verbose=0)
    encoded = parts(TABLE)
    assert list(encoded) == ["age", "income", "rooms", "street", "town", "zip", "income_X_street", "town_X_rooms"]
    np.testing.assert_array_equal(np.concatenate(list(encoded.values()), axis=1), vector(TABLE))


def test_integers_rescaled_and_plain_floats():
    space = FeatureSpace(
        {
            "a": "float",
            "b": FeatureSpace.float_rescaled(scale=2.0, offset=-1.0),
            "c": FeatureSpace.float_discretized(None, bin_boundaries=[0.5, 1.5], output_mode="int"),
            "d": FeatureSpace.integer_hashed(3, output_mode="int"),
        },
        output_mode="dict",
    )
    out = space({"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [0.0, 1.5], "d": [10, 11]})  # nothing to adapt
    np.testing.assert_array_equal(out["a"], [[1.0], [2.0]])
    np.testing.assert_array_equal(out["b"], [[1.0], [3.0]])
    np.testing.assert_array_equal(out["c"], [[0], [2]])
    np.testing.assert_array_equal(out["d"], keras.layers.Hashing(3)([[10], [11]]))
    assert all("int" in out[k].dtype.name for k in "cd")


def test_layer_of_ones_own():
    text = keras.layers.TextVectorization(output_mode="tf_idf")
    space = FeatureSpace({"text": FeatureSpace.feature("string", text, "float")})
    data = {"text": ["red car", "blue car", "blue sky"]}
    space.adapt(data, verbose=0)
    alone = keras.layers.TextVectorization(output_mode="tf_idf")
    alone.adapt(np.array(data["text"]))
    np.testing.assert_allclose(space(data), alone(np.array(data["text"])), rtol=2**-22)
    assert space.preprocessors["text"] is text


def test_model_on_raw_data_and_its_file(tmp_path):
    space = table_space()
    space.adapt(TABLE, verbose=0)
    model = keras.Model(space.get_inputs(), space.get_encoded_features())
    np.testing.assert_array_equal(model.predict(arrays(), verbose=0), space(TABLE))
    np.testing.assert_array_equal(model.predict(Dataset.from_tensor_slices(arrays()).batch(4), verbose=0), space(TABLE))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(arrays(), verbose=0), space(TABLE))


def test_save_load_and_save_again(tmp_path):
    space = table_space()
    space.adapt(TABLE, verbose=0)
    space.save(tmp_path / "1.keras")
    second = keras.models.load_model(tmp_path / "1.keras")
    second.save(tmp_path / "2.keras")
    for loaded in (second, keras.models.load_model(tmp_path / "2.keras")):
        assert isinstance(loaded, FeatureSpace)
        np.testing.assert_array_equal(loaded(TABLE), space(TABLE))
        model = keras.Model(loaded.get_inputs(), loaded.get_encoded_features())
        np.testing.assert_array_equal(model.predict(arrays(), verbose=0), space(TABLE))


def test_the_same_training_inside_and_outside_of_the_model():
    target = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    space = table_space()
    rows = Dataset.from_tensor_slices((arrays(), target))
    space.adapt(rows.map(lambda x, y: x), verbose=0)

    def compiled(inputs, features):
        outputs = keras.layers.Dense(1, kernel_initializer="zeros")(features)
        model = keras.Model(inputs, outputs)
        model.compile("sgd", "mse")
        return model

    inside = compiled(space.get_inputs(), space.get_encoded_features())
    x = keras.Input((33,))
    outside = compiled(x, x)
    first = inside.fit(rows.batch(3), epochs=3, verbose=0).history["loss"]
    second = outside.fit(rows.map(lambda x, y: (space(x), y)).batch(3), epochs=3, verbose=0).history["loss"]
    np.testing.assert_allclose(first, second, rtol=1e-6)
    assert first[-1] < first[0]


def test_adapting_anew_forgets_the_old_vocabulary():
    space = FeatureSpace({"x": "string_categorical"})
    space.adapt({"x": ["a", "b"]}, verbose=0)
    assert space({"x": ["a"]}).shape == (1, 3)
    space.adapt({"x": ["a", "b", "c", "d"]}, verbose=0)
    assert space({"x": ["a"]}).shape == (1, 5)
    assert space.get_encoded_features().shape == (None, 5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"features": {}}, "cannot be None or empty"),
        ({"features": {"a": "float"}, "output_mode": "list"}, "for argument `output_mode`"),
        ({"features": {"a": "number"}}, "Invalid feature type of 'a'"),
        ({"features": {"a": "float"}, "crosses": [("a", "b")]}, r"should be present in `features`.*\['b'\]"),
        ({"features": {"a": "float"}, "crosses": [("a", "a")], "crossing_dim": None}, "`crossing_dim`"),
    ],
)
def test_refuses_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        FeatureSpace(**arguments)


def test_refuses_data():
    space = FeatureSpace({"a": "float_normalized"})
    with pytest.raises(ValueError, match=r"You need to call `.adapt"):
        space({"a": [1.0]})
    with pytest.raises(ValueError, match="Dataset or a dict of arrays"):
        space.adapt([1.0])
    with pytest.raises(ValueError, match="Drop targets"):
        space.adapt(Dataset.from_tensor_slices(({"a": [1.0]}, [1.0])), verbose=0)
    space.adapt({"a": [1.0, 2.0]}, verbose=0)
    with pytest.raises(ValueError, match="only be called with a dict"):
        space([1.0])
    with pytest.raises(ValueError, match=r"features \['a'\], received \['a', 'b'\]"):
        space({"a": [1.0], "b": [2.0]})
    ints = FeatureSpace({"a": FeatureSpace.integer_hashed(3, output_mode="int")})
    with pytest.raises(ValueError, match="has not been encoded"):
        ints({"a": [1]})
