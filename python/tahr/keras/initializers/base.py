"""The interface of an initializer."""

from __future__ import annotations

from typing import Any

from tahr.keras import backend


class Initializer:
    """Base class of initializers: objects that make the first value of a variable from its shape.

    Subclasses implement `__call__(shape, dtype=None, **kwargs)` and return a tensor of that shape and dtype. Those with
    arguments also implement `get_config`, so that a layer that uses them can be saved.

    Example:

    >>> from tahr import ops
    >>> from tahr.keras import initializers
    >>> class Alternating(initializers.Initializer):
    ...     def __call__(self, shape, dtype=None):
    ...         return ops.cos(ops.arange(shape[0], dtype="float32") * 3.14159265)
    >>> tuple(Alternating()((4,)).shape)
    (4,)
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        raise NotImplementedError(
            f"[initializer] {type(self).__name__} expected to implement `__call__(shape, dtype=None)`, found none."
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain Python values."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """Rebuilds the initializer from `get_config()`'s result."""
        return cls(**config)

    def clone(self) -> Initializer:
        """A new initializer with the same arguments."""
        return type(self).from_config(self.get_config())


def checked_dtype(dtype: Any) -> str:
    """`dtype` as a name; `None` is the default float dtype."""
    return backend.standardize_dtype(dtype or backend.floatx())
