"""Functions of samples, traced once: run on one sample, on a batch of samples at once, or inside of another trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import ops, tracing
from tahr.data.structure import flatten, lists_as_tuples, map_structure
from tahr.nest import pack_sequence_as

Spec = tuple[tuple, Any]  # shape and dtype
_MOST_TRACES = 16


def call_with(function: Callable, sample: Any) -> Any:
    """`function` of a sample: a tuple is several arguments. Lists that it returns become tuples."""
    return lists_as_tuples(function(*sample) if isinstance(sample, tuple) else function(sample))


def specs_of(leaves: list[Any]) -> list[Spec]:
    return [(tuple(leaf.shape), leaf.dtype) for leaf in leaves]


class TracedMap:
    """A function of samples of one structure, traced for the shapes that it meets.

    Attributes:
        structure: the structure of what it returns.
        pure: whether it draws no random numbers and touches no variable: then the order of its calls does not matter.
    """

    def __init__(self, function: Callable, structure: Any, specs: list[Spec]) -> None:
        self._function = function
        self._given = structure
        self._traces: dict[Any, Any] = {}
        self.structure: Any = None
        self.specs: list[Spec] = []
        self.pure: bool = self._traced(specs).graph.pure()

    def _traced(self, specs: list[Spec]) -> Any:
        key = tuple(specs)
        traced = self._traces.get(key)
        if traced is None:
            traced = self._traces[key] = tracing.trace(lambda *leaves: self._described(list(leaves)), specs)
        return traced

    def _described(self, leaves: list[Any]) -> list[Any]:
        result = call_with(self._function, pack_sequence_as(self._given, leaves))
        flat = flatten(result)
        if not flat or any(leaf is None or isinstance(leaf, (str, bytes)) for leaf in flat):
            raise TypeError("[Dataset.map] expected tensors as results.")
        tensors = [ops.convert_to_tensor(leaf) for leaf in flat]
        if not self.specs:
            self.specs = specs_of(tensors)
            if any(None in shape for shape, _ in self.specs):
                raise ValueError("[Dataset.map] expected results of known shapes.")
            self.structure = map_structure(lambda _: 0, result)
        return tensors

    def __call__(self, leaves: list[Any]) -> list[Any]:
        """The leaves of the result for the leaves (tensors) of one sample."""
        specs = specs_of(leaves)
        if len(self._traces) >= _MOST_TRACES and tuple(specs) not in self._traces:
            return self._described(leaves)
        return self._traced(specs).graph(leaves)

    def of_batch(self, leaves: list[Any]) -> list[Any]:
        """The leaves of the results for a batch of samples, a row each. Only where `pure`, and where all samples have
        the shapes that this was made for."""
        size = leaves[0].shape[0]
        key = ("batch", size)
        batched = self._traces.get(key)
        if batched is None:
            graph = self._traced([(tuple(leaf.shape[1:]), leaf.dtype) for leaf in leaves]).graph
            batched = graph.of_batch(size)
            if batched is None:  # row by row, in a loop of the engine
                batched = tracing.trace(
                    lambda *rows: ops.map(lambda row: graph(list(row)), list(rows)), specs_of(leaves)
                ).graph
            if len(self._traces) < _MOST_TRACES:
                self._traces[key] = batched
        return batched(leaves)


def traced_map(function: Callable, structure: Any, specs: list[Spec]) -> TracedMap | None:
    """`function` traced for samples of this structure, shapes and dtypes; None where it cannot be, as where it asks for
    numbers: it is then called for each sample."""
    try:
        return TracedMap(function, structure, specs)
    except Exception:  # whatever user code raises on symbolic tensors; it meets it again when it is called
        return None


def is_numbers(array: Any) -> bool:
    """Whether a tensor can hold the array."""
    return isinstance(array, np.ndarray) and (array.dtype.kind in "iufb" or array.dtype.name == "bfloat16")
