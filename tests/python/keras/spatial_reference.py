"""What real Keras on JAX makes of the cases of spatial_cases.py: run as a program, with the file to write.

For case i: `i/config` (JSON), `i/shape` (its output shape for the
input's), `i/x`, `i/w0`..., `i/y`, `i/c` (a cotangent) and the gradients `i/dx`, `i/g0`... of sum(y * c).
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
from jax_calls import differentiate, keras
from spatial_cases import CASES


def main(path: str) -> None:
    warnings.simplefilter("ignore")
    found: dict[str, np.ndarray] = {}
    for i, (name, arguments, shape) in enumerate(CASES):
        rng = np.random.default_rng(i)
        layer = getattr(keras.layers, name)(**arguments)
        layer.build(shape)
        layer.set_weights([rng.uniform(-1, 1, w.shape).astype("float32") for w in layer.weights])
        x = rng.permutation(int(np.prod(shape))).reshape(shape).astype("float32")  # no ties for maxima
        x = x / np.float32(x.size) - np.float32(0.5)
        cs: list[np.ndarray] = []

        def cotangent(j, shape, rng=rng, cs=cs):
            cs.append(rng.uniform(-1, 1, shape).astype("float32"))
            return cs[-1]

        first = differentiate(layer, [x], cotangent)
        found[f"{i}/config"] = np.array(json.dumps(layer.get_config()))
        found[f"{i}/shape"] = np.array(layer.compute_output_shape(shape))
        found[f"{i}/names"] = np.array(json.dumps([w.path.split("/")[-1] for w in layer.weights]))
        arrays = {"x": x, "y": first.outputs[0], "c": cs[0], "dx": first.inputs[0]}
        arrays |= {f"w{j}": w for j, w in enumerate(layer.get_weights())}
        arrays |= {f"g{j}": g for j, g in enumerate(first.weights)}
        found |= {f"{i}/{k}": v for k, v in arrays.items()}
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
