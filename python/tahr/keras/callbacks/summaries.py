"""Summaries: what `TensorBoard.summary` offers to write values of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tahr.keras import ops

if TYPE_CHECKING:
    from tahr.keras.callbacks.event_files import EventWriter


class Summaries:
    """Writes values to one event file, with the names and arguments of TensorFlow's module `summary`.

    Args:
        writer: the file.
        step: what counts as the step where none is given.
    """

    def __init__(self, writer: EventWriter, step: int) -> None:
        self._writer = writer
        self._step = step

    def _place(self, step: Any) -> int:
        return self._step if step is None else int(step)

    def scalar(self, name: str, data: Any, step: int | None = None) -> None:
        """Writes a number."""
        self._writer.scalar(name, float(ops.convert_to_numpy(data)), self._place(step))

    def histogram(self, name: str, data: Any, step: int | None = None) -> None:
        """Writes how the values of an array are spread."""
        self._writer.histogram(name, np.asarray(ops.convert_to_numpy(data)), self._place(step))

    def image(self, name: str, data: Any, step: int | None = None) -> None:
        """Writes the first three images (batch, height, width, channels): floats from 0 to 1, or uint8.

        Raises:
            ValueError: for another shape.
        """
        images = np.asarray(ops.convert_to_numpy(data))
        if images.ndim != 4 or images.shape[-1] not in (1, 3, 4):
            raise ValueError(
                f"[TensorBoard.summary] expected images (batch, height, width, 1, 3 or 4), received {images.shape}."
            )
        if images.dtype != np.uint8:
            images = np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)
        self._writer.images(name, images, self._place(step))

    def text(self, name: str, data: str, step: int | None = None) -> None:
        """Writes a text in Markdown."""
        self._writer.text(name, data, self._place(step))
