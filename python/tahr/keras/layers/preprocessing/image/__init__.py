"""Layers that change images, and with them labels, boxes around objects and segmentation masks.

`base.py` is what they share: one random choice per call (`get_random_transformation`), then a deterministic change of
each part (`transform_images`, `transform_labels`, ...), which always sees a batch. sizes.py: other sizes; geometry.py:
pixels move; color.py: values change; mixing.py: images mix or lose parts; policies.py: layers made of other layers.
To add a layer: its class in the file of its kind, its name in `layers/__init__.py`.
"""
