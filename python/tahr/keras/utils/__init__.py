"""`keras.utils`: helpers around data, files, progress and reproducibility. Each file is one subject."""

from tahr.keras.utils.batches import pack_x_y_sample_weight, unpack_x_y_sample_weight
from tahr.keras.utils.files import get_file
from tahr.keras.utils.numerical import normalize, pad_sequences, to_categorical
from tahr.keras.utils.progbar import Progbar
from tahr.keras.utils.py_dataset import PyDataset, Sequence
from tahr.keras.utils.random_seed import set_random_seed

__all__ = [
    "Progbar",
    "PyDataset",
    "Sequence",
    "get_file",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "set_random_seed",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
