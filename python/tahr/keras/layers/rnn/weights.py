"""The arguments that SimpleRNN, LSTM and GRU share, for their cells and for the layers around those.

`WeightedCell` keeps them, makes the weights and the config; `CellLayer` is the layer around such a cell, which has the
cell's arguments for its own and runs the whole sequence in one op where it can.
"""

from __future__ import annotations

from typing import Any

from tahr import ops, recurrent
from tahr.keras import activations, constraints, initializers, random, regularizers
from tahr.keras.layers.input_spec import InputSpec
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.rnn.dropout_rnn_cell import DropoutRNNCell
from tahr.keras.layers.rnn.rnn import RNN

_INITIALIZERS = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
_REGULARIZERS = ("kernel_regularizer", "recurrent_regularizer", "bias_regularizer")
_CONSTRAINTS = ("kernel_constraint", "recurrent_constraint", "bias_constraint")


def kernel_name(activation: Any) -> Any:
    """The name by which the fused ops know an activation, or None if they do not."""
    for name in recurrent.ACTIVATIONS:
        if activation is getattr(activations, name) or activation is getattr(ops, name, None):
            return name
    return None


class WeightedCell(DropoutRNNCell, Layer):
    """A cell with a kernel, a recurrent kernel and perhaps a bias, `gates` times `units` columns wide."""

    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any

    gates = 1

    def __init__(
        self, units: Any, given: dict[str, Any], dropout: float, recurrent_dropout: float, seed: Any, kwargs: Any
    ) -> None:
        if isinstance(units, bool) or not hasattr(units, "__index__") or int(units) <= 0:
            raise ValueError(f"[{type(self).__name__}] expected units to be a positive integer, received {units!r}.")
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.units = int(units)
        self.activation = activations.get(given["activation"])
        if "recurrent_activation" in given:
            self.recurrent_activation = activations.get(given["recurrent_activation"])
        self.use_bias = given["use_bias"]
        for names, module in (
            (_INITIALIZERS, initializers),
            (_REGULARIZERS, regularizers),
            (_CONSTRAINTS, constraints),
        ):
            for name in names:
                setattr(self, name, module.get(given[name]))
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.state_size: Any = self.units
        self.output_size = self.units
        self.kernel: Any = None
        self.recurrent_kernel: Any = None
        self.bias: Any = None

    def _bias(self) -> tuple[tuple[int, ...], Any]:
        """Shape and initializer of the bias."""
        return (self.units * self.gates,), self.bias_initializer

    def build(self, input_shape: Any) -> None:
        """Creates the weights for steps of this shape, (batch, features)."""
        width = input_shape[-1]
        if width is None:
            raise ValueError(
                f"[{self.name}] expected a known number of features, received shape {tuple(input_shape)}. "
                "Give it in keras.Input(shape=...)."
            )
        columns = self.units * self.gates
        for name, short, rows in (("kernel", "kernel", width), ("recurrent_kernel", "recurrent", self.units)):
            weight = self.add_weight(
                name=name,
                shape=(rows, columns),
                initializer=getattr(self, f"{short}_initializer"),
                regularizer=getattr(self, f"{short}_regularizer"),
                constraint=getattr(self, f"{short}_constraint"),
            )
            setattr(self, name, weight)
        self._add_bias()

    def _add_bias(self) -> None:
        if self.use_bias:
            shape, initializer = self._bias()
            self.bias = self.add_weight(
                name="bias",
                shape=shape,
                initializer=initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros, (batch_size, units) each."""
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def _active(self, training: Any) -> tuple[bool, bool]:
        """Whether inputs and states are dropped now."""
        return bool(training) and 0 < self.dropout < 1, bool(training) and 0 < self.recurrent_dropout < 1

    def cell_config(self) -> dict[str, Any]:
        """The cell's own arguments."""
        config: dict[str, Any] = {"units": self.units, "activation": activations.serialize(self.activation)}
        if hasattr(self, "recurrent_activation"):
            config["recurrent_activation"] = activations.serialize(self.recurrent_activation)
        config["use_bias"] = self.use_bias
        for names, module in (
            (_INITIALIZERS, initializers),
            (_REGULARIZERS, regularizers),
            (_CONSTRAINTS, constraints),
        ):
            for name in names:
                config[name] = module.serialize(getattr(self, name))
        config.update({"dropout": self.dropout, "recurrent_dropout": self.recurrent_dropout, "seed": self.seed})
        return config

    def get_config(self) -> dict[str, Any]:
        """The arguments of the cell."""
        return {**super().get_config(), **self.cell_config()}


def _of_cell(name: str) -> property:
    return property(lambda self: getattr(self.cell, name), doc=f"`{name}` of the cell.")


class CellLayer(RNN):
    """A layer around one `WeightedCell`, whose arguments it takes for its own."""

    _cell_arguments: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in cls._cell_arguments:
            if name not in cls.__dict__:
                setattr(cls, name, _of_cell(name))

    def __init__(self, cell: Any, flags: dict[str, Any], use_cudnn: Any, kwargs: dict[str, Any]) -> None:
        super().__init__(cell, **flags, **kwargs)
        self.input_spec = InputSpec(ndim=3)
        if use_cudnn is None:
            return  # a layer that has no such argument
        if use_cudnn not in ("auto", True, False):
            raise ValueError(f"[{self.name}] expected use_cudnn to be 'auto', True or False, received {use_cudnn!r}.")
        self.use_cudnn = use_cudnn

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """The last output, or all of them, for `sequences` of shape (batch, steps, features)."""
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def _fuses(self, training: Any) -> bool:
        """Whether one op computes the whole sequence."""
        cell = self.cell
        drops, drops_state = cell._active(training)
        if drops_state or (drops and cell.dropout_mask_count is not None):
            return False
        names = [cell.activation] + ([cell.recurrent_activation] if cell.gates > 1 else [])
        return all(kernel_name(f) for f in names)

    def _no_state(self, sequences: Any, training: Any) -> Any:
        return None if self._fuses(training) else super()._no_state(sequences, training)

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """(last output, outputs, states) of the whole sequence."""
        if getattr(self, "use_cudnn", "auto") is True:
            raise ValueError(
                f"[{self.name}] expected use_cudnn to be 'auto' or False on a CPU, received True: cuDNN needs a GPU."
            )
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if not self._fuses(training):
            return super().inner_loop(sequences, initial_state, mask=mask, training=training)
        if mask is not None and mask.dtype != "bool":
            mask = ops.cast(mask, "bool")
        if mask is not None and mask.ndim == 3:
            mask = ops.squeeze(mask, axis=-1)
        if self.cell._active(training)[0]:
            sequences = ops.multiply(sequences, ops.expand_dims(self.cell.get_dropout_mask(sequences[:, 0]), 1))
        outputs, *states = self._run(sequences, initial_state, mask)
        last = states[0]
        if mask is not None and self.zero_output_for_mask:
            kept = ops.flip(mask, axis=1) if self.go_backwards else mask
            outputs = ops.where(ops.expand_dims(kept, -1), outputs, ops.zeros_like(outputs))
            last = outputs[:, -1]
        return last, outputs, states

    def _run(self, sequences: Any, initial_state: Any, mask: Any) -> Any:
        """The fused op: outputs and states. `initial_state` is None for zeros."""
        raise NotImplementedError(f"[{self.name}] expected {type(self).__name__} to implement _run().")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = super().get_config()
        del config["cell"]
        penalty = regularizers.serialize(self.activity_regularizer)
        return {**config, **self.cell.cell_config(), "activity_regularizer": penalty}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` described."""
        return cls(**config)
