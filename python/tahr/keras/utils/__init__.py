"""`keras.utils`: helpers around data, files, progress and reproducibility. Each file is one subject."""

import importlib
from typing import Any

from tahr.keras.backend import clear_session, is_keras_tensor, standardize_dtype
from tahr.keras.backend.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from tahr.keras.old_paths import submodule
from tahr.keras.saving import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from tahr.keras.utils.batches import pack_x_y_sample_weight, unpack_x_y_sample_weight
from tahr.keras.utils.numerical import normalize, pad_sequences, to_categorical
from tahr.keras.utils.progbar import Progbar
from tahr.keras.utils.py_dataset import PyDataset, Sequence
from tahr.keras.utils.random_seed import set_random_seed

_LAZY = {
    "Config": "config",
    "FeatureSpace": "feature_space",
    "array_to_img": "images",
    "audio_dataset_from_directory": "directory_datasets",
    "get_file": "files",
    "get_source_inputs": "sources",
    "image_dataset_from_directory": "directory_datasets",
    "img_to_array": "images",
    "load_img": "images",
    "model_to_dot": "drawing",
    "plot_model": "drawing",
    "save_img": "images",
    "split_dataset": "splitting",
    "text_dataset_from_directory": "directory_datasets",
    "timeseries_dataset_from_array": "timeseries",
}

__all__ = [
    *_LAZY,
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "standardize_dtype",
    "to_categorical",
    "unpack_x_y_sample_weight",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:  # what takes its time to import, and few scripts need
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    if name == "bounding_boxes":
        return importlib.import_module(f"{__name__}.bounding_boxes")
    return submodule(__name__, name)
