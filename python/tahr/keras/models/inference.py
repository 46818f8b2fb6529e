"""`model(x)` from a trace: what makes a single row cheap.

Only where nobody can tell the difference but by the clock: models made of this package's own layers, called with one
plain tensor or array, outside of training, of tapes, of other layers and of traces.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import _C, Tensor, nest
from tahr.keras.backend.masking import get_keras_mask
from tahr.keras.backend.scopes import any_reader
from tahr.keras.backend.state import any_scope
from tahr.keras.layers.layer import Layer
from tahr.keras.trainers.steps import TracedStep
from tahr.tracing import plain_change_count

to_tensor = _C.to_tensor

_BEFORE = 2  # calls that run layer by layer first: most models are called once or twice, to build them


class Inference:
    """Answers calls of one model."""

    def __init__(self, model: Any) -> None:
        self._model: Callable[[], Any] = weakref.ref(model)
        self._step: TracedStep | None = None
        self._calls = 0
        self._version = -1
        self._last: Callable[[Any], Any] | None = None  # the trace of the last call, for tensors of its shape and dtype

    def __call__(self, x: Any) -> Any:
        """The model's outputs for `x`, or None if the layers have to be called."""
        if x.__class__ is np.ndarray:
            if x.dtype.kind not in "fiub":
                return None
        elif x.__class__ is not Tensor or x.is_symbolic or get_keras_mask(x) is not None:
            return None
        version = plain_change_count()
        if version < 0 or any_scope("call_context", "symbolic") or any_reader():
            return None
        if version != self._version:
            if not self._may_trace():
                return None
            self._version, self._last = version, None
        if self._step is None:
            return None
        if x.__class__ is not Tensor:
            x = to_tensor(x, None, "[call]")
        if self._last is not None:
            outputs = self._last(x)
            if outputs is not None:
                return outputs
        return self._trace(x)

    def _may_trace(self) -> bool:
        model = self._model()
        self._calls += 1
        if self._calls <= _BEFORE or not model.built or model._host_part is not None:
            return False
        if self._step is None and _all_ours(model):
            self._step = TracedStep(model, "call", model.call)
        return True

    def _trace(self, x: Any) -> Any:
        model = self._model()
        if self._step is None or self._step.failed:
            return None
        traced = None
        try:
            traced = self._step.trace_for(lambda inputs: _call(model, inputs), x, [(x.shape, x.dtype)])
        except Exception:  # the call itself will raise it again, or work
            self._step.failed = True
        if traced is None:
            return None
        self._last = traced.of_one()
        return traced([x])


def _call(model: Any, inputs: Any) -> Any:
    outputs = Layer.__call__(model, inputs)
    if any(get_keras_mask(leaf) is not None for leaf in nest.flatten(outputs)):
        raise ValueError("[call] masks go on to the layers behind a model, which a trace cannot pass.")
    return outputs


def _all_ours(model: Any) -> bool:
    """Whether the model's code is all of this package, pure, and leaves nothing behind but its outputs."""
    from tahr.keras.layers import Lambda

    for layer in model._flatten_layers():
        cls = type(layer)
        if not cls.__module__.startswith("tahr.") or isinstance(layer, Lambda):
            return False
        if layer.activity_regularizer is not None:
            return False
        activation = getattr(layer, "activation", None)
        if activation is not None and not str(getattr(activation, "__module__", "")).startswith("tahr."):
            return False
    return True
