"""Whole models in one `.h5` file, as Keras 1, 2 and 3 write them; weights alone in the same layout.

The file's attributes hold JSON: `model_config`, and for compiled models `training_config`. The group `model_weights`
has a group per layer; the attribute `layer_names` gives their order, `weight_names` in each that of its arrays.
`optimizer_weights` is like one such group. New files are written as Keras 3 does.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

import numpy as np

from tahr.keras.backend.budget import MemoryBudget
from tahr.keras.saving import h5, old_weights, safety, upgrade
from tahr.keras.saving.atomic import replacing
from tahr.keras.saving.keras_file import FORMAT, from_config, warn_unbuilt
from tahr.keras.saving.serialization import ObjectSharingScope, deserialize_keras_object, serialize_keras_object
from tahr.keras.saving.stores import write_array

_HEADER_LIMIT = 64512  # bytes that an object's attributes may take
_TOP = "top_level_model_weights"


def ordered_weights(layer: Any) -> list[Any]:
    """The weights of a layer in this format's order: what is trained, then the rest."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _top_level_weights(model: Any) -> list[Any]:
    known = {id(w) for w in model.weights}
    return [w for w in (*model._trainable_variables, *model._non_trainable_variables) if id(w) in known]


# Writing.


def save(model: Any, path: str, include_optimizer: bool = True) -> None:
    """Writes the whole model to `path`."""
    warn_unbuilt(model)
    with_assets = [layer.name for layer in model._flatten_layers() if hasattr(layer, "save_assets")]
    if with_assets:
        warnings.warn(
            f"[save_model] .h5 files keep no assets: what {with_assets} learned from data (a vocabulary, say) is not saved. "
            "Save to a .keras file.",
            stacklevel=3,
        )
    with ObjectSharingScope():
        config = serialize_keras_object(model)
    training = config.pop("compile_config", None)
    if config.get("registered_name") and config.get("module") != "keras.src.models.functional":
        config["class_name"] = config["registered_name"]  # the only name that Keras looks at here
    optimizer = model.optimizer if include_optimizer and model.compiled else None
    with replacing(path) as temporary, h5.library().File(temporary, "w") as file:
        file.attrs["keras_version"] = FORMAT
        file.attrs["backend"] = "tahr"
        _write_text(file, "model_config", json.dumps(config))
        if optimizer is not None and training:
            training = {k: v for k, v in training.items() if k != "optimizer"}
            training["loss"] = _as_objects(training.get("loss"))
            settings = serialize_keras_object(optimizer)
            _write_text(file, "training_config", json.dumps({**training, "optimizer_config": settings}))
        _write_layers(file.create_group("model_weights"), model)
        if optimizer is not None and optimizer.variables:
            _write_arrays(file.create_group("optimizer_weights"), optimizer.variables)


def _as_objects(loss: Any) -> Any:
    """Names of losses ("mse") as configs of their classes: Keras does not find names again in this format."""
    from tahr.keras import losses

    if isinstance(loss, dict) and "class_name" not in loss:
        return {k: _as_objects(v) for k, v in loss.items()}
    if isinstance(loss, (list, tuple)):
        return [_as_objects(v) for v in loss]
    if not isinstance(loss, str):
        return loss
    name = getattr(losses.get(loss), "__name__", loss)
    cls = getattr(losses, "".join(part.capitalize() for part in name.split("_")), None)
    return loss if not isinstance(cls, type) else serialize_keras_object(cls())


def save_weights(model: Any, path: str) -> None:
    """Writes the weights of the model alone to `path`."""
    with replacing(path) as temporary, h5.library().File(temporary, "w") as file:
        _write_layers(file, model)


def _write_text(file: Any, name: str, text: str) -> None:
    """Long texts do not fit an attribute in place: as strings of variable length they lie elsewhere in the file."""
    file.attrs.create(name, text, dtype=h5.library().string_dtype("utf-8"))


