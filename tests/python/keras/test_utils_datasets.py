"""keras.utils: images and arrays, data sets from directories, windows over series, splitting."""

import os
import wave

import numpy as np
import pytest
from tahr import data, keras

os.environ.setdefault("KERAS_BACKEND", "numpy")
real = pytest.importorskip("keras")
image_module = pytest.importorskip("PIL.Image")
utils = keras.utils
RNG = np.random.default_rng(0)


@pytest.fixture
def pictures(tmp_path):
    for name, shade in (("cat", 40), ("dog", 200), ("owl", 90)):
        for i in range(4):
            path = tmp_path / name / ("deep" if i == 3 else "") / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            utils.save_img(path, np.full((6, 8, 3), shade + i), scale=False)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    return tmp_path


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("scale", [True, False])
def test_arrays_and_images(shape, data_format, scale):
    x = RNG.uniform(0, 255, shape)
    x = x if data_format == "channels_last" else x.transpose(2, 0, 1)
    ours, theirs = (k.utils.array_to_img(x, data_format, scale) for k in (keras, real))
    assert ours.mode == theirs.mode
    # Scaling to 0..255 in float32 in another order of operations may cross an integer.
    np.testing.assert_allclose(np.asarray(ours).astype(int), np.asarray(theirs).astype(int), atol=1)
    a, b = (k.utils.img_to_array(theirs, data_format) for k in (keras, real))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "options",
    [{}, {"color_mode": "grayscale"}, {"color_mode": "rgba"}, {"target_size": (3, 5)}]
    + [{"target_size": (10, 4), "interpolation": "bilinear", "keep_aspect_ratio": True}],
)
def test_load_img(tmp_path, options):
    path = str(tmp_path / "a.png")
    utils.save_img(path, RNG.uniform(0, 255, (6, 8, 3)), scale=False)
    ours, theirs = (np.asarray(k.utils.load_img(path, **options)) for k in (keras, real))
    np.testing.assert_array_equal(ours, theirs)


def test_mistakes_with_images(tmp_path):
    with pytest.raises(ValueError, match=r"\[array_to_img\] expected 1, 3 or 4 channels, received 2"):
        utils.array_to_img(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="expected color_mode to be one of"):
        utils.load_img("x", color_mode="cmyk")
    with pytest.raises(TypeError, match="expected a path or io.BytesIO, received int"):
        utils.load_img(3)
    utils.save_img(tmp_path / "a.jpg", np.zeros((4, 4, 4)))
    assert utils.load_img(tmp_path / "a.jpg").mode == "RGB"


def test_images_from_a_directory(pictures, capsys):
    ds = utils.image_dataset_from_directory(pictures, image_size=(3, 4), batch_size=5, shuffle=False)
    assert ds.class_names == ["cat", "dog", "owl"] and len(ds.file_paths) == 12
    assert "Found 12 files belonging to 3 classes." in capsys.readouterr().out
    x, y = (np.concatenate([b[k].numpy() for b in ds]) for k in (0, 1))
    assert x.shape == (12, 3, 4, 3) and x.dtype == np.float32 and y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    np.testing.assert_array_equal(x[:, 0, 0, 0], [40, 41, 42, 43, 200, 201, 202, 203, 90, 91, 92, 93])


@pytest.mark.parametrize(("mode", "shape"), [("int", (4,)), ("categorical", (4, 3)), (None, None)])
def test_label_modes(pictures, mode, shape):
    ds = utils.image_dataset_from_directory(pictures, label_mode=mode, batch_size=4, verbose=False, image_size=4)
    batch = next(iter(ds))
    if mode is None:
        assert batch.shape == (4, 4, 4, 3)
    else:
        assert batch[1].shape == shape


def test_labels_follow_their_images_when_shuffled(pictures):
    ds = utils.image_dataset_from_directory(
        pictures, class_names=["owl", "cat"], label_mode="binary", color_mode="grayscale", seed=1, verbose=False
    )
    seen = set()
    for x, y in ds:
        for shade, label in zip(x.numpy()[:, 0, 0, 0], y.numpy()[:, 0]):
            assert (label == 1) == (shade < 50)
            seen.add(int(shade))
    assert seen == {40, 41, 42, 43, 90, 91, 92, 93}


