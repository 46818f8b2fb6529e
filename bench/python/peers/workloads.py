"""The works as plain data, and the data sets they need. Only NumPy is imported, and that late."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 42
IMAGES, HOUSES = 55_000, 11_610
BLOCKS = 3  # of the residual network


@dataclass(frozen=True)
class Training:
    """A model, its optimizer and its batches. `widths` are those of a chain of dense layers with `activation` between them.

    "cnn" has two convolutions 3x3 with relu and pools of 2x2 after them, then two dense layers; "residual" has
    blocks of two convolutions 3x3 with batch normalisation, all of one width, each block's input added to its result.
    """

    title: str
    kind: str  # "classify", "cnn", "residual" (images, accuracy), "regress" or "wide_deep" (houses)
    widths: tuple[int, ...]
    batch: int
    optimizer: str = "sgd"
    rate: float = 0.01
    rows: int = IMAGES
    activation: str = "relu"  # or "sigmoid"

    @property
    def steps(self) -> int:
        return -(-self.rows // self.batch)

    @property
    def classifies(self) -> bool:
        return self.kind in ("classify", "cnn", "residual")

    @property
    def megaflop(self) -> float | None:
        """Of one step's products: forward, weight gradients, and input gradients except the first layer's."""
        if self.kind == "wide_deep":
            return None
        w = self.widths
        if self.kind == "cnn":
            terms = [9 * w[0] * 26**2, 9 * w[0] * w[1] * 11**2, 25 * w[1] * w[2], w[2] * w[3]]
        elif self.kind == "residual":
            terms = [27 * w[0] * 32**2, *[9 * w[0] ** 2 * 32**2] * (2 * BLOCKS), w[0] * w[1]]
        else:
            terms = [m * n for m, n in zip(w, w[1:])]
        products = [2.0 * self.batch * term for term in terms]
        return (3 * sum(products) - products[0]) / 1e6


def mlp(batch: int, first: int = 300, rows: int = IMAGES) -> Training:
    return Training(f"MLP 784-{first}-100-10, batch {batch}, SGD", "classify", (784, first, 100, 10), batch, rows=rows)


def residual(width: int, batch: int) -> Training:
    title = f"{BLOCKS} residual blocks of 3x3x{width} with batch normalisation on 32x32x3, batch {batch}, Adam"
    return Training(title, "residual", (width, 10), batch, optimizer="adam", rate=0.001, rows=10 * batch)


TRAINING = {
    "mlp32": mlp(32),
    "mlp256": Training(
        "MLP 784-300-100-10, batch 256, Adam", "classify", (784, 300, 100, 10), 256, optimizer="adam", rate=0.001
    ),
    "sigmoid32": Training(
        "MLP 784-100-10 with a sigmoid, batch 32, SGD", "classify", (784, 100, 10), 32, activation="sigmoid"
    ),
    "regr32": Training("8-30-1, batch 32, SGD", "regress", (8, 30, 1), 32, rows=HOUSES),
    "cnn": Training(
        "CNN: 3x3x32, pool, 3x3x64, pool, dense 128, dense 10 on 28x28x1, batch 64, Adam",
        "cnn",
        (32, 64, 128, 10),
        64,
        optimizer="adam",
        rate=0.001,
        rows=6400,
    ),
    "residual": residual(64, 64),
    "widedeep": Training("wide & deep, two outputs, batch 32, SGD", "wide_deep", (6, 30, 30, 1), 32, rows=HOUSES),
}
NEIGHBOURS = {
    "residual17": residual(64, 17),
    "residual48": residual(48, 64),
    **{f"batch{b}": mlp(b, rows=IMAGES // 5) for b in (17, 50, 100)},
    **{f"width{w}": mlp(32, first=w, rows=IMAGES // 5) for w in (10, 96, 500, 1000)},
}
OTHERS = {
    "search": "30 small models built, compiled and trained for 2 epochs",
    "process": "whole process: import, build, train 1 epoch on 1,000 images",
    "one_row": "one row through the MLP",
    "cycles": "200 times build, compile, fit, delete",
    "predicts": "100,000 predicts of one row",
    "bits": "weights after 3 epochs of the MLP with 1, 2 and 4 threads",
}
ALONE = ("cycles", "predicts", "bits")  # asked of tahr only
GROUPS = {
    "train": tuple(TRAINING),
    "near": tuple(NEIGHBOURS),
    "other": tuple(OTHERS),
    "all": (*TRAINING, *NEIGHBOURS, *OTHERS),
}


def title(work: str) -> str:
    training = (TRAINING | NEIGHBOURS).get(work)
    return training.title if training else OTHERS[work]


def _data_file(name: str) -> Path | None:
    beside_checkout = Path(__file__).parents[4] / "shared" / "data"
    for root in (os.environ.get("TAHR_DATA_DIR"), beside_checkout):
        if root and (Path(root) / name).exists():
            return Path(root) / name
    return None


def images(rows: int) -> tuple[Any, Any, str]:
    """The first `rows` training images of Fashion-MNIST: (rows, 784) float32 in 0..1, int32 labels, and where from.

    Decompressed a piece at a time, so that the peak memory of a process is not that of reading its data.
    """
    import numpy as np

    x = np.empty((rows, 784), np.float32)
    pixels = _data_file("fashion-mnist/train-images-idx3-ubyte.gz")
    labels = _data_file("fashion-mnist/train-labels-idx1-ubyte.gz")
    if pixels is None or labels is None:
        rng = np.random.default_rng(SEED)
        prototypes = rng.uniform(0, 1, (10, 784)).astype(np.float32)
        y = rng.integers(0, 10, rows)
        for i in range(0, rows, 1000):
            noise = rng.uniform(0, 1, (len(y[i : i + 1000]), 784)).astype(np.float32)
            x[i : i + 1000] = 0.5 * (prototypes[y[i : i + 1000]] + noise)
        return x, y.astype(np.int32), "random images"
    with gzip.open(pixels) as f:
        f.read(16)
        for i in range(0, rows, 1000):
            n = min(1000, rows - i)
            piece = np.frombuffer(f.read(784 * n), np.uint8).reshape(n, 784)
            np.divide(piece, np.float32(255), out=x[i : i + n])
    with gzip.open(labels) as f:
        y = np.frombuffer(f.read(8 + rows)[8:], np.uint8)
    return x, y.astype(np.int32), "Fashion-MNIST"


def houses(rows: int) -> tuple[Any, Any, str]:
    """`rows` districts of California: (rows, 8) standardised float32, (rows, 1) float32 targets, and where from."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    path = _data_file("california_housing.npz")
    if path is None:
        x = rng.normal(0, 1, (rows, 8)).astype(np.float32)
        return x, np.tanh(x[:, :4].sum(1, keepdims=True)), "random rows"
    with np.load(path) as file:
        pick = rng.permutation(len(file["target"]))[:rows]
        x, y = file["data"][pick], file["target"][pick]
    x = (x - x.mean(0)) / x.std(0)
    return x.astype(np.float32), y.astype(np.float32)[:, None], "California housing"


def training_data(work: Training) -> tuple[list[Any], list[Any], str]:
    """Inputs, targets, and where they are from."""
    if work.kind == "residual":
        import numpy as np

        rng = np.random.default_rng(SEED)
        x = rng.normal(0, 1, (work.rows, 32, 32, 3)).astype(np.float32)
        return [x], [rng.integers(0, 10, work.rows).astype(np.int32)], "random images"
    if work.classifies:
        x, y, source = images(work.rows)
        return [x.reshape(-1, 28, 28, 1) if work.kind == "cnn" else x], [y], source
    x, y, source = houses(work.rows)
    if work.kind == "regress":
        return [x], [y], source
    return [x[:, :5].copy(), x[:, 2:].copy()], [y, y], source


def search_configs(count: int) -> list[dict[str, Any]]:
    """Hidden layers, their width, and the learning rate of each model of a random search."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    return [
        {
            "hidden": int(rng.integers(0, 4)),
            "width": int(rng.integers(1, 100)),
            "rate": float(np.exp(rng.uniform(np.log(3e-4), np.log(3e-2)))),
        }
        for _ in range(count)
    ]
