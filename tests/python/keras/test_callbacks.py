"""Callbacks: when each hook is called, and what the ready-made ones do."""

import csv
import http.server
import json
import threading

import numpy as np
import pytest
import tahr
from tahr import keras
from tahr.keras import callbacks

X = np.random.default_rng(0).normal(size=(30, 3)).astype("float32")
Y = (X @ [[1.0], [2.0], [3.0]]).astype("float32")


def model_of(**arguments):
    model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.05), "loss": "mse", **arguments})
    return model


def fit(*given, model=None, **arguments):
    return (model or model_of()).fit(X, Y, **{"batch_size": 10, "verbose": 0, "callbacks": list(given), **arguments})


def test_order_of_hooks_and_logs():
    calls = []

    class Recorder(callbacks.Callback):
        pass

    def record(name):
        def hook(self, *arguments, logs=None):
            logs = logs if logs is not None else arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
            calls.append((name, sorted(logs)))

        return hook

    for name in dir(callbacks.Callback):
        if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
            setattr(Recorder, name, record(name))
    recorder = Recorder()
    model = model_of(metrics=["mae"])
    fit(recorder, model=model, batch_size=15, validation_data=(X, Y), validation_batch_size=30)
    batch = [("on_train_batch_begin", []), ("on_train_batch_end", ["loss", "mae"])]
    assert calls == [
        ("on_train_begin", []),
        ("on_epoch_begin", []),
        *batch,
        *batch,
        ("on_test_begin", []),
        ("on_test_batch_begin", []),
        ("on_test_batch_end", ["loss", "mae"]),
        ("on_test_end", ["loss", "mae"]),
        ("on_epoch_end", ["loss", "mae", "val_loss", "val_mae"]),
        ("on_train_end", ["loss", "mae", "val_loss", "val_mae"]),
    ]
    assert recorder.model is model and recorder.params == {"verbose": 0, "epochs": 1, "steps": 2}
    calls.clear()
    model.predict(X, callbacks=[recorder], verbose=0)
    assert calls[1:3] == [("on_predict_batch_begin", []), ("on_predict_batch_end", ["outputs"])]
    calls.clear()
    model.evaluate(X, Y, callbacks=recorder, verbose=0)
    assert [name for name, _ in calls] == ["on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"]


def test_batch_logs_are_running_means():
    seen = []
    model = model_of(optimizer=keras.optimizers.SGD(0.0))
    fit(
        callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"])),
        model=model,
        shuffle=False,
    )
    errors = ((X.astype("float64") @ np.ones((3, 1)) - Y) ** 2).reshape(3, 10).mean(1)
    np.testing.assert_allclose(seen, np.cumsum(errors) / np.arange(1, 4), rtol=1e-5)


def test_on_batch_aliases_and_stop_training():
    class Stop(callbacks.Callback):
        batches = 0

        def on_batch_end(self, batch, logs=None):
            self.batches += 1
            if self.batches == 4:
                self.model.stop_training = True

    stop = Stop()
    history = fit(stop, epochs=5)
    assert stop.batches == 4 and history.epoch == [0, 1]
    assert not fit(epochs=2, model=stop.model).model.stop_training  # a new fit begins afresh


def test_history_is_returned_and_kept():
    model = model_of()
    own = callbacks.History()
    history = fit(own, model=model, epochs=2)
    assert history is own and model.history is own and history.epoch == [0, 1]
    assert history.params["epochs"] == 2


