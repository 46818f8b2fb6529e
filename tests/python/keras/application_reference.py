"""Small models of keras.applications in real Keras: run as a program, with a directory to write.

For each case NAME.npz holds pictures `x` and what the model makes of them, `y`; NAME.weights.h5 and NAME.h5 (as Keras 2
wrote weights, and as the published files are) its random weights.
"""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

import h5py  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from application_cases import CASES  # noqa: E402
from keras.src.legacy.saving import legacy_h5_format  # noqa: E402


def main(directory: str) -> None:
    for name, arguments in CASES.items():
        rng = np.random.default_rng(0)
        model = getattr(keras.applications, name)(weights=None, classifier_activation=None, **arguments)
        for w in model.weights:
            if w.shape:
                w.assign(draw(rng, w.name, w.shape))
        x = rng.uniform(0, 255, (2, *arguments["input_shape"])).astype("float32")
        y = model.predict(x, verbose=0)
        stem = os.path.join(directory, name)
        np.savez(f"{stem}.npz", x=x, y=y)
        model.save_weights(f"{stem}.weights.h5")
        with h5py.File(f"{stem}.h5", "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)


def draw(rng, name, shape):
    """Weights that keep activations in range."""
    if "variance" in name or name == "gamma":
        return rng.uniform(0.7, 1.3, shape)
    if len(shape) == 1:
        return rng.normal(0, 0.1, shape)
    return rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape)


if __name__ == "__main__":
    main(sys.argv[1])
