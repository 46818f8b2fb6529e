"""`keras.distribution`: meshes of devices, how tensors lie on them (`mesh.py`), and what is in force (`strategies.py`).

One process computes on one device: distributions over a mesh of one device run, others can be described but not be set.
"""

from tahr.keras.distribution.mesh import DeviceMesh, LayoutMap, TensorLayout
from tahr.keras.distribution.strategies import (
    DataParallel,
    Distribution,
    ModelParallel,
    distribute_tensor,
    distribution,
    get_device_count,
    initialize,
    list_devices,
    set_distribution,
)

__all__ = [
    "DataParallel",
    "DeviceMesh",
    "Distribution",
    "LayoutMap",
    "ModelParallel",
    "TensorLayout",
    "distribute_tensor",
    "distribution",
    "get_device_count",
    "initialize",
    "list_devices",
    "set_distribution",
]
