"""keras.preprocessing.text and .sequence beside the functions that Keras 3 keeps for old scripts."""

import json
import os

import numpy as np
import pytest
from tahr.keras.preprocessing import sequence, text

os.environ.setdefault("KERAS_BACKEND", "numpy")
real_text = pytest.importorskip("keras.src.legacy.preprocessing.text")
real_sequence = pytest.importorskip("keras.src.legacy.preprocessing.sequence")

TEXTS = ["The cat sat on the mat.", "The dog (a good dog) sat,\tand sat; then it left!", "", "먹고 싶다 먹고 싶다 정말"]
NEW = ["A cat and the zebra", "싶다 dog", ""]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_words": 5},
        {"oov_token": "<OOV>"},
        {"num_words": 4, "oov_token": "<OOV>"},
        {"char_level": True},
        {"lower": False, "filters": ".,", "split": " "},
        {"split": "|", "filters": " "},
        {"analyzer": lambda t: [w[::-1] for w in t.split()]},
    ],
)
def test_tokenizer(options):
    ours, theirs = text.Tokenizer(**options), real_text.Tokenizer(**options)
    for tokenizer in (ours, theirs):
        tokenizer.fit_on_texts(TEXTS[:2])
        tokenizer.fit_on_texts(TEXTS[2:])
    assert ours.word_index == theirs.word_index and ours.index_word == theirs.index_word
    assert ours.word_counts == theirs.word_counts and ours.word_docs == theirs.word_docs
    assert ours.index_docs == theirs.index_docs and ours.document_count == theirs.document_count
    sequences = ours.texts_to_sequences(NEW + TEXTS)
    assert sequences == theirs.texts_to_sequences(NEW + TEXTS)
    assert ours.sequences_to_texts([*sequences, [99]]) == theirs.sequences_to_texts([*sequences, [99]])
    for mode in ("binary", "count", "freq", "tfidf"):
        np.testing.assert_allclose(ours.texts_to_matrix(NEW, mode), theirs.texts_to_matrix(NEW, mode), rtol=1e-12)
    if "analyzer" not in options:
        copy = text.tokenizer_from_json(theirs.to_json())
        back = real_text.tokenizer_from_json(ours.to_json())
        assert values(copy) == values(ours) == values(back)
        assert copy.texts_to_sequences(NEW) == ours.texts_to_sequences(NEW)


def values(tokenizer):
    """The config, counts as dicts: their order in the JSON is arbitrary."""
    return {k: json.loads(v) if "_" in k and str(v).startswith("{") else v for k, v in tokenizer.get_config().items()}


def test_tokenizer_of_lists_and_sequences():
    ours, theirs = text.Tokenizer(), real_text.Tokenizer()
    for tokenizer in (ours, theirs):
        tokenizer.fit_on_texts([["New", "york"], ["new"]])
        tokenizer.fit_on_sequences([[1, 2, 2], [2]])
    assert ours.word_index == theirs.word_index and ours.index_docs == theirs.index_docs


def test_tokenizer_mistakes():
    with pytest.raises(ValueError, match=r"\[Tokenizer\] expected num_words, or fit_on_texts"):
        text.Tokenizer().texts_to_matrix(["a"])
    with pytest.raises(ValueError, match="expected mode 'binary'.*received 'onehot'"):
        text.Tokenizer(num_words=3).texts_to_matrix(["a"], mode="onehot")
    with pytest.raises(ValueError, match="before mode 'tfidf'"):
        text.Tokenizer(num_words=3).sequences_to_matrix([[1]], mode="tfidf")
    with pytest.raises(TypeError, match=r"received \['words'\]"):
        text.Tokenizer(words=3)
    with pytest.raises(ValueError, match="tokenizer_from_json"):
        text.tokenizer_from_json('{"config": {}}')


def test_hashing():
    assert text.hashing_trick(TEXTS[1], 40, "md5") == real_text.hashing_trick(TEXTS[1], 40, "md5")
    assert text.one_hot(TEXTS[1], 40) == real_text.one_hot(TEXTS[1], 40)
    assert text.text_to_word_sequence(TEXTS[1]) == real_text.text_to_word_sequence(TEXTS[1])
    assert text.hashing_trick("ab", 9, hash_function=ord, analyzer=list) == [ord("a") % 8 + 1, ord("b") % 8 + 1]


@pytest.mark.parametrize(
    "options",
    [{"length": 3}, {"length": 4, "sampling_rate": 2, "stride": 3, "batch_size": 2}, {"length": 2, "reverse": True}]
    + [{"length": 2, "start_index": 3, "end_index": 9, "batch_size": 3}],
)
def test_timeseries_generator(options):
    data, targets = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20)
    ours = sequence.TimeseriesGenerator(data, targets, **options)
    theirs = real_sequence.TimeseriesGenerator(data, targets, **options)
    assert len(ours) == len(theirs)
    for i in range(len(ours)):
        for a, b in zip(ours[i], theirs[i]):
            np.testing.assert_array_equal(a, b)


def test_timeseries_generator_shuffles_and_refuses():
    ours = sequence.TimeseriesGenerator(np.arange(50), np.arange(50), 2, shuffle=True, batch_size=8)
    x, y = ours[0]
    np.testing.assert_array_equal(x[:, -1] + 1, y)
    with pytest.raises(ValueError, match="same length, received 3 and 2"):
        sequence.TimeseriesGenerator(np.arange(3), np.arange(2), 1)
    with pytest.raises(ValueError, match="no window fits"):
        sequence.TimeseriesGenerator(np.arange(3), np.arange(3), 3)
    assert '"length": 2' in sequence.TimeseriesGenerator([1, 2, 3], [1, 2, 3], 2).to_json()
    with pytest.raises(TypeError, match="expected data that JSON can hold"):
        sequence.TimeseriesGenerator([object()] * 3, [1, 2, 3], 2).to_json()


def test_skipgrams():
    words = [3, 0, 5, 2, 3]
    pairs, labels = sequence.skipgrams(words, 6, window_size=2, negative_samples=0, shuffle=False)
    assert (pairs, labels) == real_sequence.skipgrams(words, 6, window_size=2, negative_samples=0, shuffle=False)
    pairs, labels = sequence.skipgrams(words, 6, window_size=2, negative_samples=1.5, seed=3, categorical=True)
    near = [p for p, l in zip(pairs, labels) if l == [0, 1]]
    assert len(pairs) == len(labels) == int(2.5 * len(near)) and all(1 <= b < 6 for _, b in pairs)
    table = sequence.make_sampling_table(50)
    np.testing.assert_allclose(table, real_sequence.make_sampling_table(50), rtol=1e-12)
    assert sequence.skipgrams([7] * 9, 10, sampling_table=np.zeros(10)) == ([], [])
