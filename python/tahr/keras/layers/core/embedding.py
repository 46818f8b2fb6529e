"""Embedding: a row of a table for each integer."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import constraints, initializers, regularizers
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.layers.core.quantized_table import QuantizedTable
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(
            f"[Embedding] expected {name} as a size, received {name}={value!r}. `{name}` must be a positive integer."
        )
    return value


class Embedding(QuantizedTable):
    """Turns integers into vectors: `outputs[...] = embeddings[inputs[...]]`.

    Args:
        input_dim: number of rows of the table: one more than the largest integer.
        output_dim: length of the vectors.
        embeddings_initializer: initializer of the table, of shape (input_dim, output_dim).
        embeddings_regularizer: regularizer of the table.
        embeddings_constraint: constraint of the table.
        mask_zero: whether 0 stands for padding, which layers that heed masks leave out.
        weights: the table as an array, in place of the initializer.
        lora_rank: rank of a low-rank adaptation: the table is frozen, and the product of two small matrices added.
        lora_alpha: factor of that product, over `lora_rank`; by default `lora_rank`.
        quantization_config: a `keras.quantizers.QuantizationConfig` for a layer whose `dtype` is quantized from the start.

    Shapes: integers of any shape to that shape with `output_dim` at its end.

    Raises:
        ValueError: if a size is not a positive integer.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.Embedding(10, 3, mask_zero=True)
    >>> y = layer(np.array([[4, 1, 0]]))
    >>> y.shape, y._keras_mask.numpy().tolist()
    ((1, 3, 3), [[True, True, False]])
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        length = kwargs.pop("input_length", None)
        if length is not None:  # the shape of a Sequential's input, as in Keras 2
            kwargs.setdefault("input_shape", tuple(length) if isinstance(length, (list, tuple)) else (length,))
        super().__init__(**kwargs)
        self.input_dim = _positive("input_dim", input_dim)
        self.output_dim = _positive("output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.autocast = False
        self.lora_rank: Any = lora_rank
        self.lora_alpha: Any = lora_alpha if lora_alpha is not None else lora_rank
        self.lora_enabled = False
        self.quantization_config = quantization_config
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape: Any = None) -> None:
        """Creates the table."""
        if self.built:
            return
        shape = (self.input_dim, self.output_dim)
        if self.quantization_mode is not None:
            self.quantized_build(shape, self.quantization_mode, self.quantization_config)
        else:
            self._embeddings = self.add_weight(
                name="embeddings",
                shape=shape,
                initializer=self.embeddings_initializer,
                regularizer=self.embeddings_regularizer,
                constraint=self.embeddings_constraint,
            )
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    @property
    def embeddings(self) -> Any:
        """The table: the variable, or with a low-rank adaptation the sum of the two."""
        if not self.built:
            raise AttributeError(f"[{self.name}] has no embeddings before it is built. Call it on data first.")
        table = self._stored_embeddings()
        return ops.add(table, self._low_rank_product()) if self.lora_enabled else table

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freezes the table and adds `lora_alpha / rank` times a trainable product of rank `rank`.

        Args:
            rank: rank of the product.
            lora_alpha: its factor, times `rank`; `rank` if None.
            a_initializer: initializer of the left matrix, (input_dim, rank).
            b_initializer: initializer of the right matrix, (rank, output_dim).

        Raises:
            ValueError: if the layer is not built, has a constraint, or is adapted already.

        Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
        """
        if self.embeddings_constraint is not None:
            raise ValueError(
                f"[{self.name}] expected no embeddings_constraint for a low-rank adaptation: Lora is "
                "incompatible with embedding constraints."
            )
        if not self.built:
            raise ValueError(f"[{self.name}] expected a built layer in enable_lora(). Call it on data first.")
        if self.lora_enabled:
            raise ValueError(f"[{self.name}] has a low-rank adaptation already: lora is already enabled.")
        self._tracker.unlock()
        for name, shape, initializer in (
            ("lora_embeddings_a", (self.input_dim, rank), a_initializer),
            ("lora_embeddings_b", (rank, self.output_dim), b_initializer),
        ):
            weight = self.add_weight(
                name=name,
                shape=shape,
                initializer=initializers.get(initializer),
                dtype="float32",
                regularizer=self.embeddings_regularizer,
            )
            setattr(self, name, weight)
        self._embeddings.trainable = False
        self._tracker.lock()
        self.lora_enabled = True
        self.lora_rank = rank
        self.lora_alpha = lora_alpha if lora_alpha is not None else rank

    def _further_variables(self) -> list[Any]:
        known = {id(self._embeddings), id(self.lora_embeddings_a), id(self.lora_embeddings_b)}
        return [v for v in [*self._trainable_variables, *self._non_trainable_variables] if id(v) not in known]

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the layer's weights into `store`, the table with its adaptation as one."""
        if self.quantization_mode is not None:
            if self.built:
                self._save_quantized(store)
            return
        if not self.lora_enabled:
            super().save_own_variables(store)
            return
        for i, value in enumerate([self.embeddings, *self._further_variables()]):
            store[str(i)] = ops.convert_to_numpy(value)

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Takes the layer's weights from `store`; an adaptation starts again from nothing."""
        if self.quantization_mode is not None and self.built:
            self._load_quantized(store)
            if not self.lora_enabled:
                return
        elif not self.lora_enabled:
            super().load_own_variables(store)
            return
        else:
            for i, variable in enumerate([self._embeddings, *self._further_variables()]):
                variable.assign(store[str(i)])
        for variable in (self.lora_embeddings_a, self.lora_embeddings_b):
            variable.assign(ops.zeros(variable.shape))

    def call(self, inputs: Any) -> Any:
        """The vectors of `inputs`."""
        if inputs.dtype not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        return ops.cast(ops.take(self.embeddings, inputs, axis=0), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where the integer is not 0, if `mask_zero`; else None."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """`input_shape` with `output_dim` at its end."""
        return (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Shape and dtype of the output."""
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "quantization_config": serialize_keras_object(self.quantization_config),
        }
        if self.lora_rank:
            config.update({"lora_rank": self.lora_rank, "lora_alpha": self.lora_alpha})
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` described."""
        held = deserialize_keras_object(config.get("quantization_config"))
        return super().from_config({**config, "quantization_config": held})
