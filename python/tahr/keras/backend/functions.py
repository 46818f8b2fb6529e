"""The functions that `from keras import backend as K` offered before Keras 3, as calls of `keras.ops`.

Argument names, defaults and meaning are those of Keras 2; tensors of a functional model (KerasTensors) are accepted like
values. New code calls `keras.ops`. What needs a session or a global training phase is gone, and says what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tahr.keras import ops, random
from tahr.keras.backend.config import floatx, image_data_format
from tahr.keras.backend.engine import convert_to_numpy
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.backend.scopes import name_scope as name_scope
from tahr.keras.backend.sequences import ctc_batch_cost as ctc_batch_cost
from tahr.keras.backend.sequences import ctc_decode as ctc_decode
from tahr.keras.backend.sequences import gradients as gradients
from tahr.keras.backend.sequences import rnn as rnn
from tahr.keras.backend.variables import Variable

# Variables and values.


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Variable:
    """A variable with this value; `constraint` is kept as its attribute."""
    result = Variable(ops.convert_to_tensor(value, dtype=dtype or floatx()), dtype=dtype or floatx(), name=name)
    result.constraint = constraint
    return result


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """A tensor of these values, broadcast to `shape`."""
    x = ops.convert_to_tensor(value, dtype=dtype or floatx())
    return x if shape is None else ops.broadcast_to(x, shape)


def placeholder(
    shape: Any = None, ndim: int | None = None, dtype: Any = None, sparse: bool = False, name: str | None = None
) -> KerasTensor:
    """A symbolic input of this shape (batch axis included), as `keras.Input(batch_shape=shape)` makes it."""
    from tahr.keras.layers import Input

    return Input(batch_shape=shape or (None,) * (ndim or 0), dtype=dtype, sparse=sparse, name=name)


def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> Variable:
    """A variable of normal random numbers."""
    return variable(random_normal(shape, mean, scale, dtype, seed), dtype, name)


def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> Variable:
    """A variable of uniform random numbers between `low` and `high`."""
    return variable(random_uniform(shape, low, high, dtype, seed), dtype, name)


def get_value(x: Any) -> Any:
    """The value as a NumPy array."""
    return convert_to_numpy(x)


def eval(x: Any) -> Any:
    """The value as a NumPy array."""
    return convert_to_numpy(x)


def set_value(x: Any, value: Any) -> None:
    """Assigns to a variable."""
    x.assign(np.asarray(value, dtype=x.dtype if x.dtype != "bfloat16" else "float32"))


def batch_get_value(tensors: Iterable[Any]) -> list[Any]:
    """The values of several tensors."""
    return [convert_to_numpy(x) for x in tensors]


def batch_set_value(tuples: Iterable[tuple[Any, Any]]) -> None:
    """Assigns to several variables, given as pairs of variable and value."""
    for x, value in tuples:
        set_value(x, value)


def update(x: Any, new_x: Any) -> Any:
    """Assigns `new_x` to the variable `x` and returns its value."""
    return x.assign(new_x)


def update_add(x: Any, increment: Any) -> Any:
    """Adds to the variable `x` and returns its value."""
    return x.assign_add(increment)


def update_sub(x: Any, decrement: Any) -> Any:
    """Subtracts from the variable `x` and returns its value."""
    return x.assign_sub(decrement)


def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """`x = momentum * x + (1 - momentum) * value` for the variable `x`."""
    return x.assign(x * momentum + ops.cast(value, x.dtype) * (1.0 - momentum))


def stop_gradient(variables: Any) -> Any:
    """The tensor, or the tensors of a list, as constants for gradients."""
    if isinstance(variables, (list, tuple)):
        return [ops.stop_gradient(v) for v in variables]
    return ops.stop_gradient(variables)


def function(inputs: Any, outputs: Any, updates: Any = None, name: str | None = None, **kwargs: Any) -> Callable:
    """A function from arrays to arrays, computed by the layers between two lists of symbolic tensors.

    Args:
        inputs: KerasTensors, or one of them.
        outputs: KerasTensors that depend on them, or one.
        updates: must be empty: a graph of layers updates its state itself.
        name: name of the function.
        kwargs: none are known.

    Returns:
        A function that takes a list of arrays and returns a list of arrays, or a single one for a single `outputs`.

    Raises:
        ValueError: for `updates` or other arguments.

    Example:
        >>> from tahr import keras
        >>> from tahr.keras import backend as K
        >>> x = keras.Input((2,))
        >>> f = K.function([x], [keras.layers.Dense(1, kernel_initializer="ones")(x)])
        >>> f([[[1.0, 2.0]]])[0]
        array([[3.]], dtype=float32)
    """
    if updates or kwargs:
        raise ValueError(
            f"[K.function] expected inputs and outputs alone, received updates={updates}, {sorted(kwargs)}."
        )
    from tahr.keras.symbolic.function import Function

    flat_inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    single = not isinstance(outputs, (list, tuple))
    graph = Function(flat_inputs, [outputs] if single else list(outputs), name=name)

    def run(values: Any) -> Any:
        values = list(values) if isinstance(values, (list, tuple)) and isinstance(inputs, (list, tuple)) else [values]
        arrays = [
            ops.convert_to_tensor(v, dtype=x.dtype) if not ops.is_tensor(v) else v for v, x in zip(values, flat_inputs)
        ]
        results = [convert_to_numpy(y) for y in graph(arrays)]
        return results[0] if single else results

    return run


def map_fn(fn: Callable, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """`fn` of each slice of `elems`, stacked."""
    return ops.stack([fn(x) for x in ops.unstack(elems)])


def foldl(fn: Callable, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """`fn(...fn(fn(first, second), third)..., last)` over the slices of `elems`, begun with `initializer` if given."""
    return _fold(fn, ops.unstack(elems), initializer)


def foldr(fn: Callable, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """As `foldl`, from the last slice to the first."""
    return _fold(fn, ops.unstack(elems)[::-1], initializer)


def _fold(fn: Callable, slices: Sequence[Any], initializer: Any) -> Any:
    slices = list(slices)
    result = slices.pop(0) if initializer is None else ops.convert_to_tensor(initializer)
    for x in slices:
        result = fn(result, x)
    return result


# Queries.


def int_shape(x: Any) -> tuple[int | None, ...] | None:
    """The shape as a tuple of integers, None for unknown sizes; None for something without a shape."""
    shape = getattr(x, "shape", None)
    return None if shape is None else tuple(shape)


def shape(x: Any) -> Any:
    """The shape, as far as it is known, as a tuple."""
    return ops.shape(x)


def ndim(x: Any) -> int:
    """Number of axes."""
    return len(x.shape)


def dtype(x: Any) -> str:
    """Name of the dtype."""
    return str(x.dtype) if isinstance(x.dtype, str) else getattr(x.dtype, "name", str(x.dtype))


def count_params(x: Any) -> int:
    """Number of elements."""
    return int(np.prod(tuple(x.shape)))


def is_sparse(tensor: Any) -> bool:
    """False: tensors are dense here."""
    return False


def to_dense(tensor: Any) -> Any:
    """The tensor itself: tensors are dense here."""
    return tensor


# Making tensors.


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A tensor of zeros."""
    return ops.zeros(shape, dtype=dtype or floatx())


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A tensor of ones."""
    return ops.ones(shape, dtype=dtype or floatx())


def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Zeros in the shape of `x`."""
    return ops.zeros_like(x, dtype=dtype)


