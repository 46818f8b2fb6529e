"""What all models share: arguments and their checks, the input, the classifier, the published weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from tahr.keras import activations, layers
from tahr.keras.backend import KerasTensor, image_data_format, is_keras_tensor
from tahr.keras.models import Model
from tahr.keras.utils import files, get_source_inputs

URL = "https://storage.googleapis.com/tensorflow/keras-applications/"


class WeightFile(NamedTuple):
    """A file of weights that Keras publishes, its MD5 or SHA-256 (None where Keras knows none), its name in the cache."""

    url: str
    file_hash: str | None
    name: str | None = None


WeightFiles = tuple[WeightFile, WeightFile]  # with the classifier, without


def weight_files(stem: str, hashes: tuple[str, str], notop: str = "_notop", base: str = URL) -> WeightFiles:
    """The files `<base><stem>.h5` and `<base><stem><notop>.h5`."""
    return WeightFile(f"{base}{stem}.h5", hashes[0]), WeightFile(f"{base}{stem}{notop}.h5", hashes[1])


def kernels(stem: str, hashes: tuple[str, str]) -> WeightFiles:
    """The files of the older families."""
    return weight_files(f"{stem}_weights_tf_dim_ordering_tf_kernels", hashes)


class Frame:
    """A model in the making: `image`, what a family's blocks begin with, and what follows them.

    Raises:
        ValueError: for arguments that do not go together, as in Keras.
    """

    def __init__(
        self,
        title: str,
        include_top: bool,
        weights: Any,
        input_tensor: KerasTensor | None,
        input_shape: Any,
        pooling: str | None,
        classes: int,
        classifier_activation: Any,
        name: str | None,
        size: int | None = 224,
        min_size: int = 32,
        channels_first: bool = True,
    ) -> None:
        """`size`: side of the pictures that the published weights were trained on; None: any will do for the classifier.
        `channels_first`: whether the family comes with channels first, too."""
        self.title, self.include_top, self.pooling, self.name = title, include_top, pooling, name
        self.classes, self.activation = classes, classifier_activation
        last = image_data_format() == "channels_last"
        self.axis = -1 if last else 1  # of the channels
        if not last and not channels_first:
            raise self.error("pictures with channels last", "channels_first", "Set keras.config.set_image_data_format.")
        self.imagenet = isinstance(weights, str) and weights == "imagenet"
        self.weights = weights
        if not self.imagenet and weights is not None and not os.path.exists(weights):
            raise self.error("weights None, 'imagenet' or the path of a file", repr(weights), "There is no such file.")
        if self.imagenet and include_top and classes != 1000:
            raise self.error(
                "classes=1000 for weights='imagenet' with include_top=True",
                repr(classes),
                "Use include_top=False and a classifier of your own.",
            )
        if include_top and weights is not None:
            if activations.get(classifier_activation) not in (activations.get("softmax"), activations.get(None)):
                raise self.error(
                    "classifier_activation 'softmax' or None for trained weights", repr(classifier_activation)
                )
        if pooling not in (None, "avg", "max"):
            raise self.error("pooling None, 'avg' or 'max'", repr(pooling))
        self.shape = self._checked_shape(input_tensor, input_shape, size, min_size, last)
        if input_tensor is None:
            self.image = self.inputs = layers.Input(shape=self.shape)
        else:
            self.image, self.inputs = input_tensor, get_source_inputs(input_tensor)

    def error(self, expected: str, received: str, advice: str = "") -> ValueError:
        return ValueError(f"[{self.title}] expected {expected}, received {received}.{' ' if advice else ''}{advice}")

    def _checked_shape(
        self, tensor: KerasTensor | None, given: Any, size: int | None, min_size: int, last: bool
    ) -> tuple[int | None, ...]:
        """The shape of a picture, None where it may vary."""

        def picture(side: int | None, channels: int) -> tuple[int | None, ...]:
            return (side, side, channels) if last else (channels, side, side)

        if tensor is not None:
            if not is_keras_tensor(tensor):
                raise self.error(
                    "input_tensor to be a KerasTensor", repr(type(tensor)), "Use keras.Input, or call the model."
                )
            if given is not None and any(
                a is not None and b is not None and a != b for a, b in zip(given, tensor.shape[1:], strict=False)
            ):
                raise self.error(f"input_shape as that of input_tensor, {tensor.shape[1:]}", str(given))
        if given is None:
            if size is None and tensor is not None:
                return tuple(tensor.shape[1:])
            return picture(size if self.include_top else None, 3)
        shape = tuple(given)
        if len(shape) != 3:
            raise self.error("an input_shape of three numbers", str(given))
        sides = shape[:2] if last else shape[1:]
        channels = shape[-1] if last else shape[0]
        if self.imagenet:
            if channels != 3:
                raise self.error("3 channels for weights='imagenet'", f"input_shape={given}")
            if self.include_top and size is not None and shape != picture(size, 3):
                raise self.error(
                    f"input_shape={picture(size, 3)} for weights='imagenet' with include_top=True",
                    str(given),
                    "Pictures of other sizes go with include_top=False.",
                )
        elif channels not in (1, 3):
            warnings.warn(
                f"[{self.title}] usually takes pictures with 1 or 3 channels, received {given}.", stacklevel=5
            )
        if any(side is not None and side < min_size for side in sides):
            raise self.error(f"pictures of at least {min_size} x {min_size}", f"input_shape={given}")
        if self.include_top and size is not None and None in shape:
            raise self.error("an input_shape without None for include_top=True", str(given))
        return shape

    @property
    def rows(self) -> int | None:
        """The height of a picture."""
        return self.shape[0 if self.axis == -1 else 1]

    def channels(self, x: Any) -> int:
        return x.shape[self.axis]

    def conv(
        self, x: Any, filters: int, size: Any, name: str | None = None, use_bias: bool = False, **kwargs: Any
    ) -> Any:
        return layers.Conv2D(filters, size, use_bias=use_bias, name=name, **kwargs)(x)

    def norm(self, x: KerasTensor, name: str | None = None, **kwargs: Any) -> Any:
        return layers.BatchNormalization(axis=self.axis, name=name, **kwargs)(x)

    def pad(self, x: KerasTensor, kernel: int, name: str | None = None) -> Any:
        """Zeros before a strided convolution without padding, so that it sees what TensorFlow's "same" would show it."""
        sides = x.shape[1:3] if self.axis == -1 else x.shape[2:4]
        half = kernel // 2
        padding = tuple((half - (1 if side is None else 1 - side % 2), half) for side in sides)
        return layers.ZeroPadding2D(padding, name=name)(x)

    def pool(self, x: KerasTensor, named: bool = False) -> KerasTensor:
        """What `pooling` asks for."""
        if self.pooling is None:
            return x
        kind = layers.GlobalAveragePooling2D if self.pooling == "avg" else layers.GlobalMaxPooling2D
        return kind(name=f"{self.pooling}_pool" if named else None)(x)

    def dense(self, x: KerasTensor, name: str = "predictions", **kwargs: Any) -> Any:
        return layers.Dense(self.classes, activation=self.activation, name=name, **kwargs)(x)

    def head(
        self, x: KerasTensor, average: str | None = "avg_pool", named: bool = True, dropout: float = 0.0, **kwargs: Any
    ) -> KerasTensor:
        """Average, dropout and `dense`; or without the classifier what `pooling` asks for."""
        if not self.include_top:
            return self.pool(x, named)
        x = layers.GlobalAveragePooling2D(name=average)(x)
        if dropout:
            x = layers.Dropout(dropout, name="top_dropout")(x)
        return self.dense(x, **kwargs)

    def finish(self, x: KerasTensor, published: WeightFiles) -> Model:
        """The model, with its weights."""
        model = Model(self.inputs, x, name=self.name)
        if self.imagenet:
            file = published[0 if self.include_top else 1]
            name = file.name or file.url.rpartition("/")[2]
            model.load_weights(files.get_file(name, file.url, cache_subdir="models", file_hash=file.file_hash))
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model


