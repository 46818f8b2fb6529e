"""QuantizedTable: what Embedding needs for tables of integers.

Modes: "int8" with a scale per row; "int4", two in a byte, with a scale per row, or scales and zero points per block of
columns. The names of weights and their order in files are Keras's.
"""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import quantizers
from tahr.keras.layers.layer import Layer
from tahr.keras.quantizers.absmax import dequantize_groups
from tahr.keras.quantizers.configs import QuantizationConfig, block_size_of

_INT4_RANGE = (-8, 7)


def quantize_rows(table: Any, mode: str, block_size: int | None, config: Any = None) -> dict[str, Any]:
    """A table of floats as integers of a mode: "values", "scale" and, with blocks, "zero"."""
    if mode == "int4" and block_size is not None:
        values, scale, zero = quantizers.abs_max_quantize_grouped_with_zero_point(
            ops.transpose(table), block_size=block_size, to_numpy=True
        )
        values, _, _ = quantizers.pack_int4(ops.transpose(values), axis=-1)
        return {"values": values, "scale": ops.transpose(scale), "zero": ops.transpose(zero)}
    default = quantizers.AbsMaxQuantizer(axis=-1, value_range=_INT4_RANGE if mode == "int4" else (-127, 127))
    values, scale = QuantizationConfig.weight_quantizer_or_default(config, default)(table, to_numpy=True)
    if mode == "int4":
        values, _, _ = quantizers.pack_int4(values, axis=-1)
    return {"values": values, "scale": ops.squeeze(scale, axis=-1)}


