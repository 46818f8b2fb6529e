"""keras.ops.image beside real Keras is in test_image_layers.py; here: graphs of these ops."""

import numpy as np
from tahr import keras


def test_a_graph_of_image_ops_survives_its_config() -> None:
    inputs = keras.Input((6, 8, 3))
    model = keras.Model(inputs, keras.ops.image.rgb_to_grayscale(keras.ops.image.resize(inputs, (3, 4))))
    assert model.output_shape == (None, 3, 4, 1)
    x = np.random.default_rng(0).uniform(size=(2, 6, 8, 3)).astype("float32")
    again = keras.Model.from_config(model.get_config())
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
