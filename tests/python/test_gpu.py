"""Tensors on a GPU: placement, copies, variables, traced functions, training. With `--device gpu` these tests run on the
GPU, or on the emulated one; without it one test runs them, and the values of all ops, in a process that has that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tahr
from conftest import emulated_library
from tahr import _C, keras

HERE = Path(__file__).parent


@pytest.mark.parametrize("what", ["kernels", "examples"])
def test_on_the_emulated_gpu(request, what):
    if request.config.getoption("--device") == "gpu":
        pytest.skip("is there already")
    library = emulated_library()
    if library is None:
        pytest.skip("needs a build with -DTAHR_CUDA_EMULATED=ON")
    examples = str(HERE / "test_gpu_examples.py")
    files = [str(p) for p in sorted(HERE.glob("test_gpu*.py")) if str(p) != examples] + [str(HERE / "test_op_table.py")]
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "pytest", "-q", "-o", "addopts=", "--device", "gpu"]
        + (files if what == "kernels" else [examples])
        + ["-k", "test_gpu or (test_values and not other)"],
        env={**os.environ, "TAHR_CUDA_LIBRARY": str(library)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert "passed" in run.stdout


def run_python(code: str, **environment: str) -> str:
    environment = {**os.environ, **environment}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_missing_gpu_is_explained():
    code = "import tahr\ntry:\n    with tahr.device('gpu:0'): pass\nexcept ValueError as e: print(e)"
    assert "turned off" in run_python(code, TAHR_CUDA_LIBRARY="none")
    assert "cannot be opened" in run_python(code, TAHR_CUDA_LIBRARY="/no/such/library.so")
    code = "from tahr.__main__ import report\nprint('\\n'.join(report()))"
    assert "GPU: none. GPUs are turned off" in run_python(code, TAHR_CUDA_LIBRARY="none")


def test_no_gpu_behind_the_library_leaves_the_cpu():
    library = emulated_library()
    if library is None:
        pytest.skip("needs a build with -DTAHR_CUDA_EMULATED=ON")
    code = "import tahr\nprint(tahr.ops.ones((2,)).device, tahr._C.why_no_gpu())"
    out = run_python(code, TAHR_CUDA_LIBRARY=str(library), TAHR_EMULATED_DEVICES="0")
    assert out.startswith("/cpu:0") and "no GPU" in out


@pytest.mark.parametrize("name", ["gpu:x", "tpu:0", "/gpu:0:1", ""])
def test_names_of_devices_are_checked(name):
    with pytest.raises(ValueError, match="expected a device such as"), tahr.device(name):
        pass


def test_tensors_are_made_on_the_current_device(gpu):
    assert tahr.constant([1.0, 2.0]).device == "/gpu:0"
    assert tahr.constant(1.0).device == "/gpu:0"
    assert tahr.ops.zeros((2,)).device == "/gpu:0"
    assert tahr.Variable(3.0).device == "/gpu:0"
    with tahr.device("cpu"):
        assert tahr.constant([1.0]).device == "/cpu:0"
        assert tahr.ops.zeros((2,)).device == "/cpu:0"
        with tahr.device("/device:GPU:0"):
            assert tahr.Variable([1.0]).device == "/gpu:0"
        assert tahr.Variable([1.0]).device == "/cpu:0"
    assert [d.name for d in tahr.config.list_logical_devices("GPU")] == ["/device:GPU:0"]
    with pytest.raises(ValueError, match="numbered below 1"), tahr.device("gpu:7"):
        pass


def test_an_op_runs_where_an_input_lies_on_the_gpu(gpu):
    with tahr.device("cpu"):
        a = tahr.constant([1.0, 2.0])
    b = tahr.constant([3.0, 4.0])
    assert (a + a).device == "/cpu:0"
    assert (a + b).device == "/gpu:0" and (a + b).numpy().tolist() == [4.0, 6.0]
    assert (2 * b).device == "/gpu:0"
    assert tahr.reshape(b, (2, 1)).device == "/gpu:0"


def test_the_host_reads_values(gpu):
    x = tahr.constant([[1, 2], [3, 4]])
    np.testing.assert_array_equal(np.asarray(x), [[1, 2], [3, 4]])
    assert x[1, 0].item() == 3 and int(x[0, 1]) == 2 and bool(x[0, 0] == 1)
    assert int(tahr.constant(2**63, "uint64")) == 2**63
    assert "[1 2]" in str(x)
    with pytest.raises(BufferError, match="GPU"):
        memoryview(x)


def test_an_op_without_a_kernel_runs_on_the_cpu_and_is_counted(gpu):
    _C.reset_device_fallbacks()
    assert not _C.gpu_kernels()["host_call"]  # NumPy functions, on the CPU for good
    x = tahr.constant(np.eye(3, dtype="float32") * 2)
    y = tahr.ops.inv(x)
    assert y.device == "/gpu:0"
    np.testing.assert_allclose(y.numpy(), np.eye(3) / 2)
    assert tahr.config.device_fallbacks()["host_call"] >= 1


def test_variables_stay_where_they_are(gpu):
    v = tahr.Variable([1.0, 2.0])
    with tahr.device("cpu"):
        v.assign(tahr.constant([5.0, 6.0]))
        v.assign_add([1.0, 1.0])
    assert v.device == "/gpu:0"
    np.testing.assert_array_equal(v.numpy(), [6.0, 7.0])
    with tahr.GradientTape() as tape:
        y = tahr.reduce_sum(v * v)
    g = tape.gradient(y, v)
    assert g.device == "/gpu:0" and g.numpy().tolist() == [12.0, 14.0]


def test_dlpack_on_the_device(gpu):
    x = tahr.constant([1.0, 2.0])
    assert x.__dlpack_device__() == (2, 0)
    y = tahr.from_dlpack(x)
    assert y.device == "/gpu:0" and y.numpy().tolist() == [1.0, 2.0]
    del x
    assert (y + 1).numpy().tolist() == [2.0, 3.0]
    assert tahr.from_dlpack(y.__dlpack__(dl_device=(1, 0))).device == "/cpu:0"


def test_memory_is_counted_and_limited(gpu):
    before = tahr.config.experimental.get_memory_info("GPU:0")["current"]
    x = tahr.ops.zeros((1 << 20,))
    assert tahr.config.experimental.get_memory_info("GPU:0")["current"] >= before + (4 << 20)
    device = tahr.config.list_physical_devices("GPU")[0]
    limit = [tahr.config.LogicalDeviceConfiguration(_C.gpu_memory(0)["reserved"] // 2**20 + 8)]
    tahr.config.set_logical_device_configuration(device, limit)
    try:
        with pytest.raises(MemoryError, match=r"out of memory.*'/gpu:0'.*limit"):
            tahr.ops.ones((64 << 20,))
    finally:
        tahr.config.set_logical_device_configuration(device, [tahr.config.LogicalDeviceConfiguration()])
    assert float((x + 1)[0]) == 1.0  # the process goes on


def test_a_traced_function_is_the_eager_one(gpu):
    def f(x, y):
        z = tahr.tanh(x) * y + 1.0
        return tahr.reduce_mean(z * z), tahr.cast(z > 1.0, "int32")

    x, y = tahr.constant(np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)), tahr.constant([1.0, 2.0, 3.0, 4.0])
    for a, b in zip(f(x, y), tahr.function(f)(x, y)):
        assert b.device == "/gpu:0"
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=4e-7)


def test_a_counter_is_not_changed_while_others_read_it(gpu):
    """One fused program counts steps and spreads the count over a tensor: all elements see the same count."""
    steps = tahr.Variable(0, dtype="int64", trainable=False)

    @tahr.function
    def f(x):
        steps.assign_add(1)
        return 1.0 / tahr.cast(steps, "float32") - x

    for n in (1, 2, 3, 4):
        assert set(f(tahr.zeros((3, 1001))).numpy().ravel()) == {np.float32(1 / n)}
        assert int(steps) == n


def test_long_fused_programs_run_on_the_device(gpu):
    """As many inputs, results and values at once as a fused program may have."""
    n, length = 32, 64
    lines = [f"t{i} = add(x{i % n}, x{(i * 7 + 1) % n})" for i in range(length)]
    text = "; ".join([*lines, "return " + ", ".join(f"t{i}" for i in range(length))])
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(3, 50)).astype("float32") for _ in range(n)]
    for dtype in ("float32", "float64"):
        inputs = [tahr.constant(v.astype(dtype)) for v in values]
        out = _C.ops.fused(inputs, program=text)
        for i, y in enumerate(out):
            np.testing.assert_array_equal(
                y.numpy(), values[i % n].astype(dtype) + values[(i * 7 + 1) % n].astype(dtype)
            )


def test_loops_and_branches_run_on_the_device(gpu):
    @tahr.function
    def power(x, n):
        i, y = tahr.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * x), (tahr.constant(0), tahr.ones_like(x)))
        return tahr.cond(i > 2, lambda: y, lambda: -y)

    x = tahr.constant([1.0, 2.0, 3.0])
    assert power(x, tahr.constant(3)).numpy().tolist() == [1.0, 8.0, 27.0]
    assert power(x, tahr.constant(1)).numpy().tolist() == [-1.0, -2.0, -3.0]

    @tahr.function
    def sums(xs):
        return tahr.ops.scan(lambda c, x: (c + x, c * x), tahr.constant(0.0), xs)

    last, rows = sums(x)
    assert float(last) == 6.0 and rows.numpy().tolist() == [0.0, 2.0, 9.0] and rows.device == "/gpu:0"


def test_training_is_that_of_the_cpu(gpu):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 6)).astype("float32")
    y = (x[:, :1] - 2 * x[:, 1:2]).astype("float32")

    def train():
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.layers.Input((6,)),
                keras.layers.Dense(8, activation="tanh"),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.2),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(x, y, batch_size=32, epochs=3, verbose=0).history
        return history, model.predict(x, verbose=0), model.evaluate(x, y, verbose=0), model

    on_gpu, predicted, scores, model = train()
    assert {v.value.device for v in model.variables} == {"/gpu:0"}
    with tahr.device("cpu"):
        on_cpu, expected, expected_scores, _ = train()
    # 9 steps on sums of up to 96 terms: a few thousand roundings apart at most.
    for name, curve in on_cpu.items():
        np.testing.assert_allclose(on_gpu[name], curve, rtol=1e-5)
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)


def test_an_index_out_of_range_is_an_error_of_the_next_read(gpu):
    x = tahr.constant([[1.0, 2.0], [3.0, 4.0]])
    y = tahr.ops.take(x, [0, 5, 1], axis=0)
    with pytest.raises(IndexError, match=r"\[take\] expected indices in \[-2, 2\), received 5"):
        y.numpy()
    np.testing.assert_array_equal(y.numpy(), [[1, 2], [0, 0], [3, 4]])  # told once; nothing was read from elsewhere
    corner = tahr.function(lambda x, start: tahr.ops.slice(x, start, (1, 1)))
    with pytest.raises(ValueError, match=r"\[slice\] expected a part inside the input, .* axis 0 start 2"):
        corner(x, tahr.constant([2, 1])).numpy()
    assert corner(x, tahr.constant([1, 0])).numpy().tolist() == [[3.0]]
    np.testing.assert_array_equal(tahr.ops.take(x, [1], axis=0).numpy(), [[3, 4]])


SAMPLES = [
    ("random_uniform", [], {"minval": -1.5, "maxval": 2.25}, ["float16", "bfloat16", "float32", "float64"]),
    ("random_normal", [], {"mean": 0.5, "stddev": 2.0}, ["float16", "bfloat16", "float32"]),
    ("random_truncated_normal", [], {"mean": 0.5, "stddev": 2.0}, ["float16", "bfloat16", "float32"]),
    ("random_randint", [], {"minval": -3, "maxval": 100}, ["int8", "int32", "int64"]),
    ("random_bernoulli", [np.float32(0.3)], {}, ["bool", "float32"]),
]


def _on_both(name, inputs, attrs):
    seed = np.array([123456789, 7], "int64")
    out = []
    for device in ("cpu", "gpu:0"):
        with tahr.device(device):
            y = getattr(_C.ops, name)(tahr.constant(seed), *[tahr.constant(a) for a in inputs], **attrs)
            assert y.device == f"/{'cpu:0' if device == 'cpu' else 'gpu:0'}"
            out.append(y.numpy().tobytes())
    return out


@pytest.mark.parametrize("name, inputs, attrs, dtypes", SAMPLES, ids=[s[0] for s in SAMPLES])
def test_random_numbers_have_the_bits_of_the_cpu(gpu, name, inputs, attrs, dtypes):
    for dtype in dtypes:
        for shape in [(1,), (63,), (1000,), (3, 5, 7)]:
            cpu, device = _on_both(name, inputs, {"shape": shape, "dtype": dtype, **attrs})
            assert cpu == device, f"{name} {dtype} {shape}"


def test_dropout_and_permutations_have_the_bits_of_the_cpu(gpu):
    x = np.random.default_rng(0).normal(size=(6, 50)).astype("float32")
    for attrs in ({"rate": 0.3}, {"rate": 0.3, "noise_shape": (6, 1)}, {"rate": 1.0}):
        cpu, device = _on_both("random_dropout", [x], attrs)
        assert cpu == device, attrs
    for n in (1, 2, 31, 1000, 5000):  # more swaps than a block has threads
        cpu, device = _on_both("random_permutation", [], {"n": n})
        assert cpu == device, n
    for attrs in ({}, {"axis": 1, "inverse": True}):
        cpu, device = _on_both("random_shuffle", [x], attrs)
        assert cpu == device, attrs


@pytest.mark.parametrize("reduction", ["sum", "prod", "max", "min"])
def test_segments_have_the_bits_of_the_cpu(gpu, reduction):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 5000, size=9000)  # several tiles of the sort, and several digits
    ids[:300] = 7
    values = rng.normal(size=(9000, 5)).astype("float32")
    out = []
    for device in ("cpu", "gpu:0"):
        with tahr.device(device):
            f = getattr(tahr.ops, f"segment_{reduction}")
            out.append(f(tahr.constant(values), tahr.constant(ids), num_segments=5003).numpy().tobytes())
    assert out[0] == out[1]


def test_arrays_random_numbers_and_optimizers_never_fall_back(gpu):
    kernels = _C.gpu_kernels()
    named = ["take", "take_grad", "gather_nd", "gather_axis", "gather_axis_grad", "one_hot", "unravel_index"]
    named += ["transpose", "broadcast_to", "tile", "repeat", "concatenate", "split", "pad_constant", "tril", "triu"]
    named += ["strided_slice", "strided_slice_grad", "strided_slice_update", "slice", "slice_update"]
    named += ["scatter", "scatter_update", "scatter_last", "segment_spread", "linspace", "eye", "tri"]
    families = [n for n in kernels if n.startswith(("random_", "segment_")) or n.endswith("_update")]
    assert not [n for n in {*named, *families} if not kernels[n]]


def test_results_do_not_depend_on_the_order_of_threads(request):
    """Where a barrier is missing, some order of blocks and threads shows it."""
    library = emulated_library()
    if library is None or request.config.getoption("--device") == "gpu":
        pytest.skip("needs a build with -DTAHR_CUDA_EMULATED=ON, and runs without --device gpu")
    chosen = "softmax or cumsum or sort or logsumexp"
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "pytest", "-q", "-o", "addopts="]
        + [str(HERE / "test_op_table.py"), "--device", "gpu", "-k", f"test_values and ({chosen}) and not other"],
        env={**os.environ, "TAHR_CUDA_LIBRARY": str(library), "TAHR_EMULATED_ORDER": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert "passed" in run.stdout


def test_rows_that_nearly_fill_shared_memory(gpu):
    """What rows keep there and what combining them needs must fit together."""
    for n in (9_001, 10_240, 11_400, 12_288, 12_289):
        x = np.random.default_rng(n).normal(size=(3, n)).astype("float32")
        y = tahr.ops.softmax(tahr.convert_to_tensor(x)).numpy()
        e = np.exp(x.astype("float64") - x.max(-1, keepdims=True))
        np.testing.assert_allclose(y, e / e.sum(-1, keepdims=True), rtol=1e-5)


def test_waiting_after_each_kernel():
    library = emulated_library()
    if library is None:
        pytest.skip("needs a build with -DTAHR_CUDA_EMULATED=ON")
    code = "import tahr, numpy as np\nx = tahr.convert_to_tensor(np.ones(5, 'float32'))\nprint((x + x).numpy().sum())"
    assert run_python(code, TAHR_CUDA_LIBRARY=str(library), TAHR_CUDA_SYNC="1").strip() == "10.0"
