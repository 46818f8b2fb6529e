"""compile, fit, evaluate, predict: against NumPy in float64, and against what Keras promises."""

import io
import re
import sys
import warnings

import numpy as np
import pytest
import tahr
from tahr import keras

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype("float32")
LABELS = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)  # 3 classes
LINE = (X @ np.array([[1.0], [-2.0], [0.5], [0.0]]) + 3).astype("float32")


def linear(**compile_arguments):
    model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones", name="line")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", **compile_arguments})
    return model


def classifier(loss="sparse_categorical_crossentropy", **compile_arguments):
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax", kernel_initializer="zeros")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.5), "loss": loss, **compile_arguments})
    return model


def linear_reference(x, y, epochs, batch, rate=0.1, weights=None, regularizer=0.0):
    """Mean loss per epoch (batches weighted by their size), and the weights, of SGD on a linear model."""
    x, y = x.astype("float64"), y.astype("float64").reshape(-1, 1)
    s = np.ones((len(x), 1)) if weights is None else np.asarray(weights, dtype="float64").reshape(-1, 1)
    w, b, losses = np.ones((x.shape[1], 1)), np.zeros(1), []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch):
            rows = slice(start, start + batch)
            error = x[rows] @ w + b - y[rows]
            n = len(error)
            total += n * ((s[rows] * error**2).mean() + regularizer * (w**2).sum())
            gw = 2 / n * x[rows].T @ (s[rows] * error) + 2 * regularizer * w
            gb = 2 / n * (s[rows] * error).sum(0)
            w, b = w - rate * gw, b - rate * gb
        losses.append(total / len(x))
    return losses, w, b


# A few hundred float32 operations on values of magnitude one, one after the other.
CLOSE = {"rtol": 2e-5, "atol": 2e-6}


def test_fit_follows_numpy_with_a_smaller_last_batch():
    model = linear()
    history = model.fit(X, LINE, batch_size=16, epochs=5, shuffle=False, verbose=0)
    losses, w, b = linear_reference(X, LINE, 5, 16)
    np.testing.assert_allclose(history.history["loss"], losses, **CLOSE)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel, w, **CLOSE)
    np.testing.assert_allclose(bias, b, **CLOSE)


def test_softmax_regression_follows_numpy():
    model = classifier(metrics=["accuracy"])
    history = model.fit(X, LABELS, batch_size=10, epochs=4, shuffle=False, verbose=0)
    w, b, x = np.zeros((4, 3)), np.zeros(3), X.astype("float64")
    for epoch in range(4):
        total, right = 0.0, 0
        for start in range(0, 50, 10):
            rows = slice(start, start + 10)
            z = x[rows] @ w + b
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            t = np.eye(3)[LABELS[rows]]
            total += -np.log((p * t).sum(1)).sum()
            right += (p.argmax(1) == LABELS[rows]).sum()
            w, b = w - 0.5 * x[rows].T @ (p - t) / 10, b - 0.5 * (p - t).mean(0)
        np.testing.assert_allclose(history.history["loss"][epoch], total / 50, **CLOSE)
        np.testing.assert_allclose(history.history["accuracy"][epoch], right / 50, rtol=1e-6)


