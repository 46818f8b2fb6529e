"""Every optimizer, step by step beside Keras: same variables, same gradients, same weights after each of 12 steps.

Tolerance: both compute in float32 with different roundings of the same formula; a step changes a weight by a rounding
or two of its size, and these add up over the steps: 12 steps x 2 roundings x 2^-23, relative to the largest weight.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import numpy as np
import pytest
import tahr
from tahr import keras
from tahr.keras import optimizers

reference = pytest.importorskip("keras")

STEPS = 12
RTOL = STEPS * 2 * 2.0**-23

# Options that go with every rule, and the rules with options of their own.
COMMON = [
    {},
    {"learning_rate": 0.05},
    {"clipnorm": 0.5},
    {"clipvalue": 0.1},
    {"global_clipnorm": 0.7},
    {"weight_decay": 0.1},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 4},
    {"use_ema": True},
    {"loss_scale_factor": 8.0},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "use_ema": True, "ema_overwrite_frequency": 3, "global_clipnorm": 1.0},
]
RULES = {
    "SGD": [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.5, "weight_decay": 0.01}],
    "RMSprop": [
        {"momentum": 0.5},
        {"centered": True},
        {"centered": True, "momentum": 0.9, "rho": 0.8, "epsilon": 1e-3},
    ],
    "Adam": [
        {"amsgrad": True},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2},
        {"amsgrad": True, "weight_decay": 0.1},
    ],
    "AdamW": [{"weight_decay": 0.2}, {"amsgrad": True}],
    "Nadam": [{"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2}],
    "Adamax": [{"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2}],
    "Adadelta": [{"rho": 0.5, "epsilon": 1e-3, "learning_rate": 1.0}],
    "Adagrad": [{"initial_accumulator_value": 0.5, "epsilon": 1e-2}],
    "Ftrl": [
        {"l1_regularization_strength": 0.05, "learning_rate": 0.1},
        {"l2_regularization_strength": 0.1, "l2_shrinkage_regularization_strength": 0.1, "beta": 0.2},
        {"learning_rate_power": -0.3, "initial_accumulator_value": 0.4},
    ],
    "Lion": [{"beta_1": 0.5, "beta_2": 0.9}],
    "Lamb": [{"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2}],
    "Adafactor": [{"learning_rate": 0.5}, {"beta_2_decay": -0.5, "clip_threshold": 0.5}],
    "Muon": [{"nesterov": False}, {"rms_rate": None, "ns_steps": 3, "momentum": 0.5}, {"exclude_layers": ["w2"]}],
    "ScheduleFreeAdamW": [{"warmup_steps": 5}, {"beta_1": 0.7, "beta_2": 0.9}],
}
CASES = [(name, options) for name, own in RULES.items() for options in [*COMMON, *own]]

SHAPES = {"w1": (4, 3), "b": (3,), "w2": (3, 5), "t": (2, 3, 4), "s": ()}


def _data(seed=0):
    rng = np.random.default_rng(seed)
    values = {name: np.asarray(rng.normal(size=shape), "float32") for name, shape in SHAPES.items()}
    grads = [[np.asarray(rng.normal(size=s), "float32") for s in SHAPES.values()] for _ in range(STEPS)]
    return values, grads


def _run(library, optimizer, values, grads, convert, constraint=None, after=None):
    variables = [library.Variable(value, name=name) for name, value in values.items()]
    if constraint:
        variables[0].constraint = constraint
    history = []
    for step in grads:
        optimizer.apply([convert(g) for g in step], variables)
        history.append([np.array(v.numpy()) for v in variables])
    if after:
        after(optimizer, variables)
        history.append([np.array(v.numpy()) for v in variables])
    return history


def _compare(ours, theirs, constraint=None, after=None):
    values, grads = _data()
    mine = _run(keras, ours, values, grads, tahr.convert_to_tensor, constraint and constraint(keras), after)
    expected = _run(reference, theirs, values, grads, lambda g: g, constraint and constraint(reference), after)
    for step, (a, b) in enumerate(zip(mine, expected)):
        for name, x, y in zip(SHAPES, a, b):
            size = max(1.0, float(np.abs(y).max()))
            np.testing.assert_allclose(x, y, rtol=0, atol=RTOL * size, err_msg=f"{name} after step {step + 1}")
    return mine


@pytest.mark.parametrize("name,options", CASES, ids=[f"{n}-{'-'.join(map(str, o)) or 'default'}" for n, o in CASES])
def test_steps_agree_with_keras(name, options):
    ours, theirs = getattr(optimizers, name)(**options), getattr(reference.optimizers, name)(**options)
    history = _compare(ours, theirs)
    assert not np.array_equal(history[0][0], history[-1][0])
    # The state has the same order, shapes and values: it is saved by position.
    names = [v.name for v in ours.variables]
    if name != "Adafactor":  # Keras keeps a scalar there for variables that are not factored
        assert [tuple(v.shape) for v in ours.variables] == [tuple(v.shape) for v in theirs.variables], names


def test_plain_and_fused_updates_agree(monkeypatch):
    for name, own in RULES.items():
        cls = getattr(optimizers, name)
        if not cls._fused_op:
            assert name in ("Adafactor", "Muon", "ScheduleFreeAdamW")
            continue
        for options in [{}, {"weight_decay": 0.1}, *own]:
            values, grads = _data()
            fused = _run(keras, cls(**options), values, grads, tahr.convert_to_tensor)
            with monkeypatch.context() as patch:
                patch.setattr(cls, "_can_fuse", lambda self, g, v: False)
                plain = _run(keras, cls(**options), values, grads, tahr.convert_to_tensor)
            for a, b in zip(fused[-1], plain[-1]):
                np.testing.assert_allclose(a, b, rtol=0, atol=RTOL * max(1, np.abs(b).max()))


def test_fused_update_is_used_and_gives_way_to_an_update_step_of_ones_own():
    class Still(optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            self.assign(variable, 7.0)

    v, g = keras.Variable(1.0), tahr.convert_to_tensor(1.0)
    adam, still = optimizers.Adam(), Still()
    adam.build([v])
    assert adam._can_fuse([g], [v])
    adam.update_step = None  # would fail if it were called
    adam.apply([g], [v])
    assert float(v.numpy()) == pytest.approx(0.999, rel=1e-6)
    still.apply([g], [v])
    assert float(v.numpy()) == 7.0


SCHEDULES = {
    "ExponentialDecay": [(0.5, 3, 0.7), (0.5, 3, 0.7, True)],
    "PiecewiseConstantDecay": [([2, 5], [1.0, 0.5, 0.1])],
    "PolynomialDecay": [(0.5, 6), (0.5, 4, 0.01, 2.0, True)],
    "InverseTimeDecay": [(0.5, 3, 0.7), (0.5, 3, 0.7, True)],
    "CosineDecay": [(0.5, 6, 0.1), (0.1, 6, 0.1, "c", 0.7, 4)],
    "CosineDecayRestarts": [(0.5, 3), (0.5, 3, 1.0, 0.8, 0.1), (0.5, 2, 1.5, 0.9)],
}


@pytest.mark.parametrize("name,args", [(n, a) for n, all_args in SCHEDULES.items() for a in all_args])
def test_schedules_agree_with_keras(name, args):
    ours, theirs = getattr(optimizers.schedules, name)(*args), getattr(reference.optimizers.schedules, name)(*args)
    for step in range(20):
        np.testing.assert_allclose(float(ours(step)), float(theirs(step)), rtol=2e-6, atol=2e-7)
    assert ours.get_config() == theirs.get_config()
    _compare(optimizers.SGD(ours), reference.optimizers.SGD(theirs))
    again = optimizers.get(optimizers.serialize(optimizers.Adam(ours)))
    assert again._learning_rate.get_config() == ours.get_config()


def test_constraints_are_applied_after_the_update():
    history = _compare(
        optimizers.SGD(0.5), reference.optimizers.SGD(0.5), constraint=lambda library: library.constraints.NonNeg()
    )
    assert all(step[0].min() == 0.0 for step in history)


def test_moving_average_becomes_the_weights_at_the_end():
    _compare(
        optimizers.Adam(0.1, use_ema=True),
        reference.optimizers.Adam(0.1, use_ema=True),
        after=lambda optimizer, variables: optimizer.finalize_variable_values(variables),
    )


def test_weight_decay_spares_excluded_variables():
    ours, theirs = optimizers.AdamW(0.1), reference.optimizers.AdamW(0.1)
    for optimizer in (ours, theirs):
        optimizer.exclude_from_weight_decay(var_names=["b", "w1"])
    _compare(ours, theirs)
    with pytest.raises(ValueError, match="before the optimizer is built"):
        ours.exclude_from_weight_decay(var_names=["w"])


@pytest.mark.parametrize("name", RULES)
def test_config_is_that_of_keras_and_rebuilds_the_optimizer(name):
    options = {"name": "o", "clipnorm": 0.5, "weight_decay": 0.25}
    ours, theirs = getattr(optimizers, name)(**options), getattr(reference.optimizers, name)(**options)
    config, expected = ours.get_config(), theirs.get_config()
    assert config.pop("learning_rate") == pytest.approx(expected.pop("learning_rate"), rel=1e-6)
    assert config == expected
    rebuilt = optimizers.deserialize(optimizers.serialize(ours))
    assert type(rebuilt) is type(ours) and rebuilt.get_config() == ours.get_config()


def test_legacy_arguments():
    v = tahr.Variable(1.0)
    optimizer = optimizers.SGD(lr=0.5, decay=1.0)
    for expected in (0.5, 0.25, 0.25 - 0.5 / 3):  # rates 0.5 / (1 + t)
        optimizer.apply_gradients(zip([tahr.convert_to_tensor(1.0)], [v]))
        assert float(v.numpy()) == pytest.approx(expected, rel=1e-6)
    assert optimizer.get_config()["decay"] == 1.0
    optimizer.lr = 0.125
    assert float(optimizer.learning_rate.numpy()) == 0.125 == float(optimizer.lr.numpy())
    assert optimizers.Adam(lr=0.01, beta_1=0.9, beta_2=0.999, epsilon=None, decay=0.0).epsilon == 1e-7
    assert type(optimizers.legacy.SGD(0.1)) is optimizers.SGD


def test_learning_rate_can_be_replaced():
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate.numpy()) == 0.25
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)
    assert float(optimizer.learning_rate) == 1.0 and len(optimizer.variables) == 1
    with pytest.raises(TypeError, match="expected a schedule or a callable, received the learning rate 0.1"):
        optimizer.learning_rate = 0.1
    assert float(optimizers.SGD(lambda: 0.125).learning_rate) == 0.125


def test_state_is_saved_and_restored_by_position():
    values, grads = _data()
    first = optimizers.Adam(0.1, amsgrad=True)
    variables = [keras.Variable(value, name=name) for name, value in values.items()]
    for step in grads[:5]:
        first.apply([tahr.convert_to_tensor(g) for g in step], variables)
    store = {}
    first.save_own_variables(store)
    second = optimizers.Adam(0.1, amsgrad=True)
    with pytest.warns(
        UserWarning, match="expected 2 saved variables, received 17: the state of the optimizer is not restored"
    ):
        second.load_own_variables(store)
    second.build(variables)
    second.load_own_variables(store)
    assert int(second.iterations.numpy()) == 5
    for a, b in zip(first.variables, second.variables):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_stateless_apply_changes_nothing_and_returns_the_step():
    values, grads = _data()
    variables = [keras.Variable(value, name=name) for name, value in values.items()]
    optimizer, twin = optimizers.Adam(0.1), optimizers.Adam(0.1)
    optimizer.build(variables)
    step = [tahr.convert_to_tensor(g) for g in grads[0]]
    new, state = optimizer.stateless_apply([v.value for v in optimizer.variables], step, [v.value for v in variables])
    for variable, value in zip(variables, values.values()):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert int(optimizer.iterations.numpy()) == 0 and int(state[0]) == 1
    twin.apply(step, variables)
    for a, b in zip(new, variables):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=RTOL, atol=RTOL)


def test_loss_scale_grows_and_shrinks():
    inner = optimizers.SGD(1.0)
    optimizer = optimizers.LossScaleOptimizer(inner, initial_scale=4.0, dynamic_growth_steps=2)
    v = keras.Variable(1.0)
    assert float(optimizer.scale_loss(tahr.convert_to_tensor(2.0))) == 8.0
    optimizer.apply([tahr.convert_to_tensor(2.0)], [v])
    assert float(v.numpy()) == 0.5 and float(optimizer.dynamic_scale.numpy()) == 4.0
    optimizer.apply([tahr.convert_to_tensor(0.0)])
    assert float(optimizer.scale_loss(2.0)) == 16.0
    assert float(optimizer.dynamic_scale.numpy()) == 8.0 and int(optimizer.step_counter.numpy()) == 0
    optimizer.apply([tahr.convert_to_tensor(float("inf"))])
    assert float(v.numpy()) == 0.5 and float(optimizer.dynamic_scale.numpy()) == 4.0
    assert int(optimizer.iterations.numpy()) == 2
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again.inner_optimizer) is optimizers.SGD and again.initial_scale == 4.0


def test_multi_optimizer_sends_each_variable_to_its_own():
    choice = optimizers.OptimizerMap(optimizers.SGD(1.0))
    choice["b"] = optimizers.SGD(0.5)
    optimizer = optimizers.MultiOptimizer(choice)
    a, b = keras.Variable(1.0, name="a"), keras.Variable(1.0, name="b")
    one = tahr.convert_to_tensor(1.0)
    optimizer.apply([one, one], [a, b])
    assert (float(a.numpy()), float(b.numpy())) == (0.0, 0.5)
    assert int(optimizer.iterations.numpy()) == 1 and len(optimizer.optimizers) == 2


def test_plain_variables_and_minimize():
    v = tahr.Variable([1.0, 2.0])
    optimizer = optimizers.SGD(lr=0.25)
    optimizer.minimize(lambda: tahr.ops.sum(v * v), [v])
    assert v.numpy().tolist() == [0.5, 1.0]
    assert int(optimizer.iterations.numpy()) == 1


def test_messages():
    v, one = tahr.Variable(1.0), tahr.convert_to_tensor(1.0)
    with pytest.raises(ValueError, match="Did you mean 'momentum'"):
        optimizers.SGD(momentun=0.9)
    with pytest.raises(ValueError, match=r"Only one of `clipnorm`.*Received: \{'clipnorm': 1, 'clipvalue': 2\}"):
        optimizers.Adam(clipnorm=1, clipvalue=2)
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        optimizers.SGD().apply([None], [v])
    with pytest.raises(ValueError, match="expected one gradient per variable, received 2 gradients for 1 variables"):
        optimizers.SGD().apply([one, one], [v])
    built = optimizers.SGD()
    built.apply([one], [v])
    with pytest.raises(ValueError, match="expected the variables that this optimizer was built for, received"):
        built.apply([one], [tahr.Variable(1.0)])
    with pytest.raises(ValueError, match="Did you mean 'adam'"):
        optimizers.get("adan")
    with pytest.raises(ValueError, match="expected learning_rate to be a number"):
        optimizers.SGD("fast")
    with pytest.warns(UserWarning, match=r"expected a gradient for every variable, received None for .*left"):
        optimizers.SGD().apply([one, None], [tahr.Variable(1.0), tahr.Variable(1.0, name="left")])


def test_every_name_of_keras_is_there():
    for name in dir(reference.optimizers):
        if not name.startswith("_"):
            assert hasattr(optimizers, name), name
    assert optimizers.get("RMSProp").rho == optimizers.get("rmsprop").rho == 0.9
