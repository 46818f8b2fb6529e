"""The scripts of examples/seeds run with few epochs, and give what the study notes show."""

import importlib.util
import os
import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
DATA = os.environ.get("TAHR_DATA_DIR") or str(ROOT.parent / "shared" / "data")
SEEDS = ROOT / "examples" / "seeds"
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(SEEDS))
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)

    def main(name, *arguments):
        spec = importlib.util.spec_from_file_location(f"seed_{name}", SEEDS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main((*arguments, "--output", str(tmp_path)))

    yield main
    sys.modules.pop("common", None)


needs_data = pytest.mark.skipif(
    not os.path.isdir(os.path.join(DATA, "fashion-mnist")), reason="no Fashion-MNIST in TAHR_DATA_DIR"
)


def pictures(path):
    return sorted(p.name for p in path.glob("*.png") if p.read_bytes().startswith(b"\x89PNG"))


def test_tensors_gradients_layers(run, tmp_path, capsys):
    found = run("tensors_gradients_layers", "--epochs", "2")
    out = capsys.readouterr().out
    assert found["gradients"] == (6.0, 6.0, pytest.approx(9.8)) and found["graph"] == 4.0
    assert found["layer"] == (2, 32)
    loss, accuracy = found["classifier"]
    assert loss < 0.05 and accuracy > 0.97  # two clouds that overlap a little: the notes end at a loss of about 0.03
    assert found["fit"][1] > 0.7  # binary accuracy in the last epochs of the notes: 0.94 to 0.97
    assert "loss after step 39: " in out and "[tahr] tf.Session is not offered" in out and "store(" in out
    assert "shape=(2, 1), dtype=float32)" in out
    assert pictures(tmp_path) == ["seeds_clouds.png"]


@pytest.mark.skipif(
    not os.path.isfile(os.path.join(DATA, "imdb_500words.npz")), reason="no film reviews in TAHR_DATA_DIR"
)
def test_text_with_keras(run, tmp_path, capsys):
    found = run("text_with_keras", "--epochs", "2")
    assert found["sequences"] == [1, 2, 3, 4, 6, 7]
    assert found["word_index"] == dict(zip("the earth is an awesome place live".split(), range(1, 8)))
    np.testing.assert_array_equal(found["padded"], [[1, 2, 3], [4, 5, 6], [0, 7, 8]])
    assert found["vectors"] == (2, 5, 2) and found["parameters"] == 49
    assert found["accuracy"] > 0.65 and found["same"]
    assert "Total params: 49" in capsys.readouterr().out
    assert pictures(tmp_path) == ["seeds_text.png"] and (tmp_path / "model_name.h5").exists()


@needs_data
def test_dense_networks_on_fashion_mnist(run, tmp_path, capsys):
    found = run("dense_networks_on_fashion_mnist", "--epochs", "2")
    assert "dict_keys(['loss', 'accuracy', 'val_loss', 'val_accuracy'])" in capsys.readouterr().out
    assert found["accuracy"] > 0.7  # 0.86 after the 40 epochs of the notes
    w, b = found["line"]
    assert 0.2 < w < 3 and 0 < b < 1  # ten small steps on the way to 3 and 1
    assert pictures(tmp_path) == ["seeds_dense_accuracy.png", "seeds_dense_loss.png"]


@needs_data
def test_neural_networks_with_keras(run, tmp_path):
    found = run("neural_networks_with_keras", "--epochs", "2", "--samples", "10000")
    assert all(accuracy > 0.68 for accuracy in found["accuracies"].values())
    assert found["shapes"]["MaxPooling2D"] == (2, 4, 4, 3) and found["shapes"]["Conv1D"] == (2, 6, 5)
    assert found["shapes"]["GRU"] == (2, 8, 5) and found["shapes"]["Embedding"] == (1, 3, 4)
    assert len(pictures(tmp_path)) == 3 and (tmp_path / "seeds_best.keras").exists()


@needs_data
@pytest.mark.skipif(
    not os.path.isfile(os.path.join(DATA, "california_housing.npz")), reason="no housing prices in TAHR_DATA_DIR"
)
def test_hands_on_multilayer_perceptrons(run, tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("scipy")
    found = run("hands_on_multilayer_perceptrons", "--epochs", "1", "--samples", "6000")
    assert found["classifier"]["accuracy"] > 0.5 and len(found["classifier"]["classes"]) == 3
    assert found["total"] == pytest.approx(0.9 * found["main"] + 0.1 * found["aux"], rel=1e-5)
    assert 0 < found["regression"] < 3 and 0 < found["wide_and_deep"] < 8
    assert set(found["search"]["params"]) == {"n_hidden", "n_neurons", "learning_rate"}
    assert found["search"]["score"] < 0, "the score is the loss with its sign turned"
    assert pictures(tmp_path) == ["seeds_classifier.png"]
