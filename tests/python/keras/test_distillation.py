"""Distillation: losses against Keras, training against NumPy, and files."""

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "numpy")
from tahr import keras  # noqa: E402

reference = pytest.importorskip("keras")
distillation = keras.distillation


def classifier(*units, seed=0):
    model = keras.Sequential([keras.Input((6,))])
    for i, size in enumerate(units):
        model.add(keras.layers.Dense(size, activation="tanh", name=f"hidden_{i}"))
    model.add(keras.layers.Dense(3, name="logits"))
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda k: k.distillation.LogitsDistillation(),
        lambda k: k.distillation.LogitsDistillation(2.0, loss=k.losses.KLDivergence()),
        lambda k: k.distillation.LogitsDistillation(4.0, loss=k.losses.CategoricalCrossentropy(from_logits=True)),
        lambda k: k.distillation.LogitsDistillation(loss="mse"),
        lambda k: k.distillation.FeatureDistillation(),
        lambda k: k.distillation.FeatureDistillation(loss="cosine_similarity"),
        lambda k: k.distillation.FeatureDistillation(loss=k.losses.MeanAbsoluteError()),
    ],
)
def test_losses_are_those_of_keras(make):
    rng = np.random.default_rng(5)
    teacher, student = rng.normal(size=(2, 7, 5)).astype("float32")
    ours, theirs = make(keras), make(reference)
    expected = float(theirs.compute_loss(teacher, student))
    # Means of 35 numbers, computed from logarithms of probabilities above 1e-4: a few hundred roundings at most.
    np.testing.assert_allclose(float(ours.compute_loss(teacher, student)), expected, rtol=400 * 2**-24)
    assert ours.get_config() == theirs.get_config()
    again = type(ours).from_config(ours.get_config())
    np.testing.assert_array_equal(again.compute_loss(teacher, student), ours.compute_loss(teacher, student))


def test_structures_of_outputs_with_some_left_out():
    loss = distillation.LogitsDistillation(loss=["mse", None])
    a, b = np.ones((2, 3), "float32"), np.zeros((2, 3), "float32")
    np.testing.assert_allclose(float(loss.compute_loss([a, a], [b, b])), 1 / 9, rtol=1e-6)
    with pytest.raises(ValueError, match="at least one loss"):
        distillation.LogitsDistillation(loss=[None, None])


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_one_step_of_gradient_descent_by_hand():
    """A linear student: d loss / d logits = w (softmax(s) - onehot) / n + (1 - w) T (softmax(s/T) - softmax(t/T)) / n."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(8, 6)).astype("float32"), rng.integers(0, 3, 8)
    teacher, student = classifier(5, seed=1), classifier(seed=2)
    kernel, bias = (w.astype("float64") for w in student.get_weights())
    loss = distillation.LogitsDistillation(2.0, loss=keras.losses.KLDivergence())
    distiller = distillation.Distiller(teacher, student, loss, student_loss_weight=0.25)
    distiller.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    frozen = [w.copy() for w in teacher.get_weights()]
    logs = distiller.train_on_batch(x, y, return_dict=True)

    s, t = x.astype("float64") @ kernel + bias, teacher.predict(x, verbose=0).astype("float64")
    on_targets = -np.log(softmax(s)[np.arange(8), y]).mean()
    p, q = softmax(t / 2), softmax(s / 2)
    distilled = 4 * (p * np.log(p / q)).sum(axis=-1).mean()
    d = 0.25 * (softmax(s) - np.eye(3)[y]) / 8 + 0.75 * 2 * (q - p) / 8
    np.testing.assert_allclose(logs["student_loss"], on_targets, rtol=1e-5)
    np.testing.assert_allclose(logs["distillation_loss"], distilled, rtol=1e-5)
    np.testing.assert_allclose(logs["total_loss"], 0.25 * on_targets + 0.75 * distilled, rtol=1e-5)
    for w, expected in zip(student.get_weights(), (kernel - 0.5 * x.T @ d, bias - 0.5 * d.sum(axis=0))):
        np.testing.assert_allclose(w, expected, atol=1e-5)
    for w, before in zip(teacher.get_weights(), frozen):
        np.testing.assert_array_equal(w, before)


def test_features_sample_weights_and_files(tmp_path):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(32, 6)).astype("float32"), rng.integers(0, 3, 32)
    teacher, student = classifier(8, 4, seed=1), classifier(5, 4, seed=2)
    losses = [
        distillation.LogitsDistillation(loss="mse"),
        distillation.FeatureDistillation("mse", "hidden_1", "hidden_1"),
    ]
    distiller = distillation.Distiller(teacher, student, losses, [0.5, 2.0])
    distiller.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    values = [m.predict(x, verbose=0) / 3 for m in (teacher, student)]
    features = [keras.Model(m.inputs, m.get_layer("hidden_1").output).predict(x, verbose=0) for m in (teacher, student)]
    logs = distiller.evaluate(x, y, sample_weight=np.zeros(32), verbose=0, return_dict=True)
    assert logs["student_loss"] == 0.0
    expected = 0.5 * np.square(values[0] - values[1]).mean() + 2.0 * np.square(features[0] - features[1]).mean()
    np.testing.assert_allclose(logs["distillation_loss"], expected, rtol=1e-5)
    history = distiller.fit(x, y, epochs=4, verbose=0).history
    assert history["distillation_loss"][-1] < history["distillation_loss"][0] and "accuracy" in history

    distiller.save(tmp_path / "d.keras")
    again = keras.models.load_model(tmp_path / "d.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), student.predict(x, verbose=0))
    a, b = (d.fit(x, y, shuffle=False, verbose=0).history["total_loss"] for d in (distiller, again))
    np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"teacher": "model"}, "Teacher must be a keras.Model"),
        ({"student_loss_weight": 2.0}, "between 0.0 and 1.0"),
        ({"student_loss_weight": "all"}, "must be a number"),
        ({"distillation_losses": None}, "cannot be `None`"),
        ({"distillation_loss_weights": [1.0, 2.0]}, "must match"),
        ({"student": keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])}, "like the teacher's"),
    ],
)
def test_refusals(change, message):
    given = {
        "teacher": classifier(4),
        "student": classifier(2),
        "distillation_losses": distillation.LogitsDistillation(),
        **change,
    }
    with pytest.raises(ValueError, match=message):
        distillation.Distiller(**given)


def test_layers_that_are_not_there():
    loss = distillation.FeatureDistillation("mse", "hidden_0", "nothing")
    with pytest.raises(ValueError, match="In student model"):
        distillation.Distiller(classifier(4), classifier(4), loss)
    with pytest.raises(ValueError, match="'loss' cannot be"):
        distillation.Distiller(classifier(4), classifier(4), distillation.LogitsDistillation()).compile("sgd")