class QuantizedTable(Layer):
    """A layer with a table `_embeddings` of floats that can be quantized, and may have a low-rank adaptation."""

    input_dim: int
    output_dim: int
    quantization_config: Any
    embeddings_scale: Any
    embeddings_zero: Any
    lora_enabled: bool
    lora_rank: Any
    lora_alpha: Any
    lora_embeddings_a: Any
    lora_embeddings_b: Any
    _embeddings: Any

    @property
    def variable_serialization_spec(self) -> dict[str | None, list[str]]:
        """Which weights files hold, in their order, per quantization mode. Those that a layer lacks are left out."""
        return {
            None: ["embeddings"],
            "int8": ["embeddings", "embeddings_scale"],
            "int4": ["embeddings", "embeddings_scale", "embeddings_zero", "g_idx"],
        }

    def quantized_build(self, embeddings_shape: Any, mode: str, config: Any = None) -> None:
        """Creates the weights of a quantization mode."""
        if mode not in ("int8", "int4"):
            raise self._quantization_mode_error(mode)
        self._orig_output_dim = self.output_dim
        size = block_size_of(self, config) if mode == "int4" else None
        self._int4_block_size = size if size is not None else getattr(config, "block_size", None)  # None, -1: no blocks
        for name, weight in self._integers("embeddings", (self.input_dim, self.output_dim), mode, size).items():
            setattr(self, "_embeddings" if name == "embeddings" else name, weight)
        if size is not None:
            self.g_idx = self._frozen("g_idx", (self.output_dim,), "float32", "zeros")
            self.g_idx.assign(ops.floor_divide(ops.arange(self.output_dim, dtype="float32"), size))
        self._is_quantized = True

    def _frozen(self, name: str, shape: tuple[int, ...], dtype: Any, initializer: str) -> Any:
        return self.add_weight(name=name, shape=shape, initializer=initializer, dtype=dtype, trainable=False)

    def _integers(self, name: str, shape: tuple[int, int], mode: str, block_size: int | None) -> dict[str, Any]:
        """The weights of a table of this shape."""
        rows, columns = shape
        stored = (columns + 1) // 2 if mode == "int4" else columns
        scales: tuple[int, ...] = (rows,) if block_size is None else (rows, -(-columns // block_size))
        weights = {
            name: self._frozen(name, (rows, stored), "int8", "zeros"),
            f"{name}_scale": self._frozen(f"{name}_scale", scales, None, "ones"),
        }
        if block_size is not None:
            weights[f"{name}_zero"] = self._frozen(f"{name}_zero", scales, "int8", "zeros")
        return weights

    def _stored_embeddings(self) -> Any:
        """The table as the mode has it, without scale; integers of 4 bits one by one."""
        if self.quantization_mode != "int4":
            return self._embeddings
        return quantizers.unpack_int4(ops.convert_to_tensor(self._embeddings), self._orig_output_dim, axis=-1)

    def _low_rank_product(self) -> Any:
        product = ops.matmul(self.lora_embeddings_a, self.lora_embeddings_b)
        return ops.multiply(product, self.lora_alpha / self.lora_rank)

    def _rows(self, take: Any) -> Any:
        """The floats of rows of the table; `take` gives the rows of an array."""
        values = ops.cast(take(self._stored_embeddings()), self.compute_dtype)
        scale = take(self.embeddings_scale)
        if self._int4_block_size in (None, -1):
            return ops.divide(values, ops.expand_dims(scale, axis=-1))
        return dequantize_groups(values, scale, take(self.embeddings_zero), ops.convert_to_tensor(self.g_idx))

    def _int8_call(self, inputs: Any, training: bool | None = None) -> Any:
        index = inputs if inputs.dtype in ("int32", "int64") else ops.cast(inputs, "int32")
        rows = self._rows(lambda table: ops.take(ops.convert_to_tensor(table), index, axis=0))
        if self.lora_enabled:
            change = ops.matmul(ops.take(self.lora_embeddings_a, index, axis=0), self.lora_embeddings_b)
            rows = ops.add(rows, ops.multiply(change, self.lora_alpha / self.lora_rank))
        return ops.cast(rows, self.compute_dtype)

    def _int4_call(self, inputs: Any, training: bool | None = None) -> Any:
        return QuantizedTable._int8_call(self, inputs, training)

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        """Turns the table into integers.

        Args:
            mode: "int8" (a scale per row) or "int4" (two in a byte, with scales and zero points per block of columns).
            type_check: whether to refuse subclasses, whose `call` may use the table in ways of its own.
            config: a `keras.quantizers.QuantizationConfig`.

        Raises:
            ValueError: if the layer is not built, is quantized already, or mode and config do not fit.
            NotImplementedError: for a subclass, if `type_check`, and for other modes.
        """
        if type_check and not type(self).__module__.startswith("tahr.keras.layers.core."):
            raise self._not_implemented("quantize")
        if mode not in ("int8", "int4"):
            raise self._quantization_mode_error(mode)
        self.quantization_config = config
        size = block_size_of(self, config) if mode == "int4" else None
        values = self._quantized_values(str(mode), size)
        self._drop_tables()
        self.quantized_build((self.input_dim, self.output_dim), mode, config)
        for name, value in values.items():
            getattr(self, name).assign(value)
        self._take_quantized_policy("int8" if mode == "int8" else f"int4/{-1 if size is None else size}")

    def _quantized_values(self, mode: str, block_size: int | None) -> dict[str, Any]:
        parts = quantize_rows(self._embeddings, mode, block_size, self.quantization_config)
        return {"_embeddings" if k == "values" else f"embeddings_{k}": v for k, v in parts.items()}

    def _drop_tables(self) -> None:
        del self._embeddings

    # Files.

    def _stored_names(self) -> list[str]:
        spec = self.variable_serialization_spec[self.quantization_mode]
        names = ["_embeddings" if n == "embeddings" else n for n in spec]
        return [name for name in names if getattr(self, name, None) is not None]

    def _save_quantized(self, store: dict[str, Any]) -> None:
        """Puts the weights of a quantized table into `store`, with its adaptation rounded into them."""
        merged: dict[str, Any] = {}
        if self.lora_enabled:
            table = ops.add(self._rows(ops.convert_to_tensor), self._low_rank_product())
            size = None if self._int4_block_size == -1 else self._int4_block_size
            parts = quantize_rows(table, str(self.quantization_mode), size)
            merged = {"_embeddings" if k == "values" else f"embeddings_{k}": v for k, v in parts.items()}
        for i, name in enumerate(self._stored_names()):
            store[str(i)] = ops.convert_to_numpy(merged.get(name, getattr(self, name)))

    def _load_quantized(self, store: dict[str, Any]) -> None:
        """Takes the weights of a quantized table from `store`."""
        names = self._stored_names()
        if len(store.keys()) != len(names):
            raise ValueError(
                f"[{self.name}] expected {len(names)} variables to load, those of mode {self.quantization_mode!r}: {names}; "
                f"received {len(store.keys())}. Quantize the layer as the saved one was."
            )
        for i, name in enumerate(names):
            getattr(self, name).assign(store[str(i)])
