"""Programs as tutorials write them, import line changed: what they print and return stays the same."""

import os
import pathlib

import numpy as np
import pytest
import tahr as tf
from tahr import keras
from tahr.keras import Sequential, layers, models
from tahr.keras.layers import Dense

DATA = os.environ.get("TAHR_DATA_DIR") or str(pathlib.Path(__file__).resolve().parents[4] / "shared" / "data")


@pytest.fixture
def data(monkeypatch):
    if not os.path.isdir(os.path.join(DATA, "fashion-mnist")):
        pytest.skip("no Fashion-MNIST in TAHR_DATA_DIR")
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(42)


# Tensors, variables, gradients


def test_tensors_and_variables():
    assert repr(tf.ones(shape=(2, 1))) and str(tf.ones(shape=(2, 1))).endswith(
        "(\n[[1.]\n [1.]], shape=(2, 1), dtype=float32)"
    )
    np.testing.assert_array_equal(tf.zeros(shape=(2, 1)), np.zeros((2, 1)))
    x = tf.random.normal(shape=(3, 1), mean=0.0, stddev=1.0)
    assert x.shape == (3, 1) and x.dtype == tf.float32
    with pytest.raises(TypeError, match="immutable.*assign"):
        x[0, 0] = 0.0

    v = tf.Variable(initial_value=tf.random.normal(shape=(3, 1)))
    assert "Variable" in repr(v) and "shape=(3, 1) dtype=float32, numpy=" in repr(v)
    np.testing.assert_array_equal(v.assign(tf.ones((3, 1))), np.ones((3, 1)))
    v[0, 0].assign(3.0)
    np.testing.assert_array_equal(v, [[3], [1], [1]])
    v.assign_add(tf.ones((3, 1)))
    np.testing.assert_array_equal(v, [[4], [2], [2]])
    v.assign_sub(tf.ones((3, 1)))
    np.testing.assert_array_equal(v, [[3], [1], [1]])


def test_eager_operations():
    a = tf.ones((2, 2))
    b = tf.square(a)
    c = tf.sqrt(a)
    d = b + c
    e = tf.matmul(a, b)
    e *= d
    np.testing.assert_array_equal(e, np.full((2, 2), 4.0))
    x = tf.Variable(3.0)
    assert float(x.assign(4.0)) == 4.0 == float(x)


def test_gradients():
    input_var = tf.Variable(initial_value=3.0)
    with tf.GradientTape() as tape:
        result = tf.square(input_var)
    assert float(tape.gradient(result, input_var)) == 6.0

    input_const = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(input_const)
        result = tf.square(input_const)
    assert float(tape.gradient(result, input_const)) == 6.0
    with tf.GradientTape() as tape:
        result = tf.square(input_const)
    assert tape.gradient(result, input_const) is None

    time = tf.Variable(0.0)
    with tf.GradientTape() as outer_tape:
        with tf.GradientTape() as inner_tape:
            position = 4.9 * time**2
        speed = inner_tape.gradient(position, time)
    assert float(outer_tape.gradient(speed, time)) == pytest.approx(9.8)


def test_linear_regression_with_a_tape_is_gradient_descent():
    x_train = np.random.rand(50).astype("float32")
    y_train = 3 * x_train + 1
    w = tf.Variable(tf.zeros(shape=(1)))
    b = tf.Variable(tf.zeros(shape=(1)))
    optimizer = tf.optimizers.SGD(lr=0.01)
    for _ in range(10):
        with tf.GradientTape() as tape:
            z_net = w * x_train + b
            z_net = tf.reshape(z_net, [-1])
            sqr_errors = tf.square(y_train - z_net)
            mean_cost = tf.reduce_mean(sqr_errors)
        grads = tape.gradient(mean_cost, [w, b])
        optimizer.apply_gradients(zip(grads, [w, b]))
    slope = intercept = 0.0
    for _ in range(10):
        error = slope * x_train.astype("float64") + intercept - y_train
        slope, intercept = slope - 0.02 * (error * x_train).mean(), intercept - 0.02 * error.mean()
    # 10 steps, each rounding sums of 50 values of size up to 4
    assert float(w.numpy()[0]) == pytest.approx(slope, abs=10 * 0.02 * 50 * 4 * 6e-8)
    assert float(b.numpy()[0]) == pytest.approx(intercept, abs=10 * 0.02 * 50 * 4 * 6e-8)
    assert float(optimizer.lr) == pytest.approx(0.01) and int(optimizer.iterations) == 10


