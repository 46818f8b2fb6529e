"""Configs as Keras 1 and 2 wrote them, rewritten as Keras 3 writes them.

Old names of classes and arguments are replaced, arguments that mean nothing any more are dropped, connections in lists
become calls with arguments. A config of Keras 3 comes out as it went in. Classes of others are left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tahr.keras.saving import keras_ops

_GRAPHS = ("Model", "Functional", "Sequential")
_CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "SeparableConvolution2D": "SeparableConv2D",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "ThresholdedReLU": "ReLU",
    "GroupedQueryAttention": "GroupQueryAttention",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "LSTMV2": "LSTM",
    "GRUV2": "GRU",
    "Experimental>SyncBatchNormalization": "BatchNormalization",
}
_MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
    "cos": "Dot",
}
# Arguments with another name today, for any class that does not have the old one itself.
_RENAMED = {
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "U_constraint": "recurrent_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
    "nb_filter": "filters",
    "subsample": "strides",
    "subsample_length": "strides",
    "filter_length": "kernel_size",
    "atrous_rate": "dilation_rate",
    "border_mode": "padding",
    "pool_length": "pool_size",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "dim_ordering": "data_format",
}
_RENAMED_FOR = {
    "Dense": {"output_dim": "units"},
    "SimpleRNN": {"output_dim": "units"},
    "LSTM": {"output_dim": "units"},
    "GRU": {"output_dim": "units"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate"},
    "SpatialDropout3D": {"p": "rate"},
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "MaxPooling1D": {"stride": "strides"},
    "AveragePooling1D": {"stride": "strides"},
    "UpSampling1D": {"length": "size"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "ReLU": {"theta": "threshold"},
}
# Arguments that said how to compute, or what the layer finds out itself.
_DROPPED = frozenset(
    "consume_less implementation input_length fused virtual_batch_size adjustment mode input_dtype function_type module "
    "output_shape_type output_shape_module batch_input_dtype mask_type time_major".split()
)
_VALUES = {
    "data_format": {"tf": "channels_last", "th": "channels_first"},
    **{
        f"{part}_initializer": {
            "uniform": "random_uniform",
            "normal": "random_normal",
            "zero": "zeros",
            "one": "ones",
            "lecun_uniform": "lecun_uniform",
        }
        for part in ("kernel", "recurrent", "bias", "embeddings")
    },
}
_NOT_FOR_FILTERS = ("DepthwiseConv1D", "DepthwiseConv2D")
_RECURRENT = ("RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional")
_INNER = ("layer", "forward_layer", "backward_layer", "cell", "cells", "layers")


def tuples(value: Any) -> Any:
    """`value` with the tuples and shapes that Keras 2 marked as such in JSON."""
    if isinstance(value, list):
        return [tuples(v) for v in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind in ("__tuple__", "TensorShape") and isinstance(value.get("items"), list):
        return [tuples(v) for v in value["items"]]
    if kind == "ListWrapper" or kind == "Dict":
        return tuples(value.get("config", value.get("items")))
    return {k: tuples(v) for k, v in value.items()}


def is_object(value: Any) -> bool:
    """Whether `value` is the config of an object."""
    return isinstance(value, dict) and isinstance(value.get("class_name"), str) and "config" in value


def model(config: Any, version: str = "2") -> Any:
    """The config of a model or layer, `version` of Keras, as Keras 3 would write it."""
    if not is_object(config):
        raise ValueError("[load_model] expected the config of a model: a dict with 'class_name' and 'config'.")
    if config.get("module") is not None:  # as Keras 3 writes them
        return config
    name, inner = config["class_name"], config["config"]
    if isinstance(inner, list) and name == "Sequential":
        inner = {"name": "sequential", "layers": inner}
    if not isinstance(inner, dict):
        raise ValueError(f"[load_model] expected a dict as config of {name}, received {type(inner).__name__}.")
    inner = dict(inner)
    if name in _GRAPHS and "layers" in inner:
        inner.setdefault("name", name.lower())
        if not isinstance(inner["layers"], list):
            raise ValueError(f"[load_model] expected a list of layers in {name}, received {inner['layers']!r}.")
        listed = any(_has_listed_calls(layer) for layer in inner["layers"])
        inner["layers"] = [_layer_entry(layer, version) for layer in inner["layers"]]
        if listed:
            _count_calls_as_today(inner)
        for key in ("input_layers", "output_layers"):
            inner[key] = _single(inner[key]) if key in inner else None
        if name == "Sequential":
            inner = {k: v for k, v in inner.items() if k not in ("input_layers", "output_layers")}
        return {**config, "config": inner}
    new, inner = _layer(name, inner, version)
    for key in _INNER:
        if is_object(inner.get(key)):
            inner[key] = model(inner[key], version)
        elif isinstance(inner.get(key), list) and all(is_object(v) for v in inner[key]):
            inner[key] = [model(v, version) for v in inner[key]]
    return {**config, "class_name": new, "config": inner}


def _has_listed_calls(entry: Any) -> bool:
    nodes = entry.get("inbound_nodes") if isinstance(entry, dict) else None
    return isinstance(nodes, list) and any(isinstance(n, list) for n in nodes)


def _count_calls_as_today(inner: dict[str, Any]) -> None:
    """Keras 2 gave the calls of most nested models the numbers from 1, everywhere. Keras 3 does so only where outputs are
    listed, and not for Sequential. A call that nothing reads is not written, so that the lowest number tells."""
    graphs = [e for e in inner["layers"] if e.get("class_name") in _GRAPHS and isinstance(e.get("name"), str)]
    reads: list[list[Any]] = []
    ends: list[list[Any]] = []
    _collect([e.get("inbound_nodes") for e in inner["layers"]], reads, lambda x: False)
    inner["output_layers"] = copy.deepcopy(inner.get("output_layers"))
    _collect(inner["output_layers"], ends, _is_place)
    for name, kind in ((e["name"], e["class_name"]) for e in graphs):
        own, last = ([r for r in group if r[0] == name] for group in (reads, ends))
        from_one = all(r[1] > 0 for r in (*own, *last))
        for r in own if from_one else ():
            r[1] -= 1
        for r in last:
            r[1] += int(kind != "Sequential") - int(from_one)


def _is_place(x: Any) -> bool:
    return isinstance(x, list) and len(x) == 3 and isinstance(x[0], str) and isinstance(x[1], int)


def _collect(x: Any, found: list[list[Any]], wanted: Callable[[Any], bool]) -> None:
    """Adds to `found` the [layer, call, output] inside `x`: of the calls' arguments, and lists that are `wanted`."""
    if wanted(x):
        found.append(x)
    elif isinstance(x, dict):
        if _is_place(x.get("keras_history")):
            found.append(x["keras_history"])
        for v in x.values():
            _collect(v, found, wanted)
    elif isinstance(x, list):
        for v in x:
            _collect(v, found, wanted)


