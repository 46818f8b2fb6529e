"""fit, evaluate, predict and *_on_batch on traces: the bits of run_eagerly=True, and what hostile users do to them."""

from __future__ import annotations

import copy
import gc
import pickle
import signal
import threading
import time
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
import tahr
from tahr import keras, ops

layers, optimizers, metrics = keras.layers, keras.optimizers, keras.metrics

_rng = np.random.default_rng(0)
X = _rng.normal(size=(70, 5)).astype("float32")
Y = _rng.normal(size=(70, 1)).astype("float32")
CLASSES = _rng.integers(0, 3, size=70)
POSITIVE = (Y > 0).astype("float32")


def mlp(out=1, activation=None, **options):
    return keras.Sequential([layers.Dense(7, activation="tanh", **options), layers.Dense(out, activation=activation)])


def assert_traced(model):
    steps = [step for _, step in (model._traced_steps or {}).values()]
    assert steps and all(step._traces and not step.failed for step in steps)


def both_ways(run):
    """What `run(run_eagerly)` gives, from the same seeds; a flat list of arrays each."""
    results = []
    for eager in (False, True):
        keras.backend.clear_session()
        keras.utils.set_random_seed(3)
        results.append([np.asarray(r) for r in run(eager)])
    traced, eager = results
    assert len(traced) == len(eager)
    for i, (a, b) in enumerate(zip(traced, eager)):
        np.testing.assert_array_equal(a, b, err_msg=f"result {i}")
        if a.dtype.kind == "f":
            assert np.isfinite(a).all(), f"result {i}"


def check_fit(build, x=X, y=Y, compile=dict, fit=dict, epochs=3, traced=True):
    """Weights, optimizer state and history of a traced fit are those of an eager one."""

    def run(eager):
        model = build()
        model.compile(**{"loss": "mse", **compile()}, run_eagerly=eager)
        history = model.fit(x, y, epochs=epochs, verbose=0, **fit())
        if traced and not eager:
            assert_traced(model)
        logs = [v for name in sorted(history.history) for v in history.history[name]]
        return [*model.get_weights(), *[v.numpy() for v in model.optimizer.variables], *logs]

    both_ways(run)


# ---------------------------------------------------------------- the same bits


@pytest.mark.parametrize(
    "name",
    ["SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "Adafactor", "Nadam", "Ftrl", "Lion", "Lamb"]
    + ["Muon"],
)
def test_optimizers(name):
    check_fit(mlp, compile=lambda: {"optimizer": getattr(optimizers, name)(0.01)})


@pytest.mark.parametrize(
    "options",
    [
        {"clipnorm": 0.1},
        {"global_clipnorm": 0.1},
        {"clipvalue": 0.01},
        {"use_ema": True},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 3},
        {"weight_decay": 0.01},
        {"loss_scale_factor": 4.0},
        {"learning_rate": optimizers.schedules.ExponentialDecay(0.1, 2, 0.9, staircase=True)},
        {"learning_rate": optimizers.schedules.CosineDecay(0.1, 5, warmup_target=0.2, warmup_steps=2)},
        {"learning_rate": optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.05, 0.01])},
    ],
    ids=str,
)
def test_options_of_optimizers(options):
    check_fit(mlp, compile=lambda: {"optimizer": optimizers.Adam(**options)})


@pytest.mark.parametrize(
    "loss",
    ["mse", "mae", "mape", "msle", "huber", "log_cosh", "cosine_similarity", "hinge", "squared_hinge", "poisson"]
    + ["kl_divergence", "binary_crossentropy", "binary_focal_crossentropy", "tversky", "dice"],
)
def test_losses(loss):
    check_fit(lambda: mlp(1, "sigmoid"), y=POSITIVE, compile=lambda: {"loss": loss})


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("sparse_categorical_crossentropy", CLASSES),
        ("categorical_crossentropy", np.eye(3)[CLASSES]),
        ("categorical_focal_crossentropy", np.eye(3)[CLASSES]),
        ("circle", CLASSES),
        (lambda y, p: ops.mean(ops.square(ops.cast(y, "float32")[:, None] - p), axis=-1), CLASSES),
    ],
    ids=["sparse", "categorical", "focal", "circle", "function"],
)
def test_losses_of_classes(loss, y):
    check_fit(lambda: mlp(3, "softmax"), y=y, compile=lambda: {"loss": loss, "metrics": ["accuracy"]})


