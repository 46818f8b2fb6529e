"""keras.saving: models to files and back; objects to configs and back; names for custom objects. See README.md."""

from tahr.keras.saving.api import load_model, load_weights, save_model, save_weights
from tahr.keras.saving.file_editor import KerasFileEditor
from tahr.keras.saving.registration import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from tahr.keras.saving.serialization import SafeModeScope, deserialize_keras_object, serialize_keras_object

__all__ = [
    "CustomObjectScope",
    "KerasFileEditor",
    "SafeModeScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
