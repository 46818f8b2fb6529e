"""EinsumDense: a dense layer between any axes."""

from __future__ import annotations

import functools
import math
import re
import string
from typing import Any, NamedTuple

from tahr import ops
from tahr.keras import activations, constraints, initializers, regularizers
from tahr.keras.layers.core.quantized_kernel import QuantizedKernel
from tahr.keras.layers.input_spec import InputSpec

_FORMS = (
    r"([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]+)",
    r"0([a-zA-Z]+),([a-zA-Z]+)->0([a-zA-Z]+)",
    r"([a-zA-Z]{2,})0,([a-zA-Z]+)->([a-zA-Z]+)0",
)


class EinsumDense(QuantizedKernel):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: how the axes of inputs and kernel meet, such as "abc,cd->abd"; "..." on the left or on the right stands
            for further axes.
        output_shape: sizes of the output's axes, without the batch and what "..." stands for; None for a size that is
            the input's.
        activation: activation function or its name; None for none.
        bias_axes: letters of the output's axes that have a bias; None for no bias.
        kernel_initializer: initializer of the kernel.
        bias_initializer: initializer of the bias.
        kernel_regularizer: regularizer of the kernel.
        bias_regularizer: regularizer of the bias.
        kernel_constraint: constraint of the kernel.
        bias_constraint: constraint of the bias.
        lora_rank: train a matrix product of this rank that is added to the kernel, instead of the kernel.
        lora_alpha: weight of that product times `lora_rank`; `lora_rank` if None.
        gptq_unpacked_column_size: columns of a kernel of GPTQ before packing; found by `build`.
        quantization_config: a `keras.quantizers.QuantizationConfig` for a layer whose `dtype` is quantized from the start.

    Sources for `lora_rank`: Hu et al., "LoRA", 2021.

    Raises:
        ValueError: if the equation has none of these forms, or does not fit the shapes.

    >>> import numpy as np
    >>> from tahr import keras
    >>> layer = keras.layers.EinsumDense("ab,bcd->acd", output_shape=(2, 3), bias_axes="d")
    >>> layer(np.ones((5, 4))).shape, layer.kernel.shape, layer.bias.shape
    ((5, 2, 3), (4, 2, 3), (3,))
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.gptq_unpacked_column_size = gptq_unpacked_column_size
        self.quantization_config = quantization_config
        self._take_rank(lora_rank, lora_alpha)
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Creates kernel and bias for inputs of this shape."""
        shapes = analyze(self.name, self.equation, self.bias_axes, input_shape, self.partial_output_shape)
        self.input_spec = InputSpec(ndim=len(input_shape))
        initializer = self.kernel_initializer
        if isinstance(initializer, initializers.VarianceScaling) and (
            initializer.input_axes is None or initializer.output_axes is None
        ):
            config = {
                **initializer.get_config(),
                "seed": initializer.seed,  # the one that was drawn, if none was given
                "input_axes": shapes.input_axes,
                "output_axes": shapes.output_axes,
            }
            initializer = type(initializer).from_config(config)
        self._build_kernel(shapes.kernel, initializer)
        if shapes.bias is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=shapes.bias,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._built_kernel()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The outputs for `inputs`."""
        shape = inputs.shape
        bound = _summed_at_the_end(self.equation, self.bias_axes)
        if bound and None not in shape:  # a matrix product, with the bias in the same pass
            kept, sizes = shape[: len(shape) - bound], self._kernel.shape[bound:]
            width = math.prod(sizes)
            x = inputs if bound == 1 else ops.reshape(inputs, (*kept, math.prod(shape[len(kept) :])))
            x = ops.matmul(x, ops.reshape(self.kernel, (x.shape[-1], width)))
            if self.bias is not None:
                x = ops.add(x, ops.reshape(self.bias, (width,)))
            if len(sizes) > 1:
                x = ops.reshape(x, (*kept, *sizes))
        else:
            x = ops.einsum(self.equation, inputs, self.kernel)
            if self.bias is not None:
                x = ops.add(x, self.bias)
        return x if self.activation is activations.linear else self.activation(x)

    # For quantization: the product, and how scales of its operands meet its outputs.

    def _letters(self) -> tuple[str, str, str]:
        """One letter per axis of inputs, kernel and outputs, for what "..." stands for, too."""
        inputs, rest = self.equation.split(",")
        kernel, outputs = rest.split("->")
        count = self.input_spec.ndim - len(inputs.replace("...", ""))
        further = "".join([c for c in string.ascii_letters if c not in self.equation][:count])
        return inputs.replace("...", further), kernel, outputs.replace("...", further)

    def _multiply(self, inputs: Any, kernel: Any) -> Any:
        shape, bound = inputs.shape, _summed_at_the_end(self.equation, None)
        if not bound or None in shape:
            return ops.einsum(self.equation, inputs, kernel)
        kept, width = shape[: len(shape) - bound], math.prod(kernel.shape[:bound])
        x = ops.matmul(ops.reshape(inputs, (*kept, width)), ops.reshape(kernel, (width, -1)))
        return ops.reshape(x, (*kept, *kernel.shape[bound:]))

    def _multiply_back(self, upstream: Any, kernel: Any) -> Any:
        inputs, weights, outputs = self._letters()
        return ops.einsum(f"{outputs},{weights}->{inputs}", upstream, kernel)

    def _summed_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        inputs, kernel, outputs = self._letters()
        summed = (tuple(i for i, c in enumerate(letters) if c not in outputs) for letters in (inputs, kernel))
        return next(summed), next(summed)

    def _kernel_scale_shape(self, kernel_shape: tuple[int, ...]) -> tuple[int, ...]:
        _, kernel, outputs = self._letters()
        return tuple(kernel_shape[kernel.index(c)] if c in kernel else 1 for c in outputs)

    def _at_outputs(self, scale: Any, letters: str) -> Any:
        outputs = self._letters()[2]
        summed = [i for i, c in enumerate(letters) if c not in outputs]
        scale = ops.transpose(scale, [*(letters.index(c) for c in outputs if c in letters), *summed])
        scale = ops.squeeze(scale, axis=tuple(range(len(letters) - len(summed), len(letters))))
        return ops.expand_dims(scale, axis=tuple(i for i, c in enumerate(outputs) if c not in letters))

    def _kernel_scale_at_outputs(self, scale: Any) -> Any:
        return self._at_outputs(scale, self._letters()[1])

    def _inputs_scale_at_outputs(self, scale: Any) -> Any:
        return self._at_outputs(scale, self._letters()[0])

    def _kernel_scale_at_kernel(self, scale: Any) -> Any:
        _, kernel, outputs = self._letters()
        scale = ops.squeeze(scale, axis=tuple(i for i, c in enumerate(outputs) if c not in kernel))
        held = [c for c in outputs if c in kernel]
        scale = ops.transpose(scale, [held.index(c) for c in kernel if c in held])
        return ops.expand_dims(scale, axis=tuple(i for i, c in enumerate(kernel) if c not in held))

    def _calibrated_build(self, kernel_shape: tuple[int, ...], config: Any) -> int:
        self.gptq_unpacked_column_size = self._calibrated_shape(kernel_shape)[1]
        return super()._calibrated_build(kernel_shape, config)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape that the equation gives for inputs of `input_shape`."""
        return analyze(self.name, self.equation, self.bias_axes, input_shape, self.partial_output_shape).output

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer."""
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            **self._quantization_arguments(),
            **self._rank_config(),
        }


