"""TensorBoard: the event files, read back with the package tensorboard, hold what training did."""

import io
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorboard")

from tahr import keras
from tahr.keras.callbacks import CallbackList, TensorBoard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.util.tensor_util import make_ndarray

X = np.random.default_rng(0).normal(size=(30, 3)).astype("float32")
Y = (X @ [[1.0], [2.0], [3.0]]).astype("float32")


def compiled(model=None, optimizer=None):
    model = model or keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, name="hidden"), keras.layers.Dense(1, name="last")]
    )
    model.compile(optimizer or keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return model


def fit(model, board, **arguments):
    return model.fit(X, Y, **{"batch_size": 10, "epochs": 2, "verbose": 0, "callbacks": [board], **arguments})


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return events


def tags(folder):
    return set(read(folder).Tags()["tensors"])


def series(events, tag):
    """{step: value} of a scalar."""
    assert events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
    return {event.step: make_ndarray(event.tensor_proto).item() for event in events.Tensors(tag)}


def of_plugin(folder, plugin):
    return {tag for tag in tags(folder) if read(folder).SummaryMetadata(tag).plugin_data.plugin_name == plugin}


def test_scalars_of_epochs(tmp_path):
    model = compiled()
    history = fit(model, TensorBoard(tmp_path), validation_data=(X[:10], Y[:10])).history
    assert sorted(os.listdir(tmp_path)) == ["train", "validation"]
    train, validation = read(tmp_path / "train"), read(tmp_path / "validation")
    assert set(train.Tags()["tensors"]) == {"epoch_loss", "epoch_mae", "epoch_learning_rate", "keras"}
    assert set(validation.Tags()["tensors"]) == {
        "epoch_loss",
        "epoch_mae",
        "evaluation_loss_vs_iterations",
        "evaluation_mae_vs_iterations",
    }
    for events, prefix in ((train, ""), (validation, "val_")):
        for name in ("loss", "mae"):
            assert series(events, f"epoch_{name}") == dict(enumerate(np.float32(history[prefix + name]).tolist()))
    assert series(train, "epoch_learning_rate") == {e: np.float32(0.05).item() for e in (0, 1)}
    assert series(validation, "evaluation_loss_vs_iterations") == dict(
        zip((3, 6), np.float32(history["val_loss"]).tolist())
    )


def test_learning_rates_of_schedules(tmp_path):
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.1, 3, 1.0)
    fit(compiled(optimizer=keras.optimizers.SGD(schedule)), TensorBoard(tmp_path))
    rates = series(read(tmp_path / "train"), "epoch_learning_rate")
    assert rates == pytest.approx({0: 0.1 / 2, 1: 0.1 / 3}, rel=1e-6)


def test_whole_epochs_without_a_look_at_batches(tmp_path):
    board = TensorBoard(tmp_path, write_steps_per_second=True, histogram_freq=1)
    assert not CallbackList([board]).listens("train") and not CallbackList([board]).listens("test")
    assert CallbackList([TensorBoard(tmp_path, update_freq="batch")]).listens("train")
    assert CallbackList([TensorBoard(tmp_path, profile_batch=2)]).listens("train")

    class Own(TensorBoard):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    seen = []
    fit(compiled(), Own(tmp_path), epochs=1)
    assert seen == [0, 1, 2]


def test_scalars_of_batches(tmp_path):
    model = compiled()
    losses = []
    listener = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    board = TensorBoard(tmp_path / "all", update_freq="batch", write_steps_per_second=True)
    model.fit(X, Y, batch_size=10, epochs=2, verbose=0, callbacks=[board, listener])
    events = read(tmp_path / "all" / "train")
    assert series(events, "batch_loss") == dict(zip(range(1, 7), np.float32(losses).tolist()))
    assert set(series(events, "batch_steps_per_second")) == set(range(1, 7))
    speeds = series(events, "epoch_steps_per_second")
    assert set(speeds) == {0, 1} and min(speeds.values()) > 0
    fit(model, TensorBoard(tmp_path / "some", update_freq=4))
    assert set(series(read(tmp_path / "some" / "train"), "batch_loss")) == {4}


def test_histograms(tmp_path):
    model = compiled()
    fit(model, TensorBoard(tmp_path, histogram_freq=2), epochs=3)
    folder = tmp_path / "train"
    kernel = model.get_layer("hidden").kernel
    names = of_plugin(folder, "histograms")
    assert names == {f"{weight.path}/histogram" for weight in model.weights} and len(names) == 4
    events = read(folder).Tensors(f"{kernel.path}/histogram")
    assert [e.step for e in events] == [0, 2]
    buckets = make_ndarray(events[-1].tensor_proto)
    counts, edges = np.histogram(kernel.numpy().astype("float64"), bins=30)
    np.testing.assert_array_equal(buckets, np.stack([edges[:-1], edges[1:], counts], axis=1))


