"""`keras.visualization`, and names of Keras that are refused."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from tahr import keras

RNG = np.random.default_rng(0)

DRAW = """
import sys, numpy as np, keras
rng = np.random.default_rng(1)
images, masks = rng.integers(0, 256, (2, 5, 6, 3)).astype("float32"), rng.integers(0, 4, (2, 5, 6, 1))
draw, colors = keras.visualization.draw_segmentation_masks, {i: (i * 60, 255 - i, 7) for i in range(4)}
out = [draw(images, masks), draw(images, masks, 4, colors, 0.3), draw(images, masks, 4, ignore_index=2)]
out += [draw(images, masks, 3, blend=False)]
"""


def test_masks_are_drawn_as_in_keras(tmp_path):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs Keras")
    path = str(tmp_path / "reference.npz")
    env = {**os.environ, "KERAS_BACKEND": "jax"}
    command = DRAW + "np.savez(sys.argv[1], *[np.asarray(o) for o in out])"
    subprocess.run([sys.executable, "-c", command, path], check=True, env=env)
    ours = {"keras": keras}
    exec(DRAW.replace("np, keras", "np"), ours)
    reference = np.load(path)
    for i, drawn in enumerate(ours["out"]):
        expected = reference[f"arr_{i}"]
        assert drawn.dtype == expected.dtype
        assert np.max(np.abs(drawn.astype("float64") - expected)) <= (1 if drawn.dtype == "uint8" else 0), i


def test_masks_refuse_what_they_cannot_draw():
    draw = keras.visualization.draw_segmentation_masks
    images, masks = np.zeros((1, 2, 3, 3)), np.zeros((1, 2, 3, 1), "int32")
    assert draw(images.transpose(0, 3, 1, 2), masks.transpose(0, 3, 1, 2), 1, data_format="channels_first").shape == (
        1, 2, 3, 3,
    )  # fmt: skip
    with pytest.raises(TypeError, match="integer"):
        draw(images, masks.astype("float32"))
    with pytest.raises(ValueError, match="batched 4D"):
        draw(images[0], masks)
    with pytest.raises(ValueError, match="of shape"):
        draw(images, masks[:, :1])


def test_boxes():
    images = np.zeros((1, 20, 20, 3), "uint8")
    boxes = {"boxes": np.array([[[2, 3, 12, 13], [0, 0, 19, 19]]], "float32"), "labels": np.array([[1, -1]])}
    draw = keras.visualization.draw_bounding_boxes
    if importlib.util.find_spec("cv2") is None:
        with pytest.raises(ImportError, match=r"\[draw_bounding_boxes\].*opencv"):
            draw(images, boxes, "xyxy")
        return
    drawn = draw(images, boxes, "xyxy", color=(10, 20, 30), line_thickness=1)
    expected = np.zeros((20, 20), bool)
    expected[3:14, 2:13] = True
    expected[4:13, 3:12] = False
    assert drawn.dtype == "uint8" and np.array_equal(drawn[0].any(-1), expected)
    assert drawn[0, 3, 2].tolist() == [10, 20, 30]
    named = draw(images, {**boxes, "confidences": [[0.5, 0.5]]}, "xyxy", {1: "x"}, font_scale=0.3)
    assert named.sum() > drawn.sum()
    with pytest.raises(TypeError, match="dict"):
        draw(images, [boxes], "xyxy")
    with pytest.raises(ValueError, match="labels"):
        draw(images, {"boxes": boxes["boxes"]}, "xyxy")


@pytest.fixture
def plt(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_galleries(plt, tmp_path):
    images = RNG.integers(0, 256, (5, 4, 6, 3)).astype("float32")
    plot = keras.visualization.plot_image_gallery
    plot(images, path=tmp_path / "a.png", dpi=20)
    plot(images / 255, value_range=(0, 1), path=tmp_path / "b.png", dpi=20)
    first = plt.imread(tmp_path / "a.png")
    assert first.ndim == 3 and np.array_equal(first, plt.imread(tmp_path / "b.png"))
    plot(images, [0, 1, 1, 0, 2], [0] * 5, {0: "zero", 1: "one"}, cols=5, rows=1, show=False)
    titles = [axis.get_title() for axis in plt.gcf().axes]
    assert titles[:3] == ["Label: zero  Pred: zero", "Label: one  Pred: zero", "Label: one  Pred: zero"]
    assert titles[4] == "Label: Unknown  Pred: zero"
    assert np.array_equal(plt.gcf().axes[3].images[0].get_array(), images[3])
    masks = RNG.integers(0, 3, (2, 4, 6, 1))
    keras.visualization.plot_segmentation_mask_gallery(images[:2], 3, y_true=masks, y_pred=masks, show=False)
    shown = [axis.images[0].get_array() for axis in plt.gcf().axes]
    assert len(shown) == 6 and np.array_equal(shown[3], images[1]) and np.array_equal(shown[4], shown[5])
    keras.visualization.plot_bounding_box_gallery(images, "xyxy", legend=True, show=False)
    assert [text.get_text() for text in plt.gcf().legends[0].get_texts()] == ["Ground Truth", "Prediction"]
    for call, message in (
        (lambda: plot(images[0]), "batched 4D"),
        (lambda: plot(images, [0] * 5), "label_map"),
        (lambda: plot(images, path="x.png", show=True), "path and show"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("make", "instead"),
    [
        (lambda: keras.layers.JaxLayer(len), "keras.ops"),
        (lambda: keras.layers.FlaxLayer(None), "keras.ops"),
        (lambda: keras.layers.TFSMLayer("folder"), "keras.saving.load_model"),
        (lambda: keras.layers.TorchModuleWrapper(None), "set_weights"),
        (lambda: keras.callbacks.OrbaxCheckpoint("folder"), "ModelCheckpoint.*BackupAndRestore"),
    ],
)
def test_refused_names_say_what_to_use(make, instead):
    with pytest.raises(NotImplementedError, match=instead):
        make()
