"""Fused elementwise programs: every result must have the bits that the ops give one by one."""

from __future__ import annotations

import numpy as np
import pytest
import tahr
from instruction_sets import run_file_on
from tahr import _C

DTYPES = ("bool", "int8", "int32", "int64", "uint8", "uint32", "float16", "bfloat16", "float32", "float64")
OPS = [d for d in _C.op_table() if d["elementwise"] and d["has_kernel"]]
VIEWS = {"copy", "positive", "real", "conj", "conjugate", "stop_gradient"}
ATTRS = {
    "range_grad": ["low=-0.5, high=1.0, scale=0.5", "low=0.0, high=float('inf'), scale=1.0"],
    "threshold": ["threshold=0.25, default_value=-1.5"],
    "leaky_relu": ["negative_slope=0.1", ""],
    "round": ["decimals=0", "decimals=2", "decimals=-1"],
    "gelu": ["approximate=True", "approximate=False"],
    "gelu_grad": ["approximate=True", "approximate=False"],
    "nan_to_num": ["nan=1.5, posinf=None, neginf=-3.0", ""],
    "elu_grad": ["factor=1.25, rate=0.5, slope=1.0"],
    "cast": [f"dtype='{d}'" for d in DTYPES],
}


def _draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> tahr.Tensor:
    if dtype == "bool":
        x = rng.integers(0, 2, shape)
    elif "int" in dtype:
        x = rng.integers(0 if dtype[0] == "u" else -9, 10, shape)
    else:
        x = rng.normal(0, 2, shape)
    return tahr.ops.cast(tahr.convert_to_tensor(np.asarray(x)), dtype)


def _bits(t: tahr.Tensor) -> tuple[str, tuple[int, ...], bytes]:
    return (
        str(t.dtype),
        tuple(t.shape),
        tahr.ops.cast(t, "float32").numpy().tobytes() if t.dtype in ("bfloat16",) else t.numpy().tobytes(),
    )


def _alone(op: str, operands: list[tahr.Tensor], attrs: str) -> tahr.Tensor | None:
    """The op run by itself, or None where it does not take such operands."""
    names = ", ".join(f"x{i}" for i in range(len(operands)))
    text = f"t0 = {op}({names}{', ' + attrs if attrs else ''}); return t0"
    try:
        return _C.decompose("fused", operands, {"program": text})[0]
    except (TypeError, ValueError, NotImplementedError):
        return None


def _program(rng: np.random.Generator, inputs: list[tahr.Tensor], length: int) -> tuple[str, list[tahr.Tensor]]:
    """A random program on the inputs, and what the ops give one by one."""
    values = list(inputs)
    names = [f"x{i}" for i in range(len(inputs))]
    text = ""
    while len(values) < len(inputs) + length:
        d = OPS[rng.integers(len(OPS))]
        op = d["name"]
        if op in VIEWS:
            continue
        first = int(rng.integers(len(values)))
        # Mostly operands of one dtype, recent ones more often.
        like = [i for i, v in enumerate(values) if v.dtype == values[first].dtype]
        picked = [first] + [int(like[max(rng.integers(len(like)), rng.integers(len(like)))]) for _ in d["inputs"][1:]]
        if op == "where_select":
            picked[0] = int(rng.integers(len(values)))
            picked[2] = picked[1] if values[picked[1]].dtype != values[picked[2]].dtype else picked[2]
        attrs = str(rng.choice(ATTRS.get(op, [""])))
        result = _alone(op, [values[i] for i in picked], attrs)
        if result is None:
            continue
        arguments = ", ".join(names[i] for i in picked) + (", " + attrs if attrs else "")
        names.append(f"t{len(values) - len(inputs)}")
        text += f"{names[-1]} = {op}({arguments}); "
        values.append(result)
    results = range(len(inputs), len(values))
    size = int(np.prod(np.broadcast_shapes(*[tuple(values[i].shape) for i in results])))
    possible = [i for i in results if values[i].size in (1, size)]
    if not possible:  # rows and columns that never meet
        return _program(rng, inputs, length)
    outputs = sorted({int(i) for i in rng.choice(possible, size=min(3, len(possible)))} | {possible[-1]})
    return text + "return " + ", ".join(names[i] for i in outputs), [values[i] for i in outputs]