def scripted(values, metric="val_loss"):
    """A callback that puts the given values into the logs, before the callbacks behind it see them."""

    class Script(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs[metric] = values[epoch]

    return Script()


@pytest.mark.parametrize(
    ("values", "arguments", "epochs"),
    [
        ([3, 2, 1, 2, 2, 2], {"patience": 2}, 5),
        ([3, 2, 1, 2, 0, 2], {"patience": 2}, 6),
        ([1, 2, 3, 3, 3, 3], {"patience": 2, "mode": "max"}, 5),
        ([3, 2.9, 2.8, 1, 1, 1], {"min_delta": 0.5}, 2),
        ([3, 3, 3, 3, 2, 2], {"start_from_epoch": 2}, 4),
        ([3, 2, 1, 0, 0, 0], {"baseline": 0.5, "patience": 2}, 6),
        ([3, 3, 3, 3, 3, 3], {"baseline": 1, "patience": 3}, 3),
    ],
)
def test_early_stopping(values, arguments, epochs):
    history = fit(scripted(values), callbacks.EarlyStopping(**arguments), epochs=6)
    assert len(history.epoch) == epochs


def test_early_stopping_restores_the_best_weights(capsys):
    weights = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    model = model_of()
    stopping = callbacks.EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    fit(scripted([3, 1, 2, 2, 2]), keep, stopping, model=model, epochs=5)
    assert len(weights) == 4 and stopping.stopped_epoch == 3 and stopping.best == 1
    for kept, restored in zip(weights[1], model.get_weights()):
        np.testing.assert_array_equal(kept, restored)
    text = capsys.readouterr().out
    assert "EarlyStopping: training ends after epoch 4." in text
    assert "takes back its weights of epoch 2, the best one." in text


def test_direction_of_the_monitored_metric():
    model = model_of(metrics=["mae"])
    fit(callbacks.EarlyStopping("mae", patience=1), model=model, epochs=2)
    labels = (Y > 0).astype("int64")
    classifier = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    classifier.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    stopping = callbacks.EarlyStopping("accuracy", patience=0)
    history = classifier.fit(X, labels, epochs=4, verbose=0, callbacks=[scripted([1, 2, 3, 2], "accuracy"), stopping])
    assert len(history.epoch) == 4 and stopping.best == 3

    def own(y_true, y_pred):
        return tahr.ops.mean(y_pred, axis=-1)

    with pytest.raises(ValueError, match=r"\[EarlyStopping\] expected mode='min' or mode='max' for monitor='own'"):
        fit(callbacks.EarlyStopping("own"), model=model_of(metrics=[own]))
    with pytest.warns(UserWarning, match="monitor='val_loss' among the logs, which hold only loss"):
        fit(callbacks.EarlyStopping())


def test_reduce_lr_on_plateau(capsys):
    rates = []
    model = model_of(optimizer=keras.optimizers.SGD(1e-3))
    reduce = callbacks.ReduceLROnPlateau(factor=0.5, patience=2, cooldown=1, min_lr=2e-4, verbose=1)
    history = fit(scripted([1.0] * 10), reduce, model=model, epochs=10)
    rates = history.history["learning_rate"]
    # best at epoch 0; two without improvement, then half; one epoch of cooldown, two more, and so on; never below
    # min_lr
    expected = [1e-3] * 3 + [5e-4] * 2 + [2.5e-4] * 2 + [2e-4] * 3
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    text = capsys.readouterr().out
    assert "ReduceLROnPlateau: learning rate 0.0005" in text and "from epoch 4 on." in text
    with pytest.raises(ValueError, match="factor below 1"):
        callbacks.ReduceLROnPlateau(factor=1.0)


def test_learning_rate_scheduler(capsys):
    model = model_of()
    history = fit(callbacks.LearningRateScheduler(lambda epoch, lr: lr / 2, verbose=1), model=model, epochs=3)
    np.testing.assert_allclose(history.history["learning_rate"], [0.025, 0.0125, 0.00625], rtol=1e-6)
    text = capsys.readouterr().out
    assert "LearningRateScheduler: learning rate 0.025" in text and " in epoch 1." in text
    fit(callbacks.LearningRateScheduler(lambda epoch: 0.3), model=model)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="expected the schedule to return a float, received 'x'"):
        fit(callbacks.LearningRateScheduler(lambda epoch: "x"))


def test_lambda_callback():
    calls = []
    fit(
        callbacks.LambdaCallback(
            on_train_begin=lambda logs: calls.append("begin"),
            on_epoch_begin=lambda epoch, logs: calls.append(epoch),
            on_test_begin=lambda logs: calls.append("test"),
        ),
        validation_data=(X, Y),
    )
    assert calls == ["begin", 0, "test"]
    with pytest.raises(TypeError, match=r"received 'on_epoch_stop'"):
        callbacks.LambdaCallback(on_epoch_stop=print)