def test_validation_split_has_no_overlap(pictures):
    args = {"validation_split": 0.25, "seed": 7, "verbose": False, "image_size": (2, 2)}
    train, valid = (utils.image_dataset_from_directory(pictures, subset=s, **args) for s in ("training", "validation"))
    assert len(train.file_paths) == 9 and len(valid.file_paths) == 3
    assert not set(train.file_paths) & set(valid.file_paths)
    both = utils.image_dataset_from_directory(pictures, subset="both", **args)
    assert [d.file_paths for d in both] == [train.file_paths, valid.file_paths]


def test_a_model_trains_on_a_directory(pictures):
    ds = utils.image_dataset_from_directory(pictures, image_size=(4, 4), batch_size=4, verbose=False)
    model = keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(model.fit(ds, epochs=2, verbose=0).history["loss"]).all()


def test_mistakes_with_directories(pictures, tmp_path):
    make = utils.image_dataset_from_directory
    cases = [
        ({"labels": "other"}, "`labels` argument should be a list/tuple"),
        ({"label_mode": "other"}, "`label_mode` argument must be one of"),
        ({"labels": None, "class_names": ["cat"]}, "You can only pass `class_names` if"),
        ({"color_mode": "cmyk"}, "`color_mode` must be one of"),
        ({"image_size": (1, 2, 3)}, "Invalid `image_size` value"),
        ({"interpolation": "best"}, "Argument `interpolation` should be one of"),
        ({"validation_split": 2, "subset": "training"}, "must be between 0 and 1"),
        ({"validation_split": 0.5}, "If `subset` is set, `validation_split` must be set"),
        ({"validation_split": 0.5, "subset": "some"}, "`subset` must be either"),
        ({"validation_split": 0.5, "subset": "training"}, "you must provide a `seed` argument"),
        ({"class_names": ["bear"]}, "The `class_names` passed did not match"),
        ({"labels": [0, 1]}, "Expected the lengths of `labels` to match the number of files"),
        ({"label_mode": "binary"}, "there must be exactly 2 `class_names`"),
        ({"format": "grain"}, "`format` should be 'tf'"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            make(pictures, verbose=False, **arguments)
    (tmp_path / "empty" / "a").mkdir(parents=True)
    with pytest.raises(ValueError, match="No images found in directory"):
        make(tmp_path / "empty", verbose=False)


def test_texts_from_a_directory(tmp_path):
    for name, words in (("good", ["좋다", "great"]), ("bad", ["나쁘다", "awful", "dull"])):
        (tmp_path / name).mkdir()
        for i, word in enumerate(words):
            (tmp_path / name / f"{i}.txt").write_text(word, encoding="utf-8")
    ds = utils.text_dataset_from_directory(tmp_path, batch_size=2, shuffle=False, verbose=False)
    texts = [str(t) for x, _ in ds.as_numpy_iterator() for t in x]
    assert texts == ["나쁘다", "awful", "dull", "좋다", "great"]
    assert [int(l) for _, y in ds for l in y] == [0, 0, 0, 1, 1]
    short = utils.text_dataset_from_directory(tmp_path, label_mode=None, max_length=3, shuffle=False, verbose=False)
    assert [str(t) for x in short.as_numpy_iterator() for t in x] == ["나", "awf", "dul", "좋", "gre"]


def test_sounds_from_a_directory(tmp_path):
    (tmp_path / "beep").mkdir()
    samples = np.array([0, 16384, -32768, 100], dtype="<i2")
    with wave.open(str(tmp_path / "beep" / "a.wav"), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(8000)
        f.writeframes(samples.tobytes())
    ds = utils.audio_dataset_from_directory(tmp_path, output_sequence_length=6, verbose=False)
    x, y = next(iter(ds))
    np.testing.assert_array_equal(x.numpy()[0, :, 0], [0, 0.5, -1, 100 / 32768, 0, 0])
    assert y.numpy().tolist() == [0]
    with pytest.raises(ValueError, match="expected ragged=False"):
        utils.audio_dataset_from_directory(tmp_path, ragged=True)
    with pytest.raises(ValueError, match="expected output_sequence_length"):
        utils.audio_dataset_from_directory(tmp_path)


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"sequence_length": 10, "sampling_rate": 2, "sequence_stride": 3}, list(range(0, 20, 2))),
        ({"sequence_length": 4, "start_index": 10, "end_index": 40}, [10, 11, 12, 13]),
    ],
)
def test_windows_over_series(options, first):
    series = np.arange(100)
    ds = utils.timeseries_dataset_from_array(series, None, batch_size=None, **options)
    windows = [w.tolist() for w in ds.as_numpy_iterator()]
    assert windows[0] == first
    rate, stride = options.get("sampling_rate", 1), options.get("sequence_stride", 1)
    begin, end = options.get("start_index", 0), options.get("end_index", 100)
    length = options["sequence_length"]
    want = [list(range(s, s + length * rate, rate)) for s in range(begin, end, stride) if s + (length - 1) * rate < end]
    assert windows == want


