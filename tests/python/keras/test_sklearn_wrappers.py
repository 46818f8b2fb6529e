"""Estimators of scikit-learn around models: parameters, cloning, pickling, searches in this and in other processes.

Keras's own tests run scikit-learn's estimator checks on the three classes of Keras 3 (`tests/conformance`, area wrappers).
"""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tahr import keras
from tahr.keras.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer
from tahr.keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(120, 4)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5, 0.0]).astype("float32")
THREE = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], [-0.5, 0.5])]


def regressor_model(n_hidden=1, n_neurons=8, learning_rate=0.05, input_shape=[4]):  # noqa: B006
    model = keras.models.Sequential()
    model.add(keras.layers.InputLayer(input_shape=input_shape))
    for _ in range(n_hidden):
        model.add(keras.layers.Dense(n_neurons, activation="relu"))
    model.add(keras.layers.Dense(1))
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(lr=learning_rate))
    return model


def classifier_model(
    units=16, loss="sparse_categorical_crossentropy", outputs=3, activation="softmax", metrics=("accuracy",)
):
    model = keras.Sequential()
    model.add(keras.layers.Dense(units, activation="relu", input_dim=4))
    model.add(keras.layers.Dense(outputs, activation=activation))
    model.compile(loss=loss, optimizer=keras.optimizers.Adam(0.02), metrics=list(metrics))
    return model


# ---------------------------------------------------------------- the estimators of Keras 1 and 2


def test_regressor_fit_predict_score():
    regressor = KerasRegressor(regressor_model, epochs=4, batch_size=30, verbose=0)
    history = regressor.fit(X, Y, validation_data=(X[:20], Y[:20]))
    assert len(history.history["loss"]) == 4 and "val_loss" in history.history
    assert history.params["steps"] == 4
    predicted = regressor.predict(X)
    assert predicted.shape == (120,)
    mean_square = float(np.mean((predicted.astype("float64") - Y) ** 2))
    # float32 in the model, 120 squares summed
    assert regressor.score(X, Y) == pytest.approx(-mean_square, rel=120 * 2**-23)
    assert is_regressor(regressor) and not is_classifier(regressor)


def test_arguments_of_fit_go_before_those_of_the_constructor():
    regressor = KerasRegressor(regressor_model, epochs=4, verbose=0)
    assert len(regressor.fit(X, Y, epochs=2).epoch) == 2
    assert len(regressor.fit(X, Y).epoch) == 4
    assert len(KerasRegressor(regressor_model, nb_epoch=3, verbose=0).fit(X, Y).epoch) == 3


def test_arguments_reach_the_function():
    regressor = KerasRegressor(build_fn=regressor_model, n_hidden=2, n_neurons=5, verbose=0)
    regressor.fit(X, Y)
    assert [layer.units for layer in regressor.model.layers] == [5, 5, 1]


