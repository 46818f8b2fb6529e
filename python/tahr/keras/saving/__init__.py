"""keras.saving: names for custom objects, and objects to and from configs.

- registration: `register_keras_serializable`, custom object scopes
- serialization: Keras 3's config format {"module", "class_name", "config", "registered_name"}
"""

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
    "SafeModeScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register_keras_serializable",
    "serialize_keras_object",
]
