"""Transfer learning: a new classifier on EfficientNetV2B0, first alone, then together with the backbone's last blocks.

The backbone reads pictures of clothes (Fashion-MNIST, three grey channels alike). With `--weights imagenet` it begins with
what Keras publishes, with `--weights FILE` with a file of weights. Without either, half of the data stands in for the large
data set: the backbone learns five classes of clothes, and is then put to the other five, of which few examples are known.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from tahr import keras

SIDE = 32
NEW_CLASSES = (2, 4, 6, 7, 9)  # pullover, coat, shirt, sneaker, ankle boot


def pictures(grey: np.ndarray) -> np.ndarray:
    """28 x 28 grey places in [0, 255] as 32 x 32 x 3 pictures in [0, 255], as EfficientNet V2 takes them."""
    framed = np.pad(grey, ((0, 0), (2, 2), (2, 2)))[..., np.newaxis]
    return keras.applications.efficientnet_v2.preprocess_input(np.repeat(framed, 3, axis=-1).astype("float32"))


def backbone(weights: str | None) -> keras.Model:
    return keras.applications.EfficientNetV2B0(
        input_shape=(SIDE, SIDE, 3), include_top=False, weights=weights, pooling="avg"
    )


def classifier(base: keras.Model, classes: int) -> keras.Model:
    """`base` and a dense layer. `training=False` keeps the backbone's normalisation as it is, frozen or not."""
    inputs = keras.Input((SIDE, SIDE, 3))
    x = base(inputs, training=False)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))


def fit(model: keras.Model, data: Any, epochs: int, rate: float) -> float:
    """Trains, and returns the accuracy on the test pictures."""
    (x, y), test = data
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=2)
    return model.evaluate(*test, batch_size=250, verbose=0)[1]


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", help="'imagenet', or a file of weights of EfficientNetV2B0 without its classifier")
    parser.add_argument("--epochs", type=int, default=3, help="of each part")
    parser.add_argument("--samples", type=int, default=3000, help="pictures of the first five classes")
    parser.add_argument("--examples", type=int, default=600, help="pictures of the new five classes")
    parser.add_argument("--output", help="directory for the trained model")
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(3)
    (x, y), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    new, new_test = np.isin(y, NEW_CLASSES), np.isin(y_test, NEW_CLASSES)

    base = backbone(options.weights)
    if options.weights is None:
        old_x, old_y = pictures(x[~new][: options.samples]), y[~new][: options.samples]
        first = keras.Sequential([base, keras.layers.Dense(10, activation="softmax")])
        first.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
        first.fit(old_x, old_y, batch_size=64, epochs=options.epochs, verbose=2)

    def relabel(labels: np.ndarray) -> np.ndarray:
        return np.searchsorted(NEW_CLASSES, labels)

    train = pictures(x[new][: options.examples]), relabel(y[new][: options.examples])
    data = train, (pictures(x_test[new_test]), relabel(y_test[new_test]))
    found = {}

    base.trainable = False
    model = classifier(base, len(NEW_CLASSES))
    found["new classifier"] = fit(model, data, options.epochs, 3e-3)

    base.trainable = True
    for layer in base.layers[: -len(base.layers) // 3]:
        layer.trainable = False
    found["fine-tuned"] = fit(model, data, options.epochs, 3e-4)

    if options.output:
        model.save(f"{options.output}/transfer_learning.keras")
    for name, accuracy in found.items():
        print(f"{name}: test accuracy {accuracy:.3f}")
    return found


if __name__ == "__main__":
    main()