def test_histogram_of_equal_and_of_no_numbers():
    from tahr.keras.callbacks.event_files import histogram_buckets

    equal = histogram_buckets(np.full((3, 2), 2.5))
    assert equal[:, :2].tolist() == [[2.5, 2.5]] * 30 and equal[:, 2].tolist() == [0] * 29 + [6]
    np.testing.assert_array_equal(histogram_buckets([np.nan, np.inf]), np.zeros((30, 3)))
    assert histogram_buckets([1.0, np.nan, 2.0])[:, 2].sum() == 2


def test_images_of_weights(tmp_path):
    image = pytest.importorskip("PIL.Image")
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="colours")(inputs)
    x = keras.layers.Conv2D(1, 3, name="grey")(x)
    model = compiled(keras.Model(inputs, keras.layers.Dense(5, name="last")(keras.layers.Flatten()(x))))
    pixels = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    board = TensorBoard(tmp_path, write_images=True)
    model.fit(pixels, np.ones((4, 5)), verbose=0, callbacks=[board])
    folder = tmp_path / "train"
    assert of_plugin(folder, "histograms") == set()
    assert {"colours/kernel/image", "grey/kernel/image", "last/kernel/image", "last/bias/image"} <= of_plugin(
        folder, "images"
    )
    sizes = {}
    for tag in of_plugin(folder, "images"):
        width, height, *files = make_ndarray(read(folder).Tensors(tag)[0].tensor_proto)
        pictures = [image.open(io.BytesIO(file)) for file in files]
        assert {p.size for p in pictures} == {(int(width), int(height))}
        sizes[tag] = (len(pictures), pictures[0].size, pictures[0].mode)
        if tag == "last/kernel/image":
            kernel = model.get_layer("last").get_weights()[0].T
            scaled = (kernel - kernel.min()) / (kernel.max() - kernel.min()) * 255
            np.testing.assert_allclose(np.asarray(pictures[0]), scaled, atol=0.5 + 1e-3)  # rounded to whole numbers
    assert sizes["colours/kernel/image"] == (3, (3, 3), "RGB")  # the first three of four filters
    assert sizes["grey/kernel/image"] == (3, (3, 3), "L")
    assert sizes["last/bias/image"] == (1, (5, 1), "L")


def test_graph_of_layers(tmp_path):
    inputs = keras.Input((3,), name="inputs")
    one, two = keras.layers.Dense(2, name="one")(inputs), keras.layers.Dense(2, name="two")(inputs)
    model = compiled(keras.Model(inputs, keras.layers.Dense(1, name="last")(keras.layers.Add(name="sum")([one, two]))))
    fit(model, TensorBoard(tmp_path / "functional"))
    events = read(tmp_path / "functional" / "train")
    assert events.SummaryMetadata("keras").plugin_data.plugin_name == "graph_keras_model"
    config = json.loads(make_ndarray(events.Tensors("keras")[0].tensor_proto).item())
    assert config == json.loads(model.to_json())
    drawn = {
        node.name.split("/")[-1]: sorted(i.split("/")[-1] for i in node.input)
        for node in keras_model_to_graph_def(config).node
    }
    assert drawn == {"inputs": [], "one": ["inputs"], "two": ["inputs"], "sum": ["one", "two"], "last": ["sum"]}

    fit(compiled(), TensorBoard(tmp_path / "none", write_graph=False))
    assert "keras" not in tags(tmp_path / "none" / "train")

    class Subclass(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    fit(compiled(Subclass()), TensorBoard(tmp_path / "subclass", histogram_freq=1))
    assert "keras" not in tags(tmp_path / "subclass" / "train")
    assert len(of_plugin(tmp_path / "subclass" / "train", "histograms")) == 2


def test_a_model_without_a_config_is_trained_all_the_same(tmp_path):
    class Odd(keras.layers.Dense):
        def get_config(self):
            raise RuntimeError("no config")

    model = compiled(keras.Sequential([keras.Input((3,)), Odd(1)]))
    with pytest.warns(UserWarning, match="no config to draw a graph from"):
        fit(model, TensorBoard(tmp_path))
    assert "epoch_loss" in tags(tmp_path / "train")


def test_profile_of_batches(tmp_path):
    fit(compiled(), TensorBoard(tmp_path, profile_batch=(2, 4)))
    folder = tmp_path / "train"
    assert of_plugin(folder, "text") == {"batch_4"}
    event = read(folder).Tensors("batch_4")[0]
    text = make_ndarray(event.tensor_proto).item().decode()
    assert event.step == 4 and "us/run" in text and "sgd" in text
    fit(compiled(), TensorBoard(tmp_path / "short", profile_batch="5,100"))  # training ends before
    assert of_plugin(tmp_path / "short" / "train", "text") == {"batch_6"}


def test_tables_for_the_projector(tmp_path):
    from google.protobuf import text_format
    from tensorboard.plugins.projector import ProjectorConfig

    model = keras.Sequential(
        [keras.layers.Embedding(7, 4, name="words"), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "words.txt"})
    model.fit(np.ones((6, 3)), np.ones((6, 1)), verbose=0, callbacks=[board])
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (entry,) = config.embeddings
    assert (entry.tensor_name, entry.metadata_path) == ("words", "words.txt")
    table = np.loadtxt(tmp_path / entry.tensor_path, delimiter="\t", dtype="float32")
    np.testing.assert_array_equal(table, model.get_layer("words").get_weights()[0])
    board = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"letters": "words.txt"})
    with pytest.raises(ValueError, match=r"received \['letters'\]. This model has \['words'\]"):
        model.fit(np.ones((6, 3)), np.ones((6, 1)), verbose=0, callbacks=[board])


