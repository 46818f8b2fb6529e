"""Layers that move pixels: flips, rotations, zooms, translations, shears, perspectives, elastic waves."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras.layers.preprocessing.image.base import ImageLayer, choice, interval, per_image
from tahr.keras.utils.bounding_boxes import affine_matrix
from tahr.ops import image

_FILLS = ("reflect", "wrap", "constant", "nearest")
_INTERPOLATIONS = ("nearest", "bilinear")


class _Warp(ImageLayer):
    """A layer whose random choice is a projective transform per image."""

    _moves_pixels = True

    def __init__(
        self, fill_mode: str, interpolation: str, seed: int | None, fill_value: float, data_format: Any, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.fill_mode = choice(self.name, "fill_mode", fill_mode, _FILLS)
        self.interpolation = choice(self.name, "interpolation", interpolation, _INTERPOLATIONS)
        self.fill_value = fill_value
        self._set_seed(seed)

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        matrix = self._matrix(transformation, *self._known_size(images))
        return image.affine_transform(images, matrix, interpolation, self.fill_mode, self.fill_value, self.data_format)


def _eight(*entries: Any) -> Any:
    """(n, 8) of (n,) tensors, one of which is the first; numbers stand for themselves."""
    like = next(e for e in entries if not isinstance(e, (int, float)))
    return ops.stack([ops.full_like(like, e) if isinstance(e, (int, float)) else e for e in entries], -1)


class _BoxWarp(_Warp):
    """A warp whose steps on boxes can be called by name."""

    def get_transformed_x_y(self, x: Any, y: Any, transform: Any) -> tuple[Any, Any]:
        """Where the point (x, y) goes by a projective transform.

        Args:
            x, y: coordinates (n, 1).
            transform: the transform's eight numbers (n, 8).

        Returns:
            The new coordinates (n, 1) each.
        """
        a0, a1, a2, b0, b1, b2, c0, c1 = ops.split(ops.convert_to_tensor(transform), 8, axis=-1)
        depth = c0 * x + c1 * y + 1
        return (a0 * x + a1 * y + a2) / depth, (b0 * x + b1 * y + b2) / depth


class _ShiftedBoxes(_BoxWarp):
    """A warp that moves both ends of a box by the same way."""

    def get_shifted_bbox(self, bounding_boxes: Any, w_shift_factor: Any, h_shift_factor: Any) -> Any:
        """Boxes moved against a shift.

        Args:
            bounding_boxes: dict with "boxes" (n, k, 4) or (k, 4), in "xyxy".
            w_shift_factor: how far to the left (n, 1).
            h_shift_factor: how far up (n, 1).

        Returns:
            `bounding_boxes` itself, its "boxes" replaced.
        """
        boxes = ops.convert_to_tensor(bounding_boxes["boxes"])
        shifts = [ops.cast(ops.convert_to_tensor(f), boxes.dtype) for f in (w_shift_factor, h_shift_factor)]
        if len(boxes.shape) == 3:
            shifts = [ops.expand_dims(s, -1) for s in shifts]
        corners = ops.split(boxes, 4, axis=-1)
        moved = [corner - shifts[i % 2] for i, corner in enumerate(corners)]
        bounding_boxes["boxes"] = ops.concatenate(moved, axis=-1)
        return bounding_boxes


class RandomFlip(ImageLayer):
    """While training, mirrors about half of the images.

    Args:
        mode: "horizontal" (left and right), "vertical", or "horizontal_and_vertical" (both at once).
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> x = np.arange(3.0).reshape(1, 1, 3, 1)
    >>> keras.layers.RandomFlip("horizontal")(x, training=False).numpy().ravel().tolist()
    [0.0, 1.0, 2.0]
    """

    _moves_pixels = True
    _config = ("seed", "mode")

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise ValueError(
                f"[{self.name}] expected mode 'horizontal', 'vertical' or 'horizontal_and_vertical', received {mode!r}."
            )
        self.mode = mode
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"flips": (n, 1, 1, 1), "size"}."""
        if not training:
            return None
        count, *size = self._shape_of(data)
        return {"flips": self._uniform((count, 1, 1, 1), 0.0, 1.0, seed) <= 0.5, "size": size}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        height, width, _ = self._axes
        axes = [a for a, word in ((height, "vertical"), (width, "horizontal")) if word in self.mode]
        return ops.where(transformation["flips"], ops.flip(images, axis=tuple(axes)), images)

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        flips = ops.cast(ops.reshape(transformation["flips"], (-1,)), "float32")
        across, down = "horizontal" in self.mode, "vertical" in self.mode
        return _eight(
            1.0 - 2.0 * across * flips,
            0,
            width * across * flips,
            0,
            1.0 - 2.0 * down * flips,
            height * down * flips,
            0,
            0,
        )


