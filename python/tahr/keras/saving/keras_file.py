"""`.keras`: config, weights and assets of a whole model in a zip archive, or as files in a folder.

metadata.json      version and date
config.json        the model as `serialize_keras_object` describes it, with shapes and arguments of `compile`
model.weights.h5   the state, in the order of `tree.py`
assets/            files of layers that have some, such as vocabularies
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tahr.keras.backend.budget import MemoryBudget
from tahr.keras.saving import h5, safety
from tahr.keras.saving.atomic import replacing
from tahr.keras.saving.serialization import ObjectSharingScope, deserialize_keras_object, serialize_keras_object
from tahr.keras.saving.stores import AssetReader, AssetWriter, H5Reader, H5Writer
from tahr.keras.saving.tree import Reader, Writer

FORMAT = "3.15.1"  # the version of Keras whose layout is written
METADATA, CONFIG, WEIGHTS, ASSETS = "metadata.json", "config.json", "model.weights.h5", "assets"
_IN_MEMORY = 256 << 20  # bytes of weights up to which they are put together in memory
_MAGIC = b"PK"


def describe(model: Any) -> tuple[str, str]:
    """(metadata, config) of `model` as JSON."""
    import tahr

    with ObjectSharingScope():
        config = json.dumps(serialize_keras_object(model))
    date = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {"keras_version": FORMAT, "date_saved": date, "tahr_version": tahr.__version__}
    return json.dumps(metadata), config


def warn_unbuilt(model: Any) -> None:
    """Says so where a model has no weights yet."""
    if not model.built:
        warnings.warn(
            f"[save_model] {model.name!r} is saved without weights: it has not been built. Call it on data first.",
            stacklevel=4,
        )


def save(model: Any, target: Any) -> None:
    """Writes `model` as a zip archive into `target`: a path, replaced in one step, or a binary file."""
    warn_unbuilt(model)
    if hasattr(target, "write"):
        _write_archive(model, target, None)
        return
    with replacing(target) as temporary, open(temporary, "wb") as file:
        _write_archive(model, file, temporary.parent)


def _write_archive(model: Any, file: Any, folder: Path | None) -> None:
    metadata, config = describe(model)
    large = folder is not None and _weights_size(model) > _IN_MEMORY
    with contextlib.ExitStack() as stack, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        archive.writestr(METADATA, metadata)
        archive.writestr(CONFIG, config)
        weights: Any = stack.enter_context(tempfile.TemporaryFile(dir=folder)) if large else io.BytesIO()
        assets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tahr-assets-")))
        _write_state(model, weights, assets)
        weights.seek(0)
        with archive.open(WEIGHTS, "w", force_zip64=large) as member:
            shutil.copyfileobj(weights, member, safety.CHUNK)
        for path in sorted(p for p in assets.rglob("*") if p.is_file()):
            archive.write(path, f"{ASSETS}/{path.relative_to(assets).as_posix()}")


def _write_state(model: Any, weights: Any, assets: Path) -> None:
    with h5.library().File(weights, "w") as file:
        Writer(H5Writer(file), AssetWriter(assets)).write(model)


def _weights_size(model: Any) -> int:
    from tahr.keras.models.summary import memory_size

    optimizer = getattr(model, "optimizer", None)
    return memory_size([*model.weights, *(optimizer.variables if optimizer is not None else ())])


def save_folder(model: Any, folder: str | os.PathLike[str]) -> None:
    """Writes `model` as files in `folder`, each replaced in one step, the config last."""
    warn_unbuilt(model)
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    metadata, config = describe(model)
    with tempfile.TemporaryDirectory(prefix="tahr-assets-") as temporary:
        assets = Path(temporary)
        with replacing(root / WEIGHTS) as path:
            _write_state(model, str(path), assets)
        for source in (p for p in assets.rglob("*") if p.is_file()):
            with replacing(root / ASSETS / source.relative_to(assets)) as path:
                shutil.copyfile(source, path)
    for name, text in ((METADATA, metadata), (CONFIG, config)):
        with replacing(root / name) as path:
            path.write_text(text, encoding="utf-8")


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether the file begins like a zip archive."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == _MAGIC
    except OSError:
        return False


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a folder that `save_folder` wrote."""
    return os.path.isfile(os.path.join(path, CONFIG))


