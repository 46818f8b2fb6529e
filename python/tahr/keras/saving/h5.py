"""HDF5 with care: files, groups, datasets and attributes, read only where they are plain data of a checked size.

HDF5 can do more than a model needs: links into other files, datasets whose bytes lie in other files or are put
together from other datasets, shapes without content, references, filters loaded from plugins. All of that is refused.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from tahr.keras.saving.safety import UnsafeFileError, claim, raised_in

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS = frozenset((1, 2, 3, 32000))  # deflate, shuffle, fletcher32, lzf
_KINDS = "biufcSV"
_HEAP = b"GCOL\x01"
_BLOCK = 1 << 20
_MAX_OBJECTS = 1_000_000


def library() -> Any:
    """The module h5py."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("[saving] expected the package h5py for HDF5 files. Install it: pip install h5py") from error
    return h5py


@contextlib.contextmanager
def reading(source: Any, what: str = "") -> Iterator[Any]:
    """The h5py.File of `source` (a path or a binary file), open for reading.

    Raises:
        ValueError: if it is no HDF5 file, or damaged: also for damage met inside the block.
    """
    what = what or str(source)
    h5py = library()
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            _check_structure(file, what)
    else:
        _check_structure(source, what)
        source.seek(0)
    try:
        with h5py.File(source, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, UnicodeError, OverflowError) as error:
        of_file = raised_in(error, ("h5py", "numpy", "tahr.keras.saving"))
        if not of_file or isinstance(error, (FileNotFoundError, NotImplementedError)):  # of a layer in the file
            raise
        raise ValueError(f"[load_model] expected an undamaged HDF5 file, received {what}: {error}") from error


def _check_structure(file: Any, what: str) -> None:
    """Raises ValueError for what the HDF5 library does not survive (2.0.0 and before).

    A global heap, where strings of variable length lie, is a chain of objects that each say their size; the library
    follows one that says 0 for ever. https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, III.E.
    """
    head = file.read(16)
    if head[:8] != _SIGNATURE:
        raise ValueError(f"[load_model] expected an HDF5 file, received {what}, which does not begin like one.")
    sizes = head[13:15] if head[8:9] in (b"\0", b"\1") else head[9:11]
    if sizes != b"\x08\x08":
        raise ValueError(f"[load_model] expected an HDF5 file with addresses of 8 bytes, received {what}.")
    end = file.seek(0, os.SEEK_END)
    at = 0
    while at < end:
        file.seek(at)
        block = file.read(_BLOCK + len(_HEAP))
        found = block.find(_HEAP)
        while found >= 0:
            _check_heap(file, at + found, end, what)
            found = block.find(_HEAP, found + 1)
        at += _BLOCK


def _check_heap(file: Any, at: int, end: int, what: str) -> None:
    file.seek(at + 8)
    size = int.from_bytes(file.read(8), "little")
    if not 16 <= size <= end - at:  # no heap, but the letters by chance; or one that the library refuses
        return
    body = file.read(size - 16)
    place = 0
    while len(body) - place >= 16:
        index, _, _, length = struct.unpack_from("<HHIQ", body, place)
        step = 16 + (length + 7) // 8 * 8 if index else length
        if step < 16 or step > len(body) - place:
            raise UnsafeFileError(f"[load_model] expected an undamaged HDF5 file, received {what} with a broken heap.")
        place += step


def _hard_link(parent: Any, name: str) -> None:
    h5py = library()
    link = parent.get(name, default=None, getclass=True, getlink=True)
    if link is not h5py.HardLink:
        kind = getattr(link, "__name__", "nothing")
        raise UnsafeFileError(
            f"[load_model] expected objects of the file itself, received {name!r}, a link of the kind {kind}. Links "
            "to other places are not followed."
        )


def group(parent: Any, path: str) -> Any:
    """The group `path` below `parent`, reached without links; KeyError if there is none."""
    h5py = library()
    current = parent
    for part in path.split("/"):
        if not part or part in (".", "..") or part not in current:
            raise KeyError(path)
        _hard_link(current, part)
        current = current[part]
        if not isinstance(current, h5py.Group):
            raise UnsafeFileError(f"[load_model] expected a group {path!r}, received {type(current).__name__}.")
    return current


def find_group(parent: Any, path: str) -> Any:
    """The group `path` below `parent`, or None."""
    try:
        return group(parent, path) if path else parent
    except KeyError:
        return None


