"""CalibratedKernel: kernels whose integers were chosen with data, by GPTQ or AWQ.

Layers hold, save, load and call such kernels. The integers are chosen in `models/calibration.py`.
"""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import quantizers
from tahr.keras.layers.low_rank import LowRankKernel
from tahr.keras.quantizers.absmax import dequantize_groups


class CalibratedKernel(LowRankKernel):
    """A layer with a kernel that may be one of GPTQ or AWQ: unsigned integers, transposed, 4 bits two in a byte, with
    scales and zero points per output and group of inputs; AWQ multiplies each input by a factor besides."""

    original_kernel_shape: tuple[int, ...]
    quantized_kernel: Any
    kernel_scale: Any
    kernel_zero: Any
    g_idx: Any
    is_gptq_calibrated = False
    is_awq_calibrated = False

    def _gptq_build(self, kernel_shape: tuple[int, ...], config: Any = None) -> None:
        self._calibrated_build(kernel_shape, config)

    def _awq_build(self, kernel_shape: tuple[int, ...], config: Any = None) -> None:
        rows = self._calibrated_build(kernel_shape, config)
        self.awq_scales = self.add_weight(name="awq_scales", shape=(rows,), initializer="ones", trainable=False)

    def _calibrated_build(self, kernel_shape: tuple[int, ...], config: Any) -> int:
        self.is_gptq_calibrated = self.is_awq_calibrated = False
        rows, columns = self._calibrated_shape(kernel_shape)
        settings = self._calibration_settings(config)
        self._weight_bits = settings.weight_bits
        self._unpacked_columns = columns
        stored = (columns + 1) // 2 if self._weight_bits == 4 else columns
        groups = 1 if settings.group_size == -1 else -(-rows // settings.group_size)
        for name, key, shape, initializer, dtype in (
            ("quantized_kernel", "kernel", (stored, rows), "zeros", "uint8"),
            ("kernel_scale", "kernel_scale", (columns, groups), "ones", None),
            ("kernel_zero", "kernel_zero", (columns, groups), "zeros", "uint8"),
            ("g_idx", "g_idx", (rows,), "zeros", "float32"),
        ):
            weight = self.add_weight(name=key, shape=shape, initializer=initializer, dtype=dtype, trainable=False)
            setattr(self, name, weight)
        return rows

    def _calibration_settings(self, config: Any) -> Any:
        """What has `weight_bits` and `group_size`: the config, or the policy of a layer that comes from a file."""
        if config is not None:
            return config
        policy = self._policy()
        if not hasattr(policy, "weight_bits"):
            raise ValueError(
                f"[{self.name}] expected a policy with bits and group size, such as 'gptq/4/128_from_float32', received "
                f"{policy.name!r}."
            )
        return policy

    def _calibrated_shape(self, kernel_shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of the kernel as a matrix. Of three axes, the longest is taken for the model's width: if it
        comes first, what follows are heads of outputs; else the first two are heads of inputs."""
        if len(kernel_shape) == 2:
            return kernel_shape[0], kernel_shape[1]
        if len(kernel_shape) != 3:
            raise ValueError(
                f"[{self.name}] expected a kernel of 2 or 3 axes for calibration, received {kernel_shape}."
            )
        a, b, c = kernel_shape
        return (a, b * c) if a == max(kernel_shape) else (a * b, c)

    def _calibrated_integers(self) -> Any:
        """The integers if there are any, as they are stored but for packing; else the floats."""
        if not (self.is_gptq_calibrated or self.is_awq_calibrated):
            return getattr(self, "_kernel", None)
        stored = ops.convert_to_tensor(self.quantized_kernel)
        if self._weight_bits != 4:
            return stored
        return quantizers.unpack_int4(stored, self._unpacked_columns, axis=0, dtype="uint8")

    def _calibrated_floats(self) -> Any:
        kernel = self._calibrated_integers()
        if not (self.is_gptq_calibrated or self.is_awq_calibrated):
            if kernel is None:
                raise ValueError(
                    f"[{self.name}] has no kernel yet: it was made with dtype_policy={self.dtype_policy.name!r} and no "
                    "weights have been loaded."
                )
            return kernel
        scale, zero, groups = (ops.convert_to_tensor(v) for v in (self.kernel_scale, self.kernel_zero, self.g_idx))
        kernel = ops.transpose(dequantize_groups(kernel, scale, zero, groups, axis=-1))
        if self.is_awq_calibrated:
            kernel = ops.divide(kernel, ops.expand_dims(ops.convert_to_tensor(self.awq_scales), -1))
        return ops.cast(ops.reshape(kernel, self.original_kernel_shape), self.compute_dtype)

    def _gptq_call(self, inputs: Any, training: bool | None = None) -> Any:
        return self._finish(self._multiply(inputs, self._calibrated_floats()))  # type: ignore[attr-defined]

    _awq_call = _gptq_call

    def enable_lora(self, rank: int, *args: Any, **kwargs: Any) -> None:
        """As in `LowRankKernel`; NotImplementedError for a kernel of GPTQ or AWQ."""
        if self.quantization_mode in ("gptq", "awq"):
            raise NotImplementedError(
                f"[{self.name}] lora is not available with {self.quantization_mode!r}. Use 'int8' or 'int4'."
            )
        super().enable_lora(rank, *args, **kwargs)
