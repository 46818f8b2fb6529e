"""The examples run, with few epochs, and learn."""

import importlib.util
import os
import pathlib
import re

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
DATA = os.environ.get("TAHR_DATA_DIR") or str(ROOT.parent / "shared" / "data")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


def run(name, tmp_path, *arguments):
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if name not in ("linear_regression_tape", "distillation"):
        arguments = (*arguments, "--output", str(tmp_path))
    return module.main(arguments)


@pytest.fixture
def fashion_mnist(monkeypatch):
    if not os.path.isdir(os.path.join(DATA, "fashion-mnist")):
        pytest.skip("no Fashion-MNIST in TAHR_DATA_DIR")
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)


def pictures(path):
    found = sorted(p.name for p in path.glob("*.png"))
    assert all((path / name).read_bytes().startswith(b"\x89PNG") for name in found)
    return found


def test_fashion_mnist_mlp(fashion_mnist, tmp_path, capsys):
    result = run("fashion_mnist_mlp", tmp_path, "--epochs", "2")
    assert list(result["history"]) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert "dict_keys(['loss', 'accuracy', 'val_loss', 'val_accuracy'])" in capsys.readouterr().out
    assert result["accuracy"] > 0.7 and result["history"]["loss"][1] < result["history"]["loss"][0]
    assert pictures(tmp_path) == ["fashion_mnist_mlp_accuracy.png", "fashion_mnist_mlp_loss.png"]


def test_cnn(fashion_mnist, tmp_path):
    result = run("cnn", tmp_path, "--epochs", "1", "--samples", "6000")
    assert result["accuracy"] > 0.7
    assert len(result["predictions"]) == 6
    assert pictures(tmp_path) == ["cnn.png"]


def test_transfer_learning(fashion_mnist, tmp_path):
    found = run("transfer_learning", tmp_path, "--epochs", "1", "--samples", "640", "--examples", "128")
    assert list(found) == ["new classifier", "fine-tuned"]
    assert all(0.1 < accuracy < 1 for accuracy in found.values())
    assert [p.name for p in tmp_path.iterdir()] == ["transfer_learning.keras"]


def test_quantized_mlp(fashion_mnist, tmp_path):
    rows = run("quantized_mlp", tmp_path, "--epochs", "1", "--samples", "12000")
    plain = rows["float32"]
    assert plain["accuracy"] > 0.7
    for mode, lost, share in (("int8", 0.01, 0.3), ("int4", 0.03, 0.2)):
        assert abs(rows[mode]["accuracy"] - plain["accuracy"]) < lost
        assert rows[mode]["bytes"] < share * plain["bytes"]


def test_fashion_mlp_300_100(fashion_mnist, tmp_path, capsys):
    result = run("fashion_mlp_300_100", tmp_path, "--epochs", "1")
    assert result["accuracy"] > 0.72
    assert re.search(r"dense\w* \(784, 300\) \(300,\) True", capsys.readouterr().out)
    assert pictures(tmp_path) == ["fashion_mlp_300_100.png"]


def test_demo(fashion_mnist, tmp_path, capsys):
    result = run("demo", tmp_path, "--epochs", "1", "--samples", "12000")
    assert result["source"] == "Fashion-MNIST" and result["accuracy"] > 0.75
    assert pictures(tmp_path) == ["demo.png"]
    assert "Test accuracy" in capsys.readouterr().out


def test_demo_without_fashion_mnist_uses_the_digits(monkeypatch, tmp_path, capsys):
    def missing():
        raise OSError("[datasets.fashion_mnist] expected the file")

    monkeypatch.setattr("tahr.keras.datasets.fashion_mnist.load_data", missing)
    result = run("demo", tmp_path, "--epochs", "15")
    assert result["source"] == "digits of scikit-learn" and result["accuracy"] > 0.8
    assert "Using the digits of scikit-learn in its place." in capsys.readouterr().out
    assert pictures(tmp_path) == ["demo.png"]


def test_linear_regression_tape(tmp_path):
    found = run("linear_regression_tape", tmp_path)
    rng = np.random.default_rng(42)
    x = rng.uniform(-1, 1, 200)
    y = 3 * x + 2 + rng.normal(0, 0.1, 200)
    slope, intercept = np.polyfit(x, y, 1)  # what gradient descent converges to
    assert found["w"] == pytest.approx(slope, abs=1e-3) and found["b"] == pytest.approx(intercept, abs=1e-3)
    assert found["kernel"] == pytest.approx(slope, abs=0.1) and found["bias"] == pytest.approx(intercept, abs=0.05)


