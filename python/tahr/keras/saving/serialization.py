"""Objects to configs and back: plain data that JSON can hold, in Keras 3's format.

A class is found again by its public Keras name ("keras.layers", "Dense") or by the name it was registered under;
nothing is imported on the word of a config, and a stored lambda runs only if the caller asked for it.
"""

from __future__ import annotations

import base64
import importlib
import marshal
import types
import warnings
from typing import Any

import numpy as np

from tahr.keras.backend import config as settings
from tahr.keras.backend import state
from tahr.keras.backend.dtypes import standardize_dtype
from tahr.keras.backend.engine import convert_to_tensor, is_tensor
from tahr.keras.backend.keras_tensor import KerasTensor
from tahr.keras.saving import keras_ops, registration

_PLAIN = (str, int, float, bool)
_PACKAGE = "tahr.keras."
# Namespaces whose functions a config may name alone, as in {"module": "builtins", "class_name": "function"}.
_FUNCTION_MODULES = ("activations", "constraints", "initializers", "losses", "metrics", "optimizers", "regularizers")
# Namespaces whose classes a config may name.
_CLASS_MODULES = frozenset(
    f"keras.{m}" if m else "keras"
    for m in (
        "", "activations", "constraints", "distillation", "dtype_policies", "initializers", "layers", "losses", "metrics",
        "models", "ops", "optimizers", "optimizers.schedules", "quantizers", "random", "regularizers", "mixed_precision",
    )
)  # fmt: skip
# Where classes of configs without a module are looked for, in this order.
_OLD_NAMESPACES = ("models", "layers", "initializers", "regularizers", "constraints", "losses", "metrics", "optimizers")
_MAKERS = frozenset(("get", "serialize", "deserialize"))
_INTERNAL_NAMES = {  # names that Keras writes although they are not public, and where they are here
    ("keras.src.models.functional", "Functional"): ("models", "Functional"),
    ("keras.src.models.sequential", "Sequential"): ("models", "Sequential"),
    ("keras.src.models.model", "Model"): ("models", "Model"),
    ("keras.utils", "FeatureSpace"): ("utils", "FeatureSpace"),
    **{
        ("keras.src.layers.preprocessing.feature_space", name): ("utils.feature_space", name)
        for name in ("Cross", "Feature", "TFDConcat", "TFDIdentity")
    },
    ("keras.src.applications.convnext", "LayerScale"): ("applications.convnext", "LayerScale"),
    ("keras.src.applications.convnext", "StochasticDepth"): ("applications.convnext", "StochasticDepth"),
    ("keras.src.applications.inception_resnet_v2", "CustomScaleLayer"): (
        "applications.inception_resnet_v2",
        "CustomScaleLayer",
    ),
}


class SafeModeScope:
    """Sets whether deserialization inside may run code stored in configs."""

    def __init__(self, safe_mode: bool | None = True) -> None:
        self.safe_mode = safe_mode

    def __enter__(self) -> None:
        self._former = state.get_scope("safe_mode")
        state.set_scope("safe_mode", self.safe_mode)

    def __exit__(self, *exc: Any) -> None:
        state.set_scope("safe_mode", self._former)


def public_module(obj: Any) -> str | None:
    """The Keras namespace that publishes the class or function `obj`, or None if it is not part of this package."""
    explicit = vars(obj).get("_keras_module") if isinstance(obj, type) else None
    if explicit:
        return explicit
    module = getattr(obj, "__module__", None)
    if not isinstance(module, str) or not module.startswith(_PACKAGE):
        return None
    parts = module[len(_PACKAGE) :].split(".")
    if parts[:2] == ["optimizers", "schedules"]:
        return "keras.optimizers.schedules"
    return f"keras.{parts[0]}"


