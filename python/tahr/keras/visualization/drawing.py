"""Boxes and masks in images."""

from __future__ import annotations

from typing import Any

import numpy as np

from tahr.keras import ops
from tahr.keras.backend.config import standardize_data_format


def batch_of_images(images: Any, name: str, data_format: str | None) -> np.ndarray:
    """`images` as an array (batch, height, width, channels).

    Raises:
        ValueError: for another rank.
    """
    array = np.asarray(ops.convert_to_numpy(images))
    if array.ndim != 4:
        raise ValueError(
            f"[{name}] `images` must be batched 4D tensor, received shape {array.shape}. Put single images into a batch: "
            "images[None]."
        )
    return array.transpose(0, 2, 3, 1) if standardize_data_format(data_format) == "channels_first" else array


def _cv2(name: str) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"[{name}] expected the package cv2 (OpenCV) to draw with, found none. Install opencv-python-headless."
        ) from error
    return cv2


def draw_bounding_boxes(
    images: Any,
    bounding_boxes: dict[str, Any],
    bounding_box_format: str,
    class_mapping: dict[int, str] | None = None,
    color: Any = (128, 128, 128),
    line_thickness: int = 2,
    text_thickness: int | None = 1,
    font_scale: float = 1.0,
    data_format: str | None = None,
) -> np.ndarray:
    """Images with rectangles around what boxes frame, and the names of their classes. Needs OpenCV.

    Args:
        images: (batch, height, width, channels), or channels first; floats in 0..1 or 0..255, or integers.
        bounding_boxes: dict with "boxes" (batch, n, 4), "labels" (batch, n), -1 for no box, and perhaps "confidences"
            (batch, n).
        bounding_box_format: notation of the boxes, as in `keras.utils.bounding_boxes`.
        class_mapping: names of classes; a box of another class has no text.
        color: red, green and blue of rectangles and text.
        line_thickness: of rectangles, in pixels.
        text_thickness: of text; `line_thickness` for None.
        font_scale: size of text.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Returns:
        uint8 (batch, height, width, channels).

    Raises:
        ImportError: without OpenCV.
        ValueError: if `images` is no batch, or a key is missing.
        TypeError: if `bounding_boxes` is no dict.
    """
    name = "draw_bounding_boxes"
    cv2 = _cv2(name)
    from tahr.keras.utils.bounding_boxes import convert_format

    array = batch_of_images(images, name, data_format)
    if not isinstance(bounding_boxes, dict):
        raise TypeError(f"[{name}] `bounding_boxes` should be a dict, received {type(bounding_boxes).__name__}.")
    if not {"boxes", "labels"} <= set(bounding_boxes):
        raise ValueError(
            f"[{name}] expected bounding_boxes with the keys 'boxes' and 'labels', received {sorted(bounding_boxes)}."
        )
    boxes = convert_format(dict(bounding_boxes), bounding_box_format, "xyxy", array.shape[1], array.shape[2])
    if array.dtype.kind == "f" and array.size:
        array = np.clip(array, 0, 1) * 255 if array.max() <= 1.0 else np.clip(array, 0, 255)
    result = np.ascontiguousarray(array.astype("uint8"))
    corners = np.asarray(ops.convert_to_numpy(boxes["boxes"])).astype("int32")
    labels = np.asarray(ops.convert_to_numpy(boxes["labels"])).astype("int32")
    confidences = boxes.get("confidences")
    confidences = None if confidences is None else np.asarray(ops.convert_to_numpy(confidences))
    thickness = text_thickness or line_thickness
    for i, image in enumerate(result):
        for j, (left, top, right, bottom) in enumerate(corners[i].tolist()):
            label = int(labels[i, j])
            if label == -1:
                continue
            cv2.rectangle(image, (left, top), (right, bottom), color, line_thickness)
            if label in (class_mapping or {}):
                text = str(class_mapping[label])  # type: ignore[index]
                text = text if confidences is None else f"{text} | {confidences[i, j]:.2f}"
                place = _text_place(left, top, font_scale, thickness)
                cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, font_scale, color, thickness)
    return result


def _text_place(x: int, y: int, font_scale: float, thickness: int) -> tuple[int, int]:
    """Above the box if there is room, else inside of it."""
    height = int(font_scale * 12)
    return (x, y - 8) if y - 8 > 2 * height else (x + 3, y + 2 * height + thickness + 3)


def draw_segmentation_masks(
    images: Any,
    segmentation_masks: Any,
    num_classes: int | None = None,
    color_mapping: Any = None,
    alpha: float = 0.8,
    blend: bool = True,
    ignore_index: int = -1,
    data_format: str | None = None,
) -> np.ndarray:
    """Images with their classes of pixels in colors.

    Args:
        images: (batch, height, width, channels), or channels first, in 0..255.
        segmentation_masks: integers (batch, height, width, 1), or channels first: the class of each pixel.
        num_classes: number of classes, 0 up to num_classes - 1; the largest class for None, which then has no color.
        color_mapping: red, green and blue of each class; None for a palette.
        alpha: how opaque colors are, from 0 to 1.
        blend: False for plain colors in place of a mixture.
        ignore_index: class of pixels that stay as they are, in a mixture.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Returns:
        (batch, height, width, channels): uint8 of a mixture, else float32.

    Raises:
        ValueError: if `images` is no batch, or the masks have another shape.
        TypeError: for masks that are not integers.

    >>> import numpy as np
    >>> from tahr import keras
    >>> image, mask = np.zeros((1, 1, 2, 3)), np.array([[[[0], [1]]]])
    >>> keras.visualization.draw_segmentation_masks(image, mask, 2, {0: (0, 0, 0), 1: (10, 20, 30)}, 0.5)[0, 0].tolist()
    [[0, 0, 0], [5, 10, 15]]
    """
    name = "draw_segmentation_masks"
    pixels = batch_of_images(images, name, data_format).astype("float32")
    masks = np.asarray(ops.convert_to_numpy(segmentation_masks))
    if masks.dtype.kind not in "iu":
        raise TypeError(
            f"[{name}] `segmentation_masks` must be in integer dtype, received {masks.dtype}. Cast them to int32."
        )
    if masks.ndim == 4 and standardize_data_format(data_format) == "channels_first":
        masks = masks.transpose(0, 2, 3, 1)
    if masks.shape != (*pixels.shape[:3], 1):
        raise ValueError(
            f"[{name}] expected segmentation_masks of shape {(*pixels.shape[:3], 1)}, received {masks.shape}."
        )
    masks = masks[..., 0]
    if num_classes is None:
        num_classes = int(masks.max())
    colored = pixels.copy()
    for label in range(num_classes):
        colored[masks == label] = _palette(label) if color_mapping is None else color_mapping[label]
    if not blend:
        return colored
    mixed = pixels * (1 - alpha) + colored * alpha
    return np.where((masks != ignore_index)[..., None], mixed, pixels).astype("uint8")


def _palette(label: int) -> list[int]:
    return [label * step % 255 for step in (2**25 - 1, 2**15 - 1, 2**21 - 1)]
