"""OrbaxCheckpoint: a name of Keras that is refused here."""

from __future__ import annotations

from typing import Any

from tahr.keras.callbacks.callback import Callback


class OrbaxCheckpoint(Callback):
    """Checkpoints in the format of Orbax, a package for JAX: not available.

    Args:
        directory, monitor, verbose, save_best_only, mode, save_freq, initial_value_threshold, max_to_keep,
            save_on_background, save_weights_only: as in Keras.

    Raises:
        NotImplementedError: always; it names `ModelCheckpoint` and `BackupAndRestore`.
    """

    def __init__(
        self,
        directory: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
        max_to_keep: int = 1,
        save_on_background: bool = True,
        save_weights_only: bool = False,
    ) -> None:
        raise NotImplementedError(
            "[OrbaxCheckpoint] expected Orbax's checkpoints of JAX, which are not available. Use "
            "keras.callbacks.ModelCheckpoint for files of the best or each epoch, or keras.callbacks.BackupAndRestore to go "
            "on after an interruption."
        )
