"""Callbacks that write the logs of each epoch elsewhere: CSVLogger, RemoteMonitor."""

from __future__ import annotations

import csv
import json
import os
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from tahr.keras.callbacks.callback import Callback


class CSVLogger(Callback):
    """Writes one row per epoch to a CSV file: epoch, then the logs in alphabetical order.

    Args:
        filename: the file.
        separator: between two fields.
        append: add to an existing file in place of starting it anew.

    Example:
        >>> from tahr import keras
        >>> log = keras.callbacks.CSVLogger("training.csv", append=True)
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self._file: Any = None
        self._writer: Any = None
        self._keys: list[str] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._file is not None:
            self._file.close()
        self._has_header = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if self._writer is None:
            self._keys = sorted(logs)
            if not any(key.startswith("val_") for key in self._keys):
                self._keys += [f"val_{key}" for key in self._keys]  # columns for a later epoch with validation
            self._writer = csv.writer(self._file, delimiter=self.sep)
            if not self._has_header:
                self._writer.writerow(["epoch", *self._keys])
        self._writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self._keys)])
        self._file.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _cell(value: Any) -> Any:
    if isinstance(value, str) or np.ndim(value) == 0 or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'


class RemoteMonitor(Callback):
    """Posts the logs of each epoch to a web server, as JSON or as a form field that holds JSON.

    Args:
        root: address of the server.
        path: path on it.
        field: name of the form field.
        headers: HTTP headers.
        send_as_json: post the JSON itself.

    A server that cannot be reached is a warning; training goes on.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ):
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        body = {
            "epoch": epoch,
            **{k: v.item() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in (logs or {}).items()},
        }
        text = json.dumps(body)
        headers = dict(self.headers or {})
        if self.send_as_json:
            data = text.encode()
            headers.setdefault("Content-Type", "application/json")
        else:
            data = urllib.parse.urlencode({self.field: text}).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.root + self.path, data, headers), timeout=10):
                pass
        except OSError as error:
            warnings.warn(
                f"[RemoteMonitor] expected a server at {self.root} that takes the logs, received {error}.", stacklevel=2
            )
