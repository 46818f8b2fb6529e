"""Control flow. Eagerly it is Python's own; while a function is traced, branches and loop bodies become graphs."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from tahr import _C, nest
from tahr.ops import control_traced as traced
from tahr.tensor import symbolic

__all__ = ["associative_scan", "cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop"]


def _convert(x: Any) -> Any:
    return _C.to_tensor(x, None, "[convert_to_tensor]")


def _is_symbolic(x: Any) -> bool:
    return isinstance(x, _C.Tensor) and x.is_symbolic


def _any_symbolic(x: Any) -> bool:
    return any(_is_symbolic(leaf) for leaf in nest.flatten(x))


def _decided_later(x: Any) -> bool:
    """Whether the value of `x` is known only when what is being described or traced runs."""
    if isinstance(x, (bool, int, float)):
        return False
    return _is_symbolic(x) or (_C.tracing() and _is_symbolic(_convert(x)))


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The result of `true_fn` if `pred` is true, else of `false_fn`; only one of them runs.

    In a trace both are traced: their results must agree in structure, dtypes and ranks.

    Arguments:
        pred: a boolean, or a tensor with one element.
        true_fn, false_fn: functions without arguments; their results may be None or any nested structure.

    Raises:
        ValueError: in a trace, for results that do not agree.

    Example:
        >>> import tahr
        >>> f = tahr.function(lambda x: tahr.cond(x > 0, lambda: x * 2, lambda: -x))
        >>> float(f(tahr.constant(3.0))), float(f(tahr.constant(-3.0)))
        (6.0, 3.0)
    """
    if not _decided_later(pred):
        return true_fn() if bool(pred) else false_fn()
    if not _C.tracing():
        return _either(true_fn(), false_fn())
    return traced.choose("cond", traced.scalar_condition("cond", _convert(pred)), (true_fn, false_fn))


