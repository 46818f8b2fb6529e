"""`keras.callbacks`: objects that `fit`, `evaluate` and `predict` call along the way.

One subject per file: `callback.py` (the base class and the list that calls them), `history.py`, `progbar_logger.py`,
`plateaus.py` (what watches a metric and acts when it stops improving), `schedules.py`, `averages.py`, `lambdas.py`,
`nans.py`, `logs.py`, and, imported when they are asked for, `checkpoints.py` (files of the model), `remote_monitor.py`,
`orbax.py` (which refuses) and `tensorboard.py`, which writes through
`event_files.py` and lets others write through `summaries.py`. A new callback derives from
Callback, overrides the hooks it needs and is added to `__all__` here. Callbacks see the model only through its public
methods.
"""

import importlib
from typing import Any

from tahr.keras.callbacks.averages import SwapEMAWeights
from tahr.keras.callbacks.callback import Callback, CallbackList
from tahr.keras.callbacks.history import History
from tahr.keras.callbacks.lambdas import LambdaCallback
from tahr.keras.callbacks.logs import CSVLogger
from tahr.keras.callbacks.nans import TerminateOnNaN
from tahr.keras.callbacks.plateaus import EarlyStopping, ReduceLROnPlateau
from tahr.keras.callbacks.progbar_logger import ProgbarLogger
from tahr.keras.callbacks.schedules import LearningRateScheduler

_LAZY = {
    "BackupAndRestore": "checkpoints",
    "ModelCheckpoint": "checkpoints",
    "OrbaxCheckpoint": "orbax",
    "RemoteMonitor": "remote_monitor",
    "TensorBoard": "tensorboard",
}

__all__ = [
    *_LAZY,
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TerminateOnNaN",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'tahr.keras.callbacks' has no attribute {name!r}.")
