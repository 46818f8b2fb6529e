"""`tahr.data`: pipelines that turn sources of samples into batches.

`dataset.py` holds Dataset and its transformations. Where the samples are rows of arrays, a pipeline is a plan of row
numbers and traced functions that the engine carries out batch by batch: `rows.py`, with `numbers.py` for orders and
`maps.py` for functions. Else samples pass through Python one by one: `conversion.py` makes arrays of them, `batching.py`
joins them, `parallel.py` works ahead of their use. `seeding.py` is the seed of all shuffling, `structure.py` nested
structures. Nothing here knows models or layers.
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
