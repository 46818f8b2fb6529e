"""ImageDataGenerator and its iterators beside those of real Keras, whose random choices one seed makes ours as well."""

from __future__ import annotations

import os
import pickle

os.environ.setdefault("KERAS_BACKEND", "numpy")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from keras.src.legacy.preprocessing import image as real  # noqa: E402
from scipy import ndimage  # noqa: E402
from tahr import keras  # noqa: E402
from tahr.keras.preprocessing import image as ours  # noqa: E402
from tahr.keras.preprocessing.image_sampling import FILL_MODES, sample_affine  # noqa: E402

EPS32 = 2.0**-24
# Places of up to 20 rounded a few times in float64, times slopes of up to 255.
PLACES = 2.0**-52 * 20 * 255 * 16


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, shape or (7, 11, 8, 3)).astype("float32")


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("mode", FILL_MODES)
def test_sampling_beside_scipy(mode, order):
    x = pictures(2, 13, 17).astype("float64")
    matrix, offset = np.array([[0.8, 0.4], [-0.5, 1.1]]), np.array([-3.2, 5.1])
    expected = [ndimage.affine_transform(p, matrix, offset, order=order, mode=mode, cval=7.0) for p in x]
    # SciPy cuts the sums that begin its spline filters off at 1e-7 of the values or less; below degree 2 there are none.
    tolerance = PLACES if order < 2 else 255 * 1e-9
    np.testing.assert_allclose(sample_affine(x, matrix, offset, mode, 7.0, order), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (1, 0, 2)])
@pytest.mark.parametrize(
    "change",
    [
        dict(theta=20),
        dict(tx=2.5),
        dict(ty=-1.5),
        dict(shear=15),
        dict(zx=0.8, zy=1.3),
        dict(theta=-30, tx=1, ty=2, shear=10, zx=0.7, zy=0.9, fill_mode="constant", cval=3.0),
        dict(theta=-30, tx=1, ty=2, shear=10, zx=0.7, zy=0.9, fill_mode="reflect", order=0),
    ],
)
def test_affine_transforms_beside_keras(change, axes):
    x = pictures(13, 9, 3).astype("float64")
    names = dict(zip(("row_axis", "col_axis", "channel_axis"), axes))
    x = np.moveaxis(x, 2, axes[2])
    expected = real.apply_affine_transform(x, **change, **names)
    got = ours.apply_affine_transform(x, **change, **names)
    assert got.shape == expected.shape and not np.array_equal(got, x)
    np.testing.assert_allclose(got, expected, rtol=0, atol=PLACES)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("random_rotation", (40, 0, 1, 2)),
        ("random_shift", (0.3, 0.2, 0, 1, 2)),
        ("random_shear", (30, 0, 1, 2)),
        ("random_zoom", ((0.5, 1.5), 0, 1, 2)),
        ("random_channel_shift", (60.0, 2)),
        ("random_brightness", ((0.2, 1.5),)),
        ("apply_brightness_shift", (0.4, False)),
        ("apply_channel_shift", (-50.0, 2)),
    ],
)
def test_random_changes_beside_keras(name, arguments):
    x = pictures(11, 8, 3)
    np.random.seed(3)
    expected = getattr(real, name)(x, *arguments)
    np.random.seed(3)
    got = getattr(ours, name)(x, *arguments)
    assert not np.allclose(got, x)
    np.testing.assert_allclose(got, expected, rtol=4 * EPS32, atol=255 * 4 * EPS32)


GENERATORS = [
    dict(),
    dict(rotation_range=40, width_shift_range=0.2, height_shift_range=0.1, shear_range=20, zoom_range=0.3),
    dict(width_shift_range=[1, 2], height_shift_range=3, fill_mode="constant", cval=9.0, interpolation_order=3),
    dict(horizontal_flip=True, vertical_flip=True, channel_shift_range=30.0, brightness_range=(0.5, 1.2)),
    dict(featurewise_center=True, featurewise_std_normalization=True, rescale=1 / 255),
    dict(samplewise_center=True, samplewise_std_normalization=True, preprocessing_function=np.sqrt),
    dict(featurewise_center=True, zca_whitening=True, zca_epsilon=1e-1),
]


@pytest.mark.parametrize("arguments", GENERATORS)
def test_flow_beside_keras(arguments):
    x, y = pictures(), np.arange(7)
    weights = np.linspace(0, 1, 7)
    sides = []
    for module in (ours, real):
        generator = module.ImageDataGenerator(**arguments)
        generator.fit(x, seed=2)
        flow = generator.flow(x, y, batch_size=3, sample_weight=weights, seed=5)
        sides.append([next(flow) for _ in range(4)] + [flow[1], flow[2]])
        assert len(flow) == 3
    for got, expected in zip(*sides):
        # Whitened pixels are sums of 264 products; the rest are a few roundings of numbers of up to 255.
        np.testing.assert_allclose(got[0], expected[0], rtol=64 * EPS32, atol=255 * 16 * EPS32)
        np.testing.assert_array_equal(got[1], expected[1])
        np.testing.assert_array_equal(got[2], expected[2])


@pytest.mark.parametrize("arguments", GENERATORS[4:])
@pytest.mark.parametrize("augment", [False, True])
def test_statistics_beside_keras(arguments, augment):
    found = []
    for module in (ours, real):
        generator = module.ImageDataGenerator(rotation_range=20, **arguments)
        generator.fit(pictures(), augment=augment, rounds=2, seed=4)
        found.append([generator.mean, generator.std, generator.zca_whitening_matrix])
    for got, expected in zip(*found):
        assert (got is None) == (expected is None)
        if got is not None:
            np.testing.assert_allclose(got, expected, rtol=64 * EPS32, atol=64 * EPS32)


