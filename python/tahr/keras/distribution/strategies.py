"""DataParallel, ModelParallel, and which of them is in force."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tahr.keras.backend import state
from tahr.keras.distribution.mesh import DeviceMesh, LayoutMap, TensorLayout


def list_devices(device_type: str | None = None) -> list[str]:
    """Names of the devices that this process computes on.

    Args:
        device_type: "cpu", "gpu" or "tpu"; None for the best there is.

    Example:
        >>> from tahr import keras
        >>> keras.distribution.list_devices("cpu")
        ['cpu:0']
    """
    if device_type is not None and device_type.lower() not in ("cpu", "gpu", "tpu"):
        raise ValueError(f"[list_devices] expected device_type 'cpu', 'gpu' or 'tpu', received {device_type!r}.")
    return ["cpu:0"] if device_type is None or device_type.lower() == "cpu" else []


def get_device_count(device_type: str | None = None) -> int:
    """How many devices of a type there are; see `list_devices`."""
    return len(list_devices(device_type))


def initialize(
    job_addresses: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Nothing for one process; several are not supported.

    Args:
        job_addresses: addresses of the processes, or environment variable KERAS_DISTRIBUTION_JOB_ADDRESSES.
        num_processes: their number, or KERAS_DISTRIBUTION_NUM_PROCESSES.
        process_id: number of this one, or KERAS_DISTRIBUTION_PROCESS_ID.

    Raises:
        NotImplementedError: for more than one process.
    """
    addresses = job_addresses or os.environ.get("KERAS_DISTRIBUTION_JOB_ADDRESSES", "")
    count = num_processes or int(os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", "1"))
    number = process_id or int(os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", "0"))
    if count > 1 or number > 0 or addresses.count(",") > 0:
        raise NotImplementedError(
            f"[initialize] expected one process, received {count}. A model trains in one process."
        )


class Distribution:
    """Base of `DataParallel` and `ModelParallel`."""

    def __init__(self, device_mesh: DeviceMesh, batch_dim_name: str | None, auto_shard_dataset: bool) -> None:
        self._device_mesh = device_mesh
        self._batch_dim_name = batch_dim_name
        self._auto_shard_dataset = auto_shard_dataset

    @property
    def device_mesh(self) -> DeviceMesh:
        """The devices."""
        return self._device_mesh

    @property
    def batch_dim_name(self) -> str | None:
        """The axis of the mesh that cuts batches."""
        return self._batch_dim_name

    @property
    def auto_shard_dataset(self) -> bool:
        """Whether processes cut a dataset into parts; one process reads all of it."""
        return self._auto_shard_dataset

    @auto_shard_dataset.setter
    def auto_shard_dataset(self, value: bool) -> None:
        self._auto_shard_dataset = value

    @property
    def num_processes(self) -> int:
        """1."""
        return 1

    @property
    def num_model_replicas(self) -> int:
        """How many copies of the model the mesh holds."""
        raise NotImplementedError

    @property
    def data_shard_id(self) -> int:
        """Which part of the data this process reads."""
        return 0

    @property
    def num_data_shards(self) -> int:
        """Into how many parts processes cut the data."""
        return 1

    def get_data_layout(self, data_shape: Sequence[int | None]) -> TensorLayout:
        """Batches are cut along their first axis."""
        return TensorLayout([self.batch_dim_name, *[None] * (len(data_shape) - 1)], self.device_mesh)

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """How a variable lies on the mesh."""
        return TensorLayout([None] * len(variable.shape), self.device_mesh)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """How the tensor at this path lies on the mesh; None for no wish."""
        return None

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """While this holds, the distribution is in force."""
        former = distribution()
        set_distribution(self)
        try:
            yield
        finally:
            set_distribution(former)

    def distribute_dataset(self, dataset: Any) -> Any:
        """`dataset`, all of which the one process reads."""
        return dataset

    def __repr__(self) -> str:
        return f"<{type(self).__name__} device_mesh={self.device_mesh}>"


class DataParallel(Distribution):
    """Each device computes on a part of the batch.

    Args:
        device_mesh: mesh of one axis, or
        devices: names of devices; all there are if both are None.
        auto_shard_dataset: whether processes cut a dataset into parts.

    Example:
        >>> from tahr import keras
        >>> with keras.distribution.DataParallel().scope():
        ...     model = keras.Sequential([keras.layers.Dense(1)])
    """

    def __init__(
        self, device_mesh: DeviceMesh | None = None, devices: Any = None, auto_shard_dataset: bool = True
    ) -> None:
        if device_mesh is None:
            names = np.array(list_devices() if devices is None else devices)
            device_mesh = DeviceMesh(names.shape, ["batch"], names)
        elif not isinstance(device_mesh, DeviceMesh):
            raise ValueError(
                f"[DataParallel] Expect `mesh` to be an instance of `DeviceMesh`, received {type(device_mesh).__name__}."
            )
        super().__init__(device_mesh, device_mesh.axis_names[0], auto_shard_dataset)
        if device_mesh.devices.ndim != 1:
            warnings.warn(
                f"[DataParallel] Expect the input mesh to be 1D, received {device_mesh}: its first axis cuts the batch.",
                stacklevel=2,
            )

    @property
    def num_model_replicas(self) -> int:
        """One per device."""
        return int(self.device_mesh.devices.size)


class ModelParallel(Distribution):
    """Variables are cut as a `LayoutMap` says, batches along one axis of its mesh.

    Args:
        layout_map: the layouts.
        batch_dim_name: axis of the mesh that cuts batches; the first if None.
        auto_shard_dataset: whether processes cut a dataset into parts.
        kwargs: `device_mesh`, which has to be that of the map.

    Example:
        >>> from tahr import keras
        >>> layouts = keras.distribution.LayoutMap(keras.distribution.DeviceMesh((1, 1), ["batch", "model"]))
        >>> keras.distribution.ModelParallel(layout_map=layouts).batch_dim_name
        'batch'
    """

    def __init__(
        self,
        *,
        layout_map: LayoutMap | None = None,
        batch_dim_name: str | None = None,
        auto_shard_dataset: bool = True,
        **kwargs: Any,
    ) -> None:
        if layout_map is None:
            raise ValueError("[ModelParallel] You must specify a layout_map argument.")
        if not isinstance(layout_map, LayoutMap):
            raise ValueError(
                f"[ModelParallel] Argument `layout_map` must be a `LayoutMap` instance, got {layout_map!r}."
            )
        mesh = layout_map.device_mesh
        if mesh is None or kwargs.pop("device_mesh", mesh) is not mesh or kwargs:
            raise ValueError(
                f"[ModelParallel] expected the mesh of the layout_map, {mesh}, and no others, got {kwargs}."
            )
        super().__init__(mesh, batch_dim_name or mesh.axis_names[0], auto_shard_dataset)
        self._layout_map = layout_map

    @property
    def num_model_replicas(self) -> int:
        """The size of the axis that cuts batches."""
        return self.device_mesh.shape[list(self.device_mesh.axis_names).index(str(self.batch_dim_name))]

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """What the map says, else not cut."""
        return self._layout_map[variable.path] or super().get_variable_layout(variable)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """What the map says."""
        return self._layout_map[path]


def _need_one_device(mesh: DeviceMesh, where: str) -> None:
    if mesh.devices.size > 1:
        raise NotImplementedError(
            f"[{where}] expected a mesh of one device, received {mesh}: a model computes on one device, with all cores."
        )


def distribute_tensor(tensor: Any, layout: TensorLayout) -> Any:
    """`tensor` on the mesh of `layout`: itself for a mesh of one device.

    Raises:
        NotImplementedError: for more than one.
    """
    if layout.device_mesh is not None:
        _need_one_device(layout.device_mesh, "distribute_tensor")
    return tensor


def distribution() -> Distribution | None:
    """The distribution in force."""
    return state.get_session("distribution")


def set_distribution(value: Distribution | None) -> None:
    """Puts a distribution in force; None for none.

    Raises:
        NotImplementedError: for a mesh of more than one device.
    """
    if value is not None:
        _need_one_device(value.device_mesh, "set_distribution")
    state.set_session("distribution", value)
