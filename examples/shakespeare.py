"""An LSTM reads Shakespeare letter by letter and then writes on.

At each place of `tinyshakespeare.txt` (looked for in the directory `TAHR_DATA_DIR`) the network guesses the next character
from those before it. What its guesses cost on the last tenth of the text, which it has not read, is given in bits per
character; always naming the frequencies of the letters would cost 4.8. The picture shows how the cost falls.

`--framework keras` trains the same network in Keras 3, on the backend that `KERAS_BACKEND` names: the same layers, windows
and number of steps.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of how to draw)


def make_model(keras: Any, vocabulary: int, cell: str, units: int, steps: int) -> Any:
    """Characters (batch, length) to the scores of the next ones (batch, length, vocabulary)."""
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(vocabulary, 64),
            getattr(keras.layers, cell)(units, return_sequences=True),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(vocabulary),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(5e-3, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    return model


def windows(text: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The text in pieces of `length` characters, and the same pieces one character on."""
    count = (len(text) - 1) // length
    return text[: count * length].reshape(count, length), text[1 : count * length + 1].reshape(count, length)


def write(model: Any, prompt: np.ndarray, count: int, length: int, temperature: float, seed: int) -> np.ndarray:
    """`count` more characters after `prompt`, drawn one by one. The network sees the last `length` of them."""
    rng = np.random.default_rng(seed)
    text = list(prompt)
    for _ in range(count):
        seen = text[-length:]
        padded = np.zeros((1, length), "int32")
        padded[0, : len(seen)] = seen  # what follows does not reach back to the last character
        scores = model.predict_on_batch(padded)[0, len(seen) - 1].astype("float64") / temperature
        p = np.exp(scores - scores.max())
        text.append(int(rng.choice(len(p), p=p / p.sum())))
    return np.array(text)


def draw(history: dict[str, list[float]], alone: float, path: str) -> None:
    figure, axis = plt.subplots(figsize=(7, 4))
    for name, label in (("loss", "training"), ("val_loss", "new text")):
        bits = np.array(history[name]) / np.log(2)
        axis.plot(range(1, len(bits) + 1), bits, marker="o", label=label)
    axis.axhline(alone, color="gray", linestyle=":", label="frequencies alone")
    axis.set(xlabel="epoch", ylabel="bits per character", ylim=(0, None))
    axis.grid(True)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--length", type=int, default=100, help="characters that the network sees")
    parser.add_argument("--cell", choices=("LSTM", "GRU"), default="LSTM")
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--pieces", type=int, help="train on so many pieces of the text only")
    parser.add_argument("--characters", type=int, default=500, help="write so many")
    parser.add_argument("--framework", choices=("tahr", "keras"), default="tahr")
    parser.add_argument("--output", default="demo-output", help="directory for the picture and the text")
    options = parser.parse_args(arguments)
    keras = importlib.import_module("tahr.keras" if options.framework == "tahr" else "keras")

    path = pathlib.Path(os.environ.get("TAHR_DATA_DIR", "../shared/data")) / "tinyshakespeare.txt"
    letters, text = np.unique(list(path.read_text()), return_inverse=True)
    text = text.astype("int32")
    split = len(text) * 9 // 10
    frequencies = np.bincount(text) / len(text)
    alone = float(-(frequencies * np.log2(frequencies)).sum())
    x, y = (a[: options.pieces] for a in windows(text[:split], options.length))
    new = windows(text[split:], options.length)

    keras.utils.set_random_seed(1)
    steps = options.epochs * -(-len(x) // options.batch)
    model = make_model(keras, len(letters), options.cell, options.units, steps)
    start = time.perf_counter()
    history = model.fit(x, y, batch_size=options.batch, epochs=options.epochs, validation_data=new, verbose=2).history
    seconds = time.perf_counter() - start
    bits = history["val_loss"][-1] / np.log(2)
    print(f"{model.count_params():,} weights, {steps:,} steps in {seconds:.0f} s, {options.framework}")
    print(f"bits per character of new text: {bits:.3f}; by frequencies alone: {alone:.3f}")

    prompt = np.searchsorted(letters, list("ROMEO:\n"))
    sample = "".join(letters[write(model, prompt, options.characters, options.length, 0.7, 2)])
    print(sample)
    os.makedirs(options.output, exist_ok=True)
    draw(history, alone, os.path.join(options.output, "shakespeare.png"))
    with open(os.path.join(options.output, "shakespeare.txt"), "w") as file:
        file.write(sample)
    return {"bits": bits, "alone": alone, "sample": sample, "seconds": seconds}


if __name__ == "__main__":
    main()
