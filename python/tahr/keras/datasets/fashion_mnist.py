"""Fashion-MNIST: small grey pictures of clothes."""

from __future__ import annotations

import numpy as np

from tahr.keras.datasets import idx, sources

_Pair = tuple[np.ndarray, np.ndarray]

# SHA-256 of what the gzip files hold: mirrors compress them differently.
_FILES = {
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
}


def load_data() -> tuple[_Pair, _Pair]:
    """Loads Fashion-MNIST: 60,000 + 10,000 pictures of 28 x 28 grey pixels in 10 classes.

    The classes: 0 T-shirt/top, 1 Trouser, 2 Pullover, 3 Dress, 4 Coat, 5 Sandal, 6 Shirt, 7 Sneaker, 8 Bag, 9 Ankle
        boot.

    Looked for in TAHR_DATA_DIR (also in its directory `fashion-mnist`), in the Debian package `dataset-fashion-mnist`,
    in the cache, and downloaded otherwise.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 arrays of shapes (60000, 28, 28), (60000,), (10000, 28, 28),
        (10000,).

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", 2017; MIT licence.
    """
    arrays = [
        idx.read(
            sources.find(
                "fashion_mnist",
                name,
                sources.KERAS_FILES + name,
                file_hash,
                others=(f"fashion-mnist/{name}",),
                system=("/usr/share/datasets/fashion-mnist",),
                subdir="fashion-mnist",
                hash_algorithm="gzip-sha256",
            )
        )
        for name, file_hash in _FILES.items()
    ]
    y_train, x_train, y_test, x_test = arrays
    return (x_train, y_train), (x_test, y_test)
