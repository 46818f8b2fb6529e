"""DeviceMesh, TensorLayout and LayoutMap."""

from __future__ import annotations

import collections.abc
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


class DeviceMesh:
    """Devices in a grid whose axes have names.

    Args:
        shape: sizes of the axes.
        axis_names: a name for each.
        devices: names of as many devices; all there are if None.

    Raises:
        ValueError: if these do not fit together.

    Example:
        >>> from tahr import keras
        >>> mesh = keras.distribution.DeviceMesh((2, 2), ["batch", "model"], [f"cpu:{i}" for i in range(4)])
        >>> mesh.devices[1].tolist()
        ['cpu:2', 'cpu:3']
    """

    def __init__(self, shape: Sequence[int], axis_names: Sequence[str], devices: Any = None) -> None:
        if not shape or not axis_names:
            raise ValueError(
                f"[DeviceMesh] Shape and axis_names cannot be empty, received shape={shape}, axis_names={axis_names}."
            )
        if len(shape) != len(axis_names):
            raise ValueError(
                f"[DeviceMesh] Shape and axis_names should have same size, received shape={shape}, axis_names={axis_names}."
            )
        if devices is None:
            from tahr.keras.distribution.strategies import list_devices

            devices = list_devices()
        array = np.array(devices)
        if math.prod(shape) != array.size:
            raise ValueError(
                f"[DeviceMesh] Shape does not match the number of devices, received shape={shape} and {array.size} devices."
            )
        self._shape = shape
        self._axis_names = axis_names
        self._devices = array.reshape(tuple(shape))

    @property
    def shape(self) -> Sequence[int]:
        """Sizes of the axes."""
        return self._shape

    @property
    def axis_names(self) -> Sequence[str]:
        """Names of the axes."""
        return self._axis_names

    @property
    def devices(self) -> np.ndarray:
        """Names of the devices, an array of the mesh's shape."""
        return self._devices

    @property
    def backend_mesh(self) -> DeviceMesh:
        """The mesh itself."""
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} shape={self.shape}, axis_names={self.axis_names}>"


class TensorLayout:
    """Along which axis of a mesh each axis of a tensor is cut; None where it is not.

    Args:
        axes: a name of an axis of the mesh, or None, per axis of the tensor.
        device_mesh: the mesh; may be set later, once.

    Raises:
        ValueError: for a name that the mesh lacks.

    Example:
        >>> from tahr import keras
        >>> keras.distribution.TensorLayout(["batch", None]).axes
        ('batch', None)
    """

    def __init__(self, axes: Sequence[str | None], device_mesh: DeviceMesh | None = None) -> None:
        self._axes = tuple(axes)
        self._device_mesh = device_mesh
        self._check()

    def _check(self) -> None:
        if self._device_mesh is None:
            return
        unknown = {axis for axis in self._axes if axis is not None} - set(self._device_mesh.axis_names)
        if unknown:
            raise ValueError(
                f"[TensorLayout] Invalid axis names for Layout: expected some of {list(self._device_mesh.axis_names)}, "
                f"received {sorted(unknown)}."
            )

    @property
    def axes(self) -> tuple[str | None, ...]:
        """A name or None per axis of the tensor."""
        return self._axes

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh, None if not set yet."""
        return self._device_mesh

    @device_mesh.setter
    def device_mesh(self, mesh: DeviceMesh) -> None:
        if self._device_mesh is not None:
            raise ValueError(f"[TensorLayout] Cannot override device mesh value, which is {self._device_mesh}.")
        self._device_mesh = mesh
        self._check()

    @property
    def backend_layout(self) -> TensorLayout:
        """The layout itself.

        Raises:
            ValueError: without a mesh.
        """
        if self._device_mesh is None:
            raise ValueError(
                "[TensorLayout] Cannot create sharding when device mesh is not set: set device_mesh first."
            )
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} axes={self.axes}, device_mesh={self.device_mesh}>"


class LayoutMap(collections.abc.MutableMapping):
    """Layouts by the paths of variables: a path itself, or a regular expression that a path matches as a whole.

    Args:
        device_mesh: mesh for layouts that have none.

    Example:
        >>> from tahr import keras
        >>> layouts = keras.distribution.LayoutMap(keras.distribution.DeviceMesh((1,), ["model"]))
        >>> layouts[".*/kernel"] = (None, "model")
        >>> layouts["dense/kernel"].axes
        (None, 'model')
    """

    def __init__(self, device_mesh: DeviceMesh | None) -> None:
        self._layouts: dict[str, TensorLayout] = {}
        self._device_mesh = device_mesh

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh for layouts that have none."""
        return self._device_mesh

    def __getitem__(self, key: str) -> TensorLayout | None:
        if key in self._layouts:
            return self._layouts[key]
        found = [pattern for pattern in self._layouts if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(
                f"[LayoutMap] Path '{key}' matches multiple layout specification keys: {found}. Make them narrower."
            )
        return self._layouts[found[0]] if found else None

    def __setitem__(self, key: str, layout: Any) -> None:
        if key in self._layouts:
            raise ValueError(f"[LayoutMap] {key} already exist in the LayoutMap with value {self._layouts[key]}.")
        if isinstance(layout, tuple):
            layout = TensorLayout(layout)
        if not isinstance(layout, TensorLayout):
            raise ValueError(f"[LayoutMap] {layout} should be a TensorLayout type, received {type(layout)}.")
        if layout.device_mesh is None and self.device_mesh is not None:
            layout.device_mesh = self.device_mesh
        self._layouts[key] = layout

    def __delitem__(self, key: str) -> None:
        del self._layouts[key]

    def __len__(self) -> int:
        return len(self._layouts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layouts)
