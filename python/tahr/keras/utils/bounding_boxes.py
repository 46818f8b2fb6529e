"""`keras.utils.bounding_boxes`: boxes around objects in images, in several notations, moved and compared.

Notations: corners as "xyxy" or "yxyx", a corner and the size as "xywh", the centre and the size as "center_xywh" or
"center_yxhw"; with "rel_" before "xyxy", "yxyx", "xywh" and "center_xywh" in parts of the image's width and height.
"""

from __future__ import annotations

import math
from typing import Any

from tahr import ops
from tahr.keras.backend.config import epsilon

__all__ = [
    "affine_transform",
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]

_RELATIVE = ("rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")
FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", *_RELATIVE)


def _columns(boxes: Any) -> list[Any]:
    return list(ops.split(boxes, 4, axis=-1))


def _join(*columns: Any) -> Any:
    return ops.concatenate(list(columns), -1)


def _size(value: Any, dtype: str) -> Any:
    return ops.cast(ops.convert_to_tensor(value), dtype)


def convert_format(
    boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: str = "float32"
) -> Any:
    """Boxes in another notation.

    Args:
        boxes: (..., 4), or a dict that holds them under "boxes".
        source: their notation.
        target: the one wanted.
        height, width: of the images, in pixels; needed for relative notations.
        dtype: dtype of the result.

    Raises:
        ValueError: for unknown notations, boxes of another shape, or missing sizes.

    >>> from tahr import keras
    >>> keras.utils.bounding_boxes.convert_format([[1.0, 2.0, 4.0, 6.0]], "xyxy", "xywh").numpy().tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    source, target = source.lower(), target.lower()
    for name in (source, target):
        if name not in FORMATS:
            raise ValueError(f"[convert_format] expected notations among {FORMATS}, received {name!r}.")
    boxes = ops.cast(ops.convert_to_tensor(boxes), dtype)
    if boxes.shape[-1] != 4:
        raise ValueError(f"[convert_format] expected boxes of shape (..., 4), received {boxes.shape}.")
    if source == target:
        return boxes
    from_relative, to_relative = source in _RELATIVE, target in _RELATIVE
    if (from_relative or to_relative) and (height is None or width is None):
        raise ValueError(
            f"[convert_format] must receive `height` and `width` for {source!r} to {target!r}, received height={height}, "
            f"width={width}."
        )
    a, b, c, d = _columns(boxes)
    source, target = source.removeprefix("rel_"), target.removeprefix("rel_")
    if source in ("yxyx", "center_yxhw"):
        a, b, c, d = b, a, d, c
    if source == "xywh":
        c, d = a + c, b + d
    elif source.startswith("center"):
        a, b, c, d = a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0
    if from_relative and not to_relative:
        w, h = _size(width, dtype), _size(height, dtype)
        a, b, c, d = a * w, b * h, c * w, d * h
    elif to_relative and not from_relative:
        w, h = _size(width, dtype), _size(height, dtype)
        a, b, c, d = a / w, b / h, c / w, d / h
    if target == "xywh":
        c, d = c - a, d - b
    elif target.startswith("center"):
        a, b, c, d = (a + c) / 2.0, (b + d) / 2.0, c - a, d - b
    return _join(b, a, d, c) if target in ("yxyx", "center_yxhw") else _join(a, b, c, d)


def _clipped(boxes: Any, height: Any, width: Any) -> Any:
    x1, y1, x2, y2 = _columns(boxes)

    def within(value: Any, limit: Any) -> Any:
        return ops.minimum(ops.maximum(value, 0.0), limit)

    return _join(within(x1, width), within(y1, height), within(x2, width), within(y2, height))


def clip_to_image_size(
    bounding_boxes: dict[str, Any], height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> dict[str, Any]:
    """Cuts boxes at the edges of the image; labels of boxes of which nothing is left become -1.

    Args:
        bounding_boxes: {"boxes": (..., n, 4), "labels": (..., n)}; the labels may be absent.
        height, width: of the image, in pixels; needed for "xyxy".
        bounding_box_format: "xyxy" or "rel_xyxy".

    >>> from tahr import keras
    >>> boxes = {"boxes": [[-1.0, 1.0, 9.0, 3.0]]}
    >>> keras.utils.bounding_boxes.clip_to_image_size(boxes, height=4, width=5)["boxes"].numpy().tolist()
    [[0.0, 1.0, 5.0, 3.0]]
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        raise NotImplementedError(
            f"[clip_to_image_size] expected bounding_box_format 'xyxy' or 'rel_xyxy', received {bounding_box_format!r}."
        )
    boxes = ops.convert_to_tensor(bounding_boxes["boxes"])
    if bounding_box_format == "rel_xyxy":
        height, width = 1.0, 1.0
    elif height is None or width is None:
        raise ValueError("[clip_to_image_size] expected height and width for 'xyxy', received None.")
    dtype = str(boxes.dtype)
    boxes = _clipped(boxes, _size(height, dtype), _size(width, dtype))
    result = {**bounding_boxes, "boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        labels = ops.convert_to_tensor(bounding_boxes["labels"])
        x1, y1, x2, y2 = (ops.squeeze(c, -1) for c in _columns(boxes))
        result["labels"] = ops.where((x2 - x1) * (y2 - y1) > 0, labels, ops.full_like(labels, -1))
    return result


def warp(boxes: Any, transforms: Any) -> Any:
    """Where "xyxy" boxes (n, k, 4) lie after images were warped by transforms (n, 8), as in `affine_transform`.

    The transforms say where each pixel comes from, so the corners go through their inverses; the result is the
    smallest upright box around them.
    """
    a0, a1, a2, b0, b1, b2, c0, c1 = (transforms[:, i : i + 1] for i in range(8))
    x1, y1, x2, y2 = (ops.squeeze(c, -1) for c in _columns(boxes))
    xs, ys = [], []
    for x, y in ((x1, y1), (x2, y1), (x1, y2), (x2, y2)):
        z = (b0 * c1 - b1 * c0) * x + (a1 * c0 - a0 * c1) * y + (a0 * b1 - a1 * b0)
        xs.append(((b1 - b2 * c1) * x + (a2 * c1 - a1) * y + (a1 * b2 - a2 * b1)) / z)
        ys.append(((b2 * c0 - b0) * x + (a0 - a2 * c0) * y + (a2 * b0 - a0 * b2)) / z)
    x, y = ops.stack(xs, -1), ops.stack(ys, -1)
    return ops.stack([ops.min(x, axis=-1), ops.min(y, axis=-1), ops.max(x, axis=-1), ops.max(y, axis=-1)], -1)


def affine_matrix(
    angle: Any, translate_x: Any, translate_y: Any, scale: Any, shear_x: Any, shear_y: Any, *place: Any
) -> Any:
    """(n, 8) transforms of n angles (degrees), shifts, scales and shears (degrees) about (cx, cy), the rest of `place`."""
    cx, cy = place
    radians = math.pi / 180.0
    cos, sin = ops.cos(angle * radians), ops.sin(angle * radians)
    tx, ty = ops.tan(shear_x * radians), ops.tan(shear_y * radians)
    a0, a1 = scale * (cos + tx * sin), scale * (tx * cos - sin)
    b0, b1 = scale * (ty * cos + sin), scale * (cos - ty * sin)
    a2 = translate_x + cx - cx * a0 - cy * a1
    b2 = translate_y + cy - cx * b0 - cy * b1
    zero = ops.zeros_like(a0)
    return ops.stack([a0, a1, a2, b0, b1, b2, zero, zero], -1)


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: float | None = None,
    center_y: float | None = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """Boxes after their images were turned, moved, scaled and sheared.

    Args:
        boxes: (n, k, 4), k boxes in each of n images.
        angle: (n,), in degrees.
        translate_x, translate_y: (n,), in pixels.
        scale: (n,).
        shear_x, shear_y: (n,), in degrees.
        height, width: of the images, in pixels.
        center_x, center_y: the point that stays, in parts of the image; None for 0.5.
        bounding_box_format: "xyxy".

    Returns:
        (n, k, 4): the smallest upright boxes around the moved ones.
    """
    if bounding_box_format != "xyxy":
        raise NotImplementedError(f"[affine_transform] expected 'xyxy', received {bounding_box_format!r}.")
    values = [
        ops.cast(ops.convert_to_tensor(v), "float32")
        for v in (angle, translate_x, translate_y, scale, shear_x, shear_y)
    ]
    cx = (0.5 if center_x is None else center_x) * (width - 1)
    cy = (0.5 if center_y is None else center_y) * (height - 1)
    return warp(ops.cast(ops.convert_to_tensor(boxes), "float32"), affine_matrix(*values, cx, cy))


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Any:
    """Boxes (..., 4) after images were cut to `height` and `width` from row `top` and column `left`."""
    if bounding_box_format != "xyxy":
        raise NotImplementedError(f"[crop] expected 'xyxy', received {bounding_box_format!r}.")
    x1, y1, x2, y2 = _columns(ops.convert_to_tensor(boxes))
    return _clipped(_join(x1 - left, y1 - top, x2 - left, y2 - top), height, width)


def pad(
    boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """Boxes (..., 4) after `top` rows were put above images and `left` columns before them."""
    if bounding_box_format != "xyxy":
        raise NotImplementedError(f"[pad] expected 'xyxy', received {bounding_box_format!r}.")
    x1, y1, x2, y2 = _columns(ops.convert_to_tensor(boxes))
    return _join(x1 + left, y1 + top, x2 + left, y2 + top)


def _image_size(image_shape: Any) -> tuple[Any, Any]:
    return (None, None) if image_shape is None else (image_shape[0], image_shape[1])


def _check_encoding(op: str, name: str) -> None:
    if name not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"[{op}] expected the encoding 'center_xywh' or 'center_yxhw', received {name!r}.")


def _check_variance(op: str, variance: Any) -> Any:
    if variance is None:
        return None
    variance = ops.cast(ops.convert_to_tensor(variance), "float32")
    if variance.shape[-1] != 4:
        raise ValueError(f"[{op}] expected 4 variances, received shape {variance.shape}.")
    return variance


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Boxes as offsets from anchors: of the centres in parts of the anchor's size, and the logarithms of size ratios."""
    _check_encoding("encode_box_to_deltas", encoding_format)
    variance = _check_variance("encode_box_to_deltas", variance)
    height, width = _image_size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoding_format, height, width)
    boxes = convert_format(boxes, box_format, encoding_format, height, width)
    anchor_size = ops.maximum(anchors[..., 2:], epsilon())
    size = ops.maximum(boxes[..., 2:], epsilon())
    deltas = _join((boxes[..., :2] - anchors[..., :2]) / anchor_size, ops.log(size / anchor_size))
    return deltas if variance is None else deltas / variance


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """The inverse of `encode_box_to_deltas`; anchors and deltas may be dicts with one entry per level."""
    _check_encoding("decode_deltas_to_boxes", encoded_format)
    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        rest = (anchor_format, box_format, encoded_format, variance, image_shape)
        return {level: decode_deltas_to_boxes(a, boxes_delta[level], *rest) for level, a in anchors.items()}
    variance = _check_variance("decode_deltas_to_boxes", variance)
    height, width = _image_size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoded_format, height, width)
    deltas = ops.cast(ops.convert_to_tensor(boxes_delta), "float32")
    if variance is not None:
        deltas = deltas * variance
    size = anchors[..., 2:]
    boxes = _join(deltas[..., :2] * size + anchors[..., :2], ops.exp(deltas[..., 2:]) * size)
    return convert_format(boxes, encoded_format, box_format, height, width)


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> Any:
    """The area of the intersection of each pair of boxes over that of their union.

    Args:
        boxes1: (m, 4) or (batch, m, 4).
        boxes2: (n, 4) or (batch, n, 4).
        bounding_box_format: their notation.
        use_masking: whether pairs with a negative box get `mask_val`.
        mask_val: see there.
        image_shape: (height, width, channels), for relative notations.

    Returns:
        (m, n) or (batch, m, n).

    >>> from tahr import keras
    >>> a, b = [[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]]
    >>> keras.utils.bounding_boxes.compute_iou(a, b, "xyxy").numpy().round(4).tolist()
    [[0.33329999446868896]]
    """
    height, width = _image_size(image_shape)
    boxes1 = convert_format(boxes1, bounding_box_format, "xyxy", height, width)
    boxes2 = convert_format(boxes2, bounding_box_format, "xyxy", height, width)
    for boxes in (boxes1, boxes2):
        if len(boxes.shape) not in (2, 3):
            raise ValueError(f"[compute_iou] expected boxes of rank 2 or 3, received shape {boxes.shape}.")
    a, b = ops.expand_dims(boxes1, -2), ops.expand_dims(boxes2, -3)
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    wide = ops.maximum(ops.minimum(a[..., 2], b[..., 2]) - ops.maximum(a[..., 0], b[..., 0]), 0.0)
    high = ops.maximum(ops.minimum(a[..., 3], b[..., 3]) - ops.maximum(a[..., 1], b[..., 1]), 0.0)
    both = wide * high
    iou = both / (area_a + area_b - both + epsilon())
    if not use_masking:
        return iou
    absent = ops.logical_or(ops.max(a, axis=-1) < 0.0, ops.max(b, axis=-1) < 0.0)
    return ops.where(absent, ops.full_like(iou, mask_val), iou)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> Any:
    """The complete intersection over union of boxes (..., 4), pair by pair: also distance and proportions count.

    Source: Zheng et al., "Distance-IoU loss", 2020.
    """
    height, width = _image_size(image_shape)
    a = _columns(convert_format(boxes1, bounding_box_format, "xyxy", height, width))
    b = _columns(convert_format(boxes2, bounding_box_format, "xyxy", height, width))
    tiny = epsilon()
    ax1, ay1, ax2, ay2 = (ops.squeeze(c, -1) for c in a)
    bx1, by1, bx2, by2 = (ops.squeeze(c, -1) for c in b)
    aw, ah, bw, bh = ax2 - ax1, ay2 - ay1 + tiny, bx2 - bx1, by2 - by1 + tiny
    wide = ops.maximum(ops.minimum(ax2, bx2) - ops.maximum(ax1, bx1), 0.0)
    high = ops.maximum(ops.minimum(ay2, by2) - ops.maximum(ay1, by1), 0.0)
    both = wide * high
    iou = both / (aw * ah + bw * bh - both + 2 * tiny)
    around_x = ops.maximum(ax2, bx2) - ops.minimum(ax1, bx1)
    around_y = ops.maximum(ay2, by2) - ops.minimum(ay1, by1)
    diagonal = around_x * around_x + around_y * around_y + tiny
    dx, dy = (ax1 + ax2 - bx1 - bx2) / 2, (ay1 + ay2 - by1 - by2) / 2
    turn = ops.arctan(bw / bh) - ops.arctan(aw / ah)
    v = 4 / math.pi**2 * turn * turn
    alpha = v / (v - iou + (1 + tiny))
    return iou - ((dx * dx + dy * dy) / diagonal + v * alpha)