def _single(places: Any) -> Any:
    """[[layer, call, output]] is what one input alone was written as."""
    if isinstance(places, list) and len(places) == 1 and isinstance(places[0], list) and len(places[0]) == 3:
        return places[0] if isinstance(places[0][0], str) else places
    return places


def _layer_entry(entry: Any, version: str) -> Any:
    if not is_object(entry):
        raise ValueError(f"[load_model] expected the configs of layers, received {entry!r}.")
    nodes = entry.get("inbound_nodes")
    if _is_op(entry, nodes):
        return {**entry, "module": keras_ops.find_unnamed(entry)}
    entry = model({k: v for k, v in entry.items() if k != "inbound_nodes"}, version)
    if nodes is not None:
        entry["inbound_nodes"] = [_node(n, entry["class_name"]) for n in nodes] if isinstance(nodes, list) else nodes
    return entry


def _is_op(entry: dict[str, Any], nodes: Any) -> bool:
    """Whether an entry without a module, as Keras 3 writes it in `.h5` files, is that of an op. `Add` may be the layer,
    whose first argument is a list, or the op, which takes two arguments."""
    from tahr.keras import layers

    if entry.get("module") is not None or not isinstance(nodes, list) or keras_ops.find_unnamed(entry) is None:
        return False
    if not all(isinstance(n, dict) and isinstance(n.get("args"), list) for n in nodes):
        return False
    if getattr(layers, entry["class_name"], None) is None:
        return True
    return all(n["args"] and not isinstance(n["args"][0], list) for n in nodes) and "dtype" not in entry["config"]


