"""Operation: something that can be called on tensors, and that is recorded when they are symbolic."""

from __future__ import annotations

import inspect
import math
import weakref
from collections.abc import Callable
from typing import Any

from tahr.keras import tree
from tahr.keras.backend import state
from tahr.keras.backend.keras_tensor import any_symbolic
from tahr.keras.backend.remat import RematMode, get_current_remat_mode, remat
from tahr.keras.symbolic.node import Node


class Operation:
    """Base of layers and of recorded operations.

    A subclass implements `call(...)`, and `compute_output_spec(...)` where running `call` would not do.

    Args:
        name: unique name; made from the class name if None.
    """

    _init_arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    _keras_module: str | None = None
    _remat_mode: RematMode | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        instance = super().__new__(cls)
        mode = get_current_remat_mode()
        if mode is not None:
            object.__setattr__(instance, "_remat_mode", mode)
        object.__setattr__(instance, "_init_arguments", (args, kwargs))
        return instance

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = state.auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"[{type(self).__name__}] expected a name without '/', received name={name!r}.")
        self.name = name
        self._inbound_nodes: list[Node] = []
        self._outbound_nodes: list[Node] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        call = self.call if getattr(self, "quantization_mode", None) is None else self.quantized_call
        if self._remat_mode is not None:
            call = self.rematerialized_call(call, *args, **kwargs)
        return call(*args, **kwargs)

    def rematerialized_call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """`fn`, rematerialized if the scope that the operation was made in says so.

        Args:
            fn: `call` or `quantized_call`.
            args: the arguments that it is about to get, and `kwargs`: of them the size of the output follows.
        """
        if self._remat_mode is None:
            return fn
        if self._remat_mode.mode == "full":
            return remat(fn)
        if self._remat_mode.mode == "larger_than":
            outputs = tree.flatten(self.compute_output_spec(*args, **kwargs))
            size = sum(math.prod(d or 1 for d in x.shape) for x in outputs if hasattr(x, "shape"))
            if size > self._remat_mode.output_size_threshold:
                return remat(fn)
        return fn

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as KerasTensors, recorded as a `Node`."""
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation itself; subclasses implement it."""
        raise NotImplementedError(
            f"[{type(self).__name__}] expected a call() method, received none. Implement call(self, ...)."
        )

    def quantized_call(self, *args: Any, **kwargs: Any) -> Any:
        """`call` with quantized weights, in place of it in operations that have a quantization mode.

        Raises:
            NotImplementedError: unless a subclass implements it.
        """
        raise NotImplementedError(
            f"[{type(self).__name__}] expected a quantized_call() method, received none. Implement "
            "quantized_call(self, ...)."
        )

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the outputs, as KerasTensors: by default found by running `call` without values."""
        from tahr.keras.symbolic.trace import compute_output_spec

        try:
            return compute_output_spec(self.call, *args, **kwargs)
        except Exception as error:
            kind = type(error)
            text = (
                f"[{self.name}] could not find the shape of the output by running call() of {type(self).__name__} "
                f"on symbolic tensors: {error}"
            )
            if "could not find the shape" in str(error):
                raise
            try:
                new = kind(text)
            except Exception:
                raise error from None
            raise new from error

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such an object again.

        Where a subclass does not say, they are those its constructor was given, if all are plain values.

        Raises:
            NotImplementedError: if an argument is not a plain value.
        """
        config: dict[str, Any] = {"name": self.name}
        if not _needs_auto_config(type(self)):
            return config
        parameters = inspect.signature(type(self).__init__).parameters.values()
        takes_name = any(p.name == "name" or p.kind is p.VAR_KEYWORD for p in parameters)
        return {**(config if takes_name else {}), **self._auto_config(), **(config if takes_name else {})}

    def _auto_config(self) -> dict[str, Any]:
        """The constructor's arguments of a class that defines its own `__init__` but no `get_config`."""
        cls = type(self)
        if not _needs_auto_config(cls):
            return {}
        args, kwargs = self._init_arguments
        signature = inspect.signature(cls.__init__)
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError:
            bound = None
        values: dict[str, Any] = {}
        if bound is not None:
            bound.apply_defaults()
            for key, value in list(bound.arguments.items())[1:]:
                kind = signature.parameters[key].kind
                if kind is inspect.Parameter.VAR_KEYWORD:
                    values.update(value)
                elif kind is inspect.Parameter.VAR_POSITIONAL:
                    if value:
                        bound = None
                        break
                else:
                    values[key] = value
        plain = (str, int, float, bool, type(None))
        if bound is None or not all(isinstance(v, plain) for v in tree.flatten(values)):
            raise NotImplementedError(
                f"[{cls.__name__}] expected a get_config() method, since its constructor takes arguments that are not "
                "plain values. Implement:\n\n"
                "    def get_config(self):\n"
                "        return {**super().get_config(), 'argument': self.argument}"
            )
        accepted = signature.parameters
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values()):
            values = {k: v for k, v in values.items() if k in accepted}
        return values

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An object like the one that `get_config` described."""
        config = dict(config)
        dtype = config.get("dtype")
        if isinstance(dtype, dict):
            from tahr.keras import dtype_policies

            policy = dtype_policies.deserialize(dtype)
            plain = type(policy).__name__ == "DTypePolicy" and policy.name == policy.compute_dtype
            config["dtype"] = policy.name if plain else policy
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(
                f"[{cls.__name__}] expected from_config() to get the arguments of the constructor, received "
                f"{config}: {error}"
            ) from error

    def _tensors_at(self, what: str) -> Any:
        if not self._inbound_nodes:
            raise AttributeError(f"[{self.name}] has no {what} yet: it was not called on a symbolic tensor.")
        node = self._inbound_nodes[0]
        values = node.input_tensors if what == "input" else node.outputs
        return values[0] if len(values) == 1 else list(values)

    @property
    def input(self) -> Any:
        """The KerasTensor it was first called on (a list if several)."""
        return self._tensors_at("input")

    @property
    def output(self) -> Any:
        """The KerasTensor that its first call gave (a list if several)."""
        return self._tensors_at("output")


_auto_classes: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def _needs_auto_config(cls: type) -> bool:
    """Whether the class nearest to `cls` that defines `__init__` comes before the nearest `get_config`."""
    found = _auto_classes.get(cls)
    if found is None:
        found = False
        for c in cls.__mro__:
            if c.__module__.startswith("tahr.keras."):
                break
            if "get_config" in vars(c):
                break
            if "__init__" in vars(c):
                found = True
                break
        _auto_classes[cls] = found
    return found
