"""GPTQ and AWQ: integers for the kernels of a model, chosen by what its layers get to see.

A sample of token windows goes through the model block by block. In each block the inputs of all Dense and EinsumDense
layers are watched, their kernels quantized, and the outputs of the block so quantized are what the next one sees. The
arithmetic is NumPy's, in float64, on kernels transposed as (outputs, inputs); storing and calling is in
`layers/core/calibrated_kernel.py`.

Sources: Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2023;
Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", 2024.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras import quantizers
from tahr.keras.backend.engine import convert_to_numpy
from tahr.keras.layers.layer import Layer

_BLOCK = 128  # columns of a kernel between two updates of all that follow


def structure_of(model: Any, config: Any) -> dict[str, Any]:
    """What the config, or the model itself, says about the order of its blocks.

    Raises:
        ValueError: if neither does, or there are no blocks.
    """
    structure = config.quantization_layer_structure or model.get_quantization_layer_structure(config.mode)
    if structure is None:
        raise ValueError(
            f"[{model.name}] For '{config.mode}' mode, a valid quantization structure must be provided: "
            "quantization_layer_structure of the config, or get_quantization_layer_structure() of the model. It is a dict "
            "with the layers 'pre_block_layers', which make the inputs of the first of the 'sequential_blocks'."
        )
    if not structure.get("sequential_blocks"):
        raise ValueError(f"[{model.name}] No sequential blocks found in the provided structure to quantize.")
    return structure


def kernels_of(block: Any) -> list[Any]:
    """The layers of a block whose kernels can be calibrated."""
    from tahr.keras.layers import Dense, EinsumDense

    return [layer for layer in block._flatten_layers() if isinstance(layer, (Dense, EinsumDense))]


def calibrate(model: Any, config: Any, structure: dict[str, Any], layers: list[Any]) -> None:
    """Finds the integers of `layers`, which are in the mode of `config` already but hold floats still.

    Raises:
        ValueError: without data or tokenizer.
    """
    if config.dataset is None or config.tokenizer is None:
        raise ValueError(f"[{model.name}] {config.mode} quantization requires a dataset and a tokenizer in its config.")
    windows = token_windows(config.dataset, config.tokenizer, config.num_samples, config.sequence_length)
    size = max(1, getattr(config, "calibration_batch_size", 1))
    inputs = []
    for start in range(0, len(windows), size):
        x = ops.convert_to_tensor(windows[start : start + size])
        for layer in structure.get("pre_block_layers", ()):
            x = layer(x)
        inputs.append(x)
    chosen = {id(layer) for layer in layers}
    make = _Gptq if config.mode == "gptq" else _Awq
    blocks = structure["sequential_blocks"]
    for number, block in enumerate(blocks):
        watched = [make(layer, config) for layer in kernels_of(block) if id(layer) in chosen]
        with _watching(watched):
            for x in inputs:
                Layer.__call__(block, x)  # not from a trace, in which nothing could be watched
        for each in watched:
            each.finish()
        if number + 1 < len(blocks):
            inputs = [Layer.__call__(block, x) for x in inputs]


def token_windows(dataset: Any, tokenizer: Any, count: int, length: int) -> np.ndarray:
    """`count` windows of `length` tokens (int32) at even distances in all texts of `dataset`, one after the other.

    Args:
        dataset: texts, for which `tokenizer.tokenize` (or the tokenizer itself) is called, or arrays of tokens.
        tokenizer: see there.
        count: number of windows; they repeat where there are not enough tokens.
        length: tokens per window.

    Raises:
        TypeError: if `dataset` is a single text or nothing to iterate over.
        ValueError: if it is empty.
    """
    if isinstance(dataset, (str, bytes)) or not hasattr(dataset, "__iter__"):
        raise TypeError(f"[quantize] expected the dataset as an iterable of texts or arrays, received {type(dataset)}.")
    tokenize = getattr(tokenizer, "tokenize", tokenizer)
    pieces = [np.ravel(convert_to_numpy(tokenize(x) if isinstance(x, str) else x)) for x in dataset]
    tokens = np.concatenate(pieces).astype(np.int32) if pieces else np.zeros(0, np.int32)
    if tokens.size == 0:
        raise ValueError("[quantize] expected data to calibrate with, received an empty dataset.")
    if tokens.size < count * length:
        tokens = np.tile(tokens, -(-count * length // tokens.size))
    starts = np.linspace(0, tokens.size - length, count).astype(np.int64)
    return np.lib.stride_tricks.sliding_window_view(tokens, length)[starts]


@contextlib.contextmanager
def _watching(watched: Sequence[_Calibration]) -> Iterator[None]:
    """While this holds, the layers show their inputs."""

    def shown(each: _Calibration, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            each.see(np.reshape(convert_to_numpy(inputs), (-1, each.rows)).astype(np.float64))
            return call(inputs, *args, **kwargs)

        return wrapped

    names = [f"_{each.config.mode}_call" for each in watched]
    for each, name in zip(watched, names):
        each.layer.__dict__[name] = shown(each, getattr(each.layer, name))
    try:
        yield
    finally:
        for each, name in zip(watched, names):
            del each.layer.__dict__[name]


class _Calibration:
    """One layer, what is known of its inputs, and in the end its integers."""

    def __init__(self, layer: Any, config: Any) -> None:
        self.layer, self.config = layer, config
        self.rows, columns = layer._calibrated_shape(tuple(layer._kernel.shape))
        kernel = convert_to_numpy(layer._kernel).astype(np.float64)
        self.weights = np.ascontiguousarray(kernel.reshape(self.rows, columns).T)
        self.group = self.rows if config.group_size == -1 else config.group_size

    def see(self, x: np.ndarray) -> None:
        """Takes inputs (samples, rows) into account."""
        raise NotImplementedError

    def finish(self) -> None:
        """Puts integers in place of the floats of the layer."""
        raise NotImplementedError

    def _store(self, integers: np.ndarray, scale: np.ndarray, zero: np.ndarray, groups: np.ndarray) -> None:
        layer = self.layer
        packed: Any = integers.astype(np.uint8)
        if layer._weight_bits == 4:
            packed = quantizers.pack_int4(packed, axis=0, dtype="uint8")[0]
        del layer._kernel
        layer.quantized_kernel.assign(packed)
        layer.kernel_scale.assign(scale)
        layer.kernel_zero.assign(zero.astype(np.uint8))
        layer.g_idx.assign(groups.astype(np.float32))


def _range_of(
    weights: np.ndarray, bits: int, symmetric: bool, per_output: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """(scale, zero point), both (outputs, 1): integers from 0 to 2**bits - 1 then reach over all of `weights` and 0."""
    low, high = np.minimum(weights.min(axis=1), 0.0), np.maximum(weights.max(axis=1), 0.0)
    if not per_output:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    most = 2**bits - 1
    if symmetric:
        high = np.maximum(-low, high)
        low = -high
    scale = (high - low) / most
    scale[scale == 0.0] = 1.0
    zero = np.full_like(scale, 2 ** (bits - 1)) if symmetric else np.round(-low / scale)
    return scale[:, None], zero[:, None]


def _round(weights: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(np.round(weights / scale + zero), 0, 2**bits - 1)


class _Gptq(_Calibration):
    """Rounds the kernel input by input; what a rounding does to the outputs, the inputs still to come make good."""

    def __init__(self, layer: Any, config: Any) -> None:
        super().__init__(layer, config)
        self.hessian = np.zeros((self.rows, self.rows))

    def see(self, x: np.ndarray) -> None:
        self.hessian += 2.0 * (x.T @ x)

    def finish(self) -> None:
        config, bits = self.config, self.config.weight_bits
        hessian, weights = self.hessian, self.weights
        unused = np.diag(hessian) == 0.0  # inputs that are always 0: their weights do not matter
        hessian[unused, unused] = 1.0
        diagonal = np.diag(hessian).copy()
        hessian[np.diag_indices(self.rows)] += max(config.hessian_damping, 1e-10) * diagonal.mean()
        order = np.argsort(-diagonal, kind="stable") if config.activation_order else np.arange(self.rows)
        weights = weights[:, order]
        # Row i of the upper factor of the inverse: how the inputs behind i answer for a change at i.
        factor = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
        integers = np.zeros_like(weights)
        scales, zeros = [], []
        for start in range(0, self.rows, _BLOCK):
            end = min(start + _BLOCK, self.rows)
            errors = np.zeros((len(weights), end - start))
            for i in range(start, end):
                if i % self.group == 0:
                    part = weights[:, i : i + self.group].copy()
                    if i + self.group > end:  # what is still to be made good behind this block of columns
                        behind = slice(end, min(i + self.group, self.rows))
                        part[:, end - i :] -= errors[:, : i - start] @ factor[start:i, behind]
                    scale, zero = _range_of(part, bits, config.symmetric, config.per_channel)
                    scales.append(scale)
                    zeros.append(zero)
                column = weights[:, i : i + 1]
                integers[:, i : i + 1] = _round(column, scale, zero, bits)
                error = (column - (integers[:, i : i + 1] - zero) * scale) / factor[i, i]
                weights[:, i:end] -= error * factor[i, i:end]
                errors[:, i - start] = error[:, 0]
            weights[:, end:] -= errors @ factor[start:end, end:]
        back = np.argsort(order)
        groups = np.arange(self.rows) // self.group
        self._store(integers[:, back], np.hstack(scales), np.hstack(zeros), groups[back])
        self.layer.is_gptq_calibrated = True


class _Awq(_Calibration):
    """Multiplies weights of large inputs by a factor before rounding, and the inputs by its inverse."""

    def __init__(self, layer: Any, config: Any) -> None:
        super().__init__(layer, config)
        self.largest = np.zeros(self.rows)

    def see(self, x: np.ndarray) -> None:
        self.largest = np.maximum(self.largest, np.abs(x).max(axis=0))

    def finish(self) -> None:
        largest = np.where(self.largest < 1e-8, 1.0, self.largest)
        best: tuple[float, Any] | None = None
        for step in range(self.config.num_grid_points + 1):
            factors = np.maximum(largest ** (step / self.config.num_grid_points), 1e-4)
            factors = factors / np.sqrt(factors.max() * factors.min())
            integers, scale, zero, groups = self._rounded(factors)
            change = (integers - zero[:, groups]) * scale[:, groups] / factors - self.weights
            loss = float(np.mean(np.square(change * largest)))
            if best is None or loss < best[0]:
                best = loss, (factors, integers, scale, zero, groups)
        assert best is not None
        factors, *stored = best[1]
        self._store(*stored)
        self.layer.awq_scales.assign(factors)
        self.layer.is_awq_calibrated = True

    def _rounded(self, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        weights = self.weights * factors
        starts = range(0, self.rows, self.group)
        ranges = [_range_of(weights[:, i : i + self.group], 4, symmetric=False) for i in starts]
        scale, zero = (np.hstack(parts) for parts in zip(*ranges))
        groups = np.arange(self.rows) // self.group
        return _round(weights, scale[:, groups], zero[:, groups], 4), scale, zero, groups
