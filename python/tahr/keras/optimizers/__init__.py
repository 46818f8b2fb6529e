"""Optimizers: how gradients change variables.

`base.py` holds the options and the order of a step; each rule is a class with `build` and `update_step`: `sgd.py`,
`adam.py` (two running moments), `adaptive.py` (a rate per weight), `momentum.py` (shaped momentum), `wrappers.py`
(optimizers around optimizers). A new rule is a class, an entry in `_OBJECTS`, and a case in
`tests/python/keras/test_optimizers.py`. If an op updates all variables at once, name it in `_fused_op`.
"""

from __future__ import annotations

from typing import Any

from tahr.keras.identifiers import Identifiers
from tahr.keras.optimizers import legacy, schedules
from tahr.keras.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam, ScheduleFreeAdamW
from tahr.keras.optimizers.adaptive import Adadelta, Adafactor, Adagrad, Ftrl, RMSprop
from tahr.keras.optimizers.base import Optimizer
from tahr.keras.optimizers.momentum import Lion, Muon
from tahr.keras.optimizers.sgd import SGD
from tahr.keras.optimizers.wrappers import LossScaleOptimizer, MultiOptimizer, OptimizerMap
from tahr.keras.saving import serialize_keras_object

_OBJECTS = (
    Optimizer,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    Adamax,
    Ftrl,
    Lamb,
    Lion,
    LossScaleOptimizer,
    MultiOptimizer,
    Muon,
    Nadam,
    OptimizerMap,
    RMSprop,
    SGD,
    ScheduleFreeAdamW,
)
_identifiers = Identifiers("optimizer", _OBJECTS, {cls.__name__.lower(): cls for cls in _OBJECTS}, snake_case=False)


def serialize(optimizer: Any) -> Any:
    """A plain-Python config of an optimizer, for `deserialize`."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: dict | None = None) -> Any:
    """The optimizer that `serialize` described."""
    if isinstance(config, dict) and str(config.get("class_name", "")).lower() in _identifiers.table:
        config = {**config, "class_name": config["class_name"].lower()}
    return _identifiers.deserialize(config, custom_objects)


def get(identifier: Any) -> Any:
    """The optimizer that a name (in any case), config dict, class or object stands for; `None` for `None`.

    Raises:
        ValueError: the identifier is of another kind, or the name is unknown.

    Example:

    >>> from tahr.keras import optimizers
    >>> type(optimizers.get("rmsprop")).__name__
    'RMSprop'
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        known = identifier.lower() in _identifiers.table
        identifier = _identifiers.lookup(identifier.lower() if known else identifier)
    elif isinstance(identifier, dict):
        identifier = deserialize(identifier)
    if isinstance(identifier, type):
        identifier = identifier()
    if isinstance(identifier, Optimizer):
        return identifier
    raise ValueError(
        f"[optimizer] expected a name, a config dict or an Optimizer, received {identifier!r} of type "
        f"{type(identifier).__name__}."
    )


__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "legacy",
    "schedules",
    "serialize",
]