class RandomRotation(_Warp):
    """While training, turns images.

    Args:
        factor: the range of angles in full turns, positive ones counter-clockwise; one number f for -f to f.
        fill_mode: what lies outside: "reflect", "wrap", "constant" or "nearest".
        interpolation: "bilinear" or "nearest".
        seed: integer from which the random numbers start.
        fill_value: the value outside for "constant".
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomRotation((0.25, 0.25))(np.array([[[1.0], [2.0]], [[3.0], [4.0]]])).numpy().ravel().round()
    array([2., 4., 1., 3.], dtype=float32)
    """

    _config = ("factor", "fill_mode", "fill_value", "interpolation", "seed")

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = interval(self.name, "factor", factor, -1, 1)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"angle": (n,) degrees, "size"}."""
        if not training:
            return None
        count, *size = self._shape_of(data)
        return {"angle": self._uniform((count,), self.factor[0] * 360, self.factor[1] * 360, seed), "size": size}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        angle = transformation["angle"]
        zero, one = ops.zeros_like(angle), ops.ones_like(angle)
        return affine_matrix(angle, zero, zero, one, zero, zero, 0.5 * (width - 1), 0.5 * (height - 1))


class RandomZoom(_BoxWarp):
    """While training, enlarges or shrinks images about their centre.

    Args:
        height_factor: the range of the change, from -1 (in) to 1 (out): -0.2 shows 20% less of the height; one number
            f for -f to f.
        width_factor: the same for the width; None for the same change as of the height.
        fill_mode: what lies outside: "reflect", "wrap", "constant" or "nearest".
        interpolation: "bilinear" or "nearest".
        seed: integer from which the random numbers start.
        fill_value: the value outside for "constant".
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomZoom(0.5, seed=1)(np.ones((2, 4, 4, 1))).shape
    (2, 4, 4, 1)
    """

    _config = ("height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = interval(self.name, "height_factor", height_factor, -1, 1, open_low=True)
        self._width = None
        if width_factor is not None:
            self._width = interval(self.name, "width_factor", width_factor, -1, 1, open_low=True)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"height_zoom": (n, 1), "width_zoom": (n, 1), "size"}."""
        if not training:
            return None
        count, *size = self._shape_of(data)
        high = self._uniform((count, 1), 1 + self._height[0], 1 + self._height[1], seed)
        wide = high
        if self._width is not None:
            wide = self._uniform((count, 1), 1 + self._width[0], 1 + self._width[1], seed)
        return {"height_zoom": high, "width_zoom": wide, "size": size}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        high = ops.reshape(transformation["height_zoom"], (-1,))
        wide = ops.reshape(transformation["width_zoom"], (-1,))
        return _eight(wide, 0, (width - 1) / 2 * (1.0 - wide), 0, high, (height - 1) / 2 * (1.0 - high), 0, 0)

    def get_clipped_bbox(self, bounding_boxes: Any, h_end: Any, h_start: Any, w_end: Any, w_start: Any) -> Any:
        """Boxes within a window, in the coordinates of the window.

        Args:
            bounding_boxes: dict with "boxes" (n, k, 4) or (k, 4), in "xyxy".
            h_end, h_start, w_end, w_start: the window's edges, (n, 1) for a batch.

        Returns:
            `bounding_boxes` itself, its "boxes" replaced.
        """
        boxes = ops.convert_to_tensor(bounding_boxes["boxes"])
        edges = [ops.cast(ops.convert_to_tensor(e), boxes.dtype) for e in (w_start, h_start, w_end, h_end)]
        if len(boxes.shape) == 3:
            edges = [ops.expand_dims(e, -1) for e in edges]
        corners = ops.split(boxes, 4, axis=-1)
        cut = [
            ops.minimum(ops.maximum(corner, edges[i % 2]), edges[2 + i % 2]) - edges[i % 2]
            for i, corner in enumerate(corners)
        ]
        bounding_boxes["boxes"] = ops.concatenate(cut, axis=-1)
        return bounding_boxes


