"""Callbacks that write the model to files: ModelCheckpoint, BackupAndRestore."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from typing import Any

import numpy as np

from tahr.keras.callbacks.callback import Callback
from tahr.keras.callbacks.plateaus import MonitorCallback
from tahr.keras.utils.progbar import print_message

_MODEL_ENDINGS = (".keras", ".h5", ".hdf5")
_WEIGHTS_ENDINGS = (".weights.h5", ".safetensors")


class _EveryFewBatches(Callback):
    """Counts batches for `save_freq`: "epoch", or a number of batches."""

    def _set_frequency(self, save_freq: Any) -> None:
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int)):
            raise ValueError(
                f"[{type(self).__name__}] Unrecognized save_freq: {save_freq!r}. Invalid value for argument `save_freq`: "
                "it is 'epoch' or a number of batches."
            )
        self.save_freq = save_freq
        self.follows_batches = save_freq != "epoch"  # else `fit` need not stop at batches for this callback
        self._batches_seen_since_last_saving = 0
        self._last_batch_seen: int | None = None

    def _is_due(self, batch: int) -> bool:
        """Whether `save_freq` batches have gone by since the last time; `steps_per_execution` may skip numbers."""
        if self.save_freq == "epoch":
            return False
        self._batches_seen_since_last_saving += self._batches_up_to(batch)
        self._last_batch_seen = batch
        if self._batches_seen_since_last_saving < self.save_freq:
            return False
        self._batches_seen_since_last_saving = 0
        return True

    def _batches_up_to(self, batch: int) -> int:
        last = self._last_batch_seen
        return batch + 1 if last is None or batch <= last else batch - last

    def wants_logs(self, batch: int) -> bool:
        """In the batches at which something is saved."""
        if self.save_freq == "epoch":
            return False
        return self._batches_seen_since_last_saving + self._batches_up_to(batch) >= self.save_freq


class ModelCheckpoint(_EveryFewBatches, MonitorCallback):
    """Saves the model, or its weights, in the course of training.

    Args:
        filepath: path, in which `{epoch}`, `{batch}` and names of logs stand for their values:
            "model-{epoch:02d}-{val_loss:.2f}.keras". It ends in `.keras` (or `.h5`, the older format); with
            `save_weights_only` in `.weights.h5` (or `.safetensors`).
        monitor: name of the log that says which model is the best.
        verbose: 1 prints what is saved and why.
        save_best_only: save only when `monitor` is better than ever before.
        save_weights_only: save the weights (and the optimizer's state), not the whole model.
        mode: "min", "max", or "auto", which asks the metric.
        save_freq: "epoch" for the end of each epoch, or a number of batches.
        initial_value_threshold: with `save_best_only`: `monitor` must be better than this from the beginning.
        kwargs: `period` of Keras 2: save every so many epochs.

    Raises:
        ValueError: for another ending of the path, or another `save_freq`.
        KeyError: if the path names a log that there is not (when saving).

    Example:
        >>> from tahr import keras
        >>> keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True).save_freq
        'epoch'
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
        **kwargs: Any,
    ) -> None:
        period = kwargs.pop("period", 1)
        if kwargs:
            raise TypeError(f"[ModelCheckpoint] expected no further arguments, received {sorted(kwargs)}.")
        MonitorCallback.__init__(self, monitor, mode, 0.0)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.best = initial_value_threshold
        self.period = period
        self._epoch = 0
        self._set_frequency(save_freq)
        endings = _WEIGHTS_ENDINGS if save_weights_only else _MODEL_ENDINGS
        if not self.filepath.endswith(endings):
            what = "When using `save_weights_only=True`, the" if save_weights_only else "The"
            raise ValueError(
                f"[ModelCheckpoint] {what} filepath provided must end in `{endings[0]}` (or {', '.join(endings[1:])}). "
                f"Received: filepath={self.filepath}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._is_due(batch):
            self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq == "epoch" and (epoch + 1) % self.period == 0:
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if not self._is_wanted(epoch, logs, path):
            return
        if os.path.isdir(path):
            raise OSError(
                "[ModelCheckpoint] Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an "
                f"existing directory: {path}"
            )
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        names = dict(logs, epoch=epoch + 1)
        if batch is not None:
            names.setdefault("batch", batch + 1)
        try:
            return self.filepath.format(**names)
        except KeyError as error:
            raise KeyError(
                f"[ModelCheckpoint] Failed to format this callback filepath: {self.filepath!r}. There is no log {error}; "
                f"there are {', '.join(sorted(names))}."
            ) from None

    def _is_wanted(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        start = f"\nEpoch {epoch + 1}: "
        if not self.save_best_only:
            if self.verbose > 0:
                print_message(f"{start}saving model to {path}")
            return True
        value = logs.get(self.monitor)
        if value is None or np.ndim(value) > 0:
            what = "not among the logs" if value is None else f"no scalar but {value}"
            warnings.warn(
                f"[ModelCheckpoint] Can save best model only with a scalar {self.monitor} available, which is {what}: "
                "saving this one. Pass validation_data for val_ values, or correct the name.",
                stacklevel=2,
            )
            return True
        if self._sign is None:
            self._sign = self._direction()
        better = self._is_improvement(value, self.best)
        if self.verbose > 0:
            before = "None" if self.best is None else f"{self.best:.5f}"
            change = f"improved from {before} to {value:.5f}, saving model to {path}" if better else None
            print_message(f"{start}{self.monitor} {change or f'did not improve from {before}'}")
        if better:
            self.best = value
        return better


class BackupAndRestore(_EveryFewBatches):
    """Lets training that was interrupted, even by `kill -9` or a power cut, go on where it stopped when it is run again.

    Weights, the optimizer's state and the number of the epoch are written together, in one step, to `backup_dir`. A
    later `fit` of the same model with the same callback begins with them: at the first epoch that was not complete.
    After a complete `fit` the backup is deleted.

    Args:
        backup_dir: a folder for nothing else.
        save_freq: "epoch" for the end of each epoch, or a number of batches; then the epoch that was interrupted is
            run again, from the weights it had reached.
        double_checkpoint: also keep the backup before the last one, for a file that is damaged.
        delete_checkpoint: whether to delete the backup when training is complete.

    Raises:
        ValueError: without `backup_dir`; for another `save_freq`; for a model that was not built (when training).

    Example:
        >>> from tahr import keras
        >>> keras.callbacks.BackupAndRestore("backup").save_freq
        'epoch'
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError(
                "[BackupAndRestore] Empty `backup_dir` argument passed: it names the folder for the backup."
            )
        self._set_frequency(save_freq)
        self.backup_dir = os.fspath(backup_dir)
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._current_epoch = 0
        self._weights_path = os.path.join(self.backup_dir, "latest.weights.h5")
        self._training_metadata_path = os.path.join(self.backup_dir, "training_metadata.json")
        self._prev_weights_path = f"{self._weights_path}.bkp"
        self._prev_training_metadata_path = f"{self._training_metadata_path}.bkp"

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.model.built:
            raise ValueError(
                "[BackupAndRestore] expected a built model, so that weights can be put back. Give it an Input, call "
                f"build(), or call {self.model.name!r} on a batch of data before fit()."
            )
        self.model._initial_epoch = None
        for path in (self._weights_path, self._prev_weights_path):
            if not os.path.exists(path):
                continue
            try:
                self._restore(path)
                return
            except (OSError, ValueError, KeyError) as error:
                if path == self._prev_weights_path or not os.path.exists(self._prev_weights_path):
                    raise
                warnings.warn(f"[BackupAndRestore] {path} is damaged ({error}): taking the one before.", stacklevel=2)

    def _restore(self, path: str) -> None:
        import h5py

        with h5py.File(path, "r") as f:
            state = json.loads(f.attrs["training_metadata"])
        optimizer = self.model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self._load(path)
        self._current_epoch = self.model._initial_epoch = int(state["epoch"])

    def _load(self, path: str) -> None:
        if path.endswith(".weights.h5"):
            self.model.load_weights(path)
            return
        copy = os.path.join(self.backup_dir, "previous.weights.h5")  # a name that load_weights takes
        shutil.copy(path, copy)
        try:
            self.model.load_weights(copy)
        finally:
            os.remove(copy)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._is_due(batch):
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._current_epoch = epoch + 1
        self._last_batch_seen = 0
        if self.save_freq == "epoch":
            self._save()

    def _save(self) -> None:
        import h5py

        os.makedirs(self.backup_dir, exist_ok=True)
        state = json.dumps({"epoch": self._current_epoch, "batch": self._last_batch_seen or 0})
        new = os.path.join(self.backup_dir, "next.weights.h5")
        self.model.save_weights(new, overwrite=True)
        with h5py.File(new, "r+") as f:
            f.attrs["training_metadata"] = state
        with open(new, "rb+") as written:
            os.fsync(written.fileno())
        if self.double_checkpoint:
            for old, kept in (
                (self._weights_path, self._prev_weights_path),
                (self._training_metadata_path, self._prev_training_metadata_path),
            ):
                if os.path.exists(old):
                    shutil.copy(old, f"{kept}.tmp")
                    os.replace(f"{kept}.tmp", kept)
        os.replace(new, self._weights_path)
        with open(f"{self._training_metadata_path}.tmp", "w") as text:  # for people; what counts is in the other file
            text.write(state)
        os.replace(f"{self._training_metadata_path}.tmp", self._training_metadata_path)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.model._initial_epoch = None
        if self.delete_checkpoint and os.path.exists(self.backup_dir):
            shutil.rmtree(self.backup_dir)
