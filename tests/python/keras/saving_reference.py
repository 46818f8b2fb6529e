"""Runs in a process of its own with real Keras: `python saving_reference.py FOLDER`.

Opens what this package left in FOLDER/ours and says in FOLDER/real.npz what it predicts and how training goes on; leaves
files of its own in FOLDER/real.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from saving_cases import CASES, _custom, flat, inputs_of, losses_of, make  # noqa: E402


def results(model, name):
    out = flat(model.predict_on_batch(inputs_of(name)))
    return {"out": out, "losses": losses_of(model, name) if CASES[name][2] else []}


def main(folder):
    found, errors = {}, {}

    def note(key, result):
        found[f"{key}/losses"] = np.array(result["losses"])
        for i, a in enumerate(result["out"]):
            found[f"{key}/out/{i}"] = a

    for name in CASES:
        keras.utils.set_random_seed(1)
        try:
            model = make(keras, name)
            losses_of(model, name, 2)
            for ending in ("keras", "h5", "weights.h5"):
                path = f"{folder}/real/{name}.{ending}"
                try:
                    model.save_weights(path) if ending == "weights.h5" else model.save(path)
                except ValueError:
                    errors[f"saved/{name}.{ending}"] = traceback.format_exc()
            note(f"made/{name}", results(model, name))
        except Exception:
            errors[f"made/{name}"] = traceback.format_exc()
        for ending in ("keras", "h5", "weights.h5"):
            key, path = f"opened/{name}.{ending}", f"{folder}/ours/{name}.{ending}"
            try:
                if ending == "weights.h5":
                    model = make(keras, name)
                    model.load_weights(path)
                else:
                    model = keras.saving.load_model(path)
                for i, w in enumerate(model.get_weights()):
                    found[f"{key}/weights/{i}"] = np.asarray(w, "float32")
                if ending == "keras":
                    note(key, results(model, name))
            except Exception:
                errors[key] = traceback.format_exc()
    np.savez(f"{folder}/real.npz", **found)
    with open(f"{folder}/errors.json", "w") as file:
        json.dump(errors, file)


if __name__ == "__main__":
    assert _custom
    main(sys.argv[1])
