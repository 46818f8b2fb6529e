"""TensorBoard: metrics, weights and the graph of layers in event files."""

from __future__ import annotations

import os
import time
import warnings
from contextlib import ExitStack
from typing import Any

import numpy as np

from tahr.keras.callbacks.callback import Callback
from tahr.keras.callbacks.rates import rates_of
from tahr.keras.callbacks.summaries import Summaries
from tahr.keras.old_arguments import gone

_BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


class TensorBoard(Callback):
    """Writes what happens in training to files that TensorBoard shows: `tensorboard --logdir logs`.

    `train/` in the folder gets, per epoch, `epoch_<name>` for loss and metrics and `epoch_learning_rate`, and what the
    arguments ask for; `validation/` gets `epoch_<name>` for the values on validation data, and
    `evaluation_<name>_vs_iterations` after each `evaluate`, at the step of the optimizer. Files are up to date after each
    epoch.

    Args:
        log_dir: the folder.
        histogram_freq: write histograms of all weights every so many epochs; 0 for never. Values that are not finite are
            left out.
        write_graph: write the model's layers as a graph, if it is a Sequential or functional model.
        write_images: write weights as images, each stretched to the full range of grey: vectors as one row, matrices lying
            down, kernels with three axes as one image per last index, kernels of image convolutions on three channels as
            one per filter; three images at most, and none of other weights. Every `histogram_freq` epochs, or every one
            where that is 0.
        write_steps_per_second: write `epoch_steps_per_second` too.
        update_freq: "epoch"; or "batch" or a number n: every batch or every n batches `batch_<name>` is written too, with
            `batch_steps_per_second` if these are asked for. Training then stops at every batch to look, which is slower.
        profile_batch: number of a batch, counted from 1, or the first and last of several, (10, 20) or "10,20": the time
            of each kind of op in them is written as the text `batch_<last>`. 0 for none.
        embeddings_freq: write the tables of all Embedding layers for TensorBoard's projector every so many epochs; 0 for
            never. There is one file per layer, that of the last time.
        embeddings_metadata: file that labels the rows of the tables: a path, or a dict from names of Embedding layers to
            paths. Paths start at `log_dir`.

    Raises:
        ImportError: the package tensorboard is missing.
        ValueError: an argument is none of the above; a layer of `embeddings_metadata` is no Embedding of the model.

    Example:
        >>> import os, tempfile, numpy as np
        >>> from tahr import keras
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     board = keras.callbacks.TensorBoard(folder)
        ...     history = model.fit(np.ones((4, 2)), np.ones((4, 1)), callbacks=[board], verbose=0)
        ...     os.listdir(folder)
        ['train']
    """

    @gone(
        batch_size=None,
        embeddings_data="Tables of weights are written, not outputs for data. Leave it out.",
        embeddings_layer_names="The tables of all Embedding layers are written. Leave it out.",
        write_grads="Gradients are not written: compute them with tahr.GradientTape in a callback of your own.",
    )
    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        from tahr.keras.callbacks import event_files  # noqa: F401 (says early where tensorboard is missing)

        if update_freq not in ("batch", "epoch") and not (isinstance(update_freq, int) and update_freq > 0):
            raise ValueError(
                f'[TensorBoard] expected update_freq "epoch", "batch" or a positive number, received {update_freq!r}.'
            )
        if embeddings_metadata is not None and not embeddings_freq:
            raise ValueError(
                "[TensorBoard] embeddings_metadata labels tables, which embeddings_freq=0 does not write. "
                "Give embeddings_freq."
            )
        self.log_dir = str(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._first_profiled, self._last_profiled = _batches(profile_batch)
        own = any(getattr(type(self), hook) is not getattr(TensorBoard, hook) for hook in _BATCH_HOOKS)
        self.follows_batches = self.update_freq != "epoch" or self._last_profiled > 0 or own
        self._writers: dict[str, Any] = {}
        self._training = False
        self._batch = 0
        self._batch_start = self._epoch_start = 0.0
        self._iterations = 0
        self._profile: tuple[ExitStack, Any] | None = None

    def _writer(self, name: str) -> Any:
        if name not in self._writers:
            from tahr.keras.callbacks.event_files import EventWriter

            self._writers[name] = EventWriter(os.path.join(self.log_dir, name))
        return self._writers[name]

    @property
    def summary(self) -> Summaries:
        """Writes values of one's own to `train/`: `summary.scalar(name, data, step)`, `histogram`, `image`, `text`.

        The step is that of the optimizer where none is given. For hooks of subclasses, while a model trains.

        Example:
            >>> import tempfile, numpy as np
            >>> from tahr import keras
            >>> class Board(keras.callbacks.TensorBoard):
            ...     def on_epoch_end(self, epoch, logs=None):
            ...         self.summary.scalar("half_loss", logs["loss"] / 2, step=epoch)
            ...         super().on_epoch_end(epoch, logs)
            >>> model = keras.Sequential([keras.layers.Dense(1)])
            >>> model.compile("sgd", "mse")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     history = model.fit(np.ones((4, 2)), np.ones((4, 1)), callbacks=[Board(folder)], verbose=0)
        """
        return Summaries(self._writer("train"), _iterations(self.model) if self.model is not None else 0)

    def _close(self) -> None:
        writers, self._writers = self._writers, {}
        for writer in writers.values():
            writer.close()

    # ---------------------------------------------------------------- what fit and evaluate call

    def set_model(self, model: Any) -> None:
        """Takes the model; writes its graph and what the projector needs to know of its Embedding layers."""
        super().set_model(model)
        self._close()
        if self.write_graph:
            self._write_graph()
        if self.embeddings_freq:
            self._write_projector_config()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._training = True
        self._batch = 0

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._training = False
        self._stop_profile()
        self._close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch_start, self._iterations = time.perf_counter(), _iterations(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._write_epoch(epoch, logs or {})
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for name, value in self._weights():
                self._writer("train").histogram(f"{name}/histogram", value, epoch)
        if self.write_images and epoch % (self.histogram_freq or 1) == 0:
            for name, value in self._weights():
                images = as_images(value)
                if images is not None:
                    self._writer("train").images(f"{name}/image", images, epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings()
        for writer in self._writers.values():
            writer.flush()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._batch += 1
        self._batch_start = time.perf_counter()
        if self._batch == self._first_profiled:
            from tahr import profiler

            stack = ExitStack()
            self._profile = stack, stack.enter_context(profiler.profile())

    def wants_logs(self, batch: int) -> bool:
        """In every `update_freq`th batch of all."""
        return self.update_freq != "epoch" and self._batch % int(self.update_freq) == 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = time.perf_counter() - self._batch_start
        if self._batch >= self._last_profiled:
            self._stop_profile()
        if not self.wants_logs(batch):
            return
        writer = self._writer("train")
        for name, value in (logs or {}).items():
            writer.scalar(f"batch_{name}", value, self._batch)
        if self.write_steps_per_second:
            writer.scalar("batch_steps_per_second", 1 / seconds, self._batch)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if getattr(self.model, "optimizer", None) is not None:
            for name, value in (logs or {}).items():
                self._writer("validation").scalar(f"evaluation_{name}_vs_iterations", value, _iterations(self.model))
        if not self._training:
            self._close()

    # ---------------------------------------------------------------- what is written

    def _write_graph(self) -> None:
        from tahr.keras.models.functional import Functional
        from tahr.keras.models.sequential import Sequential

        if not isinstance(self.model, (Functional, Sequential)):
            return
        try:
            config = self.model.to_json()
        except Exception as error:  # whatever the user's layers raise: a picture is no reason not to train
            warnings.warn(f"[TensorBoard] the model has no config to draw a graph from: {error}", stacklevel=2)
            return
        self._writer("train").model("keras", config, 0)

    def _write_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        train = {name: value for name, value in logs.items() if not name.startswith("val_")}
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            train.update(rates_of(getattr(optimizer, "inner_optimizer", optimizer)))
        if self.write_steps_per_second:
            steps = _iterations(self.model) - self._iterations
            train["steps_per_second"] = steps / (time.perf_counter() - self._epoch_start)
        for name, value in train.items():
            self._writer("train").scalar(f"epoch_{name}", value, epoch)
        for name, value in logs.items():
            if name.startswith("val_"):
                self._writer("validation").scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)

    def _weights(self) -> list[tuple[str, np.ndarray]]:
        return [(w.path.replace(":", "_"), w.numpy()) for layer in self.model.layers for w in layer.weights]

    def _stop_profile(self) -> None:
        if self._profile is None:
            return
        (stack, profile), self._profile = self._profile, None
        stack.close()
        table = "\n".join("    " + line for line in profile.table().splitlines())
        self._writer("train").text(f"batch_{self._batch}", table, self._batch)

    # ---------------------------------------------------------------- the projector

    def _embeddings(self) -> list[Any]:
        from tahr.keras.layers import Embedding

        return [layer for layer in self.model._flatten_layers() if isinstance(layer, Embedding)]

    def _write_projector_config(self) -> None:
        from google.protobuf import text_format
        from tensorboard.plugins.projector import ProjectorConfig

        config = ProjectorConfig()
        metadata = self.embeddings_metadata
        layers = self._embeddings()
        unknown = sorted(set(metadata) - {layer.name for layer in layers}) if isinstance(metadata, dict) else []
        if unknown:
            raise ValueError(
                f"[TensorBoard] expected names of Embedding layers in embeddings_metadata, received {unknown}. This model "
                f"has {[layer.name for layer in layers]}."
            )
        for layer in layers:
            entry = config.embeddings.add()
            entry.tensor_name = layer.name
            entry.tensor_path = _table_file(layer)
            path = metadata.get(layer.name) if isinstance(metadata, dict) else metadata
            if path is not None:
                entry.metadata_path = path
        os.makedirs(self.log_dir, exist_ok=True)
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w", encoding="utf-8") as file:
            file.write(text_format.MessageToString(config))

    def _write_embeddings(self) -> None:
        from tahr.keras.saving.atomic import replacing

        for layer in self._embeddings():
            with replacing(os.path.join(self.log_dir, _table_file(layer))) as path:
                np.savetxt(path, np.asarray(layer.embeddings, np.float32), delimiter="\t", fmt="%.9g")


def _table_file(layer: Any) -> str:
    return f"{layer.name}.tsv"


def _iterations(model: Any) -> int:
    optimizer = getattr(model, "optimizer", None)
    return 0 if optimizer is None else int(optimizer.iterations)


def _batches(given: Any) -> tuple[int, int]:
    """First and last batch of `profile_batch`."""
    try:
        parts = given.split(",") if isinstance(given, str) else given
        numbers = [int(part) for part in parts] if isinstance(parts, (list, tuple)) else [int(parts)]
        first, last = numbers * 2 if len(numbers) == 1 else numbers
    except (TypeError, ValueError):
        first, last = -1, -1
    if not (0 < first <= last or first == last == 0):
        raise ValueError(
            "[TensorBoard] expected profile_batch to be the number of a batch, a pair of the first and the last number, or "
            f"0, received {given!r}."
        )
    return first, last


def as_images(weight: np.ndarray) -> np.ndarray | None:
    """A weight as uint8 images (images, height, width, channels), as `TensorBoard(write_images=True)` says; else None."""
    values = np.squeeze(weight).astype(np.float32)
    if not values.size:
        return None
    if values.ndim == 1:
        values = values[None, None, :, None]
    elif values.ndim == 2:
        values = (values.T if values.shape[0] > values.shape[1] else values)[None, :, :, None]
    elif values.ndim == 3:
        values = values.transpose(2, 0, 1)[..., None]
    elif values.ndim == 4 and values.shape[2] == 3:
        values = values.transpose(3, 0, 1, 2)
    else:
        return None
    values = np.nan_to_num(values)
    low, high = values.min(), values.max()
    return np.round((values - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
