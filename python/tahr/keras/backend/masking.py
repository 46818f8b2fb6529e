"""Masks ride on tensors as an attribute, from the layer that makes them to the layers that heed them."""

from __future__ import annotations

from typing import Any


def set_keras_mask(x: Any, mask: Any) -> None:
    """Attaches `mask` to the tensor `x`."""
    x._keras_mask = mask


def get_keras_mask(x: Any) -> Any:
    """The mask attached to `x`, or None."""
    return getattr(x, "_keras_mask", None)
