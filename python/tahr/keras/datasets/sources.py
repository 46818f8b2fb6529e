"""Where the files of a data set come from.

In this order: the directory named by the environment variable TAHR_DATA_DIR, directories of system packages, the cache
(`$TAHR_HOME/datasets`, by default `~/.tahr/datasets`), a download to the cache with a checked hash.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tahr.keras.utils import files

KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def find(
    dataset: str,
    name: str,
    origin: str | None = None,
    file_hash: str | None = None,
    others: Sequence[str] = (),
    system: Sequence[str] = (),
    subdir: str = "",
    hash_algorithm: str = "auto",
) -> str:
    """The path of file `name` of a data set.

    Args:
        dataset: what to call the data set in messages.
        name: name of the file.
        origin: address to download it from.
        file_hash, hash_algorithm: the hash that a downloaded file must have (see `files.hash_file`). Files in
            TAHR_DATA_DIR are the user's own and not checked.
        others: paths relative to TAHR_DATA_DIR under which the file may lie besides `name` itself.
        system: directories of system packages that may hold `name`.
        subdir: directory of the data set within the cache.

    Raises:
        OSError: the file is nowhere and cannot be downloaded; the message says where it was looked for.
        ValueError: `name` is not a plain file name.
    """
    files.plain_name(name)
    looked: list[str] = []
    data_dir = os.environ.get("TAHR_DATA_DIR")
    if data_dir:
        for relative in (name, os.path.join(subdir, name), *others):
            looked.append(os.path.join(os.path.expanduser(data_dir), relative))
    looked.extend(os.path.join(directory, name) for directory in system)
    for path in looked:
        if os.path.isfile(path):
            return path
    cache = os.path.join(files.cache_root(), "datasets", subdir)
    cached = os.path.join(cache, name)
    if os.path.isfile(cached) and (file_hash is None or files.has_hash(cached, file_hash, hash_algorithm)):
        return cached
    looked.append(cached)
    reason = "there is no address to download it from"
    if origin is not None:
        try:
            os.makedirs(cache, exist_ok=True)
            files.download(origin, cached, file_hash, hash_algorithm)
            return cached
        except OSError as error:
            reason = f"the download from {origin} failed ({_reason(error)})"
    where = "".join(f"\n  {path}" for path in dict.fromkeys(looked))
    raise OSError(
        f"[datasets.{dataset}] expected the file {name}, found none, and {reason}. Looked for:{where}\n"
        + (f"Download {origin} on a machine with a connection and put" if origin else "Put")
        + f" {name} into a directory, then set the environment variable TAHR_DATA_DIR to that directory."
    )


def _reason(error: OSError) -> str:
    return str(error).rsplit(": ", 1)[-1]
