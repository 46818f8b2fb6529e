"""KerasClassifier and KerasRegressor, the estimators of Keras 1 and 2: a function that builds a model, and arguments.

    regressor = KerasRegressor(build_model, epochs=10)
    search = RandomizedSearchCV(regressor, {"n_hidden": [0, 1, 2]}, n_iter=3, cv=3)
    search.fit(x, y, callbacks=[...])
    model = search.best_estimator_.model

Arguments of the function are the parameters to search over, together with those of the model's `fit`, `predict` and
`evaluate`, which go to whichever of these take them.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr.keras.models.model import Model
from tahr.keras.wrappers.sklearn_names import BaseEstimator, ClassifierMixin, NotFittedError, RegressorMixin

__all__ = ["KerasClassifier", "KerasRegressor"]

_OLD_FIT_ARGUMENTS = {"nb_epoch", "workers", "use_multiprocessing", "max_queue_size"}
_CATEGORICAL = ("categorical_crossentropy", "CategoricalCrossentropy")


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    own = {k: p for k, p in inspect.signature(function).parameters.items() if k not in ("self", "x", "y")}
    return {k: p for k, p in own.items() if p.kind is not inspect.Parameter.VAR_POSITIONAL}


def _takes_anything(parameters: dict[str, inspect.Parameter]) -> bool:
    return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


def _accepted(function: Callable[..., Any]) -> set[str]:
    """Names of the arguments of `build_fn` or of one of the model's methods, data apart."""
    return set(_parameters(function)) | (_OLD_FIT_ARGUMENTS if function is Model.fit else set())


_METHOD_ARGUMENTS = _accepted(Model.fit) | _accepted(Model.predict) | _accepted(Model.evaluate)


