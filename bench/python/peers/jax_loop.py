"""JAX, written by hand: data on the device, batches gathered inside the compiled step, buffers donated, loss and accuracy
summed on the device and read once an epoch. The variant "step" compiles one step; "scan" compiles all full batches of an
epoch into one `lax.scan`, the last, smaller batch being a step of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .workloads import SEED, Training

glorot = jax.nn.initializers.glorot_uniform()


def dense(key: Any, inputs: int, outputs: int) -> tuple[Any, Any]:
    return glorot(key, (inputs, outputs)), jnp.zeros(outputs)


ACTIVATIONS = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}


def chain(key: Any, widths: tuple[int, ...]) -> list[tuple[Any, Any]]:
    keys = jax.random.split(key, len(widths) - 1)
    return [dense(k, m, n) for k, m, n in zip(keys, widths, widths[1:])]


def affine(parameters: tuple[Any, Any], x: Any) -> Any:
    kernel, bias = parameters
    return x @ kernel + bias


def forward(parameters: list[Any], x: Any, activation: str) -> Any:
    for layer in parameters[:-1]:
        x = ACTIVATIONS[activation](affine(layer, x))
    return affine(parameters[-1], x)


def loss_and_correct(work: Training, parameters: Any, x: list[Any], y: list[Any]) -> tuple[Any, Any]:
    none = jnp.int32(0)
    if work.kind == "classify":
        logits = forward(parameters, x[0], work.activation)
        log_p = jax.nn.log_softmax(logits)
        loss = -jnp.take_along_axis(log_p, y[0][:, None], 1).mean()
        return loss, (logits.argmax(1) == y[0]).sum(dtype=jnp.int32)
    if work.kind == "regress":
        return jnp.square(forward(parameters, x[0], work.activation) - y[0]).mean(), none
    hidden = x[1]
    for layer in parameters["deep"]:
        hidden = jax.nn.relu(affine(layer, hidden))
    main = affine(parameters["main"], jnp.concatenate([x[0], hidden], 1))
    aux = affine(parameters["aux"], hidden)
    return 0.9 * jnp.square(main - y[0]).mean() + 0.1 * jnp.square(aux - y[1]).mean(), none


def sgd(rate: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def update(parameters: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        return jax.tree.map(lambda p, g: p - rate * g, parameters, gradients), state

    return lambda parameters: (), update


def adam(rate: float, b1: float = 0.9, b2: float = 0.999, epsilon: float = 1e-7) -> tuple[Callable[..., Any], ...]:
    def init(parameters: Any) -> Any:
        zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)  # noqa: E731
        return jnp.float32(0), zeros(), zeros()

    def update(parameters: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        step, m, v = state
        step += 1
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, gradients)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, gradients)
        scale = rate * jnp.sqrt(1 - b2**step) / (1 - b1**step)
        moved = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) + epsilon), parameters, m, v)
        return moved, (step, m, v)

    return init, update


class Model:
    def __init__(self, work: Training, data: tuple[list[Any], list[Any]], variant: str = "step") -> None:
        self.work, self.variant = work, variant
        self.x, self.y = ([jnp.asarray(a) for a in side] for side in data)
        key, widths = jax.random.key(SEED), work.widths
        if work.kind == "wide_deep":
            deep, main, aux = jax.random.split(key, 3)
            parameters: Any = {
                "deep": chain(deep, widths[:-1]),
                "main": dense(main, 5 + widths[-2], 1),
                "aux": dense(aux, widths[-2], 1),
            }
        else:
            parameters = chain(key, widths)
        init, update = adam(work.rate) if work.optimizer == "adam" else sgd(work.rate)
        self.parameters, self.state = parameters, init(parameters)

        def step(carry: Any, pick: Any, x: list[Any], y: list[Any]) -> Any:
            parameters, state, total, correct = carry
            f = lambda p: loss_and_correct(work, p, [a[pick] for a in x], [a[pick] for a in y])  # noqa: E731
            (loss, hits), gradients = jax.value_and_grad(f, has_aux=True)(parameters)
            parameters, state = update(parameters, state, gradients)
            return parameters, state, total + loss * len(pick), correct + hits

        def epoch(carry: Any, picks: Any, x: list[Any], y: list[Any]) -> Any:
            return lax.scan(lambda c, pick: (step(c, pick, x, y), None), carry, picks)[0]

        self.step, self.epoch = (jax.jit(f, donate_argnums=0) for f in (step, epoch))

    def fit(self, on_epoch: Callable[[dict[str, float]], bool]) -> None:
        rows, batch, x, y = self.work.rows, self.work.batch, self.x, self.y
        rng, full = np.random.default_rng(SEED), rows // batch * batch
        parameters, state, done = self.parameters, self.state, False
        while not done:
            order = rng.permutation(rows).astype(np.int32)
            carry, at = (parameters, state, jnp.float32(0), jnp.int32(0)), 0
            if self.variant == "scan" and full:
                carry, at = self.epoch(carry, order[:full].reshape(-1, batch), x, y), full
            for i in range(at, rows, batch):
                carry = self.step(carry, order[i : i + batch], x, y)
            parameters, state, total, correct = carry
            done = on_epoch({"loss": float(total) / rows, "accuracy": int(correct) / rows})
        self.parameters, self.state = parameters, state

    def one_row(self) -> dict[str, Callable[[], Any]]:
        x, parameters = np.asarray(self.x[0][:1]), self.parameters
        apply = jax.jit(lambda p, x: jax.nn.softmax(forward(p, x, self.work.activation)))
        return {"model": lambda: np.asarray(apply(parameters, x))}


def search(configs: list[dict[str, Any]], x: Any, y: Any, variant: str = "step") -> list[float]:
    losses: list[float] = []
    for config in configs:
        widths = (8, *[config["width"]] * config["hidden"], 1)
        work = Training("", "regress", widths, 32, rate=config["rate"], rows=len(x))
        epochs: list[float] = []

        def two(logs: dict[str, float], epochs: list[float] = epochs) -> bool:
            epochs.append(logs["loss"])
            return len(epochs) == 2

        Model(work, ([x], [y]), variant).fit(two)
        losses.append(epochs[-1])
    return losses