def serialize_keras_object(obj: Any) -> Any:
    """`obj` as plain data.

    Args:
        obj: a Keras object, a function, an array or tensor, a plain value, or nested containers of these.

    Returns:
        For an object: a dict with "module", "class_name", "config" and "registered_name" (and the shapes it was built
        with, and how it was compiled, where it has them).

    Raises:
        TypeError: if the object has no `get_config`.

    >>> from tahr import keras
    >>> keras.saving.serialize_keras_object(keras.DTypePolicy("float16"))["config"]
    {'name': 'float16'}
    """
    if obj is None or isinstance(obj, _PLAIN):
        return obj
    if isinstance(obj, (list, tuple)):
        items = [serialize_keras_object(x) for x in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, dict) and not hasattr(obj, "get_config"):
        return {k: serialize_keras_object(v) for k, v in obj.items()}
    special = _serialize_value(obj)
    if special is not None:
        return special["plain"] if "plain" in special else special

    if isinstance(obj, types.FunctionType) or not hasattr(obj, "get_config"):
        if not hasattr(obj, "__name__"):
            raise TypeError(
                f"[serialize_keras_object] expected an object with a get_config() method, received {obj!r} of type "
                f"{type(obj).__name__}. Give its class a get_config()."
            )
        inner = registration.get_registered_name(obj)
    else:
        inner = obj.get_config()
        if not isinstance(inner, dict):
            raise TypeError(
                f"[serialize_keras_object] expected get_config() of {obj!r} to return a dict, received {inner!r}."
            )
        inner = {k: serialize_keras_object(v) for k, v in inner.items()}

    cls = obj.__class__
    module = None if registration.is_registered(cls) else public_module(cls)
    if module is not None:
        name = vars(cls).get("_keras_name", cls.__name__)  # what Keras publishes the class as
        config = {"module": module, "class_name": name, "config": inner, "registered_name": None}
        if module.startswith("keras.src"):
            config["registered_name"] = cls.__name__
    else:
        named = obj if isinstance(obj, types.FunctionType) else cls
        where = cls.__module__
        if isinstance(obj, types.FunctionType):
            where = "builtins"
            registered: Any = "function"
        else:
            registered = registration.get_registered_name(named)
        config = {
            "module": None if where == "__main__" else where,
            "class_name": cls.__name__,
            "config": inner,
            "registered_name": registered,
        }
    for method, key in (("get_build_config", "build_config"), ("get_compile_config", "compile_config")):
        if hasattr(obj, method):
            extra = getattr(obj, method)()
            if extra is not None:
                config[key] = serialize_keras_object(extra)
    shared = state.get_scope("shared_configs")
    if shared is not None:
        if id(obj) in shared:
            config["shared_object_id"] = shared[id(obj)]["shared_object_id"] = id(obj)
        else:
            shared[id(obj)] = config
    return config


def _serialize_value(obj: Any) -> dict[str, Any] | None:
    """Configs of values that are neither containers nor objects of the API."""
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {k: serialize_keras_object(getattr(obj, k)) for k in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, KerasTensor):
        history = getattr(obj, "_keras_history", None)
        where = [history[0].name, *history[1:]] if history else None
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": obj.shape, "dtype": obj.dtype, "keras_history": where},
        }
    if is_tensor(obj):
        config = {"value": obj.numpy().tolist(), "dtype": standardize_dtype(obj.dtype)}
        return {"class_name": "__tensor__", "config": config}
    if isinstance(obj, np.ndarray) and obj.ndim > 0:
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": standardize_dtype(obj.dtype)}}
    if isinstance(obj, (np.ndarray, np.generic)):
        return {"plain": obj.item()}
    if isinstance(obj, np.dtype):
        return {"plain": obj.name}
    if isinstance(obj, types.FunctionType) and obj.__name__ == "<lambda>":
        warnings.warn(
            "[serialize_keras_object] a lambda is stored as code; it loads again only with safe_mode=False. "
            "Use a named function registered with keras.saving.register_keras_serializable() instead.",
            stacklevel=3,
        )
        return {"class_name": "__lambda__", "config": {"value": dump_function(obj)}}
    return None


def dump_function(fn: types.FunctionType) -> tuple[str, Any, Any]:
    """(code, defaults, values of the closure) of `fn`."""
    code = base64.encodebytes(marshal.dumps(fn.__code__)).decode("ascii")
    closure = tuple(c.cell_contents for c in fn.__closure__) if fn.__closure__ else None
    return code, fn.__defaults__, closure


def load_function(value: Any) -> types.FunctionType:
    """The function that `dump_function` described. Only for trusted input: this makes code run."""
    code, defaults, closure = value
    if isinstance(defaults, list):
        defaults = tuple(defaults)
    cells = None if closure is None else tuple(types.CellType(v) for v in closure)
    compiled = marshal.loads(base64.b64decode(code))
    return types.FunctionType(compiled, globals(), name=compiled.co_name, argdefs=defaults, closure=cells)


