"""`keras.distillation`: a small model learns from a large one.

`losses.py`: what the two are compared by; `distiller.py`: the model that trains the student. A new way of comparing is a
subclass of `DistillationLoss`.
"""

from tahr.keras.distillation.distiller import Distiller
from tahr.keras.distillation.losses import DistillationLoss, FeatureDistillation, LogitsDistillation

__all__ = ["DistillationLoss", "Distiller", "FeatureDistillation", "LogitsDistillation"]
