"""Trainer: `fit`, `evaluate`, `predict` of every model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tahr import nest, ops
from tahr.data.structure import flatten, map_structure
from tahr.keras.backend import config
from tahr.keras.callbacks.callback import CallbackList
from tahr.keras.old_arguments import loads_ahead, renamed
from tahr.keras.trainers import checks
from tahr.keras.trainers.data import ArraySource, EpochIterator, make_source, split_validation
from tahr.keras.trainers.data.arrays import is_arrays, to_array, to_arrays
from tahr.keras.trainers.data.class_weights import class_weight_to_sample_weight
from tahr.keras.trainers.loop import predict_loop
from tahr.keras.trainers.old_methods import OldMethods
from tahr.keras.trainers.stepping import Stepping
from tahr.keras.utils.batches import unpack_x_y_sample_weight


class Trainer(OldMethods, Stepping):
    """What makes a layer trainable as a model: `fit`, `evaluate`, `predict`. `Model` inherits from it, before Layer."""

    # ---------------------------------------------------------------- fit

    @renamed(nb_epoch="epochs")
    @loads_ahead
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Trains the model.

        Args:
            x: inputs: array or tensor (samples, ...), DataFrame, list or dict of arrays for several inputs; or a source
                of batches `(x, y)` or `(x, y, sample_weight)`: generator, `tahr.data.Dataset`, `keras.utils.PyDataset`,
                iterable.
            y: targets of the same length; not with a source of batches.
            batch_size: samples per step, 32 for None and 0.
            epochs: number of the last epoch; from `initial_epoch` on.
            verbose: 0 silent, 1 or "auto" a progress bar, 2 a line per epoch.
            callbacks: `keras.callbacks` objects.
            validation_split: fraction of the samples, taken from the end before shuffling, to validate on.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a source of batches to validate on.
            shuffle: new order of the samples in each epoch (a source: of the batches of a PyDataset); "batch" shuffles
                whole batches.
            class_weight: dict from class to its weight in the loss.
            sample_weight: weights (samples,) or (samples, steps) in the loss.
            initial_epoch: epoch to start with, for resumed training.
            steps_per_epoch: batches per epoch, None for one pass over the data.
            validation_steps: batches to validate on, None for all.
            validation_batch_size: samples per batch of the validation, by default `batch_size`.
            validation_freq: validate every so many epochs, or a list of the epochs (from 1) after which to.

        Returns:
            A `History`: `history.history` holds a list per log, one value per epoch.

        Raises:
            ValueError: not compiled, unequal lengths, text or NaN where numbers belong, labels out of range.

        Example:
            >>> import numpy as np
            >>> from tahr import keras
            >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
            >>> model = keras.Sequential([keras.layers.Dense(1)])
            >>> model.compile(optimizer="adam", loss="huber")
            >>> history = model.fit(x, 2 * x, epochs=3, verbose=0)
            >>> len(history.history["loss"])
            3
        """
        self._require_compiled("fit")
        checks.check_epochs(epochs, initial_epoch)
        checks.check_verbose(verbose, "fit")
        x, host = self._host_inputs(x)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_validation(
                "fit", (x, y, sample_weight), validation_split, host
            )
            if host is None and self._host_part is not None:  # encoded above
                rows = validation_batch_size or batch_size
                x_val, y_val, weight_val = validation_data
                validation_data = make_source("fit, validation_data", x_val, y_val, weight_val, rows)
        source = make_source("fit", x, y, sample_weight, batch_size, shuffle, class_weight, steps_per_epoch, host)
        self._watch_targets(source, "fit")
        iterator = EpochIterator(source, steps_per_epoch, "fit")
        validation = None
        if validation_data is not None and _is_empty(validation_data):
            warnings.warn("[fit] validation_data holds no samples: nothing is validated.", stacklevel=3)
        elif validation_data is not None:
            size = validation_batch_size or source.batch_size
            validation = EpochIterator(self._validation_source(validation_data, size), validation_steps, "fit")
            if isinstance(validation.source, ArraySource) and not self._allows_nan():
                validation.source.check_targets()
        max_epochs = config.max_epochs()
        if max_epochs is not None:
            epochs = min(epochs, max_epochs)
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=bool(verbose),
                model=self,
                verbose=1 if verbose == "auto" else verbose,
                epochs=epochs,
                steps=iterator.num_batches,
            )
        self._set(stop_training=False, _step_variables=None)
        self._prepare_function("train")
        if validation is not None:
            self._prepare_function("test")
        callbacks.on_train_begin()
        initial_epoch = getattr(self, "_initial_epoch", None) or initial_epoch  # a callback may resume an earlier run
        logs: dict[str, Any] = {}
        for epoch in range(initial_epoch, epochs):
            self.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            self._set(_step_variables=None)  # a callback may have set `trainable`
            logs = self._run_steps("train", iterator, callbacks)
            if not logs and iterator.num_batches is None:
                break  # an exhausted generator
            if validation is not None and _is_due(epoch, validation_freq):
                self._evaluate(validation, callbacks, into=logs)
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        if logs and getattr(self.optimizer, "use_ema", False):  # the averages become the weights
            self.optimizer.finalize_variable_values(self.trainable_variables)
        callbacks.on_train_end(logs)
        return self.history

    def _allows_nan(self) -> bool:
        return self._compile_loss is None or self._compile_loss.allows_nan() or self._overrides("compute_loss")

    def _watch_targets(self, source: Any, where: str) -> None:
        """Checks the targets of arrays for NaN, and has the loss check the labels' range at the first batch."""
        if not isinstance(source, ArraySource) or self._compile_loss is None:
            return
        if not self._allows_nan():
            source.check_targets()
        if source.y is not None:
            self._compile_loss.check_all_targets(source.y, where)

    def _evaluate(self, iterator: EpochIterator, callbacks: CallbackList, into: dict[str, Any]) -> None:
        """Validation inside `fit`: adds its logs, prefixed with "val_", to `into`."""
        callbacks.on_test_begin()
        self.reset_metrics()
        logs = self._run_steps("test", iterator, callbacks)
        callbacks.on_test_end(logs)
        into.update({f"val_{name}": value for name, value in logs.items()})

    # ---------------------------------------------------------------- evaluate and predict

    @loads_ahead
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data, without training.

        Args:
            x, y, batch_size, verbose, sample_weight, callbacks: as in `fit`.
            steps: batches to use, None for all.
            return_dict: return a dict in place of a list.

        Returns:
            The loss as a float where it is the only value; otherwise the list `[loss, metric, ...]` in the order of
            `metrics_names`, or a dict by name.

        Example:
            >>> import numpy as np
            >>> from tahr import keras
            >>> model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="zeros")])
            >>> model.compile(loss="mse")
            >>> model.evaluate(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
            1.0
        """
        self._require_compiled("evaluate")
        checks.check_verbose(verbose, "evaluate")
        x, host = self._host_inputs(x)
        source = make_source("evaluate", x, y, sample_weight, batch_size, host=host)
        self._watch_targets(source, "evaluate")
        iterator = EpochIterator(source, steps, "evaluate")
        callbacks = self._callbacks(callbacks, verbose, iterator)
        self._prepare_function("test")
        callbacks.on_test_begin()
        self.reset_metrics()
        logs = self._run_steps("test", iterator, callbacks)
        callbacks.on_test_end(logs)
        return self._flat_logs(logs, return_dict)

    @loads_ahead
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The model's outputs for all samples, computed batch by batch.

        Args:
            x, batch_size, verbose, callbacks: as in `fit`; targets that a source yields are ignored.
            steps: batches to use, None for all.

        Returns:
            NumPy array (samples, ...), or the structure of arrays that the model returns.

        Example:
            >>> import numpy as np
            >>> from tahr import keras
            >>> model = keras.Sequential([keras.layers.Dense(3)])
            >>> model.predict(np.zeros((5, 2)), verbose=0).shape
            (5, 3)
        """
        checks.check_verbose(verbose, "predict")
        x, host = self._host_inputs(x)
        self._prepare_function("predict")
        if callbacks is None and verbose == 0 and steps is None and host is None and x.__class__ is np.ndarray:
            rows = len(x) if x.ndim else 0
            if 0 < rows <= (batch_size or 32) and x.dtype.kind in "fiub":  # one batch, nobody watching
                return map_structure(ops.convert_to_numpy, self._make_step("predict")((to_array(x, "x", "predict"),)))
        iterator = EpochIterator(make_source("predict", x, None, None, batch_size, host=host), steps, "predict")
        callbacks = self._callbacks(callbacks, verbose, iterator)
        callbacks.on_predict_begin()
        traced = self._traced_step("predict")
        if traced is not None and not callbacks.listens("predict") and isinstance(iterator.source, ArraySource):
            loop = iterator.loop()
            if loop is not None:
                structure = iterator.source.structure()
                found = predict_loop(self._step_function("predict"), traced, loop, structure, callbacks)
                if found is not None:
                    callbacks.on_predict_end()
                    return found
        columns: list[list[np.ndarray]] | None = None
        outputs: Any = None
        step = self._make_step("predict")
        every = self.steps_per_execution
        index = -1
        for index, batch in enumerate(iterator.epoch()):
            if index % every == 0:
                callbacks.batch_begin("predict", index)
            outputs = step(batch)
            arrays = [ops.convert_to_numpy(leaf) for leaf in flatten(outputs)]
            if columns is None:
                columns = [[] for _ in arrays]
            for column, array in zip(columns, arrays):
                column.append(array)
            if (index + 1) % every == 0:
                callbacks.batch_end("predict", index, lambda: {"outputs": outputs})  # noqa: B023 (called at once)
        if (index + 1) % every != 0:
            callbacks.batch_end("predict", index - index % every + every - 1, lambda: {"outputs": outputs})
        callbacks.on_predict_end()
        if columns is None:
            raise ValueError("[predict] expected at least one batch, received none. The data source yielded nothing.")
        whole = iter([column[0] if len(column) == 1 else np.concatenate(column) for column in columns])
        return nest.pack_sequence_as(outputs, whole)

    def _callbacks(self, callbacks: Any, verbose: int | str, iterator: EpochIterator) -> CallbackList:
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks,
            add_progbar=bool(verbose),
            model=self,
            verbose=1 if verbose == "auto" else verbose,
            epochs=1,
            steps=iterator.num_batches,
        )

    @staticmethod
    def _flat_logs(logs: dict[str, Any], return_dict: bool) -> Any:
        if return_dict:
            return logs
        values = list(logs.values())
        return values[0] if len(values) == 1 else values

    # ---------------------------------------------------------------- single batches

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step on the batch `x`, `y`; the results are those of this batch alone.

        Args:
            x, y, sample_weight, class_weight: as in `fit`, one batch.
            return_dict: return a dict in place of a list.

        Returns:
            As `evaluate`.
        """
        self._require_compiled("train_on_batch")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    "[train_on_batch] expected at most one of class_weight and sample_weight, received both."
                )
            sample_weight = class_weight_to_sample_weight(y, class_weight, "train_on_batch")
        batch = self._single_batch("train_on_batch", x, y, sample_weight)
        self._set(_step_variables=None)
        self._prepare_function("train")
        self.reset_metrics()
        return self._flat_logs(self._logs(self._make_step("train")(batch)), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics on the batch `x`, `y`; arguments and result as `train_on_batch`, without training."""
        self._require_compiled("test_on_batch")
        batch = self._single_batch("test_on_batch", x, y, sample_weight)
        self._prepare_function("test")
        self.reset_metrics()
        return self._flat_logs(self._logs(self._make_step("test")(batch)), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The model's outputs for one batch, as NumPy arrays."""
        x = x if self._host_part is None else self._host_part.encode(x)
        self._prepare_function("predict")
        outputs = self._make_step("predict")((to_arrays(x, "x", "predict_on_batch"),))
        return map_structure(ops.convert_to_numpy, outputs)

    def _host_inputs(self, x: Any) -> tuple[Any, Any]:
        """Inputs as the steps take them: with layers that read text, arrays are encoded at once if all rows get one
        length; else the second value is the host part that is to encode the batches."""
        host = self._host_part
        if host is None or x is None or not is_arrays(x):
            return x, host
        encoded = host.encode_arrays(x)
        return (x, host) if encoded is None else (encoded, None)

    def _validation_source(self, data: Any, batch_size: int | None) -> Any:
        where = "fit, validation_data"
        if isinstance(data, ArraySource):
            return data
        if isinstance(data, (tuple, list)) and 1 <= len(data) <= 3:
            x, y, sample_weight = unpack_x_y_sample_weight(tuple(data))
            x, host = self._host_inputs(x)
            return make_source(where, x, y, sample_weight, batch_size, host=host)
        return make_source(where, data, host=self._host_part)

    def _single_batch(self, where: str, x: Any, y: Any, sample_weight: Any) -> tuple:
        x = x if self._host_part is None else self._host_part.encode(x)
        source = ArraySource(where, x, y, sample_weight, batch_size=2**62)
        self._watch_targets(source, where)
        return next(iter(source))


def _is_empty(data: Any) -> bool:
    """Whether validation data are arrays without rows."""
    leaves = flatten(data) if isinstance(data, (tuple, list)) else []
    return bool(leaves) and all(leaf is None or tuple(getattr(leaf, "shape", (1,)))[:1] == (0,) for leaf in leaves)


def _is_due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int) and frequency > 0:
        return (epoch + 1) % frequency == 0
    if isinstance(frequency, (list, tuple, set, range)):
        return epoch + 1 in frequency
    raise ValueError(
        f"[fit] expected validation_freq to be an integer of at least 1 or a list of epochs, received {frequency!r}."
    )