def _node(node: Any, class_name: str) -> Any:
    """A call in today's form; before, it was a list of [layer, call, output, further arguments]."""
    if not isinstance(node, list):
        return node
    places = [node] if node and isinstance(node[0], str) else node
    if not all(isinstance(p, list) and len(p) >= 3 and isinstance(p[0], str) for p in places):
        raise ValueError(f"[load_model] expected a list of [layer, call, output], received {node!r}.")
    inputs = [_place(p) for p in places]
    given = places[-1][3] if places and len(places[-1]) > 3 else {}
    kwargs = {k: _argument(v) for k, v in given.items()} if isinstance(given, dict) else {}
    if len(inputs) > 1 and class_name in _RECURRENT and "initial_state" not in kwargs:
        return {"args": [inputs[0]], "kwargs": {**kwargs, "initial_state": inputs[1:]}}
    return {"args": [inputs[0] if len(inputs) == 1 else inputs], "kwargs": kwargs}


def _place(place: list[Any]) -> Any:
    if place[0] == "_CONSTANT_VALUE":
        return place[2]
    return {"class_name": "__keras_tensor__", "config": {"shape": None, "dtype": None, "keras_history": place[:3]}}


def _argument(value: Any) -> Any:
    if isinstance(value, list):
        is_place = len(value) in (3, 4) and isinstance(value[0], str)
        if is_place and all(isinstance(v, int) and not isinstance(v, bool) for v in value[1:3]):
            return _place(value)
        return [_argument(v) for v in value]
    return value


def _layer(name: str, config: dict[str, Any], version: str) -> tuple[str, dict[str, Any]]:
    """(class name, config) of a layer as they are today."""
    from tahr.keras import layers

    old = name
    name = _CLASSES.get(name, name)
    if name == "Merge":
        return _merge(config)
    cls = getattr(layers, name, None)
    if not isinstance(cls, type):
        return name, config
    has = _arguments_of(cls)
    renamed = {**_RENAMED, **_RENAMED_FOR.get(name, {})}
    found: dict[str, Any] = {}
    for key, value in config.items():
        if key in renamed and key not in has:
            key = renamed[key]
        if key in _DROPPED and key not in has:
            continue
        if key == "filters" and name in _NOT_FOR_FILTERS:
            continue
        table = _VALUES.get(key)
        if table is not None and isinstance(value, str):
            value = table.get(value, value)
        found[key] = _value(key, value)
    if version.startswith("1"):
        _kernel_sizes(found)
        if name in ("SimpleRNN", "LSTM", "GRU") and "forget_bias_init" in found:
            found["unit_forget_bias"] = found.pop("forget_bias_init") == "one"
        if found.get("dropout") == 0.0 and name == "Embedding":
            found.pop("dropout")
        if name != "Embedding":
            found.pop("input_dim", None)
    shape = found.pop("batch_input_shape", None)
    if shape is not None:
        found["batch_shape" if name == "InputLayer" else "batch_input_shape"] = shape
    if name == "GRU" and "reset_after" not in found:
        found["reset_after"] = old == "CuDNNGRU"
    if old.startswith("CuDNN"):
        found.setdefault("recurrent_activation", "sigmoid")
    if name in ("LSTM", "GRU") and "recurrent_activation" not in found:
        found["recurrent_activation"] = "hard_sigmoid"
    if "axis" in found and isinstance(found["axis"], list) and len(found["axis"]) == 1:
        found["axis"] = found["axis"][0]
    if name == "Lambda":
        _lambda(config, found)
    return name, found


