"""`make_train_function` and its relatives: a step as a function of an iterator of batches, which a model may replace."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from tahr import nest, ops
from tahr.data.structure import flatten, map_structure


class StepFunctions:
    """The functions that `fit`, `evaluate` and `predict` may run in place of their own loop; mixed into `Trainer`.

    A model that overrides `make_train_function` (or sets `train_function`) has its function called with an iterator
    over one batch per step, a tuple of tensors. It returns the logs, or None for those of the metrics; of `predict`
    the outputs.
    """

    steps_per_execution: int
    train_function: Callable[[Iterator], Any] | None = None
    test_function: Callable[[Iterator], Any] | None = None
    predict_function: Callable[[Iterator], Any] | None = None
    _made_functions: dict[str, Any] = {}  # noqa: RUF012 (replaced, never changed)

    def make_train_function(self, force: bool = False) -> Callable[[Iterator], Any]:
        """Makes `train_function`, which takes `steps_per_execution` batches off an iterator and trains on each.

        Override it to replace the loop over steps of `fit`; set `self.train_function` there, or return the function.

        Args:
            force: make it anew, in place of one that is there.

        Returns:
            The function. It takes an iterator of batches `(x, y)` or `(x, y, sample_weight)`, returns the logs of the
            last one, and raises StopIteration where the iterator is exhausted.

        >>> import numpy as np
        >>> from tahr import keras
        >>> model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd", "mse")
        >>> step = model.make_train_function()
        >>> float(step(iter([(np.ones((4, 2)), np.zeros((4, 1)))]))["loss"])
        4.0
        """
        return self._make_function("train", force)

    def make_test_function(self, force: bool = False) -> Callable[[Iterator], Any]:
        """Makes `test_function`: as `make_train_function`, for evaluation."""
        return self._make_function("test", force)

    def make_predict_function(self, force: bool = False) -> Callable[[Iterator], Any]:
        """Makes `predict_function`, which returns the outputs for the next batches of an iterator.

        Args:
            force: make it anew, in place of one that is there.
        """
        return self._make_function("predict", force)

    def _make_function(self, phase: str, force: bool) -> Callable[[Iterator], Any]:
        name = f"{phase}_function"
        kept = getattr(self, name)
        if kept is not None and not force:
            return kept

        def function(iterator: Iterator) -> Any:
            return self._run_function(phase, iterator)

        function.__name__ = name
        made = {**self._made_functions, phase: function}
        self._set(**{name: function, "_made_functions": made})  # type: ignore[attr-defined]
        return function

    def _run_function(self, phase: str, iterator: Iterator) -> Any:
        step = self._default_step(phase)  # type: ignore[attr-defined]
        if phase == "train":
            self._set(_step_variables=None)  # type: ignore[attr-defined]
        results = [step(batch) for batch in itertools.islice(iterator, self.steps_per_execution)]
        if not results:
            raise StopIteration
        if phase != "predict":
            return self.get_metrics_result() if results[-1] is None else results[-1]  # type: ignore[attr-defined]
        if len(results) == 1:
            return results[0]
        columns = zip(*[flatten(result) for result in results])
        return nest.pack_sequence_as(results[0], iter([ops.concatenate(column, axis=0) for column in columns]))

    def _prepare_function(self, phase: str) -> None:
        """Asks a model that overrides `make_..._function` for its function."""
        name = f"make_{phase}_function"
        if getattr(type(self), name) is not getattr(StepFunctions, name) or name in self.__dict__:
            made = getattr(self, name)()
            if callable(made):  # as in older versions, where the method returned it
                self._set(**{f"{phase}_function": made})  # type: ignore[attr-defined]
        if self.steps_per_execution != 1 and self._own_function(phase) is not None:
            raise ValueError(
                f"[{phase}] expected steps_per_execution=1 for a model with a {phase}_function of its own, received "
                f"{self.steps_per_execution}. Take several batches per call in train_step, or leave the function away."
            )

    def _own_function(self, phase: str) -> Callable[[Iterator], Any] | None:
        """The function that somebody set in place of the one made here; None if nobody did."""
        function = getattr(self, f"{phase}_function")
        return None if function is None or function is self._made_functions.get(phase) else function

    def _own_step(self, phase: str) -> Callable[[Any], Any] | None:
        """That function as one of a batch."""
        function = self._own_function(phase)
        if function is None:
            return None
        as_is = self._host_part is not None  # type: ignore[attr-defined]  # strings
        return lambda batch: function(iter((batch if as_is else map_structure(ops.convert_to_tensor, batch),)))
