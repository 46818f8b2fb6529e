"""What real Keras on JAX makes of the cases of mixing_cases.py: run as a program, with the file to write.

For case i: `i/config` (JSON), `i/names` of the weights, `i/losses`, `i/x0`..., `i/w0`... (all weights before), `i/y0`...,
`i/c0`... (cotangents), the gradients `i/dx0`..., `i/g0`... (trainable weights) of sum(y * c), and the weights after
further training calls, `i/after0`...
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
from jax_calls import differentiate, keras
from mixing_cases import CASES


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
        call = dict(case.call)
        if case.arguments.get("value_dim"):  # fused attention on JAX wants values as wide as keys; not so with scores
            call["return_attention_scores"] = True
        cs: list[np.ndarray] = []

        def cotangent(j, shape, rng=rng, cs=cs, wanted=case.call == call):
            if j and not wanted:
                return np.zeros(shape, "float32")
            cs.append(rng.uniform(-1, 1, shape).astype("float32"))
            return cs[-1]

        first = differentiate(layer, arrays, cotangent, case.as_list, **call)
        for step in range(1 + case.steps):
            layer(arrays, **call) if case.as_list else layer(*arrays, **call)
            if step == 0:
                found[f"{i}/losses"] = np.array([float(v) for v in layer.losses])
        found[f"{i}/config"] = np.array(json.dumps(layer.get_config()))
        found[f"{i}/names"] = np.array(json.dumps([w.path.split("/", 1)[1] for w in layer.weights]))
        found |= {f"{i}/x{j}": x for j, x in enumerate(arrays)}
        found |= {f"{i}/y{j}": y for j, y in enumerate(first.outputs[: len(cs)])}
        found |= {f"{i}/c{j}": c for j, c in enumerate(cs)}
        found |= {f"{i}/dx{j}": g for j, g in enumerate(first.inputs)}
        found |= {f"{i}/g{j}": g for j, g in enumerate(first.weights)}
        found |= {f"{i}/after{j}": w for j, w in enumerate(layer.get_weights())}
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
