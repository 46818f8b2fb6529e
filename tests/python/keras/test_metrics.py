"""Metrics beside real Keras: the same values over several batches, with and without weights, and the same configs."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras as real  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tahr  # noqa: E402
from tahr import keras  # noqa: E402

EPS = float(np.finfo("float32").eps)
# Sums of a few hundred float32 values of magnitude one, in any order: the error is below count * eps.
RTOL = 500 * EPS


def rng(seed):
    return np.random.default_rng(seed)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype("float32")


def data(kind, seed, n=40):
    """Targets, predictions, and weights per sample, of one batch."""
    g = rng(seed)
    weight = g.uniform(0.0, 2.0, n).astype("float32")
    if kind == "real":
        y = g.normal(size=(n, 3)).astype("float32")
        return y, (y + g.normal(size=(n, 3))).astype("float32"), weight
    if kind == "real3d":
        y = g.normal(size=(n, 4, 3)).astype("float32")
        return y, (y + g.normal(size=(n, 4, 3))).astype("float32"), weight
    if kind == "positive":
        return *(g.uniform(0.1, 3.0, (n, 3)).astype("float32") for _ in range(2)), weight
    if kind == "column":  # (n,) beside (n, 1)
        y = g.normal(size=n).astype("float32")
        return y, (y + g.normal(size=n)).astype("float32")[:, None], weight
    if kind == "binary":
        return g.integers(0, 2, (n, 1)), g.uniform(0, 1, (n, 1)).astype("float32"), weight
    if kind == "edges":  # predictions that lie on thresholds
        return g.integers(0, 2, n), g.choice([0.0, 0.25, 0.5, 0.75, 1.0], n).astype("float32"), weight
    if kind == "multi":  # several labels per sample
        return g.integers(0, 2, (n, 3)), g.uniform(0, 1, (n, 3)).astype("float32"), weight
    if kind == "logits":
        return g.integers(0, 2, (n, 3)), g.normal(size=(n, 3)).astype("float32"), weight
    if kind == "signs":
        return 2 * g.integers(0, 2, (n, 3)) - 1, g.normal(size=(n, 3)).astype("float32"), weight
    if kind == "onehot":
        return np.eye(4, dtype="float32")[g.integers(0, 4, n)], softmax(g.normal(size=(n, 4))), weight
    if kind == "onehot3d":
        return np.eye(4, dtype="float32")[g.integers(0, 4, (n, 5))], softmax(g.normal(size=(n, 5, 4))), weight
    if kind == "sparse":
        return g.integers(0, 4, n), softmax(g.normal(size=(n, 4))), weight
    if kind == "sparse column":
        return g.integers(0, 4, (n, 1)), softmax(g.normal(size=(n, 4))), weight
    if kind == "sparse3d":
        return g.integers(0, 4, (n, 5)), softmax(g.normal(size=(n, 5, 4))), weight
    if kind == "ids":
        return g.integers(0, 3, n), g.integers(0, 3, n), g.integers(0, 3, n)
    if kind == "sorted ids":
        return g.integers(0, 6, n), np.stack([g.permutation(6) for _ in range(n)]), weight
    if kind == "distributions":
        return softmax(g.normal(size=(n, 4))), softmax(g.normal(size=(n, 4))), weight
    raise KeyError(kind)


CASES = [
    ("Accuracy", {}, "ids"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.25}, "edges"),
    ("BinaryAccuracy", {"threshold": 0.0}, "logits"),
    ("CategoricalAccuracy", {}, "onehot"),
    ("CategoricalAccuracy", {}, "onehot3d"),
    ("SparseCategoricalAccuracy", {}, "sparse"),
    ("SparseCategoricalAccuracy", {}, "sparse column"),
    ("SparseCategoricalAccuracy", {}, "sparse3d"),
    ("TopKCategoricalAccuracy", {"k": 2}, "onehot"),
    ("TopKCategoricalAccuracy", {"k": 2}, "onehot3d"),
    ("TopKCategoricalAccuracy", {}, "onehot"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "sparse"),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, "sparse3d"),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, "sorted ids"),
    ("MeanSquaredError", {}, "real"),
    ("MeanSquaredError", {}, "real3d"),
    ("MeanSquaredError", {}, "column"),
    ("MeanSquaredError", {"dtype": "float64"}, "real"),
    ("RootMeanSquaredError", {}, "real"),
    ("RootMeanSquaredError", {}, "column"),
    ("MeanAbsoluteError", {}, "real"),
    ("MeanAbsolutePercentageError", {}, "positive"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("CosineSimilarity", {}, "real"),
    ("CosineSimilarity", {"axis": 1}, "real3d"),
    ("LogCoshError", {}, "real"),
    ("R2Score", {}, "real"),
    ("R2Score", {"class_aggregation": None}, "real"),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, "real"),
    ("R2Score", {"num_regressors": 5}, "real"),
    ("PearsonCorrelation", {"axis": 0}, "column"),
    ("PearsonCorrelation", {}, "real"),
    ("ConcordanceCorrelation", {}, "real"),
    ("ConcordanceCorrelation", {"axis": 0}, "real"),
    ("Hinge", {}, "signs"),
    ("Hinge", {}, "logits"),
    ("SquaredHinge", {}, "signs"),
    ("CategoricalHinge", {}, "onehot"),
    ("KLDivergence", {}, "distributions"),
    ("Poisson", {}, "positive"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "logits"),
    ("CategoricalCrossentropy", {}, "onehot"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "onehot3d"),
    ("CategoricalCrossentropy", {"from_logits": True}, "onehot"),
    ("SparseCategoricalCrossentropy", {}, "sparse"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sparse3d"),
    ("TruePositives", {}, "binary"),
    ("TruePositives", {"thresholds": [0.2, 0.7]}, "multi"),
    ("TruePositives", {"thresholds": 0.75}, "edges"),
    ("TrueNegatives", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "edges"),
    ("FalsePositives", {"thresholds": [0.25, 0.5]}, "edges"),
    ("FalseNegatives", {}, "multi"),
    ("Precision", {}, "binary"),
    ("Precision", {"thresholds": [0.1, 0.5, 0.9]}, "multi"),
    ("Precision", {"top_k": 2}, "onehot"),
    ("Precision", {"top_k": 2, "class_id": 1}, "onehot"),
    ("Precision", {"class_id": 2, "thresholds": 0.3}, "onehot3d"),
    ("Recall", {}, "edges"),
    ("Recall", {"thresholds": [0.0, 0.5, 1.0]}, "edges"),
    ("Recall", {"top_k": 1}, "onehot"),
    ("Recall", {"top_k": 3, "thresholds": 0.2}, "multi"),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, "binary"),
    ("SensitivityAtSpecificity", {"specificity": 0.5, "num_thresholds": 1}, "edges"),
    ("SensitivityAtSpecificity", {"specificity": 0.4, "num_thresholds": 5, "class_id": 1}, "multi"),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4}, "edges"),
    ("PrecisionAtRecall", {"recall": 0.7}, "binary"),
    ("RecallAtPrecision", {"precision": 0.5}, "binary"),
    ("RecallAtPrecision", {"precision": 1.0}, "edges"),
    ("AUC", {}, "binary"),
    ("AUC", {"num_thresholds": 5}, "edges"),
    ("AUC", {"curve": "PR"}, "binary"),
    ("AUC", {"curve": "pr", "summation_method": "majoring"}, "multi"),
    ("AUC", {"curve": "PRGAIN"}, "binary"),
    ("AUC", {"summation_method": "minoring", "num_thresholds": 11}, "binary"),
    ("AUC", {"thresholds": [0.1, 0.35, 0.8]}, "binary"),
    ("AUC", {"thresholds": [0.25, 0.5, 0.75], "curve": "PR"}, "edges"),
    ("AUC", {"from_logits": True}, "logits"),
    ("AUC", {"multi_label": True}, "multi"),
    ("AUC", {"multi_label": True, "num_labels": 3, "curve": "PR"}, "multi"),
    ("AUC", {"multi_label": True, "thresholds": [0.1, 0.6], "label_weights": [1.0, 2.0, 0.5]}, "multi"),
    ("AUC", {"label_weights": [1.0, 2.0, 0.5]}, "multi"),
    ("F1Score", {}, "onehot"),
    ("F1Score", {"average": "micro", "threshold": 0.5}, "multi"),
    ("FBetaScore", {"average": "macro", "beta": 2.0}, "onehot"),
    ("FBetaScore", {"average": "weighted", "beta": 0.5, "threshold": 0.4}, "multi"),
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 2]}, "ids"),
    ("IoU", {"num_classes": 4, "target_class_ids": [1], "sparse_y_pred": False, "ignore_class": 0}, "sparse"),
    ("IoU", {"num_classes": 2, "target_class_ids": [0, 1], "dtype": "float32"}, "ids"),
    ("BinaryIoU", {"threshold": 0.25, "dtype": "float32"}, "edges"),
    ("BinaryIoU", {"target_class_ids": [1], "dtype": "float32"}, "multi"),
    ("MeanIoU", {"num_classes": 3}, "ids"),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [0, 3], "dtype": "float32"}, "onehot"),
    ("OneHotMeanIoU", {"num_classes": 4, "dtype": "float32"}, "onehot3d"),
]


def weights_for(name, kind, y_true, weight):
    """Weights in the shape that the metric takes: one per class id for counts of elements, one per column."""
    if name in ("PearsonCorrelation", "ConcordanceCorrelation"):
        return weight[:1]
    if ("IoU" in name or name == "Precision") and kind in ("multi", "onehot3d"):
        ids = y_true.argmax(-1) if kind == "onehot3d" else y_true if "IoU" in name else y_true[:, 0]
        return np.broadcast_to(weight.reshape(-1, *[1] * (ids.ndim - 1)), ids.shape).copy()
    return weight


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "arguments", "kind"), CASES, ids=[f"{c[0]}-{c[2]}-{i}" for i, c in enumerate(CASES)])
def test_values_over_batches(name, arguments, kind, weighted):
    ours, theirs = getattr(keras.metrics, name)(**arguments), getattr(real.metrics, name)(**arguments)
    for seed, n in enumerate((40, 7, 1)):
        y_true, y_pred, weight = data(kind, seed, n)
        weight = weights_for(name, kind, y_true, weight) if weighted else None
        ours.update_state(y_true, y_pred, sample_weight=weight)
        theirs.update_state(y_true, y_pred, sample_weight=weight)
        expected = np.asarray(theirs.result())
        result = ours.result().numpy()
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=RTOL, atol=RTOL)
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        assert mine.path.split("/")[-1] == other.path.split("/")[-1]
        np.testing.assert_allclose(mine.numpy(), np.asarray(other.value), rtol=RTOL, atol=1e-4)
    ours.reset_state()
    assert all(not v.numpy().any() for v in ours.variables)


@pytest.mark.parametrize(("name", "arguments", "kind"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_config_is_that_of_keras_and_rebuilds_the_metric(name, arguments, kind):
    ours, theirs = (getattr(module.metrics, name)(name="metric", **arguments) for module in (keras, real))
    config, expected = ours.get_config(), theirs.get_config()
    if name == "CosineSimilarity":
        expected["axis"] = arguments.get("axis", -1)  # which Keras forgets
    if "label_weights" in expected and expected["label_weights"] is not None:
        expected["label_weights"] = np.asarray(expected["label_weights"]).tolist()
    assert {k: _plain(v) for k, v in config.items()} == {k: _plain(v) for k, v in expected.items()}
    again = keras.metrics.deserialize(keras.metrics.serialize(ours))
    assert type(again) is type(ours) and again.get_config() == config


def _plain(value):
    return [float(v) for v in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize("shape", [(), (5,), (5, 3), (5, 3, 2)])
def test_mean_and_sum_of_values(name, shape):
    values = rng(0).normal(size=shape).astype("float32")
    weights = [None, 2.5]
    for rank in range(1, len(shape) + 1):
        weights.append(rng(rank).uniform(0, 2, shape[:rank]).astype("float32"))
    ours, theirs = getattr(keras.metrics, name)(), getattr(real.metrics, name)()
    assert float(ours.result()) == 0
    for weight in weights:
        ours.update_state(values, weight)
        theirs.update_state(values, weight)
        np.testing.assert_allclose(float(ours.result()), float(theirs.result()), rtol=RTOL, atol=RTOL)


FUNCTIONS = [
    ("binary_accuracy", "multi", {"threshold": 0.3}),
    ("categorical_accuracy", "onehot3d", {}),
    ("sparse_categorical_accuracy", "sparse3d", {}),
    ("sparse_categorical_accuracy", "sparse column", {}),
    ("top_k_categorical_accuracy", "onehot3d", {"k": 2}),
    ("sparse_top_k_categorical_accuracy", "sparse3d", {"k": 2}),
    ("pearson_correlation", "real3d", {"axis": 1}),
    ("concordance_correlation", "real3d", {"axis": 1}),
    ("huber", "real", {"delta": 0.5}),
    ("binary_focal_crossentropy", "multi", {"gamma": 1.5}),
]


@pytest.mark.parametrize(("name", "kind", "arguments"), FUNCTIONS)
def test_functions(name, kind, arguments):
    y_true, y_pred, _ = data(kind, 3)
    result = getattr(keras.metrics, name)(y_true, y_pred, **arguments).numpy()
    expected = np.asarray(getattr(real.metrics, name)(y_true, y_pred, **arguments))
    assert result.shape == expected.shape and result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=RTOL, atol=RTOL)


def test_every_name_of_keras_is_there():
    missing = [name for name in dir(real.metrics) if not name.startswith("_") and not hasattr(keras.metrics, name)]
    assert not missing


def test_get():
    get = keras.metrics.get
    assert get(None) is None
    for name, cls in (
        ("mse", "MeanSquaredError"),
        ("acc", "Accuracy"),
        ("AUC", "AUC"),
        ("auc", "AUC"),
        ("binary_crossentropy", "BinaryCrossentropy"),
        ("Precision", "Precision"),
        ({"class_name": "Recall", "config": {"thresholds": 0.2}}, "Recall"),
        (keras.metrics.F1Score, "F1Score"),
    ):
        assert type(get(name)).__name__ == cls
    function = keras.metrics.binary_accuracy
    assert get(function) is function and get("huber") is keras.metrics.huber
    with pytest.raises(
        ValueError, match=r"\[metric\] expected the name of a known metric, received 'precison'.*Did you"
    ):
        get("precison")
    with pytest.raises(ValueError, match="received 3"):
        get(3)


def test_wrapper_of_a_function_of_ones_own():
    @keras.saving.register_keras_serializable("test_metrics")
    def scaled(y_true, y_pred, factor=1.0):
        return factor * tahr.ops.abs(y_true - y_pred)

    metric = keras.metrics.MeanMetricWrapper(scaled, name="scaled", factor=3.0)
    assert float(metric(tahr.constant([1.0, 2.0]), tahr.constant([2.0, 4.0]))) == 4.5
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert float(again(tahr.constant([1.0, 2.0]), tahr.constant([2.0, 4.0]))) == 4.5
    assert keras.metrics.MeanMetricWrapper(keras.losses.mean_squared_error)._direction == "down"


def test_masked_predictions():
    y_true, y_pred = np.array([[1.0, 2.0], [3.0, 4.0]], "float32"), tahr.constant([[0.0, 2.0], [5.0, 9.0]])
    y_pred._keras_mask = tahr.constant([[True, True], [True, False]])
    # one value per element, weighted by the mask: sum of the unmasked ones over their number
    metric = keras.metrics.MeanMetricWrapper(lambda t, p: tahr.ops.square(p - t))
    metric.update_state(y_true, y_pred)
    theirs = real.metrics.MeanMetricWrapper(lambda t, p: (p - t) ** 2)
    masked = real.ops.convert_to_tensor(y_pred.numpy()).view(_WithMask)
    masked._keras_mask = np.array([[True, True], [True, False]])
    theirs.update_state(y_true, masked)
    assert float(metric.result()) == pytest.approx(float(theirs.result()), rel=RTOL)


class _WithMask(np.ndarray):
    pass


class Both(keras.metrics.Metric):
    def __init__(self, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.largest = self.add_weight(name="largest")
        self.parts = [keras.metrics.Mean(name="a"), keras.metrics.Sum(name="b")]

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest.assign(tahr.ops.maximum(self.largest, tahr.ops.max(y_pred)))
        for part in self.parts:
            part.update_state(y_pred)

    def result(self):
        return {"largest": tahr.ops.convert_to_tensor(self.largest), **{p.name: p.result() for p in self.parts}}


def test_metric_of_metrics():
    metric = Both()
    assert metric.name == "both" or metric.name.startswith("both_")
    assert [v.name for v in metric.variables] == ["largest", "total", "count", "total"]
    result = metric([0, 0], tahr.constant([2.0, 6.0]))
    assert {k: float(v) for k, v in result.items()} == {"largest": 6.0, "a": 4.0, "b": 8.0}
    metric.reset_state()
    assert float(metric.result()["b"]) == 0


def test_stateless_calls_leave_the_state_alone():
    metric = keras.metrics.MeanSquaredError()
    metric.update_state([[1.0]], [[3.0]])
    values = metric.stateless_update_state([0.0, 0.0], [[1.0], [1.0]], [[2.0], [4.0]])
    assert [float(v) for v in values] == [10.0, 2.0]
    assert float(metric.stateless_result(values)) == 5.0
    assert float(metric.result()) == 4.0
    assert [float(v) for v in metric.stateless_reset_state()] == [0.0, 0.0]
    assert float(metric.result()) == 4.0
    with pytest.raises(ValueError, match="metric_variables to have 2 values"):
        metric.stateless_result([1.0])


def test_constructor_that_forgets_super():
    class Forgetful(keras.metrics.Metric):
        def __init__(self):
            self.x = self.add_weight()

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Forgetful()


M = keras.metrics


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: M.AUC(curve="XYZ"), r"\[auc.*\] expected curve to be one of .*received 'XYZ'"),
        (lambda: M.AUC(summation_method="up"), "expected summation_method"),
        (lambda: M.AUC(num_thresholds=1), "expected num_thresholds to be 2 or more, received 1"),
        (lambda: M.AUC(num_labels=3), "expected num_labels only with multi_label"),
        (lambda: M.Precision(thresholds=[0.5, 1.5]), r"expected thresholds between 0 and 1, received \[1.5\]"),
        (lambda: M.RecallAtPrecision(1.5), "expected precision between 0 and 1, received 1.5"),
        (lambda: M.F1Score(average="some"), "expected average"),
        (lambda: M.FBetaScore(beta=1), "expected beta to be a float above 0, received 1"),
        (lambda: M.FBetaScore(threshold=2.0), "expected threshold to be a float"),
        (lambda: M.F1Score()([0, 1], [0.2, 0.3]), r"expected targets and predictions of shape \(batch, classes\)"),
        (lambda: M.R2Score(class_aggregation="x"), "expected class_aggregation"),
        (lambda: M.R2Score(num_regressors=-1), "expected num_regressors to be 0 or more"),
        (lambda: M.R2Score()(np.zeros((2, 2, 2)), np.zeros((2, 2, 2))), r"shape \(batch, outputs\)"),
        (lambda: M.IoU(2, [2]), "expected target_class_ids below num_classes=2, received 2"),
        (lambda: M.Precision(class_id=1)([0, 1], [0.1, 0.9]), "with class_id=1"),
    ],
)
def test_messages(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_metrics_in_fit():
    x = rng(0).normal(size=(64, 4)).astype("float32")
    y = (x[:, :1] > 0).astype("float32")
    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")])
    model.compile(
        "sgd", "bce", metrics=["AUC", keras.metrics.Precision(name="p"), "acc", "rmse"], weighted_metrics=["mae"]
    )
    logs = model.evaluate(x, y, verbose=0, return_dict=True, sample_weight=np.linspace(0, 1, 64), batch_size=10)
    p = model.predict(x, verbose=0)
    reference = real.metrics.AUC()
    reference.update_state(y, p)
    assert logs["AUC"] == pytest.approx(float(reference.result()), rel=RTOL)
    assert logs["p"] == pytest.approx(((p > 0.5) * y).sum() / (p > 0.5).sum(), rel=RTOL)
    assert logs["acc"] == pytest.approx(((p > 0.5) == y).mean(), rel=RTOL)
    assert logs["rmse"] == pytest.approx(np.sqrt(((p - y) ** 2).mean()), rel=RTOL)
    w = np.linspace(0, 1, 64)[:, None]
    assert logs["mae"] == pytest.approx((w * abs(p - y)).sum() / w.sum(), rel=RTOL)
