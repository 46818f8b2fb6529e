"""keras.models: layers put together.

- model: `Model`, the base; summary: the table that `summary()` prints
- sequential: a stack; functional: a graph
- cloning: `clone_model`
- trainers/ (beside this folder): compile, fit, evaluate, predict
"""

from tahr.keras.models.cloning import clone_model
from tahr.keras.models.functional import Functional
from tahr.keras.models.model import Model, model_from_json
from tahr.keras.models.sequential import Sequential
from tahr.keras.saving import load_model, save_model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
