"""The loop over time for cells that no fused op covers.

Eagerly each step runs by itself; in a trace the steps are one `scan`, or written out one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tahr import ops
from tahr.keras import tree


def _time_first(x: Any) -> Any:
    return ops.transpose(x, (1, 0, *range(2, x.ndim)))


def _fit(mask: Any, x: Any) -> Any:
    """A (batch,) mask with as many axes as `x`."""
    return ops.reshape(mask, (-1, *(1 for _ in range(x.ndim - 1))))


def _before_first(states: Any, output: Any) -> Any:
    """What stands for the output before the first step: the state that holds it, or zeros."""
    held = states[-1][0] if tree.is_nested(states[-1]) else states[0]
    if not tree.is_nested(held) and tuple(held.shape) == tuple(output.shape) and held.dtype == output.dtype:
        return held
    return ops.zeros(output.shape, dtype=output.dtype)


def run_steps(
    step: Callable[[Any, Any], tuple[Any, Any]],
    sequences: Any,
    initial_state: Any,
    mask: Any = None,
    go_backwards: bool = False,
    unroll: bool = False,
    zero_output_for_mask: bool = False,
    before_first: Callable[[Any, Any], Any] = _before_first,
) -> tuple[Any, Any, Any]:
    """`output, states = step(inputs, states)` for each step of `sequences`.

    Args:
        step: from the inputs of one step and the states to an output and the next states, in the same structure.
        sequences: (batch, steps, ...), or a structure of such.
        initial_state: the states before the first step.
        mask: (batch, steps); where False, the states stay, and the output repeats the one before.
        go_backwards: whether to run from the last step to the first; outputs come in the order of the computation.
        unroll: whether to write the steps out.
        zero_output_for_mask: whether outputs of masked steps are zeros instead.
        before_first: from the initial state and an output to what counts as the output before the first.

    Returns:
        The last output, the outputs (batch, steps, ...), the last states.
    """
    xs = tree.map_structure(_time_first, sequences)
    steps = tree.flatten(xs)[0].shape[0]
    if steps == 0:
        raise ValueError("[RNN] expected at least one step, received a sequence of none.")
    kept = None
    if mask is not None:
        kept = ops.cast(ops.squeeze(mask, axis=-1) if mask.ndim == 3 else mask, "bool")
        kept = ops.transpose(kept, (1, 0))
    if go_backwards:
        xs = tree.map_structure(lambda x: ops.flip(x, axis=0), xs)
        kept = None if kept is None else ops.flip(kept, axis=0)

    def body(carry: Any, x: Any) -> Any:
        states, before = carry
        inputs, keep = x if kept is not None else (x, None)
        output, new = step(inputs, states)
        if keep is None:
            return (new, before), output
        new = tree.map_structure(lambda n, s: ops.where(_fit(keep, n), n, s), new, states)
        if zero_output_for_mask:
            return (new, before), ops.where(_fit(keep, output), output, ops.zeros_like(output))
        output = ops.where(_fit(keep, output), output, before[0])
        return (new, [output]), output

    before: list[Any] = []
    if kept is not None and not zero_output_for_mask:
        first, _ = step(tree.map_structure(lambda x: x[0], xs), initial_state)  # for its shape
        before = [before_first(initial_state, first)]
    carry = (list(initial_state), before)
    rows = xs if kept is None else (xs, kept)
    if unroll:
        outputs = []
        for i in range(steps):
            carry, output = body(carry, tree.map_structure(lambda x, i=i: x[i], rows))
            outputs.append(output)
        stacked = ops.stack(outputs, axis=0)
    else:
        carry, stacked = ops.scan(body, carry, rows)
    return stacked[-1], _time_first(stacked), carry[0]
