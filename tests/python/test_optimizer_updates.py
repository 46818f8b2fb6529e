"""Each optimizer update, step by step beside real Keras on its NumPy backend; halves, threads and messages."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras
import numpy as np
import pytest
import tahr
from tahr import _C

SHAPES = [(3, 5), (), (20_011,), (1, 9, 7)]  # a scalar, a chunk boundary, tails
STEPS = 6
LR = 0.02


def variable(value, dtype="float32"):
    return _C.Variable(_C.to_tensor(np.asarray(value), dtype, "test"), "v", True)


def value(v) -> np.ndarray:
    return _C.tensor_to_numpy(_C.variable_value(v), True)


def starts(dtype="float64") -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.normal(size=s).astype(dtype) for s in SHAPES]


def gradients(step: int, dtype="float64") -> list[np.ndarray]:
    rng = np.random.default_rng(100 + step)
    grads = [rng.normal(size=s).astype(dtype) for s in SHAPES]
    grads[2][::7] = 0  # exact zeros: sign and maximum take their other branch
    return grads


# name: op, Keras class, arguments of both, first values of the slots, what to pass beside the learning rate
RULES = {
    "sgd": ("sgd", "SGD", {}, [], 0),
    "momentum": ("sgd", "SGD", {"momentum": 0.9}, [0], 0),
    "nesterov": ("sgd", "SGD", {"momentum": 0.8, "nesterov": True}, [0], 0),
    "rmsprop": ("rmsprop", "RMSprop", {"rho": 0.8, "epsilon": 1e-3}, [0], 0),
    "rmsprop momentum": ("rmsprop", "RMSprop", {"momentum": 0.5}, [0, 0], 0),
    "rmsprop centered": ("rmsprop", "RMSprop", {"centered": True, "epsilon": 1e-2}, [0, 0], 0),
    "rmsprop both": ("rmsprop", "RMSprop", {"centered": True, "momentum": 0.5, "epsilon": 1e-2}, [0, 0, 0], 0),
    "adam": ("adam", "Adam", {"beta_1": 0.8, "epsilon": 1e-3}, [0, 0], 1),
    "amsgrad": ("adam", "Adam", {"amsgrad": True, "beta_2": 0.7}, [0, 0, 0], 1),
    "adamw": ("adam", "AdamW", {"weight_decay": 0.1}, [0, 0], 1),
    "nadam": ("nadam", "Nadam", {"epsilon": 1e-3}, [0, 0], 2),
    "adamax": ("adamax", "Adamax", {"beta_2": 0.9}, [0, 0], 1),
    "adadelta": ("adadelta", "Adadelta", {"rho": 0.9, "epsilon": 1e-3}, [0, 0], 0),
    "adagrad": ("adagrad", "Adagrad", {"epsilon": 1e-3}, [0.1], 0),
    "ftrl": ("ftrl", "Ftrl", {"l1_regularization_strength": 0.3, "beta": 0.1}, [0.1, 0], 0),
    "ftrl power": (
        "ftrl",
        "Ftrl",
        {"learning_rate_power": -0.3, "l2_regularization_strength": 0.2, "l2_shrinkage_regularization_strength": 0.1},
        [0.1, 0],
        0,
    ),
    "lion": ("lion", "Lion", {"beta_2": 0.9}, [0], 0),
    "lamb": ("lamb", "Lamb", {"epsilon": 1e-3}, [0, 0], 1),
    "weight decay": ("sgd", "SGD", {"momentum": 0.9, "weight_decay": 0.3}, [0], 0),
    "weight decay lamb": ("lamb", "Lamb", {"weight_decay": 0.3}, [0, 0], 1),
}


class Engine:
    """An optimizer made of variables and one update op."""

    def __init__(self, name: str, dtype: str, params: list[np.ndarray], extra: dict | None = None) -> None:
        self.rule, _, self.attrs, firsts, self.counters = RULES[name]
        self.attrs = {**self.attrs, **(extra or {})}
        self.params = [variable(p, dtype) for p in params]
        self.slots = [[variable(np.full(p.shape, f), dtype) for p in params] for f in firsts]
        self.product = 1.0
        self.dtype = dtype
        self.iterations = variable(0, "int64")
        self.lr = variable(LR, "float32" if dtype != "float64" else dtype)
        self.step_count = 0

    def step(self, grads: list[np.ndarray]) -> None:
        self.step_count += 1
        self.product *= 0.9 * (1 - 0.5 * 0.96**self.step_count)
        grads = [_C.to_tensor(g, self.dtype, "test") for g in grads]
        product = np.asarray(self.product, np.float64 if self.dtype == "float64" else np.float32)
        scalars = [self.lr, self.iterations, product][: 1 + self.counters]
        slots = [s for group in self.slots for s in group]
        op = getattr(_C.ops, f"{self.rule}_update")
        assert op([*self.params, *slots, *grads, *scalars], count=len(self.params), **self.attrs) is None
        _C.set_variable_value(self.iterations, _C.to_tensor(np.int64(self.step_count), None, "test"))

    def values(self) -> list[np.ndarray]:
        return [value(v) for v in self.params]


def keras_values(name: str, steps: int) -> list[list[np.ndarray]]:
    _, cls, attrs, _, _ = RULES[name]
    params = [keras.Variable(p.astype("float32"), dtype="float32") for p in starts()]
    optimizer = getattr(keras.optimizers, cls)(learning_rate=LR, **attrs)
    trace = []
    for step in range(steps):
        optimizer.apply([np.asarray(g, "float32") for g in gradients(step)], params)
        trace.append([np.array(p.numpy()) for p in params])
    return trace


@pytest.mark.parametrize("name", RULES)
def test_follows_keras(name):
    """In float32. A step rounds about ten times, each within 2^-24 of the parameter or of the update."""
    engine = Engine(name, "float32", starts())
    for step, expected in enumerate(keras_values(name, STEPS)):
        engine.step(gradients(step))
        for p, e in zip(engine.values(), expected):
            scale = np.abs(e) + LR * 10
            assert np.all(np.abs(p - e) <= (step + 1) * 20 * 2.0**-24 * scale), f"step {step}, {np.abs(p - e).max()}"


@pytest.mark.parametrize("name", RULES)
def test_float64_agrees_with_float32(name):
    """They part by float32's rounding alone, of which 1 - beta^t loses log2(1 / (1 - beta)) bits."""
    wide, narrow = Engine(name, "float64", starts()), Engine(name, "float32", starts())
    for step in range(STEPS):
        wide.step(gradients(step))
        narrow.step(gradients(step))
    for w, n in zip(wide.values(), narrow.values()):
        assert w.dtype == np.float64
        np.testing.assert_allclose(n, w, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype, eps", [("float16", 2.0**-11), ("bfloat16", 2.0**-8)])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adagrad", "ftrl", "lion", "lamb"])