# Layers and models


class SimpleDense(keras.layers.Layer):
    def __init__(self, units, activation=None):
        super().__init__()
        self.units = units
        self.activation = activation

    def build(self, input_shape):
        input_dim = input_shape[-1]
        self.W = self.add_weight(shape=(input_dim, self.units), initializer="random_normal")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        y = tf.matmul(inputs, self.W) + self.b
        if self.activation is not None:
            y = self.activation(y)
        return y


def test_a_layer_of_ones_own():
    my_dense = SimpleDense(units=32, activation=tf.nn.relu)
    input_tensor = tf.ones(shape=(2, 784))
    output_tensor = my_dense(input_tensor)
    assert output_tensor.shape == (2, 32)
    expected = np.maximum(np.ones((2, 784)) @ my_dense.W.numpy().astype("float64") + my_dense.b.numpy(), 0)
    # sums of 784 products of size up to 0.2
    np.testing.assert_allclose(output_tensor, expected, atol=784 * 0.2 * 6e-8)
    assert len(my_dense.trainable_weights) == 2

    model = keras.Sequential([SimpleDense(32, activation=tf.nn.relu), SimpleDense(10, activation=tf.nn.softmax)])
    np.testing.assert_allclose(tf.reduce_sum(model(tf.ones((4, 8))), axis=-1), np.ones(4), atol=1e-6)


def test_lazy_shapes():
    model = models.Sequential([layers.Dense(32, activation="relu"), layers.Dense(32)])
    assert model.weights == []
    assert model(tf.ones((2, 784))).shape == (2, 32)
    assert [w.shape for w in model.weights] == [(784, 32), (32,), (32, 32), (32,)]


def two_clouds(samples=200):
    cov = [[1, 0.5], [0.5, 1]]
    negative = np.random.multivariate_normal(mean=[0, 3], cov=cov, size=samples)
    positive = np.random.multivariate_normal(mean=[3, 0], cov=cov, size=samples)
    inputs = np.vstack((negative, positive)).astype(np.float32)
    targets = np.vstack((np.zeros((samples, 1), dtype="float32"), np.ones((samples, 1), dtype="float32")))
    order = np.random.permutation(len(inputs))
    return inputs[order], targets[order]


def test_linear_classifier_from_scratch():
    inputs, targets = two_clouds()
    W = tf.Variable(initial_value=tf.random.uniform(shape=(2, 1)))
    b = tf.Variable(initial_value=tf.zeros(shape=(1,)))

    def training_step(inputs, targets):
        with tf.GradientTape() as tape:
            predictions = tf.matmul(inputs, W) + b
            loss = tf.reduce_mean(tf.square(targets - predictions))
        grad_loss_wrt_W, grad_loss_wrt_b = tape.gradient(loss, [W, b])
        W.assign_sub(grad_loss_wrt_W * 0.1)
        b.assign_sub(grad_loss_wrt_b * 0.1)
        return loss

    losses = []
    for _step in range(40):
        loss = training_step(inputs, targets)
        losses.append(float(f"{loss:.4f}"))
    assert losses[-1] < 0.05 < losses[0]
    x = np.linspace(-1, 4, 100)
    y = -W[0] / W[1] * x + (0.5 - b) / W[1]  # the line between the classes
    on_the_line = np.stack([x, y.numpy()], axis=1) @ W.numpy() + b.numpy()
    np.testing.assert_allclose(on_the_line, np.full((100, 1), 0.5), atol=1e-5)


def test_compile_by_name_and_by_object():
    keras.utils.set_random_seed(1)  # steps of 0.1 leave the last accuracy to chance: 0.88 to 1 over a dozen seeds
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="rmsprop", loss="mean_squared_error", metrics=["accuracy"])
    assert type(model.optimizer) is keras.optimizers.RMSprop
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=0.1),
        loss=keras.losses.MeanSquaredError(),
        metrics=[keras.metrics.BinaryAccuracy()],
    )
    inputs, targets = two_clouds()
    val, train = slice(0, 120), slice(120, None)
    history = model.fit(
        inputs[train],
        targets[train],
        epochs=5,
        batch_size=16,
        validation_data=(inputs[val], targets[val]),
        verbose=0,
    )
    assert list(history.history) == ["loss", "binary_accuracy", "val_loss", "val_binary_accuracy"]
    assert history.history["val_binary_accuracy"][-1] > 0.9
    loss, accuracy = model.evaluate(inputs[val], targets[val], batch_size=128, verbose=0)
    assert loss == pytest.approx(history.history["val_loss"][-1], rel=1e-6)  # batches of another size round otherwise
    assert accuracy == pytest.approx(history.history["val_binary_accuracy"][-1], rel=1e-6)
    predictions = model.predict(inputs[val], batch_size=128, verbose=0)
    assert isinstance(predictions, np.ndarray) and predictions.shape == (120, 1)
    assert accuracy == pytest.approx(((predictions > 0.5) == targets[val]).mean(), abs=1e-6)


