"""Control flow inside a trace: Python functions traced into bodies, and the nodes that run them.

What lives here is called by `control` while a function is traced; the loops themselves run in the engine
(csrc/graph/control.h).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tahr import _C, nest

_UNKNOWN = -1


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (bool, int, float))


def _tensor(leaf: Any, what: str) -> Any:
    return None if leaf is None else _C.to_tensor(leaf, None, what)


def _promoted(a: Any, a_weak: bool, b: Any, b_weak: bool) -> str:
    return _C.promote(_C.dtype_name(a), a_weak, _C.dtype_name(b), b_weak)


def _form(structure: Any) -> Any:
    """What two structures must share, leaves aside (None is part of the form)."""
    return nest.map_structure(lambda leaf: leaf is None, structure)


def _described(t: Any) -> str:
    return f"{t.dtype} of shape {t.shape}"


# ---------------------------------------------------------------- branches


def choose(name: str, index: Any, functions: Sequence[Callable[[], Any]]) -> Any:
    """The result of the function numbered `index` (a scalar; a bool chooses the first if true, else the second)."""
    bodies, results, leaves = [], [], []
    for function in functions:
        body = _C.Body()
        with body:
            results.append(function())
            leaves.append(nest.flatten(results[-1]))
            tensors = [_tensor(leaf, f"[{name}] a result") for leaf in leaves[-1]]
        bodies.append((body, tensors))
    for i, result in enumerate(results[1:], 1):
        if _form(result) != _form(results[0]):
            raise ValueError(
                f"[{name}] expected results of one structure from all branches, received {results[0]!r} from branch 0 and "
                f"{result!r} from branch {i}."
            )
    for j in range(len(leaves[0])):
        _unify(name, j, [b for b, _ in bodies], [t for _, t in bodies], leaves)
    given = [[t for t in tensors if t is not None] for _, tensors in bodies]
    out = iter(_C.trace_cond(index, [b for b, _ in bodies], given, []))
    return nest.pack_sequence_as(results[0], [None if leaf is None else next(out) for leaf in leaves[0]])


def _unify(name: str, j: int, bodies: list[Any], tensors: list[list[Any]], leaves: list[list[Any]]) -> None:
    """Gives result `j` of all branches one dtype: Python numbers take that of the tensors beside them."""
    first = tensors[0][j]
    if first is None:
        return
    dtype, weak = first.dtype, _is_number(leaves[0][j])
    for branch, given in zip(tensors[1:], leaves[1:]):
        dtype = _promoted(dtype, weak, branch[j].dtype, _is_number(given[j]))
        weak = weak and _is_number(given[j])
    for b, (body, branch) in enumerate(zip(bodies, tensors)):
        t = branch[j]
        if t.ndim != first.ndim or (t.dtype != dtype and not _is_number(leaves[b][j])):
            raise ValueError(
                f"[{name}] expected result {j} of all branches with one dtype and rank, received {_described(first)} from "
                f"branch 0 and {_described(t)} from branch {b}. Cast or reshape in the branches."
            )
        if t.dtype != dtype:
            with body:
                branch[j] = _C.ops.cast(t, dtype)


def scalar_condition(name: str, t: Any) -> Any:
    """A tensor with one element as a bool of rank 0."""
    if t.size != 1:
        raise ValueError(
            f"[{name}] expected a condition with one element, received shape {t.shape}. Reduce it first, with "
            "tahr.ops.any or tahr.ops.all."
        )
    return _C.ops.cast(_C.ops.reshape(t, ()) if t.ndim else t, "bool")


# ---------------------------------------------------------------- loops


class _Carries:
    """The values that a loop carries on: flat tensors, with what messages call them."""

    def __init__(self, name: str, leaves: list[Any], labels: list[str]) -> None:
        self.name, self.labels = name, labels
        self.weak = [_is_number(leaf) for leaf in leaves]
        self.first = [_C.to_tensor(leaf, None, f"[{name}] the first value of {w}") for leaf, w in zip(leaves, labels)]

    def fit(self, body: Any, results: list[Any]) -> list[Any] | None:
        """The results of a traced round as next values. None: some first value got another dtype, trace again."""
        if len(results) != len(self.first):
            raise ValueError(
                f"[{self.name}] expected {len(self.first)} values from body, like the loop variables, received "
                f"{len(results)}."
            )
        fitted, again = [], False
        for i, (first, leaf, label) in enumerate(zip(self.first, results, self.labels)):
            with body:
                t = _C.to_tensor(leaf, None, f"[{self.name}] the next value of {label}")
            if t.dtype != first.dtype:
                common = _promoted(first.dtype, self.weak[i], t.dtype, _is_number(leaf))
                if _is_number(leaf) and common == first.dtype:
                    with body:
                        t = _C.ops.cast(t, common)
                elif self.weak[i] and common == t.dtype:
                    self.first[i] = _C.ops.cast(first, common)
                    again = True
            if not again and (t.dtype != first.dtype or t.shape != first.shape):
                raise ValueError(
                    f"[{self.name}] expected {label} to stay {_described(first)}, received {_described(t)} from body. "
                    "In a traced loop the loop variables keep dtype and shape: cast or reshape in body, or start with "
                    "the shape and dtype that they will have."
                )
            fitted.append(t)
        return None if again else fitted


def labels_of(function: Callable[..., Any], structures: Sequence[Any], skip: int = 0) -> list[str]:
    """Names for the leaves of a function's arguments, for messages."""
    code = getattr(function, "__code__", None)
    names = code.co_varnames[skip : code.co_argcount] if code is not None else ()
    labels = []
    for i, structure in enumerate(structures):
        own = f"loop variable {i}" + (f" ('{names[i]}')" if i < len(names) else "")
        count = len(nest.flatten(structure))
        labels += [own] if count == 1 else [f"part {j} of {own}" for j in range(count)]
    return labels


