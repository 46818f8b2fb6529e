"""Layers in which places of a sequence look at each other.

masks.py makes masks, projected.py holds what attention between learned projections shares. The product of queries and
keys belongs to `ops.dot_product_attention`; only what shows or drops single scores is written out here.
"""

from tahr.keras.old_paths import names_of

__getattr__ = names_of("layers", __name__)  # as in older versions of Keras
