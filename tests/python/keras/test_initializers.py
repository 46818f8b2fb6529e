"""Initializers by exact values, bounds and moments; regularizers and constraints beside Keras.

Moments of n = 40,000 draws: the mean lies within 5 standard errors (s / sqrt(n)) of the true one, and the standard
deviation within 5 of its own (at most s / sqrt(n) for these distributions, whose kurtosis is at most 3).
"""

import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import numpy as np
import pytest
import tahr
from tahr import keras
from tahr.keras import constraints, initializers, regularizers

reference = pytest.importorskip("keras")

SHAPE = (200, 200)
N = 40_000
TRUNCATED = 0.87962566103423978  # standard deviation of a unit normal cut at two


def _variance(scale, fan):
    return np.sqrt(scale / fan)


# class, arguments, shape, standard deviation, bound (None for a full normal)
RANDOM = [
    ("RandomNormal", {"mean": 1.0, "stddev": 0.5}, SHAPE, 0.5, None),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 0.5}, SHAPE, 0.5 * TRUNCATED, 1.0),
    ("RandomUniform", {"minval": -1.0, "maxval": 3.0}, SHAPE, 4 / np.sqrt(12), 2.0),
    ("GlorotUniform", {}, (100, 400), _variance(2, 500), np.sqrt(6 / 500)),
    ("GlorotNormal", {}, (100, 400), _variance(2, 500), 2 * _variance(2, 500) / TRUNCATED),
    ("LecunNormal", {}, (100, 400), _variance(1, 100), 2 * _variance(1, 100) / TRUNCATED),
    ("LecunUniform", {}, (100, 400), _variance(1, 100), np.sqrt(3 / 100)),
    ("HeNormal", {}, (100, 400), _variance(2, 100), 2 * _variance(2, 100) / TRUNCATED),
    ("HeUniform", {}, (100, 400), _variance(2, 100), np.sqrt(6 / 100)),
    ("HeUniform", {}, (5, 5, 16, 100), _variance(2, 400), np.sqrt(6 / 400)),
    ("VarianceScaling", {"scale": 3.0, "mode": "fan_out"}, (100, 400), _variance(3, 400), None),
    ("VarianceScaling", {"mode": "fan_avg", "distribution": "untruncated_normal"}, (100, 400), _variance(1, 250), None),
    ("VarianceScaling", {"input_axes": [0, 1], "output_axes": [2]}, (10, 20, 200), _variance(1, 200), None),
]


@pytest.mark.parametrize("name,arguments,shape,stddev,bound", RANDOM)
def test_moments_and_bounds(name, arguments, shape, stddev, bound):
    initializer = getattr(initializers, name)(seed=7, **arguments)
    value = initializer(shape)
    assert tuple(value.shape) == shape and value.dtype == "float32"
    x = value.numpy().astype("float64")
    center = 1.0 if name in ("RandomNormal", "TruncatedNormal", "RandomUniform") else 0.0
    assert abs(x.mean() - center) < 5 * stddev / np.sqrt(N)
    assert abs(x.std() - stddev) < 5 * stddev / np.sqrt(N)
    if bound is not None:
        assert np.abs(x - center).max() <= bound * (1 + 1e-6)
        assert np.abs(x - center).max() > 0.99 * bound
    np.testing.assert_array_equal(initializer(shape).numpy(), value.numpy())  # an integer seed repeats
    assert not np.array_equal(getattr(initializers, name)(seed=8, **arguments)(shape).numpy(), value.numpy())


@pytest.mark.parametrize("name", sorted({case[0] for case in RANDOM} | {"Orthogonal"}))
def test_seeds(name):
    cls = getattr(initializers, name)
    assert not np.array_equal(cls()((20, 20)).numpy(), cls()((20, 20)).numpy())
    once = cls()
    np.testing.assert_array_equal(once((20, 20)).numpy(), once((20, 20)).numpy())
    generator = keras.random.SeedGenerator(3)
    drawn = cls(seed=generator)
    assert not np.array_equal(drawn((20, 20)).numpy(), drawn((20, 20)).numpy())
    keras.utils.set_random_seed(5)
    first = cls()((20, 20)).numpy()
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(cls()((20, 20)).numpy(), first)
    with pytest.raises(ValueError, match="expected `seed` to be an integer"):
        cls(seed="one")


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 3, 2, 8)])
def test_orthogonal(shape):
    x = initializers.Orthogonal(gain=2.0, seed=1)(shape).numpy().reshape(-1, shape[-1])
    x = x if x.shape[0] >= x.shape[1] else x.T
    np.testing.assert_allclose(x.T @ x, 4 * np.eye(x.shape[1]), atol=4 * 8 * 2.0**-23)


