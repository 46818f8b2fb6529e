"""Random small programs with effects, for comparing two ways of running them.

A program is a list of statements over a pool of tensors and a few variables; the same Python code runs it on plain and
on symbolic tensors. Everything about it follows from its seed. What may not live here: tests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tahr
from tahr import keras, ops

_SHAPES = [(), (1,), (4,), (3, 4), (4, 3), (4, 4), (3, 1), (1, 4), (0, 4), (2, 3, 4), (33, 40), (40,)]


def _keep_finite(t: Any) -> Any:
    return ops.tanh(t)


_UNARY: list[Callable[[Any], Any]] = [
    ops.negative,
    ops.abs,
    ops.exp,
    ops.sin,
    ops.tanh,
    ops.sigmoid,
    ops.relu,
    ops.square,
    ops.floor,
    ops.sign,
    ops.softplus,
    lambda t: ops.sqrt(ops.abs(t)),
    lambda t: ops.log(ops.abs(t) + 1.0),
    lambda t: t * 1.0,
    lambda t: t + 0.0,
    lambda t: t * 2.0,
    lambda t: 1.0 - t,
    lambda t: ops.clip(t, -0.5, 0.5),
    lambda t: ops.cast(ops.cast(t, "float16"), "float32"),
    lambda t: ops.cast(ops.cast(ops.clip(t, -100, 100), "int32"), "float32"),
    lambda t: ops.cast(t > 0.0, "float32"),
    lambda t: ops.where(t > 0.1, t, -t),
    lambda t: ops.stop_gradient(t),
    lambda t: ops.sum(ops.take(ops.ravel(t), ops.nonzero(ops.ravel(t) > 0.0)[0])),
    lambda t: ops.tanh(ops.sum(ops.cast(ops.nonzero(ops.ravel(t))[0], "float32"))),
]
_BINARY: list[Callable[[Any, Any], Any]] = [
    ops.add,
    ops.subtract,
    ops.multiply,
    ops.maximum,
    ops.minimum,
    lambda a, b: a / (ops.abs(b) + 1.0),
    lambda a, b: ops.where(a > b, a, b),
    lambda a, b: ops.cast(a >= b, "float32"),
    lambda a, b: a * a + b,
]
_REDUCE = [ops.sum, ops.mean, ops.max, ops.min, ops.prod, ops.logsumexp, ops.var]


def _rows(t: Any) -> Any:
    """Ops of the last axis and the first, which are no elementwise ones."""
    return len(t.shape) >= 1 and 0 not in t.shape


_ALONG: list[Callable[[Any], Any]] = [
    lambda t: ops.softmax(t, axis=-1),
    lambda t: ops.cumsum(t, axis=0),
    lambda t: ops.sort(t, axis=-1),
    lambda t: ops.flip(t, axis=0),
    lambda t: ops.cast(ops.argmax(t, axis=-1), "float32"),
    lambda t: ops.take(t, np.array([0, 0], "int32"), axis=0),
    lambda t: ops.roll(t, 1, axis=0),
    lambda t: ops.pad(t, [(1, 0)] * len(t.shape)),
    lambda t: t[0],
    lambda t: t[-1:],
    lambda t: t[..., ::2],
    lambda t: t[None],
    lambda t: ops.concatenate([t, t], axis=0),
    lambda t: ops.stack([t, t], axis=-1),
    lambda t: ops.split(t, [1], axis=0)[0],
    lambda t: ops.repeat(t, 2, axis=0),
    lambda t: ops.one_hot(ops.argmax(t, axis=-1), 4),
]


class Cells(list):
    """The state of a program: variables of the given values, a step count, an optimizer, a generator of seeds."""

    def __init__(self, initial: list[np.ndarray]) -> None:
        super().__init__(tahr.Variable(x) for x in initial)
        self.steps = tahr.Variable(0, dtype="int64", trainable=False)
        self.optimizer = keras.optimizers.Adam(0.1)
        self.optimizer.build(self)
        self.generator = keras.random.SeedGenerator(1)

    def all(self) -> list[Any]:
        return [*self, self.steps, *self.optimizer.variables, self.generator.state]


@dataclasses.dataclass
class Program:
    """Call it with inputs and variables: it gives the results that escape."""

    seed: int
    input_shapes: list[tuple[int, ...]]
    variable_shapes: list[tuple[int, ...]]
    statements: list[tuple]

    def __call__(self, inputs: Any, variables: Any) -> list[Any]:
        pool = list(inputs)
        escaping: list[Any] = []
        for statement in self.statements:
            statement[0](pool, variables, escaping, *statement[1:])
        return escaping


class _Shapes:
    """Runs a program's statements on shapes alone, while it is written."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.pool: list[Any] = []

    def pick(self, fits: Callable[[tuple], bool] = lambda s: True) -> int | None:
        found = [i for i, t in enumerate(self.pool) if fits(tuple(t.shape))]
        if not found:
            return None
        # The latest values often, so that chains get long; any other sometimes, so that lives overlap.
        return found[-1 - min(int(self.rng.exponential(3)), len(found) - 1)]


