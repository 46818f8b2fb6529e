"""Calls of real Keras's layers on JAX as pure functions: what the *_reference.py programs differentiate."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
# Hundreds of small programs that run once each: compiling them is all the time there is.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402


class Call(NamedTuple):
    outputs: list[np.ndarray]
    inputs: list[np.ndarray]  # gradients of sum(output * cotangent) over the outputs
    weights: list[np.ndarray]  # the same of the trainable weights


def differentiate(
    layer: Any,
    inputs: list[np.ndarray],
    cotangent: Callable[[int, tuple[int, ...]], np.ndarray],
    as_list: bool = False,
    **arguments: Any,
) -> Call:
    """One call of a built layer and its gradients; the layer's state (moving averages and so on) stays as it was.

    `cotangent(i, shape)` is asked once for each output, in order; `as_list` hands the inputs over as one list.
    """
    values = [[v.value for v in vs] for vs in (layer.trainable_variables, layer.non_trainable_variables)]

    def call(trainable: list[Any], inputs: list[Any]) -> list[Any]:
        given = (inputs,) if as_list else inputs
        return keras.tree.flatten(layer.stateless_call(trainable, values[1], *given, **arguments)[0])

    @jax.jit
    def both(cs: list[Any], trainable: list[Any], inputs: list[Any]) -> Any:
        ys, pull = jax.vjp(call, trainable, inputs)
        return ys, pull(cs)

    cs = [cotangent(i, y.shape) for i, y in enumerate(jax.eval_shape(call, values[0], inputs))]
    ys, (weights, xs) = both(cs, values[0], inputs)
    arrays = [[np.asarray(a) for a in part] for part in (ys, xs, weights)]
    return Call(*arrays)
