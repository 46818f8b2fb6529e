"""tahr and Keras on TensorFlow, JAX or PyTorch: the same code, so that only what is imported differs.

`TAHR_PEER` says which; for Keras, `KERAS_BACKEND` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .workloads import BLOCKS, SEED, Training

THREADS = int(os.environ["PEERS_THREADS"])
if os.environ["PEERS_CONTESTANT"] == "tahr":
    from tahr import keras
else:
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    elif os.environ["KERAS_BACKEND"] == "torch":
        import torch

        torch.set_num_threads(THREADS)
    import keras  # type: ignore[no-redef]

Dense = keras.layers.Dense


def optimizer(work: Training) -> Any:
    kind = keras.optimizers.Adam if work.optimizer == "adam" else keras.optimizers.SGD
    return kind(learning_rate=work.rate)


def build(work: Training) -> Any:
    if work.kind == "wide_deep":
        wide, deep = keras.Input((5,)), keras.Input((6,))
        hidden = deep
        for width in work.widths[1:-1]:
            hidden = Dense(width, activation="relu")(hidden)
        main = Dense(1, name="main")(keras.layers.Concatenate()([wide, hidden]))
        return keras.Model([wide, deep], [main, Dense(1, name="aux")(hidden)])
    if work.kind == "cnn":
        return cnn(work.widths)
    if work.kind == "residual":
        return residual(work.widths)
    model = keras.Sequential([keras.Input((work.widths[0],))])
    for width in work.widths[1:-1]:
        model.add(Dense(width, activation=work.activation))
    model.add(Dense(work.widths[-1], activation="softmax" if work.kind == "classify" else None))
    return model


def cnn(widths: tuple[int, ...]) -> Any:
    layers = keras.layers
    model = keras.Sequential([keras.Input((28, 28, 1))])
    for width in widths[:2]:
        model.add(layers.Conv2D(width, 3, activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(Dense(widths[2], activation="relu"))
    model.add(Dense(widths[3], activation="softmax"))
    return model


def residual(widths: tuple[int, ...]) -> Any:
    layers = keras.layers

    def normalised(x: Any) -> Any:
        return layers.BatchNormalization()(layers.Conv2D(widths[0], 3, padding="same", use_bias=False)(x))

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(normalised(inputs))
    for _ in range(BLOCKS):
        inner = layers.ReLU()(normalised(x))
        x = layers.ReLU()(layers.Add()([x, normalised(inner)]))
    return keras.Model(inputs, Dense(widths[1], activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def compile_model(model: Any, work: Training) -> None:
    if work.classifies:
        model.compile(optimizer(work), "sparse_categorical_crossentropy", metrics=["accuracy"])
    elif work.kind == "regress":
        model.compile(optimizer(work), "mse")
    else:
        model.compile(optimizer(work), ["mse", "mse"], loss_weights=[0.9, 0.1])


class EveryEpoch(keras.callbacks.Callback):
    def __init__(self, on_epoch: Callable[[dict[str, float]], bool]) -> None:
        super().__init__()
        self.on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.on_epoch({k: float(v) for k, v in (logs or {}).items()}):
            self.model.stop_training = True


class Model:
    def __init__(self, work: Training, data: tuple[list[Any], list[Any]], variant: str = "") -> None:
        keras.utils.set_random_seed(SEED)
        self.work, (self.x, self.y) = work, data
        self.model = build(work)
        compile_model(self.model, work)

    def fit(self, on_epoch: Callable[[dict[str, float]], bool]) -> None:
        single = len(self.x) == 1
        x, y = (self.x[0], self.y[0]) if single else (self.x, self.y)
        self.model.fit(x, y, batch_size=self.work.batch, epochs=100_000, verbose=0, callbacks=[EveryEpoch(on_epoch)])

    def one_row(self) -> dict[str, Callable[[], Any]]:
        x, model = np.ascontiguousarray(self.x[0][:1]), self.model
        return {
            "predict": lambda: model.predict(x, verbose=0),
            "predict_on_batch": lambda: model.predict_on_batch(x),
            "model": lambda: keras.ops.convert_to_numpy(model(x)),
        }

    def weights(self) -> list[Any]:
        return self.model.get_weights()


def search(configs: list[dict[str, Any]], x: Any, y: Any, variant: str = "") -> list[float]:
    losses = []
    for config in configs:
        model = keras.Sequential([keras.Input((8,))])
        for _ in range(config["hidden"]):
            model.add(Dense(config["width"], activation="relu"))
        model.add(Dense(1))
        model.compile(keras.optimizers.SGD(learning_rate=config["rate"]), "mse")
        losses.append(float(model.fit(x, y, batch_size=32, epochs=2, verbose=0).history["loss"][-1]))
    return losses
