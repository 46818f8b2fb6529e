"""Layers that bring their inputs to a common scale.

base.py holds what those with a learned scale (gamma) and offset (beta) share. A layer here calls an op of `tahr.ops`;
arithmetic on whole tensors belongs there.
"""

from tahr.keras.old_paths import names_of

__getattr__ = names_of("layers", __name__)  # as in older versions of Keras
