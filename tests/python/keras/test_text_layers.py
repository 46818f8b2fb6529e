"""Layers for text and categories.

The tables of expected values were written by the layers of the same names of Keras 3.15.1 on TensorFlow 2, called on
the same inputs; other expectations are counted by hand or with NumPy.
"""

import time
import warnings
from collections import Counter

import numpy as np
import pytest
import tahr
from tahr import keras
from tahr.keras.layers.preprocessing.fingerprints import hash_strings

L = keras.layers
DOCS = [
    "The cat, sat on THE mat!",
    "É a dog's   life\tis\nshort.",
    "",
    "한국어 문장입니다. 한국어 좋아요?",
    "it's x_y-z 3.14 (ok) [no] {yes} ~ ^ `",
]
TWO_ROWS = [["a", "c", "d", "a"], ["b", "b", "zz", ""]]


def adapted(layer, data):
    layer.adapt(data)
    return layer


# ---------------------------------------------------------------- hashes


def test_siphash_gives_the_values_of_its_paper():
    # Appendix A of the paper: key 00 01 ... 0f, message 00 01 ... 0e.
    key = [int.from_bytes(bytes(range(8)), "little"), int.from_bytes(bytes(range(8, 16)), "little")]
    assert int(hash_strings([bytes(range(15))], key)[0]) == 0xA129CA6149BE45E5


# tf.strings.to_hash_bucket_fast and to_hash_bucket_strong (key 123456789, 2**63 - 5) with 2**62 buckets, of the first n
# bytes of "The quick brown fox jumps over the lazy dog. " repeated: one n for each way that lengths are handled.
FINGERPRINTS = {
    0: (1936946117179621455, 2810428726380069642),
    1: (1366698271136253306, 4235855250005218201),
    2: (2190563634351826419, 3206966259347147065),
    3: (398699863598724093, 4492865654232143270),
    4: (3813857490243172005, 4127820604681241296),
    7: (4268079096047479687, 869688376749196347),
    8: (491173507650915335, 3483691410161602965),
    11: (2303588742343502204, 4195295895927643986),
    16: (4320848957565769301, 770695876027653663),
    17: (550333784831045053, 3407364884145829580),
    31: (259718955123041107, 3444749025429266179),
    32: (3916272259504149090, 3874579297941468228),
    33: (3629877152734163926, 55139244923658603),
    50: (765190253185511313, 2870947611165371928),
    64: (919341830274840736, 4155208262914155128),
    65: (3719300126253718716, 293584407507959022),
    100: (2620204633922199346, 3707849776275568728),
    127: (918917554820701835, 2185028087885561135),
    128: (1937016712440144410, 1204816613207234661),
    129: (4258610567929440978, 191781577397700156),
    200: (640913882323733241, 2162949603683354092),
    300: (3368820042289680848, 2972658747835438059),
}


@pytest.mark.parametrize("n", FINGERPRINTS)
def test_hashes_of_all_kinds_of_lengths(n):
    text = (b"The quick brown fox jumps over the lazy dog. " * 8)[:n]
    buckets = np.uint64(2**62)
    fast, strong = FINGERPRINTS[n]
    assert int((hash_strings([text]) % buckets)[0]) == fast
    assert int((hash_strings([text], [123456789, 2**63 - 5]) % buckets)[0]) == strong


def test_many_strings_hash_as_each_alone():
    texts = [bytes(range(n % 251)) * 2 for n in range(300)]
    assert hash_strings(texts).tolist() == [int(hash_strings([t])[0]) for t in texts]


