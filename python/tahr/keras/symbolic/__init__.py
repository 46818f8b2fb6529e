"""Operations on symbolic tensors: what records the graph of a functional model.

- operation: `Operation`, the base of layers and of recorded `keras.ops` calls
- node: one call of an operation, with where its inputs came from
- function: `Function`, a graph from inputs to outputs that can be run again
"""

from tahr.keras.symbolic.function import Function
from tahr.keras.symbolic.node import KerasHistory, Node, is_from_node
from tahr.keras.symbolic.operation import Operation
from tahr.keras.symbolic.trace import compute_output_spec

__all__ = ["Function", "KerasHistory", "Node", "Operation", "compute_output_spec", "is_from_node"]
