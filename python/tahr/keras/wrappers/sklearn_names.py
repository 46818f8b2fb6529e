"""What the wrappers use of scikit-learn; or, where it is missing, how to get it."""

try:
    import sklearn
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.metadata_routing import MetadataRequest
    from sklearn.utils.multiclass import type_of_target
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as error:
    raise ImportError(
        "[keras.wrappers] the wrappers are estimators of scikit-learn and need it. Install it: pip install scikit-learn"
    ) from error
except ImportError as error:
    raise ImportError(
        f"[keras.wrappers] expected scikit-learn 1.6 or newer, found {sklearn.__version__}. "
        "Update it: pip install -U scikit-learn"
    ) from error

__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "MetadataRequest",
    "NotFittedError",
    "RegressorMixin",
    "TransformerMixin",
    "check_is_fitted",
    "routing_enabled",
    "type_of_target",
    "validate_data",
]


def routing_enabled() -> bool:
    """Whether scikit-learn's metadata routing is on."""
    return bool(sklearn.get_config().get("enable_metadata_routing", False))