def _apply(pool: list, variables: Cells, escaping: list, f: Callable, *at: int) -> None:
    pool.append(f(*[pool[i] for i in at]))


def _read(pool: list, variables: Cells, escaping: list, v: int, how: str) -> None:
    if how == "value":
        pool.append(variables[v].value())
    elif how == "slice":
        pool.append(variables[v][0] + 0.0)
    else:
        pool.append(variables[v] + 0.0 if how == "sum" else ops.reshape(variables[v], (-1,)))


def _assign(pool: list, variables: Cells, escaping: list, v: int, t: int, how: str) -> None:
    getattr(variables[v], how)(pool[t])


def _assign_own(pool: list, variables: Cells, escaping: list, v: int, f: Callable) -> None:
    variables[v].assign(f(variables[v]))


def _assign_slice(pool: list, variables: Cells, escaping: list, v: int, how: str, by: float) -> None:
    getattr(variables[v][0], how)(by)


def _swap(pool: list, variables: Cells, escaping: list, v: int, w: int) -> None:
    a, b = variables[v].value(), variables[w].value()
    variables[v].assign(b)
    variables[w].assign(a)


def _gradient(pool: list, variables: Cells, escaping: list, v: int, t: int, f: Callable) -> None:
    """A step of descent, whose gradient and learning stay inside of the program."""
    with tahr.GradientTape() as tape:
        tape.watch(pool[t])
        loss = ops.sum(f(ops.tanh(pool[t])) * 0.1) + ops.sum(f(variables[v]) * 0.5)
    by_value, by_variable = tape.gradient(loss, [pool[t], variables[v]], unconnected_gradients="zero")
    variables[v].assign_sub(0.1 * by_variable)
    pool.append(by_value)


def _update(pool: list, variables: Cells, escaping: list, v: int, t: int) -> None:
    """A step of the optimizer for two variables."""
    updated = [x for x in dict.fromkeys([variables[v], variables[0]])]
    with tahr.GradientTape() as tape:
        loss = ops.sum(ops.square(variables[v])) + ops.sum(ops.sin(variables[0]) * ops.mean(pool[t]))
    variables.optimizer.apply(tape.gradient(loss, updated), updated)


def _draw(pool: list, variables: Cells, escaping: list, t: int) -> None:
    pool.append(pool[t] + keras.random.uniform(tuple(pool[t].shape), seed=variables.generator))


def _count(pool: list, variables: Cells, escaping: list) -> None:
    variables.steps.assign_add(1)
    pool.append(1.0 / ops.cast(variables.steps, "float32"))


def _branch(pool: list, variables: Cells, escaping: list, v: int, t: int, f: Callable, g: Callable) -> None:
    """One of two branches, one of which writes a variable."""

    def yes() -> Any:
        variables[v].assign(f(variables[v]))
        return f(pool[t])

    pool.append(ops.cond(ops.mean(pool[t]) > 0.1, yes, lambda: g(pool[t])))


def _loop(pool: list, variables: Cells, escaping: list, v: int, t: int, f: Callable) -> None:
    """Three times through a loop that reads and writes a variable."""

    def body(i: Any, x: Any) -> Any:
        variables[v].assign_add(ops.tanh(variables[v]) * 0.1)
        return f(x) * 0.5 + ops.mean(variables[v])

    pool.append(ops.fori_loop(0, 3, body, pool[t]))


def _escape(pool: list, variables: Cells, escaping: list, t: int) -> None:
    escaping.append(pool[t])


