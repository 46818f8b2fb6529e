"""Threads, memory, instruction sets and devices."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import Any, NamedTuple

from tahr import _C

__all__ = [
    *("LogicalDeviceConfiguration", "PhysicalDevice", "device", "device_fallbacks", "floatx", "functions_run_eagerly"),
    *("enable_tensor_float_32_execution", "experimental", "get_visible_devices", "image_data_format"),
    *("instruction_set", "list_logical_devices", "tensor_float_32_execution_enabled"),
    *("list_physical_devices", "memory_stats", "num_threads", "run_functions_eagerly"),
    *("release_cached_memory", "reset_peak_memory", "set_floatx", "set_image_data_format"),
    *("set_logical_device_configuration", "set_num_threads", "set_visible_devices", "synchronize"),
]


class PhysicalDevice(NamedTuple):
    """A device: its name such as ``"/physical_device:CPU:0"`` and its type."""

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices that ops can run on: the CPU, and NVIDIA GPUs where a driver and the kernels for them are there.

    `python -m tahr` says why a GPU is missing.
    """
    devices = [PhysicalDevice("/physical_device:CPU:0", "CPU")]
    devices += [PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(_physical_gpus())]
    return [d for d in devices if device_type is None or d.device_type == device_type]


# Where pip puts NVIDIA's libraries, all of them in one package without a file of its own.
_nvidia = importlib.util.find_spec("nvidia")
if _nvidia is not None and _nvidia.submodule_search_locations is not None:
    _C.set_library_folders(list(_nvidia.submodule_search_locations))


_hidden_from: int | None = None  # how many GPUs there were before some were hidden


def _physical_gpus() -> int:
    return _C.gpu_count() if _hidden_from is None else _hidden_from


_visible: list[PhysicalDevice] | None = None


def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The physical devices that are used: all of them, or those given to `set_visible_devices`."""
    gpus = [d for d in list_physical_devices("GPU") if _visible is None or d in _visible]
    devices = [*list_physical_devices("CPU"), *gpus]
    return [d for d in devices if device_type is None or d.device_type == device_type]


def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Uses these GPUs only, in this order: ``"/gpu:0"`` is the first of them. An empty list leaves the CPU.

    Call it before the first tensor is made. The CPU is always there.

    Raises:
        ValueError: if a device is not one of `list_physical_devices()`.
        RuntimeError: if a tensor lies on a GPU already.
    """
    global _hidden_from, _visible
    chosen = [] if devices is None else [devices] if isinstance(devices, PhysicalDevice) else list(devices)
    known = list_physical_devices()
    for d in chosen:
        if d not in known:
            raise ValueError(f"[set_visible_devices] expected devices of list_physical_devices(), received {d!r}.")
    if device_type == "CPU":
        return
    count = _physical_gpus()
    gpus = [d for d in chosen if d.device_type == "GPU"]
    _C.set_visible_gpus([int(d.name.rsplit(":", 1)[1]) for d in gpus])
    _hidden_from, _visible = count, gpus


