"""plot_model and model_to_dot: every layer a box, every connection an arrow; drawn where Graphviz is there."""

import shutil

import pytest
from tahr import keras

pydot = pytest.importorskip("pydot", reason="drawing models needs pydot")


def wide_and_deep():
    a, b = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
    h = keras.layers.Dense(3, activation="relu", name="hidden")(b)
    out = keras.layers.Concatenate(name="join")([a, h])
    return keras.Model([a, b], keras.layers.Dense(1, name="out<&>")(out), name="both")


def boxes(dot):
    """Labels by id, of subgraphs too."""
    found = {n.get_name(): n.get_label() for n in dot.get_nodes() if n.get_label()}
    for sub in dot.get_subgraphs():
        found.update(boxes(sub))
    return found


def name_of(label):
    return label.split("<b>")[1].split("</b>")[0]


def arrows(dot):
    names = {key: name_of(label) for key, label in boxes(dot).items()}
    return sorted((names[e.get_source()], names[e.get_destination()]) for e in dot.get_edges())


def test_a_functional_model():
    dot = keras.utils.model_to_dot(wide_and_deep(), show_shapes=True, show_dtype=True)
    out = "out&lt;&amp;&gt;"
    assert arrows(dot) == [("deep", "hidden"), ("hidden", "join"), ("join", out), ("wide", "join")]
    (label,) = [v for v in boxes(dot).values() if name_of(v) == "hidden"]
    assert "Input shape: <b>(None, 6)</b>" in label and "Output shape: <b>(None, 3)</b>" in label
    assert "(Dense)" in label and "float32" in label


def test_a_sequential_model_and_what_can_be_shown():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh", name="a")], name="s")
    model.layers[0].trainable = False
    dot = keras.utils.model_to_dot(model, show_layer_activations=True, show_trainable=True, rankdir="LR", dpi=60)
    (label,) = [v for v in boxes(dot).values() if name_of(v) == "a"]
    assert "Activation: <b>tanh</b>" in label and "Non-trainable" in label
    assert dot.get_rankdir() == "LR" and dot.get("dpi") == "60"
    plain = keras.utils.model_to_dot(model, show_layer_names=False)
    assert sorted(map(name_of, boxes(plain).values())) == ["Dense", "InputLayer"]


def test_nested_models_are_framed_or_folded():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="deep_inside")], name="inner")
    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.layers.ReLU(name="last")(inner(x)), name="outer")
    folded = keras.utils.model_to_dot(model)
    assert arrows(folded) == [("inner", "last"), ("x", "inner")]
    framed = keras.utils.model_to_dot(model, expand_nested=True)
    assert [s.get_label() for s in framed.get_subgraphs()] == ['"inner"']
    assert ("deep_inside", "last") in arrows(framed)
    part = keras.utils.model_to_dot(model, layer_range=["inner", "last"])
    assert arrows(part) == [("inner", "last")]


def test_mistakes():
    with pytest.raises(ValueError, match=r"\[model_to_dot\] expected a built model"):
        keras.utils.model_to_dot(keras.Sequential([keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match=r"expected names of layers in layer_range, received \['no'\]"):
        keras.utils.model_to_dot(wide_and_deep(), layer_range=["no", "hidden"])
    with pytest.raises(ValueError, match=r"no further arguments, received \['colour'\]"):
        keras.utils.plot_model(wide_and_deep(), colour="red")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz (the program dot) is not installed")
@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("dot", b"digraph")])
def test_files(tmp_path, ending, magic):
    path = tmp_path / f"model.{ending}"
    keras.utils.plot_model(wide_and_deep(), path, show_shapes=True, show_layer_names=True, dpi=50)
    assert path.read_bytes().startswith(magic)


def test_without_graphviz_the_advice_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="Graphviz could not be run.*apt-get install graphviz"):
        keras.utils.plot_model(wide_and_deep(), tmp_path / "a.png")
