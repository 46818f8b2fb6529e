"""keras.random: random tensors, and the generator of their seeds.

Every function takes `seed`: an integer (the same numbers at each call), a `SeedGenerator` (new ones at each call), or
None for the global generator, which `keras.utils.set_random_seed` resets.
"""

from tahr.keras.random.functions import normal, shuffle, truncated_normal, uniform
from tahr.keras.random.seed_generator import SeedGenerator
from tahr.random import beta, binomial, categorical, dropout, gamma, randint

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]
