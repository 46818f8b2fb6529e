"""Classes and functions of TensorFlow's top level that are not functions of tensors: shapes, modules, calls into Python."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tahr.dtypes import as_dtype
from tahr.tensor import convert_to_tensor, is_tensor
from tahr.variable import Variable


class TensorShape(tuple):
    """A shape: a tuple of sizes, None where they are unknown.

    Example:
        >>> import tahr as tf
        >>> tf.TensorShape([None, 3]).as_list(), tf.TensorShape([None, 3]).rank
        ([None, 3], 2)
    """

    def __new__(cls, dims: Iterable[int | None]) -> TensorShape:
        return super().__new__(cls, (None if d is None else int(d) for d in dims))

    def as_list(self) -> list[int | None]:
        """The sizes in a list."""
        return list(self)

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self)

    ndims = rank

    @property
    def dims(self) -> list[int | None]:
        """The sizes in a list."""
        return list(self)

    def num_elements(self) -> int | None:
        """Product of the sizes; None if one is unknown."""
        product = 1
        for size in self:
            if size is None:
                return None
            product *= size
        return product

    def is_fully_defined(self) -> bool:
        """Whether all sizes are known."""
        return None not in self


class Module:
    """Something with variables: those in its attributes, in modules there, and in lists, tuples and dicts of them.

    Example:
        >>> import tahr as tf
        >>> class Scale(tf.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = tf.Variable(2.0)
        ...     def __call__(self, x):
        ...         return x * self.factor
        >>> scale = Scale()
        >>> len(scale.trainable_variables), float(scale(3.0))
        (1, 6.0)
    """

    def __init__(self, name: str | None = None) -> None:
        self._name = name or type(self).__name__.lower()

    @property
    def name(self) -> str:
        """The name given, or that of the class in lower case."""
        return self._name

    @property
    def variables(self) -> tuple[Any, ...]:
        """All variables, each once, attributes in the order of their names."""
        return tuple(x for x in _inside(self) if _is_variable(x))

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The variables that a tape watches by itself."""
        return tuple(v for v in self.variables if v.trainable)

    @property
    def submodules(self) -> tuple[Module, ...]:
        """The modules inside."""
        return tuple(x for x in _inside(self) if isinstance(x, Module) and x is not self)


def _is_variable(x: Any) -> bool:
    return isinstance(x, Variable) or (hasattr(x, "assign") and hasattr(x, "trainable"))


def _inside(root: Any) -> Iterator[Any]:
    seen: set[int] = set()
    stack = [root]
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if _is_variable(x):
            yield x
        elif isinstance(x, (list, tuple)):
            stack.extend(reversed(x))
        elif isinstance(x, dict):
            stack.extend(reversed([x[k] for k in x]))
        elif isinstance(x, Module):
            yield x
            stack.extend(x.__dict__[k] for k in sorted(x.__dict__, reverse=True))
        elif hasattr(x, "trainable_variables"):  # a layer
            stack.extend(reversed(x.variables))


def py_function(func: Callable[..., Any], inp: Any, Tout: Any = None, name: str | None = None) -> Any:
    """What the Python function `func` returns for the tensors `inp`, as tensors of the dtypes `Tout`.

    Raises:
        RuntimeError: inside a traced function, where tensors have no values yet.
    """
    args = [convert_to_tensor(x) if not is_tensor(x) else x for x in inp]
    _require_values("py_function", args)
    results = func(*args)
    if Tout is None:
        return None
    if not isinstance(Tout, (list, tuple)):
        return convert_to_tensor(results, dtype=as_dtype(Tout))
    return [convert_to_tensor(r, dtype=as_dtype(t)) for r, t in zip(results, Tout)]


def print(*inputs: Any, output_stream: Any = None, summarize: int = 3, sep: str = " ", end: str = "\n") -> None:
    """Prints values: tensors as NumPy prints arrays, at most `summarize` elements at either end of an axis.

    Args:
        inputs: tensors, variables or anything else that prints.
        output_stream: a stream; standard error by default.
        summarize: how much of a long axis to show; -1 for all.
        sep: what to put between the inputs.
        end: what to put after them.

    Raises:
        RuntimeError: inside a traced function, where tensors have no values yet.
    """
    import numpy as np

    _require_values("print", [x for x in inputs if is_tensor(x)])
    texts = []
    for x in inputs:
        if is_tensor(x) or _is_variable(x):
            array = np.asarray(x)
            limit = array.size + 1 if summarize == -1 else 2 * summarize
            text = np.array2string(array, threshold=limit, edgeitems=builtins.max(summarize, 1))
            texts.append(text)
        else:
            texts.append(str(x))
    builtins.print(sep.join(texts), end=end, file=output_stream or sys.stderr)


def _require_values(what: str, tensors: list[Any]) -> None:
    if any(getattr(x, "is_symbolic", False) for x in tensors):
        raise RuntimeError(
            f"[{what}] expected tensors with values, received symbolic ones of a traced function. Call it outside of "
            "@tahr.function, or run functions eagerly: tahr.config.run_functions_eagerly(True)."
        )
