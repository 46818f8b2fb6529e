"""keras.mixed_precision: the older names of `keras.dtype_policies` and `keras.config.dtype_policy`."""

from tahr.keras.dtype_policies import DTypePolicy, dtype_policy, set_dtype_policy

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = ["DTypePolicy", "Policy", "dtype_policy", "global_policy", "set_dtype_policy", "set_global_policy"]


def __getattr__(name: str):
    if name == "LossScaleOptimizer":
        from tahr.keras import optimizers

        return optimizers.LossScaleOptimizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
