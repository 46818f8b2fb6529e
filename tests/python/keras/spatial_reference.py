"""What real Keras makes of the cases of spatial_cases.py: run as a program, with the file to write.

The backend is that of KERAS_BACKEND: PyTorch, except for means over padded windows, which Keras's PyTorch backend gives
other values than its others; JAX takes those. For case i: `i/config` (JSON), `i/shape` (its output shape for the
input's), `i/x`, `i/w0`..., `i/y`, `i/c` (a cotangent) and the gradients `i/dx`, `i/g0`... of sum(y * c).
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

import keras
import numpy as np
from spatial_cases import CASES, Case

BACKEND = os.environ["KERAS_BACKEND"]


def is_here(case: Case) -> bool:
    padded_mean = case[0].startswith("AveragePooling") and case[1].get("padding") == "same"
    return padded_mean == (BACKEND == "jax")


def run_torch(layer: Any, x: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any, list[Any]]:
    import torch

    source = torch.tensor(x, requires_grad=True)
    y = layer(source)
    c = rng.uniform(-1, 1, tuple(y.shape)).astype("float32")
    total = (y * torch.tensor(c)).sum()
    grads = torch.autograd.grad(total, [source, *(w.value for w in layer.trainable_weights)])
    return y.detach().numpy(), c, [g.numpy() for g in grads]


def run_jax(layer: Any, x: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any, list[Any]]:
    import jax

    y, vjp = jax.vjp(layer, x)
    c = rng.uniform(-1, 1, y.shape).astype("float32")
    return np.asarray(y), c, [np.asarray(g) for g in vjp(c)]


def main(path: str) -> None:
    warnings.simplefilter("ignore")
    found: dict[str, np.ndarray] = {}
    for i, case in enumerate(CASES):
        if not is_here(case):
            continue
        name, arguments, shape = case
        rng = np.random.default_rng(i)
        layer = getattr(keras.layers, name)(**arguments)
        layer.build(shape)
        layer.set_weights([rng.uniform(-1, 1, w.shape).astype("float32") for w in layer.weights])
        x = rng.permutation(int(np.prod(shape))).reshape(shape).astype("float32")  # no ties for maxima
        x = x / np.float32(x.size) - np.float32(0.5)
        y, c, grads = (run_jax if BACKEND == "jax" else run_torch)(layer, x, rng)
        found[f"{i}/config"] = np.array(json.dumps(layer.get_config()))
        found[f"{i}/shape"] = np.array(layer.compute_output_shape(shape))
        found[f"{i}/names"] = np.array(json.dumps([w.path.split("/")[-1] for w in layer.weights]))
        arrays = {"x": x, "y": y, "c": c, "dx": grads[0]}
        arrays |= {f"w{j}": w for j, w in enumerate(layer.get_weights())}
        arrays |= {f"g{j}": g for j, g in enumerate(grads[1:])}
        found |= {f"{i}/{k}": v for k, v in arrays.items()}
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
