"""What older scripts write: arguments, methods and attributes of Keras 1 and 2, names of TensorFlow beside Keras.

Each either means what it meant or stops with one line that names what to write instead.
"""

import numpy as np
import pytest
import tahr as tf
from tahr import gone, keras
from tahr.keras import layers

X = np.random.default_rng(0).random((8, 4), dtype=np.float32)
Y = X[:, :1]


def built(*stack):
    return keras.Sequential(stack)


# Old arguments beside the same layer in today's words.
LAYERS = {
    "output_dim": (lambda: layers.Dense(output_dim=3), lambda: layers.Dense(3)),
    "init": (lambda: layers.Dense(3, init="zeros"), lambda: layers.Dense(3, kernel_initializer="zeros")),
    "bias": (lambda: layers.Dense(3, bias=False), lambda: layers.Dense(3, use_bias=False)),
    "W_regularizer": (lambda: layers.Dense(3, W_regularizer="l2"), lambda: layers.Dense(3, kernel_regularizer="l2")),
    "border_mode": (lambda: layers.Conv2D(3, 3, border_mode="same"), lambda: layers.Conv2D(3, 3, padding="same")),
    "keras_1": (
        lambda: layers.Convolution2D(3, 5, 2, border_mode="same", dim_ordering="th", subsample=(2, 2)),
        lambda: layers.Conv2D(3, (5, 2), padding="same", data_format="channels_first", strides=2),
    ),
    "nb_row": (lambda: layers.Convolution2D(nb_filter=3, nb_row=5, nb_col=2), lambda: layers.Conv2D(3, (5, 2))),
    "pool": (
        lambda: layers.MaxPooling2D((2, 2), border_mode="valid", dim_ordering="tf"),
        lambda: layers.MaxPooling2D((2, 2), padding="valid", data_format="channels_last"),
    ),
    "pool_length": (
        lambda: layers.MaxPooling1D(pool_length=3, stride=2),
        lambda: layers.MaxPooling1D(pool_size=3, strides=2),
    ),
    "p": (lambda: layers.Dropout(p=0.25), lambda: layers.Dropout(0.25)),
    "sigma": (lambda: layers.GaussianNoise(sigma=0.5), lambda: layers.GaussianNoise(0.5)),
    "inner": (
        lambda: layers.LSTM(3, inner_activation="sigmoid", inner_init="zeros", dropout_W=0.1, dropout_U=0.2),
        lambda: layers.LSTM(
            3, recurrent_activation="sigmoid", recurrent_initializer="zeros", dropout=0.1, recurrent_dropout=0.2
        ),
    ),
    "consume_less": (lambda: layers.GRU(3, consume_less="mem"), lambda: layers.GRU(3)),
    "fused": (lambda: layers.BatchNormalization(fused=True), lambda: layers.BatchNormalization()),
    "CuDNNLSTM": (lambda: layers.CuDNNLSTM(4), lambda: layers.LSTM(4)),
    "Deconvolution2D": (lambda: layers.Deconvolution2D(4, 3), lambda: layers.Conv2DTranspose(4, 3)),
    "l1l2": (
        lambda: layers.Dense(3, kernel_regularizer=keras.regularizers.l1l2(0.1, 0.2)),
        lambda: layers.Dense(3, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2)),
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_arguments_of_layers(case):
    old, new = (make().get_config() for make in LAYERS[case])
    old.pop("name"), new.pop("name")
    assert old == new


def test_unknown_arguments_are_still_refused():
    with pytest.raises(ValueError, match=r"\[BatchNormalization\] .*received \['mode'\]"):
        layers.BatchNormalization(mode=0)
    with pytest.raises(ValueError, match=r"\[Dense\] .*received \['border_mode'\]"):
        layers.Dense(3, border_mode="same")


def test_a_class_of_the_user_keeps_its_own_words():
    class Mine(layers.Layer):
        def __init__(self, init, p, **kwargs):
            super().__init__(**kwargs)
            self.given = (init, p)

    assert Mine(init=1, p=2).given == (1, 2)


def test_shapes_of_the_input():
    assert built(layers.Dense(1, input_dim=4)).output_shape == (None, 1)
    assert built(layers.Dense(1, input_shape=(4,))).output_shape == (None, 1)
    assert built(layers.LSTM(3, batch_input_shape=(2, 5, 3), stateful=True)).output_shape == (2, 3)
    assert built(layers.Embedding(10, 3, input_length=5), layers.Flatten()).output_shape == (None, 15)


def test_input_shape_and_output_shape_of_layers():
    model = built(keras.Input((4,)), layers.Dense(3), layers.Dense(1))
    assert model.layers[1].input_shape == (None, 3) and model.layers[1].output_shape == (None, 1)
    with pytest.raises(AttributeError, match="expected a layer that is part of a model for its output shape"):
        layers.Dense(2).output_shape  # noqa: B018

    class Keeps(layers.Layer):
        def __init__(self):
            super().__init__()
            self.input_shape = "mine"

    assert Keeps().input_shape == "mine"


def compiled(**kwargs):
    model = built(layers.Dense(1, input_shape=(4,)))
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(lr=0.1, decay=1e-3), **kwargs)
    return model


