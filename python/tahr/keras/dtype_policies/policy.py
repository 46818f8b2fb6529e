"""DTypePolicy and the default policy."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
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
        if not isinstance(name, str):
            raise TypeError(f"[DTypePolicy] expected a name such as 'mixed_float16' or 'float32', received {name!r}.")
        self._name = name
        if name in _MIXED:
            self._compute_dtype, self._variable_dtype = _MIXED[name], "float32"
        else:
            try:
                self._compute_dtype = self._variable_dtype = dtypes.standardize_dtype(name)
            except ValueError:
                raise ValueError(
                    f"[DTypePolicy] expected a dtype, 'mixed_float16' or 'mixed_bfloat16' as name, received {name!r}."
                ) from None

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
        """Always None: layers are not quantised."""
        return None

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
        return type(other) in (DTypePolicy, FloatDTypePolicy) and self.get_config() == other.get_config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


class FloatDTypePolicy(DTypePolicy):
    """The same as `DTypePolicy`; Keras keeps both names."""

    _keras_module = "keras.dtype_policies"

    def __repr__(self) -> str:
        return f'<FloatDTypePolicy "{self._name}">'


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """A policy per layer path: what a composite layer hands to its parts.

    Args:
        default_policy: for paths that match no key; None is the default policy at the time of use.
        policy_map: from paths (or regular expressions for them) to policies.
    """

    _keras_module = "keras.dtype_policies"

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("[DTypePolicyMap] expected default_policy to be a single policy, received a map.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(f"[DTypePolicyMap] expected policy_map to be a dict, received {policy_map!r}.")
        self._default_arg = default_policy
        self._default = get(default_policy)
        self._map: dict[str, DTypePolicy] = {k: get(v) for k, v in (policy_map or {}).items()}

    @property
    def name(self) -> str:
        """Always "map_" and the name of the default policy."""
        return "map_" + self.default_policy.name

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of paths without an entry."""
        return dtype_policy() if self._default_arg is None else self._default

    @property
    def compute_dtype(self) -> str:
        """Compute dtype of the default policy."""
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """Variable dtype of the default policy."""
        return self.default_policy.variable_dtype

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._map:
            return self._map[key]
        matches = [k for k in self._map if re.search(k, key)]
        if len(matches) > 1:
            raise ValueError(f"[DTypePolicyMap] expected {key!r} to match one entry, received matches {matches}.")
        return self._map[matches[0]] if matches else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        if key in self._map:
            raise ValueError(f"[DTypePolicyMap] expected a new path, received {key!r}, which is in the map already.")
        self._map[key] = get(policy)

    def __delitem__(self, key: str) -> None:
        del self._map[key]

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __len__(self) -> int:
        return len(self._map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        from tahr.keras.saving import serialize_keras_object

        default = None if self._default_arg is None else serialize_keras_object(self._default)
        return {
            "default_policy": default,
            "policy_map": {k: serialize_keras_object(v) for k, v in self._map.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicyMap:
        """The map that `get_config` described."""
        default = config["default_policy"]
        return cls(
            default_policy=None if default is None else deserialize(default, custom_objects),
            policy_map={k: deserialize(v, custom_objects) for k, v in config["policy_map"].items()},
        )

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<DTypePolicyMap default_policy={self.default_policy!r}, entries={len(self._map)}>"


def set_dtype_policy(policy: Any) -> None:
    """Makes `policy` (a name or a policy) the default of layers created from now on.

    Raises:
        ValueError: if it is neither.
    """
    if not isinstance(policy, DTypePolicy):
        if not isinstance(policy, str):
            raise ValueError(f"[set_dtype_policy] expected the name of a policy or a DTypePolicy, received {policy!r}.")
        policy = DTypePolicy(policy)
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
        return DTypePolicy(identifier)
    try:
        return DTypePolicy(dtypes.standardize_dtype(identifier))
    except ValueError:
        raise ValueError(
            f"[dtype_policies] expected a policy, the name of one, a dtype or a config, received {identifier!r}."
        ) from None
