"""Policies of quantized layers. The name says how and from what: "int8_from_mixed_bfloat16", "int4/128_from_float32"."""

from __future__ import annotations

from typing import Any

from tahr.keras.dtype_policies.policy import DTypePolicy, dtype_policy

QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")


class QuantizedDTypePolicy(DTypePolicy):
    """The policy of a layer with quantized weights.

    Args:
        mode: "int8", "int4", "float8", "gptq" or "awq".
        source_name: the policy before quantization, which gives the dtypes; None is the default policy.

    Raises:
        ValueError: for an unknown mode or source, or int8 with float16, whose range the products exceed.

    >>> from tahr import keras
    >>> p = keras.dtype_policies.QuantizedDTypePolicy("int8", "mixed_bfloat16")
    >>> p.name, p.compute_dtype, p.quantization_mode
    ('int8_from_mixed_bfloat16', 'bfloat16', 'int8')
    """

    _keras_module = "keras.dtype_policies"

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        if source_name is None:
            source_name = dtype_policy().name
        self._compute_dtype, self._variable_dtype = self._parse_name(source_name)
        if mode not in QUANTIZATION_MODES:
            raise ValueError(
                f"[{type(self).__name__}] expected one of {QUANTIZATION_MODES} as mode, received {mode!r}. "
                "Invalid quantization mode."
            )
        if mode == "int8" and self._compute_dtype == "float16":
            raise ValueError(
                f"[{type(self).__name__}] expected another compute dtype, received mode={mode!r} with float16: sums of "
                "int8 products exceed it, so it doesn't work well. Use 'mixed_bfloat16' or 'float32'."
            )
        self._name = f"{mode}_from_{source_name}"
        self._source_name = source_name
        self._quantization_mode = mode

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        return {"mode": self._quantization_mode, "source_name": self._source_name}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.get_config() == other.get_config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._name))


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """The policy of a layer whose products see their operands rounded to 8-bit floats.

    Args:
        mode: "float8".
        source_name: the policy before quantization; None is the default policy.
        amax_history_length: of how many steps the largest magnitude is remembered, from which the scales come.

    Raises:
        TypeError: if `amax_history_length` is not an integer.
    """

    default_amax_history_length = 1024

    def __init__(self, mode: str, source_name: str | None = None, amax_history_length: int = 1024) -> None:
        super().__init__(mode=mode, source_name=source_name)
        if not isinstance(amax_history_length, int):
            raise TypeError(
                f"[{type(self).__name__}] received amax_history_length={amax_history_length!r}; it must be an integer."
            )
        self._amax_history_length = amax_history_length

    @property
    def amax_history_length(self) -> int:
        """Of how many steps the largest magnitude is remembered."""
        return self._amax_history_length

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        return {**super().get_config(), "amax_history_length": self.amax_history_length}


class _ModeWithNumbers(QuantizedDTypePolicy):
    """A policy whose mode carries numbers behind slashes, as "gptq/4/128" does."""

    _form: tuple[str, ...]  # the mode and what its numbers are called

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        numbers = self._read_mode(mode)
        super().__init__(mode=self._form[0], source_name=source_name)
        self._name = f"{mode}_from_{self._source_name}"
        self._full_mode = mode
        self.mode = self._form[0]
        for name, number in zip(self._form[1:], numbers):
            setattr(self, name, number)

    def _read_mode(self, mode: str) -> list[int]:
        form = "/".join((self._form[0], *(f"<{name}>" for name in self._form[1:])))
        first, *rest = str(mode).split("/")
        try:
            if first != self._form[0] or len(rest) != len(self._form) - 1:
                raise ValueError
            numbers = [int(part) for part in rest]
        except ValueError:
            raise ValueError(
                f"[{type(self).__name__}] expected {form!r} with integers as mode, received {mode!r}. Invalid mode."
            ) from None
        self._check(dict(zip(self._form[1:], numbers)), mode)
        return numbers

    def _check(self, numbers: dict[str, int], mode: str) -> None:
        for name in ("block_size", "group_size"):
            if name in numbers and (numbers[name] < -1 or numbers[name] == 0):
                raise ValueError(
                    f"[{type(self).__name__}] expected {name} to be positive, or -1 for no groups, received {mode!r}. "
                    f"Invalid {name}."
                )

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        return {**super().get_config(), "mode": self._full_mode}


class Int4DTypePolicy(_ModeWithNumbers):
    """The policy of a layer with 4-bit weights.

    Args:
        mode: "int4/<block_size>": a scale and a zero point for every so many inputs; -1 for one scale per output.
        source_name: the policy before quantization; None is the default policy.

    Raises:
        ValueError: for another form of `mode`.
    """

    _form = ("int4", "block_size")
    block_size: int


class GPTQDTypePolicy(_ModeWithNumbers):
    """The policy of a layer quantized with GPTQ.

    Args:
        mode: "gptq/<weight_bits>/<group_size>", such as "gptq/4/128": 2, 3, 4 or 8 bits; -1 for no groups.
        source_name: the policy before quantization; None is the default policy.

    Raises:
        ValueError: for another form of `mode`.
    """

    _form = ("gptq", "weight_bits", "group_size")
    weight_bits: int
    group_size: int

    def _check(self, numbers: dict[str, int], mode: str) -> None:
        if numbers["weight_bits"] not in (2, 3, 4, 8):
            raise ValueError(
                f"[{type(self).__name__}] expected 2, 3, 4 or 8 bits, received {mode!r}. Invalid weight_bits."
            )
        super()._check(numbers, mode)


class AWQDTypePolicy(_ModeWithNumbers):
    """The policy of a layer quantized with AWQ.

    Args:
        mode: "awq/4/<group_size>"; -1 for no groups.
        source_name: the policy before quantization; None is the default policy.

    Raises:
        ValueError: for another form of `mode`.
    """

    _form = ("awq", "weight_bits", "group_size")
    weight_bits: int
    group_size: int

    def _check(self, numbers: dict[str, int], mode: str) -> None:
        if numbers["weight_bits"] != 4:
            raise ValueError(
                f"[{type(self).__name__}] AWQ only supports 4-bit weights, received {mode!r}. Invalid weight_bits."
            )
        super()._check(numbers, mode)


def from_name(policy: Any) -> QuantizedDTypePolicy:
    """The policy that a name such as "int8_from_float32" stands for.

    Raises:
        TypeError: if it is not a string.
        ValueError: if it does not have that form.
    """
    if not isinstance(policy, str):
        raise TypeError(f"[dtype_policies] `policy` must be a string. Received {policy!r}.")
    if not policy.startswith(QUANTIZATION_MODES):
        raise ValueError(
            f"[dtype_policies] expected a name that starts with one of {QUANTIZATION_MODES}, received {policy!r}. "
            "`policy` is incompatible with the current supported quantization."
        )
    parts = policy.split("_from_")
    if len(parts) != 2:
        raise ValueError(
            f"[dtype_policies] expected a name such as 'int8_from_float32', received {policy!r}. "
            "Cannot convert `policy` into a valid pair of a mode and a source."
        )
    mode, source = parts
    kinds: dict[str, type[QuantizedDTypePolicy]] = {
        "int4/": Int4DTypePolicy,
        "gptq": GPTQDTypePolicy,
        "awq": AWQDTypePolicy,
        "float8": QuantizedFloat8DTypePolicy,
    }
    kind = next((cls for start, cls in kinds.items() if mode.startswith(start)), QuantizedDTypePolicy)
    return kind(mode, source)