def test_decay_is_applied():
    model = compiled()
    model.layers[0].set_weights([np.zeros((4, 1)), np.zeros(1)])
    model.fit(np.zeros((3, 4)), np.ones((3, 1)), batch_size=1, epochs=1, verbose=0)
    bias = 0.0
    for step in range(3):  # lr / (1 + decay * step), gradient 2 * (bias - 1)
        bias -= 0.1 / (1 + 1e-3 * step) * 2 * (bias - 1)
    np.testing.assert_allclose(model.layers[0].bias, [bias], rtol=1e-6)


def test_arguments_of_fit():
    model = compiled(metrics=["acc"])
    history = model.fit(X, Y, nb_epoch=2, verbose=0, workers=4, use_multiprocessing=False, max_queue_size=10)
    assert history.epoch == [0, 1] and "acc" in history.history

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[:4], Y[:4]

    data = Batches()
    model.fit(data, verbose=0, workers=2)
    assert data.workers == 2


def test_acc_finds_accuracy():
    history = compiled(metrics=["accuracy"]).fit(X, Y, validation_split=0.5, verbose=0).history
    assert history["acc"] == history["accuracy"] and history["val_acc"] == history["val_accuracy"]
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    with pytest.raises(KeyError, match="val_mae"):
        history["val_mae"]


def test_methods_of_models():
    model = compiled()

    def batches():
        while True:
            yield X, Y

    history = model.fit_generator(batches(), steps_per_epoch=2, epochs=2, verbose=0)
    assert history.epoch == [0, 1]
    assert model.evaluate_generator(batches(), steps=1) == pytest.approx(model.evaluate(X, Y, verbose=0))
    np.testing.assert_array_equal(model.predict_generator(batches(), steps=1), model.predict(X, verbose=0))
    np.testing.assert_array_equal(model.predict_proba(X), model.predict(X, verbose=0))
    np.testing.assert_array_equal(model.predict_classes(X), (model.predict(X, verbose=0) > 0.5).astype("int32"))
    assert float(model.optimizer.lr) == pytest.approx(0.1)
    assert model.metrics_names == ["loss"]
    with pytest.raises(RuntimeError, match="to_json"):
        model.to_yaml()


@pytest.mark.parametrize("name", gone.REPLACEMENTS)
def test_names_of_tensorflow_that_are_gone_name_a_replacement(name):
    with pytest.raises(AttributeError, match=rf"\[tahr\] tf\.{name} is not offered: ") as caught:
        getattr(tf, name)
    assert "\n" not in str(caught.value)


def test_names_of_tensorflow():
    assert tf.bool == "bool" and tf.string == "string"
    shape = tf.TensorShape([None, 3])
    assert shape == (None, 3) and shape.as_list() == [None, 3] and shape.rank == 2 and shape.num_elements() is None
    assert tf.test.gpu_device_name() == "" or tf.test.is_gpu_available()
    devices = tf.config.list_physical_devices("CPU")
    tf.config.experimental.set_memory_growth(devices[0], True)
    assert tf.config.list_logical_devices("CPU")[0].name == "/device:CPU:0"
    assert tf.py_function(lambda a: a.numpy() + 1, [tf.constant([1.0])], tf.float32).numpy().tolist() == [2.0]
    assert tf.random_normal((2, 3)).shape == (2, 3)
    tf.set_random_seed(0)
    tf.enable_eager_execution()
    assert tf.data.experimental.AUTOTUNE == tf.data.AUTOTUNE
    with pytest.raises(AttributeError, match="TextLineDataset is not offered.*from_generator"):
        tf.data.TextLineDataset  # noqa: B018