def _either(a: Any, b: Any) -> Any:
    """What both branches of `cond` describe, without a value."""
    leaves, others = nest.flatten(a), nest.flatten(b)
    if len(leaves) != len(others):
        raise ValueError(
            f"[cond] expected results of one structure from true_fn and false_fn, received {a!r} and {b!r}."
        )
    for x, y in zip(leaves, others):
        shape, other = getattr(x, "shape", ()), getattr(y, "shape", ())
        same = len(shape) == len(other) and all(m == n or m is None or n is None for m, n in zip(shape, other))
        if not same or getattr(x, "dtype", None) != getattr(y, "dtype", None):
            raise ValueError(
                f"[cond] expected results of the same shape and dtype from true_fn and false_fn, received {x!r} and {y!r}."
            )
    return a


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """The result of the branch numbered `index` (clamped to the branches there are), called with the operands.

    In a trace all branches are traced: their results must agree in structure, dtypes and ranks.
    """
    if not _decided_later(index):
        return branches[builtins.max(0, builtins.min(int(index), len(branches) - 1))](*operands)
    if not _C.tracing():
        return [branch(*operands) for branch in branches][0]
    index = _C.ops.cast(_C.ops.reshape(_convert(index), ()), "int32")
    return traced.choose("switch", index, [lambda b=b: b(*operands) for b in branches])  # type: ignore[misc]


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Runs `body` on the loop variables while `cond` of them holds.

    In a trace the loop variables keep their dtypes and shapes.

    Arguments:
        cond: from the loop variables to a boolean.
        body: from the loop variables to their next values, in the same structure.
        loop_vars: a list or tuple of structures, or a single tensor.
        maximum_iterations: a bound on the number of rounds.

    Raises:
        ValueError: if `body` gives another number of values; in a trace, if one changes its dtype or shape.

    Example:
        >>> import tahr
        >>> [int(v) for v in tahr.ops.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + i), (0, 0))]
        [4, 6]
    """
    single = not isinstance(loop_vars, (tuple, list))
    values = (loop_vars,) if single else tuple(loop_vars)
    kind = tuple if single else type(loop_vars)
    if not _C.tracing():
        values = tuple(nest.map_structure(_convert, v) for v in values)
        if any(_is_symbolic(v) for v in nest.flatten(values)):  # shapes are all there is to know
            cond(*values)
            body(*values)
            return values[0] if single else kind(values)
    else:
        values = _traced_while(cond, body, values, maximum_iterations)
        return values[0] if single else kind(values)
    rounds = 0
    while bool(cond(*values)) and (maximum_iterations is None or rounds < maximum_iterations):
        new = body(*values)
        new = tuple(new) if isinstance(new, (tuple, list)) else (new,)
        if len(new) != len(values):
            raise ValueError(f"[while_loop] expected {len(values)} values from body, received {len(new)}.")
        values = tuple(nest.map_structure(_convert, v) for v in new)
        rounds += 1
    return values[0] if single else kind(values)


def _traced_while(cond: Any, body: Any, values: tuple, maximum: int | None) -> tuple:
    def step(state: list[Any], _: list[Any]) -> tuple[list[Any], list[Any]]:
        new = body(*nest.pack_sequence_as(values, state))
        new = tuple(new) if isinstance(new, (tuple, list)) else (new,)
        if len(new) != len(values):
            raise ValueError(f"[while_loop] expected {len(values)} values from body, received {len(new)}.")
        return nest.flatten(new), []

    final, _ = traced.run(
        "while_loop",
        step,
        nest.flatten(values),
        traced.labels_of(body, values),
        condition=lambda state: cond(*nest.pack_sequence_as(values, state)),
        maximum=maximum,
    )
    return nest.pack_sequence_as(values, final)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """``for i in range(lower, upper): val = body_fun(i, val)``; returns the last value.

    In a trace `val` keeps its dtypes and shapes.

    Example:
        >>> import tahr
        >>> int(tahr.ops.fori_loop(0, 5, lambda i, total: total + i, 0))
        10
    """
    if not _C.tracing():
        if _is_symbolic(lower) or _is_symbolic(upper) or _any_symbolic(init_val):
            body_fun(symbolic((), "int32"), init_val)
            return init_val
        val = init_val
        for i in range(int(lower), int(upper)):
            val = body_fun(_C.to_tensor(i, "int32", "[fori_loop]"), val)
        return val
    length, count = None, None
    if _decided_later(lower) or _decided_later(upper):
        count = _C.ops.subtract(_C.ops.cast(_convert(upper), "int32"), _C.ops.cast(_convert(lower), "int32"))
    else:
        length = builtins.max(int(upper) - int(lower), 0)

    def step(state: list[Any], _: list[Any]) -> tuple[list[Any], list[Any]]:
        val = body_fun(state[0], nest.pack_sequence_as(init_val, state[1:]))
        return [_C.ops.add(state[0], 1), *nest.flatten(val)], []

    leaves = [_C.ops.cast(_convert(lower), "int32"), *nest.flatten(init_val)]
    labels = ["the counter", *traced.labels_of(body_fun, [init_val], skip=1)]
    final, _ = traced.run("fori_loop", step, leaves, labels, count=count, length=length)
    return nest.pack_sequence_as(init_val, final[1:])


def _rows(xs: Any, what: str) -> list[Any]:
    flat = [_convert(x) for x in nest.flatten(xs)]
    if not flat or any(x.ndim == 0 for x in flat) or len({x.shape[0] for x in flat}) > 1:
        shapes = [x.shape for x in flat]
        raise ValueError(f"[{what}] expected tensors with an equal first dimension, received shapes {shapes}.")
    return flat


def _unstacked(xs: Any, what: str) -> list[Any]:
    flat = _rows(xs, what)
    n = flat[0].shape[0]
    if n is None:
        raise ValueError(f"[{what}] expected a known length along the first axis, received shape {flat[0].shape}.")
    return [nest.pack_sequence_as(xs, [x[i] for x in flat]) for i in range(n)]


def _stacked(ys: list[Any]) -> Any:
    return nest.map_structure(lambda *leaves: _C.ops.stack([_convert(v) for v in leaves], axis=0), *ys)


def _slice(xs: Any) -> Any:
    """One slice of `xs`, without a value."""
    return nest.map_structure(lambda x: symbolic(x.shape[1:], x.dtype), nest.map_structure(_convert, xs))


def _stack_of_none(f: Callable[[Any], Any], xs: Any) -> Any:
    """What stacking the results of `f` gives for no slice at all: its shapes are found without values."""
    y = f(_slice(xs))
    return None if y is None else nest.map_structure(lambda v: _C.ops.zeros((0, *v.shape), dtype=v.dtype), y)


def _stack_of(y: Any, length: int | None) -> Any:
    """What stacking `length` results such as `y` gives, without a value."""
    return nest.map_structure(lambda v: symbolic((length, *v.shape), v.dtype), nest.map_structure(_convert, y))


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` applied to each slice of `xs` along its first axis; the results stacked.

    Example:
        >>> import tahr
        >>> tahr.ops.map(lambda x: x * x, tahr.constant([1.0, 2.0, 3.0])).tolist()
        [1.0, 4.0, 9.0]
    """
    if _C.tracing():
        return scan(lambda _, x: (None, f(x)), None, xs)[1]
    if _any_symbolic(xs):
        return _stack_of(f(_slice(xs)), _rows(xs, "map")[0].shape[0])
    items = _unstacked(xs, "map")
    return _stacked([f(x) for x in items]) if items else _stack_of_none(f, xs)


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """As `map`."""
    return map(function, elements)


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """A loop that carries state and stacks outputs: ``carry, y = f(carry, x)`` for each slice of `xs`.

    In a trace the carry keeps its dtypes and shapes. `unroll` is a hint of other frameworks; it changes nothing.

    Returns:
        The last carry, and the stacked outputs (None if `f` gives none).

    Example:
        >>> import tahr
        >>> last, sums = tahr.ops.scan(lambda s, x: (s + x, s + x), tahr.constant(0.0), tahr.constant([1.0, 2.0, 3.0]))
        >>> float(last), sums.tolist()
        (6.0, [1.0, 3.0, 6.0])
    """
    if xs is None and length is None:
        raise ValueError("[scan] expected xs or length, received neither.")
    if _C.tracing():
        return _traced_scan(f, init, xs, length, reverse)
    if _any_symbolic((init, xs)):
        rows = length if xs is None else _rows(xs, "scan")[0].shape[0]
        carry, y = f(init, None if xs is None else _slice(xs))
        return carry, None if y is None else _stack_of(y, rows)
    items = [None] * int(length or 0) if xs is None else _unstacked(xs, "scan")
    if length is not None and len(items) != length:
        raise ValueError(f"[scan] expected {length} slices as length says, received {len(items)}.")
    carry, ys = init, []
    for x in reversed(items) if reverse else items:
        carry, y = f(carry, x)
        ys.append(y)
    if reverse:
        ys.reverse()
    if not items and xs is not None:
        return carry, _stack_of_none(lambda x: f(carry, x)[1], xs)
    return carry, None if not ys or ys[0] is None else _stacked(ys)


