"""Conv1D, Conv2D, Conv3D."""

from __future__ import annotations

from typing import Any

from tahr import ops
from tahr.keras import constraints, initializers, regularizers
from tahr.keras.layers.convolutional.base import ConvolutionBase


class BaseConv(ConvolutionBase):
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
        self.lora_rank: Any = lora_rank
        self.lora_alpha: Any = lora_rank if lora_alpha is None else lora_alpha
        self.lora_enabled = False
        self._kernel: Any = None
        self.lora_kernel_a: Any = None
        self.lora_kernel_b: Any = None

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
        self.built = True
        if self.lora_rank:
            self.enable_lora(self.lora_rank, lora_alpha=self.lora_alpha)

    @property
    def kernel(self) -> Any:
        """The kernel that convolves: the weight, and what low-rank adaptation adds to it."""
        if not self.built:
            raise AttributeError(f"[{self.name}] has no kernel before it is built. Call it on data, or build() it.")
        if not self.lora_enabled:
            return self._kernel
        change = ops.multiply(ops.matmul(self.lora_kernel_a, self.lora_kernel_b), self.lora_alpha / self.lora_rank)
        return ops.cast(ops.add(self._kernel, change), self.compute_dtype)

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

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freezes the kernel and trains a product of two thin matrices that is added to it.

        Args:
            rank: the width of the matrices, (window, channels / groups, rank) and (rank, filters).
            lora_alpha: the product counts lora_alpha / rank times; `rank` if None.
            a_initializer: initializer of the first matrix.
            b_initializer: initializer of the second matrix.

        Raises:
            ValueError: if the layer is not built, has a kernel constraint, or is adapted already.

        Source: Hu et al., 2021 (arXiv:2106.09685).
        """
        if self.kernel_constraint:
            raise ValueError(
                f"[{self.name}] expected no kernel_constraint for low-rank adaptation, which it would break."
            )
        if not self.built:
            raise ValueError(f"[{self.name}] expected a built layer in enable_lora(); call it on data first.")
        if self.lora_enabled:
            raise ValueError(f"[{self.name}] expected enable_lora() once, received a second call.")
        self._tracker.unlock()
        self.lora_kernel_a = self.add_weight(
            name="lora_kernel_a",
            shape=(*self._kernel.shape[:-1], rank),
            initializer=initializers.get(a_initializer),
            dtype="float32",
            regularizer=self.kernel_regularizer,
        )
        self.lora_kernel_b = self.add_weight(
            name="lora_kernel_b",
            shape=(rank, self.filters),
            initializer=initializers.get(b_initializer),
            dtype="float32",
            regularizer=self.kernel_regularizer,
        )
        self._kernel.trainable = False
        self._tracker.lock()
        self.lora_enabled = True
        self.lora_rank = rank
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    def save_own_variables(self, store: Any) -> None:
        """Stores kernel (with what adaptation adds) and bias."""
        if not self.lora_enabled:
            super().save_own_variables(store)
            return
        for i, value in enumerate([self.kernel] if self.bias is None else [self.kernel, self.bias]):
            store[str(i)] = ops.convert_to_numpy(value)

    def load_own_variables(self, store: Any) -> None:
        """Reads kernel and bias; adaptation starts again from nothing."""
        if not self.lora_enabled:
            super().load_own_variables(store)
            return
        for i, variable in enumerate([self._kernel] if self.bias is None else [self._kernel, self.bias]):
            variable.assign(store[str(i)])
        for variable in (self.lora_kernel_a, self.lora_kernel_b):
            variable.assign(ops.zeros(variable.shape))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        config = {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            **self._kernel_config("kernel"),
        }
        if self.lora_rank:
            config.update(lora_rank=self.lora_rank, lora_alpha=self.lora_alpha)
        return config


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
