"""Conv1DTranspose, Conv2DTranspose, Conv3DTranspose."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import constraints, initializers, regularizers
from tahr.keras.layers.convolutional.base import ConvolutionBase
from tahr.keras.layers.spatial import int_tuple, spatial_sizes, with_spatial_sizes


class BaseConvTranspose(ConvolutionBase):
    """The transposed convolution along `rank` axes; Conv1DTranspose to Conv3DTranspose set the rank."""

    def __init__(
        self,
        rank: int,
        filters: int,
        output_padding: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rank, **kwargs)
        self._check_count(filters, "filters")
        self.filters = filters
        kind = type(self).__name__
        self.output_padding = (
            None if output_padding is None else int_tuple(output_padding, rank, "output_padding", kind, least=0)
        )
        if self.output_padding is not None and any(p >= s for p, s in zip(self.output_padding, self.strides)):
            raise ValueError(
                f"[{kind}] expected output_padding smaller than strides, received output_padding={self.output_padding} "
                f"and strides={self.strides}."
            )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.kernel: Any = None

    def build(self, input_shape: Any) -> None:
        """Creates kernel and bias for inputs of this shape."""
        channels = self._take_channels(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, self.filters, channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._build_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        """The outputs for `inputs`."""
        outputs = ops.conv_transpose(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return self._finish(outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the outputs for inputs of this shape."""
        sizes: list[int | None] = []
        for i, n in enumerate(spatial_sizes(input_shape, self.data_format)):
            reach, stride = (self.kernel_size[i] - 1) * self.dilation_rate[i] + 1, self.strides[i]
            if n is None:
                sizes.append(None)
            elif self.output_padding is None:
                sizes.append(n * stride if self.padding == "same" else (n - 1) * stride + max(reach, stride))
            else:
                least = reach % 2 if self.padding == "same" else reach
                sizes.append((n - 1) * stride + least + self.output_padding[i])
        return with_spatial_sizes(input_shape, sizes, self.filters, self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "output_padding": self.output_padding,
            **self._kernel_config("kernel"),
        }


class Conv1DTranspose(BaseConvTranspose):
    """Transposed convolution along one axis, such as time.

    Spreads each place of the input over a window of the output.

    Args:
        filters: number of channels of the output.
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between the windows of neighbouring places, likewise.
        padding: "valid" (windows as they are) or "same" (the output is `strides` times as large).
        output_padding: places to add to the output's smallest size, fewer than strides; None for the size said above.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window; strides or dilation_rate must be 1.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel (window, filters, channels).
        bias_initializer: initializer of the bias.
        kernel_regularizer: regularizer of the kernel (window, filters, channels).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel (window, filters, channels).
        bias_constraint: constraint of the bias.

    Shapes: (batch, time, channels) to (batch, new time, filters), or with the channels after the batch.

    Raises:
        ValueError: for sizes that are not positive, or an output_padding that is not smaller than strides.

    Source: Dumoulin and Visin, 2016 (arXiv:1603.07285).

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Conv1DTranspose(8, 3, strides=2, padding="same")(np.ones((4, 5, 3), "float32")).shape
    (4, 10, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
            output_padding=output_padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
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


class Conv2DTranspose(BaseConvTranspose):
    """Transposed convolution along two axes, as of images.

    Spreads each place of the input over a window of the output.

    Args:
        filters: number of channels of the output.
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between the windows of neighbouring places, likewise.
        padding: "valid" (windows as they are) or "same" (the output is `strides` times as large).
        output_padding: places to add to the output's smallest size, fewer than strides; None for the size said above.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window; strides or dilation_rate must be 1.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel (window, filters, channels).
        bias_initializer: initializer of the bias.
        kernel_regularizer: regularizer of the kernel (window, filters, channels).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel (window, filters, channels).
        bias_constraint: constraint of the bias.

    Shapes: (batch, height, width, channels) to (batch, new height, width, filters),
        or with the channels after the batch.

    Raises:
        ValueError: for sizes that are not positive, or an output_padding that is not smaller than strides.

    Source: Dumoulin and Visin, 2016 (arXiv:1603.07285).

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Conv2DTranspose(8, 3, strides=2, padding="same")(np.ones((4, 5, 5, 3), "float32")).shape
    (4, 10, 10, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
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
            output_padding=output_padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
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


class Conv3DTranspose(BaseConvTranspose):
    """Transposed convolution along three axes, as of volumes or films.

    Spreads each place of the input over a window of the output.

    Args:
        filters: number of channels of the output.
        kernel_size: size of the window, an integer or one per axis.
        strides: distance between the windows of neighbouring places, likewise.
        padding: "valid" (windows as they are) or "same" (the output is `strides` times as large).
        output_padding: places to add to the output's smallest size, fewer than strides; None for the size said above.
        data_format: "channels_last" or "channels_first"; None for that of `keras.config`.
        dilation_rate: distance between neighbouring taps of a window; strides or dilation_rate must be 1.
        activation: activation function or its name; None for none.
        use_bias: whether to add a bias.
        kernel_initializer: initializer of the kernel (window, filters, channels).
        bias_initializer: initializer of the bias.
        kernel_regularizer: regularizer of the kernel (window, filters, channels).
        bias_regularizer: regularizer of the bias.
        activity_regularizer: regularizer of the output.
        kernel_constraint: constraint of the kernel (window, filters, channels).
        bias_constraint: constraint of the bias.

    Shapes: (batch, depth, height, width, channels) to (batch, new depth, height, width, filters),
        or with the channels after the batch.

    Raises:
        ValueError: for sizes that are not positive, or an output_padding that is not smaller than strides.

    Source: Dumoulin and Visin, 2016 (arXiv:1603.07285).

    >>> import numpy as np
    >>> from tahr import keras
    >>> keras.layers.Conv3DTranspose(8, 3, strides=2, padding="same")(np.ones((4, 5, 5, 5, 3), "float32")).shape
    (4, 10, 10, 10, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = (1, 1, 1),
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
            output_padding=output_padding,
            dilation_rate=dilation_rate,
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