def test_sample_weight_and_class_weight():
    by_class = {0: 1.0, 1: 2.0, 2: 0.5}
    weights = np.array([by_class[k] for k in LABELS])
    losses, w, _ = linear_reference(X, LINE, 3, 16, weights=weights)
    model = linear()
    history = model.fit(X, LINE, sample_weight=weights, batch_size=16, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], losses, **CLOSE)
    np.testing.assert_allclose(model.get_weights()[0], w, **CLOSE)

    results = []
    for arguments in ({"class_weight": {1: 2.0, 2: 0.5}}, {"sample_weight": weights}):
        model = classifier(metrics=["accuracy"], weighted_metrics=["accuracy"])
        results.append(model.fit(X, LABELS, epochs=2, shuffle=False, verbose=0, **arguments).history)
    assert results[0] == results[1]
    assert list(results[0]) == ["loss", "accuracy", "weighted_accuracy"]
    assert results[0]["accuracy"] != results[0]["weighted_accuracy"]
    one_hot = classifier("categorical_crossentropy")
    again = one_hot.fit(X, np.eye(3)[LABELS], class_weight=by_class, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(again.history["loss"], results[0]["loss"], **CLOSE)


def test_regularizer_is_part_of_the_loss():
    model = keras.Sequential(
        [keras.layers.Dense(1, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L2(0.1))]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    history = model.fit(X, LINE, batch_size=25, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], linear_reference(X, LINE, 3, 25, regularizer=0.1)[0], **CLOSE)


def test_names_and_order_of_logs():
    model = classifier(metrics=["accuracy"])
    history = model.fit(X, LABELS, epochs=2, validation_data=(X, LABELS), verbose=0)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epoch == [0, 1]
    assert all(isinstance(v, float) for values in history.history.values() for v in values)
    assert model.metrics_names == ["loss", "accuracy"]
    loss, accuracy = model.evaluate(X, LABELS, verbose=0)
    assert model.evaluate(X, LABELS, verbose=0, return_dict=True) == {"loss": loss, "accuracy": accuracy}
    assert (history.history["val_loss"][-1], history.history["val_accuracy"][-1]) == (loss, accuracy)
    assert isinstance(linear().evaluate(X, LINE, verbose=0), float)


@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_accuracy_takes_its_form_from_the_shapes(name):
    one_hot = np.eye(3)[LABELS]
    expected = classifier(metrics=[name]).evaluate(X, LABELS, verbose=0, return_dict=True)
    assert set(expected) == {"loss", name}
    assert classifier("categorical_crossentropy", metrics=[name]).evaluate(X, one_hot, verbose=0)[1] == expected[name]
    assert classifier("crossentropy", metrics=[name]).evaluate(
        X, one_hot, verbose=0, return_dict=True
    ) == pytest.approx(expected)
    model = keras.Sequential(
        [keras.layers.Dense(1, activation="sigmoid", kernel_initializer="zeros", bias_initializer="ones")]
    )
    model.compile("sgd", "binary_crossentropy", metrics=[name])
    binary = (X[:, 0] > 0).astype("float32")
    assert model.evaluate(X, binary, verbose=0)[1] == pytest.approx(binary.mean(), rel=1e-6)


def test_losses_and_metrics_as_functions_classes_and_objects():
    def cubed(y_true, y_pred):
        return tahr.ops.mean(tahr.ops.abs(y_true - y_pred) ** 3, axis=-1)

    model = linear(
        loss=cubed, metrics=[cubed, keras.metrics.MeanSquaredError(), "mae", keras.metrics.MeanAbsoluteError]
    )
    loss, function, *rest = model.evaluate(X, LINE, verbose=0)
    error = np.abs(X.astype("float64") @ np.ones((4, 1)) - LINE)
    np.testing.assert_allclose([loss, function], (error**3).mean(), **CLOSE)
    np.testing.assert_allclose(rest, [(error**2).mean(), error.mean(), error.mean()], **CLOSE)
    assert model.metrics_names[:4] == ["loss", "cubed", "mean_squared_error", "mae"]


class TwoOutputs(keras.Model):
    def __init__(self):
        super().__init__()
        self.main = keras.layers.Dense(1, kernel_initializer="ones")
        self.aux = keras.layers.Dense(3, activation="softmax", kernel_initializer="zeros")

    def call(self, x):
        return {"main": self.main(x), "aux": self.aux(x)}


def two_outputs_as_list():
    x = keras.Input((4,))
    main = keras.layers.Dense(1, kernel_initializer="ones", name="main")(x)
    aux = keras.layers.Dense(3, activation="softmax", kernel_initializer="zeros", name="aux")(x)
    return keras.Model(x, [main, aux])


@pytest.mark.parametrize("form", ["dicts", "lists", "lists of targets, dicts of losses"])
def test_several_outputs(form):
    targets = {"main": LINE, "aux": LABELS}
    losses = {"main": "mse", "aux": "sparse_categorical_crossentropy"}
    weights, metrics = {"main": 0.9, "aux": 0.1}, {"main": ["mae"], "aux": ["accuracy"]}
    order = ["main", "aux"]
    if form == "dicts":
        model = TwoOutputs()
    else:
        model, targets = two_outputs_as_list(), [targets[k] for k in order]
        if form == "lists":
            losses, weights, metrics = ([d[k] for k in order] for d in (losses, weights, metrics))
    model.compile("sgd", losses, loss_weights=weights, metrics=metrics)
    logs = model.evaluate(X, targets, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "main_loss", "aux_loss", "main_mae", "aux_accuracy"}
    assert list(logs)[0] == "loss"
    error = X.astype("float64") @ np.ones((4, 1)) - LINE
    np.testing.assert_allclose(logs["main_loss"], (error**2).mean(), **CLOSE)
    np.testing.assert_allclose(logs["main_mae"], np.abs(error).mean(), **CLOSE)
    np.testing.assert_allclose(logs["aux_loss"], np.log(3), **CLOSE)
    np.testing.assert_allclose(logs["loss"], 0.9 * (error**2).mean() + 0.1 * np.log(3), **CLOSE)
    before = logs["loss"]
    assert model.fit(X, targets, epochs=3, verbose=0).history["loss"][-1] < before
    predictions = model.predict(X, batch_size=7, verbose=0)
    shapes = (
        {k: predictions[k].shape for k in order}
        if form == "dicts"
        else dict(zip(order, (p.shape for p in predictions)))
    )
    assert shapes == {"main": (50, 1), "aux": (50, 3)}


def test_evaluate_returns_total_then_each_loss():
    model = two_outputs_as_list()
    model.compile(loss=["mse", "sparse_categorical_crossentropy"], loss_weights=[0.9, 0.1], optimizer="sgd")
    total, main, aux = model.evaluate(X, [LINE, LABELS], verbose=0)
    assert total == pytest.approx(0.9 * main + 0.1 * aux, rel=1e-6)


def test_output_without_loss_needs_no_target():
    model = two_outputs_as_list()
    model.compile("sgd", [None, "sparse_categorical_crossentropy"])
    assert model.evaluate(X, [LABELS], verbose=0) == pytest.approx(np.log(3), rel=1e-6)


def test_validation_split_takes_the_last_samples():
    model, other = linear(), linear()
    history = model.fit(X, LINE, validation_split=0.2, epochs=2, verbose=0, shuffle=False, batch_size=8)
    expected = other.fit(
        X[:40], LINE[:40], validation_data=(X[40:], LINE[40:]), epochs=2, verbose=0, shuffle=False, batch_size=8
    )
    assert history.history == expected.history


def test_shuffling_follows_the_seed_and_changes_per_epoch():
    class Orders(keras.Sequential):
        seen: list = []

        def train_step(self, data):
            x, _ = data
            self.seen.extend(x.numpy()[:, 0].tolist())
            return super().train_step(data)

    x = np.arange(20, dtype="float32")[:, None] / 20

    def orders(seed, **arguments):
        keras.utils.set_random_seed(seed)
        model = Orders([keras.layers.Dense(1)])
        Orders.seen = []
        model.compile("sgd", "mse")
        history = model.fit(x, x, batch_size=3, epochs=2, verbose=0, **arguments)
        return Orders.seen[:20], Orders.seen[20:], history.history["loss"], model.get_weights()[0].tolist()

    first, second, *_ = run = orders(1)
    assert sorted(first) == sorted(second) == x[:, 0].tolist()
    assert first != second and first != x[:, 0].tolist()
    assert orders(1) == run
    assert orders(2)[0] != first
    assert orders(1, shuffle=False)[0] == x[:, 0].tolist()
    batches = orders(1, shuffle="batch")[0]
    assert batches != x[:, 0].tolist() and sorted(batches) == x[:, 0].tolist()
    assert all(batches[i] + 0.05 == pytest.approx(batches[i + 1]) for i in (0, 1, 3, 4, 6, 7))


def count_steps(model, **arguments):
    steps = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    epochs = []
    more = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    model.fit(X, LINE, verbose=0, callbacks=[callback, more], **arguments)
    return steps, epochs


def test_steps_epochs_and_batch_size():
    assert count_steps(linear()) == ([0, 1], [0])  # 50 samples in batches of 32
    assert count_steps(linear(), batch_size=10)[0] == [0, 1, 2, 3, 4]
    assert count_steps(linear(), steps_per_epoch=2, epochs=2) == ([0, 1, 0, 1], [0, 1])
    assert count_steps(linear(), batch_size=10, initial_epoch=2, epochs=4)[1] == [2, 3]
    assert count_steps(linear(steps_per_execution=2), batch_size=10)[0] == [1, 3, 5]


def test_validation_steps_and_frequency():
    model = linear()
    history = model.fit(X, LINE, epochs=4, verbose=0, validation_data=(X, LINE), validation_freq=2)
    assert len(history.history["loss"]) == 4 and len(history.history["val_loss"]) == 2
    history = model.fit(X, LINE, epochs=4, verbose=0, validation_data=(X, LINE), validation_freq=[1, 4])
    assert len(history.history["val_loss"]) == 2
    history = model.fit(
        X,
        LINE,
        verbose=0,
        validation_data=(X, LINE),
        validation_steps=1,
        validation_batch_size=5,
        batch_size=50,
        epochs=1,
    )
    error = model.predict(X[:5], verbose=0) - LINE[:5]
    assert history.history["val_loss"][0] == pytest.approx((error.astype("float64") ** 2).mean(), rel=1e-5)


def test_single_batches():
    model, other = linear(metrics=["mae"]), linear(metrics=["mae"])
    history = other.fit(X, LINE, batch_size=50, epochs=1, shuffle=False, verbose=0)
    logs = model.train_on_batch(X, LINE, return_dict=True)
    assert logs == {key: values[0] for key, values in history.history.items()}
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
    model.reset_metrics()
    assert model.test_on_batch(X, LINE) == pytest.approx(other.evaluate(X, LINE, verbose=0, batch_size=50))
    np.testing.assert_array_equal(model.predict_on_batch(X), other.predict(X, verbose=0, batch_size=50))


def test_own_train_step_and_compute_loss():
    class Own(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tahr.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
            return {"own": loss}

    class OwnLoss(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return 2 * super().compute_loss(x, y, y_pred, sample_weight)

    plain = linear().fit(X, LINE, batch_size=50, epochs=2, verbose=0).history["loss"]
    results = []
    for cls in (Own, OwnLoss):
        model = cls([keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        results.append(model.fit(X, LINE, batch_size=50, epochs=2, verbose=0).history)
    assert results[0]["own"] == pytest.approx(plain)
    assert results[1]["loss"][0] == pytest.approx(2 * plain[0])


def test_own_train_step_that_walks_over_the_metrics():
    class Walks(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tahr.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x, y, y_pred)
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    expected = linear(metrics=["mae"]).fit(X, LINE, batch_size=10, epochs=2, verbose=0, shuffle=False).history
    model = Walks([keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    history = model.fit(X, LINE, batch_size=10, epochs=2, verbose=0, shuffle=False).history
    assert list(history) == list(expected)
    for name, values in expected.items():  # the same up to the rounding of a mean with and without weights
        assert history[name] == pytest.approx(values, rel=1e-6)


def test_dropout_is_active_only_in_training():
    model = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    quiet = model.evaluate(X, LINE, verbose=0)
    assert model.evaluate(X, LINE, verbose=0) == quiet
    first = model.fit(X, LINE, verbose=0).history["loss"]
    assert first != model.fit(X, LINE, verbose=0).history["loss"]


def test_lists_pandas_and_tensors():
    pandas = pytest.importorskip("pandas")
    expected = linear().fit(X, LINE, epochs=2, shuffle=False, verbose=0).history["loss"]
    forms = [
        (X.tolist(), LINE[:, 0].tolist()),
        (tahr.constant(X), tahr.constant(LINE)),
        (X.astype("float64"), LINE[:, 0]),
        (pandas.DataFrame(X), pandas.Series(LINE[:, 0])),
    ]
    for x, y in forms:
        assert linear().fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"] == pytest.approx(expected)


def bad(x=X, y=LINE, model=linear, **arguments):
    return lambda: model().fit(x, y, verbose=0, **arguments)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            bad(y=LABELS + 1, model=classifier),
            r"\[fit\] expected class labels from 0 to 2 in argument y.*from 1 to 3.*`y - 1`",
        ),
        (bad(y=LABELS - 1, model=classifier), r"labels from -1 to 1\. Replace the negative labels"),
        (bad(y=LABELS * 5, model=classifier), r"labels from 0 to 10\. Give the last layer 11 units"),
        (bad(y=LINE[:-1]), r"\[fit\] expected the same number of samples.*received x: 50, y: 49\."),
        (
            bad(x=np.array(["a", "b"]), y=[0, 1]),
            r"\[fit\] expected numbers in argument x, received text of shape \(2,\)",
        ),
        (bad(y=["cat"] * 50), r"expected numbers in argument y, received text.*integer labels"),
        (bad(x="picture"), r"expected numbers in argument x, received text"),
        (bad(x=[[1.0], [1.0, 2.0]], y=[0, 1]), r"rows of equal length in argument x, received a ragged list"),
        (bad(y=np.where(np.arange(50) == 7, np.nan, 0.0)), r"argument y, received NaN in 1 of 50.*index \(7,\)"),
        (bad(y=None), r"\[fit\] expected targets y for the loss, received none"),
        (bad(x=None), r"\[fit\] expected data in argument x, received None"),
        (bad(x=np.zeros((0, 4)), y=np.zeros(0)), r"at least one sample"),
        (bad(batch_size=-1), r"expected batch_size to be a positive integer or None, received -1"),
        (bad(validation_split=1.5), r"expected validation_split between 0 and 1, received 1.5"),
        (bad(class_weight={0: 1.0}, sample_weight=np.ones(50)), r"at most one of class_weight and sample_weight"),
        (bad(x=(b for b in ()), y=LINE), r"expected no argument y when x is a generator"),
        (bad(x=(b for b in ()), y=None, batch_size=3), r"expected no argument batch_size when x is a generator"),
        (lambda: keras.Sequential([keras.layers.Dense(1)]).fit(X, LINE), r"\[fit\] expected a compiled model"),
        (
            lambda: linear(metrics="mae"),
            r"expected metrics in a list, tuple or dict, received 'mae'\. Write metrics=\['mae'\]",
        ),
        (lambda: linear(loss="msee"), r"msee"),
        (lambda: linear(metrics=["maee"]), r"maee"),
        (lambda: linear(optimizer="sdg"), r"sdg"),
    ],
)
def test_messages_for_bad_input(call, text):
    with pytest.raises(ValueError, match=f"(?s){text}"):
        call()


def test_wrong_width_names_the_layer():
    model = linear()
    model.fit(X, LINE, verbose=0)
    with pytest.raises(ValueError, match=r"\[line\] .*4.*3"):
        model.fit(X[:, :3], LINE, verbose=0)


def test_own_losses_may_mask_nan_targets():
    def masked(y_true, y_pred):
        known = tahr.ops.logical_not(tahr.ops.isnan(y_true))
        return tahr.ops.where(known, tahr.ops.square(tahr.ops.where(known, y_true, 0.0) - y_pred), 0.0)

    history = linear(loss=masked).fit(X, np.where(np.arange(50)[:, None] == 7, np.nan, LINE), verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_no_trainable_weights_is_a_warning():
    model = keras.Sequential([keras.layers.Dense(1, trainable=False)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="no trainable weights"):
        model.fit(X, LINE, verbose=0)


def printed(monkeypatch, terminal, verbose, epochs=2):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stdout", stream)
    linear(metrics=["mae"]).fit(X, LINE, epochs=epochs, verbose=verbose, batch_size=5)
    return stream.getvalue()


def test_progress_where_there_is_no_terminal_is_one_ascii_line_per_epoch(monkeypatch):
    lines = printed(monkeypatch, False, "auto").splitlines()
    assert len(lines) == 2
    number = r"[0-9.e+-]+"
    for i, line in enumerate(lines, 1):
        assert line.isascii() and "\r" not in line and "\x1b" not in line
        assert re.fullmatch(rf"Epoch {i}/2 - 10/10 - 0s - \d+(ms|us)/step - loss: {number} - mae: {number}", line)
    assert printed(monkeypatch, False, 0) == ""
    assert len(printed(monkeypatch, False, 2).splitlines()) == 4  # "Epoch 1/2", then the values
    assert len(printed(monkeypatch, False, 1, epochs=1).splitlines()) == 1


def test_progress_bar_on_a_terminal(monkeypatch):
    text = printed(monkeypatch, True, 1)
    assert text.startswith("Epoch 1/2\n\r")
    last = text.split("\r")[-1]
    assert "━" * 20 in last and "10/10" in last and "/step" in last and " - loss: " in last and " - mae: " in last
    assert text.endswith("\n")


def test_no_warning_in_an_ordinary_fit():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        linear(metrics=["mae"]).fit(X, LINE, epochs=2, validation_split=0.2, verbose=0)
