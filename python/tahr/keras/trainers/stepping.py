"""What a step of training, evaluation or prediction is: `compile`, losses, metrics, and the step itself."""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tahr
from tahr import ops
from tahr.config import functions_run_eagerly
from tahr.data.structure import flatten, map_structure
from tahr.keras import metrics as metrics_module
from tahr.keras import optimizers
from tahr.keras.backend import config, scopes
from tahr.keras.callbacks.callback import CallbackList
from tahr.keras.trainers.compile_loss import CompileLoss
from tahr.keras.trainers.compile_metrics import CompileMetrics
from tahr.keras.trainers.data import DatasetSource, EpochIterator
from tahr.keras.trainers.loop import run_loop
from tahr.keras.trainers.step_functions import StepFunctions
from tahr.keras.trainers.steps import TracedStep
from tahr.keras.utils.batches import unpack_x_y_sample_weight


def _to_tensors(batch: Any) -> Any:
    return map_structure(ops.convert_to_tensor, batch)


def _to_floats(logs: dict[str, Any]) -> dict[str, Any]:
    """Logs as Python floats; a metric whose result is a dict stands there with its entries, behind the others."""
    flat = {name: _to_float(value) for name, value in logs.items() if not isinstance(value, dict)}
    for value in logs.values():
        if isinstance(value, dict):
            flat.update(_to_floats(value))
    return flat


def _to_float(value: Any) -> Any:
    if isinstance(value, float):
        return value
    array = ops.convert_to_numpy(value)
    if array.ndim == 0 and array.dtype.kind in "fiub":
        return float(array)
    return array


