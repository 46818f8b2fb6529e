"""Memory: what a step makes goes with it, without waiting for Python's collector of cycles."""

import gc
import itertools

import numpy as np
import tahr
from tahr import keras, variable


def small_model(run_eagerly):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"], run_eagerly=run_eagerly)
    return model


def test_steps_leave_nothing_to_the_collector():
    x, y = np.zeros((32, 8), "float32"), np.zeros(32, "int32")
    for run_eagerly in (True, False):
        model = small_model(run_eagerly)
        model.fit(x, y, verbose=0)
        model.train_on_batch(x, y)
        gc.collect()
        gc.disable()
        try:
            before = tahr.config.memory_stats()["live"]
            for _ in range(20):
                model.train_on_batch(x, y)
            assert tahr.config.memory_stats()["live"] == before
        finally:
            gc.enable()


def test_models_that_are_gone_are_collected_when_their_weights_are_large(monkeypatch):
    # Each holds 4 MB of weights; nothing else would start the collector so early. A quick clock, since the collector rests
    # for three times as long as it ran.
    monkeypatch.setattr(variable.time, "monotonic", itertools.count(0, 1000).__next__)
    monkeypatch.setattr(variable, "_rest_until", 0)
    gc.collect()
    before = tahr.config.memory_stats()["live"]
    for _ in range(10):
        model = keras.Sequential([keras.Input((1024,)), keras.layers.Dense(1024)])
        del model
    assert tahr.config.memory_stats()["live"] - before < 20 << 20
