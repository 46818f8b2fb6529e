"""tahr.data and the sources of batches of fit, against plain Python and NumPy; keras.utils for data."""

import threading
import time

import numpy as np
import pytest
import tahr
from tahr import keras
from tahr.data import AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset


def items(dataset):
    return [item.tolist() if hasattr(item, "tolist") else item for item in dataset.as_numpy_iterator()]


def numbers(n=10):
    return Dataset.range(n)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (Dataset.range(2, 10, 3), [2, 5, 8]),
        (Dataset.from_tensor_slices([1, 2, 3]), [1, 2, 3]),
        (Dataset.from_tensor_slices([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (Dataset.from_tensors([1, 2]), [[1, 2]]),
        (numbers(4).map(lambda x: x * x), [0, 1, 4, 9]),
        (numbers(5).map(lambda x: x + 1, num_parallel_calls=3), [1, 2, 3, 4, 5]),
        (numbers(5).map(lambda x: x + 1, num_parallel_calls=AUTOTUNE), [1, 2, 3, 4, 5]),
        (numbers().filter(lambda x: x % 3 == 0), [0, 3, 6, 9]),
        (numbers(5).batch(2), [[0, 1], [2, 3], [4]]),
        (numbers(5).batch(2, drop_remainder=True), [[0, 1], [2, 3]]),
        (numbers(5).batch(2, num_parallel_calls=2), [[0, 1], [2, 3], [4]]),
        (numbers(5).batch(2).unbatch(), [0, 1, 2, 3, 4]),
        (numbers(3).repeat(2), [0, 1, 2, 0, 1, 2]),
        (numbers(3).repeat().take(7), [0, 1, 2, 0, 1, 2, 0]),
        (numbers(0).repeat().take(7), []),
        (numbers().take(2), [0, 1]),
        (numbers(3).take(-1), [0, 1, 2]),
        (numbers().skip(8), [8, 9]),
        (numbers().shard(4, 1), [1, 5, 9]),
        (numbers(2).concatenate(numbers(1)), [0, 1, 0]),
        (numbers(3).cache(), [0, 1, 2]),
        (numbers(50).prefetch(3), list(range(50))),
        (numbers(2).prefetch(AUTOTUNE), [0, 1]),
        (numbers(2).apply(lambda d: d.repeat(2)), [0, 1, 0, 1]),
        (numbers(7).window(3, shift=2).flat_map(lambda w: w.batch(3)), [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6]]),
        (
            numbers(7).window(2, stride=3, drop_remainder=True, shift=1).flat_map(lambda w: w.batch(2)),
            [[0, 3], [1, 4], [2, 5], [3, 6]],
        ),
        (numbers(7).window(2, shift=4).flat_map(lambda w: w.batch(2)), [[0, 1], [4, 5]]),
    ],
)
def test_samples(dataset, expected):
    assert items(dataset) == expected
    assert items(dataset) == expected  # and again
    if dataset.cardinality() >= 0:
        assert len(dataset) == len(expected)


def test_structures():
    data = Dataset.from_tensor_slices({"a": np.arange(4), "b": (np.ones((4, 2)), np.zeros(4))})
    batch = next(iter(data.batch(3)))
    assert isinstance(batch["a"], tahr.Tensor)
    assert batch["a"].shape == (3,) and batch["b"][0].shape == (3, 2) and batch["b"][1].shape == (3,)
    pairs = Dataset.zip((numbers(3), numbers(5).map(lambda x: x * 10)))
    assert [tuple(map(int, p)) for p in pairs.as_numpy_iterator()] == [(0, 0), (1, 10), (2, 20)]
    assert [tuple(map(int, p)) for p in Dataset.zip(numbers(1), numbers(2))] == [(0, 0)]
    assert [tuple(map(int, p)) for p in numbers(2).map(lambda x: x + 5).enumerate(start=3)] == [(3, 5), (4, 6)]
    swapped = pairs.map(lambda a, b: (b, a)).filter(lambda b, a: b > 0)
    assert [tuple(map(int, p)) for p in swapped] == [(10, 1), (20, 2)]
    assert int(numbers(5).reduce(0, lambda total, x: total + x)) == 10


def test_dtypes():
    kinds = {
        "float list": (Dataset.from_tensor_slices([1.0, 2.0]), "float32"),
        "int list": (Dataset.from_tensor_slices([1, 2]), "int32"),
        "array": (Dataset.from_tensor_slices(np.arange(2, dtype="float64")), "float64"),
        "range": (numbers(), "int64"),
    }
    for name, (dataset, expected) in kinds.items():
        assert next(dataset.as_numpy_iterator()).dtype == expected, name