def test_hashing():
    x = [["A"], ["B"], ["C"], ["D"], ["E"]]
    assert L.Hashing(num_bins=3)(x).tolist() == [[1], [0], [1], [1], [2]]
    assert L.Hashing(num_bins=3, mask_value="")([["A"], ["B"], [""], ["C"], ["D"]]).tolist() == [
        [1],
        [1],
        [0],
        [2],
        [2],
    ]
    assert L.Hashing(num_bins=3, salt=[133, 137])(x).tolist() == [[1], [2], [1], [0], [2]]
    numbers = np.array([[1, 2], [-3, 10**12]])
    assert L.Hashing(num_bins=30)(numbers).tolist() == [[9, 19], [9, 2]]
    assert L.Hashing(num_bins=30, mask_value=2)(numbers).tolist() == [[18, 0], [18, 15]]
    assert L.Hashing(num_bins=30)(np.array([[1.7, 2.0]])).tolist() == [[9, 19]]
    pairs = [["A", "B"], ["A", "A"]]
    assert L.Hashing(num_bins=3, output_mode="multi_hot")(pairs).tolist() == [[1, 1, 0], [0, 1, 0]]
    assert L.Hashing(num_bins=3, output_mode="count")(pairs).tolist() == [[1, 1, 0], [0, 2, 0]]
    hot = L.Hashing(num_bins=3, output_mode="one_hot")(np.array([["A"], ["B"]]))
    assert hot.dtype == "float32" and hot.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_hashed_crossing():
    x = (np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102]))
    assert L.HashedCrossing(num_bins=5)(x).tolist() == [1, 4, 1, 1, 3]
    assert np.argmax(L.HashedCrossing(num_bins=5, output_mode="one_hot")(x), -1).tolist() == [1, 4, 1, 1, 3]
    three = (np.array([["A"], ["B"]]), tahr.constant([[101], [102]]), np.array([["한"], ["x"]]))
    assert L.HashedCrossing(num_bins=500)(three).tolist() == [[176], [378]]
    assert L.HashedCrossing(num_bins=500)((np.array([1, 2, -3]), np.array([101, 102, 7]))).tolist() == [370, 117, 459]
    assert int(L.HashedCrossing(num_bins=500)(("A", 101))) == 391


# ---------------------------------------------------------------- lookups

STRING_LOOKUPS = [
    ({}, TWO_ROWS, [[1, 3, 0, 1], [2, 2, 0, 0]]),
    ({}, "a", 1),
    ({"output_mode": "one_hot"}, ["a", "d"], [[0, 1, 0, 0], [1, 0, 0, 0]]),
    ({"output_mode": "one_hot"}, [["a"], ["b"]], [[0, 1, 0, 0], [0, 0, 1, 0]]),
    ({"output_mode": "multi_hot"}, TWO_ROWS, [[1, 1, 0, 1], [1, 0, 1, 0]]),
    ({"output_mode": "multi_hot"}, ["a", "d"], [1, 1, 0, 0]),
    ({"output_mode": "count"}, TWO_ROWS, [[1, 2, 0, 1], [2, 0, 2, 0]]),
    ({"output_mode": "count", "mask_token": ""}, [["a", "c", "d", ""]], [[1, 1, 0, 1]]),
    ({"mask_token": ""}, [["a", "c", "d", ""]], [[2, 4, 1, 0]]),
    ({"num_oov_indices": 3, "mask_token": ""}, [["a", "q", "d", "w", "zzz", "한국어"]], [[4, 3, 3, 3, 1, 2]]),
    ({"num_oov_indices": 3, "salt": [133, 137]}, [["a", "q", "d", "w", "zzz", "한국어"]], [[3, 1, 0, 2, 1, 2]]),
    ({"num_oov_indices": 0}, ["a", "c"], [0, 2]),
    ({"output_mode": "count", "pad_to_max_tokens": True, "max_tokens": 6}, [["a", "a"]], [[0, 2, 0, 0, 0, 0]]),
]


@pytest.mark.parametrize("arguments, x, expected", STRING_LOOKUPS)
def test_string_lookup(arguments, x, expected):
    layer = L.StringLookup(vocabulary=["a", "b", "c"], **arguments)
    for form in (x, np.array(x), np.array(x, dtype=object), np.char.encode(np.array(x), "utf-8")):
        found = layer(form)
        assert found.dtype == "int64" and found.tolist() == expected


def test_string_lookup_tf_idf():
    layer = L.StringLookup(vocabulary=["a", "b", "c"], output_mode="tf_idf", idf_weights=[0.25, 0.75, 0.6])
    mean = (0.25 + 0.75 + 0.6) / 3  # what unknown tokens weigh
    expected = [[mean, 0.5, 0.0, 0.6], [mean, 0.25, 1.5, 0.0]]
    np.testing.assert_allclose(layer([["a", "c", "d", "a"], ["b", "b", "zz", "a"]]), expected, rtol=3e-7)


def test_string_lookup_backwards():
    index = [[0, 1, 2, 3, 4, -1, 9]]
    layer = L.StringLookup(vocabulary=["a", "b", "c"], invert=True)
    assert layer(np.array(index)).tolist() == [["[UNK]", "a", "b", "c", "[UNK]", "[UNK]", "[UNK]"]]
    layer = L.StringLookup(vocabulary=["a", "b", "c"], invert=True, mask_token="")
    assert layer(tahr.constant(index)).tolist() == [["", "[UNK]", "a", "b", "c", "[UNK]", "[UNK]"]]


