"""Traced steps: what `fit`, `evaluate` and `predict` run per batch, one graph per kind of batch.

A step is a function of one batch and of the model's variables. It is traced at the first batch of each shape, and
again after `trainable` of some variable has changed. A step that cannot be traced runs op by op, after one warning that
says why.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from typing import Any

from tahr import ops, tracing
from tahr.data.structure import map_structure
from tahr.keras.optimizers.base import Optimizer

_MOST_TRACES = {"train": 16, "test": 16}  # shapes that a step is traced for; batches of further ones run op by op
_MOST_OTHER = 8


class TracedStep:
    """One of a model's steps, as a callable of a batch (a structure of arrays or tensors; None where absent)."""

    def __init__(self, model: Any, phase: str, step: Callable[[Any], Any]) -> None:
        self._model: Callable[[], Any] = weakref.ref(model)
        self._phase = phase
        self._name = getattr(step, "__name__", phase)
        self._traces: dict[Any, tracing.Traced] = {}
        self._version = -1
        self._model_state: tuple = ()
        self.failed = False

    def state(self, model: Any) -> tuple:
        """What a trace depends on beside the batch: which variables are trainable, and how often attributes of layers
        and optimizers were set. Looked up again only if such a thing changed anywhere."""
        version = tracing.change_count()
        if version != self._version:
            trainable = tuple([v.trainable for v in model.variables])
            holders = [*model._flatten_layers(), *_optimizers(model)]
            self._model_state = (trainable, tuple([holder.__dict__.get("_edits") for holder in holders]))
            self._version = version
        return self._model_state

    def trace_for(self, step: Callable[[Any], Any], batch: Any, specs: list[tuple]) -> tracing.Traced | None:
        """The trace for batches with the structure of `batch` and these shapes and dtypes; None where there is none to
        be had: an earlier attempt failed, or too many were made."""
        if self.failed:
            return None
        model = self._model()
        form = _form(batch)
        key = (form, tuple(specs), self.state(model))
        traced = self._traces.get(key)
        if traced is not None:
            return traced
        most = _MOST_TRACES.get(self._phase, _MOST_OTHER)
        if len(self._traces) >= most:
            self._traces = {k: t for k, t in self._traces.items() if k[2] == key[2]}
            if len(self._traces) >= most:
                return None

        def run(*symbols: Any) -> Any:
            given = iter(symbols)
            return step(map_structure(lambda leaf: next(given), batch))

        model._set(_step_variables=None)
        try:
            traced = tracing.trace(run, specs)
        finally:
            model._clear_losses()  # what add_loss collected are symbols of the trace
        self._version = -1  # tracing may have built the model
        self._traces[form, tuple(specs), self.state(model)] = traced
        return traced

    def __call__(self, step: Callable[[Any], Any], batch: Any) -> Any:
        """Runs `step` on a batch of arrays or tensors."""
        leaves: list[Any] = []

        def convert(leaf: Any) -> Any:
            leaves.append(ops.convert_to_tensor(leaf))
            return leaves[-1]

        batch = map_structure(convert, batch)
        error = None
        if not self.failed:
            try:
                traced = self.trace_for(step, batch, [(t.shape, t.dtype) for t in leaves])
            except Exception as reason:  # whatever user code raises on symbolic tensors; it runs eagerly then
                error, traced = reason, None
            if traced is not None:
                return traced(leaves)
        result = step(batch)  # an error of the user's own, or in the data, is raised from here
        if error is not None:
            self.give_up(error)
        return result

    def give_up(self, error: Exception) -> None:
        """Runs op by op from now on, and says why."""
        self.failed = True
        model = self._model()
        reason = " ".join(str(error).split()) or type(error).__name__
        warnings.warn(
            f"[{'fit' if self._phase == 'train' else self._phase}] {type(model).__name__} {model.name!r} runs op by op, "
            f"slower, because its step {self._name!r} could not be traced: {type(error).__name__}: {reason} "
            "Pass run_eagerly=True to compile() to run it so without this warning.",
            stacklevel=4,
        )


def _optimizers(model: Any) -> list[Any]:
    """The optimizers among the model's attributes, and those that they wrap."""
    found = [value for value in model.__dict__.values() if isinstance(value, Optimizer)]
    return found + [inner for o in found if isinstance(inner := getattr(o, "inner_optimizer", None), Optimizer)]


def _form(batch: Any) -> Any:
    if isinstance(batch, dict):
        return (dict, tuple((k, _form(batch[k])) for k in batch))
    if isinstance(batch, (list, tuple)):
        return (batch.__class__, tuple([_form(item) for item in batch]))
    return batch is None
