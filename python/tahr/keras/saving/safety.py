"""What an archive or a path inside a file may be. All limits are here.

A limit has two parts: sizes up to a floor are never in doubt; above it, what a file claims to hold is compared with
the bytes that it really has. Deflate shrinks by a factor of 1032 at most, trained weights hardly at all.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

FLOOR = 4 << 20  # bytes
EXPANSION = 100  # bytes in memory per byte in the file, above the floor
CHUNK = 1 << 20


class UnsafeFileError(ValueError):
    """A file asks for something that no model file needs."""


class MissingFileError(FileNotFoundError, ValueError):
    """There is no such file. Keras raises ValueError for this, Python's functions FileNotFoundError."""


def claim(what: str, claimed: int, stored: int) -> None:
    """Raises UnsafeFileError if `claimed` bytes cannot come from `stored` bytes of an honest file."""
    if claimed > FLOOR + EXPANSION * stored:
        raise UnsafeFileError(
            f"[load_model] expected sizes that fit the file, received {what} of {claimed} bytes, stored in {stored}: "
            "it would fill the memory. The file is damaged, or made to do harm."
        )


def checked_parts(path: str, what: str) -> list[str]:
    """The components of a relative path that stays below where it starts.

    Raises:
        UnsafeFileError: for an absolute path, "..", a drive, a backslash or a NUL.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or "\\" in path or "\0" in path or ":" in parts[0] or ".." in parts:
        raise UnsafeFileError(f"[load_model] expected {what} to stay inside the file, received {path!r}.")
    return [p for p in parts if p not in ("", ".")]


def check_archive(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The members of `archive` (a file of `size` bytes) by name, if all are harmless.

    Raises:
        UnsafeFileError: for names that lead out, links, names that occur twice, encryption, unusual compression,
            members that overlap, and more content than the size allows.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    stored = 0
    for info in archive.infolist():
        name = info.orig_filename
        checked_parts(name.rstrip("/"), "a member's name")
        if name in members:
            raise UnsafeFileError(f"[load_model] expected members with different names, received {name!r} twice.")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnsafeFileError(f"[load_model] expected files in the archive, received a link or device {name!r}.")
        if info.flag_bits & 1:
            raise UnsafeFileError(f"[load_model] expected no encryption, received the encrypted member {name!r}.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsafeFileError(
                f"[load_model] expected members that are stored or deflated, received {name!r} with compression "
                f"{info.compress_type}."
            )
        claim(f"the member {name!r}", info.file_size, info.compress_size)
        stored += info.compress_size
        members[name] = info
    if stored > size:
        raise UnsafeFileError("[load_model] expected members that lie one after the other, received overlapping ones.")
    return members


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, into: Any = None) -> Any:
    """The content of a member checked by `check_archive`: bytes, or `into` (a binary file) filled with them."""
    target = io.BytesIO() if into is None else into
    total = 0
    with archive.open(info) as source:
        while chunk := source.read(CHUNK):
            total += len(chunk)
            if total > info.file_size:
                raise UnsafeFileError(f"[load_model] expected {info.file_size} bytes in {info.filename!r}, found more.")
            target.write(chunk)
    return target.getvalue() if into is None else into


_DAMAGE = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, RuntimeError, UnicodeError)


def raised_outside(error: BaseException) -> bool:
    """Whether the error came up in code that is not of this package: in a layer or function of the user."""
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
    known = {"h5py", "ml_dtypes", "numpy", *sys.stdlib_module_names}
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if trace is not error.__traceback__ and package not in known and not frame.f_code.co_filename.startswith(own):
            return True
        trace = trace.tb_next
    return error.__cause__ is not None and raised_outside(error.__cause__)


def raised_in(error: BaseException, modules: tuple[str, ...]) -> bool:
    """Whether the innermost frame of the error is of one of these modules or packages."""
    name, trace = "", error.__traceback__
    while trace is not None:
        name, trace = str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_next
    return any(name == module or name.startswith(module + ".") for module in modules)


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """Errors inside that come of values of the wrong kind, anywhere in a config, become a ValueError that says so."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, (ValueError, NotImplementedError)) or raised_outside(error):
            raise
        raise ValueError(
            f"[load_model] expected {what} that makes sense, received one that led to {type(error).__name__}: {error}. "
            "The file is damaged, or a class of yours failed."
        ) from error


def parse_json(text: str | bytes, what: str) -> Any:
    """The value of a JSON text; ValueError that names `what` if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"[load_model] expected JSON in {what}, received text that is not: {error}") from None
