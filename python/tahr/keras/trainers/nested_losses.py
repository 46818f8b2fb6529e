"""Losses for parts of nested outputs: where in the outputs each loss of `compile` belongs."""

from __future__ import annotations

from typing import Any, NamedTuple

from tahr.keras import tree

Path = tuple[Any, ...]


class PlacedLoss(NamedTuple):
    """One loss, of the part of the outputs at `path` (the keys and indices that lead there)."""

    path: Path
    loss: Any
    weight: float | None
    name: str


class _Weighted:
    """A loss and its weight; a leaf of a structure."""

    def __init__(self, loss: Any, weight: float | None):
        self.loss, self.weight = loss, weight


def is_structural(setting: Any, y_pred: Any) -> bool:
    """Whether losses must be placed by the nesting of the outputs, because a list in their order does not say it all."""
    if not tree.is_nested(y_pred) or not tree.is_nested(setting):
        return False
    deep = any(tree.is_nested(part) for part in _children(y_pred).values())
    if deep:
        leaves = all(not tree.is_nested(part) for part in _children(setting).values())
        return isinstance(setting, dict) or not (leaves and len(setting) == len(tree.flatten(y_pred)))
    if isinstance(setting, (list, tuple)) and not _alike(setting, y_pred):
        return any(_alike(part, y_pred) and len(part) == len(y_pred) for part in setting)
    return False


def place(setting: Any, weights: Any, y_pred: Any, names: list[str] | None) -> list[PlacedLoss]:
    """The losses of `compile`, each with its place.

    A list that is not nested as the outputs there are holds several losses of the same part. A name of a loss, or a
    loss of this package, counts for every output of its part; another function gets the part whole.

    Args:
        setting: the argument `loss`.
        weights: the argument `loss_weights`: None, or one number per loss.
        y_pred: the outputs.
        names: names of the outputs, in the order of `tree.flatten`.

    Raises:
        ValueError: if a loss is for a part that the outputs lack, or the number of weights differs.
    """
    losses = tree.flatten(setting)
    flat = [None] * len(losses) if weights is None else tree.flatten(weights)
    if len(flat) != len(losses):
        raise ValueError(
            f"[compile] expected loss_weights with one entry for each of the {len(losses)} losses, received {len(flat)}."
        )
    weighted = tree.pack_sequence_as(setting, [_Weighted(a, b) for a, b in zip(losses, flat)])
    labels = tree.pack_sequence_as(y_pred, names or [str(i) for i in range(len(tree.flatten(y_pred)))])
    found: list[PlacedLoss] = []
    _place(weighted, y_pred, labels, (), found)
    return found


def _place(setting: Any, part: Any, labels: Any, path: Path, found: list[PlacedLoss]) -> None:
    if isinstance(setting, _Weighted):
        if setting.loss is None:
            return
        if tree.is_nested(part) and _is_for_one_output(setting.loss):
            for key, child in _children(part).items():
                _place(setting, child, labels[key], (*path, key), found)
        else:
            found.append(PlacedLoss(path, setting.loss, setting.weight, _name(path, labels)))
    elif not _alike(setting, part):
        if isinstance(setting, dict):
            raise ValueError(
                f"[compile] expected loss nested as the outputs, received the keys {list(setting)} for "
                f"{_where(path)}, which is a {type(part).__name__}."
            )
        for one in setting:
            _place(one, part, labels, path, found)
    else:
        children = _children(part)
        for key, one in _children(setting).items():
            if key not in children:
                raise ValueError(
                    f"[compile] expected the keys of loss to be among {list(children)} for {_where(path)}, received "
                    f"{key!r}."
                )
            _place(one, children[key], labels[key], (*path, key), found)


def at(path: Path, structure: Any) -> Any:
    """The part of `structure` at `path`."""
    for key in path:
        structure = structure[key]
    return structure


def _children(x: Any) -> dict[Any, Any]:
    return dict(x) if isinstance(x, dict) else dict(enumerate(x))


def _alike(setting: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(setting, dict)
    return isinstance(part, (list, tuple)) and type(setting) is type(part)


def _is_for_one_output(loss: Any) -> bool:
    """Whether `loss` is known to take one tensor of targets and one of predictions."""
    return isinstance(loss, str) or str(getattr(loss, "__module__", type(loss).__module__)).startswith("tahr.")


def _name(path: Path, labels: Any) -> str:
    if not path:
        return "_".join(map(str, labels if isinstance(labels, dict) else tree.flatten(labels)))
    if not tree.is_nested(labels) and isinstance(path[-1], int):
        path = (*path[:-1], labels)
    return "/".join(map(str, path))


def _where(path: Path) -> str:
    return "the outputs" if not path else "the part of the outputs at " + "".join(f"[{key!r}]" for key in path)
