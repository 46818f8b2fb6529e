"""StackedRNNCells: several cells as one."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import tree
from tahr.keras.layers.call_spec import signature_of
from tahr.keras.layers.layer import Layer


def _size(cell: Any) -> Any:
    if getattr(cell, "output_size", None) is not None:
        return cell.output_size
    return cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size


class StackedRNNCells(Layer):
    """A cell that consists of cells, each fed with the output of the one before.

    Args:
        cells: list of cells.

    Raises:
        ValueError: if a cell lacks `call` or `state_size`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> cell = keras.layers.StackedRNNCells([keras.layers.LSTMCell(4), keras.layers.LSTMCell(3)])
    >>> cell.state_size, keras.layers.RNN(cell)(np.ones((2, 5, 6))).shape
    ([[4, 4], [3, 3]], (2, 3))
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            for attribute in ("call", "state_size"):
                if not hasattr(cell, attribute):
                    raise ValueError(
                        f"[{self.name}] expected cells with the attributes call and state_size, received {cell!r} "
                        f"without {attribute}."
                    )
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the cells' states."""
        return [list(c.state_size) if isinstance(c.state_size, (list, tuple)) else c.state_size for c in self.cells]

    @property
    def output_size(self) -> int:
        """The size of the last cell's output."""
        return _size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The states of all cells before the first step."""
        states: list[Any] = []
        for cell in self.cells:
            if hasattr(cell, "get_initial_state"):
                states.append(cell.get_initial_state(batch_size=batch_size))
            elif isinstance(cell.state_size, int):
                states.append(ops.zeros((batch_size, cell.state_size), dtype=self.compute_dtype))
            else:
                states.append([ops.zeros((batch_size, d), dtype=self.compute_dtype) for d in cell.state_size])
        return states

    def build(self, input_shape: Any) -> None:
        """Builds the cells, the first one for steps of this shape."""
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], _size(cell))

    def call(self, inputs: Any, states: Any, training: bool = False, **kwargs: Any) -> Any:
        """(output of the last cell, new states of all)."""
        new = []
        for cell, state in zip(self.cells, states):
            nested = tree.is_nested(state)
            inner = dict(kwargs)
            if isinstance(cell, Layer) and signature_of(cell).has_training:
                inner["training"] = training
            call = cell if callable(cell) else cell.call
            inputs, result = call(inputs, list(state) if nested else [state], **inner)
            if tree.is_nested(result):
                result = list(result)
                if len(result) == 1 and not nested:
                    result = result[0]
            new.append(result)
        return inputs, new

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        from tahr.keras.saving import serialize_keras_object

        return {**super().get_config(), "cells": [serialize_keras_object(c) for c in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` described."""
        from tahr.keras.saving import deserialize_keras_object

        config = dict(config)
        cells = [deserialize_keras_object(c, custom_objects=custom_objects) for c in config.pop("cells")]
        return cls(cells, **config)
