"""`class_weight`: one weight per class, turned into one weight per sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr.data.structure import is_nested


def class_weight_to_sample_weight(y: Any, class_weight: dict[int, float], where: str) -> np.ndarray:
    """Weights of shape (samples,): `class_weight[label]`, 1 for a label that it does not name.

    `y` holds labels, (samples,) or (samples, 1), or one-hot rows (samples, classes).
    """
    if not isinstance(class_weight, dict):
        raise ValueError(f"[{where}] expected class_weight to be a dict {{class: weight}}, received {class_weight!r}.")
    if y is None or is_nested(y):
        raise ValueError(
            f"[{where}] expected one target array in argument y together with class_weight, received "
            f"{'none' if y is None else f'a {type(y).__name__}'}. Pass sample_weight (one array per output) instead."
        )
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(axis=-1)
    if labels.ndim != 1:
        raise ValueError(
            f"[{where}] expected one label per sample together with class_weight, received y of shape {np.shape(y)}. "
            "Pass sample_weight with one weight per label instead."
        )
    labels = np.rint(labels).astype("int64")
    found, where_found = np.unique(labels, return_inverse=True)
    weights = np.array([float(class_weight.get(int(label), 1.0)) for label in found], dtype="float32")
    return weights[where_found.reshape(-1)]