def array(parent: Any, path: str) -> np.ndarray:
    """The content of the dataset `path` below `parent`; KeyError if there is none.

    bfloat16, which HDF5 keeps as two opaque bytes, comes back as float32 of the same values.
    """
    data = dataset(parent, path)
    tag = attribute(data, "dtype") if "dtype" in data.attrs else None
    found = data[()]
    found = np.asarray(found)
    if found.dtype.kind == "V":
        if found.dtype.itemsize == 2 and found.dtype.names is None and tag in (None, "bfloat16"):
            return bfloat16_to_float32(found.view(np.uint16))
        raise UnsafeFileError(f"[load_model] expected numbers in {path!r}, received the type {found.dtype}.")
    return found


def bfloat16_to_float32(bits: np.ndarray) -> np.ndarray:
    """The values of bfloat16 numbers given as uint16."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def dataset(parent: Any, path: str) -> Any:
    """The dataset `path` below `parent`, checked; KeyError if there is none."""
    h5py = library()
    head, _, name = path.rpartition("/")
    if head:
        parent = group(parent, head)
    if not name or name in (".", "..") or name not in parent:
        raise KeyError(path)
    _hard_link(parent, name)
    data = parent[name]
    if not isinstance(data, h5py.Dataset):
        raise UnsafeFileError(f"[load_model] expected a dataset {path!r}, received {type(data).__name__}.")
    check_dataset(data, path)
    return data


def check_dataset(data: Any, path: str) -> int:
    """The bytes that `data` takes in memory, if it is a plain array whose size its stored bytes justify."""
    properties = data.id.get_create_plist()
    if data.external or properties.get_external_count():
        raise UnsafeFileError(f"[load_model] expected data in the file itself, received {path!r}, kept in other files.")
    if data.is_virtual:
        raise UnsafeFileError(f"[load_model] expected data, received {path!r}, a virtual dataset.")
    for i in range(properties.get_nfilters()):
        code = properties.get_filter(i)[0]
        if code not in _FILTERS:
            raise UnsafeFileError(f"[load_model] expected a usual compression, received filter {code} in {path!r}.")
    if data.dtype.kind not in _KINDS or data.dtype.hasobject or data.dtype.names is not None or data.shape is None:
        raise UnsafeFileError(f"[load_model] expected an array of numbers, received {path!r} of type {data.dtype}.")
    size = math.prod(data.shape) * data.dtype.itemsize
    if len(data.shape) > 32:
        raise UnsafeFileError(f"[load_model] expected at most 32 axes, received {len(data.shape)} in {path!r}.")
    claim(f"the array {path!r} of shape {data.shape}", size, data.id.get_storage_size())
    if data.chunks is not None:
        claim(f"a chunk of {path!r}", math.prod(data.chunks) * data.dtype.itemsize, data.id.get_storage_size())
    return size


def attribute(owner: Any, name: str, default: Any = None) -> Any:
    """An attribute: text as `str`, lists of texts as lists of `str`, other arrays as they are."""
    h5py = library()
    if name not in owner.attrs:
        return default
    low = h5py.h5a.open(owner.id, name.encode("utf-8"))
    if low.dtype.hasobject and h5py.check_string_dtype(low.dtype) is None:
        raise UnsafeFileError(f"[load_model] expected text or numbers in the attribute {name!r}.")
    size = math.prod(low.shape) * low.dtype.itemsize
    if size:
        claim(f"the attribute {name!r}", size, low.get_storage_size())
    value = owner.attrs[name]
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, np.ndarray) and value.dtype.kind in "OSU":
        return [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in value.ravel()]
    return value


def total_size(root: Any) -> int:
    """The bytes that all datasets below `root` take in memory, each checked and counted once."""
    h5py = library()
    total = 0
    seen: set[Any] = set()
    stack = [(root, "")]
    while stack:
        current, path = stack.pop()
        for name in current:
            _hard_link(current, name)
            child = current[name]
            where = h5py.h5o.get_info(child.id)
            key = (where.fileno, where.addr)
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > _MAX_OBJECTS:
                raise UnsafeFileError(f"[load_model] expected at most {_MAX_OBJECTS} objects in the file.")
            if isinstance(child, h5py.Group):
                stack.append((child, f"{path}/{name}"))
            elif isinstance(child, h5py.Dataset):
                total += check_dataset(child, f"{path}/{name}")
    return total
