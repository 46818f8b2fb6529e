"""SeparableConv1D, SeparableConv2D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import constraints, initializers, regularizers
from tahr.keras.layers.convolutional.base import ConvolutionBase


class BaseSeparableConv(ConvolutionBase):
    """The separable convolution along `rank` axes; SeparableConv1D and SeparableConv2D set the rank."""

    def __init__(
        self,
        rank: int,
        filters: int,
        depth_multiplier: int = 1,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rank, one_spread=False, **kwargs)
        self._check_count(filters, "filters")
        self._check_count(depth_multiplier, "depth_multiplier")
        self.filters = filters
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)
        self.depthwise_kernel: Any = None
        self.pointwise_kernel: Any = None

    def build(self, input_shape: Any) -> None:
        """Creates both kernels and the bias for inputs of this shape."""
        channels = self._take_channels(input_shape)
        self.compute_output_shape(input_shape)
        self.depthwise_kernel = self.add_weight(
            name="depthwise_kernel",
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            name="pointwise_kernel",
            shape=(*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        self._build_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """The outputs for `inputs`."""
        outputs = ops.separable_conv(
            inputs,
            self.depthwise_kernel,
            self.pointwise_kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return self._finish(outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        return self._window_shape(input_shape, self.filters)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "depth_multiplier": self.depth_multiplier,
            **self._kernel_config("depthwise"),
            **self._kernel_config("pointwise"),
        }


class SeparableConv1D(BaseSeparableConv):
    """Convolution of each channel by itself along one axis, such as time, then a mixture of channels at each place.

    Args:
        filters: number of outputs of each place.
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise.
        padding: "valid" (windows inside the input only) or "same" (zeros around it, as many windows as strides fit).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window.
        depth_multiplier: number of outputs of each channel, before the mixture.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        depthwise_initializer: initializer of the kernel of the first part (window, channels, depth_multiplier).
        bias_initializer: initializer of the bias.
        depthwise_regularizer: regularizer of the kernel of the first part (window, channels, depth_multiplier).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        depthwise_constraint: constraint of the kernel of the first part (window, channels, depth_multiplier).
        bias_constraint: constraint of the bias.
        pointwise_initializer: initializer of the mixture (1, ..., channels * depth_multiplier, filters).
        pointwise_regularizer: its regularizer.
        pointwise_constraint: its constraint.

    Shapes: (batch, time, channels) to (batch, new time, filters), or with the channels after the batch.

    Raises:
        ValueError: for sizes that are not positive.

    Source: Chollet, 2017 (arXiv:1610.02357).

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.SeparableConv1D(8, 3)(np.ones((4, 10, 3), "float32")).shape
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
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
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
            depth_multiplier=depth_multiplier,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )


class SeparableConv2D(BaseSeparableConv):
    """Convolution of each channel by itself along two axes, as of images, then a mixture of channels at each place.

    Args:
        filters: number of outputs of each place.
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise.
        padding: "valid" (windows inside the input only) or "same" (zeros around it, as many windows as strides fit).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window.
        depth_multiplier: number of outputs of each channel, before the mixture.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        depthwise_initializer: initializer of the kernel of the first part (window, channels, depth_multiplier).
        bias_initializer: initializer of the bias.
        depthwise_regularizer: regularizer of the kernel of the first part (window, channels, depth_multiplier).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        depthwise_constraint: constraint of the kernel of the first part (window, channels, depth_multiplier).
        bias_constraint: constraint of the bias.
        pointwise_initializer: initializer of the mixture (1, ..., channels * depth_multiplier, filters).
        pointwise_regularizer: its regularizer.
        pointwise_constraint: its constraint.

    Shapes: (batch, height, width, channels) to (batch, new height, width, filters),
        or with the channels after the batch.

    Raises:
        ValueError: for sizes that are not positive.

    Source: Chollet, 2017 (arXiv:1610.02357).

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.SeparableConv2D(8, 3)(np.ones((4, 10, 10, 3), "float32")).shape
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
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
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
            depth_multiplier=depth_multiplier,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
