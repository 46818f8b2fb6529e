"""Attacks on model files, each refused in every format that it applies to. `safe_mode` unset means safe.

The names are those under which the attacks became known for Keras; files here are made by hand, as an attacker would.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from tahr import keras
from tahr.keras.backend import config as settings
from tahr.keras.saving import keras_file, safety
from tahr.keras.saving.serialization import dump_function

L = keras.layers
RAN: list[str] = []  # what an attack that gets through would write


@pytest.fixture(autouse=True)
def nothing_ran():
    RAN.clear()
    yield
    assert RAN == []
    assert not settings.is_unsafe_deserialization_enabled()


def model():
    return keras.Sequential([keras.Input((2,)), L.Dense(2, name="d")])


def weights_bytes(edit=None):
    file = io.BytesIO()
    with h5py.File(file, "w") as f:
        f["layers/dense/vars/0"] = np.ones((2, 2), "float32")
        f["layers/dense/vars/1"] = np.ones(2, "float32")
        if edit is not None:
            edit(f)
    return file.getvalue()


def write_keras(path, config, weights=None, extra=()):
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("metadata.json", "{}")
        z.writestr("config.json", json.dumps(config))
        z.writestr("model.weights.h5", weights_bytes() if weights is None else weights)
        for name, data in extra:
            z.writestr(name, data)
    return path


def write_h5(path, config, edit=None):
    with h5py.File(path, "w") as f:
        f.attrs["keras_version"] = "2.15.0"
        f.attrs["model_config"] = json.dumps(config)
        g = f.create_group("model_weights")
        g.attrs["layer_names"] = np.array([], dtype="S1")
        if edit is not None:
            edit(f)
    return path


def sequential(*layers):
    first = {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 2]}}
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers]}}


def old_sequential(*layers):
    """Without modules, as in `.h5` files."""
    first = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 2], "name": "in"}}
    plain = [{k: v for k, v in lr.items() if k not in ("module", "registered_name")} for lr in layers]
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [first, *plain]}}


def each_way(tmp_path, *layers):
    """Functions that try to load a model with these layers: from each format, and from configs alone."""
    return {
        "keras": lambda: keras.models.load_model(write_keras(tmp_path / "a.keras", sequential(*layers))),
        "h5 of Keras 3": lambda: keras.models.load_model(write_h5(tmp_path / "a.h5", sequential(*layers))),
        "h5 of Keras 2": lambda: keras.models.load_model(write_h5(tmp_path / "b.hdf5", old_sequential(*layers))),
        "json": lambda: keras.models.model_from_json(json.dumps(sequential(*layers))),
        "config": lambda: keras.Sequential.from_config(sequential(*layers)["config"]),
        "deserialize": lambda: keras.saving.deserialize_keras_object(sequential(*layers)),
        "safe_mode=None": lambda: keras.models.load_model(
            write_keras(tmp_path / "c.keras", sequential(*layers)), safe_mode=None
        ),
    }


def refused(ways, match, kinds=(ValueError, TypeError)):
    for way, load in ways.items():
        with pytest.raises(kinds, match=match) as info:
            load()
        assert info.type is not AssertionError, way


def code():
    """A function that tells of itself, as code."""
    return list(dump_function(lambda x: __import__("test_saving_attacks").RAN.append("lambda") or x))


# CVE-2024-3660, CVE-2025-9905, CVE-2026-12481: code of a Lambda layer.


@pytest.mark.parametrize("field", ["function", "output_shape", "mask", "arguments"])
def test_code_in_a_lambda_layer(tmp_path, field):
    text, defaults, closure = code()
    config = {"class_name": "__lambda__", "config": {"code": text, "defaults": defaults, "closure": closure}}
    config["config"]["value"] = [text, defaults, closure]
    function = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
    inner = {"name": "l", "function": function, field: {"f": config} if field == "arguments" else config}
    lam = {"module": "keras.layers", "class_name": "Lambda", "config": inner, "registered_name": None}
    refused(each_way(tmp_path, lam), "lambda")
    with pytest.raises(ValueError, match="lambda"):
        L.Lambda.from_config(inner)


def test_code_in_a_lambda_layer_of_keras_2(tmp_path):
    inner = {"name": "l", "function": code(), "function_type": "lambda", "module": "__main__"}
    lam = {"class_name": "Lambda", "config": inner}
    with pytest.raises(ValueError, match="lambda"):
        keras.models.load_model(write_h5(tmp_path / "a.h5", old_sequential(lam)))


def test_code_with_consent(tmp_path):
    """The other side: who says safe_mode=False gets the function."""
    m = keras.Sequential([keras.Input((2,)), L.Lambda(lambda x: 2 * x)])
    for path in (tmp_path / "a.keras", tmp_path / "a.h5"):
        m.save(path)
        with pytest.raises(ValueError, match="lambda"):
            keras.models.load_model(path)
        again = keras.models.load_model(path, safe_mode=False)
        assert again(np.ones((1, 2))).numpy().tolist() == [[2.0, 2.0]]


def test_cloning_a_lambda_layer():
    """`clone_model` goes through configs, too, and has no safe_mode: it asks for consent."""
    m = keras.Sequential([keras.Input((2,)), L.Lambda(lambda x: 2 * x)])
    with pytest.raises(ValueError, match="lambda"):
        keras.models.clone_model(m)


# CVE-2025-1550, CVE-2025-8747, CVE-2025-9906: names of modules and functions in configs.

NAMES = [
    ("os", "system", "function"),
    ("subprocess", "Popen", "Popen"),
    ("builtins", "eval", "function"),
    ("builtins", "exec", "exec"),
    ("test_saving_attacks", "Trap", "Trap"),
    ("keras.utils", "get_file", "function"),
    ("keras.src.utils.file_utils", "get_file", "function"),
    ("tahr.keras.utils", "get_file", "function"),
    ("keras.config", "enable_unsafe_deserialization", "function"),
    ("keras.src.config", "enable_unsafe_deserialization", "function"),
    ("keras.saving", "load_model", "function"),
    ("keras.models", "load_model", "load_model"),
    ("keras.models", "model_from_json", "function"),
    ("keras.layers", "importlib", "importlib"),
    ("keras.layers", "deserialize", "function"),
    ("keras.activations", "deserialize", "function"),
    ("keras.losses", "get", "function"),
    ("keras.ops", "OpCall", "function"),
    ("keras", "__getattr__", "function"),
    ("keras", "_MODULES", "_MODULES"),
    ("numpy", "load", "function"),
    ("keras.src.ops.numpy", "Popen", "Popen"),
    ("keras.src.ops.core", "CustomGradient", "CustomGradient"),
]


class Trap:
    """A class that must not be made."""

    def __init__(self, **kwargs):
        RAN.append("Trap")

    @classmethod
    def from_config(cls, config):
        RAN.append("Trap.from_config")
        return cls()


@pytest.mark.parametrize("module, name, class_name", NAMES)
def test_names_of_modules(tmp_path, module, name, class_name):
    value = {
        "module": module,
        "class_name": class_name,
        "config": name if class_name == "function" else {"args": ["id"]},
    }
    value["registered_name"] = class_name
    with pytest.raises((ValueError, TypeError)):
        keras.saving.deserialize_keras_object(value)
    lam = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "l", "function": value}}
    activation = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"name": "e", "units": 2, "activation": value},
    }
    as_layer = {**value, "config": {"name": "z", "arguments": {"args": ["id"]}}}
    for layer in (lam, activation, as_layer):
        ways = each_way(tmp_path, layer)
        if layer is not as_layer:  # whose names have no meaning without a module
            del ways["h5 of Keras 2"]
        refused(ways, None)


def test_loading_imports_nothing(tmp_path):
    (tmp_path / "evil_module.py").write_text(
        "import test_saving_attacks as t\nt.RAN.append('import')\nclass Thing: pass\n"
    )
    value = {"module": "evil_module", "class_name": "Thing", "config": {}, "registered_name": None}
    import sys

    sys.path.insert(0, str(tmp_path))
    try:
        refused(each_way(tmp_path, value), "known class")
    finally:
        sys.path.remove(str(tmp_path))
    assert "evil_module" not in sys.modules


# CVE-2026-1462: a layer that loads another model.


def test_layers_that_load_programs(tmp_path):
    match = "backend that runs|could not make (TorchModuleWrapper|JaxLayer|FlaxLayer)"
    for name in ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"):
        layer = {"module": "keras.layers", "class_name": name, "config": {"name": "t", "filepath": "/tmp/x"}}
        refused(each_way(tmp_path, layer), match, (ValueError, TypeError, NotImplementedError))


# CVE-2025-12058: vocabularies named by a path.


@pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup"])
@pytest.mark.parametrize("key", ["vocabulary", "idf_weights"])
def test_paths_of_vocabularies(tmp_path, name, key):
    (tmp_path / "secret.txt").write_text("password\n")
    layer = {"module": "keras.layers", "class_name": name, "config": {"name": "v", key: str(tmp_path / "secret.txt")}}
    refused(each_way(tmp_path, layer), "as a list|known class")


# CVE-2021-37678: YAML.


def test_yaml_is_gone():
    assert not hasattr(keras.models, "model_from_yaml") or _raises(lambda: keras.models.model_from_yaml("!!python/x"))
    assert not hasattr(keras.Model, "to_yaml") or _raises(lambda: model().to_yaml())


def _raises(fn):
    with pytest.raises(Exception):  # noqa: B017
        fn()
    return True


# GHSA-hqp4-2352-xf5r and archives in general.

GOOD = sequential({"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2}})


def test_the_good_file_is_good(tmp_path):
    loaded = keras.models.load_model(write_keras(tmp_path / "a.keras", GOOD, extra=[("assets/x.txt", "hello")]))
    assert loaded.get_weights()[0].sum() == 4


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "/tmp/evil.txt", "assets/../../evil.txt", "assets\\..\\evil", "C:/evil.txt", "assets/a/../../../e"],
)
def test_members_that_lead_out(tmp_path, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write_keras(inner / "a.keras", GOOD, extra=[(name, "evil")])
    with pytest.raises(safety.UnsafeFileError, match="inside"):
        keras.models.load_model(path)
    with pytest.raises(safety.UnsafeFileError, match="inside"):
        model().load_weights(path)
    assert sorted(os.listdir(tmp_path)) == ["inner"] and os.listdir(inner) == ["a.keras"]


def test_links_in_an_archive(tmp_path):
    info = zipfile.ZipInfo("assets/link")
    info.external_attr = 0o120777 << 16
    with pytest.raises(safety.UnsafeFileError, match="link"):
        keras.models.load_model(write_keras(tmp_path / "a.keras", GOOD, extra=[(info, "/etc/passwd")]))


def test_members_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = write_keras(tmp_path / "a.keras", GOOD, extra=[("config.json", "{}")])
    with pytest.raises(safety.UnsafeFileError, match="twice"):
        keras.models.load_model(path)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "assets/big.bin"])
def test_archives_that_grow(tmp_path, name):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for member, data in (("config.json", json.dumps(GOOD)), ("model.weights.h5", weights_bytes())):
            if member != name:
                z.writestr(member, data)
        z.writestr(name, bytes(64 << 20))
    with pytest.raises(safety.UnsafeFileError, match="fill the memory"):
        peak(lambda: keras.models.load_model(path), 8 << 20)


def test_members_that_overlap(tmp_path):
    path = write_keras(tmp_path / "a.keras", GOOD, extra=[("assets/a", bytes(100_000))])
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    directory = struct.unpack("<I", data[end + 16 : end + 20])[0]
    last = data.rindex(b"PK\x01\x02")
    copies = b"".join(data[last:end].replace(b"assets/a", b"assets/%c" % c) for c in b"bcdefgh")
    count = struct.unpack("<H", data[end + 10 : end + 12])[0] + 7
    tail = bytearray(data[end:])
    tail[8:12] = struct.pack("<HH", count, count)
    tail[12:16] = struct.pack("<I", end - directory + len(copies))
    path.write_bytes(data[:end] + copies + bytes(tail))
    with pytest.raises(ValueError, match="overlapping|undamaged"):
        keras.models.load_model(path)


def peak(fn, limit):
    """Runs `fn`; the most memory that Python took in between is below `limit`."""
    tracemalloc.start()
    try:
        fn()
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < limit, most


def test_folders_with_links(tmp_path):
    """A model as a folder: assets behind a symbolic link are not read."""
    store = keras_file.AssetReader(tmp_path)
    (tmp_path / "layers").symlink_to("/etc")
    with pytest.raises(safety.UnsafeFileError):
        store.find("layers")
    with pytest.raises(safety.UnsafeFileError):
        store.find("../x")


# CVE-2026-0897, CVE-2026-1669 and the other ways of HDF5, in all formats that hold HDF5.


def shape_bomb(f, name):
    f.create_dataset(name, shape=(1 << 20, 1 << 14), dtype="float32", chunks=(1, 1 << 14), compression="gzip")


def chunk_bomb(f, name):
    f.create_dataset(
        name, shape=(4096, 4096), dtype="float32", chunks=(4096, 4096), compression="gzip", data=np.zeros((4096, 4096))
    )


def external_data(f, name):
    f.create_dataset(name, shape=(2, 2), dtype="float32", external=[("/etc/passwd", 0, 16)])


def virtual_data(f, name):
    layout = h5py.VirtualLayout(shape=(2, 2), dtype="float32")
    layout[:] = h5py.VirtualSource("/etc/hostname.h5", "data", shape=(2, 2))
    f.create_virtual_dataset(name, layout)


def external_link(f, name):
    f[name] = h5py.ExternalLink("/tmp/other.h5", "/data")


def soft_link(f, name):
    f["elsewhere"] = np.ones((2, 2), "float32")
    f[name] = h5py.SoftLink("/elsewhere")


def references(f, name):
    f.create_dataset(name, shape=(2, 2), dtype=h5py.ref_dtype)


def objects(f, name):
    f.create_dataset(name, data=np.array([["a", "b"]] * 2, dtype=object), dtype=h5py.string_dtype())


def records(f, name):
    f.create_dataset(name, shape=(2, 2), dtype=[("a", "f4"), ("b", "i4")])


def group_there(f, name):
    f.create_group(name)


HDF5 = [
    shape_bomb,
    chunk_bomb,
    external_data,
    virtual_data,
    external_link,
    soft_link,
    references,
    objects,
    records,
    group_there,
]


@pytest.mark.parametrize("attack", HDF5)
@pytest.mark.parametrize("kind", ["keras", "weights.h5", "weights in keras", "folder"])
def test_hdf5_in_todays_formats(tmp_path, attack, kind):
    def edit(f):
        del f["layers/dense/vars/0"]
        attack(f, "layers/dense/vars/0")

    data = weights_bytes(edit)
    if kind == "weights.h5":
        (tmp_path / "a.weights.h5").write_bytes(data)
        load = lambda: model().load_weights(tmp_path / "a.weights.h5")  # noqa: E731
    elif kind == "folder":
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "config.json").write_text(json.dumps(GOOD))
        (tmp_path / "m" / "model.weights.h5").write_bytes(data)
        load = lambda: keras.models.load_model(tmp_path / "m")  # noqa: E731
    else:
        path = write_keras(tmp_path / "a.keras", GOOD, data)
        load = (lambda: keras.models.load_model(path)) if kind == "keras" else (lambda: model().load_weights(path))
    with pytest.raises(ValueError):
        peak(load, 16 << 20)


@pytest.mark.parametrize("attack", HDF5)
@pytest.mark.parametrize("kind", ["model", "weights", "by name"])
def test_hdf5_in_the_older_format(tmp_path, attack, kind):
    path = tmp_path / "a.h5"
    model().save(path)
    with h5py.File(path, "r+") as f:
        name = f["model_weights/d"].attrs["weight_names"][0]
        del f["model_weights/d"][name]
        attack(f, f"model_weights/d/{name.decode()}")
    load = {
        "model": lambda: keras.models.load_model(path),
        "weights": lambda: model().load_weights(path),
        "by name": lambda: model().load_weights(path, by_name=True),
    }[kind]
    with pytest.raises(ValueError):
        peak(load, 16 << 20)


def test_groups_that_are_links(tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(weights_bytes())
    for link in (h5py.ExternalLink(str(other), "/layers"), h5py.SoftLink("/real")):
        path = tmp_path / "a.weights.h5"
        with h5py.File(path, "w") as f:
            f["real/dense/vars/0"] = np.ones((2, 2))
            f["layers"] = link
        with pytest.raises(ValueError, match="link"):
            model().load_weights(path)


def test_a_group_that_contains_itself(tmp_path):
    def edit(f):
        f["layers/dense/again"] = f["layers"]

    assert keras.models.load_model(write_keras(tmp_path / "a.keras", GOOD, weights_bytes(edit))).built


def test_strings_in_a_circle(tmp_path):
    """An object of size 0 in the heap of strings: the HDF5 library would follow it for ever."""
    path = tmp_path / "a.h5"
    model().save(path)
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL\x01")
    data[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="heap"):
        keras.models.load_model(path)


def test_attributes_that_grow(tmp_path):
    path = tmp_path / "a.h5"
    model().save(path)
    with h5py.File(path, "r+") as f:
        f["model_weights"].attrs["layer_names"] = np.array([b"../../d", b"/model_weights/d"])
    with pytest.raises(ValueError):
        keras.models.load_model(path)


# Models that would be larger than their files.

HUGE = [
    {"class_name": "Dense", "config": {"name": "d", "units": 10**12}, "build_config": {"input_shape": [None, 2]}},
    {
        "class_name": "Embedding",
        "config": {"name": "d", "input_dim": 10**11, "output_dim": 10},
        "build_config": {"input_shape": [None, 2]},
    },
    {"class_name": "Dense", "config": {"name": "d", "units": 2}, "build_config": {"input_shape": [None, 10**13]}},
    {"class_name": "EinsumDense", "config": {"name": "d", "equation": "ab,bc->ac", "output_shape": 10**12}},
]


@pytest.mark.parametrize("layer", HUGE, ids=lambda lr: lr["class_name"])
def test_models_larger_than_their_files(tmp_path, layer):
    layer = {"module": "keras.layers", **layer}
    ways = each_way(tmp_path, layer)
    for way in ("keras", "h5 of Keras 3", "h5 of Keras 2"):
        with pytest.raises((ValueError, TypeError)):
            peak(ways[way], 16 << 20)


def test_configs_that_are_deep(tmp_path):
    text = '{"class_name": "Sequential", "config": {"layers": [' * 50_000
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as z:
        z.writestr("config.json", text)
        z.writestr("model.weights.h5", weights_bytes())
    with pytest.raises(ValueError, match="JSON"):
        keras.models.load_model(tmp_path / "a.keras")


# Pickle: nothing here reads it.


class Bomb:
    def __reduce__(self):
        return RAN.append, ("pickle",)


def test_pickle_is_not_read(tmp_path):
    bomb = pickle.dumps(Bomb())
    RAN.clear()
    stream = io.BytesIO()
    np.savez(stream, a=np.array([Bomb()], dtype=object))
    npz = stream.getvalue()
    for name in ("a.keras", "a.h5", "a.weights.h5", "a.safetensors", "a.npz", "a.pkl"):
        for data in (bomb, npz):
            (tmp_path / name).write_bytes(data)
            with pytest.raises(ValueError):
                keras.models.load_model(tmp_path / name)
            with pytest.raises(ValueError):
                model().load_weights(tmp_path / name)
    path = tmp_path / "npz.keras"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("config.json", json.dumps(GOOD))
        z.writestr("model.weights.npz", npz)
    with pytest.raises(ValueError, match="npz"):
        keras.models.load_model(path)


# Shards and safetensors.


@pytest.mark.parametrize("name", ["../a.weights.h5", "/etc/passwd", "x/../../a.weights.h5", 3, None])
def test_shards_elsewhere(tmp_path, name):
    (tmp_path / "a.weights.json").write_text(json.dumps({"weight_map": {"/layers/dense/vars": name}}))
    with pytest.raises(ValueError):
        model().load_weights(tmp_path / "a.weights.json")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2**40, 2], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 2**60]},
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [-16, 0]},
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [16, 0]},
        {"dtype": "O", "shape": [2, 2], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [2.0, True], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": 4, "data_offsets": [0, 16]},
        {"dtype": ["F32"], "shape": [2, 2], "data_offsets": [0, 16]},
        [],
        None,
    ],
)
def test_safetensors_that_lie(tmp_path, entry):
    header = json.dumps({"layers/dense/kernel": entry, "layers/dense/bias": None}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(24))
    with pytest.raises(ValueError):
        peak(lambda: model().load_weights(tmp_path / "a.safetensors"), 4 << 20)


def test_safetensors_with_a_long_header(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(ValueError, match="header"):
        peak(lambda: model().load_weights(tmp_path / "a.safetensors"), 4 << 20)


def test_arrays_that_overlap(tmp_path):
    place = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    header = json.dumps({"a": place, "b": place}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    with pytest.raises(ValueError, match="overlap"):
        model().load_weights(tmp_path / "a.safetensors")


def test_names_as_paths():
    for name in ("", "/a", "..", "a/../b", "a\\b", "c:/x", "a\0b"):
        with pytest.raises(safety.UnsafeFileError):
            safety.checked_parts(name, "a name")
    assert safety.checked_parts("a/./b//c", "a name") == ["a", "b", "c"]


FAILS: list[type[Exception]] = []


@keras.saving.register_keras_serializable("attacks")
class Fails(L.Layer):
    def build(self, input_shape):
        if FAILS:
            raise FAILS[0]("of the layer itself")

    def call(self, inputs):
        return inputs


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("kind", [KeyError, OSError, OverflowError, RuntimeError])
def test_an_error_of_a_layer_is_not_called_damage(tmp_path, ending, kind):
    """Only what goes wrong in reading the file is; a class of the user fails with its own error."""
    path = tmp_path / f"a{ending}"
    keras.Sequential([keras.Input((2,)), Fails()]).save(path)
    assert isinstance(keras.models.load_model(path).layers[0], Fails)
    FAILS.append(kind)
    try:
        with pytest.raises(kind, match="of the layer itself") as info:
            keras.models.load_model(path)
    finally:
        FAILS.clear()
    assert "damaged" not in str(info.value)
