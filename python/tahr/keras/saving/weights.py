"""Weights alone: `.weights.h5`, its shards, and the weights inside other files."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from tahr.keras.saving import h5, keras_file, safety
from tahr.keras.saving.atomic import replacing
from tahr.keras.saving.stores import H5Reader, H5Writer, ShardReader, ShardWriter
from tahr.keras.saving.tree import Reader, Writer


def save(model: Any, path: str, max_shard_size: float | None, skip: Any) -> None:
    """Writes the weights of `model` in the format that the ending of `path` names."""
    if not model.built:
        raise ValueError(
            f"[save_weights] expected a built model, received {model.name!r}, which has no weights yet: You are saving "
            "a model that has not yet been built. Call it on data first, or build() it."
        )
    if path.endswith(".safetensors"):
        from tahr.keras.saving import safetensors

        safetensors.save_weights(model, path)
    elif max_shard_size is not None:
        _save_shards(model, path, max_shard_size, skip)
    elif path.endswith(".weights.json"):
        raise ValueError("[save_weights] expected max_shard_size with a .weights.json path, received None.")
    elif path.endswith(".weights.h5"):
        with replacing(path) as temporary, h5.library().File(temporary, "w") as file:
            Writer(H5Writer(file), skip=skip).write(model)
    else:
        from tahr.keras.saving import h5_model

        h5_model.save_weights(model, path)


def load(model: Any, path: str, skip_mismatch: bool, skip: Any, by_name: bool | None) -> None:
    """Fills `model` from the file at `path`."""
    if not model.built:
        raise ValueError(
            f"[load_weights] expected a built model, received {model.name!r}, which has no weights to fill yet: You "
            "are loading weights into a model that has not yet been built. Call it on data first, or build() it."
        )
    modern = path.endswith((".weights.h5", ".weights.json"))
    if by_name is not None and (modern or not path.endswith((".h5", ".hdf5"))):
        raise ValueError(
            f"[load_weights] by_name only supports loading legacy '.h5' or '.hdf5' files. Received {path!r}."
        )
    if skip is not None and not modern:
        raise ValueError(
            f"[load_weights] objects_to_skip only supports loading '.weights.h5' files. Received {path!r}."
        )
    skip = skip or ()
    if path.endswith(".safetensors"):
        from tahr.keras.saving import safetensors

        safetensors.load_weights(model, path, skip_mismatch)
    elif path.endswith(".keras"):
        with keras_file.open_archive(path) as (archive, members):
            with keras_file.unpacked_weights(archive, members) as source, h5.reading(source, path) as file:
                _fill(model, H5Reader(file), skip_mismatch, ())
    elif path.endswith(".weights.json"):
        _load_shards(model, path, skip_mismatch, skip)
    else:
        with h5.reading(path) as file:
            if path.endswith(".weights.h5") and "layer_names" not in file.attrs and "model_weights" not in file:
                _fill(model, H5Reader(file), skip_mismatch, skip)
                return
            from tahr.keras.saving import h5_model

            h5_model.fill(model, file, skip_mismatch, bool(by_name))


def _fill(model: Any, store: Any, skip_mismatch: bool, skip: Any) -> None:
    reader = Reader(store, skip=skip)
    reader.read(model)
    reader.finish("load_weights", warn_only=skip_mismatch)


def _save_shards(model: Any, path: str, max_shard_size: float, skip: Any) -> None:
    index = Path(path[: -len(".h5")] + ".json" if path.endswith(".weights.h5") else path)
    if not str(index).endswith(".weights.json"):
        raise ValueError(
            f"[save_weights] expected a path that ends in .weights.json with max_shard_size, received {path!r}."
        )
    base = index.name[: -len(".weights.json")]
    library = h5.library()
    with contextlib.ExitStack() as stack:  # all shards are whole before the first takes its name, the index comes last
        index_file = stack.enter_context(replacing(index))
        opened: list[Any] = []

        def open_shard(name: str) -> Any:
            for file in opened:
                file.close()
            opened.append(library.File(stack.enter_context(replacing(index.with_name(name))), "w"))
            return opened[-1]

        try:
            store = ShardWriter(base, max_shard_size * 1024**3, open_shard)
            Writer(store, skip=skip).write(model)
        finally:
            for file in opened:
                file.close()
        index_file.write_text(store.finish(), encoding="utf-8")


def _load_shards(model: Any, path: str, skip_mismatch: bool, skip: Any) -> None:
    content = safety.parse_json(Path(path).read_bytes(), path)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict):
        raise ValueError(f"[load_weights] expected the index of sharded weights in {path!r}, found no weight_map.")
    names: list[str] = []
    for value in places.values():
        for name in [value] if isinstance(value, str) else value if isinstance(value, list) else [None]:
            if not isinstance(name, str) or len(safety.checked_parts(name, "a shard")) != 1:
                raise safety.UnsafeFileError(
                    f"[load_weights] expected names of files beside {path!r}, received {name!r}."
                )
            if name not in names:
                names.append(name)
    with contextlib.ExitStack() as stack:
        files = {}
        for name in names:
            where = Path(path).with_name(name)
            if os.path.islink(where) or not where.is_file():
                raise ValueError(f"[load_weights] expected the file {name!r} beside {path!r}, found none.")
            files[name] = stack.enter_context(h5.reading(where))
        _fill(model, ShardReader(places, files), skip_mismatch, skip)
