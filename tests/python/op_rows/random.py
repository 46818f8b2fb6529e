"""Rows of the random family, against Philox 4x32-10 written out in NumPy from the paper (Salmon et al., SC 2011)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Bad, Case, In, Row

MASK = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """The paper's function. counter: (4, n) words, key: two words. Returns (4, n) words, as uint64."""
    c = [np.asarray(w, np.uint64) for w in counter]
    k = [int(key[0]), int(key[1])]
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (p1 >> SHIFT) ^ c[1] ^ np.uint64(k[0]),
            p1 & MASK,
            (p0 >> SHIFT) ^ c[3] ^ np.uint64(k[1]),
            p0 & MASK,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c)


def blocks(seed: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Words (4, n) of the blocks with these numbers, for a (seed, counter) pair."""
    s, c = (int(v) & (2**64 - 1) for v in seed)
    n = numbers.astype(np.uint64)
    high = np.zeros_like(n)
    return philox(
        np.stack([n & MASK, n >> SHIFT, high + np.uint64(c & 0xFFFFFFFF), high + np.uint64(c >> 32)]),
        (s & 0xFFFFFFFF, s >> 32),
    )


def words32(seed: np.ndarray, n: int) -> np.ndarray:
    """One 32-bit word per element: groups of 64 elements, made of 16 blocks."""
    i = np.arange(n)
    return blocks(seed, i // 64 * 16 + i % 16)[i % 64 // 16, i]


def words64(seed: np.ndarray, n: int) -> np.ndarray:
    """One 64-bit word per element: groups of 32 elements, made of 16 blocks."""
    i = np.arange(n)
    w = blocks(seed, i // 32 * 16 + i % 16)
    half = i % 32 // 16
    return w[2 * half, i] | w[2 * half + 1, i] << SHIFT


def unit64(seed: np.ndarray, n: int) -> np.ndarray:
    return (words64(seed, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _uniform(seed: np.ndarray, shape: Any, minval: float, maxval: float, dtype: str) -> np.ndarray:
    n = int(np.prod(shape))
    bits = {"float32": 24, "float16": 11, "bfloat16": 8}.get(dtype)
    u = unit64(seed, n) if bits is None else (words32(seed, n) >> np.uint64(32 - bits)).astype(np.float64) * 2.0**-bits
    return (minval + u * (maxval - minval)).reshape(shape)


def _normal(seed: np.ndarray, shape: Any, dtype: str, mean: float = 0.0, stddev: float = 1.0) -> np.ndarray:
    n = int(np.prod(shape))
    i = np.arange(n)
    if dtype == "float64":
        w = blocks(seed, i // 32 * 16 + i % 16)
        u = (((w[0] | w[1] << SHIFT) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
        turn = ((w[2] | w[3] << SHIFT) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        use_sin = i % 32 >= 16
    else:
        w = blocks(seed, i // 64 * 16 + i % 16)
        pair = i % 64 // 32 * 2
        u = ((w[pair, i].astype(np.float64) + 0.5).astype(np.float32) * np.float32(2.0**-32)).astype(np.float64)
        turn = w[pair + 1, i].astype(np.float64) * 2.0**-32
        use_sin = i % 32 >= 16
    angle = 2 * np.pi * turn
    z = np.sqrt(-2 * np.log(u)) * np.where(use_sin, np.sin(angle), np.cos(angle))
    return (mean + stddev * z).reshape(shape)


def _randint(seed: np.ndarray, shape: Any, minval: int, maxval: int, dtype: str = "int32") -> np.ndarray:
    draws = [minval + (int(w) * (maxval - minval) >> 64) for w in words64(seed, int(np.prod(shape)))]
    return np.array(draws, dtype=dtype).reshape(shape)


def _bernoulli(seed: np.ndarray, p: np.ndarray, shape: Any = None, dtype: str = "float32") -> np.ndarray:
    shape = p.shape if shape is None else shape
    u = words32(seed, int(np.prod(shape))).astype(np.float64).reshape(shape) * 2.0**-32
    return (u < p).astype(np.float64)


def _dropout(seed: np.ndarray, x: np.ndarray, rate: float, noise_shape: Any = None) -> np.ndarray:
    if rate == 1:
        return np.zeros_like(x)
    noise = x.shape if noise_shape is None else tuple(d if n in (-1, None) else n for n, d in zip(noise_shape, x.shape))
    keep = words32(seed, int(np.prod(noise))).reshape(noise) >= np.uint64(int(rate * 2.0**32))
    return np.where(keep, x / (1 - rate), 0.0)


def _permutation(seed: np.ndarray, n: int, dtype: str = "int64") -> np.ndarray:
    order = list(range(n))
    draws = words64(seed, n)
    for i in range(n - 1, 0, -1):
        j = int(draws[i]) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=dtype)


def _shuffle(seed: np.ndarray, x: np.ndarray, axis: int = 0, inverse: bool = False) -> np.ndarray:
    order = _permutation(seed, x.shape[axis])
    return np.take(x, np.argsort(order) if inverse else order, axis=axis)


def _categorical(seed: np.ndarray, logits: np.ndarray, num_samples: int, dtype: str = "int32") -> np.ndarray:
    sums = np.cumsum(np.exp(logits - logits.max(-1, keepdims=True)), -1).reshape(-1, logits.shape[-1])
    u = unit64(seed, len(sums) * num_samples).reshape(len(sums), num_samples)
    picks = [np.searchsorted(s, v * s[-1], side="right") for s, v in zip(sums, u)]
    return np.array(picks, dtype=dtype).reshape(*logits.shape[:-1], num_samples)


SEED = In(dtype="int64", make=lambda rng, shape: rng.integers(-(2**62), 2**62, size=shape))
PROBABILITY = In(0.0, 1.0)
BAD_SEED = Bad(
    [np.zeros(3, np.int64)], {"shape": (2,)}, ValueError, r"expected seed to be an integer tensor of shape \(2,\)"
)
S = np.zeros(2, np.int64)

ROWS = [
    Row(
        "random_uniform",
        _uniform,
        [SEED],
        [
            Case([(2,)], {"shape": s, "minval": 0.5, "maxval": 2.0, "dtype": d})
            for s in [(), (0, 3), (5,), (3, 67), (9000,)]
            for d in ("float32", "float64", "float16", "bfloat16")
        ],
        dtypes=("int64",),
        grad=(),
        errors=[
            BAD_SEED,
            Bad([S], {"shape": (-1, 2)}, ValueError, r"^\[random_uniform\] expected a shape of non-negative"),
            Bad([S], {"shape": (2,), "minval": 1.0, "maxval": 0.0}, ValueError, "expected finite minval <= maxval"),
            Bad([S], {"shape": (2,), "dtype": "int32"}, ValueError, "expected a floating-point dtype, received int32"),
        ],
        bench=Case([(2,)], {"shape": (1_000_000,), "minval": 0.0, "maxval": 1.0, "dtype": "float32"}),
    ),
    Row(
        "random_normal",
        _normal,
        [SEED],
        [
            Case([(2,)], {"shape": s, "dtype": d})
            for s in [(), (0,), (33,), (5, 129)]
            for d in ("float32", "float64", "float16")
        ],
        dtypes=("int64",),
        ulp=6.0,  # log, square root, sine and product, each within two
        grad=(),
        errors=[BAD_SEED, Bad([S], {"shape": (2,), "stddev": -1.0}, ValueError, "expected stddev >= 0, received -1")],
        bench=Case([(2,)], {"shape": (1_000_000,), "dtype": "float32"}),
    ),
    Row(
        "random_randint",
        _randint,
        [SEED],
        [
            Case([(2,)], {"shape": (70,), "minval": -3, "maxval": 9}),
            Case([(2,)], {"shape": (), "minval": 4, "maxval": 5, "dtype": "int8"}),
            Case([(2,)], {"shape": (3, 33), "minval": 0, "maxval": 256, "dtype": "uint8"}),
            Case([(2,)], {"shape": (40,), "minval": -(2**63), "maxval": 2**63 - 1, "dtype": "int64"}),
        ],
        dtypes=("int64",),
        grad=(),
        errors=[
            Bad([S], {"shape": (2,), "minval": 3, "maxval": 3}, ValueError, "expected minval < maxval"),
            Bad(
                [S], {"shape": (2,), "minval": 0, "maxval": 257, "dtype": "uint8"}, ValueError, "bounds that fit uint8"
            ),
            Bad(
                [S],
                {"shape": (2,), "minval": 0, "maxval": 2, "dtype": "float32"},
                ValueError,
                "expected an integer dtype",
            ),
        ],
        bench=Case([(2,)], {"shape": (100_000,), "minval": 0, "maxval": 1000}),
    ),
    Row(
        "random_bernoulli",
        _bernoulli,
        [SEED, PROBABILITY],
        [Case([(2,), (4, 40)]), Case([(2,), (40,)], {"shape": (3, 40)}), Case([(2,), ()], {"shape": (2, 0)})],
        dtypes=("float32", "float64"),
        grad=(),
        errors=[
            Bad(
                [S, np.ones(3)],
                {"shape": (2,)},
                ValueError,
                r"parameters that broadcast to shape \(2,\), received shape \(3,\)",
            )
        ],
    ),
    Row(
        "random_categorical",
        _categorical,
        [SEED, In(-3, 3)],
        [
            Case([(2,), (4, 6)], {"num_samples": 50}),
            Case([(2,), (2, 3, 1)], {"num_samples": 2}),
            Case([(2,), (5,)], {"num_samples": 0}),
        ],
        dtypes=("float32", "float64"),
        grad=(),
        errors=[
            Bad([S, np.ones((2, 0))], {"num_samples": 1}, ValueError, "at least one class"),
            Bad([S, np.ones((2, 3))], {"num_samples": -1}, ValueError, "expected num_samples >= 0"),
        ],
    ),
    Row(
        "random_permutation",
        _permutation,
        [SEED],
        [Case([(2,)], {"n": n}) for n in (0, 1, 2, 100)] + [Case([(2,)], {"n": 77, "dtype": "int32"})],
        dtypes=("int64",),
        grad=(),
        errors=[Bad([S], {"n": -1}, ValueError, "expected n >= 0, received -1")],
        bench=Case([(2,)], {"n": 60_000}),
    ),
    Row(
        "random_shuffle",
        _shuffle,
        [SEED, In()],
        [
            Case([(2,), (5, 3)]),
            Case([(2,), (2, 7, 2)], {"axis": 1}),
            Case([(2,), (2, 3, 4)], {"axis": -1, "inverse": True}),
            Case([(2,), (0, 2)]),
        ],
        dtypes=("float32", "float64", "float16"),
        grad=(1,),
        errors=[
            Bad([S, np.float32(1.0)], {}, ValueError, "rank 1 or more"),
            Bad([S, np.ones(3)], {"axis": 2}, ValueError, "axis"),
        ],
        bench=Case([(2,), (10_000, 100)]),
    ),
    Row(
        "random_dropout",
        _dropout,
        [SEED, In()],
        [
            Case([(2,), (4, 5)], {"rate": 0.3}),
            Case([(2,), (3, 67)], {"rate": 0.5}),
            Case([(2,), (9001,)], {"rate": 0.9}),
            Case([(2,), (2, 3, 4)], {"rate": 0.4, "noise_shape": (None, 1, 4)}),
            Case([(2,), ()], {"rate": 0.0}),
            Case([(2,), (2, 0)], {"rate": 0.5}),
            Case([(2,), (7,)], {"rate": 1.0}),
        ],
        dtypes=("float32", "float64", "float16", "bfloat16"),
        grad=(1,),
        errors=[
            Bad(
                [S, np.ones(3)],
                {"rate": 1.5},
                ValueError,
                r"\[random_dropout\] expected rate in \[0, 1\], received 1.5",
            ),
            Bad([S, np.ones((2, 3))], {"rate": 0.5, "noise_shape": (2, 2)}, ValueError, "expected noise_shape"),
            Bad(
                [S, np.ones(3, np.int32)], {"rate": 0.5}, ValueError, "expected a floating-point tensor, received int32"
            ),
        ],
        bench=Case([(2,), (1000, 1000)], {"rate": 0.5}),
    ),
]