def test_evaluate_and_a_second_fit(tmp_path):
    model, board = compiled(), TensorBoard(tmp_path)
    fit(model, board)
    fit(model, board, initial_epoch=2, epochs=3)
    loss = model.evaluate(X, Y, verbose=0, callbacks=[board])[0]
    assert set(series(read(tmp_path / "train"), "epoch_loss")) == {0, 1, 2}
    assert series(read(tmp_path / "validation"), "evaluation_loss_vs_iterations") == {9: np.float32(loss).item()}
    assert pickle.loads(pickle.dumps(board)).log_dir == str(tmp_path)


def test_arguments_are_checked(tmp_path):
    for wrong in (0, -1, "often", 2.5):
        with pytest.raises(ValueError, match='update_freq "epoch", "batch" or a positive number'):
            TensorBoard(tmp_path, update_freq=wrong)
    for wrong in (-1, (5, 2), (1, 2, 3), "a,b", (0, 3)):
        with pytest.raises(ValueError, match="profile_batch to be the number of a batch"):
            TensorBoard(tmp_path, profile_batch=wrong)
    with pytest.raises(ValueError, match="Give embeddings_freq"):
        TensorBoard(tmp_path, embeddings_metadata="words.txt")


def test_arguments_of_keras_2(tmp_path):
    board = TensorBoard(
        log_dir=tmp_path,
        histogram_freq=1,
        batch_size=32,
        write_grads=False,
        embeddings_layer_names=None,
        embeddings_metadata=None,
    )
    assert board.histogram_freq == 1
    for name, value in {"write_grads": True, "embeddings_layer_names": ["words"]}.items():
        with pytest.raises(TypeError, match=rf"\[TensorBoard\] expected no {name}, received"):
            TensorBoard(tmp_path, **{name: value})


def test_without_the_package():
    code = (
        "import sys; sys.modules['tensorboard'] = None\n"
        "from tahr import keras\n"
        "try: keras.callbacks.TensorBoard()\n"
        "except ImportError as error: assert 'pip install tensorboard' in str(error), error\n"
        "else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ, timeout=60)


def test_values_of_ones_own(tmp_path):
    class Board(TensorBoard):
        def on_epoch_end(self, epoch, logs=None):
            self.summary.scalar("half", keras.ops.convert_to_tensor(logs["loss"]) / 2, step=epoch)
            self.summary.histogram("spread", keras.ops.arange(4))
            self.summary.image("grey", np.full((1, 2, 2, 1), 0.5), step=epoch)
            self.summary.text("note", "**done**", step=epoch)
            super().on_epoch_end(epoch, logs)

    history = fit(compiled(), Board(tmp_path)).history
    events = read(tmp_path / "train")
    half = events.Tensors("half")
    assert [e.step for e in half] == [0, 1]
    assert np.allclose([make_ndarray(e.tensor_proto) for e in half], np.array(history["loss"]) / 2, rtol=1e-6)
    assert [e.step for e in events.Tensors("spread")] == [3, 6]  # steps of the optimizer
    assert make_ndarray(events.Tensors("spread")[0].tensor_proto)[:, 2].sum() == 4
    assert make_ndarray(events.Tensors("grey")[0].tensor_proto)[0] == b"2"
    assert make_ndarray(events.Tensors("note")[0].tensor_proto).item() == b"**done**"
    board = TensorBoard(tmp_path)
    with pytest.raises(ValueError, match="images"):
        board.summary.image("flat", np.zeros((2, 2)))