def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Ones in the shape of `x`."""
    return ops.ones_like(x, dtype=dtype)


def eye(size: Any, dtype: Any = None, name: str | None = None) -> Any:
    """The identity matrix of this size, or of this pair of sizes."""
    rows, columns = size if isinstance(size, (list, tuple)) else (size, size)
    return ops.eye(rows, columns, dtype=dtype or floatx())


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    """Evenly spaced numbers from `start` (0 if `stop` is None) up to, not including, `stop`."""
    if stop is None and start < 0:
        start = 0
    return ops.arange(start, stop, step, dtype=dtype)


def random_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normal random numbers."""
    return random.normal(shape, mean=mean, stddev=stddev, dtype=dtype or floatx(), seed=seed)


def random_uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Uniform random numbers between `minval` and `maxval`."""
    return random.uniform(shape, minval=minval, maxval=maxval, dtype=dtype or floatx(), seed=seed)


def random_bernoulli(shape: Any, p: float = 0.0, dtype: Any = None, seed: Any = None) -> Any:
    """1 with probability `p`, else 0."""
    draws = random.uniform(shape, dtype="float32", seed=seed)
    return ops.cast(draws <= p if p else draws < 0.0, dtype or floatx())


def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normal random numbers within two standard deviations of the mean."""
    return random.truncated_normal(shape, mean=mean, stddev=stddev, dtype=dtype or floatx(), seed=seed)


