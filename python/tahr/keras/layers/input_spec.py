"""InputSpec: what a layer demands of its inputs, and the check."""

from __future__ import annotations

from typing import Any

from tahr.keras import tree
from tahr.keras.backend.dtypes import standardize_dtype
from tahr.keras.backend.variables import standardize_shape


class InputSpec:
    """What one input of a layer must look like. Whatever is None is not checked.

    Args:
        dtype: its dtype.
        shape: its shape, None for axes of any size.
        ndim: number of axes.
        max_ndim: greatest number of axes.
        min_ndim: least number of axes.
        axes: from axes to the sizes they must have.
        allow_last_axis_squeeze: whether an axis of size 1 at the end may be there or not.
        name: key of the input in a dict of inputs.
        optional: whether None may stand in its place.
    """

    _keras_module = "keras"

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else standardize_shape(shape)
        self.ndim = ndim if self.shape is None else len(self.shape)
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.name = name
        self.optional = optional
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        try:
            self.axes = {int(k): v for k, v in (axes or {}).items()}
        except (AttributeError, TypeError, ValueError):
            raise TypeError(f"[InputSpec] expected axes to be a dict with integer keys, received {axes!r}.") from None
        most = self.ndim if self.ndim else self.max_ndim
        if self.axes and most is not None and max(self.axes) > most - 1:
            raise ValueError(f"[InputSpec] expected axes of at most {most - 1}, received {max(self.axes)}.")

    def __repr__(self) -> str:
        keys = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        return f"InputSpec({', '.join(f'{k}={getattr(self, k)}' for k in keys if getattr(self, k))})"

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        keys = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {k: getattr(self, k) for k in keys}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """The spec that `get_config` described."""
        return cls(**config)


def assert_input_compatibility(input_spec: Any, inputs: Any, layer_name: str) -> None:
    """Raises ValueError, naming the layer, unless `inputs` meet `input_spec` (one or a structure of them)."""
    if input_spec.__class__ is InputSpec and hasattr(inputs, "shape"):
        _check(input_spec, inputs, layer_name)
        return
    specs = tree.flatten(input_spec)
    if isinstance(inputs, dict):
        names = [s.name for s in specs if s is not None]
        if len(names) == len(specs) and all(names):
            missing = [n for n in names if n not in inputs]
            if missing:
                raise ValueError(
                    f"[{layer_name}] expected inputs with the keys {names}, received {list(inputs)}. Add {missing}."
                )
            inputs = [inputs[n] for n in names]
    flat = tree.flatten(inputs)
    if len(flat) != len(specs):
        raise ValueError(f"[{layer_name}] expects {len(specs)} input(s), received {len(flat)}.")
    for x, spec in zip(flat, specs):
        if x is None and spec is not None and not spec.optional:
            name = f"input {spec.name!r}" if spec.name else "an input"
            raise ValueError(f"[{layer_name}] {name} is not optional: expected a tensor, received None.")
        if spec is not None and not (x is None and spec.optional):
            _check(spec, x, layer_name)


def _check(spec: InputSpec, x: Any, layer: str) -> None:
    if not hasattr(x, "shape"):
        raise ValueError(f"[{layer}] expected a tensor as input, received {x!r} of type {type(x).__name__}.")
    shape = tuple(x.shape)
    rank = len(shape)

    def refuse(expected: str, advice: str = "") -> ValueError:
        text = f"[{layer}] expected {expected}, received shape {shape}."
        return ValueError(f"{text} {advice}." if advice else text)

    if spec.ndim is not None and rank != spec.ndim and not spec.allow_last_axis_squeeze:
        raise refuse(f"input with {spec.ndim} axes (ndim={spec.ndim})", "Reshape it, or add the missing batch axis")
    if spec.max_ndim is not None and rank > spec.max_ndim:
        raise refuse(f"input with at most {spec.max_ndim} axes (max_ndim={spec.max_ndim})")
    if spec.min_ndim is not None and rank < spec.min_ndim:
        advice = "The first axis is the batch; for one sample, pass x[None]"
        raise refuse(f"input with at least {spec.min_ndim} axes (min_ndim={spec.min_ndim})", advice)
    if spec.dtype is not None:
        dtype = standardize_dtype(x.dtype)
        if dtype != spec.dtype:
            raise ValueError(f"[{layer}] expected input of dtype={spec.dtype}, received dtype={dtype}. Cast it.")
    for axis, size in spec.axes.items():
        if size is not None and shape[axis] is not None and shape[axis] != size:
            where = "last axis" if axis == -1 or axis == rank - 1 else f"axis {axis} of size"
            advice = (
                "It is incompatible with the layer, which was built for that size: pass such data, or make a new layer"
            )
            raise refuse(f"input with {where} {size}", advice)
    if spec.shape is not None:
        want, have = spec.shape, shape
        if spec.allow_last_axis_squeeze:
            if len(have) == len(want) + 1 and have[-1] == 1:
                have = have[:-1]
            elif len(have) == len(want) - 1 and want[-1] == 1:
                want = want[:-1]
        if any(a is not None and b is not None and a != b for a, b in zip(want, have)) or (
            spec.allow_last_axis_squeeze and len(want) != len(have)
        ):
            of = f" for the input with name {spec.name!r}" if spec.name else ""
            raise ValueError(
                f"[{layer}] expected shape={spec.shape}, found shape={shape}{of}. Check the data against the model's input."
            )
