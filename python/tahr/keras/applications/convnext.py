"""ConvNeXt: a residual network after the plan of a vision transformer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import initializers, layers, ops, random
from tahr.keras.applications.common import Frame, document, weight_files
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.backend import KerasTensor
from tahr.keras.models import Model, Sequential

__all__ = [
    *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    "decode_predictions",
    "preprocess_input",
]


class LayerScale(layers.Layer):
    """Each channel times a learned factor; called as in the files of Keras.

    Args:
        init_values: the factor to begin with.
        projection_dim: number of channels.
        kwargs: arguments of `keras.layers.Layer`.
    """

    _keras_module = "keras.src.applications.convnext"

    def __init__(self, init_values: float, projection_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.init_values, self.projection_dim = init_values, projection_dim

    def build(self, input_shape: Any) -> None:
        self.gamma = self.add_weight(shape=(self.projection_dim,), initializer=initializers.Constant(self.init_values))

    def call(self, x: Any) -> Any:
        return x * self.gamma

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "init_values": self.init_values, "projection_dim": self.projection_dim}


class StochasticDepth(layers.Layer):
    """In training, whole examples become zero with probability `drop_path_rate`, the others grow by as much.

    Args:
        drop_path_rate: the probability.
        kwargs: arguments of `keras.layers.Layer`.

    Source: G. Huang et al., "Deep networks with stochastic depth", 2016.
    """

    _keras_module = "keras.src.applications.convnext"

    def __init__(self, drop_path_rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drop_path_rate = drop_path_rate
        self.seed_generator = random.SeedGenerator()

    def call(self, x: Any, training: bool | None = None) -> Any:
        if not training:
            return x
        keep = 1.0 - self.drop_path_rate
        shape = (ops.shape(x)[0], *(1 for _ in x.shape[1:]))
        kept = random.uniform(shape, seed=self.seed_generator) < keep
        return x / keep * ops.cast(kept, x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "drop_path_rate": self.drop_path_rate}


def _norm(name: str | None = None) -> Any:
    return layers.LayerNormalization(epsilon=1e-6, name=name)


def _block(x: Any, filters: int, name: str) -> Any:
    y = layers.Conv2D(filters, 7, padding="same", groups=filters, name=f"{name}_depthwise_conv")(x)
    y = layers.Dense(4 * filters, name=f"{name}_pointwise_conv_1")(_norm(f"{name}_layernorm")(y))
    y = layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = layers.Dense(filters, name=f"{name}_pointwise_conv_2")(y)
    y = LayerScale(1e-6, filters, name=f"{name}_layer_scale")(y)
    return x + layers.Activation("linear", name=f"{name}_identity")(y)


def _stem(filters: int, name: str) -> Sequential:
    conv = layers.Conv2D(filters, 4, strides=4, name=f"{name}_stem_conv")
    return Sequential([conv, _norm(f"{name}_stem_layernorm")], name=f"{name}_stem")


def _downsampling(i: int, filters: int, name: str) -> Sequential:
    conv = layers.Conv2D(filters, 2, strides=2, name=f"{name}_downsampling_conv_{i}")
    return Sequential([_norm(f"{name}_downsampling_layernorm_{i}"), conv], name=f"{name}_downsampling_block_{i}")


def _convnext(size: str, third: int, width: int, hashes: tuple[str, str]) -> Callable[..., Model]:
    """`third`: blocks of the third stage, the others have 3; `width`: filters of the first."""
    title, default_name = f"ConvNeXt{size}", f"convnext_{size.lower()}"

    def application(
        include_top: bool = True,
        include_preprocessing: bool = True,
        weights: Any = "imagenet",
        input_tensor: KerasTensor | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str | None = default_name,
    ) -> Model:
        common = (include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name)
        frame = Frame(title, *common, channels_first=False)
        prefix = name or default_name
        x = frame.image
        if include_preprocessing and frame.channels(x) == 3:
            mean = [255 * m for m in (0.485, 0.456, 0.406)]
            variance = [(255 * s) ** 2 for s in (0.229, 0.224, 0.225)]
            x = layers.Normalization(mean=mean, variance=variance, name=f"{prefix}_prestem_normalization")(x)
        shrinking = [_stem(width, prefix)]
        shrinking += [_downsampling(i, width * 2 ** (i + 1), prefix) for i in range(3)]
        for stage, (shrink, blocks) in enumerate(zip(shrinking, (3, 3, third, 3), strict=True)):
            x = shrink(x)
            for j in range(blocks):
                x = _block(x, width * 2**stage, f"{prefix}_stage_{stage}_block_{j}")
        if include_top:
            x = layers.GlobalAveragePooling2D(name=f"{prefix}_head_gap")(x)
            x = frame.dense(_norm(f"{prefix}_head_layernorm")(x), f"{prefix}_head_dense")
        else:
            x = _norm()(frame.pool(x))
        return frame.finish(x, weight_files(f"convnext/{default_name}", hashes))

    about = f"{title}: {9 + third} blocks. Takes pictures in [0, 255], channels last."
    source = 'Z. Liu et al., "A ConvNet for the 2020s", 2022'
    return document(application, title, __name__, about, source)


ConvNeXtTiny = _convnext(
    "Tiny",
    9,
    96,
    (
        "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
)
ConvNeXtSmall = _convnext(
    "Small",
    27,
    96,
    (
        "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c",
        "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    ),
)
ConvNeXtBase = _convnext(
    "Base",
    27,
    128,
    (
        "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
        "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    ),
)
ConvNeXtLarge = _convnext(
    "Large",
    27,
    192,
    (
        "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6",
        "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    ),
)
ConvNeXtXLarge = _convnext(
    "XLarge",
    27,
    256,
    (
        "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee",
        "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
    ),
)
preprocess_input = preprocessing(None)
