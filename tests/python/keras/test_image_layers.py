"""Image layers beside real Keras, which gets the random choices that ours made; and what holds for any choice."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras as real  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tahr  # noqa: E402
from tahr import keras  # noqa: E402

EPS = float(np.finfo("float32").eps)

# (layer, arguments): compared with Keras given the same choices
LAYERS = [
    ("Resizing", dict(height=5, width=12)),
    ("Resizing", dict(height=5, width=7, interpolation="nearest", crop_to_aspect_ratio=True)),
    ("Resizing", dict(height=5, width=12, pad_to_aspect_ratio=True, fill_value=3.0)),
    ("Resizing", dict(height=4, width=4, interpolation="bicubic", antialias=True)),
    ("Resizing", dict(height=12, width=15, interpolation="lanczos3")),
    ("CenterCrop", dict(height=5, width=6)),
    ("CenterCrop", dict(height=12, width=7)),
    ("RandomFlip", dict()),
    ("RandomFlip", dict(mode="horizontal")),
    ("RandomFlip", dict(mode="vertical")),
    ("RandomRotation", dict(factor=0.3)),
    ("RandomRotation", dict(factor=(0.1, 0.2), fill_mode="constant", fill_value=9.0, interpolation="nearest")),
    ("RandomZoom", dict(height_factor=0.4)),
    ("RandomZoom", dict(height_factor=(-0.3, 0.1), width_factor=0.5, fill_mode="nearest")),
    ("RandomTranslation", dict(height_factor=0.4, width_factor=(-0.3, 0.2), fill_mode="wrap")),
    ("RandomTranslation", dict(height_factor=0.4, width_factor=0.2, interpolation="nearest")),
    ("RandomShear", dict(x_factor=0.4, y_factor=(0.1, 0.3))),
    ("RandomPerspective", dict(scale=0.4)),
    ("RandomBrightness", dict(factor=0.4)),
    ("RandomBrightness", dict(factor=(0.1, 0.3), value_range=(10, 200))),
    ("RandomContrast", dict(factor=0.6)),
    ("RandomContrast", dict(factor=(0.6, 0.1))),
    ("RandomHue", dict(factor=0.5)),
    ("RandomColorDegeneration", dict(factor=0.7)),
    ("RandomSharpness", dict(factor=0.8)),
    ("RandomInvert", dict(factor=0.6)),
    ("RandomPosterization", dict(factor=(2, 6))),
    ("RandomGrayscale", dict(factor=0.5)),
    ("RandomGaussianBlur", dict(kernel_size=(3, 5), sigma=(0.4, 0.9))),
    ("RandomErasing", dict(fill_value=7.0)),
    ("Solarization", dict(addition_factor=0.4, threshold_factor=(0.2, 0.6))),
    ("AutoContrast", dict()),
    ("Equalization", dict()),
    ("ContrastLimitedAdaptiveHistogramEqualization", dict(clip_limit=2.0, tile_grid_size=(2, 3))),
    ("CutMix", dict()),
    ("MixUp", dict(alpha=0.5)),
]
IDS = [f"{name}{i}" for i, (name, _) in enumerate(LAYERS)]
UNVARYING = (
    *("Resizing", "CenterCrop", "AutoContrast", "Equalization"),
    "ContrastLimitedAdaptiveHistogramEqualization",
)
RANDOM = [(n, a) for n, a in LAYERS if n not in UNVARYING] + [
    ("RandomCrop", dict(height=4, width=5)),
    ("RandomSaturation", dict(factor=0.8)),
    ("RandomColorJitter", dict(brightness_factor=0.3, contrast_factor=0.3, saturation_factor=0.3, hue_factor=0.3)),
    ("RandomElasticTransform", dict()),
    ("RandAugment", dict()),
    ("AugMix", dict()),
]
RANDOM_IDS = [f"{name}{i}" for i, (name, _) in enumerate(RANDOM)]


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 255, shape or (4, 9, 11, 3)).astype("float32")


def choices_for_keras(name: str, layer, choices, size) -> object:
    """Our layer's random choices under the names that Keras's layer reads."""
    values = tahr.nest.map_structure(lambda v: np.asarray(v) if hasattr(v, "numpy") else v, choices)
    if name == "RandomRotation":
        return {"rotation_matrix": np.asarray(layer._matrix(choices, *size))}
    if name == "RandomErasing":
        return {**values, "batch_masks": np.repeat(values["batch_masks"], 3, axis=-1)}
    if name == "RandomPosterization":
        return {"shift_factor": values["shift_factor"].astype("uint8")}
    return values


@pytest.mark.parametrize(("name", "arguments"), LAYERS, ids=IDS)
def test_images_beside_keras(name, arguments):
    x = pictures()
    ours = getattr(keras.layers, name)(**arguments, **({"seed": 5} if (name, arguments) in RANDOM else {}))
    theirs = getattr(real.layers, name)(**arguments)
    choices = ours.get_random_transformation(x)
    expected = theirs.transform_images(x.copy(), choices_for_keras(name, ours, choices, x.shape[1:3]))
    got = ours.transform_images(x, choices).numpy()
    assert got.shape == np.shape(expected)
    # Coordinates of up to 11 with a few roundings, times slopes of up to 255 a pixel; a solve of 8 unknowns more.
    tolerance = EPS * 255 * (4000 if name == "RandomPerspective" else 100)
    np.testing.assert_allclose(got, np.asarray(expected), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("name", "arguments"), LAYERS, ids=IDS)
def test_configs_beside_keras(name, arguments):
    ours, theirs = getattr(keras.layers, name)(**arguments), getattr(real.layers, name)(**arguments)
    mine, keras_config = ours.get_config(), theirs.get_config()
    keras_config.pop("factor", None) if name in ("MixUp", "Equalization") else None
    assert set(keras_config) <= set(mine)
    for key in set(keras_config) - {"dtype", "name", "seed"}:
        assert np.all(
            np.asarray(mine[key] == keras_config[key])
            | (list(np.ravel(mine[key])) == list(np.ravel(keras_config[key])))
        ), key
    again = type(ours).from_config(mine)
    assert again.get_config() == mine
    assert ours.compute_output_shape((None, 9, 11, 3)) == tuple(theirs.compute_output_shape((None, 9, 11, 3)))


@pytest.mark.parametrize(("name", "arguments"), RANDOM, ids=RANDOM_IDS)
def test_same_seed_same_images_and_new_ones_at_each_call(name, arguments):
    x = pictures(4, 16, 16, 3)
    a, b = (getattr(keras.layers, name)(**arguments, seed=11) for _ in range(2))
    first = a(x, training=True).numpy()
    np.testing.assert_array_equal(first, b(x, training=True).numpy())
    assert any(not np.array_equal(first, a(x, training=True).numpy()) for _ in range(8))


@pytest.mark.parametrize(("name", "arguments"), RANDOM, ids=RANDOM_IDS)
def test_nothing_happens_outside_of_training(name, arguments):
    x = pictures()
    layer = getattr(keras.layers, name)(**arguments)
    state = layer.generator.state.numpy()
    y = layer(x, training=False).numpy()
    if name != "RandomCrop":
        np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(layer.generator.state.numpy(), state)


@pytest.mark.parametrize(("name", "arguments"), RANDOM, ids=RANDOM_IDS)
def test_traced_like_eager_and_new_numbers_in_each_step(name, arguments):
    x = tahr.convert_to_tensor(pictures(4, 16, 16, 3))
    eager, traced = (getattr(keras.layers, name)(**arguments, seed=4) for _ in range(2))
    step = tahr.function(lambda v: traced(v, training=True))
    results = []
    for _ in range(4):
        results.append(step(x).numpy())
        np.testing.assert_allclose(results[-1], eager(x, training=True).numpy(), rtol=0, atol=EPS * 255 * 1000)
    assert any(not np.array_equal(results[0], r) for r in results[1:])


@pytest.mark.parametrize(("name", "arguments"), RANDOM, ids=RANDOM_IDS)
def test_channels_first_is_channels_last_transposed(name, arguments):
    x = pictures(3, 12, 10, 3)
    last, first = (
        getattr(keras.layers, name)(**arguments, seed=8, data_format=f) for f in ("channels_last", "channels_first")
    )
    y = first(np.transpose(x, (0, 3, 1, 2)), training=True).numpy()
    np.testing.assert_allclose(
        np.transpose(y, (0, 2, 3, 1)), last(x, training=True).numpy(), rtol=0, atol=EPS * 255 * 1000
    )


def test_factors_are_uniform():
    layer = keras.layers.RandomBrightness((-0.2, 0.6), value_range=(0, 1), seed=1)
    drawn = layer.get_random_transformation(np.zeros((4000, 1, 1, 1), "float32"))["rgb_delta"].numpy().ravel()
    assert drawn.min() >= -0.2 and drawn.max() < 0.6
    # The mean of n uniform numbers lies within 5 standard deviations of its expectation.
    assert abs(drawn.mean() - 0.2) < 5 * 0.8 / np.sqrt(12 * 4000)
    assert abs(np.histogram(drawn, 4)[0] - 1000).max() < 5 * np.sqrt(4000 * 0.25 * 0.75)


def test_boxes_labels_and_masks_move_with_the_images():
    x = np.zeros((1, 8, 10, 1), "float32")
    x[0, 2:4, 1:6] = 1.0
    data = {
        "images": x,
        "segmentation_masks": x.astype("int32"),
        "labels": np.array([3]),
        "bounding_boxes": {"boxes": np.array([[[1.0, 2.0, 6.0, 4.0]]]), "labels": np.array([[1.0]])},
    }
    for layer in (
        keras.layers.RandomTranslation((0.25, 0.25), (0.2, 0.2), fill_mode="constant", bounding_box_format="xyxy"),
        keras.layers.CenterCrop(6, 8, bounding_box_format="xyxy"),
        keras.layers.RandomCrop(6, 8, seed=1, bounding_box_format="xyxy"),
        keras.layers.Resizing(16, 20, interpolation="nearest", bounding_box_format="xyxy"),
        keras.layers.Resizing(16, 40, interpolation="nearest", pad_to_aspect_ratio=True, bounding_box_format="xyxy"),
        *(
            keras.layers.RandomFlip(m, seed=s, bounding_box_format="xyxy")
            for m in ("horizontal", "vertical")
            for s in (1, 2)
        ),
    ):
        for single in (False, True):
            sample = tahr.nest.map_structure(lambda v: v[0], data) if single else data
            result = layer(sample, training=True)
            image, mask = (np.asarray(result[k]) for k in ("images", "segmentation_masks"))
            boxes = np.asarray(result["bounding_boxes"]["boxes"])
            if not single:
                image, mask, boxes = image[0], mask[0], boxes[0]
            rows, columns, _ = np.nonzero(image > 0.5)
            around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(boxes[0], around, atol=1e-4, err_msg=layer.name)
            np.testing.assert_array_equal(mask, image > 0.5, err_msg=layer.name)
            assert mask.dtype == np.int32
            assert np.ravel(np.asarray(result["labels"]))[0] == 3


def test_boxes_need_a_format():
    with pytest.raises(ValueError, match=r"\[random_flip.*bounding_box_format"):
        keras.layers.RandomFlip()({"images": np.zeros((1, 2, 2, 1)), "bounding_boxes": {"boxes": np.zeros((1, 1, 4))}})


@pytest.mark.parametrize(
    "source", real.src.layers.preprocessing.image_preprocessing.bounding_boxes.bounding_box.SUPPORTED_FORMATS
)
def test_box_formats_beside_keras(source):
    ours, theirs = keras.utils.bounding_boxes, real.utils.bounding_boxes
    boxes = np.random.default_rng(0).uniform(0.1, 0.4, (2, 3, 4)).astype("float32")
    for target in (
        "xyxy",
        "yxyx",
        "xywh",
        "center_xywh",
        "center_yxhw",
        "rel_xyxy",
        "rel_yxyx",
        "rel_xywh",
        "rel_center_xywh",
    ):
        got = ours.convert_format(boxes, source, target, height=20, width=30).numpy()
        expected = theirs.convert_format(boxes, source, target, height=20, width=30)
        if source.startswith("rel_") and target.startswith("rel_"):
            expected = theirs.convert_format(boxes, source[4:], target[4:])
        np.testing.assert_allclose(got, expected, rtol=20 * EPS, atol=20 * EPS)


def test_box_functions_beside_keras():
    ours, theirs = keras.utils.bounding_boxes, real.utils.bounding_boxes
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 5, (2, 2, 4, 2))
    a, b = (np.concatenate([c, c + rng.uniform(1, 6, c.shape)], -1).astype("float32") for c in corner)
    np.testing.assert_allclose(ours.compute_iou(a, b, "xyxy").numpy(), theirs.compute_iou(a, b, "xyxy"), rtol=50 * EPS)
    np.testing.assert_allclose(
        ours.compute_ciou(a, b, "xyxy").numpy(), theirs.compute_ciou(a, b, "xyxy"), atol=50 * EPS
    )
    deltas = ours.encode_box_to_deltas(a, b, "xyxy", "xyxy", variance=[0.1, 0.1, 0.2, 0.2])
    expected = theirs.encode_box_to_deltas(a, b, "xyxy", "xyxy", variance=[0.1, 0.1, 0.2, 0.2])
    np.testing.assert_allclose(deltas.numpy(), expected, atol=500 * EPS)
    back = ours.decode_deltas_to_boxes(a, deltas, "xyxy", "xyxy", variance=[0.1, 0.1, 0.2, 0.2])
    np.testing.assert_allclose(back.numpy(), b, atol=500 * EPS)
    np.testing.assert_allclose(ours.crop(a, 1, 2, 4, 5).numpy(), theirs.crop(a, 1, 2, 4, 5), atol=EPS * 10)
    np.testing.assert_allclose(ours.pad(a, 1, 2).numpy(), theirs.pad(a, 1, 2), atol=EPS * 20)


def test_up_sampling_beside_keras():
    x = pictures(2, 5, 4, 3)
    for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        ours = keras.layers.UpSampling2D((2, 3), interpolation=interpolation)
        expected = real.layers.UpSampling2D((2, 3), interpolation=interpolation)(x)
        np.testing.assert_allclose(ours(x).numpy(), np.asarray(expected), rtol=0, atol=EPS * 255 * 50)


def test_images_through_fit_and_datasets():
    x, y = pictures(8, 8, 8, 3), np.arange(8) % 2
    pipeline = keras.layers.Pipeline([keras.layers.RandomFlip(seed=1), keras.layers.RandAugment(seed=2)])
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), pipeline, keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    state = pipeline.layers[0].generator.state
    model.fit(x / 255, y, batch_size=4, epochs=2, verbose=0)
    assert int(state.numpy()[1]) == 4  # one draw in each of four steps
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))
    flip = keras.layers.RandomFlip(seed=1)
    batches = [
        b.numpy() for b in tahr.data.Dataset.from_tensor_slices(x).batch(4).map(lambda v: flip(v, training=True))
    ]
    assert [b.shape for b in batches] == [(4, 8, 8, 3)] * 2
    again = keras.layers.Pipeline.from_config(pipeline.get_config())
    assert [type(layer).__name__ for layer in again.layers] == ["RandomFlip", "RandAugment"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.layers.RandomFlip("sideways"), "expected mode"),
        (lambda: keras.layers.RandomRotation(2.0), "`factor` argument"),
        (lambda: keras.layers.RandomZoom(-1.0), "`height_factor` argument"),
        (lambda: keras.layers.RandomContrast(1.5), "`factor` argument"),
        (lambda: keras.layers.Resizing(4, 0), "expected width"),
        (lambda: keras.layers.RandomBrightness(0.1, value_range=3), "`value_range` argument"),
        (lambda: keras.layers.RandomGaussianBlur(kernel_size=4), "expected kernel_size"),
        (lambda: keras.layers.RandomFlip()(np.zeros((2, 2))), "rank 3"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_single_image_and_its_boxes_beside_keras():
    x, boxes = pictures(10, 8, 3), np.array([[2.0, 1, 4, 3], [6, 4, 8, 6]])
    ours, theirs = (side.layers.RandomFlip("horizontal", bounding_box_format="xyxy") for side in (keras, real))
    choices = {"flips": np.array([[True]]), "input_shape": (10, 8, 3)}
    got = ours.transform_bounding_boxes({"boxes": boxes, "labels": np.array([[1, 2]])}, choices)["boxes"]
    expected = theirs.transform_bounding_boxes({"boxes": boxes.copy(), "labels": np.array([[1, 2]])}, choices)["boxes"]
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=16 * EPS)
    flips = {"flips": np.array([[[[True]]]]), "size": (10, 8)}
    np.testing.assert_array_equal(ours.transform_images(x, flips).numpy(), x[:, ::-1])
    waves = keras.layers.RandomElasticTransform()
    told = {"apply_transform": np.array([True]), "distortion_factor": np.float32(0.9), "seed": 42}
    assert waves.transform_images(x, told).shape == x.shape


def test_patches_of_volumes_through_extract_patches():
    volume = np.random.default_rng(0).uniform(size=(4, 6, 4, 2)).astype("float32")
    got = keras.ops.image.extract_patches(volume, (2, 3, 2))
    np.testing.assert_array_equal(got, keras.ops.image.extract_patches_3d(volume, (2, 3, 2)))
    assert got.shape == (2, 2, 2, 24)
