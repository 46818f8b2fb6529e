"""Layers that make training harder so that the model generalises: dropout and noise."""

from tahr.keras.old_paths import names_of

__getattr__ = names_of("layers", __name__)  # as in older versions of Keras
