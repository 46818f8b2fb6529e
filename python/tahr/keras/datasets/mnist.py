"""MNIST: handwritten digits."""

from __future__ import annotations

import numpy as np

from tahr.keras.datasets import sources

_Pair = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "mnist.npz") -> tuple[_Pair, _Pair]:
    """Loads MNIST: 60,000 + 10,000 pictures of 28 x 28 grey pixels of the digits 0 to 9.

    Args:
        path: name of the file in TAHR_DATA_DIR or in the cache.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 arrays of shapes (60000, 28, 28), (60000,), (10000, 28, 28),
        (10000,).

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits"; CC BY-SA 3.0.
    """
    found = sources.find(
        "mnist",
        path,
        sources.KERAS_FILES + "mnist.npz",
        "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        others=("mnist/mnist.npz",),
    )
    with np.load(found, allow_pickle=False) as file:
        return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])