def deserialize_keras_object(
    config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """The object that a config describes.

    Args:
        config: what `serialize_keras_object` gave.
        custom_objects: from names to classes and functions that are not part of Keras.
        safe_mode: refuse stored lambdas, which are code.
        kwargs: `module_objects`, a dict of further names that a plain string may stand for.

    Returns:
        A new object, built and compiled if the config says how.

    Raises:
        TypeError: if a class or function is unknown.
        ValueError: if the config holds a lambda and `safe_mode` is on.

    >>> from tahr import keras
    >>> layer = keras.layers.Dense(3)
    >>> keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer)).units
    3
    """
    module_objects = kwargs.pop("module_objects", None)
    if kwargs:
        raise TypeError(f"[deserialize_keras_object] received unknown arguments {sorted(kwargs)}.")
    in_scope = state.get_scope("safe_mode")
    if in_scope is not None:
        safe_mode = in_scope
    customs = {**(custom_objects or {}), **registration.scoped_custom_objects(), **registration.get_custom_objects()}
    return _Deserializer(customs, safe_mode).load(config, module_objects)


class _Deserializer:
    def __init__(self, customs: dict[str, Any], safe_mode: bool) -> None:
        self.customs = customs
        self.safe_mode = safe_mode

    def load(self, config: Any, module_objects: dict[str, Any] | None = None) -> Any:
        if config is None:
            return None
        if isinstance(config, str):
            if config in self.customs:
                return self.customs[config]
            if module_objects is not None and config in module_objects:
                found = module_objects[config]
                return found() if isinstance(found, type) else found
            return config
        if isinstance(config, _PLAIN):
            return config
        if isinstance(config, (list, tuple)):
            return [self.load(x) for x in config]
        if not isinstance(config, dict):
            raise TypeError(f"[deserialize_keras_object] expected a config, received {config!r}.")
        if "class_name" not in config or "config" not in config:
            if module_objects is not None:
                raise ValueError(
                    f"[deserialize_keras_object] expected a dict with 'class_name' and 'config', received {config!r}."
                )
            return {k: self.load(v) for k, v in config.items()}
        class_name = config["class_name"]
        if not isinstance(class_name, str):
            raise TypeError(f"[deserialize_keras_object] expected the name of a class, received {class_name!r}.")
        if class_name.startswith("__") and class_name.endswith("__"):
            return self.load_value(class_name, config["config"] or {})
        if class_name == "function":
            return self.load_function(config)
        return self.load_object(config, module_objects)

    def load_value(self, kind: str, inner: dict[str, Any]) -> Any:
        if kind == "__keras_tensor__":
            tensor = KerasTensor(inner["shape"], dtype=inner["dtype"])
            tensor._pre_serialization_keras_history = inner["keras_history"]  # type: ignore[attr-defined]
            return tensor
        if kind == "__tensor__":
            return convert_to_tensor(inner["value"], dtype=inner["dtype"])
        if kind == "__numpy__":
            return np.array(inner["value"], dtype=inner["dtype"])
        if kind == "__bytes__":
            return inner["value"].encode("utf-8")
        if kind == "__ellipsis__":
            return Ellipsis
        if kind == "__slice__":
            return slice(*(self.load(inner[k]) for k in ("start", "stop", "step")))
        if kind == "__lambda__":
            if self.safe_mode and not settings.is_unsafe_deserialization_enabled():
                raise ValueError(
                    "[deserialize_keras_object] expected a config without code, received a lambda: loading it means "
                    "arbitrary code execution. If you trust where it comes from, pass safe_mode=False or call "
                    "keras.config.enable_unsafe_deserialization()."
                )
            return load_function(inner["value"])
        raise TypeError(f"[deserialize_keras_object] expected a known kind of value, received {kind!r}.")

    def load_function(self, config: dict[str, Any]) -> Any:
        name = config["config"]
        if not isinstance(name, str):
            raise TypeError(f"[deserialize_keras_object] expected the name of a function, received {name!r}.")
        if name in self.customs:
            return self.customs[name]
        module = config.get("module")
        if module == "builtins" or module is None:
            for candidate in _FUNCTION_MODULES:
                found = _lookup_function(candidate, name)
                if found is not None:
                    self.check_function_name(name, config)
                    return found
            tail = [v for k, v in self.customs.items() if k.endswith(f">{name}")]
            if tail:
                return tail[0]
        elif isinstance(module, str) and module.removeprefix("keras.") in (*_FUNCTION_MODULES, "ops"):
            found = _lookup_function(module[len("keras.") :], name)
            if found is not None:
                return found
        raise self.unknown("function", name, config)

    @staticmethod
    def check_function_name(name: str, config: dict[str, Any]) -> None:
        """Raises ValueError where a config calls a function of Keras by the name of something else."""
        registered = config.get("registered_name")
        if registered not in (None, "", "function", name):
            raise ValueError(
                f"[deserialize_keras_object] expected registered_name 'function' for {name!r}, received {registered!r}: the "
                "name resolved to a Keras built-in."
            )

    def load_object(self, config: dict[str, Any], module_objects: dict[str, Any] | None) -> Any:
        class_name, inner = config["class_name"], config["config"]
        inner = {} if inner is None else inner
        if not isinstance(inner, dict):
            raise TypeError(f"[deserialize_keras_object] expected a dict as config of {class_name}, got {inner!r}.")
        shared = state.get_scope("shared_objects")
        share = config.get("shared_object_id")
        if share is not None and shared is not None and share in shared:
            return shared[share]
        if keras_ops.is_op(config):
            return keras_ops.operation(config["module"], class_name, self.load(inner))
        cls = self.find_class(config, module_objects)
        if not isinstance(cls, type):
            return cls
        if not hasattr(cls, "from_config"):
            raise TypeError(f"[deserialize_keras_object] expected {class_name} to have from_config(); it has none.")
        if self.safe_mode and not settings.is_unsafe_deserialization_enabled():
            _refuse_paths(class_name, inner)
        with registration.CustomObjectScope(self.customs), SafeModeScope(self.safe_mode):
            try:
                instance = cls.from_config(inner)
            except TypeError as error:
                raise TypeError(
                    f"[deserialize_keras_object] could not make {class_name} from its config: {error}. "
                    f"A class whose config holds other objects deserializes them in its from_config(). Config: {inner}"
                ) from error
            build_config = config.get("build_config")
            if build_config and not instance.built:
                instance.build_from_config(build_config)
                instance.built = True
            compile_config = config.get("compile_config")
            if compile_config:
                instance.compile_from_config(compile_config)
        if share is not None and shared is not None:
            shared[share] = instance
        return instance

    def find_class(self, config: dict[str, Any], module_objects: dict[str, Any] | None) -> Any:
        class_name = config["class_name"]
        registered = config.get("registered_name", class_name)
        for name in (registered, class_name):
            if name is not None and name in self.customs:
                return self.customs[name]
        module = config.get("module")
        if module is not None:
            if (module, class_name) in _INTERNAL_NAMES:
                where, name = _INTERNAL_NAMES[module, class_name]
                return _lookup(where, name)
            if module in _CLASS_MODULES:
                if registered not in (None, "", class_name):
                    raise ValueError(
                        f"[deserialize_keras_object] expected no registered_name for {module}.{class_name}, which is "
                        f"part of Keras, received {registered!r}: the name resolved to a Keras built-in."
                    )
                found = _lookup(module[len("keras.") :] if module != "keras" else "", class_name)
                if isinstance(found, type):
                    return found
        if module_objects is not None and class_name in module_objects:
            return module_objects[class_name]
        if "module" not in config:  # as Keras 2 wrote them
            for namespace in _OLD_NAMESPACES:
                found = _lookup(namespace, class_name)
                if isinstance(found, type):
                    return found
            tail = [v for k, v in self.customs.items() if k.endswith(f">{class_name}")]
            if len(tail) == 1:
                return tail[0]
        raise self.unknown("class", class_name, config)

    def unknown(self, kind: str, name: str, config: dict[str, Any]) -> TypeError:
        return TypeError(
            f"[deserialize_keras_object] expected a known {kind}, received {name!r}. Decorate it with "
            "@keras.saving.register_keras_serializable() and import it before loading, or pass "
            f"custom_objects={{{name!r}: ...}}. Config: {config}"
        )


def _lookup(namespace: str, name: str) -> Any:
    """The public object `keras.<namespace>.<name>`, or None."""
    if name.startswith("_") or not name.isidentifier():
        return None
    try:
        module = importlib.import_module(_PACKAGE + namespace if namespace else _PACKAGE.rstrip("."))
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(_PACKAGE.rstrip(".")):
            return None
        raise
    found = getattr(module, name, None)
    if isinstance(found, types.ModuleType):
        return None
    return found


def _lookup_function(namespace: str, name: str) -> Any:
    """The public function (or class) `keras.<namespace>.<name>` that a config may use, or None.

    Functions that make objects of configs are none of them: a model that calls one would load what its data say.
    """
    if name in _MAKERS:
        return None
    if namespace == "ops":
        from tahr import ops

        return _lookup(namespace, name) if name in ops.__all__ else None
    found = _lookup(namespace, name)
    ours = callable(found) and str(getattr(found, "__module__", "")).startswith(("tahr.", "pybind11_builtins"))
    return found if ours else None


def _refuse_paths(class_name: str, config: dict[str, Any]) -> None:
    """Vocabularies are lists in configs; the path of one would have the layer read any file there is."""
    for key in ("vocabulary", "idf_weights"):
        value = config.get(key)
        if isinstance(value, (str, bytes)) or (isinstance(value, dict) and value.get("class_name") == "__bytes__"):
            raise ValueError(
                f"[deserialize_keras_object] expected {key} of {class_name} as a list, received the path {value!r}. If you "
                "trust where the config comes from, pass safe_mode=False."
            )


class ObjectSharingScope:
    """Inside, an object met twice is written, and read, as one."""

    def __enter__(self) -> None:
        self._former = state.get_scope("shared_objects"), state.get_scope("shared_configs")
        state.set_scope("shared_objects", {})
        state.set_scope("shared_configs", {})

    def __exit__(self, *exc: Any) -> None:
        state.set_scope("shared_objects", self._former[0])
        state.set_scope("shared_configs", self._former[1])
