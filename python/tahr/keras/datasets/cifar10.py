"""CIFAR-10: small colour pictures in 10 classes."""

from __future__ import annotations

import numpy as np

from tahr.keras.datasets import cifar, sources

_Pair = tuple[np.ndarray, np.ndarray]


def load_data() -> tuple[_Pair, _Pair]:
    """Loads CIFAR-10: 50,000 + 10,000 pictures of 32 x 32 colour pixels.

    The classes: 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 arrays of shapes (50000, 32, 32, 3), (50000, 1), (10000, 32, 32,
        3), (10000, 1); pictures (…, 3, 32, 32) where `keras.config.image_data_format()` is "channels_first".

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    path = sources.find(
        "cifar10",
        "cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    )
    folder = "cifar-10-batches-py"
    train = cifar.read(path, [f"{folder}/data_batch_{i}" for i in range(1, 6)], "labels")
    return train, cifar.read(path, [f"{folder}/test_batch"], "labels")