@pytest.mark.parametrize(
    "name,arguments,shape",
    [
        ("Zeros", {}, (2, 3)),
        ("Ones", {}, (2, 3)),
        ("Constant", {"value": 2.5}, (2, 3)),
        ("Constant", {"value": [1.0, 2.0, 3.0]}, (2, 3)),
        ("Identity", {"gain": 2.0}, (3, 4)),
        ("STFT", {}, (16, 1, 9)),
        ("STFT", {"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True}, (16, 1, 9)),
        ("STFT", {"window": None}, (10, 1, 9)),
        ("STFT", {"window": "blackman", "scaling": None}, (16, 1, 9)),
    ],
)
def test_fixed_values_are_those_of_keras(name, arguments, shape):
    ours, theirs = getattr(initializers, name)(**arguments), getattr(reference.initializers, name)(**arguments)
    # Keras takes the angles of a Fourier kernel in float32: an angle of up to 2 pi 16 has an error of 16 roundings of pi.
    atol = 2 * np.pi * 16 * 2.0**-23 if name == "STFT" else 0
    np.testing.assert_allclose(ours(shape).numpy(), theirs(shape), rtol=0, atol=atol)
    assert ours(shape, dtype="float16").dtype == "float16"
    expected = {"gain": 2.0} if name == "Identity" else theirs.get_config()  # Keras forgets the gain
    assert ours.get_config() == expected == ours.clone().get_config()


def test_configs_are_those_of_keras():
    for name, arguments, *_ in RANDOM:
        ours = getattr(initializers, name)(seed=3, **arguments)
        assert ours.get_config() == getattr(reference.initializers, name)(seed=3, **arguments).get_config()
        again = initializers.deserialize(initializers.serialize(ours))
        np.testing.assert_array_equal(again((4, 4, 4)).numpy(), ours((4, 4, 4)).numpy())


def test_names():
    table = reference.src.initializers.ALL_OBJECTS_DICT
    for name, cls in table.items():
        if name not in ("Initializer", "initializer"):
            assert type(initializers.get(name)).__name__ == cls.__name__, name
    for name in dir(reference.initializers):
        if not name.startswith("_"):
            assert hasattr(initializers, name), name
    with pytest.raises(ValueError, match="Did you mean 'glorot_uniform'"):
        initializers.get("glorot_unifrom")
    value = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(initializers.get(value)((2, 3)).numpy(), value)
    with pytest.raises(ValueError, match=r"Expected `shape` to be \(2, 3\)"):
        initializers.get(value)((3, 2))
    with pytest.raises(ValueError, match=r"\[Orthogonal\] expected a shape of rank 2 or more, received \(3,\)"):
        initializers.Orthogonal()((3,))
    with pytest.raises(ValueError, match=r"\[Identity\] expected the shape of a matrix, received \(3,\)"):
        initializers.Identity()((3,))


W = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


@pytest.mark.parametrize(
    "name,arguments",
    [
        ("L1", {}),
        ("L1", {"l1": 0.3}),
        ("L2", {"l2": 0.3}),
        ("L1L2", {"l1": 0.1, "l2": 0.2}),
        ("L1L2", {}),
        ("OrthogonalRegularizer", {"factor": 0.1}),
        ("OrthogonalRegularizer", {"factor": 0.1, "mode": "columns"}),
    ],
)
def test_regularizers_agree_with_keras(name, arguments):
    ours, theirs = getattr(regularizers, name)(**arguments), getattr(reference.regularizers, name)(**arguments)
    penalty = ours(tahr.convert_to_tensor(W))
    assert penalty.shape == ()
    if arguments.get("mode") == "columns":  # Keras on NumPy takes norms of columns along a wrong axis
        expected = reference.regularizers.OrthogonalRegularizer(factor=0.1)(W.T)
    else:
        expected = theirs(W)
    assert float(penalty) == pytest.approx(float(expected), rel=2e-6)
    config = ours.get_config()
    for key, value in theirs.get_config().items():
        assert config.pop(key) == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6))
    assert not config
    again = regularizers.deserialize(regularizers.serialize(ours))
    assert float(again(tahr.convert_to_tensor(W))) == float(penalty)
    variable = keras.Variable(W)
    assert float(ours(variable)) == float(penalty)


@pytest.mark.parametrize(
    "name,arguments",
    [
        ("MaxNorm", {}),
        ("MaxNorm", {"max_value": 1.0, "axis": 1}),
        ("MaxNorm", {"max_value": 1.0, "axis": [0, 1]}),
        ("NonNeg", {}),
        ("UnitNorm", {}),
        ("UnitNorm", {"axis": 1}),
        ("MinMaxNorm", {"min_value": 1.5, "max_value": 2.0}),
        ("MinMaxNorm", {"min_value": 1.5, "max_value": 2.0, "rate": 0.5, "axis": 1}),
    ],
)
def test_constraints_agree_with_keras(name, arguments):
    ours = getattr(constraints, name)(**arguments)
    keras_axis = tuple(arguments["axis"]) if isinstance(arguments.get("axis"), list) else arguments.get("axis", 0)
    theirs = getattr(reference.constraints, name)(**({**arguments, "axis": keras_axis} if name != "NonNeg" else {}))
    np.testing.assert_allclose(ours(tahr.convert_to_tensor(W)).numpy(), theirs(W), rtol=2e-6, atol=0)
    again = constraints.deserialize(constraints.serialize(ours))
    assert again.get_config() == ours.get_config()


def test_names_of_regularizers_and_constraints():
    for ours, theirs in ((regularizers, reference.regularizers), (constraints, reference.constraints)):
        for name in dir(theirs):
            if not name.startswith("_"):
                assert hasattr(ours, name), name
        assert ours.get(None) is None
    assert regularizers.get("l1_l2").get_config() == {"l1": 0.0, "l2": 0.0}
    assert type(constraints.get("non_neg")) is type(constraints.get("nonneg")) is constraints.NonNeg
    assert regularizers.get(abs) is abs
    with pytest.raises(ValueError, match="finite number that is not negative, received -1.0"):
        regularizers.L2(-1.0)
    with pytest.raises(ValueError, match="Did you mean 'max_norm'"):
        constraints.get("maxx_norm")
