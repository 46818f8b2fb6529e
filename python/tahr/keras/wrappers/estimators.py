"""SKLearnClassifier, SKLearnRegressor, SKLearnTransformer: the estimators of Keras 3.

An estimator has a model, or a function that makes one for the data, as its parameter `model`, and what `fit` has trained
as its attribute `model_`.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from tahr.keras.models.cloning import clone_model
from tahr.keras.models.model import Model
from tahr.keras.wrappers.sklearn_names import (
    BaseEstimator,
    ClassifierMixin,
    MetadataRequest,
    RegressorMixin,
    TransformerMixin,
    check_is_fitted,
    routing_enabled,
    type_of_target,
    validate_data,
)


class SKLearnBase(BaseEstimator):
    """What the three estimators share."""

    _multi_output = True

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.target_tags.multi_output = self._multi_output
        return tags

    def __sklearn_clone__(self) -> Any:
        # A model is copied with its weights: with warm_start they are where training begins.
        model = copy.deepcopy(self.model) if isinstance(self.model, Model) else self.model
        return type(self)(
            model=model,
            warm_start=self.warm_start,
            model_kwargs=copy.deepcopy(self.model_kwargs),
            fit_kwargs=copy.deepcopy(self.fit_kwargs),
        )

    @property
    def epoch_(self) -> int:
        """How many epochs the last `fit` trained; 0 before it."""
        history = getattr(self, "history_", None)
        return 0 if history is None else len(history.epoch)

    def set_fit_request(self, **kwargs: Any) -> Any:
        """Says which metadata `fit` asks of scikit-learn's metadata routing.

        Args:
            kwargs: per argument of the model's `fit`: True (wanted), False (not), None (an error if given), or the name
                under which the user gives it.

        Returns:
            The estimator.

        Raises:
            RuntimeError: if metadata routing is off.
        """
        if not routing_enabled():
            raise RuntimeError(
                f"[{type(self).__name__}] set_fit_request needs metadata routing. Turn it on: "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        request = MetadataRequest(owner=self)
        for name, alias in kwargs.items():
            request.fit.add_request(param=name, alias=alias)
        self._metadata_request = request
        return self

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """Trains a model on the data.

        Args:
            X: inputs (samples, features).
            y: targets (samples,) or (samples, outputs).
            kwargs: arguments of the model's `fit`; they go before those of `fit_kwargs`.

        Returns:
            The estimator.

        Raises:
            RuntimeError: if the model is not compiled with a loss and an optimizer.
        """
        X, y = validate_data(self, X, y, multi_output=self._multi_output)
        y = self._encode(y)
        model = self._model_for(X, y)
        if not (model.compiled and getattr(model, "loss", None) and getattr(model, "optimizer", None)):
            raise RuntimeError(
                f"[{type(self).__name__}] expected a compiled model with a loss and an optimizer. Call "
                "model.compile(optimizer=..., loss=...) on it."
            )
        self.history_ = model.fit(X, y, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def _model_for(self, X: Any, y: Any) -> Any:
        """The model that `fit` trains."""
        if isinstance(self.model, Model):
            if self.model_kwargs:
                raise ValueError(
                    f"[{type(self).__name__}] expected no model_kwargs with a ready model, received "
                    f"{sorted(self.model_kwargs)}. They are arguments of a function that makes the model."
                )
            return self.model if self.warm_start else clone_model(self.model)
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        return self.model(X=X, y=y, **(self.model_kwargs or {}))

    def _outputs(self, X: Any) -> Any:
        check_is_fitted(self)
        return self.model_.predict(validate_data(self, X, reset=False))

    def predict(self, X: Any) -> Any:
        """The trained model's predictions.

        Args:
            X: inputs (samples, features).

        Returns:
            Array like the `y` that `fit` was given.
        """
        return self._decode(self._outputs(X))

    def _encode(self, y: Any) -> Any:
        """Targets as the model is trained on: with two axes."""
        _known_type(y)
        self._target_rank = y.ndim
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _decode(self, outputs: Any) -> Any:
        """The model's outputs as targets."""
        flat = self._target_rank == 1 and outputs.ndim == 2 and outputs.shape[1] == 1
        return outputs[:, 0] if flat else outputs


def _known_type(y: Any) -> str:
    kind = type_of_target(y)
    if kind == "unknown":
        raise ValueError(f"[keras.wrappers] expected numbers or labels as targets: Unknown label type for data: {y!r}")
    return kind


