"""Random numbers: the generator against its published vectors, the distributions against their laws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st
from op_rows.random import philox
from tahr import _C

ops = _C.ops
N = 100_000
SURE = 1e-9  # probability of failing by chance, per test: the seeds are fixed, so a test that passes always passes


def seed(n: int, counter: int = 0) -> np.ndarray:
    return np.array([n, counter], np.int64)


def values(tensor) -> np.ndarray:
    return _C.tensor_to_numpy(tensor, True)


def assert_law(sample: np.ndarray, cdf) -> None:
    """Kolmogorov-Smirnov with the bound of Massart (1990): P(D > d) <= 2 exp(-2 n d^2), for any continuous law."""
    x = np.sort(sample.astype(np.float64).ravel())
    steps = np.arange(len(x) + 1) / len(x)
    expected = cdf(x)
    distance = max(np.max(steps[1:] - expected), np.max(expected - steps[:-1]))
    assert distance < np.sqrt(np.log(2 / SURE) / (2 * len(x)))


def assert_frequencies(sample: np.ndarray, probabilities: np.ndarray) -> None:
    """Pearson's chi-squared over cells of at least 10 expected draws."""
    counts = np.bincount(sample.astype(np.int64).ravel(), minlength=len(probabilities))
    assert counts.sum() == sample.size and len(counts) == len(probabilities)
    assert abs(probabilities.sum() - 1) < 1e-9
    expected = probabilities * sample.size
    assert not counts[expected == 0].any()
    big = expected >= 10
    o = np.append(counts[big], counts[~big].sum())
    e = np.append(expected[big], expected[~big].sum())
    o, e = (o, e) if e[-1] > 1 else (o[:-1], e[:-1])
    assert ((o - e) ** 2 / e).sum() < st.chi2.isf(SURE, max(len(e) - 1, 1))


def assert_mean(sample: np.ndarray, mean: float, variance: float) -> None:
    bound = st.norm.isf(SURE / 2) * np.sqrt(variance / sample.size)
    assert abs(sample.astype(np.float64).mean() - mean) < bound


# From the kat_vectors file that the authors of Philox publish with Random123: counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize("counter, key, result", KNOWN)
def test_reference_matches_the_published_vectors(counter, key, result):
    c, k, r = ([int(w, 16) for w in s.split()] for s in (counter, key, result))
    assert [int(w[0]) for w in philox(np.array(c, np.uint64)[:, None], tuple(k))] == r


def test_first_block_of_seed_zero_is_the_published_vector():
    # Elements 0, 16, 32 and 48 read the four words of block 0, whose counter and key are zero.
    u = values(ops.random_uniform(seed(0), (64,)))[[0, 16, 32, 48]]
    words = np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8])
    np.testing.assert_array_equal(u, (words >> 8).astype(np.float32) * np.float32(2.0**-24))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_continuous_laws(dtype):
    draw = {"shape": (N,), "dtype": dtype}
    assert_law(values(ops.random_uniform(seed(1), minval=-2.0, maxval=3.0, **draw)), st.uniform(-2, 5).cdf)
    assert_law(values(ops.random_normal(seed(2), mean=1.0, stddev=2.0, **draw)), st.norm(1, 2).cdf)
    t = values(ops.random_truncated_normal(seed(3), mean=1.0, stddev=2.0, **draw))
    assert_law(t, st.truncnorm(-2, 2, 1, 2).cdf)
    assert t.min() >= -3 and t.max() <= 5
    for alpha in (0.1, 0.9, 1.0, 2.5, 40.0):
        assert_law(values(ops.random_gamma(seed(4), alpha, **draw)), st.gamma(alpha).cdf)
    for a, b in ((0.3, 0.6), (2.0, 5.0), (0.05, 3.0)):
        assert_law(values(ops.random_beta(seed(5), a, b, **draw)), st.beta(a, b).cdf)


@pytest.mark.parametrize(
    "n, p", [(1, 0.3), (20, 0.1), (20, 0.9), (40, 0.5), (500, 0.3), (1000, 0.98), (9, 1.0), (9, 0.0)]
)
def test_binomial(n, p):
    sample = values(ops.random_binomial(seed(6), float(n), p, shape=(N,)))
    assert_frequencies(sample, st.binom(n, p).pmf(np.arange(n + 1)))


def test_binomial_of_many_trials():
    sample = values(ops.random_binomial(seed(7), 1e6, 0.2, shape=(N,), dtype="float64"))
    # The law is a lattice of unit steps: the distance to the continuous one is at most half its largest step.
    assert abs(sample.mean() - 2e5) < st.norm.isf(SURE / 2) * 400 / np.sqrt(N)
    assert_law(sample + values(ops.random_uniform(seed(8), (N,), dtype="float64")) - 0.5, st.norm(2e5, 400).cdf)


def test_discrete_laws():
    assert_frequencies(values(ops.random_randint(seed(9), (N,), 0, 7)), np.full(7, 1 / 7))
    assert_frequencies(values(ops.random_bernoulli(seed(10), 0.37, shape=(N,))), np.array([0.63, 0.37]))
    p = np.array([0.5, 0.0, 0.125, 0.375])
    with np.errstate(divide="ignore"):
        picks = values(ops.random_categorical(seed(11), np.log(p)[None], num_samples=N))
    assert picks.shape == (1, N)
    assert_frequencies(picks, p)


