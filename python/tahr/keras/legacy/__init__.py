"""keras.legacy: names that Keras keeps from its second version. Nothing lives here but what is published here alone."""

from tahr.keras.legacy import saving

__all__ = ["saving"]
