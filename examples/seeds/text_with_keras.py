"""Texts as numbers, word embeddings, a recurrent network on film reviews, saving and loading.

The Tokenizer numbers words, `pad_sequences` makes rows of one length, Embedding gives each number a vector, and a
SimpleRNN reads them: it learns to tell good film reviews from bad ones.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import common
import numpy as np
from tahr import keras
from tahr.keras.layers import Dense, Embedding, SimpleRNN
from tahr.keras.models import Sequential, load_model
from tahr.keras.preprocessing.sequence import pad_sequences
from tahr.keras.preprocessing.text import Tokenizer


def preprocessing() -> tuple[list[int], dict[str, int], np.ndarray]:
    """Words to numbers; rows of one length."""
    tokenizer = Tokenizer()
    train_text = "The earth is an awesome place live"
    tokenizer.fit_on_texts([train_text])
    sub_text = "The earth is an great place live"
    sequences = tokenizer.texts_to_sequences([sub_text])[0]
    print("numbers of the words:", sequences)
    print("vocabulary:", tokenizer.word_index)

    padded = pad_sequences([[1, 2, 3], [3, 4, 5, 6], [7, 8]], maxlen=3, padding="pre")
    print(repr(padded))
    return sequences, tokenizer.word_index, padded


def embedding() -> tuple[int, ...]:
    """A vector for each word of two sentences."""
    tokenized_text = [["Hope", "to", "see", "you", "soon"], ["Nice", "to", "see", "you", "again"]]
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(tokenized_text)
    encoded_text = np.array(tokenizer.texts_to_sequences(tokenized_text)) - 1
    vocab_size = len(tokenizer.word_index)
    embedding_dim = 2
    model = Sequential()
    model.add(Embedding(vocab_size, embedding_dim, input_length=5))
    vectors = model.predict(encoded_text, verbose=0)
    print(f"{vocab_size} words; two sentences of 5 words become {vectors.shape}")
    return vectors.shape


def small_models() -> keras.Sequential:
    """One layer, then two; the table of the second."""
    model = Sequential()
    model.add(Dense(1, input_dim=3, activation="relu"))

    model = Sequential()
    model.add(Dense(8, input_dim=4, activation="relu"))
    model.add(Dense(1, activation="sigmoid"))
    model.summary()
    return model


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    given = common.options(__doc__, arguments)
    keras.utils.set_random_seed(2)
    sequences, word_index, padded = preprocessing()
    vectors = embedding()
    parameters = small_models().count_params()

    vocab_size = 500
    embedding_dim = 32
    hidden_units = 32
    (X_train, y_train), (X_test, y_test) = keras.datasets.imdb.load_data(num_words=vocab_size)
    X_train, y_train = X_train[: given.samples], y_train[: given.samples]
    X_train, X_test = (pad_sequences(x, maxlen=100) for x in (X_train, X_test))

    model = Sequential()
    model.add(Embedding(vocab_size, embedding_dim))
    model.add(SimpleRNN(hidden_units))
    model.add(Dense(1, activation="sigmoid"))
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["acc"])
    history = model.fit(
        X_train, y_train, epochs=common.at_most(10, given.epochs), batch_size=32, verbose=2, validation_split=0.2
    )
    common.curves(history.history, ["acc", "val_acc"], os.path.join(given.output, "seeds_text.png"), "acc")
    loss, accuracy = model.evaluate(X_test, y_test, batch_size=32, verbose=0)
    print(f"test accuracy {accuracy:.4f}, loss {loss:.4f}")
    before = model.predict(X_test[:8], batch_size=32, verbose=0)

    path = os.path.join(given.output, "model_name.h5")
    model.save(path)
    model = load_model(path)
    after = model.predict(X_test[:8], batch_size=32, verbose=0)
    print("the same predictions after loading:", np.array_equal(before, after))
    return {
        "sequences": sequences,
        "word_index": word_index,
        "padded": padded,
        "vectors": vectors,
        "parameters": parameters,
        "accuracy": accuracy,
        "same": np.array_equal(before, after),
    }


if __name__ == "__main__":
    main()