def test_several_outputs_keep_their_axis():
    def build():
        model = keras.Sequential([keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    regressor = KerasRegressor(build, verbose=0)
    regressor.fit(X, X[:, :2])
    assert regressor.predict(X).shape == (120, 2)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_classifier_with_names_of_classes(loss):
    classifier = KerasClassifier(build_fn=classifier_model, loss=loss, epochs=30, verbose=0)
    classifier.fit(X, THREE)
    assert classifier.classes_.tolist() == sorted(set(THREE)) and classifier.n_classes_ == 3
    predicted = classifier.predict(X)
    assert predicted.shape == (120,) and predicted.dtype == THREE.dtype
    assert classifier.score(X, THREE) == pytest.approx(np.mean(predicted == THREE), abs=1e-6)
    assert classifier.score(X, THREE) > 0.7
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (120, 3)
    np.testing.assert_array_equal(classifier.classes_[probabilities.argmax(1)], predicted)
    assert is_classifier(classifier)


def test_classifier_with_one_output():
    classifier = KerasClassifier(
        classifier_model, loss="binary_crossentropy", outputs=1, activation="sigmoid", epochs=20, verbose=0
    )
    labels = np.where(Y > 0, 7, 3)
    classifier.fit(X, labels)
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (120, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, atol=2**-23)
    predicted = classifier.predict(X)
    np.testing.assert_array_equal(predicted, np.where(probabilities[:, 1] > 0.5, 7, 3))
    assert classifier.score(X, labels) == pytest.approx(np.mean(predicted == labels), abs=1e-6)


def test_classifier_with_one_hot_targets():
    classifier = KerasClassifier(classifier_model, loss="categorical_crossentropy", epochs=5, verbose=0)
    codes = np.digitize(X[:, 0], [-0.5, 0.5])
    classifier.fit(X, keras.utils.to_categorical(codes))
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.score(X, np.eye(3)[codes]) == pytest.approx(np.mean(classifier.predict(X) == codes), abs=1e-6)


def test_classifier_errors():
    classifier = KerasClassifier(classifier_model, metrics=(), verbose=0)
    with pytest.raises(NotFittedError, match="Call fit first"):
        classifier.predict(X)
    with pytest.raises(NotFittedError, match="Call fit first"):
        classifier.score(X, THREE)
    classifier.fit(X, THREE)
    with pytest.raises(ValueError, match=r'metrics=\["accuracy"\]'):
        classifier.score(X, THREE)
    with pytest.raises(ValueError, match="labels that the training data had, received 'other'"):
        classifier.score(X, np.full(120, "other"))
    with pytest.raises(ValueError, match=r"received \(120, 2, 2\)"):
        classifier.fit(X, np.zeros((120, 2, 2)))


def test_legal_parameters():
    with pytest.raises(ValueError, match="hidden is not a legal parameter.*n_hidden, n_neurons"):
        KerasRegressor(regressor_model, hidden=2)
    regressor = KerasRegressor(regressor_model, callbacks=[], steps=3, n_hidden=2)
    with pytest.raises(ValueError, match="hidden is not a legal parameter"):
        regressor.set_params(hidden=2)
    assert "hidden" not in regressor.get_params()
    with pytest.raises(ValueError, match="n_hidden is not a legal parameter"):
        regressor.set_params(build_fn=classifier_model, n_hidden=1)
    assert regressor.build_fn is regressor_model
    with pytest.raises(ValueError, match="build_fn, a function that returns a compiled model, received None"):
        KerasRegressor()
    with pytest.raises(TypeError, match="SKLearnRegressor take models"):
        KerasRegressor(regressor_model())

    def forgets_to_compile():
        return keras.Sequential([keras.layers.Dense(1)])

    with pytest.raises(ValueError, match="return a compiled model"):
        KerasRegressor(forgets_to_compile).fit(X, Y)


def test_a_function_of_anything():
    received = {}

    def build(units, **others):
        received.update(others)
        return regressor_model(n_neurons=units)

    KerasRegressor(build, units=3, mood="good", epochs=1, verbose=0).fit(X, Y)
    assert received == {"mood": "good"}


def test_subclass_that_builds_its_model():
    class Own(KerasRegressor):
        def __call__(self, units=3):
            return regressor_model(n_neurons=units)

    own = Own(units=4, verbose=0)
    own.fit(X, Y)
    assert own.model.layers[0].units == 4
    assert clone(own).get_params() == {"units": 4, "verbose": 0, "build_fn": None}


def test_parameters_and_clone():
    regressor = KerasRegressor(regressor_model, n_hidden=2, epochs=3)
    assert regressor.get_params() == {
        "build_fn": regressor_model,
        "n_hidden": 2,
        "n_neurons": 8,
        "learning_rate": 0.05,
        "input_shape": [4],
        "epochs": 3,
    }
    assert regressor.set_params(n_neurons=5, verbose=0) is regressor
    regressor.fit(X, Y)
    copied = clone(regressor)
    assert copied.get_params() == regressor.get_params()
    assert not hasattr(copied, "model")
    assert "n_neurons=5" in repr(regressor)


@pytest.mark.parametrize("through", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy])
def test_pickle(through):
    classifier = KerasClassifier(classifier_model, epochs=3, verbose=0)
    classifier.fit(X, THREE)
    again = through(classifier)
    np.testing.assert_array_equal(again.predict_proba(X), classifier.predict_proba(X))
    assert again.model is not classifier.model


def test_pipeline_and_cross_validation():
    pipeline = make_pipeline(StandardScaler(), KerasClassifier(classifier_model, epochs=20, verbose=0))
    scores = cross_val_score(pipeline, X, THREE, cv=StratifiedKFold(3, shuffle=True, random_state=0))
    assert scores.shape == (3,) and scores.mean() > 0.5
    pipeline.fit(X, THREE)
    assert pipeline.predict(X[:7]).shape == (7,)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(n_jobs):
    search = GridSearchCV(
        KerasClassifier(build_fn=classifier_model, verbose=0),
        {"units": [4, 16], "epochs": [1, 8], "batch_size": [20]},
        n_jobs=n_jobs,
        cv=2,
    )
    search.fit(
        X, THREE, validation_data=(X[:10], np.digitize(X[:10, 0], [-0.5, 0.5])), callbacks=[keras.callbacks.History()]
    )
    assert search.cv_results_["mean_test_score"].shape == (4,)
    assert search.best_params_["epochs"] == 8
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    best = search.best_estimator_
    assert isinstance(best.model, keras.Model)
    assert best.model.layers[0].units == search.best_params_["units"]
    assert len(best.model.history.epoch) == 8 and "val_loss" in best.model.history.history
    assert search.score(X, THREE) == pytest.approx(best.score(X, THREE))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_randomized_search_as_in_tutorials(n_jobs):
    from scipy.stats import reciprocal

    regressor = keras.wrappers.scikit_learn.KerasRegressor(regressor_model)
    distributions = {
        "n_hidden": [0, 1, 2, 3],
        "n_neurons": np.arange(1, 100),
        "learning_rate": reciprocal(3e-4, 3e-2),
    }
    search = RandomizedSearchCV(regressor, distributions, n_iter=3, cv=3, n_jobs=n_jobs, random_state=0)
    stopping = keras.callbacks.EarlyStopping(patience=10)
    search.fit(X[:90], Y[:90], epochs=3, verbose=0, validation_data=(X[90:], Y[90:]), callbacks=[stopping])
    assert set(search.best_params_) == set(distributions)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max() < 0
    model = search.best_estimator_.model
    assert len(model.layers) == search.best_params_["n_hidden"] + 1
    assert len(search.best_estimator_.model.history.epoch) == 3


def _fitted_score(units):
    classifier = KerasClassifier(classifier_model, units=units, epochs=2, verbose=0)
    classifier.fit(X, THREE)
    return classifier


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_workers_train_and_send_models_back(backend):
    keras.Sequential([keras.layers.Dense(64)]).predict(
        np.zeros((512, 512)), verbose=0
    )  # threads run here before the fork
    with joblib.parallel_backend(backend, n_jobs=2):
        one, two = joblib.Parallel()(joblib.delayed(_fitted_score)(units) for units in (3, 5))
    assert [e.model.layers[0].units for e in (one, two)] == [3, 5]
    assert two.model.optimizer.iterations == 2 * 4  # 120 rows in batches of 32
    assert two.fit(X, THREE).history["loss"]


# ---------------------------------------------------------------- pickles of models


class Scaled(keras.layers.Layer):
    """A layer that no config describes."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.inner = keras.layers.Dense(3)

    def call(self, x):
        return self.inner(x) * self.factor


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.one, self.two = Scaled(2.0), keras.layers.Dense(1)

    def call(self, x):
        return self.two(self.one(x))


def _functional():
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Dense(1)(keras.layers.LSTM(3)(keras.layers.Reshape((2, 2))(x))))


MODELS = {
    "sequential": lambda: keras.Sequential([keras.layers.Dense(3, activation="relu"), keras.layers.Dense(1)]),
    "functional": _functional,
    "subclass": Subclassed,
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("through", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_models_pickle_with_the_state_of_the_optimizer(kind, through):
    model = MODELS[kind]()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(X, Y, epochs=2, verbose=0)
    again = through(model)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    for each in (model, again):
        each.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    assert again.optimizer is not model.optimizer and again.optimizer.iterations == 16
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


# ---------------------------------------------------------------- the estimators of Keras 3


def dynamic_model(X, y, loss, activation=None):
    model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(y.shape[1], activation=activation)])
    model.compile(keras.optimizers.Adam(0.05), loss)
    return model


QUIET = {"verbose": 0}


def test_classifier_of_keras_3():
    classifier = SKLearnClassifier(
        dynamic_model,
        model_kwargs={"loss": "categorical_crossentropy", "activation": "softmax"},
        fit_kwargs={"epochs": 20, **QUIET},
    )
    assert classifier.epoch_ == 0
    assert classifier.fit(X, THREE) is classifier
    assert classifier.epoch_ == 20 and classifier.classes_.tolist() == sorted(set(THREE))
    outputs = classifier.decision_function(X)
    np.testing.assert_array_equal(classifier.predict(X), classifier.classes_[outputs.argmax(1)])
    assert classifier.score(X, THREE) == np.mean(classifier.predict(X) == THREE) > 0.7
    assert classifier.fit_kwargs == {"epochs": 20, **QUIET}
    classifier.fit(X, THREE, epochs=1)
    assert classifier.epoch_ == 1 and classifier.fit_kwargs["epochs"] == 20
    copied = clone(classifier)
    assert copied.get_params() == classifier.get_params() and not hasattr(copied, "model_")


def test_regressor_and_transformer_of_keras_3():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    before = model.get_weights()
    regressor = SKLearnRegressor(model, fit_kwargs={"epochs": 60, **QUIET}).fit(X, Y)
    assert regressor.score(X, Y) > 0.9  # R², scikit-learn's score of regressors
    assert regressor.predict(X).shape == (120,)
    assert regressor.model_ is not model
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    transformer = SKLearnTransformer(dynamic_model, model_kwargs={"loss": "mse"}, fit_kwargs=QUIET)
    assert transformer.fit(X, X[:, :2]).transform(X).shape == (120, 2)
    assert make_pipeline(transformer, KerasRegressor(regressor_model, input_shape=[1], verbose=0)).fit(X, Y).predict(
        X
    ).shape == (120,)


def test_warm_start():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    regressor = SKLearnRegressor(model, warm_start=True, fit_kwargs=QUIET).fit(X, Y)
    assert regressor.model_ is model
    other = clone(regressor)
    assert other.model is not model  # trained apart
    np.testing.assert_array_equal(other.model.get_weights()[0], model.get_weights()[0])
    made = SKLearnRegressor(dynamic_model, warm_start=True, model_kwargs={"loss": "mse"}, fit_kwargs=QUIET)
    first = made.fit(X, Y).model_
    assert made.fit(X, Y).model_ is first and first.optimizer.iterations == 8


def test_errors_of_keras_3_estimators():
    loss = {"loss": "categorical_crossentropy"}
    with pytest.raises(RuntimeError, match="compiled model with a loss"):
        SKLearnRegressor(keras.Sequential([keras.layers.Dense(1)])).fit(X, Y)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        SKLearnClassifier(dynamic_model, model_kwargs=loss).fit(X, Y)
    with pytest.raises(ValueError, match="only one class"):
        SKLearnClassifier(dynamic_model, model_kwargs=loss).fit(X, np.zeros(120))
    with pytest.raises(NotFittedError):
        SKLearnRegressor(dynamic_model).predict(X)
    with pytest.raises(ValueError, match="no model_kwargs with a ready model"):
        SKLearnRegressor(regressor_model(), model_kwargs={"a": 1}).fit(X, Y)
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        SKLearnRegressor(dynamic_model).set_fit_request(sample_weight=True)
    wrong = SKLearnClassifier(regressor_model(), fit_kwargs=QUIET)
    wrong.model_, wrong.classes_, wrong._target_rank, wrong.n_features_in_ = regressor_model(), np.arange(3), 1, 4
    with pytest.raises(ValueError, match=r"3 outputs per sample, one per class, received an array of shape \(120, 1\)"):
        wrong.predict(X)


def test_metadata_routing():
    import sklearn

    weights = np.linspace(0, 1, 120)
    with sklearn.config_context(enable_metadata_routing=True):
        regressor = SKLearnRegressor(dynamic_model, model_kwargs={"loss": "mse"}, fit_kwargs=QUIET)
        assert regressor.set_fit_request(sample_weight=True) is regressor
        search = GridSearchCV(regressor, {"fit_kwargs": [{"epochs": 2, **QUIET}]}, cv=2)
        search.fit(X, Y, sample_weight=weights)
    assert search.best_estimator_.epoch_ == 2


def test_without_scikit_learn():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from tahr import keras\n"
        "assert 'SKLearnClassifier' in dir(keras.wrappers)\n"
        "for load in (lambda: keras.wrappers.SKLearnClassifier, lambda: keras.wrappers.scikit_learn.KerasRegressor):\n"
        "    try: load()\n"
        "    except ImportError as error: assert 'pip install scikit-learn' in str(error), error\n"
        "    else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ, timeout=60)
