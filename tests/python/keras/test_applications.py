"""keras.applications beside real Keras: every model's layers and weights, a forward pass, files, arguments."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tahr
from tahr import keras
from tahr.keras.applications import imagenet_utils
from tahr.keras.utils import files

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from application_cases import CASES  # noqa: E402
from application_facts import FEATURES, facts, start_with_zeros  # noqa: E402

FACTS = json.loads((HERE / "application_facts.json").read_text())  # of Keras 3.15.1, by application_facts.py
apps = keras.applications


@pytest.fixture
def zeros(monkeypatch):
    names = vars(importlib.import_module("tahr.keras.initializers.random")).values()
    kinds = [cls for cls in names if inspect.isclass(cls) and "__call__" in vars(cls)]
    for cls in kinds:
        monkeypatch.setattr(cls, "__call__", cls.__call__)  # put back afterwards
    start_with_zeros(kinds, functools.cache(tahr.zeros))  # tensors do not change: one per shape will do


@pytest.mark.parametrize("name", FACTS)
def test_layers_and_weights(name, zeros):
    build = getattr(apps, name)
    parameters, digest, feature_parameters, feature_digest = FACTS[name]
    keras.utils.clear_session()
    assert facts(build(weights=None, **FEATURES)) == [feature_parameters, feature_digest]
    if parameters < 80e6 or name == "VGG16":  # the classifier alone is what the others add
        keras.utils.clear_session()
        assert facts(build(weights=None)) == [parameters, digest]


def test_every_model_has_facts():
    assert sorted(n for n in apps.__all__ if n[0].isupper()) == sorted(FACTS)


# Outputs and files.


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    if not all(importlib.util.find_spec(name) for name in ("jax", "keras", "h5py")):
        pytest.skip("needs Keras, JAX and h5py")
    path = tmp_path_factory.mktemp("applications")
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, str(HERE / "application_reference.py"), str(path)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return path


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
@pytest.mark.parametrize("name", CASES)
def test_outputs_with_weights_from_keras(name, ending, reference):
    model = getattr(apps, name)(weights=reference / f"{name}{ending}", classifier_activation=None, **CASES[name])
    data = np.load(reference / f"{name}.npz")
    y = data["y"]
    assert np.ptp(y) > 0.1 * np.abs(y).max()
    # Fifty layers, each with some ulp of its own.
    np.testing.assert_allclose(model.predict(data["x"], verbose=0), y, rtol=0, atol=1e-5 * np.abs(y).max())


def test_published_weights_are_asked_for_and_loaded(monkeypatch, tmp_path):
    asked = []
    path = str(tmp_path / "published.weights.h5")

    def get_file(name, origin, **arguments):
        asked.append((name, origin, arguments["cache_subdir"], arguments["file_hash"]))
        return path

    monkeypatch.setattr(files, "get_file", get_file)
    first = apps.DenseNet121(weights=None, include_top=False, input_shape=(32, 32, 3))
    first.save_weights(path)
    second = apps.DenseNet121(include_top=False, input_shape=(32, 32, 3), name="mine")
    stem = "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"
    url = f"https://storage.googleapis.com/tensorflow/keras-applications/densenet/{stem}"
    assert asked == [(stem, url, "models", "30ee3e1110167f948a6b9946edeeb738")]
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "build, arguments, name, end, digits",
    [
        ("VGG16", {}, "vgg16_weights_tf_dim_ordering_tf_kernels.h5", None, 32),
        ("EfficientNetB3", {"include_top": False}, "efficientnetb3_notop.h5", None, 32),
        ("EfficientNetV2S", {"include_top": False}, "efficientnetv2-s_notop.h5", None, 32),
        ("ConvNeXtTiny", {"name": "mine"}, "convnext_tiny.h5", None, 64),
        ("NASNetMobile", {"include_top": False}, "nasnet_mobile_no_top.h5", "NASNet-mobile-no-top.h5", 32),
        ("MobileNet", {"alpha": 0.5, "input_shape": (160, 160, 3)}, "mobilenet_5_0_160_tf.h5", None, None),
        (
            "MobileNetV2",
            {"alpha": 0.35, "input_shape": (96, 96, 3), "include_top": False},
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5",
            None,
            None,
        ),
        (
            "MobileNetV3Small",
            {"minimalistic": True, "include_top": False, "input_shape": (224, 224, 3)},
            "weights_mobilenet_v3_small_minimalistic_224_1.0_float_no_top_v2.h5",
            None,
            32,
        ),
    ],
)
def test_names_of_published_files(build, arguments, name, end, digits, zeros, monkeypatch):
    class Asked(Exception):
        pass

    def get_file(fname, origin, cache_subdir, file_hash):
        raise Asked(fname, origin.rpartition("/")[2], len(file_hash) if file_hash else None)

    monkeypatch.setattr(files, "get_file", get_file)
    with pytest.raises(Asked) as asked:
        getattr(apps, build)(**arguments)
    assert asked.value.args == (name, end or name, digits)


def test_a_damaged_download_is_refused(monkeypatch, tmp_path, zeros):
    monkeypatch.setenv("TAHR_HOME", str(tmp_path))
    monkeypatch.setattr(files, "_copy", lambda origin, file: file.write(b"not the weights"))
    with pytest.raises(ValueError, match="hash"):
        apps.EfficientNetB0(include_top=False)
    assert not list((tmp_path / "models").iterdir())


def test_a_model_in_a_file_keeps_its_outputs(tmp_path):
    x = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    model = apps.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), alpha=0.5, classes=3)
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "m.keras")(x), model(x))


@pytest.mark.parametrize(
    "kind", ["convnext.LayerScale", "convnext.StochasticDepth", "inception_resnet_v2.CustomScaleLayer"]
)
def test_own_layers_are_written_as_keras_writes_them(kind):
    module, name = kind.split(".")
    arguments = {"LayerScale": (0.5, 3), "StochasticDepth": (0.25,), "CustomScaleLayer": (0.1,)}[name]
    layer = getattr(getattr(apps, module), name)(*arguments)
    config = keras.saving.serialize_keras_object(layer)
    assert (config["module"], config["class_name"]) == (f"keras.src.applications.{module}", name)
    assert keras.saving.deserialize_keras_object(config).get_config() == layer.get_config()


def test_stochastic_depth_drops_whole_examples():
    keras.utils.set_random_seed(3)
    layer = apps.convnext.StochasticDepth(0.25)
    x = np.ones((4000, 2, 2), "float32")
    y = np.asarray(layer(x, training=True))
    assert np.ptp(y, axis=(1, 2)).max() == 0 and set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y[:, 0, 0] == 0).mean() - 0.25) < 5 * (0.25 * 0.75 / 4000) ** 0.5
    np.testing.assert_array_equal(layer(x), x)


# Arguments.


def test_input_tensor_and_what_leads_to_it():
    image = keras.Input((40, 40, 4))
    x = keras.layers.Conv2D(3, 1)(image)
    model = apps.MobileNet(input_tensor=x, weights=None, include_top=False, alpha=0.25)
    assert model.inputs[0] is image and model.output_shape == (None, 1, 1, 256)
    with pytest.raises(ValueError, match=r"\[VGG16\] expected input_tensor to be a KerasTensor"):
        apps.VGG16(weights=None, input_tensor=np.zeros((1, 32, 32, 3)))
    with pytest.raises(ValueError, match="input_shape as that of input_tensor"):
        apps.VGG16(weights=None, input_tensor=x, input_shape=(32, 32, 3))


def test_channels_first(zeros):
    keras.config.set_image_data_format("channels_first")
    try:
        model = apps.ResNet50V2(weights=None, include_top=False)
        assert (model.input_shape, model.output_shape) == ((None, 3, None, None), (None, 2048, None, None))
        with pytest.raises(ValueError, match=r"\[DenseNet121\] expected pictures with channels last"):
            apps.DenseNet121(weights=None)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_variants(zeros):
    def count(build, **arguments):
        return build(weights=None, include_top=False, input_shape=(32, 32, 3), **arguments).count_params()

    # Counts of Keras 3.15.1.
    assert count(apps.MobileNet, alpha=0.25, depth_multiplier=2) == 430888
    assert count(apps.MobileNetV2, alpha=1.4) == 4363712
    assert count(apps.MobileNetV3Large, minimalistic=True) == 1437608
    plain = apps.EfficientNetV2B0(weights=None, include_top=False, include_preprocessing=False)
    assert "normalization" not in [layer.name for layer in plain.layers]
    grey = apps.ConvNeXtTiny(weights=None, include_top=False, input_shape=(32, 32, 1), pooling="max")
    assert grey.output_shape == (None, 768) and "convnext_tiny_prestem_normalization" not in [
        w.name for w in grey.layers
    ]
    assert apps.MobileNetV2(weights=None, alpha=0.5, classes=3).name == "mobilenetv2_0.50_224"
    logits = apps.MobileNetV2(weights=None, alpha=0.35, classes=3, classifier_activation=None)
    assert logits.layers[-1].activation is keras.activations.linear and logits.output_shape == (None, 3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"weights": "/no/such/file"}, "weights None, 'imagenet' or the path of a file"),
        ({"classes": 10}, "classes=1000 for weights='imagenet'"),
        ({"classifier_activation": "relu"}, "classifier_activation 'softmax' or None"),
        ({"pooling": "sum"}, "pooling None, 'avg' or 'max'"),
        ({"input_shape": (200, 200, 3)}, r"input_shape=\(224, 224, 3\)"),
        ({"input_shape": (224, 224, 1), "include_top": False}, "3 channels"),
        ({"input_shape": (31, 224, 3), "weights": None}, "at least 32 x 32"),
        ({"input_shape": (224, 224), "weights": None}, "three numbers"),
        ({"input_shape": (None, None, 3), "weights": None}, "without None"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ValueError, match=rf"\[ResNet50\] expected .*{message}"):
        apps.ResNet50(**arguments)


@pytest.mark.parametrize(
    "build, arguments, message",
    [
        ("MobileNet", {"alpha": 0.3}, "alpha one of"),
        ("MobileNet", {"depth_multiplier": 2}, "depth_multiplier=1"),
        ("MobileNetV2", {"alpha": 0.25}, "alpha one of"),
        ("MobileNetV3Large", {"alpha": 0.75, "minimalistic": True}, "alpha 0.75 or 1.0"),
        ("NASNetLarge", {"input_shape": (None, None, 3), "include_top": False}, "without None"),
    ],
)
def test_mistakes_of_families(build, arguments, message):
    with pytest.raises(ValueError, match=rf"\[{build}\] expected .*{message}"):
        getattr(apps, build)(**arguments)


def test_unusual_channels_warn():
    with pytest.warns(UserWarning, match="1 or 3 channels"):
        apps.MobileNet(weights=None, include_top=False, alpha=0.25, input_shape=(32, 32, 5))


# Pictures in, names out.


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [3, 4])
def test_preprocess_input(mode, data_format, rank):
    rgb = np.random.default_rng(1).uniform(0, 255, (2, 5, 4, 3)[4 - rank :])
    if mode == "tf":
        expected = rgb / 127.5 - 1
    elif mode == "torch":
        expected = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    else:
        expected = rgb[..., ::-1] - [103.939, 116.779, 123.68]
    first = data_format == "channels_first"
    given = np.moveaxis(rgb, -1, -3) if first else rgb
    before = given.copy()
    for x in (given, tahr.convert_to_tensor(given)):
        y = np.asarray(imagenet_utils.preprocess_input(x, data_format=data_format, mode=mode))
        np.testing.assert_allclose(np.moveaxis(y, -3, -1) if first else y, expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(given, before)
    symbolic = imagenet_utils.preprocess_input(keras.Input(given.shape[-3:], dtype="uint8"), data_format, mode)
    assert (symbolic.shape, symbolic.dtype) == ((None, *given.shape[-3:]), "float32")


def test_preprocess_input_of_families():
    x = np.full((1, 2, 2, 3), 255, "uint8")
    expected = {"vgg16": 255 - 103.939, "resnet_v2": 1.0, "densenet": (1 - 0.485) / 0.229, "efficientnet_v2": 255}
    for family, value in expected.items():
        first = float(getattr(apps, family).preprocess_input(x)[0, 0, 0, 0])
        assert abs(first - value) < 1e-4
    for wrong, mode, message in ((x[..., :1], "caffe", "3 channels"), (x, "ms", "expected mode")):
        with pytest.raises(ValueError, match=message):
            imagenet_utils.preprocess_input(wrong, mode=mode)


def test_decode_predictions(monkeypatch, tmp_path):
    table = tmp_path / "names.json"
    table.write_text(json.dumps({str(i): [f"n{i:08d}", f"class {i}"] for i in range(1000)}))
    monkeypatch.setattr(files, "get_file", lambda *args, **kwargs: str(table))
    scores = np.zeros((2, 1000), "float32")
    scores[0, [7, 3]], scores[1, 999] = (0.75, 0.25), 1.0
    found = apps.resnet50.decode_predictions(scores, top=2)
    assert found[0] == [("n00000007", "class 7", 0.75), ("n00000003", "class 3", 0.25)]
    assert found[1][0] == ("n00000999", "class 999", 1.0)
    with pytest.raises(ValueError, match=r"\(batch, 1000\)"):
        imagenet_utils.decode_predictions(np.zeros((1, 10)))


def test_nothing_is_imported_before_it_is_needed():
    code = "import sys, tahr; from tahr import keras; assert not [m for m in sys.modules if 'applications' in m]; "
    code += "keras.applications.MobileNet; assert 'tahr.keras.applications.vgg16' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
