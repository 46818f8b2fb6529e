"""`keras.export.ExportArchive` and the arguments of `model.export`."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tahr
from tahr import _C, keras

layers = keras.layers
SPEC = [keras.InputSpec(shape=(None, 4), dtype="float32")]


def make():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [layers.Input((4,)), layers.Dense(3, activation="relu"), layers.Dropout(0.5), layers.Dense(2)]
    )


def load(path):
    return _C.LoadedGraph(path.read_bytes())


def test_endpoints_are_files(tmp_path, capsys):
    model = make()
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    archive = keras.export.ExportArchive()
    archive.track(model)
    serve = archive.add_endpoint("serve", model.call, SPEC)
    archive.add_endpoint("whole", model)
    archive.add_endpoint("parts", lambda x: {"double": 2.0 * model(x), "hidden": model.layers[0](x)}, SPEC)
    assert archive.trainable_variables == model.trainable_variables
    np.testing.assert_allclose(serve(x).numpy(), model(x).numpy(), rtol=1e-6)
    model.set_weights([w + 0.25 for w in model.get_weights()])  # the weights of the day of write_out
    want = model(x).numpy()
    archive.write_out(tmp_path / "a", verbose=True)
    assert "parts" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["parts.tahr", "serve.tahr", "whole.tahr"]
    for name in ("serve", "whole"):
        got = load(tmp_path / "a" / f"{name}.tahr")([tahr.constant(x)])
        np.testing.assert_allclose(got[0].numpy(), want, rtol=1e-6, atol=1e-6)
    parts = load(tmp_path / "a" / "parts.tahr")
    assert [n for n, _, _ in parts.outputs] == ["double", "hidden"]
    np.testing.assert_allclose(parts([tahr.constant(x)])[0].numpy(), 2 * want, rtol=1e-6, atol=1e-6)
    archive.write_out(tmp_path / "a", verbose=False)  # again


def test_track_and_add_endpoint(tmp_path):
    archive = keras.export.ExportArchive()
    archive.track_and_add_endpoint("serve", make(), SPEC)
    archive.write_out(tmp_path / "a", verbose=False)
    assert load(tmp_path / "a" / "serve.tahr").inputs[0][1:] == ("float32", (None, 4))


def test_what_an_archive_refuses(tmp_path):
    archive, model = keras.export.ExportArchive(), make()
    with pytest.raises(ValueError, match="expected an endpoint"):
        archive.write_out(tmp_path / "a")
    with pytest.raises(ValueError, match="layer or model"):
        archive.track(3)
    with pytest.raises(ValueError, match="built"):
        archive.track(layers.Dense(2))
    with pytest.raises(ValueError, match="input_signature"):
        archive.add_endpoint("f", lambda x: x)
    with pytest.raises(ValueError, match="letters, digits"):
        archive.add_endpoint("../f", model.call, SPEC)
    with pytest.raises(TypeError, match="jax2tf"):
        archive.add_endpoint("f", model.call, SPEC, jax2tf_kwargs={})
    with pytest.raises(NotImplementedError, match="save_weights"):
        archive.add_variable_collection("weights", model.variables)
    archive.add_endpoint("f", model.call, SPEC)
    with pytest.raises(ValueError, match="there already"):
        archive.add_endpoint("f", model.call, SPEC)
    with pytest.raises(ValueError, match="options=None"):
        archive.write_out(tmp_path / "a", options=object())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="something else"):
        archive.write_out(tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("format", ["tf_saved_model", "openvino", "litert", "nothing"])
def test_formats_that_are_not_here(format, tmp_path):
    with pytest.raises(ValueError, match=f"format='onnx'.*format='tahr'.*received format='{format}'") as error:
        make().export(tmp_path / "m", format=format)
    assert "\n" not in str(error.value) and not (tmp_path / "m").exists()


def test_signature_is_that_of_keras():
    parameters = list(inspect.signature(keras.Model.export).parameters.values())[1:]
    assert [(p.name, p.default) for p in parameters[:4]] == [
        ("filepath", inspect.Parameter.empty),
        ("format", "tf_saved_model"),
        ("verbose", None),
        ("input_signature", None),
    ]
    assert parameters[4].kind == inspect.Parameter.VAR_KEYWORD


def test_errors_name_the_layer(tmp_path):
    stateful = keras.Sequential([layers.Input((6, 4), batch_size=2), layers.LSTM(3, stateful=True, name="keeps")])
    spectrum = keras.Sequential([layers.Input((256,)), layers.MelSpectrogram(fft_length=64, name="mel")])
    for model, part, layer in ((stateful, "'store'", "keeps"), (spectrum, "Python", "mel")):
        for format in ("tahr", "onnx"):
            with pytest.raises(ValueError, match=f"{part}.*the layer '{layer}'"):
                model.export(tmp_path / "m", format=format)


def test_text_layers_are_to_be_split_off(tmp_path):
    text = layers.TextVectorization(max_tokens=10, output_sequence_length=4)
    text.adapt(["one two three"])
    model = keras.Sequential([layers.Input((1,), dtype="string"), text, layers.Embedding(10, 2)])
    for format in ("tahr", "onnx"):
        with pytest.raises(ValueError, match="Export the model behind them"):
            model.export(tmp_path / "m", format=format)
