"""get_file: a file from the cache, else from the web, with its hash checked."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import warnings
import zipfile
import zlib
from typing import Any

from tahr.keras.utils.progbar import Progbar

_CHUNK = 1 << 16


def cache_root() -> str:
    """The directory of downloaded files: the environment variable TAHR_HOME, by default `~/.tahr`."""
    return os.path.expanduser(os.environ.get("TAHR_HOME") or os.path.join("~", ".tahr"))


def hash_file(path: str, algorithm: str = "sha256") -> str:
    """The hash of a file in hexadecimal digits.

    `algorithm` is "sha256", "md5", or "gzip-sha256": the SHA-256 of what a gzip file holds, however it was compressed.
    """
    digest = hashlib.md5(usedforsecurity=False) if algorithm == "md5" else hashlib.sha256()
    with gzip.open(path) if algorithm == "gzip-sha256" else open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def has_hash(path: str, expected: str, algorithm: str = "auto") -> bool:
    """Whether a file has the hash `expected`; "auto" tells MD5 and SHA-256 apart by the number of digits."""
    if algorithm == "auto":
        algorithm = "sha256" if len(expected) == 64 else "md5"
    if algorithm not in ("sha256", "md5", "gzip-sha256"):
        raise ValueError(f"[get_file] expected hash_algorithm 'auto', 'sha256' or 'md5', received {algorithm!r}.")
    try:
        return hash_file(path, algorithm) == expected.lower()
    except (EOFError, gzip.BadGzipFile, zlib.error):  # no gzip file, or one cut short
        return False


def plain_name(name: str) -> str:
    """`name` if it is that of a file right inside a directory; an error for anything that could leave it."""
    if (
        not name
        or name in (".", "..")
        or any(sign in name for sign in ("/", "\\", "\0"))
        or os.path.basename(name) != name
    ):
        raise ValueError(
            f"[get_file] expected fname to be the name of a file, received {name!r}. Choose the directory with "
            "cache_dir and cache_subdir."
        )
    return name


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: str | None = None,
    force_download: bool = False,
) -> str:
    """Returns the path of a file in the cache, after downloading it if it is not there.

    The download goes to a temporary file that takes its name only when complete and of the right hash.

    Args:
        fname: name of the file in the cache (no path); by default that of `origin`. With `extract`: of the directory.
        origin: address of the file.
        untar: older form of `extract` for tar archives.
        md5_hash: older form of `file_hash`.
        file_hash: hash that the file must have.
        cache_subdir: directory within `cache_dir`, or an absolute path.
        hash_algorithm: "sha256", "md5", or "auto" by the length of the hash.
        extract: unpack a tar or zip archive, and return the path of the directory it was unpacked to.
        archive_format: "auto", "tar", "zip", a list of these, or None to unpack nothing.
        cache_dir: by default the environment variable TAHR_HOME, else `~/.tahr`.
        force_download: download even if the file is there.

    Returns:
        The path of the file, or of the directory with the extracted files.

    Raises:
        ValueError: no origin, a path in `fname`, or a hash that does not match.
        OSError: the download failed.
    """
    if origin is None:
        raise ValueError("[get_file] expected the URL of a file as origin, received None.")
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    name = plain_name(os.fspath(fname) if fname else os.path.basename(urllib.parse.urlsplit(origin).path))
    directory = os.path.join(os.path.expanduser(cache_dir) if cache_dir else cache_root(), cache_subdir)
    os.makedirs(directory, exist_ok=True)
    unpacked: str | None = None
    if untar:
        unpacked = os.path.join(directory, name.removesuffix(".tar.gz"))
        target = unpacked + ".tar.gz"
    elif extract:
        ending = _archive_ending(origin)
        stem = name.removesuffix(ending) if ending else name
        target = os.path.join(directory, name if name.endswith(ending) or "." in name else name + ending)
        unpacked = os.path.join(directory, stem + "_extracted")
    else:
        target = os.path.join(directory, name)

    fresh = force_download or not os.path.exists(target)
    if not fresh and file_hash is not None and not has_hash(target, file_hash, hash_algorithm):
        warnings.warn(
            f"[get_file] the cached file {target} does not have the expected hash: it is incomplete or outdated. "
            "Downloading it again.",
            stacklevel=2,
        )
        fresh = True
    if fresh:
        download(origin, target, file_hash, hash_algorithm)
    if unpacked is None:
        return target
    if fresh or not os.path.isdir(unpacked):
        extract_archive(target, unpacked, archive_format if not untar else "tar")
    return unpacked


def _archive_ending(origin: str) -> str:
    path = urllib.parse.urlsplit(origin).path
    return next((e for e in (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tar", ".zip") if path.endswith(e)), "")


def download(origin: str, target: str, file_hash: str | None = None, hash_algorithm: str = "auto") -> None:
    """Downloads `origin` to the path `target`, which appears only once it is complete and has the expected hash."""
    handle, partial = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".download-")
    try:
        with os.fdopen(handle, "wb") as file:
            _copy(origin, file)
        if file_hash is not None and not has_hash(partial, file_hash, hash_algorithm):
            raise ValueError(
                f"[get_file] Incomplete or corrupted file: expected the one from {origin} to have the hash {file_hash}, "
                "received one with another. The download was damaged or the file has changed; nothing was kept."
            )
        os.chmod(partial, 0o644)
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _copy(origin: str, file: Any) -> None:
    try:
        with urllib.request.urlopen(origin, timeout=60) as response:
            size = response.headers.get("Content-Length")
            total = int(size) if size is not None and size.isdigit() else None
            bar = Progbar(total, unit_name="byte", verbose=1 if (total or 0) > 1 << 20 else 0)
            seen = 0
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                seen += len(chunk)
                bar.update(seen)
            if total is not None and seen != total:
                raise OSError(f"the connection ended after {seen} of {total} bytes")
    except urllib.error.HTTPError as error:
        raise OSError(f"[get_file] expected the file at {origin}, received {error.code} ({error.msg}).") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise OSError(f"[get_file] expected the file at {origin}, received {reason}.") from error


def extract_archive(path: str, directory: str, archive_format: Any = "auto") -> bool:
    """Unpacks a tar or zip archive into `directory`; True if it was one.

    The directory appears only when complete. Members that are links or devices, or would land outside of it, are
    refused.
    """
    formats = (
        {"auto": ["tar", "zip"], None: []}.get(archive_format)
        if not isinstance(archive_format, (list, tuple))
        else None
    )
    if formats is None:
        formats = [archive_format] if isinstance(archive_format, str) else list(archive_format)
    parent = os.path.dirname(os.path.abspath(directory))
    scratch = tempfile.mkdtemp(dir=parent, prefix=".extract-")
    try:
        if "tar" in formats and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                for member in archive.getmembers():
                    _check_member(member.name, scratch, member.isfile() or member.isdir())
                    archive.extract(member, scratch, **_tar_filter())
        elif "zip" in formats and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    _check_member(info.filename, scratch, True)
                archive.extractall(scratch)
        else:
            return False
        os.chmod(scratch, 0o755)
        if os.path.isdir(directory):
            shutil.rmtree(directory)
        os.replace(scratch, directory)
        return True
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _tar_filter() -> dict[str, Any]:
    return {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def _check_member(name: str, root: str, is_plain: bool) -> None:
    inside = os.path.realpath(os.path.join(root, name))
    if (
        not is_plain
        or os.path.isabs(name)
        or not (inside == root or inside.startswith(os.path.realpath(root) + os.sep))
    ):
        raise ValueError(
            f"[get_file] expected an archive of files inside its own directory, received the member {name!r}. "
            "The archive was not unpacked: it may be an attack."
        )
