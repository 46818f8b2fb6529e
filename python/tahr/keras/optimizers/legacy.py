"""`keras.optimizers.legacy`: names of Keras 2. They are the present optimizers, which take the old arguments too."""

from tahr.keras.optimizers.adam import Adam, Adamax, Nadam
from tahr.keras.optimizers.adaptive import Adadelta, Adagrad, Ftrl, RMSprop
from tahr.keras.optimizers.base import Optimizer
from tahr.keras.optimizers.sgd import SGD

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "Optimizer", "RMSprop"]
