"""DTypePolicyMap: policies by the path of a layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from tahr.keras.dtype_policies.policy import DTypePolicy, get


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """A policy per layer path: what a composite layer hands to its parts.

    Args:
        default_policy: for paths that match no key; None is the default policy, at the time of loading for a map that
            was saved.
        policy_map: from paths, or regular expressions for whole paths, to policies.

    Raises:
        ValueError: if `default_policy` is a map, a path is set twice, or a path matches several expressions.
        TypeError: if `policy_map` is not a dict.

    >>> from tahr import keras
    >>> m = keras.dtype_policies.DTypePolicyMap("float32", {"encoder/.*": keras.DTypePolicy("mixed_bfloat16")})
    >>> m["encoder/dense"].name, m["decoder/dense"].name
    ('mixed_bfloat16', 'float32')
    """

    _keras_module = "keras.dtype_policies"

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("[DTypePolicyMap] expected default_policy to be a single policy, received a map.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(
                f"[DTypePolicyMap] expected paths and policies, received {policy_map!r}. "
                "If specified, `policy_map` must be a dict."
            )
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
        return self._default

    @property
    def compute_dtype(self) -> str:
        """Compute dtype of the default policy."""
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """Variable dtype of the default policy."""
        return self.default_policy.variable_dtype

    @property
    def quantization_mode(self) -> str | None:
        """Quantization mode of the default policy."""
        return self.default_policy.quantization_mode

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._map:
            return self._map[key]
        matches = [k for k in self._map if re.fullmatch(k, key)]
        if len(matches) > 1:
            raise ValueError(
                f"[DTypePolicyMap] expected one entry for a path. Path {key!r} matches multiple dtype policy entries: "
                f"{matches}. Make the expressions exclude each other."
            )
        return self._map[matches[0]] if matches else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        if key in self._map:
            raise ValueError(
                f"[DTypePolicyMap] expected a new path, but {key} already exist in the DTypePolicyMap, with "
                f"{self._map[key]!r}. Delete that entry first."
            )
        try:
            self._map[key] = get(policy)
        except Exception as error:
            raise ValueError(
                f"[DTypePolicyMap] expected a policy for {key!r}, received {policy!r}. Cannot interpret the assigned "
                "value. Give a policy, its name or its config."
            ) from error

    def __delitem__(self, key: str) -> None:
        del self._map[key]

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __len__(self) -> int:
        return len(self._map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs. Without a default policy of its own, a map takes the default at the time of
        loading, and so do its entries."""
        from tahr.keras.saving import serialize_keras_object

        entries = {k: serialize_keras_object(v) for k, v in self._map.items()}
        if self._default_arg is None:
            for entry in entries.values():
                config = entry["config"]
                config.update({key: None for key in ("name", "source_name") if key in config})
        default = self._default_arg
        return {
            "default_policy": serialize_keras_object(default) if isinstance(default, DTypePolicy) else default,
            "policy_map": entries,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicyMap:
        """The map that `get_config` described."""
        from tahr.keras.saving import deserialize_keras_object

        entries = {k: deserialize_keras_object(v, custom_objects) for k, v in config["policy_map"].items()}
        return cls(default_policy=config["default_policy"], policy_map=entries)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        mapping = [(k, v.name) for k, v in self._map.items()]
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, mapping={mapping}>"
