"""RemoteMonitor: the logs of each epoch sent to a server."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
import warnings
from typing import Any

import numpy as np

from tahr.keras.callbacks.callback import Callback


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
                f"[RemoteMonitor] expected a server that takes the logs, received {error}: "
                f"Could not reach RemoteMonitor root server at {self.root}.",
                stacklevel=2,
            )
