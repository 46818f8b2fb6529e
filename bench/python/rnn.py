"""Training time of recurrent networks, beside PyTorch and Keras on JAX.

Usage: python bench/python/rnn.py [--rounds 3] [--threads 2] [--models LSTM-32 GRU-256 ...] [--contestants tahr torch ...]

A step is an Embedding, the recurrent layer, one sigmoid unit, binary cross-entropy and Adam, on random sequences. Every
contestant runs in a process of its own, the processes take turns, and a figure is the least over the rounds of the median
step: what the machine gives when it is left alone. Prints milliseconds per step and how many times longer than tahr.
Contestants that are not installed are left out.
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

# units: words, embedding, steps, batch
SIZES = {32: (10_000, 32, 200, 32), 256: (20_000, 128, 100, 64)}
MODELS = [f"{kind}-{units}" for units in SIZES for kind in ("LSTM", "GRU", "SimpleRNN")]
CONTESTANTS = ("tahr", "torch", "keras-jax")


def data(units: int, steps_of_training: int) -> tuple[Any, Any]:
    import numpy as np

    words, _, steps, batch = SIZES[units]
    rng = np.random.default_rng(0)
    x = rng.integers(0, words, (batch * steps_of_training, steps)).astype("int32")
    return x, rng.integers(0, 2, (len(x), 1)).astype("float32")


def keras_steps(keras: Any, kind: str, units: int, count: int) -> list[float]:
    """Milliseconds per step, one figure for each of five epochs."""
    words, width, steps, batch = SIZES[units]
    x, y = data(units, count)
    model = keras.Sequential(
        [
            keras.Input((steps,), dtype="int32"),
            keras.layers.Embedding(words, width),
            getattr(keras.layers, kind)(units),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy")
    times = []
    for _ in range(6):
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch, epochs=1, verbose=0)
        times.append((time.perf_counter() - start) / count * 1e3)
    return times[1:]


def torch_steps(kind: str, units: int, count: int) -> list[float]:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    words, width, _, batch = SIZES[units]
    x, y = (torch.from_numpy(a) for a in data(units, count))
    layer = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}[kind]

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(words, width)
            self.rnn = layer(width, units, batch_first=True)
            self.dense = torch.nn.Linear(units, 1)

        def forward(self, x: Any) -> Any:
            return self.dense(self.rnn(self.embedding(x))[0][:, -1])

    torch.set_flush_denormal(True)  # its backward pass is many times slower without
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss_function = torch.nn.BCEWithLogitsLoss()
    times = []
    for i in range(count):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss_function(model(x[i * batch : (i + 1) * batch]), y[i * batch : (i + 1) * batch]).backward()
        optimizer.step()
        times.append((time.perf_counter() - start) * 1e3)
    return times[count // 5 :]


def child(contestant: str, model: str) -> None:
    kind, units = model.split("-")
    count = 60 if units == "32" else 12
    if contestant == "torch":
        times = torch_steps(kind, int(units), count)
    elif contestant == "tahr":
        from tahr import keras

        times = keras_steps(keras, kind, int(units), count)
    else:
        os.environ["KERAS_BACKEND"] = contestant.split("-")[1]
        import keras

        times = keras_steps(keras, kind, int(units), count)
    print(json.dumps(statistics.median(times)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--contestants", nargs="*", default=CONTESTANTS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*options.child)
    threads = str(options.threads)
    env = {**os.environ, "TAHR_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    print(f"| model | {' | '.join(options.contestants)} | times tahr |\n|---|{'---|' * len(options.contestants)}---|")
    for model in options.models:
        best: dict[str, float] = {}
        for _ in range(options.rounds):
            for contestant in options.contestants:
                command = [sys.executable, __file__, "--child", contestant, model]
                run = subprocess.run(command, env=env, capture_output=True, text=True)
                if run.returncode == 0:
                    best[contestant] = min(best.get(contestant, float("inf")), json.loads(run.stdout.splitlines()[-1]))
        cells = [f"{best[c]:.2f} ms" if c in best else "-" for c in options.contestants]
        ratios = [f"{best[c] / best['tahr']:.1f}" for c in options.contestants[1:] if c in best and "tahr" in best]
        print(f"| {model} | {' | '.join(cells)} | {', '.join(ratios)} |", flush=True)


if __name__ == "__main__":
    main()
