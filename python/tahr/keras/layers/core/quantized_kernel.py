"""QuantizedKernel: a layer whose kernel can become integers or see 8-bit floats. Dense and EinsumDense are made of it.

Modes: "int8" and "int4" keep integers and a scale per output, or per block of inputs; "float8" keeps floats and rounds
what enters products. The names of weights and their order in files are Keras's. "gptq" and "awq" are in
`calibrated_kernel.py`.
"""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import activations, quantizers
from tahr.keras.dtype_policies import QuantizedFloat8DTypePolicy
from tahr.keras.layers.core.calibrated_kernel import CalibratedKernel
from tahr.keras.quantizers.absmax import dequantize_groups
from tahr.keras.quantizers.configs import QuantizationConfig, block_size_of
from tahr.keras.quantizers.float8 import FORMATS
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object

_INT4_RANGE = (-8, 7)
_FLOAT8_STATE = ("inputs", "kernel", "outputs_grad")  # each with a scale and a history of magnitudes


class QuantizedKernel(CalibratedKernel):
    """A layer with a product of inputs and a kernel that can be quantized.

    A subclass implements `_multiply` and `_multiply_back`, which axes of the kernel are summed over, and how scales come
    to meet the outputs.
    """

    quantization_config: Any
    use_bias: bool
    activation: Any
    inputs_quantizer: Any

    # What a subclass says about its product.

    def _multiply(self, inputs: Any, kernel: Any) -> Any:
        """The product, without bias."""
        raise NotImplementedError

    def _multiply_back(self, upstream: Any, kernel: Any) -> Any:
        """The derivative of `_multiply` by the inputs, times `upstream`."""
        raise NotImplementedError

    def _summed_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Which axes of the inputs, and which of the kernel, the product sums over."""
        raise NotImplementedError

    def _kernel_scale_at_outputs(self, scale: Any) -> Any:
        """A scale of the kernel, of size 1 along what is summed over, in the shape that meets the outputs."""
        raise NotImplementedError

    def _kernel_scale_at_kernel(self, scale: Any) -> Any:
        """The way back."""
        raise NotImplementedError

    def _inputs_scale_at_outputs(self, scale: Any) -> Any:
        """A scale of the inputs, of size 1 along what is summed over, in the shape that meets the outputs."""
        raise NotImplementedError

    def _kernel_scale_shape(self, kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of `_kernel_scale_at_outputs`."""
        raise NotImplementedError

    # Weights.

    @property
    def variable_serialization_spec(self) -> dict[str | None, list[str]]:
        """Which weights files hold, in their order, per quantization mode. Those that a layer lacks are left out."""
        return {
            None: ["kernel", "bias"],
            "int8": ["kernel", "bias", "kernel_scale"],
            "int4": ["kernel", "bias", "kernel_scale", "kernel_zero", "g_idx"],
            "float8": ["kernel", "bias", *(f"{x}_{y}" for x in _FLOAT8_STATE for y in ("scale", "amax_history"))],
            "gptq": ["bias", "quantized_kernel", "kernel_scale", "kernel_zero", "g_idx"],
            "awq": ["bias", "quantized_kernel", "kernel_scale", "kernel_zero", "awq_scales", "g_idx"],
        }

    def quantized_build(self, kernel_shape: Any, mode: str, config: Any = None) -> None:
        """Creates the weights of a quantization mode for a kernel of this shape."""
        if mode not in self.variable_serialization_spec:
            raise self._quantization_mode_error(mode)
        kernel_shape = tuple(kernel_shape)
        if mode == "float8":
            self._float8_build()
        else:
            self.original_kernel_shape = kernel_shape
            getattr(self, f"_{mode}_build")(kernel_shape, config)
        self._is_quantized = True

    def _build_kernel(self, kernel_shape: tuple[int, ...], initializer: Any) -> None:
        """The weights of `build`: the kernel as the mode has it."""
        mode = self.quantization_mode
        if mode not in (None, "float8"):
            self.quantized_build(kernel_shape, mode, self.quantization_config)
        else:
            self._kernel = self.add_weight(
                name="kernel",
                shape=kernel_shape,
                initializer=initializer,
                regularizer=self.kernel_regularizer,
                constraint=self.kernel_constraint,
            )

    def _built_kernel(self) -> None:
        if self.quantization_mode == "float8":  # behind the other weights, as `quantize` puts them: .h5 goes by order
            self.quantized_build(self._kernel.shape, "float8", self.quantization_config)
        super()._built_kernel()

    def _frozen(self, name: str, shape: tuple[int, ...], initializer: Any = "zeros", dtype: Any = None) -> Any:
        return self.add_weight(name=name, shape=shape, initializer=initializer, dtype=dtype, trainable=False)

    def _int8_build(self, kernel_shape: tuple[int, ...], config: Any = None) -> None:
        default = quantizers.AbsMaxQuantizer()
        self.inputs_quantizer = QuantizationConfig.activation_quantizer_or_default(config, default)
        self._kernel = self._frozen("kernel", kernel_shape, dtype="int8")
        self.kernel_scale = self._frozen("kernel_scale", self._kernel_scale_shape(kernel_shape), "ones")

    def _int4_build(self, kernel_shape: tuple[int, ...], config: Any = None) -> None:
        self.inputs_quantizer = QuantizationConfig.activation_quantizer_or_default(config, None)
        rows, columns = self._flat_shape(kernel_shape)
        self._orig_input_dim, self._orig_output_dim = rows, columns
        self._kernel = self._frozen("kernel", (rows, (columns + 1) // 2), dtype="int8")
        size = self._int4_block_size = block_size_of(self, config)
        shape: tuple[int, ...] = (columns,) if size is None else (-(-rows // size), columns)
        self.kernel_scale = self._frozen("kernel_scale", shape, "ones")
        if size is not None:
            self.kernel_zero = self._frozen("kernel_zero", shape, dtype="int8")
            self.g_idx = self._frozen("g_idx", (rows,), dtype="float32")
            self.g_idx.assign(ops.floor_divide(ops.arange(rows, dtype="float32"), size))

    def _float8_build(self) -> None:
        default = QuantizedFloat8DTypePolicy.default_amax_history_length
        length = getattr(self._policy(), "amax_history_length", default)
        for name in _FLOAT8_STATE:
            for what, shape, initializer in (("scale", (), "ones"), ("amax_history", (length,), "zeros")):
                weight = self.add_weight(
                    name=f"{name}_{what}",
                    shape=shape,
                    initializer=initializer,
                    dtype="float32",
                    autocast=False,
                    overwrite_with_gradient=True,  # their "gradients" are their next values
                )
                setattr(self, f"{name}_{what}", weight)

    def _flat_shape(self, kernel_shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of the kernel as a matrix: what is summed over, and what is not."""
        rows = columns = 1
        summed = self._summed_axes()[1]
        for axis, size in enumerate(kernel_shape):
            rows, columns = (rows * size, columns) if axis in summed else (rows, columns * size)
        return rows, columns

    def _full_shape(self) -> tuple[int, ...]:
        if self.quantization_mode in ("int8", "int4"):
            return self.original_kernel_shape
        return super()._full_shape()

    def _stored_kernel(self) -> Any:
        """The kernel as the mode has it, without scale; integers of 4 bits one by one."""
        mode = self.quantization_mode
        if mode == "int4":
            kernel = quantizers.unpack_int4(ops.convert_to_tensor(self._kernel), self._orig_output_dim, axis=-1)
            return ops.reshape(kernel, self.original_kernel_shape)
        if mode in ("gptq", "awq"):
            return self._calibrated_integers()
        return self._kernel

    def _dequantized(self, kernel: Any, scale: Any, zero: Any = None, groups: Any = None) -> Any:
        """The floats that integers stand for, in the kernel's shape: those of int8, and those of 4 bits as stored."""
        if self.quantization_mode == "int8":
            return ops.divide(ops.cast(kernel, self.compute_dtype), self._kernel_scale_at_kernel(scale))
        kernel = quantizers.unpack_int4(kernel, self._orig_output_dim, axis=-1)
        if zero is None:
            kernel = ops.divide(ops.cast(kernel, self.compute_dtype), scale)
        else:
            kernel = ops.cast(dequantize_groups(kernel, scale, zero, groups, axis=0), self.compute_dtype)
        return ops.reshape(kernel, self.original_kernel_shape)

    # Calls.

    def _finish(self, x: Any, bias: Any = None) -> Any:
        if self.bias is not None:
            x = ops.add(x, self.bias if bias is None else bias)
        return x if self.activation is activations.linear else self.activation(x)

    def _adapt(self, x: Any, inputs: Any) -> Any:
        """`x` with what a low-rank adaptation adds to the product."""
        if not self.lora_enabled:
            return x
        change = ops.matmul(self._multiply(inputs, self.lora_kernel_a), self.lora_kernel_b)
        return ops.cast(ops.add(x, ops.multiply(change, self.lora_alpha / self.lora_rank)), self.compute_dtype)

    def _int8_call(self, inputs: Any, training: bool | None = None) -> Any:
        kernel, scale = ops.convert_to_tensor(self._kernel), ops.convert_to_tensor(self.kernel_scale)
        if self.inputs_quantizer is None:
            x = ops.divide(self._multiply(inputs, ops.cast(kernel, self.compute_dtype)), scale)
        else:
            x = self._quantized_product(inputs, kernel, scale)
        return self._finish(self._adapt(x, inputs))

    def _quantized_product(self, inputs: Any, kernel: Any, scale: Any) -> Any:
        """The product of quantized inputs and kernel, for int8 in integers. Derivatives see the floats that the kernel
        stands for and inputs as they were."""

        @ops.custom_gradient
        def product(inputs: Any, kernel: Any, scale: Any) -> Any:
            integers, inputs_scale = self.inputs_quantizer(inputs, axis=self._summed_axes()[0])
            inputs_scale = self._inputs_scale_at_outputs(inputs_scale)
            if self.quantization_mode == "int8":
                x = ops.cast(self._multiply(integers, kernel), self.compute_dtype)
                x = ops.divide(x, ops.multiply(scale, inputs_scale))
            else:  # scales of 4-bit kernels are those of columns of a matrix, which may cut across outputs
                x = self._multiply(ops.cast(integers, self.compute_dtype), self._dequantized(kernel, scale))
                x = ops.divide(x, inputs_scale)

            def grad(upstream: Any) -> Any:
                return self._multiply_back(upstream, self._dequantized(kernel, scale)), None, None

            return x, grad

        return product(inputs, kernel, scale)

    def _int4_call(self, inputs: Any, training: bool | None = None) -> Any:
        kernel, scale = ops.convert_to_tensor(self._kernel), ops.convert_to_tensor(self.kernel_scale)
        if self.inputs_quantizer is not None:
            x = self._quantized_product(inputs, kernel, scale)
        elif self._int4_block_size is None:
            x = self._multiply(inputs, self._dequantized(kernel, scale))
        else:
            zero, groups = ops.convert_to_tensor(self.kernel_zero), ops.convert_to_tensor(self.g_idx)
            x = self._multiply(inputs, self._dequantized(kernel, scale, zero, groups))
        return self._finish(self._adapt(x, inputs))

    def _float8_call(self, inputs: Any, training: bool | None = None) -> Any:
        if self.lora_enabled:
            raise NotImplementedError(f"[{self.name}] expected no low-rank adaptation in mode 'float8'. Use 'int8'.")

        def state(name: str) -> tuple[Any, Any]:
            names = (f"{name}_scale", f"{name}_amax_history")
            return tuple(ops.convert_to_tensor(getattr(self, n)) for n in names)  # type: ignore[return-value]

        def next_state(x: Any, scale: Any, history: Any, kind: str) -> tuple[Any, Any]:
            scale = quantizers.compute_float8_scale(ops.max(history), scale, FORMATS[kind].most)
            return scale, quantizers.compute_float8_amax_history(x, history)

        def rounded(x: Any, scale: Any, kind: str) -> Any:
            return quantizers.quantize_and_dequantize(x, scale, kind, self.compute_dtype)

        @ops.custom_gradient
        def operand(x: Any, scale: Any, history: Any) -> Any:
            after = next_state(x, scale, history, "float8_e4m3fn") if training else (None, None)
            return rounded(x, scale, "float8_e4m3fn"), lambda upstream: (upstream, *after)

        @ops.custom_gradient
        def result(x: Any, scale: Any, history: Any) -> Any:
            def grad(upstream: Any) -> Any:
                after = next_state(upstream, scale, history, "float8_e5m2")
                return rounded(upstream, scale, "float8_e5m2"), *after

            return ops.multiply(x, 1.0), grad

        kernel = operand(ops.cast(ops.convert_to_tensor(self._kernel), self.compute_dtype), *state("kernel"))
        x = result(self._multiply(operand(inputs, *state("inputs")), kernel), *state("outputs_grad"))
        bias = self.bias
        if bias is not None and self.compute_dtype == "float32":
            bias = ops.cast(ops.cast(bias, "bfloat16"), "float32")
        return self._finish(x, bias)

    # Quantizing.

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        """Turns the kernel into that of a quantization mode.

        Args:
            mode: "int8" (integers and a scale per output), "int4" (two in a byte, with scales and zero points per block
                of inputs), "float8" (training with operands of products rounded to 8-bit floats), or with a config "gptq"
                and "awq".
            type_check: whether to refuse subclasses, whose `call` may use the kernel in ways of its own.
            config: a `keras.quantizers.QuantizationConfig`.

        Raises:
            ValueError: if the layer is not built, is quantized already, or mode and config do not fit.
            NotImplementedError: for a subclass, if `type_check`.
        """
        if type_check and not type(self).__module__.startswith("tahr.keras.layers.core."):
            raise self._not_implemented("quantize")
        self.quantization_config = config
        shape = tuple(self._kernel.shape)
        name = str(mode)
        if mode == "int8":
            default = quantizers.AbsMaxQuantizer(axis=self._summed_axes()[1])
            values, scale = QuantizationConfig.weight_quantizer_or_default(config, default)(self._kernel, to_numpy=True)
            self._replace_kernel(shape, name, {"_kernel": values, "kernel_scale": self._kernel_scale_at_outputs(scale)})
        elif mode == "int4":
            self._replace_kernel(shape, name, self._int4_values(self._kernel, block_size_of(self, config), config))
            size = self._int4_block_size
            name = f"int4/{-1 if size is None else size}"
        else:
            self.quantized_build(shape, name, config)
            if mode != "float8":
                name = config.dtype_policy_string()
        self._take_quantized_policy(name)

    def _replace_kernel(self, shape: tuple[int, ...], mode: str, values: dict[str, Any]) -> None:
        del self._kernel
        self.quantized_build(shape, mode, self.quantization_config)
        for name, value in values.items():
            getattr(self, name).assign(value)

    def _int4_values(self, kernel: Any, block_size: int | None, config: Any = None) -> dict[str, Any]:
        """The weights of mode "int4" for a kernel of floats."""
        flat = ops.reshape(kernel, self._flat_shape(tuple(kernel.shape)))
        values: dict[str, Any] = {}
        if block_size is None:
            default = quantizers.AbsMaxQuantizer(axis=0, value_range=_INT4_RANGE)
            integers, scale = QuantizationConfig.weight_quantizer_or_default(config, default)(flat, to_numpy=True)
            scale = ops.squeeze(scale, axis=0)
        else:
            integers, scale, values["kernel_zero"] = quantizers.abs_max_quantize_grouped_with_zero_point(
                flat, block_size=block_size, to_numpy=True
            )
        return {"_kernel": quantizers.pack_int4(integers, axis=-1)[0], "kernel_scale": scale, **values}

    # Files.

    def _merged_values(self) -> dict[str, Any]:
        """Kernel, scale and zero point of integers with the low-rank adaptation rounded into them."""
        if not self.lora_enabled or self.quantization_mode not in ("int8", "int4"):
            return {}
        stored = [getattr(self, name, None) for name in ("_kernel", "kernel_scale", "kernel_zero", "g_idx")]
        kernel = self._dequantized(*(None if v is None else ops.convert_to_tensor(v) for v in stored))
        kernel = ops.add(kernel, self._low_rank_product())
        if self.quantization_mode == "int4":
            return self._int4_values(kernel, self._int4_block_size)
        values, scale = quantizers.abs_max_quantize(kernel, axis=self._summed_axes()[1], to_numpy=True)
        return {"_kernel": values, "kernel_scale": self._kernel_scale_at_outputs(scale)}

    def _stored_names(self) -> list[str]:
        names = ["_kernel" if n == "kernel" else n for n in self.variable_serialization_spec[self.quantization_mode]]
        return [name for name in names if getattr(self, name, None) is not None]

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the layer's weights into `store`, the kernel with its adaptation as one."""
        if self.quantization_mode is None:
            super().save_own_variables(store)
        elif self.built:
            merged = self._merged_values()
            for i, name in enumerate(self._stored_names()):
                store[str(i)] = ops.convert_to_numpy(merged.get(name, getattr(self, name)))

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Takes the layer's weights from `store`; an adaptation starts again from nothing."""
        if self.quantization_mode is None or not self.built:
            super().load_own_variables(store)
            return
        names = self._stored_names()
        if len(store.keys()) != len(names):
            raise ValueError(
                f"[{self.name}] expected {len(names)} variables to load, those of mode {self.quantization_mode!r}: {names}; "
                f"received {len(store.keys())}. Quantize the layer as the saved one was."
            )
        for i, name in enumerate(names):
            getattr(self, name).assign(store[str(i)])
        if self.lora_enabled:
            for variable in (self.lora_kernel_a, self.lora_kernel_b):
                variable.assign(ops.zeros(variable.shape))
        self.is_gptq_calibrated = self.quantization_mode == "gptq"  # files hold kernels after calibration
        self.is_awq_calibrated = self.quantization_mode == "awq"

    def _quantization_arguments(self) -> dict[str, Any]:
        return {"quantization_config": serialize_keras_object(self.quantization_config)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` described."""
        held = deserialize_keras_object(config.get("quantization_config"))
        return super().from_config({**config, "quantization_config": held})
