"""Dropout in cells: masks drawn once per sequence."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import random


class DropoutRNNCell:
    """A cell with dropout of its inputs and of its state, the same elements at every step.

    A class that mixes this in has `dropout`, `recurrent_dropout` (rates) and `seed_generator`, and perhaps
    `dropout_mask_count`, the number of masks (one per gate) in place of a single one. The layer that runs the cell asks
    for the masks before the first step and drops them after the last.
    """

    dropout: float
    recurrent_dropout: float
    seed_generator: Any
    dropout_mask_count: int | None = None
    _dropout_mask: Any = None
    _recurrent_dropout_mask: Any = None

    def _draw(self, like: Any, rate: float) -> Any:
        ones = ops.ones_like(like)
        if self.dropout_mask_count is None:
            return random.dropout(ones, rate=rate, seed=self.seed_generator)
        return [random.dropout(ones, rate=rate, seed=self.seed_generator) for _ in range(self.dropout_mask_count)]

    def get_dropout_mask(self, step_input: Any) -> Any:
        """The mask (or list of masks) for inputs of the shape of `step_input`; None without dropout."""
        if self._dropout_mask is None and self.dropout > 0:
            object.__setattr__(self, "_dropout_mask", self._draw(step_input, self.dropout))
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """The mask (or list of masks) for states of the shape of `step_input`; None without dropout."""
        if self._recurrent_dropout_mask is None and self.recurrent_dropout > 0:
            object.__setattr__(self, "_recurrent_dropout_mask", self._draw(step_input, self.recurrent_dropout))
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self) -> None:
        """Forgets the masks of inputs: the next step draws new ones."""
        object.__setattr__(self, "_dropout_mask", None)

    def reset_recurrent_dropout_mask(self) -> None:
        """Forgets the masks of states."""
        object.__setattr__(self, "_recurrent_dropout_mask", None)