def test_print_writes_values(capsys):
    tf.print("x:", tf.constant([1.0, 2.0]), tf.Variable(3), summarize=-1)
    assert capsys.readouterr().err == "x: [1. 2.] 3\n"

    @tf.function
    def traced(x):
        tf.print(x)
        return x

    with pytest.raises(RuntimeError, match=r"\[print\] expected tensors with values"):
        traced(tf.constant(1.0))


def test_module_collects_its_variables():
    class Inner(tf.Module):
        def __init__(self):
            super().__init__(name="inner")
            self.w = tf.Variable(1.0)

    class Outer(tf.Module):
        def __init__(self):
            super().__init__()
            self.parts = [Inner(), {"b": tf.Variable(2.0, trainable=False)}]
            self.again = self.parts[0]

    outer = Outer()
    assert [float(v) for v in outer.variables] == [1.0, 2.0]
    assert [float(v) for v in outer.trainable_variables] == [1.0]
    assert outer.submodules == (outer.again,) and outer.name == "outer"


def test_convolution_and_pooling_with_arguments_of_tf_nn():
    image = np.random.default_rng(1).normal(size=(1, 4, 6, 2)).astype("float32")
    kernel = np.random.default_rng(2).normal(size=(3, 3, 2, 5)).astype("float32")
    got = tf.nn.conv2d(image, kernel, strides=[1, 2, 2, 1], padding="SAME")
    np.testing.assert_array_equal(got, keras.ops.conv(image, kernel, 2, "same", "channels_last"))
    first = tf.nn.conv2d(image.transpose(0, 3, 1, 2), kernel, [1, 1, 2, 2], "SAME", data_format="NCHW")
    np.testing.assert_allclose(np.transpose(first, (0, 2, 3, 1)), got, rtol=1e-5, atol=1e-5)
    want = image.reshape(1, 2, 2, 3, 2, 2).max((2, 4))
    np.testing.assert_array_equal(tf.nn.max_pool(image, ksize=2, strides=2, padding="VALID"), want)
    mean = image.astype("f8").reshape(1, 2, 2, 3, 2, 2).mean((2, 4))
    np.testing.assert_allclose(tf.nn.avg_pool(image, 2, 2, "VALID"), mean, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"\[conv2d\] expected data_format"):
        tf.nn.conv2d(image, kernel, 1, "SAME", data_format="HWCN")


def test_images_with_names_of_tf_image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    keras.utils.save_img(tmp_path / "a.png", pixels, scale=False)
    image = tf.image.decode_png(tf.io.read_file(tmp_path / "a.png"))
    np.testing.assert_array_equal(image, pixels)
    assert tf.image.decode_jpeg(tf.io.read_file(tmp_path / "a.png"), channels=1).shape == (5, 7, 1)
    with pytest.raises(ValueError, match=r"\[decode_image\] expected the bytes of an image file"):
        tf.image.decode_image(b"no image")
    unit = tf.image.convert_image_dtype(image, tf.float32)
    np.testing.assert_allclose(unit, pixels / 255.0, rtol=1e-6)
    np.testing.assert_array_equal(tf.image.convert_image_dtype(unit, tf.uint8, saturate=True), pixels)
    assert tf.image.resize(image, (10, 4)).dtype == "float32"
    assert tf.image.resize(image, (10, 10), preserve_aspect_ratio=True).shape == (7, 10, 3)
    np.testing.assert_array_equal(tf.image.resize(image, (10, 14), method="nearest"), pixels.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(tf.image.flip_left_right(image), pixels[:, ::-1])
    np.testing.assert_array_equal(tf.image.flip_up_down(image), pixels[::-1])
    tf.random.set_seed(1)
    batch = np.stack([pixels] * 40)
    flipped = [not np.array_equal(a, pixels) for a in tf.image.random_flip_left_right(batch).numpy()]
    assert 5 < sum(flipped) < 35  # 40 throws of a coin: outside with a probability below 1e-6
    np.testing.assert_allclose(
        tf.image.adjust_contrast(pixels.astype("float32"), 2.0),
        (pixels - pixels.mean((0, 1))) * 2 + pixels.mean((0, 1)),
        rtol=1e-4,
        atol=1e-2,
    )
    assert tf.image.central_crop(pixels, 0.5).shape == (3, 5, 3)
    assert tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(unit)).shape == (5, 7, 3)


@pytest.mark.parametrize("name", ["DenseFeatures", "LocallyConnected1D", "LocallyConnected2D"])
def test_layers_without_a_counterpart_say_what_to_use(name):
    with pytest.raises(AttributeError, match=rf"{name} is not offered any more: .*keras\."):
        getattr(keras.layers, name)
