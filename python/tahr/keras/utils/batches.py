"""The form of a batch: x, (x, y) or (x, y, sample_weight)."""

from __future__ import annotations

from typing import Any


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Splits what a data source yields into `(x, y, sample_weight)`.

    Args:
        data: one value (the inputs), or a tuple `(x,)`, `(x, y)` or `(x, y, sample_weight)`; a list counts as inputs.

    Returns:
        A tuple of three, with None for what is absent.

    Raises:
        ValueError: the tuple has no entry or more than three.

    Example:
        >>> from tahr import keras
        >>> keras.utils.unpack_x_y_sample_weight((1, 2))
        (1, 2, None)
    """
    if not isinstance(data, tuple):
        return (data, None, None)
    if not 1 <= len(data) <= 3:
        raise ValueError(
            "[unpack_x_y_sample_weight] expected a tuple (x,), (x, y) or (x, y, sample_weight), "
            f"received a tuple of {len(data)} entries. Wrap several inputs in one tuple, list or dict: ((x1, x2), y)."
        )
    return data + (None,) * (3 - len(data))  # type: ignore[return-value]


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The inverse of `unpack_x_y_sample_weight`: the shortest form that holds what is given.

    Args:
        x: inputs. A tuple is wrapped, so that it is not taken for `(x, y)`.
        y: targets or None.
        sample_weight: weights or None.

    Returns:
        Just `x`, a pair of `x` and `y`, or all three as a tuple.

    Example:
        >>> from tahr import keras
        >>> keras.utils.pack_x_y_sample_weight(1, 2)
        (1, 2)
    """
    if sample_weight is not None:
        return (x, y, sample_weight)
    if y is not None:
        return (x, y)
    return (x,) if isinstance(x, tuple) else x