def test_linear_classifier(tmp_path):
    result = run("linear_classifier", tmp_path)
    assert result["gradients"] == pytest.approx((6.0, 6.0, 9.8))
    assert result["losses"][-1] < 0.05 and result["accuracy"] > 0.98 and result["shape"] == (2, 32)
    assert result["history"]["val_binary_accuracy"][-1] > 0.9
    assert pictures(tmp_path) == ["linear_classifier.png"]


def test_custom_training_loop(fashion_mnist, tmp_path, capsys):
    result = run("custom_training_loop", tmp_path, "--epochs", "1", "--samples", "6400")
    assert result["accuracy"] > 0.6
    # Fusion may add up sums in another order; losses are of the order of 1 and the steps 100.
    assert result["difference"] < 1e-3
    assert "adam_update" in (tmp_path / "custom_training_loop_graph.txt").read_text()
    assert "traced:" in capsys.readouterr().out


def test_imdb_lstm(monkeypatch, tmp_path, capsys):
    if not os.path.isfile(os.path.join(DATA, "imdb_500words.npz")):
        pytest.skip("no film reviews in TAHR_DATA_DIR")
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)
    result = run("imdb_lstm", tmp_path, "--epochs", "3")
    assert result["accuracy"] > 0.72
    assert capsys.readouterr().out.count("judged good with probability") == 6
    assert pictures(tmp_path) == ["imdb_lstm.png"]


def test_tiny_transformer(monkeypatch, tmp_path, capsys):
    if not os.path.isfile(os.path.join(DATA, "tinyshakespeare.txt")):
        pytest.skip("no tinyshakespeare.txt in TAHR_DATA_DIR")
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)
    small = "--steps 120 --batch 16 --length 48 --width 64 --blocks 1 --characters 40".split()
    result = run("tiny_transformer", tmp_path, *small)
    assert 4.7 < result["alone"] < 4.9 and result["bits"] < 4.0  # 3.8 were seen
    assert result["sample"].startswith("ROMEO:\n") and len(result["sample"]) == 47
    assert (tmp_path / "tiny_transformer.txt").read_text() == result["sample"]
    assert "bits per character of new text" in capsys.readouterr().out


def test_shakespeare(monkeypatch, tmp_path, capsys):
    if not os.path.isfile(os.path.join(DATA, "tinyshakespeare.txt")):
        pytest.skip("no tinyshakespeare.txt in TAHR_DATA_DIR")
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)
    small = "--epochs 2 --batch 16 --length 40 --units 48 --pieces 1600 --characters 40".split()
    result = run("shakespeare", tmp_path, *small)
    assert 4.7 < result["alone"] < 4.9 and result["bits"] < 4.0
    assert result["sample"].startswith("ROMEO:\n") and len(result["sample"]) == 47
    assert (tmp_path / "shakespeare.txt").read_text() == result["sample"]
    assert pictures(tmp_path) == ["shakespeare.png"]
    assert "bits per character of new text" in capsys.readouterr().out


def test_korean_chatbot(monkeypatch, tmp_path, capsys):
    if not os.path.isfile(os.path.join(DATA, "korean_chatbot.csv")):
        pytest.skip("no korean_chatbot.csv in TAHR_DATA_DIR")
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)
    result = run("korean_chatbot", tmp_path, "--epochs", "2", "--samples", "6000")
    assert result["accuracy"] > 0.7 and result["majority"] < 0.5
    assert result["predictions"].shape == (4, 3)
    assert "always the most frequent label" in capsys.readouterr().out
    assert pictures(tmp_path) == ["korean_chatbot.png"]


def test_housing_features(tmp_path, monkeypatch):
    if not os.path.isfile(os.path.join(DATA, "california_housing.npz")):
        pytest.skip("no California housing in TAHR_DATA_DIR")
    monkeypatch.setenv("TAHR_DATA_DIR", DATA)
    result = run("housing_features", tmp_path, "--epochs", "4")
    assert result["mae"] < 0.55 * result["median_mae"]
    np.testing.assert_allclose(np.abs(result["predictions"] - result["prices"]).mean(), result["mae"], rtol=1e-4)


def test_distillation(fashion_mnist, tmp_path):
    result = run("distillation", tmp_path, "--epochs", "2", "--student-epochs", "20")
    assert result["distilled"] > result["alone"] + 0.005 > 0.75
    assert result["divergence_last"] < 0.2 * result["divergence_first"]
