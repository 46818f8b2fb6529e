"""What normalisations with a learned scale and offset share."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import constraints, initializers, regularizers
from tahr.keras.layers.layer import Layer


class AffineNormalization(Layer):
    """A normalisation whose result is multiplied by `gamma` and moved by `beta`, one of each per normalised feature.

    Args:
        epsilon: added to variances.
        center: whether there is a beta.
        scale: whether there is a gamma.
        beta_initializer: initializer of beta.
        gamma_initializer: initializer of gamma.
        beta_regularizer: regularizer of beta.
        gamma_regularizer: regularizer of gamma.
        beta_constraint: constraint of beta.
        gamma_constraint: constraint of gamma.

    Subclasses set `axis`.
    """

    axis: Any

    def __init__(
        self,
        *,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Any = None
        self.beta: Any = None
        self.supports_masking = True

    def _add_affine_weights(self, shape: tuple[int, ...]) -> None:
        """Creates gamma and beta, which are read in their own dtype under mixed precision."""
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )

    def _sizes(self, input_shape: Any, axes: list[int]) -> tuple[int, ...]:
        """The sizes of these axes; ValueError if there is no such axis or its size is unknown."""
        check_axes(self.name, axes, input_shape)
        for a in axes:
            if input_shape[a] is None:
                raise ValueError(
                    f"[{self.name}] expected a known size of axis {a}, received shape {tuple(input_shape)}. "
                    f"Axis {a} of the input should have a defined dimension."
                )
        return tuple(input_shape[a] for a in axes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`input_shape`."""
        check_axes(self.name, [self.axis] if isinstance(self.axis, int) else self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


def check_axes(name: str, axes: Any, input_shape: Any) -> None:
    """ValueError unless each of `axes` is an axis of a tensor of this shape."""
    rank = len(input_shape)
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(
                f"[{name}] expected an axis within [-{rank}, {rank}), received axis={axis} for shape "
                f"{tuple(input_shape)}: it is out of bounds."
            )


def as_axis(name: str, axis: Any) -> Any:
    """`axis` as an int or a list of ints; TypeError if it is something else."""
    if isinstance(axis, (list, tuple)) and all(isinstance(a, int) for a in axis):
        return list(axis)
    if isinstance(axis, int) and not isinstance(axis, bool):
        return axis
    raise TypeError(
        f"[{name}] Expected an int or a list/tuple of ints for the argument 'axis', received axis={axis!r}."
    )


def in_dtype(x: Any, dtype: str) -> Any:
    """`x` in `dtype`, without a copy if it is so already."""
    return x if x.dtype == dtype else ops.cast(x, dtype)
