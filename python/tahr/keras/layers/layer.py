"""Layer: the base of everything that has weights and can be called.

What happens in a call is in `__call__`, step by step; what a layer holds is in `state.py`, how that is filed in
`tracking.py`, how it is quantized in `quantization.py`; how arguments are read in `call_spec.py`; what is demanded of
inputs in `input_spec.py`. A new layer needs `call`, `get_config`, and `build` if it has weights; `compute_output_shape`
only saves time.
"""

from __future__ import annotations

import functools
import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tahr import ops
from tahr.keras import dtype_policies, tree
from tahr.keras.backend import scopes, state
from tahr.keras.backend.dtypes import is_float_dtype
from tahr.keras.backend.engine import Tensor, is_tensor
from tahr.keras.backend.keras_tensor import KerasTensor, any_symbolic
from tahr.keras.backend.masking import get_keras_mask, set_keras_mask
from tahr.keras.backend.remat import remat
from tahr.keras.backend.variables import Variable
from tahr.keras.layers.call_spec import CallSpec, is_tensor_like, shapes_for, signature_of
from tahr.keras.layers.input_spec import assert_input_compatibility
from tahr.keras.layers.quantization import Quantizable
from tahr.keras.layers.state import _PLAIN
from tahr.keras.old_arguments import accept_in_layer
from tahr.keras.symbolic.node import Node
from tahr.keras.symbolic.operation import _needs_auto_config
from tahr.keras.symbolic.trace import compute_output_spec

_OP_NAME = re.compile(r"\[(\w+)\]")  # at the start of a message: what raised it


class CallContext:
    """What the outermost call tells the calls inside it, such as `training`."""

    __slots__ = ("entry", "values")

    def __init__(self, entry: Layer) -> None:
        self.entry = entry
        self.values: dict[str, Any] = {}


def _wrap_build(build: Callable[..., Any]) -> Callable[..., Any]:
    """`build` in the layer's name scope, its shapes remembered and the state closed afterwards."""
    signature = inspect.signature(build)

    @functools.wraps(build)
    def wrapped(self: Layer, *args: Any, **kwargs: Any) -> None:
        if self._building:  # called by the build() of a subclass
            build(self, *args, **kwargs)
            return
        self._building = True
        try:
            with self._open_name_scope():
                self._path = scopes.current_path()
                build(self, *args, **kwargs)
        finally:
            self._building = False
        shapes = dict(signature.bind(self, *args, **kwargs).arguments)
        shapes.pop(next(iter(signature.parameters)))
        object.__setattr__(self, "_build_shapes_dict", shapes)
        self.built = True
        self._post_build()
        self._tracker.lock()

    return wrapped