def test_metrics_of_classes():
    def compile():
        top = metrics.TopKCategoricalAccuracy(2)
        return {
            "loss": "categorical_crossentropy",
            "metrics": ["auc", metrics.F1Score(), metrics.Precision(), top, metrics.CategoricalHinge()],
            "weighted_metrics": [
                "accuracy",
                metrics.MeanIoU(3, sparse_y_true=False, sparse_y_pred=False, dtype="float32"),
            ],
        }

    weight = {"sample_weight": np.abs(X[:, 0])}
    check_fit(lambda: mlp(3, "softmax"), y=np.eye(3, dtype="float32")[CLASSES], compile=compile, fit=lambda: weight)


def test_metrics_of_numbers():
    def compile():
        own = [
            metrics.RootMeanSquaredError(),
            metrics.R2Score(),
            metrics.CosineSimilarity(),
            metrics.MeanMetricWrapper(_own),
        ]
        return {"metrics": ["mae", "mape", *own], "weighted_metrics": ["mse"]}

    check_fit(mlp, compile=compile, fit=lambda: {"sample_weight": np.abs(X[:, 0]), "validation_split": 0.2})


def _own(y, p):
    return ops.mean(ops.abs(y - p) ** 3, axis=-1)


def test_metrics_of_two_classes():
    def compile():
        found = [metrics.AUC(), metrics.Recall(), metrics.FalsePositives(), metrics.SensitivityAtSpecificity(0.4)]
        return {"loss": "bce", "metrics": ["accuracy", metrics.BinaryIoU(), *found]}

    check_fit(lambda: mlp(1, "sigmoid"), y=POSITIVE, compile=compile)


@pytest.mark.parametrize("weights", [{"class_weight": {0: 1.0, 1: 2.0}}, {"sample_weight": np.abs(X[:, 1])}], ids=list)
def test_weights_of_samples(weights):
    compile = lambda: {"loss": "sparse_categorical_crossentropy", "weighted_metrics": ["accuracy"]}  # noqa: E731
    check_fit(lambda: mlp(3, "softmax"), y=CLASSES, compile=compile, fit=lambda: weights)


@pytest.mark.parametrize("kind", ["l1", "l2", "l1l2", "orthogonal_regularizer"])
def test_regularizers(kind):
    check_fit(lambda: mlp(kernel_regularizer=kind, activity_regularizer="l2", bias_regularizer="l1"))


@pytest.mark.parametrize("kind", ["max_norm", "non_neg", "unit_norm", "min_max_norm"])
def test_constraints(kind):
    check_fit(lambda: mlp(kernel_constraint=kind))


def test_noise():
    noise = [layers.GaussianNoise(0.1), layers.Dropout(0.3), layers.GaussianDropout(0.2), layers.AlphaDropout(0.1)]
    check_fit(
        lambda: keras.Sequential([l for n in noise for l in (type(n).from_config(n.get_config()), layers.Dense(6))])
    )


