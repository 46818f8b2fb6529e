"""RNN: runs any cell over the steps of a sequence."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import tree
from tahr.keras.backend import scopes
from tahr.keras.backend.variables import Variable
from tahr.keras.layers.call_spec import signature_of
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.rnn.dropout_rnn_cell import DropoutRNNCell
from tahr.keras.layers.rnn.loop import run_steps
from tahr.keras.layers.rnn.stacked_rnn_cells import StackedRNNCells


def takes_training(layer: Any) -> bool:
    """Whether `layer` is a layer whose `call` has an argument `training`."""
    return isinstance(layer, Layer) and signature_of(layer).has_training


class RNN(Layer):
    """Calls a cell on one step of a sequence after the other, handing its state on.

    Args:
        cell: an object with `call(inputs, states)`, which returns (output, new states), and `state_size`, an integer or
            a list of them; perhaps `output_size` and `get_initial_state(batch_size)`. A list of cells is stacked.
        return_sequences: whether to return the outputs of all steps, not the last alone.
        return_state: whether to return the last states, too.
        go_backwards: whether to run from the last step to the first.
        stateful: whether a batch starts from the last state of the batch before; `reset_state` starts anew.
        unroll: whether to write all steps out in a traced function, in place of a loop.
        zero_output_for_mask: whether outputs of masked steps are zeros; otherwise they repeat the output before.

    Shapes: (batch, steps, ...) to (batch, output size), or (batch, steps, output size) with `return_sequences`. In a
    mask, (batch, steps), False marks steps to leave out.

    Raises:
        ValueError: if `cell` lacks `call` or `state_size`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> cells = [keras.layers.LSTMCell(4), keras.layers.GRUCell(3)]
    >>> keras.layers.RNN(cells, return_sequences=True)(np.ones((2, 5, 6))).shape
    (2, 5, 3)
    """

    states: Any

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        for attribute in ("call", "state_size"):
            if not hasattr(cell, attribute):
                raise ValueError(
                    f"[{type(self).__name__}] expected a cell with the attributes call and state_size, received "
                    f"{cell!r} without {attribute}."
                )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self._expected_batch_size: int | None = None
        object.__setattr__(self, "states", None)  # not a weight: neither counted nor saved
        size = cell.state_size
        if not isinstance(size, (list, tuple, int)):
            raise ValueError(
                f"[{self.name}] expected state_size of the cell to be an integer or a list, received {size!r}."
            )
        self.single_state = isinstance(size, int)
        self.state_size = [size] if isinstance(size, int) else list(size)

    # Shapes.

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Shape of the output, and of the states with `return_state`."""
        batch, steps = sequences_shape[0], sequences_shape[1]
        states = [(batch, s) if isinstance(s, int) else [(batch, part) for part in s] for s in self.state_size]
        size = getattr(self.cell, "output_size", None)
        size = self.state_size[0] if size is None else size
        if not isinstance(size, int):
            raise ValueError(f"[{self.name}] expected output_size of the cell to be an integer, received {size!r}.")
        output = (batch, steps, size) if self.return_sequences else (batch, size)
        return (output, *states) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """The mask of the outputs: that of the inputs if there is an output for each step."""
        kept = tree.flatten(mask)[0] if self.return_sequences else None
        return [kept, *(None for _ in self.state_size)] if self.return_state else kept

    # State.

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Builds the cell for steps of a sequence of this shape."""
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if self.stateful:
            if self.states is not None:
                self.reset_state()
                return
            if sequences_shape[0] is None:
                raise ValueError(
                    f"[{self.name}] expected a known batch size, since stateful=True, received shape "
                    f"{tuple(sequences_shape)}. Give it in keras.Input(batch_shape=...)."
                )
            self._make_states(sequences_shape[0])

    def _make_states(self, batch_size: int) -> None:
        with scopes.name_scope(self.name, caller=self):
            states = tree.map_structure(
                lambda value: Variable(value, trainable=False, dtype=self.variable_dtype, name="rnn_state"),
                self.get_initial_state(batch_size),
            )
        object.__setattr__(self, "states", states)
        self._expected_batch_size = batch_size

    def get_initial_state(self, batch_size: int | None) -> list[Any]:
        """The state before the first step: the cell's own, or zeros."""
        if not hasattr(self.cell, "get_initial_state"):
            dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
            return [ops.zeros((batch_size, size), dtype=dtype) for size in self.state_size]
        states = self.cell.get_initial_state(batch_size=batch_size)
        return list(states) if tree.is_nested(states) else [states]

    def reset_state(self) -> None:
        """Sets the state that a stateful layer keeps to zeros."""
        for v in tree.flatten(self.states) if self.states is not None else ():
            v.assign(ops.zeros_like(v.value))

    def reset_states(self) -> None:
        """As `reset_state`."""
        self.reset_state()

    # Running.

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """(last output, outputs, states) of the whole sequence. `initial_state` is None for zeros."""
        if initial_state is None:
            initial_state = self._first_state(sequences)
        kwargs = {"training": training} if takes_training(self.cell) else {}
        call = self.cell if callable(self.cell) else self.cell.call

        def step(inputs: Any, states: Any) -> Any:
            output, new = call(inputs, states, **kwargs)
            return output, list(new) if tree.is_nested(new) else [new]

        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        return run_steps(
            step,
            sequences,
            initial_state,
            mask=mask,
            go_backwards=self.go_backwards,
            unroll=self.unroll,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    def _no_state(self, sequences: Any, training: Any) -> Any:
        """The initial state if the caller gave none: its value, or None for zeros if `inner_loop` takes that."""
        return self._first_state(sequences)

    def _first_state(self, sequences: Any) -> list[Any]:
        """The state before the first step, for as many rows as `sequences` have, whether their number is known or not."""
        first = tree.flatten(sequences)[0]
        if first.shape[0] is not None:
            return self.get_initial_state(first.shape[0])
        corner = (slice(None), *([0] * (first.ndim - 1)))
        rows = ops.zeros_like(first[corner])  # (batch,)
        return tree.map_structure(
            lambda state: state + ops.cast(ops.reshape(rows, (-1, *(1,) * (state.ndim - 1))), state.dtype),
            self.get_initial_state(1),
        )

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """The last output, or all of them, for `sequences` of shape (batch, steps, ...)."""
        if self.stateful and self._expected_batch_size not in (None, sequences.shape[0]):
            raise ValueError(
                f"[{self.name}] the layer is stateful with batch size {self._expected_batch_size}, received a batch "
                f"of {sequences.shape[0]}."
            )
        if initial_state is None:
            initial_state = self.states if self.stateful else self._no_state(sequences, training)
        if initial_state is not None:
            initial_state = list(initial_state) if tree.is_nested(initial_state) else [initial_state]
            dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
            initial_state = tree.map_structure(lambda x: ops.cast(ops.convert_to_tensor(x), dtype), initial_state)
        try:
            if training:  # before the loop, so that all steps see the same masks
                self._draw_masks(self.cell, sequences[:, 0], initial_state)
            last, outputs, states = self.inner_loop(sequences, initial_state, mask=mask, training=training)
        finally:
            self._drop_masks(self.cell)
        output = ops.cast(outputs if self.return_sequences else last, self.compute_dtype)
        states = tree.map_structure(lambda x: ops.cast(x, self.compute_dtype), states)
        if self.stateful:
            for variable, state in zip(tree.flatten(self.states), tree.flatten(states)):
                variable.assign(state)
        return (output, *states) if self.return_state else output

    def _draw_masks(self, cell: Any, inputs: Any, states: Any) -> None:
        if isinstance(cell, DropoutRNNCell):
            cell.get_dropout_mask(inputs)
            if cell.recurrent_dropout > 0:
                cell.get_recurrent_dropout_mask(tree.flatten(states)[0])
        if isinstance(cell, StackedRNNCells):
            for part, state in zip(cell.cells, states):
                self._draw_masks(part, inputs, state)
                size = getattr(part, "output_size", None) or tree.flatten(part.state_size)[0]
                inputs = ops.zeros((ops.shape(inputs)[0], size), dtype=inputs.dtype)

    def _drop_masks(self, cell: Any) -> None:
        if isinstance(cell, DropoutRNNCell):
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()
        if isinstance(cell, StackedRNNCells):
            for part in cell.cells:
                self._drop_masks(part)

    # Configs.

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        from tahr.keras.saving import serialize_keras_object

        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            "cell": serialize_keras_object(self.cell),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` described."""
        from tahr.keras.saving import deserialize_keras_object

        config = dict(config)
        cell = deserialize_keras_object(config.pop("cell"), custom_objects=custom_objects)
        return cls(cell, **config)
