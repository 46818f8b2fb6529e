"""What the five scripts share: their options, and the picture of a training's curves."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 (after the choice of how to draw)


def options(about: str | None, arguments: Sequence[str] | None) -> argparse.Namespace:
    """`--epochs` (None: as many as in the notes), `--samples` and `--output`; the output folder is made."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--epochs", type=int, help="train so long at most, everywhere")
    parser.add_argument("--samples", type=int, help="train on so many samples only")
    parser.add_argument("--output", default="demo-output", help="directory for pictures and models")
    found = parser.parse_args(arguments)
    os.makedirs(found.output, exist_ok=True)
    return found


def at_most(epochs: int, limit: int | None) -> int:
    """The number of epochs in the notes, or the limit given on the command line."""
    return epochs if limit is None else min(epochs, limit)


def curves(history: dict[str, list[float]], names: Sequence[str], path: str, label: str) -> None:
    """Draws some of a history's values over the epochs, as the notes do."""
    for name in names:
        plt.plot(history[name])
    plt.ylabel(label)
    plt.xlabel("epoch")
    plt.legend([name if name.startswith("val") else f"train_{name}" for name in names])
    plt.savefig(path)
    plt.close()
