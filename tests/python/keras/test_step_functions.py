"""`make_train_function` and its relatives, `add_metric`, and a loss without side effects."""

import copy
import pickle

import numpy as np
import pytest
from tahr import keras


def data(n=64):
    x = np.random.default_rng(0).random((n, 3)).astype("float32")
    return x, x.sum(1, keepdims=True)


def model(cls=keras.Sequential):
    keras.utils.set_random_seed(1)
    made = cls([keras.Input((3,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse", metrics=["mae"])
    return made


def test_the_function_trains_like_train_on_batch():
    x, y = data()
    a, b = model(), model()
    step = a.make_train_function()
    assert a.make_train_function() is step is a.train_function
    assert a.make_train_function(force=True) is not step
    logs = a.train_function(iter([(x, y)]))
    expected = b.train_on_batch(x, y, return_dict=True)
    assert {k: float(v) for k, v in logs.items()} == expected
    for ours, theirs in zip(a.get_weights(), b.get_weights()):
        assert np.array_equal(ours, theirs)
    logs = a.make_test_function()(iter([(x, y)]))
    assert float(logs["loss"]) < expected["loss"]
    assert np.array_equal(a.make_predict_function()(iter([(x,)])), a.predict(x, verbose=0))
    with pytest.raises(StopIteration):
        a.train_function(iter([]))


def test_one_call_takes_steps_per_execution_batches():
    x, y = data()
    a = model()
    a.compile("sgd", "mse", steps_per_execution=2)
    assert a.train_function is None
    batches = iter([(x[:16], y[:16]), (x[16:32], y[16:32]), (x[32:], y[32:])])
    a.make_train_function()(batches)
    assert int(a.optimizer.iterations) == 2 and len(list(batches)) == 1
    outputs = a.make_predict_function()(iter([(x[:16],), (x[16:],)]))
    assert np.allclose(outputs, a.predict(x, verbose=0))


class Counted(keras.Sequential):
    calls = ()

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return
        step = super().make_train_function(force)

        def counted(iterator):
            self.__dict__["calls"] = (*self.calls, "train")
            return step(iterator)

        self.train_function = counted

    def make_test_function(self, force=False):
        return lambda iterator: {"seen": len(next(iterator)[0])}  # the older way

    def make_predict_function(self, force=False):
        self.predict_function = lambda iterator: 2 * next(iterator)[0]


def test_functions_of_ones_own_replace_the_steps():
    x, y = data()
    a, b = model(Counted), model()
    ours = a.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history
    theirs = b.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history
    assert ours == theirs and a.calls == ("train",) * 8
    assert a.evaluate(x, y, batch_size=48, verbose=0, return_dict=True) == {"seen": 16.0}
    assert a.test_on_batch(x, y, return_dict=True) == {"seen": 64.0}
    for outputs in (a.predict(x, verbose=0), a.predict(x[:2], verbose=0), a.predict_on_batch(x)):
        assert np.array_equal(outputs, 2 * x[: len(outputs)])
    a.train_on_batch(x, y)
    assert len(a.calls) == 9


def test_own_functions_take_single_batches():
    x, y = data()
    a = model(Counted)
    a.compile("sgd", "mse", steps_per_execution=4)
    with pytest.raises(ValueError, match="steps_per_execution=1"):
        a.fit(x, y, verbose=0)


def test_copies_make_functions_of_their_own():
    x, y = data()
    a = model()
    a.make_train_function()
    for b in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert b.train_function is None
        b.make_train_function()(iter([(x, y)]))
        assert not np.array_equal(a.get_weights()[0], b.get_weights()[0])


class Level(keras.layers.Layer):
    def call(self, inputs):
        self.add_metric(keras.ops.max(inputs, axis=1), name="level")
        return inputs * 1


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_add_metric_means_over_an_epoch(eagerly, kind):
    x, y = data()
    if kind == "functional":
        inputs = keras.Input((3,))
        a = keras.Model(inputs, keras.layers.Dense(1)(Level()(inputs)))
    else:
        a = keras.Sequential([Level(), keras.layers.Dense(1)])
    a.compile("sgd", "mse", run_eagerly=eagerly)
    history = a.fit(x, y, batch_size=32, epochs=2, validation_data=(2 * x, y), verbose=0).history
    mean = x.max(axis=1).astype("float64").mean()
    assert np.allclose(history["level"], [mean, mean], rtol=1e-6)
    assert np.allclose(history["val_level"], [2 * mean, 2 * mean], rtol=1e-6)
    assert a.metrics_names == ["loss", "level"]


def test_add_metric_refuses_what_it_cannot_do():
    layer = keras.layers.Layer(name="watch")
    value = keras.ops.ones(())
    for call, message in (
        (lambda: layer.add_metric(value), "a name"),
        (lambda: layer.add_metric(1.0, name="n"), "a tensor"),
        (lambda: layer.add_metric(keras.Input(()), name="n"), "a tensor"),
        (lambda: layer.add_metric(value, name="n", aggregation=None), "aggregation='mean'"),
    ):
        with pytest.raises(ValueError, match=rf"\[watch\] .*{message}"):
            call()


def test_a_loss_for_other_weights():
    x, y = data()
    a = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L1(1.0))])
    a.compile("sgd", "mse")
    before = a.get_weights()
    kernel, bias = np.full((3, 1), 2.0, "float32"), np.zeros(1, "float32")
    y_pred = np.zeros_like(y)
    metrics = [np.zeros(v.shape, v.dtype) for v in a.metrics_variables]
    loss, (trainable, rest, _) = a.stateless_compute_loss([kernel, bias], [], metrics, x, y, y_pred)
    assert np.isclose(float(loss), np.mean(y.astype("float64") ** 2) + 6.0, rtol=1e-6)
    assert np.array_equal(trainable[0], kernel) and rest == []
    assert all(np.array_equal(v, w) for v, w in zip(a.get_weights(), before))
    with pytest.raises(ValueError, match="expected 2 values in trainable_variables, received 1"):
        a.stateless_compute_loss([kernel], [], metrics, x, y, y_pred)


def test_nothing_is_distributed():
    a = model()
    assert not hasattr(a, "distribute_strategy") and a.distribute_reduction_method == "auto"
    with pytest.raises(ValueError, match="one replica"):
        a.distribute_reduction_method = "sum"
