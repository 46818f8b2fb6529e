"""Is a Korean sentence everyday talk, about a break-up, or about love?

11,823 questions to a chatbot, each with one of three labels. `TextVectorization` turns sentences into rows of characters
(syllables, in Korean), a convolution reads neighbouring ones; the model takes the sentences themselves. The picture
shows loss and accuracy of the epochs, and which labels are taken for which on sentences held back.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from tahr import keras

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of how to draw)

LABELS = ("daily", "break-up", "love")
SENTENCES = (
    "오늘 점심 뭐 먹지?",
    "여자친구와 헤어졌어. 잊을 수가 없어.",
    "짝사랑하는 사람에게 고백하고 싶어.",
    "비가 오네",
)


def load(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Questions (rows,) of str and labels (rows,) 0 to 2."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([row["Q"] for row in rows]), np.array([int(row["label"]) for row in rows])


def build(vectorize: keras.layers.TextVectorization) -> keras.Sequential:
    """The network, for arrays of sentences."""
    return keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            vectorize,
            keras.layers.Embedding(vectorize.vocabulary_size(), 64),
            keras.layers.Dropout(0.3),
            keras.layers.Conv1D(128, 3, padding="same", activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(len(LABELS), activation="softmax"),
        ]
    )


def draw(history: dict[str, list[float]], confusion: np.ndarray, path: str) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(14, 4))
    for axis, what in zip(axes, ("loss", "accuracy")):
        for name in (what, f"val_{what}"):
            axis.plot(range(1, len(history[name]) + 1), history[name], marker="o", label=name)
        axis.set_xlabel("epoch")
        axis.grid(True)
        axis.legend()
    axes[2].imshow(confusion, cmap="Blues")
    axes[2].set_xticks(range(len(LABELS)), LABELS)
    axes[2].set_yticks(range(len(LABELS)), LABELS)
    axes[2].set_xlabel("predicted")
    axes[2].set_ylabel("label")
    for (i, j), count in np.ndenumerate(confusion):
        axes[2].text(
            j, i, int(count), ha="center", va="center", color="white" if count > confusion.max() / 2 else "black"
        )
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="the file korean_chatbot.csv; by default that in TAHR_DATA_DIR")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--samples", type=int, help="train on so many sentences only")
    parser.add_argument("--output", default="demo-output", help="directory for the picture")
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(3)
    x, y = load(options.data or os.path.join(os.environ.get("TAHR_DATA_DIR", "."), "korean_chatbot.csv"))
    order = np.random.default_rng(3).permutation(len(x))
    x, y = x[order], y[order]
    test = len(x) // 5
    x_test, y_test, x_train, y_train = x[:test], y[:test], x[test:], y[test:]
    x_train, y_train = x_train[: options.samples], y_train[: options.samples]
    majority = float(np.mean(y_test == np.bincount(y_train).argmax()))

    vectorize = keras.layers.TextVectorization(split="character", output_sequence_length=40)
    vectorize.adapt(x_train)
    print(f"{len(x_train)} sentences, {vectorize.vocabulary_size()} characters: {vectorize.get_vocabulary()[2:12]} ...")
    model = build(vectorize)
    model.summary()
    model.compile(keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=64, epochs=options.epochs, validation_data=(x_test, y_test))
    loss, accuracy = model.evaluate(x_test, y_test, batch_size=256)
    print(f"test accuracy {accuracy:.4f}, loss {loss:.4f}; always the most frequent label: {majority:.4f}")

    chances = model.predict(np.array(SENTENCES), verbose=0)
    for sentence, chance in zip(SENTENCES, chances):
        print(f"{sentence}  {LABELS[int(chance.argmax())]} ({chance.max():.2f})")
    guesses = model.predict(x_test, batch_size=256, verbose=0).argmax(-1)
    confusion = np.bincount(3 * y_test + guesses, minlength=9).reshape(3, 3)
    os.makedirs(options.output, exist_ok=True)
    draw(history.history, confusion, os.path.join(options.output, "korean_chatbot.png"))
    return {"accuracy": accuracy, "majority": majority, "history": history.history, "predictions": chances}


if __name__ == "__main__":
    main()
