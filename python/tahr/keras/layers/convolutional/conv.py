"""Conv1D, Conv2D, Conv3D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import constraints, initializers, regularizers
from tahr.keras.layers.convolutional.base import ConvolutionBase
from tahr.keras.layers.low_rank import LowRankKernel


class BaseConv(LowRankKernel, ConvolutionBase):
    """The convolution along `rank` axes; Conv1D to Conv3D set the rank."""

    def __init__(
        self,
        rank: int,
        filters: int,
        groups: int = 1,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rank, causal=rank == 1, **kwargs)
        self._check_count(filters, "filters")
        self._check_count(groups, "groups")
        if filters is not None and filters % groups != 0:
            raise ValueError(
                f"[{type(self).__name__}] expected groups to divide filters, received groups={groups} and "
                f"filters={filters}."
            )
        self.filters = filters
        self.groups = groups
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self._take_rank(lora_rank, lora_alpha)

    def build(self, input_shape: Any) -> None:
        """Creates kernel and bias for inputs of this shape."""
        channels = self._take_channels(input_shape)
        if channels % self.groups != 0:
            raise ValueError(
                f"[{self.name}] expected groups to divide the channels of the input, received groups={self.groups} and "
                f"shape {tuple(input_shape)}."
            )
        self.compute_output_shape(input_shape)
        self._kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._build_bias(self.filters)
        self._built_kernel()

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution of `inputs` with `kernel`, for subclasses to change."""
        return ops.conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def call(self, inputs: Any) -> Any:
        """The outputs for `inputs`."""
        return self._finish(self.convolution_op(inputs, self.kernel))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        return self._window_shape(input_shape, self.filters)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            **self._kernel_config("kernel"),
            **self._rank_config(),
        }


class Conv1D(BaseConv):
    """Convolution along one axis, such as time.

    Args:
        filters: number of outputs of each window.
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise.
        padding: "valid" (windows inside the input only) or "same" (zeros around it, as many windows as
            strides fit), or "causal" (zeros in front only).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window; strides or dilation_rate must be 1.
        groups: number of groups that channels and filters are cut into; each filter sees the channels of its group.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel (window, channels / groups, filters).
        bias_initializer: initializer of the bias.
        kernel_regularizer: regularizer of the kernel (window, channels / groups, filters).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel (window, channels / groups, filters).
        bias_constraint: constraint of the bias.
        kwargs: `lora_rank` and `lora_alpha` (see `enable_lora`), and the arguments of every layer.

    Shapes: (batch, time, channels) to (batch, new time, filters), or with the channels after the batch.

    Raises:
        ValueError: for sizes that are not positive, or groups that do not divide filters or channels.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Conv1D(8, 3)(np.ones((4, 10, 3), "float32")).shape
    (4, 8, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            1,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )


class Conv2D(BaseConv):
    """Convolution along two axes, as of images.

    Args:
        filters: number of outputs of each window.
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise.
        padding: "valid" (windows inside the input only) or "same" (zeros around it, as many windows as strides fit).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window; strides or dilation_rate must be 1.
        groups: number of groups that channels and filters are cut into; each filter sees the channels of its group.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel (window, channels / groups, filters).
        bias_initializer: initializer of the bias.
        kernel_regularizer: regularizer of the kernel (window, channels / groups, filters).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel (window, channels / groups, filters).
        bias_constraint: constraint of the bias.
        kwargs: `lora_rank` and `lora_alpha` (see `enable_lora`), and the arguments of every layer.

    Shapes: (batch, height, width, channels) to (batch, new height, width, filters),
        or with the channels after the batch.

    Raises:
        ValueError: for sizes that are not positive, or groups that do not divide filters or channels.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Conv2D(8, 3)(np.ones((4, 10, 10, 3), "float32")).shape
    (4, 8, 8, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )


class Conv3D(BaseConv):
    """Convolution along three axes, as of volumes or films.

    Args:
        filters: number of outputs of each window.
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise.
        padding: "valid" (windows inside the input only) or "same" (zeros around it, as many windows as strides fit).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window; strides or dilation_rate must be 1.
        groups: number of groups that channels and filters are cut into; each filter sees the channels of its group.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel (window, channels / groups, filters).
        bias_initializer: initializer of the bias.
        kernel_regularizer: regularizer of the kernel (window, channels / groups, filters).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel (window, channels / groups, filters).
        bias_constraint: constraint of the bias.
        kwargs: `lora_rank` and `lora_alpha` (see `enable_lora`), and the arguments of every layer.

    Shapes: (batch, depth, height, width, channels) to (batch, new depth, height, width, filters),
        or with the channels after the batch.

    Raises:
        ValueError: for sizes that are not positive, or groups that do not divide filters or channels.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Conv3D(8, 3)(np.ones((4, 10, 10, 10, 3), "float32")).shape
    (4, 8, 8, 8, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            3,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
