"""Losses: what training minimises, as functions `(y_true, y_pred) -> values` and as classes that reduce the values.

By kind of target: `regression.py`, `classification.py`, `overlap.py` (sets, embeddings), `ctc.py` (sequences); what they
share is in `base.py`. A new loss is a function, a `FunctionLoss` around it, and an entry in `_OBJECTS`.
"""

from __future__ import annotations

from typing import Any

from tahr.keras.identifiers import Identifiers
from tahr.keras.losses.base import (
    FunctionLoss,
    Loss,
    LossFunctionWrapper,
    apply_mask,
    reduce_weighted_values,
    squeeze_or_expand_to_same_rank,
)
from tahr.keras.losses.classification import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    hinge,
    kl_divergence,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from tahr.keras.losses.ctc import CTC, ctc
from tahr.keras.losses.overlap import Circle, Dice, Tversky, circle, dice, tversky
from tahr.keras.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)
from tahr.keras.saving import serialize_keras_object

_CLASSES = (
    Loss,
    LossFunctionWrapper,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CTC,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    Circle,
    CosineSimilarity,
    Dice,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
)
_FUNCTIONS = (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    circle,
    cosine_similarity,
    ctc,
    dice,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
    tversky,
)
_ALIASES = {
    "bce": binary_crossentropy,
    "BCE": binary_crossentropy,
    "kld": kl_divergence,
    "KLD": kl_divergence,
    "kullback_leibler_divergence": kl_divergence,
    "logcosh": log_cosh,
    "mae": mean_absolute_error,
    "MAE": mean_absolute_error,
    "mape": mean_absolute_percentage_error,
    "MAPE": mean_absolute_percentage_error,
    "mse": mean_squared_error,
    "MSE": mean_squared_error,
    "msle": mean_squared_logarithmic_error,
    "MSLE": mean_squared_logarithmic_error,
}
_identifiers = Identifiers("loss", (*_CLASSES, *_FUNCTIONS), _ALIASES, snake_case=False)

# Short names of Keras 2.
mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
bce = BCE = binary_crossentropy
logcosh = log_cosh


class Reduction:
    """Names of the reductions as constants, as Keras 2 had them; plain strings do the same."""

    AUTO = "sum_over_batch_size"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """All reductions."""
        return (cls.AUTO, cls.NONE, cls.SUM, cls.SUM_OVER_BATCH_SIZE)

    @classmethod
    def validate(cls, key: str) -> None:
        """Raises a `ValueError` if `key` is not a reduction."""
        if key not in cls.all():
            raise ValueError(f"[Reduction] expected one of {cls.all()}, received {key!r}.")


def serialize(loss: Any) -> Any:
    """A plain-Python config of a loss, for `deserialize`."""
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: dict | None = None) -> Any:
    """The loss that `serialize` described."""
    return _identifiers.deserialize(name, custom_objects)


def get(identifier: Any) -> Any:
    """The loss that a name (`"mse"`), config dict, class or callable stands for; `None` for `None`.

    Returns:
        A function for the name of a function, an object for the name of a class; both are callables
        `(y_true, y_pred)`.

    Raises:
        ValueError: the identifier is of another kind, or the name is unknown.

    Example:

    >>> from tahr.keras import losses
    >>> losses.get("mse").__name__
    'mean_squared_error'
    """
    return _identifiers.get(identifier)


def resolve(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """The `Loss` that `compile(loss=identifier)` means, given the first targets and predictions.

    `"crossentropy"` and `"ce"` become the binary, sparse or categorical cross-entropy by the shapes; a function is
    wrapped.

    Arguments:
        identifier: what `get` accepts, or one of the two names above.
        y_true: targets (only their shape matters).
        y_pred: predictions (only their shape matters).

    Returns:
        A `Loss`, or `None` for `None`.
    """
    if identifier is None:
        return None
    name = None
    if isinstance(identifier, str):
        name = identifier
        if identifier.lower() in ("crossentropy", "ce"):
            kind = target_kind(y_true, y_pred)
            identifier = {
                "binary": binary_crossentropy,
                "sparse": sparse_categorical_crossentropy,
                "categorical": categorical_crossentropy,
            }[kind]
    loss = get(identifier)
    if isinstance(loss, Loss):
        return loss
    return LossFunctionWrapper(loss, name=name or getattr(loss, "__name__", None))


def target_kind(y_true: Any, y_pred: Any) -> str:
    """What the shapes of targets and predictions say: `"binary"`, `"sparse"` (class ids) or `"categorical"` (one-hot)."""
    true_shape, pred_shape = tuple(y_true.shape), tuple(y_pred.shape)
    outputs = pred_shape[-1] if pred_shape else 1
    if outputs == 1:
        return "binary"
    if len(true_shape) < len(pred_shape) or true_shape[-1] == 1:
        return "sparse"
    return "categorical"


__all__ = [
    "BCE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CTC",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "FunctionLoss",
    "Hinge",
    "Huber",
    "KLD",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Reduction",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "apply_mask",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "reduce_weighted_values",
    "resolve",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "squeeze_or_expand_to_same_rank",
    "target_kind",
    "tversky",
]
