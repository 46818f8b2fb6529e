"""DTypePolicy and the default policy."""

from __future__ import annotations

from typing import Any

from tahr.keras.backend import config, dtypes, state
from tahr.keras.backend.engine import Tensor, convert_to_tensor
from tahr.keras.backend.keras_tensor import KerasTensor

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


class DTypePolicy:
    """The pair of dtypes of a layer.

    Args:
        name: a dtype, used for weights and computation alike, or "mixed_float16" / "mixed_bfloat16": float32 weights,
            half-precision computation. None is the default policy.

    Raises:
        TypeError: if `name` is not a string.
        ValueError: if it names no policy.

    >>> from tahr import keras
    >>> p = keras.DTypePolicy("mixed_bfloat16")
    >>> p.compute_dtype, p.variable_dtype
    ('bfloat16', 'float32')
    """

    _keras_module = "keras"

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = dtype_policy().name
        self._compute_dtype, self._variable_dtype = self._parse_name(name)
        self._name = name
        self._quantization_mode: str | None = None

    def _parse_name(self, name: Any) -> tuple[str, str]:
        """The compute dtype and the variable dtype that `name` stands for."""
        if not isinstance(name, str):
            raise TypeError(
                f"[DTypePolicy] 'name' must be a string such as 'mixed_float16' or 'float32', received {name!r}."
            )
        if name in _MIXED:
            return _MIXED[name], "float32"
        try:
            dtype = dtypes.standardize_dtype(name)
        except ValueError:
            raise ValueError(
                f"[DTypePolicy] expected a dtype, 'mixed_float16' or 'mixed_bfloat16' as name, received {name!r}. "
                "Cannot convert it to a pair of dtypes."
            ) from None
        return dtype, dtype

    @property
    def name(self) -> str:
        """The name it was made from."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """Dtype of the computation."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """Dtype of the weights."""
        return self._variable_dtype

    @property
    def quantization_mode(self) -> str | None:
        """How the weights are quantized: "int8", "int4", "float8", "gptq", "awq"; None for not at all."""
        return self._quantization_mode

    def convert_input(self, x: Any, autocast: bool, dtype: str) -> Any:
        """`x` as a tensor if it is numeric data, floating-point ones cast to `dtype` if `autocast`."""
        dtype = dtypes.standardize_dtype(dtype)
        if isinstance(x, Tensor):
            if autocast and x.dtype != dtype and dtypes.is_float_dtype(x.dtype):
                import tahr

                return tahr.ops.cast(x, dtype)
            return x
        if isinstance(x, KerasTensor):
            if autocast and x.dtype != dtype and dtypes.is_float_dtype(x.dtype):
                from tahr.keras import ops

                return ops.cast(x, dtype)  # type: ignore[misc]
            return x
        if hasattr(x, "__array__"):
            try:
                x = convert_to_tensor(x)
            except TypeError:
                x = convert_to_tensor(x, dtype=dtype)
            return self.convert_input(x, autocast, dtype)
        return x

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """The policy that `get_config` described."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        kinds = (DTypePolicy, FloatDTypePolicy) if type(self) in (DTypePolicy, FloatDTypePolicy) else (type(self),)
        return type(other) in kinds and self._name == other._name  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<{type(self).__name__} "{self._name}">'


class FloatDTypePolicy(DTypePolicy):
    """The same as `DTypePolicy`; Keras keeps both names."""

    _keras_module = "keras.dtype_policies"

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


def set_dtype_policy(policy: Any) -> None:
    """Makes `policy` (a name or a policy) the default of layers created from now on.

    Raises:
        ValueError: if it is neither.
    """
    if not isinstance(policy, DTypePolicy):
        if not isinstance(policy, str):
            raise ValueError(
                f"[set_dtype_policy] expected the name of a policy or a DTypePolicy, received {policy!r}. "
                "Invalid `policy` argument."
            )
        policy = _named(policy)
    state.set_session("dtype_policy", policy)


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are not told otherwise: that of `floatx()` unless set.

    >>> from tahr import keras
    >>> keras.config.dtype_policy()
    <DTypePolicy "float32">
    """
    policy = state.get_session("dtype_policy")
    if policy is None:
        policy = DTypePolicy(config.floatx())
        state.set_session("dtype_policy", policy)
    return policy


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The config of a policy, as in a layer's config."""
    from tahr.keras.saving import serialize_keras_object

    return serialize_keras_object(dtype_policy)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The policy that `serialize` described."""
    from tahr.keras.saving import deserialize_keras_object

    return deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any) -> DTypePolicy:
    """A policy from None (the default one), a policy, a name, a dtype or a config.

    >>> from tahr import keras
    >>> keras.dtype_policies.get("float16")
    <DTypePolicy "float16">
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return _named(identifier)
    try:
        return DTypePolicy(dtypes.standardize_dtype(identifier))
    except ValueError:
        raise ValueError(
            f"[dtype_policies] expected a policy, the name of one, a dtype or a config, received {identifier!r}. "
            "Cannot interpret `dtype` argument."
        ) from None


def _named(name: str) -> DTypePolicy:
    from tahr.keras.dtype_policies import quantized

    return quantized.from_name(name) if name.startswith(quantized.QUANTIZATION_MODES) else DTypePolicy(name)