@pytest.fixture
def folder(tmp_path):
    for label, count in (("cat", 5), ("dog", 4), ("emu", 3)):
        (tmp_path / label).mkdir()
        for i in range(count):
            keras.utils.save_img(tmp_path / label / f"{i}.png", pictures(9, 12, 3) * (i + 1) / 6, scale=False)
        (tmp_path / label / "notes.txt").write_text("no image")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        dict(),
        dict(class_mode="sparse", subset="validation", color_mode="grayscale"),
        dict(class_mode="input", subset="training", interpolation="bilinear", keep_aspect_ratio=True),
        dict(class_mode="binary", classes=["emu", "cat"]),
        dict(class_mode=None, shuffle=False, color_mode="rgba"),
    ],
)
def test_directories_beside_keras(folder, arguments):
    flows = [
        m.ImageDataGenerator(rotation_range=10, validation_split=0.4).flow_from_directory(
            str(folder), target_size=(6, 5), batch_size=4, seed=1, **arguments
        )
        for m in (ours, real)
    ]
    got, expected = flows
    assert got.class_indices == expected.class_indices and got.filenames == expected.filenames
    assert got.samples == expected.samples and got.image_shape == expected.image_shape
    np.testing.assert_array_equal(got.classes, expected.classes)
    for _ in range(3):
        for a, b in zip(*(part if isinstance(part, tuple) else (part,) for part in (next(got), next(expected)))):
            np.testing.assert_allclose(a, b, rtol=4 * EPS32, atol=255 * 4 * EPS32)


@pytest.mark.parametrize(
    "arguments",
    [
        dict(),
        dict(class_mode="sparse", classes=["dog", "cat"], y_col="kind"),
        dict(class_mode="raw", y_col="size", weight_col="size"),
        dict(class_mode="multi_output", y_col=["size", "size"], subset="training"),
        dict(class_mode="categorical", y_col="kinds"),
    ],
)
def test_tables_beside_keras(folder, arguments):
    pandas = pytest.importorskip("pandas")
    names = [f"{c}/{i}.png" for c, n in (("cat", 5), ("dog", 4), ("emu", 3)) for i in range(n)] + ["cat/99.png"]
    kinds = [name[:3] for name in names]
    table = pandas.DataFrame({"filename": names, "class": kinds, "kind": kinds, "size": np.arange(13.0)})
    table["kinds"] = [[kind, "all"] for kind in kinds]
    flows = []
    for module in (ours, real):
        with pytest.warns(UserWarning, match="1 (other names|invalid)"):
            flows.append(
                module.ImageDataGenerator(validation_split=0.25).flow_from_dataframe(
                    table, str(folder), target_size=(6, 5), batch_size=4, seed=1, **arguments
                )
            )
    got, expected = flows
    assert got.filenames == expected.filenames
    for _ in range(3):
        for a, b in zip(next(got), next(expected)):
            np.testing.assert_allclose(a, b, rtol=4 * EPS32, atol=0)


def test_subsets_and_files(tmp_path):
    generator = ours.ImageDataGenerator(validation_split=0.3, data_format="channels_first")
    x, y = pictures(10, 3, 4, 5), np.tile([0, 1], 5)
    flow = generator.flow(x, y, subset="validation", shuffle=False, save_to_dir=str(tmp_path), save_prefix="v")
    images, labels = flow[0]
    np.testing.assert_array_equal(images, x[:3])
    assert labels.tolist() == [0, 1, 0] and len(list(tmp_path.glob("v_*_*.png"))) == 3
    assert len(generator.flow(x, y, subset="training", batch_size=1)) == 7
    again = pickle.loads(pickle.dumps(flow))
    np.testing.assert_array_equal(again[0][0], images)


def test_training():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 64)
    x = rng.uniform(0, 100, (128, 8, 8, 1)).astype("float32") + 100 * y[:, None, None, None]
    generator = ours.ImageDataGenerator(rescale=1 / 255, horizontal_flip=True, rotation_range=10, validation_split=0.25)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(
        generator.flow(x, y, subset="training", batch_size=16, seed=1),
        validation_data=generator.flow(x, y, subset="validation", seed=1),
        epochs=10,
        verbose=0,
    ).history
    assert history["loss"][-1] < 0.5 * history["loss"][0] and history["val_accuracy"][-1] > 0.95


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: ours.ImageDataGenerator(validation_split=1.5), "strictly between 0 and 1"),
        (lambda: ours.ImageDataGenerator(zoom_range=(1, 2, 3)), "expected zoom_range to be two numbers"),
        (lambda: ours.ImageDataGenerator(data_format="other"), "data_format"),
        (lambda: ours.ImageDataGenerator().fit(np.ones((2, 3))), "rank 4"),
        (lambda: ours.ImageDataGenerator().flow(np.ones((2, 3, 3, 1)), np.ones(3)), "of the same length"),
        (lambda: ours.ImageDataGenerator().flow(np.ones((2, 3, 3, 1)))[1], "an index below 1"),
        (lambda: ours.ImageDataGenerator().flow(np.ones((2, 3, 3, 1)), subset="test"), "subset"),
        (lambda: ours.apply_affine_transform(np.ones((3, 3, 1)), 1, channel_axis=1, row_axis=0), "channels first or"),
        (lambda: ours.apply_affine_transform(np.ones((1, 3, 3)), 1, fill_mode="mirror"), "fill_mode"),
    ],
)
def test_mistakes(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()
