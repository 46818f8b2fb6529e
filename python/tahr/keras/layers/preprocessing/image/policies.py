"""Layers made of other layers: RandAugment, AugMix, Pipeline; and the one that fixes the number of boxes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tahr import ops
from tahr.keras import random, tree
from tahr.keras.layers.layer import Layer
from tahr.keras.layers.preprocessing.image import color, geometry
from tahr.keras.layers.preprocessing.image.base import ImageLayer, interval
from tahr.keras.saving import deserialize_keras_object, serialize_keras_object

_MOVING = ("random_shear", "random_translation", "random_rotation")


class _Policy(ImageLayer):
    """A layer that applies randomly chosen ones of its layers, one choice for the whole batch."""

    _names: tuple[str, ...] = ()  # in the order in which random indices count them

    def _make_layers(self, factor: tuple[float, float], value_range: Any, interpolation: str, seed: int | None) -> None:
        common: dict[str, Any] = {"data_format": self.data_format, "dtype": self.dtype_policy}
        moving = {
            **common,
            "interpolation": interpolation,
            "seed": seed,
            "bounding_box_format": self.bounding_box_format,
        }
        values = {**common, "value_range": value_range}
        makers: dict[str, Callable[[], Layer]] = {
            "random_shear": lambda: geometry.RandomShear(factor, factor, **moving),
            "random_translation": lambda: geometry.RandomTranslation(factor, factor, **moving),
            "random_rotation": lambda: geometry.RandomRotation(factor, **moving),
            "random_brightness": lambda: color.RandomBrightness(factor, seed=seed, **values),
            "random_color_degeneration": lambda: color.RandomColorDegeneration(factor, seed=seed, **values),
            "random_contrast": lambda: color.RandomContrast(factor, seed=seed, **values),
            "random_sharpness": lambda: color.RandomSharpness(factor, seed=seed, **values),
            "random_posterization": lambda: color.RandomPosterization(max(1, int(8 * factor[1])), seed=seed, **values),
            "solarization": lambda: color.Solarization(factor, factor, seed=seed, **values),
            "auto_contrast": lambda: color.AutoContrast(**values),
            "equalization": lambda: color.Equalization(**values),
        }
        for name in self._names:
            setattr(self, name, makers[name]())

    def build(self, input_shape: Any) -> None:
        """Builds the layers."""
        for name in self._names:
            getattr(self, name).build(input_shape)

    def _draw_all(self, data: Any, seed: Any) -> dict[str, Any]:
        source = self.generator if seed is None else seed
        return {name: getattr(self, name).get_random_transformation(data, seed=source) for name in self._names}

    def _indices(self, shape: Any, count: int, seed: Any) -> Any:
        return random.randint(shape, 0, count, seed=self.generator if seed is None else seed)

    def _one_of(self, index: Any, x: Any, transforms: dict[str, Any], method: str) -> Any:
        """`x` changed by the layer of this index; beyond the last one as it is."""

        def branch(name: str) -> Callable[[Any], Any]:
            return lambda value: getattr(getattr(self, name), method)(value, transforms[name])

        return ops.switch(index, [*(branch(name) for name in self._names), lambda value: value * 1], x)


class RandAugment(_Policy):
    """While training, applies randomly chosen changes one after the other.

    Args:
        value_range: the smallest and largest value of pixels.
        num_ops: how many changes.
        factor: how strong they are: the factor of each of the layers, within [0, 1]; one number f for 0 to f.
        interpolation: of those that move pixels: "bilinear" or "nearest".
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Source: Cubuk et al., "RandAugment", 2020.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.RandAugment(seed=1)(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    _config = ("value_range", "num_ops", "factor", "interpolation", "seed")
    _names = (
        *_MOVING,
        *("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness"),
        *("random_posterization", "solarization", "auto_contrast", "equalization"),
    )

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.num_ops, self.interpolation = value_range, num_ops, interpolation
        self.factor = interval(self.name, "factor", factor, 0, 1, symmetric=False)
        self._set_seed(seed)
        self._make_layers(self.factor, value_range, interpolation, seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """{"layer_idxes": (num_ops,), "transforms": the choices of each layer}."""
        if not training:
            return None
        indices = self._indices((self.num_ops,), len(self._names), seed)
        return {"transforms": self._draw_all(data, seed), "layer_idxes": indices}

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        for i in range(self.num_ops):
            index = transformation["layer_idxes"][i]
            images = self._one_of(index, images, transformation["transforms"], "transform_images")
        return images

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The masks, moved with the images."""
        if not training or transformation is None:
            return segmentation_masks
        masks = ops.convert_to_tensor(segmentation_masks)
        for i in range(self.num_ops):
            index = transformation["layer_idxes"][i]
            masks = self._one_of(index, masks, transformation["transforms"], "transform_segmentation_masks")
        return masks

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """The boxes, moved with the images."""
        if not training or transformation is None:
            return bounding_boxes
        result = {k: ops.convert_to_tensor(v) for k, v in bounding_boxes.items()}
        for i in range(self.num_ops):
            for k, name in enumerate(self._names[: len(_MOVING)]):
                moved = getattr(self, name).transform_bounding_boxes(result, transformation["transforms"][name])
                here = transformation["layer_idxes"][i] == k
                result = {key: ops.where(here, moved[key], value) for key, value in result.items()}
        return result


class AugMix(_Policy):
    """While training, blends images with several chains of random changes of them.

    Args:
        value_range: the smallest and largest value of pixels.
        num_chains: how many chains.
        chain_depth: how many changes in each.
        factor: how strong changes are, within [0, 1]; one number f for 0 to f.
        alpha: parameter of the Dirichlet and beta distributions of weights.
        all_ops: whether brightness, colours, contrast and sharpness change too.
        interpolation: of the changes that move pixels: "bilinear" or "nearest".
        seed: integer from which the random numbers start.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Source: Hendrycks et al., "AugMix", 2020.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.AugMix(seed=1)(np.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    _config = ("value_range", "num_chains", "chain_depth", "factor", "alpha", "all_ops", "interpolation", "seed")

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.num_chains, self.chain_depth = value_range, num_chains, chain_depth
        self.alpha, self.all_ops, self.interpolation = alpha, all_ops, interpolation
        self.factor = interval(self.name, "factor", factor, 0, 1, symmetric=False)
        self._set_seed(seed)
        base = (*_MOVING, "random_posterization", "solarization", "auto_contrast", "equalization")
        more = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")
        self._names = (*base, *more) if all_ops else base
        self._make_layers(self.factor, value_range, interpolation, seed)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Weights of the chains and of the original, and the choices of each step of each chain."""
        if not training:
            return None
        source = self.generator if seed is None else seed
        gamma = random.gamma((self.num_chains,), self.alpha, dtype="float32", seed=source)
        return {
            "chain_mixing_weights": gamma / ops.sum(gamma),
            "weight_sample": random.beta((), self.alpha, self.alpha, dtype="float32", seed=source),
            "layer_idxes": self._indices((self.num_chains, self.chain_depth), len(self._names) + 1, seed),
            "transforms": [
                [self._draw_all(data, seed) for _ in range(self.chain_depth)] for _ in range(self.num_chains)
            ],
        }

    def _mixed(self, x: Any, transformation: Any, method: str) -> Any:
        weights = ops.cast(transformation["chain_mixing_weights"], str(x.dtype))
        kept = ops.cast(transformation["weight_sample"], str(x.dtype))
        total = ops.zeros_like(x)
        for i, steps in enumerate(transformation["transforms"]):
            y = x
            for k, transforms in enumerate(steps):
                y = self._one_of(transformation["layer_idxes"][i, k], y, transforms, method)
            total = total + y * weights[i]
        return kept * x + (1.0 - kept) * total

    def _change(self, images: Any, transformation: Any, interpolation: str) -> Any:
        mixed = self._mixed(images, transformation, "transform_images")
        return ops.clip(mixed, self.value_range[0], self.value_range[1])

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The masks, mixed like the images, in floating point."""
        if not training or transformation is None:
            return segmentation_masks
        masks = ops.cast(ops.convert_to_tensor(segmentation_masks), "float32")
        return self._mixed(masks, transformation, "transform_segmentation_masks")


class MaxNumBoundingBoxes(ImageLayer):
    """Cuts or fills up the boxes of each image to one number.

    Args:
        max_number: how many boxes.
        fill_value: what the boxes and labels that are added hold.

    >>> import numpy as np
    >>> from tahr import keras
    >>> boxes = {"boxes": np.ones((2, 3, 4), "float32"), "labels": np.ones((2, 3), "float32")}
    >>> layer = keras.layers.MaxNumBoundingBoxes(5, bounding_box_format="xyxy")
    >>> layer({"images": np.ones((2, 4, 4, 3), "float32"), "bounding_boxes": boxes})["bounding_boxes"]["boxes"].shape
    (2, 5, 4)
    """

    _config = ("max_number", "fill_value")

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number, self.fill_value = int(max_number), int(fill_value)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images as they are."""
        return images

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """The boxes (n, max_number, 4) and their labels (n, max_number)."""
        result = dict(bounding_boxes)
        for key, value in bounding_boxes.items():
            x = ops.convert_to_tensor(value)[:, : self.max_number]
            missing = self.max_number - x.shape[1]
            width = ((0, 0), (0, missing), *((0, 0),) * (len(x.shape) - 2))
            result[key] = ops.pad(x, width, constant_values=self.fill_value)
        return result

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes, with `max_number` boxes."""
        if not isinstance(input_shape, dict) or "bounding_boxes" not in input_shape:
            return input_shape
        boxes = {k: (s[0], self.max_number, *s[2:]) for k, s in input_shape["bounding_boxes"].items()}
        return {**input_shape, "bounding_boxes": boxes}


class Pipeline(Layer):
    """Applies layers one after the other, for use in `Dataset.map` as much as in models.

    Args:
        layers: the layers.
        name: name of the layer.

    >>> import numpy as np
    >>> from tahr import keras
    >>> pipeline = keras.layers.Pipeline([keras.layers.Resizing(4, 4), keras.layers.Rescaling(2.0)])
    >>> pipeline(np.ones((1, 8, 8, 3))).shape
    (1, 4, 4, 3)
    """

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._pipeline_layers = list(layers)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self._build_at_init()

    @property
    def layers(self) -> list[Any]:
        """The layers."""
        return self._pipeline_layers

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        """The outputs of the last layer."""
        for layer in self._pipeline_layers:
            accepted = inspect.signature(layer.call).parameters
            kwargs = {k: v for k, v in (("training", training), ("mask", mask)) if k in accepted and v is not None}
            inputs = layer(inputs, **kwargs)
            mask = tree.map_structure(lambda x: getattr(x, "_keras_mask", None), inputs)
            if all(m is None for m in tree.flatten(mask)):
                mask = None
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape that the last layer gives."""
        for layer in self._pipeline_layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """A pipeline as `get_config` described it."""
        if not isinstance(config.get("layers"), (list, tuple)):
            raise ValueError(f"[Pipeline] expected a config with a list of layers, received {config.get('layers')!r}.")
        made = [deserialize_keras_object(x, custom_objects=custom_objects) for x in config["layers"]]
        return cls(**{**config, "layers": made})

    def get_config(self) -> dict[str, Any]:
        """The layers and the name."""
        return {"layers": serialize_keras_object(self._pipeline_layers), "name": self.name}
