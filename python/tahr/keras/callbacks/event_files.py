"""Event files, the logs that TensorBoard reads, written with the package `tensorboard`."""

from __future__ import annotations

import struct
import time
import zlib
from typing import Any

import numpy as np

try:
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.plugins.histogram.metadata import create_summary_metadata as histogram_metadata
    from tensorboard.plugins.image.metadata import create_summary_metadata as image_metadata
    from tensorboard.plugins.scalar.metadata import create_summary_metadata as scalar_metadata
    from tensorboard.plugins.text.metadata import create_summary_metadata as text_metadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto
except ImportError as error:
    raise ImportError(
        "[TensorBoard] event files are written with the package tensorboard (TensorFlow is not needed). "
        "Install it: pip install tensorboard"
    ) from error

BUCKETS = 30
_MOST_IMAGES = 3


class EventWriter:
    """Writes to one event file in a folder; what has been written is on disk after `flush` or `close`.

    Args:
        folder: where the file is made; folders on the way too.
    """

    def __init__(self, folder: str) -> None:
        self._file = EventFileWriter(folder)

    def _write(self, tag: str, step: int, tensor: Any, metadata: Any) -> None:
        value = summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        event = event_pb2.Event(wall_time=time.time(), step=step, summary=summary_pb2.Summary(value=[value]))
        self._file.add_event(event)

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Writes a number."""
        self._write(tag, step, make_tensor_proto(np.float32(value)), scalar_metadata(None, None))

    def histogram(self, tag: str, values: Any, step: int) -> None:
        """Writes how an array's finite values are spread over 30 buckets of equal width."""
        buckets = make_tensor_proto(histogram_buckets(values), dtype=np.float64)
        self._write(tag, step, buckets, histogram_metadata(None, None))

    def images(self, tag: str, images: np.ndarray, step: int) -> None:
        """Writes the first three of some images: uint8, (images, height, width, channels) with 1, 3 or 4 channels."""
        _, height, width, _ = images.shape
        parts = [str(width).encode(), str(height).encode(), *map(png, images[:_MOST_IMAGES])]
        self._write(tag, step, make_tensor_proto(np.array(parts, dtype=object)), image_metadata(None, None))

    def text(self, tag: str, markdown: str, step: int) -> None:
        """Writes a text in Markdown."""
        self._write(tag, step, make_tensor_proto(markdown), text_metadata(None, None))

    def model(self, tag: str, config: str, step: int) -> None:
        """Writes a model's config, JSON, which TensorBoard draws as a graph of layers."""
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
        self._write(tag, step, make_tensor_proto(config), summary_pb2.SummaryMetadata(plugin_data=plugin))

    def flush(self) -> None:
        """Returns when everything is on disk."""
        self._file.flush()

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


def histogram_buckets(values: Any) -> np.ndarray:
    """(30, 3): left edge, right edge and count of buckets of equal width over the finite values. Of equal values the last
    bucket has them all, and no width; of none all buckets are zero.

    >>> histogram_buckets([1.0, 2.0, 4.0])[0].tolist()
    [1.0, 1.1, 1.0]
    """
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    flat = flat[np.isfinite(flat)]
    result = np.zeros((BUCKETS, 3))
    if flat.size and flat.min() == flat.max():
        result[:, :2] = flat[0]
        result[-1, 2] = flat.size
    elif flat.size:
        result[:, 2], edges = np.histogram(flat, bins=BUCKETS)
        result[:, 0], result[:, 1] = edges[:-1], edges[1:]
    return result


def png(pixels: np.ndarray) -> bytes:
    """An image (height, width, channels), uint8, as a PNG file (ISO/IEC 15948): grey, RGB or RGBA by its channels."""
    height, width, channels = pixels.shape
    colour = {1: 0, 3: 2, 4: 6}[channels]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows.tobytes()))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")
