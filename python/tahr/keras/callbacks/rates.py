"""Learning rates as callbacks see them: one optimizer, or several behind a `MultiOptimizer`."""

from __future__ import annotations

from typing import Any


def optimizers_of(optimizer: Any) -> dict[str, Any]:
    """{suffix of the log's name: optimizer}: "" for a single one, "_name" for each of a `MultiOptimizer`'s."""
    several = getattr(optimizer, "optimizers", None)
    return {"": optimizer} if several is None else {f"_{each.name}": each for each in several}


def rates_of(optimizer: Any) -> dict[str, float]:
    """The learning rates under their names in the logs: "learning_rate", or "learning_rate_<optimizer>" for several."""
    return {f"learning_rate{suffix}": float(each.learning_rate) for suffix, each in optimizers_of(optimizer).items()}