class RandomTranslation(_ShiftedBoxes):
    """While training, shifts images.

    Args:
        height_factor: the range of shifts in parts of the height, positive ones down; one number f for -f to f.
        width_factor: the same for the width, positive ones to the right.
        fill_mode: what lies outside: "reflect", "wrap", "constant" or "nearest".
        interpolation: "bilinear" or "nearest".
        seed: integer from which the random numbers start.
        fill_value: the value outside for "constant".
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.RandomTranslation(0.0, (0.5, 0.5), fill_mode="constant")
    >>> layer(np.array([[[1.0], [2.0]]])).numpy().ravel().tolist()
    [0.0, 1.0]
    """

    _config = ("height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = interval(self.name, "height_factor", height_factor, -1, 1)
        self._width = interval(self.name, "width_factor", width_factor, -1, 1)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"translations": (n, 2) pixels to the right and down, "size"}."""
        if not training:
            return None
        count, height, width = self._shape_of(data)
        down = self._uniform((count, 1), self._height[0], self._height[1], seed) * float(height)
        right = self._uniform((count, 1), self._width[0], self._width[1], seed) * float(width)
        return {"translations": ops.concatenate([right, down], 1), "size": [height, width]}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        shifts = transformation["translations"]
        return _eight(1, 0, -shifts[:, 0], 0, 1, -shifts[:, 1], 0, 0)


class RandomShear(_ShiftedBoxes):
    """While training, slants images.

    Args:
        x_factor: the range of the shift per row, from 0 to 1; the direction is random. One number f for -f to f.
        y_factor: the same per column.
        interpolation: "bilinear" or "nearest".
        fill_mode: what lies outside: "reflect", "wrap", "constant" or "nearest".
        fill_value: the value outside for "constant".
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        seed: integer from which the random numbers start.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomShear(0.3, seed=1)(np.ones((2, 4, 4, 1))).shape
    (2, 4, 4, 1)
    """

    _config = ("x_factor", "y_factor", "fill_mode", "interpolation", "seed", "fill_value")

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.x_factor = self._factor("x_factor", x_factor)
        self.y_factor = self._factor("y_factor", y_factor)

    def _factor(self, name: str, value: Any) -> tuple[float, float]:
        if isinstance(value, (tuple, list)) and len(value) == 2 and value[0] == -value[1]:
            return interval(self.name, name, value, -1, 1)  # as get_config gives what one number became
        return interval(self.name, name, value, 0, 1)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"shear_factor": (n, 2), "size"}."""
        if not training:
            return None
        count, *size = self._shape_of(data)
        sign = ops.where(self._uniform((count, 1), 0.0, 1.0, seed) > 0.5, -1.0, 1.0)
        y = self._uniform((count, 1), self.y_factor[0], self.y_factor[1], seed)
        x = self._uniform((count, 1), self.x_factor[0], self.x_factor[1], seed)
        return {"shear_factor": ops.concatenate([x, y], 1) * sign, "size": size}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        shear = ops.cast(transformation["shear_factor"], "float32")
        return _eight(1, shear[:, 0], 0, shear[:, 1], 1, 0, 0, 0)


