"""Pipelines of tahr.data whose samples, dtypes and cardinality are those that tf.data of TensorFlow 2.21 gave."""

import numpy as np
import pytest
import tahr as tf
from tahr import keras
from tahr.data import Dataset

X = np.arange(12, dtype="float32").reshape(6, 2)
Y = np.arange(6, dtype="int32")
UNKNOWN = -2


def numbers(n):
    return Dataset.range(n)


def slices():
    return Dataset.from_tensor_slices((X, Y))


def nested():
    return Dataset.from_tensor_slices({"a": X, "b": (Y, Y * 2)})


def ragged():
    spec = (tf.TensorSpec((None,), "int32"), tf.TensorSpec((), "int64"))
    return Dataset.from_generator(lambda: ((np.arange(n, dtype="int32"), n) for n in (1, 3, 2)), output_signature=spec)


def plain(value):
    """A sample with each leaf as its dtype and its values."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return str(value.dtype), value.tolist()


CASES = {
    "s batch": (
        lambda: slices().batch(4),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), ("int32", [0, 1, 2, 3])),
            (("float32", [[8.0, 9.0], [10.0, 11.0]]), ("int32", [4, 5])),
        ],
        2,
    ),
    "s batch drop": (
        lambda: slices().batch(4, drop_remainder=True),
        [(("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), ("int32", [0, 1, 2, 3]))],
        1,
    ),
    "s map batch": (
        lambda: slices().map(lambda x, y: (x * 2.0, y + 1)).batch(4),
        [
            (("float32", [[0.0, 2.0], [4.0, 6.0], [8.0, 10.0], [12.0, 14.0]]), ("int32", [1, 2, 3, 4])),
            (("float32", [[16.0, 18.0], [20.0, 22.0]]), ("int32", [5, 6])),
        ],
        2,
    ),
    "s map swap": (
        lambda: slices().map(lambda x, y: (y, x)).batch(4).take(1),
        [(("int32", [0, 1, 2, 3]), ("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]))],
        1,
    ),
    "s map dict": (
        lambda: slices().map(lambda x, y: {"k": x, "l": y}).batch(4).take(1),
        [{"k": ("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), "l": ("int32", [0, 1, 2, 3])}],
        1,
    ),
    "s map const": (
        lambda: slices().map(lambda x, y: (x, 1)).batch(4).take(1),
        [(("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), ("int32", [1, 1, 1, 1]))],
        1,
    ),
    "s map float": (
        lambda: slices().map(lambda x, y: 1.5).batch(4),
        [("float32", [1.5, 1.5, 1.5, 1.5]), ("float32", [1.5, 1.5])],
        2,
    ),
    "s map list": (
        lambda: slices().map(lambda x, y: [y, y]).batch(4),
        [(("int32", [0, 1, 2, 3]), ("int32", [0, 1, 2, 3])), (("int32", [4, 5]), ("int32", [4, 5]))],
        2,
    ),
    "s map reduce": (
        lambda: slices().map(lambda x, y: (tf.reduce_sum(x), y)).batch(4),
        [(("float32", [1.0, 5.0, 9.0, 13.0]), ("int32", [0, 1, 2, 3])), (("float32", [17.0, 21.0]), ("int32", [4, 5]))],
        2,
    ),
    "s map reshape": (
        lambda: slices().map(lambda x, y: (tf.reshape(x, (2, 1)), y)).batch(4).skip(1),
        [(("float32", [[[8.0], [9.0]], [[10.0], [11.0]]]), ("int32", [4, 5]))],
        1,
    ),
    "s map bcast": (
        lambda: slices().map(lambda x, y: x + tf.cast(y, "float32")).batch(4),
        [("float32", [[0.0, 1.0], [3.0, 4.0], [6.0, 7.0], [9.0, 10.0]]), ("float32", [[12.0, 13.0], [15.0, 16.0]])],
        2,
    ),
    "s map slice": (
        lambda: slices().map(lambda x, y: x[1:]).batch(4),
        [("float32", [[1.0], [3.0], [5.0], [7.0]]), ("float32", [[9.0], [11.0]])],
        2,
    ),
    "s map cast": (
        lambda: slices().map(lambda x, y: (tf.cast(x, "int64"), tf.cast(y, "float32") / 2.0)).batch(4),
        [
            (("int64", [[0, 1], [2, 3], [4, 5], [6, 7]]), ("float32", [0.0, 0.5, 1.0, 1.5])),
            (("int64", [[8, 9], [10, 11]]), ("float32", [2.0, 2.5])),
        ],
        2,
    ),
    "s batch map": (
        lambda: slices().batch(4).map(lambda x, y: (x / 2.0, y * y)),
        [
            (("float32", [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5], [3.0, 3.5]]), ("int32", [0, 1, 4, 9])),
            (("float32", [[4.0, 4.5], [5.0, 5.5]]), ("int32", [16, 25])),
        ],
        2,
    ),
    "s batch map sum": (
        lambda: slices().batch(4).map(lambda x, y: tf.reduce_sum(x, axis=0)),
        [("float32", [12.0, 16.0]), ("float32", [18.0, 20.0])],
        2,
    ),
    "s batch map shape": (
        lambda: slices().batch(4).map(lambda x, y: tf.shape(x)),
        [("int32", [4, 2]), ("int32", [2, 2])],
        2,
    ),
    "s nested batch": (
        lambda: nested().batch(5),
        [
            {
                "a": ("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [8.0, 9.0]]),
                "b": (("int32", [0, 1, 2, 3, 4]), ("int32", [0, 2, 4, 6, 8])),
            },
            {"a": ("float32", [[10.0, 11.0]]), "b": (("int32", [5]), ("int32", [10]))},
        ],
        2,
    ),
    "s nested map": (
        lambda: nested().map(lambda d: (d["a"] + 1.0, d["b"][1])).batch(5),
        [
            (("float32", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]), ("int32", [0, 2, 4, 6, 8])),
            (("float32", [[11.0, 12.0]]), ("int32", [10])),
        ],
        2,
    ),
    "s nested map batch": (
        lambda: nested().batch(4).map(lambda d: d["b"]),
        [(("int32", [0, 1, 2, 3]), ("int32", [0, 2, 4, 6])), (("int32", [4, 5]), ("int32", [8, 10]))],
        2,
    ),
    "repeat batch": (
        lambda: slices().repeat(2).batch(5),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [8.0, 9.0]]), ("int32", [0, 1, 2, 3, 4])),
            (("float32", [[10.0, 11.0], [0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), ("int32", [5, 0, 1, 2, 3])),
            (("float32", [[8.0, 9.0], [10.0, 11.0]]), ("int32", [4, 5])),
        ],
        3,
    ),
    "batch repeat": (
        lambda: slices().batch(5).repeat(2),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [8.0, 9.0]]), ("int32", [0, 1, 2, 3, 4])),
            (("float32", [[10.0, 11.0]]), ("int32", [5])),
            (("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [8.0, 9.0]]), ("int32", [0, 1, 2, 3, 4])),
            (("float32", [[10.0, 11.0]]), ("int32", [5])),
        ],
        4,
    ),
    "take skip batch": (
        lambda: slices().take(5).skip(2).batch(2),
        [(("float32", [[4.0, 5.0], [6.0, 7.0]]), ("int32", [2, 3])), (("float32", [[8.0, 9.0]]), ("int32", [4]))],
        2,
    ),
    "shard batch": (
        lambda: slices().shard(4, 1).batch(2),
        [(("float32", [[2.0, 3.0], [10.0, 11.0]]), ("int32", [1, 5]))],
        1,
    ),
    "shard map": (
        lambda: numbers(11).shard(3, 1).map(lambda x: x * x),
        [("int64", 1), ("int64", 16), ("int64", 49), ("int64", 100)],
        4,
    ),
    "batch shard": (
        lambda: slices().batch(2).shard(2, 1),
        [(("float32", [[4.0, 5.0], [6.0, 7.0]]), ("int32", [2, 3]))],
        1,
    ),
    "batch skip take": (
        lambda: slices().batch(2).skip(1).take(1),
        [(("float32", [[4.0, 5.0], [6.0, 7.0]]), ("int32", [2, 3]))],
        1,
    ),
    "filter": (
        lambda: slices().filter(lambda x, y: y % 2 == 0).batch(2),
        [(("float32", [[0.0, 1.0], [4.0, 5.0]]), ("int32", [0, 2])), (("float32", [[8.0, 9.0]]), ("int32", [4]))],
        UNKNOWN,
    ),
    "filter map": (
        lambda: numbers(10).map(lambda x: x * 3).filter(lambda x: x % 2 == 1).map(lambda x: x + 1),
        [("int64", 4), ("int64", 10), ("int64", 16), ("int64", 22), ("int64", 28)],
        UNKNOWN,
    ),
    "filter repeat": (
        lambda: numbers(5).filter(lambda x: x > 2).repeat(2).batch(3),
        [("int64", [3, 4, 3]), ("int64", [4])],
        UNKNOWN,
    ),
    "filter none": (lambda: numbers(5).filter(lambda x: x > 20).batch(3), [], UNKNOWN),
    "cache map": (
        lambda: numbers(5).map(lambda x: x * 2).cache().repeat(2).batch(3),
        [("int64", [0, 2, 4]), ("int64", [6, 8, 0]), ("int64", [2, 4, 6]), ("int64", [8])],
        4,
    ),
    "cache empty": (lambda: numbers(0).map(lambda x: x * 2).cache().batch(3), [], 0),
    "zip slices": (
        lambda: Dataset.zip((Dataset.from_tensor_slices(X), Dataset.from_tensor_slices(Y[:4]))).batch(3),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), ("int32", [0, 1, 2])),
            (("float32", [[6.0, 7.0]]), ("int32", [3])),
        ],
        2,
    ),
    "zip nested": (
        lambda: Dataset.zip((slices(), numbers(4))).batch(3),
        [
            ((("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), ("int32", [0, 1, 2])), ("int64", [0, 1, 2])),
            ((("float32", [[6.0, 7.0]]), ("int32", [3])), ("int64", [3])),
        ],
        2,
    ),
    "zip map": (
        lambda: Dataset.zip((slices().map(lambda x, y: y), numbers(4))).batch(3),
        [(("int32", [0, 1, 2]), ("int64", [0, 1, 2])), (("int32", [3]), ("int64", [3]))],
        2,
    ),
    "unbatch": (
        lambda: slices().batch(4).unbatch().batch(5),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [8.0, 9.0]]), ("int32", [0, 1, 2, 3, 4])),
            (("float32", [[10.0, 11.0]]), ("int32", [5])),
        ],
        UNKNOWN,
    ),
    "unbatch map": (
        lambda: slices().batch(4).map(lambda x, y: y * 2).unbatch(),
        [("int32", 0), ("int32", 2), ("int32", 4), ("int32", 6), ("int32", 8), ("int32", 10)],
        UNKNOWN,
    ),
    "rebatch by unbatch drop": (
        lambda: slices().batch(4, drop_remainder=True).unbatch(),
        [
            (("float32", [0.0, 1.0]), ("int32", 0)),
            (("float32", [2.0, 3.0]), ("int32", 1)),
            (("float32", [4.0, 5.0]), ("int32", 2)),
            (("float32", [6.0, 7.0]), ("int32", 3)),
        ],
        4,
    ),
    "batch batch": (
        lambda: numbers(7).batch(2, drop_remainder=True).batch(2),
        [("int64", [[0, 1], [2, 3]]), ("int64", [[4, 5]])],
        2,
    ),
    "enumerate": (
        lambda: slices().enumerate().map(lambda i, v: (i, v[1])).batch(4),
        [(("int64", [0, 1, 2, 3]), ("int32", [0, 1, 2, 3])), (("int64", [4, 5]), ("int32", [4, 5]))],
        2,
    ),
    "concatenate": (
        lambda: numbers(3).concatenate(numbers(2).map(lambda x: x + 10)).batch(4),
        [("int64", [0, 1, 2, 10]), ("int64", [11])],
        2,
    ),
    "window": (
        lambda: numbers(7).window(3, 2, 2).flat_map(lambda w: w.batch(3)),
        [("int64", [0, 2, 4]), ("int64", [2, 4, 6]), ("int64", [4, 6]), ("int64", [6])],
        UNKNOWN,
    ),
    "window pair": (
        lambda: slices().window(2, drop_remainder=True).flat_map(lambda x, y: Dataset.zip((x, y)).batch(2)),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0]]), ("int32", [0, 1])),
            (("float32", [[4.0, 5.0], [6.0, 7.0]]), ("int32", [2, 3])),
            (("float32", [[8.0, 9.0], [10.0, 11.0]]), ("int32", [4, 5])),
        ],
        UNKNOWN,
    ),
    "padded": (
        lambda: ragged().padded_batch(2),
        [(("int32", [[0, 0, 0], [0, 1, 2]]), ("int64", [1, 3])), (("int32", [[0, 1]]), ("int64", [2]))],
        UNKNOWN,
    ),
    "padded shapes": (
        lambda: ragged().padded_batch(2, padded_shapes=([4], []), padding_values=(-1, np.int64(0))),
        [
            (("int32", [[0, -1, -1, -1], [0, 1, 2, -1]]), ("int64", [1, 3])),
            (("int32", [[0, 1, -1, -1]]), ("int64", [2])),
        ],
        UNKNOWN,
    ),
    "padded drop": (
        lambda: ragged().padded_batch(2, drop_remainder=True),
        [(("int32", [[0, 0, 0], [0, 1, 2]]), ("int64", [1, 3]))],
        UNKNOWN,
    ),
    "padded one": (
        lambda: ragged().map(lambda a, b: a).padded_batch(3, padding_values=7),
        [("int32", [[0, 7, 7], [0, 1, 2], [0, 1, 7]])],
        UNKNOWN,
    ),
    "padded slices": (
        lambda: slices().padded_batch(4, padded_shapes=([3], [])),
        [
            (
                ("float32", [[0.0, 1.0, 0.0], [2.0, 3.0, 0.0], [4.0, 5.0, 0.0], [6.0, 7.0, 0.0]]),
                ("int32", [0, 1, 2, 3]),
            ),
            (("float32", [[8.0, 9.0, 0.0], [10.0, 11.0, 0.0]]), ("int32", [4, 5])),
        ],
        2,
    ),
    "shuffle 1": (
        lambda: slices().shuffle(1).batch(4),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), ("int32", [0, 1, 2, 3])),
            (("float32", [[8.0, 9.0], [10.0, 11.0]]), ("int32", [4, 5])),
        ],
        2,
    ),
    "empty": (lambda: Dataset.from_tensor_slices(np.zeros((0, 2), "float32")).map(lambda x: x + 1).batch(2), [], 0),
    "f64": (
        lambda: Dataset.from_tensor_slices(np.arange(3.0)).map(lambda x: x * 2).batch(2),
        [("float64", [0.0, 2.0]), ("float64", [4.0])],
        2,
    ),
    "u8": (
        lambda: (
            Dataset.from_tensor_slices(np.arange(3, dtype="uint8")).map(lambda x: tf.cast(x, "float32") / 2.0).batch(2)
        ),
        [("float32", [0.0, 0.5]), ("float32", [1.0])],
        2,
    ),
    "bool": (lambda: Dataset.from_tensor_slices(np.array([True, False])).batch(2), [("bool", [True, False])], 1),
    "parallel": (
        lambda: (
            slices()
            .map(lambda x, y: y, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .batch(4, num_parallel_calls=2)
            .prefetch(tf.data.AUTOTUNE)
        ),
        [("int32", [0, 1, 2, 3]), ("int32", [4, 5])],
        2,
    ),
    "prefetch take": (
        lambda: slices().batch(2).prefetch(1).take(2),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0]]), ("int32", [0, 1])),
            (("float32", [[4.0, 5.0], [6.0, 7.0]]), ("int32", [2, 3])),
        ],
        2,
    ),
    "repeat none take": (
        lambda: slices().repeat().batch(4).take(3),
        [
            (("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), ("int32", [0, 1, 2, 3])),
            (("float32", [[8.0, 9.0], [10.0, 11.0], [0.0, 1.0], [2.0, 3.0]]), ("int32", [4, 5, 0, 1])),
            (("float32", [[4.0, 5.0], [6.0, 7.0], [8.0, 9.0], [10.0, 11.0]]), ("int32", [2, 3, 4, 5])),
        ],
        3,
    ),
    "repeat skip": (lambda: numbers(3).repeat().skip(4).take(3), [("int64", 1), ("int64", 2), ("int64", 0)], 3),
    "negative": (lambda: numbers(3).take(-1).skip(-1).batch(2), [], 0),
    "repeat 0": (lambda: numbers(3).repeat(0).batch(2), [], 0),
    "from_tensors": (
        lambda: Dataset.from_tensors((X, Y)).repeat(2).map(lambda x, y: y),
        [("int32", [0, 1, 2, 3, 4, 5]), ("int32", [0, 1, 2, 3, 4, 5])],
        2,
    ),
    "map none arg": (
        lambda: Dataset.from_tensor_slices((X,)).map(lambda x: x).batch(4).take(1),
        [("float32", [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])],
        1,
    ),
    "one tuple": (lambda: Dataset.from_tensor_slices((X,)).batch(5).skip(1), [(("float32", [[10.0, 11.0]]),)], 1),
    "cond": (lambda: numbers(4).map(lambda x: tf.where(x > 1, x, -x)).batch(4), [("int64", [0, -1, 2, 3])], 1),
    "one_hot": (
        lambda: Dataset.from_tensor_slices(Y).map(lambda y: tf.one_hot(y, 3)).batch(4).take(1),
        [("float32", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])],
        1,
    ),
    "expand": (
        lambda: slices().map(lambda x, y: (x[..., None], y)).batch(5).skip(1),
        [(("float32", [[[10.0], [11.0]]]), ("int32", [5]))],
        1,
    ),
    "matmul": (
        lambda: slices().batch(4).map(lambda x, y: tf.matmul(x, x, transpose_b=True)).skip(1),
        [("float32", [[145.0, 179.0], [179.0, 221.0]])],
        1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_pipeline(name):
    make, expected, cardinality = CASES[name]
    dataset = make()
    assert dataset.cardinality() == cardinality
    for _ in range(2):
        assert [plain(sample) for sample in dataset.as_numpy_iterator()] == expected


# ------------------------------------------------------------------- shuffling

ROWS = np.arange(1000)


def order(dataset):
    return [int(i) for i in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("buffer", [1, 2, 10, 999, 1000, 5000])
def test_a_shuffled_sample_comes_from_the_buffer(buffer):
    found = order(Dataset.from_tensor_slices(ROWS).shuffle(buffer, seed=1))
    assert sorted(found) == list(range(1000))
    assert (found == list(range(1000))) == (buffer == 1)
    held = set(range(min(buffer, 1000)))  # what tf.data's buffer holds when sample number i is drawn
    for i, sample in enumerate(found):
        assert sample in held
        held.remove(sample)
        held.add(i + buffer)


def test_each_place_of_the_buffer_is_equally_likely():
    counts = np.zeros((4, 4))
    for seed in range(4000):
        for place, sample in enumerate(order(Dataset.range(4).shuffle(4, seed=seed))):
            counts[place, sample] += 1
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_squared < 27.9  # 9 degrees of freedom, exceeded once in 1,000 times
    first = np.bincount([next(iter(order(Dataset.range(6).shuffle(3, seed=s)))) for s in range(3000)], minlength=6)
    assert (first[3:] == 0).all() and ((first[:3] - 1000) ** 2 / 1000).sum() < 13.8


def test_reshuffling():
    def pipeline(**arguments):
        return Dataset.from_tensor_slices(ROWS).shuffle(1000, seed=3, **arguments)

    fresh = pipeline()
    first, second = order(fresh), order(fresh)
    assert first != second
    again = pipeline()
    assert [order(again), order(again)] == [first, second]
    twice = order(pipeline().repeat(2))
    assert twice == first + second
    fixed = order(pipeline(reshuffle_each_iteration=False).repeat(2))
    assert fixed[:1000] == fixed[1000:] and sorted(fixed[:1000]) == list(range(1000))
    cached = pipeline().cache()
    assert order(cached) == order(cached)
    batches = Dataset.from_tensor_slices(ROWS).batch(10).shuffle(100, seed=3)
    found = [batch.tolist() for batch in batches.as_numpy_iterator()]
    assert sorted(found) == ROWS.reshape(100, 10).tolist() != found


# ------------------------------------------------------------------- functions that fail, draw numbers or remember


def test_an_error_reaches_the_user_at_its_sample_and_leaves_the_pipeline_usable():
    armed = [True]

    def check(x):
        if armed[0] and int(x) == 3:  # int(): this cannot be traced
            raise RuntimeError("sample 3")
        return x

    for make in (
        lambda d: d.map(check),
        lambda d: d.map(check, num_parallel_calls=2),
        lambda d: d.map(check).prefetch(2),
    ):
        armed[0] = True
        dataset, seen = make(Dataset.range(6)), []
        with pytest.raises(RuntimeError, match="sample 3"):
            for x in dataset:
                seen.append(int(x))
        assert seen == [0, 1, 2]
        armed[0] = False
        assert order(dataset) == list(range(6))


def test_an_error_of_the_engine_is_raised_at_its_sample():
    dataset = Dataset.range(6).map(lambda i: keras.ops.cholesky(tf.reshape(3.5 - tf.cast(i, "float32"), (1, 1))))
    seen = []
    with pytest.raises(Exception, match="cholesky"):
        for x in dataset:
            seen.append(float(x[0, 0]))
    assert seen == pytest.approx(np.sqrt(3.5 - np.arange(4)).tolist())


def test_random_functions_draw_anew_for_each_sample_and_epoch():
    keras.utils.set_random_seed(0)
    generator = keras.random.SeedGenerator(1)
    for dataset in (
        Dataset.from_tensor_slices(np.zeros(50, "float32")).map(lambda x: x + keras.random.uniform((), seed=generator)),
        Dataset.from_tensor_slices(np.zeros(50, "float32"))
        .batch(10)
        .map(lambda x: x + keras.random.uniform((10,), seed=generator))
        .unbatch(),
    ):
        first, second = list(dataset.as_numpy_iterator()), list(dataset.as_numpy_iterator())
        assert len({float(x) for x in first + second}) == 100


def test_variables_are_read_when_the_samples_are_made():
    scale = tf.Variable(2.0)
    dataset = Dataset.from_tensor_slices(np.ones(3, "float32")).map(lambda x: x * scale)
    assert list(dataset.as_numpy_iterator()) == [2, 2, 2]
    scale.assign(5.0)
    assert list(dataset.as_numpy_iterator()) == [5, 5, 5]


def test_a_function_runs_once_on_symbols():
    calls = []
    dataset = slices().map(lambda x, y: calls.append(1) or (x * 2, y)).batch(4)
    for _ in dataset:
        pass
    assert len(calls) == 1


# ------------------------------------------------------------------- fit

IMAGES = np.random.default_rng(0).integers(0, 255, (50, 3, 2), dtype="uint8")
LABELS = (IMAGES.mean(axis=(1, 2)) > 127).astype("int32")


def scaled(x, y):
    return tf.cast(x, "float32") / 255.0, y


def trained(make, epochs=2, **arguments):
    keras.utils.set_random_seed(7)
    net = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = net.fit(make(), epochs=epochs, verbose=0, **arguments).history
    return [*(np.asarray(values) for values in history.values()), *net.get_weights()]


class Watching(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


PIPELINES = {
    "map behind batch": lambda d: d.shuffle(50, seed=1).batch(8).map(scaled).prefetch(2),
    "map before batch": lambda d: d.shuffle(20, seed=1).map(scaled).batch(8),
    "drop remainder": lambda d: d.batch(8, drop_remainder=True).map(scaled),
    "batches repeated, the last smaller": lambda d: d.batch(8).map(scaled).repeat(2),
    "batches shuffled": lambda d: d.batch(8).shuffle(10, seed=2).map(scaled),
    "filter": lambda d: d.filter(lambda x, y: y == 0).batch(8).map(scaled),
    "cache": lambda d: d.map(scaled).cache().shuffle(50, seed=4).batch(8),
    "own function that is not traced": lambda d: d.map(lambda x, y: (x.numpy() / 255.0, y)).batch(8),
    "row by row": lambda d: d.map(lambda x, y: (tf.reverse(tf.cast(x, "float32"), [0]) / 255.0, y)).batch(8),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_fit_is_the_same_with_and_without_python(name):
    def make():
        return PIPELINES[name](Dataset.from_tensor_slices((IMAGES, LABELS)))

    quick, step_by_step = trained(make), trained(make, callbacks=[Watching()])
    batches = [[(x, y) for x, y in make().as_numpy_iterator()] for _ in range(2)]
    for found, expected in zip(quick, step_by_step):
        np.testing.assert_array_equal(found, expected)
    if "shuffle" not in name and name != "map behind batch" and name != "map before batch" and name != "cache":
        keras.utils.set_random_seed(7)
        net = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
        net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        for epoch in batches:
            for x, y in epoch:
                net.train_on_batch(x, y)
        for found, expected in zip(quick[2:], net.get_weights()):
            np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7)


def test_endless_data_go_on_from_epoch_to_epoch():
    def make():
        return Dataset.from_tensor_slices((IMAGES, LABELS)).shuffle(50, seed=1).repeat().batch(8).map(scaled)

    quick = trained(make, epochs=4, steps_per_epoch=3)
    for found, expected in zip(quick, trained(make, epochs=4, steps_per_epoch=3, callbacks=[Watching()])):
        np.testing.assert_array_equal(found, expected)


def test_evaluate_and_predict_on_pipelines():
    net = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    dataset = Dataset.from_tensor_slices((IMAGES, LABELS)).map(scaled).batch(8)
    floats = IMAGES.astype("float32") / 255.0
    expected = net.predict(floats, batch_size=8, verbose=0)
    np.testing.assert_allclose(net.predict(dataset, verbose=0), expected, rtol=1e-6)
    assert net.evaluate(dataset, verbose=0) == net.evaluate(floats, LABELS, batch_size=8, verbose=0)


def test_augmentation_in_a_pipeline_is_part_of_the_step():
    flip = keras.layers.RandomFlip("horizontal", seed=1)
    images = IMAGES[..., None]
    dataset = Dataset.from_tensor_slices((images, LABELS)).batch(8).map(lambda x, y: (flip(x, training=True), y))
    quick = trained(lambda: dataset.map(scaled))
    assert all(np.isfinite(values).all() for values in quick)
    seen = np.concatenate([x for x, _ in dataset.as_numpy_iterator()])
    flipped = [(a == b[:, ::-1]).all() and not (a == b).all() for a, b in zip(seen, images)]
    assert 5 < sum(flipped) < 45
