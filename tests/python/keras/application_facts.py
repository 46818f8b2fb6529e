"""Facts of keras.applications: what real Keras builds. As a program it writes them, with Keras: `application_facts.py FILE`.

A fact is the number of parameters and a digest of the model's name, output shape, layers and weights, in their order; once
with the classifier, once without, for pictures of 96 x 96 and an average at the end.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

FEATURES = {"include_top": False, "input_shape": (96, 96, 3), "pooling": "avg"}


def facts(model: Any) -> list[Any]:
    """[parameters, digest]."""
    weights = [[w.path.split("/")[-2], w.name, list(w.shape)] for w in model.weights]
    what = [model.name, list(model.output_shape), [layer.name for layer in model.layers], weights]
    return [model.count_params(), hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]]


def start_with_zeros(initializers: list[Any], zeros: Any) -> None:
    """Makes initializers cheap: only shapes count here."""
    for cls in initializers:
        cls.__call__ = lambda self, shape, dtype=None, **kwargs: zeros(tuple(shape), dtype or "float32")


def main(path: str) -> None:
    import keras
    import numpy as np

    kinds = (keras.initializers.VarianceScaling, keras.initializers.HeNormal, keras.initializers.GlorotUniform)
    start_with_zeros([cls for kind in kinds for cls in kind.__mro__ if "__call__" in vars(cls)], np.zeros)
    found = {}
    for name in sorted(n for n in dir(keras.applications) if n[0].isupper()):
        build = getattr(keras.applications, name)
        found[name] = []
        for arguments in ({}, FEATURES):
            keras.backend.clear_session()
            found[name] += facts(build(weights=None, **arguments))
    with open(path, "w", encoding="utf-8") as file:
        rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in found.items())
        file.write("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
