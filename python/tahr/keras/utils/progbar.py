"""The progress bar of `fit`: redrawn in place on a terminal, one plain ASCII line per epoch anywhere else."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from tahr.keras.backend.config import is_interactive_logging_enabled

_BOLD, _GREEN, _WHITE, _RESET = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


def print_message(text: str, end: str = "\n") -> None:
    """Writes to standard output, or to the logger "tahr.keras" where interactive logging is off."""
    if not is_interactive_logging_enabled():
        if text.strip():
            logging.getLogger("tahr.keras").info(text.strip())
        return
    try:
        sys.stdout.write(text + end)
    except UnicodeEncodeError:
        sys.stdout.write(text.encode("ascii", "replace").decode("ascii") + end)
    sys.stdout.flush()


def stdout_is_dynamic() -> bool:
    """True where standard output can redraw a line: a terminal or a notebook."""
    isatty = getattr(sys.stdout, "isatty", None)
    return bool(isatty and isatty()) or "ipykernel" in sys.modules or "PYCHARM_HOSTED" in os.environ


class Progbar:
    """Progress of a loop: a bar, the time and the latest values.

    Args:
        target: number of steps, None if unknown.
        width: characters of the bar.
        verbose: 0 prints nothing, 1 a bar, 2 one line at the end.
        interval: seconds between two drawings at least.
        stateful_metrics: names of values shown as given; all others are averaged over the steps.
        stateless_metrics: names of values to be averaged; all others are shown as given. Not with `stateful_metrics`.
        unit_name: what a step is called.

    On something that is not a terminal, `verbose=1` prints one line of ASCII at the end in place of a moving bar.

    Example:
        >>> from tahr import keras
        >>> bar = keras.utils.Progbar(2, verbose=0)
        >>> bar.update(1, [("loss", 0.5)])
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "[Progbar] Only one of stateful_metrics and stateless_metrics can be given, received both."
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self._averaged = None if stateless_metrics is None else set(stateless_metrics)
        self._shown = set(stateful_metrics or ())
        self._dynamic = stdout_is_dynamic()
        self._sums: dict[str, tuple[Any, int]] = {}  # name -> (sum, count)
        self._seen = 0
        self._start = time.perf_counter()
        self._first_step_end: float | None = None
        self._last_drawn = -math.inf
        self._last_width = 0

    def due(self) -> bool:
        """True where a drawing before the end would show: the loop fetches the values only then."""
        return self.verbose == 1 and self._dynamic and time.perf_counter() - self._last_drawn >= self.interval

    def mark_first_step(self) -> None:
        """Notes the end of the first step, which warms up caches and is left out of the time per step."""
        if self._first_step_end is None:
            self._first_step_end = time.perf_counter()

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Moves on by `n` steps."""
        self.update(self._seen + n, values)

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Sets the step and the values, and draws if it is time.

        Args:
            current: steps done.
            values: pairs (name, value of the last step).
            finalize: whether this is the last call; by default, whether `target` is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            averaged = name in self._averaged if self._averaged is not None else name not in self._shown
            steps = max(current - self._seen, 1)
            if averaged and not finalize:
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = (total + value * steps, count + steps)
            else:
                self._sums[name] = (value, 1)
        self._seen = current
        if current == 1:
            self.mark_first_step()
        if self.verbose == 1 and self._dynamic:
            if finalize or self.due():
                self._draw(current, finalize)
        elif self.verbose and finalize:
            print_message(self._plain_line(current))

    def _draw(self, current: int, finalize: bool) -> None:
        now = time.perf_counter()
        if self.target:
            filled = min(self.width, self.width * current // self.target)
            digits = len(str(self.target))
            count = f"{current:>{digits}}/{self.target}"
            bar = f"{_BOLD}{count}{_RESET} "
            if filled:
                bar += f"{_GREEN}{'━' * filled}{_RESET}"
            bar += f"{_WHITE}{'━' * (self.width - filled)}{_RESET}"
            width = len(count) + 1 + self.width
        else:
            bar = f"{current:7d}/Unknown"
            width = len(bar)
        step = self._seconds_per_step(current, now)
        if self.target and not finalize:
            clock = _duration(step * (self.target - current))
        else:
            clock = f"{now - self._start:.0f}s"
        text = self._step_time(step) + self._values()
        width += 1 + len(clock) + len(text)
        line = f"\r{bar} {_BOLD}{clock}{_RESET}{text}" + " " * max(0, self._last_width - width)
        print_message(line, end="\n" if finalize else "")
        self._last_width = width
        self._last_drawn = now

    def _plain_line(self, current: int) -> str:
        now = time.perf_counter()
        total = self.target if self.target else current
        step = self._step_time(self._seconds_per_step(current, now))
        return f"{current}/{total} - {now - self._start:.0f}s -{step}{self._values()}"

    def _values(self) -> str:
        return "".join(f" - {name}: {_number(total, count)}" for name, (total, count) in self._sums.items())

    def _seconds_per_step(self, current: int, now: float) -> float:
        if not current:
            return 0.0
        if self._first_step_end is not None and current > 1:
            return (now - self._first_step_end) / (current - 1)
        return (now - self._start) / current

    def _step_time(self, seconds: float) -> str:
        if seconds >= 1 or seconds == 0:
            return f" {seconds:.0f}s/{self.unit_name}"
        if seconds >= 1e-3:
            return f" {seconds * 1e3:.0f}ms/{self.unit_name}"
        return f" {seconds * 1e6:.0f}us/{self.unit_name}"


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


def _number(total: Any, count: int) -> str:
    if isinstance(total, str):
        return total
    value = float(np.mean(np.asarray(total))) / max(count, 1)
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"