def round_to_eight(filters: float) -> int:
    """The multiple of 8 next to `filters` that is not below 90 % of it."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


_ARGUMENTS = {
    "input_shape": "shape of a picture without the batch, such as ({0}, {0}, 3); not below {1} x {1}. Without the\n"
    "            classifier, sides may be None.",
    "alpha": "factor on the number of filters of all layers.",
    "depth_multiplier": "filters of a depthwise convolution per channel.",
    "dropout": "rate of dropout before the classifier.",
    "minimalistic": "the variant without squeeze-and-excite, hard swish and 5 x 5 convolutions.",
    "include_top": "whether the classifier is part of the model.",
    "include_preprocessing": "whether the model rescales pictures in [0, 255] itself.",
    "weights": 'None for random ones, "imagenet" for those that Keras publishes (downloaded once, checked), or the path of\n'
    "            a file.",
    "input_tensor": "a KerasTensor to build the model on, in place of an input of its own.",
    "pooling": 'without the classifier: "avg" or "max" for a vector per picture, None for the last feature map.',
    "classes": "number of classes of the classifier.",
    "dropout_rate": "rate of dropout before the classifier.",
    "classifier_activation": "activation of the classifier; None for logits.",
    "name": "name of the model.",
}


def document(
    application: Callable[..., Model],
    title: str,
    module: str,
    about: str,
    source: str,
    size: int = 224,
    least: int = 32,
) -> Callable[..., Model]:
    """Names a function that makes a model, and writes its docstring from its arguments."""
    application.__name__ = application.__qualname__ = title
    application.__module__ = module
    names = application.__code__.co_varnames[: application.__code__.co_argcount]
    lines = "\n".join(f"        {name}: {_ARGUMENTS[name].format(size, least)}" for name in names)
    application.__doc__ = f"""{about}

    Args:
{lines}

    Returns:
        A `keras.Model` from pictures (batch, {size}, {size}, 3) to (batch, classes), or to features.

    Raises:
        ValueError: for arguments that do not go together, such as `weights="imagenet"` with another number of classes.
        OSError: the weights cannot be downloaded.

    Example:
        >>> from tahr import keras
        >>> model = keras.applications.{title}(weights="imagenet")  # doctest: +SKIP

    Source: {source}.
    """
    return application


def standard(
    title: str,
    name: str,
    module: str,
    about: str,
    source: str,
    body: Callable[[Frame], KerasTensor],
    published: WeightFiles,
    size: int = 224,
    least: int = 32,
    channels_first: bool = True,
) -> Callable[..., Model]:
    """The function of a model with the arguments that most families have; `body` builds the layers."""
    default_name = name

    def application(
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: KerasTensor | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str | None = default_name,
    ) -> Model:
        common = (include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name)
        frame = Frame(title, *common, size=size, min_size=least, channels_first=channels_first)
        return frame.finish(body(frame), published)

    return document(application, title, module, about, source, size, least)
