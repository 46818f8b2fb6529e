"""A small transformer learns to write Shakespeare letter by letter.

Two blocks of causal self-attention (Vaswani et al., 2017; normalised first, as in GPT-2) guess the next character of
`tinyshakespeare.txt`, which is looked for in the directory `TAHR_DATA_DIR`. What the guesses cost, in bits per character,
is compared with what the frequencies of single characters would cost, and the network writes a few lines.
"""

from __future__ import annotations

import argparse
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tahr as tf
from tahr import keras


class Positions(keras.layers.Layer):
    """Adds a learned vector for each place of the sequence."""

    def build(self, input_shape: Any) -> None:
        self.vectors = self.add_weight(name="vectors", shape=input_shape[1:], initializer="random_normal")

    def call(self, inputs: Any) -> Any:
        return inputs + self.vectors


def block(x: Any, heads: int, dropout: float) -> Any:
    """Each place looks at those before it, then thinks for itself."""
    width = x.shape[-1]
    h = keras.layers.LayerNormalization()(x)
    h = keras.layers.MultiHeadAttention(heads, width // heads)(h, h, use_causal_mask=True)
    x = x + keras.layers.Dropout(dropout)(h)
    h = keras.layers.LayerNormalization()(x)
    h = keras.layers.Dense(4 * width, activation="gelu")(h)
    h = keras.layers.Dense(width)(h)
    return x + keras.layers.Dropout(dropout)(h)


def make_model(vocabulary: int, length: int, width: int, heads: int, blocks: int) -> Any:
    """Characters (batch, length) to the scores of the next ones (batch, length, vocabulary)."""
    inputs = keras.Input((length,), dtype="int32")
    x = Positions()(keras.layers.Embedding(vocabulary, width)(inputs))
    for _ in range(blocks):
        x = block(x, heads, 0.05)
    return keras.Model(inputs, keras.layers.Dense(vocabulary)(keras.layers.LayerNormalization()(x)))


def windows(text: np.ndarray, count: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` pieces of the text, and the same pieces one character on."""
    starts = np.random.default_rng(seed).integers(0, len(text) - length - 1, count)
    pieces = text[starts[:, None] + np.arange(length + 1)]
    return pieces[:, :-1], pieces[:, 1:]


def write(model: Any, prompt: np.ndarray, count: int, temperature: float, seed: int) -> np.ndarray:
    """`count` more characters after `prompt`, drawn one by one."""
    rng = np.random.default_rng(seed)
    length = model.input_shape[1]
    text = list(prompt)
    for _ in range(count):
        seen = text[-length:]
        padded = np.zeros((1, length), "int32")
        padded[0, : len(seen)] = seen  # what follows is out of sight of the last character
        scores = model(padded).numpy()[0, len(seen) - 1] / temperature
        p = np.exp(scores - scores.max())
        text.append(int(rng.choice(len(p), p=p / p.sum())))
    return np.array(text)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=96, help="characters that the network sees")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--characters", type=int, default=400, help="write so many")
    parser.add_argument("--output", default="demo-output", help="directory for the text")
    options = parser.parse_args(arguments)

    path = pathlib.Path(os.environ.get("TAHR_DATA_DIR", "../shared/data")) / "tinyshakespeare.txt"
    letters, text = np.unique(list(path.read_text()), return_inverse=True)
    text = text.astype("int32")
    split = len(text) * 9 // 10
    frequencies = np.bincount(text) / len(text)
    alone = float(-(frequencies * np.log2(frequencies)).sum())

    keras.utils.set_random_seed(1)
    model = make_model(len(letters), options.length, options.width, options.heads, options.blocks)
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(3e-3, options.steps), clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    x, y = windows(text[:split], options.steps * options.batch, options.length, 0)
    model.fit(x, y, batch_size=options.batch, verbose=2)
    x, y = windows(text[split:], 512, options.length, 1)
    bits = float(model.evaluate(x, y, verbose=0)) / np.log(2)
    print(f"{model.count_params():,} weights, tahr {tf.__version__}")
    print(f"bits per character of new text: {bits:.3f}; by frequencies alone: {alone:.3f}")

    prompt = np.searchsorted(letters, list("ROMEO:\n"))
    sample = "".join(letters[write(model, prompt, options.characters, 0.8, 2)])
    print(sample)
    os.makedirs(options.output, exist_ok=True)
    with open(os.path.join(options.output, "tiny_transformer.txt"), "w") as file:
        file.write(sample)
    return {"bits": bits, "alone": alone, "sample": sample}


if __name__ == "__main__":
    main()
