"""KerasFileEditor: looks into a file of weights, changes it, compares it with a model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tahr.keras.saving import h5, keras_file, safety
from tahr.keras.saving.atomic import replacing
from tahr.keras.saving.stores import H5Writer
from tahr.keras.saving.tree import Writer


class KerasFileEditor:
    """The weights in a file as nested dicts that can be edited and saved again, for a model that has changed since.

    Args:
        filepath: path of a `.keras` or `.weights.h5` file.

    Raises:
        ValueError: if it ends in something else, or is damaged.

    >>> import tempfile
    >>> from tahr import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save_weights(f"{folder}/a.weights.h5")
    ...     editor = keras.saving.KerasFileEditor(f"{folder}/a.weights.h5")
    >>> editor.rename_object("dense", "dense_1")
    >>> editor.add_object("layers/dense", weights={"0": np.zeros((2, 2)), "1": np.zeros(2)})
    >>> editor.compare(model)["status"]
    layers/dense: weight 0 has shape (2, 2), the model has (2, 1)
    layers/dense: weight 1 has shape (2,), the model has (1,)
    layers/dense_1: in the file, but not in the model
    'error'
    """

    def __init__(self, filepath: Any) -> None:
        self.filepath = str(filepath)
        self.metadata: Any = None
        self.config: Any = None
        self.weights_dict: dict[str, Any] = {}
        self.object_metadata: dict[str, str] = {}  # from paths to names of objects
        if not self.filepath.endswith((".keras", ".weights.h5")):
            raise ValueError(f"[KerasFileEditor] expected a .keras or .weights.h5 file, received {self.filepath!r}.")
        with contextlib.ExitStack() as stack:
            source: Any = self.filepath
            if self.filepath.endswith(".keras"):
                archive, members = stack.enter_context(keras_file.open_archive(self.filepath))
                read = {
                    n: safety.read_member(archive, members[n]) for n in ("config.json", "metadata.json") if n in members
                }
                self.config = safety.parse_json(read.get("config.json", b"null"), "config.json")
                self.metadata = safety.parse_json(read.get("metadata.json", b"null"), "metadata.json")
                source = stack.enter_context(keras_file.unpacked_weights(archive, members))
            file = stack.enter_context(h5.reading(source, self.filepath))
            h5.total_size(file)  # checks all objects, and that there is an end to them
            self._read(file, self.weights_dict, "")

    def _read(self, group: Any, into: dict[str, Any], path: str) -> None:
        """Fills `into` with the objects below `group`; groups within themselves are left out."""
        stack: list[tuple[Any, dict[str, Any], str, tuple[Any, ...]]] = [(group, into, path, (hash(group.id),))]
        while stack:
            current, found, where, above = stack.pop()
            for key in sorted(current):
                inner = h5.group(current, key)
                place = f"{where}/{key}" if where else key
                if key == "vars":
                    name = h5.attribute(inner, "name")
                    if isinstance(name, str):
                        self.object_metadata[where] = name
                    found.update({n: h5.array(inner, n) for n in sorted(inner)})
                elif hash(inner.id) not in above:
                    found[key] = {}
                    stack.append((inner, found[key], place, (*above, hash(inner.id))))

    # Looking.

    def summary(self) -> None:
        """Prints the objects and the shapes of their weights."""
        print(f"Weights of {self.filepath}")
        for path, weights in _objects(self.weights_dict):
            name = self.object_metadata.get(path)
            print(f"  {path or '(the model)'}{f' ({name})' if name else ''}")
            for key, value in weights.items():
                print(f"    {key}: shape {value.shape}, {value.dtype}")

    def compare(self, reference_model: Any) -> dict[str, Any]:
        """Compares the file with a model, and prints what differs.

        Args:
            reference_model: the model, built.

        Returns:
            Dict with "status" ("success" or "error"), "error_count" (objects that one of the two lacks, and weights
            that differ in shape or are missing) and "match_count" (weights that agree).
        """
        wanted = dict(_objects(_spec(reference_model)))
        found = dict(_objects(self.weights_dict))
        errors = []
        matches = 0
        for path in sorted({*wanted, *found}):
            if (path not in found or path not in wanted) and path.split("/")[-1].startswith("seed_generator"):
                continue  # of which Keras keeps no states
            if path not in found:
                errors.append(f"{path}: in the model, but not in the file")
            elif path not in wanted:
                errors.append(f"{path}: in the file, but not in the model")
            else:
                for key in sorted({*wanted[path], *found[path]}):
                    own, given = wanted[path].get(key), found[path].get(key)
                    if own is None or given is None:
                        errors.append(f"{path}: weight {key} is missing in the {'model' if own is None else 'file'}")
                    elif own.shape != given.shape:
                        errors.append(f"{path}: weight {key} has shape {given.shape}, the model has {own.shape}")
                    else:
                        matches += 1
        for line in errors:
            print(line)
        return {"status": "error" if errors else "success", "error_count": len(errors), "match_count": matches}

    # Changing.

    def _parent(self, name: str) -> tuple[dict[str, Any], str]:
        """(dict, key) of the object with this path, or with this last name if only one has it."""
        if "/" in name:
            places = [(d, k) for p, d, k in _groups(self.weights_dict) if p == name.strip("/")]
        else:
            places = [(d, k) for _, d, k in _groups(self.weights_dict) if k == name]
        if len(places) != 1:
            known = [p for p, _, _ in _groups(self.weights_dict)]
            raise ValueError(
                f"[KerasFileEditor] expected the name or path of one object, received {name!r}, which {len(places)} "
                f"have. The file holds {known}."
            )
        return places[0]

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Gives an object another name; it stays where it is.

        Args:
            object_name: path or unique name of the object.
            new_name: the new last component.
        """
        parent, key = self._parent(object_name)
        if "/" in new_name or new_name in parent:
            raise ValueError(f"[KerasFileEditor] expected a new name without '/', received {new_name!r}.")
        parent[new_name] = parent.pop(key)

    def delete_object(self, object_name: str) -> None:
        """Removes an object and all inside it.

        Args:
            object_name: path or unique name of the object.
        """
        parent, key = self._parent(object_name)
        del parent[key]

    def add_object(self, object_path: str, weights: dict[str, Any]) -> None:
        """Adds an object.

        Args:
            object_path: its path; what contains it must be there.
            weights: arrays by name, usually "0", "1", ...
        """
        _check_weights(weights)
        *above, name = safety.checked_parts(object_path, "the path of an object")
        parent = self.weights_dict
        for part in above:
            parent = parent.get(part, None)  # type: ignore[assignment]
            if not isinstance(parent, dict):
                raise ValueError(f"[KerasFileEditor] expected the path of a new object, received {object_path!r}.")
        if name in parent:
            raise ValueError(
                f"[KerasFileEditor] expected a new path, received {object_path!r}, which is there already."
            )
        parent[name] = {k: np.asarray(v) for k, v in weights.items()}

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Removes one weight of an object."""
        parent, key = self._parent(object_name)
        if not isinstance(parent[key].get(weight_name), np.ndarray):
            raise ValueError(f"[KerasFileEditor] expected a weight of {object_name!r}, received {weight_name!r}.")
        del parent[key][weight_name]

    def add_weights(self, object_name: str, weights: dict[str, Any]) -> None:
        """Adds weights to an object; those of a name that it has are replaced.

        Args:
            object_name: path or unique name of the object.
            weights: arrays by name.
        """
        _check_weights(weights)
        parent, key = self._parent(object_name)
        parent[key].update({k: np.asarray(v) for k, v in weights.items()})

    def save(self, filepath: Any) -> None:
        """Writes the weights to a `.weights.h5` file.

        Args:
            filepath: its path.
        """
        if not str(filepath).endswith(".weights.h5"):
            raise ValueError(f"[KerasFileEditor] expected a path that ends in .weights.h5, received {str(filepath)!r}.")
        with replacing(filepath) as temporary, h5.library().File(temporary, "w") as file:
            store = H5Writer(file)
            for path, weights in _objects(self.weights_dict):
                entry = store.create(path, self.object_metadata.get(path))
                for key, value in weights.items():
                    entry[key] = value

    def resave_weights(self, filepath: Any) -> None:
        """The same as `save`."""
        self.save(filepath)


def _check_weights(weights: Any) -> None:
    if not isinstance(weights, dict) or not all(isinstance(k, str) for k in weights):
        raise ValueError(f"[KerasFileEditor] expected weights as a dict of arrays by name, received {weights!r}.")


def _groups(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """(path, containing dict, key) of all objects."""
    for key, value in list(tree.items()):
        if isinstance(value, dict):
            place = f"{path}/{key}" if path else key
            yield place, tree, key
            yield from _groups(value, place)


def _objects(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(path, weights) of all objects that have weights."""
    own = {k: v for k, v in tree.items() if not isinstance(v, dict)}
    if own:
        yield "", own
    for path, parent, key in _groups(tree):
        weights = {k: v for k, v in parent[key].items() if not isinstance(v, dict)}
        if weights:
            yield path, weights


def _spec(model: Any) -> dict[str, Any]:
    """The weights that a file of `model` would hold, as nested dicts."""
    found: dict[str, Any] = {}

    class Store:
        """Keeps arrays in nested dicts."""

        def create(self, path: str, name: str | None) -> dict[str, Any]:
            current = found
            for part in path.split("/") if path else ():
                current = current.setdefault(part, {})
            return current

    Writer(Store()).write(model)
    return found
