"""Where a symbolic tensor comes from."""

from __future__ import annotations

from typing import Any

from tahr.keras.symbolic.node import node_of


def get_source_inputs(tensor: Any) -> list[Any]:
    """The inputs (`keras.Input`) that a KerasTensor depends on, in the order in which they are met.

    Args:
        tensor: a KerasTensor.

    Returns:
        A list of KerasTensors; `tensor` itself if it is an input or has no history.

    Example:
        >>> from tahr import keras
        >>> a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
        >>> [x.name for x in keras.utils.get_source_inputs(keras.layers.Add()([a, b]))]
        ['a', 'b']
    """
    found: dict[int, Any] = {}
    seen: set[int] = set()
    stack = [tensor]
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        node = node_of(x)
        if node is None or node.is_input:
            found.setdefault(id(x), x)
        else:
            stack.extend(reversed(node.input_tensors))
    return list(found.values())