def run(
    name: str,
    step: Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]],
    leaves: list[Any],
    labels: list[str],
    slices: Sequence[Any] = (),
    condition: Callable[[list[Any]], Any] | None = None,
    count: Any = None,
    length: int | None = None,
    maximum: int | None = None,
    reverse: bool = False,
) -> tuple[list[Any], list[Any]]:
    """Adds a loop to the trace. `step` takes leaves of the carries and of a row, and gives the next and the results.

    Returns:
        The leaves of the last carries and of the stacked results; None where a result is None.
    """
    carries = _Carries(name, leaves, labels)
    fitted = None
    while fitted is None:
        body = _C.Body()
        with body:
            state = [body.input(t.shape, t.dtype) for t in carries.first]
            row = [body.input(x.shape[1:], x.dtype) for x in slices]
            following, results = step(state, row)
            stacked = [_tensor(y, f"[{name}] a result of a round") for y in results]
        fitted = carries.fit(body, following)
    test = again = None
    if condition is not None:
        test = _C.Body()
        with test:
            state = [test.input(t.shape, t.dtype) for t in carries.first]
            again = scalar_condition(name, _C.to_tensor(condition(state), None, f"[{name}] the result of cond"))
    out = _C.trace_loop(
        body,
        fitted + [y for y in stacked if y is not None],
        test,
        again,
        [*carries.first, *slices],
        len(fitted),
        count,
        _UNKNOWN if length is None else length,
        _UNKNOWN if maximum is None else max(int(maximum), 0),
        reverse,
    )
    ys = iter(out[len(fitted) + 1 :])
    return out[: len(fitted)], [None if y is None else next(ys) for y in stacked]


# ---------------------------------------------------------------- custom gradients


def custom_call(f: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """A call of `f`, which returns its result and the function of its gradient, as one node with that derivative."""
    leaves = nest.flatten(args)
    operands = [_C.to_tensor(a, None, "[custom_gradient]") for a in leaves]
    body = _C.Body()
    with body:
        inner = [body.input(t.shape, t.dtype) for t in operands]
        result, grad = f(*nest.pack_sequence_as(args, inner), **kwargs)
        outputs = [_C.to_tensor(t, None, "[custom_gradient] a result") for t in nest.flatten(result)]
        boundary = body.size()
        upstream = [body.input(o.shape, o.dtype) if o.dtype.is_floating else None for o in outputs]
        filled = [_C.ops.zeros_like(o) if d is None else d for o, d in zip(outputs, upstream)]
        grads = nest.flatten(grad(*filled))
        if len(grads) != len(operands):
            raise ValueError(
                f"[custom_gradient] expected {len(operands)} gradients from {getattr(f, '__name__', f)!r}, one per input, "
                f"received {len(grads)}."
            )
        pairs = [(t, g) for t, g in zip(operands, grads) if t.dtype.is_floating]
        given = [
            _C.ops.cast(_C.to_tensor(g, None, "[custom_gradient] a gradient"), t.dtype)
            for t, g in pairs
            if g is not None
        ]
    connected = [g is not None for _, g in pairs]
    count = sum(d is not None for d in upstream)
    out = _C.trace_custom_call(body, outputs + given, boundary, count, connected, operands)
    return nest.pack_sequence_as(result, out)
