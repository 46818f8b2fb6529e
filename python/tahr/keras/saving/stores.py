"""Where state is kept: an HDF5 file with one group per object, several such files, a folder of assets.

A store for writing has `create(path, ...)`, one for reading `find(path)`; both give something like a dict of arrays
(for assets: a folder).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tahr.keras.saving import h5, safety


class Entry:
    """The arrays of one object: a group of an HDF5 file, created when the first is set."""

    def __init__(self, store: Any, path: str, group: Any) -> None:
        self._store, self._path, self._group = store, path, group

    def keys(self) -> Any:
        """Names of the arrays."""
        return self._group.keys() if self._group is not None else {}.keys()

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: str) -> bool:
        return key in self.keys()

    def __getitem__(self, key: str) -> np.ndarray:
        if self._group is None:
            raise KeyError(key)
        return h5.array(self._group, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if self._group is None:
            self._group = self._store.make_group(self._path)
        write_array(self._group, key, value)

    def __delitem__(self, key: str) -> None:
        del self._group[key]


def write_array(group: Any, key: str, value: Any) -> None:
    """Puts `value` (array, tensor, variable) into an HDF5 group as Keras does."""
    value = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    if value.dtype.name == "bfloat16":
        group.create_dataset(key, data=value.view("V2")).attrs["dtype"] = "bfloat16"
    else:
        group.create_dataset(key, data=value)


class H5Writer:
    """State into `file`, an h5py.File open for writing: the arrays of the object at `path` in "path/vars"."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def make_group(self, path: str) -> Any:
        """The group of the object at `path`."""
        return self.file.create_group(f"{path}/vars" if path else "vars")

    def create(self, path: str, name: str | None) -> Entry:
        """Where the arrays of the object at `path` go; its `name` is noted."""
        if not name:
            return Entry(self, path, None)
        group = self.make_group(path)
        group.attrs["name"] = name
        return Entry(self, path, group)


class H5Reader:
    """State from `file`, an h5py.File open for reading."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def has(self, path: str) -> bool:
        """Whether there is anything at or below `path`."""
        return h5.find_group(self.file, path) is not None

    def find(self, path: str) -> Entry:
        """The arrays of the object at `path`; empty if there are none."""
        found = h5.find_group(self.file, f"{path}/vars" if path else "vars")
        if found is None and "_layer_checkpoint_dependencies" in self.file:  # Keras 2.12 and 2.13
            old = re.sub(r"(^|/)layers(?=/|$)", r"\1_layer_checkpoint_dependencies", path)
            found = h5.find_group(self.file, f"{old}/vars")
        return Entry(self, path, found)


class AssetWriter:
    """Files that objects write: one folder per object below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, path: str) -> str:
        """The folder of the object at `path`."""
        where = self.folder.joinpath(*path.split("/")) if path else self.folder
        where.mkdir(parents=True, exist_ok=True)
        return str(where)


class AssetReader:
    """Files that objects wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, path: str) -> bool:
        """Whether there is anything at or below `path`."""
        return self.find(path) is not None

    def find(self, path: str) -> str | None:
        """The folder of the object at `path`, or None."""
        where = self.folder.joinpath(*safety.checked_parts(path, "an asset's path")) if path else self.folder
        root = os.path.realpath(self.folder)
        real = os.path.realpath(where)
        if real != root and not real.startswith(root + os.sep):
            raise safety.UnsafeFileError(f"[load_model] expected assets inside their folder, received {path!r}.")
        return real if os.path.isdir(real) else None


class ShardWriter:
    """State in several HDF5 files of at most `limit` bytes, with an index in JSON, as Keras writes them.

    An array is never cut. `files` holds (name, content) pairs of what is to be written beside the index.
    """

    def __init__(self, base: str, limit: float, open_shard: Any) -> None:
        self.base, self.limit, self._open = base, limit, open_shard
        self.index: dict[str, Any] = {}
        self.total = 0
        self.number = -1
        self.names: list[str] = []
        self._next()

    def _next(self) -> None:
        self.number += 1
        self.size = 0
        self.names.append(f"{self.base}_{self.number:05}.weights.h5")
        self.file = self._open(self.names[-1])

    def create(self, path: str, name: str | None) -> ShardEntry:
        """Where the arrays of the object at `path` go."""
        return ShardEntry(self, path, name)

    def note(self, path: str) -> Any:
        """The group of the object at `path` in the current file, noted in the index."""
        place = f"/{path}/vars" if path else "/vars"
        known = self.index.setdefault(place, [])
        if self.names[-1] not in known:
            known.append(self.names[-1])
        return self.file.require_group(place)

    def finish(self) -> str:
        """The index."""
        weight_map = {k: v[0] if len(v) == 1 else v for k, v in self.index.items()}
        return json.dumps({"metadata": {"total_size": self.total}, "weight_map": weight_map}, indent=4)


class ShardEntry:
    """The arrays of one object, perhaps in several files; for writing."""

    def __init__(self, store: ShardWriter, path: str, name: str | None) -> None:
        self._store, self._path, self._name = store, path, name

    def __setitem__(self, key: str, value: Any) -> None:
        value = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        store = self._store
        if value.nbytes > store.limit:
            raise ValueError(
                f"[save_weights] expected max_shard_size to hold every single array, received {self._path}/{key} of "
                f"{value.nbytes} bytes and a limit of {store.limit:.0f}."
            )
        if store.size + value.nbytes > store.limit:
            store._next()
        store.size += value.nbytes
        store.total += value.nbytes
        group = store.note(self._path)
        if self._name:
            group.attrs["name"] = self._name
        write_array(group, key, value)


class ShardReader:
    """State from several HDF5 files, `files` by name, and their index."""

    def __init__(self, index: dict[str, Any], files: dict[str, Any]) -> None:
        self.index, self.files = index, files

    def has(self, path: str) -> bool:
        """Whether there is anything at or below `path`."""
        return any(k == f"/{path}" or k.startswith(f"/{path}/") for k in self.index)

    def find(self, path: str) -> ManyEntries:
        """The arrays of the object at `path`."""
        place = f"{path}/vars" if path else "vars"
        names = self.index.get(f"/{place}", [])
        groups = [h5.find_group(self.files[n], place) for n in ([names] if isinstance(names, str) else names)]
        return ManyEntries([g for g in groups if g is not None])


class ManyEntries:
    """The arrays of one object from several groups."""

    def __init__(self, groups: list[Any]) -> None:
        self._groups = groups

    def keys(self) -> list[str]:
        """Names of the arrays."""
        return [k for g in self._groups for k in g.keys()]

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: str) -> bool:
        return key in self.keys()

    def __getitem__(self, key: str) -> np.ndarray:
        for g in self._groups:
            if key in g:
                return h5.array(g, key)
        raise KeyError(key)