def test_generator():
    def count(n):
        for i in range(n):
            yield i, [i] * 2

    data = Dataset.from_generator(count, output_types=("int32", "float32"), output_shapes=((), (2,)), args=(3,))
    first = next(data.skip(2).as_numpy_iterator())
    assert first[0] == 2 and first[0].dtype == "int32" and first[1].dtype == "float32"
    assert data.cardinality() == UNKNOWN_CARDINALITY and len(items(data.batch(2))) == 2
    wrong = Dataset.from_generator(lambda: [[1, 2, 3]], output_types="int32", output_shapes=(2,))
    with pytest.raises(ValueError, match=r"\[Dataset.from_generator\] expected a component of shape \(2,\).*\(3,\)"):
        items(wrong)
    with pytest.raises(TypeError, match="expected a function that returns an iterable"):
        Dataset.from_generator([1, 2])


def test_padded_batch():
    data = Dataset.from_generator(lambda: ([1] * n for n in (1, 3, 2)))
    assert items(data.padded_batch(2)) == [[[1, 0, 0], [1, 1, 1]], [[1, 1]]]
    assert items(data.padded_batch(3, padded_shapes=[4], padding_values=-1)) == [
        [[1, -1, -1, -1], [1, 1, 1, -1], [1, 1, -1, -1]]
    ]
    with pytest.raises(ValueError, match="padded_shapes of at least"):
        items(data.padded_batch(3, padded_shapes=[2]))
    with pytest.raises(ValueError, match="samples of one shape.*padded_batch"):
        items(data.batch(3))


def test_shuffle():
    keras.utils.set_random_seed(1)
    data = numbers(100).shuffle(100)
    first, second = items(data), items(data)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second and first != list(range(100))
    keras.utils.set_random_seed(1)
    assert [items(data), items(data)] == [first, second]
    fixed = numbers(50).shuffle(50, seed=3, reshuffle_each_iteration=False)
    assert items(fixed) == items(fixed) == items(numbers(50).shuffle(50, seed=3, reshuffle_each_iteration=False))
    assert items(numbers(50).shuffle(50, seed=3)) == items(numbers(50).shuffle(50, seed=3))
    small = items(numbers(100).shuffle(10))
    assert sorted(small) == list(range(100))
    assert all(value <= position + 10 for position, value in enumerate(small))  # no further ahead than the buffer


def test_cardinality():
    endless = numbers().repeat()
    assert endless.cardinality() == INFINITE_CARDINALITY
    assert numbers().filter(lambda x: True).cardinality() == UNKNOWN_CARDINALITY
    assert Dataset.zip((endless, numbers(3))).cardinality() == 3
    with pytest.raises(TypeError, match="infinite"):
        len(endless)


def test_cache_computes_once():
    calls = []
    data = numbers(3).map(lambda x: calls.append(int(x)) or x).cache()
    assert items(data) == items(data) == [0, 1, 2]
    assert calls == [0, 1, 2]