def make_program(seed: int, length: int = 30, control: bool = True) -> Program:
    """The program of a seed; with `control`, there are branches and loops in it that write variables."""
    rng = np.random.default_rng(seed)
    shape = lambda: _SHAPES[rng.integers(len(_SHAPES))]  # noqa: E731
    input_shapes = [shape() for _ in range(rng.integers(1, 4))]
    variable_shapes = [shape() for _ in range(rng.integers(1, 5))]
    if rng.random() < 0.5:  # variables of one shape can be swapped and assigned to each other
        variable_shapes = [variable_shapes[0]] * len(variable_shapes)
    if rng.random() < 0.5:
        input_shapes[0] = variable_shapes[0]
    program = Program(seed, input_shapes, variable_shapes, [])
    s = _Shapes(rng)
    s.pool = [tahr.symbolic(sh, "float32") for sh in input_shapes]
    handles = Cells([np.zeros(sh, "float32") for sh in variable_shapes])

    def add(*statement: Any) -> None:
        statement[0](s.pool, handles, [], *statement[1:])
        program.statements.append(statement)

    def choice(items: list) -> Any:
        return items[rng.integers(len(items))]

    weights = {"unary": 6, "binary": 6, "reduce": 2, "along": 3, "matmul": 2, "shape": 2, "read": 4, "assign": 6}
    weights |= {"own": 2, "slice": 1, "swap": 1, "gradient": 1, "escape": 2, "update": 1, "draw": 1, "count": 1}
    weights |= {"branch": int(control), "loop": int(control)}
    names, odds = list(weights), np.array(list(weights.values()), float)
    odds *= rng.choice([0.2, 1.0, 3.0], size=len(odds))  # each program has likings of its own
    while len(program.statements) < length:
        kind = names[rng.choice(len(names), p=odds / odds.sum())]
        v = int(rng.integers(len(handles)))
        own = tuple(handles[v].shape)
        if kind == "unary":
            add(_apply, choice(_UNARY), s.pick())
        elif kind == "binary":
            a = s.pick()
            b = s.pick(lambda x: _broadcasts(tuple(s.pool[a].shape), x))  # noqa: B023
            if b is not None:
                add(_apply, choice(_BINARY), a, b)
        elif kind == "reduce":
            a = s.pick(lambda x: 0 not in x)
            if a is not None:
                rank = len(s.pool[a].shape)
                axis = None if rank == 0 or rng.random() < 0.3 else int(rng.integers(rank))
                keep = bool(rng.random() < 0.5)
                add(
                    _apply,
                    (lambda f, ax, k: lambda t: _keep_finite(f(t, axis=ax, keepdims=k)))(choice(_REDUCE), axis, keep),
                    a,
                )
        elif kind == "along":
            a = s.pick(lambda x: len(x) in (1, 2, 3) and 0 not in x and np.prod(x) < 3000)
            if a is not None:
                add(_apply, choice(_ALONG), a)
        elif kind == "matmul":
            a = s.pick(lambda x: len(x) == 2)
            b = None if a is None else s.pick(lambda x: len(x) == 2 and x[0] == s.pool[a].shape[1])  # noqa: B023
            if b is not None:
                add(_apply, lambda p, q: _keep_finite(p @ q), a, b)
        elif kind == "shape":
            a = s.pick(lambda x: len(x) >= 1 and np.prod(x) < 3000)
            if a is not None:
                to = tuple(s.pool[a].shape)
                moves = [lambda t: ops.transpose(t), lambda t, to=to: ops.reshape(t, to[::-1]), ops.ravel]
                moves.append(lambda t: ops.expand_dims(t, 0))
                moves.append(lambda t: ops.squeeze(ops.expand_dims(t, -1), -1))
                add(_apply, choice(moves), a)
        elif kind == "read":
            hows = ["value", "value", "sum", "flat"] + (["slice"] if own and own[0] else [])
            add(_read, v, choice(hows))
        elif kind == "assign":
            how = choice(["assign", "assign", "assign", "assign_add", "assign_sub"])
            t = s.pick(lambda x: x == own)  # noqa: B023
            if t is not None:
                add(_assign, v, t, how)
        elif kind == "own":
            fs = [lambda x: x + 1.0, lambda x: ops.tanh(x), lambda x: x * x * 0.5, lambda x: x + x]
            if own and own[0]:
                fs += [lambda x: ops.flip(x, axis=0), lambda x: ops.cumsum(x, axis=0) * 0.1]
            if len(own) == 2 and own[0] == own[1]:
                fs += [ops.transpose, lambda x: _keep_finite(ops.matmul(x, x))]
            add(_assign_own, v, choice(fs))
        elif kind == "slice":
            if own and own[0]:
                add(_assign_slice, v, choice(["assign", "assign_add", "assign_sub"]), float(rng.normal()))
        elif kind == "swap":
            same = [i for i, h in enumerate(handles) if tuple(h.shape) == own and i != v]
            if same:
                add(_swap, v, choice(same))
        elif kind == "gradient":
            t = s.pick(lambda x: 0 not in x)
            if t is not None and 0 not in own:
                add(_gradient, v, t, choice([ops.square, ops.sin, lambda x: x * x * x, ops.softplus]))
        elif kind == "update":
            t = s.pick(lambda x: 0 not in x)
            if t is not None:
                add(_update, v, t)
        elif kind == "draw":
            add(_draw, s.pick(lambda x: np.prod(x) < 3000) or 0)
        elif kind in ("branch", "loop"):
            t = s.pick(lambda x: 0 not in x)
            same = [ops.sin, ops.square, lambda x: x + 1.0, ops.tanh]
            if t is not None and 0 not in own:
                to = tuple(s.pool[t].shape)
                if kind == "branch":
                    program.statements.append((_branch, v, t, choice(same), choice(same)))
                else:
                    program.statements.append((_loop, v, t, choice(same)))
                s.pool.append(tahr.symbolic(to, "float32"))
        elif kind == "count":
            add(_count)
        elif kind == "escape":
            add(_escape, s.pick())
    add(_escape, len(s.pool) - 1)
    return program


def _broadcasts(a: tuple, b: tuple) -> bool:
    return all(p == q or 1 in (p, q) for p, q in zip(a[::-1], b[::-1])) and np.prod(a or 1) * np.prod(b or 1) < 1e7


def values(seed: int, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Some float32 arrays."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=sh).astype("float32") for sh in shapes]
