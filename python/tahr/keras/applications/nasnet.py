"""NASNet-A: two kinds of cells, found by a search on small pictures, stacked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import layers
from tahr.keras.applications.common import URL, Frame, WeightFile, document
from tahr.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tahr.keras.backend import KerasTensor
from tahr.keras.models import Model

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]


def _norm(frame: Frame, x: Any, name: str) -> Any:
    return frame.norm(x, name, momentum=0.9997, epsilon=1e-3)


def _relu(x: Any, name: str | None = None) -> Any:
    return layers.Activation("relu", name=name)(x)


def _point(frame: Frame, x: Any, filters: int, name: str) -> Any:
    return frame.conv(x, filters, 1, name, padding="same", kernel_initializer="he_normal")


def _separable(frame: Frame, x: Any, filters: int, kernel: int, name: str, stride: int = 1) -> Any:
    """Twice relu, separable convolution, normalisation; the first of them strided."""
    x = _relu(x)
    if stride == 2:
        x = frame.pad(x, kernel, f"separable_conv_1_pad_{name}")
    for i, step in ((1, stride), (2, 1)):
        if i == 2:
            x = _relu(x)
        x = layers.SeparableConv2D(
            filters,
            kernel,
            strides=step,
            padding="same" if step == 1 else "valid",
            use_bias=False,
            name=f"separable_conv_{i}_{name}",
        )(x)
        x = _norm(frame, x, f"separable_conv_{i}_bn_{name}")
    return x


def _pool(kind: Any, x: Any, stride: int, name: str) -> Any:
    return kind(3, strides=stride, padding="same" if stride == 1 else "valid", name=name)(x)


def _adjust(frame: Frame, before: Any, x: Any, filters: int, name: str) -> Any:
    """The output of the cell before the last, brought to the size and the channels of this one."""
    if before is None:
        return x
    if before.shape[-2] != x.shape[-2]:
        # Two halves of the channels, from the even and from the odd places.
        before = _relu(before, f"adjust_relu_1_{name}")
        even = layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_1_{name}")(before)
        even = _point(frame, even, filters // 2, f"adjust_conv_1_{name}")
        odd = layers.Cropping2D(((1, 0), (1, 0)))(layers.ZeroPadding2D(((0, 1), (0, 1)))(before))
        odd = layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_2_{name}")(odd)
        odd = _point(frame, odd, filters // 2, f"adjust_conv_2_{name}")
        return _norm(frame, layers.concatenate([even, odd], axis=frame.axis), f"adjust_bn_{name}")
    if frame.channels(before) != filters:
        return _norm(
            frame, _point(frame, _relu(before), filters, f"adjust_conv_projection_{name}"), f"adjust_bn_{name}"
        )
    return before


def _normal_cell(frame: Frame, x: Any, before: Any, filters: int, name: str) -> Any:
    average = layers.AveragePooling2D
    p = _adjust(frame, before, x, filters, name)
    h = _norm(frame, _point(frame, _relu(x), filters, f"normal_conv_1_{name}"), f"normal_bn_1_{name}")

    def separable(x: Any, kernel: int, side: str) -> Any:
        return _separable(frame, x, filters, kernel, f"normal_{side}_{name}")

    def add(i: int, left: Any, right: Any) -> Any:
        return layers.add([left, right], name=f"normal_add_{i}_{name}")

    parts = [p, add(1, separable(h, 5, "left1"), separable(p, 3, "right1"))]
    parts.append(add(2, separable(p, 5, "left2"), separable(p, 3, "right2")))
    parts.append(add(3, _pool(average, h, 1, f"normal_left3_{name}"), p))
    left, right = (_pool(average, p, 1, f"normal_{side}4_{name}") for side in ("left", "right"))
    parts.append(add(4, left, right))
    parts.append(add(5, separable(h, 3, "left5"), h))
    return layers.concatenate(parts, axis=frame.axis, name=f"normal_concat_{name}")


def _reduction_cell(frame: Frame, x: Any, before: Any, filters: int, name: str) -> Any:
    average, largest = layers.AveragePooling2D, layers.MaxPooling2D
    p = _adjust(frame, before, x, filters, name)
    h = _norm(frame, _point(frame, _relu(x), filters, f"reduction_conv_1_{name}"), f"reduction_bn_1_{name}")
    padded = frame.pad(h, 3, f"reduction_pad_1_{name}")

    def separable(x: Any, kernel: int, side: str, stride: int = 2) -> Any:
        return _separable(frame, x, filters, kernel, f"reduction_{side}_{name}", stride)

    def add(tail: str, left: Any, right: Any) -> Any:
        return layers.add([left, right], name=f"reduction_{tail}_{name}")

    x1 = add("add_1", separable(h, 5, "left1"), separable(p, 7, "right1"))
    x2 = add("add_2", _pool(largest, padded, 2, f"reduction_left2_{name}"), separable(p, 7, "right2"))
    x3 = add("add3", _pool(average, padded, 2, f"reduction_left3_{name}"), separable(p, 5, "right3"))
    x4 = layers.add([x2, _pool(average, x1, 1, f"reduction_left4_{name}")])
    x5 = separable(x1, 3, "left4", stride=1)
    x5 = add("add4", x5, _pool(largest, padded, 2, f"reduction_right5_{name}"))
    return layers.concatenate([x2, x3, x4, x5], axis=frame.axis, name=f"reduction_concat_{name}")


def _cells(frame: Frame, filters: int, blocks: int, stem: int, skip_reduction: bool) -> Any:
    """`filters`: of the cells of the first of three stages; `skip_reduction`: whether the first cell of a stage looks
    back over the reduction."""
    x = frame.conv(frame.image, stem, 3, "stem_conv1", strides=2, kernel_initializer="he_normal")
    x = _norm(frame, x, "stem_bn1")
    before: Any = None
    for i, part in ((1, 4), (2, 2)):
        x, before = _reduction_cell(frame, x, before, filters // part, f"stem_{i}"), x
    for stage in range(3):
        if stage:
            last = x
            x = _reduction_cell(frame, x, before, filters * 2**stage, f"reduce_{stage * blocks}")
            before = before if skip_reduction else last
        for j in range(blocks):
            # Keras numbers the cells of all stages through, with a gap for the reductions.
            number = stage * blocks + j + (1 if stage else 0)
            x, before = _normal_cell(frame, x, before, filters * 2**stage, str(number)), x
    return frame.head(_relu(x), average=None, named=False)


def _nasnet(
    kind: str, size: int, hashes: tuple[str, str], last_filters: int, blocks: int, stem: int, skip_reduction: bool
) -> Callable[..., Model]:
    title, default_name = f"NASNet{kind}", f"nasnet_{kind.lower()}"
    url = f"{URL}nasnet/NASNet-{kind.lower()}"
    published = (
        WeightFile(f"{url}.h5", hashes[0], f"{default_name}.h5"),
        WeightFile(f"{url}-no-top.h5", hashes[1], f"{default_name}_no_top.h5"),
    )

    def application(
        input_shape: tuple[int | None, ...] | None = None,
        include_top: bool = True,
        weights: Any = "imagenet",
        input_tensor: KerasTensor | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str | None = default_name,
    ) -> Model:
        if kind == "Mobile" and input_shape is None and input_tensor is None:
            input_shape = (size, size, 3)
        common = (include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name)
        frame = Frame(title, *common, size=size, channels_first=False)
        if frame.imagenet and input_shape is not None and None in input_shape:
            raise frame.error("an input_shape without None for weights='imagenet'", str(input_shape))
        return frame.finish(_cells(frame, last_filters // 24, blocks, stem, skip_reduction), published)

    about = f"{title}: {3 * blocks} normal cells and 4 reductions. Pictures have their channels last."
    source = 'B. Zoph et al., "Learning transferable architectures for scalable image recognition", 2017'
    return document(application, title, __name__, about, source, size)


NASNetMobile = _nasnet(
    "Mobile", 224, ("020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63"), 1056, 4, 32, False
)
NASNetLarge = _nasnet(
    "Large", 331, ("11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5"), 4032, 6, 96, True
)
preprocess_input = preprocessing("tf")
