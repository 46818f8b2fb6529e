"""What real Keras on PyTorch makes of the cases of mixing_cases.py: run as a program, with the file to write.

For case i: `i/config` (JSON), `i/names` of the weights, `i/losses`, `i/x0`..., `i/w0`... (all weights before), `i/y0`...,
`i/c0`... (cotangents), the gradients `i/dx0`..., `i/g0`... (trainable weights) of sum(y * c), and the weights after
further training calls, `i/after0`...
"""

from __future__ import annotations

import json
import os
import sys
import warnings

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from mixing_cases import CASES  # noqa: E402


def main(path: str) -> None:
    warnings.simplefilter("ignore")
    found: dict[str, np.ndarray] = {}
    for i, case in enumerate(CASES):
        rng = np.random.default_rng(i)
        layer = getattr(keras.layers, case.name)(**case.arguments)
        if case.as_list:
            layer.build(list(case.shapes))
        else:
            layer.build(*case.shapes)
        layer.set_weights(
            [rng.uniform(-0.6 if len(w.shape) > 1 else 0.2, 0.8, w.shape).astype("float32") for w in layer.weights]
        )
        found |= {f"{i}/w{j}": w for j, w in enumerate(layer.get_weights())}
        arrays = [rng.normal(0.5, 1, s).astype("float32") for s in case.shapes]
        inputs = [torch.tensor(x, requires_grad=True) for x in arrays]

        def run(inputs=inputs, layer=layer, case=case):
            y = layer(inputs, **case.call) if case.as_list else layer(*inputs, **case.call)
            return y if isinstance(y, tuple) else (y,)

        ys = run()
        cs = [rng.uniform(-1, 1, tuple(y.shape)).astype("float32") for y in ys]
        losses = [float(v) for v in layer.losses]
        total = sum((y * torch.tensor(c)).sum() for y, c in zip(ys, cs))
        wanted = [*inputs, *(w.value for w in layer.trainable_weights)]
        grads = torch.autograd.grad(total, wanted, allow_unused=True)
        grads = [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, grads)]
        for _ in range(case.steps):
            run()
        found[f"{i}/config"] = np.array(json.dumps(layer.get_config()))
        found[f"{i}/names"] = np.array(json.dumps([w.path.split("/", 1)[1] for w in layer.weights]))
        found[f"{i}/losses"] = np.array(losses)
        found |= {f"{i}/x{j}": x for j, x in enumerate(arrays)}
        found |= {f"{i}/y{j}": y.detach().numpy() for j, y in enumerate(ys)}
        found |= {f"{i}/c{j}": c for j, c in enumerate(cs)}
        found |= {f"{i}/dx{j}": g.numpy() for j, g in enumerate(grads[: len(inputs)])}
        found |= {f"{i}/g{j}": g.numpy() for j, g in enumerate(grads[len(inputs) :])}
        found |= {f"{i}/after{j}": w for j, w in enumerate(layer.get_weights())}
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