def test_halves_round_once_per_step(name, dtype, eps):
    """One step from the same values: computed in float32, so that only the stored result is rounded."""
    if name == "lamb" and dtype == "float16":
        pytest.skip("lamb reads its velocity back, which float16 rounds to a subnormal number")
    half = Engine(name, dtype, starts())
    begin = [v.astype(np.float32) for v in half.values()]
    grads = [_C.tensor_to_numpy(_C.to_tensor(g, dtype, "test"), True).astype(np.float32) for g in gradients(0)]
    wide = Engine(name, "float32", begin)
    if RULES[name][3] and RULES[name][3][0]:  # the half slot starts at a rounded value
        rounded = [value(s).astype(np.float32) for s in half.slots[0]]
        wide.slots[0] = [variable(r) for r in rounded]
    half.step(grads)
    wide.step(grads)
    for h, w in zip(half.values(), wide.values()):
        # lamb reads its moments back rounded, so its ratio and step carry two more roundings
        assert np.all(np.abs(h.astype(np.float32) - w) <= (4 if name == "lamb" else 1) * eps * (np.abs(w) + LR) + 1e-7)


def test_no_decay_spares_parameters():
    decayed = Engine("weight decay", "float32", starts())
    spared = Engine("weight decay", "float32", starts(), {"no_decay": [1, 2]})
    plain = Engine("momentum", "float32", starts())
    for e in (decayed, spared, plain):
        e.step(gradients(0))
    for i, expected in enumerate([decayed, plain, plain, decayed]):
        np.testing.assert_array_equal(spared.values()[i], expected.values()[i])