# Elementwise.


def abs(x: Any) -> Any:
    """Absolute values."""
    return ops.abs(x)


def sqrt(x: Any) -> Any:
    """Square roots; 0 for negative numbers."""
    return ops.sqrt(ops.maximum(x, 0.0))


def square(x: Any) -> Any:
    """Squares."""
    return ops.square(x)


def exp(x: Any) -> Any:
    """Exponentials."""
    return ops.exp(x)


def log(x: Any) -> Any:
    """Natural logarithms."""
    return ops.log(x)


def sin(x: Any) -> Any:
    """Sines."""
    return ops.sin(x)


def cos(x: Any) -> Any:
    """Cosines."""
    return ops.cos(x)


def round(x: Any) -> Any:
    """The nearest integers, halves to even ones."""
    return ops.round(x)


def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return ops.sign(x)


def pow(x: Any, a: Any) -> Any:
    """`x` to the power `a`."""
    return ops.power(x, a)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """`x` limited to an interval; None stands for no limit."""
    low = -np.inf if min_value is None else min_value
    high = np.inf if max_value is None else max_value
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and high < low:
        high = low
    return ops.clip(x, low, high)


def equal(x: Any, y: Any) -> Any:
    """x == y."""
    return ops.equal(x, y)


def not_equal(x: Any, y: Any) -> Any:
    """x != y."""
    return ops.not_equal(x, y)


def greater(x: Any, y: Any) -> Any:
    """x > y."""
    return ops.greater(x, y)


def greater_equal(x: Any, y: Any) -> Any:
    """x >= y."""
    return ops.greater_equal(x, y)


def less(x: Any, y: Any) -> Any:
    """x < y."""
    return ops.less(x, y)


def less_equal(x: Any, y: Any) -> Any:
    """x <= y."""
    return ops.less_equal(x, y)


