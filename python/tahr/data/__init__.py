"""`tahr.data`: small pipelines of Python and NumPy that turn sources of samples into batches.

`dataset.py` holds Dataset and its transformations, `batching.py` the joining of samples, `parallel.py` work done ahead
of its use, `seeding.py` the seed of all shuffling, `structure.py` nested structures. Nothing here knows models or
layers.
"""

from tahr.data.dataset import AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset

__all__ = ["AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Dataset"]