def test_terminate_on_nan(capsys):
    model = model_of(optimizer=keras.optimizers.SGD(1e20))
    history = fit(callbacks.TerminateOnNaN(), model=model, epochs=5)
    assert (
        len(history.epoch) == 1
        and "TerminateOnNaN: the loss of batch 1 is inf, training ends here." in capsys.readouterr().out
    )
    with pytest.raises(RuntimeError, match=r"\[TerminateOnNaN\] expected a finite loss"):
        fit(callbacks.TerminateOnNaN(raise_error=True), model=model_of(optimizer=keras.optimizers.SGD(1e20)), epochs=5)


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    model = model_of(metrics=["mae"])
    history = fit(callbacks.CSVLogger(path), model=model, epochs=2, validation_data=(X, Y))
    fit(callbacks.CSVLogger(path, append=True), model=model, epochs=1, validation_data=(X, Y))
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert [float(row["val_mae"]) for row in rows[:2]] == history.history["val_mae"]
    fit(callbacks.CSVLogger(path, separator=";"), epochs=1)
    assert path.read_text().splitlines()[0] == "epoch;loss;val_loss"


def test_remote_monitor():
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        root = f"http://127.0.0.1:{server.server_address[1]}"
        history = fit(callbacks.RemoteMonitor(root=root, send_as_json=True), epochs=2)
    finally:
        server.shutdown()
        server.server_close()
    assert received == [{"epoch": i, "loss": loss} for i, loss in enumerate(history.history["loss"])]
    with pytest.warns(UserWarning, match=r"Could not reach RemoteMonitor root server at http"):
        fit(callbacks.RemoteMonitor(root=root))


def test_only_callbacks_are_taken():
    with pytest.raises(TypeError, match=r"\[callbacks\] expected objects derived from keras.callbacks.Callback"):
        fit(print)


def test_progbar_averages_and_shows_values(capsys):
    bar = keras.utils.Progbar(3, stateful_metrics=["shown"])
    for step, value in enumerate((1.0, 2.0), 1):
        bar.update(step, [("mean", value), ("shown", value)])
    assert capsys.readouterr().out == ""  # not a terminal: nothing before the end
    bar.update(3, [("shown", 7.0)])
    text = capsys.readouterr().out
    assert text.startswith("3/3 - 0s - ") and text.endswith(" - mean: 1.5000 - shown: 7.0000\n")
    keras.utils.Progbar(2, verbose=0).update(2, [("loss", 1.0)])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("on_epoch", [False, True])
def test_swap_ema_weights(on_epoch):
    def run(*given):
        seen = []
        keep = callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: seen.append(model.get_weights()[0]),
            on_epoch_end=lambda epoch, logs: ends.append(model.get_weights()[0]),
        )
        model, ends = model_of(optimizer=keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5)), []
        history = fit(*given, keep, model=model, epochs=2, shuffle=False, validation_data=(X, Y))
        return seen, ends, model.get_weights()[0], history.history["val_loss"]

    plain, _, final, values = run()
    average, averages = plain[0].astype("float64"), []  # the first step starts the average
    for weights in plain:
        average = 0.5 * average + 0.5 * weights
        averages.append(average)
    np.testing.assert_allclose(final, averages[-1], rtol=1e-5)  # fit ends with the averages as weights
    seen, ends, end, swapped = run(callbacks.SwapEMAWeights(swap_on_epoch=on_epoch))
    for ours, theirs in zip(seen, plain):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)  # training itself does not notice
    np.testing.assert_allclose(end, averages[-1], rtol=1e-5)
    expected_ends = [averages[2], averages[5]] if on_epoch else [plain[2], plain[5]]
    for ours, theirs in zip(ends, expected_ends):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert all(a != b for a, b in zip(swapped, values))  # validation sees the averages
    with pytest.raises(ValueError, match=r"\[SwapEMAWeights\] expected an optimizer that keeps moving averages"):
        model_of().evaluate(X, Y, verbose=0, callbacks=callbacks.SwapEMAWeights())


def test_monitor_op():
    from tahr.keras import ops

    assert callbacks.EarlyStopping("loss", mode="max").monitor_op is ops.greater
    watching = callbacks.EarlyStopping("loss")
    assert watching.monitor_op is None
    fit(watching)
    assert watching.monitor_op is ops.less
