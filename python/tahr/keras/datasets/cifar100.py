"""CIFAR-100: small colour pictures in 100 classes of 20 groups."""

from __future__ import annotations

import numpy as np

from tahr.keras.datasets import cifar, sources

_Pair = tuple[np.ndarray, np.ndarray]


def load_data(label_mode: str = "fine") -> tuple[_Pair, _Pair]:
    """Loads CIFAR-100: 50,000 + 10,000 pictures of 32 x 32 colour pixels.

    Args:
        label_mode: "fine" for the 100 classes, "coarse" for their 20 groups.

    Returns:
        `(x_train, y_train), (x_test, y_test)` of the shapes and dtypes of CIFAR-10.

    Raises:
        ValueError: another `label_mode`.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f"[cifar100.load_data] expected label_mode 'fine' or 'coarse', received {label_mode!r}.")
    path = sources.find(
        "cifar100",
        "cifar-100-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    )
    key = f"{label_mode}_labels"
    return cifar.read(path, ["cifar-100-python/train"], key), cifar.read(path, ["cifar-100-python/test"], key)
