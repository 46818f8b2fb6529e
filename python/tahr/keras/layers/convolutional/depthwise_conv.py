"""DepthwiseConv1D, DepthwiseConv2D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import constraints, initializers, regularizers
from tahr.keras.layers.convolutional.base import ConvolutionBase


class BaseDepthwiseConv(ConvolutionBase):
    """The depthwise convolution along `rank` axes; DepthwiseConv1D and DepthwiseConv2D set the rank."""

    def __init__(
        self,
        rank: int,
        depth_multiplier: int = 1,
        depthwise_initializer: Any = "glorot_uniform",
        depthwise_regularizer: Any = None,
        depthwise_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rank, one_spread=False, **kwargs)
        self._check_count(depth_multiplier, "depth_multiplier")
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.kernel: Any = None

    def build(self, input_shape: Any) -> None:
        """Creates kernel and bias for inputs of this shape."""
        channels = self._take_channels(input_shape)
        self.compute_output_shape(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self._build_bias(channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        """The outputs for `inputs`."""
        outputs = ops.depthwise_conv(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return self._finish(outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        channels = input_shape[-1 if self.data_format == "channels_last" else 1]
        return self._window_shape(input_shape, None if channels is None else channels * self.depth_multiplier)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            **self._kernel_config("depthwise"),
        }


class DepthwiseConv1D(BaseDepthwiseConv):
    """Convolution of each channel by itself along one axis, such as time.

    Args:
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise.
        padding: "valid" (windows inside the input only) or "same" (zeros around it, as many windows as strides fit).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window.
        depth_multiplier: number of outputs of each channel.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        depthwise_initializer: initializer of the kernel (window, channels, depth_multiplier).
        bias_initializer: initializer of the bias.
        depthwise_regularizer: regularizer of the kernel (window, channels, depth_multiplier).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        depthwise_constraint: constraint of the kernel (window, channels, depth_multiplier).
        bias_constraint: constraint of the bias.

    Shapes: (batch, time, channels) to (batch, new time, channels * depth_multiplier), or with the channels after
        the batch.

    Raises:
        ValueError: for sizes that are not positive.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.DepthwiseConv1D(3)(np.ones((4, 10, 3), "float32")).shape
    (4, 8, 3)
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            1,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            depth_multiplier=depth_multiplier,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )


class DepthwiseConv2D(BaseDepthwiseConv):
    """Convolution of each channel by itself along two axes, as of images.

    Args:
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between neighbouring windows, likewise.
        padding: "valid" (windows inside the input only) or "same" (zeros around it, as many windows as strides fit).
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window.
        depth_multiplier: number of outputs of each channel.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        depthwise_initializer: initializer of the kernel (window, channels, depth_multiplier).
        bias_initializer: initializer of the bias.
        depthwise_regularizer: regularizer of the kernel (window, channels, depth_multiplier).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        depthwise_constraint: constraint of the kernel (window, channels, depth_multiplier).
        bias_constraint: constraint of the bias.

    Shapes: (batch, height, width, channels) to (batch, new height, width, channels * depth_multiplier),
        or with the channels after
        the batch.

    Raises:
        ValueError: for sizes that are not positive.

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.DepthwiseConv2D(3)(np.ones((4, 10, 10, 3), "float32")).shape
    (4, 8, 8, 3)
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            depth_multiplier=depth_multiplier,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
