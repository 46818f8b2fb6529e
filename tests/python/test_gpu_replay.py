"""Steps recorded once and replayed (CUDA graphs), and epochs on a device. Runs with `--device gpu`."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from tahr import _C, keras

pytestmark = pytest.mark.usefixtures("gpu")


def chain(x, n=8):
    for _ in range(n):
        x = tahr.ops.tanh(tahr.ops.cumsum(x, axis=0) * 0.5)
    return x


def elementwise_step(size: int, columns: int = 3):
    """Counts steps, sums its batches into a variable and returns the batch doubled, plus the steps before."""
    total = tahr.Variable(np.zeros((size, columns), "float32"))
    count = tahr.Variable(np.zeros((), "float32"))
    tracer = _C.Tracer()
    with tracer:
        x = tracer.input((size, columns), "float32")
        y = x * 2 + count
        total.assign(total + x)
        count.assign(count + 1)
        f = tracer.finish([y])
    return f, total, count


def replay_of(f) -> str:
    return f.report()["replay"]


def run_epochs(rows: np.ndarray, size: int, epochs: int = 3, seconds: float = 10.0):
    f, total, count = elementwise_step(size, rows.shape[1])
    with tahr.device("cpu"):
        loop = _C.BatchLoop([tahr.constant(rows)])
    rng = np.random.default_rng(1)
    want_total = np.zeros((size, rows.shape[1]))
    done = 0
    for epoch in range(epochs):
        order = rng.permutation(len(rows)) if epoch else np.arange(len(rows))
        loop.start(tahr.constant(order) if epoch else None, len(rows), size)
        steps = np.arange(done, done + len(rows) // size)
        while loop.next_batch_size() == size:
            done += loop.run(f, seconds, 3, True)
        batches = rows[order][: len(steps) * size].reshape(len(steps), size, -1)
        want = batches * 2 + steps[:, None, None]
        got = loop.collected()[0].numpy()[: len(steps) * size]
        np.testing.assert_allclose(got, want.reshape(got.shape), rtol=1e-6)
        want_total += batches.sum(0)
    np.testing.assert_allclose(total.numpy(), want_total, rtol=1e-5, atol=1e-5)
    assert count.numpy() == done
    return f


@pytest.mark.parametrize("columns", [1, 3, 4])
def test_epochs_of_rows_that_lie_on_the_device(columns):
    rows = np.random.default_rng(0).standard_normal((22, columns)).astype("float32")
    f = run_epochs(rows, 4)
    assert "recorded 2 times)" in replay_of(f)  # without and with an order of the rows


def test_epochs_of_rows_that_do_not_fit():
    rows = np.random.default_rng(0).standard_normal((16500, 256)).astype("float32")  # 16 MiB
    live = tahr.config.experimental.get_memory_info("GPU:0")["current"]
    device = tahr.config.list_physical_devices("GPU")[0]
    limit = live // 2**20 + 26
    try:
        tahr.config.set_logical_device_configuration(
            device, [tahr.config.LogicalDeviceConfiguration(memory_limit=limit)]
        )
        f = run_epochs(rows, 1024, epochs=2)
    finally:
        tahr.config.set_logical_device_configuration(device, [tahr.config.LogicalDeviceConfiguration()])
    assert "one recording" in replay_of(f)


def test_a_variable_assigned_between_epochs_is_read_anew():
    rate = tahr.Variable(np.float32(1.0))
    weight = tahr.Variable(np.zeros(3, "float32"))
    tracer = _C.Tracer()
    with tracer:
        x = tracer.input((2, 3), "float32")
        weight.assign(weight + rate)
        f = tracer.finish([x * weight])
    loop = _C.BatchLoop([tahr.constant(np.ones((12, 3), "float32"))])
    want = 0.0
    for value in (1.0, 10.0, 100.0):
        rate.assign(value)
        loop.start(None, 12, 2)
        while not loop.done():
            loop.run(f, 10.0, 100)
        want += 6 * value
        np.testing.assert_array_equal(weight.numpy(), np.full(3, want, "float32"))
    weight.assign(np.zeros(3, "float32"))
    loop.start(None, 12, 2)
    loop.run(f, 10.0, 100)
    np.testing.assert_array_equal(weight.numpy(), np.full(3, 600, "float32"))


def test_calls_of_a_function_are_replayed():
    tracer = _C.Tracer()
    with tracer:
        x = tracer.input((4, 3), "float32")
        w = x
        for k in range(6):  # not one fused chain: each takes the maximum with a part of the last
            w = tahr.ops.tanh(w * 2 + x)
            w = tahr.ops.concatenate([w[2:], w[:2]], axis=0) if k % 2 else w + 1
        f = tracer.finish([w])

    def reference(a):
        v = a
        for k in range(6):
            v = np.tanh(v * 2 + a)
            v = np.concatenate([v[2:], v[:2]]) if k % 2 else v + 1
        return v

    rng = np.random.default_rng(0)
    kept = []
    for _ in range(6):
        a = rng.standard_normal((4, 3)).astype("float32")
        kept.append((f([tahr.constant(a)])[0], reference(a.astype("float64"))))
    for got, want in kept:  # a later call does not write into what an earlier one returned
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-6)
    assert "recording" in replay_of(f) or "without a kernel" in replay_of(f)


def test_what_keeps_a_graph_from_being_recorded_is_named():
    tracer = _C.Tracer()
    with tracer:
        x = tracer.input((3, 3), "float32")
        f = tracer.finish([tahr.ops.exp(tahr.ops.cast(tahr.ops.unique(x), "float32"))])
    f([tahr.constant(np.eye(3, dtype="float32"))])
    replay = replay_of(f)
    assert replay.startswith("step by step: ") and "decided by the host while it runs: nonzero" in replay
    assert replay in f.text()


def test_training_curves_with_replays_are_those_of_the_cpu():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((70, 5)).astype("float32")
    y = (x.sum(1, keepdims=True) > 0).astype("float32")

    def curve(device: str):
        keras.utils.set_random_seed(7)
        with tahr.device(device):
            model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
            model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
            history = model.fit(x, y, batch_size=16, epochs=4, verbose=0)
            return history.history, model.predict(x, batch_size=16, verbose=0)

    (there, out_there), (here, out_here) = curve("gpu:0"), curve("cpu")
    for name in here:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-4)
    np.testing.assert_allclose(out_there, out_here, rtol=1e-4, atol=1e-5)


def test_random_numbers_stay_on_the_device_after_training():
    x = np.ones((8, 3), "float32")
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(x, x[:, :2], batch_size=4, epochs=1, verbose=0)
    assert tahr.random.normal((2,)).device == "/gpu:0"
    assert keras.random.normal((2,)).device == "/gpu:0"
