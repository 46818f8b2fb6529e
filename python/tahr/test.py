"""What scripts ask `tf.test` about the machine."""

from __future__ import annotations

from tahr import config

__all__ = ["gpu_device_name", "is_built_with_cuda", "is_gpu_available"]


def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: object = None) -> bool:
    """Whether there is a GPU to compute on (`tahr.config.list_physical_devices("GPU")` lists them)."""
    return bool(config.list_physical_devices("GPU"))


def gpu_device_name() -> str:
    """ "/device:GPU:0", or "" where there is no GPU."""
    return "/device:GPU:0" if is_gpu_available() else ""


def is_built_with_cuda() -> bool:
    """Whether this build can compute on NVIDIA GPUs."""
    return is_gpu_available()