def load(source: Any, custom_objects: Any = None, compile: bool = True, safe_mode: bool | None = True) -> Any:
    """The model that `save` or `save_folder` wrote: `source` is a path or a binary file."""
    with contextlib.ExitStack() as stack:
        parts = stack.enter_context(_open_folder(source) if _is_directory(source) else _open_archive(source))
        with h5.reading(parts.weights, f"{WEIGHTS} of {parts.name}") as file:
            limit = (64 << 20) + 4 * h5.total_size(file)
            with MemoryBudget(limit, f"a model whose file holds {parts.size} bytes"):
                model = from_config(parts.config, custom_objects, compile, safe_mode)
                reader = Reader(H5Reader(file), AssetReader(parts.assets) if parts.assets else None)
                reader.read(model)
                reader.finish("load_model")
    return model


def from_config(config: Any, custom_objects: Any, compile: bool, safe_mode: bool | None) -> Any:
    """The model that the content of `config.json` describes, without its weights."""
    from tahr.keras.layers.layer import Layer

    if not isinstance(config, dict):
        raise ValueError(f"[load_model] expected the config of a model, received {type(config).__name__}.")
    if not compile:
        config = {**config, "compile_config": None}
    with ObjectSharingScope(), safety.understood("a config"):
        safe = True if safe_mode is None else safe_mode
        model = deserialize_keras_object(config, custom_objects=custom_objects, safe_mode=safe)
    if not isinstance(model, Layer):
        raise ValueError(f"[load_model] expected the config of a model, received that of {type(model).__name__}.")
    return model


class _Parts:
    """A saved model, opened."""

    def __init__(self, name: str, size: int, config: Any, weights: Any, assets: Path | None) -> None:
        self.name, self.size, self.config, self.weights, self.assets = name, size, config, weights, assets


def _is_directory(source: Any) -> bool:
    return not hasattr(source, "read") and os.path.isdir(source)


@contextlib.contextmanager
def _open_folder(source: str | os.PathLike[str]) -> Iterator[_Parts]:
    root = Path(source)
    if not (root / CONFIG).is_file() or not (root / WEIGHTS).is_file():
        raise ValueError(f"[load_model] expected the folder {str(source)!r} to hold {CONFIG} and {WEIGHTS}.")
    config = safety.parse_json((root / CONFIG).read_bytes(), CONFIG)
    size = (root / WEIGHTS).stat().st_size
    assets = root / ASSETS
    yield _Parts(str(source), size, config, str(root / WEIGHTS), assets if assets.is_dir() else None)


@contextlib.contextmanager
def open_archive(source: Any) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """(archive, members) of a zip file whose members have been checked."""
    try:
        with contextlib.ExitStack() as stack:
            file = source if hasattr(source, "read") else stack.enter_context(open(source, "rb"))
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            archive = stack.enter_context(zipfile.ZipFile(file, "r"))
            yield archive, safety.check_archive(archive, size)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise ValueError(f"[load_model] expected an undamaged .keras archive, received {source}: {error}") from error


@contextlib.contextmanager
def unpacked_weights(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> Iterator[Any]:
    """The member `model.weights.h5` as a binary file, in memory if it is small."""
    if WEIGHTS not in members:
        hint = " Weights in .npz files are not read." if "model.weights.npz" in members else ""
        raise ValueError(f"[load_model] expected {WEIGHTS} in the archive, found {sorted(members)}.{hint}")
    info = members[WEIGHTS]
    with contextlib.ExitStack() as stack:
        file: Any = io.BytesIO()
        if info.file_size > _IN_MEMORY:
            file = stack.enter_context(tempfile.TemporaryFile())
        safety.read_member(archive, info, into=file)
        file.seek(0)
        yield file


@contextlib.contextmanager
def _open_archive(source: Any) -> Iterator[_Parts]:
    with contextlib.ExitStack() as stack:
        archive, members = stack.enter_context(open_archive(source))
        if CONFIG not in members:
            raise ValueError(f"[load_model] expected {CONFIG} in the archive, found {sorted(members)}.")
        config = safety.parse_json(safety.read_member(archive, members[CONFIG]), CONFIG)
        weights = stack.enter_context(unpacked_weights(archive, members))
        assets = None
        inside = [n for n in members if n.startswith(ASSETS + "/") and not n.endswith("/")]
        if inside:
            assets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tahr-assets-")))
            for name in inside:
                target = assets.joinpath(*safety.checked_parts(name, "an asset")[1:])
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "xb") as file:
                    safety.read_member(archive, members[name], into=file)
        size = sum(info.file_size for info in members.values())
        yield _Parts(str(getattr(source, "name", source)), size, config, weights, assets)