def _write_layers(group: Any, model: Any) -> None:
    layers = getattr(model, "layers", [])
    _write_names(group, "layer_names", [layer.name for layer in layers])
    group.attrs["backend"] = "tahr"
    group.attrs["keras_version"] = FORMAT
    written: dict[str, Any] = {}
    for layer in sorted(layers, key=lambda layer: layer.name):
        other = written.setdefault(layer.name, layer)
        if layer.name not in group:
            _write_arrays(group.create_group(layer.name), ordered_weights(layer))
        elif other is not layer:  # else one layer that is in the model twice, as `layer_names` says
            raise ValueError(
                f"[save_model] expected layers with different names in {model.name!r}, received two called "
                f"{layer.name!r}: .h5 files keep weights by the names of layers. Rename one, or save to a .keras file."
            )
    _write_arrays(group.create_group(_TOP), _top_level_weights(model))


def _write_arrays(group: Any, variables: list[Any]) -> None:
    names: list[str] = []
    taken: set[str] = set()
    for v in variables:
        path = name = str(getattr(v, "path", v.name))
        number = 0
        while name in taken or any(other.startswith(name + "/") or name.startswith(other + "/") for other in taken):
            number += 1
            name = f"{path}_{number}"
        taken.add(name)
        names.append(name)
    _write_names(group, "weight_names", names)
    for name, v in zip(names, variables):
        value = v.numpy()
        if value.dtype.name == "bfloat16":  # of which Keras cannot read back what it writes in this format
            value = value.astype(np.float32)
        write_array(group, name, value)


def _write_names(group: Any, key: str, names: list[str]) -> None:
    """A list of names as an attribute, in several where one would be too long."""
    encoded = [n.encode("utf-8") for n in names]
    width = max((len(n) for n in encoded), default=1) or 1
    if width > _HEADER_LIMIT:
        raise ValueError(f"[save_model] expected names of at most {_HEADER_LIMIT} bytes, received one of {width}.")
    per_part = _HEADER_LIMIT // width
    if len(encoded) <= per_part:
        group.attrs[key] = np.array(encoded, dtype=f"S{width}")
        return
    for part, start in enumerate(range(0, len(encoded), per_part)):
        group.attrs[f"{key}{part}"] = np.array(encoded[start : start + per_part], dtype=f"S{width}")


# Reading.


def load(path: str, custom_objects: Any = None, compile: bool = True, safe_mode: bool | None = True) -> Any:
    """The model that the file at `path` holds."""
    with h5.reading(path) as file:
        text = h5.attribute(file, "model_config")
        if not isinstance(text, str):
            raise ValueError(
                f"[load_model] expected a whole model in {path!r}, found no model_config: No model config found in the "
                "file. If it holds weights only, build the model and call model.load_weights(path)."
            )
        config = upgrade.tuples(safety.parse_json(text, "model_config"))
        version = _version(file)
        limit = (64 << 20) + 4 * h5.total_size(file)
        with MemoryBudget(limit, f"a model whose file has {os.path.getsize(path)} bytes"):
            with safety.understood("a config"):
                config = upgrade.model(config, version)
            model = from_config(config, custom_objects, True, safe_mode)
            fill(model, file)
            if compile:
                with safety.understood("a training_config"):
                    _compile(model, file, custom_objects, safe_mode)
    return model


def _version(file: Any) -> str:
    """The version of Keras that wrote the file; those before 1.2 did not say."""
    value = h5.attribute(file, "keras_version")
    if value is None:
        found = h5.find_group(file, "model_weights")
        value = h5.attribute(found, "keras_version") if found is not None else None
    return str(value) if value is not None else "1"


def _compile(model: Any, file: Any, custom_objects: Any, safe_mode: bool | None) -> None:
    text = h5.attribute(file, "training_config")
    if not isinstance(text, str):
        warnings.warn(
            "[load_model] the file does not say how the model was compiled: it was *not* compiled. Compile it to train.",
            stacklevel=4,
        )
        return
    config = upgrade.training(upgrade.tuples(safety.parse_json(text, "training_config")))
    arguments = deserialize_keras_object(
        config, custom_objects=custom_objects, safe_mode=True if safe_mode is None else safe_mode
    )
    model.compile(**arguments)
    if model.optimizer is None or not model.built:
        return
    model.optimizer.build(model.trainable_variables)
    found = h5.find_group(file, "optimizer_weights")
    if found is not None:
        names = names_of(found, "weight_names")
        old_weights.fill_optimizer(model.optimizer, names, [h5.array(found, n) for n in names])


