"""Pipelines of data beside tf.data, on Fashion-MNIST and IMDB: samples per second, and `fit` on them beside arrays.

Usage: python bench/python/dataset.py [--venvs .peers] [--work NAME ...] [--rounds 3] [--threads 2]

The same lines run in both libraries (`tahr.data` and `tf.data`, `tahr.keras` and Keras on TensorFlow), in processes that
take turns; a figure is the most of the rounds. `TAHR_DATA_DIR` names the folder with the data. The last column is tahr's
figure over that of tf.data, more being better; rows of `fit` also say what part of `fit` on arrays in memory a pipeline
reaches. Without TensorFlow tahr runs alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers.venvs import PYTHON_PATHS, installed, interpreter

CONTESTANTS = ("tahr", "keras-tensorflow")
IMAGES = 60_000
LONG = 5.0  # seconds


def load() -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
    """Fashion-MNIST's images and labels, IMDB's sequences of words and labels."""
    root = Path(os.environ["TAHR_DATA_DIR"])
    with gzip.open(root / "fashion-mnist" / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(IMAGES, 28, 28)
    with gzip.open(root / "fashion-mnist" / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype("int32")
    text = np.load(root / "imdb_500words.npz")
    words = np.split(text["train_tokens"], text["train_offsets"][1:-1])
    return images, labels, words, text["train_labels"]


def works(library: str) -> dict[str, tuple[int, Callable[[], Any]]]:
    """Per name how many samples it makes, and what makes them."""
    if library == "tahr":
        import tahr as tf
        from tahr import keras
    else:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import keras
        import tensorflow as tf
    images, labels, words, moods = load()
    slices = tf.data.Dataset.from_tensor_slices((images, labels))

    def scaled(x: Any, y: Any) -> Any:
        return tf.cast(x, "float32") / 255.0, y

    def iterate(dataset: Any) -> Callable[[], None]:
        def run() -> None:
            for _ in dataset:
                pass

        return run

    found: dict[str, tuple[int, Callable[[], Any]]] = {}
    for batch in (32, 256):
        for buffer in (IMAGES, 10_000):
            pipeline = slices.shuffle(buffer).batch(batch).map(scaled).prefetch(2)
            found[f"shuffle {buffer}, batch {batch}, map"] = (IMAGES, iterate(pipeline))
        pipeline = slices.shuffle(10_000).map(scaled).batch(batch).prefetch(2)
        found[f"shuffle 10000, map, batch {batch}"] = (IMAGES, iterate(pipeline))
    found["slices, map, no batches"] = (IMAGES, iterate(slices.map(scaled)))
    found["filter, batch 256"] = (IMAGES, iterate(slices.filter(lambda x, y: y < 5).batch(256)))

    def reviews() -> Any:
        yield from zip(words, moods)

    spec = (tf.TensorSpec((None,), "int32"), tf.TensorSpec((), "int64"))
    padded = tf.data.Dataset.from_generator(reviews, output_signature=spec).padded_batch(32)
    found["generator, padded batch 32"] = (len(words), iterate(padded))
    found["cached, shuffle, padded batch 32"] = (
        len(words),
        iterate(tf.data.Dataset.from_generator(reviews, output_signature=spec).cache().shuffle(5000).padded_batch(32)),
    )

    def model() -> Any:
        layers = keras.layers
        mlp = keras.Sequential([layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10, "softmax")])
        mlp.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return mlp

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return -(-IMAGES // 256)

        def __getitem__(self, index: int) -> Any:
            rows = slice(index * 256, index * 256 + 256)
            return images[rows].astype("float32") / 255.0, labels[rows]

    def fit(x: Any, y: Any = None, **arguments: Any) -> Callable[[], Any]:
        mlp = model()
        return lambda: mlp.fit(x, y, verbose=0, **arguments)

    floats = images.astype("float32") / 255.0
    for batch in (32, 256):
        shuffled = slices.shuffle(IMAGES)
        found[f"fit: arrays, batch {batch}"] = (IMAGES, fit(floats, labels, batch_size=batch))
        found[f"fit: shuffle, batch {batch}, map, prefetch"] = (
            IMAGES,
            fit(shuffled.batch(batch).map(scaled).prefetch(2)),
        )
        found[f"fit: shuffle, map, batch {batch}, prefetch"] = (
            IMAGES,
            fit(shuffled.map(scaled).batch(batch).prefetch(2)),
        )
    endless = slices.shuffle(10_000).repeat().batch(256).map(scaled)
    found["fit: repeat, batch 256, map, steps_per_epoch"] = (IMAGES, fit(endless, steps_per_epoch=234))
    found["fit: PyDataset, batch 256"] = (IMAGES, fit(Batches()))
    found["fit: PyDataset, batch 256, 2 threads"] = (IMAGES, fit(Batches(workers=2)))
    found["fit: PyDataset, batch 256, 2 processes"] = (IMAGES, fit(Batches(workers=2, use_multiprocessing=True)))
    return found


def measure(library: str, names: list[str]) -> None:
    """Prints a line of JSON: samples per second of each work, the best of three runs; of one, if it takes long."""
    rates = {}
    for name, (samples, run) in works(library).items():
        if names and not any(part in name for part in names):
            continue
        seconds: list[float] = []
        while len(seconds) < 3 and sum(seconds) < LONG:
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        rates[name] = samples / min(seconds)
    print(json.dumps(rates))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venvs", type=Path, default=Path(".peers"))
    parser.add_argument("--work", nargs="*", default=[], help="parts of the names of works")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.work)
        return
    contestants = [name for name in CONTESTANTS if installed(name, args.venvs)]
    rates: dict[str, dict[str, float]] = {name: {} for name in contestants}
    n = str(args.threads)
    env = {**os.environ, "PYTHONPATH": PYTHON_PATHS, "TAHR_NUM_THREADS": n, "OMP_NUM_THREADS": n}
    for _ in range(args.rounds):
        for name in contestants:
            command = [interpreter(name, args.venvs), __file__, "--measure", name, "--work", *args.work]
            run = subprocess.run(command, env=env, capture_output=True, text=True)
            if run.returncode:
                raise SystemExit(run.stderr)
            for work, rate in json.loads(run.stdout.splitlines()[-1]).items():
                rates[name][work] = max(rate, rates[name].get(work, 0.0))
    ours, theirs = rates["tahr"], rates.get("keras-tensorflow", {})
    print(f"thousand samples per second, {args.threads} thread(s), the most of {args.rounds} round(s)")
    print(f"{'':<48}{'tahr':>10}{'of arrays':>11}{'tf.data':>10}{'of arrays':>11}{'ratio':>8}")
    for work, rate in ours.items():
        arrays = f"fit: arrays, batch {32 if 'batch 32' in work else 256}"
        cells = [f"{rate / 1e3:.1f}", _part(rate, ours, arrays, work), "", "", ""]
        if work in theirs:
            cells[2:] = [f"{theirs[work] / 1e3:.1f}", _part(theirs[work], theirs, arrays, work)]
            cells.append(f"{rate / theirs[work]:.2f}")
        print(f"{work:<48}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, (10, 11, 10, 11, 8))))


def _part(rate: float, rates: dict[str, float], arrays: str, work: str) -> str:
    return f"{100 * rate / rates[arrays]:.0f}%" if work.startswith("fit") and arrays in rates else ""


if __name__ == "__main__":
    main()