class Stepping(StepFunctions):
    """What makes a layer into something that can be trained a batch at a time.

    One step is `_train_step(batch)`: forward pass, loss, gradients, optimizer, metrics, as a function of the batch and
    the variables, free of side effects on the Python side.
    """

    if TYPE_CHECKING:  # what Layer brings
        trainable_variables: list[Any]
        losses: list[Any]
        __call__: Callable[..., Any]

    # Before `compile`. Instances set these past the attribute tracking of layers: see `_set`.
    optimizer: Any = None
    loss: Any = None
    compiled: bool = False
    stop_training: bool = False
    history: Any = None
    run_eagerly: bool = False
    jit_compile: Any = "auto"
    steps_per_execution: int = 1
    _compile_loss: CompileLoss | None = None
    _compile_metrics: CompileMetrics | None = None
    _loss_tracker: Any = None
    _compile_arguments: dict[str, Any] | None = None
    _step_variables: list[Any] | None = None
    _traced_steps: dict[str, tuple[Any, TracedStep]] | None = None
    _loss_takes_training: bool | None = None
    _host_part: Any = None  # layers that read text, which run before the steps: see models/host_part.py

    def _set(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which make traces of their own."""
        traces = ("_traced_steps", "_inference_step", "_step_variables")
        functions = ("_made_functions", "train_function", "test_function", "predict_function")
        return {name: value for name, value in self.__dict__.items() if name not in (*traces, *functions)}

    # ---------------------------------------------------------------- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Sets what training needs: optimizer, loss, metrics.

        Args:
            optimizer: name or `keras.optimizers` object.
            loss: name, `keras.losses` object or function `(y_true, y_pred) -> values`; for several outputs a list in
                their order or a dict by output name, with None for an output without loss.
            loss_weights: float, or list or dict of floats: the total loss is the weighted sum.
            metrics: list (or per output: list of lists, dict by name) of names, `keras.metrics` objects and functions.
                "accuracy" (or "acc") and "crossentropy" (or "ce") follow the shapes of targets and outputs.
            weighted_metrics: the same, for metrics that take `sample_weight` or `class_weight` into account.
            run_eagerly: run each step op by op, so that it can be followed in a debugger.
            steps_per_execution: batches between two calls of the batch hooks of callbacks.
            jit_compile: "auto" or bool. Steps are traced and planned either way, unless `run_eagerly`; nothing is left
                for a compiler to do.
            auto_scale_loss: with the policy "mixed_float16", wrap the optimizer in a LossScaleOptimizer.

        Raises:
            ValueError: an unknown name, or an argument of the wrong kind.

        Example:
            >>> from tahr import keras
            >>> model = keras.Sequential([keras.layers.Dense(2)])
            >>> model.compile(keras.optimizers.Nadam(0.02), loss="mae", metrics=["mse"])
        """
        if not isinstance(steps_per_execution, int) or steps_per_execution < 1:
            raise ValueError(
                f"[compile] expected steps_per_execution to be at least 1, received {steps_per_execution!r}."
            )
        given = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
        }
        optimizer = given["optimizer"] = optimizers.get(optimizer)
        policy = getattr(getattr(self, "dtype_policy", None), "name", None)
        if auto_scale_loss and policy == "mixed_float16" and optimizer is not None:
            if not isinstance(optimizer, optimizers.LossScaleOptimizer):
                optimizer = optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
        names = getattr(self, "output_names", None)
        compile_metrics = CompileMetrics(metrics, weighted_metrics, names)
        self._set(
            optimizer=optimizer,
            loss=loss,
            compiled=True,
            stop_training=False,
            run_eagerly=run_eagerly,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
            _compile_loss=None if loss is None else CompileLoss(loss, loss_weights, names),
            _compile_metrics=compile_metrics if metrics or weighted_metrics else None,
            _loss_tracker=metrics_module.Mean(name="loss"),
            _compile_arguments=given,
            _step_variables=None,
            _traced_steps=None,
            train_function=None,
            test_function=None,
            predict_function=None,
        )

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` in a form that can be saved; None before `compile`."""
        if self._compile_arguments is None:
            return None
        from tahr.keras.saving import serialize_keras_object

        return {name: serialize_keras_object(value) for name, value in self._compile_arguments.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with arguments that `get_compile_config` gave, and builds the optimizer if the model is built."""
        from tahr.keras.saving import deserialize_keras_object

        if type(self).compile is not Stepping.compile:
            warnings.warn(
                f"[{type(self).__name__}] `compile()` was not called as part of model loading, because the class has a "
                "compile() of its own. Call it, or give the class a get_compile_config() and a compile_from_config().",
                stacklevel=2,
            )
            return
        self.compile(**{name: deserialize_keras_object(value) for name, value in config.items()})
        if getattr(self, "built", False) and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def _require_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(
                f"[{method}] expected a compiled model, received one that is not. Call model.compile(optimizer, loss) "
                "first."
            )

    # ---------------------------------------------------------------- losses and metrics

    @property
    def metrics(self) -> list[Any]:
        """The loss, the compiled metrics (one object for all), the losses of several outputs, metrics of the layers."""
        found: list[Any] = []
        if self.compiled:
            found.append(self._loss_tracker)
            if self._compile_metrics is not None:
                found.append(self._compile_metrics)
            if self._compile_loss is not None:
                found.extend(self._compile_loss.metrics)
        found.extend(getattr(self, "_metrics", ()))
        for layer in self._sublayers():
            if not isinstance(layer, Stepping):
                found.extend(getattr(layer, "_metrics", ()))
        return found

    def _sublayers(self) -> list[Any]:
        flatten_layers = getattr(self, "_flatten_layers", None)
        return list(flatten_layers(include_self=False)) if flatten_layers is not None else []

    def metrics_by_name(self) -> dict[str, Any]:
        """The metrics under the names that logs use, in the order of the values that `evaluate` returns."""
        metrics = self.metrics
        named = {metric.name: metric for metric in metrics if not isinstance(metric, CompileMetrics)}
        for metric in metrics:
            if isinstance(metric, CompileMetrics):
                named.update(metric.named_metrics())
        return named

    @property
    def metrics_names(self) -> list[str]:
        """The names of the values that `evaluate` returns, in their order."""
        return list(self.metrics_by_name())

    def get_metrics_result(self) -> dict[str, Any]:
        """The current values of all metrics by name; a metric whose result is a dict adds its entries."""
        values = {metric.name: metric.result() for metric in self.metrics}
        results = {name: value for name, value in values.items() if not isinstance(value, dict)}
        for value in values.values():
            if isinstance(value, dict):
                results.update(value)
        return results

    def reset_metrics(self) -> None:
        """Starts all metrics anew."""
        for metric in self.metrics:
            metric.reset_state()

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The total loss of a batch: the compiled loss plus what layers add (regularizers, `add_loss`); overridable.

        Args:
            x: inputs. The default does not look at them.
            y: targets.
            y_pred: predictions.
            sample_weight: weights of the samples or None.
            training: whether this is a training step. The default makes no difference.

        Returns:
            A scalar tensor; None where there is no loss at all.
        """
        total = self._compile_loss(y, y_pred, sample_weight) if self._compile_loss is not None else None
        for extra in self.losses:
            extra = ops.sum(extra) if len(extra.shape) else extra
            total = extra if total is None else total + ops.cast(extra, total.dtype)
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Updates the compiled metrics with a batch and returns the values of all metrics. May be overridden."""
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def compiled_loss(self, y: Any, y_pred: Any, sample_weight: Any = None, regularization_losses: Any = None) -> Any:
        """The compiled loss, for training steps written against older versions of Keras; updates the metric "loss"."""
        total = self._compile_loss(y, y_pred, sample_weight) if self._compile_loss is not None else ops.zeros(())
        for extra in regularization_losses or ():
            total = total + extra
        self._loss_tracker.update_state(total, sample_weight=flatten(y_pred)[0].shape[0])
        return total

    @property
    def compiled_metrics(self) -> CompileMetrics:
        """The compiled metrics, for training steps written against older versions of Keras."""
        return self._compile_metrics if self._compile_metrics is not None else CompileMetrics(None)

    def stateless_compute_loss(
        self,
        trainable_variables: list[Any],
        non_trainable_variables: list[Any],
        metrics_variables: list[Any],
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """`compute_loss` with the variables' values given, and without changing any variable.

        Args:
            trainable_variables, non_trainable_variables, metrics_variables: values for the model's lists of these names.
            x, y, y_pred, sample_weight, training: as in `compute_loss`.

        Returns:
            (loss, (new values of the trainable variables, of the others, of the metrics' variables)).

        Raises:
            ValueError: if a list has the wrong length.
        """
        lists = []
        for what, given in (
            ("trainable_variables", trainable_variables),
            ("non_trainable_variables", non_trainable_variables),
            ("metrics_variables", metrics_variables),
        ):
            own = getattr(self, what)
            if len(own) != len(given):
                raise ValueError(f"[compute_loss] expected {len(own)} values in {what}, received {len(given)}.")
            lists.append((own, given))
        mapping = [pair for own, given in lists for pair in zip(own, given)]
        with scopes.StatelessScope(state_mapping=mapping) as scope:
            loss = self._compute_loss(x, y, y_pred, sample_weight, training)
        return loss, tuple([scope.get_current_value(v) for v in own] for own, _ in lists)

    def _compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        if self._loss_takes_training is None:
            self._set(_loss_takes_training="training" in inspect.signature(self.compute_loss).parameters)
        if self._loss_takes_training:
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    # ---------------------------------------------------------------- one step

    def _forward(self, x: Any, training: bool) -> Any:
        """The model applied to a batch; all layers inside learn whether it trains."""
        return self(x, training=training)

    def _track_loss(self, loss: Any, x: Any) -> None:
        self._loss_tracker.update_state(loss, sample_weight=_batch_length(x))

    def _update_weights(self, x: Any, y: Any, sample_weight: Any) -> Any:
        """Forward pass, loss, gradients, optimizer update. Returns the predictions."""
        optimizer = self.optimizer
        with tahr.GradientTape() as tape:
            y_pred = self._forward(x, training=True)
            loss = self._compute_loss(x, y, y_pred, sample_weight, training=True)
            if loss is None:
                raise ValueError(
                    "[fit] expected a loss, received none. Pass `loss` to compile(), or call add_loss() in a layer."
                )
            scaled = optimizer.scale_loss(loss) if optimizer is not None else loss
        self._track_loss(loss, x)
        variables = self._step_variables
        if variables is None:  # known after the first forward pass, which may build the layers
            variables = list(self.trainable_variables)
            self._set(_step_variables=variables)
            if not variables:
                warnings.warn("[fit] the model has no trainable weights: nothing will be learned.", stacklevel=2)
            elif optimizer is None:
                raise ValueError("[fit] expected an optimizer, received None in compile(). Pass one to train.")
        if variables:
            optimizer.apply(tape.gradient(scaled, variables), variables)
        return y_pred

    def _train_step(self, batch: Any) -> None:
        """One training step on a batch of tensors `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        y_pred = self._update_weights(x, y, sample_weight)
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)

    def _test_step(self, batch: Any) -> Any:
        """One step of evaluation: loss and metrics of a batch, no update of weights. Returns the predictions."""
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        y_pred = self._forward(x, training=False)
        loss = self._compute_loss(x, y, y_pred, sample_weight, training=False)
        if loss is not None:
            self._track_loss(loss, x)
        return y_pred

    def train_step(self, data: Any) -> dict[str, Any]:
        """One training step; override for an own one.

        Args:
            data: `(x,)`, `(x, y)` or `(x, y, sample_weight)` of tensors: a batch as the data source yields it.

        Returns:
            Dict from log name to value.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self._update_weights(x, y, sample_weight)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One evaluation step; override for an own one. Arguments and result as `train_step`."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self._test_step(data)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The predictions for a batch; override for own ones."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self._forward(x, training=False)

    def _overrides(self, *methods: str) -> bool:
        return any(
            getattr(type(self), name) is not getattr(Stepping, name) or name in self.__dict__ for name in methods
        )

    def _step_function(self, phase: str) -> Callable[[Any], Any]:
        """The step of a phase as a function of a batch of tensors: logs, or None where the metrics hold them."""
        host = self._host_part
        step = self._own_step_function(phase)
        return step if host is None else host.step(step)

    def _own_step_function(self, phase: str) -> Callable[[Any], Any]:
        if phase == "predict":
            return self.predict_step
        if phase == "train":
            plain = not self._overrides("train_step", "compute_metrics")
            return self._train_step if plain else self.train_step
        plain = not self._overrides("test_step", "compute_metrics")
        return self._evaluate_batch if plain else self.test_step

    def _traced_step(self, phase: str) -> TracedStep | None:
        """The traced form of the step of a phase; None where steps run op by op."""
        if self._own_function(phase) is not None:
            return None
        return self._traced_default(phase)

    def _traced_default(self, phase: str, source: DatasetSource | None = None) -> TracedStep | None:
        """With a source, the step takes what this gathers."""
        if self.run_eagerly or functions_run_eagerly():
            return None
        steps = self._traced_steps
        if steps is None:
            steps = {}
            self._set(_traced_steps=steps)
        function = self._step_function(phase)
        name = phase if source is None else f"{phase}, prepared"
        kept = steps.get(name)
        own = getattr(function, "__func__", function)  # of an instance or class that may have been patched since
        if source is not None:
            own = (own, weakref.ref(source.plan))  # which holds the data
        if kept is None or kept[0] != own:
            kept = steps[name] = (own, TracedStep(self, phase, function))
        return kept[1]

    def _run_without_python(
        self, phase: str, iterator: EpochIterator, callbacks: CallbackList
    ) -> dict[str, Any] | None:
        """An epoch over rows of arrays, run by the engine: its logs. None where the data or the step are not for that."""
        if self.run_eagerly or functions_run_eagerly() or callbacks.listens(phase):
            return None
        if self._own_function(phase) is not None:
            return None
        loop = iterator.loop() if config.max_steps_per_epoch() is None else None
        if loop is None:
            return None
        source = iterator.source
        function = step = self._step_function(phase)
        prepares = isinstance(source, DatasetSource)
        if prepares:
            function = lambda columns: step(source.prepared(columns))  # noqa: E731
        traced = self._traced_default(phase, source if prepares else None)
        assert traced is not None  # steps are not run op by op: see above
        return self._final_logs(run_loop(self, phase, function, traced, loop, source.structure(), callbacks))

    def _make_step(self, phase: str) -> Callable[[Any], Any]:
        """The function of a host batch that one phase calls per step."""
        return self._own_step(phase) or self._default_step(phase)

    def _default_step(self, phase: str) -> Callable[[Any], Any]:
        function, traced = self._step_function(phase), self._traced_default(phase)
        if traced is None:
            return lambda batch: function(_to_tensors(batch))
        return lambda batch: traced(function, batch)

    def _evaluate_batch(self, batch: Any) -> None:
        y_pred = self._test_step(batch)
        if self._compile_metrics is not None:
            _, y, sample_weight = unpack_x_y_sample_weight(batch)
            self._compile_metrics.update_state(y, y_pred, sample_weight)

    def _logs(self, step_logs: Any) -> dict[str, Any]:
        """The logs after some steps: the metrics' values unless an own step reports others."""
        results = self.get_metrics_result() if step_logs is None else step_logs
        if not isinstance(results, dict):
            raise ValueError(
                f"[train_step] expected a dict from log name to value as result, received {type(results).__name__}. "
                "Return for example self.get_metrics_result()."
            )
        return _to_floats(results)

    def _run_steps(self, phase: str, iterator: EpochIterator, callbacks: CallbackList) -> dict[str, Any]:
        """Runs one epoch of "train" or "test" steps and returns its logs."""
        logs = self._run_without_python(phase, iterator, callbacks)
        if logs is not None:
            return logs
        step = self._make_step(phase)
        every = self.steps_per_execution
        logs = None
        index = -1
        limit = config.max_steps_per_epoch()
        for index, batch in enumerate(iterator.epoch(every)):
            if index % every == 0:
                callbacks.batch_begin(phase, index)
            logs = step(batch)
            if (index + 1) % every == 0:
                callbacks.batch_end(phase, index, lambda: self._logs(logs))  # noqa: B023 (called at once)
            if phase == "train" and self.stop_training or limit is not None and index + 1 >= limit:
                break
        if index < 0:
            return {}
        if (index + 1) % every != 0:  # the last group of steps_per_execution counts as a whole one
            callbacks.batch_end(phase, index - index % every + every - 1, lambda: self._logs(logs))
        return self._final_logs(logs)

    def _final_logs(self, step_logs: Any) -> dict[str, Any]:
        """The logs of an epoch whose last step gave `step_logs`: an own step's are its own, unless they are the
        metrics' under the same names."""
        if step_logs is None:
            return self._logs(None)
        results = self.get_metrics_result()
        own = self._logs(step_logs)
        return _to_floats(results) if set(results) == set(own) else own


def _batch_length(x: Any) -> int:
    leaf = next((leaf for leaf in flatten(x) if leaf is not None), None)
    shape: tuple[int, ...] = tuple(getattr(leaf, "shape", ()))
    return shape[0] if len(shape) else 1