def test_windows_and_their_targets():
    series = np.random.default_rng(1).normal(size=(50, 2)).astype("float32")
    ds = utils.timeseries_dataset_from_array(series[:-5], series[5:, 0], 5, batch_size=8, shuffle=True, seed=3)
    count = 0
    for x, y in ds.as_numpy_iterator():
        for window, target in zip(x, y):
            (at,) = [i for i in range(46) if np.array_equal(series[i : i + 5], window)]
            assert target == series[at + 5, 0]
            count += 1
    assert count == 41
    part = utils.timeseries_dataset_from_array(np.arange(20), np.arange(20) * 2, 3, start_index=10, end_index=16)
    x, y = next(part.as_numpy_iterator())
    np.testing.assert_array_equal(x[:, 0] * 2, y)
    for arguments, message in (
        ({"start_index": -1}, "`start_index` must be 0 or more"),
        ({"end_index": 51}, "`end_index` must be 0 or more and within the 50 steps"),
        ({"start_index": 5, "end_index": 5}, "`end_index` must be higher than `start_index`"),
        ({"sampling_rate": 0}, "`sampling_rate` must be higher than 0"),
        ({"sequence_stride": 50}, "`sequence_stride` must be higher than 0 and lower"),
        ({"sequence_length": 60}, "expected at least 60 steps"),
    ):
        with pytest.raises(ValueError, match=message):
            utils.timeseries_dataset_from_array(series, None, **{"sequence_length": 3, **arguments})


def test_split_dataset():
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    left, right = utils.split_dataset((x, y), left_size=0.7)
    assert isinstance(left, data.Dataset) and len(left) == 7 and len(right) == 3
    assert [int(b) for _, b in right] == [7, 8, 9]
    mixed, rest = utils.split_dataset(data.Dataset.from_tensor_slices({"a": y}), right_size=4, shuffle=True, seed=1)
    values = [int(s["a"]) for part in (mixed, rest) for s in part]
    assert sorted(values) == list(range(10)) and values != sorted(values) and len(rest) == 4
    for arguments, kind, message in (
        ({}, ValueError, "At least one of `left_size` or `right_size`"),
        ({"left_size": "half"}, TypeError, "Invalid `left_size` Type"),
        ({"left_size": 1.5}, ValueError, "`left_size` should be either a positive integer"),
        ({"left_size": 0, "right_size": 0}, ValueError, "Both `left_size` and `right_size` are zero"),
        ({"left_size": 0.7, "right_size": 0.7}, ValueError, "is greater than 1"),
        ({"left_size": 8, "right_size": 8}, ValueError, "should be smaller than the 10"),
    ):
        with pytest.raises(kind, match=message):
            utils.split_dataset(y, **arguments)
    with pytest.raises(TypeError, match="The `dataset` argument must be"):
        utils.split_dataset(3, left_size=1)
