"""Perceptrons, classification, regression, wide & deep, two outputs, callbacks, and a random search.

Fashion-MNIST for the classifier, the California housing prices for everything else; as in the notes, the search tries
networks of up to 3 layers and 100 units with 3-fold cross-validation. That takes a while: 10 candidates by 3 folds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import common
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import reciprocal
from sklearn.datasets import load_iris
from sklearn.linear_model import Perceptron
from sklearn.model_selection import RandomizedSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler
from tahr import keras


def perceptron() -> np.ndarray:
    """A single threshold unit tells one iris from the others by its petals."""
    iris = load_iris()
    X = iris.data[:, (2, 3)]
    y = (iris.target == 0).astype(int)
    per_clf = Perceptron()
    per_clf.fit(X, y)
    return per_clf.predict([[2, 0.5]])


def classifier(output: str, epochs: int, samples: int | None) -> dict[str, Any]:
    """784-300-100-10 on Fashion-MNIST."""
    fashion_mnist = keras.datasets.fashion_mnist
    (X_train_full, y_train_full), (X_test, y_test) = fashion_mnist.load_data()
    X_valid, X_train = X_train_full[:5000] / 255.0, X_train_full[5000:][:samples] / 255.0
    y_valid, y_train = y_train_full[:5000], y_train_full[5000:][:samples]
    X_test = X_test / 255.0

    model = keras.models.Sequential(
        [
            keras.layers.Flatten(input_shape=[28, 28]),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    hidden1 = model.layers[1]
    print(hidden1.name, model.get_layer(hidden1.name) is hidden1)
    weights, biases = hidden1.get_weights()
    print(weights.shape, biases.shape)

    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    history = model.fit(X_train, y_train, epochs=epochs, validation_data=(X_valid, y_valid), verbose=2)
    pd.DataFrame(history.history).plot(figsize=(8, 5))
    plt.grid(True)
    plt.gca().set_ylim(0, 1)
    plt.savefig(os.path.join(output, "seeds_classifier.png"))
    plt.close()

    _, accuracy = model.evaluate(X_test, y_test, verbose=0)
    X_new = X_test[:3]
    y_proba = model.predict(X_new, verbose=0)
    print(y_proba.round(2))
    y_pred = model.predict_classes(X_new)
    print(y_pred)
    assert (y_pred == np.argmax(y_proba, axis=1)).all()
    return {"accuracy": accuracy, "classes": y_pred.tolist()}


def housing(samples: int | None) -> list[np.ndarray]:
    """Scaled data: training, validation and test, then their targets (in units of 100,000 dollars)."""
    (X_full, y_full), (X_rest, y_rest) = keras.datasets.california_housing.load_data(test_split=0.25)
    X, y = np.concatenate([X_full, X_rest])[:samples], np.concatenate([y_full, y_rest])[:samples] / 100_000
    X_train_full, X_test, y_train_full, y_test = train_test_split(X, y, random_state=1)
    X_train, X_valid, y_train, y_valid = train_test_split(X_train_full, y_train_full, random_state=1)
    scaler = StandardScaler()
    X_train = scaler.fit_transform(X_train)
    return [X_train, scaler.transform(X_valid), scaler.transform(X_test), y_train, y_valid, y_test]


def regression(data: list[np.ndarray], epochs: int) -> float:
    """One hidden layer of 30 units."""
    X_train, X_valid, X_test, y_train, y_valid, y_test = data
    model = keras.models.Sequential(
        [keras.layers.Dense(30, activation="relu", input_shape=X_train.shape[1:]), keras.layers.Dense(1)]
    )
    model.compile(loss="mean_squared_error", optimizer="sgd")
    model.fit(X_train, y_train, epochs=epochs, validation_data=(X_valid, y_valid), verbose=0)
    mse_test = model.evaluate(X_test, y_test, verbose=0)
    print("predicted prices:", model.predict(X_test[:3], verbose=0).ravel().round(2), "of", y_test[:3].round(2))
    return mse_test


def wide_and_deep(data: list[np.ndarray], epochs: int) -> dict[str, float]:
    """All inputs by both ways; then some by the short way, others by the long one; then with a second output."""
    X_train, X_valid, X_test, y_train, y_valid, y_test = data
    input_ = keras.layers.Input(shape=X_train.shape[1:])
    hidden1 = keras.layers.Dense(30, activation="relu")(input_)
    hidden2 = keras.layers.Dense(30, activation="relu")(hidden1)
    concat = keras.layers.Concatenate()([input_, hidden2])
    output = keras.layers.Dense(1)(concat)
    model = keras.Model(inputs=[input_], outputs=[output])
    model.summary()

    input_A = keras.layers.Input(shape=[5], name="wide_input")
    input_B = keras.layers.Input(shape=[6], name="deep_input")
    hidden1 = keras.layers.Dense(30, activation="relu")(input_B)
    hidden2 = keras.layers.Dense(30, activation="relu")(hidden1)
    concat = keras.layers.concatenate([input_A, hidden2])
    output = keras.layers.Dense(1, name="output")(concat)
    model = keras.Model(inputs=[input_A, input_B], outputs=[output])
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(lr=1e-3))
    X_train_A, X_train_B = X_train[:, :5], X_train[:, 2:]
    X_valid_A, X_valid_B = X_valid[:, :5], X_valid[:, 2:]
    X_test_A, X_test_B = X_test[:, :5], X_test[:, 2:]
    X_new_A, X_new_B = X_test_A[:3], X_test_B[:3]
    model.fit(
        (X_train_A, X_train_B),
        y_train,
        epochs=epochs,
        validation_data=((X_valid_A, X_valid_B), y_valid),
        verbose=0,
    )
    mse_test = model.evaluate((X_test_A, X_test_B), y_test, verbose=0)
    print("wide & deep:", model.predict((X_new_A, X_new_B), verbose=0).ravel().round(2))

    output = keras.layers.Dense(1, name="main_output")(concat)
    aux_output = keras.layers.Dense(1, name="aux_output")(hidden2)
    model = keras.Model(inputs=[input_A, input_B], outputs=[output, aux_output])
    model.compile(loss=["mse", "mse"], loss_weights=[0.9, 0.1], optimizer="sgd")
    model.fit(
        [X_train_A, X_train_B],
        [y_train, y_train],
        epochs=epochs,
        validation_data=([X_valid_A, X_valid_B], [y_valid, y_valid]),
        verbose=0,
    )
    total_loss, main_loss, aux_loss = model.evaluate([X_test_A, X_test_B], [y_test, y_test], verbose=0)
    y_pred_main, y_pred_aux = model.predict([X_new_A, X_new_B], verbose=0)
    print(
        f"two outputs: {total_loss:.4f} = 0.9 * {main_loss:.4f} + 0.1 * {aux_loss:.4f}; {y_pred_main.ravel().round(2)}"
    )
    return {"wide_and_deep": mse_test, "total": total_loss, "main": main_loss, "aux": aux_loss}


def build_model(
    n_hidden: int = 1, n_neurons: int = 30, learning_rate: float = 3e-3, input_shape: Any = (8,)
) -> keras.Sequential:
    """A network of the given size, compiled; the search calls it."""
    model = keras.models.Sequential()
    model.add(keras.layers.InputLayer(input_shape=input_shape))
    for _ in range(n_hidden):
        model.add(keras.layers.Dense(n_neurons, activation="relu"))
    model.add(keras.layers.Dense(1))
    optimizer = keras.optimizers.SGD(lr=learning_rate)
    model.compile(loss="mse", optimizer=optimizer)
    return model


def with_callbacks(data: list[np.ndarray], output: str, limit: int | None) -> dict[str, Any]:
    """Saving, checkpoints and early stopping."""
    X_train, X_valid, X_test, y_train, y_valid, y_test = data
    path = os.path.join(output, "my_keras_model.h5")
    model = build_model()
    model.fit(X_train, y_train, epochs=1, verbose=0)
    model.save(path)
    model = keras.models.load_model(path)

    checkpoint_cb = keras.callbacks.ModelCheckpoint(path)
    model.fit(X_train, y_train, epochs=common.at_most(10, limit), callbacks=[checkpoint_cb], verbose=0)

    checkpoint_cb = keras.callbacks.ModelCheckpoint(path, save_best_only=True)
    history = model.fit(
        X_train,
        y_train,
        epochs=common.at_most(10, limit),
        validation_data=(X_valid, y_valid),
        callbacks=[checkpoint_cb],
        verbose=0,
    )
    model = keras.models.load_model(path)
    best = model.evaluate(X_valid, y_valid, verbose=0)
    assert np.isclose(best, min(history.history["val_loss"]), rtol=1e-4)

    early_stopping_cb = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    history = model.fit(
        X_train,
        y_train,
        epochs=common.at_most(100, limit),
        validation_data=(X_valid, y_valid),
        callbacks=[checkpoint_cb, early_stopping_cb],
        verbose=0,
    )
    mse_test = model.evaluate(X_test, y_test, verbose=0)
    print(f"early stopping: {len(history.epoch)} epochs, mean squared error {mse_test:.4f}")
    return {"epochs": len(history.epoch), "mse": mse_test}


def search(data: list[np.ndarray], limit: int | None) -> dict[str, Any]:
    """A model for scikit-learn, and a random search over its size and learning rate."""
    X_train, X_valid, X_test, y_train, y_valid, y_test = data
    keras_reg = keras.wrappers.scikit_learn.KerasRegressor(build_model)
    keras_reg.fit(
        X_train,
        y_train,
        epochs=common.at_most(100, limit),
        validation_data=(X_valid, y_valid),
        callbacks=[keras.callbacks.EarlyStopping(patience=10)],
        verbose=0,
    )
    mse_test = keras_reg.score(X_test, y_test, verbose=0)
    print(f"as an estimator: score {mse_test:.4f}; {keras_reg.predict(X_test[:3], verbose=0).round(2)}")

    param_distribs = {
        "n_hidden": [0, 1, 2, 3],
        "n_neurons": np.arange(1, 100).tolist(),
        "learning_rate": reciprocal(3e-4, 3e-2),
    }
    rnd_search_cv = RandomizedSearchCV(
        keras_reg, param_distribs, n_iter=10 if limit is None else 2, cv=3, random_state=1
    )
    rnd_search_cv.fit(
        X_train,
        y_train,
        epochs=common.at_most(100, limit),
        validation_data=(X_valid, y_valid),
        callbacks=[keras.callbacks.EarlyStopping(patience=10)],
        verbose=0,
    )
    print(rnd_search_cv.best_params_, rnd_search_cv.best_score_)
    model = rnd_search_cv.best_estimator_.model
    best = model.evaluate(X_test, y_test, verbose=0)
    print(f"the best of the search: mean squared error {best:.4f}")
    return {"score": mse_test, "best": best, "params": rnd_search_cv.best_params_}


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    given = common.options(__doc__, arguments)
    keras.utils.set_random_seed(42)
    print("the perceptron says:", perceptron())
    results: dict[str, Any] = {"classifier": classifier(given.output, common.at_most(30, given.epochs), given.samples)}
    data = housing(given.samples)
    epochs = common.at_most(20, given.epochs)
    results["regression"] = regression(data, epochs)
    print(f"one hidden layer: mean squared error {results['regression']:.4f}")
    results |= wide_and_deep(data, epochs)
    results["callbacks"] = with_callbacks(data, given.output, given.epochs)
    results["search"] = search(data, given.epochs)
    return results


if __name__ == "__main__":
    main()