class BaseWrapper(BaseEstimator):
    """What the two estimators share.

    Args:
        build_fn: function that returns a compiled model, or an object with such a `__call__`. None for a subclass whose
            `__call__` does that.
        sk_params: arguments of `build_fn`, and of the model's `fit`, `predict` and `evaluate`.

    Attributes:
        model: the model, once `fit` has built it.
    """

    def __init__(self, build_fn: Any = None, **sk_params: Any) -> None:
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model")

    def _builder(self) -> Callable[..., Any]:
        name = type(self).__name__
        if self.build_fn is None and not callable(self):
            raise ValueError(
                f"[{name}] expected build_fn, a function that returns a compiled model, received None. "
                f"Write {name}(build_fn)."
            )
        function = self if self.build_fn is None else self.build_fn
        if isinstance(function, Model) or not callable(function):
            raise TypeError(
                f"[{name}] expected build_fn to be a function that returns a compiled model, received {function!r}. "
                "keras.wrappers.SKLearnClassifier and SKLearnRegressor take models."
            )
        return function

    def check_params(self, params: dict[str, Any]) -> None:
        """Checks that somebody takes each of the parameters.

        Raises:
            ValueError: for a name that neither `build_fn` nor the model's `fit`, `predict` or `evaluate` have.
        """
        builder = _parameters(self._builder())
        if _takes_anything(builder):
            return
        legal = _METHOD_ARGUMENTS | set(builder)
        for name in params:
            if name not in legal and name != "build_fn":
                raise ValueError(
                    f"[{type(self).__name__}] {name} is not a legal parameter: expected an argument of build_fn "
                    f"({', '.join(builder) or 'it has none'}), or of the model's fit, predict or evaluate."
                )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters: those given, `build_fn`, and what else `build_fn` has defaults for.

        Args:
            deep: as in scikit-learn; the parameters hold no further estimators.
        """
        defaults = {k: p.default for k, p in _parameters(self._builder()).items() if p.default is not p.empty}
        return {**defaults, **self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> Any:
        """Sets parameters, and returns the estimator.

        Raises:
            ValueError: for parameters that `check_params` refuses.
        """
        before = self.build_fn
        self.build_fn = params.get("build_fn", before)
        try:
            self.check_params(params)
        except (TypeError, ValueError):
            self.build_fn = before
            raise
        self.sk_params.update({k: v for k, v in params.items() if k != "build_fn"})
        return self

    def filter_sk_params(self, fn: Callable[..., Any], override: dict[str, Any] | None = None) -> dict[str, Any]:
        """Those of the given parameters that the function `fn` takes, and `override`."""
        names = _accepted(fn)
        if _takes_anything(_parameters(fn)):  # what the model's methods do not take is meant for it
            names = names | (set(self.sk_params) - _METHOD_ARGUMENTS)
        return {**{k: v for k, v in self.sk_params.items() if k in names}, **(override or {})}

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Builds a model and trains it.

        Args:
            x: inputs (samples, ...).
            y: targets.
            kwargs: arguments of the model's `fit`; they go before those of the constructor.

        Returns:
            The History of the model's `fit`.
        """
        model = self._builder()(**self.filter_sk_params(self._builder()))
        if not isinstance(model, Model) or not model.compiled:
            raise ValueError(
                f"[{type(self).__name__}] expected build_fn to return a compiled model, received {model!r}. "
                "Call model.compile(...) in it, and return the model."
            )
        self.model = model
        return model.fit(x, self._targets(y), **{**copy.deepcopy(self.filter_sk_params(Model.fit)), **kwargs})

    def _targets(self, y: Any) -> Any:
        """Targets as the model is trained on."""
        return np.asarray(y)

    def _fitted(self) -> Any:
        if not hasattr(self, "model"):
            raise NotFittedError(f"[{type(self).__name__}] expected a trained model. Call fit first.")
        return self.model

    def _predict(self, x: Any, kwargs: dict[str, Any]) -> Any:
        return self._fitted().predict(x, **self.filter_sk_params(Model.predict, kwargs))

    def _evaluate(self, x: Any, y: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        arguments = self.filter_sk_params(Model.evaluate, kwargs)
        return self._fitted().evaluate(x, y, **{**arguments, "return_dict": True})


class KerasClassifier(ClassifierMixin, BaseWrapper):
    """A classifier of scikit-learn, made of a function that builds a model.

    Args:
        build_fn: function that returns a compiled model.
        sk_params: arguments of `build_fn`, and of the model's `fit`, `predict` and `evaluate`.

    Attributes:
        model: the model, once `fit` has built it.
        classes_: the labels, sorted; the numbers of the columns where `y` is one-hot.
        n_classes_: how many.

    The model learns the number of the class, or its one-hot row where the loss is categorical_crossentropy.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> from tahr.keras.wrappers.scikit_learn import KerasClassifier
        >>> def build(units=4):
        ...     model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(1, activation="sigmoid")])
        ...     model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        ...     return model
        >>> x = np.random.default_rng(0).normal(size=(20, 3))
        >>> classifier = KerasClassifier(build, epochs=2, verbose=0)
        >>> history = classifier.fit(x, x[:, 0] > 0)
        >>> classifier.predict(x).shape, classifier.predict_proba(x).shape
        ((20,), (20, 2))
    """

    def _targets(self, y: Any) -> Any:
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            self.classes_ = np.unique(y)
        else:
            raise ValueError(
                f"[KerasClassifier] expected targets of shape (samples,), (samples, 1) or (samples, classes), received "
                f"{y.shape}."
            )
        self.n_classes_ = len(self.classes_)
        return self._codes(y)

    def _codes(self, y: Any) -> Any:
        """Targets of known classes as the model is trained on."""
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            return y
        codes = np.minimum(np.searchsorted(self.classes_, y), self.n_classes_ - 1)
        unknown = self.classes_[codes] != y
        if np.any(unknown):
            raise ValueError(
                f"[KerasClassifier] expected labels that the training data had, received {y[unknown].tolist()[0]!r}."
            )
        loss = self.model.loss
        name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
        return np.eye(self.n_classes_)[codes.reshape(-1)] if name in _CATEGORICAL else codes

    def predict(self, x: Any, **kwargs: Any) -> Any:
        """The predicted labels: (samples,).

        Args:
            x: inputs (samples, ...).
            kwargs: arguments of the model's `predict`.
        """
        codes = self.predict_proba(x, **kwargs).argmax(axis=-1)
        return self.classes_[codes]

    def predict_proba(self, x: Any, **kwargs: Any) -> Any:
        """The model's outputs, one per class: (samples, classes). Of a single output p, the columns 1 - p and p.

        Args:
            x: inputs (samples, ...).
            kwargs: arguments of the model's `predict`.
        """
        outputs = self._predict(x, kwargs)
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The share of right predictions.

        Args:
            x: inputs (samples, ...).
            y: labels, or one-hot rows.
            kwargs: arguments of the model's `evaluate`, such as `sample_weight`.

        Raises:
            ValueError: if the model was not compiled with `metrics=["accuracy"]`.
        """
        self._fitted()
        results = self._evaluate(x, self._codes(y), kwargs)
        for name in ("accuracy", "acc"):
            if name in results:
                return float(results[name])
        raise ValueError(
            f"[KerasClassifier] expected a model that measures accuracy, found {sorted(results)}. Compile it with "
            'metrics=["accuracy"].'
        )


class KerasRegressor(RegressorMixin, BaseWrapper):
    """A regressor of scikit-learn, made of a function that builds a model.

    Args:
        build_fn: function that returns a compiled model.
        sk_params: arguments of `build_fn`, and of the model's `fit`, `predict` and `evaluate`.

    Attributes:
        model: the model, once `fit` has built it.

    Example:
        >>> import numpy as np
        >>> from tahr import keras
        >>> from tahr.keras.wrappers.scikit_learn import KerasRegressor
        >>> def build(units=4):
        ...     model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> x = np.random.default_rng(0).normal(size=(20, 3))
        >>> regressor = KerasRegressor(build, epochs=2, verbose=0)
        >>> history = regressor.fit(x, x[:, 0])
        >>> regressor.predict(x).shape, regressor.score(x, x[:, 0]) < 0
        ((20,), True)
    """

    def predict(self, x: Any, **kwargs: Any) -> Any:
        """The model's outputs: (samples,), or (samples, outputs) if it has several.

        Args:
            x: inputs (samples, ...).
            kwargs: arguments of the model's `predict`.
        """
        outputs = self._predict(x, kwargs)
        return outputs[..., 0] if outputs.shape[-1] == 1 else outputs

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The negative of the model's loss, so that more is better, as in Keras 2; not scikit-learn's R².

        Args:
            x: inputs (samples, ...).
            y: targets.
            kwargs: arguments of the model's `evaluate`, such as `sample_weight`.
        """
        return -float(self._evaluate(x, np.asarray(y), kwargs)["loss"])
