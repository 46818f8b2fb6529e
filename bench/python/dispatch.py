"""What one eager op costs from Python: the sum of two tensors of four elements, beside NumPy, PyTorch and JAX.

Usage: python bench/python/dispatch.py

Each figure is the minimum over repetitions of the time per call, in microseconds; the repetitions take turns.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

CALLS, REPEATS = 20_000, 15


def contestants() -> dict[str, Callable[[], Any]]:
    import numpy as np
    import tahr

    found: dict[str, Callable[[], Any]] = {}
    a = np.ones(4, "float32")
    t, n = tahr.constant(a), a.copy()
    found["tahr a + b"] = lambda: t + t
    found["tahr ops.add(a, b)"] = lambda: tahr.ops.add(t, t)
    found["tahr a + 1.0"] = lambda: t + 1.0
    found["numpy a + b"] = lambda: n + n
    try:
        import torch

        p = torch.from_numpy(a.copy())
        found["torch a + b"] = lambda: p + p
    except ImportError:
        pass
    try:
        import jax

        j = jax.numpy.asarray(a)
        found["jax a + b"] = lambda: j + j
    except ImportError:
        pass
    return found


def main() -> None:
    found = contestants()
    best = dict.fromkeys(found, float("inf"))
    empty = min(timeit.repeat(lambda: None, number=CALLS, repeat=REPEATS)) / CALLS
    for _ in range(REPEATS):
        for name, f in found.items():
            best[name] = min(best[name], timeit.timeit(f, number=CALLS) / CALLS - empty)
    print(f"{'call':<22}{'us':>8}")
    for name, seconds in best.items():
        print(f"{name:<22}{seconds * 1e6:>8.2f}")


if __name__ == "__main__":
    main()
