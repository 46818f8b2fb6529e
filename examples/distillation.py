"""A small network learns Fashion-MNIST from 1,000 pictures and from a larger network that has seen all 60,000.

Both students, of 64 units each, start alike and see the same 1,000 pictures. One learns their labels; the other also how
likely the teacher finds each of the ten classes, which says more about a picture than its label does.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from tahr import keras


def network(*units: int, dropout: float = 0.0) -> keras.Sequential:
    """784 pixels, hidden layers of these sizes, 10 logits."""
    model = keras.Sequential([keras.Input((784,))])
    for size in units:
        model.add(keras.layers.Dense(size, activation="relu"))
        if dropout:
            model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(10))
    return model


def cross_entropy() -> keras.losses.Loss:
    """The loss on labels."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=8, help="of the teacher")
    parser.add_argument("--student-epochs", type=int, default=60)
    parser.add_argument("--samples", type=int, default=1000, help="pictures that the students see")
    parser.add_argument("--temperature", type=float, default=4.0)
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(11)
    (x, y), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    x, y = (x.reshape(-1, 784) / 255.0).astype("float32"), y.astype("int32")
    x_few, y_few = x[: options.samples], y[: options.samples]
    x_test = (x_test.reshape(-1, 784) / 255.0).astype("float32")

    def accuracy(model: keras.Model) -> float:
        return float((model.predict(x_test, batch_size=500, verbose=0).argmax(axis=1) == y_test).mean())

    teacher = network(256, 128, dropout=0.2)
    teacher.compile("adam", cross_entropy())
    teacher.fit(x, y, batch_size=128, epochs=options.epochs, verbose=0)

    alone = network(64)
    start = alone.get_weights()
    alone.compile("adam", cross_entropy())
    alone.fit(x_few, y_few, batch_size=32, epochs=options.student_epochs, verbose=0)

    student = network(64)
    student.set_weights(start)
    soft = keras.distillation.LogitsDistillation(options.temperature, loss=keras.losses.KLDivergence())
    distiller = keras.distillation.Distiller(teacher, student, soft, student_loss_weight=0.1)
    distiller.compile("adam", cross_entropy())
    history = distiller.fit(x_few, y_few, batch_size=32, epochs=options.student_epochs, verbose=0).history

    result = {"teacher": accuracy(teacher), "alone": accuracy(alone), "distilled": accuracy(student)}
    for name, value in result.items():
        print(f"{name:10} {100 * value:.1f} %")
    result["divergence_first"], result["divergence_last"] = np.array(history["distillation_loss"])[[0, -1]].tolist()
    return result


if __name__ == "__main__":
    main()
