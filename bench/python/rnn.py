"""Recurrent networks, a transformer block, and the ops they lean on, beside PyTorch and Keras on JAX: one interleaved run.

Usage:
    python bench/python/rnn.py                          # everything with its neighbouring sizes
    python bench/python/rnn.py --work goals             # what has a goal
    python bench/python/rnn.py --work LSTM-32 transformer adam --rounds 5
    python bench/python/rnn.py --venvs .peers           # environments made by compare.py --make-venvs

A step of a recurrent work is an Embedding, the recurrent layer, one sigmoid unit, binary cross-entropy and Adam, on random
sequences. One of the transformer is self-attention and two dense layers, each with its shortcut and layer normalisation,
a mean over time, two classes and Adam. The ops make new results, as they do in a model. Every contestant runs in a process
of its own, the processes take turns, and a figure is the least over the rounds of the median: what the machine gives when
it is left alone. Prints milliseconds, and how many times longer than tahr the best of the others took. Contestants that are
not installed are left out; PyTorch gets its fused optimizer and, where it helps, flushed subnormals.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers.venvs import PYTHON_PATHS, installed, interpreter

CONTESTANTS = ("tahr", "torch", "keras-jax")
ROWS, COLUMNS = 10_000, 1_000  # of the ops


@dataclasses.dataclass(frozen=True)
class Work:
    """`kind` is a recurrent layer, "transformer", or an op; the sizes are those of its model."""

    kind: str
    goal: float | None = None
    units: int = 0
    embedding: int = 0
    words: int = 10_000
    time: int = 128
    batch: int = 32
    width: int = 128
    heads: int = 4
    inner: int = 512
    dropout: float = 0.0

    @property
    def recurrent(self) -> bool:
        return self.units > 0

    @property
    def title(self) -> str:
        if self.recurrent:
            return f"Embedding {self.embedding} + {self.kind} {self.units}, T {self.time}, batch {self.batch}"
        if self.kind == "transformer":
            sizes = f"T {self.time}, d {self.width}, {self.heads} heads, ff {self.inner}, batch {self.batch}"
            return f"transformer block, {sizes}" + (f", dropout {self.dropout:g}" if self.dropout else "")
        if self.kind == "adam":
            return "Adam, 100 tensors of 10,000"
        return f"{self.kind}, {ROWS:,} rows of {COLUMNS:,}"

    @property
    def steps(self) -> int:
        """Of an epoch: about a fifth of a second of work."""
        if self.kind == "transformer":
            return 10
        return 40 if self.units <= 64 else 8


def small(kind: str, goal: float | None = None, **sizes: int) -> Work:
    return Work(kind, goal, **{"units": 32, "embedding": 32, "time": 200, "batch": 32, **sizes})  # type: ignore[arg-type]


def large(kind: str, goal: float | None = None, **sizes: int) -> Work:
    sizes = {"units": 256, "embedding": 128, "words": 20_000, "time": 100, "batch": 64, **sizes}
    return Work(kind, goal, **sizes)  # type: ignore[arg-type]


GOALS = {
    "LSTM-32": small("LSTM", 2.5),
    "GRU-32": small("GRU", 2.5),
    "SimpleRNN-32": small("SimpleRNN", 2.0),
    "LSTM-256": large("LSTM", 1.3),
    "GRU-256": large("GRU", 1.3),
    "transformer": Work("transformer", 1.4),
    "softmax": Work("softmax", 4.0),
    "layer_norm": Work("layer_norm", 4.0),
    "tanh": Work("tanh", 4.0),
    "adam": Work("adam", 2.0),
}
NEAR = {
    "LSTM-48": small("LSTM", units=48),
    "GRU-48": small("GRU", units=48),
    "SimpleRNN-48": small("SimpleRNN", units=48),
    "LSTM-32-b17": small("LSTM", batch=17),
    "GRU-32-b17": small("GRU", batch=17),
    "LSTM-32-b1": small("LSTM", batch=1),
    "GRU-32-b1": small("GRU", batch=1),
    "LSTM-128-b4": large("LSTM", units=128, batch=4),
    "GRU-128-b4": large("GRU", units=128, batch=4),
    "LSTM-256-b4": large("LSTM", batch=4),
    "GRU-256-b4": large("GRU", batch=4),
    "LSTM-256-b17": large("LSTM", batch=17),
    "SimpleRNN-256": large("SimpleRNN"),
    "transformer-96": Work("transformer", time=100, width=96, heads=3, inner=384),
    "transformer-b17": Work("transformer", batch=17),
    "transformer-256": Work("transformer", time=256, width=256, heads=8, inner=1024, batch=8),
    "transformer-dropout": Work("transformer", dropout=0.1),
}
WORKS = GOALS | NEAR
GROUPS = {"goals": GOALS, "near": NEAR, "all": WORKS}


def epochs(step_or_fit: Callable[[], None], steps: int, budget: float) -> float:
    """Median milliseconds per step of the epochs that fit in `budget` seconds, the first two apart."""
    step_or_fit()
    step_or_fit()
    times: list[float] = []
    end = time.perf_counter() + budget
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 500):
        start = time.perf_counter()
        step_or_fit()
        times.append((time.perf_counter() - start) / steps * 1e3)
    return statistics.median(times)


def data(work: Work) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    rows = work.batch * work.steps
    if work.recurrent:
        x = rng.integers(0, work.words, (rows, work.time)).astype("int32")
        return x, rng.integers(0, 2, (rows, 1)).astype("float32")
    return rng.normal(0, 1, (rows, work.time, work.width)).astype("float32"), rng.integers(0, 2, rows)


def keras_model(keras: Any, work: Work) -> Any:
    layers = keras.layers
    if work.recurrent:
        model = keras.Sequential(
            [
                keras.Input((work.time,), dtype="int32"),
                layers.Embedding(work.words, work.embedding),
                getattr(layers, work.kind)(work.units),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("adam", "binary_crossentropy")
        return model

    def joined(x: Any, change: Any) -> Any:
        if work.dropout:
            change = layers.Dropout(work.dropout)(change)
        return layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, change]))

    inputs = keras.Input((work.time, work.width))
    x = joined(inputs, layers.MultiHeadAttention(work.heads, work.width // work.heads)(inputs, inputs))
    hidden = layers.Dense(work.inner, activation="relu")(x)
    if work.dropout:
        hidden = layers.Dropout(work.dropout)(hidden)
    x = joined(x, layers.Dense(work.width)(hidden))
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def keras_time(keras: Any, work: Work, budget: float) -> float:
    x, y = data(work)
    model = keras_model(keras, work)
    return epochs(
        lambda: model.fit(x, y, batch_size=work.batch, epochs=1, shuffle=False, verbose=0), work.steps, budget
    )


def torch_model(work: Work) -> Any:
    import torch

    class Recurrent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}[work.kind]
            self.embedding = torch.nn.Embedding(work.words, work.embedding)
            self.rnn = layer(work.embedding, work.units, batch_first=True)
            self.dense = torch.nn.Linear(work.units, 1)

        def forward(self, x: Any) -> Any:
            return self.dense(self.rnn(self.embedding(x))[0][:, -1])

    class Transformer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = torch.nn.TransformerEncoderLayer(
                work.width, work.heads, work.inner, dropout=work.dropout, activation="relu", batch_first=True
            )
            self.block.self_attn.dropout = 0.0  # Keras's layer has none of its own either
            self.dense = torch.nn.Linear(work.width, 2)

        def forward(self, x: Any) -> Any:
            return self.dense(self.block(x).mean(1))

    return Recurrent() if work.recurrent else Transformer()


def torch_time(work: Work, budget: float) -> float:
    import torch

    if work.recurrent:
        torch.set_flush_denormal(True)  # its backward pass is many times slower without
    x, y = (torch.from_numpy(a) for a in data(work))
    model = torch_model(work)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss_function = torch.nn.BCEWithLogitsLoss() if work.recurrent else torch.nn.CrossEntropyLoss()

    def epoch() -> None:
        for i in range(0, len(x), work.batch):
            optimizer.zero_grad()
            loss_function(model(x[i : i + work.batch]), y[i : i + work.batch]).backward()
            optimizer.step()

    return epochs(epoch, work.steps, budget)


def op_call(contestant: str, kind: str) -> Callable[[], Any]:
    """One call of an op. PyTorch's tensors ask for no gradients."""
    import numpy as np

    rng = np.random.default_rng(0)
    tensors = [rng.normal(0, 1, 10_000).astype("float32") for _ in range(100)] if kind == "adam" else []
    x = rng.normal(0, 1, (ROWS, COLUMNS)).astype("float32") if not tensors else np.empty(0)
    scale, offset = np.ones(COLUMNS, "float32"), np.zeros(COLUMNS, "float32")
    if contestant == "torch":
        import torch

        if kind == "adam":
            parameters = [torch.nn.Parameter(torch.from_numpy(t.copy())) for t in tensors]
            for parameter, t in zip(parameters, tensors, strict=True):
                parameter.grad = torch.from_numpy(t)
            return torch.optim.Adam(parameters, fused=True).step
        xt, s, o = torch.from_numpy(x), torch.from_numpy(scale), torch.from_numpy(offset)
        return {
            "softmax": lambda: torch.softmax(xt, -1),
            "layer_norm": lambda: torch.nn.functional.layer_norm(xt, (COLUMNS,), s, o),
            "tanh": lambda: torch.tanh(xt),
        }[kind]
    import tahr as tf
    from tahr import keras

    if kind == "adam":
        optimizer = keras.optimizers.Adam()
        variables = [keras.Variable(t) for t in tensors]
        gradients = [tf.convert_to_tensor(t) for t in tensors]
        optimizer.build(variables)
        return lambda: optimizer.apply(gradients, variables)
    xt, s, o = (tf.convert_to_tensor(a) for a in (x, scale, offset))
    return {
        "softmax": lambda: tf.ops.softmax(xt),
        "layer_norm": lambda: tf.ops.layer_normalization(xt, s, o, axis=-1),
        "tanh": lambda: tf.ops.tanh(xt),
    }[kind]


