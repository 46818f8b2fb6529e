"""Training time of the two networks of the documents, beside Keras (on what backends are installed) and plain PyTorch.

Usage: python bench/python/train.py [--rounds 3] [--epochs 2] [--threads 2] [--models sigmoid100 relu300]

Every contestant trains in a process of its own, the processes take turns, and the figure is the median over rounds of
the later epochs' time per step. All use float32, batch 32, SGD with learning rate 0.01 and the same images. Prints one
table per model: microseconds per step, and how many times longer than tahr. Contestants that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

MODELS: dict[str, tuple[tuple[int, ...], str]] = {
    "sigmoid100": ((100,), "sigmoid"),
    "relu300": ((300, 100), "relu"),
}
CONTESTANTS = ("tahr", "keras-jax", "keras-tensorflow", "keras-torch", "torch")
BATCH, ROWS = 32, 48_000


def images() -> tuple[Any, Any]:
    """Fashion-MNIST, scaled to 0..1 and flattened; random pixels of the same shapes where it cannot be had."""
    import numpy as np

    try:
        from tahr import keras

        (x, y), _ = keras.datasets.fashion_mnist.load_data()
    except Exception as e:
        print(f"no Fashion-MNIST ({e}): random pixels instead", file=sys.stderr)
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 256, (ROWS, 28, 28)), rng.integers(0, 10, ROWS)
    return (x[:ROWS].reshape(-1, 784) / 255.0).astype("float32"), y[:ROWS].astype("int32")


def keras_epochs(keras: Any, model_name: str, epochs: int) -> list[float]:
    widths, activation = MODELS[model_name]
    x, y = images()
    model = keras.Sequential([keras.Input((784,))])
    for w in widths:
        model.add(keras.layers.Dense(w, activation=activation))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    times = []
    for _ in range(epochs):
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)
        times.append(time.perf_counter() - start)
    return times


def torch_epochs(model_name: str, epochs: int) -> list[float]:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    widths, activation = MODELS[model_name]
    x, y = (torch.from_numpy(a) for a in images())
    y = y.long()
    layers: list[Any] = []
    last = 784
    for w in widths:
        layers += [torch.nn.Linear(last, w), torch.nn.Sigmoid() if activation == "sigmoid" else torch.nn.ReLU()]
        last = w
    model = torch.nn.Sequential(*layers, torch.nn.Linear(last, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss_function = torch.nn.CrossEntropyLoss()
    times = []
    for _ in range(epochs):
        start = time.perf_counter()
        order = torch.randperm(len(x))
        correct = torch.zeros((), dtype=torch.long)
        for i in range(0, len(x), BATCH):
            rows = order[i : i + BATCH]
            xb, yb = x[rows], y[rows]
            optimizer.zero_grad(set_to_none=True)
            logits = model(xb)
            loss = loss_function(logits, yb)
            loss.backward()
            optimizer.step()
            correct += (logits.argmax(1) == yb).sum()
        times.append(time.perf_counter() - start)
    return times


def run_contestant(name: str, model: str, epochs: int) -> list[float]:
    if name == "torch":
        return torch_epochs(model, epochs)
    if name == "tahr":
        from tahr import keras
    else:
        os.environ["KERAS_BACKEND"] = name.removeprefix("keras-")
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import keras  # type: ignore[no-redef]
    return keras_epochs(keras, model, epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS))
    parser.add_argument("--one", nargs=2, metavar=("CONTESTANT", "MODEL"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(run_contestant(*args.one, args.epochs)))
        return

    threads = str(args.threads)
    env = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TAHR_NUM_THREADS": threads}
    for model in args.models:
        seconds: dict[str, list[float]] = {}
        for _ in range(args.rounds):
            for name in args.contestants:
                command = [sys.executable, __file__, "--one", name, model, "--epochs", str(args.epochs + 1)]
                run = subprocess.run(command, env=env, capture_output=True, text=True)
                if run.returncode == 0:
                    seconds.setdefault(name, []).extend(json.loads(run.stdout.splitlines()[-1])[1:])
        steps = ROWS / BATCH
        widths, activation = MODELS[model]
        print(f"\n784-{'-'.join(map(str, widths))}-10, {activation}, batch {BATCH}, SGD, {args.threads} threads")
        print(f"{'contestant':<18}{'us/step':>10}{'ratio':>8}")
        ours = statistics.median(seconds["tahr"])
        for name, values in seconds.items():
            t = statistics.median(values)
            print(f"{name:<18}{t / steps * 1e6:>10.0f}{t / ours:>8.2f}")


if __name__ == "__main__":
    main()
