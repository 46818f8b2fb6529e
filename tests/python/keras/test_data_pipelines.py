"""Pipelines of tahr.data whose samples, dtypes and cardinality are those that tf.data of TensorFlow 2.21 gave."""

import numpy as np
import pytest
import tahr as tf
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