def child(contestant: str, name: str, budget: float) -> None:
    """One measurement in this process: prints milliseconds."""
    work = WORKS[name]
    if contestant == "torch":
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if not work.recurrent and work.kind != "transformer":
        call = op_call(contestant, work.kind)

        def ten() -> None:
            for _ in range(10):
                call()

        found = epochs(ten, 10, budget)
    elif contestant == "torch":
        found = torch_time(work, budget)
    elif contestant == "tahr":
        from tahr import keras

        found = keras_time(keras, work, budget)
    else:
        import keras  # type: ignore[no-redef]

        found = keras_time(keras, work, budget)
    print(json.dumps(found))


def measure(contestant: str, name: str, options: argparse.Namespace) -> float | None:
    """Milliseconds in a process of its own; None where the contestant has no such work, or failed."""
    work = WORKS[name]
    if contestant.startswith("keras-") and not work.recurrent and work.kind != "transformer":
        return None
    counts = ("TAHR_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    env = {**os.environ, **dict.fromkeys(counts, str(options.threads)), "PYTHONPATH": PYTHON_PATHS}
    env |= {"JAX_PLATFORMS": "cpu", "KERAS_BACKEND": contestant.removeprefix("keras-")}
    command = [interpreter(contestant, options.venvs), __file__, "--child", contestant, name]
    run = subprocess.run([*command, "--budget", str(options.budget)], env=env, capture_output=True, text=True)
    if run.returncode != 0:
        print((run.stderr.strip().splitlines() or ["failed"])[-1], file=sys.stderr)
        return None
    return float(json.loads(run.stdout.splitlines()[-1]))


def table_row(name: str, found: dict[str, float], contestants: list[str]) -> str:
    cells = [f"{found[c]:.2f}" if c in found else "–" for c in contestants]
    others = [found[c] for c in contestants if c != "tahr" and c in found]
    ratio = f"{min(others) / found['tahr']:.2f}" if others and "tahr" in found else "–"
    goal = WORKS[name].goal
    return f"| {WORKS[name].title} | {' | '.join(cells)} | {ratio} | {'' if goal is None else f'{goal:g}'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", nargs="*", default=["all"], choices=[*GROUPS, *WORKS], metavar="WORK")
    parser.add_argument("--contestants", nargs="*", default=list(CONTESTANTS), choices=CONTESTANTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=float, default=1.0, help="seconds that each process measures")
    parser.add_argument("--venvs", type=Path, default=Path(".peers"), help="folder that compare.py --make-venvs filled")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*options.child, options.budget)
    contestants = [c for c in options.contestants if installed(c, options.venvs) is not None]
    works = list(dict.fromkeys(w for name in options.work for w in GROUPS.get(name, {name: None})))
    print(f"| ms | {' | '.join(contestants)} | best of the others over tahr | goal |")
    print(f"|---|{'---|' * len(contestants)}---|---|")
    for name in works:
        best: dict[str, float] = {}
        for _ in range(options.rounds):
            for contestant in contestants:
                found = measure(contestant, name, options)
                if found is not None:
                    best[contestant] = min(best.get(contestant, float("inf")), found)
        print(table_row(name, best, contestants), flush=True)


if __name__ == "__main__":
    main()
