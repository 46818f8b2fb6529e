"""What goes wrong around a GPU says so and leaves the process usable: no memory, no library, no device, several devices."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import tahr
from conftest import emulated_library
from tahr import _C, keras


@pytest.fixture
def limit(gpu):
    """Sets how many MiB the GPU may still hand out beyond what is in use."""
    device = tahr.config.list_physical_devices("GPU")[0]

    def set_limit(mib: int | None) -> None:
        _C.gpu_release_cached(0)
        total = None if mib is None else _C.gpu_memory(0)["reserved"] // 2**20 + 1 + mib
        limit = tahr.config.LogicalDeviceConfiguration(memory_limit=total)
        tahr.config.set_logical_device_configuration(device, [limit])

    yield set_limit
    set_limit(None)


def run_python(code: str, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def emulated(code: str, **environment: str) -> str:
    library = emulated_library()
    if library is None:
        pytest.skip("needs a build with -DTAHR_CUDA_EMULATED=ON")
    return run_python("import tahr\n" + code, TAHR_CUDA_LIBRARY=str(library), **environment)


def test_no_memory_for_an_op(limit):
    x = tahr.ops.ones((1024, 256))
    limit(8)
    for _ in range(2):
        with pytest.raises(
            MemoryError, match=r"out of memory: could not allocate 67108864 bytes on '/gpu:0'.*smaller batch"
        ):
            tahr.ops.tile(x, (64, 1))
        assert float(tahr.reduce_sum(x)) == 1024 * 256


def test_no_memory_for_a_traced_step(limit):
    v = tahr.Variable(np.ones((256, 256), "float32"))

    @tahr.function
    def f(n):
        v.assign_add(tahr.ops.ones_like(v))
        big = tahr.ops.tile(v, (64, 1))
        return tahr.reduce_max(big) * 0.0 + n

    limit(4)
    with pytest.raises(MemoryError, match="out of memory.*'/gpu:0'"):
        f(tahr.constant(1.0))
    before = v.numpy()
    limit(None)
    for _ in range(3):  # eagerly planned, recorded, replayed
        assert float(f(tahr.constant(2.0))) == 2.0
    np.testing.assert_array_equal(v.numpy(), before + 3)


def test_no_memory_in_fit(limit):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8)).astype("float32")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(60_000, activation="relu"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    limit(4)
    with pytest.raises(MemoryError, match="out of memory.*'/gpu:0'"):
        model.fit(x, x[:, :1], batch_size=64, verbose=0)
    limit(None)
    losses = model.fit(x, x[:, :1], batch_size=64, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()


def test_no_memory_on_the_device_itself():
    out = emulated(
        "x = tahr.ops.ones((1024,))\n"
        "try: tahr.ops.ones((64 << 20,))\n"
        "except MemoryError as e: print(e)\n"
        "print(float(tahr.reduce_sum(x)))",
        TAHR_EMULATED_MEMORY=str(64 << 20),
    )
    assert "on '/gpu:0'" in out and "of 64 MiB are free on the device" in out and out.endswith("1024.0\n")


def test_a_library_that_is_none(tmp_path):
    code = "import tahr\nprint(tahr.ops.ones((2,)).device, tahr._C.why_no_gpu())"
    text = tmp_path / "_cuda.so"
    text.write_text("no library")
    out = run_python(code, TAHR_CUDA_LIBRARY=str(text))
    assert out.startswith("/cpu:0") and "cannot be opened" in out
    out = run_python(code, TAHR_CUDA_LIBRARY=_C.__file__)  # a library, but not one of kernels
    assert out.startswith("/cpu:0") and "is not a library of kernels for tahr" in out


def test_nvidias_libraries_are_missing():
    out = emulated(
        "import numpy as np\n"
        "x = tahr.constant(np.ones((70, 70), 'float32'))\n"
        "print((x @ x).numpy().min())\n"
        "print('\\n'.join(why for _, _, why in tahr._C.gpu_libraries()))",
        TAHR_EMULATED_LIBRARIES="none",
    )
    assert out.startswith("70.0\n")
    for package in ("nvidia-cublas", "nvidia-cudnn", "nvidia-cuda-nvrtc"):
        assert f"pip install {package}" in out


def test_devices_that_are_not_there(gpu):
    for name, match in [
        ("gpu:99", r"\[device\] expected a GPU numbered below 1, received '/gpu:99'"),
        ("cpu:1", "expected .*the only CPU"),
        ("gpu:-1", "expected a device such as"),
        ("xpu:0", "expected a device such as"),
    ]:
        with pytest.raises(ValueError, match=match), tahr.device(name):
            pass
        assert tahr.ops.ones((2,)).device == "/gpu:0"  # the scope was not entered


def test_two_devices_at_once():
    """An op runs where its first input that lies on a GPU lies; what lies elsewhere is copied there."""
    out = emulated(
        "import numpy as np\n"
        "with tahr.device('gpu:1'): b = tahr.constant(np.arange(3.0, dtype='float32'))\n"
        "a = tahr.constant([10.0, 20.0, 30.0])\n"
        "print(a.device, b.device, (a + b).device, (b + a).device, (a + b).numpy(), (b * a).numpy())\n"
        "v = tahr.Variable(a)\n"
        "v.assign(b)\n"
        "print(v.device, v.numpy())\n"
        "f = tahr.function(lambda x, y: x * 2.0 + y)\n"
        "for _ in range(4): c = f(a, b)\n"
        "print(c.device, c.numpy())\n"
        "with tahr.GradientTape() as tape:\n"
        "    tape.watch([a, b])\n"
        "    y = tahr.reduce_sum(a * b * b)\n"
        "print([g.numpy().tolist() for g in tape.gradient(y, [a, b])])\n"
        "big = tahr.constant(np.arange(300000.0, dtype='float32'))\n"
        "with tahr.device('gpu:1'): print(float(tahr.reduce_sum(big + tahr.ops.zeros((300000,)))))\n"
        "print([d.name for d in tahr.config.list_logical_devices('GPU')])\n",
        TAHR_EMULATED_DEVICES="2",
    ).splitlines()
    assert out[0] == "/gpu:0 /gpu:1 /gpu:0 /gpu:1 [10. 21. 32.] [ 0. 20. 60.]"
    assert out[1] == "/gpu:0 [0. 1. 2.]"
    assert out[2] == "/gpu:0 [20. 41. 62.]"
    assert out[3] == "[[0.0, 1.0, 4.0], [0.0, 40.0, 120.0]]"
    assert float(out[4]) == pytest.approx(299999 * 300000 / 2, rel=1e-5)
    assert out[5] == "['/device:GPU:0', '/device:GPU:1']"


def test_a_refused_value_does_not_spoil_what_follows(gpu):
    x = tahr.constant(np.arange(12.0, dtype="float32").reshape(3, 4))
    step = tahr.function(lambda i: tahr.ops.take(tahr.ops.cumsum(x, axis=0), i, axis=0))
    for _ in range(4):
        assert step(tahr.constant([1])).numpy().tolist() == [[4.0, 6.0, 8.0, 10.0]]
        with pytest.raises(IndexError, match=r"\[take\] expected indices in \[-3, 3\), received 7"):
            step(tahr.constant([7])).numpy()
    with pytest.raises(IndexError, match="received -9"):
        tahr.ops.take(x, [-9], axis=0)
        tahr.config.synchronize()
    tahr.config.synchronize()
