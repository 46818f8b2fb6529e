"""Quantizable: the part of a layer that turns its weights into integers or 8-bit floats, and calls it then.

A layer that can be quantized implements `quantize`, `quantized_build` and the calls of its modes (`_int8_call` and so
on); `core/quantized_kernel.py` does so for layers with a kernel. What is checked before is here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tahr import tracing
from tahr.keras import dtype_policies
from tahr.keras.dtype_policies.quantized import QUANTIZATION_MODES
from tahr.keras.layers.state import LayerState


def _checked(quantize: Callable[..., Any]) -> Callable[..., Any]:
    """`quantize` with mode and config brought together and checked, and the layer open for new weights."""

    @functools.wraps(quantize)
    def wrapped(self: Quantizable, mode: Any = None, config: Any = None, **kwargs: Any) -> None:
        from tahr.keras.quantizers.configs import validate_and_resolve_config

        config = validate_and_resolve_config(mode, config)
        self._check_quantize_args(config.mode)
        self._tracker.unlock()
        try:
            quantize(self, mode=config.mode, config=config, **kwargs)
        finally:
            self._tracker.lock()

    return wrapped


class Quantizable(LayerState):
    """The half of `Layer` that quantizes."""

    _quantized_calls = {mode: f"_{mode}_call" for mode in QUANTIZATION_MODES}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "quantize" in cls.__dict__:
            cls.quantize = _checked(cls.quantize)  # type: ignore[method-assign]

    @property
    def dtype_policy(self) -> Any:
        """The policy that gives the dtypes. Setting that of a quantized layer quantizes it."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        policy = dtype_policies.get(value)
        held = self._dtype_policy
        if isinstance(held, dtype_policies.DTypePolicyMap) and self._path:
            if self._path in held:
                del held[self._path]
            held[self._path] = policy
        else:
            self._set_policy(policy)
        if not tracing.is_tracing():
            self.__dict__["_edits"] = self.__dict__.get("_edits", 0) + 1
            tracing.count_change()
        mode = policy.quantization_mode
        if mode is not None and self.built and not self._is_quantized:
            if mode in ("gptq", "awq"):
                raise ValueError(
                    f"[{self.name}] expected quantize({mode!r}, config=...), received dtype_policy={value!r}: {mode} looks "
                    "at data, which a policy does not name."
                )
            self.quantize(mode)

    _is_quantized = False  # whether the weights are those of the quantization mode

    @_checked
    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        """Turns the weights into those of a quantization mode. Dense, EinsumDense, Embedding and ReversibleEmbedding can.

        Args:
            mode: "int8", "int4", "float8", or with a config "gptq" and "awq".
            type_check: whether to refuse subclasses, whose `call` may use the weights in ways of its own.
            config: a `keras.quantizers.QuantizationConfig`, in place of a mode or in addition to it.

        Raises:
            ValueError: if the layer is not built, is quantized already, or mode and config do not fit.
            NotImplementedError: if such layers cannot be quantized.
        """
        raise self._not_implemented("quantize")

    def quantized_build(self, input_shape: Any, mode: str) -> None:
        """Creates the weights of a quantization mode; layers that can be quantized implement it."""
        raise self._not_implemented("quantized_build")

    def quantized_call(self, *args: Any, **kwargs: Any) -> Any:
        """What takes the place of `call` in a quantized layer."""
        name = self._quantized_calls.get(str(self.quantization_mode))
        if name is None:
            raise self._quantization_mode_error(self.quantization_mode)
        if not hasattr(self, name):
            raise self._not_implemented(name)
        return getattr(self, name)(*args, **kwargs)

    def _check_quantize_args(self, mode: str) -> None:
        if not self.built:
            raise ValueError(
                f"[{self.name}] Cannot quantize a layer that isn't yet built. Call it on data first, or build() it."
            )
        if self._is_quantized:
            raise ValueError(
                f"[{self.name}] is already quantized with dtype_policy={self.dtype_policy.name!r}, received mode={mode!r}."
            )
        if mode == "int8" and self.compute_dtype == "float16":
            raise ValueError(
                f"[{self.name}] mode='int8' doesn't work well with compute_dtype='float16', which sums of int8 products "
                "exceed. Use 'mixed_bfloat16' or 'float32'."
            )

    def _not_implemented(self, method: str) -> NotImplementedError:
        return NotImplementedError(
            f"[{self.name}] {type(self).__name__} does not have a `{method}` method implemented. Layers that can be "
            "quantized are Dense, EinsumDense, Embedding and ReversibleEmbedding; for a subclass of these pass "
            "type_check=False."
        )

    def _quantization_mode_error(self, mode: Any) -> NotImplementedError:
        modes = tuple(m for m, name in self._quantized_calls.items() if hasattr(self, name))
        return NotImplementedError(
            f"[{self.name}] Invalid quantization mode. Expected one of {modes or QUANTIZATION_MODES}, received {mode!r}."
        )

    def _take_quantized_policy(self, mode: str) -> None:
        """Sets the policy after the weights have been quantized, if that did not come first."""
        if self.quantization_mode is None:
            self.dtype_policy = f"{mode}_from_{self._policy().name}"