def test_string_lookup_adapts():
    data = np.array([["b", "a", "[UNK]", "c"], ["c", "a", "d", "e"]])
    assert adapted(L.StringLookup(), data).get_vocabulary() == ["[UNK]", "c", "a", "e", "d", "b"]
    layer = adapted(L.StringLookup(max_tokens=4, mask_token=""), data)
    assert layer.get_vocabulary() == ["", "[UNK]", "c", "a"] and layer.vocabulary_size() == 4
    assert layer.get_vocabulary(include_special_tokens=False) == ["c", "a"]
    for form in (data.tolist(), iter([data[:1], data[1:]]), tahr.data.Dataset.from_tensor_slices(data).batch(1)):
        assert adapted(L.StringLookup(), form).get_vocabulary() == ["[UNK]", "c", "a", "e", "d", "b"]
    first = L.StringLookup()
    first.adapt((row for row in data), steps=1)
    assert first.get_vocabulary() == ["[UNK]", "c", "b", "a"]
    layer = adapted(L.StringLookup(output_mode="tf_idf", max_tokens=8, pad_to_max_tokens=True), data)
    both, one = np.log(1 + 2 / 3), np.log(1 + 2 / 2)  # in both rows, in one of the two
    mean = (2 * both + 3 * one) / 5
    expected = [[0, 0, both, 0, 0, 2 * one, 0, 0], [mean, both, 0, 0, one, 0, 0, 0]]
    np.testing.assert_allclose(layer(np.array([["a", "b", "b"], ["q", "d", "c"]])), expected, rtol=1e-6)


def test_string_lookup_from_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\nb\n한국\n", encoding="utf-8")
    layer = L.StringLookup(vocabulary=str(path))
    assert layer.get_vocabulary() == ["[UNK]", "a", "b", "한국"] and layer(["한국"]).tolist() == [3]


INTEGERS = [12, 36, 1138, 42]
INTEGER_LOOKUPS = [
    ({}, [[12, 1138, 42], [42, 1000, 36]], [[1, 3, 4], [4, 0, 2]]),
    ({"num_oov_indices": 2, "mask_token": 0}, [[12, 1138, 42, 0], [37, 1000, 36, -5]], [[3, 5, 6, 0], [2, 1, 4, 2]]),
    (
        {"num_oov_indices": 3, "oov_method": "farmhash"},
        [[12, 1138, 42, 0], [37, 1000, 36, -5]],
        [[3, 5, 6, 1], [2, 2, 4, 0]],
    ),
    (
        {"num_oov_indices": 3, "oov_method": "farmhash", "salt": 7},
        [[12, 1138, 42, 0], [37, 1000, 36, -5]],
        [[3, 5, 6, 1], [1, 0, 4, 2]],
    ),
    ({"invert": True}, [[0, 1, 4, 9]], [[-1, 12, 42, -1]]),
    ({"output_mode": "multi_hot"}, [[12, 1138, 42, 42], [42, 1000, 7, 36]], [[0, 1, 0, 1, 1], [1, 0, 1, 0, 1]]),
]


@pytest.mark.parametrize("arguments, x, expected", INTEGER_LOOKUPS)
def test_integer_lookup(arguments, x, expected):
    layer = L.IntegerLookup(vocabulary=INTEGERS, **arguments)
    for form in (x, np.array(x, "int32"), np.array(x, "float32"), tahr.constant(x)):
        found = layer(form)
        assert found.dtype == "int64" and found.tolist() == expected


def test_integer_lookup_adapts():
    data = np.array([[12, 1138, 42], [42, 1000, 36], [-1, 0, -7]])
    assert adapted(L.IntegerLookup(), data).get_vocabulary() == [-1, 42, 1138, 1000, 36, 12, 0, -7]
    assert adapted(L.IntegerLookup(mask_token=0, max_tokens=5), data).get_vocabulary() == [0, -1, 42, 1138, 1000]


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    "mode, x, expected",
    [
        ("int", [[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]], [[0, 2, 3, 1], [1, 3, 2, 1]]),
        ("int", 0.5, 1),
        ("one_hot", [[1.0], [2.0]], [[0, 0, 1, 0], [0, 0, 0, 1]]),
        ("one_hot", [-1.5, 1.0], [[1, 0, 0, 0], [0, 0, 1, 0]]),
        ("multi_hot", [[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]], [[1, 1, 1, 1], [0, 1, 1, 1]]),
        ("count", [[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]], [[1, 1, 1, 1], [0, 2, 1, 1]]),
    ],
)
def test_discretization(mode, x, expected):
    found = L.Discretization(bin_boundaries=[0.0, 1.0, 2.0], output_mode=mode)(np.array(x))
    assert found.tolist() == expected and found.dtype == ("int32" if mode == "int" else "float32")