def names_of(group: Any, key: str) -> list[str]:
    """A list of names kept in an attribute, or in several numbered ones."""
    if key in group.attrs:
        parts = [h5.attribute(group, key)]
    else:
        parts = []
        while f"{key}{len(parts)}" in group.attrs:
            parts.append(h5.attribute(group, f"{key}{len(parts)}"))
    names: list[str] = []
    for part in parts:
        if not isinstance(part, list):
            if getattr(part, "size", None) == 0:
                continue
            raise ValueError(f"[load_model] expected a list of names in the attribute {key!r}, received {part!r}.")
        names.extend(part)
    return names


def fill(model: Any, file: Any, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Gives `model` the weights in an open file, by the order of the layers or by their names.

    Raises:
        ValueError: if they do not fit, unless `skip_mismatch`.
    """
    found = file
    if "layer_names" not in file.attrs and "layer_names0" not in file.attrs:
        found = h5.find_group(file, "model_weights")
        if found is None:
            raise ValueError(
                "[load_weights] expected weights in the layout of .h5 files, found neither layer_names nor "
                "model_weights. A file of save_weights() ends in .weights.h5."
            )
    version = str(h5.attribute(found, "keras_version") or "1")
    backend = h5.attribute(found, "backend")
    saved = []
    for name in names_of(found, "layer_names"):
        group = h5.group(found, name)
        names = names_of(group, "weight_names")
        saved.append((name, group, names))
    if by_name:
        pairs = [(s, layer) for s in saved for layer in model.layers if layer.name == s[0]]
    else:
        saved = [s for s in saved if s[2]]
        layers = [layer for layer in model.layers if layer.weights]
        if len(saved) != len(layers):
            raise ValueError(
                f"[load_weights] expected weights for {len(layers)} layers, received a file with those of {len(saved)} "
                f"layers: Layer count mismatch. The model has {[lr.name for lr in layers]}, the file "
                f"{[s[0] for s in saved]}."
            )
        pairs = list(zip(saved, layers))
    plan: list[tuple[Any, np.ndarray]] = []
    for (name, group, names), layer in pairs:
        arrays = [h5.array(group, n) for n in names]
        arrays = old_weights.convert(layer, arrays, version, backend)
        plan.extend(
            _match(ordered_weights(layer), arrays, f"layer {layer.name!r} ({name!r} in the file)", skip_mismatch)
        )
    top = h5.find_group(found, _TOP)
    if top is not None:
        arrays = [h5.array(top, n) for n in names_of(top, "weight_names")]
        plan.extend(_match(_top_level_weights(model), arrays, "the model itself", skip_mismatch))
    for v, value in plan:
        v.assign(value)


def _match(own: list[Any], arrays: list[np.ndarray], what: str, skip: bool) -> list[tuple[Any, np.ndarray]]:
    """Pairs of variables and their new values; nothing is changed before all of a file is known to fit."""
    if len(own) != len(arrays):
        message = (
            f"[load_weights] expected {len(own)} weights for {what}, received {len(arrays)}: Weight count mismatch."
        )
        if not skip:
            raise ValueError(message)
        warnings.warn(message + " They are skipped.", stacklevel=4)
        return []
    pairs = []
    for v, value in zip(own, arrays):
        if tuple(v.shape) == value.shape:
            pairs.append((v, value))
            continue
        path = getattr(v, "path", v.name)
        message = (
            f"[load_weights] expected shape {tuple(v.shape)} for weight {path!r} of {what}, received {value.shape}: Shape "
            "mismatch."
        )
        if not skip:
            raise ValueError(message)
        warnings.warn(message + " It is skipped.", stacklevel=4)
    return pairs
