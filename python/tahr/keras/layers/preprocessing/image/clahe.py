"""ContrastLimitedAdaptiveHistogramEqualization."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.preprocessing.image.base import ImageLayer, check_range, rescale

_LEVELS = 256


class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Raises the contrast of each part of an image on its own, and noise no more than a limit allows; training or not.

    The image is cut into tiles. In each tile and channel the values are mapped so that they become about equally
    frequent; no value counts more often than the limit says, what is over it is spread over all values. Between the
    middles of tiles the maps are blended.

    Args:
        value_range: the smallest and largest value of pixels.
        clip_limit: how often a value may count, in multiples of the mean over 256 values; 0 for no limit.
        tile_grid_size: tiles along height and width. Images that do not divide evenly are mirrored at their far edges.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Source: Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(clip_limit=0, tile_grid_size=(1, 1))
    >>> layer(np.array([[[10.0], [20.0], [30.0]]])).numpy().ravel().tolist()
    [85.0, 170.0, 255.0]
    """

    _config = ("value_range", "clip_limit", "tile_grid_size")

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = check_range(self.name, value_range)
        self.clip_limit = clip_limit
        if len(tile_grid_size) != 2 or not all(isinstance(n, int) and n > 0 for n in tile_grid_size):
            raise ValueError(
                f"[{self.name}] expected tile_grid_size to be two positive integers, received {tile_grid_size!r}."
            )
        self.tile_grid_size = tuple(tile_grid_size)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images with more contrast."""
        images = ops.cast(ops.convert_to_tensor(images), self.compute_dtype)
        single = len(images.shape) == 3
        x = ops.expand_dims(images, 0) if single else images
        first = self.data_format == "channels_first"
        height, width = self._known_size(x)
        x = rescale(ops.cast(x if first else ops.transpose(x, (0, 3, 1, 2)), "float32"), self.value_range, (0, 255))
        channels = x.shape[1]
        y = ops.reshape(self._equalized(ops.reshape(x, (-1, height, width))), (-1, channels, height, width))
        y = rescale(y if first else ops.transpose(y, (0, 2, 3, 1)), (0, 255), self.value_range)
        return ops.cast(ops.squeeze(y, 0) if single else y, self.compute_dtype)

    def _equalized(self, planes: Any) -> Any:
        """(planes, height, width) of values from 0 to 255, each plane on its own."""
        _, height, width = planes.shape
        rows, columns = self.tile_grid_size
        tile_height, tile_width = -(-height // rows), -(-width // columns)
        below, right = tile_height * rows - height, tile_width * columns - width
        if below or right:
            planes = ops.pad(planes, ((0, 0), (0, below), (0, right)), mode="symmetric")
        values = ops.cast(ops.clip(planes, 0.0, _LEVELS - 1.0), "int32")
        tables = ops.reshape(self._tables(values, tile_height, tile_width), (-1,))
        plane = ops.reshape(ops.cumsum(ops.ones_like(values[:, 0, 0])) - 1, (-1, 1, 1)) * (rows * columns)

        def mapped(row: Any, column: Any) -> Any:
            return ops.take(tables, (plane + row * columns + column) * _LEVELS + values)

        top, bottom, down = _between(tile_height, rows, (1, -1, 1))
        left, right_, across = _between(tile_width, columns, (1, 1, -1))
        upper = mapped(top, left) * (1.0 - across) + mapped(top, right_) * across
        lower = mapped(bottom, left) * (1.0 - across) + mapped(bottom, right_) * across
        return (upper * (1.0 - down) + lower * down)[:, :height, :width]

    def _tables(self, values: Any, tile_height: int, tile_width: int) -> Any:
        """(planes * tiles, 256): what becomes of each value in each tile."""
        rows, columns = self.tile_grid_size
        size = tile_height * tile_width
        tiles = ops.reshape(values, (-1, rows, tile_height, columns, tile_width))
        tiles = ops.reshape(ops.transpose(tiles, (0, 1, 3, 2, 4)), (-1, size))
        counts = ops.sum(ops.one_hot(tiles, _LEVELS, dtype="float32"), axis=1)
        if self.clip_limit > 0:
            kept = ops.minimum(counts, self.clip_limit * size / _LEVELS)
            counts = kept + ops.sum(counts - kept, axis=-1, keepdims=True) / _LEVELS
        total = ops.cumsum(counts, axis=-1)
        least = total[:, :1]
        rest = size - least
        return ops.clip((total - least) * 255.0 / ops.where(rest == 0, ops.ones_like(rest), rest), 0.0, 255.0)


def _between(size: int, count: int, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """For each place along `count` tiles of `size`: the tiles whose middles lie around it, and how far it is on its way."""
    place = ops.arange(size * count, dtype="float32") / size - 0.5
    before = ops.floor(place)
    tile = ops.cast(before, "int32")
    parts = (ops.clip(tile, 0, count - 1), ops.clip(tile + 1, 0, count - 1), place - before)
    low, high, weight = (ops.reshape(part, shape) for part in parts)
    return low, high, weight