def list_logical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices in use, under the names that `device` takes: "/device:CPU:0", "/device:GPU:0"."""
    devices = [PhysicalDevice("/device:CPU:0", "CPU")]
    devices += [PhysicalDevice(f"/device:GPU:{i}", "GPU") for i in range(_C.gpu_count())]
    return [d for d in devices if device_type is None or d.device_type == device_type]


class LogicalDeviceConfiguration(NamedTuple):
    """How much memory of a GPU, in MiB, this process may take; None: all."""

    memory_limit: int | None = None


def set_logical_device_configuration(device: PhysicalDevice, logical_devices: Any) -> None:
    """Limits the memory that is taken of a GPU: one `LogicalDeviceConfiguration` with its `memory_limit` in MiB.

    Raises:
        ValueError: for more than one configuration: a GPU is not divided into several.
    """
    if len(logical_devices) != 1:
        raise ValueError(
            f"[set_logical_device_configuration] expected one configuration, received {len(logical_devices)}."
        )
    limit = logical_devices[0].memory_limit
    if device.device_type == "GPU":
        _C.gpu_set_limit(_gpu_index(device.name, "set_logical_device_configuration"), (limit or 0) * 2**20)


def _gpu_index(name: str, what: str) -> int:
    index = _parse_device(name, what)
    if index < 0:
        raise ValueError(f"[{what}] expected a GPU such as 'GPU:0', received {name!r}.")
    return index


def _parse_device(name: str, what: str) -> int:
    """-1 for the CPU, else the number of the GPU."""
    parts = name.lower().strip("/").split("/")[-1].removeprefix("device:").removeprefix("physical_device:").split(":")
    kind, number = parts[0], parts[1] if len(parts) > 1 else "0"
    if kind not in ("cpu", "gpu", "cuda") or len(parts) > 2 or not number.isdigit():
        raise ValueError(f"[{what}] expected a device such as '/cpu:0' or '/gpu:0', received {name!r}.")
    if kind == "cpu" and int(number) > 0:
        raise ValueError(f"[{what}] expected '/cpu:0', the only CPU device, received {name!r}.")
    return -1 if kind == "cpu" else int(number)


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

    @staticmethod
    def enable_tensor_float_32_execution(enabled: bool) -> None:
        """`tahr.config.enable_tensor_float_32_execution`."""
        enable_tensor_float_32_execution(enabled)

    @staticmethod
    def tensor_float_32_execution_enabled() -> bool:
        """`tahr.config.tensor_float_32_execution_enabled`."""
        return tensor_float_32_execution_enabled()

    @staticmethod
    def get_memory_info(device: str) -> dict[str, int]:
        """Bytes that tensors on a GPU take: `current`, and `peak` since the last reset."""
        stats = _C.gpu_memory(_gpu_index(device, "get_memory_info"))
        return {"current": stats["live"], "peak": stats["peak"]}

    @staticmethod
    def reset_memory_stats(device: str) -> None:
        """Starts the measurement of a GPU's `peak` anew."""
        _C.gpu_reset_peak(_gpu_index(device, "reset_memory_stats"))


@contextlib.contextmanager
def device(name: str) -> Iterator[None]:
    """Inside this context tensors are made on the device called `name`: ``"cpu"``, ``"/gpu:0"``, ``"GPU:1"``, ...

    Ops run where their inputs lie, on the GPU if any lies there. Outside of any context tensors are made on the first
    GPU, if there is one.

    Raises:
        ValueError: for a device that is not there, saying why.
    """
    before = _C.exchange_device(_parse_device(name, "device"))
    try:
        yield
    finally:
        _C.exchange_device(before)


def synchronize() -> None:
    """Waits until all GPUs have done what they were asked for: before measuring time, say."""
    _C.synchronize()


def device_fallbacks() -> dict[str, int]:
    """How often each op ran on the CPU, its inputs and outputs copied, since no kernel of it for the GPU exists."""
    return _C.device_fallbacks()


def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Lets GPUs round the factors of float32 products to TensorFloat-32, 10 bits of precision; sums stay in float32.

    Off by default, or on with the environment variable TAHR_TF32=1. Matrix products and convolutions become several times
    faster, with relative errors around 1e-3 in place of 1e-6. Other dtypes and the CPU are not concerned.

    Example:
        >>> import tahr
        >>> tahr.config.enable_tensor_float_32_execution(True)
        >>> tahr.config.tensor_float_32_execution_enabled()
        True
        >>> tahr.config.enable_tensor_float_32_execution(False)
    """
    if not isinstance(enabled, bool):
        raise TypeError(f"[enable_tensor_float_32_execution] expected True or False, received {enabled!r}.")
    _C.set_tensor_float_32(enabled)


def tensor_float_32_execution_enabled() -> bool:
    """Whether `enable_tensor_float_32_execution(True)` is in force."""
    return _C.tensor_float_32()


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
