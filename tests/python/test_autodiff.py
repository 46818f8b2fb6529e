"""GradientTape: what it records, what it gives back, how it nests."""

import gc
import weakref

import numpy as np
import pytest
import tahr as tf


def test_variables_are_watched_and_constants_are_not():
    v, c = tf.Variable(3.0), tf.constant(2.0)
    with tf.GradientTape(persistent=True) as tape:
        y = v * v * c
    assert float(tape.gradient(y, v)) == 12.0
    assert tape.gradient(y, c) is None


def test_untrainable_variables_need_watch():
    v = tf.Variable(3.0, trainable=False)
    with tf.GradientTape() as tape:
        y = v * v
    assert tape.gradient(y, v) is None
    with tf.GradientTape() as tape:
        tape.watch(v)
        y = v * v
    assert float(tape.gradient(y, v)) == 6.0


def test_watch_accessed_variables_off():
    v, w = tf.Variable(3.0), tf.Variable(4.0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(w)
        y = v * w
    dv, dw = tape.gradient(y, [v, w])
    assert dv is None and float(dw) == 3.0


def test_structures():
    a, b = tf.Variable(2.0), tf.Variable(5.0)
    with tf.GradientTape() as tape:
        y = {"p": a * b, "q": [a + b]}
    g = tape.gradient(y, {"x": a, "y": (b,)})
    assert set(g) == {"x", "y"} and isinstance(g["y"], tuple)
    assert float(g["x"]) == 6.0 and float(g["y"][0]) == 3.0


def test_output_gradients_weigh_the_targets():
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    g = tape.gradient(y, x, output_gradients=tf.constant([1.0, 10.0, 100.0]))
    np.testing.assert_array_equal(g.numpy(), [2.0, 40.0, 600.0])


def test_output_gradients_of_another_shape_are_refused():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    with pytest.raises(ValueError, match=r"\[GradientTape.gradient\] expected output_gradients of shape \(2,\)"):
        tape.gradient(y, x, output_gradients=tf.constant([1.0, 2.0, 3.0]))


def test_unconnected():
    x, z = tf.Variable([1.0, 2.0]), tf.Variable([[1.0, 1.0]])
    with tf.GradientTape(persistent=True) as tape:
        y = x * 2.0
    assert tape.gradient(y, z) is None
    zero = tape.gradient(y, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    np.testing.assert_array_equal(zero.numpy(), [[0.0, 0.0]])
    with pytest.raises(ValueError, match="'none' or 'zero'"):
        tape.gradient(y, z, unconnected_gradients="zeros")


def test_a_tape_that_is_not_persistent_answers_once():
    x = tf.Variable(1.0)
    with tf.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(y, x)


def test_second_and_third_derivatives():
    x = tf.Variable(2.0)
    with tf.GradientTape() as t3:
        with tf.GradientTape() as t2:
            with tf.GradientTape() as t1:
                y = x**4
            d1 = t1.gradient(y, x)
        d2 = t2.gradient(d1, x)
    d3 = t3.gradient(d2, x)
    assert [float(d) for d in (d1, d2, d3)] == [32.0, 48.0, 48.0]


def test_persistent_tape_inside_its_own_context():
    x = tf.constant(3.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x * x
        dy = tape.gradient(y, x)
    assert float(dy) == 27.0
    assert float(tape.gradient(dy, x)) == 18.0


def test_stop_recording_and_stop_gradient():
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = x * x
        with tape.stop_recording():
            z = y * 100.0
        w = y + z + tf.stop_gradient(y) * x
    assert float(tape.gradient(w, x)) == 6.0 + 9.0


def test_reset_forgets():
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = x * x
        tape.reset()
        z = x * 5.0
    assert tape.gradient([y, z], x) is not None
    with tf.GradientTape() as tape:
        y = x * x
        tape.reset()
    assert tape.gradient(y, x) is None


def test_watched_variables_in_order():
    a, b = tf.Variable(1.0), tf.Variable(2.0)
    with tf.GradientTape() as tape:
        _ = b * a * b
    assert [v is w for v, w in zip(tape.watched_variables(), (b, a))] == [True, True]


def test_jacobian_against_numpy():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 4))
    x0 = rng.normal(size=(4, 2))
    x = tf.constant(x0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.matmul(tf.constant(a), x)
    j = tape.jacobian(y, x).numpy()
    assert j.shape == (3, 2, 4, 2)
    np.testing.assert_allclose(j, np.einsum("ik,jl->ijkl", a, np.eye(2)), rtol=1e-15)


def test_jacobian_of_a_list_of_sources():
    a, b, c = tf.Variable([1.0, 2.0]), tf.Variable(3.0), tf.Variable(1.0)
    with tf.GradientTape() as tape:
        y = a * b
    ja, jb, jc = tape.jacobian(y, [a, b, c])
    np.testing.assert_array_equal(ja.numpy(), [[3.0, 0.0], [0.0, 3.0]])
    np.testing.assert_array_equal(jb.numpy(), [1.0, 2.0])
    assert jc is None


def test_batch_jacobian():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    np.testing.assert_array_equal(tape.batch_jacobian(y, x).numpy(), [[[2, 0], [0, 4]], [[6, 0], [0, 8]]])


def test_custom_gradient():
    @tf.custom_gradient
    def f(x, y):
        return x * y, lambda dy: (dy * 100.0, None)

    x, y = tf.Variable(3.0), tf.Variable(4.0)
    with tf.GradientTape() as tape:
        z = f(x, y) * 2.0
    gx, gy = tape.gradient(z, [x, y])
    assert float(z) == 24.0 and float(gx) == 200.0 and gy is None


def test_custom_gradient_is_differentiable_again():
    @tf.custom_gradient
    def cube(x):
        return x * x * x, lambda dy: dy * 3.0 * x * x

    x = tf.Variable(2.0)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            y = cube(x)
        d1 = inner.gradient(y, x)
    assert float(d1) == 12.0
    assert float(outer.gradient(d1, x)) == 12.0


def test_custom_gradient_with_the_wrong_number_of_gradients():
    @tf.custom_gradient
    def f(x, y):
        return x + y, lambda dy: dy

    x = tf.Variable(1.0)
    with tf.GradientTape() as tape:
        z = f(x, 2.0)
    with pytest.raises(ValueError, match=r"\[custom_gradient\] expected 2 gradients"):
        tape.gradient(z, x)


def test_gradient_of_an_assigned_variable_uses_the_value_that_was_read():
    v = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = v * v
        v.assign(100.0)
    assert float(tape.gradient(y, v)) == 6.0


def test_integers_have_no_gradient():
    with tf.GradientTape() as tape, pytest.raises(TypeError, match="floating-point"):
        tape.watch(tf.constant(3))


def test_a_long_chain_neither_overflows_nor_leaks():
    x = tf.Variable(1.0)

    def run():
        with tf.GradientTape() as tape:
            y = x * 1.0
            for _ in range(100_000):
                y = y + 1e-5
        return tape.gradient(y, x)

    assert float(run()) == 1.0
    before = tf.config.memory_stats()["live"]
    assert float(run()) == 1.0
    gc.collect()
    assert tf.config.memory_stats()["live"] <= before + 4096


def test_a_tape_dropped_without_being_asked_frees_what_it_saved():
    x = tf.Variable(np.ones((256, 256), "float32"))
    before = tf.config.memory_stats()["live"]
    with tf.GradientTape() as tape:
        y = tf.exp(x)
        ref = weakref.ref(y)
    del y, tape
    gc.collect()
    assert ref() is None
    assert tf.config.memory_stats()["live"] <= before + 4096


def test_recording_is_per_context_also_after_an_exception():
    x = tf.Variable(2.0)
    with pytest.raises(ZeroDivisionError), tf.GradientTape():
        raise ZeroDivisionError
    with tf.GradientTape() as tape:
        y = x * x
    assert float(tape.gradient(y, x)) == 4.0


def test_a_tape_cannot_be_entered_twice():
    with tf.GradientTape() as tape, pytest.raises(ValueError, match="already recording"):
        tape.__enter__()


class TestAskingTheTape:
    def test_a_variable_is_its_own_target(self):
        v = tf.Variable(2.0)
        with tf.GradientTape(persistent=True) as tape:
            y = v * 2.0
        assert float(tape.gradient(v, v)) == 1.0
        assert float(tape.gradient([y, v], v)) == 3.0

    def test_output_gradients_stay_beside_their_targets(self):
        v = tf.Variable([1.0, 2.0])
        weights = tf.constant([10.0, 10.0])
        with tf.GradientTape(persistent=True) as tape:
            y = v * v
        np.testing.assert_array_equal(tape.gradient([None, y], v, output_gradients=[None, weights]), [20.0, 40.0])
        with pytest.raises(ValueError, match="one output gradient per target"):
            tape.gradient(y, v, output_gradients=[weights, weights])

    def test_a_failed_gradient_ends_the_tape(self):
        @tf.custom_gradient
        def failing(x):
            def grad(dy):
                raise RuntimeError("no derivative")

            return x * 1.0, grad

        v = tf.Variable([1.0])
        with tf.GradientTape() as tape:
            y = failing(v) * v
        with pytest.raises(RuntimeError, match="no derivative"):
            tape.gradient(y, v)
        with pytest.raises(RuntimeError, match="can be asked once"):
            tape.gradient(y, v)

    def test_refused_output_gradients_leave_the_tape_usable(self):
        v = tf.Variable([1.0, 2.0])
        with tf.GradientTape() as tape:
            y = v * v
        with pytest.raises(ValueError, match="output_gradients of shape"):
            tape.gradient(y, v, output_gradients=tf.constant([1.0, 1.0, 1.0]))
        np.testing.assert_array_equal(tape.gradient(y, v), [2.0, 4.0])

    def test_asking_while_recording_is_stopped(self):
        x = tf.constant(3.0)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * x
            with tape.stop_recording():
                g = tape.gradient(y, x)
        assert float(g) == 6.0
        assert not tf._C.recording()

    def test_watched_variables_may_be_gone(self):
        v, w = tf.Variable(1.0), tf.Variable(2.0)
        with tf.GradientTape() as tape:
            v * w  # noqa: B018
        del v
        (left,) = tape.watched_variables()
        assert left is w

    def test_jacobian_of_nothing(self):
        x = tf.constant([1.0, 2.0, 3.0])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x[:0] * 2.0
        assert tape.jacobian(y, x).shape == (0, 3)
        with pytest.raises(ValueError, match="unconnected_gradients"):
            tape.jacobian(y, x, unconnected_gradients="never")

    def test_errors_inside_ops_leave_the_recording_whole(self):
        v = tf.Variable([1.0, 2.0])
        with tf.GradientTape() as tape:
            y = v * v
            with pytest.raises(ValueError):
                y @ tf.constant([1.0, 2.0, 3.0])
            y = y * 2.0
        np.testing.assert_array_equal(tape.gradient(y, v), [4.0, 8.0])
        assert not tf._C.recording()

    def test_assignment_between_two_reads(self):
        v = tf.Variable(2.0)
        with tf.GradientTape(persistent=True) as tape:
            y = v * v
            v.assign(5.0)
            z = v * v
        assert [float(tape.gradient(t, v)) for t in (y, z, [y, z])] == [4.0, 10.0, 14.0]

    def test_a_part_of_a_variable_is_read_where_it_is_written(self):
        v = tf.Variable([1.0, 2.0])
        with tf.GradientTape(persistent=True) as tape:
            first = v[0]
            y = first * first
        v.assign([7.0, 8.0])
        assert float(first) == 1.0
        np.testing.assert_array_equal(tape.gradient(first, v), [1.0, 0.0])
        np.testing.assert_array_equal(tape.gradient(y, v), [2.0, 0.0])
        np.testing.assert_array_equal(tape.jacobian(first, v), [1.0, 0.0])
        assert float(tape.gradient(y, first)) == 2.0
        v[0].assign_add(1.0)
        np.testing.assert_array_equal(v, [8.0, 8.0])
