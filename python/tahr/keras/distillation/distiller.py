"""Distiller: a model that trains its student to do as its teacher does."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from tahr.keras import losses, metrics, models, ops, tree
from tahr.keras.distillation.losses import DistillationLoss, functions_of

_OUTPUT = "final_output"


class Distiller(models.Model):
    """Trains `student` on targets and on what `teacher`, which stays as it is, makes of the same inputs.

    The loss is `student_loss_weight` times the loss on targets, plus the rest times the sum of the distillation losses.
    Calling the distiller, `predict` and metrics given to `compile` concern the student. After training, `distiller.student`
    is the model to keep.

    Args:
        teacher: a trained model. Its `trainable` is set to False.
        student: a model with inputs and outputs of the same shapes and dtypes.
        distillation_losses: a `DistillationLoss` or a list of them.
        distillation_loss_weights: a number for each; ones if None.
        student_loss_weight: from 0 to 1, the share of the loss on targets.
        name: name.
        kwargs: arguments of `Layer`.

    Raises:
        ValueError: if the models or arguments do not fit together.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> def classifier(units):
        ...     layers = [keras.Input((8,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(3)]
        ...     return keras.Sequential(layers)
        >>> soft = keras.distillation.LogitsDistillation(temperature=2.0, loss=keras.losses.KLDivergence())
        >>> distiller = keras.distillation.Distiller(classifier(64), classifier(4), soft)
        >>> distiller.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> history = distiller.fit(np.zeros((6, 8), "float32"), np.zeros(6, "int32"), verbose=0)
        >>> sorted(history.history)
        ['distillation_loss', 'loss', 'student_loss', 'total_loss']
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        distillation_losses: Any,
        distillation_loss_weights: Sequence[float] | None = None,
        student_loss_weight: float = 0.5,
        name: str | None = "distiller",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check_models(teacher, student, self.name)
        self.teacher = teacher
        self.student = student
        if not isinstance(student_loss_weight, (int, float)):
            raise ValueError(f"[{self.name}] student_loss_weight must be a number, received {student_loss_weight!r}.")
        if not 0.0 <= student_loss_weight <= 1.0:
            raise ValueError(
                f"[{self.name}] student_loss_weight must be between 0.0 and 1.0, received {student_loss_weight}."
            )
        self.student_loss_weight = student_loss_weight
        if distillation_losses is None:
            raise ValueError(
                f"[{self.name}] 'distillation_losses' cannot be `None`: pass a DistillationLoss, or a list."
            )
        single = not isinstance(distillation_losses, (list, tuple))
        self.distillation_losses = [distillation_losses] if single else list(distillation_losses)
        weights = (
            [1.0] * len(self.distillation_losses) if distillation_loss_weights is None else distillation_loss_weights
        )
        self.distillation_loss_weights = list(weights)
        if len(self.distillation_loss_weights) != len(self.distillation_losses):
            raise ValueError(
                f"[{self.name}] Number of distillation_loss_weights ({len(self.distillation_loss_weights)}) must match "
                f"number of distillation_losses ({len(self.distillation_losses)})."
            )
        for loss in self.distillation_losses:
            loss.validate_model_compatibility(teacher, student)
        self._teacher_feature_extractor = _feature_model(teacher, self.distillation_losses, "teacher_layer_name")
        self._student_feature_extractor = _feature_model(student, self.distillation_losses, "student_layer_name")
        self.teacher.trainable = False
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")

    def compile(  # type: ignore[override]
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Sets how the student is trained.

        Args:
            optimizer: optimizer or its name.
            loss: loss on targets, its name, or a structure of these like the student's outputs.
            metrics: list of metrics of the student's outputs.
            kwargs: further arguments of `Model.compile`, but for `loss_weights`.

        Raises:
            ValueError: without a loss, or for metrics that are no list.
        """
        if loss is None:
            raise ValueError(f"[{self.name}] 'loss' cannot be `None` in compile(): pass the loss on targets.")
        if metrics is not None and not isinstance(metrics, (list, tuple)):
            raise ValueError(f"[{self.name}] metrics must be a list or tuple, received {metrics!r}.")
        super().compile(optimizer=optimizer, loss=None, metrics=metrics, **kwargs)
        self._student_loss = functions_of(loss)
        self._given_loss = loss

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile`."""
        from tahr.keras.saving import serialize_keras_object

        config = super().get_compile_config()
        return config and {**config, "loss": serialize_keras_object(self._given_loss)}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with arguments that `get_compile_config` gave. Files of Keras lack the loss: a warning says so."""
        from tahr.keras.saving import deserialize_keras_object

        arguments = {key: deserialize_keras_object(value) for key, value in config.items()}
        if arguments.get("loss") is None:
            warnings.warn(
                f"[{self.name}] the file does not tell the loss on targets: call compile() again.", stacklevel=2
            )
            return
        self.compile(**{key: value for key, value in arguments.items() if key != "loss_weights"})
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def call(self, inputs: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """What the student says."""
        return self.student(inputs, training=training, **kwargs)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The total loss of a batch, a scalar; losses that layers of the student add are not part of it.

        Args:
            x: inputs.
            y: targets; without them there is no loss on targets.
            y_pred: outputs of the student, computed if None.
            sample_weight: weights of the samples in the loss on targets.
            training: whether the student is in its training mode.
        """
        if y_pred is None:
            y_pred = self(x, training=training)
        on_targets: Any = 0.0
        if self.student_loss_weight > 0.0 and y is not None:
            values = tree.map_structure(
                lambda f, target, output: _mean_loss(f, target, output, sample_weight), self._student_loss, y, y_pred
            )
            flat = tree.flatten(values)
            on_targets = ops.sum(ops.stack(flat)) if len(flat) > 1 else flat[0]
        distilled: Any = 0.0
        if self.student_loss_weight < 1.0:
            distilled = self._distillation_loss(x, y_pred, training)
        share = self.student_loss_weight
        total = ops.add(ops.multiply(share, on_targets), ops.multiply(1.0 - share, distilled))
        self.student_loss_tracker.update_state(on_targets)
        self.distillation_loss_tracker.update_state(distilled)
        self.total_loss_tracker.update_state(total)
        return total

    def _distillation_loss(self, x: Any, y_pred: Any, training: bool) -> Any:
        if self._teacher_feature_extractor is None:
            teacher = {_OUTPUT: self.teacher(x, training=False)}
        else:
            teacher = self._teacher_feature_extractor(x, training=False)
        student = (
            {} if self._student_feature_extractor is None else self._student_feature_extractor(x, training=training)
        )
        student[_OUTPUT] = y_pred
        total: Any = 0.0
        for loss, weight in zip(self.distillation_losses, self.distillation_loss_weights):
            targets = teacher[getattr(loss, "teacher_layer_name", None) or _OUTPUT]
            outputs = student[getattr(loss, "student_layer_name", None) or _OUTPUT]
            loss.validate_outputs(targets, outputs)
            value = loss.compute_loss(targets, outputs)
            if len(getattr(value, "shape", ())) > 0:
                raise ValueError(
                    f"[{self.name}] expected a scalar from compute_loss() of {type(loss).__name__}, received shape "
                    f"{tuple(value.shape)}: a non-scalar loss. Take its mean."
                )
            total = ops.add(total, ops.multiply(weight, value))
        return total

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        from tahr.keras.saving import serialize_keras_object

        return {
            **super().get_config(),
            "teacher": serialize_keras_object(self.teacher),
            "student": serialize_keras_object(self.student),
            "distillation_losses": [serialize_keras_object(loss) for loss in self.distillation_losses],
            "distillation_loss_weights": list(self.distillation_loss_weights),
            "student_loss_weight": self.student_loss_weight,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Distiller:
        """The distiller that `get_config` described."""
        from tahr.keras.saving import deserialize_keras_object

        config = dict(config)
        for key in ("teacher", "student", "distillation_losses"):
            config[key] = deserialize_keras_object(config[key], custom_objects=custom_objects)
        return cls(**config)


def _mean_loss(loss: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    if isinstance(loss, losses.Loss):
        return ops.mean(loss(y, y_pred, sample_weight=sample_weight))
    values = loss(y, y_pred)
    return ops.mean(values if sample_weight is None else ops.multiply(values, sample_weight))


def _feature_model(model: Any, distillation_losses: Sequence[DistillationLoss], attribute: str) -> Any:
    """A model with the outputs of `model` and of the layers that losses name, in a dict; None if they name none."""
    named = [getattr(loss, attribute, None) for loss in distillation_losses]
    names = [name for name in dict.fromkeys(named) if name]
    if not names:
        return None
    outputs = {_OUTPUT: model.outputs[0] if len(model.outputs) == 1 else model.outputs}
    outputs.update((name, model.get_layer(name=name).output) for name in names)
    return models.Model(model.inputs, outputs, name=f"{model.name}_features")


def _check_models(teacher: Any, student: Any, name: str) -> None:
    """Raises ValueError where inputs or outputs are known, and differ in shape or dtype."""
    for what, model in (("Teacher", teacher), ("Student", student)):
        if not isinstance(model, models.Model):
            raise ValueError(f"[{name}] {what} must be a keras.Model, received {type(model).__name__}.")
    for what in ("inputs", "outputs"):
        first, second = getattr(teacher, what, None), getattr(student, what, None)
        if first is None or second is None:
            continue
        tree.assert_same_structure(first, second)
        for a, b in zip(tree.flatten(first), tree.flatten(second)):
            sizes = zip(a.shape, b.shape)
            if len(a.shape) != len(b.shape) or any(m != n for m, n in sizes if None not in (m, n)):
                raise ValueError(
                    f"[{name}] expected a student with {what} like the teacher's, of shape {a.shape}, received {b.shape}."
                )
            if a.dtype != b.dtype:
                raise ValueError(
                    f"[{name}] Teacher and student {what} dtypes must match, received {a.dtype}, {b.dtype}."
                )