def _traced_scan(f: Any, init: Any, xs: Any, length: int | None, reverse: bool) -> tuple[Any, Any]:
    slices = [] if xs is None else _rows(xs, "scan")
    if slices:
        rows = slices[0].shape[0]
        if length is not None and rows is not None and rows != length:
            raise ValueError(f"[scan] expected {length} slices as length says, received {rows}.")
        length = rows if length is None else length
    form: list[Any] = []

    def step(state: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
        carry, y = f(
            init if init is None else nest.pack_sequence_as(init, state),
            None if xs is None else nest.pack_sequence_as(xs, row),
        )
        form[:] = [y]
        return [] if init is None else nest.flatten(carry), nest.flatten(y)

    first = [] if init is None else nest.flatten(init)
    labels = ["the carry"] if len(first) == 1 else [f"part {i} of the carry" for i in range(len(first))]
    final, ys = traced.run("scan", step, first, labels, slices, length=length, reverse=reverse)
    return None if init is None else nest.pack_sequence_as(init, final), nest.pack_sequence_as(form[0], ys)


def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The running combinations of the slices of `elems` along `axis` by an associative function.

    Example:
        >>> import tahr
        >>> tahr.ops.associative_scan(lambda a, b: a + b, tahr.constant([1, 2, 3])).tolist()
        [1, 3, 6]
    """
    moved = nest.map_structure(lambda e: _C.ops.moveaxis(_convert(e), axis, 0), elems)
    if _C.tracing():
        return nest.map_structure(lambda y: _C.ops.moveaxis(y, 0, axis), _traced_combinations(f, moved, reverse))
    if _any_symbolic(moved):
        _rows(moved, "associative_scan")
        f(_slice(moved), _slice(moved))
        return nest.map_structure(_convert, elems)
    items = _unstacked(moved, "associative_scan")
    if not items:
        return nest.map_structure(_convert, elems)
    if reverse:
        items.reverse()
    out = [items[0]]
    for item in items[1:]:
        out.append(f(out[-1], item))
    if reverse:
        out.reverse()
    return nest.map_structure(lambda y: _C.ops.moveaxis(y, 0, axis), _stacked(out))


def _traced_combinations(f: Any, moved: Any, reverse: bool) -> Any:
    if _rows(moved, "associative_scan")[0].shape[0] in (0, 1):
        return moved
    end = -1 if reverse else 0
    start = nest.map_structure(lambda e: e[end], moved)
    rest = nest.map_structure(lambda e: e[:-1] if reverse else e[1:], moved)

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        new = f(carry, x)
        return new, new

    _, ys = scan(step, start, rest, reverse=reverse)

    def joined(first: Any, others: Any) -> Any:
        parts = [_C.ops.expand_dims(first, 0), others]
        return _C.ops.concatenate(parts[::-1] if reverse else parts, axis=0)

    return nest.map_structure(joined, start, ys)
