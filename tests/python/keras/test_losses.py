"""Every loss beside Keras: values over a grid of arguments, reductions, weights and masks; gradients by differences.

Tolerance: float32 roundings of the same formulas over rows of 5 values: 2e-6 relative, and 1e-6 of the largest value
where terms cancel.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import numpy as np
import pytest
import tahr
from tahr import keras
from tahr.keras import losses

reference = pytest.importorskip("keras")

rng = np.random.default_rng(0)
ROWS, CLASSES = 6, 5
PROBS = rng.uniform(0.05, 0.95, (ROWS, CLASSES)).astype("float32")
LOGITS = rng.normal(scale=3, size=(ROWS, CLASSES)).astype("float32")
REALS = rng.normal(size=(ROWS, CLASSES)).astype("float32")
BINARY = rng.integers(0, 2, (ROWS, CLASSES)).astype("float32")
IDS = rng.integers(0, CLASSES, ROWS)
ONE_HOT = np.eye(CLASSES, dtype="float32")[IDS]
UNIT = PROBS / np.linalg.norm(PROBS, axis=-1, keepdims=True)
WEIGHTS = rng.uniform(0.1, 2.0, ROWS).astype("float32")
LABELS = np.array([[1, 2, 2, 0], [3, 0, 0, 0], [1, 1, 1, 1]])
FRAMES = rng.normal(size=(3, 9, CLASSES)).astype("float32")

# name -> (targets, predictions, constructor arguments to try)
CASES = {
    "MeanSquaredError": (REALS, LOGITS, [{}]),
    "MeanAbsoluteError": (REALS, LOGITS, [{}]),
    "MeanAbsolutePercentageError": (REALS, LOGITS, [{}]),
    "MeanSquaredLogarithmicError": (BINARY, REALS, [{}]),
    "CosineSimilarity": (REALS, LOGITS, [{}, {"axis": -2}]),
    "Huber": (REALS, LOGITS, [{}, {"delta": 0.3}]),
    "LogCosh": (REALS, LOGITS, [{}]),
    "Poisson": (BINARY, PROBS, [{}]),
    "KLDivergence": (ONE_HOT, PROBS, [{}]),
    "Hinge": (BINARY, LOGITS, [{}]),
    "SquaredHinge": (2 * BINARY - 1, LOGITS, [{}]),
    "CategoricalHinge": (ONE_HOT, LOGITS, [{}]),
    "BinaryCrossentropy": (BINARY, PROBS, [{}, {"label_smoothing": 0.2}, {"axis": 0}]),
    "BinaryFocalCrossentropy": (
        BINARY,
        PROBS,
        [{}, {"apply_class_balancing": True, "alpha": 0.7}, {"gamma": 3.0, "label_smoothing": 0.1}],
    ),
    "CategoricalCrossentropy": (ONE_HOT, PROBS, [{}, {"label_smoothing": 0.2}, {"axis": 0}]),
    "CategoricalFocalCrossentropy": (ONE_HOT, PROBS, [{}, {"alpha": 0.5, "gamma": 1.0}, {"label_smoothing": 0.1}]),
    "SparseCategoricalCrossentropy": (IDS, PROBS, [{}, {"ignore_class": int(IDS[0])}]),
    "CategoricalGeneralizedCrossEntropy": (IDS, PROBS, [{}, {"q": 0.9}]),
    "Dice": (BINARY, PROBS, [{}, {"axis": -1}, {"axis": (0,)}]),
    "Tversky": (BINARY, PROBS, [{}, {"alpha": 0.2, "beta": 0.9, "axis": -1}]),
    "Circle": (IDS, UNIT, [{}, {"gamma": 20.0, "margin": 0.2, "remove_diagonal": False}]),
    "CTC": (LABELS, FRAMES, [{}]),
}
FROM_LOGITS = [name for name in CASES if "entropy" in name and "Generalized" not in name]
GRID = [(name, options, CASES[name][1]) for name in CASES for options in CASES[name][2]]
GRID += [(name, {**o, "from_logits": True}, LOGITS) for name in FROM_LOGITS for o in CASES[name][2]]


def _close(ours, theirs):
    theirs = np.asarray(theirs)
    assert tuple(ours.shape) == theirs.shape
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=2e-6, atol=1e-6 * np.abs(theirs).max(initial=0.0))


@pytest.mark.parametrize("name,options,y_pred", GRID, ids=[f"{n}-{'-'.join(o) or 'default'}" for n, o, _ in GRID])
def test_values_agree_with_keras(name, options, y_pred):
    y_true = CASES[name][0]
    for reduction in ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None):
        arguments = {**options, "reduction": reduction}
        ours, theirs = getattr(losses, name)(**arguments), getattr(reference.losses, name)(**arguments)
        _close(ours(y_true, y_pred), theirs(y_true, y_pred))
        values = theirs(y_true, y_pred) if reduction is None else None
        if values is None or np.shape(values):
            weights = WEIGHTS[: len(y_pred)]
            if name not in ("Dice", "Tversky") and options.get("axis") not in (0, -2):
                _close(ours(y_true, y_pred, sample_weight=weights), theirs(y_true, y_pred, sample_weight=weights))


@pytest.mark.parametrize("name", CASES)
def test_config_rebuilds_the_loss_and_keras_reads_it(name):
    for options in CASES[name][2]:
        ours = getattr(losses, name)(name="own", reduction="sum", **options)
        expected = getattr(reference.losses, name)(name="own", reduction="sum", **options).get_config()
        config = ours.get_config()
        assert {key: config[key] for key in expected} == expected
        assert getattr(reference.losses, name).from_config(dict(config)).get_config() == expected
        again = losses.deserialize(losses.serialize(ours))
        assert type(again) is type(ours) and again.get_config() == config


GRADIENTS = [(n, o, p) for n, o, p in GRID if n not in ("Circle",) and not o.get("axis")]


@pytest.mark.parametrize("name,options,y_pred", GRADIENTS, ids=[f"{n}-{'-'.join(o)}" for n, o, _ in GRADIENTS])
def test_gradients_agree_with_differences(name, options, y_pred):
    loss = getattr(losses, name)(dtype="float64", **options)
    x = tahr.Variable(y_pred.astype("float64"))
    with tahr.GradientTape() as tape:
        value = loss(CASES[name][0], x)
    gradient = tape.gradient(value, x).numpy()
    step = 1e-5
    for index in [(0, 0), (1, 2), (2, 4)]:
        at = index if y_pred.ndim == 2 else (index[0], index[1], 0)
        moved = [y_pred.astype("float64"), y_pred.astype("float64")]
        moved[0][at] += step
        moved[1][at] -= step
        slope = (float(loss(CASES[name][0], moved[0])) - float(loss(CASES[name][0], moved[1]))) / (2 * step)
        # Central differences: step^2 times a third derivative, and float64 cancellation over the step.
        assert gradient[at] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_rows_without_pairs_have_a_finite_gradient_in_the_circle_loss():
    x = tahr.Variable(UNIT[:3])
    with tahr.GradientTape() as tape:
        value = losses.Circle()(np.array([0, 1, 2]), x)  # no two embeddings of one class
    assert float(value) == 0.0
    assert np.isfinite(tape.gradient(value, x).numpy()).all()


def test_masks_leave_values_out_of_the_mean():
    mask = np.array([True, False, True, True, False, True])
    x = tahr.convert_to_tensor(LOGITS)
    keras.backend.set_keras_mask(x, tahr.convert_to_tensor(mask))
    expected = np.mean((REALS[mask] - LOGITS[mask]) ** 2)
    assert float(losses.MeanSquaredError()(REALS, x)) == pytest.approx(expected, rel=2e-6)
    weighted = np.mean(np.mean((REALS[mask] - LOGITS[mask]) ** 2, axis=-1) * WEIGHTS[mask])
    assert float(losses.MeanSquaredError()(REALS, x, WEIGHTS)) == pytest.approx(weighted, rel=2e-6)


def test_targets_and_predictions_of_ranks_that_differ_by_one():
    for name in ("MeanSquaredError", "BinaryCrossentropy", "Huber"):
        ours, theirs = getattr(losses, name)(), getattr(reference.losses, name)()
        for y_true, y_pred in [(BINARY[:, 0], PROBS[:, :1]), (BINARY[:, :1], PROBS[:, 0])]:
            _close(ours(y_true, y_pred), theirs(y_true, y_pred))
    ids = IDS[:, None]
    _close(
        losses.SparseCategoricalCrossentropy()(ids, PROBS), reference.losses.SparseCategoricalCrossentropy()(ids, PROBS)
    )


def test_confident_probabilities_stay_finite():
    sure = np.array([[0.0, 1.0], [1.0, 0.0]], dtype="float32")
    wrong = sure[:, ::-1].copy()
    for name in ("BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy", "KLDivergence"):
        ours, theirs = getattr(losses, name)(), getattr(reference.losses, name)()
        for y_pred in (sure, wrong):
            assert float(ours(sure, y_pred)) == pytest.approx(float(theirs(sure, y_pred)), rel=1e-5, abs=1e-6)
    _close(
        losses.SparseCategoricalCrossentropy()([1, 0], tahr.convert_to_tensor(wrong)),
        reference.losses.SparseCategoricalCrossentropy()(np.array([1, 0]), wrong),
    )


@pytest.mark.parametrize(
    "alias", ["mse", "MSE", "mae", "MAE", "mape", "msle", "bce", "kld", "huber", "log_cosh", "hinge"]
)
def test_names(alias):
    ours, theirs = losses.get(alias), reference.losses.get(alias)
    assert ours.__name__ == theirs.__name__
    _close(ours(BINARY, PROBS), theirs(BINARY, PROBS))
    if hasattr(losses, alias):
        assert getattr(losses, alias) is ours


def test_get_and_compile_strings():
    assert losses.get(None) is None
    assert type(losses.get("MeanSquaredError")) is type(losses.get(losses.MeanSquaredError)) is losses.MeanSquaredError
    assert losses.resolve("crossentropy", IDS, PROBS).fn is losses.sparse_categorical_crossentropy
    assert losses.resolve("ce", ONE_HOT, PROBS).fn is losses.categorical_crossentropy
    assert losses.resolve("crossentropy", IDS[:, None], PROBS[:, :1]).fn is losses.binary_crossentropy
    assert losses.resolve("mse", REALS, REALS).name == "mse"
    with pytest.raises(ValueError, match="Did you mean 'mean_squared_error'"):
        losses.get("mean_square_error")
    with pytest.raises(ValueError, match="Invalid value for argument `reduction`"):
        losses.MeanSquaredError(reduction="average")


def test_a_function_of_ones_own_becomes_a_loss():
    def cubed(y_true, y_pred):
        return tahr.ops.mean(tahr.ops.abs(y_true - y_pred) ** 3, axis=-1)

    loss = losses.resolve(cubed, REALS, LOGITS)
    assert loss.name == "cubed"
    assert float(loss(REALS, LOGITS)) == pytest.approx(np.mean(np.abs(REALS - LOGITS) ** 3), rel=2e-6)
    assert loss.get_config()["name"] == "cubed"


def test_half_precision():
    for dtype in ("float16", "bfloat16"):
        value = losses.MeanSquaredError(dtype=dtype)(REALS, LOGITS)
        assert value.dtype == dtype
        assert float(value) == pytest.approx(np.mean((REALS - LOGITS) ** 2), rel=2e-2)


def test_every_name_of_keras_is_there():
    for name in dir(reference.losses):
        if not name.startswith("_"):
            assert hasattr(losses, name), name
