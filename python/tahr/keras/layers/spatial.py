"""Arguments and shapes of layers that work along spatial axes: convolutions, pools, padding and cropping."""

from __future__ import annotations

from typing import Any


def int_tuple(value: Any, n: int, what: str, layer: str, least: int = 1) -> tuple[int, ...]:
    """`value`, an integer or `n` of them, as a tuple of `n`.

    Raises:
        ValueError: if it is anything else, or holds a number smaller than `least`.
    """
    try:
        values = (int(value),) * n if hasattr(value, "__index__") else tuple(map(int, value))
    except (TypeError, ValueError):
        values = ()
    if len(values) != n or any(v < least for v in values):
        raise ValueError(
            f"[{layer}] expected {what} to be an integer of at least {least} or a tuple of {n} such integers, "
            f"received {what}={value!r}."
        )
    return values


def int_pairs(value: Any, axes: int, what: str, layer: str) -> tuple[tuple[int, int], ...]:
    """`value`, one integer, one per axis or a pair per axis, as a pair for each of `axes` axes."""
    if hasattr(value, "__index__"):
        value = (value,) * axes
    if not hasattr(value, "__len__") or len(value) != axes:
        raise ValueError(
            f"[{layer}] expected {what} to be an integer, {axes} integers or {axes} pairs of integers, received "
            f"{what}={value!r}."
        )
    return tuple(int_tuple(v, 2, what, layer, least=0) for v in value)  # type: ignore[misc]


def padding_name(value: Any, layer: str, causal: bool = False) -> str:
    """`value` in lower case: "valid", "same", or "causal" where that is allowed."""
    allowed = ("valid", "same", "causal") if causal else ("valid", "same")
    if not isinstance(value, str) or value.lower() not in allowed:
        raise ValueError(f"[{layer}] expected padding to be one of {', '.join(allowed)}, received padding={value!r}.")
    return value.lower()


def windows(
    size: int | None, window: int, stride: int, padding: str, dilation: int = 1, layer: str = "Layer"
) -> int | None:
    """How many windows an axis of `size` places has.

    Raises:
        ValueError: if not even one fits.
    """
    if size is None:
        return None
    reach = (window - 1) * dilation + 1
    count = (size - reach) // stride + 1 if padding == "valid" else -(-size // stride)
    if count <= 0:
        raise ValueError(
            f"[{layer}] expected inputs at least as large as the window, which spans {reach} places, received an axis "
            f"of {size}. Use padding='same', or a smaller window."
        )
    return count


def spatial_sizes(shape: Any, data_format: str) -> tuple[int | None, ...]:
    """The sizes of the spatial axes of a shape."""
    return tuple(shape[1:-1]) if data_format == "channels_last" else tuple(shape[2:])


def with_spatial_sizes(shape: Any, sizes: Any, channels: int | None, data_format: str) -> tuple[int | None, ...]:
    """The shape of an output with these sizes and channels, for the batch of `shape`."""
    return (shape[0], *sizes, channels) if data_format == "channels_last" else (shape[0], channels, *sizes)
