"""Model: a layer that can be trained and summarised."""

from __future__ import annotations

import inspect
import json
import re
import warnings
from collections.abc import Callable
from typing import Any

from tahr.keras import tree
from tahr.keras.backend.keras_tensor import KerasTensor, any_symbolic
from tahr.keras.layers.layer import Layer
from tahr.keras.models.inference import Inference
from tahr.keras.models.state_tree import get_state_tree, set_state_tree
from tahr.keras.models.summary import print_summary
from tahr.keras.symbolic.trace import compute_output_spec
from tahr.keras.trainers.trainer import Trainer


def _is_functional_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether `Model(*args, **kwargs)` gives inputs and outputs."""
    return len(args) == 2 or (len(args) == 1 and "outputs" in kwargs) or ("inputs" in kwargs and "outputs" in kwargs)


class Model(Trainer, Layer):
    """Layers made into something to train.

    Three ways: `Model(inputs, outputs)` from KerasTensors; a subclass with layers as attributes and a `call`; or
    `Sequential`.

    Args:
        args: inputs and outputs, for a functional model.
        kwargs: the same by name, and the arguments of `Layer`.

    >>> from tahr import keras
    >>> x = keras.Input((3,))
    >>> model = keras.Model(x, keras.layers.Dense(2)(x))
    >>> model.output_shape
    (None, 2)
    """

    _keras_module: str | None = "keras"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and _is_functional_call(args, kwargs):
            from tahr.keras.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._initialize_tracker()
        Trainer.__init__(self)
        if _is_functional_call(args, kwargs):
            from tahr.keras.models.functional import Functional, make_functional

            make_functional(type(self))
            Functional.__init__(self, *args, **kwargs)  # type: ignore[arg-type]
        else:
            if args:
                raise TypeError(
                    f"[{type(self).__name__}] expected inputs and outputs, or keyword arguments only, received "
                    f"{len(args)} positional arguments."
                )
            Layer.__init__(self, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and (not kwargs or (len(kwargs) == 1 and kwargs.get("training", True) is False)):
            outputs = (self.__dict__.get("_inference_step") or self._new_inference())(args[0])
            if outputs is not None:
                return outputs
        host = self._host_part
        if host is not None and args and not self.__dict__.get("_gets_encoded") and not any_symbolic(args):
            with host.encoded():
                return super().__call__(host.encode(args[0]), *args[1:], **kwargs)
        return super().__call__(*args, **kwargs)

    def _new_inference(self) -> Inference:
        """What answers calls from a trace, where that is the same as calling the layers one by one."""
        kept = self.__dict__["_inference_step"] = Inference(self)
        return kept

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation; subclasses implement it."""
        raise NotImplementedError(
            f"[{self.name}] expected {type(self).__name__} to have a `call()` method. Implement call(self, inputs)."
        )

    @property
    def layers(self) -> list[Layer]:
        """The layers that the model holds directly."""
        return list(self._layers)

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError(f"[{self.name}] the `Model.layers` attribute is reserved. Choose another name for it.")

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer with this name or index (give one of them).

        Raises:
            ValueError: if there is none.
        """
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError(
                f"[{self.name}] expected one of name and index in get_layer, received name={name!r}, index={index!r}."
            )
        if index is not None:
            if index >= len(layers):
                raise ValueError(f"[{self.name}] expected an index below {len(layers)} in get_layer, received {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"[{self.name}] expected the name of a layer in get_layer, received {name!r}. This model "
            f"holds {[lr.name for lr in layers]}."
        )

    def build(self, input_shape: Any) -> None:
        """Creates the weights of the layers inside by running `call` on symbolic inputs of this shape.

        Args:
            input_shape: shape with the batch axis (None for any size), or a structure of shapes.
        """
        if self._tracker.layers and type(self).call is Model.call:
            raise NotImplementedError(f"[{self.name}] expected a `call()` method to build the model from.")
        inputs = tree.map_shape_structure(lambda s: KerasTensor(s, dtype=self.compute_dtype), input_shape)
        try:
            compute_output_spec(self.call, inputs)
        except Exception as error:
            raise ValueError(
                f"[{self.name}] could not build {type(self).__name__} for input of shape {input_shape}: {error} "
                "Call the model on real data instead."
            ) from error
        self.built = True

    build._is_default = True  # type: ignore[attr-defined]

    @property
    def distribute_strategy(self) -> Any:
        """Always raises: strategies are TensorFlow's.

        Raises:
            AttributeError: that says so.
        """
        raise AttributeError(
            f"[{self.name}] has no distribute_strategy: strategies are TensorFlow's, and one process computes with all "
            "cores of the machine. `keras.distribution` is where Keras 3 describes several devices."
        )

    @property
    def distribute_reduction_method(self) -> str:
        """How results of replicas are combined: "auto". There is one replica, and nothing else can be set."""
        return "auto"

    @distribute_reduction_method.setter
    def distribute_reduction_method(self, value: str) -> None:
        if value != "auto":
            raise ValueError(
                f"[{self.name}] expected distribute_reduction_method='auto', received {value!r}. There is one replica, and "
                "nothing to combine."
            )

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Prints a table of the layers with their output shapes and numbers of weights.

        Args:
            line_length: width of the table; by default that of the terminal, at most 88 or 108.
            positions: where the columns end, as parts of the width.
            print_fn: what to print with; it gets the whole text.
            expand_nested: whether to list the layers of models inside.
            show_trainable: whether to add a column that says which layers are trainable.
            layer_range: names (or regular expressions) of the first and last layer to show.
        """
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a model again."""
        return super().get_config()

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The model that `get_config` described."""
        from tahr.keras.models.functional import Functional, functional_from_config

        keys = ("name", "layers", "input_layers", "output_layers")
        if all(k in config for k in keys) and (cls in (Model, Functional) or _takes_functional(cls)):
            return functional_from_config(Functional if cls is Model else cls, config, custom_objects)
        return super().from_config(config)

    def to_json(self, **kwargs: Any) -> str:
        """The config as JSON; `keras.models.model_from_json` reads it. `kwargs` go to `json.dumps`."""
        from tahr.keras.saving import serialize_keras_object

        return json.dumps(serialize_keras_object(self), **kwargs)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """The values of all variables, nested by their paths.

        Args:
            value_format: `"backend_tensor"` for tensors, `"numpy_array"` for arrays.

        Returns:
            A dict with the keys `trainable_variables`, `non_trainable_variables`, `optimizer_variables` and
            `metrics_variables`; a variable with the path `dense/kernel` is at `["dense"]["kernel"]`.

        Raises:
            ValueError: if two variables have the same path.

        >>> from tahr import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="last")], name="m")
        >>> sorted(model.get_state_tree("numpy_array")["trainable_variables"]["m"]["last"])
        ['bias', 'kernel']
        """
        return get_state_tree(self, value_format)

    def set_state_tree(self, state_tree: dict[str, Any]) -> None:
        """Assigns values that `get_state_tree` gave, or a part of them.

        Args:
            state_tree: nested dicts as of `get_state_tree`; variables that are missing keep their values.

        Raises:
            ValueError: for a path that no variable has.
        """
        set_state_tree(self, state_tree)

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Saves the whole model; `keras.models.load_model` reads it.

        Args:
            filepath: path that ends in `.keras`, or in `.h5` for the older format.
            overwrite: whether an existing file is replaced without a question.
            zipped: False writes the parts into the folder `filepath` instead.
            kwargs: as for `keras.saving.save_model`.

        >>> import tempfile
        >>> from tahr import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.keras")
        ...     keras.models.load_model(f"{folder}/model.keras").output_shape
        (None, 1)
        """
        from tahr.keras.saving import save_model

        save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Saves the weights, and the state of the optimizer if the model is compiled.

        Args:
            filepath: path that ends in `.weights.h5` (or `.safetensors`; see `keras.saving.save_weights`).
            overwrite: whether an existing file is replaced without a question.
            max_shard_size: size in GB of the files that the weights are spread over; None for one file.
        """
        from tahr.keras.saving import save_weights

        save_weights(self, filepath, overwrite=overwrite, max_shard_size=max_shard_size)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads weights that `save_weights` or `save` wrote.

        Args:
            filepath: path of the file.
            skip_mismatch: whether layers whose weights do not fit are left as they are, with a warning.
            kwargs: `by_name` and `objects_to_skip`, as for `keras.saving.load_weights`.
        """
        from tahr.keras.saving import load_weights

        load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Writes the inference graph, weights included, for programs without Python.

        Args:
            filepath: path of the file.
            format: "onnx", which other programs read, or "tahr", which `csrc/runtime` runs from C++ (docs/runtime.md).
                Keras's default, TensorFlow's folders, is refused.
            verbose: whether to print what was written.
            input_signature: a list with one `keras.InputSpec` or tensor, or a structure of them, per argument of
                `call`; unknown dimensions are None. By default what the model was built with.
            kwargs: none are known.

        Raises:
            ValueError: for another format, a model whose inputs are unknown, or layers that the format cannot express.
            TypeError: for unknown arguments.

        Example:
            >>> import os, tempfile
            >>> from tahr import keras
            >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.export(os.path.join(folder, "model.tahr"), format="tahr")
            ...     os.listdir(folder)
            ['model.tahr']
        """
        from tahr.keras.exporting import export_model

        if kwargs:
            raise TypeError(
                f"[{self.name}] export expected no arguments beside those of its signature, received {sorted(kwargs)}."
            )
        export_model(self, filepath, format, verbose, input_signature)

    def get_quantization_layer_structure(self, mode: str | None = None) -> Any:
        """The blocks of the model for modes that look at data: None, unless a subclass says otherwise.

        Args:
            mode: the quantization mode.
        """
        return None

    def quantize(self, mode: str | None = None, config: Any = None, filters: Any = None, **kwargs: Any) -> None:
        """Quantizes all layers inside that can be. The model has to be built.

        Args:
            mode: "int8" (integers and a scale per output), "int4" (two in a byte, with scales per block of inputs),
                "float8" (training with operands of products rounded to 8-bit floats), or with a config that names data
                "gptq" or "awq" (`models/calibration.py`).
            config: a `keras.quantizers.QuantizationConfig`, in place of a mode or in addition to it.
            filters: which layers: a regular expression found in their names, a list of these, or a function of the layer.
            kwargs: `type_check=False` to quantize subclasses of the layers, too.

        Raises:
            ValueError: if the model is not built or was quantized before, or for arguments that do not fit.

        >>> from tahr import keras
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2, name="last")])
        >>> model.quantize("int8", filters="dense")
        >>> [layer.dtype_policy.name for layer in model.layers]
        ['int8_from_float32', 'float32']
        """
        type_check = kwargs.pop("type_check", True)
        if kwargs:
            raise ValueError(f"[{self.name}] Unrecognized keyword arguments of quantize(): {sorted(kwargs)}.")
        if filters is not None and not (isinstance(filters, (str, list, tuple)) or callable(filters)):
            raise ValueError(
                f"[{self.name}] expected filters to be a regular expression, a list of these or a function of a layer. The "
                f"`filters` argument must be a regex string, a list or a callable, received {type(filters).__name__}."
            )
        given = getattr(config, "mode", None)
        if mode in ("gptq", "awq") or given in ("gptq", "awq"):
            self._quantize_with_data(mode, config, filters, type_check)
            return
        for layer in self._flatten_layers(include_self=False):
            assert isinstance(layer, Layer)
            if not _is_meant(layer, filters) or len(layer._flatten_layers()) > 1 or not layer.weights:
                continue
            try:
                layer.quantize(mode, config=config, type_check=type_check)
            except NotImplementedError as error:
                warnings.warn(str(error), stacklevel=3)

    def _quantize_with_data(self, mode: str | None, config: Any, filters: Any, type_check: bool) -> None:
        from tahr.keras.models import calibration
        from tahr.keras.quantizers.configs import validate_and_resolve_config

        config = validate_and_resolve_config(mode, config)
        if not self.built:
            raise ValueError(f"[{self.name}] expected a built model in quantize(); call it on data first.")
        structure = calibration.structure_of(self, config)
        layers = []
        for block in structure["sequential_blocks"]:
            for layer in calibration.kernels_of(block):
                if _is_meant(layer, filters) and layer.quantization_mode is None:
                    layer.quantize(config.mode, config=config, type_check=type_check)
                    layers.append(layer)
        calibration.calibrate(self, config, structure, layers)

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the model as `get_build_config` described it."""
        if not config:
            return
        shape = config.get("input_shape", False)
        if shape is not False and shape is not None:
            self.build(_as_tuples(shape))
        elif "shapes_dict" in config:
            self.build(**{k: _as_tuples(v) for k, v in config["shapes_dict"].items()})


def _is_meant(layer: Layer, filters: Any) -> bool:
    """Whether `quantize(filters=...)` means `layer`."""
    if filters is None:
        return True
    if callable(filters):
        return bool(filters(layer))
    return any(re.search(f, layer.name) for f in ([filters] if isinstance(filters, str) else filters))


def _as_tuples(shape: Any) -> Any:
    return tree.map_shape_structure(tuple, shape)


def _takes_functional(cls: type) -> bool:
    """Whether the constructor of `cls` takes inputs and outputs."""
    names = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    kinds = [p.kind for p in names.values()]
    free = inspect.Parameter.VAR_POSITIONAL in kinds and inspect.Parameter.VAR_KEYWORD in kinds
    return free or {"inputs", "outputs"} <= set(names)


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that `Model.to_json` described, with new weights.

    Raises:
        TypeError: if a class in it is unknown.
    """
    from tahr.keras.saving import deserialize_keras_object

    return deserialize_keras_object(json.loads(json_string), custom_objects=custom_objects)
