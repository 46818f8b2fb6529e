"""`keras.wrappers`: models as estimators of scikit-learn.

`estimators.py` has the classes of Keras 3 (`SKLearnClassifier`, `SKLearnRegressor`, `SKLearnTransformer`), `scikit_learn.py`
those of Keras 1 and 2 (`KerasClassifier`, `KerasRegressor`). scikit-learn is an optional dependency: only `sklearn_names.py`
imports it, when one of these names is first used. Estimators reach models through their public methods alone.
"""

import importlib
from typing import Any

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.estimators"), name)
    if name == "scikit_learn":
        return importlib.import_module(f"{__name__}.scikit_learn")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "scikit_learn"])
