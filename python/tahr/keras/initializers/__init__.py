"""Initializers: how a variable gets its first value.

One class per scheme: fixed values in `constant.py`, random ones in `random.py`. A new scheme subclasses `Initializer`,
is imported here and added to `_OBJECTS`; nothing in layers knows about single schemes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr import ops
from tahr.keras.identifiers import Identifiers
from tahr.keras.initializers.base import Initializer, checked_dtype
from tahr.keras.initializers.constant import STFT, Constant, Identity, Ones, Zeros
from tahr.keras.initializers.random import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    compute_fans,
)
from tahr.keras.saving import serialize_keras_object

_OBJECTS = (
    Initializer,
    Constant,
    Identity,
    Ones,
    STFT,
    Zeros,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)

constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = IdentityInitializer = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = OrthogonalInitializer = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
stft = STFTInitializer = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_identifiers = Identifiers(
    "initializer",
    _OBJECTS,
    {
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
        "STFTInitializer": STFT,
        "normal": RandomNormal,
        "one": Ones,
        "uniform": RandomUniform,
        "zero": Zeros,
    },
)


def serialize(initializer: Any) -> Any:
    """A plain-Python config of an initializer, for `deserialize`."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The initializer that `serialize` described."""
    return _identifiers.deserialize(config, custom_objects)


def get(identifier: Any) -> Any:
    """The initializer that `identifier` stands for.

    Arguments:
        identifier: `None`, a name (`"he_normal"`), a config dict, a class, a callable `(shape, dtype) -> tensor`, or an
            array or tensor that is itself the value.

    Returns:
        A callable `(shape, dtype=None) -> tensor`, or `None` for `None`.

    Raises:
        ValueError: the identifier is of another kind, or the name is unknown.

    Example:

    >>> from tahr.keras import initializers
    >>> type(initializers.get("he_normal")).__name__
    'HeNormal'
    """
    if isinstance(identifier, (np.ndarray, np.generic)) or ops.is_tensor(identifier):
        return _from_value(identifier)
    return _identifiers.get(identifier)


def _from_value(value: Any) -> Any:
    def initialize(shape: tuple[int, ...], dtype: str | None = None) -> Any:
        if tuple(shape) != tuple(value.shape):
            raise ValueError(
                f"[initializer] Expected `shape` to be {tuple(value.shape)}, the shape of the given value, "
                f"received {tuple(shape)}."
            )
        return ops.convert_to_tensor(value, dtype=checked_dtype(dtype))

    return initialize


__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]
