"""ModelCheckpoint and BackupAndRestore, the latter through `kill -9`."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from tahr import keras

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5], [3.0]], dtype="float32")


def regression(rate=0.05):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def fit(model, callbacks, epochs=3, **kwargs):
    return model.fit(X, Y, batch_size=8, epochs=epochs, callbacks=callbacks, verbose=0, shuffle=False, **kwargs)


@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])
def test_a_model_per_epoch(tmp_path, ending):
    model = regression()
    history = fit(model, [keras.callbacks.ModelCheckpoint(tmp_path / ("m-{epoch:02d}-{val_loss:.3f}" + ending))],
                  validation_split=0.2)  # fmt: skip
    losses = history.history["val_loss"]
    names = sorted(os.listdir(tmp_path))
    assert names == sorted(f"m-{i + 1:02d}-{v:.3f}{ending}" for i, v in enumerate(losses))
    loaded = keras.models.load_model(tmp_path / names[-1])
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    assert loaded.evaluate(X[32:], Y[32:], verbose=0)[0] == pytest.approx(losses[-1], rel=1e-5)


def test_only_the_best(tmp_path, capsys):
    path = tmp_path / "deep" / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True, verbose=1)
    too_fast = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch < 4 else 10.0)
    values = fit(regression(), [too_fast, checkpoint], epochs=6, validation_split=0.2).history["val_loss"]
    assert min(values) < values[-1], "the last model is not the best, on purpose"
    best = keras.models.load_model(path)
    assert best.evaluate(X[32:], Y[32:], verbose=0)[0] == pytest.approx(min(values), rel=1e-5)
    out = capsys.readouterr().out
    assert "improved from None to" in out and "did not improve from" in out
    untouched = path.stat().st_mtime_ns
    strict = keras.callbacks.ModelCheckpoint(path, save_best_only=True, initial_value_threshold=0.0)
    fit(regression(), [strict], epochs=1, validation_split=0.2)
    assert path.stat().st_mtime_ns == untouched


def test_modes_follow_the_metric(tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras", monitor="accuracy", save_best_only=True)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, np.arange(40) % 3, epochs=4, callbacks=[checkpoint], verbose=0)
    assert checkpoint.best == max(history.history["accuracy"])


def test_weights_every_few_batches(tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "w-{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=2
    )
    model = regression()
    fit(model, [checkpoint], epochs=2)  # 5 batches an epoch: after the 2nd, 4th, 6th, ...
    assert sorted(os.listdir(tmp_path)) == [f"w-{p}.weights.h5" for p in ("1-2", "1-4", "2-1", "2-3", "2-5")]
    other = regression()
    other.load_weights(tmp_path / "w-2-5.weights.h5")
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))


def test_epochs_without_batch_hooks_keep_the_fast_loop(tmp_path):
    every_epoch = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras")
    assert not keras.callbacks.CallbackList([every_epoch]).listens("train")
    every_batch = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras", save_freq=1)
    assert keras.callbacks.CallbackList([every_batch]).listens("train")


def test_mistakes(tmp_path):
    with pytest.raises(ValueError, match=r"\[ModelCheckpoint\] The filepath provided must end in `.keras`"):
        keras.callbacks.ModelCheckpoint("model.tf")
    with pytest.raises(ValueError, match="When using `save_weights_only=True`.*must end in `.weights.h5`"):
        keras.callbacks.ModelCheckpoint("model.keras", save_weights_only=True)
    with pytest.raises(ValueError, match="Unrecognized save_freq: 'batch'"):
        keras.callbacks.ModelCheckpoint("model.keras", save_freq="batch")
    with pytest.raises(KeyError, match="There is no log 'val_acc'"):
        fit(regression(), [keras.callbacks.ModelCheckpoint(tmp_path / "{val_acc}.keras")])
    with pytest.warns(UserWarning, match="Can save best model only with a scalar val_loss available"):
        fit(regression(), [keras.callbacks.ModelCheckpoint(tmp_path / "a.keras", save_best_only=True)], epochs=1)
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(OSError, match="existing directory"):
        fit(regression(), [keras.callbacks.ModelCheckpoint(tmp_path / "folder.keras")])
    with pytest.raises(ValueError, match="Empty `backup_dir`"):
        keras.callbacks.BackupAndRestore("")
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"\[BackupAndRestore\] expected a built model"):
        fit(unbuilt, [keras.callbacks.BackupAndRestore(tmp_path / "b")])


class Stop(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise RuntimeError("pulled the plug")


@pytest.mark.parametrize("damaged", [False, True])
def test_an_interrupted_fit_goes_on(tmp_path, damaged):
    whole = regression()
    fit(whole, [], epochs=6)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "b", double_checkpoint=damaged)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        fit(regression(), [backup, Stop(4)], epochs=6)
    if damaged:
        (tmp_path / "b" / "latest.weights.h5").write_bytes(b"not a file of weights")
    again = regression()
    resumed = [keras.callbacks.BackupAndRestore(tmp_path / "b", double_checkpoint=damaged)]
    if damaged:
        with pytest.warns(UserWarning, match="is damaged"):
            history = fit(again, resumed, epochs=6)
    else:
        history = fit(again, resumed, epochs=6)
    assert history.epoch == ([3, 4, 5] if damaged else [4, 5])
    np.testing.assert_array_equal(again.get_weights()[0], whole.get_weights()[0])
    assert not (tmp_path / "b").exists(), "a complete fit deletes the backup"
    assert fit(again, [], epochs=2).epoch == [0, 1]


SCRIPT = textwrap.dedent(
    """
    import sys, time
    import numpy as np
    from tahr import keras

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            print(flush=True)
            time.sleep(0.005)

    keras.utils.set_random_seed(3)
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    y = x @ np.array([[1.0], [-2.0], [0.5], [3.0]], dtype="float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    backup = keras.callbacks.BackupAndRestore(sys.argv[1], delete_checkpoint=False)
    model.fit(x, y, batch_size=8, epochs=6, shuffle=False, verbose=0, callbacks=[backup, Slow()])
    np.save(sys.argv[2], model.get_weights()[0])
    """
)


def test_kill_9_in_the_middle_of_an_epoch(tmp_path):
    whole = regression()
    fit(whole, [], epochs=6)
    backup, result = str(tmp_path / "b"), str(tmp_path / "w.npy")
    for batches in (3, 8, 7, 2):  # killed after so many batches each time: every run completes one epoch at most
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, backup, result], stdout=subprocess.PIPE)
        for _ in range(batches):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert not os.path.exists(result)
    subprocess.run([sys.executable, "-c", SCRIPT, backup, result], check=True, stdout=subprocess.DEVNULL)
    np.testing.assert_array_equal(np.load(result), whole.get_weights()[0])
