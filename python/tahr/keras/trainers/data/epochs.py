"""Counts steps and epochs over a batch source."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any


class EpochIterator:
    """Iterates over the batches of one epoch after the other.

    Without `steps` an epoch is one pass over the source. With `steps` it is that many batches and the next epoch goes
    on where this one stopped; a source that runs dry earlier ends the epoch with a warning, and the next epoch begins
    anew.
    """

    def __init__(self, source: Any, steps: int | None, where: str):
        if steps is not None and (not isinstance(steps, int) or steps < 1):
            if steps == -1:
                steps = None
            else:
                raise ValueError(f"[{where}] expected steps to be a positive integer or None, received {steps!r}.")
        self.source = source
        self.steps = steps
        self._where = where
        self._iterator: Iterator | None = None
        self._exhausted_once = False

    @property
    def num_batches(self) -> int | None:
        """Batches of an epoch, None where nobody knows before the end."""
        if self.steps is not None:
            return self.steps
        return self.source.num_batches

    def epoch(self, group: int = 1) -> Iterator[tuple]:
        """The batches of the next epoch; `steps` of them are rounded up to whole groups, as long as there are more."""
        self.source.on_epoch_begin()
        if self.steps is None:
            limit = self.source.num_batches  # a source without end that knows its length still has epochs
            seen = 0
            for batch in self.source:
                yield batch
                seen += 1
                if limit is not None and seen >= limit:
                    break
            if seen == 0:
                self._warn(0, limit)
        else:
            seen = 0
            while seen < -(-self.steps // group) * group:
                if self._iterator is None:
                    self._iterator = iter(self.source)
                    fresh = True
                else:
                    fresh = False
                batch = next(self._iterator, None)
                if batch is None:
                    self._iterator = None
                    if seen == 0 and not fresh:
                        continue  # the last epoch used up exactly everything: begin anew
                    if seen < self.steps:
                        self._warn(seen, self.steps)
                    break
                yield batch
                seen += 1
        self.source.on_epoch_end()

    def loop(self) -> Any:
        """The next epoch as a `tahr.tracing.BatchLoop` ready to run, where the data are rows of arrays in memory and an
        epoch is one pass over them, or some steps over data without end; else None."""
        start = getattr(self.source, "start_loop", None)
        return start(self.steps) if start is not None else None

    def _warn(self, seen: int, wanted: int | None) -> None:
        warnings.warn(
            f"[{self._where}] the data ran out after {seen} batch(es)"
            + (f" of the {wanted} that an epoch should have" if wanted else "")
            + ". Yield at least steps_per_epoch * epochs batches, or pass a Dataset with .repeat().",
            stacklevel=4,
        )
