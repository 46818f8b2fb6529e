"""Tracing: one run of a Python function on symbolic tensors, kept as a graph that runs without Python.

`tahr.function` is the face of this for users; `tahr.keras` traces its steps with `trace`. What may not live here: caches
and the question of when to trace, which are the callers'.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tahr import _C, nest

__all__ = [
    *("BatchLoop", "Traced", "change_count", "count_change", "init_scope", "is_tracing", "note_variable"),
    *("plain_change_count", "trace"),
]

BatchLoop = _C.BatchLoop


class _Context(threading.local):
    """The variables made during the current trace of this thread; None outside of a trace."""

    created: list[Any] | None = None
    may_create = True


_context = _Context()


def is_tracing() -> bool:
    """Whether ops on this thread are being recorded into a graph in place of running."""
    return _C.tracing()


# What traces depend on beside shapes and the values of variables is counted whenever it changes: `trainable` of any
# variable, attributes of layers. `plain_change_count` gives the same number where ops on this thread just run, and -1
# where something is traced or a tape records.
count_change, change_count, plain_change_count = _C.count_change, _C.change_count, _C.plain_change_count


@contextlib.contextmanager
def init_scope() -> Iterator[None]:
    """Leaves the trace that may be going on: inside, ops run at once, as for the first value of a variable.

    Example:
        >>> import tahr
        >>> @tahr.function
        ... def f(x):
        ...     with tahr.init_scope():
        ...         scale = float(tahr.constant(2.0) * 3.0)
        ...     return x * scale
        >>> float(f(tahr.constant(1.0)))
        6.0
    """
    pause = _C.PauseTracing()
    pause.__enter__()
    try:
        yield
    finally:
        pause.__exit__()


def note_variable(variable: Any) -> None:
    """Called for each new variable: one that is made in every trace anew could not keep its value between calls."""
    created = _context.created
    if created is None:
        return
    if not _context.may_create:
        raise ValueError(
            f"[function] the variable '{variable.name}' was created in a later trace of a function. Create variables "
            "outside of it, or only in its first call (keep them in an attribute and test whether it is there)."
        )
    created.append((weakref.ref(variable), variable.name))


class Traced:
    """A traced function: call it with tensors of the traced shapes and dtypes.

    Attributes:
        graph: the engine's graph function.
        specs: shapes and dtypes of the inputs.
    """

    __slots__ = ("_leaves", "_structure", "graph", "specs")

    def __init__(self, graph: Any, structure: Any, leaves: list[Any], specs: list[tuple]) -> None:
        self.graph, self.specs = graph, specs
        # Output structure and, per leaf, None for the next tensor of the graph or a one-tuple of a constant object.
        self._structure, self._leaves = structure, leaves

    def pack(self, tensors: Sequence[Any]) -> Any:
        """The graph's output tensors in the structure that the Python function returned."""
        if self._leaves == [None] and self._structure is None:
            return tensors[0]
        flat = iter(tensors)
        return nest.pack_sequence_as(self._structure, [next(flat) if c is None else c[0] for c in self._leaves])

    def __call__(self, tensors: list[Any]) -> Any:
        return self.pack(self.graph(tensors))

    def of_one(self) -> Callable[[Any], Any] | None:
        """A function from one tensor to the only output, or to None for a tensor of another shape or dtype; quicker than
        a call of the trace. None if the trace returns something else than one tensor."""
        return self.graph.call_one if self._leaves == [None] and self._structure is None else None

    def text(self) -> str:
        """The compiled graph: a line per node with shapes, what is fused, and where each result lies in memory."""
        return self.graph.text()

    def svg(self) -> str:
        """The compiled graph as a picture, an SVG document."""
        from tahr.graph_view import svg

        return svg(self.graph.report())


def trace(function: Callable[..., Any], specs: Sequence[tuple[Any, Any]], may_create_variables: bool = True) -> Traced:
    """Runs `function` once on symbolic tensors of the given (shape, dtype) pairs and keeps what it did.

    Tapes around are not shown what happens inside. Results that are numbers or arrays become tensors; None and other
    objects are returned as they are at each call.

    Raises:
        ValueError: for a variable that is made inside, unless `may_create_variables` and it outlives the trace.
        Whatever `function` raises.

    Example:
        >>> from tahr import tracing
        >>> double = tracing.trace(lambda x: x + x, [((3,), "float32")])
        >>> import tahr
        >>> double([tahr.constant([1.0, 2.0, 3.0])]).tolist()
        [2.0, 4.0, 6.0]
    """
    outer = (_context.created, _context.may_create)
    _context.created, _context.may_create = [], may_create_variables
    try:
        tracer = _C.Tracer()
        with tracer:
            inputs = [tracer.input(shape, dtype) for shape, dtype in specs]
            result = function(*inputs)
            leaves: list[Any] = []
            tensors = []
            for leaf in nest.flatten(result):
                if leaf is None or isinstance(leaf, str) or not _is_value(leaf):
                    leaves.append((leaf,))
                    continue
                leaves.append(None)
                tensors.append(_C.to_tensor(leaf, None, "[function] a result"))
            graph = tracer.finish(tensors)
        lost = [name for ref, name in _context.created if ref() is None]
    finally:
        _context.created, _context.may_create = outer
    if lost:
        raise ValueError(
            f"[function] the variable '{lost[0]}' was created inside a function and dropped at its end. A traced "
            "function creates variables in its first call only: create it outside, or keep it in an attribute."
        )
    structure = None if len(leaves) == 1 and result.__class__ is _C.Tensor else result
    if structure is not None:
        structure = nest.map_structure(lambda _: None, structure)
    return Traced(graph, structure, leaves, list(specs))


def _is_value(leaf: Any) -> bool:
    return isinstance(leaf, (_C.Tensor, _C.Variable, int, float, bool)) or hasattr(leaf, "__array__")
