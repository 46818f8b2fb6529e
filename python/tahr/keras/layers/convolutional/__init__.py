"""Convolutions: base.py holds what they share, the other files the layers of one kind each."""

from tahr.keras.old_paths import names_of

__getattr__ = names_of("layers", __name__)  # as in older versions of Keras
