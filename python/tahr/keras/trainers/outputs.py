"""Matches what belongs to a model's outputs (targets, losses, metrics, weights) with these outputs, one by one."""

from __future__ import annotations

from typing import Any

from tahr.data.structure import flatten, is_nested


class OutputOrder:
    """The outputs of a model in one fixed order, and the names under which users may refer to them."""

    def __init__(self, y_pred: Any, output_names: list[str] | None):
        self.count = len(flatten(y_pred))
        self._nested = is_nested(y_pred)
        self.names: list[str] | None = None
        if isinstance(y_pred, dict) and self.count == len(y_pred):
            names = list(output_names or ())
            self.names = names if set(names) == set(y_pred) else sorted(y_pred)
        elif output_names is not None and len(output_names) == self.count:
            self.names = list(output_names)

    def predictions(self, y_pred: Any) -> list[Any]:
        """The outputs as a list."""
        if isinstance(y_pred, dict) and self.names is not None and set(self.names) == set(y_pred):
            return [y_pred[name] for name in self.names]
        return flatten(y_pred)

    def match(self, value: Any, name: str, used: list[bool] | None = None) -> list[Any]:
        """`value` (targets or weights shaped like the outputs) as a list with one entry per output.

        Args:
            value: one array for a single output, or a list, tuple or dict (by output name) of arrays.
            name: what to call it in a message.
            used: which outputs have a loss or metric at all; `value` may be given for these alone.
        """
        if value is None:
            return [None] * self.count
        if isinstance(value, dict) and self.names is not None and set(value) <= set(self.names):
            return [value.get(key) for key in self.names]
        leaves = flatten(value)
        if len(leaves) == self.count:
            return leaves
        if used is not None and len(leaves) == sum(used):
            rest = iter(leaves)
            return [next(rest) if use else None for use in used]
        raise ValueError(
            f"[fit] expected {name} for {self.count} output(s)"
            + (f" named {', '.join(self.names)}" if self.names else "")
            + f", received {_describe(value)}. Pass one array per output, as a list in their order or a dict by name."
        )

    def spread(self, setting: Any, argument: str) -> list[Any]:
        """A setting of `compile` given per output (list in order, dict by name) as a list with one entry per output."""
        if isinstance(setting, dict):
            if self.names is None:
                if len(setting) == self.count:
                    return list(setting.values())
                raise ValueError(
                    f"[compile] expected {argument} as a list, because the outputs of this model have no names, "
                    f"received a dict "
                    f"with keys {sorted(map(str, setting))}. Return a dict from call() to name them."
                )
            unknown = sorted(str(key) for key in setting if key not in self.names)
            if unknown:
                raise ValueError(
                    f"[compile] Invalid `{argument}`. Expected keys among the names of the outputs "
                    f"({', '.join(self.names)}), received {', '.join(unknown)}. "
                    "Name the output layers so, or pass a list in the order of the outputs."
                )
            return [setting.get(name) for name in self.names]
        entries = list(setting)
        if len(entries) != self.count:
            raise ValueError(
                f"[compile] expected {argument} with one entry for each of the {self.count} outputs, received "
                f"{len(entries)}. "
                "Use None for an output that has none."
            )
        return entries


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict with keys {', '.join(sorted(map(str, value)))}"
    if is_nested(value):
        return f"a {type(value).__name__} of {len(flatten(value))}"
    return f"one array of shape {tuple(value.shape)}" if hasattr(value, "shape") else f"one {type(value).__name__}"