def test_prefetch_passes_errors_on_and_stops_its_thread():
    def failing(x):
        if x == 2:
            raise RuntimeError("sample 2")
        return x

    with pytest.raises(RuntimeError, match="sample 2"):
        items(numbers().map(failing).prefetch(2))
    before = threading.active_count()
    for _ in numbers(1000).prefetch(2):
        break
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: Dataset.from_tensor_slices((np.ones(3), np.ones(2))),
            r"same first axis, received shapes \(3,\), \(2,\)",
        ),
        (lambda: Dataset.from_tensor_slices([[1], [1, 2]]), "ragged|inhomogeneous"),
        (lambda: numbers().batch(0), "batch_size of at least 1"),
        (lambda: numbers().shuffle(0), "buffer_size of at least 1"),
        (lambda: numbers().cache("file"), "no filename"),
        (lambda: numbers().window(0), "of at least 1"),
        (lambda: numbers().map(lambda x: x, num_parallel_calls=0), "num_parallel_calls of at least 1"),
        (lambda: numbers().prefetch(-2), "buffer_size of at least 0"),
    ],
)
def test_dataset_messages(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# ------------------------------------------------------------------- fit on each kind of source

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = (X @ [1.0, 2.0, 3.0]).astype("float32")


def fitted(x, **arguments):
    model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return model.fit(x, verbose=0, shuffle=False, **arguments).history["loss"]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return X[5 * index : 5 * index + 5], Y[5 * index : 5 * index + 5]


def batches():
    for i in range(4):
        yield Batches()[i]


def test_all_sources_train_alike():
    expected = fitted(X, y=Y, batch_size=5, epochs=2)
    data = Dataset.from_tensor_slices((X, Y)).batch(5)
    assert fitted(data, epochs=2) == expected
    assert fitted(data.prefetch(2), epochs=2) == expected
    assert fitted(data.repeat(), steps_per_epoch=4, epochs=2) == expected
    assert fitted(Batches(), epochs=2) == expected
    assert fitted(Batches(workers=2), epochs=2) == expected
    assert fitted([Batches()[i] for i in range(4)].__iter__(), epochs=1) == expected[:1]
    endless = (batch for _ in range(2) for batch in batches())
    assert fitted(endless, steps_per_epoch=4, epochs=2) == expected


def test_processes_fetch_batches():
    expected = fitted(Batches(), epochs=1)
    assert fitted(Batches(workers=2, use_multiprocessing=True), epochs=1) == expected


def test_a_generator_that_runs_dry():
    with pytest.warns(UserWarning, match=r"ran out after 0 batch"):
        assert len(fitted(batches(), epochs=3)) == 1
    with pytest.warns(UserWarning, match=r"ran out after 4 batch\(es\) of the 6"):
        fitted(batches(), steps_per_epoch=6, epochs=1)


def test_py_dataset_shuffles_batches_and_has_hooks():
    class Watched(Batches):
        def __init__(self):
            super().__init__()
            self.order, self.hooks = [], []

        def __getitem__(self, index):
            self.order.append(index)
            return super().__getitem__(index)

        def on_epoch_begin(self):
            self.hooks.append("begin")

        def on_epoch_end(self):
            self.hooks.append("end")

    keras.utils.set_random_seed(0)
    data = Watched()
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(data, epochs=5, verbose=0)
    epochs = [data.order[i : i + 4] for i in range(0, 20, 4)]
    assert all(sorted(epoch) == [0, 1, 2, 3] for epoch in epochs) and any(epoch != [0, 1, 2, 3] for epoch in epochs)
    assert data.hooks == ["begin", "end"] * 5


def test_class_weight_and_weights_of_generators():
    labels = (Y > 0).astype("int64")
    weights = np.where(labels == 1, 3.0, 1.0).astype("float32")

    def run(x, **arguments):
        model = keras.Sequential([keras.layers.Dense(2, activation="softmax", kernel_initializer="zeros")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model.fit(x, verbose=0, **arguments).history["loss"]

    plain = run(iter([(X, labels)]), class_weight={1: 3.0})
    assert plain == run(iter([(X, labels, weights)]))
    assert plain == pytest.approx([np.log(2) * weights.mean()], rel=1e-6)


# ------------------------------------------------------------------- keras.utils


def test_to_categorical():
    np.testing.assert_array_equal(keras.utils.to_categorical([[0], [2]]), [[1, 0, 0], [0, 0, 1]])
    assert keras.utils.to_categorical([[0, 1], [1, 0]], 3).shape == (2, 2, 3)
    assert keras.utils.to_categorical([1.0]).dtype == "float32"
    assert isinstance(keras.utils.to_categorical(tahr.constant([0, 1])), tahr.Tensor)
    for labels, text in (
        ([0, 5], "from 0 to 2, received labels from 0 to 5"),
        ([-1], "from -1"),
        (["a"], "integer"),
        ([0.5], "fraction"),
    ):
        with pytest.raises(ValueError, match=rf"\[to_categorical\].*{text}"):
            keras.utils.to_categorical(labels, 3)


def test_pad_sequences():
    pad = keras.utils.pad_sequences
    sequences = [[1], [2, 3, 4], []]
    np.testing.assert_array_equal(pad(sequences), [[0, 0, 1], [2, 3, 4], [0, 0, 0]])
    np.testing.assert_array_equal(pad(sequences, 2), [[0, 1], [3, 4], [0, 0]])
    np.testing.assert_array_equal(
        pad(sequences, 2, padding="post", truncating="post", value=9), [[1, 9], [2, 3], [9, 9]]
    )
    assert pad([[[1.5, 2]], [[1, 2], [3, 4]]], dtype="float32").shape == (2, 2, 2)
    assert pad([["a"], ["b", "c"]], dtype=object, value="-").tolist() == [["-", "a"], ["b", "c"]]
    for call in (lambda: pad([1, 2]), lambda: pad(sequences, padding="left"), lambda: pad(sequences, value="x")):
        with pytest.raises(ValueError, match=r"\[pad_sequences\]"):
            call()


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(keras.utils.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(keras.utils.normalize(x, axis=0, order=1), [[1, 1], [0, 0]])
    np.testing.assert_allclose(keras.utils.normalize(tahr.constant(x)).numpy(), [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_set_random_seed():
    def draw():
        keras.utils.set_random_seed(5)
        return np.random.rand(), tahr.random.uniform((3,)).numpy().tolist()

    assert draw() == draw()
    for seed in (-1, 2**32, 1.5, True):
        with pytest.raises(ValueError, match=r"\[set_random_seed\]"):
            keras.utils.set_random_seed(seed)


def test_unpack_and_pack():
    unpack, pack = keras.utils.unpack_x_y_sample_weight, keras.utils.pack_x_y_sample_weight
    assert unpack((1,)) == (1, None, None) and unpack([1, 2]) == ([1, 2], None, None) and unpack((1, 2, 3)) == (1, 2, 3)
    assert pack(1) == 1 and pack((1, 2)) == ((1, 2),) and pack(1, None, 3) == (1, None, 3)
    with pytest.raises(ValueError, match="tuple of 4"):
        unpack((1, 2, 3, 4))