@pytest.mark.parametrize("name", RULES)
def test_same_bits_at_any_thread_count(name):
    before = _C.num_threads()
    rng = np.random.default_rng(1)
    params = [rng.normal(size=s) for s in [(40_000,), (3,), (300, 301), (5,), (8192,), (1,)]]
    grads = [rng.normal(size=p.shape) for p in params]
    results = set()
    try:
        for n in (1, 2, 3, 7):
            _C.set_num_threads(n)
            e = Engine(name, "float32", params)
            e.step(grads)
            e.step(grads)
            results.add(b"".join(v.tobytes() for v in e.values()))
    finally:
        _C.set_num_threads(before)
    assert len(results) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(set(RULES) - {"sgd", "adagrad", "ftrl", "ftrl power"}))
def test_slots_never_hold_subnormal_numbers(name, dtype):
    tiny = np.finfo(dtype).tiny
    e = Engine(name, dtype, [np.ones(37)])
    for group in e.slots:
        _C.set_variable_value(group[0], _C.to_tensor(np.full(37, 4 * tiny, dtype), dtype, "test"))
    for _ in range(300):
        e.step([np.zeros(37)])
        for group in e.slots:
            left = np.abs(value(group[0]))
            assert np.all((left == 0) | (left >= tiny)), left[0]


def test_a_value_read_before_stays():
    e = Engine("sgd", "float32", starts())
    held = _C.variable_value(e.params[0])
    before = _C.tensor_to_numpy(held, True)
    e.step(gradients(0))
    np.testing.assert_array_equal(_C.tensor_to_numpy(held, True), before)
    assert not np.array_equal(e.values()[0], before)


def test_no_parameters_and_empty_parameters():
    _C.ops.sgd_update([np.float32(0.1)], count=0)
    e = Engine("adam", "float32", [np.zeros((0, 3))])
    e.step([np.zeros((0, 3))])
    assert e.values()[0].shape == (0, 3)


def test_messages():
    v, s, third = (variable([x]) for x in (1.0, 0.0, 0.0))
    g, lr = np.ones(1, np.float32), np.float32(0.1)
    sgd, adam = _C.ops.sgd_update, _C.ops.adam_update
    with pytest.raises(ValueError, match=r"^\[sgd_update\] expected 3 tensors for count=1 .*received 2"):
        sgd([v, lr], count=1)
    with pytest.raises(TypeError, match="expected parameter 0 to be a variable, received a tensor"):
        sgd([g, g, lr], count=1)
    with pytest.raises(TypeError, match="expected slot 1 of parameter 'v' to be a variable"):
        sgd([v, g, g, lr], count=1, momentum=0.5)
    with pytest.raises(
        ValueError, match=r"expected the gradient of parameter 'v' to be float32 of shape \(1,\), received"
    ):
        sgd([v, np.ones(2, np.float32), lr], count=1)
    with pytest.raises(ValueError, match="expected a floating-point scalar, received int64"):
        sgd([v, g, np.int64(1)], count=1)
    with pytest.raises(ValueError, match="expected iterations to be an integer scalar, received float32"):
        adam([v, s, third, g, lr, lr], count=1)
    with pytest.raises(IndexError, match="no_decay, below 1, received 1"):
        sgd([v, g, lr], count=1, weight_decay=0.1, no_decay=[1])


def test_moments_too_small_for_a_normal_float_become_zero():
    # A parameter without gradient: its first moment shrinks by a tenth a step and would stay among the subnormal numbers,
    # where arithmetic is slow, for good.
    size = 20_000  # several chunks, on several threads
    p, m, v = (tahr.Variable(np.full(size, start, "float32")) for start in (1.0, 1e-39, 1e-39))
    rate, steps, g = tahr.constant(0.1), tahr.constant(5, "int64"), tahr.ops.zeros((size,))
    _C.ops.adam_update([p, m, v, g, rate, steps], count=1)
    assert not np.any(m.numpy()) and not np.any(v.numpy())
    np.testing.assert_array_equal(p.numpy(), np.ones(size, "float32"))
    small = tahr.constant(np.full(4, 1e-39, "float32"))
    assert np.all((small + small).numpy() > 0)  # elsewhere they count
