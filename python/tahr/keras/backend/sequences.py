"""Functions of the old `keras.backend` about sequences and gradients: `K.rnn`, `K.ctc_*`, `K.gradients`.

`functions.py` hands them on; the rules there hold here, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tahr
from tahr.keras import ops, tree
from tahr.keras.backend.config import epsilon
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.symbolic.function import Function
from tahr.keras.symbolic.operation import Operation


def rnn(
    step_function: Callable[[Any, Any], tuple[Any, Any]],
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, tuple[Any, ...]]:
    """`output, states = step_function(inputs, states + constants)` over the steps of sequences.

    Args:
        step_function: from the inputs of a step (batch, ...) and a tuple of states to an output and the next states.
        inputs: (batch, steps, ...), or a structure of such.
        initial_states: list of the states before the first step.
        go_backwards: whether to run from the last step to the first; outputs come in the order of the computation.
        mask: (batch, steps) or (batch, steps, 1); where False, states stay, and the output repeats the one before, zeros
            before the first.
        constants: list of tensors that each step gets after the states.
        unroll: whether to write the steps out in a trace.
        input_length: how many steps of each sequence count (batch,), where there is no mask; or the number of steps.
        time_major: whether the first axis of inputs, mask and outputs is that of steps.
        zero_output_for_mask: whether outputs of masked steps are zeros.
        return_all_outputs: False for the last output alone, as a sequence of one step.

    Returns:
        The last output, the outputs (batch, steps, ...), the last states.

    Raises:
        ValueError: for a sequence without steps, or a single `input_length` that is not the number of steps.

    >>> from tahr import keras
    >>> from tahr.keras import backend as K
    >>> x = keras.ops.ones((1, 3, 2))
    >>> last, outputs, states = K.rnn(lambda x, s: (x + s[0], [x + s[0]]), x, [keras.ops.zeros((1, 2))])
    >>> outputs[0, :, 0].tolist()
    [1.0, 2.0, 3.0]
    """
    from tahr.keras.layers.rnn.loop import run_steps

    def swap(x: Any) -> Any:
        return ops.swapaxes(ops.convert_to_tensor(x), 0, 1)

    def zeros(states: Any, output: Any) -> Any:
        return ops.zeros_like(output)

    if time_major:
        inputs = tree.map_structure(swap, inputs)
        mask = None if mask is None else swap(mask)
    else:
        inputs = tree.map_structure(ops.convert_to_tensor, inputs)
    mask = None if mask is None else ops.convert_to_tensor(mask)
    steps = tree.flatten(inputs)[0].shape[1]
    if mask is None and input_length is not None:
        if np.ndim(input_length) == 0:
            if int(input_length) != steps:
                raise ValueError(
                    f"[K.rnn] expected input_length={steps}, the number of steps, received {input_length}."
                )
        else:
            places = ops.arange(steps)[::-1] if go_backwards else ops.arange(steps)
            kept = ops.less(ops.expand_dims(places, 0), ops.expand_dims(ops.cast(input_length, "int32"), 1))
            mask = ops.flip(kept, axis=1) if go_backwards else kept
    constants = tuple(constants or ())
    last, outputs, states = run_steps(
        lambda x, states: step_function(x, tuple(states) + constants),
        inputs,
        list(initial_states),
        mask,
        go_backwards,
        unroll,
        zero_output_for_mask,
        before_first=zeros,
    )
    if not return_all_outputs:
        outputs = ops.expand_dims(last, 1)
    return last, swap(outputs) if time_major else outputs, tuple(states)


def _log_probabilities(y_pred: Any) -> Any:
    return ops.log(ops.convert_to_tensor(y_pred) + epsilon())


def _flat(lengths: Any) -> Any:
    return ops.reshape(ops.cast(lengths, "int32"), (-1,))


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """The CTC loss of each sequence of a batch. The last class is the blank.

    Args:
        y_true: labels, integers (batch, max_length).
        y_pred: probabilities, such as of a softmax, (batch, frames, classes).
        input_length: how many frames count (batch, 1).
        label_length: how many labels count (batch, 1).

    Returns:
        (batch, 1).

    >>> from tahr import keras
    >>> from tahr.keras import backend as K
    >>> K.ctc_batch_cost([[0]], keras.ops.full((1, 1, 2), 0.5), [[1]], [[1]]).numpy()
    array([[0.6931472]], dtype=float32)
    """
    blank = y_pred.shape[-1] - 1
    scores, labels = _log_probabilities(y_pred), ops.cast(y_true, "int32")
    return ops.expand_dims(ops.ctc_loss(labels, scores, _flat(label_length), _flat(input_length), blank), 1)


def ctc_decode(
    y_pred: Any, input_length: Any, greedy: bool = True, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[Any], Any]:
    """The label sequences that probabilities read as. The last class is the blank.

    Args:
        y_pred: probabilities, such as of a softmax, (batch, frames, classes).
        input_length: how many frames count (batch,).
        greedy: whether to take the best class of each frame; else a beam search finds the most probable sequences, in
            which equal labels that follow each other are then merged.
        beam_width: how many sequences the beam search keeps.
        top_paths: how many sequences it gives.

    Returns:
        A list of labels (batch, frames), int64, -1 after the end: one if greedy, else `top_paths`. And scores
        (batch, len(list)): log-probabilities of the beam search, or minus the sum of the best scores.

    >>> from tahr import keras
    >>> from tahr.keras import backend as K
    >>> K.ctc_decode(keras.ops.one_hot([[0, 0, 2, 1]], 3), [4])[0][0].tolist()
    [[0, 1, -1, -1]]
    """
    strategy = "greedy" if greedy else "beam_search"
    decoded, scores = ops.ctc_decode(
        _log_probabilities(y_pred),
        _flat(input_length),
        strategy,
        beam_width,
        1 if greedy else top_paths,
        mask_index=y_pred.shape[-1] - 1,
    )
    if greedy:
        return [ops.cast(path, "int64") for path in decoded], scores
    merged = [_merge_repeated(np.asarray(path)) for path in decoded]
    return [ops.convert_to_tensor(path, dtype="int64") for path in merged], scores


def _merge_repeated(paths: np.ndarray) -> np.ndarray:
    """Rows of labels, each of which goes where it equals the one before; -1 fills up."""
    out = np.full_like(paths, -1)
    for row, labels in zip(out, paths):
        kept = [a for a, before in zip(labels, (-1, *labels)) if a != before and a != -1]
        row[: len(kept)] = kept
    return out


class Gradients(Operation):
    """d loss / d inputs of a graph, as an operation on the inputs."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def call(self, *inputs: Any) -> Any:
        """The gradients of the loss, summed over its elements."""
        with tahr.GradientTape() as tape:
            for x in inputs:
                tape.watch(x)
            loss = self.function(list(inputs))
        found = tape.gradient(loss, list(inputs))
        return [ops.zeros_like(x) if g is None else g for g, x in zip(found, inputs)]

    def compute_output_spec(self, *inputs: Any) -> list[KerasTensor]:
        """Tensors like the inputs."""
        return [KerasTensor(x.shape, dtype=x.dtype) for x in inputs]


