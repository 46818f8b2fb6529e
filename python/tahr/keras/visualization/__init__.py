"""keras.visualization: boxes and masks drawn into images (`drawing.py`), and images side by side (`galleries.py`).

Pixels are NumPy arrays here. Figures need matplotlib, boxes OpenCV: both are imported when something is drawn. What plots
models lives in `utils/drawing.py`.
"""

from tahr.keras.visualization.drawing import draw_bounding_boxes, draw_segmentation_masks
from tahr.keras.visualization.galleries import (
    plot_bounding_box_gallery,
    plot_image_gallery,
    plot_segmentation_mask_gallery,
)

__all__ = [
    "draw_bounding_boxes",
    "draw_segmentation_masks",
    "plot_bounding_box_gallery",
    "plot_image_gallery",
    "plot_segmentation_mask_gallery",
]