def test_discretization_adapts():
    x = np.array([[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]])
    np.testing.assert_allclose(adapted(L.Discretization(num_bins=4), x).bin_boundaries, [0.0, 0.5, 1.3], rtol=1e-6)
    r = np.random.RandomState(0).randn(1000).astype("float32")
    whole = adapted(L.Discretization(num_bins=5), r)
    np.testing.assert_allclose(whole.bin_boundaries, [-0.86404550, -0.31197685, 0.19655719, 0.78632784], rtol=1e-6)
    coarse = adapted(L.Discretization(num_bins=5, epsilon=0.1), r)
    np.testing.assert_allclose(coarse.bin_boundaries, [-0.86404490, -0.31197596, 0.19655757, 0.78632814], rtol=1e-6)
    parts = adapted(L.Discretization(num_bins=5), [r[:300], r[300:700], r[700:]])
    np.testing.assert_allclose(parts.bin_boundaries, [-0.85904825, -0.31171414, 0.20229511, 0.79785889], rtol=1e-6)
    again = L.Discretization.from_config(parts.get_config())
    assert again(r).tolist() == parts(r).tolist()
    sizes = np.bincount(whole(r).numpy())
    assert len(sizes) == 5 and sizes.min() > 190 and sizes.max() < 210  # off by epsilon of the 1,000 at most


@pytest.mark.parametrize(
    "mode, x, expected",
    [
        ("one_hot", [3, 2, 0], [[0, 0, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]]),
        ("one_hot", [[3], [2]], [[0, 0, 0, 1], [0, 0, 1, 0]]),
        ("multi_hot", [[0, 1], [0, 0], [3, 1]], [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 1]]),
        ("multi_hot", 2, [0, 0, 1, 0]),
        ("count", [[0, 1], [0, 0], [3, 1]], [[1, 1, 0, 0], [2, 0, 0, 0], [0, 1, 0, 1]]),
        ("count", [[0, 5]], [[1, 0, 0, 0]]),
    ],
)
def test_category_encoding(mode, x, expected):
    found = L.CategoryEncoding(num_tokens=4, output_mode=mode)(np.array(x))
    assert found.dtype == "float32" and found.tolist() == expected


def test_category_encoding_with_weights():
    layer = L.CategoryEncoding(num_tokens=4, output_mode="count")
    weights = np.array([[0.1, 0.2], [0.1, 0.1], [0.2, 0.3]])
    found = layer(np.array([[0, 1], [0, 0], [3, 1]]), count_weights=weights)
    np.testing.assert_allclose(found, [[0.1, 0.2, 0, 0], [0.2, 0, 0, 0], [0, 0.3, 0, 0.2]], rtol=1e-6)


# ---------------------------------------------------------------- TextVectorization