def maximum(x: Any, y: Any) -> Any:
    """The larger of the two."""
    return ops.maximum(x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of the two."""
    return ops.minimum(x, y)


def cast(x: Any, dtype: Any) -> Any:
    """The values in another dtype."""
    return ops.cast(x, dtype)


def cast_to_floatx(x: Any) -> Any:
    """The values in the default floating-point dtype; an array for an array."""
    if ops.is_tensor(x) or isinstance(x, (KerasTensor, Variable)):
        return ops.cast(x, floatx())
    return np.asarray(x, dtype=floatx())


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One of two tensors (or what one of two functions returns), as `condition` says, row by row if it is a vector."""
    then_value = then_expression() if callable(then_expression) else then_expression
    else_value = else_expression() if callable(else_expression) else else_expression
    condition = ops.convert_to_tensor(condition, dtype="bool")
    missing = len(then_value.shape) - len(condition.shape)
    return ops.where(ops.reshape(condition, (*condition.shape, *(1,) * missing)), then_value, else_value)


# Reductions.


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes."""
    return ops.sum(x, axis=axis, keepdims=keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Product over axes."""
    return ops.prod(x, axis=axis, keepdims=keepdims)


def _as_numbers(x: Any) -> Any:
    """Truth values as numbers of the default floating-point dtype; other tensors as they are."""
    return ops.cast(x, floatx()) if dtype(x) == "bool" else x


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean over axes; of truth values as numbers."""
    return ops.mean(_as_numbers(x), axis=axis, keepdims=keepdims)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Variance over axes."""
    return ops.var(_as_numbers(x), axis=axis, keepdims=keepdims)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Standard deviation over axes."""
    return ops.std(_as_numbers(x), axis=axis, keepdims=keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Maximum over axes."""
    return ops.max(x, axis=axis, keepdims=keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Minimum over axes."""
    return ops.min(x, axis=axis, keepdims=keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether an element is true."""
    return ops.any(ops.cast(x, "bool"), axis=axis, keepdims=keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements are true."""
    return ops.all(ops.cast(x, "bool"), axis=axis, keepdims=keepdims)


def argmax(x: Any, axis: int = -1) -> Any:
    """Index of the maximum."""
    return ops.argmax(x, axis=axis)


def argmin(x: Any, axis: int = -1) -> Any:
    """Index of the minimum."""
    return ops.argmin(x, axis=axis)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))), without overflow."""
    return ops.logsumexp(x, axis=axis, keepdims=keepdims)


def cumsum(x: Any, axis: int = 0) -> Any:
    """Running sums."""
    return ops.cumsum(x, axis=axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    """Running products."""
    return ops.cumprod(x, axis=axis)


# Shapes.


def reshape(x: Any, shape: Any) -> Any:
    """The elements in another shape."""
    return ops.reshape(x, shape)


def flatten(x: Any) -> Any:
    """All elements in one axis."""
    return ops.reshape(x, (-1,))


def batch_flatten(x: Any) -> Any:
    """One axis per sample."""
    return ops.reshape(x, (-1, int(np.prod(tuple(x.shape)[1:]))))


def expand_dims(x: Any, axis: int = -1) -> Any:
    """One more axis, of size 1."""
    return ops.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Any:
    """Without an axis of size 1."""
    return ops.squeeze(x, axis=axis)


def transpose(x: Any) -> Any:
    """The axes in reverse order."""
    return ops.transpose(x)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """The axes in the order `pattern`."""
    return ops.transpose(x, axes=tuple(pattern))


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Tensors one after the other along an axis."""
    return ops.concatenate(tensors, axis=axis)


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Tensors along a new axis."""
    return ops.stack(x, axis=axis)


def tile(x: Any, n: Any) -> Any:
    """Copies along the axes; `n` is a number per axis."""
    return ops.tile(x, (n,) if isinstance(n, int) else tuple(n))


def repeat(x: Any, n: int) -> Any:
    """`(batch, features)` as `(batch, n, features)`."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each slice along an axis `rep` times."""
    return ops.repeat(x, rep, axis=axis)


def reverse(x: Any, axes: Any) -> Any:
    """The elements in reverse order along axes."""
    return ops.flip(x, axis=(axes,) if isinstance(axes, int) else tuple(axes))


def gather(reference: Any, indices: Any) -> Any:
    """The slices of `reference` at these indices of its first axis."""
    return ops.take(reference, indices, axis=0)


def one_hot(indices: Any, num_classes: int) -> Any:
    """A vector per index with 1 at its place."""
    return ops.one_hot(indices, num_classes)


def temporal_padding(x: Any, padding: tuple[int, int] = (1, 1)) -> Any:
    """Zeros around the middle axis of `(batch, steps, features)`."""
    return ops.pad(x, ((0, 0), tuple(padding), (0, 0)))


def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around the two spatial axes of images."""
    return _pad_spatial(x, padding, data_format)


def spatial_3d_padding(x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around the three spatial axes of volumes."""
    return _pad_spatial(x, padding, data_format)


def _pad_spatial(x: Any, padding: Any, data_format: str | None) -> Any:
    spatial = tuple(tuple(p) for p in padding)
    first = (data_format or image_data_format()) == "channels_first"
    return ops.pad(x, ((0, 0), (0, 0), *spatial) if first else ((0, 0), *spatial, (0, 0)))


def resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: str, interpolation: str = "nearest"
) -> Any:
    """Images enlarged by whole factors."""
    from tahr.keras.layers import UpSampling2D

    return UpSampling2D((height_factor, width_factor), data_format=data_format, interpolation=interpolation)(x)


def resize_volumes(x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str) -> Any:
    """Volumes enlarged by whole factors."""
    from tahr.keras.layers import UpSampling3D

    return UpSampling3D((depth_factor, height_factor, width_factor), data_format=data_format)(x)


# Products.


def dot(x: Any, y: Any) -> Any:
    """The product over the last axis of `x` and the last but one of `y` (the only one of a vector)."""
    return ops.dot(x, y)


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Sums of products along an axis of each, sample by sample.

    Args:
        x: (batch, ...).
        y: (batch, ...).
        axes: the axis of each, or one for both; by default the last of `x` and the last but one of `y` (the last if it
            has two axes).

    Returns:
        (batch, other axes of `x`, other axes of `y`), or (batch, 1) if none are left.
    """
    from tahr.keras.layers import Dot

    if axes is None:
        axes = (len(x.shape) - 1, len(y.shape) - 1 if len(y.shape) == 2 else len(y.shape) - 2)
    return Dot(axes=axes if isinstance(axes, int) else tuple(axes))([x, y])


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """Adds a bias per channel, or one for each position and channel of a sample."""
    first = (data_format or image_data_format()) == "channels_first"
    if len(bias.shape) == 1:
        return x + (ops.reshape(bias, (-1, *(1,) * (len(x.shape) - 2))) if first and len(x.shape) > 2 else bias)
    return x + (ops.transpose(bias, (len(bias.shape) - 1, *range(len(bias.shape) - 1))) if first else bias)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """Scaled to length 1 along `axis` (everything if None)."""
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


# Networks.


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """The rectifier, with a slope below `threshold` and an upper bound."""
    from tahr.keras.activations import relu as activation

    return activation(x, negative_slope=alpha, max_value=max_value, threshold=threshold)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return ops.elu(x, alpha=alpha)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) scaled to sum to 1 along `axis`."""
    return ops.softmax(x, axis=axis)


def softplus(x: Any) -> Any:
    """log(exp(x) + 1)."""
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """x / (abs(x) + 1)."""
    return ops.softsign(x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """0.2 * x + 0.5 limited to 0..1 (the slope of Keras 2)."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def tanh(x: Any) -> Any:
    """Hyperbolic tangents."""
    return ops.tanh(x)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Sets elements to 0 with probability `level` and scales up the others."""
    return random.dropout(x, level, noise_shape=noise_shape, seed=seed)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether the target's prediction is among the `k` largest of its row."""
    return ops.in_top_k(targets, predictions, k)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Cross-entropy of yes-or-no targets, per element."""
    return ops.binary_crossentropy(target, output, from_logits=from_logits)


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Cross-entropy between distributions."""
    return ops.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1, ignore_class: int | None = None
) -> Any:
    """Cross-entropy for class ids; 0 where the id is `ignore_class`."""
    losses = ops.sparse_categorical_crossentropy(
        ops.where(ops.equal(target, ignore_class), 0, target) if ignore_class is not None else target,
        output,
        from_logits=from_logits,
        axis=axis,
    )
    return losses if ignore_class is None else ops.where(ops.equal(target, ignore_class), 0.0, losses)


def binary_focal_crossentropy(
    target: Any,
    output: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
) -> Any:
    """`binary_crossentropy` with less weight on what is easy, per element."""
    p = ops.sigmoid(output) if from_logits else output
    missed = 1.0 - (target * p + (1.0 - target) * (1.0 - p))
    losses = ops.power(missed, gamma) * ops.binary_crossentropy(target, p)
    return losses * (target * alpha + (1.0 - target) * (1.0 - alpha)) if apply_class_balancing else losses


def categorical_focal_crossentropy(
    target: Any, output: Any, alpha: float = 0.25, gamma: float = 2.0, from_logits: bool = False, axis: int = -1
) -> Any:
    """`categorical_crossentropy` with less weight on what is easy."""
    from tahr.keras.losses import categorical_focal_crossentropy as loss

    return loss(target, output, alpha=alpha, gamma=gamma, from_logits=from_logits, axis=axis)


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """Normalises by given moments: `(x - mean) / sqrt(var + epsilon) * gamma + beta`."""
    mean, var, beta, gamma = (v if v is None else ops.reshape(v, (-1,)) for v in (mean, var, beta, gamma))
    return ops.batch_normalization(x, mean, var, axis, offset=beta, scale=gamma, epsilon=epsilon)


def conv1d(
    x: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Any:
    """1D convolution; padding may be "causal"."""
    if padding == "causal":
        left = (kernel.shape[0] - 1) * (dilation_rate if isinstance(dilation_rate, int) else dilation_rate[0])
        x, padding = temporal_padding(x, (left, 0)), "valid"
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """2D convolution."""
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:
    """3D convolution."""
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Transposed 2D convolution with results of `output_shape` (batch axis included)."""
    first = (data_format or image_data_format()) == "channels_first"
    wanted = tuple(output_shape)[2:4] if first else tuple(output_shape)[1:3]
    out = ops.conv_transpose(x, kernel, strides, padding, None, data_format, dilation_rate)
    found = tuple(out.shape)[2:4] if first else tuple(out.shape)[1:3]
    if found == wanted or None in found or None in wanted:
        return out
    pair = (strides, strides) if isinstance(strides, int) else tuple(strides)
    windows = tuple(kernel.shape)[:2]
    spatial = tuple(x.shape)[2:4] if first else tuple(x.shape)[1:3]
    extra = []
    for size, length, stride, window in zip(wanted, spatial, pair, windows):
        pad = 0 if padding == "valid" else window // 2
        extra.append(size - ((length - 1) * stride + window - 2 * pad))
    return ops.conv_transpose(x, kernel, strides, padding, tuple(extra), data_format, dilation_rate)


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """2D convolution of each channel by itself."""
    return ops.depthwise_conv(x, depthwise_kernel, strides, padding, data_format, dilation_rate)


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """`depthwise_conv2d`, then a convolution with windows of one place."""
    return ops.separable_conv(x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate)


def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: Any = None,
    pool_mode: str = "max",
) -> Any:
    """Maxima ("max") or means ("avg") over 2D windows."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: Any = None,
    pool_mode: str = "max",
) -> Any:
    """Maxima ("max") or means ("avg") over 3D windows."""
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def _pool(x: Any, pool_size: Any, strides: Any, padding: str, data_format: Any, pool_mode: str) -> Any:
    if pool_mode not in ("max", "avg"):
        raise ValueError(f"[K.pool] expected pool_mode to be 'max' or 'avg', received {pool_mode!r}.")
    pool = ops.max_pool if pool_mode == "max" else ops.average_pool
    return pool(x, pool_size, strides, padding, data_format)


# What has no meaning any more.

GONE = {
    "get_session": "there are no sessions: values are computed at once, and tahr.function compiles",
    "set_session": "there are no sessions: values are computed at once, and tahr.function compiles",
    "learning_phase": "whether layers train is an argument: model(x, training=True)",
    "set_learning_phase": "whether layers train is an argument: model(x, training=True)",
    "in_train_phase": "take `training` in call(): y = a if training else b",
    "in_test_phase": "take `training` in call(): y = b if training else a",
    "manual_variable_initialization": "variables have their values as soon as they exist",
    "image_dim_ordering": "keras.backend.image_data_format()",
    "set_image_dim_ordering": "keras.backend.set_image_data_format('channels_last' or 'channels_first')",
    "ctc_label_dense_to_sparse": "keras.losses.CTC takes dense labels",
}


def find(name: str) -> Any:
    """The function `name` of the old backend; for `keras.backend.__getattr__`.

    Raises:
        AttributeError: if there was none, or it has no meaning any more: then with what to write instead.
    """
    if name in GONE:
        raise AttributeError(f"[keras.backend] {name} is not offered any more: {GONE[name]}.")
    value = globals().get(name)
    if name not in NAMES:
        raise AttributeError(f"module 'tahr.keras.backend' has no attribute {name!r}")
    return value


_HOMES = (__name__, name_scope.__module__, rnn.__module__)
NAMES = frozenset(
    name
    for name, value in globals().items()
    if not name.startswith("_") and name != "find" and getattr(value, "__module__", None) in _HOMES
)
