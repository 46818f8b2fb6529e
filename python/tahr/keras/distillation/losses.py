"""What teacher and student are compared by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr.keras import losses, ops, tree


def functions_of(loss: Any) -> Any:
    """A structure of losses, names replaced by what they stand for."""
    return tree.map_structure(lambda item: losses.get(item) if isinstance(item, str) else item, loss)


class DistillationLoss:
    """Base of what teacher and student are compared by. Subclasses implement `compute_loss`.

    Example:
        >>> from tahr import keras
        >>> class Logits(keras.distillation.DistillationLoss):
        ...     def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        ...         return keras.ops.mean(keras.ops.square(teacher_outputs - student_outputs))
        >>> float(Logits().compute_loss(keras.ops.ones((2, 3)), keras.ops.zeros((2, 3))))
        1.0
    """

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The loss, a scalar tensor.

        Args:
            teacher_outputs: outputs (or features) of the teacher, a tensor or a structure of them.
            student_outputs: those of the student.
            kwargs: whatever a subclass takes.
        """
        raise NotImplementedError(f"[{type(self).__name__}] expected a compute_loss() method, received none.")

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raises ValueError if the two are not nested alike."""
        tree.assert_same_structure(teacher_outputs, student_outputs)

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raises ValueError if the loss cannot be computed for these models."""


class _ByStructure(DistillationLoss):
    """A loss, or none, for each output."""

    def __init__(self, loss: Any) -> None:
        self.loss = functions_of(loss)
        if all(item is None for item in tree.flatten(self.loss)):
            raise ValueError(f"[{type(self).__name__}] expected at least one loss that is not None, received {loss!r}.")

    def _total(self, one: Callable[[Any, Any, Any], Any], teacher_outputs: Any, student_outputs: Any) -> Any:
        def value(loss: Any, teacher: Any, student: Any) -> Any:
            return 0.0 if loss is None else one(loss, teacher, student)

        values = tree.flatten(tree.map_structure(value, self.loss, teacher_outputs, student_outputs))
        return ops.sum(ops.stack(values))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The loss that `get_config` described."""
        from tahr.keras.saving import deserialize_keras_object

        return cls(**{**config, "loss": deserialize_keras_object(config["loss"])})

    def _loss_config(self) -> Any:
        from tahr.keras.saving import serialize_keras_object

        return serialize_keras_object(self.loss)


class FeatureDistillation(_ByStructure):
    """Compares the outputs of a layer of the teacher with those of a layer of the student.

    Args:
        loss: a loss, its name, or a structure of these like the layers' outputs, None where nothing is compared.
        teacher_layer_name: layer of the teacher; the model's output if None.
        student_layer_name: layer of the student; likewise. Its outputs have the shape of the teacher's.

    Raises:
        ValueError: if there is no loss.

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets", 2015.

    Example:
        >>> from tahr import keras
        >>> loss = keras.distillation.FeatureDistillation("mae")
        >>> float(loss.compute_loss(keras.ops.ones((2, 3)), keras.ops.zeros((2, 3))))
        1.0
    """

    def __init__(
        self, loss: Any = "mse", teacher_layer_name: str | None = None, student_layer_name: str | None = None
    ) -> None:
        super().__init__(loss)
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raises ValueError if a named layer is missing, or the model has no graph to look for it."""
        named = {"teacher": (teacher, self.teacher_layer_name), "student": (student, self.student_layer_name)}
        if all(name is None for _, name in named.values()):
            return
        subclassed = [what for what, (model, _) in named.items() if getattr(model, "inputs", None) is None]
        if subclassed:
            raise ValueError(
                f"[FeatureDistillation] expected Functional or Sequential models with inputs for layers by name, received "
                f"others as {' and '.join(subclassed)}. Call it on a keras.Input, or leave the names of layers out."
            )
        for what, (model, name) in named.items():
            if name is None:
                continue
            try:
                model.get_layer(name=name)
            except ValueError as error:
                raise ValueError(f"[FeatureDistillation] In {what} model: {error}") from error

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raises ValueError if outputs and losses are not nested alike."""
        super().validate_outputs(teacher_outputs, student_outputs)
        try:
            tree.assert_same_structure(self.loss, teacher_outputs)
        except ValueError as error:
            raise ValueError(f"[FeatureDistillation] Loss structure mismatch: {error}") from error

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The sum over outputs of the mean loss, a scalar."""
        return self._total(lambda f, t, s: ops.mean(f(t, s)), teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            "loss": self._loss_config(),
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }


class LogitsDistillation(_ByStructure):
    """Compares the logits of teacher and student, both divided by a temperature.

    A loss gets these logits as they are, with one exception: `keras.losses.KLDivergence()`, which gets their softmax, and
    whose value is multiplied by the square of the temperature. The name "kl_divergence" stands for the function, as in
    Keras 3.15, which takes logits for probabilities. Pass `keras.losses.KLDivergence()` for the loss of the paper.

    Args:
        temperature: number above 0; large values let small probabilities count.
        loss: a loss, its name, or a structure of these like the models' outputs, None where nothing is compared.

    Raises:
        ValueError: if there is no loss, or `temperature` is not a number above 0.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.

    Example:
        >>> from tahr import keras
        >>> loss = keras.distillation.LogitsDistillation(temperature=2.0, loss=keras.losses.KLDivergence())
        >>> float(loss.compute_loss(keras.ops.ones((1, 2)), keras.ops.ones((1, 2))))
        0.0
    """

    def __init__(self, temperature: float = 3.0, loss: Any = "kl_divergence") -> None:
        super().__init__(loss)
        if not isinstance(temperature, (int, float)):
            raise ValueError(f"[LogitsDistillation] temperature must be a number, received {temperature!r}.")
        if temperature <= 0.0:
            raise ValueError(f"[LogitsDistillation] temperature must be positive, received {temperature}.")
        self.temperature = temperature

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """The sum over outputs of the mean loss, a scalar."""

        def one(loss: Any, teacher: Any, student: Any) -> Any:
            teacher, student = ops.divide(teacher, self.temperature), ops.divide(student, self.temperature)
            if isinstance(loss, losses.KLDivergence):
                divergence = loss(ops.softmax(teacher, axis=-1), ops.softmax(student, axis=-1))
                return ops.mean(divergence) * self.temperature**2
            return ops.mean(loss(teacher, student))

        return self._total(one, teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"temperature": self.temperature, "loss": self._loss_config()}
