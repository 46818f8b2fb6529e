"""TerminateOnNaN: stops when the loss is lost."""

from __future__ import annotations

import math
from typing import Any

from tahr.keras.callbacks.callback import Callback
from tahr.keras.utils.progbar import print_message


class TerminateOnNaN(Callback):
    """Ends training when the loss becomes NaN or infinite.

    Args:
        raise_error: raise RuntimeError at once in place of ending `fit` in the ordinary way.

    Example:
        >>> from tahr import keras
        >>> keras.callbacks.TerminateOnNaN().raise_error
        False
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"[TerminateOnNaN] expected a finite loss, received {loss}: NaN or Inf loss encountered at batch {batch}. "
                "Lower the learning rate, or look for NaN in the data."
            )
        print_message(f"TerminateOnNaN: the loss of batch {batch} is {loss}, training ends here.")
        self.model.stop_training = True
