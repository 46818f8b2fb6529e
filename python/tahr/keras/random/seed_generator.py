"""SeedGenerator: a counter kept in a variable, so that it is part of a layer's state."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

import tahr
from tahr.keras.backend import scopes, state
from tahr.keras.backend.variables import Variable


class SeedGenerator:
    """Gives a new seed each time a random function asks for one.

    Args:
        seed: integer from which the sequence starts; drawn from Python's `random` if None.
        name: name, part of the path of its state.

    Raises:
        ValueError: if `seed` is not an integer.

    >>> from tahr import keras
    >>> generator = keras.random.SeedGenerator(seed=7)
    >>> generator.next().numpy(), generator.next().numpy()
    (array([7, 0], dtype=uint32), array([7, 1], dtype=uint32))
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.name = name if name is not None else state.auto_name(type(self).__name__)
        self._initial_seed = seed
        if seed is None:
            seed = python_random.randint(1, 10**9)
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ValueError(f"[SeedGenerator] Argument `seed` must be an integer or None, received {seed!r}.")
        start = np.array([int(seed) % 2**32, 0], dtype="uint32")
        with scopes.name_scope(self.name, caller=self):
            self.state = Variable(start, dtype="uint32", trainable=False, name="seed_generator_state")

    def next(self, ordered: bool = True) -> Any:
        """The current (seed, counter) as a uint32 tensor of shape (2,); the counter then moves on by one.

        Args:
            ordered: if False, seed and counter jump to a value that looks unrelated instead.
        """
        now = tahr.ops.multiply(self.state.value, 1)
        if ordered:
            self.state.assign(tahr.ops.add(now, np.array([0, 1], dtype="uint32")))
        else:
            wide = tahr.ops.cast(now, "int64")
            self.state.assign(tahr.ops.mod(tahr.ops.multiply(tahr.ops.add(wide, 1), 5387), 933199))
        return now

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """A generator that starts like the one that `get_config` described."""
        return cls(**config)