class RandomPerspective(ImageLayer):
    """While training, moves the corners of images, as if seen from elsewhere.

    Args:
        factor: the range from which the probability of a change is drawn; one number f for 0 to f.
        scale: how far corners move at most, from 0 to 1.
        interpolation: "bilinear" or "nearest".
        fill_value: the value outside.
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomPerspective(seed=1)(np.ones((2, 4, 4, 1))).shape
    (2, 4, 4, 1)
    """

    _moves_pixels = True
    _config = ("factor", "scale", "interpolation", "fill_value", "seed")

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self.name, "factor", factor, 0, 1, symmetric=False)
        if not 0 <= scale <= 1:
            raise ValueError(f"[{self.name}] expected scale between 0 and 1, received {scale!r}.")
        self.scale, self.fill_value = scale, fill_value
        self.interpolation = choice(self.name, "interpolation", interpolation, _INTERPOLATIONS)
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"apply_perspective": (n,), "start_points": (n, 4, 2), "end_points": (n, 4, 2), "size"}."""
        if not training:
            return None
        count, height, width = self._shape_of(data)
        happens = self._happens(count, self.factor, seed)
        moves = self._uniform((count, 4, 2), -0.5 * self.scale, 0.5 * self.scale, seed)
        right, low = float(width - 1), float(height - 1)
        corners = ops.convert_to_tensor([[[0.0, 0.0], [right, 0.0], [0.0, low], [right, low]]])
        start = corners + ops.zeros_like(moves)
        end = start + start * moves
        return {"apply_perspective": happens, "start_points": start, "end_points": end, "size": [height, width]}

    def _matrix(self, transformation: Any, height: int, width: int) -> Any:
        start, end = (ops.cast(transformation[k], "float32") for k in ("start_points", "end_points"))
        unmoved = ops.convert_to_tensor([[1.0, 0, 0, 0, 1, 0, 0, 0]])
        happens = ops.reshape(transformation["apply_perspective"], (-1, 1))
        return ops.where(happens, image.homography(start, end), unmoved)

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        points = transformation["start_points"], transformation["end_points"]
        warped = image.perspective_transform(images, *points, interpolation, self.fill_value, self.data_format)
        return ops.where(per_image(transformation["apply_perspective"]), warped, images)


class RandomElasticTransform(ImageLayer):
    """While training, bends images in random waves.

    Args:
        factor: the range from which the probability of a change is drawn; one number f for 0 to f.
        scale: the range from which the strength of the waves is drawn, from 0 to 1; one number s for 0 to s.
        interpolation: "bilinear" or "nearest".
        fill_mode: what lies outside: "reflect", "wrap", "constant", "nearest" or "mirror".
        fill_value: the value outside for "constant".
        value_range: the smallest and largest value of pixels.
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandomElasticTransform(seed=1)(np.ones((2, 8, 8, 1))).shape
    (2, 8, 8, 1)
    """

    _moves_pixels = True
    _config = ("factor", "scale", "interpolation", "fill_mode", "fill_value", "value_range", "seed")

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.factor = interval(self.name, "factor", factor, 0, 1, symmetric=False)
        self.scale = interval(self.name, "scale", scale, 0, 1, symmetric=False)
        self.interpolation = choice(self.name, "interpolation", interpolation, _INTERPOLATIONS)
        self.fill_mode = choice(self.name, "fill_mode", fill_mode, image.FILL_MODES)
        self.fill_value, self.value_range = fill_value, value_range
        self._set_seed(seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"apply_transform": (n,), "distortion_factor": (), "seed": the pair that the waves come from, "size"}."""
        if not training or self.scale[1] == 0 or self.factor[1] == 0:
            return None
        count, *size = self._shape_of(data)
        return {
            "apply_transform": self._happens(count, self.factor, seed),
            "distortion_factor": self._uniform((), self.scale[0], self.scale[1], seed),
            "seed": (self.generator if seed is None or isinstance(seed, int) else seed).next(),
            "size": size,
        }

    def get_elastic_transform_params(self, height: int, width: int, factor: Any) -> tuple[Any, Any]:
        """Height and width of the waves (alpha, sigma) in pixels, for images of this size.

        Args:
            height, width: of the images.
            factor: strength of the waves.
        """
        return 0.1 * max(height, width) * factor, 0.05 * min(height, width) * factor

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        alpha, sigma = self.get_elastic_transform_params(*self._known_size(images), transformation["distortion_factor"])
        bent = image.elastic_transform(
            images,
            alpha,
            ops.maximum(sigma, 1e-3),
            interpolation,
            self.fill_mode,
            self.fill_value,
            transformation["seed"],
            self.data_format,
        )
        changed = ops.where(per_image(transformation["apply_transform"]), bent, images)
        return ops.clip(changed, self.value_range[0], self.value_range[1])

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """The boxes as they are: the waves are small beside them."""
        return bounding_boxes
