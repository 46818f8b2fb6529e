"""Images side by side, as a figure of matplotlib."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tahr.keras import ops
from tahr.keras.visualization.drawing import batch_of_images, draw_bounding_boxes, draw_segmentation_masks


def plot_image_gallery(
    images: Any,
    y_true: Any = None,
    y_pred: Any = None,
    label_map: dict[int, str] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    value_range: Any = (0, 255),
    scale: float = 2,
    path: Any = None,
    show: bool | None = None,
    transparent: bool = True,
    dpi: int = 60,
    legend_handles: Any = None,
    data_format: str | None = None,
) -> None:
    """Shows images in rows and columns, or writes the figure to a file. Needs matplotlib.

    Args:
        images: (batch, height, width, channels), or channels first.
        y_true: classes (batch,), to be named above the images.
        y_pred: predicted classes (batch,), likewise.
        label_map: names of the classes.
        rows: rows of the figure; about the square root of the number of images for None.
        cols: columns of the figure; as many as are needed for None.
        value_range: smallest and largest value of pixels.
        scale: inches per image.
        path: file to write; None to show the figure.
        show: whether to show it; only without `path`.
        transparent, dpi: of the file.
        legend_handles: matplotlib patches for a legend below.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.

    Raises:
        ValueError: if `images` is no batch, labels have no names, or both `path` and `show` are given.
        ImportError: without matplotlib.
    """
    name = "plot_image_gallery"
    if path is not None and show:
        raise ValueError(f"[{name}] expected one of path and show, received both. The file at path can be shown later.")
    if (y_true is not None or y_pred is not None) and label_map is None:
        raise ValueError(
            f"[{name}] expected a `label_map` beside y_true or y_pred, received None. Pass {{class: name}}."
        )
    pixels = batch_of_images(images, name, data_format).astype("float32")
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"[{name}] expected the package matplotlib, found none. Install matplotlib.") from error
    rows = rows or math.ceil(math.sqrt(len(pixels)))
    cols = cols or math.ceil(len(pixels) / rows)
    low, high = value_range
    pixels = ((pixels - low) * (255 / (high - low))).astype("uint8")
    size = (cols * scale, rows * scale)
    figure, axes = plt.subplots(rows, cols, figsize=size, frameon=False, layout="tight", squeeze=False)
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center")
    words = {}
    for word, labels in (("Label", y_true), ("Pred", y_pred)):
        if labels is not None:
            words[word] = np.asarray(ops.convert_to_numpy(labels)).tolist()
    for i, axis in enumerate(axes.flat):
        axis.axis("off")
        if i >= len(pixels):
            continue
        axis.imshow(pixels[i])
        axis.margins(x=0, y=0)
        parts = [f"{w}: {(label_map or {}).get(v[i], 'Unknown')}" for w, v in words.items() if i < len(v)]
        if parts:
            axis.set_title("  ".join(parts), fontsize=8)
    if path is not None:
        figure.savefig(path, pad_inches=0, bbox_inches="tight", transparent=transparent, dpi=dpi)
    elif show is None or show:
        plt.show()
    if path is not None or show is None or show:
        plt.close(figure)


def plot_bounding_box_gallery(
    images: Any,
    bounding_box_format: str,
    y_true: Any = None,
    y_pred: Any = None,
    value_range: Any = (0, 255),
    true_color: Any = (0, 188, 212),
    pred_color: Any = (255, 235, 59),
    line_thickness: int = 2,
    font_scale: float = 1.0,
    text_thickness: int | None = None,
    class_mapping: dict[int, str] | None = None,
    ground_truth_mapping: dict[int, str] | None = None,
    prediction_mapping: dict[int, str] | None = None,
    legend: bool = False,
    legend_handles: Any = None,
    rows: int | None = None,
    cols: int | None = None,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Shows images with boxes, true ones and predicted ones in two colors. Needs OpenCV and matplotlib.

    Args:
        images, value_range, rows, cols, data_format: as of `plot_image_gallery`.
        bounding_box_format, line_thickness, font_scale, text_thickness: as of `draw_bounding_boxes`.
        y_true, y_pred: boxes, as `draw_bounding_boxes` takes them.
        true_color, pred_color: their colors.
        class_mapping: names of classes.
        ground_truth_mapping, prediction_mapping: the same for one of the two.
        legend: whether to explain the colors below.
        legend_handles: matplotlib patches for a legend of one's own, in its place.
        kwargs: further arguments of `plot_image_gallery`.

    Raises:
        ValueError: if `images` is no batch, or for two legends.
        ImportError: without OpenCV or matplotlib.
    """
    name = "plot_bounding_box_gallery"
    if legend and legend_handles:
        raise ValueError(f"[{name}] expected one of legend and legend_handles, received both.")
    pixels = batch_of_images(images, name, data_format)
    for boxes, color, mapping in (
        (y_true, true_color, ground_truth_mapping or class_mapping),
        (y_pred, pred_color, prediction_mapping or class_mapping),
    ):
        if boxes is not None:
            pixels = draw_bounding_boxes(
                pixels,
                boxes,
                bounding_box_format,
                mapping,
                color,
                line_thickness,
                text_thickness,
                font_scale,
                data_format="channels_last",
            )
    if legend:
        from matplotlib import patches

        pairs = ((true_color, "Ground Truth"), (pred_color, "Prediction"))
        legend_handles = [patches.Patch(color=tuple(c / 255 for c in color), label=label) for color, label in pairs]
    plot_image_gallery(
        pixels,
        value_range=value_range,
        legend_handles=legend_handles,
        rows=rows,
        cols=cols,
        data_format="channels_last",
        **kwargs,
    )


def plot_segmentation_mask_gallery(
    images: Any,
    num_classes: int,
    value_range: Any = (0, 255),
    y_true: Any = None,
    y_pred: Any = None,
    color_mapping: Any = None,
    blend: bool = True,
    alpha: float = 0.8,
    ignore_index: int = -1,
    data_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Shows each image in a row, beside it the image with its true and its predicted mask. Needs matplotlib.

    Args:
        images, value_range, data_format: as of `plot_image_gallery`.
        num_classes, color_mapping, blend, alpha, ignore_index: as of `draw_segmentation_masks`.
        y_true, y_pred: masks, as `draw_segmentation_masks` takes them; cast to integers.
        kwargs: further arguments of `plot_image_gallery`.

    Raises:
        ValueError: if `images` is no batch.
        ImportError: without matplotlib.
    """
    columns = [batch_of_images(images, "plot_segmentation_mask_gallery", data_format)]
    for masks in (y_true, y_pred):
        if masks is not None:
            labels = np.asarray(ops.convert_to_numpy(masks)).astype("int32")
            drawn = draw_segmentation_masks(
                images, labels, num_classes, color_mapping, alpha, blend, ignore_index, data_format
            )
            columns.append(drawn)
    pixels = np.stack(columns, axis=1).reshape(-1, *columns[0].shape[1:])
    plot_image_gallery(
        pixels, value_range=value_range, rows=len(columns[0]), cols=len(columns), data_format="channels_last", **kwargs
    )
