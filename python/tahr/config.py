"""Threads, memory, instruction sets and devices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from tahr import _C

__all__ = [
    *("PhysicalDevice", "device", "floatx", "functions_run_eagerly", "image_data_format"),
    *("experimental", "instruction_set", "list_logical_devices"),
    *("list_physical_devices", "memory_stats", "num_threads", "run_functions_eagerly"),
    *("release_cached_memory", "reset_peak_memory", "set_floatx", "set_image_data_format"),
    "set_num_threads",
]


class PhysicalDevice(NamedTuple):
    """A device: its name such as ``"/physical_device:CPU:0"`` and its type."""

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices that ops can run on. This build computes on the CPU."""
    devices = [PhysicalDevice("/physical_device:CPU:0", "CPU")]
    return [d for d in devices if device_type is None or d.device_type == device_type]


def list_logical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices under the names that `device` takes: "/device:CPU:0"."""
    return [
        PhysicalDevice(d.name.replace("physical_device", "device"), d.device_type)
        for d in list_physical_devices(device_type)
    ]


class experimental:
    """Names that scripts look for under `tf.config.experimental`."""

    @staticmethod
    def set_memory_growth(device: PhysicalDevice, enable: bool) -> None:
        """Has the device's memory taken when it is needed, as it always is.

        Raises:
            ValueError: with `enable=False`: all of a device's memory is never taken ahead.
        """
        if not enable:
            raise ValueError(
                "[set_memory_growth] expected enable=True: memory is taken when it is needed, never ahead."
            )

    @staticmethod
    def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
        """`tahr.config.list_physical_devices`."""
        return list_physical_devices(device_type)

    @staticmethod
    def list_logical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
        """`tahr.config.list_logical_devices`."""
        return list_logical_devices(device_type)


@contextlib.contextmanager
def device(name: str) -> Iterator[None]:
    """Inside this context tensors are made on the device called `name`: ``"cpu"``, ``"/cpu:0"``, ...

    Raises:
        ValueError: for a device that this build cannot compute on.
    """
    kind = name.lower().strip("/").removeprefix("device:").removeprefix("physical_device:").split(":")[0]
    if kind != "cpu":
        raise ValueError(f"[device] expected a CPU such as '/cpu:0', received {name!r}: this build has no GPU support.")
    yield


_eager = False


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Has every `tahr.function`, and every step of `fit`, run as plain Python, to follow it in a debugger."""
    global _eager
    if not isinstance(run_eagerly, bool):
        raise TypeError(f"[run_functions_eagerly] expected True or False, received {run_eagerly!r}.")
    _eager = run_eagerly


def functions_run_eagerly() -> bool:
    """Whether `run_functions_eagerly(True)` is in force."""
    return _eager


def image_data_format() -> str:
    """Where ops expect the channels of images if not told: "channels_last", or "channels_first"."""
    return _C.image_data_format()


def set_image_data_format(data_format: str) -> None:
    """Changes what `image_data_format()` returns.

    Raises:
        ValueError: if `data_format` is neither "channels_last" nor "channels_first".
    """
    _C.set_image_data_format(data_format)


def num_threads() -> int:
    """How many threads ops may use, the calling one included."""
    return _C.num_threads()


def set_num_threads(n: int) -> None:
    """Lets ops use `n` threads. Results have the same bits for any `n`."""
    _C.set_num_threads(n)


def instruction_set() -> str:
    """The instruction set the kernels run with; the environment variable TAHR_ISA forces one."""
    return _C.isa_name()


def floatx() -> str:
    """The default floating-point dtype."""
    return _C.floatx()


def set_floatx(value: str) -> None:
    """Sets the default floating-point dtype: float16, bfloat16, float32 or float64."""
    _C.set_floatx(str(value))


def memory_stats() -> dict[str, Any]:
    """Bytes of tensor memory: `live` now, `peak` since the last reset, `cached` for reuse."""
    return _C.memory_stats()


def reset_peak_memory() -> None:
    """Starts the measurement of `peak` anew."""
    _C.reset_peak_memory()


def release_cached_memory() -> None:
    """Gives memory kept for reuse back to the system."""
    _C.release_cached_memory()