@functools.lru_cache(maxsize=256)
def _summed_at_the_end(equation: str, bias_axes: str | None) -> int:
    """How many axes an equation sums over, if they are the last of the inputs and the first of the kernel, in order, and
    the output has the kernel's others at its end, each with a bias or none; else 0.

    >>> _summed_at_the_end("abcd,cdef->abef", "ef"), _summed_at_the_end("abc,dc->abd", None)
    (2, 0)
    """
    for form in _FORMS[:2]:
        match = re.fullmatch(form, equation.replace("...", "0"))
        if match:
            inputs, weights, outputs = match.groups()
            letters = inputs + weights
            bound = len(set(inputs) & set(weights))
            kept, new = inputs[: len(inputs) - bound], weights[bound:]
            fits = bound and new and inputs.endswith(weights[:bound]) and outputs == kept + new
            distinct = len(set(letters)) == len(letters) - bound
            return bound if fits and distinct and bias_axes in (None, "", new) else 0
    return 0


class EinsumShapes(NamedTuple):
    """What an equation says about an EinsumDense layer."""

    kernel: tuple[int, ...]
    bias: tuple[int, ...] | None
    output: tuple[int | None, ...]
    input_axes: list[int]  # of the kernel: summed over
    output_axes: list[int]  # of the kernel: kept


