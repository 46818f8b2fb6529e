"""The examples train on a GPU as they do on the CPU: the same curves, within roundings. Data are made up here and small,
runs are a few steps. Run with `--device gpu`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tahr
from tahr import keras

EXAMPLES = Path(__file__).parents[2] / "examples"
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

pytestmark = pytest.mark.usefixtures("gpu")


def _clothes(train: int, test: int) -> Any:
    """Pictures of ten blurred patterns with noise, and the patterns' numbers."""
    rng = np.random.default_rng(0)
    patterns = np.kron(rng.uniform(0, 200, (10, 7, 7)), np.ones((4, 4)))

    def some(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 10, n).astype("uint8")
        return np.clip(patterns[labels] + rng.normal(0, 20, (n, 28, 28)), 0, 255).astype("uint8"), labels

    return lambda: (some(train), some(test))


def _reviews(num_words: int) -> Any:
    rng = np.random.default_rng(0)

    def some(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 2, n)
        rows = np.empty(n, object)
        rows[:] = [list(rng.integers(4 + 200 * y, 250 + 200 * y, rng.integers(3, 20))) for y in labels]
        return rows, labels

    return some(96), some(32)


def _files(folder: Path) -> None:
    rng = np.random.default_rng(0)
    letters = "ROME: to be, or not, that is the question.\n"
    (folder / "tinyshakespeare.txt").write_text("".join(rng.choice(list(letters), 4000)) + letters)
    lines = [f"{' '.join(rng.choice(['밥', '물', '길', '별'], 4))} {'가나다'[i % 3]},답,{i % 3}" for i in range(200)]
    (folder / "korean_chatbot.csv").write_text("Q,A,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    data = rng.gamma(2.0, 1.0, (4300, 8))
    np.savez(folder / "california_housing.npz", data=data, target=data[:, 0] + 0.1 * data[:, 1])


# Arguments that make an example small.
RUNS = {
    "cnn": "--epochs 1 --samples 64",
    "custom_training_loop": "--epochs 1 --samples 320",
    "demo": "--epochs 2 --samples 256",
    "distillation": "--epochs 1 --student-epochs 1 --samples 64",
    "fashion_mlp_300_100": "--epochs 1",
    "fashion_mnist_mlp": "--epochs 3 --samples 256",
    "housing_features": "--epochs 2",
    "imdb_lstm": "--epochs 2",
    "korean_chatbot": "--epochs 1",
    "linear_classifier": "--steps 10",
    "linear_regression_tape": "--epochs 30",
    "quantized_mlp": "--epochs 1 --samples 256",
    "shakespeare": "--epochs 2 --batch 8 --length 12 --units 16 --pieces 64 --characters 4",
    "tiny_transformer": "--steps 8 --batch 4 --length 16 --width 16 --blocks 1 --heads 2 --characters 4",
    "transfer_learning": "--epochs 1 --samples 32 --examples 32",
}
NOT_A_RESULT = ("seconds", "bytes")


def _numbers(x: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(x, dict):
        for key, value in x.items():
            if key not in NOT_A_RESULT:
                yield from _numbers(value, f"{name}.{key}")
    elif isinstance(x, (list, tuple)):
        for i, value in enumerate(x):
            yield from _numbers(value, f"{name}[{i}]")
    elif isinstance(x, (int, float, np.generic, np.ndarray)):
        yield name, np.asarray(x)


def _run(name: str, folder: Path, monkeypatch: Any) -> dict[str, np.ndarray]:
    """All that an example returns, and the curves of its calls of `fit`."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if name == "imdb_lstm":
        monkeypatch.setattr(module, "LENGTH", 20)
    if name == "transfer_learning" and tahr._C.gpu_is_emulated():  # EfficientNet takes the emulated GPU minutes
        small = {"input_shape": (32, 32, 3), "alpha": 0.25, "include_top": False, "weights": None, "pooling": "avg"}
        monkeypatch.setattr(module, "backbone", lambda weights: keras.applications.MobileNet(**small))
    curves = []
    fit = keras.Model.fit

    def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        history = fit(self, *args, **kwargs)
        curves.append(history.history)
        return history

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", recorded)
        arguments = RUNS[name].split()
        if name not in ("linear_regression_tape", "distillation"):
            arguments += ["--output", str(folder)]
        found = module.main(arguments)
    return dict(_numbers({"returned": found, "curves": curves}))


@pytest.mark.parametrize("name", RUNS)
def test_curves_are_those_of_the_cpu(name, tmp_path, monkeypatch):
    """Steps are a few roundings of float32 apart, 6e-8 each, which tens of steps make 1e-6 (1.1e-5 was seen); a lost term,
    mask or seed shows in the second digit. Of the rows that a metric counts, two may be so near a tie that they change."""
    _files(tmp_path)
    monkeypatch.setenv("TAHR_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(keras.datasets.imdb, "load_data", _reviews)
    found = {}
    for device in ("gpu:0", "cpu"):
        pictures = _clothes(5064 if name == "fashion_mlp_300_100" else 320, 64)
        monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", pictures)
        with tahr.device(device):
            tahr._C.reset_device_fallbacks()
            found[device] = _run(name, tmp_path, monkeypatch)
            assert not tahr.config.device_fallbacks()
    on_gpu, on_cpu = found.values()
    assert on_gpu.keys() == on_cpu.keys() and on_cpu
    for key, expected in on_cpu.items():
        atol = 2 / 64 if "acc" in key or expected.dtype.kind in "iu" else 1e-5
        np.testing.assert_allclose(on_gpu[key], expected, rtol=1e-4, atol=atol, err_msg=key)


def test_every_example_is_there():
    assert RUNS.keys() == {p.stem for p in EXAMPLES.glob("*.py")}