class SKLearnClassifier(ClassifierMixin, SKLearnBase):
    """A classifier of scikit-learn whose model is one of Keras.

    The model is trained on one-hot targets, a column per class, and has an output per class.

    Args:
        model: a compiled model, of which `fit` trains a clone; or a function `f(X, y, **model_kwargs)` that returns a
            compiled model for these inputs and one-hot targets.
        warm_start: whether `fit` goes on with the model itself, or with what the last `fit` has trained.
        model_kwargs: further arguments of the function.
        fit_kwargs: arguments of the model's `fit`.

    Attributes:
        model_: the trained model.
        history_: the History that its `fit` returned.
        classes_: the labels, sorted.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> def make(X, y):
        ...     model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(y.shape[1], activation="softmax")])
        ...     model.compile("adam", "categorical_crossentropy")
        ...     return model
        >>> X = np.random.default_rng(0).normal(size=(20, 3))
        >>> classifier = keras.wrappers.SKLearnClassifier(make, fit_kwargs={"verbose": 0})
        >>> classifier = classifier.fit(X, np.where(X[:, 0] > 0, "yes", "no"))
        >>> classifier.classes_.tolist(), classifier.model_.output_shape
        (['no', 'yes'], (None, 2))
    """

    _multi_output = False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def decision_function(self, X: Any) -> Any:
        """The model's outputs as they are: (samples, classes)."""
        return self._outputs(X)

    def _encode(self, y: Any) -> Any:
        kind = _known_type(y)
        if kind not in ("binary", "multiclass"):
            raise ValueError(
                f"[SKLearnClassifier] expected one label per sample: Only binary and multiclass target types are "
                f"supported. Unknown label type: {kind}."
            )
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) == 1:
            raise ValueError(
                f"[SKLearnClassifier] expected two classes or more, received only one class, {classes[0]!r}: "
                "Classifier can't train when only one class is present."
            )
        self.classes_ = classes
        self._target_rank = y.ndim
        return np.eye(len(classes))[codes.reshape(-1)]

    def _decode(self, outputs: Any) -> Any:
        count = len(self.classes_)
        if outputs.ndim != 2 or outputs.shape[1] != count:
            raise ValueError(
                f"[SKLearnClassifier] expected the model to give {count} outputs per sample, one per class, received an "
                f"array of shape {outputs.shape}."
            )
        labels = self.classes_[outputs.argmax(axis=1)]
        return labels if self._target_rank == 1 else labels[:, None]


class SKLearnRegressor(RegressorMixin, SKLearnBase):
    """A regressor of scikit-learn whose model is one of Keras.

    Args:
        model: a compiled model, of which `fit` trains a clone; or a function `f(X, y, **model_kwargs)` that returns a
            compiled model for these inputs and targets, which have two axes.
        warm_start: whether `fit` goes on with the model itself, or with what the last `fit` has trained.
        model_kwargs: further arguments of the function.
        fit_kwargs: arguments of the model's `fit`.

    Attributes:
        model_: the trained model.
        history_: the History that its `fit` returned.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> regressor = keras.wrappers.SKLearnRegressor(model, fit_kwargs={"verbose": 0})
        >>> X = np.random.default_rng(0).normal(size=(20, 3))
        >>> regressor = regressor.fit(X, X[:, 0])
        >>> len(regressor.history_.history["loss"]), regressor.model_ is model
        (1, False)
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


class SKLearnTransformer(TransformerMixin, SKLearnBase):
    """A transformer of scikit-learn (a step that turns data into other data) whose model is one of Keras.

    Args:
        model: a compiled model, of which `fit` trains a clone; or a function `f(X, y, **model_kwargs)` that returns a
            compiled model for these inputs and targets, which have two axes.
        warm_start: whether `fit` goes on with the model itself, or with what the last `fit` has trained.
        model_kwargs: further arguments of the function.
        fit_kwargs: arguments of the model's `fit`.

    Attributes:
        model_: the trained model.
        history_: the History that its `fit` returned.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.compile("adam", "mse")
        >>> transformer = keras.wrappers.SKLearnTransformer(model, fit_kwargs={"verbose": 0})
        >>> X = np.random.default_rng(0).normal(size=(20, 3))
        >>> transformer = transformer.fit(X, X[:, :2])
        >>> transformer.model_.output_shape
        (None, 2)
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def transform(self, X: Any) -> Any:
        """The model's outputs for the inputs `X` (samples, features)."""
        return self._outputs(X)