class _ShapeIn:
    """`layer.input_shape` and `layer.output_shape`: shapes in the graph of a model; a layer may set them itself."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __get__(self, layer: Any, owner: type) -> Any:
        if layer is None:
            return self
        try:
            tensors = getattr(layer, self.what)
        except (AttributeError, ValueError):
            shapes = layer.__dict__.get("_build_shapes_dict")
            if self.what == "input" and shapes and len(shapes) == 1:
                return next(iter(shapes.values()))
            raise AttributeError(
                f"[{layer.name}] expected a layer that is part of a model for its {self.what} shape. Call it on a "
                "keras.Input, or put it into a Sequential with one."
            ) from None
        return tree.map_structure(lambda x: tuple(x.shape), tensors)


class Layer(Quantizable):
    """Something with state (weights) and a computation (`call`).

    Args:
        activity_regularizer: regularizer (or its name) applied to the outputs; its penalty joins `losses`.
        trainable: whether optimizers update the weights.
        dtype: a dtype, the name of a dtype policy or a policy; None for the default policy.
        autocast: whether floating-point inputs are cast to the compute dtype.
        name: unique name; made from the class name if None.
        kwargs: `input_shape`, `input_dim` or `batch_input_shape`: the shape of the input when the layer is the first
            one of a `Sequential`.

    Raises:
        ValueError: for unknown arguments.

    >>> import numpy as np
    >>> from tahr import keras
    >>> class Scale(keras.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
    ...     def call(self, inputs):
    ...         return inputs * self.scale
    >>> Scale()(np.array([[1.0, 2.0]])).numpy()
    array([[1., 2.]], dtype=float32)
    """

    _keras_module: str | None = None
    _remat_by_part = False  # whether it is nothing but layers, each of which has a mode of its own

    input_shape: Any = _ShapeIn("input")
    output_shape: Any = _ShapeIn("output")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _wrap_build(cls.build)  # type: ignore[method-assign]
        if "__init__" in cls.__dict__ and cls.__module__.startswith("tahr.keras.layers."):
            cls.__init__ = accept_in_layer(cls.__init__)  # type: ignore[method-assign]

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._initialize_tracker()
        super().__init__(name=name)
        self._set_policy(dtype_policies.get(dtype))
        self._take_input_shape(kwargs)
        if kwargs:
            raise ValueError(
                f"[{type(self).__name__}] expected arguments of the layer only, received {sorted(kwargs)}."
            )
        if not isinstance(trainable, bool):
            raise ValueError(f"[{type(self).__name__}] expected trainable to be a boolean, received {trainable!r}.")
        self.activity_regularizer = _get_regularizer(activity_regularizer)
        self.built = False
        self.autocast = autocast
        self._trainable = trainable
        self._path: str | None = None
        self._parent_path: str | None = None
        self._input_spec: Any = None
        self._called = False
        self._building = False
        self._build_shapes_dict: dict[str, Any] | None = None
        self._losses: list[Any] = []
        self._loss_ids: set[int] = set()
        self._losses_override: list[Any] = []
        self._call_context_args = {"training"}
        self._convert_input_args = True
        self._allow_non_tensor_positional_args = False
        self._supports_masking = type(self).compute_mask is not Layer.compute_mask
        self.supports_jit = True

    def _take_input_shape(self, kwargs: dict[str, Any]) -> None:
        """Keeps the shape given in one of the older ways, for a `Sequential` that starts with this layer."""
        batch_size = kwargs.pop("batch_size", None) if ("input_shape" in kwargs or "input_dim" in kwargs) else None
        shape = kwargs.pop("batch_input_shape", None)
        dim = kwargs.pop("input_dim", None)
        inner = kwargs.pop("input_shape", None)
        if dim is not None:
            inner = (dim,)
        if shape is None and inner is not None:
            shape = (batch_size, *((inner,) if isinstance(inner, int) else inner))
        self._batch_input_shape = None if shape is None else tuple(shape)

    def _check_super_called(self) -> None:
        if "_call_context_args" not in self.__dict__:
            raise RuntimeError(
                f"[{type(self).__name__}] expected super().__init__() to run first in __init__(); it did not."
            )

    # Building.

    def build(self, input_shape: Any) -> None:
        """Creates the weights, given the shape of the input; subclasses with weights implement it."""
        self._check_super_called()
        if getattr(type(self).build, "_is_default", False) and any(not lr.built for lr in self._layers):
            warnings.warn(
                f"[{self.name}] has layers inside that build() does not build, since {type(self).__name__} has no "
                "build() of its own. Call it on data, or implement build().",
                stacklevel=2,
            )
        self.built = True

    build._is_default = True  # type: ignore[attr-defined]

    def _post_build(self) -> None:
        """Runs after `build`; for subclasses of the library."""

    def _build_at_init(self) -> None:
        if getattr(type(self).build, "_is_default", False):
            self.built = True
            self._post_build()
            self._tracker.lock()

    def _open_name_scope(self) -> scopes.name_scope:
        if self._parent_path is None:
            self._parent_path = scopes.current_path()
        return scopes.name_scope(self.name, caller=self)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that `build` was given, or None before that."""
        shapes = self._build_shapes_dict
        if shapes is None:
            return None
        if len(shapes) == 1:
            return {"input_shape": next(iter(shapes.values()))}
        return {"shapes_dict": shapes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer as `get_build_config` described it."""
        if not config:
            return
        if "input_shape" in config:
            self.build(config["input_shape"])
        elif "shapes_dict" in config:
            self.build(**config["shapes_dict"])

    def _maybe_build(self, spec: CallSpec) -> None:
        if self.built:
            return
        if not getattr(type(self).build, "_is_default", False) or "build" in self.__dict__:
            self.build(**shapes_for(self.build, spec, self.name, "build"))
            self._assert_input_compatibility(spec.first_arg)
        elif not self._layers:
            # Without a build() of its own a layer with no parts has nothing to wait for; one with parts has them
            # built by its first call.
            self.build(_first_shape(spec))

    def add_weight(
        self,
        *args: Any,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str | None = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Creates a weight of the layer.

        Args:
            args: shape and initializer may be given by position.
            shape: its shape; () if None.
            initializer: initializer or its name; by default "glorot_uniform" for floats and "zeros" for others.
            dtype: its dtype; the layer's variable dtype if None.
            trainable: whether optimizers update it.
            autocast: whether it is read in the compute dtype under mixed precision.
            regularizer: regularizer whose penalty joins `losses`.
            constraint: constraint applied after each update.
            aggregation: how replicas combine it.
            overwrite_with_gradient: whether optimizers store the gradient itself in it.
            name: last component of its path.

        Returns:
            The variable.
        """
        self._check_super_called()
        from tahr.keras import constraints, initializers, regularizers

        if args and isinstance(args[0], str):
            raise ValueError(
                f"[{self.name}] expected the shape of the weight first, received the name {args[0]!r}: it is a keyword "
                f"argument. Write add_weight(shape=..., name={args[0]!r})."
            )
        if len(args) > 2 or (args and shape is not None) or (len(args) == 2 and initializer is not None):
            raise TypeError(f"[{self.name}] expected add_weight(shape, initializer, ...), received also {args}.")
        shape = args[0] if args else shape
        initializer = args[1] if len(args) == 2 else initializer
        shape = () if shape is None else (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        dtype = self.variable_dtype if dtype is None else dtype
        if initializer is None:
            initializer = "glorot_uniform" if is_float_dtype(dtype) else "zeros"
        with scopes.name_scope(self.name, caller=self):
            variable = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        self._track_variable(variable)
        if not self._trainable:  # a layer that was frozen before it had weights
            variable.trainable = False
        return variable

    add_variable = add_weight

    @property
    def input_spec(self) -> Any:
        """What is demanded of the first argument: an `InputSpec`, a structure of them, or None."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        object.__setattr__(self, "_input_spec", value)

    @property
    def supports_masking(self) -> bool:
        """Whether masks of inputs are passed on to outputs."""
        return self._supports_masking

    @supports_masking.setter
    def supports_masking(self, value: bool) -> None:
        self._supports_masking = value

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs, given that of the inputs: by default the same one."""
        return previous_mask

    # Calling.

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation; subclasses implement it."""
        raise NotImplementedError(
            f"[{self.name}] {type(self).__name__} does not have a `call` method implemented. Add call(self, inputs)."
        )

    def _call_of_mode(self) -> Callable[..., Any]:
        return self.call if self._policy().quantization_mode is None else self.quantized_call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "_call_context_args" not in self.__dict__:
            self._check_super_called()
        object.__setattr__(self, "_called", True)
        symbolic = any_symbolic(args, kwargs)
        original = (args, dict(kwargs)) if symbolic else None  # what the graph is to record
        signature = signature_of(self)

        # 1. Arrays become tensors, floats of another type the compute dtype.
        if self._convert_input_args:
            if len(args) == 1 and args[0].__class__ is Tensor:
                args = (self._convert(args[0]),)
            else:
                args = tree.map_structure(self._convert, args)
            for name, value in kwargs.items():
                if value.__class__ not in _PLAIN:
                    kwargs[name] = tree.map_structure(self._convert, value)
        if not self._allow_non_tensor_positional_args:
            self._assert_tensors(args)

        # 2. Which argument is which. One tensor, perhaps with `training`, is the usual case, and needs no binding.
        context_only = not kwargs or self._call_context_args.issuperset(kwargs)
        if len(args) == 1 and context_only and signature.simple and is_tensor_like(args[0]) and self.built:
            first = args[0]
            tensors = {signature.first: first}
            given: dict[str, Any] = kwargs
            if kwargs:  # what this call() itself does not take is for the layers inside
                kwargs = {name: value for name, value in kwargs.items() if name in signature.parameters}
        else:
            spec = CallSpec(signature, args, kwargs, self._call_context_args)
            first, tensors, given = spec.first_arg, spec.tensors, spec.user_arguments

        # 3. Demands on the input, then the weights.
        self._assert_input_compatibility(first)
        if not self.built:
            with self._open_name_scope():
                self._maybe_build(spec)

        context = state.get_scope("call_context")
        entered = context is None
        if entered:
            context = CallContext(self)
            state.set_scope("call_context", context)
            self._clear_losses()
        try:
            # 4. `training` and its like: the argument, else what the outer call had, else the default of call().
            for name in self._call_context_args:
                self._resolve_context_argument(name, signature, given, context, kwargs)

            # 5. Masks.
            previous_mask = self._take_masks(signature, tensors, given, first, kwargs)

            # 6. The computation.
            with self._open_name_scope():
                run = self.compute_output_spec if symbolic else self._call_of_mode()
                if self._remat_mode is not None and not symbolic:
                    run = self.rematerialized_call(run, *args, **kwargs)
                cast = self._autocast_scope()
                try:
                    if cast is None:
                        outputs = run(*args, **kwargs)
                    else:
                        with cast:
                            outputs = run(*args, **kwargs)
                except (TypeError, ValueError, IndexError) as error:
                    self._name_in(error, first)
                    raise
                if not self.built:
                    object.__setattr__(self, "_build_shapes_dict", {"input_shape": _first_shape(spec)})
                    self.built = True
                    self._post_build()
                    self._tracker.lock()
                if self.activity_regularizer is not None:
                    self._add_activity_loss(outputs)

            if previous_mask is not None:
                self._pass_mask(first, outputs, previous_mask)
            elif self._supports_masking and type(self).compute_mask is not Layer.compute_mask:
                self._pass_mask(first, outputs, tree.map_structure(get_keras_mask, first))
        finally:
            if entered:
                state.set_scope("call_context", None)

        # 7. The graph, if this call is part of one. Arguments filled in above belong to each call anew.
        if original is not None:
            Node(self, original[0], original[1], outputs)
        return outputs

    def rematerialized_call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """`fn`, rematerialized as far as the `RematScope` that the layer was made in says.

        Args:
            fn: `call`, or what stands for it.
            args: the arguments that it is about to get, and `kwargs`: of them the size of the output follows.
        """
        scope = self._remat_mode
        if scope is not None and scope.mode == "activations":
            return self._with_remat_activation(fn)
        if scope is not None and scope.mode == "list_of_layers":
            return remat(fn) if self.name in scope.layer_names else fn
        if self._remat_by_part:
            return fn
        return super().rematerialized_call(fn, *args, **kwargs)

    def _with_remat_activation(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        activation = getattr(self, "activation", None)
        if activation is None:
            return fn

        @functools.wraps(fn)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            object.__setattr__(self, "activation", remat(activation))  # not a change that asks for a new trace
            try:
                return fn(*args, **kwargs)
            finally:
                object.__setattr__(self, "activation", activation)

        return wrapped

    def _name_in(self, error: Exception, first: Any) -> None:
        """Puts this layer's name and its input's shape before the message of an op that failed in `call`."""
        message = error.args[0] if len(error.args) == 1 else None
        op = _OP_NAME.match(message) if isinstance(message, str) else None
        if op is not None and hasattr(ops, op[1]) and op[1] != self.name:
            where = f"[{self.name}] {type(self).__name__}.call() failed on an input of shape {_shapes_of(first)}"
            error.args = (f"{where}: {message}",)

    def _convert(self, x: Any) -> Any:
        if x.__class__ in _PLAIN:
            return x
        y = self._policy().convert_input(x, self.autocast, self.input_dtype)
        if y is not x:
            mask = get_keras_mask(x)
            if mask is not None:
                set_keras_mask(y, mask)
        return y

    def _assert_tensors(self, args: tuple[Any, ...]) -> None:
        for x in args:
            if is_tensor_like(x):
                continue
            for leaf in tree.flatten(x):
                if not is_tensor_like(leaf) and leaf is not None:
                    raise ValueError(
                        f"[{self.name}] Only input tensors may be passed as positional arguments, received {leaf!r} of type "
                        f"{type(leaf).__name__}. Make an array of it, or pass it by keyword."
                    )

    def _assert_input_compatibility(self, first: Any) -> None:
        if self._input_spec is not None:
            assert_input_compatibility(self._input_spec, first, self.name)

    def _resolve_context_argument(
        self, name: str, signature: Any, given: dict[str, Any], context: CallContext, kwargs: dict[str, Any]
    ) -> None:
        value = given.get(name)
        if value is None:
            value = context.values.get(name)
        if value is None and name in signature.names:
            value = signature.defaults[name]
        context.values[name] = value
        if value is not None and name in signature.names:
            kwargs[name] = value

    def _take_masks(
        self, signature: Any, tensors: dict[str, Any], given: dict[str, Any], first: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Hands masks to `call` where it takes them; returns the mask that goes on to the outputs, or None."""
        if len(tensors) == 1:
            if signature.has_mask and given.get("mask") is None:
                mask = _masks_of(next(iter(tensors.values())))
                if mask is not None:
                    kwargs["mask"] = mask
        else:
            for name, value in tensors.items():
                key = signature.mask_names.get(name)
                if key is not None and given.get(key) is None:
                    mask = _masks_of(value)
                    if mask is not None:
                        kwargs[key] = mask
        if kwargs.get("mask") is not None:
            return kwargs["mask"]
        return _masks_of(first)

    def _autocast_scope(self) -> scopes.AutocastScope | None:
        """The scope in which weights are read, if it has to change."""
        now = scopes.get_autocast_scope()
        policy = self._policy()
        compute = policy.compute_dtype
        if now is not None:
            if not self.autocast or not is_float_dtype(compute):
                return scopes.AutocastScope(None)
            return scopes.AutocastScope(compute) if now.dtype != compute else None
        return scopes.AutocastScope(compute) if compute != policy.variable_dtype else None

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs as KerasTensors; `__call__` records them."""
        return self.compute_output_spec(*args, **kwargs)

    def _add_activity_loss(self, outputs: Any) -> None:
        for x in tree.flatten(outputs):
            if is_tensor(x):
                loss = self.activity_regularizer(x)
                if x.ndim > 0:
                    batch = ops.cast(ops.shape(x)[0] or 1, loss.dtype)
                    loss = ops.divide(loss, ops.maximum(batch, 1))
                self.add_loss(loss)

    def _pass_mask(self, inputs: Any, outputs: Any, previous_mask: Any) -> None:
        if not self._supports_masking:
            if any(m is not None for m in tree.flatten(previous_mask)):
                warnings.warn(
                    f"[{self.name}] {type(self).__name__} does not support masking: the mask of its input ends here, and "
                    "layers after it will not see it.",
                    stacklevel=3,
                )
            return
        flat = tree.flatten(outputs)
        if all(get_keras_mask(x) is not None for x in flat):
            return
        if any_symbolic([inputs]):
            masks = compute_output_spec(self.compute_mask, inputs, previous_mask)
        else:
            masks = self.compute_mask(inputs, previous_mask)
        if masks is None:
            return
        for x, mask in zip(flat, tree.flatten(masks)):
            if mask is not None and get_keras_mask(x) is None and is_tensor_like(x):
                set_keras_mask(x, mask)

    def _register_call_context_args(self, *names: str) -> None:
        """Passes these arguments on to all layers inside, as is done with `training`."""
        if self._called:
            raise RuntimeError(
                f"[{self.name}] expected new context arguments before the first call of the layer, received {names} "
                "after it."
            )
        self._call_context_args = self._call_context_args | set(names)

    def stateless_call(
        self,
        trainable_variables: list[Any],
        non_trainable_variables: list[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """`call` with the variables' values given, and without changing any variable.

        Args:
            trainable_variables: values for `self.trainable_variables`.
            non_trainable_variables: values for `self.non_trainable_variables`.
            args: arguments of `call`.
            return_losses: whether to return the losses, too.
            kwargs: keyword arguments of `call`.

        Returns:
            (outputs, new values of `non_trainable_variables`), and the list of losses if asked for.

        Raises:
            ValueError: if the layer is not built, or a list has the wrong length.
        """
        self._check_super_called()
        if not self.built:
            raise ValueError(f"[{self.name}] expected a built layer in stateless_call(); call it on data first.")
        mapping: list[tuple[Any, Any]] = []
        for what, own, given in (
            ("trainable_variables", self.trainable_variables, trainable_variables),
            ("non_trainable_variables", self.non_trainable_variables, non_trainable_variables),
        ):
            if len(own) != len(given):
                raise ValueError(f"[{self.name}] expected {len(own)} values in {what}, received {len(given)}.")
            mapping.extend(zip(own, given))
        losses = None
        with scopes.StatelessScope(state_mapping=mapping, collect_losses=return_losses) as scope:
            outputs = self._call_of_mode()(*args, **kwargs)
            if return_losses:
                losses = self.losses
        new = [scope.get_current_value(v) for v in self.non_trainable_variables]
        return (outputs, new, losses) if return_losses else (outputs, new)

    # Shapes.

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shape of the output for an input of this shape, found by running `call` without values.

        Args:
            args: the shape of the input, or a structure of shapes.
            kwargs: the same by name.
        """
        if len(args) != 1 or kwargs or args[0] is None:
            raise NotImplementedError(
                f"[{self.name}] {type(self).__name__} does not have a `compute_output_shape` method implemented. Write one "
                "for these arguments."
            )
        inputs = tree.map_shape_structure(lambda s: KerasTensor(s, dtype=self.compute_dtype), args[0])
        outputs = super().compute_output_spec(inputs)
        return tree.map_structure(lambda x: x.shape, outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the outputs, as KerasTensors."""
        if type(self).compute_output_shape is Layer.compute_output_shape:
            return super().compute_output_spec(*args, **kwargs)
        spec = CallSpec(signature_of(self), args, dict(kwargs), self._call_context_args)
        shape = self.compute_output_shape(
            **shapes_for(self.compute_output_shape, spec, self.name, "compute_output_shape")
        )
        if not isinstance(shape, (list, tuple, dict)):
            try:
                shape = tuple(shape)
            except TypeError:
                raise ValueError(
                    f"[{self.name}] expected compute_output_shape() to return a tuple, received {shape!r}."
                ) from None
        return tree.map_shape_structure(lambda s: KerasTensor(s, dtype=self.compute_dtype), shape)

    # Configs.

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer again. Subclasses add theirs to `super().get_config()`."""
        self._check_super_called()
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            from tahr.keras import regularizers

            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if _needs_auto_config(type(self)):
            accepted = inspect.signature(type(self).__init__).parameters
            if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values()):
                config = {k: v for k, v in config.items() if k in accepted}
            config.update({k: v for k, v in self._auto_config().items() if k not in config})
        return config

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.__dict__.get('name')}, built={self.__dict__.get('built')}>"

    __str__ = __repr__


Layer.build = _wrap_build(Layer.build)  # type: ignore[method-assign]


def _shapes_of(x: Any) -> Any:
    return tree.map_structure(lambda leaf: tuple(leaf.shape) if is_tensor_like(leaf) else leaf, x)


def _first_shape(spec: CallSpec) -> Any:
    return next(iter(spec.shapes().values()), None)


def _masks_of(x: Any) -> Any:
    """The mask of a tensor, or the structure of masks of a structure; None if there is none at all."""
    if is_tensor_like(x):
        return get_keras_mask(x)
    if x is None:
        return None
    masks = tree.map_structure(get_keras_mask, x)
    return masks if any(m is not None for m in tree.flatten(masks)) else None


def _get_regularizer(identifier: Any) -> Any:
    if identifier is None:
        return None
    from tahr.keras import regularizers

    return regularizers.get(identifier)
