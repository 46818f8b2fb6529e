"""Layers with a memory: recurrent cells, the layers that run them over sequences, and wrappers."""

from tahr.keras.old_paths import names_of

__getattr__ = names_of("layers", __name__)  # as in older versions of Keras