def _arguments_of(cls: type) -> set[str]:
    import inspect

    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in vars(base):
            names |= set(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return names - {"self", "args", "kwargs"}


def _value(key: str, value: Any) -> Any:
    """Values of arguments: policies, initializers, regularizers and constraints of older versions."""
    if not isinstance(value, dict):
        return value
    name = value.get("class_name")
    inner = value.get("config")
    if key == "dtype" and isinstance(inner, dict) and isinstance(name, str) and name.startswith("Policy"):
        return inner.get("name")
    if key.endswith("_initializer") and isinstance(inner, dict) and value.get("module") is None:
        inner = {k: v for k, v in inner.items() if k != "dtype"}
        if inner.get("distribution") == "normal":
            inner["distribution"] = "truncated_normal"
        if isinstance(name, str) and name.endswith("V2"):
            name = name[:-2]
        return {**value, "class_name": name, "config": inner}
    if key.endswith("_regularizer") and name is None and "name" in value:  # Keras 1
        return {"class_name": "L1L2", "config": {"l1": value.get("l1", 0.0), "l2": value.get("l2", 0.0)}}
    if key.endswith("_constraint") and name is None and "name" in value:
        rest = {("max_value" if k == "m" else k): v for k, v in value.items() if k != "name"}
        names = {"maxnorm": "MaxNorm", "nonneg": "NonNeg", "unitnorm": "UnitNorm"}
        return {"class_name": names.get(str(value["name"]).lower(), value["name"]), "config": rest}
    return value


def _kernel_sizes(config: dict[str, Any]) -> None:
    """Keras 1 gave the sides of a kernel one by one."""
    for keys in (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")):
        if all(k in config for k in keys):
            config["kernel_size"] = [config.pop(k) for k in keys]


def _merge(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    mode = config.get("mode")
    if mode not in _MERGES or config.get("mode_type", "raw") != "raw":
        raise ValueError(f"[load_model] expected a Merge layer with one of {sorted(_MERGES)}, received mode={mode!r}.")
    found: dict[str, Any] = {"name": config.get("name")}
    if mode == "concat":
        found["axis"] = config.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        axes = config.get("dot_axes", -1)
        found["axes"] = axes[0] if isinstance(axes, list) and axes and isinstance(axes[0], list) else axes
        found["normalize"] = mode == "cos"
    return _MERGES[mode], found


def _lambda(config: dict[str, Any], found: dict[str, Any]) -> None:
    for key in ("function", "output_shape", "mask"):
        value = config.get(key)
        kind = config.get(f"{key}_type")
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            code = dict(zip(("code", "defaults", "closure"), value))
            found[key] = {"class_name": "__lambda__", "config": code}
        elif isinstance(value, str) and kind != "raw":
            found[key] = {
                "module": "builtins",
                "class_name": "function",
                "config": value,
                "registered_name": "function",
            }
        found.pop(f"{key}_type", None)


# What a model was compiled with.

_LOSS_KEYS = (
    "loss",
    "loss_weights",
    "metrics",
    "weighted_metrics",
    "run_eagerly",
    "steps_per_execution",
    "jit_compile",
)
_OPTIMIZER_DROPPED = ("jit_compile", "is_legacy_optimizer")


def training(config: Any) -> dict[str, Any]:
    """`training_config` of an `.h5` file as arguments of `compile`."""
    if not isinstance(config, dict):
        raise ValueError("[load_model] expected a dict as training_config.")
    found = {k: _compile_value(config[k]) for k in _LOSS_KEYS if k in config}
    metrics = found.get("metrics")
    if isinstance(metrics, list) and len(metrics) == 1 and isinstance(metrics[0], list):
        found["metrics"] = metrics[0]
    if metrics == [] or metrics == [[]]:
        found["metrics"] = None
    optimizer = config.get("optimizer_config")
    if optimizer is not None:
        found["optimizer"] = _optimizer(optimizer)
    return found


def _optimizer(config: Any) -> Any:
    if not is_object(config) or not isinstance(config["config"], dict) or config.get("module") is not None:
        return config
    name = config["class_name"].removeprefix("Custom>").removeprefix("Addons>")
    inner = {k: v for k, v in config["config"].items() if k not in _OPTIMIZER_DROPPED}
    if inner.get("epsilon", 0) is None:
        inner["epsilon"] = 1e-7
    inner.pop("schedule_decay", None)
    if is_object(inner.get("learning_rate")):
        inner["learning_rate"] = {"module": "keras.optimizers.schedules", **inner["learning_rate"]}
    names = {n.lower(): n for n in ("SGD", "RMSprop", "Adam", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl")}
    return {**config, "class_name": names.get(name.lower(), name), "config": inner}


def _compile_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_compile_value(v) for v in value]
    if not isinstance(value, dict):
        return value
    if is_object(value) and isinstance(value["config"], dict) and value.get("module") is None:
        inner = dict(value["config"])
        if inner.get("reduction") == "auto":
            inner["reduction"] = "sum_over_batch_size"
        if value["class_name"] == "MeanMetricWrapper" and isinstance(inner.get("fn"), str):
            return inner.get("name", inner["fn"]) if inner.get("name") in ("accuracy", "acc") else inner["fn"]
        return {**value, "config": inner}
    return {k: _compile_value(v) for k, v in value.items()}