def gradients(loss: Any, variables: Any) -> list[Any]:
    """d loss / d variables between symbolic tensors of a model, for `K.function`, as in maps of what a model looks at.

    Args:
        loss: KerasTensor; where it has several elements, their sum counts.
        variables: KerasTensor or a list of them, from which `loss` is computed.

    Returns:
        A list of KerasTensors, of the shapes of `variables`.

    Raises:
        ValueError: for values or weights (record those with a `tahr.GradientTape`), or if `loss` also depends on inputs
            that `variables` do not lead to.

    >>> from tahr import keras
    >>> from tahr.keras import backend as K
    >>> x = keras.Input((2,))
    >>> slopes = K.function([x], K.gradients(K.sum(x * x), x))
    >>> slopes([[[1.0, 2.0]]])[0].tolist()
    [[2.0, 4.0]]
    """
    sources = list(variables) if isinstance(variables, (list, tuple)) else [variables]
    if not all(isinstance(x, KerasTensor) for x in (loss, *sources)):
        raise ValueError(
            "[K.gradients] expected symbolic tensors of a model, received values or weights. Record the computation: with "
            "tahr.GradientTape() as tape: loss = ..., then tape.gradient(loss, variables)."
        )
    return Gradients(Function(sources, loss)).symbolic_call(*sources)