SHAPES = [
    [(), ()],
    [(1,), (), (1, 1)],
    [(7,), (7,), ()],
    [(0,), (1,), ()],
    [(3, 0), (3, 1)],
    [(32, 30), (30,), (), (32, 1), (32, 30)],
    [(5, 1023), (1023,), (1023,), (1,)],
    [(3, 1500), (1500,), (3, 1)],
    [(2, 3, 40), (3, 1), (40,), (2, 1, 1), ()],
    [(4097,), (4097,), (), ()],
    [(257, 300), (300,), (257, 1), (257, 300), ()],
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_op_alone(dtype: str) -> None:
    rng = np.random.default_rng(1)
    taken = 0
    for d in OPS:
        if d["name"] in VIEWS:
            continue
        for attrs in ATTRS.get(d["name"], [""]):
            shapes = [(3, 50), (50,), (3, 1)][: len(d["inputs"])]
            x = [_draw(rng, s, dtype) for s in shapes]
            if d["name"] == "where_select":
                x[0] = tahr.ops.cast(x[0], "bool")
            if d["name"] == "ldexp":
                x[1] = tahr.ops.cast(x[1], "int8")
            expected = _alone(d["name"], x, attrs)
            if expected is None:
                continue
            taken += 1
            names = ", ".join(f"x{i}" for i in range(len(x)))
            text = f"t0 = {d['name']}({names}{', ' + attrs if attrs else ''}); return t0"
            assert _bits(_C.ops.fused(x, program=text)[0]) == _bits(expected), (text, dtype)
    assert taken >= (80 if dtype.startswith(("float", "bfloat")) else 20)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_random_programs(shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(len(str(shapes)))
    before = tahr.config.num_threads()
    for trial in range(24):
        base = DTYPES[(trial * 7) % len(DTYPES)] if trial % 2 else "float32"
        inputs = [_draw(rng, s, base if rng.random() < 0.8 else str(rng.choice(DTYPES))) for s in shapes]
        text, expected = _program(rng, inputs, int(rng.integers(1, 16)))
        try:
            for n in (1, 2, 3, 7) if trial % 8 == 0 else (1,):
                tahr.config.set_num_threads(n)
                for got, want in zip(_C.ops.fused(inputs, program=text), expected, strict=True):
                    assert _bits(got) == _bits(want), (text, [(i.shape, i.dtype) for i in inputs])
        finally:
            tahr.config.set_num_threads(before)


def test_many_threads_on_a_large_program() -> None:
    rng = np.random.default_rng(5)
    x = [_draw(rng, s, "float32") for s in [(700, 1000), (1000,), (700, 1), ()]]
    text = "t0 = multiply(x0, x1); t1 = tanh(t0); t2 = subtract(t1, x2); t3 = multiply(t2, x3); t4 = exp(t3); return t4, t1"
    expected = [_bits(t) for t in _C.decompose("fused", x, {"program": text})]
    before = tahr.config.num_threads()
    try:
        for n in (1, 2, 3, 7):
            tahr.config.set_num_threads(n)
            assert [_bits(t) for t in _C.ops.fused(x, program=text)] == expected
    finally:
        tahr.config.set_num_threads(before)


@pytest.mark.parametrize("exponent", [2.0, -1.0, 3.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_power_by_a_single_exponent(exponent: float, dtype: str) -> None:
    x = tahr.ops.cast(np.linspace(0.3, 7, 501), dtype)
    for e in (tahr.ops.cast(exponent, dtype), tahr.ops.cast(np.full(501, exponent), dtype)):
        text = "t0 = power(x0, x1); return t0"
        assert _bits(_C.ops.fused([x, e], program=text)[0]) == _bits(tahr.ops.power(x, e))


@pytest.mark.parametrize("isa", ["v2", "v3", "v4"])
def test_other_instruction_sets(isa: str) -> None:
    run_file_on(isa, __file__)


@pytest.mark.parametrize(
    ("program", "match"),
    [
        ("", "a program that returns something"),
        ("t0 = add(x0, x1)", "a program that returns something"),
        ("t0 = add(x0, x1); return x0", "distinct results"),
        ("t0 = add(x0, x1); return t0, t0", "distinct results"),
        ("t0 = add(x0); return t0", "2 inputs of add"),
        ("t0 = add(x0, t0); return t0", "a value that exists"),
        ("t0 = add(x0, x2); return t0", "a value that exists"),
        ("t1 = add(x0, x1); return t1", "the result t0"),
        ("t0 = matmul(x0, x1); return t0", "an elementwise op"),
        ("t0 = nothing(x0, x1); return t0", "an elementwise op"),
        ("t0 = add(x0, x1, scale=1.0); return t0", "an attribute of add"),
        ("t0 = cast(x0, dtype='float31'); return t0", "a dtype"),
        ("t0 = leaky_relu(x0, negative_slope=steep); return t0", "a number"),
        ("t0 = add(x0, x1); t1 = exp(x1); return t0, t1", "values of the whole shape"),
    ],
)
def test_programs_that_are_refused(program: str, match: str) -> None:
    x = [tahr.ops.ones((2, 3)), tahr.ops.ones((3,))]
    with pytest.raises(ValueError, match=rf"\[fused\] expected.*{match}"):
        _C.ops.fused(x, program=program)
