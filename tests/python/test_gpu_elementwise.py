"""Elementwise ops on a GPU, with `--device gpu`: kernels of single ops for every way in which an operand spreads over the
result, numbers that travel with the launch, programs beyond the interpreter's limits. All ops here are rounded once, so
that the CPU's bits are expected."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from tahr import _C

# Shapes of two operands: of one size; single elements; vectors along the last axis, in one load and element by element;
# along the first; in the middle; along two axes; what is none of these; nothing.
SHAPES = [
    ((1,), (1,)),
    ((7,), (7,)),
    ((4096 + 3,), (4096 + 3,)),
    ((33, 70), ()),
    ((), (5, 1000)),
    ((33, 72), (72,)),
    ((33, 70), (70,)),
    ((72,), (9, 72)),
    ((33, 72), (33, 1)),
    ((33, 7), (33, 1)),
    ((3, 9, 24), (9, 1)),
    ((3, 9, 7), (9, 1)),
    ((3, 1, 1, 40), (3, 5, 6, 40)),
    ((5, 6, 8, 3), (6, 8, 1)),
    ((4, 1, 8), (4, 5, 8)),
    ((16, 1), (1, 24)),
    ((0, 3), (3,)),
    ((3, 0), (3, 1)),
]
DTYPES = ("float32", "float16", "bfloat16", "float64", "int32")


@pytest.fixture(autouse=True)
def on_the_gpu(gpu):
    _C.reset_device_fallbacks()
    yield
    assert not tahr.config.device_fallbacks()


def draw(rng, shape, dtype):
    x = rng.integers(-9, 10, shape) if "int" in dtype or dtype == "bool" else rng.normal(0, 2, shape)
    if np.ndim(x) and x.size and "float" in dtype:
        x.flat[0] = np.nan
    with tahr.device("cpu"):
        return tahr.ops.cast(tahr.convert_to_tensor(np.asarray(x)), dtype)


def there(t):
    return (
        tahr.convert_to_tensor(t.numpy())
        if t.dtype != "bfloat16"
        else tahr.cast(tahr.cast(t, "float32").numpy(), t.dtype)
    )


def bits(t):
    return str(t.dtype), tuple(t.shape), (tahr.cast(t, "float32") if t.dtype == "bfloat16" else t).numpy().tobytes()


def check(op, operands, **attrs):
    """The bits that the CPU gives, on operands that lie on the GPU (tensors) or stay where they are (numbers)."""
    expected = getattr(tahr.ops, op)(*operands, **attrs)
    got = getattr(tahr.ops, op)(*[there(x) if isinstance(x, tahr.Tensor) else x for x in operands], **attrs)
    assert got.device == "/gpu:0" and expected.device == "/cpu:0"
    assert bits(got) == bits(expected), (op, operands)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_gpu_two_operands(shapes, dtype):
    rng = np.random.default_rng(3)
    a, b = (draw(rng, s, dtype) for s in shapes)
    for op in ("add", "subtract", "maximum", "less", "equal"):
        check(op, (a, b))
    check("logical_and", tuple(tahr.ops.cast(x, "bool") for x in (a, b)))


@pytest.mark.parametrize("dtype", (*DTYPES, "bool", "int8", "int64"))
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_gpu_choosing(shapes, dtype):
    rng = np.random.default_rng(4)
    a, b = (draw(rng, s, dtype) for s in shapes)
    for which in (draw(rng, shapes[0], "bool"), draw(rng, shapes[1], "bool"), draw(rng, (), "bool")):
        check("where", (which, a, b))
    if dtype != "bool":
        check("clip", (a, -1, 2))


@pytest.mark.parametrize("n", [1, 5, 16, 2048, 4100])
@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
def test_gpu_one_operand(dtype, n):
    x = draw(np.random.default_rng(5), (n,), dtype)
    for op in ("negative", "abs", "relu", "floor", "sign", "square", "isnan", "isfinite"):
        check(op, (x,))


@pytest.mark.parametrize(
    "to", ("float32", "float16", "bfloat16", "float64", "bool", "uint8", "int16", "int32", "int64")
)
def test_gpu_casts(to):
    for dtype in ("float32", "float16", "bfloat16", "float64", "bool", "uint8", "int32", "int64"):
        x = draw(np.random.default_rng(6), (4099,), dtype)
        if dtype.startswith(("float", "bfloat")):
            x = tahr.ops.multiply(x, 100)
        check("cast", (x,), dtype=to)


@pytest.mark.parametrize("dtype", ("float32", "bfloat16", "float64", "int64", "uint8"))
def test_gpu_numbers_travel_with_the_launch(dtype):
    with tahr.device("cpu"):
        x = tahr.ops.cast(np.arange(1, 4001), dtype)
    y = there(x)
    for f in (lambda t: t + 3, lambda t: 3 - t, lambda t: t * 2, lambda t: t > 100, lambda t: tahr.ops.maximum(t, 7)):
        assert bits(f(y)) == bits(f(x))
    if dtype == "int64":
        assert bits(y + (2**53 + 1)) == bits(x + (2**53 + 1))
    # Nothing is allocated but the result.
    y = y + 1
    tahr.config.experimental.reset_memory_stats("GPU:0")
    before = tahr.config.experimental.get_memory_info("GPU:0")["current"]
    z = y + 1
    peak_with_number = tahr.config.experimental.get_memory_info("GPU:0")["peak"] - before
    one = tahr.ops.ones((), dtype)
    tahr.config.experimental.reset_memory_stats("GPU:0")
    before = tahr.config.experimental.get_memory_info("GPU:0")["current"]
    w = y + one
    assert tahr.config.experimental.get_memory_info("GPU:0")["peak"] - before == peak_with_number
    assert bits(z) == bits(w)


def run_both(text, inputs):
    expected = _C.decompose("fused", inputs, {"program": text})
    for got, want in zip(_C.ops.fused(inputs, program=text), expected, strict=True):
        assert bits(got) == bits(want), text[:200]


@pytest.mark.parametrize("shape", [(), (5,), (3, 700)])
def test_gpu_programs_beyond_the_interpreter(shape):
    """More values at once, instructions and tensors than it takes (program.cu): they run in parts."""
    rng = np.random.default_rng(7)
    x, row, one = (there(draw(rng, s, "float32")) for s in (shape, shape[-1:], ()))
    # 150 values that all wait for the end, the last of them used first.
    n = 150
    text = "; ".join(f"t{i} = add(x{i % 3}, {f't{i - 1}' if i else 'x0'})" for i in range(n))
    total = f"t{n - 1}"
    for i in range(n - 1):
        text += f"; t{n + i} = maximum({total}, t{n - 2 - i})"
        total = f"t{n + i}"
    run_both(f"{text}; return {total}, t3", [x, row, one])
    # 400 instructions, a value of the row's shape and a single one among those that parts share.
    text = "t0 = exp(x1); t1 = exp(x2); t2 = add(x0, t0)"
    for i in range(3, 400):
        text += f"; t{i} = {'subtract' if i % 2 else 'multiply'}(t{i - 1}, t{i % 2})"
    run_both(f"{text}; return t399, t1", [x, row, one])
    # 32 inputs and 70 results.
    inputs = [there(draw(rng, shape, "float32")) for _ in range(32)]
    text = "; ".join(f"t{i} = add(x{i % 32}, x{(i * 7 + 1) % 32})" for i in range(70))
    run_both(f"{text}; return {', '.join(f't{i}' for i in range(70))}", inputs)
