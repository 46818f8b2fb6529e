"""keras.utils.legacy: `keras.legacy.saving` by another name."""

from tahr.keras.legacy.saving import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize_keras_object", "serialize_keras_object"]