def test_categorical_rows_are_independent_of_each_other():
    logits = np.where(np.eye(5, dtype=bool), 0.0, -np.inf)  # row i has only class i
    picks = values(ops.random_categorical(seed(1), logits, num_samples=20))
    np.testing.assert_array_equal(picks, np.repeat(np.arange(5)[:, None], 20, 1))


def test_permutations_are_uniform():
    draws = np.array([values(ops.random_permutation(seed(12, c), 4)) for c in range(4800)])
    assert (np.sort(draws, 1) == np.arange(4)).all()
    code = (draws * [64, 16, 4, 1]).sum(1)
    assert_frequencies(np.unique(code, return_inverse=True)[1], np.full(24, 1 / 24))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_never_reach_the_upper_bound(dtype):
    for low, high in ((0.0, 1.0), (-1.0, 0.0), (3.0, 5.0), (0.9, 1.0)):
        u = values(ops.random_uniform(seed(13), (N,), minval=low, maxval=high, dtype=dtype)).astype(np.float64)
        top = values(ops.random_uniform(seed(13), (1,), minval=high, maxval=high, dtype=dtype)).astype(np.float64)
        bottom = values(ops.random_uniform(seed(13), (1,), minval=low, maxval=low, dtype=dtype)).astype(np.float64)
        assert u.min() >= bottom and u.max() < top
        assert_mean(
            u - (low + high) / 2, 0.0, (high - low) ** 2 / 12 + ((top - bottom) * 2.0**-8 * np.sqrt(N)).item() ** 2
        )


def test_uniform_excludes_the_bound_where_rounding_would_reach_it():
    u = values(ops.random_uniform(seed(14), (N,), minval=1e8, maxval=1e8 + 16))
    assert u.min() >= 1e8 and u.max() < np.float32(1e8 + 16)


def test_streams_of_different_seeds_and_counters_are_uncorrelated():
    sample = [
        values(ops.random_normal(seed(s, c), (N,), dtype="float64"))
        for s, c in ((1, 0), (1, 1), (2, 0), (2**40, 0), (0, 2**40))
    ]
    bound = st.norm.isf(SURE / 2) / np.sqrt(N)
    for i, a in enumerate(sample):
        for b in sample[:i]:
            assert abs((a * b).mean()) < bound
        assert abs((a[:-1] * a[1:]).mean()) < bound


def test_an_element_depends_on_its_index_alone():
    long, short = (values(ops.random_gamma(seed(15), 0.7, shape=(n,))) for n in (1000, 37))
    np.testing.assert_array_equal(long[:37], short)
    long, short = (values(ops.random_normal(seed(15), (n,))) for n in (1000, 37))
    np.testing.assert_array_equal(long[:37], short)


def test_invalid_parameters_give_nan():
    assert np.isnan(values(ops.random_gamma(seed(1), np.array([-1.0, 0.0, np.nan])))).all()
    assert np.isnan(
        values(ops.random_binomial(seed(1), np.array([-1.0, 5.0, 5.0]), np.array([0.5, 1.5, np.nan])))
    ).all()
    assert np.isnan(values(ops.random_beta(seed(1), np.array([-1.0, 1.0]), np.array([1.0, 0.0])))).all()


DRAWS = {
    "uniform": lambda: ops.random_uniform(seed(3, 9), (30_001,)),
    "normal": lambda: ops.random_normal(seed(3, 9), (30_001,)),
    "normal double": lambda: ops.random_normal(seed(3, 9), (30_001,), dtype="float64"),
    "truncated": lambda: ops.random_truncated_normal(seed(3, 9), (30_001,)),
    "randint": lambda: ops.random_randint(seed(3, 9), (30_001,), 0, 1000),
    "gamma": lambda: ops.random_gamma(seed(3, 9), 0.4, shape=(30_001,)),
    "beta": lambda: ops.random_beta(seed(3, 9), 0.4, 2.0, shape=(30_001,)),
    "binomial": lambda: ops.random_binomial(seed(3, 9), 30.0, 0.4, shape=(30_001,)),
    "categorical": lambda: ops.random_categorical(seed(3, 9), np.linspace(-1, 1, 700).reshape(70, 10), num_samples=300),
    "shuffle": lambda: ops.random_shuffle(seed(3, 9), np.arange(90_003.0).reshape(30_001, 3)),
    "dropout": lambda: ops.random_dropout(seed(3, 9), np.ones((301, 101), np.float32), rate=0.2),
}


@pytest.mark.parametrize("name", DRAWS)
def test_same_bits_at_any_thread_count(name):
    before = _C.num_threads()
    results = set()
    try:
        for n in (1, 2, 3, 7):
            _C.set_num_threads(n)
            results.add(values(DRAWS[name]()).tobytes())
    finally:
        _C.set_num_threads(before)
    assert len(results) == 1


def test_dropout_keeps_the_mean_and_its_mask():
    x = np.full((500, 500), 3.0, np.float32)
    y = values(ops.random_dropout(seed(16), x, rate=0.25))
    np.testing.assert_array_equal(np.unique(y), [0.0, 4.0])
    assert_mean(y, 3.0, 9 * 0.25 / 0.75)
    spatial = values(ops.random_dropout(seed(16), np.ones((8, 50, 20), np.float32), rate=0.5, noise_shape=(8, 1, 20)))
    assert (spatial == spatial[:, :1]).all() and 0 < spatial.mean() < 2
