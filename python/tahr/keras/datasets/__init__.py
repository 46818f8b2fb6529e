"""`keras.datasets`: small data sets for examples and tests, as NumPy arrays.

`sources.py` finds a data set's files (data directory, Debian package, cache, checked download); each other file holds
one data set's `load_data`, which is published as a module of that name. A new data set is a new file that names its
files to `sources.find` together with their SHA-256. Files are read without running any code that they may hold.
"""

from tahr.keras.datasets import (
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)

__all__ = ["boston_housing", "california_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters"]
