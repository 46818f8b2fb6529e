"""GPU tensors as DLPack capsules, by the Array API's protocol (`__dlpack__`, `__dlpack_device__`), read here field by field
as another library would. Runs with `--device gpu`."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
import tahr
from tahr import _C

POINTER, NEW, CPU, CUDA = ctypes.c_void_p, b"dltensor", 1, 2
CODES = {"int": 0, "uint": 1, "float": 2, "bfloat": 4, "bool": 6}


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", POINTER),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Managed(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("context", POINTER), ("deleter", ctypes.CFUNCTYPE(None, POINTER))]


pytestmark = pytest.mark.usefixtures("gpu")


def fields(capsule) -> DLTensor:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = POINTER, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.cast(get(capsule, NEW), ctypes.POINTER(Managed)).contents.tensor


def name_of(capsule) -> bytes:
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return name(capsule)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 0, 3), (2, 3, 4)])
def test_fields(dtype, shape):
    x = tahr.ops.ones(shape, dtype)
    assert x.__dlpack_device__() == (CUDA, 0)
    capsule = x.__dlpack__()
    t = fields(capsule)
    assert (t.device_type, t.device_id, t.ndim, t.lanes, t.byte_offset) == (CUDA, 0, len(shape), 1, 0)
    kind = dtype.rstrip("0123456789")
    assert (t.code, t.bits) == (CODES[kind], int(dtype[len(kind) :] or 8))
    assert tuple(t.shape[: t.ndim]) == shape
    expected = np.zeros(shape, "int8").strides
    if 0 not in shape:
        assert tuple(t.strides[: t.ndim]) == expected
        assert t.data == _C.storage_address(x)
    y = tahr.from_dlpack(capsule)
    assert name_of(capsule) == b"used_dltensor"
    assert y.device == "/gpu:0" and y.dtype == x.dtype and y.shape == x.shape
    with pytest.raises(ValueError, match="taken over once"):
        tahr.from_dlpack(capsule)


def test_streams():
    x = tahr.constant([1.0, 2.0])
    for stream in (None, -1, 1, 2, _C.device_stream(0)):
        capsule = x.__dlpack__(stream=stream)
        assert (tahr.from_dlpack(capsule) * 2).numpy().tolist() == [2.0, 4.0]
    for stream in (0, -2, True, "legacy", 1.5):
        with pytest.raises(BufferError, match="expected stream None, -1"):
            x.__dlpack__(stream=stream)
    with tahr.device("cpu"):
        y = tahr.constant([1.0])
    with pytest.raises(BufferError, match="expected stream None for memory of the CPU"):
        y.__dlpack__(stream=1)


def test_the_consumers_stream_is_handed_to_the_producer():
    class Other:
        asked = "nothing"

        def __init__(self, x):
            self.x = x

        def __dlpack_device__(self):
            return self.x.__dlpack_device__()

        def __dlpack__(self, **options):
            self.asked = options
            return self.x.__dlpack__(**options)

    on_gpu = Other(tahr.constant([1.0, 2.0]))
    assert tahr.from_dlpack(on_gpu).numpy().tolist() == [1.0, 2.0]
    assert on_gpu.asked == {"stream": _C.device_stream(0)} and on_gpu.asked["stream"] > 2
    with tahr.device("cpu"):
        on_cpu = Other(tahr.constant([1.0]))
    assert tahr.from_dlpack(on_cpu).device == "/cpu:0" and on_cpu.asked == {}


def test_copies_and_other_devices():
    x = tahr.constant([1.0, 2.0])
    copied = x.__dlpack__(copy=True)
    t = fields(copied)
    assert t.data != _C.storage_address(x) and (t.device_type, t.device_id) == (CUDA, 0)
    assert tahr.from_dlpack(copied).numpy().tolist() == [1.0, 2.0]
    with tahr.device("cpu"):  # where the current device is another one, the copy lies where the tensor does
        assert fields(x.__dlpack__(copy=True)).device_type == CUDA
    down = x.__dlpack__(dl_device=(CPU, 0))
    assert fields(down).device_type == CPU
    np.testing.assert_array_equal(tahr.from_dlpack(down).numpy(), [1.0, 2.0])
    with pytest.raises(BufferError, match="expected dl_device"):
        x.__dlpack__(dl_device=(CPU, 0), copy=False)
    with pytest.raises(BufferError, match="expected dl_device"):
        x.__dlpack__(dl_device=(CUDA, 5))


def test_memory_lives_as_long_as_a_capsule():
    live = tahr.config.experimental.get_memory_info("GPU:0")["current"]
    capsule = tahr.ops.zeros((1 << 18,)).__dlpack__()
    assert tahr.config.experimental.get_memory_info("GPU:0")["current"] >= live + (1 << 20)
    del capsule  # not taken over by anybody
    assert tahr.config.experimental.get_memory_info("GPU:0")["current"] <= live
    y = tahr.from_dlpack(tahr.ops.zeros((1 << 18,)).__dlpack__())
    assert tahr.config.experimental.get_memory_info("GPU:0")["current"] >= live + (1 << 20)
    del y
    assert tahr.config.experimental.get_memory_info("GPU:0")["current"] <= live