def analyze(name: str, equation: str, bias_axes: str | None, input_shape: Any, output_shape: Any) -> EinsumShapes:
    """The shapes of kernel, bias and output for inputs of this shape; ValueError if they do not fit the equation."""
    for form in _FORMS:
        match = re.fullmatch(form, equation.replace("...", "0"))
        if match:
            break
    else:
        raise ValueError(
            f"[{name}] expected an equation of the form 'ab,bc->ac', '...a,ab->...b' or 'ab...,bc->ac...', received "
            f"{equation!r}. Invalid einsum equation."
        )
    inputs, weights, outputs = match.groups()
    left = form is _FORMS[1]
    elided = len(input_shape) - len(inputs)
    if elided < 0 or (elided > 0 and form is _FORMS[0]):
        raise ValueError(
            f"[{name}] expected inputs with {len(inputs)} axes for the equation {equation!r}, received shape "
            f"{tuple(input_shape)}."
        )
    if not elided and len(output_shape) == len(outputs) and outputs[0] in weights and outputs[0] in inputs:
        if output_shape[0] == input_shape[inputs.index(outputs[0])]:  # the kernel fixes it, so it may be named
            output_shape = output_shape[1:]
    # The batch is the first axis; on the left "..." begins with it.
    full = [input_shape[0], *output_shape]
    if left:
        full[1:1] = input_shape[1:elided]
    elif elided:
        full += input_shape[-elided:]
    start = elided if left else 0
    in_size = {letter: input_shape[start + i] for i, letter in enumerate(inputs)}
    out_at = {letter: start + i for i, letter in enumerate(outputs)}
    if len(full) != len(outputs) + elided:
        raise ValueError(
            f"[{name}] expected an output_shape with one size per letter of the output but the first, received "
            f"{tuple(output_shape)} for the equation {equation!r}."
        )
    for letter, size in in_size.items():
        if letter in out_at and full[out_at[letter]] not in (None, size):
            raise ValueError(
                f"[{name}] expected the same size of axis {letter!r} in inputs and output, received {size} and "
                f"{full[out_at[letter]]}. Input shape and output shape do not match at shared dimension {letter!r}."
            )
    for letter in outputs:
        if letter not in inputs and letter not in weights:
            raise ValueError(
                f"[{name}] expected the axes of the output among those of inputs and kernel, received {equation!r}. "
                f"Dimension {letter!r} was specified in the output but has no corresponding dim."
            )
    kernel: list[int] = []
    input_axes, output_axes = [], []
    for i, letter in enumerate(weights):
        if letter in out_at:
            kernel.append(full[out_at[letter]])
            output_axes.append(i)
        elif letter in in_size:
            kernel.append(in_size[letter])
            input_axes.append(i)
        else:
            raise ValueError(
                f"[{name}] expected the axes of the kernel among those of inputs and output, received {equation!r}. "
                f"Weight dimension {letter!r} did not have a match."
            )
    bias = None
    if bias_axes:
        if missing := set(bias_axes) - set(outputs):
            raise ValueError(
                f"[{name}] expected bias_axes among the output's, received {bias_axes!r} for {equation!r}. "
                f"Bias dimension {sorted(missing)[0]!r} was requested, but is not part of the output spec."
            )
        first = min(outputs.index(letter) for letter in bias_axes)
        bias = [full[out_at[letter]] if letter in bias_axes else 1 for letter in outputs[first:]]
        if not left:
            bias += [1] * elided
    return EinsumShapes(tuple(kernel), None if bias is None else tuple(bias), tuple(full), input_axes, output_axes)