class Noisy(keras.Model):
    """Draws from the process-wide stream."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x, training=False):
        return self.dense(x + keras.random.normal(tuple(x.shape)) if training else x)


def test_noise_from_the_global_stream():
    """Building draws as well: compared after one epoch that builds."""
    model = Noisy()
    model.compile(loss="mse")
    model.fit(X, Y, verbose=0)

    def run(eager):
        model.set_weights([np.ones((5, 1)), np.ones(1)])
        model.compile("sgd", "mse", run_eagerly=eager)
        return [*model.fit(X, Y, epochs=2, verbose=0).history["loss"], *model.get_weights()]

    both_ways(run)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_policies(policy):
    check_fit(
        lambda: keras.Sequential([layers.Dense(7, activation="relu", dtype=policy), layers.Dense(1, dtype="float32")]),
        compile=lambda: {"optimizer": optimizers.LossScaleOptimizer(optimizers.Adam(), dynamic_growth_steps=2)},
    )


def _two_by_two():
    z, a = keras.Input((5,), name="z"), keras.Input((2,), name="a")
    hidden = layers.Dense(4)(layers.Concatenate()([z, a]))
    outputs = {"second": layers.Dense(1, name="second")(hidden), "first": layers.Dense(2, name="first")(hidden)}
    return keras.Model({"z": z, "a": a}, outputs)


@pytest.mark.parametrize("order", [("z", "a"), ("a", "z")])
def test_dicts_of_inputs_and_outputs(order):
    inputs = {"z": X, "a": X[:, :2] * 2}

    def compile():
        weights = {"first": 0.5, "second": 2.0}
        own = {"first": ["mae"], "second": ["mse"]}
        return {"loss": {"first": "mse", "second": "mae"}, "loss_weights": weights, "metrics": own}

    x, y = {name: inputs[name] for name in order}, {"first": X[:, :2], "second": Y}
    check_fit(_two_by_two, x=x, y=y, compile=compile)
    model = _two_by_two()
    expected = model.predict({"z": X, "a": X[:, :2] * 2}, verbose=0)
    for name, value in model.predict(x, verbose=0).items():
        np.testing.assert_array_equal(value, expected[name])
    for name, value in model.predict_on_batch(x).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)  # other sizes of batches


class FreezeAtTimes(keras.callbacks.Callback):
    def __init__(self, *epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        self.model.layers[0].trainable = epoch not in self.epochs


class WorkBetweenEpochs(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.predict(X[:5], verbose=0)
        self.model.weights[0].assign(self.model.weights[0] * 0.9)


class StopAtBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch == 1


@pytest.mark.parametrize(
    "fit",
    [
        lambda: {"callbacks": [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)]},
        lambda: {"callbacks": [keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=0, min_delta=10.0)]},
        lambda: {"callbacks": [keras.callbacks.EarlyStopping(monitor="loss", patience=0, min_delta=10.0)]},
        lambda: {"callbacks": [FreezeAtTimes(1)]},
        lambda: {"callbacks": [WorkBetweenEpochs()]},
        lambda: {"callbacks": [StopAtBatch()], "batch_size": 8},
        lambda: {"callbacks": [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]},
        lambda: {"steps_per_epoch": 2},
        lambda: {"shuffle": "batch", "batch_size": 9},
        lambda: {"shuffle": False, "batch_size": 70},
        lambda: {"batch_size": 1},
        lambda: {"validation_split": 0.3, "validation_freq": 2},
        lambda: {"validation_data": (X[:7], Y[:7]), "validation_batch_size": 3},
    ],
)
def test_ways_of_fit(fit):
    check_fit(mlp, compile=lambda: {"optimizer": optimizers.SGD(0.1), "metrics": ["mae"]}, fit=fit)


WIDE = _rng.normal(size=(70, 8, 12)).astype("float32")


@pytest.mark.parametrize(
    "build",
    [
        lambda: [layers.Flatten(), layers.Dense(40, "relu"), layers.Dense(1)],  # reads rows where they lie
        lambda: [layers.Flatten(), layers.Rescaling(0.5), layers.Dense(40), layers.Dense(1)],  # has them copied
        lambda: [layers.Dense(3), layers.Flatten(), layers.Dense(1)],  # a product of other rows than the samples
    ],
)
@pytest.mark.parametrize(
    "fit",
    [
        lambda: {"batch_size": 16},
        lambda: {"batch_size": 12, "shuffle": False, "sample_weight": np.abs(X[:, 1])},
        lambda: {"batch_size": 33, "validation_split": 0.3},
        lambda: {"batch_size": 9, "validation_data": (WIDE[:17], Y[:17]), "validation_batch_size": 11},
        lambda: {"batch_size": 70},
        lambda: {"batch_size": 3},
    ],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_rows_in_place(build, fit, optimizer):
    def run(eager):
        model = keras.Sequential(build())
        model.compile(optimizer, "mse", run_eagerly=eager)
        history = model.fit(WIDE, Y, epochs=2, verbose=0, **fit())
        logs = [v for name in sorted(history.history) for v in history.history[name]]
        predicted = model.predict(WIDE, batch_size=16, verbose=0)
        return [*model.get_weights(), *logs, predicted, model.evaluate(WIDE, Y, batch_size=16, verbose=0)]

    both_ways(run)


def test_data_sources():
    dataset = tahr.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    check_fit(mlp, x=dataset, y=None)

    def run(eager):
        model = mlp()
        model.compile("adam", "mse", run_eagerly=eager)
        source = (batch for _ in range(2) for n in range(1, 60) for batch in [(X[:n], Y[:n])])
        history = model.fit(source, steps_per_epoch=59, epochs=2, verbose=0)
        if not eager:  # shapes without end are no traces without end
            assert_traced(model)
            assert len(model._traced_steps["train"][1]._traces) <= 16
        return [*model.get_weights(), *history.history["loss"]]

    both_ways(run)


def test_single_batches():
    def run(eager):
        model = mlp()
        model.compile("adam", "mse", metrics=["mae"], run_eagerly=eager)
        logs = model.train_on_batch(X[:9], Y[:9])
        logs += model.train_on_batch(X, Y, sample_weight=np.abs(X[:, 0]))
        logs += model.test_on_batch(X, Y) + list(model.train_on_batch(X, Y, return_dict=True).values())
        return [*logs, model.predict_on_batch(X[:3]), *model.get_weights()]

    both_ways(run)


# ---------------------------------------------------------------- steps of one's own


class OwnStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(4, activation="relu"), layers.Dense(1)
        self.tracker, self.error = metrics.Mean(name="loss"), metrics.MeanAbsoluteError(name="mae")

    def call(self, x, training=False):
        return self.out(self.hidden(x))

    @property
    def metrics(self):
        return [self.tracker, self.error]

    def train_step(self, data):
        x, y = data
        with tahr.GradientTape() as tape:
            prediction = self(x, training=True)
            loss = ops.mean(ops.square(prediction - y))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        self.tracker.update_state(loss)
        self.error.update_state(y, prediction)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data):
        x, y = data
        prediction = self(x, training=False)
        self.tracker.update_state(ops.mean(ops.square(prediction - y)))
        self.error.update_state(y, prediction)
        return {metric.name: metric.result() for metric in self.metrics}


class OwnLoss(keras.Model):
    def __init__(self):
        super().__init__()
        self.out = layers.Dense(1)

    def call(self, x):
        return self.out(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **others):
        return ops.mean(ops.abs(y - y_pred)) * 3.0 + ops.mean(x) * 0.1

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {"size": ops.mean(y_pred), **super().compute_metrics(x, y, y_pred, sample_weight)}

    def predict_step(self, data):
        return {"twice": self(data[0]) * 2.0, "once": self(data[0])}


class AddsLoss(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.seen = metrics.Mean(name="seen")

    def call(self, x):
        self.add_loss(ops.mean(x) * 0.1)
        self.seen.update_state(ops.max(x))
        return x


@pytest.mark.parametrize(
    "build", [OwnStep, OwnLoss, lambda: keras.Sequential([layers.Dense(4), AddsLoss(), layers.Dense(1)])]
)
def test_own_steps_losses_and_metrics(build):
    check_fit(build, fit=lambda: {"validation_split": 0.3})


def test_own_predict_step():
    model = OwnLoss()
    model.compile()
    found = model.predict(X, verbose=0, batch_size=16)
    assert_traced(model)
    np.testing.assert_array_equal(found["twice"], found["once"] * 2)
    assert found["once"].shape == (70, 1)


def test_losses_after_training_are_values():
    model = keras.Sequential([layers.Dense(4, kernel_regularizer="l2"), AddsLoss(), layers.Dense(1)])
    model.compile(loss="mse")
    model.fit(X, Y, verbose=0)
    assert all(np.isfinite(float(loss)) for loss in model.losses)
    model(X)
    assert len(model.losses) == 2


class Untraceable(OwnStep):
    def train_step(self, data):
        if float(ops.sum(data[0])) > 1e9:
            return {}
        return super().train_step(data)


def test_an_untraceable_step_runs_with_one_warning():
    model = Untraceable()
    model.compile("sgd", "mse")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y, epochs=2, verbose=0)
        model.fit(X, Y, verbose=0)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "[fit] Untraceable" in text and "'train_step'" in text and "[float] a symbolic tensor has no value" in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate(X, Y, verbose=0)  # the other step is traced
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_fit(Untraceable, traced=False)


def test_errors_of_the_users_own_are_the_users_own():
    class Wrong(OwnStep):
        def train_step(self, data):
            raise KeyError("mine")

    model = Wrong()
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyError, match="mine"):
            model.fit(X, Y, verbose=0)
        model = mlp()
        model.compile("sgd", "mse")
        model.fit(X, Y, verbose=0)
        with pytest.raises(ValueError, match="expected"):
            model.fit(X[:, :4], Y, verbose=0)
        model.fit(X, Y, verbose=0)
    assert not tahr.tracing.is_tracing()


# ---------------------------------------------------------------- between fits


def test_recompiling_setting_weights_and_rates():
    def run(eager):
        model = mlp()
        model.compile("sgd", "mse", run_eagerly=eager)
        model.fit(X, Y, verbose=0)
        kept = model.get_weights()
        model.fit(X, Y, verbose=0)
        model.set_weights(kept)
        seen = [np.array_equal(a, b) for a, b in zip(kept, model.get_weights())]
        assert all(seen)
        model.optimizer.learning_rate = 0.5
        model.fit(X, Y, verbose=0)
        seen += model.get_weights()
        model.optimizer.learning_rate.assign(0.01)
        model.layers[0].trainable = False
        model.fit(X, Y, verbose=0)
        seen += model.get_weights()
        model.layers[0].trainable = True
        model.layers[1].kernel.trainable = False
        model.fit(X, Y, verbose=0)
        seen += model.get_weights()
        model.compile("adam", "mae", metrics=["mse"], run_eagerly=eager)
        model.fit(X, Y, verbose=0)
        return [*seen, *model.evaluate(X, Y, verbose=0), *model.get_weights()]

    both_ways(run)


def test_an_attribute_that_a_layer_reads():
    class Scale(layers.Layer):
        by = 1.0

        def call(self, x):
            return x * self.by

    scale = Scale()
    model = keras.Sequential([scale])
    model.compile(loss="mse")
    assert model.predict(X, verbose=0)[0, 0] == X[0, 0]
    scale.by = 3.0
    np.testing.assert_array_equal(model.predict(X, verbose=0), X * 3)
    np.testing.assert_array_equal(model.predict(X[:2], verbose=0), X[:2] * 3)


def test_a_call_that_sets_attributes_is_traced_once_per_shape():
    class Remembers(layers.Layer):
        calls = 0

        def call(self, x):
            self.calls += 1
            self.last = x
            return x

    remembers = Remembers()
    model = keras.Sequential([remembers, layers.Dense(1)])
    model.compile(loss="mse")
    model.fit(X, Y, epochs=4, verbose=0)
    traced = remembers.calls
    model.fit(X, Y, epochs=4, verbose=0)
    assert remembers.calls == traced
    assert len(model._traced_steps["train"][1]._traces) == 2  # 32 rows and 6


def test_numbers_of_the_optimizer_set_between_fits():
    def run(eager):
        model = mlp()
        model.compile(optimizers.SGD(0.1, momentum=0.9), "mse", run_eagerly=eager)
        model.fit(X, Y, verbose=0)
        model.optimizer.clipnorm, model.optimizer.momentum = 0.01, 0.1
        model.fit(X, Y, verbose=0)
        seen = model.get_weights()
        model.optimizer.learning_rate = optimizers.schedules.ExponentialDecay(1e-3, 1, 0.5)
        model.fit(X, Y, verbose=0)
        return [*seen, *model.get_weights()]

    both_ways(run)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_trained_models_train_on(duplicate):
    model = mlp()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.predict(X, verbose=0)
    for _ in range(4):
        model(X)
    other = duplicate(model)
    before = model.get_weights()
    other.fit(X, Y, verbose=0, shuffle=False)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)
    model.fit(X, Y, verbose=0, shuffle=False)
    for a, b in zip(other.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))


def test_two_models_that_share_weights():
    def run(eager):
        inputs, shared = keras.Input((5,)), layers.Dense(4, activation="relu")
        a = keras.Model(inputs, layers.Dense(1)(shared(inputs)))
        b = keras.Model(inputs, layers.Dense(1)(shared(inputs)))
        a.compile("sgd", "mse", run_eagerly=eager)
        b.compile("adam", "mae", run_eagerly=eager)
        for _ in range(2):
            a.fit(X, Y, verbose=0)
            b.fit(X, Y, verbose=0)
        shared.trainable = False
        frozen = shared.get_weights()
        a.fit(X, Y, verbose=0)
        assert all((u == v).all() for u, v in zip(frozen, shared.get_weights()))
        shared.trainable = True
        b.fit(X, Y, verbose=0)
        return [*a.get_weights(), *b.get_weights()]

    both_ways(run)


def test_adversaries():
    """Two models that train in turns, one inside of the other, its weights frozen there."""

    def run(eager):
        maker = keras.Sequential([layers.Dense(5)])
        judge = keras.Sequential([layers.Dense(4, "relu"), layers.Dropout(0.2), layers.Dense(1, "sigmoid")])
        judge.build((None, 5))
        judge.compile("adam", "binary_crossentropy", run_eagerly=eager)
        inputs = keras.Input((3,))
        both = keras.Model(inputs, judge(maker(inputs)))
        judge.trainable = False
        both.compile("adam", "binary_crossentropy", run_eagerly=eager)
        seen = []
        for step in range(4):
            noise = np.random.default_rng(step).normal(size=(16, 3)).astype("float32")
            x = np.concatenate([X[:16], maker.predict(noise, verbose=0)])
            judge.trainable = True
            seen.append(judge.train_on_batch(x, np.repeat([[1.0], [0.0]], 16, axis=0)))
            judge.trainable = False
            frozen = judge.get_weights()
            seen.append(both.train_on_batch(noise, np.ones((16, 1))))
            assert all((u == v).all() for u, v in zip(frozen, judge.get_weights()))
        return [*seen, *maker.get_weights(), *judge.get_weights()]

    both_ways(run)


# ---------------------------------------------------------------- what goes wrong


def check_usable(model, x, y):
    """A model after an interruption: finite, not held by anybody, trainable."""
    assert all(np.isfinite(w).all() for w in model.get_weights())
    kernel = model.weights[0]
    before = kernel.numpy()
    seen = kernel.value
    kernel.assign_add(ops.ones_like(seen))
    np.testing.assert_array_equal(seen, before)
    kernel.assign(before)
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()


def test_ctrl_c_in_the_middle_of_an_epoch():
    x = np.random.default_rng(0).normal(size=(200_000, 5)).astype("float32")
    model = mlp()
    model.compile("adam", "mse")
    model.fit(x[:64], x[:64, :1], verbose=0)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        begin = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, x[:, :1], epochs=1000, verbose=0)
        assert time.perf_counter() - begin < 5.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    steps = int(model.optimizer.iterations)
    check_usable(model, X, Y)
    assert int(model.optimizer.iterations) == steps + 3


def test_an_error_of_a_kernel_in_the_middle_of_an_epoch():
    class Lookup(keras.Model):
        def __init__(self):
            super().__init__()
            self.table = self.add_weight(shape=(5, 3), name="table")
            self.out = layers.Dense(1)

        def call(self, x):
            return self.out(ops.take(self.table, x[:, 0], axis=0))

    rows = np.random.default_rng(0).integers(0, 5, size=(200, 1))
    rows[150] = 99
    model = Lookup()
    model.compile("adam", "mse")
    for _ in range(2):
        with pytest.raises(IndexError, match=r"\[take\] expected indices in \[-5, 5\), received 99"):
            model.fit(rows, np.zeros((200, 1)), verbose=0, shuffle=False)
    model.fit(rows[:100], np.zeros((100, 1)), verbose=0)
    assert int(model.optimizer.iterations) == 4 + 4 + 4
    check_usable(model, rows[:100], np.zeros((100, 1)))


def test_outputs_that_are_not_rows_of_samples():
    class Products(keras.Model):
        def call(self, x):
            return ops.matmul(x, ops.transpose(x))

    model = Products()
    with pytest.raises(ValueError, match=r"\[predict\] expected outputs of one shape per sample"):
        model.predict(X, verbose=0)
    assert model.predict(X[:6], verbose=0).shape == (6, 6)


# ---------------------------------------------------------------- threads and memory


def test_the_same_bits_on_any_number_of_threads():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1000, 784)).astype("float32"), rng.integers(0, 10, size=1000)
    before = tahr.config.num_threads()
    found = []
    try:
        for threads in (1, 2, 4):
            tahr.config.set_num_threads(threads)
            keras.utils.set_random_seed(1)
            model = keras.Sequential([layers.Dense(n, a) for n, a in ((300, "relu"), (100, "relu"), (10, "softmax"))])
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
            history = model.fit(x, y, epochs=3, verbose=0)
            found.append([*model.get_weights(), *history.history["loss"]])
    finally:
        tahr.config.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other):
            np.testing.assert_array_equal(a, b)


def test_reading_weights_while_fit_runs():
    x = np.random.default_rng(0).normal(size=(20_000, 64)).astype("float32")
    model = keras.Sequential([layers.Dense(128, activation="relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x[:64], x[:64, :1], verbose=0)
    stop, problems, reads = threading.Event(), [], []

    def read():
        while not stop.is_set():
            try:
                kept = model.weights[0].value
                now = kept.numpy()
                everything = [*model.get_weights(), np.asarray(model.weights[0]), model.weights[1] * 2.0]
                if not all(np.isfinite(w).all() for w in everything) or not (kept.numpy() == now).all():
                    problems.append("changed")
                reads.append(int(model.optimizer.iterations))
            except Exception as error:  # noqa: BLE001 (shown below)
                problems.append(repr(error))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        model.fit(x, x[:, :1], epochs=2, verbose=0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not problems, problems[:3]
    assert len(set(reads)) > 3  # they did read while it ran


def _resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def test_models_that_come_and_go_leave_no_memory_behind():
    def one():
        model = keras.Sequential([keras.Input((5,)), layers.Dense(32, activation="relu"), layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(X, Y, verbose=0)
        return weakref.ref(model)

    for _ in range(20):
        one()
    gc.collect()
    before = _resident_mb()
    references = [one() for _ in range(200)]
    gc.collect()
    assert _resident_mb() - before <= 5.0
    assert all(r() is None for r in references)


def test_single_rows_cost_no_memory():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(32, activation="relu"), layers.Dense(1)])
    for _ in range(200):
        model.predict(X[:1], verbose=0)
        model(X[:1])
    before = _resident_mb()
    for _ in range(20_000):
        model.predict(X[:1], verbose=0)
    assert _resident_mb() - before <= 1.0


def test_many_sizes_of_batches_are_few_traces():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    x = np.random.default_rng(0).normal(size=(101, 5)).astype("float32")
    kernel, bias = model.get_weights()
    for n in range(1, 101):
        expected = x[:n] @ kernel + bias
        for found in (model.predict(x[:n], verbose=0, batch_size=128), model(x[:n]), model.predict_on_batch(x[:n])):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert len(model._traced_steps["predict"][1]._traces) <= 8