# arguments; the vocabulary ; the indices of "the dog zzz" and "한국어 x"
VECTORIZATIONS = [
    (
        {},
        [
            "",
            "[UNK]",
            "한국어",
            "the",
            "좋아요",
            "문장입니다",
            "É",
            "yes",
            "xyz",
            "short",
            "sat",
            "on",
            "ok",
            "no",
            "mat",
            "life",
            "its",
            "is",
            "dogs",
            "cat",
            "a",
            "314",
        ],
        [[3, 1, 1], [2, 1, 0]],
    ),
    (
        {"standardize": None, "max_tokens": 6},
        ["", "[UNK]", "한국어", "좋아요?", "문장입니다.", "É"],
        [[1, 1, 1], [2, 1, 0]],
    ),
    (
        {"standardize": "lower", "max_tokens": 6},
        ["", "[UNK]", "한국어", "the", "좋아요?", "문장입니다."],
        [[3, 1, 1], [2, 1, 0]],
    ),
    (
        {"standardize": "strip_punctuation", "max_tokens": 8},
        ["", "[UNK]", "한국어", "좋아요", "문장입니다", "É", "yes", "xyz"],
        [[1, 1, 1], [2, 1, 0]],
    ),
    (
        {"split": "character", "max_tokens": 9},
        ["", "[UNK]", " ", "t", "s", "o", "e", "a", "i"],
        [[3, 1, 6, 2, 1, 5, 1, 2, 1, 1, 1], [1, 1, 1, 2, 1, 0, 0, 0, 0, 0, 0]],
    ),
    (
        {"ngrams": 2, "max_tokens": 9},
        [
            "",
            "[UNK]",
            "한국어",
            "the",
            "한국어 좋아요",
            "한국어 문장입니다",
            "좋아요",
            "문장입니다 한국어",
            "문장입니다",
        ],
        [[3, 1, 1, 1, 1], [2, 1, 1, 0, 0]],
    ),
    (
        {"ngrams": (2, 3), "max_tokens": 9},
        [
            "",
            "[UNK]",
            "한국어 좋아요",
            "한국어 문장입니다 한국어",
            "한국어 문장입니다",
            "문장입니다 한국어 좋아요",
            "문장입니다 한국어",
            "É a dogs",
            "É a",
        ],
        [[1, 1, 1], [1, 0, 0]],
    ),
    (
        {"output_sequence_length": 2},
        [
            "",
            "[UNK]",
            "한국어",
            "the",
            "좋아요",
            "문장입니다",
            "É",
            "yes",
            "xyz",
            "short",
            "sat",
            "on",
            "ok",
            "no",
            "mat",
            "life",
            "its",
            "is",
            "dogs",
            "cat",
            "a",
            "314",
        ],
        [[3, 1], [2, 1]],
    ),
    (
        {"output_sequence_length": 5, "max_tokens": 6},
        ["", "[UNK]", "한국어", "the", "좋아요", "문장입니다"],
        [[3, 1, 1, 0, 0], [2, 1, 0, 0, 0]],
    ),
    (
        {"output_mode": "multi_hot", "max_tokens": 6},
        ["[UNK]", "한국어", "the", "좋아요", "문장입니다", "É"],
        [[1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]],
    ),
    (
        {"output_mode": "count", "max_tokens": 7},
        ["[UNK]", "한국어", "the", "좋아요", "문장입니다", "É", "yes"],
        [[2, 0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0]],
    ),
    (
        {"output_mode": "count", "max_tokens": 30, "pad_to_max_tokens": True},
        [
            "[UNK]",
            "한국어",
            "the",
            "좋아요",
            "문장입니다",
            "É",
            "yes",
            "xyz",
            "short",
            "sat",
            "on",
            "ok",
            "no",
            "mat",
            "life",
            "its",
            "is",
            "dogs",
            "cat",
            "a",
            "314",
        ],
        [
            [2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ],
    ),
    (
        {"output_mode": "tf_idf", "max_tokens": 9, "ngrams": 2},
        [
            "[UNK]",
            "한국어",
            "the",
            "한국어 좋아요",
            "한국어 문장입니다",
            "좋아요",
            "문장입니다 한국어",
            "문장입니다",
            "É a",
        ],
        [
            [5.011051654815674, 0.0, 1.2527629137039185, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [2.505525827407837, 1.2527629137039185, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ],
    ),
    (
        {"split": "character", "ngrams": 2, "max_tokens": 9, "output_mode": "count"},
        ["[UNK]", " ", "t", "s", "o", "e", "a", "   ", "s  "],
        [[16, 2, 1, 0, 1, 1, 0, 0, 0], [8, 1, 0, 0, 0, 0, 0, 0, 0]],
    ),
]


@pytest.mark.parametrize("arguments, vocabulary, expected", VECTORIZATIONS)
def test_text_vectorization(arguments, vocabulary, expected):
    layer = adapted(L.TextVectorization(**arguments), np.array(DOCS))
    assert layer.get_vocabulary() == vocabulary
    for x in (["the dog zzz", "한국어 x"], np.array([["the dog zzz"], ["한국어 x"]], dtype=object)):
        found = layer(x)
        assert found.dtype == ("float32" if arguments.get("output_mode") == "tf_idf" else "int64")
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_text_vectorization_of_one_string_and_of_tokens():
    layer = L.TextVectorization(vocabulary=["a", "b"])
    assert layer("b a q").tolist() == [3, 2, 1]
    tokens = L.TextVectorization(split=None, standardize=None, output_sequence_length=3, vocabulary=["a", "c", "b"])
    assert tokens(np.array([["a", "zz"], ["c", ""]])).tolist() == [[2, 1, 0], [3, 0, 0]]
    assert L.TextVectorization(output_mode="one_hot", vocabulary=["a", "b"])(["a", "b"]).tolist() == [
        [[0, 1, 0]],
        [[0, 0, 1]],
    ]


def test_text_vectorization_with_own_functions():
    layer = L.TextVectorization(
        standardize=lambda texts: np.char.replace(texts, "x", " "), split=lambda texts: [t.split("-") for t in texts]
    )
    layer.adapt(["axb-c", "c"])
    assert layer.get_vocabulary() == ["", "[UNK]", "c", "a b"]
    assert layer(["c-axb-q"]).tolist() == [[2, 3, 1]]


def test_counting_many_texts_is_quick_and_right():
    random = np.random.default_rng(3)
    words = np.array([f"w{i}" for i in range(3000)])
    texts = [" ".join(words[np.minimum(random.zipf(1.3, 100), 3000) - 1]) for _ in range(2000)]
    layer = L.TextVectorization(max_tokens=500, output_sequence_length=80)
    start = time.perf_counter()
    layer.adapt(texts)
    found = layer(texts).numpy()
    assert time.perf_counter() - start < 5  # 0.1 s where nothing else runs
    counts = Counter(word for text in texts for word in text.split())
    order = sorted(counts, key=lambda word: (counts[word], word), reverse=True)[:498]
    assert layer.get_vocabulary(include_special_tokens=False) == order
    places = {word: i + 2 for i, word in enumerate(order)}
    assert found.tolist() == [[places.get(word, 1) for word in text.split()[:80]] for text in texts]


# ---------------------------------------------------------------- configs and files


@pytest.mark.parametrize(
    "layer, x",
    [
        (lambda: L.TextVectorization(vocabulary=["a", "b"], ngrams=(1, 2), output_sequence_length=4), ["a b q"]),
        (lambda: L.StringLookup(vocabulary=np.array(["a", "b"]), num_oov_indices=2), ["a", "x"]),
        (lambda: L.IntegerLookup(vocabulary=[5, 7], mask_token=0), [5, 0, 9]),
        (lambda: L.Hashing(4, salt=3, output_mode="count"), [["a", "b"]]),
        (lambda: L.HashedCrossing(7, output_mode="one_hot"), (np.array(["a"]), np.array([3]))),
        (lambda: L.CategoryEncoding(3), [[0, 2]]),
        (lambda: L.Discretization(bin_boundaries=(0.5, 1.5), output_mode="one_hot"), [[1.0]]),
    ],
)
def test_configs_make_the_same_layer(layer, x):
    layer = layer()
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == layer.get_config()
    assert again(x).tolist() == layer(x).tolist()


def test_config_of_string_lookup():
    config = L.StringLookup(vocabulary=["a", "b"], name="look").get_config()
    assert config.pop("dtype")["config"] == {"name": "float32"}
    assert config == {
        "name": "look", "trainable": True, "invert": False, "max_tokens": None, "num_oov_indices": 1,
        "oov_token": "[UNK]", "mask_token": None, "output_mode": "int", "sparse": False, "pad_to_max_tokens": False,
        "idf_weights": None, "vocabulary": ["a", "b"], "vocabulary_size": 3, "oov_method": "floormod", "salt": None,
        "encoding": "utf-8",
    }  # fmt: skip


def test_vocabularies_go_to_files_and_back(tmp_path):
    layer = adapted(L.TextVectorization(output_mode="tf_idf", name="tv"), DOCS)
    store = {}
    layer.save_own_variables(store)
    layer.save_assets(str(tmp_path))
    assert (tmp_path / "vocabulary.txt").read_text(encoding="utf-8").split("\n") == layer.get_vocabulary()
    again = L.TextVectorization.from_config(layer.get_config())
    again.load_own_variables(store)
    again.load_assets(str(tmp_path))
    assert again.get_vocabulary() == layer.get_vocabulary()
    assert again(DOCS).tolist() == layer(DOCS).tolist()
    numbers = adapted(L.IntegerLookup(mask_token=0), np.array([3, 3, 8]))
    numbers.save_assets(str(tmp_path))
    read = L.IntegerLookup.from_config(numbers.get_config())
    read.load_assets(str(tmp_path))
    assert read.get_vocabulary() == [0, -1, 3, 8]


def test_models_of_texts_go_to_files_and_back(tmp_path):
    x = keras.Input((1,), dtype="string")
    parts = [
        adapted(L.TextVectorization(output_sequence_length=4), DOCS)(x),
        adapted(L.TextVectorization(output_mode="tf_idf"), DOCS)(x),
        L.StringLookup(vocabulary=DOCS[:1], num_oov_indices=2, output_mode="one_hot")(x),
    ]
    model = keras.Model(x, L.Concatenate()([L.Rescaling(1.0)(part) for part in parts]))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(DOCS, verbose=0), model.predict(DOCS, verbose=0))


# ---------------------------------------------------------------- inside models

TEXTS = np.array(["good film really", "bad film", "very good", "awful bad thing"] * 12)
LABELS = np.array([1, 0, 1, 0] * 12)


@pytest.mark.parametrize("shape", [(1,), (), None])
@pytest.mark.parametrize("arguments", [{"output_sequence_length": 4}, {}, {"output_mode": "tf_idf"}])
def test_models_of_texts(shape, arguments):
    keras.utils.set_random_seed(1)
    first = adapted(L.TextVectorization(**arguments), TEXTS)
    start = [] if shape is None else [keras.Input(shape, dtype="string")]
    middle = [] if "output_mode" in arguments else [L.Embedding(20, 8), L.GlobalAveragePooling1D()]
    tail = keras.Sequential([*middle, L.Dense(1, activation="sigmoid")])
    model = keras.Sequential([*start, first, tail])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as that a step could not be traced
        history = model.fit(TEXTS, LABELS, epochs=8, batch_size=8, verbose=0, validation_split=0.25)
    assert history.history["val_accuracy"][-1] == 1
    assert model.evaluate(TEXTS, LABELS, verbose=0)[1] == 1
    assert model.output_shape == (None, 1) and model.input_shape == ((None, *shape) if shape is not None else (None,))
    expected = tail(first(TEXTS)).numpy()  # the layers by themselves
    for found in (
        model(TEXTS),
        model.predict(TEXTS, verbose=0, batch_size=len(TEXTS)),
        model.predict(list(TEXTS), verbose=0, batch_size=len(TEXTS)),
        model.predict_on_batch(TEXTS),
        model.predict(tahr.data.Dataset.from_tensor_slices(TEXTS).batch(len(TEXTS)), verbose=0),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    again = keras.models.clone_model(model)
    again.layers[0].set_vocabulary(
        first.get_vocabulary(), idf_weights=first._lookup_layer.idf_weights if "output_mode" in arguments else None
    )
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(TEXTS), expected, rtol=1e-5)


def test_functional_models_of_mixed_inputs():
    keras.utils.set_random_seed(1)
    text = keras.Input((1,), dtype="string", name="text")
    numbers = keras.Input((2,), name="numbers")
    kind = keras.Input((1,), dtype="int64", name="kind")
    vectorize = adapted(L.TextVectorization(output_sequence_length=4), TEXTS)
    layers = {
        "crossing": L.HashedCrossing(8, output_mode="one_hot"),
        "hashing": L.Hashing(5, output_mode="one_hot"),
        "lookup": L.IntegerLookup(vocabulary=[3, 5, 9], output_mode="one_hot"),
        "bins": L.Discretization(bin_boundaries=[0.0, 1.0], output_mode="multi_hot"),
        "encoding": L.CategoryEncoding(12, output_mode="multi_hot"),
    }
    words = L.Flatten()(L.Embedding(20, 3)(vectorize(text)))
    parts = [layers["crossing"]([text, kind]), layers["hashing"](kind), layers["lookup"](kind)]
    parts += [layers["bins"](numbers), layers["encoding"](kind), words, numbers]
    parts = [L.Rescaling(1.0)(part) for part in parts]
    model = keras.Model({"text": text, "numbers": numbers, "kind": kind}, L.Concatenate()(parts))
    data = {
        "text": TEXTS,
        "numbers": np.random.default_rng(0).normal(size=(48, 2)),
        "kind": np.arange(48)[:, None] % 11,
    }
    found = model.predict(data, verbose=0)
    expected = np.concatenate(
        [
            layers["crossing"]([TEXTS[:, None], data["kind"]]),
            layers["hashing"](data["kind"]),
            layers["lookup"](data["kind"]),
            layers["bins"](data["numbers"]),
            layers["encoding"](data["kind"]),
        ],
        axis=1,
    )
    np.testing.assert_array_equal(found[:, : expected.shape[1]], expected)
    np.testing.assert_allclose(model(data), found, rtol=1e-6)
    trained = keras.Model(model.inputs, L.Dense(1)(model.output))
    trained.compile("adam", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        order = [data[x.name] for x in trained.inputs]
        first = trained.fit(order, LABELS, epochs=3, verbose=0).history["loss"]
        batches = tahr.data.Dataset.from_tensor_slices((tuple(order), LABELS)).batch(16)
        second = trained.fit(batches, epochs=2, verbose=0).history["loss"]
    assert second[-1] < first[0]


def test_a_new_vocabulary_reaches_traced_steps():
    lookup = L.IntegerLookup(vocabulary=[1, 2])
    model = keras.Sequential([keras.Input((1,), dtype="int64"), L.Identity(), lookup])
    assert model.predict(np.array([[1], [7]]), verbose=0).tolist() == [[1], [0]]
    lookup.set_vocabulary([7, 1])
    assert model.predict(np.array([[1], [7]]), verbose=0).tolist() == [[2], [1]]


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: L.TextVectorization(ragged=True), "expected ragged=False, received True. Tensors are dense"),
        (lambda: L.TextVectorization(sparse=True), "expected sparse=False, received True. Tensors are dense"),
        (lambda: L.TextVectorization(standardize="upper"), "expected standardize to be a function or one of"),
        (lambda: L.TextVectorization(split="comma"), "expected split to be a function, 'whitespace'"),
        (lambda: L.TextVectorization(ngrams="2"), "expected ngrams to be None, an integer or a tuple"),
        (lambda: L.TextVectorization(output_mode="count", output_sequence_length=3), "must not be set if"),
        (lambda: L.TextVectorization()(["a"]), "expected a vocabulary before the first call, found none"),
        (lambda: L.TextVectorization(vocabulary=["a"])(tahr.constant([1])), "Strings are not tensors"),
        (lambda: L.TextVectorization(vocabulary=["a"])([["a", "b"]]), r"received shape \(1, 2\). Use split=None"),
        (lambda: L.TextVectorization(vocabulary=["a"]).adapt(["b"]), "without a given vocabulary in adapt"),
        (lambda: L.StringLookup(vocabulary=["a", "a"]), "received a vocabulary with repeated terms: .'a'."),
        (lambda: L.StringLookup(vocabulary=[]), "received an empty vocabulary"),
        (lambda: L.StringLookup(vocabulary="no/such/file"), "which does not exist"),
        (lambda: L.StringLookup(vocabulary=["a", "b"], max_tokens=2), "expected at most max_tokens=2 entries"),
        (lambda: L.StringLookup(vocabulary=["a", ""], mask_token=""), "reserved mask token ''"),
        (
            lambda: L.StringLookup(vocabulary=["a"], num_oov_indices=0)(["q"]),
            r"because num_oov_indices=0, received \['q'\]",
        ),
        (lambda: L.StringLookup(vocabulary=["a"], output_mode="tf_idf"), "expected idf_weights beside the vocabulary"),
        (lambda: L.StringLookup(vocabulary=["a"])([["a"], ["a", "b"]]), "expected rows of equal length"),
        (lambda: L.StringLookup(vocabulary=["a"])([1, 2]), "expected strings, received values of dtype int64"),
        (lambda: L.StringLookup(vocabulary=["a"])(np.array(["a", None])), "received None of type NoneType"),
        (
            lambda: L.StringLookup(invert=True, output_mode="count"),
            "expected output_mode='int' together with invert=True",
        ),
        (lambda: L.IntegerLookup(max_tokens=1), "expected max_tokens to be None or more than 1"),
        (lambda: L.IntegerLookup(vocabulary=[1], num_oov_indices=0)([3]), r"because num_oov_indices=0, received \[3\]"),
        (lambda: L.IntegerLookup(salt=3), "expected oov_method='farmhash' together with salt"),
        (lambda: L.Hashing(0), "`num_bins` cannot be"),
        (lambda: L.Hashing(3, dtype="float32"), "should be an integer type"),
        (lambda: L.HashedCrossing(3)(np.array(["a"])), "expected a list of at least two inputs"),
        (lambda: L.HashedCrossing(3)((np.array(["a"]), np.array([1.5]))), "expected strings or integers"),
        (lambda: L.CategoryEncoding(), "num_tokens must be set"),
        (
            lambda: L.CategoryEncoding(3)([[1]], count_weights=[[1.0]]),
            "expected count_weights with output_mode='count'",
        ),
        (lambda: L.Discretization(), "expected either `num_bins` or"),
        (lambda: L.Discretization(num_bins=3)([1.0]), "expected boundaries before the first call"),
        (lambda: L.Discretization(bin_boundaries=[1.0]).adapt(np.ones(3)), "expected a layer with num_bins in adapt"),
    ],
)
def test_errors(make, message):
    with pytest.raises((ValueError, TypeError, RuntimeError), match=message) as raised:
        make()
    assert str(raised.value).startswith("[")


def test_text_that_reaches_a_layer_of_numbers():
    x = keras.Input((1,), dtype="string")
    y = L.Identity()(x)
    lookup = L.StringLookup(vocabulary=["a"])
    with pytest.raises(ValueError, match="of dtype 'string' to go to layers that read text"):
        keras.Model(x, [lookup(x), y])


@pytest.mark.parametrize("mode", ["multi_hot", "count"])
def test_discretization_of_rank_3_encodes_the_axis_after_the_batch(mode):
    x = np.random.default_rng(0).uniform(-1, 2, (2, 5, 4)).astype("float32")
    layer = L.Discretization(bin_boundaries=[0.0, 1.0], output_mode=mode)
    hot = np.eye(3)[np.digitize(x, [0.0, 1.0])]
    expected = hot.max(axis=1) if mode == "multi_hot" else hot.sum(axis=1)
    np.testing.assert_array_equal(layer(x).numpy(), expected)
    assert layer.compute_output_shape((None, 5, 4)) == (None, 4, 3)