# Fashion-MNIST and California housing


def test_one_hidden_layer_on_fashion_mnist(data):
    (x_all, y_all), _ = tf.keras.datasets.fashion_mnist.load_data()
    x_train, x_val = x_all[:4800].reshape(-1, 784) / 255, x_all[-1200:].reshape(-1, 784) / 255
    y_train_encoded = tf.keras.utils.to_categorical(y_all[:4800])
    y_val_encoded = tf.keras.utils.to_categorical(y_all[-1200:])
    model = Sequential()
    model.add(Dense(100, activation="sigmoid", input_shape=(784,)))
    model.add(Dense(10, activation="softmax"))
    model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train_encoded, epochs=3, validation_data=(x_val, y_val_encoded), verbose=0)
    assert str(history.history.keys()) == "dict_keys(['loss', 'accuracy', 'val_loss', 'val_accuracy'])"
    loss, accuracy = model.evaluate(x_val, y_val_encoded, verbose=0)
    assert accuracy == history.history["val_accuracy"][-1] > 0.5
    assert history.history["loss"] == sorted(history.history["loss"], reverse=True)


def test_layers_by_index_and_name_and_classes_by_argmax(data, capsys):
    keras.backend.clear_session()
    _, (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    model = keras.models.Sequential(
        [
            keras.layers.Flatten(input_shape=[28, 28]),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    printed = capsys.readouterr().out
    for row in ("flatten (Flatten)", "(None, 300)", "235,500", "30,100", "1,010", "266,610 (1.02 MB)"):
        assert row in printed
    hidden1 = model.layers[1]
    assert hidden1.name == "dense" and model.get_layer("dense") is hidden1
    weights, biases = hidden1.get_weights()
    assert weights.shape == (784, 300) and not biases.any()
    hidden1.set_weights([weights / 2, biases])
    np.testing.assert_array_equal(hidden1.get_weights()[0], weights / 2)

    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    model.fit(x_test / 255.0, y_test, epochs=1, verbose=0)
    x_new = x_test[:3] / 255.0
    y_proba = model.predict(x_new, verbose=0)
    assert y_proba.round(2).shape == (3, 10)
    assert np.argmax(y_proba, axis=1).tolist() == y_test[:3].tolist() == [9, 2, 1]
    assert model.predict_classes(x_new).tolist() == [9, 2, 1]


def build_model(n_hidden=1, n_neurons=30, learning_rate=3e-3, input_shape=(8,)):
    model = keras.models.Sequential()
    model.add(keras.layers.InputLayer(input_shape=input_shape))
    for _ in range(n_hidden):
        model.add(keras.layers.Dense(n_neurons, activation="relu"))
    model.add(keras.layers.Dense(1))
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(lr=learning_rate))
    return model


def test_regression_on_california_housing(data):
    (x_train, y_train), (x_test, y_test) = keras.datasets.california_housing.load_data()
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    x_train, x_test = (x_train - mean) / deviation, (x_test - mean) / deviation
    y_train, y_test = y_train / 1e5, y_test / 1e5
    model = build_model()
    assert float(model.optimizer.lr) == pytest.approx(3e-3)
    stop = keras.callbacks.EarlyStopping(patience=1, min_delta=0.05, restore_best_weights=True)
    history = model.fit(x_train, y_train, epochs=30, validation_split=0.2, callbacks=[stop], verbose=0)
    losses = history.history["val_loss"]
    best = losses[-2]
    assert 2 <= len(losses) < 30 and best - losses[-1] < 0.05  # stopped when it no longer gained 0.05
    held_out = slice(int(len(x_train) * 0.8), None)
    assert model.evaluate(x_train[held_out], y_train[held_out], verbose=0) == pytest.approx(best, rel=1e-5)
    mse_test = model.evaluate(x_test, y_test, verbose=0)
    y_pred = model.predict(x_test, verbose=0)
    assert mse_test == pytest.approx(((y_pred[:, 0] - y_test) ** 2).mean(), rel=1e-4)
    assert mse_test < y_test.var()
