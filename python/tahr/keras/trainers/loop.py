"""An epoch over arrays in memory, run by the engine: Python looks in from time to time to draw the progress bar.

Ctrl-C is noticed at those times, between two steps, so that an interrupted model is one that took some steps fewer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tahr
from tahr.data.structure import map_structure
from tahr.keras.callbacks.callback import CallbackList
from tahr.keras.trainers.steps import TracedStep

_SECONDS = 0.05  # between two looks
_ALL = 2**62


def run_loop(
    model: Any,
    phase: str,
    step: Callable[[Any], Any],
    traced: TracedStep,
    loop: Any,
    structure: Any,
    callbacks: CallbackList,
) -> Any:
    """Runs the started `loop` over rows of the arrays in `structure` to its end. Returns the logs of the last step: None
    for a plain step, whose metrics hold them."""
    done = 0
    logs: Any = None
    while not loop.done() and not (phase == "train" and model.stop_training):
        size = loop.next_batch_size()
        error = found = None
        try:
            found = traced.trace_for(step, structure, _specs(structure, size))
        except Exception as reason:  # whatever user code raises on symbolic tensors
            error = reason
        if found is None:
            rows = iter(loop.take())
            logs = step(map_structure(lambda _: next(rows), structure))  # noqa: B023 (used at once)
            done += 1
            if error is not None:
                traced.give_up(error)
        else:
            done += loop.run(found.graph, _SECONDS if done else 0.0, _ALL)
            logs = found.pack(loop.last())
        callbacks.batch_end(phase, done - 1, lambda: model._logs(logs))  # noqa: B023 (called at once)
    return logs


def _specs(structure: Any, size: int) -> list[tuple[tuple[int, ...], Any]]:
    specs: list[tuple[tuple[int, ...], Any]] = []
    map_structure(lambda a: specs.append(((size, *a.shape[1:]), tahr.as_dtype(a.dtype))), structure)
    return specs


def predict_loop(
    step: Callable[[Any], Any], traced: TracedStep, loop: Any, structure: Any, callbacks: CallbackList
) -> Any | None:
    """The outputs for all rows, as NumPy arrays in the structure that the model returns. None, with nothing run, where
    the step cannot be traced or its outputs are not one row per sample."""
    done = 0
    found = None
    while not loop.done():
        size = loop.next_batch_size()
        try:
            found = traced.trace_for(step, structure, _specs(structure, size))
        except Exception:  # the caller's way of running it meets it again, and says so
            found = None
        if found is None or any(len(shape) == 0 or shape[0] != size for shape in found.graph.output_shapes()):
            return None
        done += loop.run(found.graph, _SECONDS if done else 0.0, _ALL, collect=True)
        callbacks.batch_end("predict", done - 1, dict)
    return map_structure(lambda t: t.numpy(), found.pack(loop.collected()))  # type: ignore[union-attr]
