"""`tahr.data`: small pipelines of Python and NumPy that turn sources of samples into batches.

`dataset.py` holds Dataset and its transformations, `batching.py` the joining of samples, `parallel.py` work done ahead
of its use, `seeding.py` the seed of all shuffling, `structure.py` nested structures. Nothing here knows models or
layers.
"""

import types

from tahr.data.dataset import AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset

# Names of an older version of TensorFlow.
experimental = types.SimpleNamespace(
    AUTOTUNE=AUTOTUNE, INFINITE_CARDINALITY=INFINITE_CARDINALITY, UNKNOWN_CARDINALITY=UNKNOWN_CARDINALITY
)

__all__ = ["AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Dataset", "experimental"]


def __getattr__(name: str) -> object:
    if name in ("TFRecordDataset", "TextLineDataset"):
        what = "open(path) as a generator" if name == "TextLineDataset" else "the files as arrays or a generator"
        raise AttributeError(f"[tahr.data] tf.data.{name} is not offered: pass {what} to Dataset.from_generator.")
    raise AttributeError(f"module 'tahr.data' has no attribute {name!r}.")
