"""`Model.get_state_tree` and `set_state_tree`: all state of a model as nested dicts by the paths of the variables."""

from __future__ import annotations

from typing import Any

_FORMATS = ("backend_tensor", "numpy_array")


def _groups(model: Any) -> dict[str, list[Any]]:
    optimizer = getattr(model, "optimizer", None)
    return {
        "trainable_variables": model.trainable_variables,
        "non_trainable_variables": model.non_trainable_variables,
        "optimizer_variables": [] if optimizer is None else optimizer.variables,
        "metrics_variables": model.metrics_variables,
    }


def get_state_tree(model: Any, value_format: str) -> dict[str, Any]:
    """The values of all variables of `model`; see `Model.get_state_tree`."""
    if value_format not in _FORMATS:
        raise ValueError(f"[{model.name}] expected value_format to be one of {_FORMATS}, received {value_format!r}.")
    tree: dict[str, Any] = {}
    for group, variables in _groups(model).items():
        top: dict[str, Any] = {}
        for variable in variables:
            *folders, last = variable.path.split("/")
            level = top
            for folder in folders:
                level = level.setdefault(folder, {})
            if last in level:
                raise ValueError(
                    f"[{model.name}] expected variables with different paths, received two called {variable.path!r}. Give "
                    "the layers different names."
                )
            level[last] = variable.numpy() if value_format == "numpy_array" else variable.value
        tree[group] = top
    return tree


def set_state_tree(model: Any, state_tree: dict[str, Any]) -> None:
    """Assigns the values in `state_tree`; see `Model.set_state_tree`."""
    groups = _groups(model)
    for group, values in state_tree.items():
        if group not in groups:
            raise ValueError(f"[{model.name}] expected a state tree with the keys {list(groups)}, received {group!r}.")
        variables = {v.path: v for v in groups[group]}
        for path, value in _leaves(values, ()):
            if path not in variables:
                raise ValueError(
                    f"[{model.name}] expected paths of {group.replace('_', ' ')}, received {path!r}. They are "
                    f"{sorted(variables)}."
                )
            variables[path].assign(value)


def _leaves(values: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    if not isinstance(values, dict):
        return [("/".join(path), values)]
    return [leaf for key, value in values.items() for leaf in _leaves(value, (*path, key))]
